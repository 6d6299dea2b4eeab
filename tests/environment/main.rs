//! *The* environment: `labrunner up`, `status` and `down`, and what another process makes of it, on real containers.
//!
//! All of these tests use the course's own names and ports, of which a machine has one of each: they take turns, also with whoever else
//! runs them on this machine.

#[path = "../command/mod.rs"]
mod command;
#[path = "../engine/mod.rs"]
mod engine;
#[path = "../support/mod.rs"]
mod support;

mod attached;
mod broken_off;
mod changed;
mod made;
mod refused;

use std::time::{Duration, Instant};

use labrunner::cluster::{Endpoint, NodeName};
use labrunner::resp::{Address, Client};
use serde_json::Value;

use command::{Desk, Ended, LONG};
use engine::left_of;

/// After an interruption `up` has to be over in this time.
const SOON: Duration = Duration::from_secs(20);

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
    for name in [
        "app.toml",
        "environment.json",
        "environment.lock",
        "environment",
    ] {
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
