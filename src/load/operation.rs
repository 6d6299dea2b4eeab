//! One operation of a probe.

use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, SetOnce};

use super::keys::{ProbeKey, Turn, picked};
use super::probe::Shared;
use super::tally::Outcome;
use crate::cluster::{Reply, Slot};
use crate::resp::{RouteError, Routed, Terms};

/// How much longer than its deadline the answer to an operation is awaited, to be counted as late.
const LINGER: Duration = Duration::from_secs(10);

/// Carries out operation `number`, which was due at `due`. `permit` is its place among those in flight.
pub(super) async fn operate(
    shared: std::sync::Arc<Shared>,
    number: u64,
    due: Instant,
    permit: OwnedSemaphorePermit,
) {
    let turn = Turn::of(number, shared.rate, shared.seed);
    let aimed = match &shared.aim {
        Some(aim) if turn.aimed => aim.take().await,
        _ => None,
    };
    let Some(slot) = aimed.or_else(|| picked(&shared.slots, turn.slot_pick)) else {
        return;
    };
    let (write, key) = chosen(&shared, &turn, number, slot, aimed.is_some());
    let name = shared.naming.key(key);
    let value = shared.naming.value(key);
    let words: Vec<&str> = if write {
        vec!["SET", &name, &value]
    } else {
        vec!["GET", &name]
    };
    // To set a key of one's own to one and the same value twice is the same as once.
    let terms = Terms {
        deadline: shared.deadline,
        linger: LINGER,
        idempotent: true,
    };
    let overdue = SetOnce::new();
    let call = shared
        .router
        .call_watched(name.as_bytes(), &words, terms, &overdue);
    tokio::pin!(call);
    let begun = Instant::now();
    // The router gives up by the deadline and says why, unless an answer is outstanding then.
    let routed = tokio::select! {
        biased;
        routed = &mut call => Some(routed),
        _ = overdue.wait() => None,
    };
    let now = Instant::now().min(begun + shared.deadline);
    let latency = now.saturating_duration_since(due);
    let silent = || Outcome::Failed {
        kind: "no answer".into(),
        what: format!(
            "{} {name} (slot {}): {}no answer within {:?}",
            words[0],
            key.slot,
            overdue
                .get()
                .map(|node| format!("{node}: "))
                .unwrap_or_default(),
            shared.deadline
        ),
        unknown: write,
    };
    if let Some(routed) = routed {
        // An error that came too late still says that nothing was executed; a success that came too late is none.
        let late = routed.took > shared.deadline && !is_no(&routed);
        let outcome = if late {
            silent()
        } else {
            judged(write, key, &name, &value, &routed)
        };
        let mut tally = shared.tally();
        tally.met(&routed, late);
        tally.ended(now, key, &name, outcome, latency);
        return;
    }
    shared.tally().ended(now, key, &name, silent(), latency);
    // The operation is over; only its answer is still awaited, and that by a limited number.
    drop(permit);
    let Ok(_waiter) = shared.lingering.clone().try_acquire_owned() else {
        return;
    };
    tokio::select! {
        () = shared.ended.cancelled() => {}
        routed = &mut call => {
            let mut tally = shared.tally();
            tally.met(&routed, is_answer(&routed));
            // Every attempt was refused, or could not even be sent.
            if write && is_no(&routed) && routed.lost_answers == 0 {
                tally.not_executed(key);
            }
        }
    }
}

/// Whether a server's answer is what the call came to, be it an error.
fn is_answer(routed: &Routed) -> bool {
    use RouteError::{NotServed, UnknownAddress};
    matches!(
        &routed.result,
        Ok(_) | Err(NotServed { .. } | UnknownAddress { .. })
    )
}

/// Whether the call did not succeed: no answer, or an error of a server, whatever it is about.
fn is_no(routed: &Routed) -> bool {
    matches!(&routed.result, Err(_) | Ok(Reply::Error(_)))
}

/// Whether to write, and the key. Counts the operation as begun.
fn chosen(shared: &Shared, turn: &Turn, number: u64, slot: Slot, aimed: bool) -> (bool, ProbeKey) {
    let mut tally = shared.tally();
    let write = turn.write && tally.has_room();
    tally.begun(write, aimed);
    let known = if write || turn.absent {
        None
    } else if aimed {
        tally.acknowledged_in(slot)
    } else {
        tally.any_acknowledged(turn.key_pick)
    };
    (
        write,
        known.unwrap_or(ProbeKey {
            number,
            slot,
            absent: !write,
        }),
    )
}

