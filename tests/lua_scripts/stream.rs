//! One entry for every change, in the order of the changes.

use std::collections::BTreeMap;

use labrunner::app::scripts;
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

/// Whole blocks, and what is left of one; never what a group has not done with, and never the last that was applied.
#[test]
fn a_stream_is_trimmed_below_what_every_group_has_done_with() {
    on_every_server("trim", 1, |_, event| {
        let stream = event.key("stream").to_owned();
        let redis = &mut event.connection;
        let _: () = cmd("DEL").arg(&stream).query(redis).unwrap();
        let trim = |redis: &mut redis::Connection, last: &str, keep: &str| -> Vec<String> {
            let mut call = scripts::TRIM.script().prepare_invoke();
            call.key(&stream).arg(last).arg(keep).arg("10000");
            call.invoke(redis).unwrap()
        };
        assert_eq!(trim(redis, "0-0", "0"), ["no_stream"]);
        for number in 1..=450 {
            let mut add = cmd("XADD");
            add.arg(&stream).arg(format!("{number}-0")).arg(&["f", "v"]);
            let _: String = add.query(redis).unwrap();
        }
        let length = |redis: &mut redis::Connection| -> u64 {
            cmd("XLEN").arg(&stream).query(redis).unwrap()
        };
        // Nobody drains it: nothing is done with.
        assert_eq!(trim(redis, "450-0", "0"), ["trimmed", "0", "0-0"]);
        for group in ["one", "two"] {
            let mut make = cmd("XGROUP");
            make.arg(&["CREATE", &stream, group, "0"]);
            let _: String = make.query(redis).unwrap();
        }
        let read = |redis: &mut redis::Connection, group: &str, count: &str| {
            let mut read = cmd("XREADGROUP");
            read.arg(&[
                "GROUP", group, "me", "COUNT", count, "STREAMS", &stream, ">",
            ]);
            let _: redis::Value = read.query(redis).unwrap();
        };
        let done =
            |redis: &mut redis::Connection, group: &str, ids: std::ops::RangeInclusive<u32>| {
                let mut done = cmd("XACK");
                done.arg(&stream).arg(group);
                for id in ids {
                    done.arg(format!("{id}-0"));
                }
                let _: u64 = done.query(redis).unwrap();
            };
        read(redis, "one", "450");
        done(redis, "one", 1..=450);
        // The other group was given nothing.
        assert_eq!(trim(redis, "450-0", "0"), ["trimmed", "0", "0-0"]);
        read(redis, "two", "400");
        done(redis, "two", 1..=300);
        done(redis, "two", 302..=400);
        // It is not done with one of them.
        assert_eq!(trim(redis, "450-0", "0"), ["trimmed", "300", "301-0"]);
        done(redis, "two", 301..=301);
        // All that it was given are done with; the last of them stays, and the rest it was not given.
        assert_eq!(trim(redis, "450-0", "0"), ["trimmed", "99", "400-0"]);
        assert_eq!(trim(redis, "450-0", "0"), ["trimmed", "0", "400-0"]);
        read(redis, "two", "450");
        done(redis, "two", 401..=450);
        // The last that was applied stays, and so does what is not old enough.
        assert_eq!(trim(redis, "420-0", "0"), ["trimmed", "20", "420-0"]);
        let since_1970 = "99999999999999";
        assert_eq!(trim(redis, "450-0", since_1970), ["trimmed", "0", "0-0"]);
        assert_eq!(trim(redis, "450-0", "0"), ["trimmed", "30", "450-0"]);
        assert_eq!(length(redis), 1);
    });
}
