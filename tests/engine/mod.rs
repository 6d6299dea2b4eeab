//! The Docker engine, for tests that need a real one.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use std::fs::File;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::support;

/// Starting containers is work for the processor: tests that do it take turns.
static TURN: Mutex<()> = Mutex::new(());

/// Whose turn it is. `None` where the test can't run, which has been told then.
pub fn turn(test: &str) -> Option<MutexGuard<'static, ()>> {
    support::may_run("docker", test).then(|| TURN.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The turn of a test that uses the course's own names and ports, of which a machine has one of each: of this process's threads, and
/// of other processes.
pub struct CourseTurn {
    // In this order: the course's names are free before another thread's turn begins.
    _machine: File,
    _ours: MutexGuard<'static, ()>,
}

/// Waits for the course's names and ports. `None` where the test can't run, which has been told then.
pub fn course_turn(test: &str) -> Option<CourseTurn> {
    let ours = turn(test)?;
    let machine = File::create(std::env::temp_dir().join("labrunner-course-ports.lock")).unwrap();
    machine.lock().unwrap();
    Some(CourseTurn {
        _machine: machine,
        _ours: ours,
    })
}

impl Drop for CourseTurn {
    fn drop(&mut self) {
        // A test that failed leaves its environment, which would fail all the others.
        if std::thread::panicking() {
            remove_by_hand("course");
        }
    }
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
