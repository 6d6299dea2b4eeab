//! The campaign of failovers: how long each part takes, and how close what we record is to what the server itself logs.
//!
//! `cargo bench --bench failover` runs Lab 6 on containers 10 times. It fails unless every run is green, has seen all four moments in
//! order and leaves nothing, and `promoted` is at most 50 ms away from the new master's own line "Failover election won" at the 95th
//! percentile.
//!
//! `-- --runs N` for another number; `--bare` for the failover alone, without the rest of Lab 6; `--servers` for processes of redis-server
//! in place of containers, whose master is killed, and what recording costs; `--no-limits` to print the distance without judging it (on
//! a machine that is busy).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use campaign::{Call, spread};
use engine_here::left_of;
use labrunner::admin::{Shape, create};
use labrunner::backend::{Backend, Docker, DockerOptions};
use labrunner::cluster::{NodeName, Timeline};
use labrunner::engine::event::Event;
use labrunner::engine::{self, Ending, Events, Interrupt};
use labrunner::lab::{self, Source};
use labrunner::observe::Recorder;
use labrunner::resp::Client;
use last_look::{LastLook, LookedAt};

mod campaign;
#[path = "../tests/engine/mod.rs"]
mod engine_here;
#[path = "../tests/last_look/mod.rs"]
mod last_look;
#[path = "../tests/server_log/mod.rs"]
mod server_log;
#[path = "../tests/servers/mod.rs"]
mod servers;
#[path = "../tests/support/mod.rs"]
mod support;

const LAB_6: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/labs/06-failover.yaml");
/// The failover alone.
const BARE: &str = r#"
title: A failover
objective: To time it.
given:
  node_timeout: 3500ms
  masters: {redis-1: 0-5460, redis-2: 5461-10922, redis-3: 10923-16383}
  replicas: {redis-4: redis-1, redis-5: redis-2, redis-6: redis-3}
steps:
  - id: fail
    title: Stop a master
    run: docker stop redis-1
    expect:
      - timeline: {node: redis-1, to: redis-4, suspected: "< 20s", failed: "< 20s", promoted: "< 20s", recovered: "< 20s"}
points: [{text: A replica takes over., proved_by: [fail]}]
"#;
/// The most that may lie between the server's line and our `promoted`, at the 95th percentile.
const CLOSE_MS: u64 = 50;
/// How long a run on containers may take, and one with processes.
const LONG: Duration = Duration::from_secs(300);
/// How long the cost of recording is measured.
const COST: Duration = Duration::from_secs(5);

/// What came of one run.
struct Run {
    /// As the engine or this program judges it.
    good: bool,
    timeline: Timeline,
    /// From the server's line to our `promoted`, in milliseconds.
    apart: Option<i64>,
}

