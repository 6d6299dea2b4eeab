//! Whole probes.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rstest::rstest;

use super::*;
use crate::load::Probe;

/// What a server remembers of what it was told; shared by servers that are to have the same keys.
type Memory = Arc<Mutex<HashMap<Vec<u8>, Vec<u8>>>>;

/// A server that keeps what `keeps` makes of each value.
fn remembers(
    memory: &Memory,
    keeps: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> Script {
    let mut script = Script::new();
    let kept = memory.clone();
    script.on("SET * *").answers(move |words| {
        if let Some(value) = keeps(&words[2]) {
            kept.lock().unwrap().insert(words[1].clone(), value);
        }
        ok()
    });
    let kept = memory.clone();
    script.on("GET *").answers(move |words| {
        let value = kept.lock().unwrap().get(&words[1]).cloned();
        value.map_or(Reply::Nil, Reply::Bulk)
    });
    let kept = memory.clone();
    script.on("DEL *").answers(move |words| {
        let removed = kept.lock().unwrap().remove(&words[1]);
        Reply::Int(removed.is_some().into())
    });
    script
}

fn plan(rate: u32, deadline: Duration) -> ProbePlan {
    let slots = ProbeSlots::Fixed("0-16383".parse().unwrap());
    ProbePlan {
        rate,
        slots,
        deadline,
        seed: SEED,
    }
}

async fn until(probe: &Probe, reached: impl Fn(&ProbeReport) -> bool) {
    eventually(|| reached(&probe.report())).await;
}

#[tokio::test]
async fn a_server_that_keeps_its_word_has_a_quiet_report() {
    let memory = Memory::default();
    let one = node(1, remembers(&memory, |value| Some(value.to_vec()))).await;
    let two = node(2, Script::new()).await;
    let probe = Probe::start(book(&one, &two), plan(500, SOON)).unwrap();
    until(&probe, |report| {
        report.acknowledged >= 30 && report.reads >= 30
    })
    .await;
    let report = probe.stop().await;
    assert_eq!(
        (report.failed, report.lost, report.wrong, report.left_behind),
        (0, 0, 0, 0),
        "{report:?}"
    );
    assert!(report.audited && report.first_fault.is_none());
    assert_eq!(report.acknowledged, one.times("SET * *") as u64);
    assert_eq!(memory.lock().unwrap().len(), 0);
}

/// Every tenth write, and each such key counts once, however often it is read.
#[rstest]
#[case::forgets(|_: &[u8]| None, true)]
#[case::garbles(|value: &[u8]| Some(value[1..].to_vec()), false)]
#[tokio::test]
async fn a_server_that_does_not_is_found_out_key_by_key(
    #[case] spoils: fn(&[u8]) -> Option<Vec<u8>>,
    #[case] lost: bool,
) {
    let (memory, written, spoilt) = (
        Memory::default(),
        AtomicU64::new(0),
        Arc::new(AtomicU64::new(0)),
    );
    let count = spoilt.clone();
    let keeps = move |value: &[u8]| {
        if written.fetch_add(1, Ordering::SeqCst) % 10 != 9 {
            return Some(value.to_vec());
        }
        count.fetch_add(1, Ordering::SeqCst);
        spoils(value)
    };
    let one = node(1, remembers(&memory, keeps)).await;
    let two = node(2, Script::new()).await;
    let probe = Probe::start(book(&one, &two), plan(500, SOON)).unwrap();
    until(&probe, |report| report.acknowledged >= 50).await;
    let report = probe.stop().await;
    let spoilt = spoilt.load(Ordering::SeqCst);
    assert!(spoilt >= 5);
    let expected = if lost { (spoilt, 0) } else { (0, spoilt) };
    assert_eq!((report.lost, report.wrong), expected, "{report:?}");
    assert!(report.audited && report.failed == 0, "{report:?}");
}

/// The cluster is down for a while, and then all is with redis-2.
#[tokio::test]
async fn a_failover_in_the_middle_is_counted_and_fails_nothing_that_has_time() {
    let memory = Memory::default();
    let keeps = |value: &[u8]| Some(value.to_vec());
    let one = node(1, remembers(&memory, keeps)).await;
    let two = node(2, remembers(&memory, keeps)).await;
    let probe = Probe::start(book(&one, &two), plan(200, SOON)).unwrap();
    until(&probe, |report| report.acknowledged >= 10).await;
    for command in ["SET * *", "GET *"] {
        one.instead(|script| {
            script.on(command).errs("CLUSTERDOWN The cluster is down");
        });
    }
    let before = probe.report();
    until(&probe, |report| report.operations >= before.operations + 10).await;
    for command in ["SET * *", "GET *", "DEL *"] {
        one.instead(|script| {
            script.on(command).answers(|words| {
                let slot = Slot::of_key(&words[1]);
                Reply::Error(format!("MOVED {slot} 10.0.0.2:7002"))
            });
        });
    }
    until(&probe, |report| {
        report.acknowledged >= before.acknowledged + 20
    })
    .await;
    let report = probe.stop().await;
    assert_eq!(
        (report.failed, report.lost, report.wrong, report.left_behind),
        (0, 0, 0, 0),
        "{report:?}"
    );
    assert!(report.moved > 0 && report.audited, "{report:?}");
    assert_eq!(memory.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn a_server_that_hangs_is_not_buried() {
    let mut script = Script::new();
    script.on("SET * *").hangs();
    script.on("GET *").hangs();
    let (one, two) = (node(1, script).await, node(2, Script::new()).await);
    let probe = Probe::start(book(&one, &two), plan(5_000, Duration::from_secs(60))).unwrap();
    // What has begun counts when its turn comes, a moment later than what is dropped.
    until(&probe, |report| report.operations == 250).await;
    let dropped = probe.report().dropped;
    until(&probe, |report| report.dropped >= dropped + 50).await;
    let report = probe.report();
    assert_eq!(
        (report.operations, report.failed, report.acknowledged),
        (250, 0, 0),
        "{report:?}"
    );
}

#[tokio::test]
async fn a_probe_that_is_dropped_asks_nothing_more() {
    let memory = Memory::default();
    let one = node(1, remembers(&memory, |value| Some(value.to_vec()))).await;
    let two = node(2, Script::new()).await;
    let probe = Probe::start(book(&one, &two), plan(500, SOON)).unwrap();
    until(&probe, |report| report.acknowledged >= 10).await;
    drop(probe);
    // With the last operation its connections end.
    eventually(|| one.connections().0 == 0 && two.connections().0 == 0).await;
    assert_eq!(one.times("DEL *"), 0);
    assert!(memory.lock().unwrap().len() >= 10);
}
