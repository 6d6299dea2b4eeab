//! Another process takes hold of what stands.

use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use labrunner::backend::docker::course::CourseOptions;
use labrunner::backend::standing::{self, Course, EnvironmentLock, Phase, Standing};
use labrunner::backend::{Backend, Docker, Life};
use labrunner::cluster::NodeName;
use labrunner::lab::action::{Action, Limits, NodeChange, RedisCliCall};
use tokio_util::sync::CancellationToken;

use crate::command::LONG;
use crate::engine;
use crate::engine::{course_turn as turn, docker, left_of};
use crate::until;

const LIMITS: Limits = Limits {
    time: Duration::from_secs(60),
    output: 64 * 1024,
};

fn cli(port: u16, words: &[&str]) -> Action {
    Action::RedisCli(RedisCliCall {
        port: Some(port),
        words: words.iter().map(|word| (*word).to_owned()).collect(),
        ..RedisCliCall::default()
    })
}

/// An environment of one node that knows no other, made without the command.
async fn one_node(state: &Path) {
    let _lock = EnvironmentLock::take(state, "a test").unwrap();
    let options = CourseOptions {
        image: std::env::var("LAB_REDIS_IMAGE").ok(),
        state_dir: state.to_owned(),
        ..CourseOptions::default()
    };
    let docker = Docker::prepare_course(options).await.unwrap();
    let mut standing = Standing::begin(
        "docker",
        None,
        None,
        docker.image(),
        docker.lock_path().unwrap(),
    );
    standing.write(state).unwrap();
    docker
        .start(&[NodeName::new("redis-1")], &CancellationToken::new())
        .await
        .unwrap();
    standing.phase = Phase::Ready;
    standing.write(state).unwrap();
}

async fn done(backend: &dyn Backend, action: &Action) -> String {
    let output = backend
        .perform(action, LIMITS, &CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(output.exit, Some(0), "{action:?}: {output:?}");
    output.stdout
}

#[tokio::test]
async fn another_process_takes_hold_of_what_stands() {
    let Some(_turn) = turn("another_process_takes_hold_of_what_stands") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let error = standing::attach(&state).await.map(|_| ()).unwrap_err();
    assert!(
        error.to_string().contains("no environment stands"),
        "{error}"
    );
    one_node(&state).await;

    let (standing, backend) = standing::attach(&state).await.unwrap();
    assert_eq!(standing.phase, Phase::Ready);
    let redis_1 = NodeName::new("redis-1");
    let address = backend.addresses().get(&redis_1).unwrap().clone();
    assert_eq!(address.announced.to_string(), "172.30.0.11:7001");
    assert_eq!(address.reachable.to_string(), "127.0.0.1:7001");
    assert_eq!(done(&*backend, &cli(7001, &["PING"])).await, "PONG\n");
    assert_eq!(
        backend.explain(&cli(7001, &["PING"])),
        "docker exec toolbox redis-cli -h 172.30.0.11 -p 7001 PING"
    );
    assert!(
        backend
            .log(&redis_1, 50)
            .await
            .unwrap()
            .contains("Ready to accept connections")
    );
    // A node that was not there yet.
    let change = |change, node: &str| Action::Nodes {
        change,
        nodes: vec![NodeName::new(node)],
    };
    done(&*backend, &change(NodeChange::Up, "redis-8")).await;
    done(&*backend, &change(NodeChange::Stop, "redis-1")).await;
    let lives: Vec<Life> = backend
        .nodes()
        .await
        .unwrap()
        .iter()
        .map(|node| node.life)
        .collect();
    assert_eq!((lives[0], lives[7]), (Life::Exited(0), Life::Running));
    drop(backend);
    // Nothing went with it.
    let (_, backend) = standing::attach(&state).await.unwrap();
    assert_eq!(done(&*backend, &cli(7008, &["PING"])).await, "PONG\n");
    // The toolbox was removed by somebody.
    engine::docker(&["rm", "--force", "--volumes", "toolbox"]);
    assert_eq!(done(&*backend, &cli(7008, &["PING"])).await, "PONG\n");

    let _lock = EnvironmentLock::take(&state, "a test").unwrap();
    let remains = standing::remove(&state).await.unwrap();
    assert_eq!((remains.containers, remains.networks), (3, 1));
    assert_eq!(engine::left_of("course"), Vec::<String>::new());
    let error = standing::attach(&state).await.map(|_| ()).unwrap_err();
    assert!(
        error.to_string().contains("no environment stands"),
        "{error}"
    );
    assert!(!state.join("environment").exists());
}

// ---- the command

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_stopped_does_not_end_another_process_s() {
    let Some(_turn) = turn("a_call_that_is_stopped_does_not_end_another_process_s") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    one_node(folder.path()).await;
    // Each is what another process would have: they know nothing of each other but by the files.
    let (_, one) = standing::attach(folder.path()).await.unwrap();
    let (_, two) = standing::attach(folder.path()).await.unwrap();
    let (_, three) = standing::attach(folder.path()).await.unwrap();
    until("redis-1 answers", || {
        std::net::TcpStream::connect("127.0.0.1:7001").is_ok()
    });
    let all = ["CLUSTER", "ADDSLOTSRANGE", "0", "16383"];
    assert_eq!(done(&*one, &cli(7001, &all)).await, "OK\n");
    let info = cli(7001, &["CLUSTER", "INFO"]);
    let deadline = Instant::now() + LONG;
    while !done(&*one, &info).await.contains("cluster_state:ok") {
        assert!(Instant::now() < deadline, "redis-1 takes no keys");
    }
    let waits =
        tokio::spawn(async move { done(&*one, &cli(7001, &["BLPOP", "list", "60"])).await });
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let stopped = tokio::spawn(async move {
        two.perform(&cli(7001, &["BLPOP", "never", "60"]), LIMITS, &stop)
            .await
    });
    let blocked = |count: &str| {
        let mut node = std::net::TcpStream::connect("127.0.0.1:7001").unwrap();
        node.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        node.write_all(b"INFO clients\r\nQUIT\r\n").unwrap();
        let mut info = String::new();
        node.read_to_string(&mut info).unwrap();
        info.contains(&format!("blocked_clients:{count}\r"))
    };
    until("both calls are under way", || blocked("2"));
    cancel.cancel();
    let output = stopped.await.unwrap().unwrap();
    assert_eq!(output.exit, None);
    until(
        "the stopped call is at its end in the container too",
        || blocked("1"),
    );
    assert_eq!(
        done(&*three, &cli(7001, &["RPUSH", "list", "here"])).await,
        "1\n"
    );
    assert_eq!(waits.await.unwrap(), "list\nhere\n");

    // A process that was killed in the middle of a call: its toolbox is not used before that call is ended.
    std::fs::write(folder.path().join("environment/toolbox-1.lock"), "in use").unwrap();
    let started = || docker(&["inspect", "--format", "{{.State.StartedAt}}", "toolbox"]);
    let before = started();
    assert_eq!(done(&*three, &cli(7001, &["PING"])).await, "PONG\n");
    assert_ne!(started(), before);
    let lock = EnvironmentLock::take(folder.path(), "a test").unwrap();
    let remains = standing::remove(folder.path()).await.unwrap();
    lock.remove();
    assert!(remains.containers >= 3, "{remains:?}");
    assert_eq!(left_of("course"), Vec::<String>::new());
}
