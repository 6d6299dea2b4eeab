//! The docker backend against the real engine.
//!
//! Every test makes an environment of its own, and finds the image as `labrunner` does. Without an engine or an image the tests say
//! `SKIPPED` and pass, unless the variable `LABRUNNER_REQUIRE` names `docker`: then they fail.

mod support;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use labrunner::backend::docker::clean::clean_runs;
use labrunner::backend::{Backend, BackendError, Docker, DockerOptions, Life};
use labrunner::cluster::NodeName;
use labrunner::lab::action::{Action, Limits, LinkChange, NodeChange, Output, RedisCliCall};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// Long enough for anything that ends by itself, on a machine under load.
const LONG: Duration = Duration::from_secs(60);
const LIMITS: Limits = Limits {
    time: LONG,
    output: 64 * 1024,
};

/// An environment that is removed at the end of the test, however it ends.
struct Lab {
    docker: Docker,
    run: String,
    state: tempfile::TempDir,
    _broom: Broom,
}

/// Removes what is left of a run when a test fails: after a panic nobody awaits anything any more, but the docker client works.
struct Broom(String);

impl Drop for Broom {
    fn drop(&mut self) {
        if std::thread::panicking() {
            remove_by_hand(&self.0);
        }
    }
}

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker")
        .args(args)
        .output()
        .expect("docker starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Ids of containers, networks and volumes of a run.
fn left_of(run: &str) -> Vec<String> {
    let label = format!("label=labrunner.run={run}");
    let lists: [&[&str]; 3] = [
        &["ps", "-aq"],
        &["network", "ls", "-q"],
        &["volume", "ls", "-q"],
    ];
    lists
        .iter()
        .flat_map(|list| {
            docker(&[list, &["--filter", label.as_str()][..]].concat())
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect()
}

fn remove_by_hand(run: &str) {
    let label = format!("label=labrunner.run={run}");
    for (list, remove) in [
        (vec!["ps", "-aq"], vec!["rm", "-f", "-v"]),
        (vec!["network", "ls", "-q"], vec!["network", "rm"]),
    ] {
        let ids = docker(&[&list[..], &["--filter", label.as_str()]].concat());
        let ids: Vec<&str> = ids.split_whitespace().collect();
        if !ids.is_empty() {
            docker(&[&remove[..], &ids[..]].concat());
        }
    }
}

fn options(run: &str, state: &Path) -> DockerOptions {
    let image = std::env::var("LAB_REDIS_IMAGE").ok();
    DockerOptions {
        run: run.to_owned(),
        image,
        state_dir: state.to_owned(),
        ..DockerOptions::default()
    }
}

/// An environment that is prepared and not started; `None`, loudly, where there is no docker.
async fn prepared(name: &str, change: impl FnOnce(&mut DockerOptions)) -> Option<Lab> {
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

async fn started(name: &str, nodes: &[&str]) -> Option<Lab> {
    let lab = prepared(name, |_| ()).await?;
    lab.start(nodes).await;
    Some(lab)
}

fn names(nodes: &[&str]) -> Vec<NodeName> {
    nodes.iter().map(|name| NodeName::new(*name)).collect()
}

fn cli(port: u16, words: &[&str]) -> Action {
    let words = words.iter().map(|word| (*word).to_owned()).collect();
    Action::RedisCli(RedisCliCall {
        port: Some(port),
        words,
        ..RedisCliCall::default()
    })
}

fn nodes(change: NodeChange, nodes: &[&str]) -> Action {
    Action::Nodes {
        change,
        nodes: names(nodes),
    }
}

impl Lab {
    async fn start(&self, nodes: &[&str]) {
        self.docker
            .start(&names(nodes), &CancellationToken::new())
            .await
            .expect("started");
        for node in nodes {
            self.answers(node, true).await;
        }
    }

    async fn perform(&self, action: &Action) -> Output {
        self.docker
            .perform(action, LIMITS, &CancellationToken::new())
            .await
            .expect("carried out")
    }

    /// Carries out an action that must end with exit code 0; returns what it printed.
    async fn ok(&self, action: &Action) -> String {
        let output = self.perform(action).await;
        assert_eq!(output.exit, Some(0), "{action:?}: {output:?}");
        output.stdout
    }

    /// One PING to where the address book says that the node is.
    async fn ping(&self, node: &str) -> bool {
        let book = self.docker.addresses();
        let address = book
            .get(&NodeName::new(node))
            .expect("in the book")
            .reachable;
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
    async fn answers(&self, node: &str, expected: bool) {
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

    async fn life(&self, node: &str) -> Life {
        let states = self.docker.nodes().await.expect("docker says");
        states
            .into_iter()
            .find(|state| state.name.as_str() == node)
            .expect("one of the eight")
            .life
    }

    /// What runs in the toolbox beside the server that keeps it alive. Nothing, if the toolbox does not run.
    fn programs_in_toolbox(&self) -> Vec<String> {
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

    async fn remove(&self) {
        self.docker.remove().await.expect("removed");
        assert_eq!(left_of(&self.run), Vec::<String>::new());
    }

    /// Ends as a process does that is killed: nothing is removed. Returns the run's id and where its files are.
    fn die(self) -> (String, tempfile::TempDir) {
        (self.run, self.state)
    }

    fn files(&self) -> PathBuf {
        self.state.path().join("runs").join(&self.run)
    }
}

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
    let announced = lab
        .docker
        .addresses()
        .get(&NodeName::new("redis-1"))
        .expect("in the book")
        .announced
        .to_string();
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

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megabytes_of_output_are_drained_and_not_kept() {
    let Some(lab) = started("much", &["redis-1"]).await else {
        return;
    };
    let begun = Instant::now();
    let output = lab
        .perform(&cli(
            7001,
            &["EVAL", "return string.rep('x', 100000000)", "0"],
        ))
        .await;
    assert_eq!(output.exit, Some(0), "{:.200}", output.combined);
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "{:?}",
        begun.elapsed()
    );
    assert!(
        output.stdout.len() < LIMITS.output + 100,
        "{}",
        output.stdout.len()
    );
    assert!(
        output.combined.len() < LIMITS.output + 100,
        "{}",
        output.combined.len()
    );
    assert_eq!(output.cut_bytes, 100_000_001 - LIMITS.output as u64);
    assert!(output.stdout.starts_with("xxx") && output.stdout.ends_with("xxx\n"));
    lab.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_never_ends_is_stopped_and_nothing_of_it_is_left() {
    let Some(lab) = started("endless", &["redis-1"]).await else {
        return;
    };
    assert_eq!(lab.ok(&cli(7001, &["PING"])).await, "PONG\n");
    // Without its slots a node of a cluster refuses every command about a key.
    lab.ok(&cli(7001, &["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]))
        .await;
    let deadline = Instant::now() + LONG;
    while !lab
        .ok(&cli(7001, &["CLUSTER", "INFO"]))
        .await
        .contains("cluster_state:ok")
    {
        assert!(Instant::now() < deadline, "the cluster is not ok");
    }
    for words in [
        &["MONITOR"][..],
        &["BLPOP", "nothing", "0"],
        &["SUBSCRIBE", "channel"],
    ] {
        let limits = Limits {
            time: Duration::from_millis(700),
            ..LIMITS
        };
        let begun = Instant::now();
        let output = lab
            .docker
            .perform(&cli(7001, words), limits, &CancellationToken::new())
            .await
            .expect("carried out");
        assert_eq!(output.exit, None, "{output:?}");
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "{:?}",
            begun.elapsed()
        );
        assert_eq!(lab.programs_in_toolbox(), Vec::<String>::new());
    }
    assert_eq!(lab.ok(&cli(7001, &["PING"])).await, "PONG\n");

    // Called off, from outside. Another call that is under way at the time is not touched.
    let cancel = CancellationToken::new();
    let endless = async {
        let output = lab
            .docker
            .perform(&cli(7001, &["MONITOR"]), LIMITS, &cancel)
            .await
            .expect("carried out");
        assert_eq!(output.exit, None);
        output.stdout
    };
    let other = async {
        let deadline = Instant::now() + LONG;
        while !lab
            .ok(&cli(7001, &["CLIENT", "LIST"]))
            .await
            .contains("cmd=monitor")
        {
            assert!(Instant::now() < deadline, "nobody monitors");
        }
        let call = cli(7001, &["BLPOP", "list", "30"]);
        let waiting = lab.perform(&call);
        let cancelling = async {
            while !lab
                .ok(&cli(7001, &["CLIENT", "LIST"]))
                .await
                .contains("cmd=blpop")
            {
                assert!(Instant::now() < deadline, "nobody waits");
            }
            cancel.cancel();
            while lab
                .ok(&cli(7001, &["CLIENT", "LIST"]))
                .await
                .contains("cmd=monitor")
            {
                assert!(Instant::now() < deadline, "somebody still monitors");
            }
            lab.ok(&cli(7001, &["RPUSH", "list", "here"])).await;
        };
        tokio::join!(waiting, cancelling).0
    };
    let (monitored, popped) = tokio::join!(endless, other);
    assert!(monitored.contains("\"BLPOP\" \"list\""), "{monitored}");
    assert_eq!(
        (popped.exit, popped.stdout.as_str()),
        (Some(0), "list\nhere\n")
    );
    lab.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_environments_stand_side_by_side() {
    let Some(one) = started("one", &["redis-1"]).await else {
        return;
    };
    let Some(two) = started("two", &["redis-1"]).await else {
        return;
    };
    one.ok(&cli(
        7001,
        &["CONFIG", "SET", "cluster-node-timeout", "4321"],
    ))
    .await;
    assert_eq!(
        one.ok(&cli(7001, &["CONFIG", "GET", "cluster-node-timeout"]))
            .await,
        "cluster-node-timeout\n4321\n"
    );
    assert_eq!(
        two.ok(&cli(7001, &["CONFIG", "GET", "cluster-node-timeout"]))
            .await,
        "cluster-node-timeout\n15000\n"
    );
    one.remove().await;
    assert_eq!(two.ok(&cli(7001, &["PING"])).await, "PONG\n");
    two.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_is_called_off_leaves_nothing() {
    let Some(lab) = prepared("off", |_| ()).await else {
        return;
    };
    let cancel = CancellationToken::new();
    let all = names(&[
        "redis-1", "redis-2", "redis-3", "redis-4", "redis-5", "redis-6",
    ]);
    let starting = lab.docker.start(&all, &cancel);
    let calling_off = async {
        let deadline = Instant::now() + LONG;
        while left_of(&lab.run).len() < 2 {
            assert!(Instant::now() < deadline, "nothing is made");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cancel.cancel();
    };
    let (started, ()) = tokio::join!(starting, calling_off);
    assert!(
        matches!(started, Err(BackendError::Cancelled)),
        "{started:?}"
    );
    lab.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_stops_what_is_under_way() {
    let Some(lab) = prepared("under-way", |_| ()).await else {
        return;
    };
    let all = names(&["redis-1", "redis-2", "redis-3", "redis-4"]);
    let cancel = CancellationToken::new();
    let starting = lab.docker.start(&all, &cancel);
    let removing = async {
        let deadline = Instant::now() + LONG;
        while left_of(&lab.run).is_empty() {
            assert!(Instant::now() < deadline, "nothing is made");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        lab.remove().await;
    };
    let (started, ()) = tokio::join!(starting, removing);
    assert!(
        matches!(started, Err(BackendError::Cancelled)),
        "{started:?}"
    );
    assert_eq!(left_of(&lab.run), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_named_with_who_has_it() {
    let Some(lab) = started("port", &["redis-1"]).await else {
        return;
    };
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("bound").port();
    let state = tempfile::tempdir().expect("a folder");
    let wanting = |port| DockerOptions {
        first_port: Some(port),
        ..options("dk-port-2", state.path())
    };
    let first = port.min(65_528);
    let error = Docker::prepare(wanting(first)).await.expect_err("taken");
    assert_eq!(
        error.to_string(),
        format!("port {port} of 127.0.0.1 is taken by another program")
    );

    let of_node = lab
        .docker
        .addresses()
        .get(&NodeName::new("redis-1"))
        .expect("in the book")
        .reachable
        .port();
    let error = Docker::prepare(wanting(of_node)).await.expect_err("taken");
    assert!(matches!(error, BackendError::Unavailable { .. }));
    assert_eq!(
        error.to_string(),
        format!(
            "port {of_node} of 127.0.0.1 is taken by the container labrunner-{}-redis-1",
            lab.run
        )
    );
    lab.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_are_reserved_until_the_nodes_start_and_a_port_lost_later_is_named() {
    let Some(lab) = prepared("late-port", |_| ()).await else {
        return;
    };
    let port = lab
        .docker
        .addresses()
        .get(&NodeName::new("redis-1"))
        .expect("in the book")
        .reachable
        .port();
    TcpListener::bind(("127.0.0.1", port)).expect_err("reserved");
    TcpListener::bind(("0.0.0.0", port)).expect_err("reserved");
    lab.start(&["redis-1"]).await;

    // Docker gives the port up with the node, and then somebody else takes it.
    lab.ok(&nodes(NodeChange::Stop, &["redis-1"])).await;
    let taken = TcpListener::bind(("127.0.0.1", port)).expect("free");
    let error = lab
        .docker
        .start(&names(&["redis-1"]), &CancellationToken::new())
        .await
        .expect_err("taken");
    assert!(matches!(error, BackendError::Unavailable { .. }));
    assert_eq!(
        error.to_string(),
        format!("port {port} of 127.0.0.1 is taken by another program")
    );
    drop(taken);
    lab.start(&["redis-1"]).await;
    lab.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subnet_that_is_taken_is_named_with_who_has_it() {
    let Some(lab) = started("subnet", &["redis-1"]).await else {
        return;
    };
    let book = lab.docker.addresses();
    let announced = book
        .get(&NodeName::new("redis-1"))
        .expect("in the book")
        .announced
        .host
        .clone();
    let subnet = announced.rsplit_once('.').expect("an address").0.to_owned();
    let state = tempfile::tempdir().expect("a folder");
    let wanting = DockerOptions {
        subnet: Some(subnet.clone()),
        ..options("dk-subnet-2", state.path())
    };
    let error = Docker::prepare(wanting).await.expect_err("taken");
    assert!(matches!(error, BackendError::Unavailable { .. }));
    assert_eq!(
        error.to_string(),
        format!(
            "the subnet {subnet}.0/24 is taken: the Docker network labrunner-{0}-labrunner-cluster of the run {0} is in it",
            lab.run
        )
    );
    lab.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_nowhere_is_told() {
    let Some(lab) = prepared("image", |_| ()).await else {
        return;
    };
    let state = tempfile::tempdir().expect("a folder");
    let image = Some("lrdock-no-such-image:1".to_owned());
    let wanting = DockerOptions {
        image,
        ..options("dk-image-2", state.path())
    };
    let error = Docker::prepare(wanting).await.expect_err("no such image");
    assert_eq!(
        error.to_string(),
        "the image lrdock-no-such-image:1 is not on this machine"
    );
    lab.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_run_left_is_cleaned_and_a_living_run_is_not() {
    let Some(living) = started("living", &["redis-1"]).await else {
        return;
    };
    let Some(dead) = started("dead", &["redis-1", "redis-2"]).await else {
        return;
    };
    let runs = [living.run.clone(), dead.run.clone()];
    let runs: Vec<&str> = runs.iter().map(String::as_str).collect();

    let report = clean_runs(&runs, false).await.expect("cleaned");
    assert_eq!(report.removed, []);
    assert_eq!(report.left.len(), 2);
    assert!(
        report.left.iter().all(|left| left.why == "still running"),
        "{report:?}"
    );

    // Dying releases the lock, and nothing else.
    let (run, state) = dead.die();
    assert!(state.path().join("runs").join(&run).join("lock").exists());
    assert_eq!(left_of(&run).len(), 4);
    let report = clean_runs(&runs, false).await.expect("cleaned");
    assert_eq!(report.removed.len(), 1, "{report:?}");
    let removed = &report.removed[0];
    assert_eq!(
        (removed.run.as_str(), removed.containers, removed.networks),
        (run.as_str(), 3, 1)
    );
    assert_eq!(report.left.len(), 1);
    assert_eq!(report.left[0].run, living.run);
    assert_eq!(left_of(&run), Vec::<String>::new());
    assert!(!state.path().join("runs").join(&run).exists());
    assert!(living.ping("redis-1").await);

    let report = clean_runs(&runs, true).await.expect("cleaned");
    assert_eq!(report.removed.len(), 1);
    assert_eq!(left_of(&living.run), Vec::<String>::new());
}

/// Not a test of its own: the process that the next test kills.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by a_run_that_is_killed_in_the_middle_of_a_start_is_cleaned"]
async fn start_and_be_killed() {
    let (Ok(run), Ok(state)) = (std::env::var("DK_RUN"), std::env::var("DK_STATE")) else {
        panic!("DK_RUN and DK_STATE say what to start; this is for another test to set");
    };
    let docker = Docker::prepare(options(&run, Path::new(&state)))
        .await
        .expect("prepared");
    let all = names(&[
        "redis-1", "redis-2", "redis-3", "redis-4", "redis-5", "redis-6", "redis-7", "redis-8",
    ]);
    docker
        .start(&all, &CancellationToken::new())
        .await
        .expect("started");
    tokio::time::sleep(LONG).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_killed_in_the_middle_of_a_start_is_cleaned() {
    let Some(lab) = prepared("killed", |_| ()).await else {
        return;
    };
    let run = format!("{}-9", lab.run);
    let _broom = Broom(run.clone());
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "start_and_be_killed", "--ignored"])
        .env("DK_RUN", &run)
        .env("DK_STATE", lab.state.path())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("started");
    let deadline = Instant::now() + LONG;
    // Compose has made some and is about to make more.
    while left_of(&run).len() < 2 {
        assert!(Instant::now() < deadline, "nothing is made");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    child.kill().expect("killed");
    child.wait().expect("dead");
    let report = clean_runs(&[&run], false).await.expect("cleaned");
    assert_eq!(report.removed.len(), 1, "{report:?}");
    assert_eq!(report.removed[0].networks, 1, "{report:?}");
    assert_eq!(left_of(&run), Vec::<String>::new());
    assert!(!lab.state.path().join("runs").join(&run).exists());
    // For as long as a compose that went on would need to make another.
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        assert_eq!(left_of(&run), Vec::<String>::new());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    lab.remove().await;
}
