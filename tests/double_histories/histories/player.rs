//! A history is played on a cluster, watched all the time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::cluster::{NodeId, Reply, Slot, SlotSet};
use super::double::Cluster;
use super::event::{Event, History, KEYS, key_name};
use super::rule::Violation;
use super::seen::Rebirth;
use super::slot_of;
use super::watcher::Watcher;

/// A write that was acknowledged.
#[derive(Debug, Clone)]
pub struct Write {
    pub value: u64,
    /// By which node, and when, in microseconds since the start.
    pub by: usize,
    pub at: u64,
    /// By a node to which the slot is being moved.
    pub asked: bool,
}

/// A key that was carried to another node.
#[derive(Debug, Clone)]
pub struct Carried {
    pub slot: Slot,
    pub to: usize,
    pub at: u64,
}

/// A node that was killed, and had these keys in memory only.
#[derive(Debug, Clone)]
pub struct Killed {
    pub at: u64,
    /// The slots that it served.
    pub served: SlotSet,
    /// The slots that were being moved to it.
    pub imported: SlotSet,
}

/// What came of a history.
#[derive(Debug)]
pub struct Outcome {
    pub violation: Option<Violation>,
    /// The calls that made it, as Rust.
    pub script: String,
    /// How many replicas took their masters' places.
    pub failovers: usize,
    /// How much of the cluster's time it took.
    #[allow(dead_code)] // For the campaign.
    pub time: Duration,
    /// All that nodes said of themselves after each event, and all that they logged, if it was wanted.
    pub record: String,
}

/// A slot that is being moved.
#[derive(Debug, Clone, Copy)]
pub struct Move {
    pub from: usize,
    pub to: usize,
}

pub struct Player {
    pub cluster: Cluster,
    pub history: History,
    pub watcher: Arc<Mutex<Watcher>>,
    script: String,
    record: Option<String>,
    /// Nodes that are in the cluster, as far as the operator knows.
    pub members: BTreeSet<usize>,
    /// Nodes of which he does not know whether they came in.
    pub unsure: BTreeSet<usize>,
    /// Ids that are no more, of nodes that were reset while nobody was told.
    pub ghosts: Vec<(usize, NodeId)>,
    pub moves: BTreeMap<u8, Move>,
    /// Which slots were ever opened to be moved, and to whom.
    pub targets: BTreeSet<(Slot, usize)>,
    pub acknowledged: BTreeMap<u8, Write>,
    /// How many values were written, acknowledged or not.
    pub(super) values: u64,
    pub carried: Vec<Carried>,
    /// Nodes that were killed and not started again yet.
    killed: BTreeMap<usize, Killed>,
    /// Keys that were on their way to a node when it was killed.
    pub dropped: Vec<(usize, Killed)>,
    /// Slots that the history has made nobody's.
    pub unassigned: SlotSet,
}

impl Player {
    /// Plays a history. `prepare` is done to the cluster before it begins, and `each` to nodes that come later.
    pub async fn play(history: &History, prepare: &dyn Fn(&Cluster), record: bool) -> Outcome {
        let cluster = history
            .setup
            .builder()
            .start()
            .await
            .expect("a cluster without sockets always starts");
        prepare(&cluster);
        let watcher = Watcher::new(cluster.clock().clone(), &history.setup);
        let members = (0..history.setup.nodes() - history.setup.empty).collect();
        let mut player = Player {
            cluster,
            history: history.clone(),
            watcher: Arc::new(Mutex::new(watcher)),
            script: String::new(),
            record: record.then(String::new),
            members,
            unsure: BTreeSet::new(),
            ghosts: Vec::new(),
            moves: BTreeMap::new(),
            targets: BTreeSet::new(),
            acknowledged: BTreeMap::new(),
            values: 0,
            carried: Vec::new(),
            killed: BTreeMap::new(),
            dropped: Vec::new(),
            unassigned: SlotSet::new(),
        };
        player.look();
        for event in &history.events {
            player.event(event).await;
            player.look();
            player.note(event);
            if player.is_over() {
                break;
            }
        }
        if !player.is_over() {
            player.end().await;
        }
        player.outcome()
    }

    fn outcome(mut self) -> Outcome {
        if let Some(record) = &mut self.record {
            for node in 0..self.cluster.len() {
                let _ = writeln!(
                    record,
                    "log of {node}\n{}",
                    self.cluster.log(node).join("\n")
                );
            }
        }
        let mut watcher = self.watch();
        let (violation, failovers, time) = (
            watcher.violation.take(),
            watcher.promotions.len(),
            watcher.now(),
        );
        drop(watcher);
        Outcome {
            violation,
            script: self.script,
            failovers,
            time: Duration::from_micros(time),
            record: self.record.unwrap_or_default(),
        }
    }

