//! Holds whose time is over: whoever comes next gives them back.

use crate::event::{LONG, label, on_every_server, pass, server_ms};

#[test]
fn a_reservation_finds_the_seats_of_expired_ones() {
    on_every_server("lazy", 6, |_, event| {
        event.reserve("r1", "ann", LONG, "seats A2");
        event.reserve("r2", "bob", LONG, "seats A5 A1");
        event.reserve("r3", "cid", LONG, "seats A4");
        event.end("r2");
        event.end("r3");
        let before = event.state();
        assert_eq!(before.reservations["r2"].state, "held", "nobody came by");
        assert_eq!(before.seats.len(), 4);

        let held = event.reserve("r4", "dan", LONG, "count 4");
        assert_eq!(held[4..], ["A1", "A3", "A4", "A5"], "each at its old place");
        let state = event.state();
        assert_eq!(state.reservations["r2"].state, "expired");
        assert_eq!(state.reservations["r3"].state, "expired");
        assert_eq!(state.holds.len(), 2);
    });
}

/// They come back even for a request that is refused: it was told the truth.
#[test]
fn a_refusal_gives_them_back_too() {
    on_every_server("refused", 5, |_, event| {
        event.reserve("r1", "ann", LONG, "count 2");
        event.reserve_until_over("r2", "bob", "count 3");
        let refused = event.reserve("r3", "cid", LONG, "count 4");
        assert_eq!(refused, ["sold_out", "3"]);
        assert_eq!(event.state().free_labels(), ["A3", "A4", "A5"]);
    });
}

#[test]
fn confirming_too_late() {
    on_every_server("late", 5, |_, event| {
        event.reserve("r1", "ann", LONG, "count 2");
        event.reserve("r2", "bob", LONG, "count 1");
        event.end("r1");
        event.end("r2");
        assert_eq!(event.confirm("r1", "bob", ""), ["not_holder"]);
        assert_eq!(event.confirm("r1", "ann", "1"), ["expired"]);
        let state = event.state();
        assert_eq!(state.free_labels(), ["A1", "A2", "A4", "A5"]);
        assert_eq!(state.reservations["r1"].state, "expired");
        assert_eq!(
            state.reservations["r2"].state, "held",
            "only what was asked for"
        );
        // Given back by now, and then: the same answer, and nothing changes.
        assert_eq!(event.confirm("r1", "ann", "1"), ["expired"]);
        assert_eq!(event.cancel("r1", "ann"), ["expired"]);
        assert_eq!(event.state(), state);

        assert_eq!(event.cancel("r2", "bob"), ["expired"]);
        assert_eq!(event.state().free.len(), 5);
    });
}

/// Up to its last ms a hold can be confirmed, and what is confirmed does not end.
#[test]
fn confirming_in_time() {
    on_every_server("intime", 3, |_, event| {
        // Long enough for a busy machine to confirm in time, or else it is tried again.
        let expires = (1..)
            .find_map(|n| {
                let id = format!("r{n}");
                let held = event.reserve(&id, "ann", 50 * n, "count 1");
                let expires: u64 = held[3].parse().unwrap();
                (event.confirm(&id, "ann", "")[0] == "confirmed").then_some(expires)
            })
            .unwrap();
        pass(&mut event.connection, expires);
        let held = event.reserve("later", "bob", LONG, "count 3");
        assert_eq!(held, ["sold_out", "2"]);
        assert_eq!(event.state().meta["sold"], "1");
    });
}

/// More holds than are looked up at once.
#[test]
fn many_holds_are_over_at_once() {
    on_every_server("crowd", 1300, |_, event| {
        for n in 0..1250 {
            event.reserve(&format!("r{n}"), "ann", 1500, "count 1");
        }
        let state = event.state();
        let last = *state.holds.values().max().unwrap();
        pass(&mut event.connection, last);
        // On a slow machine the first ones have been given back by the last ones.
        let held = event.reserve("r", "bob", LONG, "count 1300");
        assert_eq!(held[0], "held");
        assert_eq!(held[4], label(0));
        let state = event.state();
        assert_eq!(state.holds.len(), 1);
        let expired = state
            .reservations
            .values()
            .filter(|kept| kept.state == "expired");
        assert_eq!(expired.count(), 1250);
        assert_eq!(state.entries, 1 + 1250 + 1250 + 1);
        assert!(server_ms(&mut event.connection) > last);
    });
}
