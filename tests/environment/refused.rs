//! What is in the way of making it, or of finding it; and removing it all the same.

use std::net::TcpListener;

use labrunner::backend::standing::EnvironmentLock;

use crate::command::{Desk, LONG};
use crate::engine::{course_turn as turn, docker};
use crate::{BARE, down, json, nothing_is_left, up};

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
