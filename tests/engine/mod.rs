//! The Docker engine, for tests that need a real one.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::support;

/// Starting containers is work for the processor: tests that do it take turns.
static TURN: Mutex<()> = Mutex::new(());

/// Whose turn it is. `None` where the test can't run, which has been told then.
pub fn turn(test: &str) -> Option<MutexGuard<'static, ()>> {
    support::may_run("docker", test).then(|| TURN.lock().unwrap_or_else(PoisonError::into_inner))
}

/// What `docker ARGS` prints.
pub fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Containers, networks and volumes of a run, each by its kind and id.
pub fn left_of(run: &str) -> Vec<String> {
    let label = format!("label=labrunner.run={run}");
    let lists: [&[&str]; 3] = [
        &["ps", "--all", "--quiet"],
        &["network", "ls", "--quiet"],
        &["volume", "ls", "--quiet"],
    ];
    let mut left = Vec::new();
    for list in lists {
        let ids = docker(&[list, &["--filter", &label]].concat());
        left.extend(ids.lines().map(|id| format!("{} {id}", list[0])));
    }
    left
}

/// Removes what is left of a run: for the end of a test that failed.
pub fn remove_by_hand(run: &str) {
    for thing in left_of(run) {
        match thing.split_once(' ') {
            Some(("ps", id)) => docker(&["rm", "--force", "--volumes", id]),
            Some((kind, id)) => docker(&[kind, "rm", id]),
            None => String::new(),
        };
    }
}
