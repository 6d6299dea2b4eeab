//! What a simulated cluster costs.
//!
//! `cargo bench --bench cluster_cost` measures: a second of a cluster's time on a stepped clock, of 6 and of 60 nodes, left alone, with clients that write and ask for CLUSTER NODES, with something that is published each second,
//! and, without a limit, while it is kept from resting (`src/double/gossip/rest.rs`), so that each ping is played; the time from `start()` until all nodes of six are `ok`; the time from the death of a
//! master until its replica has taken over, on a leaping clock with a node timeout of 5 s; and by how much a process grows that has an idle cluster of 6 nodes.
//! It fails where a limit below is not kept to. `-- --rounds N` for another number of rounds, `--seconds N` for how long a cluster idles, `--no-limits` to print only.
//!
//! Limits are for the median of the rounds, on a machine that does nothing else. All is done on one processor (on Linux): a command goes to the thread of the nodes and its reply back, and to wake a
//! processor that sleeps can cost more than the command, or nothing, by what the machine has done the moment before.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use labrunner::cluster::Reply;
use labrunner::double::{Clock, Cluster};

/// From `start()` until all are `ok`.
const START: Duration = Duration::from_millis(10);
/// From the death of a master until its replica has taken over.
const PROMOTED: Duration = Duration::from_millis(20);
/// How many times the cost of 6 nodes 60 may have.
const TIMES: f64 = 15.0;
/// By how much a process may grow, in bytes.
const MEMORY: u64 = 20 * 1024 * 1024;
/// The word by which this program starts itself for the measurement of memory.
const MEMORY_WORD: &str = "--memory-of-this";

/// What happens to a cluster in each second.
#[derive(Clone, Copy)]
struct Second {
    /// In what words it is printed.
    how: &'static str,
    /// What clients send.
    commands: &'static [&'static str],
    /// Its nodes are kept from resting, and send each other all that the protocol has them send.
    awake: bool,
}

const SECONDS: [Second; 4] = [
    Second {
        how: "left alone",
        commands: &[],
        awake: false,
    },
    Second {
        how: "with clients",
        commands: &[
            "SET {a}seat ann",
            "GET {b}seat",
            "SET {c}seat ben",
            "CLUSTER NODES",
            "CLUSTER INFO",
        ],
        awake: false,
    },
    Second {
        how: "with news",
        commands: &["PUBLISH seats free"],
        awake: false,
    },
    AWAKE,
];

const AWAKE: Second = Second {
    how: "kept awake",
    commands: &[],
    awake: true,
};

