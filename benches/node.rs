//! How fast the double's node is beside a real `redis-server`: `redis-benchmark` against both in turn.
//!
//! `cargo bench --bench node` measures SET and GET with 50 connections, the same with 16 commands in flight on each, EVALSHA of the application's own
//! reserve script, and the latency of one command on one connection. It fails unless the median of five pairs is at least what the table below says.
//! `-- --pairs N` for another number, `--only NAME` for one line of the table, `--no-limits` to print the figures without judging them.
//!
//! The node has one thread, as Redis has. `redis-benchmark` has the other core.

mod campaign;

use std::net::SocketAddr;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use campaign::{Call, spread};
use labrunner::app::EventId;
use labrunner::app::request::{MOST_SEATS, OperationId};
use labrunner::app::scripts::{CREATE_EVENT, RESERVE};
use labrunner::double::Node;

/// What is measured, how many requests, and the limit: of throughput the least share of Redis's, of latency the most.
struct Line {
    name: &'static str,
    arguments: &'static [&'static str],
    requests: u32,
    limit: Limit,
}

enum Limit {
    /// Requests a second, at least so many times Redis's.
    Throughput(f64),
    /// The median latency, at most so many times Redis's.
    Latency(f64),
}

const LINES: [Line; 6] = [
    Line {
        name: "SET",
        arguments: &["-c", "50", "-t", "set"],
        requests: 300_000,
        limit: Limit::Throughput(0.9),
    },
    Line {
        name: "GET",
        arguments: &["-c", "50", "-t", "get"],
        requests: 300_000,
        limit: Limit::Throughput(0.9),
    },
    Line {
        name: "SET-16",
        arguments: &["-c", "50", "-P", "16", "-t", "set"],
        requests: 3_000_000,
        limit: Limit::Throughput(0.85),
    },
    Line {
        name: "GET-16",
        arguments: &["-c", "50", "-P", "16", "-t", "get"],
        requests: 3_000_000,
        limit: Limit::Throughput(0.85),
    },
    Line {
        name: "EVALSHA",
        arguments: &["-c", "50"],
        requests: 45_000,
        limit: Limit::Throughput(0.5),
    },
    Line {
        name: "latency",
        arguments: &["-c", "1", "-t", "get"],
        requests: 60_000,
        limit: Limit::Latency(1.1),
    },
];

