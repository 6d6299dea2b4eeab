//! What stands is stopped, or a part of it is removed.

use labrunner::backend::standing::{self};
use rustix::process::Signal;

use crate::command::Desk;
use crate::engine::{course_turn as turn, docker};
use crate::{PAIR, SOON, ask, down, json, up};

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
