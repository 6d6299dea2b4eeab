//! What clients and operators do.

use super::cluster::{NodeId, Reply, Slot};
use super::event::{How, key_name};
use super::player::{Carried, Move, Player, Write};
use super::rule::Rule;
use super::seen::{Doubt, Rebirth};
use super::slot_of;

impl Player {
    pub(super) fn write(&mut self, key: u8, at: usize) {
        self.values += 1;
        let (name, value) = (key_name(key), self.values);
        let text = value.to_string();
        let words = ["SET", name.as_str(), text.as_str()];
        let (mut node, mut asking) = (at, false);
        for _ in 0..6 {
            let reply = match asking {
                true => self.run_asking(node, &words),
                false => self.run(node, &words),
            };
            if reply.is_ok() {
                let mut watcher = self.watch();
                let now = watcher.now();
                let holds = watcher
                    .nodes
                    .get(node)
                    .is_some_and(|seen| now < seen.pauses_until && seen.master);
                if holds {
                    watcher.broken(
                        Rule::InStep,
                        format!("node {node} accepts a write while it waits for its replica to take over"),
                        format!("assert_ne!(cluster.run({node}, [\"GET\", {name:?}]), Reply::from({text:?}));"),
                    );
                }
                drop(watcher);
                self.acknowledged.insert(
                    key,
                    Write {
                        value,
                        by: node,
                        at: now,
                        asked: asking,
                    },
                );
                return;
            }
            let Some(error) = reply.as_error().map(str::to_owned) else {
                return;
            };
            let mut words = error.split(' ');
            let kind = words.next().unwrap_or_default();
            let port = words
                .nth(1)
                .and_then(|address| address.rsplit(':').next()?.parse::<usize>().ok());
            let Some(next) = port
                .and_then(|port| port.checked_sub(7001))
                .filter(|_| kind == "MOVED" || kind == "ASK")
            else {
                return;
            };
            if next >= self.cluster.len() {
                return;
            }
            (node, asking) = (next, kind == "ASK");
        }
    }

    pub(super) fn fail_over(&mut self, node: usize, how: How) {
        let mut words = vec!["CLUSTER", "FAILOVER"];
        words.extend(how.word());
        if self.run(node, &words).is_ok() {
            let mut watcher = self.watch();
            let now = watcher.now();
            if let Some(seen) = watcher.nodes.get_mut(node) {
                seen.asked = Some((now, how == How::Manual));
                seen.asked_last = Some(now);
            }
        }
    }

    /// Who serves the slot of a key, by the word of a node that runs and serves it.
    fn owner(&self, key: u8) -> Option<usize> {
        let slot = slot_of(&key_name(key));
        self.cluster.look(move |look| {
            (0..look.len()).find(|node| {
                look.is_running(*node)
                    && look.is_master(*node)
                    && look.owner(*node, slot) == Some(*node)
            })
        })
    }

    pub(super) fn open(&mut self, key: u8, to: usize) {
        let slot = slot_of(&key_name(key));
        let Some(from) = self
            .owner(key)
            .filter(|from| *from != to && !self.moves.contains_key(&key))
        else {
            return;
        };
        let here = self
            .cluster
            .look(move |look| look.is_running(to) && look.is_master(to));
        if !here || !self.members.contains(&to) || self.unassigned.contains(slot) {
            return;
        }
        let (source, target) = (
            self.cluster.id(from).to_string(),
            self.cluster.id(to).to_string(),
        );
        let number = slot.to_string();
        if self
            .run(to, &["CLUSTER", "SETSLOT", &number, "IMPORTING", &source])
            .is_ok()
        {
            if self
                .run(from, &["CLUSTER", "SETSLOT", &number, "MIGRATING", &target])
                .is_ok()
            {
                self.moves.insert(key, Move { from, to });
                self.targets.insert((slot, to));
            } else {
                self.run(to, &["CLUSTER", "SETSLOT", &number, "STABLE"]);
            }
        }
    }

