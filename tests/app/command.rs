//! What the command does when all is well.

use super::{app, call, cluster, endpoint, event};
use crate::servers;
use labrunner::cluster::Slot;

#[tokio::test(flavor = "multi_thread")]
async fn an_event_from_its_creation_to_its_sale() {
    if !servers::available("an_event_from_its_creation_to_its_sale") {
        return;
    }
    let servers = cluster().await;
    let created = call(
        &servers,
        &[
            "create-event",
            "--name",
            "Failover Test",
            "--seats",
            "10",
            "--on-slots",
            "8192-16382",
            "--json",
        ],
    )
    .await;
    let created = created.says(0, &[]).json();
    let id = created["event"].as_str().unwrap();
    let slot = Slot::of_key(format!("event:{{{id}}}").as_bytes()).get();
    assert!(slot >= 8192);
    assert_eq!(created["slot"], slot);
    assert_eq!(
        created["node"],
        servers.address("redis-2").announced.to_string()
    );
    call(&servers, &["availability", "--event", id])
        .await
        .says(0, &["Failover Test", "10 of 10 seats free, 0 held, 0 sold"]);
    let held = call(
        &servers,
        &[
            "reserve", "--event", id, "--seats", "2", "--user", "ann", "--json",
        ],
    )
    .await;
    let reservation = held.says(0, &[]).json()["reservation"]
        .as_str()
        .unwrap()
        .to_owned();
    let confirmed = call(
        &servers,
        &[
            "confirm",
            "--event",
            id,
            "--reservation",
            &reservation,
            "--user",
            "ann",
        ],
    )
    .await;
    confirmed.says(0, &["is confirmed: A1 A2 for ann"]);
    call(&servers, &["show", "--event", id]).await.says(
        0,
        &[
            "8 of 10 seats free, 0 held, 2 sold",
            "shown once",
            "sold       ann  A1 A2",
        ],
    );
    call(&servers, &["audit", "--event", id])
        .await
        .says(0, &["10 seats: 8 free, 0 held, 2 sold", "clean"]);
    let other = event(&servers, 1, &[]).await;
    // Many at once, and somebody was told there that he has a seat which he has not.
    let folder = tempfile::tempdir().unwrap();
    let claims = folder.path().join("claims.json");
    let wrong = serde_json::json!([
        {"event": id},
        {"event": other, "claims": {"successes": [{"reservation": "r1", "user": "bob", "seats": ["A1"]}]}},
    ]);
    std::fs::write(&claims, wrong.to_string()).unwrap();
    let claims = claims.to_str().unwrap();
    call(&servers, &["audit-many", claims]).await.says(
        1,
        &[
            &format!("Event {id}\n  10 seats: 8 free, 0 held, 2 sold\n  clean"),
            &format!("Event {other}\n  1 seats: 1 free, 0 held, 0 sold\n  1 successes that are not there\n  not clean"),
        ],
    );
    call(&servers, &["events"])
        .await
        .says(0, &[id, &other, "Failover Test"]);
    call(
        &servers,
        &[
            "watch",
            "--event",
            id,
            "--interval",
            "100ms",
            "--for",
            "200ms",
        ],
    )
    .await
    .says(0, &["8 of 10 seats free"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_from_its_begin_to_its_end() {
    if !servers::available("a_session_from_its_begin_to_its_end") {
        return;
    }
    let servers = cluster().await;
    let begun = call(&servers, &["session", "login", "--user", "ann", "--json"]).await;
    let session = begun.says(0, &[]).json()["session"]
        .as_str()
        .unwrap()
        .to_owned();
    call(&servers, &["session", "show", "--session", &session])
        .await
        .says(0, &["ann, for 1800 s after each use"]);
    call(&servers, &["session", "logout", "--session", &session])
        .await
        .says(0, &["has ended"]);
    call(&servers, &["session", "show", "--session", &session])
        .await
        .says(19, &[]);
}

/// Flags are over the environment, and that is over the file.
#[tokio::test(flavor = "multi_thread")]
async fn settings_come_from_flags_then_the_environment_then_a_file() {
    if !servers::available("settings_come_from_flags_then_the_environment_then_a_file") {
        return;
    }
    let servers = cluster().await;
    let real = endpoint(&servers, "redis-1").to_string();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.toml");
    let run = move |in_file: &str, in_environment: Option<&str>, flag: Option<&str>| {
        std::fs::write(&file, format!("nodes = [\"{in_file}\"]\n")).unwrap();
        let mut command = app(["events"]);
        command.env("APP_CONFIG", &file);
        if let Some(nodes) = in_environment {
            command.env("APP_NODES", nodes);
        }
        if let Some(nodes) = flag {
            command.args(["--nodes", nodes]);
        }
        command.output().unwrap().status.code()
    };
    let nobody = "127.0.0.1:1";
    let codes = tokio::task::spawn_blocking(move || {
        [
            run(&real, None, None),
            run(nobody, None, None),
            run(nobody, Some(&real), None),
            run(&real, Some(nobody), None),
            run(nobody, Some(nobody), Some(&real)),
            run(&real, Some(&real), Some(nobody)),
        ]
    })
    .await
    .unwrap();
    assert_eq!(
        codes,
        [Some(0), Some(4), Some(0), Some(4), Some(0), Some(4)]
    );
}

/// Nodes announce other addresses here than those they are reached at; on some machines only the latter can be reached.
#[tokio::test(flavor = "multi_thread")]
async fn announced_addresses_are_mapped() {
    if !servers::available("announced_addresses_are_mapped") {
        return;
    }
    let servers = cluster().await;
    let map = |reachable: &dyn Fn(&str) -> String| {
        let pairs = ["redis-1", "redis-2", "redis-3", "redis-4"].map(|node| {
            let announced = servers.address(node).announced;
            format!("{announced}={}", reachable(node))
        });
        pairs.join(",")
    };
    let right = map(&|node| endpoint(&servers, node).to_string());
    // Nobody listens there: if the map were not heeded, this would work as well.
    let wrong = map(&|_| "127.0.0.1:1".to_owned());
    let create = [
        "create-event",
        "--name",
        "x",
        "--seats",
        "1",
        "--deadline",
        "1s",
        "--map",
    ];
    call(&servers, &[&create[..], &[&right]].concat())
        .await
        .says(0, &["127.0.1."]);
    let ended = call(&servers, &[&create[..], &[&wrong]].concat()).await;
    assert!(
        matches!(ended.exit, Some(4 | 5)),
        "{:?} {}",
        ended.exit,
        ended.stderr
    );
}
