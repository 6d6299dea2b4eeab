//! Tests that need something that a machine may not have: they run where it is there. Where it is not they say loudly that they are
//! skipped, or fail, if the environment variable `LABRUNNER_REQUIRE` (a list, `docker,redis`) says that it must be there.
//!
//! Each test file uses a part of this.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

pub mod turns;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Tests of this file that were skipped until now.
static SKIPPED: AtomicUsize = AtomicUsize::new(0);

/// Whether `test` can run here. `what` it needs is `docker` (an engine and an image of Redis), `redis` (redis-server and redis-cli),
/// `postgres` (the programs of a PostgreSQL server), or `chromium` (with chromedriver).
pub fn may_run(what: &str, test: &str) -> bool {
    let missing = match what {
        "docker" => docker_missing(),
        "redis" => redis_missing(),
        "postgres" => labrunner::backend::postgres::Binaries::find()
            .err()
            .map(|error| error.to_string()),
        "chromium" => chromium_missing(),
        other => panic!("nobody knows how to look for {other}"),
    };
    missing.is_none_or(|why| skip(what, test, &why))
}

/// Says that a test is skipped, and why; fails it where `what` must be there. Always `false`: it may not run.
pub fn skip(what: &str, test: &str, why: &str) -> bool {
    let required = std::env::var("LABRUNNER_REQUIRE").unwrap_or_default();
    assert!(
        !required.split(',').any(|word| word.trim() == what),
        "{test}: {why}, and LABRUNNER_REQUIRE names {what}"
    );
    let so_far = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
    // Not eprintln: what a test prints by that is shown only if it fails.
    let line = format!("SKIPPED ({so_far} in this file so far) {test}: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    false
}

/// The server to start: `redis-server`, or what the environment variable `LABRUNNER_TEST_SERVER` names, so that the same tests run
/// against every version.
pub fn redis_server() -> std::ffi::OsString {
    std::env::var_os("LABRUNNER_TEST_SERVER").unwrap_or_else(|| "redis-server".into())
}

fn redis_missing() -> Option<String> {
    let server = redis_server();
    let path = Path::new(&server);
    let there = if path.is_absolute() {
        path.is_file()
    } else {
        found(path)
    };
    if !there {
        return Some(format!("{} is not installed", path.display()));
    }
    (!found(Path::new("redis-cli"))).then(|| "redis-cli is not installed".to_owned())
}

fn chromium_missing() -> Option<String> {
    ["chromium", "chromedriver"]
        .into_iter()
        .find(|program| !found(Path::new(program)))
        .map(|program| format!("{program} is not installed"))
}

fn found(program: &Path) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    })
}

/// What is missing, found out as `labrunner` does.
fn docker_missing() -> Option<String> {
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
    (!answers(&["image", "inspect", "--format", "{{.Id}}", named]) && !answers(&ours))
        .then(|| format!("the image {named} is not here, and none was made by .ci/images"))
}
