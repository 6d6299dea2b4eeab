//! The probe beside real migrations and real failures.
#![allow(clippy::unwrap_used, clippy::panic)]

mod servers;
mod shapes;
mod support;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use labrunner::admin::{GivenKeys, await_agreement, create};
use labrunner::cluster::{NodeId, NodeName, Reply, Slot, SlotSet};
use labrunner::load::{Probe, ProbeError, ProbePlan, ProbeReport, ProbeSlots};
use labrunner::observe::read_back;
use labrunner::resp::{Client, Router};
use servers::Servers;

const LIMIT: Duration = Duration::from_secs(15);

fn name(text: &str) -> NodeName {
    NodeName::new(text)
}

async fn made(
    servers: &Servers,
    masters: &[(&str, &str)],
    replicas: &[(&str, &str)],
) -> BTreeMap<NodeName, NodeId> {
    let shape = shapes::shape(Duration::from_millis(1000), masters, replicas);
    create(&servers.book(), &shape, LIMIT, &|_| {})
        .await
        .unwrap()
}

fn plan(rate: u32, slots: ProbeSlots) -> ProbePlan {
    ProbePlan {
        rate,
        slots,
        deadline: ProbePlan::DEADLINE,
        seed: 42,
    }
}

fn all_slots() -> ProbeSlots {
    ProbeSlots::Fixed(SlotSet::all())
}

/// Waits until the probe has come this far.
async fn until(probe: &Probe, what: &str, reached: impl Fn(&ProbeReport) -> bool) -> ProbeReport {
    servers::eventually(what, Duration::from_secs(30), async || {
        let report = probe.report();
        reached(&report).then_some(report)
    })
    .await
}

/// All keys of all masters.
async fn stored(servers: &Servers, masters: &[&str]) -> i64 {
    let mut sum = 0;
    for master in masters {
        let client = Client::new(servers.address(master), Duration::from_secs(1));
        sum += client.call(&["DBSIZE"]).await.unwrap().as_int().unwrap();
    }
    sum
}

