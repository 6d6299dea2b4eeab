//! Runs of a lab in which a master fails.

use crate::cluster::{Moment, Timeline};

use super::*;

const LAB_6: &str = "labs/06-failover.yaml";
const FAIL: &str = "fail";

/// A moment that `CLUSTER NODES` of a node has shown.
fn seen(ms: u64, by: &str) -> Option<Moment> {
    Some(Moment {
        after: Duration::from_millis(ms),
        seen_by: NodeName::new(by),
        command: "CLUSTER NODES".to_owned(),
        raw: "e97af8446990db68e17abd473bf2ede990a730e9 172.30.0.14:7004@17004 myself,master - 0 0 7 connected 0-5460\n"
            .to_owned(),
    })
}

fn whole() -> Timeline {
    let recovered = seen(5240, "redis-4").map(|moment| Moment {
        command: "SET timeline:{3560}:0badcafe recovered PX 60000".to_owned(),
        raw: "OK".to_owned(),
        ..moment
    });
    Timeline {
        suspected: seen(4120, "redis-3"),
        failed: seen(4380, "redis-2"),
        promoted: seen(5212, "redis-4"),
        recovered,
    }
}

/// Lab 6 up to the end of its command.
fn stopped() -> Run {
    let mut run = Run::of(&[LAB_6]);
    run.lab(LAB_6, 6, "Failover testing", 2);
    let what = "3 masters, 3 replicas, 100 keys".to_owned();
    run.then(1, Event::GivenStarted { what });
    run.then(
        4200,
        Event::GivenReady {
            took: Duration::from_millis(4201),
            ids: BTreeMap::new(),
            server: Some("redis 7.0.15".to_owned()),
        },
    );
    run.passes("pairs", 1, "Identify the masters and their replicas");
    run.starts(FAIL, 2, "Simulate a master's failure");
    run.command(
        FAIL,
        "docker stop redis-1",
        None,
        printed(0, 240, "redis-1\n"),
    );
    run
}

/// The failover that was seen in so many milliseconds, and what the check makes of it.
fn timed(run: &mut Run, watched: u64, timeline: Timeline, passed: bool, words: &str) {
    run.then(
        1,
        Event::Waiting {
            step: FAIL.to_owned(),
            what: "failover of redis-1 to redis-4: promoted after less than 5s".to_owned(),
            seen: "suspected after 4.12 s".to_owned(),
        },
    );
    let seen = timeline.moments().into_iter();
    let evidence: Vec<RawReply> = seen
        .filter_map(|(_, moment)| moment)
        .map(|moment| RawReply {
            node: moment.seen_by.clone(),
            command: moment.command.clone(),
            reply: moment.raw.clone(),
        })
        .collect();
    let verdict = Verdict {
        passed,
        when: When::During,
        looks: 3912,
        looked_for: Duration::from_millis(watched),
        within_ms: Some(30_000),
        why: Some(
            "A node timeout of 3500 ms is there so that a failover takes about 6 seconds."
                .to_owned(),
        ),
        place: Place {
            file: LAB_6.to_owned(),
            line: 41,
            column: 9,
        },
        evidence: if passed { Vec::new() } else { evidence },
        ..verdict(
            "failover of redis-1 to redis-4: suspected after at least 3s, promoted after less than 5s, recovered after less than 6s",
            words,
        )
    };
    run.then(
        watched,
        Event::Timeline {
            step: FAIL.to_owned(),
            node: NodeName::new("redis-1"),
            zero_unix_ms: 1_790_000_012_000,
            awaited: vec!["suspected", "promoted", "recovered"],
            watched: Duration::from_millis(watched),
            timeline,
        },
    );
    run.checked(FAIL, 1, verdict);
}

/// The cluster when the check had failed; `redis_4` is what became of the replica.
fn after(redis_4: &str) -> Scene {
    let rows = [
        "redis-1\tstopped, exit 0",
        "redis-2\tmaster\t5462 slots: 5461-10922",
        "redis-3\tmaster\t5461 slots: 10923-16383",
        redis_4,
        "redis-5\treplica\tof redis-2",
        "redis-6\treplica\tof redis-3",
    ];
    Scene {
        nodes: rows.map(String::from).to_vec(),
        ..Scene::default()
    }
}

fn over(mut run: Run, scene: Option<Scene>) -> Vec<Stamped> {
    let passed = scene.is_none();
    let outcome = if passed {
        Outcome::Passed
    } else {
        Outcome::Failed
    };
    if let Some(scene) = scene {
        let step = FAIL.to_owned();
        run.then(3, Event::Scene { step, scene });
    }
    run.ends(FAIL, outcome, 5260);
    run.cleaned();
    let lab = counts(if passed { 2 } else { 1 }, usize::from(!passed), 0, 0, 3);
    run.lab_ends(LAB_6, outcome, lab);
    let labs = counts(usize::from(passed), usize::from(!passed), 0, 0, 3);
    run.run_ends(labs, if passed { 0 } else { 1 })
}

pub fn failover() -> Vec<Stamped> {
    let mut run = stopped();
    let words = "suspected after 4.12 s, failed after 4.38 s, promoted after 5.21 s (redis-4), recovered after 5.24 s";
    timed(&mut run, 5251, whole(), true, words);
    over(run, None)
}

pub fn failover_too_late() -> Vec<Stamped> {
    let mut run = stopped();
    let words = "promoted after 5.21 s (redis-4, 212 ms too late); suspected after 4.12 s, failed after 4.38 s, recovered after 5.24 s";
    timed(&mut run, 5251, whole(), false, words);
    over(run, Some(after("redis-4\tmaster\t5461 slots: 0-5460")))
}

pub fn failover_not_seen() -> Vec<Stamped> {
    let mut run = stopped();
    let timeline = Timeline {
        promoted: None,
        recovered: None,
        ..whole()
    };
    let words = "not promoted in 30.04 s, not recovered in 30.04 s; suspected after 4.12 s, failed after 4.38 s";
    timed(&mut run, 30_040, timeline, false, words);
    over(run, Some(after("redis-4\treplica\tof redis-1\tlink down")))
}
