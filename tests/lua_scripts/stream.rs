//! One entry for every change, in the order of the changes.

use std::collections::BTreeMap;

use redis::cmd;

use crate::event::{Event, LONG, on_every_server, server_ms};

fn entries(event: &mut Event) -> Vec<BTreeMap<String, String>> {
    let found: Vec<(String, Vec<String>)> = cmd("XRANGE")
        .arg(event.key("stream"))
        .arg(&["-", "+"])
        .query(&mut event.connection)
        .unwrap();
    found
        .into_iter()
        .map(|(_, fields)| {
            let pairs = fields.chunks(2);
            pairs
                .map(|pair| (pair[0].clone(), pair[1].clone()))
                .collect()
        })
        .collect()
}

#[test]
fn every_change_is_told_once() {
    on_every_server("stream", 10, |_, event| {
        let before = server_ms(&mut event.connection) - 60_000;
        event.reserve("r1", "ann", LONG, "seats A3 A1");
        event.confirm("r1", "ann", "");
        event.confirm("r1", "ann", "");
        event.reserve("r2", "bob", LONG, "count 2");
        event.cancel("r2", "bob");
        event.cancel("r2", "bob");
        event.reserve("r3", "cid", LONG, "count 9");
        event.reserve("r3", "cid", LONG, "seats A1");
        event.reserve_until_over("r4", "dan", "count 1");
        event.reserve("r5", "eve", LONG, "count 1");
        event.cancel("r1", "ann");
        event.reserve_until_over("r6", "fay", "count 1");
        event.confirm("r6", "fay", "");
        event.confirm("r6", "fay", "");
        event.cancel("r6", "fay");

        let mut told = entries(event);
        let after = server_ms(&mut event.connection);
        let created = told.remove(0);
        let mut names: Vec<&str> = created.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["at_ms", "name", "total", "type"]);
        assert_eq!(created["type"], "created");
        assert_eq!(created["total"], "10");
        assert_eq!(created["name"], "A name");
        assert_eq!(created["at_ms"], event.state().meta["created_ms"]);
        let mut last = 0;
        let lines: Vec<String> = told
            .iter()
            .map(|entry| {
                assert_eq!(entry.len(), 7, "{entry:?}");
                // The ledger had no part in any.
                assert_eq!(entry["version"], "0");
                let at: u64 = entry["at_ms"].parse().unwrap();
                assert!((before..=after).contains(&at) && at >= last, "{at}");
                last = at;
                ["type", "reservation", "user", "seats", "token"]
                    .map(|field| entry[field].as_str())
                    .join(" ")
            })
            .collect();
        assert_eq!(
            lines,
            [
                "held r1 ann A3,A1 1",
                "confirmed r1 ann A3,A1 1",
                "held r2 bob A2,A4 2",
                "cancelled r2 bob A2,A4 2",
                "held r4 dan A2 3",
                "expired r4 dan A2 3",
                "held r5 eve A2 4",
                "cancelled r1 ann A3,A1 1",
                "held r6 fay A1 5",
                "expired r6 fay A1 5",
            ]
        );
    });
}