fn judged(write: bool, key: ProbeKey, name: &str, value: &str, routed: &Routed) -> Outcome {
    let failed = |kind: &str, why: &str| Outcome::Failed {
        kind: kind.to_owned(),
        what: format!(
            "{} {name} (slot {}): {why} ({} attempts in {} ms)",
            if write { "SET" } else { "GET" },
            key.slot,
            routed.attempts,
            routed.took.as_millis()
        ),
        unknown: write && routed.lost_answers > 0,
    };
    match &routed.result {
        Err(error) => failed(error.kind(), &error.to_string()),
        Ok(Reply::Error(error)) => failed(error.split(' ').next().unwrap_or_default(), error),
        Ok(Reply::Status(status)) if write && status == "OK" => Outcome::Written,
        Ok(reply) if write => failed("unexpected reply", &format!("{reply:?}")),
        Ok(reply) => found(key, value, reply),
    }
}

/// What a read found, as an outcome.
pub(super) fn found(key: ProbeKey, value: &str, reply: &Reply) -> Outcome {
    match (key.absent, reply) {
        (true, Reply::Nil) => Outcome::Read,
        (false, Reply::Bulk(bytes)) if bytes == value.as_bytes() => Outcome::Read,
        (false, Reply::Nil) => Outcome::Lost,
        (_, reply) => Outcome::Wrong(reply.as_text().unwrap_or_default().into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::cluster::NodeName;
    use crate::resp::RespError;

    fn routed(result: Result<Reply, RouteError>, lost_answers: u32) -> Routed {
        Routed {
            result,
            asked: 0,
            moved: 0,
            tried_again: 0,
            attempts: 2,
            lost_answers,
            took: Duration::from_millis(7),
        }
    }

    fn key(absent: bool) -> ProbeKey {
        ProbeKey {
            number: 1,
            slot: Slot::new(7).unwrap(),
            absent,
        }
    }

    #[rstest]
    #[case(false, Reply::Bulk(b"v".to_vec()), Outcome::Read)]
    #[case(false, Reply::Bulk(b"w".to_vec()), Outcome::Wrong("w".into()))]
    #[case(false, Reply::Nil, Outcome::Lost)]
    #[case(true, Reply::Nil, Outcome::Read)]
    #[case(true, Reply::Bulk(b"v".to_vec()), Outcome::Wrong("v".into()))]
    fn a_read_finds(#[case] absent: bool, #[case] reply: Reply, #[case] expected: Outcome) {
        assert_eq!(
            judged(false, key(absent), "k", "v", &routed(Ok(reply), 0)),
            expected
        );
    }

    #[test]
    fn a_write_is_acknowledged_by_ok_alone() {
        assert_eq!(
            judged(
                true,
                key(false),
                "k",
                "v",
                &routed(Ok(Reply::Status("OK".into())), 0)
            ),
            Outcome::Written
        );
        assert!(matches!(
            judged(true, key(false), "k", "v", &routed(Ok(Reply::Nil), 0)),
            Outcome::Failed { .. }
        ));
    }

    #[rstest]
    #[case(true, 0, false)]
    #[case(true, 1, true)]
    #[case(false, 1, false)]
    fn a_write_with_a_lost_answer_is_unknown(
        #[case] write: bool,
        #[case] lost_answers: u32,
        #[case] expected: bool,
    ) {
        let down = RouteError::NotServed {
            node: NodeName::new("redis-1"),
            reply: "CLUSTERDOWN The cluster is down".into(),
        };
        let outcome = judged(
            write,
            key(false),
            "k",
            "v",
            &routed(Err(down), lost_answers),
        );
        let Outcome::Failed {
            kind,
            what,
            unknown,
        } = outcome
        else {
            panic!("{outcome:?}")
        };
        assert_eq!((kind.as_str(), unknown), ("CLUSTERDOWN", expected));
        assert!(what.ends_with("(slot 7): redis-1 kept answering: CLUSTERDOWN The cluster is down (2 attempts in 7 ms)"), "{what}");
    }

    #[test]
    fn no_connection_is_a_kind_of_its_own() {
        let gone = RespError::NoConnection {
            node: NodeName::new("redis-1"),
            why: "connection refused".into(),
        };
        let outcome = judged(true, key(false), "k", "v", &routed(Err(gone.into()), 0));
        assert!(
            matches!(outcome, Outcome::Failed { kind, unknown: false, .. } if kind == "no connection")
        );
    }
}
