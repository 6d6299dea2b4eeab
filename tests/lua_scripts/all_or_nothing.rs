//! What a check and then an act does, and what the script does instead.

use redis::cmd;

use crate::event::{LONG, on_every_server};

/// Two clients look, both see the seat free, both take it: two tickets for one seat.
#[test]
fn looking_and_then_taking_sells_a_seat_twice() {
    on_every_server("naive", 3, |server, event| {
        let mut other = server.connect(2);
        let (free, seats) = (event.key("free"), event.key("seats"));
        let look = |connection: &mut redis::Connection| -> Vec<String> {
            cmd("ZRANGE")
                .arg(&free)
                .arg(&["0", "0"])
                .query(connection)
                .unwrap()
        };
        let (ann, bob) = (look(&mut event.connection), look(&mut other));
        assert_eq!(ann, bob, "both think that it is theirs");
        let take = |connection: &mut redis::Connection, seat: &[String], who: &str| {
            let _: () = cmd("ZREM").arg(&free).arg(seat).query(connection).unwrap();
            let _: () = cmd("HSET")
                .arg(&seats)
                .arg(seat)
                .arg(who)
                .query(connection)
                .unwrap();
        };
        take(&mut event.connection, &ann, "ann");
        take(&mut other, &bob, "bob");
        let holder: String = cmd("HGET").arg(&seats).arg(&ann).query(&mut other).unwrap();
        assert_eq!(holder, "bob", "and ann was told that she has it");

        // The same two, by the script: whatever they saw before, one of them gets it.
        event.id += "script";
        event.create(3);
        let held = event.reserve("r1", "ann", LONG, "seats A1");
        let refused = event.reserve("r2", "bob", LONG, "seats A1");
        assert_eq!(held[0], "held");
        assert_eq!(refused, ["taken", "A1"]);
    });
}

/// Whatever seat of many it is that can't be had, none is taken.
#[test]
fn one_seat_missing_is_all_missing() {
    on_every_server("whole", 1200, |_, event| {
        event.reserve("r1", "ann", LONG, "seats A1");
        let state = event.state();
        let mut labels: Vec<String> = (1..1200).map(crate::event::label).collect();
        for at in [0, 499, 500, 700, 1199] {
            for (wrong, answer) in [("A1", "taken"), ("Q0", "no_seat")] {
                labels.insert(at, wrong.into());
                let asked = format!("seats {}", labels.join(" "));
                assert_eq!(event.reserve("r2", "bob", LONG, &asked), [answer, wrong]);
                assert_eq!(event.state(), state);
                labels.remove(at);
            }
        }
        let held = event.reserve("r2", "bob", LONG, &format!("seats {}", labels.join(" ")));
        assert_eq!(held.len(), 4 + 1199);
    });
}
