//! `labrunner up --backend sim`: what stays, and how other processes reach it.
//!
//! These tests use the course's own ports, of which a machine has one of each: they take turns, also with whoever else runs them on this machine.

use std::fs::File;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::command::{Desk, Ended, LONG};
use crate::{bare, lab};

static TURN: Mutex<()> = Mutex::new(());

struct Turn {
    desk: Desk,
    _machine: File,
    _ours: MutexGuard<'static, ()>,
}

fn turn() -> Turn {
    let ours = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let machine = File::create(std::env::temp_dir().join("labrunner-course-ports.lock")).unwrap();
    machine.lock().unwrap();
    Turn {
        desk: Desk::new(),
        _machine: machine,
        _ours: ours,
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // A test that failed leaves its environment, which would fail all the others.
        if std::thread::panicking() {
            let _ = bare(&self.desk, &["down"]).output();
        }
    }
}

impl Turn {
    fn labrunner(&self, args: &[&str]) -> Ended {
        self.desk.start(&mut bare(&self.desk, args)).end(LONG)
    }

    fn status(&self, exit: i32) -> Value {
        let ended = self.labrunner(&["status", "--json"]);
        assert_eq!(ended.exit, Some(exit), "{ended}");
        serde_json::from_str(&ended.stdout).unwrap()
    }

