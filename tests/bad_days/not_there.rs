//! The environment is not there.

use std::net::TcpListener;
use std::process::Command;

use rstest::rstest;

use crate::command::{Desk, LONG};
use crate::engine::{docker, turn};
use crate::{PING, lab, nothing_is_left};

#[test]
fn an_engine_that_does_not_answer_is_told() {
    let Some(_turn) = turn("an_engine_that_does_not_answer_is_told") else {
        return;
    };
    let desk = Desk::new();
    desk.write("lab.yaml", lab("", PING));
    let mut command = desk.run_command(&["lab.yaml", "--backend", "docker"]);
    desk.start(command.env("DOCKER_HOST", "unix:///nonexistent.sock"))
        .end(LONG)
        .says(
            4,
            &[
                "the Docker engine does not answer",
                "/nonexistent.sock",
                "start it",
                "exit code 4",
            ],
        );
    let mut command = desk.command(["clean"]);
    desk.start(command.env("DOCKER_HOST", "unix:///nonexistent.sock"))
        .end(LONG)
        .says(4, &["the Docker engine does not answer"]);
}

#[test]
fn no_compose_is_told() {
    let Some(_turn) = turn("no_compose_is_told") else {
        return;
    };
    if docker(&["compose", "version", "--short"])
        .trim()
        .starts_with(|first: char| first.is_ascii_digit() || first == 'v')
    {
        eprintln!("SKIPPED no_compose_is_told: compose is a part of this docker client");
        return;
    }
    let desk = Desk::new();
    desk.write("lab.yaml", lab("", PING));
    let client = std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .map(|folder| folder.join("docker"))
        .find(|file| file.exists())
        .unwrap();
    std::fs::create_dir(desk.path().join("bin")).unwrap();
    std::os::unix::fs::symlink(client, desk.path().join("bin/docker")).unwrap();
    let mut command = desk.run_command(&["lab.yaml", "--backend", "docker"]);
    desk.start(command.env("PATH", desk.path().join("bin")))
        .end(LONG)
        .says(
            4,
            &[
                "neither `docker compose` nor `docker-compose` is installed",
                "install Docker Compose",
            ],
        );
    nothing_is_left(&desk);
}

/// The registry is a port of this machine on which nobody listens.
#[rstest]
#[case::not_pulled(&["--backend", "auto"], &["the image localhost:1/no-such-image:1 is not on this machine", "with `--backend docker`"])]
#[case::pulled_in_vain(&["--backend", "docker"], &["the image localhost:1/no-such-image:1 is not on this machine and can't be pulled"])]
fn an_image_that_is_not_there_is_told(#[case] backend: &[&str], #[case] words: &[&str]) {
    let Some(_turn) = turn("an_image_that_is_not_there_is_told") else {
        return;
    };
    let desk = Desk::new();
    desk.write("lab.yaml", lab("", PING));
    let ended = desk.run(
        &[
            &["lab.yaml", "--image", "localhost:1/no-such-image:1"],
            backend,
        ]
        .concat(),
    );
    ended.says(
        4,
        &[words, &["LAB_REDIS_IMAGE", ".ci/images", "exit code 4"]].concat(),
    );
    nothing_is_left(&desk);
}

#[test]
fn an_image_without_redis_is_told() {
    let Some(_turn) = turn("an_image_without_redis_is_told") else {
        return;
    };
    // An image of one empty layer.
    let tag = format!("lrbad-empty:{}", std::process::id());
    let desk = Desk::new();
    desk.write("lab.yaml", lab("", PING))
        .write("empty.tar", [0; 10240]);
    docker(&[
        "import",
        "--change",
        "LABEL lrbad=1",
        desk.path().join("empty.tar").to_str().unwrap(),
        &tag,
    ]);
    let ended = desk.run(&["lab.yaml", "--image", &tag]);
    docker(&["rmi", &tag]);
    ended.says(
        4,
        &[
            "can't be started",
            "redis-server",
            "whether the image has redis-server in it",
        ],
    );
    nothing_is_left(&desk);
}

#[test]
fn a_port_that_is_taken_is_told() {
    let Some(_turn) = turn("a_port_that_is_taken_is_told") else {
        return;
    };
    let desk = Desk::new();
    desk.write("lab.yaml", lab("", PING));
    // Below the ports that the system gives to connections, and above those that labrunner chooses.
    let (first, _held) = (24_200..24_900)
        .step_by(8)
        .find_map(|first| Some((first, TcpListener::bind(("127.0.0.1", first + 3)).ok()?)))
        .unwrap();
    let ended = desk.run(&["lab.yaml", "--first-port", &first.to_string()]);
    ended.says(
        4,
        &[
            &format!(
                "port {} of 127.0.0.1 is taken by another program",
                first + 3
            ),
            "take another first port",
            "exit code 4",
        ],
    );
    nothing_is_left(&desk);
}

#[test]
fn a_subnet_that_is_taken_is_told() {
    let Some(_turn) = turn("a_subnet_that_is_taken_is_told") else {
        return;
    };
    let desk = Desk::new();
    desk.write("lab.yaml", lab("", PING));
    let network = format!("lrbad-{}", std::process::id());
    let subnet = (100..200)
        .map(|third| format!("10.214.{third}"))
        .find(|subnet| {
            Command::new("docker")
                .args([
                    "network",
                    "create",
                    "--subnet",
                    &format!("{subnet}.0/24"),
                    &network,
                ])
                .output()
                .is_ok_and(|output| output.status.success())
        });
    let subnet = subnet.unwrap();
    let ended = desk.run(&["lab.yaml", "--subnet", &subnet]);
    docker(&["network", "rm", &network]);
    ended.says(
        4,
        &[
            &format!("the subnet {subnet}.0/24 is taken: the Docker network {network} is in it"),
            "take another subnet",
            "exit code 4",
        ],
    );
    nothing_is_left(&desk);
}

#[test]
fn one_invalid_lab_among_several_starts_nothing() {
    let Some(_turn) = turn("one_invalid_lab_among_several_starts_nothing") else {
        return;
    };
    let desk = Desk::new();
    desk.write("good.yaml", lab("", PING))
        .write("bad.yaml", lab("", &PING.replace("expect", "expct")));
    let ended = desk.run(&["good.yaml", "bad.yaml"]);
    ended.says(
        3,
        &["did you mean `expect`?", "bad.yaml is not a valid lab"],
    );
    assert!(
        !desk.path().join("journal.jsonl").exists() && !desk.path().join("state").exists(),
        "{ended}"
    );
}
