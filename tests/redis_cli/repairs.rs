//! Clusters that are not well, and `--cluster fix`.

use crate::cluster::{PLAIN, Scenario, same};

#[test]
fn open_slots_are_closed() {
    let steps = &[
        "redis-cli --cluster create {a1} {a2} {a3} --cluster-yes",
        "settle",
        "redis-cli --cluster add-node {a4} {a1}",
        "settle",
        "keys",
        // Somebody stopped in the middle of a reshard.
        "2: CLUSTER SETSLOT 5 IMPORTING {i1}",
        "1: CLUSTER SETSLOT 5 MIGRATING {i2}",
        "redis-cli --cluster check {a1}",
        "redis-cli --cluster reshard {a1} --cluster-from all --cluster-to {i2} --cluster-slots 1 --cluster-yes",
        "redis-cli --cluster rebalance {a1}",
        "redis-cli --cluster add-node {a5} {a1}",
        "redis-cli --cluster fix {a1}",
        "settle",
        // Only the giver knows.
        "1: CLUSTER SETSLOT 6 MIGRATING {i2}",
        "redis-cli --cluster fix {a1}",
        "settle",
        // Only the taker knows.
        "3: CLUSTER SETSLOT 7 IMPORTING {i1}",
        "redis-cli --cluster fix {a1}",
        "settle",
        // Two want it, one of them is meant.
        "1: CLUSTER SETSLOT 8 MIGRATING {i2}",
        "2: CLUSTER SETSLOT 8 IMPORTING {i1}",
        "3: CLUSTER SETSLOT 8 IMPORTING {i1}",
        "redis-cli --cluster fix {a1}",
        "settle",
        // Two want it, none of them is meant.
        "1: CLUSTER SETSLOT 9 MIGRATING {i4}",
        "2: CLUSTER SETSLOT 9 IMPORTING {i1}",
        "3: CLUSTER SETSLOT 9 IMPORTING {i1}",
        "redis-cli --cluster fix {a1}",
        "wait",
        "redis-cli --cluster check {a1} --cluster-search-multiple-owners",
    ];
    let scenario = Scenario {
        nodes: 5,
        steps,
        ..PLAIN
    };
    same("open_slots_are_closed", &scenario);
}

#[test]
fn uncovered_slots_get_owners() {
    let steps = &[
        "redis-cli --cluster create {a1} {a2} {a3} --cluster-yes",
        "settle",
        "keys",
        // Slot 7602 is that of {user}; nobody has a key of slot 1.
        "disown 1",
        "redis-cli --cluster check {a1}",
        "redis-cli --cluster fix {a1} ?? no",
        "redis-cli --cluster fix {a1} --cluster-yes ?? yes",
        "settle",
    ];
    let scenario = Scenario {
        nodes: 3,
        steps,
        // Which node is drawn by lot.
        mask: Some(
            "127.0.1.[123]:port-[123]$|^[123]: (MULTI|EXEC|CLUSTER (ADDSLOTS|DELSLOTS|BUMPEPOCH).*)|^id-[123] .*",
        ),
        ..PLAIN
    };
    same("uncovered_slots_get_owners", &scenario);
}

#[test]
fn keys_without_an_owner() {
    let steps = &[
        "redis-cli --cluster create {a1} {a2} {a3} --cluster-yes",
        "settle",
        "keys",
        // key:1 is in slot 6657 of node 2.
        "disown 6657",
        "redis-cli --cluster fix {a1} ?? yes",
        "settle",
        "redis-cli -c -h {h1} -p {p1} get key:1",
        "redis-cli --cluster check {a1}",
    ];
    let scenario = Scenario {
        nodes: 3,
        steps,
        ..PLAIN
    };
    same("keys_without_an_owner", &scenario);
}

#[test]
fn keys_that_are_there_already() {
    let steps = &[
        "redis-cli --cluster create {a1} {a2} {a3} --cluster-yes",
        "settle",
        // key:1 is in slot 6657 of node 2; node 1 gets another value for it.
        "2: SET key:1 here",
        "1: CLUSTER SETSLOT 6657 IMPORTING {i2}",
        "redis-cli -h {h1} -p {p1} << asking\nset key:1 there\n",
        "1: CLUSTER SETSLOT 6657 STABLE",
        "redis-cli --cluster check {a1} --cluster-search-multiple-owners",
        "redis-cli --cluster reshard {a1} --cluster-from {i2} --cluster-to {i1} --cluster-slots 3000 --cluster-yes",
        "wait",
        "redis-cli --cluster check {a1}",
        "redis-cli --cluster fix {a1}",
        "wait",
        "redis-cli --cluster fix {a1} --cluster-replace",
        "settle",
        "redis-cli --cluster check {a1} --cluster-search-multiple-owners",
        "redis-cli -c -h {h1} -p {p1} get key:1",
    ];
    let scenario = Scenario {
        nodes: 3,
        steps,
        ..PLAIN
    };
    same("keys_that_are_there_already", &scenario);
}

#[test]
fn keys_of_one_slot_in_several_nodes() {
    let steps = &[
        "redis-cli --cluster create {a1} {a2} {a3} --cluster-yes",
        "settle",
        // key:1 is in slot 6657 of node 2.
        "2: SET key:1 x",
        "3: DEBUG POPULATE 3 {key:1}",
        "redis-cli --cluster check {a1} --cluster-search-multiple-owners",
        "redis-cli --cluster fix {a1} --cluster-search-multiple-owners",
        "settle",
        "redis-cli --cluster check {a1} --cluster-search-multiple-owners",
        "disown 6657",
        "1: DEBUG POPULATE 2 {key:1}more",
        "redis-cli --cluster fix {a1} ?? no",
        "redis-cli --cluster fix {a1} ?? yes",
        "settle",
        "redis-cli --cluster check {a1} --cluster-search-multiple-owners",
        "redis-cli -c -h {h1} -p {p1} mget key:1 {key:1}:0 {key:1}more:0",
    ];
    let scenario = Scenario {
        nodes: 3,
        steps,
        ..PLAIN
    };
    same("keys_of_one_slot_in_several_nodes", &scenario);
}

#[test]
fn a_master_that_is_gone() {
    let steps = &[
        "redis-cli --cluster create {a1} {a2} {a3} {a4} --cluster-yes",
        "settle",
        "kill 4",
        "redis-cli --cluster check {a1}",
        "redis-cli --cluster info {a2}",
        "redis-cli --cluster call {a1} cluster myid",
        "redis-cli --cluster check {a4}",
        "redis-cli --cluster fix {a1}",
        "redis-cli --cluster reshard {a1} --cluster-from all --cluster-to {i2} --cluster-slots 1 --cluster-yes",
        "redis-cli --cluster del-node {a1} {i4}",
        "redis-cli --cluster add-node {a5} {a1}",
    ];
    let scenario = Scenario {
        nodes: 5,
        more: &["--cluster-node-timeout", "1000"],
        steps,
        ..PLAIN
    };
    same("a_master_that_is_gone", &scenario);
}
