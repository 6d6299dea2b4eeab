//! Making a cluster, moving slots, nodes that come and go, and what a client meets in it.

use crate::both::is_here;
use crate::cluster::{CREATE, PLAIN, Scenario, compare, same};
use crate::server::Server;

#[test]
fn create_check_info_and_call() {
    let steps = &[
        CREATE,
        "settle",
        "redis-cli --cluster check {a1}",
        "redis-cli --cluster check {h4} {p4}",
        "redis-cli --cluster check {a2} --cluster-search-multiple-owners",
        "redis-cli --cluster info {a5}",
        "keys",
        "redis-cli --cluster info {a1}",
        "redis-cli --cluster call {a1} dbsize",
        "redis-cli --cluster call {a1} get key:1 --cluster-only-masters",
        "redis-cli --cluster call {a1} lrange none 0 -1 --cluster-only-replicas",
        "redis-cli --cluster call {a1} config get maxmemory",
        "redis-cli --cluster fix {a1}",
        // It is written into the configuration file, which nodes of the double have not.
        "real: redis-cli --cluster set-timeout {a1} 4000",
        "redis-cli --cluster set-timeout {a1} 50",
        "redis-cli --cluster create {a1} {a2} {a3} --cluster-yes",
        "redis-cli -h {h1} -p {p1} cluster keyslot x",
        "redis-cli -h {h1} -p {p1} get key:1",
        "redis-cli -c -h {h1} -p {p1} get key:1",
        "redis-cli -c -h {h1} -p {p1} -r 2 get key:2",
        "redis-cli -c --no-raw -h {h1} -p {p1} get key:3",
        "redis-cli -c -3 --json -h {h1} -p {p1} get key:4",
        "redis-cli -c -e -h {h1} -p {p1} mget key:1 key:2",
        "redis-cli -c -h {h4} -p {p4} set key:5 x",
    ];
    same("create_check_info_and_call", &Scenario { steps, ..PLAIN });
}

#[test]
fn reshard_and_rebalance() {
    let steps = &[
        CREATE,
        "settle",
        "keys",
        "redis-cli --cluster reshard {a1} --cluster-from {i1} --cluster-to {i2} --cluster-slots 200 --cluster-yes",
        "settle",
        "redis-cli --cluster reshard {a4} --cluster-from all --cluster-to {i3} --cluster-slots 101 --cluster-yes --cluster-pipeline 2",
        "settle",
        "redis-cli --cluster reshard {a4} --cluster-from {i1},{i3} --cluster-to {i2} --cluster-slots 7 --cluster-yes",
        "settle",
        "redis-cli --cluster reshard {a1} --cluster-from {i1}, --cluster-to {i2} --cluster-slots 1 --cluster-yes",
        "settle",
        "redis-cli --cluster reshard {a1} --cluster-from {i4} --cluster-to {i2} --cluster-slots 1 --cluster-yes",
        "settle",
        "redis-cli --cluster reshard {a1} --cluster-from {i2} --cluster-to {i2} --cluster-slots 1 --cluster-yes",
        "settle",
        "redis-cli --cluster reshard {a1} --cluster-from {i2},{i1} --cluster-to {i2} --cluster-slots 1 --cluster-yes",
        "settle",
        "redis-cli --cluster reshard {a1} --cluster-from x --cluster-to {i2} --cluster-slots 1 --cluster-yes",
        "settle",
        "redis-cli --cluster reshard {a1} --cluster-from {i1} --cluster-to x --cluster-slots 1 --cluster-yes",
        "settle",
        "redis-cli --cluster reshard {a1} ?? 3 | {i2} | {i1} | {i3} | done | yes",
        "settle",
        "redis-cli --cluster reshard {a1} ?? 0 | 99999 | 2 | {i2} | all | yes",
        "settle",
        "redis-cli --cluster reshard {a1} ?? 2 | {i2} | {i2} | done",
        "settle",
        "redis-cli --cluster reshard {a1} ?? 2 | {i2} | nobody",
        "settle",
        "redis-cli --cluster reshard {a1} ?? 2 | nobody",
        "settle",
        "redis-cli --cluster reshard {a1} --cluster-slots 2 --cluster-to {i2} --cluster-from all ?? no",
        "settle",
        "redis-cli --cluster rebalance {a1} --cluster-simulate --verbose",
        "redis-cli --cluster rebalance {a1} --cluster-threshold 50",
        "redis-cli --cluster rebalance {a1} --cluster-weight {i1}=2 --cluster-simulate",
        "redis-cli --cluster rebalance {a1} --cluster-weight {i1}=2 {i2}=0.5 nobody=3",
        "redis-cli --cluster rebalance {a1} --cluster-threshold 0",
        "wait",
        "redis-cli --cluster rebalance {a1}",
        "settle",
        "redis-cli --cluster check {a1}",
        "redis-cli --cluster rebalance {a1}",
        "redis-cli --cluster rebalance {a1} --cluster-weight {i1}=1.02 {i2}=1 {i3}=0.98 --cluster-threshold 0.5",
        "settle",
        "redis-cli --cluster info {a1}",
    ];
    same("reshard_and_rebalance", &Scenario { steps, ..PLAIN });
}

