//! What the campaigns share: how they are called, runs of the real binary, and looking for what is left on the machine.
//!
//! Each campaign uses a part of this.
#![allow(dead_code)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

pub mod application;
pub mod cluster;
pub mod containers;

/// How a campaign is called.
pub struct Call {
    arguments: Vec<String>,
}

impl Call {
    /// From the command line; `None` when `cargo test` asks only whether it starts.
    pub fn read() -> Option<Self> {
        let arguments: Vec<String> = std::env::args().collect();
        (!arguments.iter().any(|argument| argument == "--test")).then_some(Call { arguments })
    }

    /// The number after `--name`.
    pub fn number(&self, name: &str, default: usize) -> usize {
        let at = self.arguments.iter().position(|argument| argument == name);
        at.and_then(|at| self.arguments.get(at + 1))
            .and_then(|count| count.parse().ok())
            .unwrap_or(default)
    }

    /// The word after `--name`.
    pub fn word(&self, name: &str) -> Option<&str> {
        let at = self.arguments.iter().position(|argument| argument == name);
        self.arguments.get(at? + 1).map(String::as_str)
    }

    /// Whether times are judged, and not only printed (`--no-limits`, for a machine that is busy).
    pub fn judges(&self) -> bool {
        !self.has("--no-limits")
    }

    /// Whether a flag is there.
    pub fn has(&self, flag: &str) -> bool {
        self.arguments.iter().any(|argument| argument == flag)
    }
}

/// A lab of this checkout, or all of them (`""`).
pub fn lab(name: &str) -> String {
    format!("{}/labs/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// `labrunner run --backend docker LABS`, which keeps what it keeps in `folder`, and its journal there under this name.
pub fn run_labs(labs: &[String], folder: &Path, journal: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_labrunner"));
    command
        .args(["run", "--backend", "docker"])
        .args(labs)
        .arg("--journal")
        .arg(folder.join(journal))
        .arg("--state-dir")
        .arg(folder)
        .stdin(Stdio::null());
    command
}

/// The events of a journal.
pub fn events(journal: &Path) -> Vec<Value> {
    std::fs::read_to_string(journal)
        .unwrap_or_default()
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// What of labrunner's is on the machine: by label, and by the names of processes. A process may need a moment to go.
pub fn left_behind() -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(3);
    loop {
        let mut left = things();
        left.extend(processes());
        if left.is_empty() || Instant::now() > deadline {
            return left;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Containers, networks and volumes that carry the label of a run.
pub fn things() -> Vec<String> {
    labelled("labrunner.run")
}

/// Containers, networks and volumes that carry a label, or (`name=value`) one with this value.
pub fn labelled(label: &str) -> Vec<String> {
    let filter = format!("label={label}");
    let mut left = Vec::new();
    for kind in ["container", "network", "volume"] {
        let mut list = Command::new("docker");
        list.args([kind, "ls", "-q", "--filter", &filter]);
        if kind == "container" {
            list.arg("--all");
        }
        let listed = list.output().expect("docker starts");
        left.extend(
            String::from_utf8_lossy(&listed.stdout)
                .split_whitespace()
                .map(|id| format!("{kind} {id}")),
        );
    }
    left
}

/// Processes on this machine that a run has started: their command lines carry the names of its project or containers.
pub fn processes() -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains("labrunner-") && !line.contains("/deps/") && !line.contains("cargo") {
            found.push(format!("process {line}"));
        }
    }
    found
}

/// Of numbers: the least, the one in the middle, the greatest. `None` of none.
pub fn spread(numbers: &[f64]) -> Option<(f64, f64, f64)> {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some((
        *sorted.first()?,
        *sorted.get(sorted.len() / 2)?,
        *sorted.last()?,
    ))
}
