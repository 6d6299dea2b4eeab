//! Every reply of the scripts that change an event.

use labrunner::app::scripts::{AppScript, CANCEL, CONFIRM, CREATE_EVENT, RESERVE};
use rstest::rstest;

use crate::event::{Event, LONG, eval, label, on_every_server, server_ms, words};
use crate::server::Server;

#[test]
fn labels_are_by_row_and_number() {
    let seen = [0, 9, 10, 259, 260, 7019, 7020].map(label);
    assert_eq!(seen, ["A1", "A10", "B1", "Z10", "AA1", "ZZ10", "AAA1"]);
}

#[test]
fn creating() {
    on_every_server("creating", 30, |_, event| {
        let state = event.state();
        assert_eq!(state.meta["name"], "A name");
        assert_eq!(state.meta["token"], "0");
        assert_eq!(state.free[29], ("C10".to_owned(), 29));
        let created: u64 = state.meta["created_ms"].parse().unwrap();
        let now = server_ms(&mut event.connection);
        assert!(now - created < 60_000, "{created} is ms since 1970: {now}");
        assert_eq!(event.create(30), ["exists"]);
        assert_eq!(event.state(), state, "nothing has changed");

        event.id += "twice";
        let created = event.call(&CREATE_EVENT, &["N", "A1", "A2", "A1"]);
        assert_eq!(created[..2], ["created", "2"], "a label twice is one seat");
    });
}

#[test]
fn reserving() {
    on_every_server("reserving", 12, |_, event| {
        let before = server_ms(&mut event.connection);
        let held = event.reserve("r1", "ann", LONG, "count 2");
        let after = server_ms(&mut event.connection);
        assert_eq!(held.len(), 6);
        assert_eq!(held[..3], ["held", "r1", "1"]);
        assert_eq!(held[4..], ["A1", "A2"]);
        let expires: u64 = held[3].parse().unwrap();
        assert!((before + LONG..=after + LONG).contains(&expires));
        let state = event.state();
        assert_eq!(state.holds["r1"], expires);
        assert_eq!(state.reservations["r1"].user, "ann");

        let held = event.reserve("r2", "bob", LONG, "seats B2 A4");
        assert_eq!(held[..3], ["held", "r2", "2"]);
        assert_eq!(held[4..], ["B2", "A4"], "as they were named");

        let state = event.state();
        for (asked, answer) in [
            ("seats A5 A4 B9", words(&["taken", "A4"])),
            ("seats A5 B9 A4", words(&["no_seat", "B9"])),
            ("seats A5 a5", words(&["no_seat", "a5"])),
            ("seats A5 A6 A5", words(&["taken", "A5"])),
            ("count 13", words(&["too_many", "12"])),
            ("count 9", words(&["sold_out", "8"])),
        ] {
            assert_eq!(event.reserve("r3", "cid", LONG, asked), answer, "{asked}");
            assert_eq!(event.state(), state, "{asked} is refused as a whole");
        }
        let held = event.reserve("r3", "cid", LONG, "count 8");
        assert_eq!(held[..3], ["held", "r3", "3"]);
        assert_eq!(held[4..], ["A3", "A5", "A6", "A7", "A8", "A9", "A10", "B1"]);
        let refused = event.reserve("r4", "dan", LONG, "count 1");
        assert_eq!(refused, ["sold_out", "0"]);
    });
}

#[test]
fn a_reservation_id_is_used_once() {
    on_every_server("once", 5, |_, event| {
        event.reserve("r1", "ann", LONG, "count 2");
        event.cancel("r1", "ann");
        let state = event.state();
        for asked in ["count 1", "seats A3"] {
            assert_eq!(event.reserve("r1", "bob", LONG, asked), ["exists"]);
            let mut after = event.state();
            after
                .meta
                .insert("token".into(), state.meta["token"].clone());
            assert_eq!(after, state, "nothing but a token is gone");
        }
    });
}