#[test]
fn nodes_come() {
    let steps = &[
        CREATE,
        "settle",
        "keys",
        "redis-cli --cluster add-node {a7} {a1}",
        "settle",
        "redis-cli --cluster add-node {a8} {a1} --cluster-slave",
        "settle",
        "redis-cli --cluster check {a1}",
        "redis-cli --cluster rebalance {a1}",
        "redis-cli --cluster add-node {a7} {a1}",
        "redis-cli --cluster add-node {a9} {a1} --cluster-slave --cluster-master-id nobody",
        "redis-cli --cluster add-node {a9} {a2} --cluster-slave --cluster-master-id {i2}",
        "settle",
        "redis-cli --cluster add-node 127.0.0.1:1 {a1}",
        "redis-cli --cluster rebalance {a1} --cluster-use-empty-masters --cluster-threshold 1",
        "settle",
        "redis-cli --cluster check {a3}",
    ];
    let scenario = Scenario {
        nodes: 9,
        steps,
        ..PLAIN
    };
    same("nodes_come", &scenario);
}

#[test]
fn nodes_go() {
    let steps = &[
        CREATE,
        "settle",
        "keys",
        "redis-cli --cluster add-node {a7} {a1}",
        "settle",
        "redis-cli --cluster add-node {a8} {a1} --cluster-slave",
        "settle",
        "redis-cli --cluster add-node {a9} {a2} --cluster-slave --cluster-master-id {i2}",
        "settle",
        "redis-cli --cluster reshard {a1} --cluster-from all --cluster-to {i7} --cluster-slots 600 --cluster-yes",
        "settle",
        "redis-cli --cluster del-node {a1} {i7}",
        "redis-cli --cluster del-node {a1} nobody",
        "redis-cli --cluster reshard {a1} --cluster-from {i7} --cluster-to {i1} --cluster-slots 500 --cluster-yes",
        "settle",
        "redis-cli --cluster del-node {a1} {i9}",
        "settle",
        "redis-cli --cluster reshard {a1} --cluster-from {i7} --cluster-to {i1} --cluster-slots 600 --cluster-yes",
        "settle",
        "redis-cli --cluster check {a3}",
        "redis-cli --cluster del-node {a1} {i8}",
        "redis-cli --cluster del-node {a1} {i7}",
        "settle",
        "redis-cli --cluster info {a1}",
        "10: FUNCTION LOAD \"#!lua name=l\\nredis.register_function('f', function() return 1 end)\"",
        "redis-cli --cluster add-node {a10} {a1}",
        "10: FUNCTION FLUSH",
        "1: FUNCTION LOAD \"#!lua name=l\\nredis.register_function('f', function() return 1 end)\"",
        // To redis-cli 6.2 functions are nothing: it has added the node already.
        "wait",
        "redis-cli --cluster add-node {a10} {a1}",
        "settle",
        "redis-cli --cluster call {a10} fcall f 0",
    ];
    let scenario = Scenario {
        nodes: 10,
        steps,
        ..PLAIN
    };
    same("nodes_go", &scenario);
}

#[test]
fn a_replica_whose_master_goes_gets_another() {
    let steps = &[
        "redis-cli --cluster create {a1} {a2} {a3} --cluster-yes",
        "settle",
        "redis-cli --cluster add-node {a4} {a1}",
        "settle",
        "redis-cli --cluster add-node {a5} {a1} --cluster-slave --cluster-master-id {i4}",
        "settle",
        "redis-cli --cluster del-node {a1} {i4}",
        "settle",
        "redis-cli --cluster check {a1}",
    ];
    let scenario = Scenario {
        nodes: 5,
        steps,
        ..PLAIN
    };
    same("a_replica_whose_master_goes_gets_another", &scenario);
}

