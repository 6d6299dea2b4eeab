//! What Redis is told by a ledger: the newest stays, whatever comes when; seats go to whom the ledger says.

use labrunner::app::scripts::{FILL, HOLD, RAISE_TOKEN, RECORD};
use redis::cmd;

use crate::event::{Event, LONG, eval, flat, on_every_server};

/// `seats`: positions, as in `0 2`.
fn record(event: &mut Event, what: &str, token: u64, version: u64, seats: &str) -> Vec<String> {
    let mut keys = event.keys("unused");
    keys[6] = event.key("cache");
    let (token, version) = (token.to_string(), version.to_string());
    let mut arguments: Vec<String> = what.split(' ').map(str::to_owned).collect();
    arguments.extend([token, version, "60000".to_owned()]);
    for position in seats.split(' ').filter(|position| !position.is_empty()) {
        arguments.push(position.to_owned());
        arguments.push(crate::event::label(position.parse().unwrap()));
    }
    let arguments: Vec<&[u8]> = arguments.iter().map(|one| one.as_bytes()).collect();
    flat(&eval(&mut event.connection, &RECORD, &keys, &arguments).unwrap())
}

fn hold(event: &mut Event, reservation: &str, user: &str, token: &str) -> Vec<String> {
    let keys = [event.key(""), event.key("reservations")];
    let arguments = [reservation, user, token].map(str::as_bytes);
    flat(&eval(&mut event.connection, &HOLD, &keys, &arguments).unwrap())
}

fn cached(event: &mut Event) -> Option<String> {
    let key = event.key("cache");
    cmd("GET").arg(key).query(&mut event.connection).unwrap()
}

#[test]
fn a_hold_is_looked_at_and_stays_as_it_is() {
    on_every_server("looking", 10, |_, event| {
        event.reserve("r1", "ann", LONG, "seats A3 A1");
        let state = event.state();
        let held = hold(event, "r1", "ann", "1");
        assert_eq!(
            (&held[..2], &held[3..]),
            (
                &["held".to_owned(), "1".to_owned()][..],
                &["A3".to_owned(), "A1".to_owned()][..]
            )
        );
        assert!(held[2].parse::<u64>().unwrap() <= LONG);
        assert_eq!(hold(event, "r1", "ann", "")[0], "held");
        assert_eq!(hold(event, "r1", "bob", ""), ["not_holder"]);
        assert_eq!(hold(event, "r1", "ann", "2"), ["stale", "1"]);
        assert_eq!(hold(event, "r9", "ann", ""), ["no_reservation"]);
        assert_eq!(event.state(), state);
        event.end("r1");
        let state = event.state();
        assert_eq!(hold(event, "r1", "ann", "1"), ["expired"]);
        assert_eq!(event.state(), state);
        event.reserve("r2", "bob", LONG, "count 1");
        event.confirm("r2", "bob", "");
        assert_eq!(hold(event, "r2", "bob", "")[..3], ["confirmed", "2", "0"]);
        record(event, "confirmed r2 bob", 2, 5, "0");
        assert_eq!(hold(event, "r2", "bob", "")[..3], ["confirmed", "2", "5"]);
        event.cancel("r2", "bob");
        assert_eq!(hold(event, "r2", "bob", ""), ["cancelled"]);
    });
}

#[test]
fn what_is_recorded_is_so_whatever_was_before() {
    on_every_server("recording", 10, |_, event| {
        // Of a hold; of one that is over; of one that nobody knows.
        event.reserve("r1", "ann", LONG, "seats A1 A2");
        event.reserve_until_over("r2", "bob", "seats A3");
        event.reserve("r3", "cid", LONG, "seats A4");
        event.cancel("r3", "cid");
        assert_eq!(record(event, "confirmed r1 ann", 1, 2, "0 1"), ["recorded"]);
        assert_eq!(record(event, "confirmed r2 bob", 2, 3, "2"), ["recorded"]);
        assert_eq!(record(event, "confirmed r3 cid", 3, 4, "3"), ["recorded"]);
        assert_eq!(record(event, "confirmed r4 dan", 9, 5, "5"), ["recorded"]);
        let state = event.state();
        assert_eq!(state.meta["sold"], "5");
        assert_eq!(state.meta["token"], "9", "holds to come are newer");
        assert_eq!(
            event.reserve("r5", "eve", LONG, "count 1")[..3],
            ["held", "r5", "10"]
        );
        let state = event.state();
        state.check();
        // Again, and what is older.
        assert_eq!(record(event, "confirmed r4 dan", 9, 5, "5"), ["known", "5"]);
        assert_eq!(record(event, "cancelled r4 dan", 9, 4, "5"), ["known", "5"]);
        assert_eq!(event.state(), state);
        assert_eq!(record(event, "cancelled r4 dan", 9, 6, "5"), ["recorded"]);
        assert_eq!(record(event, "confirmed r4 dan", 9, 5, "5"), ["known", "6"]);
        let state = event.state();
        assert!(state.free_labels().contains(&"A6".to_owned()));
        assert_eq!(state.meta["sold"], "4");
        // A cancellation of what is not known leaves what refuses an older word.
        assert_eq!(record(event, "cancelled r6 fay", 5, 8, "6"), ["recorded"]);
        assert_eq!(record(event, "confirmed r6 fay", 5, 7, "6"), ["known", "8"]);
        // One without seats was a hold, of which nothing is to be given back.
        assert_eq!(record(event, "cancelled r7 gus", 4, 9, ""), ["recorded"]);
        assert!(!event.state().reservations.contains_key("r7"));
    });
}

