//! A cluster to play on, what is asked of it, and the targets.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use labrunner::admin::{await_agreement, create};
use labrunner::backend::{Backend, BackendError, Docker, DockerOptions, Life};
use labrunner::cluster::{NodeId, NodeName, Topology};
use labrunner::lab::action::{Action, Limits, NodeChange, Output, RedisCliCall};
use labrunner::lab::target::Target;
use labrunner::resp::{Client, Router};
use labrunner::targets::{self, Told};
use tokio_util::sync::CancellationToken;

use crate::engine::{docker, left_of, remove_by_hand};
use crate::shapes::shape;

/// Long enough for anything that ends by itself, on a machine under load.
pub const LONG: Duration = Duration::from_secs(90);
pub const PAUSE: Duration = Duration::from_millis(20);
/// For one answer of one node. Who waits until a node sees something asks again then, so that one call that comes to no end is not the end of the wait.
const ANSWER: Duration = Duration::from_secs(10);
pub const LIMITS: Limits = Limits {
    time: LONG,
    output: 4 * 1024 * 1024,
};

/// An environment with a cluster in it; removed at the end of the test, however it ends.
pub struct Stage {
    pub backend: Arc<dyn Backend>,
    pub ids: BTreeMap<NodeName, NodeId>,
    pub run: String,
    _state: tempfile::TempDir,
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            remove_by_hand(&self.run);
        }
    }
}

pub fn name(node: &str) -> NodeName {
    NodeName::new(node)
}

/// A cluster of these masters and replicas, `redis-1: 0-8191`, `redis-4: redis-1`, and `more` nodes that are started and in no cluster.
pub async fn stage(
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
    let shape = shape(Duration::from_millis(1000), masters, replicas);
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
    pub async fn try_run(
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

    pub async fn run(&self, target: Target) -> Output {
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
    pub async fn refused(&self, target: Target) -> String {
        let output = self.run(target).await;
        assert_eq!(output.exit, Some(1), "{output:?}");
        assert_eq!(output.stdout, "");
        assert!(!output.stderr.contains('$'), "it ran something: {output:?}");
        output.stderr
    }

    pub async fn change(&self, change: NodeChange, node: &str) {
        let nodes = vec![name(node)];
        let action = Action::Nodes { change, nodes };
        let cancel = CancellationToken::new();
        let output = self.backend.perform(&action, LIMITS, &cancel).await;
        assert_eq!(output.expect("carried out").exit, Some(0));
    }

    /// What a node answers, or why it is no text.
    pub async fn ask(&self, node: &str, words: &[&str]) -> Result<String, String> {
        let book = self.backend.addresses();
        let client = Client::new(book.get(&name(node)).unwrap().clone(), ANSWER);
        let reply = client.call(words).await.map_err(|why| why.to_string())?;
        let text = reply.as_text().map(Cow::into_owned);
        text.ok_or_else(|| format!("{reply:?}"))
    }

    pub async fn view(&self, node: &str) -> Result<Topology, String> {
        let nodes = self.ask(node, &["CLUSTER", "NODES"]).await?;
        Topology::parse(&nodes).map_err(|why| why.to_string())
    }

    pub async fn owned(&self, node: &str) -> usize {
        let view = self.view(node).await.unwrap();
        view.myself().unwrap().slots.len()
    }

    pub async fn life(&self, node: &str) -> Life {
        let states = self.backend.nodes().await.unwrap();
        states
            .into_iter()
            .find(|state| state.name.as_str() == node)
            .unwrap()
            .life
    }

    /// Waits until `node` sees it so.
    pub async fn sees(&self, node: &str, what: &str, so: impl Fn(&Topology) -> bool) {
        let deadline = Instant::now() + LONG;
        loop {
            let view = self.view(node).await;
            if view.as_ref().is_ok_and(&so) {
                return;
            }
            if Instant::now() > deadline {
                self.show(node).await;
                panic!("{node} never sees {what}: {view:?}");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Shows how a node is, for whoever reads why a test failed.
    async fn show(&self, node: &str) {
        let log = self.backend.log(&name(node), 30).await;
        eprintln!(
            "── {node}: {:?}\n{}",
            self.life(node).await,
            log.unwrap_or_else(|why| why.to_string())
        );
        let filter = format!("label=labrunner.run={}", self.run);
        eprintln!(
            "── docker ps\n{}",
            docker(&["ps", "--all", "--filter", &filter])
        );
    }

    pub async fn says(&self, node: &str, words: &[&str], text: &str) {
        let deadline = Instant::now() + LONG;
        loop {
            let said = self.ask(node, words).await;
            if said.as_ref().is_ok_and(|said| said.contains(text)) {
                return;
            }
            if Instant::now() > deadline {
                self.show(node).await;
                panic!("{node} never says {text}: {said:?}");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// `redis-cli --cluster fix`, and then the nodes agree.
    pub async fn mend(&self, node: &str) {
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

    pub fn router(&self) -> Router {
        Router::new(self.backend.addresses(), LONG)
    }

    pub async fn remove(self) {
        self.backend.remove().await.expect("removed");
        assert_eq!(left_of(&self.run), Vec::<String>::new());
    }
}

/// What was printed, without the thousand lines of a reshard.
pub fn shortened(output: &Output) -> String {
    let lines: Vec<&str> = output.combined.lines().collect();
    let kept = lines
        .iter()
        .filter(|line| !line.trim_start().starts_with("Moving slot"));
    kept.map(|line| format!("{line}\n")).collect()
}

pub const THREE: [(&str, &str); 3] = [
    ("redis-1", "0-5460"),
    ("redis-2", "5461-10922"),
    ("redis-3", "10923-16383"),
];

pub fn failover(node: &str) -> Target {
    Target::Failover { node: name(node) }
}

pub fn recover(node: &str) -> Target {
    Target::Recover { node: name(node) }
}

pub fn scale_down(node: &str) -> Target {
    Target::ScaleDown { node: name(node) }
}