    /// Looks again and again until the environment is in this state.
    fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) {
        let deadline = Instant::now() + LONG;
        loop {
            let ended = self.labrunner(&["status", "--json"]);
            let seen: Value = serde_json::from_str(&ended.stdout).unwrap();
            if is_so(&seen) {
                return;
            }
            assert!(Instant::now() < deadline, "never came: {what}\n{ended}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn down(&self) {
        self.labrunner(&["down"])
            .says(0, &["removed the environment", "simulated"]);
        let left = std::fs::read_dir(self.desk.path().join(".labrunner"))
            .map(|entries| {
                entries
                    .flatten()
                    .map(|entry| entry.file_name().to_string_lossy().into_owned())
                    .collect::<Vec<_>>()
            })
            .unwrap_or_default();
        assert!(left.iter().all(|name| name == "journals"), "{left:?}");
    }

    /// The process of the nodes.
    fn process(&self) -> Pid {
        let path = self.desk.path().join(".labrunner/environment/sim.json");
        let desk: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let number = i32::try_from(desk["process"].as_u64().unwrap()).unwrap();
        Pid::from_raw(number).unwrap()
    }
}

#[test]
fn it_stands_in_the_background_and_every_command_finds_it() {
    let turn = turn();
    turn.labrunner(&["status"])
        .says(4, &["no environment stands here"]);
    turn.labrunner(&["down"])
        .says(0, &["there is nothing to remove"]);
    turn.labrunner(&["up"]).says(
        0,
        &[
            "sim: redis 7.0.15, simulated in a process of its own",
            "not docker: Docker is not installed",
            "redis-1 7001 running master 5,461 slots: 0-5460",
            "redis-4 7004 running replica of redis-1, link up",
            "not there: redis-7, redis-8",
            "labrunner do docker stop redis-1",
            "The environment stands.",
        ],
    );
    turn.labrunner(&["up"])
        .says(0, &["stands already; nothing was changed"]);
    turn.labrunner(&["up", "--backend", "docker"])
        .says(4, &["stands already, with the backend sim"]);
    let status = turn.status(0);
    assert_eq!(status["state"], "well");
    assert_eq!(status["backend"], "sim");

    // A client of the reader's own, by the course's port; and it can follow what it is told.
    turn.labrunner(&["redis-cli", "-c", "-p", "7001", "SET", "foo", "bar"])
        .says(0, &["OK"]);
    turn.labrunner(&["redis-cli", "-p", "7001", "GET", "foo"])
        .says(0, &["MOVED 12182 127.0.0.1:7003"]);
    turn.labrunner(&["app", "create-event", "--name", "Concert", "--seats", "5"])
        .says(0, &["5 seats, A1 to A5"]);
    turn.labrunner(&["cluster", "info"])
        .says(0, &["cluster_state:ok", "in 3 masters"]);

    // What a lab does to nodes reaches that process.
    turn.labrunner(&["do", "docker", "compose", "up", "-d", "redis-7"])
        .says(0, &["Container redis-7 Started"]);
    turn.labrunner(&["cluster", "failover"])
        .says(0, &["redis-1"]);
    turn.until("redis-4 takes over", |seen| {
        seen["nodes"][3]["role"] == "master" && seen["cluster"]["ok"] == true
    });
    turn.labrunner(&["cluster", "recover"])
        .says(0, &["redis-1"]);
    turn.until("redis-1 follows", |seen| {
        seen["nodes"][0]["role"] == "replica" && seen["nodes"][0]["linked"] == true
    });
    turn.labrunner(&["do", "docker", "pause", "redis-9"])
        .says(2, &["redis-9"]);
    turn.labrunner(&["do", "redis-cli", "PING"]).says(2, &[]);

    // A run beside it has nodes of its own.
    turn.desk.write(
        "lab.yaml",
        lab(
            "",
            "  - id: up\n    title: Start\n    run: docker compose up -d redis-1\n    expect:\n      - node: {name: redis-1, running: true}\n",
        ),
    );
    turn.labrunner(&["run", "lab.yaml"])
        .says(0, &["A lab passed"]);
    turn.down();
}

#[test]
fn a_lab_s_start_is_made_and_its_death_is_told() {
    let turn = turn();
    turn.desk.write(
        "lab.yaml",
        lab(
            "given:\n  node_timeout: 4321ms\n  masters: {redis-1: 0-16383}\n  replicas: {redis-4: redis-1}\n  keys: {count: 50}\n",
            "  - id: ping\n    title: Ping\n    run: redis-cli -p 7001 PING\n    expect:\n      - stdout: {equals: PONG}\n",
        ),
    );
    turn.labrunner(&["up", "lab.yaml", "--backend", "sim"])
        .says(
            0,
            &[
                "given 1 master, 1 replica, 50 keys",
                "The environment stands.",
            ],
        );
    turn.labrunner(&["redis-cli", "-p", "7001", "DBSIZE"])
        .says(0, &["50"]);
    turn.labrunner(&["up", "--backend", "sim"])
        .says(0, &["nothing was changed"]);

    kill_process(turn.process(), Signal::KILL).unwrap();
    turn.until("it is gone", |seen| seen["state"] == "gone");
    turn.labrunner(&["status"]).says(
        5,
        &["the process in which the simulated nodes lived has ended"],
    );
    turn.labrunner(&["cluster", "nodes"])
        .says(5, &["has ended"]);
    // It is made anew where it was.
    turn.labrunner(&["up", "lab.yaml", "--backend", "sim"])
        .says(0, &["it is made anew", "The environment stands."]);
    kill_process(turn.process(), Signal::KILL).unwrap();
    turn.until("it is gone", |seen| seen["state"] == "gone");
    turn.labrunner(&["clean"])
        .says(0, &["removed the environment of `labrunner up`"]);
    turn.labrunner(&["status"])
        .says(4, &["no environment stands here"]);
}

/// A process whose files were removed can be found by nobody.
#[test]
fn it_ends_when_its_folder_is_removed() {
    let turn = turn();
    turn.labrunner(&["up", "--backend", "sim"])
        .says(0, &["stands."]);
    let process = turn.process();
    std::fs::remove_dir_all(turn.desk.path().join(".labrunner")).unwrap();
    let deadline = Instant::now() + LONG;
    while rustix::process::test_kill_process(process).is_ok() {
        assert!(Instant::now() < deadline, "it lives on");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_port_that_is_taken_is_told_and_nothing_is_left() {
    let turn = turn();
    let _held = std::net::TcpListener::bind(("127.0.0.1", 7003)).unwrap();
    turn.labrunner(&["up", "--backend", "sim"])
        .says(4, &["port 7003 of 127.0.0.1 can't be had"]);
    turn.labrunner(&["status"])
        .says(4, &["no environment stands here"]);
}
