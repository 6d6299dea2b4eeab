//! The course's `make` targets and `labrunner cluster …`, as a reader types them.
//!
//! Those that need a cluster use the course's own names and ports, of which a machine has one of each: they take turns, also with whoever
//! else runs such tests on this machine.
#![allow(clippy::unwrap_used, clippy::panic)]

mod command;
mod engine;
mod support;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use command::{Desk, Ended, LONG, Running};
use engine::{CourseTurn, course_turn};
use labrunner::admin::{Shape, create};
use labrunner::backend::docker::course::CourseOptions;
use labrunner::backend::standing::{self, Course as _, EnvironmentLock, Standing};
use labrunner::backend::{Backend, Docker};
use labrunner::cluster::{NodeName, Topology};
use rstest::rstest;
use rustix::process::Signal;
use tokio_util::sync::CancellationToken;

/// `make ARGS` in the top folder of the source, with this build of labrunner, and its state in `state`.
fn make(desk: &Desk, args: &[&str]) -> Command {
    let mut command = Command::new("make");
    command
        .arg(format!("LABRUNNER={}", env!("CARGO_BIN_EXE_labrunner")))
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("LABRUNNER_STATE", desk.path().join("state"))
        .env_remove("MAKEFLAGS")
        .env_remove("MAKELEVEL")
        .env_remove("NODE")
        .env_remove("USERS")
        .env_remove("SEATS")
        .env_remove("LAB");
    command
}

fn has_make(test: &str) -> bool {
    let there = Command::new("make").arg("--version").output();
    there.is_ok_and(|output| output.status.success())
        || support::skip("make", test, "make is not installed")
}

fn makefile() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Makefile")).unwrap()
}

/// The targets that the Makefile declares.
fn targets() -> Vec<String> {
    let makefile = makefile();
    let phony = makefile.lines().find(|line| line.starts_with(".PHONY:"));
    let words = phony.unwrap().split_whitespace().skip(1);
    words.map(str::to_owned).collect()
}

#[test]
fn make_alone_prints_every_target() {
    if !has_make("make_alone_prints_every_target") {
        return;
    }
    let desk = Desk::new();
    let ended = desk.start(&mut make(&desk, &[])).end(LONG);
    ended.says(0, &["make scale-down NODE=7007", "make watch-cluster"]);
    assert_eq!(ended.stderr, "");
    for target in targets().iter().filter(|target| *target != "help") {
        let listed = ended
            .stdout
            .lines()
            .any(|line| line.split_whitespace().nth(1) == Some(target));
        assert!(listed, "{target} is not in\n{}", ended.stdout);
        assert!(
            makefile().contains(&format!("\n{target}:\n")),
            "{target} has no rule"
        );
    }
}

/// What a shell or make would do something with arrives as it was typed, and is no node.
#[rstest]
fn nothing_is_read_into_a_variable(
    #[values(
        "$(id)",
        "$$(id)",
        ";id",
        "`id`",
        "$(shell id >&2)",
        "${NODE}",
        "7007;id",
        "a b",
        "'",
        "\"",
        "--help",
        "$(error stop)",
        "9999",
        "redis-9",
        "+7007",
        ""
    )]
    value: &str,
    #[values("scale-down", "failover")] target: &str,
    #[values(false, true)] in_the_environment: bool,
) {
    if !has_make("nothing_is_read_into_a_variable") {
        return;
    }
    // Nothing said for failover's node is redis-1, which is another test.
    if value.is_empty() && target == "failover" {
        return;
    }
    let desk = Desk::new();
    let mut command = make(&desk, &[target]);
    if in_the_environment {
        command.env("NODE", value);
    } else {
        command.arg(format!("NODE={value}"));
    }
    let ended = desk.start(&mut command).end(LONG);
    // The message quotes it, and nothing was put in its place. Make's own exit code is 2 whatever the command's was.
    ended.says(2, &[&format!("invalid value '{value}' for")]);
    ended.says(2, &["there are 7001 (redis-1)", "Error 2"]);
    assert!(!ended.stderr.contains("uid="), "{ended}");
    assert_eq!(ended.stdout, "");
}

/// The same of the numbers of a load test.
#[rstest]
fn nothing_is_read_into_a_number(
    #[values(
        "$(id)",
        "$$(id)",
        ";id",
        "`id`",
        "$(shell id >&2)",
        "50;id",
        "5 0",
        "'",
        "\"",
        "--help",
        "$(error stop)",
        "-1",
        "0",
        "999999999999"
    )]
    value: &str,
    #[values(("USERS", "users"), ("SEATS", "seats"))] variable: (&str, &str),
    #[values(false, true)] in_the_environment: bool,
) {
    if !has_make("nothing_is_read_into_a_number") {
        return;
    }
    let (variable, option) = variable;
    let desk = Desk::new();
    let mut command = make(&desk, &["load-test"]);
    if in_the_environment {
        command.env(variable, value);
    } else {
        command.arg(format!("{variable}={value}"));
    }
    let ended = desk.start(&mut command).end(LONG);
    ended.says(
        2,
        &[
            &format!("invalid value '{value}' for '--{option} <N>'"),
            "Error 2",
        ],
    );
    assert!(!ended.stderr.contains("uid="), "{ended}");
    assert_eq!(ended.stdout, "");
}

