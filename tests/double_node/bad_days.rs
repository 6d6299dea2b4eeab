//! What clients do on bad days: garbage, announcements that are never kept, readers that never read, thousands of connections. The node answers as Redis does, and
//! takes no memory that nobody has sent it.
//!
//! Memory is the whole process's, so these tests run one at a time, and what they allow is far above what other tests take meanwhile and far below what a fault would
//! take.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use labrunner::double::{Clock, Node, NodeBuilder};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::real::{Real, is_here};

const MEGABYTE: u64 = 1024 * 1024;
/// What a node may take on a bad day.
const ALLOWED: u64 = 300 * MEGABYTE;
/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(20);

/// A day: no other one is at the same time, and memory is looked at in the end.
struct Day {
    before: u64,
    _alone: MutexGuard<'static, ()>,
}

impl Day {
    fn begin() -> Day {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        Day {
            before: memory(),
            _alone: alone,
        }
    }

    /// What the process has taken since then is within bounds.
    fn is_modest(&self) {
        let taken = memory().saturating_sub(self.before);
        assert!(taken < ALLOWED, "{} MB were taken", taken / MEGABYTE);
    }
}

/// The memory that this process has, in bytes.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kilobytes = line.split_ascii_whitespace().nth(1).unwrap();
    kilobytes.parse::<u64>().unwrap() * 1024
}

fn start(builder: NodeBuilder) -> Node {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(builder.start()).unwrap()
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    stream
}

/// Sends this, and reads exactly as much as the answer is long.
#[track_caller]
fn asks(stream: &mut TcpStream, bytes: &[u8], answer: &[u8]) {
    stream.write_all(bytes).unwrap();
    let mut got = vec![0; answer.len()];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(
        got.escape_ascii().to_string(),
        answer.escape_ascii().to_string()
    );
}

/// Everything until the server hangs up.
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut got = Vec::new();
    match stream.read_to_end(&mut got) {
        Ok(_) => got,
        // It has not read all that was sent.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => got,
        Err(error) => panic!("{error}; so far: {}", got.escape_ascii()),
    }
}