#[test]
fn confirming() {
    on_every_server("confirming", 10, |_, event| {
        event.reserve("r1", "ann", LONG, "seats A3 A1");
        event.reserve("r2", "bob", LONG, "count 1");
        assert_eq!(event.confirm("r9", "ann", ""), ["no_reservation"]);
        assert_eq!(event.confirm("r1", "bob", "1"), ["not_holder"]);
        assert_eq!(event.confirm("r1", "ann", "2"), ["stale", "1"]);
        assert_eq!(event.confirm("r1", "ann", "01"), ["stale", "1"]);
        let state = event.state();
        assert_eq!(state.meta["sold"], "0");

        let confirmed = words(&["confirmed", "r1", "1", "A3", "A1"]);
        assert_eq!(event.confirm("r1", "ann", "1"), confirmed);
        let state = event.state();
        assert_eq!(state.meta["sold"], "2");
        assert_eq!(state.reservations["r1"].state, "confirmed");
        // By another operation: the same answer, and nothing changes.
        assert_eq!(event.confirm("r1", "ann", ""), confirmed);
        assert_eq!(event.state(), state);

        event.cancel("r2", "bob");
        assert_eq!(event.confirm("r2", "bob", "2"), ["cancelled"]);
    });
}

#[test]
fn cancelling() {
    on_every_server("cancelling", 10, |_, event| {
        event.reserve("r1", "ann", LONG, "count 2");
        event.reserve("r2", "bob", LONG, "seats A9 A5");
        event.confirm("r2", "bob", "");
        assert_eq!(event.cancel("r9", "ann"), ["no_reservation"]);
        assert_eq!(event.cancel("r1", "bob"), ["not_holder"]);

        let cancelled = words(&["cancelled", "r1", "A1", "A2"]);
        assert_eq!(event.cancel("r1", "ann"), cancelled);
        let confirmed_one = words(&["cancelled", "r2", "A9", "A5"]);
        assert_eq!(event.cancel("r2", "bob"), confirmed_one);
        let state = event.state();
        assert_eq!(state.free.len(), 10);
        assert_eq!(state.meta["sold"], "0");
        // Again, with the seats somebody else's by now: they stay hers.
        event.reserve("r3", "eve", LONG, "count 10");
        let state = event.state();
        assert_eq!(event.cancel("r1", "ann"), cancelled);
        assert_eq!(event.cancel("r2", "bob"), confirmed_one);
        assert_eq!(event.state(), state);
    });
}

#[test]
fn without_an_event() {
    on_every_server("without", 1, |_, event| {
        let there = std::mem::replace(&mut event.id, "nowhere".into());
        let hold = LONG.to_string();
        let calls: [(&AppScript, &[&str]); 3] = [
            (&RESERVE, &["r1", "ann", &hold, "count", "1"]),
            (&CONFIRM, &["r1", "ann", ""]),
            (&CANCEL, &["r1", "ann"]),
        ];
        for (script, arguments) in calls {
            assert_eq!(event.call(script, arguments), ["no_event"]);
        }
        let keys: Vec<String> = redis::cmd("KEYS")
            .arg("*nowhere*")
            .query(&mut event.connection)
            .unwrap();
        assert!(keys.is_empty(), "{keys:?}");
        event.id = there;
    });
}

/// Thousands of seats at once: more than Lua can unpack in one piece.
#[test]
fn many_seats_at_once() {
    on_every_server("many", 20_000, |_, event| {
        let held = event.reserve("r1", "ann", LONG, "count 9001");
        assert_eq!(held.len(), 9005);
        assert_eq!(held[9004], label(9000));
        let named: Vec<String> = (9001..18_002).rev().map(label).collect();
        let held = event.reserve("r2", "bob", LONG, &format!("seats {}", named.join(" ")));
        assert_eq!(held[4..], named);
        assert_eq!(event.confirm("r1", "ann", "1").len(), 9004);
        assert_eq!(event.state().meta["sold"], "9001");
        assert_eq!(event.cancel("r1", "ann").len(), 9003);
        assert_eq!(event.cancel("r2", "bob").len(), 9003);
        assert_eq!(event.state().free.len(), 20_000);
    });
}