fn main() -> ExitCode {
    let Some(call) = Call::read() else {
        return ExitCode::SUCCESS;
    };
    let (given, runs) = (|name: &str| call.has(name), call.number("--runs", 10));
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let lab = match given("--bare") {
        true => Ok(BARE.to_owned()),
        false => std::fs::read_to_string(LAB_6),
    };
    println!(
        "run  green  suspected s  failed s  promoted s  recovered s  after the server's line ms"
    );
    let mut done = Vec::new();
    for number in 1..=runs {
        let run = match (given("--servers"), &lab) {
            (true, _) => runtime.block_on(with_servers()),
            (false, Ok(lab)) => runtime.block_on(on_containers(lab, number)),
            (false, Err(error)) => {
                println!("{LAB_6} can't be read: {error}");
                return ExitCode::FAILURE;
            }
        };
        let times = run.timeline.moments().map(|(_, moment)| match moment {
            Some(moment) => format!("{:.3}", moment.after.as_secs_f64()),
            None => "?".to_owned(),
        });
        println!(
            "{number:3}  {:>5}  {:>11}  {:>8}  {:>10}  {:>11}  {:>26}",
            if run.good { "yes" } else { "NO" },
            times[0],
            times[1],
            times[2],
            times[3],
            run.apart
                .map_or_else(|| "?".to_owned(), |ms| ms.to_string()),
        );
        done.push(run);
    }
    println!();
    for (at, (name, _)) in Timeline::default().moments().into_iter().enumerate() {
        let seen = done.iter().filter_map(|run| run.timeline.moments()[at].1);
        let seen: Vec<f64> = seen.map(|moment| moment.after.as_secs_f64()).collect();
        if let Some((first, middle, last)) = spread(&seen) {
            println!(
                "{name:9}  minimum {first:.2} s, median {middle:.2} s, maximum {last:.2} s, of {}",
                seen.len()
            );
        }
    }
    let mut apart: Vec<u64> = done
        .iter()
        .filter_map(|run| run.apart)
        .map(i64::unsigned_abs)
        .collect();
    apart.sort_unstable();
    // The smallest value that 95 of 100 do not exceed.
    let p95 = apart
        .get((apart.len() * 95).div_ceil(100).saturating_sub(1))
        .copied();
    let known = apart.len() == runs;
    if let (Some(p95), Some(most)) = (p95, apart.last()) {
        println!(
            "promoted, from the server's own line: p95 {p95} ms (limit {CLOSE_MS} ms), maximum {most} ms, of {}",
            apart.len()
        );
    }
    if given("--servers") {
        runtime.block_on(cost());
    }
    let close = !call.judges() || p95.is_some_and(|p95| p95 <= CLOSE_MS);
    match done.iter().all(|run| run.good) && known && close {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// One run of a lab on containers.
async fn on_containers(lab: &str, number: usize) -> Run {
    let lab = lab::load(&Source::new("failover.yaml", lab)).unwrap_or_else(|faults| {
        let faults: Vec<&str> = faults
            .faults
            .iter()
            .map(|fault| fault.what.as_str())
            .collect();
        panic!("the lab does not load: {faults:#?}")
    });
    let folder = tempfile::tempdir().expect("a folder");
    let options = DockerOptions {
        run: format!("failover{}-{number}", std::process::id()),
        image: std::env::var("LAB_REDIS_IMAGE")
            .ok()
            .filter(|image| !image.is_empty()),
        state_dir: folder.path().to_owned(),
        app: Some(env!("CARGO_BIN_EXE_labrunner").into()),
        ..DockerOptions::default()
    };
    let run = options.run.clone();
    let docker = Docker::prepare(options)
        .await
        .expect("an environment of containers");
    let backend = Arc::new(LookedAt::new(docker, Logs));
    let told: Arc<Mutex<Vec<Event>>> = Arc::default();
    let events = Events::new(Box::new({
        let told = told.clone();
        move |stamped| told.lock().expect("no panic").push(stamped.event.clone())
    }));
    let ended = tokio::time::timeout(
        LONG,
        engine::run(
            Arc::new(lab),
            backend.clone(),
            Arc::new(events),
            Interrupt::default(),
        ),
    )
    .await
    .expect("the run ends");
    let told = told.lock().expect("no panic");
    let recorded = told.iter().find_map(|event| match event {
        Event::Timeline {
            zero_unix_ms,
            timeline,
            ..
        } => Some((*zero_unix_ms, timeline.clone())),
        _ => None,
    });
    let (zero, timeline) = recorded.unwrap_or_default();
    let logs = backend.take_seen().unwrap_or_default();
    let left = left_of(&run);
    let good = ended.ending == Ending::Passed && left.is_empty();
    if !good {
        for event in told.iter() {
            match event {
                Event::Checked { verdict, .. } if !verdict.passed => {
                    println!("{}; seen: {}", verdict.expected, verdict.seen)
                }
                Event::Trouble { what, .. } => println!("{what}"),
                _ => {}
            }
        }
        println!("left: {left:?}");
    }
    let apart = apart(&timeline, zero, |node| {
        logs.get(node).cloned().unwrap_or_default()
    });
    judged(good, timeline, apart)
}

/// A run is good only if all four moments were seen, in order.
fn judged(good: bool, timeline: Timeline, apart: Option<i64>) -> Run {
    let whole = timeline
        .moments()
        .iter()
        .all(|(_, moment)| moment.is_some());
    Run {
        good: good && whole && timeline.in_order(),
        timeline,
        apart,
    }
}

/// From the new master's own line to our `promoted`, in milliseconds.
fn apart(timeline: &Timeline, zero_unix_ms: u64, log: impl Fn(&NodeName) -> String) -> Option<i64> {
    let promoted = timeline.promoted.as_ref()?;
    let won = server_log::elections_won(&log(&promoted.seen_by));
    // It may have won other elections before and after.
    let won = won.into_iter().find(|won| *won >= zero_unix_ms)?;
    let seen = zero_unix_ms + u64::try_from(promoted.after.as_millis()).ok()?;
    Some(seen.cast_signed() - won.cast_signed())
}

/// Reads the nodes' logs.
struct Logs;

impl LastLook for Logs {
    type Seen = BTreeMap<NodeName, String>;

    async fn look(&self, docker: &Docker) -> BTreeMap<NodeName, String> {
        let mut logs = BTreeMap::new();
        for address in docker.addresses().iter() {
            // A node that was never started has none.
            if let Ok(log) = docker.log(&address.name, 10_000).await {
                logs.insert(address.name.clone(), log);
            }
        }
        logs
    }
}

/// Three masters with a replica each, redis-4 of redis-1 and so on, as processes.
async fn three_pairs(node_timeout: Duration) -> servers::Servers {
    let servers = servers::Servers::start(6);
    let name = |n: usize| NodeName::new(format!("redis-{n}"));
    let ranges = ["0-5460", "5461-10922", "10923-16383"].map(|slots| slots.parse().expect("slots"));
    let shape = Shape {
        node_timeout: Some(node_timeout),
        masters: (1..)
            .zip(ranges)
            .map(|(n, slots)| (name(n), slots))
            .collect(),
        replicas: (1..=3).map(|n| (name(n + 3), name(n))).collect(),
    };
    let made = create(&servers.book(), &shape, LONG, &|_| {}).await;
    made.expect("a cluster");
    servers
}

/// One run with processes.
async fn with_servers() -> Run {
    let mut servers = three_pairs(Duration::from_millis(1000)).await;
    let recorder = Recorder::prepare(&servers.book(), &NodeName::new("redis-1")).await;
    let recording = recorder.expect("a failover to record").begin();
    let zero = recording.zero_unix_ms();
    servers.kill("redis-1");
    let whole = |timeline: &Timeline| {
        timeline
            .moments()
            .iter()
            .all(|(_, moment)| moment.is_some())
    };
    let seen = tokio::time::timeout(Duration::from_secs(30), recording.until(whole)).await;
    let timeline = recording.stop().await;
    let apart = apart(&timeline, zero, |node| servers.log(node.as_str()));
    judged(seen.is_ok(), timeline, apart)
}

/// What recording costs while nothing happens, here and on the servers.
async fn cost() {
    let servers = three_pairs(Duration::from_millis(3500)).await;
    let clients: Vec<Client> = servers
        .book()
        .iter()
        .map(|address| Client::new(address.clone(), Duration::from_secs(2)))
        .collect();
    let idle = spent(&clients, tokio::time::sleep(COST)).await;
    let recorder = Recorder::prepare(&servers.book(), &NodeName::new("redis-1")).await;
    let recording = recorder.expect("a failover to record").begin();
    let busy = spent(&clients, tokio::time::sleep(COST)).await;
    let answers = recording.answers() as f64 / recording.elapsed().as_secs_f64();
    recording.stop().await;
    println!(
        "recording 6 nodes: {answers:.0} answers a second; of one processor {:.1} % here and {:.1} % by all servers together",
        (busy.0 - idle.0) * 100.0,
        (busy.1 - idle.1) * 100.0
    );
}

/// The processor time that this process and the servers spend while `work` is done, as shares of one processor.
async fn spent(clients: &[Client], work: impl Future<Output = ()>) -> (f64, f64) {
    let (ours, theirs, started) = (own_seconds(), their_seconds(clients).await, Instant::now());
    work.await;
    let took = started.elapsed().as_secs_f64();
    (
        (own_seconds() - ours) / took,
        (their_seconds(clients).await - theirs) / took,
    )
}

/// User and system time of this process, by the kernel's word.
fn own_seconds() -> f64 {
    let stat = std::fs::read_to_string(PathBuf::from("/proc/self/stat")).expect("a /proc");
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    // A hundred a second on every Linux that this runs on.
    ticks
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}

async fn their_seconds(clients: &[Client]) -> f64 {
    let mut all = 0.0;
    for client in clients {
        let reply = client.call(&["INFO", "cpu"]).await.expect("an answer");
        let text = reply.as_text().unwrap_or_default().into_owned();
        let own = text.lines().filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            ["used_cpu_sys", "used_cpu_user"]
                .contains(&name)
                .then(|| value.trim().parse::<f64>().ok())?
        });
        all += own.sum::<f64>();
    }
    all
}
