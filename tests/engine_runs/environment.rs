//! An environment for tests of the engine: real redis-servers where a lab looks at nodes, and commands that do what their name says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use labrunner::backend::{Backend, BackendError, Clock, Life, NodeState, RealClock};
use labrunner::cluster::{NodeName, Reply};
use labrunner::lab::action::{Action, AppCall, Limits, NodeChange, Output, RedisCliCall};
use labrunner::lab::environment::CourseNode;
use labrunner::resp::{AddressBook, Client};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::servers::Servers;

/// The environment. What a test wants to go wrong it sets before the run.
pub struct Environment {
    clock: RealClock,
    book: AddressBook,
    servers: Mutex<Servers>,
    /// Nodes that are not simply absent, by what `nodes` will say.
    lives: Mutex<BTreeMap<NodeName, Life>>,
    /// A node of which `nodes` learns only after so many questions that it is dead.
    dies_late: Mutex<Option<(NodeName, usize)>>,
    performed: Mutex<Vec<String>>,
    /// Commands that nobody has ended yet.
    under_way: AtomicUsize,
    /// What `AWAIT` waits for, and how often `COUNT` was called.
    released: Mutex<BTreeSet<String>>,
    release: Notify,
    counted: AtomicUsize,
    removed: AtomicUsize,
    wrong: Wrong,
}

/// What goes wrong.
#[derive(Default)]
pub struct Wrong {
    pub start_fails: Option<BackendError>,
    pub start_hangs: bool,
    pub remove_fails: Option<BackendError>,
    pub remove_panics: bool,
    pub nodes_stay: bool,
    pub nodes_fail: bool,
}

/// For nodes of which none is ever looked at. Their ports are closed.
pub fn without_servers() -> Environment {
    environment(Servers::prepare(1))
}

/// With servers that `docker compose up -d redis-N` or `given` starts. Each answers as soon as that command has ended.
pub fn with_servers(count: u16) -> Environment {
    environment(Servers::prepare(count))
}

fn environment(servers: Servers) -> Environment {
    Environment {
        clock: RealClock::new(),
        book: servers.book(),
        servers: Mutex::new(servers),
        lives: Mutex::default(),
        dies_late: Mutex::default(),
        performed: Mutex::default(),
        under_way: AtomicUsize::new(0),
        released: Mutex::default(),
        release: Notify::new(),
        counted: AtomicUsize::new(0),
        removed: AtomicUsize::new(0),
        wrong: Wrong::default(),
    }
}

pub fn broken(what: &str) -> BackendError {
    BackendError::Broken {
        what: what.to_owned(),
        help: "start again".to_owned(),
    }
}

