//! A lab that starts from a cluster.

use insta::assert_snapshot;

use crate::environment::with_servers;
use crate::servers;
use crate::story::{lab, run_lab};

#[tokio::test]
async fn a_cluster_with_keys_and_a_probe() {
    if !servers::available("a_cluster_with_keys_and_a_probe") {
        return;
    }
    let lab = lab(
        "given: {masters: {redis-1: 0-8191, redis-2: 8192-16383}, keys: {count: 500, hot_slot: 50}}",
        r#"
  - id: id
    title: T
    run: redis-cli -p 7002 CLUSTER MYID
    expect: [stdout: {equals: "${redis-2.id}"}]
    holds:
      - cluster: {state: ok, agree: true, masters: 2, replicas: 0, known_nodes: 2, slots_assigned: 16384}
      - node: {name: redis-2, role: master, slots: 8192, replicas: 0, member: true, running: true, state: ok}
      - given_keys: intact
  - id: pause
    title: T
    wait: 300ms
    meanwhile: [probe: {rate: 100/s, slots: all}]
    expect: [probe: {operations: ">= 1"}]
    holds: [probe: {failed: 0, lost: 0, wrong: 0}]
  - id: lose
    title: T
    run: redis-cli -p 7001 FLUSHALL
    holds: [given_keys: intact]
"#,
    );
    let ended = run_lab(with_servers(2), &lab).await;
    let story = ended.story();
    let what_differs = [
        (r"\b[0-9a-f]{40}\b", "ID"),
        (r"\d+ (of 500 keys|missing|operations)", "N $1"),
        (r"given:\d+ is missing", "KEY is missing"),
        // The watch may be quicker than the end of the command.
        ("BAD holds (during|after)", "BAD holds"),
    ];
    let story = what_differs.iter().fold(story, |story, (what, name)| {
        regex::Regex::new(what)
            .unwrap()
            .replace_all(&story, *name)
            .into_owned()
    });
    assert_snapshot!(story, @"
    given
    1 id
      $ redis-cli -p 7002 CLUSTER MYID
      exit 0
      ok  expect after: stdout is `ID` | stdout is `ID`
      ok  holds after: cluster_state is ok on every member, all members agree, 2 masters, 0 replicas, 2 known nodes, 16384 slots assigned | cluster_state ok on all 2 members, 2 members agree, masters 2 on all 2 members, replicas 0 on all 2 members, cluster_known_nodes 2 on all 2 members, cluster_slots_assigned 16384 on all 2 members
      ok  holds after: redis-2 answers, is known to all others, is a master, owns 8192 slots, has 0 replicas, is called well by most others | redis-2 answers, all 1 others know redis-2, redis-2 is a master, redis-2 owns 8192 slots, redis-2 has 0 replicas, 1 others call redis-2 well, 0 suspected, 0 failed
      ok  holds after: every key of `given` has its value | N of 500 keys intact
      Passed
    2 pause
      probed, 0 failed
      ok  expect after: probe: at least N operations | N operations
      ok  holds after: probe: 0 failed, 0 lost, 0 wrong | 0 failed, 0 lost, 0 wrong
      Passed
    3 lose
      $ redis-cli -p 7001 FLUSHALL
      exit 0
      BAD holds: every key of `given` has its value | N of 500 keys intact, N missing, KEY is missing
      scene of 2 nodes
      Failed
    clean
    cleaned
    Failed: 2 passed, 1 failed, 0 skipped, 0 not run
    => Failed
    ");
}