#[test]
fn who_has_a_seat_that_is_another_s_loses_it() {
    on_every_server("evicting", 10, |_, event| {
        event.reserve("r1", "ann", LONG, "seats A1 A2");
        event.reserve("r2", "bob", LONG, "seats A3");
        assert_eq!(
            record(event, "confirmed r9 zoe", 9, 2, "1 2"),
            ["recorded", "r1", "r2"]
        );
        let state = event.state();
        assert_eq!(state.reservations["r1"].state, "lost");
        assert_eq!(state.reservations["r2"].state, "lost");
        assert_eq!(state.seats["A2"], "r9");
        assert!(state.free_labels().contains(&"A1".to_owned()));
        state.check();
        assert_eq!(event.confirm("r1", "ann", ""), ["lost"]);
        assert_eq!(hold(event, "r1", "ann", ""), ["lost"]);
        // What the ledger sold before, and must have taken back since.
        assert_eq!(
            record(event, "confirmed r8 yan", 10, 5, "2"),
            ["recorded", "r9"]
        );
        let state = event.state();
        assert_eq!(state.reservations["r9"].state, "cancelled");
        assert_eq!(
            (state.seats["A3"].as_str(), state.meta["sold"].as_str()),
            ("r8", "1")
        );
        state.check();
        // What Redis sold by itself, and what the ledger sold later, stays.
        event.reserve("r3", "cid", LONG, "seats A5");
        event.confirm("r3", "cid", "");
        let state = event.state();
        assert_eq!(
            record(event, "confirmed r7 xia", 12, 9, "6 4"),
            ["conflict", "A5", "r3"]
        );
        assert_eq!(
            record(event, "confirmed r7 xia", 12, 4, "2"),
            ["conflict", "A3", "r8"]
        );
        assert_eq!(
            record(event, "confirmed r7 xia", 12, 9, "20"),
            ["no_seat", "C1"]
        );
        assert_eq!(event.state(), state);
    });
}

#[test]
fn a_cache_takes_nothing_that_is_older_than_what_it_knows() {
    on_every_server("filling", 10, |_, event| {
        let fill = |event: &mut Event, version: &str, value: &str| {
            let key = event.key("cache");
            let arguments = [version, "60000", "3", value].map(str::as_bytes);
            flat(&eval(&mut event.connection, &FILL, &[key], &arguments).unwrap())
        };
        assert_eq!(fill(event, "0", "-")[0], "filled");
        assert_eq!(fill(event, "2", "two")[0], "filled");
        let text = cached(event).unwrap();
        assert!(text.starts_with("2:") && text.ends_with(":3:two"), "{text}");
        assert_eq!(fill(event, "1", "one")[..2], ["newer", "2"]);
        assert_eq!(fill(event, "2", "again")[0], "filled");
        // A change leaves its version, and no value.
        record(event, "confirmed r1 ann", 1, 3, "0");
        assert_eq!(cached(event).as_deref(), Some("3:"));
        assert_eq!(fill(event, "2", "two")[..2], ["newer", "3"]);
        assert_eq!(cached(event).as_deref(), Some("3:"));
        assert_eq!(fill(event, "3", "three: 3")[0], "filled");
        assert!(cached(event).unwrap().ends_with(":3:three: 3"));
        // What is known already takes nothing away.
        record(event, "confirmed r1 ann", 1, 3, "0");
        assert_eq!(fill(event, "3", "")[..2], ["newer", "3"]);
        assert!(cached(event).unwrap().ends_with(":3:three: 3"));
        assert_eq!(fill(event, "4", "")[0], "filled");
        assert_eq!(cached(event).as_deref(), Some("4:"));
        let ttl: i64 = cmd("PTTL")
            .arg(event.key("cache"))
            .query(&mut event.connection)
            .unwrap();
        assert!((1..=60_000).contains(&ttl), "{ttl}");
    });
}

#[test]
fn a_token_is_raised_and_never_lowered() {
    on_every_server("raising", 10, |_, event| {
        let raise = |event: &mut Event, token: &[u8]| {
            let key = event.key("");
            eval(&mut event.connection, &RAISE_TOKEN, &[key], &[token])
        };
        assert_eq!(flat(&raise(event, b"7").unwrap()), ["token", "7"]);
        assert_eq!(flat(&raise(event, b"3").unwrap()), ["token", "7"]);
        assert_eq!(
            event.reserve("r1", "ann", LONG, "count 1")[..3],
            ["held", "r1", "8"]
        );
        assert!(raise(event, b"0").is_err());
    });
}

#[test]
fn what_is_called_wrongly_changes_nothing() {
    on_every_server("wrong calls", 10, |_, event| {
        let state = event.state();
        let mut keys = event.keys("unused");
        keys[6] = event.key("cache");
        let wrong = [
            "sold r1 ann 1 2 60000 0 A1",
            "confirmed r1 ann 0 2 60000 0 A1",
            "confirmed r1 ann 1 x 60000 0 A1",
            "confirmed r1 ann 1 2 60000 0",
            "confirmed r1 ann 1 2",
        ];
        for words in wrong {
            let arguments: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
            assert!(
                eval(&mut event.connection, &RECORD, &keys, &arguments).is_err(),
                "{words}"
            );
        }
        assert_eq!(event.state(), state);
        assert_eq!(cached(event), None);
        event.id += "nowhere";
        assert_eq!(record(event, "confirmed r1 ann", 1, 2, "0"), ["no_event"]);
        assert_eq!(hold(event, "r1", "ann", ""), ["no_event"]);
        event.id.truncate(event.id.len() - "nowhere".len());
    });
}