    pub fn watch(&self) -> MutexGuard<'_, Watcher> {
        self.watcher.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a rule was broken.
    pub fn is_over(&self) -> bool {
        self.watch().violation.is_some()
    }

    fn look(&self) {
        let watcher = Arc::clone(&self.watcher);
        self.cluster.look(move |look| {
            watcher
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .look(look)
        });
    }

    fn note(&mut self, event: &Event) {
        let views: Option<Vec<String>> = self.record.is_some().then(|| {
            (0..self.cluster.len())
                .map(|node| self.nodes_text(node))
                .collect()
        });
        if let (Some(record), Some(views)) = (&mut self.record, views) {
            let _ = writeln!(record, "{event:?}");
            for view in views {
                record.push_str(&view);
                record.push('\n');
            }
        }
    }

    /// What a node says by CLUSTER NODES. It does not matter for what happens next.
    pub fn nodes_text(&self, node: usize) -> String {
        match self.cluster.run(node, ["CLUSTER", "NODES"]) {
            Reply::Bulk(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            other => format!("{other:?}"),
        }
    }

    /// A line of the script.
    pub fn line(&mut self, line: String) {
        self.script.push_str("    ");
        self.script.push_str(&line);
        self.script.push('\n');
    }

    /// Executes a command, which becomes a line of the script.
    pub fn run(&mut self, node: usize, words: &[&str]) -> Reply {
        self.line(format!("cluster.run({node}, {words:?});"));
        self.watch().commanded = true;
        self.cluster.run(node, words)
    }

    /// Carries a key to another node.
    pub(super) fn migrate(&mut self, from: usize, to: usize, key: &str) -> Reply {
        let port = (7001 + to).to_string();
        let words = ["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS", key];
        self.run(from, &words)
    }

    pub(super) fn run_asking(&mut self, node: usize, words: &[&str]) -> Reply {
        self.line(format!("cluster.run_asking({node}, {words:?});"));
        self.watch().commanded = true;
        self.cluster.run_asking(node, words)
    }

    /// Time passes; ends early if a rule is broken.
    pub async fn wait(&mut self, time: Duration) {
        let watcher = Arc::clone(&self.watcher);
        let begun = self.watch().now();
        self.cluster
            .until(time, move |look| {
                let mut watcher = watcher.lock().unwrap_or_else(PoisonError::into_inner);
                watcher.look_if_new(look);
                watcher.violation.is_some()
            })
            .await;
        let passed = self.watch().now() - begun;
        self.line(format!("cluster.advance(Duration::from_micros({passed}));"));
    }

    pub fn is_running(&self, node: usize) -> bool {
        self.cluster.is_running(node)
    }

    /// Whether nothing is wrong by the history's doing, and everybody runs.
    pub(super) fn is_all_well(&self) -> bool {
        !self.watch().faults.are_there() && self.members.iter().all(|node| self.is_running(*node))
    }

    /// What is kept at a node is lost from here on; others may have it.
    fn lose(&mut self, node: usize) {
        let is_there = self.is_running(node) || self.watch().faults.frozen.contains(&node);
        if !is_there {
            return;
        }
        let served = self.cluster.look(move |look| match look.is_master(node) {
            true => look.slot_set(node),
            false => SlotSet::new(),
        });
        let imported = self.moves.iter().filter(|(_, open)| open.to == node);
        let imported = imported.map(|(key, _)| slot_of(&key_name(*key))).collect();
        let mut watcher = self.watch();
        let at = watcher.now();
        if let Some(seen) = watcher.nodes.get_mut(node) {
            seen.has_until = 0;
        }
        drop(watcher);
        let killed = Killed {
            at,
            served,
            imported,
        };
        self.killed.insert(node, killed);
    }

    async fn event(&mut self, event: &Event) {
        self.watch().note_faults();
        match event {
            Event::Wait(time) => self.wait(Duration::from_millis(*time)).await,
            Event::Write { key, at } => self.write(*key, *at),
            Event::Kill(node) => {
                self.lose(*node);
                self.line(format!("cluster.kill({node});"));
                self.cluster.kill(*node);
                self.ended(*node);
            }
            Event::Stop(node) => {
                self.line(format!("cluster.stop({node});"));
                self.cluster.stop(*node);
                self.ended(*node);
            }
            Event::Start(node) => self.start(*node),
            Event::Freeze(node) => {
                if self.is_running(*node) {
                    self.line(format!("cluster.freeze({node});"));
                    self.cluster.freeze(*node);
                    self.watch().faults.frozen.insert(*node);
                }
            }
            Event::Thaw(node) => self.thaw(*node),
            Event::Part(group) => {
                self.line(format!("cluster.partition(&[&{group:?}]);"));
                self.cluster.partition(&[group]);
                let count = self.cluster.len();
                let mut watcher = self.watch();
                for from in 0..count {
                    for to in (0..count).filter(|to| group.contains(&from) != group.contains(to)) {
                        watcher.faults.cuts.insert((from, to));
                    }
                }
            }
            Event::Cut(from, to) => {
                if from != to {
                    self.line(format!("cluster.cut({from}, {to});"));
                    self.cluster.cut(*from, *to);
                    self.watch().faults.cuts.insert((*from, *to));
                }
            }
            Event::Heal => self.heal(),
            Event::Slow(node, by) => {
                self.line(format!(
                    "cluster.slow({node}, Duration::from_millis({by}));"
                ));
                self.cluster.slow(*node, Duration::from_millis(*by));
                self.watch().faults.slow.insert(*node);
            }
            Event::Lose(percent) => {
                let share = f64::from(*percent) / 100.0;
                self.line(format!("cluster.lose({share:?});"));
                self.cluster.lose(share);
                self.watch().faults.loss = true;
            }
            Event::Failover { node, how } => self.fail_over(*node, *how),
            Event::Open { key, to } => self.open(*key, *to),
            Event::Carry { key } => self.carry(*key),
            Event::Close { key } => self.close(*key),
            Event::Meet { node, to } => self.meet(*node, *to),
            Event::Follow { node, master } => {
                let id = self.cluster.id(*master).to_string();
                let of = *master;
                // A replica of one that becomes a replica itself stays without a link.
                let serves = self.cluster.look(move |look| {
                    look.is_running(of) && look.is_master(of) && look.slots(of) > 0
                });
                if node != master && serves && self.is_running(*node) {
                    self.run(*node, &["CLUSTER", "REPLICATE", &id]);
                }
            }
            Event::Leave { node, hard } => self.leave(*node, *hard),
            Event::Forget { at, node } => self.forget(*at, *node),
            Event::Wipe(node) => self.wipe(*node),
            Event::MeetNobody(node) => {
                self.run(*node, &["CLUSTER", "MEET", "127.0.0.1", "7999"]);
            }
            Event::Bump(node) => {
                self.run(*node, &["CLUSTER", "BUMPEPOCH"]);
            }
            Event::Unassign { key } => self.unassign(*key),
        }
    }

    fn ended(&mut self, node: usize) {
        let mut watcher = self.watch();
        watcher.faults.frozen.remove(&node);
        // Whom it has forgotten is not kept over a restart (`clusterSaveConfig`).
        watcher.bans.retain(|(viewer, ..)| *viewer != node);
    }

    pub fn start(&mut self, node: usize) {
        // One that is frozen is there already.
        if self.is_running(node) || self.watch().faults.frozen.contains(&node) {
            return;
        }
        self.line(format!("cluster.start_again({node}).unwrap();"));
        self.cluster
            .start_again(node)
            .expect("a node without sockets always starts");
        let mut watcher = self.watch();
        let now = watcher.now();
        if let Some(seen) = watcher.nodes.get_mut(node) {
            seen.start(now);
        }
        drop(watcher);
        if let Some(killed) = self.killed.remove(&node) {
            self.watch().reborn.push(Rebirth {
                node,
                killed: killed.at,
                slots: killed.served.clone(),
            });
            self.dropped.push((node, killed));
        }
    }

    pub fn thaw(&mut self, node: usize) {
        if self.watch().faults.frozen.contains(&node) {
            self.line(format!("cluster.thaw({node});"));
            self.cluster.thaw(node);
            self.watch().faults.frozen.remove(&node);
        }
    }

    pub fn heal(&mut self) {
        self.line("cluster.heal();".to_owned());
        self.cluster.heal();
        self.line("cluster.lose(0.0);".to_owned());
        self.cluster.lose(0.0);
        let slow = self.watch().faults.slow.clone();
        for node in slow {
            self.line(format!("cluster.slow({node}, Duration::ZERO);"));
            self.cluster.slow(node, Duration::ZERO);
        }
        self.watch().faults.heal();
    }

    /// All keys that a history may have written.
    pub fn keys() -> impl Iterator<Item = u8> {
        0..KEYS
    }
}
