//! All that the steps of one lab share: the backend, the eyes on its nodes, names, saved values.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::check::{Judged, Look, judge_state, needs};
use super::event::{Event, Place, RawReply, Verdict};
use super::events::Events;
use super::interrupt::Interrupt;
use super::names::Names;
use super::scope::Scope;
use super::trouble::Trouble;
use crate::admin::GivenKeys;
use crate::backend::{Backend, Clock};
use crate::cluster::{NodeName, ServerVersion};
use crate::lab::Lab;
use crate::lab::action::{Action, LinkChange, NodeChange, Output};
use crate::lab::environment::CourseNode;
use crate::lab::model::{Check, CheckKind, Item, Step};
use crate::lab::quantity::VersionRule;
use crate::lab::source::Span;
use crate::observe::{Needs, Observation, Observer, read_back};
use crate::resp::{AddressBook, Router};

/// How long a node may take to answer when it is looked at. A frozen node holds up every look by this.
const LOOK_DEADLINE: Duration = Duration::from_millis(500);
/// How long one operation on a key may take, redirections and retries included.
const KEY_DEADLINE: Duration = Duration::from_secs(5);

/// What the steps of a lab share.
pub(super) struct World {
    pub lab: Arc<Lab>,
    pub backend: Arc<dyn Backend>,
    pub events: Arc<Events>,
    pub interrupt: Interrupt,
    pub clock: Arc<dyn Clock>,
    pub book: AddressBook,
    pub router: Router,
    observer: Observer,
    pub nodes: Vec<NodeName>,
    keys: Mutex<Option<GivenKeys>>,
    names: Mutex<Names>,
    saved: Mutex<BTreeMap<String, String>>,
    server: Mutex<Option<ServerVersion>>,
    /// Nodes that should be running, as far as the lab's own commands say.
    alive: Mutex<BTreeSet<NodeName>>,
    made: AtomicBool,
    checks: AtomicUsize,
}