struct Options {
    rounds: usize,
    seconds: u64,
    limits: bool,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        rounds: 15,
        seconds: 100,
        limits: true,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || {
            let value: Option<u64> = words.next().and_then(|value| value.parse().ok());
            let value = value.filter(|value| *value > 0);
            value.ok_or_else(|| format!("{word} needs a number above 0"))
        };
        match word.as_str() {
            "--rounds" => options.rounds = number()? as usize,
            "--seconds" => options.seconds = number()?,
            "--no-limits" => options.limits = false,
            "--bench" => {}
            other => {
                return Err(format!(
                    "{other}: no such option; there are --rounds N, --seconds N, --no-limits"
                ));
            }
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    // Before there are other threads: they stay where this one is.
    if let Err(why) = stay_on_one_processor() {
        eprintln!("not on one processor, so that costs differ from run to run: {why}");
    }
    match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(measure()),
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(target_os = "linux")]
fn stay_on_one_processor() -> std::io::Result<()> {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let allowed = sched_getaffinity(None)?;
    let mut one = CpuSet::new();
    // The last: what else the machine does is often on the first.
    if let Some(last) = (0..CpuSet::MAX_CPU).rev().find(|at| allowed.is_set(*at)) {
        one.set(last);
    }
    Ok(sched_setaffinity(None, &one)?)
}

#[cfg(not(target_os = "linux"))]
fn stay_on_one_processor() -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

async fn measure() -> ExitCode {
    if std::env::args().any(|word| word == MEMORY_WORD) {
        return grow().await;
    }
    let options = match options() {
        Ok(options) => options,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    let mut kept = true;
    let mut judge = |what: &str, is: bool| {
        if !is && options.limits {
            println!("    too much: {what}");
            kept = false;
        }
    };

    for second in SECONDS {
        let how = second.how;
        let mut costs = Vec::new();
        for masters in [3, 30] {
            let cost = median(options.rounds, || cost_of(masters, options.seconds, second)).await;
            println!("a second of {} nodes, {how}: {cost:.1?}", masters * 2);
            costs.push(cost);
        }
        let times = costs[1].as_secs_f64() / costs[0].as_secs_f64();
        println!("60 nodes, {how}, cost {times:.1} times 6");
        if !second.awake {
            judge("60 nodes beside 6", times <= TIMES);
        }
    }
    for masters in [3, 30] {
        let messages = messages_of(masters).await;
        println!("{} nodes send {messages:.0} messages a second", masters * 2);
    }

    let start = median(options.rounds, started).await;
    println!("from start() to ok at all of 6 nodes: {start:.1?}");
    judge("the start", start <= START);

    let promoted = median(options.rounds, promoted).await;
    println!("from kill to promoted, leaping, node timeout 5 s: {promoted:.1?}");
    judge("the failover", promoted <= PROMOTED);

    match memory() {
        Ok(grown) => {
            println!("6 idle nodes: {:.1} MiB", grown as f64 / 1_048_576.0);
            judge("memory", grown <= MEMORY);
        }
        Err(why) => {
            println!("memory could not be measured: {why}");
            kept = false;
        }
    }
    match kept {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

async fn median<F: Future<Output = Duration>>(
    rounds: usize,
    mut one: impl FnMut() -> F,
) -> Duration {
    let mut all = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        all.push(one().await);
    }
    all.sort_unstable();
    all[rounds / 2]
}

async fn cost_of(masters: usize, seconds: u64, second: Second) -> Duration {
    let cluster = idle(masters).await;
    let begun = Instant::now();
    pass(&cluster, seconds, second);
    let cost = begun.elapsed() / seconds as u32;
    assert!(cluster.look(|look| look.is_settled()), "it has stayed well");
    cost
}

/// Lets time pass while a client sends its commands each second, each to the next node.
fn pass(cluster: &Cluster, seconds: u64, second: Second) {
    if second.commands.is_empty() && !second.awake {
        return cluster.advance(Duration::from_secs(seconds));
    }
    for number in 0..seconds as usize {
        if second.awake {
            // Nothing is slower by this, but whoever has a hand in a cluster keeps it awake.
            cluster.slow(0, Duration::ZERO);
        }
        for (at, command) in second.commands.iter().enumerate() {
            let node = (number + at) % cluster.len();
            // What a node refuses by MOVED is work, too.
            cluster.run(node, command.split(' '));
        }
        cluster.advance(Duration::from_secs(1));
    }
}

/// How many messages its nodes send each other in a second: the protocol has them ping more the more they are.
async fn messages_of(masters: usize) -> f64 {
    let cluster = idle(masters).await;
    let sent = || -> u64 {
        let of_node = |node| match cluster.run(node, ["CLUSTER", "INFO"]) {
            Reply::Bulk(text) => String::from_utf8_lossy(&text)
                .lines()
                .find_map(|line| {
                    line.strip_prefix("cluster_stats_messages_sent:")?
                        .trim()
                        .parse()
                        .ok()
                })
                .unwrap_or(0),
            _ => 0,
        };
        (0..cluster.len()).map(of_node).sum()
    };
    let before = sent();
    pass(&cluster, 20, AWAKE);
    (sent() - before) as f64 / 20.0
}

/// A cluster without sockets that has been for some time.
async fn idle(masters: usize) -> Cluster {
    let cluster = Cluster::builder()
        .masters(masters)
        .replicas(1)
        .seed(1)
        .clock(Clock::stepped())
        .without_sockets()
        .node_timeout(Duration::from_secs(5))
        .start()
        .await
        .expect("a cluster without sockets always starts");
    cluster.advance(Duration::from_secs(20));
    cluster
}

async fn started() -> Duration {
    let begun = Instant::now();
    let cluster = Cluster::builder()
        .masters(3)
        .replicas(1)
        .start()
        .await
        .expect("there are free ports");
    let ok = cluster.look(|look| look.is_settled());
    let took = begun.elapsed();
    assert!(ok, "a cluster is well when it is started");
    took
}

async fn promoted() -> Duration {
    let cluster = Cluster::builder()
        .masters(3)
        .replicas(1)
        .clock(Clock::leaping())
        .node_timeout(Duration::from_secs(5))
        .start()
        .await
        .expect("there are free ports");
    let begun = Instant::now();
    cluster.kill(0);
    let done = cluster
        .until(Duration::from_secs(60), |look| look.is_master(3))
        .await;
    let took = begun.elapsed();
    assert!(done, "its replica takes over");
    took
}

/// By how much a process grows that has a cluster.
fn memory() -> Result<u64, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(own)
        .arg(MEMORY_WORD)
        .output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim()
        .parse()
        .map_err(|_| format!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

/// Prints by how many bytes this process has grown when its cluster has idled for a while.
async fn grow() -> ExitCode {
    let (Some(before), Ok(cluster)) = (
        resident(),
        Cluster::builder().clock(Clock::leaping()).start().await,
    ) else {
        return ExitCode::FAILURE;
    };
    cluster.sleep(Duration::from_secs(60)).await;
    let Some(after) = resident() else {
        return ExitCode::FAILURE;
    };
    println!("{}", after.saturating_sub(before));
    ExitCode::SUCCESS
}

/// How much memory this process has, in bytes.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}
