//! What labs do, on simulated nodes.

use std::time::Duration;

use serde_json::Value;

use crate::command::{Desk, LONG};
use crate::{GIVEN, lab, run_bare};

/// The course's first labs, as they are; the others are run by `benches/sim_labs.rs`, which is quick enough for them.
#[test]
fn labs_of_the_course_pass_with_nothing_but_the_binary() {
    let desk = Desk::new();
    let labs = concat!(env!("CARGO_MANIFEST_DIR"), "/labs");
    let first = format!("{labs}/01-start-cluster.yaml");
    let second = format!("{labs}/02-explore-slots.yaml");
    let mut command = desk.run_command(&[&first, &second, "--backend", "sim"]);
    command.env_clear().env("PATH", "/nonexistent");
    desk.start(&mut command)
        .end(LONG)
        .says(0, &["2 labs, 2 passed, 0 skipped"]);
    // Side by side, and told of one after the other.
    let events = desk.events();
    let find = |name: &str| -> Vec<(usize, u64, String)> {
        let all = events.iter().enumerate();
        let named = all.filter(|(_, event)| event["event"] == name);
        let place = |(at, event): (usize, &Value)| {
            let file = event["file"].as_str().unwrap().to_owned();
            (at, event["at_ms"].as_f64().unwrap() as u64, file)
        };
        named.map(place).collect()
    };
    let (started, finished) = (find("lab_started"), find("lab_finished"));
    let files = |found: &[(usize, u64, String)]| -> Vec<String> {
        found.iter().map(|(_, _, file)| file.clone()).collect()
    };
    assert_eq!(files(&started), [first.clone(), second.clone()]);
    assert_eq!(files(&finished), [first, second]);
    assert!(finished[0].0 < started[1].0, "told in one another");
    assert!(started[1].1 < finished[0].1, "one waited for the other");
    let numbers = events.iter().map(|event| event["seq"].as_u64().unwrap());
    assert!(numbers.eq(1..=events.len() as u64));
}

/// Every change that a lab can make to a node, and that others see it.
#[test]
fn nodes_are_changed_as_docker_changes_containers() {
    let steps = "  - id: freeze
    title: Freeze a node
    run: docker pause redis-1
    expect:
      - node: {name: redis-1, state: failed}
        within: 30s
      - node: {name: redis-4, role: master, owns: 0-5460}
        within: 30s
  - id: thaw
    title: Let it go on
    run: docker unpause redis-1
    expect:
      - node: {name: redis-1, role: replica, master: redis-4, link: up}
        within: 30s
  - id: kill
    title: Kill another
    run: docker kill redis-2
    expect:
      - node: {name: redis-2, running: false}
      - node: {name: redis-5, role: master, owns: 5461-10922}
        within: 30s
    holds:
      - given_keys: intact
        for: 1ms
  - id: back
    title: Start it again
    run: docker start redis-2
    expect:
      - node: {name: redis-2, role: replica, master: redis-5, link: up}
        within: 30s
  - id: cut
    title: Cut a node off
    run: docker network disconnect labrunner-cluster redis-3
    expect:
      - node: {name: redis-6, role: master, owns: 10923-16383}
        within: 30s
  - id: unreachable
    title: See that nobody reaches it
    run: redis-cli -p 7003 PING
    expect:
      - exit: 1
      - output: {contains: 'Could not connect to Redis at 127.0.0.1:7003: Connection refused'}
  - id: heal
    title: Connect it again
    run: docker network connect labrunner-cluster redis-3
    expect:
      - node: {name: redis-3, role: replica, master: redis-6, link: up}
        within: 30s
  - id: restart
    title: Restart a replica
    run: docker restart redis-3
    expect:
      - info: {name: redis-3, fields: {uptime_in_seconds: '<= 1'}}
  - id: remove
    title: Remove it
    run: docker rm -f redis-3
    expect:
      - node: {name: redis-3, running: false}
  - id: anew
    title: Make it anew
    run: docker compose up -d redis-3 redis-7
    expect:
      - node: {name: redis-7, running: true}
      - node: {name: redis-3, running: true}
";
    let steps = steps.replace(
        "    holds:\n      - given_keys: intact\n        for: 1ms\n",
        "",
    );
    let desk = Desk::new();
    run_bare(&desk, &lab(GIVEN, &steps)).says(0, &["10 steps passed"]);
}