    pub fn carry(&mut self, key: u8) {
        if let Some(open) = self.moves.get(&key).copied() {
            let name = key_name(key);
            if self.migrate(open.from, open.to, &name).is_ok() {
                let at = self.watch().now();
                self.carried.push(Carried {
                    slot: slot_of(&name),
                    to: open.to,
                    at,
                });
            }
        }
    }

    pub fn close(&mut self, key: u8) {
        let Some(open) = self.moves.get(&key).copied() else {
            return;
        };
        let number = slot_of(&key_name(key)).to_string();
        let (from, to) = (open.from, open.to);
        let slot = slot_of(&key_name(key));
        let as_it_was = self.cluster.look(move |look| {
            let well = |node| look.is_running(node) && look.is_master(node);
            well(from)
                && well(to)
                && look.owner(from, slot) == Some(from)
                && look.owner(to, slot) == Some(from)
        });
        let left = match as_it_was {
            true => self.run(from, &["CLUSTER", "COUNTKEYSINSLOT", &number]),
            false => Reply::Nil,
        };
        if left != Reply::Int(0) {
            return;
        }
        let target = self.cluster.id(to).to_string();
        self.moves.remove(&key);
        let usurpers = self.usurpers(slot, from, to);
        let taken = self.run(to, &["CLUSTER", "SETSLOT", &number, "NODE", &target]);
        if taken.is_ok() {
            self.claims_by_newest(to);
            self.note_assigned(from, usurpers);
        }
        if taken.is_ok()
            && self
                .run(from, &["CLUSTER", "SETSLOT", &number, "NODE", &target])
                .is_ok()
        {
            let kept = self
                .cluster
                .look(move |look| look.owner(from, slot) == Some(from));
            if kept {
                let proof = format!(
                    "assert_ne!(cluster.look(|look| look.owner({from}, {number}.try_into().unwrap())), Some({from}));"
                );
                self.watch().broken(
                    Rule::Assigned,
                    format!("node {from} keeps slot {number}, which was assigned to node {to}"),
                    proof,
                );
            }
        }
    }

    fn claims_by_newest(&mut self, to: usize) {
        let newer = self.cluster.look(move |look| {
            let own = look.epoch(to);
            (0..look.len())
                .find(|other| look.sees_epoch(to, *other).is_some_and(|epoch| epoch > own))
        });
        if let Some(other) = newer {
            let proof = format!(
                "assert!(cluster.look(|look| look.epoch({to}) >= look.sees_epoch({to}, {other}).unwrap()));"
            );
            let what = format!(
                "node {to} was assigned a slot that it has imported, and claims it by an epoch that is older than node {other}'s"
            );
            self.watch().broken(Rule::Newest, what, proof);
        }
    }

    /// Others that have come to serve a slot while it was being moved, which neither end of the move has heard of. The target claims it by the greatest epoch
    /// that it knows (`clusterBumpConfigEpochWithoutConsensus`), which need not be greater than theirs: what they accept until one of them hears of the other is lost.
    fn usurpers(&self, slot: Slot, from: usize, to: usize) -> Vec<Doubt> {
        let others: Vec<usize> = self.cluster.look(move |look| {
            let all = (0..look.len()).filter(|node| *node != from && *node != to);
            all.filter(|node| look.is_master(*node) && look.owner(*node, slot) == Some(*node))
                .collect()
        });
        let both_ways = others.into_iter().flat_map(|node| [(node, to), (to, node)]);
        let doubts = both_ways.map(|(node, rival)| Doubt {
            node,
            rival,
            slots: std::iter::once(slot).collect(),
            until: None,
        });
        doubts.collect()
    }

