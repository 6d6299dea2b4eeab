//! DEBUG, which has to be allowed at the start: beside a real server that allows it.

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use labrunner::cluster::Reply;
use labrunner::double::{Node, NodeBuilder};
use regex::bytes::Regex;

use crate::quoting::all as words;
use crate::real::{Real, is_here};
use crate::wire::Wire;

fn start(builder: NodeBuilder) -> Node {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(builder.start()).unwrap()
}

/// Each is sent to both; every reply is the same, but for addresses and times.
const COMMANDS: &str = r#"
DEBUG
DEBUG FOO
DEBUG SLEEP
DEBUG SLEEP abc
DEBUG SLEEP 0
DEBUG DIGEST
DEBUG DIGEST-VALUE nosuch other
SET text abc
SET int 12345
SET expires v EX 1000
SET "bin\x00ary" "\xff\r\n"
RPUSH list a b 3 4
SADD set a b c
SADD ints 1 2 3
HSET hash a b c d
ZADD sorted 1 a 2.5 b inf c -0.1 d
XADD stream 1-1 a b c d
XADD stream 1-2 a b
SELECT 3
SET other x
DEBUG DIGEST
SELECT 0
DEBUG DIGEST
DEBUG DIGEST-VALUE text int expires list set ints hash sorted stream nosuch
DEBUG OBJECT text
DEBUG OBJECT int
DEBUG OBJECT list
DEBUG OBJECT set
DEBUG OBJECT ints
DEBUG OBJECT hash
DEBUG OBJECT sorted
DEBUG OBJECT stream
DEBUG OBJECT nosuch
DEBUG OBJECT
DEBUG SET-ACTIVE-EXPIRE 1
DEBUG SET-ACTIVE-EXPIRE x
DEBUG SET-ACTIVE-EXPIRE
DEBUG SET-ACTIVE-EXPIRE 1
DEBUG QUICKLIST-PACKED-THRESHOLD 100b
DEBUG QUICKLIST-PACKED-THRESHOLD x
DEBUG QUICKLIST-PACKED-THRESHOLD 0
DEBUG CHANGE-REPL-ID
DEBUG CHANGE-REPL-ID x
DEBUG STRINGMATCH-LEN a
DEBUG JMAP
DEBUG LOG hello
DEBUG ERROR abc
DEBUG ERROR "MINE a\r\nb"
DEBUG POPULATE 3
GET key:2
DEBUG POPULATE 3 other 12
GET other:1
DEBUG POPULATE 5 key 3
GET key:0
GET key:4
DEBUG POPULATE abc
DEBUG POPULATE -1
DEBUG POPULATE 1 a b
DEBUG PROTOCOL string
DEBUG PROTOCOL integer
DEBUG PROTOCOL double
DEBUG PROTOCOL null
DEBUG PROTOCOL array
DEBUG PROTOCOL set
DEBUG PROTOCOL map
DEBUG PROTOCOL verbatim
DEBUG PROTOCOL true
DEBUG PROTOCOL false
DEBUG PROTOCOL bignum
DEBUG PROTOCOL nosuch
DEBUG RELOAD
DEBUG HELP
DEBUG SET-SKIP-CHECKSUM-VALIDATION 0
DEBUG PAUSE-CRON 0
DEBUG REPLYBUFFER RESIZING 1
MULTI
DEBUG SLEEP 0
EXEC
"#;

#[test]
fn debug_is_as_redis_has_it() {
    if !is_here("debug_is_as_redis_has_it") {
        return;
    }
    let real = Real::start_with(&["--enable-debug-command", "yes"]);
    let node = start(Node::builder().config("enable-debug-command", "yes"));
    let varies = Regex::new(r"0x[0-9a-f]+|lru:\d+|seconds_idle:\d+|refcount:\d+").unwrap();
    for protocol in ["2", "3"] {
        let (mut redis, mut double) = (
            Wire::connect(real.address()).unwrap(),
            Wire::connect(node.address()).unwrap(),
        );
        for wire in [&mut redis, &mut double] {
            wire.call(&["HELLO", protocol]).unwrap();
            wire.call(&["FLUSHALL"]).unwrap();
        }
        for line in COMMANDS.lines().filter(|line| !line.is_empty()) {
            let args = words(line).unwrap();
            let reply = |wire: &mut Wire| {
                let mut bytes = Vec::new();
                wire.call(&args).unwrap().write(&mut bytes);
                let bytes = varies.replace_all(&bytes, &b"_"[..]);
                bytes.escape_ascii().to_string()
            };
            assert_eq!(reply(&mut double), reply(&mut redis), "{line}");
        }
    }
}

