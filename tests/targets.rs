//! The course's targets on real containers: what they do, what they print, and when they refuse.
//!
//! Every test makes an environment of its own, and looks at it by itself: through a client of its own, and by asking docker.
#![allow(clippy::unwrap_used, clippy::panic)]

mod engine;
mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{left_of, remove_by_hand};
use labrunner::admin::{GivenKeys, Shape, await_agreement, create};
use labrunner::backend::{Backend, BackendError, Docker, DockerOptions, Life};
use labrunner::cluster::{NodeId, NodeName, Topology};
use labrunner::lab::action::{Action, Limits, NodeChange, Output, RedisCliCall};
use labrunner::lab::target::Target;
use labrunner::observe::read_back;
use labrunner::resp::{Client, Router};
use labrunner::targets::{self, Told};
use tokio::sync::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;

/// Long enough for anything that ends by itself, on a machine under load.
const LONG: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(20);
const LIMITS: Limits = Limits {
    time: LONG,
    output: 4 * 1024 * 1024,
};

/// An environment with a cluster in it; removed at the end of the test, however it ends.
struct Stage {
    backend: Arc<dyn Backend>,
    ids: BTreeMap<NodeName, NodeId>,
    run: String,
    _state: tempfile::TempDir,
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            remove_by_hand(&self.run);
        }
    }
}

/// Starting containers is work for the processor: tests that do it take turns.
static TURN: Mutex<()> = Mutex::const_new(());

/// Whose turn it is. `None` where the test can't run, which has been told then.
async fn turn(test: &str) -> Option<MutexGuard<'static, ()>> {
    if support::may_run("docker", test) {
        Some(TURN.lock().await)
    } else {
        None
    }
}

fn name(node: &str) -> NodeName {
    NodeName::new(node)
}

/// A cluster of these masters and replicas, `redis-1: 0-8191`, `redis-4: redis-1`, and `more` nodes that are started and in no cluster.
async fn stage(
    test: &str,
    masters: &[(&str, &str)],
    replicas: &[(&str, &str)],
    more: &[&str],
) -> Stage {
    let run = format!("tg-{test}-{}", std::process::id());
    let state = tempfile::tempdir().unwrap();
    let docker = Docker::prepare(DockerOptions {
        run: run.clone(),
        image: std::env::var("LAB_REDIS_IMAGE").ok(),
        state_dir: state.path().to_owned(),
        ..DockerOptions::default()
    })
    .await
    .expect("docker and an image are here");
    let mut stage = Stage {
        backend: Arc::new(docker),
        ids: BTreeMap::new(),
        run,
        _state: state,
    };
    let shape = Shape {
        node_timeout: Some(Duration::from_millis(1000)),
        masters: masters
            .iter()
            .map(|(node, slots)| (name(node), slots.parse().unwrap()))
            .collect(),
        replicas: replicas
            .iter()
            .map(|(node, master)| (name(node), name(master)))
            .collect(),
    };
    let nodes: Vec<NodeName> = shape
        .nodes()
        .cloned()
        .chain(more.iter().map(|node| name(node)))
        .collect();
    let cancel = CancellationToken::new();
    stage.backend.start(&nodes, &cancel).await.expect("started");
    stage.ids = create(&stage.backend.addresses(), &shape, LONG, &|_| ())
        .await
        .expect("a cluster");
    stage
}

impl Stage {
    async fn try_run(
        &self,
        target: &Target,
        limits: Limits,
        cancel: &CancellationToken,
    ) -> (Result<Output, BackendError>, Vec<Told>) {
        let mut told = Vec::new();
        let result = targets::run(target, &self.backend, limits, cancel, &mut |one| {
            told.push(one)
        })
        .await;
        (result, told)
    }

