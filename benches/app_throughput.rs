//! The campaign of throughput: successful holds of the application against those of `redis-benchmark` with the very same script, 50 in flight,
//! on one local master.
//!
//! `cargo bench --bench app_throughput` measures both in turn, five times, on fresh events each time. It fails unless the median of ours is at
//! least 0.8 of the median of theirs, and on both sides at least 95 of 100 replies are holds. `-- --pairs N` for another number, `--seconds
//! N` for how long each is measured, `--no-limits` to print the figures without judging their ratio (on a machine that is busy).
//!
//! `redis-benchmark` sends one command a connection at a time and reads nothing of the replies but their ends. Ours comes by `app load-test`: with
//! its routes by slot, deadlines, turns, operation ids, decoded answers and records of every latency and claim.

mod campaign;
#[path = "../tests/servers/mod.rs"]
mod servers;
#[path = "../tests/support/mod.rs"]
mod support;

use std::process::{Command, ExitCode};
use std::time::Duration;

use campaign::application::{call, create_event};
use campaign::{Call, spread};
use labrunner::admin::{Shape, create};
use labrunner::app::EventId;
use labrunner::app::load_test::HOLD;
use labrunner::app::request::{MOST_SEATS, OperationId};
use labrunner::app::scripts::RESERVE;
use labrunner::app::store::OPERATION_RECORD_TIME;
use labrunner::cluster::{NodeName, Reply, SlotSet};
use labrunner::resp::Client;
use servers::Servers;

/// The least share of theirs.
const LEAST: f64 = 0.8;
/// The least share of replies that are holds.
const HOLDS: f64 = 0.95;
const IN_FLIGHT: &str = "50";
/// Requests of `redis-benchmark` for one event, nearly all of whose seats they take.
const OF_ONE_EVENT: u32 = 45_000;
/// Of the application's own events, seats enough for so many holds a second.
const MOST_A_SECOND: usize = 100_000;
/// Of so many numbers redis-benchmark draws its ids, so that two are hardly ever the same.
const DRAWN_FROM: &str = "2000000000";

/// Successful holds a second, and their share of all replies.
#[derive(Clone, Copy)]
struct Measured {
    rate: f64,
    share: f64,
}

