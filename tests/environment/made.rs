//! It is made, and stands until it is removed.

use std::path::Path;

use serde_json::Value;

use crate::command::{Desk, LONG};
use crate::engine::{course_turn as turn, docker, left_of};
use crate::{BARE, PAIR, ask, down, json, until, up, waiting};

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
    // And by a reader's own application.
    let told = std::fs::read_to_string(desk.path().join(".labrunner/app.toml")).unwrap();
    assert!(
        told.contains("\"172.30.0.16:7006\" = \"127.0.0.1:7006\"\n"),
        "{told}"
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