    async fn run(&self, target: Target) -> Output {
        let (result, told) = self
            .try_run(&target, LIMITS, &CancellationToken::new())
            .await;
        let output = result.expect("carried out");
        eprintln!(
            "── {target}: exit {:?}\n{}",
            output.exit,
            shortened(&output)
        );
        // What was told is what is in the output, in the same order.
        let of = |wanted: fn(&Told) -> Option<String>| -> String {
            told.iter().filter_map(wanted).collect()
        };
        let stdout = of(|told| match told {
            Told::Out(text) => Some(text.clone()),
            _ => None,
        });
        let stderr = of(|told| match told {
            Told::Command { typed, .. } => Some(format!("$ {typed}\n")),
            Told::Err(text) => Some(text.clone()),
            Told::Out(_) => None,
        });
        assert_eq!(
            (stdout, stderr),
            (output.stdout.clone(), output.stderr.clone())
        );
        output
    }

    /// Runs a target that has to refuse, and returns why it does.
    async fn refused(&self, target: Target) -> String {
        let output = self.run(target).await;
        assert_eq!(output.exit, Some(1), "{output:?}");
        assert_eq!(output.stdout, "");
        assert!(!output.stderr.contains('$'), "it ran something: {output:?}");
        output.stderr
    }

    async fn change(&self, change: NodeChange, node: &str) {
        let nodes = vec![name(node)];
        let action = Action::Nodes { change, nodes };
        let cancel = CancellationToken::new();
        let output = self.backend.perform(&action, LIMITS, &cancel).await;
        assert_eq!(output.expect("carried out").exit, Some(0));
    }

    async fn ask(&self, node: &str, words: &[&str]) -> Option<String> {
        let book = self.backend.addresses();
        let client = Client::new(book.get(&name(node)).unwrap().clone(), LONG);
        let reply = client.call(words).await.ok()?;
        Some(reply.as_text()?.into_owned())
    }

    async fn view(&self, node: &str) -> Option<Topology> {
        Topology::parse(&self.ask(node, &["CLUSTER", "NODES"]).await?).ok()
    }

    async fn owned(&self, node: &str) -> usize {
        let view = self.view(node).await.unwrap();
        view.myself().unwrap().slots.len()
    }

    async fn life(&self, node: &str) -> Life {
        let states = self.backend.nodes().await.unwrap();
        states
            .into_iter()
            .find(|state| state.name.as_str() == node)
            .unwrap()
            .life
    }

