//! Which backend is taken, and why.

use rstest::rstest;

use crate::command::{Desk, LONG};
use crate::{lab, run_bare};

const PING: &str = "  - id: up
    title: Start a node
    run: docker compose up -d redis-1
    expect:
      - node: {name: redis-1, running: true}
  - id: ping
    title: Ping
    run: redis-cli -p 7001 PING
    expect:
      - stdout: {equals: PONG}
";

#[test]
fn where_there_is_no_docker_nodes_are_simulated_and_every_report_says_why() {
    let desk = Desk::new();
    let ended = run_bare(&desk, &lab("", PING));
    ended.says(
        0,
        &[
            "sim: redis 7.0.15, simulated in this process",
            "redis-cli is labrunner's own",
            "not docker: Docker is not installed",
        ],
    );
    let chosen = desk.events();
    let chosen = chosen
        .iter()
        .find(|event| event["event"] == "backend_chosen")
        .unwrap();
    assert_eq!(chosen["backend"], "sim");
    assert!(chosen["why"].as_str().unwrap().contains("not installed"));
}

/// An engine that answers but has no image, and one that does not answer.
#[rstest]
#[case::no_image(
    "case \"$1 $2\" in 'version --format') echo 27.1.0 ;; 'compose version') echo 2.29.1 ;; 'image inspect') exit 1 ;; esac",
    "the image redis:7.2 is not on this machine"
)]
#[case::no_engine(
    "echo 'Cannot connect to the Docker daemon.' >&2; exit 1",
    "the Docker engine does not answer"
)]
fn a_docker_that_can_not_serve_now_is_passed_over(#[case] script: &str, #[case] why: &str) {
    let desk = Desk::new();
    desk.write("lab.yaml", lab("", PING));
    let path = desk.script("bin", "docker", script);
    let mut command = desk.run_command(&["lab.yaml"]);
    command.env("PATH", path).env_remove("LAB_REDIS_IMAGE");
    desk.start(&mut command)
        .end(LONG)
        .says(0, &["sim: redis 7.0.15", why]);
}

/// Whoever names what only docker has does not want simulated nodes.
#[rstest]
#[case::image(&["--image", "redis:7.2"])]
#[case::subnet(&["--subnet", "10.1.2"])]
#[case::port(&["--first-port", "9001"])]
fn options_of_docker_ask_for_docker(#[case] option: &[&str]) {
    let desk = Desk::new();
    desk.write("lab.yaml", lab("", PING));
    let run = |args: &[&str]| {
        let mut command = desk.run_command(&[&["lab.yaml"], args, option].concat());
        command
            .env("PATH", "/nonexistent")
            .env_remove("LAB_REDIS_IMAGE");
        desk.start(&mut command).end(LONG)
    };
    run(&[]).says(4, &["Docker is not installed"]);
    run(&["--backend", "sim"]).says(2, &[option[0], "is docker's"]);
}

/// It may stand in a profile for ever.
#[test]
fn the_variable_of_an_image_asks_for_nothing() {
    let desk = Desk::new();
    desk.write("lab.yaml", lab("", PING));
    let mut command = desk.run_command(&["lab.yaml", "--backend", "sim"]);
    command.env("LAB_REDIS_IMAGE", "redis:7.2");
    desk.start(&mut command).end(LONG).says(0, &["sim: "]);
}
