//! Each mistake has its own message and exit code.

use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use super::{Ended, Plain, app, call, cluster, event};
use crate::servers;
use labrunner::resp::Client;
use rstest::rstest;

/// What is wrong with a request is said before anybody is asked: here nobody is there.
#[rstest]
#[case::no_seats(&["create-event", "--name", "x", "--seats", "0"], &["an event can't have 0 seats", "1 to 50000"])]
#[case::negative(&["create-event", "--name", "x", "--seats", "-5"], &["an event can't have -5 seats"])]
#[case::too_many(&["create-event", "--name", "x", "--seats", "50001"], &["an event can't have 50001 seats"])]
#[case::no_number(&["create-event", "--name", "x", "--seats", "ten"], &["invalid value 'ten'"])]
#[case::no_name(&["create-event", "--name", "", "--seats", "10"], &["the name of the event is empty"])]
#[case::no_slots(&["create-event", "--name", "x", "--seats", "10", "--on-slots", "16384"], &["--on-slots", "16384"])]
#[case::zero(&["reserve", "--event", "abcdefgh", "--seats", "0", "--user", "ann"], &["0 seats can't be reserved"])]
#[case::less(&["reserve", "--event", "abcdefgh", "--seats", "-1", "--user", "ann"], &["a reservation can't have -1 seats"])]
#[case::ten_thousand(&["reserve", "--event", "abcdefgh", "--seats", "10000", "--user", "ann"], &["10000 seats can't be reserved at once", "1 to 100"])]
#[case::both(&["reserve", "--event", "abcdefgh", "--seats", "1", "--seat", "A1", "--user", "ann"], &["cannot be used with"])]
#[case::neither(&["reserve", "--event", "abcdefgh", "--user", "ann"], &["--seats <N>|--seat"])]
#[case::no_seat(&["reserve", "--event", "abcdefgh", "--seat", "A11", "--user", "ann"], &["`A11` is not a seat"])]
#[case::seat_twice(&["reserve", "--event", "abcdefgh", "--seat", "A1,a1", "--user", "ann"], &["seat A1 is named twice"])]
#[case::no_event(&["availability", "--event", "nothing!"], &["`nothing!` is not the id of an event", "`events` lists"])]
#[case::user(&["reserve", "--event", "abcdefgh", "--seats", "1", "--user", "a b"], &["the user `a b` has other signs"])]
#[case::hold(&["reserve", "--event", "abcdefgh", "--seats", "1", "--user", "ann", "--hold", "5"], &["`5` is not a span of time", "5m"])]
#[case::endless(&["reserve", "--event", "abcdefgh", "--seats", "1", "--user", "ann", "--hold", "99h"], &["a hold can't last"])]
#[case::nodes(&["events", "--nodes", "127.0.0.1"], &["`127.0.0.1` is not the address of a node"])]
#[case::map(&["events", "--map", "172.30.0.11:7001"], &["does not map an address"])]
#[case::read_from(&["events", "--read-from", "anywhere"], &["reads can't go to `anywhere`"])]
#[case::deadline(&["events", "--deadline", "0s"], &["a deadline of nothing"])]
#[case::in_flight(&["events", "--in-flight", "0"], &["0 requests can't be in flight"])]
#[case::config(&["events", "--config", "/nowhere/app.toml"], &["/nowhere/app.toml"])]
#[case::no_users(&["load-test", "--users", "0"], &["a load test can't have 0 users"])]
#[case::no_mix(&["load-test", "--mix", "buy=1"], &["`buy=1` is no part of a mix"])]
#[case::no_end(&["load-test", "--rate", "500"], &["--for <TIME>"])]
#[case::all_warm_up(&["load-test", "--warm-up", "5s"], &["nothing to warm up with"])]
#[case::no_place(&["load-test", "--histogram", "/nowhere/h.log"], &["/nowhere/h.log"])]
#[case::audit_of_nothing(&["audit"], &["--event <ID>"])]
#[case::no_claims(&["audit", "--event", "abcdefgh", "--claims", "/nowhere/claims.json"], &["/nowhere/claims.json", "help audit"])]
#[case::command(&["reserv"], &["unrecognized subcommand 'reserv'", "reserve"])]
fn a_wrong_call_is_told(#[case] args: &[&str], #[case] words: &[&str]) {
    let ended: Ended = app(args).output().unwrap().into();
    ended.says(2, words);
    assert!(ended.stdout.is_empty(), "{}", ended.stdout);
}