/// Waits until it is so.
#[track_caller]
fn comes(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < until, "it does not come: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The number behind `field` in what the node tells; the largest, if it stands there more than once.
fn told(node: &Node, words: &[&str], field: &str) -> u64 {
    let reply = node.run(words);
    let text = reply.as_text().unwrap();
    let numbers = text.split(field).skip(1).map(|rest| {
        let digits = rest.split(|letter: char| !letter.is_ascii_digit());
        digits.take(1).collect::<String>().parse::<u64>().unwrap()
    });
    numbers.max().unwrap_or(0)
}

/// It still does its work.
#[track_caller]
fn answers(node: &Node) {
    asks(&mut connect(node.address()), b"PING\r\n", b"+PONG\r\n");
}

/// Frames that are nearly right: pieces of requests put together by chance.
fn garbage(random: &mut StdRng) -> Vec<u8> {
    const PIECES: [&[u8]; 24] = [
        b"*1\r\n",
        b"*2\r\n",
        b"*3\r\n",
        b"*-1\r\n",
        b"*0\r\n",
        b"*x\r\n",
        b"$4\r\nPING\r\n",
        b"$3\r\nGET\r\n",
        b"$1\r\nk\r\n",
        b"$0\r\n\r\n",
        b"$-1\r\n",
        b"$99999999999\r\n",
        b"$3\r\nab",
        b"\r\n",
        b"\n",
        b"PING\r\n",
        b"\"",
        b"'a b'\r\n",
        b"\x00",
        b"\xff\xfe",
        b":1\r\n",
        b"*1048577\r\n",
        b"ECHO x\r\n",
        b"*2\r\n$4\r\nECHO\r\n$2\r\n\r\n\r\n",
    ];
    let mut bytes = Vec::new();
    for _ in 0..random.random_range(1..8) {
        match random.random_range(0..10) {
            0 => bytes.extend((0..random.random_range(1..20)).map(|_| random.random::<u8>())),
            _ => bytes.extend_from_slice(PIECES[random.random_range(0..PIECES.len())]),
        }
    }
    bytes
}

#[test]
fn garbage_is_answered_as_by_redis() {
    if !is_here("garbage_is_answered_as_by_redis") {
        return;
    }
    let day = Day::begin();
    let (real, node) = (Real::start(), start(Node::builder()));
    let mut random = StdRng::seed_from_u64(0xbad);
    for turn in 0..600 {
        let bytes = garbage(&mut random);
        let ends = |address| {
            let mut stream = connect(address);
            // It may hang up before it has read all.
            let _ = stream.write_all(&bytes);
            let _ = stream.shutdown(Shutdown::Write);
            rest(&mut stream).escape_ascii().to_string()
        };
        let (by_redis, by_node) = (ends(real.address()), ends(node.address()));
        assert_eq!(by_node, by_redis, "turn {turn}: {}", bytes.escape_ascii());
    }
    comes("nobody is left", || node.connections() == 0);
    day.is_modest();
}

#[test]
fn announced_and_never_sent() {
    let day = Day::begin();
    let node = start(Node::builder());
    let mut clients: Vec<TcpStream> = (0..200).map(|_| connect(node.address())).collect();
    for client in &mut clients {
        // Half a gigabyte each, of which a bit comes.
        client
            .write_all(b"*2\r\n$4\r\nECHO\r\n$536870912\r\nabc")
            .unwrap();
    }
    let mut many = connect(node.address());
    many.write_all(b"*1000000\r\n$4\r\nMSET\r\n").unwrap();
    let mut most = connect(node.address());
    asks(
        &mut most,
        b"*2\r\n$4\r\nECHO\r\n$536870913\r\n",
        b"-ERR Protocol error: invalid bulk length\r\n",
    );
    answers(&node);
    day.is_modest();
    drop((clients, many, most));
    comes("nobody is left", || node.connections() == 0);
}

#[test]
fn deep_nesting_is_no_request() {
    let day = Day::begin();
    let node = start(Node::builder());
    let mut client = connect(node.address());
    let _ = client.write_all(&b"*1\r\n".repeat(1_000_000));
    let got = rest(&mut client);
    assert_eq!(
        got.escape_ascii().to_string(),
        "-ERR Protocol error: expected \\'$\\', got \\'*\\'\\r\\n"
    );
    answers(&node);
    day.is_modest();
}

#[test]
fn a_line_without_an_end() {
    let day = Day::begin();
    let node = start(Node::builder());
    for byte in [&b"x"[..], b"*", b"$"] {
        let mut client = connect(node.address());
        for _ in 0..64 {
            // It hangs up at some time.
            if client.write_all(&byte.repeat(64 * 1024)).is_err() {
                break;
            }
        }
        let got = rest(&mut client);
        assert!(
            got.is_empty() || got.starts_with(b"-ERR Protocol error: too big"),
            "{}",
            got.escape_ascii()
        );
    }
    answers(&node);
    day.is_modest();
}

#[test]
fn more_is_sent_than_the_query_buffer_may_hold() {
    let day = Day::begin();
    let node = start(Node::builder().config("client-query-buffer-limit", "1mb"));
    let mut client = connect(node.address());
    client
        .write_all(b"*2\r\n$4\r\nECHO\r\n$100000000\r\n")
        .unwrap();
    let piece = vec![b'x'; 64 * 1024];
    let sent = (0..1600)
        .take_while(|_| client.write_all(&piece).is_ok())
        .count();
    assert!(sent < 1600, "it has read all of it");
    assert!(rest(&mut client).is_empty());
    comes("it is hung up on", || node.connections() == 0);
    answers(&node);
    day.is_modest();
}

#[test]
fn readers_that_never_read() {
    let day = Day::begin();
    let node = start(Node::builder());
    node.set("big", vec![b'x'; MEGABYTE as usize]);
    let mut lazy = connect(node.address());
    lazy.set_nonblocking(true).unwrap();
    // Four gigabytes of replies; it is not read any more when enough of them wait.
    let ask = b"GET big\r\n".repeat(100);
    let mut asked = 0;
    let until = Instant::now() + Duration::from_secs(3);
    while asked < 40 && Instant::now() < until {
        #[allow(clippy::unused_io_amount)] // said below
        match lazy.write(&ask) {
            // Half a line more or less does not matter here, since nobody reads what comes of it.
            Ok(_) => asked += 1,
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    answers(&node);
    day.is_modest();
    drop(lazy);
    comes("nobody is left", || node.connections() == 0);
}

#[test]
fn a_reader_that_reads_late_gets_all() {
    let day = Day::begin();
    let node = start(Node::builder());
    node.set("big", vec![b'x'; MEGABYTE as usize]);
    let mut late = connect(node.address());
    // More than is kept for it at a time.
    late.write_all(&b"GET big\r\n".repeat(200)).unwrap();
    comes("as much waits as is kept", || {
        told(&node, &["INFO", "commandstats"], "cmdstat_get:calls=") >= 60
    });
    let each = MEGABYTE as usize + b"$1048576\r\n\r\n".len();
    let mut piece = vec![0; each];
    for _ in 0..200 {
        late.read_exact(&mut piece).unwrap();
        assert!(piece.starts_with(b"$1048576\r\nxx") && piece.ends_with(b"x\r\n"));
    }
    asks(&mut late, b"PING\r\n", b"+PONG\r\n");
    day.is_modest();
}

#[test]
fn listeners_that_never_read_are_hung_up_on() {
    let day = Day::begin();
    let node = start(Node::builder().config("client-output-buffer-limit", "pubsub 4mb 0 0"));
    let mut listener = connect(node.address());
    asks(
        &mut listener,
        b"SUBSCRIBE ch\r\n",
        b"*3\r\n$9\r\nsubscribe\r\n$2\r\nch\r\n:1\r\n",
    );
    let mut monitor = connect(node.address());
    asks(&mut monitor, b"MONITOR\r\n", b"+OK\r\n");
    let text = vec![b'x'; MEGABYTE as usize];
    for _ in 0..200 {
        node.run([&b"PUBLISH"[..], b"ch", &text]);
    }
    comes("both are hung up on", || node.connections() == 0);
    answers(&node);
    day.is_modest();
}

#[test]
fn a_soft_limit_is_given_time() {
    let day = Day::begin();
    let clock = Clock::stepped();
    let node = start(
        Node::builder()
            .clock(clock)
            .config("client-output-buffer-limit", "pubsub 0 1mb 10"),
    );
    let mut listener = connect(node.address());
    asks(
        &mut listener,
        b"SUBSCRIBE ch\r\n",
        b"*3\r\n$9\r\nsubscribe\r\n$2\r\nch\r\n:1\r\n",
    );
    // More than the operating system takes.
    let text = vec![b'x'; 16 * MEGABYTE as usize];
    node.run([&b"PUBLISH"[..], b"ch", &text]);
    node.advance(Duration::from_secs(5));
    assert_eq!(node.connections(), 1);
    node.advance(Duration::from_secs(6));
    assert_eq!(node.connections(), 0);
    day.is_modest();
}

#[test]
fn who_is_silent_for_too_long_is_hung_up_on() {
    let day = Day::begin();
    let clock = Clock::stepped();
    let node = start(Node::builder().clock(clock).config("timeout", "60"));
    let mut silent: Vec<TcpStream> = (0..50).map(|_| connect(node.address())).collect();
    let mut half = connect(node.address());
    asks(&mut half, b"PING\r\n*2\r\n$4\r\nEC", b"+PONG\r\n");
    let mut waiting = connect(node.address());
    waiting.write_all(b"BLPOP l 0\r\n").unwrap();
    let mut listening = connect(node.address());
    asks(
        &mut listening,
        b"SUBSCRIBE ch\r\n",
        b"*3\r\n$9\r\nsubscribe\r\n$2\r\nch\r\n:1\r\n",
    );
    comes("all are there", || node.connections() == 53);
    node.advance(Duration::from_secs(40));
    asks(&mut silent[0], b"PING\r\n", b"+PONG\r\n");
    node.advance(Duration::from_secs(40));
    // The first has said something; the others that are left wait for something.
    assert_eq!(node.connections(), 3);
    assert!(rest(&mut half).is_empty());
    asks(&mut silent[0], b"PING\r\n", b"+PONG\r\n");
    day.is_modest();
}

#[test]
fn one_byte_at_a_time() {
    let day = Day::begin();
    let node = start(Node::builder());
    let request = b"*3\r\n$3\r\nSET\r\n$4\r\nslow\r\n$5\r\nv\r\nlu\r\nECHO \"a b\"\r\n";
    let mut clients: Vec<TcpStream> = (0..3).map(|_| connect(node.address())).collect();
    let mut sent = 0;
    for byte in request {
        for client in &mut clients {
            client.write_all(&[*byte]).unwrap();
            sent += 1;
        }
        // Each byte comes alone.
        comes("a byte", || {
            told(&node, &["INFO", "stats"], "total_net_input_bytes:") >= sent
        });
    }
    for client in &mut clients {
        asks(client, b"", b"+OK\r\n$3\r\na b\r\n");
    }
    assert_eq!(node.get("slow"), Some(b"v\r\nlu".to_vec()));
    day.is_modest();
}

#[test]
fn a_million_requests_in_one_go() {
    let day = Day::begin();
    let node = start(Node::builder());
    let client = connect(node.address());
    let mut writer = client.try_clone().unwrap();
    let written = std::thread::spawn(move || {
        let many = b"PING\r\n".repeat(10_000);
        (0..100).try_for_each(|_| writer.write_all(&many))
    });
    let mut reader = std::io::BufReader::with_capacity(1 << 20, client);
    let mut pong = [0; 7];
    for _ in 0..1_000_000 {
        reader.read_exact(&mut pong).unwrap();
        assert_eq!(&pong, b"+PONG\r\n");
    }
    written.join().unwrap().unwrap();
    day.is_modest();
}

#[test]
fn who_hangs_up_is_forgotten_whatever_it_was_doing() {
    let day = Day::begin();
    let node = start(Node::builder());
    let requests: [&[u8]; 9] = [
        b"",
        b"PING\r\n",
        b"*2\r\n$3\r\nGE",
        b"BLPOP l 0\r\n",
        b"SUBSCRIBE a b\r\nPSUBSCRIBE c*\r\n",
        b"MONITOR\r\n",
        b"MULTI\r\nSET a 1\r\nWATCH b\r\n",
        b"CLIENT TRACKING ON BCAST PREFIX x\r\n",
        b"WATCH a b\r\n",
    ];
    for _ in 0..50 {
        for request in requests {
            let mut client = connect(node.address());
            client.write_all(request).unwrap();
        }
    }
    comes("nobody is left", || node.connections() == 0);
    node.run(["MSET", "a", "1", "x", "2"]);
    node.run(["RPUSH", "l", "1"]);
    assert_eq!(node.connections_ever(), 450);
    assert_eq!(node.run(["LLEN", "l"]), node.run(["STRLEN", "a"]));
    day.is_modest();
}

#[test]
fn one_client_too_many() {
    let day = Day::begin();
    let node = start(Node::builder().config("maxclients", "3"));
    let mut inside: Vec<TcpStream> = (0..3).map(|_| connect(node.address())).collect();
    inside
        .iter_mut()
        .for_each(|client| asks(client, b"PING\r\n", b"+PONG\r\n"));
    for _ in 0..20 {
        let mut outside = connect(node.address());
        assert_eq!(
            rest(&mut outside),
            b"-ERR max number of clients reached\r\n"
        );
    }
    inside.pop();
    comes("one has gone", || node.connections() == 2);
    answers(&node);
    day.is_modest();
}

/// How many clients come at once.
const CROWD: usize = 10_000;

/// The clients of the crowd, in a process of their own: both ends would be too many open files for one.
#[test]
#[ignore = "another test starts it in a process of its own"]
fn the_crowd() {
    let Ok(address) = std::env::var("LABRUNNER_CROWD") else {
        return;
    };
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    let address: SocketAddr = address.parse().unwrap();
    let mut clients: Vec<TcpStream> = (0..CROWD).map(|_| connect(address)).collect();
    for client in &mut clients {
        client.write_all(b"INCR crowd\r\n").unwrap();
    }
    let mut sum = 0;
    for client in &mut clients {
        let mut reply = Vec::new();
        while !reply.ends_with(b"\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte).unwrap();
            reply.push(byte[0]);
        }
        let number = std::str::from_utf8(&reply[1..reply.len() - 2]).unwrap();
        sum += number.parse::<usize>().unwrap();
    }
    assert_eq!(sum, CROWD * (CROWD + 1) / 2);
    assert_eq!(
        rest(&mut connect(address)),
        b"-ERR max number of clients reached\r\n"
    );
}

#[test]
fn ten_thousand_at_once() {
    use rustix::process::{Resource, getrlimit};
    let allowed = getrlimit(Resource::Nofile).maximum;
    if allowed.is_some_and(|most| most < CROWD as u64 + 1000) {
        eprintln!("skipped: this machine allows {allowed:?} open files");
        return;
    }
    let day = Day::begin();
    let node = start(Node::builder());
    let crowd = Command::new(std::env::current_exe().unwrap())
        .args(["bad_days::the_crowd", "--exact", "--ignored"])
        .env("LABRUNNER_CROWD", node.address().to_string())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&crowd.stdout).into_owned();
    assert!(
        crowd.status.success() && said.contains("1 passed"),
        "{said}"
    );
    assert_eq!(node.get("crowd"), Some(CROWD.to_string().into_bytes()));
    assert!(node.connections_ever() >= CROWD as u64);
    comes("nobody is left", || node.connections() == 0);
    answers(&node);
    day.is_modest();
}
