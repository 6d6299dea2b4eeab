//! The environment breaks in the middle.

use crate::command::{Desk, LONG};
use crate::engine::{docker, turn};
use crate::{Broom, PING, WAIT, container, is_in_step, lab, nothing_is_left, on_one_screen};

#[test]
fn a_container_that_dies_is_told_with_its_last_words() {
    let Some(_turn) = turn("a_container_that_dies_is_told_with_its_last_words") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let mut running = desk.start_lab(&lab("", WAIT));
    is_in_step(&mut running, "wait");
    docker(&["kill", &container(&desk, "redis-1")]);
    let ended = running.end(LONG);
    ended.says(
        5,
        &[
            "redis-1 died",
            "exit 137",
            "log of redis-1",
            "Cluster state changed: ok",
            "exit code 5, the environment broke",
        ],
    );
    on_one_screen(&ended);
    nothing_is_left(&desk);
}

#[test]
fn a_container_that_dies_while_given_is_made_is_told() {
    let Some(_turn) = turn("a_container_that_dies_while_given_is_made_is_told") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let mut running = desk.start_lab(&lab("", PING));
    running.wait_for_event("given_phase");
    let container = container(&desk, "redis-1");
    running.wait_until("the container runs", |_| {
        (docker(&["inspect", "--format", "{{.State.Running}}", &container]).trim() == "true")
            .then_some(())
    });
    docker(&["kill", &container]);
    let ended = running.end(LONG);
    ended.says(5, &["redis-1 died", "exit 137", "exit code 5"]);
    // Not only when the time of `given` is over.
    assert!(ended.took < LONG / 2, "{:?}", ended.took);
    nothing_is_left(&desk);
}

#[test]
fn a_container_that_is_removed_is_told() {
    let Some(_turn) = turn("a_container_that_is_removed_is_told") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let mut running = desk.start_lab(&lab("", WAIT));
    is_in_step(&mut running, "wait");
    docker(&["rm", "--force", &container(&desk, "redis-1")]);
    let ended = running.end(LONG);
    ended.says(
        5,
        &["redis-1 is gone", "exit code 5, the environment broke"],
    );
    on_one_screen(&ended);
    nothing_is_left(&desk);
}

#[test]
fn a_toolbox_that_is_removed_is_told() {
    let Some(_turn) = turn("a_toolbox_that_is_removed_is_told") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let mut running = desk.start_lab(&lab("", &format!("{WAIT}{PING}")));
    is_in_step(&mut running, "wait");
    docker(&["rm", "--force", &container(&desk, "toolbox")]);
    running
        .end(LONG)
        .says(5, &["toolbox", "removed by hand", "exit code 5"]);
    nothing_is_left(&desk);
}

/// Docker itself can lose count of who uses a network (<https://github.com/moby/moby/issues/42119>), and then no patience helps.
#[test]
fn a_network_that_docker_has_miscounted_is_told_soon() {
    let Some(_turn) = turn("a_network_that_docker_has_miscounted_is_told_soon") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let path = std::env::var_os("PATH").unwrap();
    let real = std::env::split_paths(&path)
        .map(|folder| folder.join("docker"))
        .find(|docker| docker.is_file())
        .unwrap();
    let script = format!(
        "if [ \"$1 $2\" = 'network rm' ]; then
           echo \"Error response from daemon: error while removing network: network $3 has active endpoints\" >&2
           exit 1
         fi
         exec {} \"$@\"",
        real.display()
    );
    let bin = desk.script("bin", "docker", &script);
    let path = std::env::join_paths([bin].into_iter().chain(std::env::split_paths(&path)));
    desk.write("lab.yaml", lab("", PING));
    let mut command = desk.run_command(&["lab.yaml"]);
    command.env("PATH", path.unwrap());
    let ended = desk.start(&mut command).end(LONG);
    ended.says(
        5,
        &[
            "1 network of this run can't be removed before docker is restarted",
            "has miscounted",
            "has active endpoints",
        ],
    );
    // As somebody does who has restarted it.
    desk.labrunner(&["clean", &desk.run_id()]).says(0, &[]);
    nothing_is_left(&desk);
}
