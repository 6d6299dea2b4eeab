//! A sample of the seeded histories of `benches/histories.rs`: each keeps to all rules, and is the same when it is played again.

mod histories;

use histories::{History, play, report, shrunk};
use labrunner::{cluster, double};

/// So many of the histories are a test's.
const SAMPLE: u64 = 40;

#[test]
fn histories_keep_to_the_rules() {
    let mut failovers = 0;
    for seed in 0..SAMPLE {
        let history = History::of(seed);
        let outcome = play(&history, &|_| {}, false);
        if outcome.violation.is_some() {
            let (history, outcome) = shrunk(&history, &|_| {}, 300);
            panic!("{}", report(&history, &outcome));
        }
        failovers += usize::from(outcome.failovers > 0);
    }
    assert!(
        failovers as u64 > SAMPLE / 10,
        "only {failovers} had a failover"
    );
}

#[test]
fn a_history_is_the_same_every_time() {
    for seed in 0..4 {
        let history = History::of(seed);
        let first = play(&history, &|_| {}, true).record;
        assert!(first.len() > 1000);
        assert_eq!(first, play(&history, &|_| {}, true).record, "seed {seed}");
    }
}
