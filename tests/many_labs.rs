//! Several labs in one run, on real containers: one environment from lab to lab, and nothing of one lab in the next.

mod command;
mod engine;
mod freshness;
mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use command::{Desk, Ended, LONG};
use engine::{docker, left_of, remove_by_hand, turn};
use freshness::{Fields, differences, read_lines, read_turns};
use rustix::process::Signal;
use serde_json::Value;

/// After an interruption a run has to be over in this time.
const SOON: Duration = Duration::from_secs(10);

/// A lab with these keys and steps, of which the first proves everything.
fn lab(title: &str, keys: &str, steps: &str) -> String {
    let first = steps.split("id: ").nth(1).unwrap();
    let first = first.split([',', '\n', '}']).next().unwrap().trim();
    format!(
        "title: {title}\nobjective: To be seen.\n{keys}\nsteps:\n{steps}\npoints: [{{text: It is so., proved_by: [{first}]}}]\n"
    )
}

/// The ids of all environments that a run can have had.
fn runs(desk: &Desk) -> Vec<String> {
    let run = desk.run_id();
    (2..5)
        .map(|number| format!("{run}-{number}"))
        .chain([run.clone()])
        .collect()
}

/// Removes what is left of a run when a test fails.
struct Broom<'a>(&'a Desk);

impl Drop for Broom<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() && self.0.path().join("journal.jsonl").exists() {
            runs(self.0).iter().for_each(|run| remove_by_hand(run));
        }
    }
}

#[track_caller]
fn nothing_is_left(desk: &Desk) {
    for run in runs(desk) {
        assert_eq!(left_of(&run), Vec::<String>::new(), "left of {run}");
        assert!(
            !desk.path().join("state/runs").join(&run).exists(),
            "the files of {run}"
        );
    }
}

fn run(desk: &Desk, args: &[&str]) -> Ended {
    let _broom = Broom(desk);
    let ended = desk.run(args);
    nothing_is_left(desk);
    ended
}

fn named<'e>(events: &'e [Value], name: &str) -> Vec<&'e Value> {
    events
        .iter()
        .filter(|event| event["event"] == name)
        .collect()
}

/// One master with two replicas, and a hundred keys.
const THREE: &str = "given:
  node_timeout: 3500ms
  masters: {redis-1: 0-16383}
  replicas: {redis-2: redis-1, redis-3: redis-1}
  keys: {count: 100}";

/// The SHA-1 of `return 7`.
const SHA: &str = "59b6ab2fbe0ee4b25733de0f62e6cda4899ef8e9";