fn main() -> ExitCode {
    let Some(asked) = Call::read() else {
        return ExitCode::SUCCESS;
    };
    let pairs = asked.number("--pairs", 5);
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let node = runtime.block_on(Node::start()).expect("a port");
    let redis = Redis::start();
    println!("             node     redis  ratio   limit   (medians of {pairs}, in turn)");
    let mut good = true;
    for line in &LINES {
        if asked.word("--only").is_some_and(|only| only != line.name) {
            continue;
        }
        let mut figures = (Vec::new(), Vec::new());
        for pair in 0..pairs {
            let mut both = [
                (node.address(), &mut figures.0),
                (redis.address, &mut figures.1),
            ];
            // Whoever comes second finds a machine that is warm, so they take turns in that too.
            if pair % 2 == 1 {
                both.reverse();
            }
            for (address, figures) in both {
                figures.push(measure(address, line));
            }
        }
        let median = |of: &[f64]| spread(of).map_or(f64::NAN, |(_, middle, _)| middle);
        let (ours, theirs) = (median(&figures.0), median(&figures.1));
        let ratio = ours / theirs;
        let (holds, shown) = match line.limit {
            Limit::Throughput(least) => (ratio >= least, format!(">= {least}")),
            Limit::Latency(most) => (ratio <= most, format!("<= {most}")),
        };
        println!(
            "{:8} {ours:9.3} {theirs:9.3}  {ratio:5.2}  {shown}{}",
            line.name,
            if holds { "" } else { "  MISSED" },
        );
        good &= holds;
    }
    match good || !asked.judges() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// One run of `redis-benchmark`: thousands of requests a second, or microseconds.
fn measure(address: SocketAddr, line: &Line) -> f64 {
    let event = fresh(address);
    let mut command = Command::new("redis-benchmark");
    command
        .args(["-h", &address.ip().to_string()])
        .args(["-p", &address.port().to_string()])
        .args(["-n", &line.requests.to_string(), "--csv"])
        .args(line.arguments);
    if line.name == "EVALSHA" {
        let operation: OperationId = "__rand_int__".parse().expect("an operation id");
        command
            .args(["-r", "2000000000", "EVALSHA", RESERVE.sha1(), "7"])
            .args(event.script_keys(&operation))
            .args(["reserve user-__rand_int__ 1 600000", "3600000"])
            .args([
                "r-__rand_int__",
                "user-__rand_int__",
                "600000",
                "count",
                "1",
            ]);
    }
    let output = command.output().expect("redis-benchmark starts");
    let text = String::from_utf8_lossy(&output.stdout);
    // "test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms",…
    let last = text.lines().last().unwrap_or_default();
    let fields: Vec<f64> = last
        .rsplit("\",\"")
        .filter_map(|field| field.trim_matches('"').parse().ok())
        .collect();
    assert_eq!(fields.len(), 7, "redis-benchmark: {text}");
    let (rps, p50) = (fields[6], fields[3]);
    if line.name == "EVALSHA" {
        let left = ask(address, redis::cmd("ZCARD").arg(event.free_key()));
        let held = f64::from(MOST_SEATS) - left as f64;
        // What is measured is the script that holds a seat, and not one that refuses.
        assert!(
            held > f64::from(line.requests) * 0.95,
            "{held} holds of {}",
            line.requests
        );
    }
    match line.limit {
        Limit::Throughput(_) => rps / 1000.0,
        Limit::Latency(_) => p50 * 1000.0,
    }
}

/// A server with nothing but an event and the script that holds seats of it.
fn fresh(address: SocketAddr) -> EventId {
    let event: EventId = "benchnde".parse().expect("an event");
    ask(address, redis::cmd("FLUSHALL").arg("SYNC"));
    let client = redis::Client::open(format!("redis://{address}")).expect("an address");
    let mut connection = client.get_connection().expect("a connection");
    let sha1: redis::RedisResult<String> = redis::cmd("SCRIPT")
        .arg("LOAD")
        .arg(RESERVE.source)
        .query(&mut connection);
    // A node without scripts is measured in all else.
    if sha1.is_ok() {
        let operation: OperationId = "create".parse().expect("an operation id");
        let keys = event.script_keys(&operation);
        let created: Vec<String> = redis::cmd("EVAL")
            .arg(CREATE_EVENT.source)
            .arg(keys.len())
            .arg(&keys)
            .arg(&["create", "3600000", "bench"])
            .arg(
                (1..=MOST_SEATS)
                    .map(|seat| seat.to_string())
                    .collect::<Vec<_>>(),
            )
            .query(&mut connection)
            .expect("an event");
        assert_eq!(created[0], "created");
    }
    event
}

fn ask(address: SocketAddr, command: &redis::Cmd) -> i64 {
    let client = redis::Client::open(format!("redis://{address}")).expect("an address");
    let mut connection = client.get_connection().expect("a connection");
    match command.query(&mut connection).expect("an answer") {
        redis::Value::Int(number) => number,
        _ => 0,
    }
}

/// Debian's server on a free port. Killed with the campaign.
struct Redis {
    process: Child,
    address: SocketAddr,
}

impl Redis {
    fn start() -> Redis {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        let process = Command::new("redis-server")
            .args(["--port", &address.port().to_string()])
            .args(["--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is there: .ci/servers installs it");
        let redis = Redis { process, address };
        let until = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(address).is_err() {
            assert!(Instant::now() < until, "redis-server does not listen");
            std::thread::sleep(Duration::from_millis(2));
        }
        redis
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
