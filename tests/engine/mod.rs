//! The Docker engine, for tests that need a real one.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Starting containers is work for the processor: tests that do it take turns.
static TURN: Mutex<()> = Mutex::new(());

/// Whose turn it is. `None` where the test can't run: without an engine or an image of Redis it says loudly that it was skipped; where
/// the environment variable `LABRUNNER_REQUIRE` (a comma-separated list) has `docker`, it fails instead.
pub fn turn(test: &str) -> Option<MutexGuard<'static, ()>> {
    let Some(missing) = missing() else {
        return Some(TURN.lock().unwrap_or_else(PoisonError::into_inner));
    };
    let required = std::env::var("LABRUNNER_REQUIRE").unwrap_or_default();
    assert!(
        !required.split(',').any(|word| word.trim() == "docker"),
        "{test}: {missing}, and LABRUNNER_REQUIRE names docker"
    );
    eprintln!("SKIPPED {test}: {missing}");
    None
}

/// What is missing, found out as `labrunner` does.
fn missing() -> Option<String> {
    let answers = |args: &[&str]| {
        Command::new("docker")
            .args(args)
            .stdin(Stdio::null())
            .output()
            .is_ok_and(|output| output.status.success() && !output.stdout.trim_ascii().is_empty())
    };
    if !answers(&["version", "--format", "{{.Server.Version}}"]) {
        return Some("there is no Docker engine that answers".to_owned());
    }
    let named = std::env::var("LAB_REDIS_IMAGE").unwrap_or_default();
    let named = if named.is_empty() {
        "redis:7.2"
    } else {
        &named
    };
    let ours = [
        "image",
        "ls",
        "--quiet",
        "--filter",
        "label=labrunner.image=redis",
    ];
    if !answers(&["image", "inspect", "--format", "{{.Id}}", named]) && !answers(&ours) {
        return Some(format!(
            "the image {named} is not here, and none was made by .ci/images"
        ));
    }
    None
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