    fn note_assigned(&mut self, from: usize, usurpers: Vec<Doubt>) {
        let mut watcher = self.watch();
        watcher.usurpers.extend(usurpers);
        // A source that has just come back without its keys has none left to be moved.
        let empty = watcher.reborn.iter().filter(|one| one.node == from);
        let empty: Vec<Rebirth> = empty.cloned().collect();
        watcher.emptied.extend(empty);
    }

    pub fn meet(&mut self, node: usize, to: usize) {
        if node == to || !self.members.contains(&to) || !self.is_running(node) {
            return;
        }
        let port = (7001 + to).to_string();
        let id = self.cluster.id(node);
        self.run(node, &["CLUSTER", "MEET", "127.0.0.1", &port]);
        self.watch().bans.retain(|(_, of, _)| *of != id);
        if self.members.insert(node) {
            self.unsure.insert(node);
        }
    }

    pub(super) fn leave(&mut self, node: usize, hard: bool) {
        if !self.is_all_well() || !self.members.contains(&node) || self.members.len() <= 4 {
            return;
        }
        let empty = self.run(node, &["DBSIZE"]) == Reply::Int(0);
        let (serves, follows) = self
            .cluster
            .look(move |look| (look.slot_set(node), look.master_of(node).is_some()));
        let open = self
            .moves
            .values()
            .any(|open| open.from == node || open.to == node);
        // Others can't forget whom they follow, and a master with keys can't be reset.
        let followed = self
            .cluster
            .look(move |look| (0..look.len()).any(|other| look.master_of(other) == Some(node)));
        if open || followed || !(follows || empty) {
            return;
        }
        let id = self.cluster.id(node);
        for other in self.members.clone() {
            if other != node
                && self
                    .run(other, &["CLUSTER", "FORGET", &id.to_string()])
                    .is_ok()
            {
                self.ban(other, id);
            }
        }
        self.members.remove(&node);
        self.unassigned = self.unassigned.union(&serves);
        self.reset(node, hard);
    }

    fn ban(&mut self, viewer: usize, id: NodeId) {
        let mut watcher = self.watch();
        let until = watcher.now() + 59_000_000;
        watcher.bans.push((viewer, id, until));
    }

    pub fn reset(&mut self, node: usize, hard: bool) {
        let how = if hard { "HARD" } else { "SOFT" };
        if self.run(node, &["CLUSTER", "RESET", how]).is_ok() {
            let left = self
                .cluster
                .look(move |look| (look.slots(node), look.known(node)));
            if left != (0, 1) {
                let proof = format!(
                    "assert_eq!(cluster.look(|look| (look.slots({node}), look.known({node}))), (0, 1));"
                );
                self.watch().broken(
                    Rule::Reset,
                    format!(
                        "node {node} was reset and has {} slots and knows {} nodes",
                        left.0, left.1
                    ),
                    proof,
                );
            }
        }
    }

    pub(super) fn forget(&mut self, at: usize, node: usize) {
        let settled = self.is_all_well()
            && at != node
            && self.members.contains(&at)
            && self.members.contains(&node)
            && self.moves.is_empty();
        let id = self.cluster.id(node);
        if settled
            && self
                .run(at, &["CLUSTER", "FORGET", &id.to_string()])
                .is_ok()
        {
            self.ban(at, id);
        }
    }

    pub(super) fn wipe(&mut self, node: usize) {
        let is_replica = self
            .cluster
            .look(move |look| look.master_of(node).is_some());
        if self.is_all_well() && is_replica && self.members.contains(&node) {
            self.ghosts.push((node, self.cluster.id(node)));
            self.members.remove(&node);
            self.reset(node, true);
        }
    }

    pub(super) fn unassign(&mut self, key: u8) {
        let slot: Slot = slot_of(&key_name(key));
        if self.is_all_well() && self.moves.is_empty() {
            self.unassigned.insert(slot);
            for node in self.members.clone() {
                self.run(node, &["CLUSTER", "DELSLOTS", &slot.to_string()]);
            }
        }
    }
}
