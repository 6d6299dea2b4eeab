//! The Docker engine, for tests that need a real one.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use std::fs::File;
use std::process::Command;

use crate::support;
use crate::support::turns::{Turn, Turns};

/// Tests that make containers: they wait most of the time, but starting containers is work for the processor.
static MAKING: Turns = Turns::new(2);

/// Waits for a turn. `None` where the test can't run, which has been told then.
pub fn turn(test: &str) -> Option<Turn> {
    support::may_run("docker", test).then(|| MAKING.take())
}

/// The turn of a test that uses the course's own names and ports, of which a machine has one of each: of this process's threads, and
/// of other processes.
pub struct CourseTurn {
    // In this order: the course's names are free before another one's turn begins.
    _machine: File,
    _turn: Turn,
}

/// Waits for the course's names and ports. `None` where the test can't run, which has been told then.
pub fn course_turn(test: &str) -> Option<CourseTurn> {
    let machine = File::create(std::env::temp_dir().join("labrunner-course-ports.lock")).unwrap();
    // Who waits for the names takes no turn from those who need none.
    machine.lock().unwrap();
    Some(CourseTurn {
        _machine: machine,
        _turn: turn(test)?,
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