    /// Waits until `node` sees it so.
    async fn sees(&self, node: &str, what: &str, so: impl Fn(&Topology) -> bool) {
        let deadline = Instant::now() + LONG;
        loop {
            let view = self.view(node).await;
            if view.as_ref().is_some_and(&so) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{node} never sees {what}: {view:?}"
            );
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn says(&self, node: &str, words: &[&str], text: &str) {
        let deadline = Instant::now() + LONG;
        loop {
            let said = self.ask(node, words).await;
            if said.as_ref().is_some_and(|said| said.contains(text)) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{node} never says {text}: {said:?}"
            );
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// `redis-cli --cluster fix`, and then the nodes agree.
    async fn mend(&self, node: &str) {
        let port = node.replace("redis-", "127.0.0.1:700");
        let action = Action::RedisCli(RedisCliCall {
            cluster_mode: true,
            words: vec!["fix".to_owned(), port, "--cluster-yes".to_owned()],
            ..RedisCliCall::default()
        });
        let cancel = CancellationToken::new();
        let output = self.backend.perform(&action, LIMITS, &cancel).await;
        assert_eq!(output.expect("carried out").exit, Some(0));
        let names: Vec<NodeName> = self.ids.keys().cloned().collect();
        await_agreement(&self.backend.addresses(), &names, LONG)
            .await
            .unwrap();
    }

    fn router(&self) -> Router {
        Router::new(self.backend.addresses(), LONG)
    }

    async fn remove(self) {
        self.backend.remove().await.expect("removed");
        assert_eq!(left_of(&self.run), Vec::<String>::new());
    }
}

/// What was printed, without the thousand lines of a reshard.
fn shortened(output: &Output) -> String {
    let lines: Vec<&str> = output.combined.lines().collect();
    let kept = lines
        .iter()
        .filter(|line| !line.trim_start().starts_with("Moving slot"));
    kept.map(|line| format!("{line}\n")).collect()
}

const THREE: [(&str, &str); 3] = [
    ("redis-1", "0-5460"),
    ("redis-2", "5461-10922"),
    ("redis-3", "10923-16383"),
];

fn failover(node: &str) -> Target {
    Target::Failover { node: name(node) }
}

fn recover(node: &str) -> Target {
    Target::Recover { node: name(node) }
}

fn scale_down(node: &str) -> Target {
    Target::ScaleDown { node: name(node) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_fails_over_and_comes_back() {
    let Some(_turn) = turn("a_master_fails_over_and_comes_back").await else {
        return;
    };
    let stage = stage("fail", &THREE, &[("redis-4", "redis-1")], &[]).await;

    // The text of CLUSTER NODES and nothing else is on the standard output.
    let nodes = stage.run(Target::ClusterNodes).await;
    let view = Topology::parse(&nodes.stdout).unwrap();
    assert_eq!(view.nodes.len(), 4);
    assert_eq!(
        view.myself().unwrap().endpoint.to_string(),
        "172.30.0.11:7001"
    );
    assert_eq!(nodes.stderr, "$ redis-cli -p 7001 CLUSTER NODES\n");

    let info = stage.run(Target::ClusterInfo).await;
    for fact in [
        "cluster_state:ok",
        "cluster_slots_assigned:16384",
        "cluster_size:3",
        " in 3 masters",
    ] {
        assert!(info.stdout.contains(fact), "{fact}: {}", info.stdout);
    }
    assert_eq!(
        info.stderr,
        "$ redis-cli -p 7001 CLUSTER INFO\n$ redis-cli --cluster info 127.0.0.1:7001\n"
    );

    let why = stage.refused(failover("redis-4")).await;
    insta::assert_snapshot!(why, @r"
    refused: redis-4 is a replica of redis-1: nobody has to take over from it
       help: name a master: NODE=7001 (redis-1), NODE=7002 (redis-2) or NODE=7003 (redis-3)
    ");
    let why = stage.refused(failover("redis-2")).await;
    insta::assert_snapshot!(why.replace(&stage.ids[&name("redis-2")].to_string(), "ID"), @r"
    refused: redis-2 has no replica: nobody could take over from it, and the cluster would be without its 5462 slots
       help: name another master, or give it a replica: redis-cli -p PORT CLUSTER REPLICATE ID, at a node that owns no slots
    ");
    let why = stage.refused(failover("redis-8")).await;
    insta::assert_snapshot!(why, @r"
    refused: redis-8 is not started
       help: docker compose up -d redis-8
    ");
    let why = stage.refused(recover("redis-1")).await;
    insta::assert_snapshot!(why, @r"
    refused: redis-1 is running already
       help: make failover NODE=7001 stops it
    ");
    assert_eq!(stage.life("redis-1").await, Life::Running);

    let output = stage.run(failover("redis-1")).await;
    assert_eq!(output.exit, Some(0));
    assert_eq!(output.stdout, "redis-1\n");
    insta::assert_snapshot!(output.stderr, @r"
    $ docker stop redis-1
    note: redis-1 is stopped; redis-4 can take over; make watch-cluster shows how it goes
    ");
    assert!(matches!(stage.life("redis-1").await, Life::Exited(_)));
    let why = stage.refused(failover("redis-1")).await;
    insta::assert_snapshot!(why, @r"
    refused: redis-1 is not running: it ended with exit code 0
       help: docker start redis-1, which make recover NODE=7001 does
    ");

    let four = stage.ids[&name("redis-4")];
    stage
        .sees("redis-2", "redis-4 as a master", |view| {
            view.node(four).is_some_and(|node| node.slots.len() == 5461)
        })
        .await;
    // The first that answers now is redis-2.
    let nodes = stage.run(Target::ClusterNodes).await;
    assert_eq!(nodes.stderr, "$ redis-cli -p 7002 CLUSTER NODES\n");
    assert!(
        nodes.stdout.contains("172.30.0.11:7001@17001 master,fail"),
        "{}",
        nodes.stdout
    );

    let output = stage.run(recover("redis-1")).await;
    assert_eq!(
        (output.exit, output.stdout.as_str()),
        (Some(0), "redis-1\n")
    );
    assert_eq!(output.stderr, "$ docker start redis-1\n");
    stage
        .sees("redis-1", "itself as a replica of redis-4", |view| {
            view.myself().is_some_and(|node| node.master == Some(four))
        })
        .await;
    stage.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_is_emptied_and_no_key_is_lost() {
    let Some(_turn) = turn("a_master_is_emptied_and_no_key_is_lost").await else {
        return;
    };
    let masters = [
        ("redis-1", "1365-5460"),
        ("redis-2", "6827-10922"),
        ("redis-3", "12288-16383"),
        ("redis-7", "0-1364 5461-6826 10923-12287"),
    ];
    let replicas = [("redis-4", "redis-1"), ("redis-8", "redis-7")];
    let stage = stage("down", &masters, &replicas, &["redis-6"]).await;
    let keys = GivenKeys {
        count: 2000,
        hot_slot: None,
    };
    let router = stage.router();
    keys.write(&router, LONG).await.unwrap();

    let masked = |why: String| {
        stage.ids.iter().fold(why, |why, (name, id)| {
            why.replace(&id.to_string(), &format!("<{name}-id>"))
        })
    };
    let why = stage.refused(scale_down("redis-4")).await;
    insta::assert_snapshot!(masked(why), @r"
    refused: redis-4 is a replica of redis-1: it owns no slots, and it is the only replica of redis-1
       help: a node without slots can be removed as it is: redis-cli --cluster del-node 127.0.0.1:7001 <redis-4-id>
    ");
    let why = stage.refused(scale_down("redis-8")).await;
    insta::assert_snapshot!(masked(why), @r"
    refused: redis-8 is a replica of redis-7: it owns no slots, and it is the only replica of redis-7
       help: a node without slots can be removed as it is: redis-cli --cluster del-node 127.0.0.1:7001 <redis-8-id>
    ");
    let why = stage.refused(scale_down("redis-6")).await;
    insta::assert_snapshot!(masked(why), @r"
    refused: redis-6 is in no cluster: it knows no other node and owns no slots
       help: make cluster-nodes shows who is in it
    ");

    let output = stage.run(scale_down("redis-7")).await;
    assert_eq!(output.exit, Some(0));
    assert_eq!(stage.owned("redis-7").await, 0);
    let owned = [
        stage.owned("redis-1").await,
        stage.owned("redis-2").await,
        stage.owned("redis-3").await,
    ];
    assert_eq!(owned.iter().sum::<usize>(), 16384);
    assert_eq!(
        owned.iter().max().unwrap() - owned.iter().min().unwrap(),
        1,
        "{owned:?}"
    );
    let report = read_back(&stage.router(), &keys).await;
    assert!(report.all_intact(), "{report:?}");
    let (before, after) = output
        .stderr
        .split_once("note: redis-7 is a replica")
        .unwrap();
    // Which master the replica and the emptied node follow is the server's decision.
    assert!(after.starts_with(" of redis-"), "{after}");
    let before: String = before
        .lines()
        .filter(|line| !line.contains("redis-8 is a replica of"))
        .map(|line| format!("{line}\n"))
        .collect();
    insta::assert_snapshot!(masked(before), @r"
    note: redis-8 replicates redis-7: remove it first, or it will follow the slots
    $ redis-cli --cluster reshard 127.0.0.1:7001 --cluster-from <redis-7-id> --cluster-to <redis-1-id> --cluster-slots 1366 --cluster-yes
    $ redis-cli --cluster reshard 127.0.0.1:7001 --cluster-from <redis-7-id> --cluster-to <redis-2-id> --cluster-slots 1365 --cluster-yes
    $ redis-cli --cluster reshard 127.0.0.1:7001 --cluster-from <redis-7-id> --cluster-to <redis-3-id> --cluster-slots 1365 --cluster-yes
    redis-7 owns no slots any more: redis-1 got 1366 and owns 5462; redis-2 got 1365 and owns 5461; redis-3 got 1365 and owns 5461
    ");

    let why = stage.refused(scale_down("redis-7")).await;
    insta::assert_snapshot!(masked(why), @r"
    refused: redis-7 is a replica of redis-3: it owns no slots
       help: a node without slots can be removed as it is: redis-cli --cluster del-node 127.0.0.1:7001 <redis-7-id>
    ");
    stage.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_joins_the_master_that_is_meant() {
    let Some(_turn) = turn("a_replica_joins_the_master_that_is_meant").await else {
        return;
    };
    // Of itself redis-cli would take redis-1, which has no replica.
    let masters = [("redis-1", "0-8191"), ("redis-7", "8192-16383")];
    let stage = stage("join", &masters, &[("redis-4", "redis-7")], &[]).await;
    let why = stage.refused(Target::ScaleAddReplica).await;
    insta::assert_snapshot!(why, @r"
    refused: redis-8 is not started
       help: docker compose up -d redis-8
    ");
    // It is not waited for until it answers.
    stage.change(NodeChange::Up, "redis-8").await;
    let output = stage.run(Target::ScaleAddReplica).await;
    assert_eq!(output.exit, Some(0));
    let seven = stage.ids[&name("redis-7")];
    insta::assert_snapshot!(output.stderr.replace(&seven.to_string(), "<redis-7-id>"), @r"
    note: of itself redis-cli would choose the master with the fewest replicas, and redis-1 has fewer than redis-7; so it is told which
    $ redis-cli --cluster add-node 172.30.0.18:7008 172.30.0.17:7007 --cluster-slave --cluster-master-id <redis-7-id>
    note: redis-8 is a replica of redis-7; within seconds it has all its data, and redis-cli -p 7008 INFO replication says master_link_status:up
    ");
    let itself = stage.view("redis-8").await.unwrap();
    assert_eq!(itself.myself().unwrap().master, Some(seven));
    stage
        .says("redis-8", &["INFO", "replication"], "master_link_status:up")
        .await;
    let why = stage.refused(Target::ScaleAddReplica).await;
    insta::assert_snapshot!(why, @r"
    refused: redis-8 is in the cluster already, as a replica of redis-7
       help: make cluster-nodes shows it
    ");
    stage.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_break_the_cluster_is_refused() {
    let Some(_turn) = turn("what_would_break_the_cluster_is_refused").await else {
        return;
    };
    let stage = stage("refuse", &THREE, &[("redis-4", "redis-1")], &["redis-7"]).await;
    let masked = |why: String| {
        stage.ids.iter().fold(why, |why, (name, id)| {
            why.replace(&id.to_string(), &format!("<{name}-id>"))
        })
    };
    let why = stage.refused(scale_down("redis-1")).await;
    insta::assert_snapshot!(masked(why), @r"
    refused: redis-1 has the last of the cluster's replicas, redis-4: once its slots are gone, nothing is left that could take over where it was planned
       help: let another master have them first:
               redis-cli -p 7004 CLUSTER REPLICATE <redis-2-id>
             or remove them first:
               redis-cli --cluster del-node 127.0.0.1:7002 <redis-4-id>
    ");
    let why = stage.refused(scale_down("redis-8")).await;
    insta::assert_snapshot!(masked(why), @r"
    refused: redis-8 is not started
       help: docker compose up -d redis-8
    ");
    let why = stage.refused(failover("redis-7")).await;
    insta::assert_snapshot!(masked(why), @r"
    refused: redis-7 is in no cluster: it knows no other node and owns no slots
       help: make cluster-nodes shows who is in it
    ");

    // A slot on its way.
    let two = stage.ids[&name("redis-2")].to_string();
    let open = ["CLUSTER", "SETSLOT", "93", "MIGRATING", &two];
    stage.ask("redis-1", &open).await.unwrap();
    let why = stage.refused(scale_down("redis-3")).await;
    insta::assert_snapshot!(masked(why), @r"
    refused: slots are on their way already: slot 93 from redis-1 to redis-2
       help: let whoever moves them finish; if nobody does any more: redis-cli --cluster fix 127.0.0.1:7001
    ");
    let close = ["CLUSTER", "SETSLOT", "93", "STABLE"];
    stage.ask("redis-1", &close).await.unwrap();

    // The replica is frozen.
    stage.change(NodeChange::Pause, "redis-4").await;
    let why = stage.refused(failover("redis-1")).await;
    insta::assert_snapshot!(masked(why), @r"
    refused: nobody could take over from redis-1: redis-4 is paused
       help: docker unpause redis-4
    ");
    let why = stage.refused(recover("redis-4")).await;
    insta::assert_snapshot!(masked(why), @r"
    refused: redis-4 is paused
       help: docker unpause redis-4
    ");
    stage.change(NodeChange::Unpause, "redis-4").await;

    // The cluster is not ok.
    stage.change(NodeChange::Stop, "redis-3").await;
    stage
        .says("redis-1", &["CLUSTER", "INFO"], "cluster_state:fail")
        .await;
    stage
        .says("redis-2", &["CLUSTER", "INFO"], "cluster_state:fail")
        .await;
    stage
        .says("redis-4", &["CLUSTER", "INFO"], "cluster_state:fail")
        .await;
    let why = stage.refused(failover("redis-1")).await;
    insta::assert_snapshot!(masked(why), @r"
    refused: the cluster is not ok already: redis-1, redis-2 and redis-4 say cluster_state:fail
       help: make watch-cluster shows what is missing; make recover NODE=PORT starts a node that is stopped
    ");
    let why = stage.refused(scale_down("redis-2")).await;
    insta::assert_snapshot!(masked(why), @r"
    refused: the cluster is not ok already: redis-1, redis-2 and redis-4 say cluster_state:fail
       help: make watch-cluster shows what is missing; make recover NODE=PORT starts a node that is stopped
    ");
    stage.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scale_down_that_is_broken_off_says_how_far_it_came_and_goes_on_from_there() {
    let Some(_turn) = turn("a_scale_down_that_is_broken_off").await else {
        return;
    };
    let stage = stage("half", &THREE, &[], &[]).await;
    let all = stage.owned("redis-3").await;
    // Time for some slots and not for all.
    let limits = Limits {
        time: Duration::from_millis(2500),
        ..LIMITS
    };
    let cancel = CancellationToken::new();
    let (result, _) = stage.try_run(&scale_down("redis-3"), limits, &cancel).await;
    let output = result.expect("carried out");
    eprintln!("{}", shortened(&output));
    assert_eq!(output.exit, None, "{}", shortened(&output));
    let left = stage.owned("redis-3").await;
    assert!(0 < left && left < all, "{left} of {all}");
    let said = format!("redis-3 owns {left} slots, ");
    assert!(output.stderr.contains(&said), "{}", output.stderr);
    assert!(
        output
            .stderr
            .contains("make scale-down NODE=7003 goes on from there"),
        "{}",
        output.stderr
    );

    // Called off, it says the same.
    let cancel = CancellationToken::new();
    let target = scale_down("redis-3");
    let mut told = Vec::new();
    let mut tell = |one: Told| {
        if matches!(&one, Told::Command { .. }) {
            cancel.cancel();
        }
        told.push(one);
    };
    // A slot may be left half moved; redis-cli has a command for that.
    for seed in ["redis-1", "redis-2", "redis-3"] {
        stage.mend(seed).await;
    }
    let result = targets::run(&target, &stage.backend, LIMITS, &cancel, &mut tell).await;
    assert!(matches!(result, Err(BackendError::Cancelled)), "{result:?}");
    assert!(
        matches!(told.last(), Some(Told::Err(text)) if text.contains("goes on from there")),
        "{told:?}"
    );

    stage.mend("redis-1").await;
    let output = stage.run(scale_down("redis-3")).await;
    assert_eq!(output.exit, Some(0));
    assert_eq!(stage.owned("redis-3").await, 0);
    stage.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_shows_what_happens_although_a_node_hangs() {
    let Some(_turn) = turn("a_watch_shows_what_happens").await else {
        return;
    };
    let stage = stage("watch", &THREE, &[("redis-4", "redis-1")], &[]).await;
    let cancel = CancellationToken::new();
    let pictures = Arc::new(std::sync::Mutex::new(String::new()));
    let watching = tokio::spawn({
        let (backend, cancel, pictures) = (stage.backend.clone(), cancel.clone(), pictures.clone());
        async move {
            let mut tell = |told| match told {
                Told::Out(text) => pictures.lock().unwrap().push_str(&text),
                other => panic!("{other:?}"),
            };
            targets::run(&Target::WatchCluster, &backend, LIMITS, &cancel, &mut tell).await
        }
    });
    let shows = async |what: &str, from: usize| {
        let deadline = Instant::now() + LONG;
        loop {
            let text = pictures.lock().unwrap().clone();
            if let Some(at) = text[from..].find(what) {
                return from + at;
            }
            assert!(
                Instant::now() < deadline,
                "it never shows {what:?}:\n{text}"
            );
            tokio::time::sleep(PAUSE).await;
        }
    };
    let at = shows("cluster ok  3 masters, 1 replica  16384 slots served", 0).await;
    assert_eq!(at, "after 0.".len() + "0 s\n".len());
    stage.change(NodeChange::Pause, "redis-1").await;
    let at = shows("paused", at).await;
    let at = shows("redis-4  7004  master", at).await;
    stage.change(NodeChange::Unpause, "redis-1").await;
    shows("redis-1  7001  replica of redis-4", at).await;
    cancel.cancel();
    let output = watching.await.unwrap().expect("an end");
    assert_eq!(output.exit, Some(0));
    let text = pictures.lock().unwrap().clone();
    assert_eq!(output.stdout, text);
    assert!(text.is_ascii(), "{text}");
    eprintln!("{text}");
    let bodies: Vec<&str> = text
        .split_terminator("\n\n")
        .map(|picture| picture.split_once('\n').unwrap().1)
        .collect();
    // What does not change is not shown again, however often it was looked at.
    assert!(bodies.len() >= 4, "{text}");
    assert!(bodies.windows(2).all(|two| two[0] != two[1]), "{text}");
    // Its time over, it ends as well, and so it does when the nodes are gone.
    let limits = Limits {
        time: Duration::from_millis(300),
        ..LIMITS
    };
    let fresh = CancellationToken::new();
    let (result, _) = stage.try_run(&Target::WatchCluster, limits, &fresh).await;
    assert_eq!(result.expect("an end").exit, Some(0));
    stage.backend.remove().await.expect("removed");
    let (result, _) = stage.try_run(&Target::WatchCluster, LIMITS, &fresh).await;
    match result {
        Err(BackendError::Broken { what, .. }) => assert!(what.contains("is gone"), "{what}"),
        other => panic!("{other:?}"),
    }
    stage.remove().await;
}