#[test]
fn attributes_and_pushes_are_for_resp3() {
    let node = start(Node::builder().config("enable-debug-command", "local"));
    let mut wire = Wire::connect(node.address()).unwrap();
    let refused = wire.call(&["DEBUG", "PROTOCOL", "push"]).unwrap();
    assert_eq!(
        refused.payload,
        b"ERR RESP2 is not supported by this command"
    );
    wire.call(&["HELLO", "3"]).unwrap();
    let push = wire.call(&["DEBUG", "PROTOCOL", "push"]).unwrap();
    assert_eq!((push.kind, push.items.len()), (b'>', 2));
}

#[test]
fn a_node_that_sleeps_answers_nobody() {
    let node = start(Node::builder().config("enable-debug-command", "yes"));
    let (mut one, mut other) = (
        Wire::connect(node.address()).unwrap(),
        Wire::connect(node.address()).unwrap(),
    );
    other.call(&["PING"]).unwrap();
    node.config("latency-monitor-threshold", "50").unwrap();
    let began = Instant::now();
    one.send(b"DEBUG SLEEP 0.3\r\n").unwrap();
    // It sleeps by now.
    std::thread::sleep(Duration::from_millis(50));
    other.call(&["PING"]).unwrap();
    assert!(began.elapsed() >= Duration::from_millis(290));
    one.read().unwrap();
    let Reply::Array(latest) = node.run(["LATENCY", "LATEST"]) else {
        panic!("no array");
    };
    assert_eq!(latest.len(), 1, "{latest:?}");
    let history = one.call(&["LATENCY", "HISTORY", "command"]).unwrap();
    assert_eq!(history.items.len(), 1);
    let graph = one.call(&["LATENCY", "GRAPH", "command"]).unwrap();
    assert!(graph.payload.starts_with(b"command - high "));
    let slow = one.call(&["SLOWLOG", "GET"]).unwrap();
    assert_eq!(slow.items[0].items[3].items[0].payload, b"DEBUG");
    assert_eq!(one.call(&["LATENCY", "RESET"]).unwrap().payload, b"1");
}

#[test]
fn without_active_expiry_keys_stay_until_somebody_looks() {
    let clock = labrunner::double::Clock::stepped();
    let builder = Node::builder().clock(clock);
    let node = start(builder.config("enable-debug-command", "yes"));
    node.run(["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    node.run(["SET", "k", "v", "PX", "10"]);
    node.advance(Duration::from_secs(1));
    assert_eq!(node.run(["DBSIZE"]), Reply::Int(1));
    assert_eq!(node.get("k"), None);
    assert_eq!(node.run(["DBSIZE"]), Reply::Int(0));
}

#[test]
fn shutdown_ends_the_node() {
    let node = start(Node::builder());
    let mut client = TcpStream::connect(node.address()).unwrap();
    client
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let mut wire = Wire::connect(node.address()).unwrap();
    wire.send(b"SHUTDOWN NOSAVE\r\n").unwrap();
    assert_eq!(wire.until_closed().unwrap(), b"");
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    // The thread may take a moment.
    let until = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(node.address()).is_ok() {
        assert!(Instant::now() < until, "it still listens");
    }
    assert!(matches!(node.run(["PING"]), Reply::Error(_)));
    assert_eq!((node.get("k"), node.connections()), (None, 0));
}

#[test]
fn shutdown_ends_a_script_as_well() {
    let node = start(Node::builder().config("busy-reply-threshold", "10"));
    let mut busy = Wire::connect(node.address()).unwrap();
    busy.send(b"EVAL \"while true do end\" 0\r\n").unwrap();
    let mut other = Wire::connect(node.address()).unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    while !other.call(&["PING"]).unwrap().payload.starts_with(b"BUSY") {
        assert!(Instant::now() < until, "the script is never busy");
    }
    other.send(b"SHUTDOWN NOSAVE\r\n").unwrap();
    other.until_closed().unwrap();
    busy.until_closed().unwrap();
}