/// `./app` of the checkout is the labrunner on the PATH, or else the application built from the checkout.
#[test]
fn the_script_of_the_checkout_starts_the_application() {
    let desk = Desk::new();
    let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("app");
    let says = |folders: &[std::path::PathBuf]| {
        let system = ["/usr/bin", "/bin"].map(std::path::PathBuf::from);
        let path = std::env::join_paths(folders.iter().chain(&system)).unwrap();
        let mut command = Command::new(&app);
        command
            .args(["show", "--event", "a b", ""])
            .current_dir(desk.path())
            .env("PATH", path);
        desk.start(&mut command).end(LONG)
    };
    let print = r#"printf '<%s>' "${0##*/}" "$@"; exit 17"#;
    let labrunner = desk.script("with-labrunner", "labrunner", print);
    let cargo = desk.script("with-cargo", "cargo", print);
    let ended = says(&[labrunner, cargo.clone()]);
    assert_eq!(ended.stdout, "<labrunner><app><show><--event><a b><>");
    assert_eq!(ended.exit, Some(17));
    let ended = says(&[cargo]);
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    assert_eq!(
        ended.stdout,
        format!(
            "<cargo><run><--quiet><--release><--manifest-path><{}><--><app><show><--event><a b><>",
            manifest.display()
        )
    );
    assert_eq!(ended.exit, Some(17));
}

#[rstest]
#[case::nodes(&["nodes"])]
#[case::load_test(&["load-test", "--users", "50", "--seats", "2"])]
#[case::info(&["info"])]
#[case::watch(&["watch", "--once"])]
#[case::failover(&["failover"])]
#[case::recover(&["recover", "7002"])]
#[case::add_replica(&["add-replica"])]
#[case::scale_down(&["scale-down", "redis-7"])]
fn without_an_environment_it_says_how_to_make_one(#[case] args: &[&str]) {
    let desk = Desk::new();
    let ended = desk.labrunner(&[&["cluster"], args].concat());
    ended.says(4, &["no environment stands here", "labrunner up"]);
    assert_eq!(ended.stdout, "");
    assert!(!desk.path().join(".labrunner").exists());
}

fn turn(test: &str) -> Option<CourseTurn> {
    if !has_make(test) {
        return None;
    }
    course_turn(test)
}

/// The course's environment, with a small cluster in it: removed at the end of the test, however it ends.
struct Course {
    desk: Desk,
    /// Until it ends, nobody else uses the course's names.
    _turn: CourseTurn,
}

impl Drop for Course {
    fn drop(&mut self) {
        let state = self.desk.path().join("state");
        let removed = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(standing::remove(&state)).map(drop)
        });
        let removed = removed.join().unwrap();
        assert!(removed.is_ok() || std::thread::panicking(), "{removed:?}");
    }
}

/// redis-1, redis-2 and redis-7 are masters, redis-4 is the replica of redis-1; redis-7 owns few slots, so that it is quickly emptied.
fn course(test: &str) -> Option<Course> {
    let turn = turn(test)?;
    let desk = Desk::new();
    let state = desk.path().join("state");
    let _lock = EnvironmentLock::take(&state, "a test").unwrap();
    let course = Course { desk, _turn: turn };
    let shape = Shape {
        node_timeout: Some(Duration::from_millis(1000)),
        masters: [
            ("redis-1", "0-8191"),
            ("redis-2", "8192-16283"),
            ("redis-7", "16284-16383"),
        ]
        .map(|(node, slots)| (NodeName::new(node), slots.parse().unwrap()))
        .into(),
        replicas: [(NodeName::new("redis-4"), NodeName::new("redis-1"))].into(),
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let options = CourseOptions {
            image: std::env::var("LAB_REDIS_IMAGE").ok(),
            state_dir: state.clone(),
            ..CourseOptions::default()
        };
        let docker = Docker::prepare_course(options).await.unwrap();
        let mut standing = Standing::begin(
            "docker",
            None,
            None,
            docker.image(),
            docker.lock_path().unwrap(),
        );
        standing.write(&state).unwrap();
        let nodes: Vec<NodeName> = shape.nodes().cloned().collect();
        let cancel = CancellationToken::new();
        docker.start(&nodes, &cancel).await.unwrap();
        create(&docker.addresses(), &shape, LONG, &|_| ())
            .await
            .unwrap();
        standing.phase = standing::Phase::Ready;
        standing.write(&state).unwrap();
    });
    Some(course)
}

impl Course {
    fn make(&self, args: &[&str]) -> Ended {
        self.desk.start(&mut make(&self.desk, args)).end(LONG)
    }

    fn start(&self, args: &[&str]) -> Running {
        let all = ["cluster", "--state-dir", "state"];
        let mut command = self.desk.command(all.iter().chain(args));
        self.desk.start(&mut command)
    }

