//! The campaign of `kill -9`: a run of Lab 6 is killed at a random moment, again and again. Nothing of ours may run on, `clean` removes
//! what is left, and the next run is green.
//!
//! `cargo bench --bench kill` kills 30 runs, at moments spread at random over the time that a whole run takes, and fails unless each
//! time there is no process of it 2 s later (containers excepted: the engine runs those), `labrunner clean` leaves nothing, and
//! the runs between (every 10th) and at the end are green. `-- --kills N` for another number, `--seed S` for the same moments again.

mod campaign;

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use campaign::{Call, lab, left_behind, processes, run_labs, things};
use rand::{Rng, SeedableRng};

/// How long after the kill nothing may run any more.
const GONE: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let Some(call) = Call::read() else {
        return ExitCode::SUCCESS;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let kills = call.number("--kills", 30);
    let seed = call.number("--seed", rand::rng().random_range(0..1_000_000));
    let mut random = rand::rngs::StdRng::seed_from_u64(seed as u64);
    println!("seed {seed}");
    let Some(whole) = green(folder.path(), "first") else {
        return ExitCode::FAILURE;
    };
    let mut good = true;
    for kill in 1..=kills {
        let moment = whole.mul_f64(random.random());
        good &= kill_at(folder.path(), kill, moment);
        if kill % 10 == 0 || kill == kills {
            good &= green(folder.path(), &format!("after {kill}")).is_some();
        }
    }
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// A run that nobody kills; how long it took, if it was green and left nothing.
fn green(folder: &Path, name: &str) -> Option<Duration> {
    let started = Instant::now();
    let output = run_labs(
        &[lab("06-failover.yaml")],
        folder,
        &format!("green-{name}.jsonl"),
    )
    .output()
    .expect("labrunner starts");
    let took = started.elapsed();
    let left = left_behind();
    let good = output.status.success() && left.is_empty();
    println!(
        "run {name}: exit {} after {:.1} s, {}",
        output.status.code().unwrap_or(-1),
        took.as_secs_f64(),
        if left.is_empty() {
            "nothing left".to_owned()
        } else {
            left.join(" ")
        },
    );
    if !good {
        println!("{}", String::from_utf8_lossy(&output.stdout));
    }
    good.then_some(took)
}

/// Starts a run, kills it at this moment, and looks at what is left of it.
fn kill_at(folder: &Path, kill: usize, moment: Duration) -> bool {
    let mut child = run_labs(
        &[lab("06-failover.yaml")],
        folder,
        &format!("kill-{kill}.jsonl"),
    )
    .stdout(Stdio::null())
    .stderr(Stdio::null())
    .spawn()
    .expect("labrunner starts");
    std::thread::sleep(moment);
    let started = descendants(child.id());
    child.kill().expect("killed");
    child.wait().expect("ended");
    let killed = Instant::now();
    let mut alive = still_alive(&started);
    while !alive.is_empty() && killed.elapsed() < GONE {
        std::thread::sleep(Duration::from_millis(20));
        alive = still_alive(&started);
    }
    let gone_after = killed.elapsed();
    alive.extend(processes());
    let containers = things().len();
    let cleaned = Command::new(env!("CARGO_BIN_EXE_labrunner"))
        .arg("clean")
        .stdin(Stdio::null())
        .output()
        .expect("labrunner starts");
    let left = left_behind();
    println!(
        "kill {kill} at {:5.1} s: {} children, {} alive {:.2} s later, {containers} things for clean (exit {}), {} left",
        moment.as_secs_f64(),
        started.len(),
        alive.len(),
        gone_after.as_secs_f64(),
        cleaned.status.code().unwrap_or(-1),
        left.len(),
    );
    for what in alive.iter().chain(&left) {
        println!("    {what}");
    }
    alive.is_empty() && left.is_empty() && cleaned.status.success()
}

/// A process, told from a later one of the same number by its start time.
type Process = (u32, String);

/// The children of a process, theirs, and so on.
fn descendants(of: u32) -> Vec<Process> {
    let mut all: Vec<(u32, u32, String)> = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if let Some((parent, start)) = parent_and_start(pid) {
            all.push((pid, parent, start));
        }
    }
    let mut found: Vec<Process> = Vec::new();
    let mut parents = vec![of];
    while let Some(parent) = parents.pop() {
        for (pid, _, start) in all.iter().filter(|(_, other, _)| *other == parent) {
            parents.push(*pid);
            found.push((*pid, start.clone()));
        }
    }
    found
}

fn still_alive(processes: &[Process]) -> Vec<String> {
    let alive =
        |(pid, start): &&Process| parent_and_start(*pid).is_some_and(|(_, now)| now == *start);
    processes
        .iter()
        .filter(alive)
        .map(|(pid, _)| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            format!(
                "process {pid}: {}",
                String::from_utf8_lossy(&line).replace('\0', " ")
            )
        })
        .collect()
}

/// From `/proc/PID/stat`: the fields after the name, which stands in parentheses and may hold anything. A zombie has ended.
fn parent_and_start(pid: u32) -> Option<(u32, String)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    if *fields.first()? == "Z" {
        return None;
    }
    Some((fields.get(1)?.parse().ok()?, (*fields.get(19)?).to_owned()))
}