/// The heart of the scale-down lab: 4096 slots leave redis-7 by `redis-cli`, with 10,000 keys in the cluster, 1000 of them
/// in one of these slots.
#[tokio::test(flavor = "multi_thread")]
async fn the_probe_meets_a_reshard_and_fails_nothing() {
    if !servers::available("the_probe_meets_a_reshard_and_fails_nothing") {
        return;
    }
    let servers = Servers::start(8);
    let leaving = "0-1364 5461-6826 10923-12287";
    let ids = made(
        &servers,
        &[
            ("redis-1", "1365-5460"),
            ("redis-2", "6827-10922"),
            ("redis-3", "12288-16383"),
            ("redis-7", leaving),
        ],
        &[
            ("redis-4", "redis-1"),
            ("redis-5", "redis-2"),
            ("redis-6", "redis-3"),
            ("redis-8", "redis-7"),
        ],
    )
    .await;
    let router = Router::new(servers.book(), Duration::from_secs(5));
    let keys = GivenKeys {
        count: 10_000,
        hot_slot: Some((Slot::new(6000).unwrap(), 1000)),
    };
    keys.write(&router, LIMIT).await.unwrap();

    let moving = ProbeSlots::Moving {
        slots: leaving.parse().unwrap(),
        from: name("redis-7"),
    };
    let probe = Probe::start(servers.book(), plan(200, moving)).unwrap();
    let nodes: Vec<NodeName> = ids.keys().cloned().collect();
    let started = Instant::now();
    for (to, slots) in [
        ("redis-1", "1365"),
        ("redis-2", "1366"),
        ("redis-3", "1365"),
    ] {
        let output = tokio::process::Command::new("redis-cli")
            .args([
                "--cluster",
                "reshard",
                &servers.address("redis-1").announced.to_string(),
            ])
            .args([
                "--cluster-from",
                &ids[&name("redis-7")].to_string(),
                "--cluster-to",
                &ids[&name(to)].to_string(),
            ])
            .args(["--cluster-slots", slots, "--cluster-yes"])
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
        // Asked at once, the next redis-cli would find that nodes don't agree, and refuse.
        let settling = Instant::now();
        await_agreement(&servers.book(), &nodes, LIMIT)
            .await
            .unwrap();
        eprintln!(
            "{slots} slots to {to}; agreed after {:?} more",
            settling.elapsed()
        );
    }
    let resharded = started.elapsed();
    let stopping = Instant::now();
    let report = probe.stop().await;
    eprintln!(
        "4096 slots moved in {resharded:?}; stopped in {:?}",
        stopping.elapsed()
    );
    eprintln!("{}", serde_json::to_string(&report).unwrap());

    assert!(
        report.asked >= 50,
        "ASK met {} times: {report:?}",
        report.asked
    );
    assert!(report.moved >= 1, "{report:?}");
    assert_eq!(
        (report.failed, report.lost, report.wrong, report.unknown),
        (0, 0, 0, 0),
        "{report:?}"
    );
    assert_eq!(report.dropped, 0, "{report:?}");
    assert!(report.audited);
    assert_eq!(report.acknowledged, report.writes);
    let due = resharded.as_secs_f64() * 200.0;
    assert!(
        (report.operations as f64 - due).abs() < 20.0,
        "the pace is kept: {} of {due}",
        report.operations
    );
    let after = read_back(&router, &keys).await;
    assert!(after.all_intact(), "{after:?}");
    assert_eq!(
        stored(&servers, &["redis-1", "redis-2", "redis-3"]).await,
        10_000,
        "the probe leaves nothing behind"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_cluster_has_a_quiet_report() {
    if !servers::available("a_quiet_cluster_has_a_quiet_report") {
        return;
    }
    let servers = Servers::start(2);
    made(
        &servers,
        &[("redis-1", "0-8191"), ("redis-2", "8192-16383")],
        &[],
    )
    .await;
    let slow = Probe::start(servers.book(), plan(200, all_slots())).unwrap();
    until(&slow, "300 operations", |report| report.operations >= 300).await;
    let report = slow.stop().await;
    eprintln!("200/s: {}", serde_json::to_string(&report).unwrap());
    assert_eq!(
        (
            report.failed,
            report.lost,
            report.wrong,
            report.late,
            report.dropped
        ),
        (0, 0, 0, 0, 0),
        "{report:?}"
    );
    assert_eq!(
        (report.asked, report.moved, report.tried_again, report.aimed),
        (0, 0, 0, 0),
        "{report:?}"
    );
    assert!(report.audited && report.first_failure.is_none() && report.errors.is_empty());
    assert!(report.operations.abs_diff(report.writes + report.reads) == 0);
    assert!(report.writes.abs_diff(report.reads) <= 1);
    // Redis answers within a fraction of a millisecond; what is above is this machine.
    assert!(report.latency.p50_ms < 20.0, "{report:?}");
    assert!((report.achieved_rate - 200.0).abs() < 10.0, "{report:?}");
    assert_eq!(stored(&servers, &["redis-1", "redis-2"]).await, 0);

    let fast = Probe::start(servers.book(), plan(5000, all_slots())).unwrap();
    until(&fast, "5000 operations", |report| {
        report.operations + report.dropped >= 5000
    })
    .await;
    let report = fast.stop().await;
    eprintln!("5000/s: {}", serde_json::to_string(&report).unwrap());
    assert_eq!(
        (report.failed, report.lost, report.wrong),
        (0, 0, 0),
        "{report:?}"
    );
    assert!(report.audited);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_master_is_counted_and_nothing_hangs() {
    if !servers::available("a_killed_master_is_counted_and_nothing_hangs") {
        return;
    }
    let mut servers = Servers::start(3);
    made(
        &servers,
        &[
            ("redis-1", "0-5460"),
            ("redis-2", "5461-10922"),
            ("redis-3", "10923-16383"),
        ],
        &[],
    )
    .await;
    let probe = Probe::start(servers.book(), plan(200, all_slots())).unwrap();
    until(&probe, "it runs well", |report| report.acknowledged >= 100).await;
    servers.kill("redis-3");
    // First only that node's keys fail; when the others have noticed, all do.
    let report = until(&probe, "the cluster goes down", |report| {
        report.errors.get("no connection").is_some_and(|n| *n >= 10)
            && report.errors.get("CLUSTERDOWN").is_some_and(|n| *n >= 50)
    })
    .await;
    assert!(
        report
            .first_failure
            .as_ref()
            .is_some_and(|what| what.contains("redis-3")),
        "{report:?}"
    );
    let stopping = Instant::now();
    let report = probe.stop().await;
    eprintln!(
        "kill -9: stopped in {:?} {}",
        stopping.elapsed(),
        serde_json::to_string(&report).unwrap()
    );
    assert!(
        stopping.elapsed() < Duration::from_secs(14),
        "{:?}",
        stopping.elapsed()
    );
    assert!(!report.audited, "a third of the keys can't be read");
    assert!(
        report.failed > 60 && report.longest_gap_ms > 200.0,
        "{report:?}"
    );
    assert_eq!(report.errors.values().sum::<u64>(), report.failed);
    assert_eq!(
        report.lost, 0,
        "what can't be read is not said to be lost: {report:?}"
    );
    assert!(report.left_behind > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_master_makes_unknown_and_late_answers() {
    if !servers::available("a_hanging_master_makes_unknown_and_late_answers") {
        return;
    }
    let mut servers = Servers::start(2);
    made(
        &servers,
        &[("redis-1", "0-8191"), ("redis-2", "8192-16383")],
        &[],
    )
    .await;
    let short = ProbePlan {
        deadline: Duration::from_millis(200),
        ..plan(200, all_slots())
    };
    let probe = Probe::start(servers.book(), short).unwrap();
    until(&probe, "it runs well", |report| report.acknowledged >= 50).await;
    servers.signal("redis-2", "STOP");
    // Shorter than the node timeout: nobody is declared failed.
    until(&probe, "writes with an unknown fate", |report| {
        report.unknown >= 10
    })
    .await;
    servers.signal("redis-2", "CONT");
    let well = until(&probe, "late answers", |report| report.late >= 10).await;
    until(&probe, "it runs well again", |report| {
        report.acknowledged >= well.acknowledged + 50
    })
    .await;
    let report = probe.stop().await;
    eprintln!("SIGSTOP: {}", serde_json::to_string(&report).unwrap());
    assert!(report.failed >= 20, "reads and writes: {report:?}");
    assert!(
        report.errors.get("no answer").is_some_and(|n| *n >= 20),
        "{report:?}"
    );
    assert!(
        report.unknown_but_applied >= 10,
        "the server carried out what it had received: {report:?}"
    );
    assert!(report.unknown_but_applied <= report.unknown);
    assert!(report.audited);
    assert_eq!(
        (report.lost, report.wrong, report.left_behind),
        (0, 0, 0),
        "{report:?}"
    );
    assert!(
        report.longest_gap_ms < 1500.0 && report.latency.max_ms >= 200.0,
        "{report:?}"
    );
    assert_eq!(stored(&servers, &["redis-1", "redis-2"]).await, 0);
}

/// So that zeros mean something.
#[tokio::test(flavor = "multi_thread")]
async fn lost_and_changed_keys_are_found() {
    if !servers::available("lost_and_changed_keys_are_found") {
        return;
    }
    let servers = Servers::start(1);
    made(&servers, &[("redis-1", "0-16383")], &[]).await;
    let probe = Probe::start(servers.book(), plan(200, all_slots())).unwrap();
    until(&probe, "some keys", |report| report.acknowledged >= 20).await;
    let client = Client::new(servers.address("redis-1"), Duration::from_secs(1));
    let keys = client.call(&["KEYS", "probe:*"]).await.unwrap();
    let keys: Vec<String> = keys
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key.as_text().unwrap().into_owned())
        .collect();
    assert_eq!(
        client.call(&["DEL", &keys[0]]).await.unwrap(),
        Reply::Int(1)
    );
    assert_eq!(
        client.call(&["DEL", &keys[1]]).await.unwrap(),
        Reply::Int(1)
    );
    client.call(&["SET", &keys[2], "another"]).await.unwrap();
    client
        .pipeline(&[vec!["DEL", &keys[3]], vec!["LPUSH", &keys[3], "a list"]])
        .await
        .unwrap();
    let report = probe.stop().await;
    assert!(report.audited);
    assert_eq!((report.lost, report.wrong), (2, 2), "{report:?}");
    let fault = report.first_fault.unwrap();
    assert!(
        keys[..4].iter().any(|key| fault.starts_with(key.as_str())),
        "{fault}"
    );
    assert_eq!(
        report.failed,
        report.errors.get("WRONGTYPE").copied().unwrap_or_default()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_beside_nothing_at_all_ends() {
    if !servers::available("a_probe_beside_nothing_at_all_ends") {
        return;
    }
    let servers = Servers::prepare(2);
    let bad = Probe::start(servers.book(), plan(0, all_slots())).unwrap_err();
    assert_eq!(bad, ProbeError::Rate { rate: 0 });
    let short = ProbePlan {
        deadline: Duration::from_millis(100),
        ..plan(20_000, all_slots())
    };
    let probe = Probe::start(servers.book(), short).unwrap();
    let report = until(&probe, "too many in flight", |report| {
        report.dropped > 1000 && report.failed > 100
    })
    .await;
    assert_eq!(report.acknowledged, 0);
    let stopping = Instant::now();
    let report = probe.stop().await;
    assert!(
        stopping.elapsed() < Duration::from_secs(6),
        "{:?}",
        stopping.elapsed()
    );
    assert_eq!(report.failed, report.operations, "{report:?}");
    assert_eq!(report.unknown, 0, "nothing was sent: {report:?}");
    assert!(report.audited, "there was no key to read back");
    assert!((report.longest_gap_ms - report.duration_ms).abs() < 0.01);
}
