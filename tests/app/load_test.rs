//! The load test as the course runs it.

use std::time::Duration;

use super::{app, call, cluster, event, settings};
use crate::servers;
use labrunner::cluster::Endpoint;

/// 50 users want two seats each of a hundred; then twice as many want them.
#[tokio::test(flavor = "multi_thread")]
async fn the_course_s_two_load_tests() {
    if !servers::available("the_course_s_two_load_tests") {
        return;
    }
    let servers = cluster().await;
    let ended = call(&servers, &["load-test", "--users", "50", "--seats", "2"]).await;
    ended.says(0, &["Audit: clean"]);
    let lines: Vec<&str> = ended.stdout.lines().take(6).collect();
    let [title, total, good, bad, average, p99] = lines.as_slice() else {
        panic!("{}", ended.stdout);
    };
    assert_eq!(*title, "Load Test Results:");
    assert_eq!(*total, "- Total requests: 50");
    assert_eq!(*good, "- Successful reservations: 50");
    assert_eq!(*bad, "- Failed (seat taken): 0");
    assert!(average.starts_with("- Average latency: ") && average.ends_with("ms"));
    assert!(p99.starts_with("- P99 latency: ") && p99.ends_with("ms"));

    let ended = call(&servers, &["load-test", "--users", "100", "--json"]).await;
    let report = ended.says(0, &[]).json();
    assert_eq!(report["total_requests"], 100);
    assert_eq!(report["successful_reservations"], 50);
    assert_eq!(report["failed_seat_taken"], 50);
    assert_eq!(report["audit"]["clean"], true);
    assert_eq!(report["audit"]["held"], 100);
    let nodes = report["per_node"].as_object().unwrap();
    // One event, so one master; and each request was served once.
    assert_eq!(nodes.len(), 1, "{report}");
    assert_eq!(nodes.values().next().unwrap()["requests"], 100);
}

/// The same without the script: that it fails is what shows that the audit can.
#[tokio::test(flavor = "multi_thread")]
async fn the_naive_way_sells_seats_twice_and_is_found_out() {
    if !servers::available("the_naive_way_sells_seats_twice_and_is_found_out") {
        return;
    }
    let servers = cluster().await;
    let ended = call(
        &servers,
        &["load-test", "--users", "100", "--naive", "--json"],
    )
    .await;
    let report = ended.says(1, &[]).json();
    assert!(
        report["audit"]["sold_twice"].as_u64().unwrap() > 0,
        "{report}"
    );
    assert!(
        report["successful_reservations"].as_u64().unwrap() > 50,
        "{report}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_at_a_rate_with_all_kinds_of_requests() {
    if !servers::available("a_load_at_a_rate_with_all_kinds_of_requests") {
        return;
    }
    let servers = cluster().await;
    let folder = tempfile::tempdir().unwrap();
    let histogram = folder.path().join("latencies.hlog");
    let args = [
        "load-test",
        "--rate",
        "300",
        "--for",
        "2s",
        "--warm-up",
        "500ms",
        "--events",
        "10",
        "--seats",
        "1",
        "--mix",
        "reserve=60,confirm=15,cancel=10,read=15",
        "--json",
        "--histogram",
        histogram.to_str().unwrap(),
    ];
    let ended = call(&servers, &args).await;
    let report = ended.says(0, &[]).json();
    assert_eq!(report["total_requests"], 600);
    assert_eq!(report["warm_up_left_out"], 150);
    assert_eq!(report["errors"], serde_json::json!({}));
    for operation in ["reserve", "confirm", "cancel", "read"] {
        let done = &report["operations"][operation];
        assert!(done["ok"].as_u64().unwrap() > 10, "{operation}: {done}");
    }
    let audit = &report["audit"];
    assert_eq!(audit["clean"], true, "{audit}");
    assert_eq!(audit["seats"], 1000);
    assert!(audit["sold"].as_u64().unwrap() > 10);
    let log = std::fs::read_to_string(&histogram).unwrap();
    assert!(log.contains("Tag=reserve,"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_named_is_used() {
    if !servers::available("an_event_that_is_named_is_used") {
        return;
    }
    let servers = cluster().await;
    let id = event(&servers, 10, &[]).await;
    call(
        &servers,
        &["load-test", "--event", &id, "--users", "20", "--seats", "1"],
    )
    .await
    .says(
        0,
        &["- Successful reservations: 10", "- Failed (seat taken): 10"],
    );
    call(&servers, &["availability", "--event", &id])
        .await
        .says(0, &["0 of 10 seats free, 10 held"]);
    call(&servers, &["load-test", "--event", "abcdefgh"])
        .await
        .says(13, &["there is no event abcdefgh"]);
}

/// It tells what it has done until then.
#[tokio::test(flavor = "multi_thread")]
async fn a_load_test_that_is_interrupted_is_audited() {
    if !servers::available("a_load_test_that_is_interrupted_is_audited") {
        return;
    }
    let servers = cluster().await;
    let id = event(&servers, 1000, &[]).await;
    let nodes = settings(&servers).nodes;
    let nodes: Vec<String> = nodes.iter().map(Endpoint::to_string).collect();
    let mut command = app([
        "load-test",
        "--event",
        &id,
        "--rate",
        "50",
        "--for",
        "600s",
        "--seats",
        "1",
    ]);
    command
        .env("APP_NODES", nodes.join(","))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    let pid = child.id().to_string();
    servers::eventually("some seats are held", super::LIMIT, async || {
        let seen = call(&servers, &["availability", "--event", &id, "--json"]).await;
        (seen.json()["held"].as_u64().unwrap() >= 20).then_some(())
    })
    .await;
    let killed = std::process::Command::new("kill")
        .args(["-INT", &pid])
        .status()
        .unwrap();
    assert!(killed.success());
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    let ended = tokio::time::timeout(Duration::from_secs(20), ended)
        .await
        .unwrap()
        .unwrap();
    super::Ended::from(ended).says(0, &["Load Test Results:", "Audit: clean"]);
}
