//! All that the steps of one lab share: the backend, the eyes on its nodes, names, saved values.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::alive::{Alive, Lives};
use super::check::{self, Judged, Look, judge_state, needs};
use super::event::{Event, Place, Verdict};
use super::events::Events;
use super::interrupt::Interrupt;
use super::names::Names;
use super::scope::Scope;
use super::trouble::Trouble;
use crate::admin::GivenKeys;
use crate::backend::{Backend, BackendError, Clock, NodeState};
use crate::cluster::{NodeName, ServerVersion};
use crate::lab::Lab;
use crate::lab::environment::POSTGRES;
use crate::lab::model::{Check, CheckKind, Item, Step};
use crate::lab::quantity::VersionRule;
use crate::lab::source::Span;
use crate::observe::{Needs, Observation, Observer, Rows, SqlObserver, read_back};
use crate::resp::{AddressBook, Router};

/// How long a node may take to answer when it is looked at. A frozen node holds up every look by this.
const LOOK_DEADLINE: Duration = Duration::from_millis(500);
/// How long the database may take to answer. One that is frozen holds up every look by this.
const SQL_DEADLINE: Duration = Duration::from_secs(5);
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
    /// Of a lab that has a database.
    sql: Mutex<Option<Arc<SqlObserver>>>,
    pub nodes: Vec<NodeName>,
    keys: Mutex<Option<GivenKeys>>,
    names: Mutex<Names>,
    saved: Mutex<BTreeMap<String, String>>,
    server: Mutex<Option<ServerVersion>>,
    pub alive: Alive,
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
        let nodes: Vec<NodeName> = book.iter().map(|address| address.name.clone()).collect();
        World {
            clock: backend.clock(),
            router: Router::new(book.clone(), KEY_DEADLINE),
            observer: Observer::new(book.clone(), LOOK_DEADLINE),
            sql: Mutex::new(None),
            alive: Alive::of(&nodes),
            nodes,
            keys: Mutex::new(None),
            names: Mutex::new(Names::new(book.clone())),
            saved: Mutex::default(),
            server: Mutex::new(None),
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
        // From the first question to the last key: nobody's time passes by leaps meanwhile.
        let _looking = self.clock.hold();
        let mut wanted = Needs::default();
        for check in checks {
            wanted.merge(needs(&check.kind, &self.nodes));
        }
        let (observation, sql) = tokio::join!(self.observer.look(&wanted), self.ask(checks));
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
        Look {
            observation,
            keys,
            sql,
        }
    }

    /// Asks the database every query of `checks`, each once.
    async fn ask(&self, checks: &[&Check]) -> BTreeMap<String, Result<Rows, String>> {
        let queries: BTreeSet<String> = self.in_scope(None, |scope| {
            let of_sql = checks.iter().filter_map(|check| match &check.kind {
                // Why a query can't be asked is told by who decides the check.
                CheckKind::Sql(test) => check::query(test, scope).ok(),
                _ => None,
            });
            of_sql.collect()
        });
        let observer = lock(&self.sql).clone();
        let mut answers = BTreeMap::new();
        for query in queries {
            let answer = match &observer {
                Some(observer) => observer.ask(&query).await,
                None => Err("there is no database".to_owned()),
            };
            answers.insert(query, answer);
        }
        answers
    }

    /// Takes note of where the lab's database is.
    pub fn set_database(&self, url: &str) -> Result<(), Trouble> {
        let observer = SqlObserver::new(url, SQL_DEADLINE).map_err(|what| {
            Trouble::broken(
                format!("the address of the database can't be read: {what}"),
                "this is a bug of labrunner; please report it",
            )
        })?;
        *lock(&self.sql) = Some(Arc::new(observer));
        Ok(())
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
            ..Look::default()
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

    /// Looks as [`look`](Self::look) does, unless the run is to end.
    pub async fn look_unless_interrupted(&self, checks: &[&Check]) -> Result<Look, Trouble> {
        tokio::select! {
            biased;
            () = self.interrupt.soft.cancelled() => Err(Trouble::Interrupted),
            look = self.look(checks) => Ok(look),
        }
    }

    /// Asks the nodes for their version, until one has told it. A lab with `given` knows it from there.
    pub async fn learn_server(&self) {
        if self.server().is_some() {
            return;
        }
        let info = self.nodes.iter().cloned().collect();
        let wanted = Needs {
            info,
            ..Needs::default()
        };
        let seen = self.observer.look(&wanted).await;
        let server = seen
            .views
            .values()
            .find_map(|view| view.as_ref().ok()?.info.as_ref()?.value.server());
        if server.is_some() {
            *lock(&self.server) = server;
        }
    }

    /// How the nodes are by the environment's own word, and PostgreSQL, where the lab has it; and which of them died by themselves.
    pub async fn lives(&self) -> Result<Lives, BackendError> {
        let answer = async {
            let mut states = self.backend.nodes().await?;
            let given = self.lab.given.as_ref();
            if given.is_some_and(|given| given.postgres.is_some()) {
                states.push(NodeState {
                    name: NodeName::new(POSTGRES),
                    life: self.backend.postgres().await?,
                });
            }
            Ok(states)
        };
        self.alive.compare(answer).await
    }
}