    fn cluster(&self, args: &[&str]) -> Ended {
        self.start(args).end(LONG)
    }

    /// Runs it again and again until it says `words`.
    fn until(&self, args: &[&str], words: &str) {
        let until = std::time::Instant::now() + LONG;
        loop {
            let ended = self.cluster(args);
            if ended.stdout.contains(words) {
                return;
            }
            assert!(
                std::time::Instant::now() < until,
                "never {words:?}: {ended}"
            );
        }
    }
}

#[test]
fn a_tour_of_the_targets() {
    let Some(course) = course("a_tour_of_the_targets") else {
        return;
    };
    // What redis-cli printed goes through a pipe as it is.
    let nodes = course.make(&["cluster-nodes"]);
    nodes.says(0, &["$ redis-cli -p 7001 CLUSTER NODES"]);
    assert_eq!(Topology::parse(&nodes.stdout).unwrap().nodes.len(), 4);
    assert_eq!(nodes.stderr, "$ redis-cli -p 7001 CLUSTER NODES\n");
    let info = course.make(&["cluster-info"]);
    info.says(
        0,
        &[
            "cluster_state:ok",
            "cluster_size:3",
            "cluster_slots_assigned:16384",
            "in 3 masters",
        ],
    );
    // A picture, in a pipe without colours and with them where they are asked for.
    let once = course.cluster(&["watch", "--once"]);
    once.says(
        0,
        &["cluster ok", "3 masters, 1 replica", "replica of redis-1"],
    );
    assert!(!once.stdout.contains('\u{1b}'), "{once}");
    let painted = course.cluster(&["watch", "--once", "--color", "always"]);
    assert!(painted.stdout.contains("\u{1b}["), "{painted}");

    let mut watch = course.start(&["watch"]);
    watch.wait_until("a picture", |watch| {
        watch.stdout().contains("cluster ok").then_some(())
    });
    course
        .make(&["failover"])
        .says(0, &["$ docker stop redis-1"]);
    watch.wait_until("the failover", |watch| {
        watch
            .stdout()
            .contains("redis-4  7004  master")
            .then_some(())
    });
    watch.signal(Signal::INT);
    let watched = watch.end(LONG);
    watched.says(130, &["stopped", "master  fail "]);

    let again = course.make(&["failover"]);
    again.says(2, &["refused: redis-1 is not running", "Error 1"]);
    assert_eq!(course.cluster(&["failover"]).exit, Some(1));
    course
        .make(&["recover"])
        .says(0, &["$ docker start redis-1"]);
    course.until(&["watch", "--once"], "redis-1  7001  replica of redis-4");
    course
        .make(&["recover", "NODE=7001"])
        .says(2, &["redis-1 is running already"]);

    course
        .make(&["scale-add-replica"])
        .says(2, &["redis-8 is not started"]);
    course.up("redis-8");
    course.make(&["scale-add-replica"]).says(
        0,
        &["$ redis-cli --cluster add-node 172.30.0.18:7008 172.30.0.17:7007 --cluster-slave"],
    );

    // Whoever changes it is alone.
    let held = EnvironmentLock::take(&course.desk.path().join("state"), "labrunner up").unwrap();
    course
        .make(&["scale-down", "NODE=7007"])
        .says(2, &["is being changed by process", "Error 4"]);
    drop(held);
    let down = course.make(&["scale-down", "NODE=7007"]);
    down.says(
        0,
        &[
            "redis-7 owns no slots any more",
            "redis-8 replicates redis-7",
        ],
    );
    assert_eq!(
        down.stdout
            .lines()
            .filter(|line| line.trim_start().starts_with("Moving slot") && line.contains(" to 172"))
            .count(),
        100
    );
    let picture = course.cluster(&["watch", "--once"]);
    picture.says(0, &["cluster ok", "16384 slots served"]);
}

impl Course {
    /// `docker compose up -d NODE`, as a lab does it.
    fn up(&self, node: &str) {
        use labrunner::lab::action::{Action, Limits, NodeChange};
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let (_, backend) = standing::attach(&self.desk.path().join("state"))
                .await
                .unwrap();
            let action = Action::Nodes {
                change: NodeChange::Up,
                nodes: vec![NodeName::new(node)],
            };
            let limits = Limits {
                time: LONG,
                output: 64 * 1024,
            };
            let cancel = CancellationToken::new();
            let output = backend.perform(&action, limits, &cancel).await.unwrap();
            assert_eq!(output.exit, Some(0), "{output:?}");
        });
    }
}

#[test]
fn a_watch_ends_when_the_environment_is_taken_down() {
    let Some(course) = course("a_watch_ends_when_the_environment_is_taken_down") else {
        return;
    };
    let mut watch = course.start(&["watch"]);
    watch.wait_until("a picture", |watch| {
        watch.stdout().contains("cluster ok").then_some(())
    });
    let state = course.desk.path().join("state");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(standing::remove(&state)).unwrap();
    watch
        .end(LONG)
        .says(5, &["the environment is gone", "labrunner up"]);
}
