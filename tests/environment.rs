//! *The* environment: `labrunner up`, `status` and `down`, and what another process makes of it, on real containers.
//!
//! All of these tests use the course's own names and ports, of which a machine has one of each: they take turns, also with whoever else
//! runs them on this machine.

mod command;
mod engine;
mod support;

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use command::{Desk, Ended, LONG, Running};
use engine::{docker, left_of};
use labrunner::backend::docker::course::CourseOptions;
use labrunner::backend::standing::{self, EnvironmentLock, Phase, Standing};
use labrunner::backend::{Backend, BackendError, Docker, Life};
use labrunner::cluster::{Endpoint, NodeName};
use labrunner::lab::action::{Action, Limits, NodeChange, RedisCliCall};
use labrunner::resp::{Address, Client};
use rstest::rstest;
use rustix::process::Signal;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// After an interruption `up` has to be over in this time.
const SOON: Duration = Duration::from_secs(20);

/// The turn of a test: of this process's threads, and of other processes.
struct Turn {
    // In this order: the course's names are free before another thread's turn begins.
    _machine: File,
    _ours: std::sync::MutexGuard<'static, ()>,
}

/// Waits for the course's ports. `None` where the test can't run, which has been told then.
fn turn(test: &str) -> Option<Turn> {
    let ours = engine::turn(test)?;
    let machine = File::create(std::env::temp_dir().join("labrunner-course-ports.lock")).unwrap();
    machine.lock().unwrap();
    Some(Turn {
        _machine: machine,
        _ours: ours,
    })
}

impl Drop for Turn {
    fn drop(&mut self) {
        // A test that failed leaves its environment, which would fail all the others.
        if std::thread::panicking() {
            engine::remove_by_hand("course");
        }
    }
}

const LIMITS: Limits = Limits {
    time: Duration::from_secs(60),
    output: 64 * 1024,
};

fn cli(port: u16, words: &[&str]) -> Action {
    Action::RedisCli(RedisCliCall {
        port: Some(port),
        words: words.iter().map(|word| (*word).to_owned()).collect(),
        ..RedisCliCall::default()
    })
}

/// An environment of one node that knows no other, made without the command.
async fn one_node(state: &Path) {
    let _lock = EnvironmentLock::take(state, "a test").unwrap();
    let options = CourseOptions {
        image: std::env::var("LAB_REDIS_IMAGE").ok(),
        state_dir: state.to_owned(),
        ..CourseOptions::default()
    };
    let docker = Docker::prepare_course(options).await.unwrap();
    let mut standing = Standing::begin(None, None, docker.image(), docker.lock_path().unwrap());
    standing.write(state).unwrap();
    docker
        .start(&[NodeName::new("redis-1")], &CancellationToken::new())
        .await
        .unwrap();
    standing.phase = Phase::Ready;
    standing.write(state).unwrap();
}