#[test]
fn nothing_of_one_lab_is_in_the_next() {
    let Some(_turn) = turn("nothing_of_one_lab_is_in_the_next") else {
        return;
    };
    let desk = Desk::new();
    std::fs::create_dir(desk.path().join("labs")).unwrap();
    let leaves_much = lab(
        "Leaves much",
        THREE,
        &"
  - {id: key, title: T, run: redis-cli -p 7001 SET extra 1, expect: [stdout: {equals: OK}, node: {name: redis-1, keys: 101}]}
  - {id: setting, title: T, run: redis-cli -p 7001 CONFIG SET maxmemory 100000000, expect: [stdout: {equals: OK}]}
  - {id: script, title: T, run: redis-cli -p 7001 SCRIPT LOAD 'return 7', expect: [stdout: {equals: SHA}]}
  - id: function
    title: T
    run: redis-cli -p 7001 -x FUNCTION LOAD
    stdin: |
      #!lua name=left
      redis.register_function('left', function() return 1 end)
    expect: [stdout: {equals: left}]
  - {id: epoch, title: T, run: redis-cli -p 7001 CLUSTER BUMPEPOCH, expect: [stdout: {matches: '^BUMPED|^STILL'}]}
  - {id: up, title: T, run: docker compose up -d redis-4, expect: [node: {name: redis-4, running: true}]}
  - {id: kill, title: T, run: docker kill redis-3, expect: [node: {name: redis-3, running: false}]}"
            .replace("SHA", SHA),
    );
    let finds_nothing = lab(
        "Finds nothing",
        THREE,
        &format!(
            "
  - id: cluster
    title: T
    run: redis-cli -p 7001 PING
    holds:
      - cluster: {{state: ok, agree: true, known_nodes: 3, masters: 1, replicas: 2}}
      - node: {{name: redis-1, keys: 100}}
      - node: {{name: redis-3, role: replica, link: up, running: true}}
      - node: {{name: redis-4, running: false}}
      - given_keys: intact
  - {{id: setting, title: T, run: redis-cli -p 7001 CONFIG GET maxmemory, expect: [stdout: {{equals: \"maxmemory\\n0\"}}]}}
  - {{id: script, title: T, run: redis-cli -p 7001 SCRIPT EXISTS {SHA}, expect: [stdout: {{equals: '0'}}]}}
  - {{id: function, title: T, run: redis-cli -p 7001 FUNCTION LIST, expect: [stdout: {{empty: true}}]}}
  - {{id: epoch, title: T, run: redis-cli -p 7001 CLUSTER INFO, expect: [stdout: {{matches: '^cluster_current_epoch:3'}}, stdout: {{matches: '^cluster_my_epoch:1'}}]}}"
        ),
    );
    let starts_alone = lab(
        "Starts alone",
        "",
        "
  - id: none
    title: T
    run: docker compose up -d redis-2
    expect: [node: {name: redis-2, running: true}]
    holds: [node: {name: redis-1, running: false}, node: {name: redis-3, running: false}]
  - {id: empty, title: T, run: redis-cli -p 7002 CLUSTER INFO, expect: [stdout: {matches: '^cluster_known_nodes:1'}, stdout: {matches: '^cluster_slots_assigned:0'}]}",
    );
    desk.write("labs/01.yaml", leaves_much)
        .write("labs/02.yaml", finds_nothing)
        .write("labs/03.yml", starts_alone);
    let ended = run(&desk, &["labs"]);
    ended.says(
        0,
        &[
            "2 of 3 nodes reused",
            "the environment is kept for the next lab",
            "all that the run made is removed",
            "3 labs",
            "Passed: 3 labs, 3 passed, 0 skipped · 14 steps passed",
        ],
    );
    assert_eq!(ended.stdout.matches("is kept for the next").count(), 2);
    assert_eq!(ended.stdout.matches("is removed").count(), 1);
    let events = desk.events();
    let reused = named(&events, "environment_reused");
    assert_eq!(reused.len(), 2, "{ended}");
    assert_eq!(reused[0]["kept"], serde_json::json!(["redis-1", "redis-2"]));
    assert_eq!(
        reused[0]["remade"],
        serde_json::json!({"redis-3": "it does not run"})
    );
    assert_eq!(reused[0]["removed"], serde_json::json!(["redis-4"]));
    assert_eq!(
        reused[1]["removed"],
        serde_json::json!(["redis-1", "redis-2", "redis-3"])
    );
    let ready = named(&events, "given_ready");
    for node in ["redis-1", "redis-2", "redis-3"] {
        assert_ne!(ready[0]["ids"][node], ready[1]["ids"][node], "{node}");
    }
}

#[test]
fn after_a_failure_the_next_lab_starts_from_nothing() {
    let Some(_turn) = turn("after_a_failure_the_next_lab_starts_from_nothing") else {
        return;
    };
    let desk = Desk::new();
    let up = |title: &str, more: &str| {
        lab(
            title,
            "",
            &format!(
                "  - {{id: up, title: T, run: docker compose up -d redis-1, expect: [node: {{name: redis-1, running: true}}]}}\n{more}"
            ),
        )
    };
    desk.write("a.yaml", up("First", ""))
        .write(
            "b.yaml",
            up("Fails", "  - {id: no, title: Says no, run: redis-cli -p 7001 PING, expect: [stdout: {equals: 'no'}]}"),
        )
        .write("c.yaml", up("Third", ""));
    let _broom = Broom(&desk);
    let mut running = desk.start(&mut desk.run_command(&["[abc].yaml"]));
    // When the third lab begins, nothing of the second is there any more.
    running.wait_for("the third lab", |event| {
        event["event"] == "lab_started" && event["title"] == "Third"
    });
    let first = format!("labrunner-{}-redis-1", desk.run_id());
    let containers = docker(&["ps", "--all", "--format", "{{.Names}}"]);
    assert!(
        !containers.lines().any(|name| name == first),
        "{containers}"
    );
    let ended = running.end(LONG);
    nothing_is_left(&desk);
    ended.says(
        1,
        &[
            "failed b.yaml:",
            "Says no",
            "Failed: 3 labs, 2 passed, 1 failed, 0 skipped",
        ],
    );
    let events = desk.events();
    assert_eq!(named(&events, "environment_reused").len(), 1);
    let kept: Vec<&Value> = named(&events, "cleanup_finished")
        .iter()
        .map(|event| &event["kept"])
        .collect();
    assert_eq!(kept, [true, false, false]);
}

#[test]
fn fresh_means_containers_of_its_own_for_each() {
    let Some(_turn) = turn("fresh_means_containers_of_its_own_for_each") else {
        return;
    };
    let desk = Desk::new();
    let up = "  - {id: up, title: T, run: docker compose up -d redis-1, expect: [node: {name: redis-1, running: true}]}";
    desk.write("a.yaml", lab("First", "", up))
        .write("b.yaml", lab("Second", "", up));
    let ended = run(&desk, &["--fresh", "a.yaml", "b.yaml"]);
    ended.says(0, &["Passed: 2 labs, 2 passed"]);
    assert_eq!(ended.stdout.matches("is removed").count(), 2, "{ended}");
    let events = desk.events();
    assert_eq!(named(&events, "environment_reused").len(), 0);
    assert!(
        named(&events, "cleanup_finished")
            .iter()
            .all(|event| event["kept"] == false)
    );
}

/// A lab that asks every node of its start for all that it says of itself.
fn asks_everything() -> String {
    let steps = "
  - id: info
    title: T
    each: [{port: '7001'}, {port: '7002'}, {port: '7003'}]
    run: redis-cli -p ${each.port} INFO everything
    expect: [stdout: {contains: redis_version}]
  - id: config
    title: T
    each: [{port: '7001'}, {port: '7002'}, {port: '7003'}]
    run: redis-cli -p ${each.port} CONFIG GET '*'
    expect: [stdout: {contains: maxmemory}]
  - id: cluster
    title: T
    each: [{port: '7001'}, {port: '7002'}, {port: '7003'}]
    run: redis-cli -p ${each.port} CLUSTER INFO
    expect: [stdout: {contains: cluster_state}]
  - id: nodes
    title: T
    each: [{port: '7001'}, {port: '7002'}, {port: '7003'}]
    run: redis-cli -p ${each.port} CLUSTER NODES
    expect: [stdout: {lines: 3}]
";
    let given = "given:
  node_timeout: 4s
  masters: {redis-1: 0-8191, redis-2: 8192-16383}
  replicas: {redis-3: redis-2}
  keys: {count: 500}";
    lab("Asks everything", given, steps)
}

/// What each node said of itself in the last lab of the desk's run.
fn said(desk: &Desk) -> BTreeMap<String, Fields> {
    let events = desk.events();
    let ids = named(&events, "given_ready").last().unwrap()["ids"].clone();
    let call = |text: &str| {
        let ids = ids.as_object().unwrap();
        ids.iter().fold(text.to_owned(), |text, (name, id)| {
            text.replace(id.as_str().unwrap(), name)
        })
    };
    let mut said: BTreeMap<String, Fields> = BTreeMap::new();
    for step in ["info", "config", "cluster", "nodes"] {
        let outputs: Vec<&Value> = named(&events, "command_finished")
            .into_iter()
            .filter(|event| event["step"] == step)
            .collect();
        assert_eq!(outputs.len(), 3, "{step}");
        for (number, output) in (1..).zip(outputs) {
            let text = call(output["stdout"].as_str().unwrap());
            let fields = said.entry(format!("redis-{number}")).or_default();
            match step {
                "config" => read_turns("CONFIG", &text, fields),
                "info" => read_lines("INFO", &text, fields),
                "cluster" => read_lines("CLUSTER", &text, fields),
                _ => read_nodes(&text, fields),
            }
        }
    }
    for fields in said.values_mut() {
        // A replica's line among its master's fields has its offset in it, and how long ago it was heard.
        let replicas = fields
            .iter_mut()
            .filter(|(name, _)| name.starts_with("INFO slave0"));
        for (_, value) in replicas {
            let parts = value.split(',');
            let stays = |part: &&str| !part.starts_with("offset=") && !part.starts_with("lag=");
            *value = parts.filter(stays).collect::<Vec<_>>().join(",");
        }
    }
    said
}

/// The lines of CLUSTER NODES without what is different at every look: when a node was last heard.
fn read_nodes(text: &str, into: &mut Fields) {
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [id, address, flags, master, _, _, rest @ ..] = &words[..] else {
            panic!("{line:?}")
        };
        into.insert(
            format!("NODES {id}"),
            format!("{address} {flags} {master} {}", rest.join(" ")),
        );
    }
}

#[test]
fn given_is_exactly_what_it_is_from_nothing() {
    let Some(_turn) = turn("given_is_exactly_what_it_is_from_nothing") else {
        return;
    };
    let (new, used) = (Desk::new(), Desk::new());
    new.write("asks.yaml", asks_everything());
    run(&new, &["asks.yaml"]).says(0, &[]);

    // The same nodes in other roles, with other settings, and a failover.
    let uses = lab(
        "Uses them",
        THREE,
        "
  - {id: setting, title: T, run: redis-cli -p 7001 CONFIG SET maxmemory 100000000, expect: [stdout: {equals: OK}]}
  - {id: log, title: T, run: redis-cli -p 7002 CONFIG SET slowlog-log-slower-than 0, expect: [stdout: {equals: OK}]}
  - {id: hash, title: T, run: redis-cli -p 7001 HSET h a 1 b 2, expect: [stdout: {equals: '2'}]}
  - {id: script, title: T, run: redis-cli -p 7001 EVAL 'return 7' 0, expect: [stdout: {equals: '7'}]}
  - {id: wrong, title: T, run: redis-cli -p 7001 GET h, expect: [output: {contains: WRONGTYPE}]}
  - id: failover
    title: T
    run: redis-cli -p 7002 CLUSTER FAILOVER
    expect:
      - node: {name: redis-2, role: master, slots: 16384}
      - node: {name: redis-1, role: replica, link: up}
      - node: {name: redis-3, role: replica, master: redis-2, link: up}",
    );
    used.write("asks.yaml", asks_everything())
        .write("uses.yaml", uses);
    let ended = run(&used, &["uses.yaml", "asks.yaml"]);
    ended.says(0, &["redis 7", "· reused"]);

    let (fresh, reused) = (said(&new), said(&used));
    let fields: usize = fresh.values().map(Fields::len).sum();
    assert!(fields > 900, "only {fields} fields are compared");
    let differ: Vec<String> = fresh
        .iter()
        .flat_map(|(node, fresh)| differences(node, fresh, &reused[node]))
        .collect();
    assert_eq!(differ, Vec::<String>::new(), "{ended}");
}

#[test]
fn an_interruption_between_two_labs_leaves_nothing() {
    let Some(_turn) = turn("an_interruption_between_two_labs_leaves_nothing") else {
        return;
    };
    let desk = Desk::new();
    desk.write("a.yaml", asks_everything())
        .write("b.yaml", asks_everything());
    let _broom = Broom(&desk);
    let mut running = desk.start(&mut desk.run_command(&["a.yaml", "b.yaml"]));
    running.wait_for("the end of the first lab", |event| {
        event["event"] == "cleanup_finished" && event["kept"] == true
    });
    running.signal(Signal::INT);
    let ended = running.end(SOON);
    nothing_is_left(&desk);
    ended.says(130, &["Interrupted: 2 labs, 1 passed"]);
}

#[test]
fn what_is_left_of_a_run_that_was_killed_in_its_second_lab_can_be_removed() {
    let Some(_turn) = turn("what_is_left_of_a_run_that_was_killed_in_its_second_lab") else {
        return;
    };
    let desk = Desk::new();
    desk.write("a.yaml", asks_everything())
        .write("b.yaml", asks_everything());
    let _broom = Broom(&desk);
    let mut running = desk.start(&mut desk.run_command(&["a.yaml", "b.yaml"]));
    running.wait_for_event("environment_reused");
    running.signal(Signal::KILL);
    assert_eq!(running.end(SOON).signal, Some(9));
    let run = desk.run_id();
    assert!(left_of(&run).len() > 3, "containers and a network");
    desk.labrunner(&["clean", &run])
        .says(0, &[&format!("removed run {run}: ")]);
    assert_eq!(left_of(&run), Vec::<String>::new());
}
