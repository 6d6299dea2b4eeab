//! The same operation again: the first answer, to the byte, and nothing changes.

use labrunner::app::scripts::{AppScript, CANCEL, CONFIRM, CREATE_EVENT, RESERVE};
use redis::{Value, cmd};

use crate::event::{Event, LONG, flat, label, on_every_server, pass};

/// Makes the call twice, at the second time in a world that has changed: an answer made anew would be another one.
fn twice(
    event: &mut Event,
    script: &AppScript,
    arguments: &[&str],
    kind: &str,
    meanwhile: impl FnOnce(&mut Event),
) {
    let operation = format!("twice-{kind}-{}", script.name);
    let first = event.call_as(&operation, script, arguments);
    assert_eq!(flat(&first)[0], kind);
    meanwhile(event);
    let state = event.state();
    let second = event.call_as(&operation, script, arguments);
    assert_eq!(second, first, "{operation}");
    assert_eq!(event.state(), state, "{operation} has changed something");

    let mut other = arguments.to_vec();
    let extra = "and more";
    other.push(extra);
    let conflict = event.call_as(&operation, script, &other);
    assert_eq!(flat(&conflict), ["op_conflict"], "{operation}");
    assert_eq!(event.state(), state, "{operation} has changed something");
    assert_eq!(event.call_as(&operation, script, arguments), first);
}

#[test]
fn every_answer_is_given_again() {
    on_every_server("again", 6, |_, event| {
        let long = LONG.to_string();
        twice(
            event,
            &RESERVE,
            &["r1", "ann", &long, "count", "2"],
            "held",
            |event| {
                event.reserve("r2", "bob", LONG, "count 4");
            },
        );
        twice(
            event,
            &RESERVE,
            &["r3", "cid", &long, "count", "1"],
            "sold_out",
            |event| {
                event.cancel("r2", "bob");
            },
        );
        twice(
            event,
            &RESERVE,
            &["r3", "cid", &long, "seats", "A1"],
            "taken",
            |event| {
                event.cancel("r1", "ann");
            },
        );
        twice(
            event,
            &RESERVE,
            &["r3", "cid", &long, "seats", "Z9"],
            "no_seat",
            |_| {},
        );
        twice(
            event,
            &RESERVE,
            &["r3", "cid", &long, "count", "7"],
            "too_many",
            |_| {},
        );
        twice(
            event,
            &RESERVE,
            &["r1", "cid", &long, "count", "1"],
            "exists",
            |_| {},
        );

        event.reserve("r4", "dan", LONG, "count 1");
        twice(event, &CONFIRM, &["r4", "dan", "999"], "stale", |event| {
            event.confirm("r4", "dan", "");
        });
        twice(event, &CONFIRM, &["r4", "dan", ""], "confirmed", |event| {
            event.cancel("r4", "dan");
        });
        twice(event, &CONFIRM, &["r4", "dan", ""], "cancelled", |_| {});
        twice(event, &CONFIRM, &["r4", "eve", ""], "not_holder", |_| {});
        twice(
            event,
            &CONFIRM,
            &["r5", "eve", ""],
            "no_reservation",
            |event| {
                event.reserve("r5", "eve", LONG, "count 1");
            },
        );
        twice(event, &CANCEL, &["r6", "eve"], "no_reservation", |event| {
            event.reserve("r6", "eve", LONG, "count 1");
        });
        twice(event, &CANCEL, &["r6", "ann"], "not_holder", |_| {});
        twice(event, &CANCEL, &["r6", "eve"], "cancelled", |event| {
            event.reserve("r7", "fay", LONG, "count 5");
        });
        twice(event, &CREATE_EVENT, &["N", "A1"], "exists", |_| {});
    });
}

#[test]
fn an_expired_answer_is_given_again() {
    on_every_server("over", 4, |_, event| {
        event.reserve_until_over("r1", "ann", "count 2");
        twice(event, &CONFIRM, &["r1", "ann", ""], "expired", |event| {
            event.reserve("r2", "bob", LONG, "count 4");
        });
        twice(event, &CANCEL, &["r1", "ann"], "expired", |_| {});
    });
}

/// A hold's answer is its answer, also when the hold is over.
#[test]
fn a_hold_is_told_again_after_its_end() {
    on_every_server("told", 4, |_, event| {
        let arguments = ["r1", "ann", "1", "count", "2"];
        let first = event.call_as("o1", &RESERVE, &arguments);
        pass(&mut event.connection, flat(&first)[3].parse().unwrap());
        assert_eq!(event.call_as("o1", &RESERVE, &arguments), first);
        assert_eq!(
            event.state().reservations["r1"].state,
            "held",
            "not touched"
        );
    });
}

#[test]
fn a_creation_is_told_again() {
    on_every_server("born", 1, |_, event| {
        event.id += "other";
        let labels: Vec<String> = (0..25).map(label).collect();
        let mut arguments = vec!["N"];
        arguments.extend(labels.iter().map(String::as_str));
        twice(event, &CREATE_EVENT, &arguments, "created", |event| {
            event.reserve("r1", "ann", LONG, "count 25");
        });
    });
}

#[test]
fn no_event_is_not_recorded() {
    on_every_server("none", 1, |_, event| {
        event.id += "later";
        let arguments = ["r1", "ann", "60000", "count", "1"];
        let reply = event.call_as("o1", &RESERVE, &arguments);
        assert_eq!(flat(&reply), ["no_event"]);
        event.create(3);
        let reply = event.call_as("o1", &RESERVE, &arguments);
        assert_eq!(flat(&reply)[0], "held");
    });
}

#[test]
fn a_record_lives_as_long_as_it_was_told() {
    on_every_server("ttl", 3, |_, event| {
        let reply: Value = event.call_as("o1", &RESERVE, &["r1", "ann", "60000", "count", "1"]);
        let key = event.key("op:o1");
        let ttl: u64 = cmd("PTTL").arg(&key).query(&mut event.connection).unwrap();
        assert!((540_000..=600_000).contains(&ttl), "{ttl}");
        // A record is JSON, for people and other programs.
        let text: String = cmd("GET").arg(&key).query(&mut event.connection).unwrap();
        let (fingerprint, answer): (String, Vec<String>) = serde_json::from_str(&text).unwrap();
        assert_eq!(fingerprint, "reserve r1 ann 60000 count 1");
        assert_eq!(answer, flat(&reply));
    });
}