async fn done(backend: &dyn Backend, action: &Action) -> String {
    let output = backend
        .perform(action, LIMITS, &CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(output.exit, Some(0), "{action:?}: {output:?}");
    output.stdout
}

#[tokio::test]
async fn another_process_takes_hold_of_what_stands() {
    let Some(_turn) = turn("another_process_takes_hold_of_what_stands") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let error = standing::attach(&state).await.map(|_| ()).unwrap_err();
    assert!(
        error.to_string().contains("no environment stands"),
        "{error}"
    );
    one_node(&state).await;

    let (standing, backend) = standing::attach(&state).await.unwrap();
    assert_eq!(standing.phase, Phase::Ready);
    let redis_1 = NodeName::new("redis-1");
    let address = backend.addresses().get(&redis_1).unwrap().clone();
    assert_eq!(address.announced.to_string(), "172.30.0.11:7001");
    assert_eq!(address.reachable.to_string(), "127.0.0.1:7001");
    assert_eq!(done(&*backend, &cli(7001, &["PING"])).await, "PONG\n");
    assert_eq!(
        backend.explain(&cli(7001, &["PING"])),
        "docker exec toolbox redis-cli -h 172.30.0.11 -p 7001 PING"
    );
    assert!(
        backend
            .log(&redis_1, 50)
            .await
            .unwrap()
            .contains("Ready to accept connections")
    );
    // A node that was not there yet.
    let change = |change, node: &str| Action::Nodes {
        change,
        nodes: vec![NodeName::new(node)],
    };
    done(&*backend, &change(NodeChange::Up, "redis-8")).await;
    done(&*backend, &change(NodeChange::Stop, "redis-1")).await;
    let lives: Vec<Life> = backend
        .nodes()
        .await
        .unwrap()
        .iter()
        .map(|node| node.life)
        .collect();
    assert_eq!((lives[0], lives[7]), (Life::Exited(0), Life::Running));
    drop(backend);
    // Nothing went with it.
    let (_, backend) = standing::attach(&state).await.unwrap();
    assert_eq!(done(&*backend, &cli(7008, &["PING"])).await, "PONG\n");
    // The toolbox was removed by somebody.
    engine::docker(&["rm", "--force", "--volumes", "toolbox"]);
    assert_eq!(done(&*backend, &cli(7008, &["PING"])).await, "PONG\n");

    let _lock = EnvironmentLock::take(&state, "a test").unwrap();
    let remains = standing::remove(&state).await.unwrap();
    assert_eq!((remains.containers, remains.networks), (3, 1));
    assert_eq!(engine::left_of("course"), Vec::<String>::new());
    let error = standing::attach(&state).await.map(|_| ()).unwrap_err();
    assert!(
        error.to_string().contains("no environment stands"),
        "{error}"
    );
    assert!(!state.join("environment").exists());
}

// ---- the command

/// A lab of one master and its replica, which are up in some three seconds.
const PAIR: &str = "
title: A pair
objective: To be had at hand.
given:
  node_timeout: 4321ms
  masters: {redis-1: 0-16383}
  replicas: {redis-4: redis-1}
  keys: {count: 50}
steps:
  - id: ping
    title: Ping
    run: redis-cli -p 7001 PING
    expect:
      - stdout: {equals: PONG}
points:
  - text: It is so.
    proved_by: [ping]
";

/// A lab that starts from nothing.
const BARE: &str = "
title: From nothing
objective: To be begun.
steps:
  - id: start
    title: Start a node
    run: docker compose up -d redis-1
    expect:
      - node: {name: redis-1, running: true}
points:
  - text: It is so.
    proved_by: [start]
";

/// A run that goes on for a while, on the pair.
fn waiting() -> String {
    PAIR.replace("run: redis-cli -p 7001 PING", "wait: 6s")
        .replace(
            "expect:\n      - stdout: {equals: PONG}",
            "holds:\n      - node: {name: redis-1, running: true}",
        )
}

/// What a node answers on its port of this machine, as text.
fn ask(port: u16, command: &[&str]) -> String {
    let address = Address {
        name: NodeName::new(format!("redis-{}", port - 7000)),
        announced: Endpoint::new("", port),
        reachable: ([127, 0, 0, 1], port).into(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let reply = runtime.block_on(Client::new(address, Duration::from_secs(5)).call(command));
    match reply.unwrap() {
        labrunner::cluster::Reply::Int(number) => number.to_string(),
        labrunner::cluster::Reply::Array(items) => items
            .iter()
            .filter_map(|item| item.as_text())
            .collect::<Vec<_>>()
            .join(" "),
        reply => reply.as_text().unwrap().into_owned(),
    }
}

/// The survey as programs get it.
fn json(desk: &Desk, exit: i32) -> Value {
    let ended = desk.labrunner(&["status", "--json"]);
    assert_eq!(ended.exit, Some(exit), "{ended}");
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}\n{ended}"))
}

fn up(desk: &Desk, lab: &str) -> Ended {
    desk.write("lab.yaml", lab);
    let ended = desk.labrunner(&["up", "lab.yaml"]);
    assert_eq!(ended.exit, Some(0), "{ended}");
    ended
}

/// Fails if anything of the environment is left: containers, the network, files.
#[track_caller]
fn nothing_is_left(desk: &Desk) {
    assert_eq!(left_of("course"), Vec::<String>::new());
    for name in ["environment.json", "environment.lock", "environment"] {
        assert!(
            !desk.path().join(".labrunner").join(name).exists(),
            "{name} is left"
        );
    }
}

fn down(desk: &Desk) {
    desk.labrunner(&["down"])
        .says(0, &["removed the environment: "]);
    nothing_is_left(desk);
}

/// Looks again and again until it is so.
#[track_caller]
fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < deadline, "never came: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn without_a_lab_the_course_s_cluster_stands_until_it_is_removed() {
    let Some(_turn) = turn("without_a_lab_the_course_s_cluster_stands_until_it_is_removed") else {
        return;
    };
    let desk = Desk::new();
    desk.labrunner(&["status"])
        .says(4, &["no environment stands here", "`labrunner up`"]);
    assert_eq!(json(&desk, 4)["state"], "none");

    let ended = desk.labrunner(&["up"]);
    ended.says(
        0,
        &[
            "given 3 masters, 3 replicas",
            "redis-1 7001 running master 5,461 slots: 0-5460",
            "redis-2 7002 running master 5,462 slots: 5461-10922",
            "redis-3 7003 running master 5,461 slots: 10923-16383",
            "redis-4 7004 running replica of redis-1, link up",
            "redis-5 7005 running replica of redis-2, link up",
            "redis-6 7006 running replica of redis-3, link up",
            "not there: redis-7, redis-8",
            "redis-cli -p 7001 CLUSTER NODES",
            "The environment stands.",
        ],
    );
    // From this machine, by the course's ports, and in the course's own words.
    let seen = ask(7006, &["CLUSTER", "NODES"]);
    for address in ["172.30.0.11:7001@17001", "172.30.0.16:7006@17006"] {
        assert!(seen.contains(address), "{seen}");
    }
    assert_eq!(
        ask(7003, &["CONFIG", "GET", "cluster-node-timeout"]),
        "cluster-node-timeout 5000"
    );
    let of_course = || {
        let filter = "label=labrunner.run=course";
        docker(&["ps", "--filter", filter, "--format", "{{.ID}} {{.Names}}"])
    };
    let before = of_course();
    for name in ["redis-1", "redis-6", "toolbox"] {
        assert!(
            before
                .lines()
                .any(|line| line.ends_with(&format!(" {name}"))),
            "{before}"
        );
    }

    let ended = desk.labrunner(&["up"]);
    ended.says(
        0,
        &["stands already; nothing was changed", "cluster_state:ok"],
    );
    assert_eq!(of_course(), before);

    desk.labrunner(&["status"]).says(
        0,
        &[
            "The course's environment",
            "docker",
            "redis-6 7006 running",
            "3 masters, 3 replicas",
            "all nodes agree",
        ],
    );
    let survey = json(&desk, 0);
    assert_eq!(survey["state"], "well");
    assert_eq!(survey["lab"], Value::Null);
    assert_eq!(survey["cluster"]["slots_assigned"], 16384);
    assert_eq!(survey["nodes"][3]["master"], "redis-1");
    assert_eq!(survey["nodes"][3]["linked"], true);
    assert_eq!(survey["nodes"][0]["slots"], "0-5460");
    assert_eq!(survey["nodes"][7]["life"], "absent");

    // What a reader adds by hand is found, and goes with it.
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
    let compose = std::process::Command::new("docker-compose")
        .args(["up", "-d", "redis-8"])
        .env("LAB_REDIS_IMAGE", survey["image"].as_str().unwrap())
        .current_dir(checkout)
        .output();
    if let Ok(output) = compose {
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        until("redis-8 answers", || {
            json(&desk, 0)["nodes"][7]["answers"] == true
        });
        assert_eq!(json(&desk, 0)["nodes"][7]["member"], false);
    }

    down(&desk);
    desk.labrunner(&["down"])
        .says(0, &["there is nothing to remove"]);
    desk.labrunner(&["status"])
        .says(4, &["no environment stands here"]);
}

#[test]
fn a_lab_s_given_stands_and_no_other_lab_is_made_over_it() {
    let Some(_turn) = turn("a_lab_s_given_stands_and_no_other_lab_is_made_over_it") else {
        return;
    };
    let desk = Desk::new();
    up(&desk, PAIR).says(
        0,
        &[
            "A pair",
            "lab.yaml",
            "given 1 master, 1 replica, 50 keys",
            "The environment stands.",
        ],
    );
    assert_eq!(ask(7001, &["DBSIZE"]), "50");
    assert_eq!(
        ask(7001, &["CONFIG", "GET", "cluster-node-timeout"]),
        "cluster-node-timeout 4321"
    );
    assert_eq!(json(&desk, 0)["lab"]["title"], "A pair");

    desk.labrunner(&["up", "./lab.yaml"])
        .says(0, &["A pair", "stands already; nothing was changed"]);
    // Whatever stands is what is asked for where none is named.
    desk.labrunner(&["up"])
        .says(0, &["A pair", "stands already; nothing was changed"]);
    desk.write("other.yaml", BARE);
    desk.labrunner(&["up", "other.yaml"]).says(
        4,
        &[
            "the environment of lab.yaml stands",
            "remove it first: `labrunner down`",
        ],
    );
    desk.labrunner(&["up", "--image", "another:1"]).says(
        4,
        &[
            "the environment of lab.yaml stands already, on another image",
            "`labrunner down`",
        ],
    );
    desk.write("lab.yaml", PAIR.replace("count: 50", "count: 51"));
    desk.labrunner(&["up", "lab.yaml"])
        .says(4, &["its `given` was another when it was made"]);
    desk.write("lab.yaml", "title: no lab\n");
    assert_eq!(desk.labrunner(&["up", "lab.yaml"]).exit, Some(3));
    assert_eq!(
        ask(7001, &["DBSIZE"]),
        "50",
        "nothing was changed by all that"
    );

    // A run beside it, in the same folder, has everything of its own; and `down` leaves it alone.
    desk.write("run.yaml", waiting());
    let mut running =
        desk.start(&mut desk.command(["run", "--journal", "journal.jsonl", "run.yaml"]));
    running.wait_for("the step", |event| event["event"] == "step_started");
    assert_eq!(json(&desk, 0)["nodes"][0]["answers"], true);
    down(&desk);
    running.end(LONG).says(0, &["A pair passed"]);
    assert_eq!(left_of(&desk.run_id()), Vec::<String>::new());
}

#[test]
fn a_lab_without_given_gets_the_network_and_the_toolbox() {
    let Some(_turn) = turn("a_lab_without_given_gets_the_network_and_the_toolbox") else {
        return;
    };
    let desk = Desk::new();
    up(&desk, BARE).says(
        0,
        &[
            "From nothing",
            "not there: redis-1, ",
            "docker compose up -d redis-1",
            "The environment stands.",
        ],
    );
    let of_course = ["ps", "--filter", "label=labrunner.run=course"];
    let names = docker(&[&of_course[..], &["--format", "{{.Names}}"]].concat());
    assert_eq!(names.trim(), "toolbox");
    assert!(docker(&["network", "ls", "--format", "{{.Name}}"]).contains("labrunner-cluster"));
    let survey = json(&desk, 0);
    assert_eq!(
        (&survey["state"], &survey["cluster"]),
        (&"well".into(), &Value::Null)
    );
    desk.labrunner(&["up", "lab.yaml"])
        .says(0, &["stands already"]);
    down(&desk);
}

// ---- two at once, and endings in the middle

fn something_is_made(running: &mut Running) {
    running.wait_until("something is made", |_| {
        left_of("course")
            .iter()
            .any(|thing| thing.starts_with("ps "))
            .then_some(())
    });
}

#[test]
fn of_two_at_once_one_wins_and_the_other_is_told_who() {
    let Some(_turn) = turn("of_two_at_once_one_wins_and_the_other_is_told_who") else {
        return;
    };
    let desk = Desk::new();
    desk.write("lab.yaml", PAIR);
    let mut first = desk.start(&mut desk.command(["up", "lab.yaml"]));
    let id = first.id().to_string();
    first.wait_until("the lock is taken", |_| {
        std::fs::read_to_string(desk.path().join(".labrunner/environment.lock"))
            .is_ok_and(|text| text.contains(&id))
            .then_some(())
    });
    let who = format!("being changed by process {id} (`labrunner up lab.yaml`)");
    for command in ["up", "down"] {
        desk.labrunner(&[command])
            .says(4, &[&who, "wait until that has ended"]);
    }
    something_is_made(&mut first);
    let who = format!("is being made by process {id}");
    desk.labrunner(&["status"])
        .says(4, &[&who, "wait until it is ready"]);
    first.end(LONG).says(0, &["The environment stands."]);
    desk.labrunner(&["status"]).says(0, &["A pair"]);
    down(&desk);
}

#[rstest]
#[case::ctrl_c(Signal::INT)]
#[case::a_polite_kill(Signal::TERM)]
fn interrupted_it_leaves_nothing(#[case] signal: Signal) {
    let Some(_turn) = turn("interrupted_it_leaves_nothing") else {
        return;
    };
    let desk = Desk::new();
    let mut running = desk.start(&mut desk.command(["up"]));
    something_is_made(&mut running);
    running.signal(signal);
    running.end(SOON).says(130, &["interrupted"]);
    nothing_is_left(&desk);
    desk.labrunner(&["status"])
        .says(4, &["no environment stands here"]);
}

#[test]
fn killed_it_leaves_a_half_made_environment_that_is_called_so() {
    let Some(_turn) = turn("killed_it_leaves_a_half_made_environment_that_is_called_so") else {
        return;
    };
    let desk = Desk::new();
    desk.write("lab.yaml", PAIR);
    for remove in [true, false] {
        let mut running = desk.start(&mut desk.command(["up", "lab.yaml"]));
        something_is_made(&mut running);
        running.signal(Signal::KILL);
        assert_eq!(running.end(SOON).signal, Some(9));
        desk.labrunner(&["status"]).says(
            5,
            &[
                "the environment of lab.yaml is half made",
                "`labrunner down`",
                "`labrunner up lab.yaml`",
            ],
        );
        assert_eq!(json(&desk, 5)["state"], "half_made");
        let error = tokio::runtime::Runtime::new()
            .unwrap()
            .block_on(standing::attach(&desk.path().join(".labrunner")))
            .map(|_| ());
        assert!(
            matches!(&error, Err(BackendError::Broken { what, .. }) if what.contains("half made")),
            "{error:?}"
        );
        if remove {
            down(&desk);
        } else {
            desk.labrunner(&["up", "lab.yaml"]).says(
                0,
                &[
                    "removed what an `up` that was killed had left",
                    "The environment stands.",
                ],
            );
        }
    }
    down(&desk);
}

// ---- stopped, removed

#[test]
fn after_a_restart_of_the_engine_it_is_started_again() {
    let Some(_turn) = turn("after_a_restart_of_the_engine_it_is_started_again") else {
        return;
    };
    let desk = Desk::new();
    up(&desk, PAIR);
    let ids = [7001, 7004].map(|port| ask(port, &["CLUSTER", "MYID"]));
    assert_eq!(ask(7001, &["SET", "mine", "1"]), "OK");
    docker(&["stop", "redis-1", "redis-4", "toolbox"]);
    desk.labrunner(&["status"]).says(
        5,
        &[
            "all nodes of the environment of lab.yaml have stopped",
            "`labrunner up` starts them again",
            "redis-1 7001 stopped",
        ],
    );
    assert_eq!(json(&desk, 5)["state"], "stopped");

    desk.labrunner(&["up"]).says(
        0,
        &[
            "2 nodes, started again",
            "the 50 keys of the lab were written again, all others are gone",
            "redis-4 7004 running replica of redis-1, link up",
            "The environment stands again",
        ],
    );
    assert_eq!(
        [7001, 7004].map(|port| ask(port, &["CLUSTER", "MYID"])),
        ids
    );
    assert_eq!(ask(7001, &["DBSIZE"]), "50");
    assert_eq!(
        ask(7001, &["GET", "given:000001"]),
        "value of given:000001 88c168dd54d117f7"
    );
    assert_eq!(
        ask(7004, &["CONFIG", "GET", "cluster-node-timeout"]),
        "cluster-node-timeout 4321"
    );
    assert!(docker(&["ps", "--format", "{{.Names}}"]).contains("toolbox"));
    desk.labrunner(&["status"]).says(0, &["cluster_state:ok"]);

    // Interrupted in the middle of it, nothing is removed, and the next one goes on.
    docker(&["stop", "redis-1", "redis-4", "toolbox"]);
    let journal = desk.path().join(".labrunner/journals/up.jsonl");
    std::fs::remove_file(&journal).unwrap();
    let mut running = desk.start(&mut desk.command(["up"]));
    running.wait_until("it begins", |_| {
        let told = std::fs::read_to_string(&journal).unwrap_or_default();
        told.contains("given_started").then_some(())
    });
    let who = format!("is being started again by process {}", running.id());
    desk.labrunner(&["status"]).says(4, &[&who]);
    running.signal(Signal::INT);
    running.end(SOON).says(130, &["interrupted"]);
    desk.labrunner(&["status"]).says(
        5,
        &[
            "was not started again to the end",
            "`labrunner up` tries again",
        ],
    );
    desk.labrunner(&["up"])
        .says(0, &["2 nodes, started again", "link up", "stands again"]);
    assert_eq!(
        [7001, 7004].map(|port| ask(port, &["CLUSTER", "MYID"])),
        ids
    );
    assert_eq!(ask(7001, &["DBSIZE"]), "50");

    // After a restart of the machine, one that its reader has started already is no reason to leave the other.
    let handle = desk.path().join(".labrunner/environment.json");
    let text = std::fs::read_to_string(&handle).unwrap();
    let boot = standing::boot_id().unwrap();
    std::fs::write(&handle, text.replace(&boot, "another-boot")).unwrap();
    docker(&["stop", "redis-4"]);
    desk.labrunner(&["up"])
        .says(0, &["2 nodes, started again", "link up"]);
    assert!(std::fs::read_to_string(&handle).unwrap().contains(&boot));
    down(&desk);
}

#[test]
fn what_a_reader_stops_stays_stopped_and_what_is_removed_is_told() {
    let Some(_turn) = turn("what_a_reader_stops_stays_stopped_and_what_is_removed_is_told") else {
        return;
    };
    let desk = Desk::new();
    up(&desk, PAIR);
    docker(&["stop", "redis-4"]);
    let note = ["redis-4 is stopped", "`docker start redis-4` starts it"];
    desk.labrunner(&["up"])
        .says(0, &[&note[..], &["nothing was changed"]].concat());
    desk.labrunner(&["status"]).says(0, &note);
    assert_eq!(json(&desk, 0)["nodes"][3]["life"], "stopped");

    docker(&["rm", "--force", "--volumes", "redis-4"]);
    let fault = [
        "the container of redis-4 was removed",
        "`labrunner down`",
        "redis-4 7004 removed",
    ];
    desk.labrunner(&["status"]).says(5, &fault);
    desk.labrunner(&["up"]).says(
        5,
        &[&fault[..], &["it is not well; nothing was changed"]].concat(),
    );
    assert_eq!(json(&desk, 5)["state"], "broken");
    // Nobody waits for it after a restart of the engine: the rest comes back.
    docker(&["stop", "redis-1", "toolbox"]);
    let handle = desk.path().join(".labrunner/environment.json");
    let text = std::fs::read_to_string(&handle).unwrap();
    let boot = standing::boot_id().unwrap();
    std::fs::write(&handle, text.replace(&boot, "another-boot")).unwrap();
    desk.labrunner(&["up"]).says(
        5,
        &[
            "1 node, started again",
            "the container of redis-4 was removed",
            "stands again, but it is not well",
        ],
    );
    assert_eq!(ask(7001, &["DBSIZE"]), "50");
    // The others forget it: then its place is only empty.
    let id = json(&desk, 5)["nodes"][3]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(ask(7001, &["CLUSTER", "FORGET", &id]), "OK");
    desk.labrunner(&["status"])
        .says(0, &["redis-4 was removed, and no node knows it any more"]);

    docker(&["rm", "--force", "--volumes", "toolbox"]);
    desk.labrunner(&["status"])
        .says(0, &["the toolbox is not there"]);
    desk.labrunner(&["up"])
        .says(0, &["started the toolbox again"]);
    assert!(docker(&["ps", "--format", "{{.Names}}"]).contains("toolbox"));

    docker(&["rm", "--force", "--volumes", "redis-1", "toolbox"]);
    desk.labrunner(&["status"]).says(
        5,
        &[
            "is gone: its containers were removed",
            "`labrunner up lab.yaml` makes it anew",
        ],
    );
    desk.labrunner(&["up", "lab.yaml"])
        .says(0, &["it is made anew", "The environment stands."]);
    down(&desk);
}

// ---- in the way

#[test]
fn a_port_that_is_taken_is_named_and_nothing_is_made() {
    let Some(_turn) = turn("a_port_that_is_taken_is_named_and_nothing_is_made") else {
        return;
    };
    let desk = Desk::new();
    let taken = TcpListener::bind("127.0.0.1:7001").unwrap();
    desk.labrunner(&["up"]).says(
        4,
        &[
            "port 7001 of 127.0.0.1 is taken by another program",
            "the course's text names this port",
        ],
    );
    drop(taken);
    nothing_is_left(&desk);
}

#[test]
fn containers_of_strangers_are_told_and_never_touched() {
    let Some(_turn) = turn("containers_of_strangers_are_told_and_never_touched") else {
        return;
    };
    let desk = Desk::new();
    // Any image will do: it is never started.
    let images = docker(&["image", "ls", "--quiet"]);
    let image = images.lines().next().unwrap();
    let made = docker(&["create", "--name", "redis-3", image, "redis-server"]);
    assert!(!made.trim().is_empty());
    let ended = desk.labrunner(&["up"]);
    let downed = desk.labrunner(&["down"]);
    let still = docker(&[
        "ps",
        "--all",
        "--quiet",
        "--no-trunc",
        "--filter",
        "name=^redis-3$",
    ]);
    docker(&["rm", "--force", "--volumes", made.trim()]);
    ended.says(
        4,
        &[
            "a container redis-3 is there already, and it is not labrunner's",
            "labrunner does not touch it",
        ],
    );
    downed.says(0, &["there is nothing to remove"]);
    assert_eq!(still.trim(), made.trim());
    nothing_is_left(&desk);
}

#[test]
fn from_another_folder_it_is_told_whose_it_is() {
    let Some(_turn) = turn("from_another_folder_it_is_told_whose_it_is") else {
        return;
    };
    let (desk, other) = (Desk::new(), Desk::new());
    up(&desk, BARE);
    let state = std::fs::canonicalize(desk.path().join(".labrunner")).unwrap();
    let advice = format!("`labrunner down --state-dir {}`", state.display());
    other.labrunner(&["up"]).says(
        4,
        &[
            &format!(
                "another environment stands on this machine: that of {}",
                state.display()
            ),
            &advice,
        ],
    );
    other
        .labrunner(&["status"])
        .says(4, &["no environment stands here"]);
    other.labrunner(&["down"]).says(
        0,
        &[
            "there is nothing to remove",
            "another environment stands",
            &advice,
        ],
    );
    other.labrunner(&["clean", "course"]).says(
        0,
        &["left the environment of `labrunner up`: that of", &advice],
    );
    desk.labrunner(&["status"]).says(0, &["From nothing"]);

    // Its folder is gone, and its handle with it.
    std::fs::remove_dir_all(&state).unwrap();
    other.labrunner(&["up"]).says(4, &["which is gone"]);
    other
        .labrunner(&["clean", "course"])
        .says(0, &["whose handle is gone", &advice]);
    desk.labrunner(&["up"]).says(
        4,
        &["an environment of this state folder stands, but its handle is gone"],
    );
    desk.labrunner(&["down"])
        .says(0, &["removed the environment: 1 container, 1 network"]);
    nothing_is_left(&desk);
}

#[test]
fn clean_removes_it_when_all_is_asked_for() {
    let Some(_turn) = turn("clean_removes_it_when_all_is_asked_for") else {
        return;
    };
    let desk = Desk::new();
    up(&desk, BARE);
    let held = EnvironmentLock::take(&desk.path().join(".labrunner"), "a test").unwrap();
    desk.labrunner(&["clean", "course", "--all"]).says(
        0,
        &[
            "left the environment of `labrunner up`: the environment is being changed by process",
            "(`a test`)",
        ],
    );
    drop(held);
    desk.labrunner(&["status"]).says(0, &["From nothing"]);
    desk.labrunner(&["clean", "course", "--all"]).says(
        0,
        &["removed the environment of `labrunner up`: 1 container, 1 network, 1 volume"],
    );
    nothing_is_left(&desk);
    desk.labrunner(&["status"])
        .says(4, &["no environment stands here"]);
}

#[test]
fn a_damaged_handle_is_told_and_no_obstacle_to_removing() {
    let Some(_turn) = turn("a_damaged_handle_is_told_and_no_obstacle_to_removing") else {
        return;
    };
    let desk = Desk::new();
    for (text, words) in [
        ("{\"version\": 1, \"pha", "is damaged"),
        (
            "{\"version\": 7}",
            "written by another version of labrunner",
        ),
    ] {
        up(&desk, BARE);
        std::fs::write(desk.path().join(".labrunner/environment.json"), text).unwrap();
        for command in ["status", "up"] {
            desk.labrunner(&[command])
                .says(5, &[words, "`labrunner down`"]);
        }
        assert_eq!(json(&desk, 5)["state"], "broken");
        down(&desk);
    }
}

#[test]
fn without_an_engine_it_is_told_and_the_handle_stays() {
    let Some(_turn) = turn("without_an_engine_it_is_told_and_the_handle_stays") else {
        return;
    };
    let desk = Desk::new();
    up(&desk, BARE);
    for command in ["up", "status", "down"] {
        let mut command = desk.command([command]);
        desk.start(command.env("DOCKER_HOST", "unix:///nonexistent.sock"))
            .end(LONG)
            .says(4, &["the Docker engine does not answer"]);
    }
    assert!(desk.path().join(".labrunner/environment.json").exists());
    down(&desk);
}

// ---- several processes

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_stopped_does_not_end_another_process_s() {
    let Some(_turn) = turn("a_call_that_is_stopped_does_not_end_another_process_s") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    one_node(folder.path()).await;
    // Each is what another process would have: they know nothing of each other but by the files.
    let (_, one) = standing::attach(folder.path()).await.unwrap();
    let (_, two) = standing::attach(folder.path()).await.unwrap();
    let (_, three) = standing::attach(folder.path()).await.unwrap();
    until("redis-1 answers", || {
        std::net::TcpStream::connect("127.0.0.1:7001").is_ok()
    });
    let all = ["CLUSTER", "ADDSLOTSRANGE", "0", "16383"];
    assert_eq!(done(&*one, &cli(7001, &all)).await, "OK\n");
    let info = cli(7001, &["CLUSTER", "INFO"]);
    let deadline = Instant::now() + LONG;
    while !done(&*one, &info).await.contains("cluster_state:ok") {
        assert!(Instant::now() < deadline, "redis-1 takes no keys");
    }
    let waits =
        tokio::spawn(async move { done(&*one, &cli(7001, &["BLPOP", "list", "60"])).await });
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let stopped = tokio::spawn(async move {
        two.perform(&cli(7001, &["BLPOP", "never", "60"]), LIMITS, &stop)
            .await
    });
    let blocked = |count: &str| {
        let mut node = std::net::TcpStream::connect("127.0.0.1:7001").unwrap();
        node.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        node.write_all(b"INFO clients\r\nQUIT\r\n").unwrap();
        let mut info = String::new();
        node.read_to_string(&mut info).unwrap();
        info.contains(&format!("blocked_clients:{count}\r"))
    };
    until("both calls are under way", || blocked("2"));
    cancel.cancel();
    let output = stopped.await.unwrap().unwrap();
    assert_eq!(output.exit, None);
    until(
        "the stopped call is at its end in the container too",
        || blocked("1"),
    );
    assert_eq!(
        done(&*three, &cli(7001, &["RPUSH", "list", "here"])).await,
        "1\n"
    );
    assert_eq!(waits.await.unwrap(), "list\nhere\n");

    // A process that was killed in the middle of a call: its toolbox is not used before that call is ended.
    std::fs::write(folder.path().join("environment/toolbox-1.lock"), "in use").unwrap();
    let started = || docker(&["inspect", "--format", "{{.State.StartedAt}}", "toolbox"]);
    let before = started();
    assert_eq!(done(&*three, &cli(7001, &["PING"])).await, "PONG\n");
    assert_ne!(started(), before);
    let lock = EnvironmentLock::take(folder.path(), "a test").unwrap();
    let remains = standing::remove(folder.path()).await.unwrap();
    lock.remove();
    assert!(remains.containers >= 3, "{remains:?}");
    assert_eq!(left_of("course"), Vec::<String>::new());
}