/// Names and addresses are the course's, in what is typed and in what is printed, whichever way redis-cli prints them.
#[test]
fn everything_speaks_the_course_s_terms() {
    let steps = "  - id: moved
    title: Be sent away
    run: redis-cli -h redis-2 -p 7002 GET foo
    expect:
      - output: {contains: 'MOVED 12182 172.30.0.13:7003'}
  - id: slots
    title: See who has what
    run: redis-cli -h 172.30.0.11 -p 7001 CLUSTER SLOTS | grep -c 172.30.0.1
    expect:
      - stdout: {equals: '3'}
        why: A replica that has heard nothing of its master yet is not among them.
  - id: replication
    title: See who follows whom
    run: redis-cli -p 7004 INFO replication
    expect:
      - stdout: {matches: '^master_host:172.30.0.11$'}
      - stdout: {matches: '^master_port:7001$'}
  - id: check
    title: Check
    run: redis-cli --cluster check redis-1:7001
    expect:
      - stdout: {contains: '172.30.0.16:7006'}
      - stdout: {contains: '[OK] All 16384 slots covered.'}
  - id: target
    title: Look
    run: make cluster-nodes | grep -c 172.30.0.1
    expect:
      - stdout: {equals: '6'}
  - id: app
    title: Sell
    run: ./app create-event --name Concert --seats 10
    expect:
      - stdout: {matches: '^  slot [0-9]+, on 172.30.0.1[123]:700[123]$'}
  - id: repeat
    title: Look again and again
    run: watch -n 1 'redis-cli -p 7001 INFO stats | grep instantaneous_ops'
    wait: 3s
    expect:
      - stdout: {matches: '^instantaneous_ops_per_sec:[0-9]+$'}
  - id: read
    title: Read commands
    run: redis-cli -c -p 7003
    stdin: |
      SET foo bar
      GET foo
    expect:
      - stdout: {equals: \"OK\\nbar\"}
";
    let desk = Desk::new();
    run_bare(&desk, &lab(GIVEN, steps)).says(0, &["8 steps passed"]);
}

/// Nobody lives through what nobody has to.
#[test]
fn a_minute_of_waiting_takes_a_moment() {
    let steps = "  - id: wait
    title: Wait
    wait: 60s
    holds:
      - node: {name: redis-1, role: master}
";
    let desk = Desk::new();
    let ended = run_bare(&desk, &lab(GIVEN, steps));
    ended.says(0, &["1 step passed"]);
    // On a quiet machine it is a second or two.
    assert!(ended.took < Duration::from_secs(50), "{ended}");
    // It was looked at all the while, and not only at its end.
    let events = desk.events();
    let held = events
        .iter()
        .find(|event| event["event"] == "checked" && event["when"] == "during");
    let looks = events
        .iter()
        .filter_map(|event| event["looks"].as_u64())
        .max();
    assert!(held.is_some() || looks.unwrap_or(0) > 100, "{looks:?}");
}

/// What a failover takes is told in the nodes' time, whatever it took us.
#[test]
fn a_failover_takes_seconds_of_the_nodes_time() {
    let steps = "  - id: fail
    title: Stop a master
    run: make failover
    expect:
      - timeline: {node: redis-1, to: redis-4, suspected: '>= 1s', promoted: '<= 8s'}
      - node: {name: redis-4, role: master, owns: 0-5460}
        within: 20s
";
    let given = format!("{GIVEN}  keys: {{count: 200}}\n");
    let steps = format!(
        "{steps}    holds:\n      - node: {{name: redis-2, role: master}}\n  - id: kept\n    title: See that all is there\n    holds:\n      - given_keys: intact\n"
    );
    let desk = Desk::new();
    run_bare(&desk, &lab(&given, &steps)).says(0, &["redis-4 took over"]);
    let events = desk.events();
    let timeline = events
        .iter()
        .find(|event| event["event"] == "timeline")
        .unwrap();
    let moment = |name: &str| timeline["timeline"][name].to_string();
    assert_ne!(moment("promoted"), "null", "{timeline}");
}

#[test]
fn two_runs_go_side_by_side() {
    let steps = "  - id: up
    title: Start a node
    run: docker compose up -d redis-1
    expect:
      - node: {name: redis-1, running: true}
  - id: mine
    title: Say whose it is
    run: redis-cli -p 7001 CLUSTER ADDSLOTSRANGE 0 16383
    expect:
      - stdout: {equals: OK}
      - cluster: {state: ok}
        within: 20s
  - id: alone
    title: See that nobody else is here
    run: redis-cli -p 7001 DBSIZE
    expect:
      - stdout: {equals: '0'}
  - id: write
    title: Write
    run: redis-cli -p 7001 SET key value
    expect:
      - stdout: {equals: OK}
";
    let (one, two) = (Desk::new(), Desk::new());
    let start = |desk: &Desk| {
        desk.write("lab.yaml", lab("", steps));
        desk.start(&mut desk.run_command(&["lab.yaml", "--backend", "sim"]))
    };
    let (first, second) = (start(&one), start(&two));
    first.end(LONG).says(0, &["4 steps passed"]);
    second.end(LONG).says(0, &["4 steps passed"]);
}