#[test]
fn questions_of_create() {
    let steps = &[
        "redis-cli --cluster create {a1} {a2}",
        "redis-cli --cluster create {a1} {a2} {a3} {a4} {a5} --cluster-replicas 1",
        "redis-cli --cluster create {a1} {a2} {a3} {a4} {a5} ?? no",
        "redis-cli --cluster create {a1} {a2} {a3} {a4} {a5} ?? y",
        "redis-cli --cluster create {a1} {a2} {a3} x",
        "1: DEBUG POPULATE 1",
        "redis-cli --cluster create {a1} {a2} {a3} --cluster-yes",
        "1: FLUSHALL",
        "redis-cli --cluster create {a1} {a2} {a3} {a4} {a5} {a6} {a7} --cluster-replicas 1 ?? yes",
        "settle",
        "redis-cli --cluster create {a7} {a8} {a9} --cluster-yes",
    ];
    let scenario = Scenario {
        nodes: 9,
        steps,
        ..PLAIN
    };
    same("questions_of_create", &scenario);
}

#[test]
fn all_nodes_on_one_host() {
    let steps = &[
        "redis-cli --cluster create {a1} {a2} {a3} {a4} {a5} {a6} {a7} --cluster-replicas 1 --cluster-yes",
        "settle",
    ];
    let scenario = Scenario {
        nodes: 7,
        one_host: true,
        steps,
        // Which replica has which master is drawn by lot.
        mask: Some("(replicates|REPLICATE|slave) id-[1-3]"),
        ..PLAIN
    };
    same("all_nodes_on_one_host", &scenario);
}

#[test]
fn a_password_is_used_everywhere() {
    let steps = &[
        "redis-cli --no-auth-warning -a secret --cluster create {a1} {a2} {a3} --cluster-yes",
        "wait",
        "redis-cli --no-auth-warning -a secret -c -h {h1} -p {p1} set key:1 x",
        "redis-cli --no-auth-warning -a secret -c -h {h1} -p {p1} get key:1",
        "redis-cli --no-auth-warning -a secret --cluster info {a1}",
        "redis-cli --no-auth-warning --user default -a secret --cluster call {a1} dbsize",
        "redis-cli -a secret --cluster info {a2}",
        "redis-cli --cluster info {a2}",
        "redis-cli --no-auth-warning -a wrong --cluster info {a2}",
    ];
    let scenario = Scenario {
        nodes: 3,
        more: &["--requirepass", "secret", "--masterauth", "secret"],
        steps,
        mask: Some("[0-9a-f]{40}|[0-9a-f]{8}\\.\\.\\.|^.*: CLUSTER NODES$"),
        ..PLAIN
    };
    same("a_password_is_used_everywhere", &scenario);
}

#[test]
fn keys_of_a_server_are_imported() {
    if !is_here("keys_of_a_server_are_imported") {
        return;
    }
    let source = Server::start(&[]);
    let steps = &[
        "redis-cli --cluster create {a1} {a2} {a3} --cluster-yes",
        "settle",
        "redis-cli --cluster import {a1} --cluster-from 127.0.0.1:PORT --cluster-copy",
        "redis-cli --cluster info {a1}",
        "redis-cli --cluster import {a1} --cluster-from 127.0.0.1:PORT --cluster-copy",
        "redis-cli --cluster import {a1} --cluster-from 127.0.0.1:PORT --cluster-replace",
        "redis-cli --cluster import {a1} --cluster-from 127.0.0.1:PORT",
        "redis-cli --cluster import {a1} --cluster-from {a2}",
        "redis-cli --cluster import {a1} --cluster-from 127.0.0.1:1",
        "redis-cli --cluster call {a1} dbsize",
    ];
    let scenario = Scenario {
        nodes: 3,
        steps,
        ..PLAIN
    };
    compare(&scenario, Some(&source));
}

/// Lines that come in one by one follow redirections, and say so.
#[test]
fn lines_follow_redirections() {
    let steps = &[
        "redis-cli --cluster create {a1} {a2} {a3} --cluster-yes",
        "settle",
        "keys",
        "redis-cli -c -h {h1} -p {p1} << get key:1\nget key:2\n2 get key:3\nmget key:1 key:2\n",
        "redis-cli -c --no-raw -h {h1} -p {p1} << get key:1\nget key:2\ncluster info\n",
        "redis-cli -h {h1} -p {p1} << get key:1\nget key:2\n",
        // Slot 6657 on its way from node 2 to node 1.
        "1: CLUSTER SETSLOT 6657 IMPORTING {i2}",
        "2: CLUSTER SETSLOT 6657 MIGRATING {i1}",
        "redis-cli -c -h {h2} -p {p2} get key:1",
        "redis-cli -c -h {h2} -p {p2} set new:{key:1} x",
        "redis-cli -c -h {h2} -p {p2} << set {key:1}:more x\nget {key:1}:more\nget key:1\n",
    ];
    let scenario = Scenario {
        nodes: 3,
        steps,
        mask: Some("cluster_stats_messages.*"),
        ..PLAIN
    };
    same("lines_follow_redirections", &scenario);
}
