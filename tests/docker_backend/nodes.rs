//! Nodes: where they answer, what becomes of them, and of what passes between them.

use std::process::Command;
use std::time::{Duration, Instant};

use labrunner::backend::{Backend, BackendError, Life};
use labrunner::cluster::NodeName;
use labrunner::lab::action::{Action, LinkChange, NodeChange, RedisCliCall};
use tokio_util::sync::CancellationToken;

use crate::engine::docker;
use crate::lab::{LIMITS, LONG, cli, names, nodes, started};

#[tokio::test(flavor = "multi_thread")]
async fn single_nodes_are_removed_with_their_data_and_made_anew() {
    let Some(lab) = started("single", &["redis-1", "redis-2"]).await else {
        return;
    };
    let id = lab.ok(&cli(7001, &["CLUSTER", "MYID"])).await;
    lab.ok(&nodes(NodeChange::Stop, &["redis-2"])).await;
    let container = |node: &str| format!("labrunner-{}-{node}", lab.run);
    let volume = docker(&[
        "inspect",
        "--format",
        "{{(index .Mounts 0).Name}}",
        &container("redis-1"),
    ]);
    let volumes = || docker(&["volume", "ls", "--quiet"]);
    assert!(volumes().contains(volume.trim()), "{volume}");
    // One that runs, one that does not, and one that is not there.
    let all = names(&["redis-1", "redis-2", "redis-3"]);
    let never = CancellationToken::new();
    lab.docker
        .remove_nodes(&all, &never)
        .await
        .expect("removed");
    assert!(!volumes().contains(volume.trim()), "its data is gone");
    for node in ["redis-1", "redis-2", "redis-3"] {
        assert_eq!(lab.life(node).await, Life::Absent, "{node}");
    }
    lab.start(&["redis-1", "redis-3"]).await;
    assert_ne!(
        lab.ok(&cli(7001, &["CLUSTER", "MYID"])).await,
        id,
        "it has forgotten"
    );
    assert_eq!(lab.life("redis-2").await, Life::Absent);

    let called_off = CancellationToken::new();
    called_off.cancel();
    let error = lab.docker.remove_nodes(&all, &called_off).await;
    assert!(matches!(error, Err(BackendError::Cancelled)), "{error:?}");
    lab.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_answer_at_their_addresses_and_through_the_toolbox_in_the_courses_terms() {
    let Some(lab) = started("terms", &["redis-1", "redis-2"]).await else {
        return;
    };
    assert!(lab.docker.why().contains("image "), "{}", lab.docker.why());
    assert_eq!(lab.ok(&cli(7001, &["PING"])).await, "PONG\n");

    // An address of the course goes in, reaches the node that it means, and comes out again.
    lab.ok(&cli(7001, &["CLUSTER", "MEET", "172.30.0.12", "7002"]))
        .await;
    let deadline = Instant::now() + LONG;
    let known = loop {
        let known = lab.ok(&cli(7002, &["CLUSTER", "NODES"])).await;
        if known.contains("172.30.0.11:7001@17001") && known.contains("172.30.0.12:7002@17002") {
            break known;
        }
        assert!(Instant::now() < deadline, "{known}");
    };
    assert!(
        !known.contains("10.213.") && !known.contains("172.31."),
        "{known}"
    );
    // What the nodes really announce is in the address book.
    let announced = lab.address("redis-1").announced.to_string();
    assert_ne!(announced, "172.30.0.11:7001");

    for host in ["redis-1", "172.30.0.11", "localhost", "127.0.0.1"] {
        let call = RedisCliCall {
            host: Some(host.to_owned()),
            port: Some(7001),
            words: vec!["PING".to_owned()],
            ..RedisCliCall::default()
        };
        assert_eq!(lab.ok(&Action::RedisCli(call)).await, "PONG\n", "{host}");
    }
    for seed in [
        "redis-1:7001",
        "172.30.0.11:7001",
        "localhost:7001",
        "127.0.0.1:7001",
    ] {
        let words = ["info", seed].map(str::to_owned).into();
        let call = RedisCliCall {
            words,
            cluster_mode: true,
            ..RedisCliCall::default()
        };
        let printed = lab.ok(&Action::RedisCli(call)).await;
        assert!(printed.contains("172.30.0.11:7001"), "{seed}: {printed}");
    }

    // What stands in for input is read; nothing of ours is.
    let call = RedisCliCall {
        port: Some(7001),
        stdin: Some("PING\nECHO 172.30.0.12\n".to_owned()),
        ..RedisCliCall::default()
    };
    assert_eq!(lab.ok(&Action::RedisCli(call)).await, "PONG\n172.30.0.12\n");
    let call = RedisCliCall {
        port: Some(7001),
        ..RedisCliCall::default()
    };
    assert_eq!(lab.ok(&Action::RedisCli(call)).await, "");

    // An error of redis-cli is an output; a call to nobody is none.
    let refused = lab.perform(&cli(7005, &["PING"])).await;
    assert_eq!(
        (refused.exit, refused.stderr.trim()),
        (
            Some(1),
            "Could not connect to Redis at 127.0.0.1:7005: Connection refused"
        )
    );
    let call = RedisCliCall {
        host: Some("redis-1".to_owned()),
        port: Some(7002),
        words: vec!["PING".to_owned()],
        ..RedisCliCall::default()
    };
    let refused = lab.perform(&Action::RedisCli(call)).await;
    assert_eq!(
        (refused.exit, refused.stderr.trim()),
        (
            Some(1),
            "Could not connect to Redis at 172.30.0.11:7002: Connection refused"
        )
    );
    let nobody = lab
        .docker
        .perform(&cli(6379, &["PING"]), LIMITS, &CancellationToken::new())
        .await;
    assert!(
        matches!(nobody, Err(BackendError::Broken { .. })),
        "{nobody:?}"
    );

    let log = lab
        .docker
        .log(&NodeName::new("redis-1"), 50)
        .await
        .expect("a log");
    assert!(log.contains("Ready to accept connections"), "{log}");
    let explained = lab.docker.explain(&cli(7001, &["SET", "a key", "1"]));
    assert!(
        explained.starts_with(&format!(
            "docker exec labrunner-{}-toolbox redis-cli -h ",
            lab.run
        )),
        "{explained}"
    );
    assert!(explained.ends_with("-p 7001 SET 'a key' 1"), "{explained}");
    lab.remove().await;
    assert!(!lab.files().exists());
    lab.docker
        .remove()
        .await
        .expect("a second time does nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nodes_life_is_changed_as_the_course_says() {
    let Some(lab) = started("life", &["redis-1", "redis-2"]).await else {
        return;
    };
    assert_eq!(lab.life("redis-1").await, Life::Running);
    assert_eq!(lab.life("redis-8").await, Life::Absent);

    assert_eq!(
        lab.ok(&nodes(NodeChange::Pause, &["redis-1"])).await,
        "redis-1\n"
    );
    assert_eq!(lab.life("redis-1").await, Life::Paused);
    lab.answers("redis-1", false).await;
    // The toolbox works although a node does not.
    assert_eq!(lab.ok(&cli(7002, &["PING"])).await, "PONG\n");
    lab.ok(&nodes(NodeChange::Unpause, &["redis-1"])).await;
    lab.answers("redis-1", true).await;

    lab.ok(&nodes(NodeChange::Stop, &["redis-1"])).await;
    assert_eq!(lab.life("redis-1").await, Life::Exited(0));
    lab.answers("redis-1", false).await;
    let log = lab
        .docker
        .log(&NodeName::new("redis-1"), 5)
        .await
        .expect("a dead node has a log");
    assert!(log.contains("bye bye"), "{log}");
    lab.ok(&nodes(NodeChange::Start, &["redis-1"])).await;
    lab.answers("redis-1", true).await;

    lab.ok(&nodes(NodeChange::Kill, &["redis-1", "redis-2"]))
        .await;
    assert_eq!(lab.life("redis-1").await, Life::Exited(137));
    assert_eq!(lab.life("redis-2").await, Life::Exited(137));
    // Refused at once, in the words that a reader sees.
    let refused = lab.perform(&cli(7002, &["PING"])).await;
    assert_eq!(refused.exit, Some(1));
    assert_eq!(
        refused.stderr.trim(),
        "Could not connect to Redis at 127.0.0.1:7002: Connection refused"
    );
    assert!(refused.took < Duration::from_secs(5), "{refused:?}");
    lab.ok(&nodes(NodeChange::Restart, &["redis-1"])).await;
    lab.answers("redis-1", true).await;

    assert_eq!(
        lab.ok(&nodes(NodeChange::Remove, &["redis-2"])).await,
        "redis-2\n"
    );
    assert_eq!(lab.life("redis-2").await, Life::Absent);
    let gone = lab.perform(&nodes(NodeChange::Stop, &["redis-2"])).await;
    assert_eq!(gone.exit, Some(1));
    assert!(
        gone.stderr.contains("No such container: redis-2"),
        "{gone:?}"
    );

    // One that was removed, and one that was never made.
    let up = lab
        .perform(&nodes(NodeChange::Up, &["redis-2", "redis-8"]))
        .await;
    assert_eq!(up.exit, Some(0), "{up:?}");
    assert!(
        up.combined.contains("redis-8") && !up.combined.contains(&lab.run),
        "{up:?}"
    );
    lab.answers("redis-2", true).await;
    lab.answers("redis-8", true).await;
    lab.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nodes_links_are_cut_and_healed() {
    let Some(lab) = started("links", &["redis-1", "redis-2"]).await else {
        return;
    };
    let links = |change| Action::Links {
        change,
        node: NodeName::new("redis-1"),
    };
    lab.ok(&links(LinkChange::Disconnect)).await;
    lab.answers("redis-1", false).await;
    assert_eq!(lab.life("redis-1").await, Life::Running);
    assert_eq!(lab.perform(&cli(7001, &["PING"])).await.exit, Some(1));
    assert_eq!(lab.ok(&cli(7002, &["PING"])).await, "PONG\n");

    lab.ok(&links(LinkChange::Connect)).await;
    // At its own address, and at its own port on the host.
    lab.answers("redis-1", true).await;
    assert_eq!(lab.ok(&cli(7001, &["PING"])).await, "PONG\n");
    let by_name = Command::new("docker")
        .args([
            "exec",
            &format!("labrunner-{}-toolbox", lab.run),
            "redis-cli",
            "-h",
            "redis-1",
            "-p",
            "7001",
            "PING",
        ])
        .output()
        .expect("docker starts");
    assert_eq!(String::from_utf8_lossy(&by_name.stdout), "PONG\n");
    lab.remove().await;
}