pub fn unavailable(what: &str) -> BackendError {
    BackendError::Unavailable {
        what: what.to_owned(),
        help: "install it".to_owned(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Environment {
    /// The same, where this goes wrong.
    pub fn with(mut self, wrong: Wrong) -> Self {
        self.wrong = wrong;
        self
    }

    /// A client of a node.
    pub fn client(&self, node: &str) -> Client {
        let address = self.book.get(&NodeName::new(node)).unwrap();
        Client::new(address.clone(), Duration::from_secs(5))
    }

    /// Lets a node die by itself.
    pub fn let_die(&self, node: &str) {
        lock(&self.servers).kill(node);
        lock(&self.lives).insert(NodeName::new(node), Life::Exited(139));
    }

    /// Lets a node die as a busy engine shows it: its proxy takes connections and closes them, and that the node is dead is not known before the environment was asked `looks` times.
    pub fn let_die_behind_a_proxy(&self, node: &str, looks: usize) {
        let name = NodeName::new(node);
        *lock(&self.dies_late) = Some((name.clone(), looks));
        let port = self.book.get(&name).unwrap().announced.port;
        lock(&self.servers).kill(node);
        let proxy = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
        std::thread::spawn(move || proxy.incoming().for_each(drop));
    }

    /// Hangs a node, or wakes it.
    pub fn signal(&self, node: &str, signal: &str) {
        lock(&self.servers).signal(node, signal);
    }

    /// What was performed, in order.
    pub fn performed(&self) -> Vec<String> {
        lock(&self.performed).clone()
    }

    /// Ends the command that awaits this.
    pub fn release(&self, name: &str) {
        lock(&self.released).insert(name.to_owned());
        self.release.notify_waiters();
    }

    /// How many commands are under way.
    pub fn under_way(&self) -> usize {
        self.under_way.load(Ordering::SeqCst)
    }

    /// How often all was removed.
    pub fn removed(&self) -> usize {
        self.removed.load(Ordering::SeqCst)
    }

    async fn start_servers(&self, nodes: &[NodeName]) {
        for node in nodes {
            if lock(&self.lives).get(node) == Some(&Life::Running) {
                continue;
            }
            lock(&self.servers).start_node(node.as_str());
            lock(&self.lives).insert(node.clone(), Life::Running);
        }
        for node in nodes {
            let client = self.client(node.as_str());
            let until = Instant::now() + Duration::from_secs(20);
            while client.call(&["PING"]).await != Ok(Reply::Status("PONG".into())) {
                assert!(Instant::now() < until, "{node} does not answer");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    async fn redis_cli(
        &self,
        call: &RedisCliCall,
        limits: Limits,
        cancel: &CancellationToken,
    ) -> Result<Output, BackendError> {
        let words: Vec<&str> = call.words.iter().map(String::as_str).collect();
        Ok(match words[..] {
            // Commands that no server has.
            ["SAY", ref words @ ..] => ended(0, &words.join(" "), ""),
            ["LINES", ref lines @ ..] => ended(0, &lines.join("\n"), ""),
            ["EXIT", code, ref words @ ..] => ended(code.parse().unwrap(), "", &words.join(" ")),
            ["FLOOD", ref words @ ..] => Output {
                cut_bytes: 1000,
                ..ended(0, &words.join(" "), "")
            },
            ["HANG"] => tokio::select! {
                () = cancel.cancelled() => return Err(BackendError::Cancelled),
                () = tokio::time::sleep(limits.time) => Output {
                    took: limits.time,
                    ..Output::default()
                },
            },
            // Until another command releases it; then it says what it waited for.
            ["AWAIT", name] => {
                let released = async {
                    loop {
                        let released = self.release.notified();
                        if lock(&self.released).contains(name) {
                            break;
                        }
                        released.await;
                    }
                };
                tokio::select! {
                    () = cancel.cancelled() => return Err(BackendError::Cancelled),
                    () = tokio::time::sleep(limits.time) => Output::default(),
                    () = released => ended(0, name, ""),
                }
            }
            ["RELEASE", name] => {
                self.release(name);
                ended(0, "OK", "")
            }
            ["DEAF"] => std::future::pending().await,
            // A number, one higher each time; from a number on it fails or hangs.
            ["COUNT", ref then @ ..] => {
                let count = self.counted.fetch_add(1, Ordering::SeqCst) + 1;
                match *then {
                    ["HANG", after] if count > after.parse().unwrap() => {
                        cancel.cancelled().await;
                        return Err(BackendError::Cancelled);
                    }
                    ["HANG-FOR-EVER", after] if count > after.parse().unwrap() => {
                        tokio::time::sleep(limits.time).await;
                        Output::default()
                    }
                    ["FAIL", after] if count > after.parse().unwrap() => ended(1, "", "no more"),
                    _ => ended(0, &count.to_string(), ""),
                }
            }
            // As a program does that the same Ctrl-C ended.
            ["DIE-WITH-IT"] => {
                cancel.cancelled().await;
                ended(130, "", "interrupted")
            }
            ["PANIC"] => panic!("no such luck"),
            ["BREAK"] => return Err(broken("the toolbox is gone")),
            ["VANISH"] => return Err(unavailable("the engine is gone")),
            // All others.
            _ => {
                let node = call.port.and_then(CourseNode::on_port).unwrap().name();
                match self.client(node.as_str()).call(&words).await {
                    Ok(Reply::Error(error)) => ended(1, &error, ""),
                    Ok(reply) => ended(0, &reply.as_text().unwrap_or_default(), ""),
                    Err(error) => ended(1, "", &error.to_string()),
                }
            }
        })
    }
}

/// A command, as long as somebody carries it out.
struct UnderWay<'a>(&'a AtomicUsize);

impl<'a> UnderWay<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        UnderWay(count)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What an application says that has one event.
fn app(call: &AppCall) -> Output {
    let words: Vec<&str> = call.words.iter().map(String::as_str).collect();
    match words[..] {
        ["create-event", ..] => ended(
            0,
            r#"{"event":"abcd2345","name":"Concert","seats":10,"on":{"node":"172.30.0.11:7001","slot":4711}}"#,
            "",
        ),
        ["reserve", .., "--seats", "9"] => {
            ended(10, r#"{"error":"sold out","free":8}"#, "sold out")
        }
        ["reserve", ..] => ended(
            0,
            r#"{"reservation":"r1","seats":[{"label":"A1","state":"held"},{"label":"A2","state":"held"}]}"#,
            "",
        ),
        ["load-test", .., "--json"] => ended(0, r#"{"latency_ms":{"mean":3.5}}"#, ""),
        ["load-test", ..] => ended(0, "Successful reservations: 50", "clean audit"),
        _ => panic!("not built: {words:?}"),
    }
}

fn ended(exit: i32, stdout: &str, stderr: &str) -> Output {
    let line = |text: &str| {
        if text.is_empty() {
            String::new()
        } else {
            format!("{text}\n")
        }
    };
    let (stdout, stderr) = (line(stdout), line(stderr));
    Output {
        exit: Some(exit),
        combined: format!("{stdout}{stderr}"),
        stdout,
        stderr,
        ..Output::default()
    }
}

#[async_trait]
impl Backend for Environment {
    fn name(&self) -> &'static str {
        "local"
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock)
    }

    fn addresses(&self) -> AddressBook {
        self.book.clone()
    }

    async fn start(
        &self,
        nodes: &[NodeName],
        cancel: &CancellationToken,
    ) -> Result<(), BackendError> {
        lock(&self.performed).push("start".to_owned());
        if let Some(error) = &self.wrong.start_fails {
            return Err(error.clone());
        }
        if self.wrong.start_hangs {
            cancel.cancelled().await;
            // Only who waits for the end of the start sees this.
            lock(&self.performed).push("start was ended".to_owned());
            return Err(BackendError::Cancelled);
        }
        self.start_servers(nodes).await;
        Ok(())
    }

    async fn perform(
        &self,
        action: &Action,
        limits: Limits,
        cancel: &CancellationToken,
    ) -> Result<Output, BackendError> {
        lock(&self.performed).push(self.explain(action));
        let _under_way = UnderWay::new(&self.under_way);
        match action {
            Action::RedisCli(call) => self.redis_cli(call, limits, cancel).await,
            Action::Nodes { change, nodes } => {
                match change {
                    NodeChange::Up | NodeChange::Start => self.start_servers(nodes).await,
                    NodeChange::Stop | NodeChange::Kill => {
                        for node in nodes {
                            lock(&self.servers).kill(node.as_str());
                            lock(&self.lives).insert(node.clone(), Life::Exited(0));
                        }
                    }
                    other => panic!("not built: {other}"),
                }
                Ok(ended(0, "", ""))
            }
            Action::App(call) => Ok(app(call)),
            Action::Links { .. } | Action::Psql(_) => panic!("not built"),
        }
    }

    async fn remove_nodes(
        &self,
        nodes: &[NodeName],
        _cancel: &CancellationToken,
    ) -> Result<(), BackendError> {
        let names: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
        lock(&self.performed).push(format!("remove {}", names.join(" ")));
        if self.wrong.nodes_stay {
            return Err(broken("the nodes can't be removed"));
        }
        for node in nodes {
            lock(&self.servers).forget(node.as_str());
            lock(&self.lives).remove(node);
        }
        Ok(())
    }

    fn explain(&self, action: &Action) -> String {
        match action {
            Action::Nodes { change, nodes } => {
                let nodes: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
                format!("{change} {}", nodes.join(" "))
            }
            Action::Links { node, .. } => format!("links of {node}"),
            Action::RedisCli(call) => call.words.join(" "),
            Action::App(call) => format!("./app {}", call.words.join(" ")),
            Action::Psql(call) => format!("psql {}", call.statement),
        }
    }

    async fn nodes(&self) -> Result<Vec<NodeState>, BackendError> {
        if self.wrong.nodes_fail {
            return Err(broken("it does not say"));
        }
        let mut lives = lock(&self.lives);
        match lock(&self.dies_late).as_mut() {
            Some((_, looks)) if *looks > 0 => *looks -= 1,
            Some((name, _)) => {
                lives.insert(name.clone(), Life::Exited(139));
            }
            None => {}
        }
        let state = |name: &NodeName| NodeState {
            name: name.clone(),
            life: lives.get(name).copied().unwrap_or(Life::Absent),
        };
        Ok(self
            .book
            .iter()
            .map(|address| state(&address.name))
            .collect())
    }

    async fn log(&self, node: &NodeName, _lines: usize) -> Result<String, BackendError> {
        Ok(format!("the last words of {node}"))
    }

    async fn remove(&self) -> Result<(), BackendError> {
        self.removed.fetch_add(1, Ordering::SeqCst);
        assert!(!self.wrong.remove_panics, "no such luck");
        match &self.wrong.remove_fails {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }
}