fn main() -> ExitCode {
    let Some(asked) = Call::read() else {
        return ExitCode::SUCCESS;
    };
    let (pairs, seconds) = (asked.number("--pairs", 5), asked.number("--seconds", 5));
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let servers = runtime.block_on(one_master());
    let client = Client::new(servers.address("redis-1"), Duration::from_secs(60));
    println!("pair  ours/s  holds %  theirs/s  holds %  ratio  load average");
    let mut done = Vec::new();
    for pair in 1..=pairs {
        // Whoever comes second finds what the first has warmed; so they take turns in that too.
        let ours_first = pair % 2 == 1;
        let early = ours_first.then(|| ours(&runtime, &client, &servers, seconds));
        let theirs = theirs(&runtime, &client, &servers, seconds);
        let ours = early.unwrap_or_else(|| ours(&runtime, &client, &servers, seconds));
        println!(
            "{pair:4}  {:6.0}  {:7.1}  {:8.0}  {:7.1}  {:5.2}  {}",
            ours.rate,
            ours.share * 100.0,
            theirs.rate,
            theirs.share * 100.0,
            ours.rate / theirs.rate,
            load_average(),
        );
        done.push((ours, theirs));
    }
    let median = |of: &dyn Fn(&(Measured, Measured)) -> f64| {
        let rates: Vec<f64> = done.iter().map(of).collect();
        spread(&rates).map_or(f64::NAN, |(_, middle, _)| middle)
    };
    let (ours, theirs) = (median(&|pair| pair.0.rate), median(&|pair| pair.1.rate));
    let ratio = ours / theirs;
    println!(
        "medians: ours {ours:.0}/s, redis-benchmark {theirs:.0}/s, ratio {ratio:.2} (limit {LEAST}), of {pairs}"
    );
    let succeed = done
        .iter()
        .all(|(ours, theirs)| ours.share >= HOLDS && theirs.share >= HOLDS);
    match succeed && (!asked.judges() || ratio >= LEAST) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

async fn one_master() -> Servers {
    let servers = Servers::start(1);
    let shape = Shape {
        node_timeout: None,
        masters: [(NodeName::new("redis-1"), SlotSet::all())].into(),
        replicas: [].into(),
    };
    let made = create(&servers.book(), &shape, Duration::from_secs(60), &|_| {}).await;
    made.expect("a cluster of one");
    servers
}

/// The server without anything of before, but with the script.
fn fresh(runtime: &tokio::runtime::Runtime, client: &Client) {
    runtime.block_on(async {
        for words in [&["FLUSHALL", "SYNC"], &["SCRIPT", "FLUSH"]] {
            let reply = client.call(words).await.expect("an answer");
            assert!(!matches!(reply, Reply::Error(_)), "{words:?}: {reply:?}");
        }
        let words = ["SCRIPT", "LOAD", RESERVE.source];
        let sha1 = client.call(&words).await.expect("an answer");
        assert_eq!(sha1.as_text().as_deref(), Some(RESERVE.sha1()));
    });
}

/// By the application's own load test: users who wait for their answers and ask again at once.
fn ours(
    runtime: &tokio::runtime::Runtime,
    client: &Client,
    servers: &Servers,
    seconds: usize,
) -> Measured {
    fresh(runtime, client);
    let (seats, length) = (MOST_SEATS.to_string(), format!("{seconds}s"));
    let events = ((seconds + 1) * MOST_A_SECOND).div_ceil(MOST_SEATS as usize);
    let ended = call(
        &servers.book(),
        &[
            "load-test",
            "--users",
            IN_FLIGHT,
            "--in-flight",
            IN_FLIGHT,
            "--seats",
            "1",
            "--events",
            &events.to_string(),
            "--capacity",
            &seats,
            "--warm-up",
            "1s",
            "--for",
            &length,
        ],
    );
    assert!(ended.exit == Some(0) && ended.is_clean(), "{}", ended.text);
    let number = |path: &str| ended.number(path).unwrap_or(f64::NAN);
    let holds = number("/successful_reservations");
    Measured {
        rate: holds / number("/duration_ms") * 1000.0,
        share: holds / number("/total_requests"),
    }
}

/// By `redis-benchmark`: one event after the other, since it has one set of keys a call.
fn theirs(
    runtime: &tokio::runtime::Runtime,
    client: &Client,
    servers: &Servers,
    seconds: usize,
) -> Measured {
    fresh(runtime, client);
    let (mut holds, mut replies, mut took) = (0.0, 0.0, 0.0);
    while took < seconds as f64 {
        let event = create_event(&servers.book(), MOST_SEATS, "0-16383");
        let event: EventId = event.parse().expect("an event");
        let rate = benchmark(servers, &event);
        let free = runtime.block_on(client.call(&["ZCARD".to_owned(), event.free_key()]));
        let free = free.expect("an answer").as_int().expect("a number");
        holds += f64::from(MOST_SEATS) - free as f64;
        replies += f64::from(OF_ONE_EVENT);
        took += f64::from(OF_ONE_EVENT) / rate;
    }
    Measured {
        rate: holds / took,
        share: holds / replies,
    }
}

/// Replies a second.
fn benchmark(servers: &Servers, event: &EventId) -> f64 {
    let at = servers.address("redis-1").reachable;
    let operation: OperationId = "__rand_int__".parse().expect("an operation id");
    let hold = HOLD.as_millis().to_string();
    let output = Command::new("redis-benchmark")
        .args(["-h", &at.ip().to_string(), "-p", &at.port().to_string()])
        .args(["-c", IN_FLIGHT, "-n", &OF_ONE_EVENT.to_string()])
        .args(["-r", DRAWN_FROM, "-q", "EVALSHA", RESERVE.sha1(), "7"])
        .args(event.script_keys(&operation))
        .arg(format!("reserve user-__rand_int__ 1 {hold}"))
        .arg(OPERATION_RECORD_TIME.as_millis().to_string())
        .args(["r-__rand_int__", "user-__rand_int__", &hold, "count", "1"])
        .output()
        .expect("redis-benchmark starts");
    let text = String::from_utf8_lossy(&output.stdout);
    // "EVALSHA … __rand_int__: 31000.00 requests per second, p50=1.5 msec", after lines that were drawn over.
    let before = text.split(" requests per second").next();
    let rate = before.and_then(|before| before.rsplit(' ').next()?.parse().ok());
    rate.unwrap_or_else(|| {
        panic!(
            "redis-benchmark: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(1).collect()
}