#[test]
fn a_name_of_a_megabyte_is_not_printed_back() {
    // A single argument of Linux has at most 128 KiB, so the megabyte comes in the shape that a program could give it.
    let name = "x".repeat(120 * 1024);
    let ended: Ended = app(["create-event", "--seats", "1", "--name", &name])
        .output()
        .unwrap()
        .into();
    ended.says(2, &["the name of the event has 122880 bytes"]);
    assert!(ended.stderr.len() < 500, "{} bytes", ended.stderr.len());
}

#[test]
fn what_is_not_utf8_is_told() {
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9");
    let ended: Ended = app(["create-event", "--seats", "1", "--name"])
        .arg(name)
        .output()
        .unwrap()
        .into();
    ended.says(2, &["invalid UTF-8"]);
}

#[test]
fn no_cluster_is_told_with_what_was_tried() {
    let ended: Ended = app(["events", "--nodes", "127.0.0.1:1"])
        .output()
        .unwrap()
        .into();
    ended.says(
        4,
        &[
            "no node of the cluster can be reached",
            "127.0.0.1:1",
            "Connection refused",
            "labrunner up",
        ],
    );
}

#[test]
fn a_server_without_a_cluster_is_told() {
    if !servers::available("a_server_without_a_cluster_is_told") {
        return;
    }
    let plain = Plain::start(&[]);
    let node = plain.node.to_string();
    let ended: Ended = app(["events", "--nodes", &node]).output().unwrap().into();
    ended.says(7, &[&node, "not a node of a cluster"]);
}