/// A lock of plain data: what a thread that panicked left in it is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub fn new(
        lab: Arc<Lab>,
        backend: Arc<dyn Backend>,
        events: Arc<Events>,
        interrupt: Interrupt,
    ) -> Self {
        let book = backend.addresses();
        World {
            clock: backend.clock(),
            router: Router::new(book.clone(), KEY_DEADLINE),
            observer: Observer::new(book.clone(), LOOK_DEADLINE),
            nodes: book.iter().map(|address| address.name.clone()).collect(),
            keys: Mutex::new(None),
            names: Mutex::new(Names::new(book.clone())),
            saved: Mutex::default(),
            server: Mutex::new(None),
            alive: Mutex::default(),
            made: AtomicBool::new(false),
            checks: AtomicUsize::new(0),
            book,
            lab,
            backend,
            events,
            interrupt,
        }
    }

    pub fn emit(&self, event: Event) {
        self.events.emit(event);
    }

    /// Tells a verdict; a bad one ends its step.
    pub fn decide(&self, step: &Step, verdict: Verdict) -> Result<(), Trouble> {
        self.checks.fetch_add(1, Ordering::Relaxed);
        let passed = verdict.passed;
        self.emit(Event::Checked {
            step: step.id.value.clone(),
            verdict,
        });
        if passed { Ok(()) } else { Err(Trouble::Failed) }
    }

    /// How many checks were decided until now.
    pub fn checks(&self) -> usize {
        self.checks.load(Ordering::Relaxed)
    }

    /// Where a span stands in the lab's file.
    pub fn place(&self, span: Span) -> Place {
        let (line, column) = self.lab.source.place(span.start);
        Place {
            file: self.lab.source.name().to_owned(),
            line,
            column,
        }
    }

    /// Names as they are known at this moment.
    pub fn names(&self) -> Names {
        lock(&self.names).clone()
    }

    pub fn learn(&self, ids: impl IntoIterator<Item = (crate::cluster::NodeId, NodeName)>) {
        lock(&self.names).learn(ids);
    }

    pub fn saved(&self) -> BTreeMap<String, String> {
        lock(&self.saved).clone()
    }

    pub fn save(&self, name: &str, value: String) {
        lock(&self.saved).insert(name.to_owned(), value);
    }

    pub fn set_given(&self, keys: Option<GivenKeys>, server: Option<ServerVersion>) {
        *lock(&self.keys) = keys;
        *lock(&self.server) = server;
    }

    pub fn server(&self) -> Option<ServerVersion> {
        *lock(&self.server)
    }

    /// Whether a rule applies to the servers at hand. Where the version is not known, everything applies.
    pub fn applies(&self, rule: Option<&VersionRule>) -> bool {
        match (rule, self.server()) {
            (Some(rule), Some(server)) => rule.applies(&server.product.to_string(), server.version),
            _ => true,
        }
    }

    /// Runs `with` in the scope of this moment.
    pub fn in_scope<T>(&self, item: Option<&Item>, with: impl FnOnce(&Scope<'_>) -> T) -> T {
        let (names, saved) = (self.names(), self.saved());
        with(&Scope {
            names: &names,
            saved: &saved,
            item,
        })
    }

    /// Looks once at all that `checks` need.
    pub async fn look(&self, checks: &[&Check]) -> Look {
        let mut wanted = Needs::default();
        for check in checks {
            wanted.merge(needs(&check.kind, &self.nodes));
        }
        let observation = self.observer.look(&wanted).await;
        if !wanted.cluster.is_empty() {
            lock(&self.names).learn_from(&observation);
        }
        let given = lock(&self.keys).clone();
        let keys = match given {
            Some(given)
                if checks
                    .iter()
                    .any(|check| check.kind == CheckKind::GivenKeys) =>
            {
                Some(read_back(&self.router, &given).await)
            }
            _ => None,
        };
        Look { observation, keys }
    }

    /// Looks at every node's view of the cluster.
    pub async fn look_at_views(&self) -> Observation {
        let all = self.nodes.iter().cloned().collect();
        let observation = self
            .observer
            .look(&Needs {
                cluster: all,
                ..Needs::default()
            })
            .await;
        lock(&self.names).learn_from(&observation);
        observation
    }

    /// Looks at everything: for the picture of a failure.
    pub async fn look_at_all(&self) -> Look {
        let all: BTreeSet<NodeName> = self.nodes.iter().cloned().collect();
        let observation = self
            .observer
            .look(&Needs {
                cluster: all.clone(),
                info: all,
                keys: BTreeSet::new(),
            })
            .await;
        lock(&self.names).learn_from(&observation);
        Look {
            observation,
            keys: None,
        }
    }

    /// Decides checks of state by one look.
    pub fn judge<'c>(&self, checks: &[&'c Check], look: &Look) -> Vec<(&'c Check, Judged)> {
        self.in_scope(None, |scope| {
            checks
                .iter()
                .map(|check| (*check, judge_state(check, look, scope.names, scope)))
                .collect()
        })
    }

    /// Takes note of what an action is about to end, so that a node that dies by itself is told from one that was stopped.
    pub fn note_action(&self, action: &Action) {
        let mut alive = lock(&self.alive);
        match action {
            Action::Nodes { change, nodes } => {
                if let NodeChange::Stop | NodeChange::Kill | NodeChange::Remove = change {
                    alive.retain(|node| !nodes.contains(node));
                }
            }
            // SHUTDOWN and DEBUG can end a node as well.
            Action::RedisCli(call) if !call.cluster_mode => {
                let word = call.words.first().map(|word| word.to_ascii_uppercase());
                if matches!(word.as_deref(), Some("SHUTDOWN" | "DEBUG")) {
                    let node = call
                        .port
                        .and_then(CourseNode::on_port)
                        .or_else(|| call.host.as_deref().and_then(CourseNode::at_host));
                    if let Some(node) = node {
                        alive.remove(&node.name());
                    }
                }
            }
            Action::RedisCli(_)
            | Action::Links {
                change: LinkChange::Connect | LinkChange::Disconnect,
                ..
            } => {}
        }
    }

    /// Takes note of what an action has started. One that failed has started nothing for certain.
    pub fn note_done(&self, action: &Action, output: &Output) {
        if let Action::Nodes {
            change: NodeChange::Up | NodeChange::Start | NodeChange::Restart,
            nodes,
        } = action
            && output.exit == Some(0)
        {
            self.note_started(nodes);
        }
    }

    /// Takes note that the environment is as `given` asks: from now on a node that is not there is one that was removed.
    pub fn note_made(&self) {
        self.made.store(true, Ordering::Relaxed);
    }

    pub fn is_made(&self) -> bool {
        self.made.load(Ordering::Relaxed)
    }

    pub fn note_started(&self, nodes: &[NodeName]) {
        lock(&self.alive).extend(nodes.iter().cloned());
    }

    pub fn should_be_alive(&self) -> BTreeSet<NodeName> {
        lock(&self.alive).clone()
    }
}

/// The raw replies of a look, for the journal and as evidence.
pub(super) fn raw_replies(look: &Look) -> Vec<RawReply> {
    let mut replies = Vec::new();
    for (node, view) in &look.observation.views {
        let mut add = |command: &str, reply: String| {
            replies.push(RawReply {
                node: node.clone(),
                command: command.to_owned(),
                reply,
            })
        };
        match view {
            Ok(view) => {
                if let Some(seen) = &view.topology {
                    add("CLUSTER NODES", seen.raw.clone());
                }
                if let Some(seen) = &view.cluster_info {
                    add("CLUSTER INFO", seen.raw.clone());
                }
                if let Some(seen) = &view.info {
                    add("INFO", seen.raw.clone());
                }
                if let Some(keys) = view.keys {
                    add("DBSIZE", keys.to_string());
                }
            }
            Err(why) => add("(no answer)", why.to_string()),
        }
    }
    replies
}
