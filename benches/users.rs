//! What load itself costs: the memory of very many users, and the time to record an operation.
//!
//! `cargo bench --bench users` sends 100,000 users through the closed loop, three operations each, and fails when the process took
//! more than 500 MiB at any time. Then it records from two threads, and fails when an operation costs more than 2 µs. `-- --users N`
//! for another number, `--no-limits` not to judge the time (of a debug build, or on a machine that is busy).

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use labrunner::load::{Act, ClosedLoop, Done, Outcome, Recorder, Users};
use tokio_util::sync::CancellationToken;

const MOST_MIB: u64 = 500;
const MOST_PER_RECORD: Duration = Duration::from_micros(2);
const RECORDS: u64 = 1_000_000;
const THREADS: usize = 2;
const THINK: Duration = Duration::from_secs(1);

struct Crowd;

/// As much as the users of a reservation service have to know.
struct User {
    name: String,
    reservation: Option<String>,
    acts: u32,
}

impl Users for Crowd {
    type User = User;

    fn arrive(&self, number: u64) -> User {
        User {
            name: format!("user-{number}"),
            reservation: None,
            acts: 0,
        }
    }

    async fn act(&self, user: &mut User) -> Act {
        tokio::task::yield_now().await;
        user.reservation = Some(format!("r-{}-{}", user.name, user.acts));
        user.acts += 1;
        Act {
            done: Done::new("act", Outcome::Ok),
            next: (user.acts < 3).then_some(THINK),
        }
    }
}

/// The most that this process has had in memory, in MiB.
fn most_in_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap_or_default();
    let kib: u64 = line
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .expect("/proc/self/status has VmHWM");
    kib.div_ceil(1024)
}

async fn users(users: u64) -> bool {
    let before = most_in_memory();
    let recorder = Arc::new(Recorder::new(Duration::ZERO));
    let load = ClosedLoop {
        users,
        in_flight: 1000,
        length: None,
    };
    load.run(Arc::new(Crowd), recorder.clone(), &CancellationToken::new())
        .await
        .expect("the load runs");
    let summary = recorder.summary();
    let after = most_in_memory();
    println!(
        "{users} users: {after} MiB at most ({before} before), {} operations in {:.1?}, {:.0}/s, p99 {:?}",
        summary.all.ok, summary.measured, summary.achieved_rate, summary.all.latency.p99
    );
    assert_eq!(summary.all.ok, users * 3);
    after <= MOST_MIB
}

fn records() -> bool {
    let recorder = Recorder::new(Duration::ZERO);
    let started = recorder.started();
    let began = Instant::now();
    std::thread::scope(|scope| {
        for worker in 0..THREADS {
            let recorder = &recorder;
            scope.spawn(move || {
                for n in 0..RECORDS {
                    recorder.begun();
                    let latency = Duration::from_micros(50 + n * 7919 % 5000);
                    let ended = Instant::now();
                    let outcome = if n % 10 == 0 {
                        Outcome::refused("sold out")
                    } else {
                        Outcome::Ok
                    };
                    let due = ended.checked_sub(latency).unwrap_or(started).max(started);
                    recorder.record(worker, Done::new("act", outcome), due, ended);
                }
            });
        }
    });
    let each = began.elapsed() * THREADS as u32 / (RECORDS as u32 * THREADS as u32);
    println!("recording: {each:?} an operation and thread, {THREADS} threads at once");
    assert_eq!(recorder.summary().all.count, RECORDS * THREADS as u64);
    each <= MOST_PER_RECORD
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    let count = words
        .iter()
        .position(|word| word == "--users")
        .and_then(|place| words.get(place + 1)?.parse().ok())
        .unwrap_or(100_000);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let small = runtime.block_on(users(count));
    let fast = records();
    if small && (fast || words.iter().any(|word| word == "--no-limits")) {
        ExitCode::SUCCESS
    } else {
        println!("over the limit: {MOST_MIB} MiB, {MOST_PER_RECORD:?} an operation");
        ExitCode::FAILURE
    }
}
