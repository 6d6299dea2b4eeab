//! An environment of a test's own, and what its nodes are asked.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use labrunner::backend::{Backend, Docker, DockerOptions, Life};
use labrunner::cluster::NodeName;
use labrunner::lab::action::{Action, Limits, NodeChange, Output, RedisCliCall};
use labrunner::resp::Address;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::engine::{docker, left_of, remove_by_hand};
use crate::support;

/// Long enough for anything that ends by itself, on a machine under load.
pub const LONG: Duration = Duration::from_secs(60);
pub const LIMITS: Limits = Limits {
    time: LONG,
    output: 64 * 1024,
};

/// An environment that is removed at the end of the test, however it ends.
pub struct Lab {
    pub docker: Docker,
    pub run: String,
    pub state: tempfile::TempDir,
    _broom: Broom,
}

/// Removes what is left of a run when a test fails: after a panic nobody awaits anything any more, but the docker client works.
pub struct Broom(pub String);

impl Drop for Broom {
    fn drop(&mut self) {
        if std::thread::panicking() {
            remove_by_hand(&self.0);
        }
    }
}

pub fn options(run: &str, state: &Path) -> DockerOptions {
    let image = std::env::var("LAB_REDIS_IMAGE").ok();
    DockerOptions {
        run: run.to_owned(),
        image,
        state_dir: state.to_owned(),
        ..DockerOptions::default()
    }
}

/// An environment that is prepared and not started; `None`, loudly, where there is no docker.
pub async fn prepared(name: &str, change: impl FnOnce(&mut DockerOptions)) -> Option<Lab> {
    if !support::may_run("docker", name) {
        return None;
    }
    let run = format!("dk-{name}-{}", std::process::id());
    let state = tempfile::tempdir().expect("a folder");
    let mut options = options(&run, state.path());
    change(&mut options);
    let docker = Docker::prepare(options)
        .await
        .expect("docker and an image are here");
    Some(Lab {
        docker,
        state,
        _broom: Broom(run.clone()),
        run,
    })
}

pub async fn started(name: &str, nodes: &[&str]) -> Option<Lab> {
    let lab = prepared(name, |_| ()).await?;
    lab.start(nodes).await;
    Some(lab)
}

pub fn names(nodes: &[&str]) -> Vec<NodeName> {
    nodes.iter().map(|name| NodeName::new(*name)).collect()
}

pub fn cli(port: u16, words: &[&str]) -> Action {
    let words = words.iter().map(|word| (*word).to_owned()).collect();
    Action::RedisCli(RedisCliCall {
        port: Some(port),
        words,
        ..RedisCliCall::default()
    })
}

pub fn nodes(change: NodeChange, nodes: &[&str]) -> Action {
    Action::Nodes {
        change,
        nodes: names(nodes),
    }
}

impl Lab {
    pub async fn start(&self, nodes: &[&str]) {
        self.docker
            .start(&names(nodes), &CancellationToken::new())
            .await
            .expect("started");
        for node in nodes {
            self.answers(node, true).await;
        }
    }

    pub async fn perform(&self, action: &Action) -> Output {
        self.docker
            .perform(action, LIMITS, &CancellationToken::new())
            .await
            .expect("carried out")
    }

    /// Carries out an action that must end with exit code 0; returns what it printed.
    pub async fn ok(&self, action: &Action) -> String {
        let output = self.perform(action).await;
        assert_eq!(output.exit, Some(0), "{action:?}: {output:?}");
        output.stdout
    }

    /// Where the address book says that the node is.
    pub fn address(&self, node: &str) -> Address {
        let book = self.docker.addresses();
        book.get(&NodeName::new(node)).expect("in the book").clone()
    }

    /// One PING to where the address book says that the node is.
    pub async fn ping(&self, node: &str) -> bool {
        let address = self.address(node).reachable;
        let exchange = async {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(b"PING\r\n").await?;
            let mut reply = [0; 7];
            stream.read_exact(&mut reply).await?;
            std::io::Result::Ok(reply == *b"+PONG\r\n")
        };
        matches!(
            tokio::time::timeout(Duration::from_secs(1), exchange).await,
            Ok(Ok(true))
        )
    }

    /// Waits until the node answers, or no longer does.
    pub async fn answers(&self, node: &str, expected: bool) {
        let deadline = Instant::now() + LONG;
        while self.ping(node).await != expected {
            assert!(
                Instant::now() < deadline,
                "{node} answers: {} for a minute",
                !expected
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn life(&self, node: &str) -> Life {
        let states = self.docker.nodes().await.expect("docker says");
        states
            .into_iter()
            .find(|state| state.name.as_str() == node)
            .expect("one of the eight")
            .life
    }

    /// What runs in the toolbox beside the server that keeps it alive. Nothing, if the toolbox does not run.
    pub fn programs_in_toolbox(&self) -> Vec<String> {
        let listed = docker(&[
            "top",
            &format!("labrunner-{}-toolbox", self.run),
            "-o",
            "pid,args",
        ]);
        listed
            .lines()
            .skip(1)
            .filter(|line| line.contains("redis-cli"))
            .map(str::to_owned)
            .collect()
    }

    pub async fn remove(&self) {
        self.docker.remove().await.expect("removed");
        assert_eq!(left_of(&self.run), Vec::<String>::new());
    }

    /// Ends as a process does that is killed: nothing is removed. Returns the run's id and where its files are.
    pub fn die(self) -> (String, tempfile::TempDir) {
        (self.run, self.state)
    }

    pub fn files(&self) -> PathBuf {
        self.state.path().join("runs").join(&self.run)
    }
}