/// Users and names may have any bytes; what comes back is what was given.
#[test]
fn any_bytes() {
    on_every_server("bytes", 4, |_, event| {
        let user: &[u8] = b"\0\x01\r\n\"\\/\xff\xc3\x28 \xf0\x9f\x8e\xab{}[]";
        let keys = event.keys("odd");
        let mut call = |script: &AppScript, fingerprint: &[u8], arguments: &[&[u8]]| {
            let mut all = vec![fingerprint, b"600000"];
            all.extend(arguments);
            eval(&mut event.connection, script, &keys, &all).unwrap()
        };
        let arguments: [&[u8]; 5] = [user, user, b"60000", b"count", b"1"];
        let held = call(&RESERVE, user, &arguments);
        let redis::Value::Array(items) = &held else {
            panic!("{held:?}")
        };
        assert_eq!(items[1], redis::Value::BulkString(user.to_vec()));
        assert_eq!(call(&RESERVE, user, &arguments), held, "out of the record");
        let conflict = call(&RESERVE, b"other", &arguments);
        assert_eq!(crate::event::flat(&conflict), ["op_conflict"]);

        let keys = event.keys("odd-cancel");
        let all: [&[u8]; 4] = [b"f", b"600000", user, user];
        let cancelled = eval(&mut event.connection, &CANCEL, &keys, &all).unwrap();
        let redis::Value::Array(items) = &cancelled else {
            panic!("{cancelled:?}")
        };
        assert_eq!(items[0], redis::Value::BulkString(b"cancelled".to_vec()));
        // The rest of the test reads reservations as UTF-8.
        let _: () = redis::cmd("DEL")
            .arg(event.key("reservations"))
            .query(&mut event.connection)
            .unwrap();
    });
}

/// A caller's mistake is an error, and has changed nothing: not even an operation is recorded.
#[rstest]
#[case::no_hold(&RESERVE, &["f", "9", "r", "u", "0", "count", "1"])]
#[case::negative_hold(&RESERVE, &["f", "9", "r", "u", "-5", "count", "1"])]
#[case::endless_hold(&RESERVE, &["f", "9", "r", "u", "1e300", "count", "1"])]
#[case::no_number(&RESERVE, &["f", "9", "r", "u", "nan", "count", "1"])]
#[case::no_ttl(&RESERVE, &["f", "", "r", "u", "9", "count", "1"])]
#[case::half_a_ttl(&RESERVE, &["f", "0.5", "r", "u", "9", "count", "1"])]
#[case::no_seats(&RESERVE, &["f", "9", "r", "u", "9", "count", "0"])]
#[case::negative_seats(&RESERVE, &["f", "9", "r", "u", "9", "count", "-1"])]
#[case::half_a_seat(&RESERVE, &["f", "9", "r", "u", "9", "count", "1.5"])]
#[case::seats_without_one(&RESERVE, &["f", "9", "r", "u", "9", "seats"])]
#[case::other_kind(&RESERVE, &["f", "9", "r", "u", "9", "rows", "1"])]
#[case::nothing(&RESERVE, &[])]
#[case::confirm_without_a_token(&CONFIRM, &["f", "9", "r", "u"])]
#[case::confirm_without_a_ttl(&CONFIRM, &["f", "0", "r", "u", ""])]
#[case::cancel_without_a_user(&CANCEL, &["f", "9", "r"])]
#[case::create_without_a_name(&CREATE_EVENT, &["f", "9"])]
fn mistakes(#[case] script: &AppScript, #[case] arguments: &[&str]) {
    let Some(server) = Server::start("redis-7.0.15", "mistakes") else {
        return;
    };
    let mut event = Event::new(server.connect(3), "mistakes");
    event.create(3);
    let state = event.state();
    let keys = event.keys("wrong");
    let arguments: Vec<&[u8]> = arguments.iter().map(|text| text.as_bytes()).collect();
    let error = eval(&mut event.connection, script, &keys, &arguments).unwrap_err();
    let told = format!("{}: fingerprint, ttl > 0, ", script.name);
    assert!(error.to_string().contains(&told), "{error}");
    assert_eq!(event.state(), state);
    let recorded: bool = redis::cmd("EXISTS")
        .arg(&keys[6])
        .query(&mut event.connection)
        .unwrap();
    assert!(!recorded);
}