#[test]
fn a_wrong_password_is_told_and_the_right_one_is_not() {
    if !servers::available("a_wrong_password_is_told_and_the_right_one_is_not") {
        return;
    }
    let plain = Plain::start(&["--cluster-enabled", "yes", "--requirepass", "open-sesame"]);
    let node = plain.node.to_string();
    let try_with = |password: Option<&str>| -> Ended {
        let mut command = app(["events", "--nodes", &node]);
        if let Some(password) = password {
            command.env("APP_PASSWORD", password);
        }
        command.output().unwrap().into()
    };
    try_with(None).says(8, &["does not let the application in", "APP_PASSWORD"]);
    try_with(Some("sesame")).says(8, &["does not let the application in"]);
    // It is let in, and finds that the node has no slots.
    try_with(Some("open-sesame")).says(6, &["the cluster is down", "cluster_state:fail"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_no_has_its_own_code() {
    if !servers::available("every_no_has_its_own_code") {
        return;
    }
    let servers = cluster().await;
    let id = event(&servers, 5, &[]).await;
    let reserve = |more: &[&str]| {
        let mut args = vec!["reserve", "--event", &id];
        args.extend(more);
        let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
        let servers = &servers;
        async move {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            call(servers, &args).await
        }
    };
    call(&servers, &["availability", "--event", "abcdefgh"])
        .await
        .says(13, &["there is no event abcdefgh", "`events` lists"]);
    reserve(&["--seats", "6", "--user", "ann"])
        .await
        .says(12, &["the event has only 5 seats"]);
    reserve(&["--seat", "B1", "--user", "ann"])
        .await
        .says(12, &["the event has no seat B1"]);
    let held = reserve(&[
        "--seat", "A1,A2", "--user", "ann", "--key", "op-1", "--json",
    ])
    .await;
    let held = held.says(0, &["held"]).json();
    let reservation = held["reservation"].as_str().unwrap();
    reserve(&["--seats", "4", "--user", "ben"])
        .await
        .says(10, &["sold out: 4 asked for, 3 free"]);
    reserve(&["--seat", "A2", "--user", "ben"])
        .await
        .says(11, &["seat A2 is taken"]);
    reserve(&["--seats", "1", "--user", "ann", "--key", "op-1"])
        .await
        .says(17, &["op-1 was used for another request", "take another"]);
    let again = reserve(&[
        "--seat", "A1,A2", "--user", "ann", "--key", "op-1", "--json",
    ])
    .await;
    assert_eq!(again.says(0, &[]).json(), held);

    let settle = |what: &str, reservation: &str, user: &str, more: &[&str]| {
        let mut args = vec![
            what,
            "--event",
            &id,
            "--reservation",
            reservation,
            "--user",
            user,
        ];
        args.extend(more);
        let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
        let servers = &servers;
        async move {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            call(servers, &args).await
        }
    };
    settle("confirm", "r-none", "ann", &[])
        .await
        .says(14, &["no reservation r-none"]);
    settle("confirm", reservation, "ben", &[])
        .await
        .says(16, &["is not ben's"]);
    settle("cancel", reservation, "ben", &[])
        .await
        .says(16, &["is not ben's"]);
    settle("confirm", reservation, "ann", &["--token", "99"])
        .await
        .says(20, &["the token is stale"]);
    settle("confirm", reservation, "ann", &["--token", "1"])
        .await
        .says(0, &["is confirmed: A1 A2"]);
    settle("cancel", reservation, "ann", &[])
        .await
        .says(0, &["is cancelled: A1 A2"]);
    settle("confirm", reservation, "ann", &[])
        .await
        .says(14, &["was cancelled"]);

    // A short hold is over by the time that a second process has started; if not, it is asked again.
    let short = reserve(&["--seats", "1", "--user", "cem", "--hold", "100ms", "--json"]).await;
    let short = short.says(0, &[]).json();
    let short = short["reservation"].as_str().unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    loop {
        let before = call(&servers, &["availability", "--event", &id, "--json"]).await;
        if before.json()["free"] == 5 {
            break;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "the hold does not expire"
        );
    }
    settle("confirm", short, "cem", &[])
        .await
        .says(15, &["has expired", "free again"]);
    call(&servers, &["session", "show", "--session", "s-none"])
        .await
        .says(19, &["there is no session s-none"]);
    for _ in 0..2 {
        reserve(&["--seats", "1", "--user", "dan", "--rate-limit", "2/1h"])
            .await
            .says(0, &[]);
    }
    reserve(&["--seats", "1", "--user", "dan", "--rate-limit", "2/1h"])
        .await
        .says(18, &["dan has to wait", "2 requests"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_down_is_told_when_it_was_waited_for() {
    if !servers::available("a_cluster_that_is_down_is_told_when_it_was_waited_for") {
        return;
    }
    let servers = cluster().await;
    let id = event(&servers, 5, &["--on-slots", "0-8191"]).await;
    let node = Client::new(servers.address("redis-1"), Duration::from_secs(2));
    let gone = ["CLUSTER", "DELSLOTSRANGE", "0", "8191"];
    assert!(node.call(&gone).await.unwrap().is_ok());
    let reserve = [
        "reserve",
        "--event",
        &id,
        "--seats",
        "1",
        "--user",
        "ann",
        "--deadline",
        "1s",
    ];
    call(&servers, &reserve)
        .await
        .says(6, &["the cluster is down", "CLUSTER INFO"]);
    let json = [&reserve[..], &["--json"]].concat();
    let ended = call(&servers, &json).await;
    assert_eq!(ended.says(6, &[]).json()["result"], "cluster_down");
}
