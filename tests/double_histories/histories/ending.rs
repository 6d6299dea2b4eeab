//! The end of a history: everything is healed, and then all must be as it should be.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::cluster::{NodeId, Reply, Slot, SlotSet, Topology};
use super::event::key_name;
use super::player::{Player, Write};
use super::rule::Rule;
use super::slot_of;

/// How long the nodes have to come to one view, in milliseconds of their time: a ban is over after a minute.
const LIMIT: u64 = 100_000;

/// A node as another one sees it, without what is not the same in all views.
type Sight = BTreeMap<NodeId, (bool, bool, bool, Option<NodeId>, u64, SlotSet)>;

impl Player {
    /// Heals everything and checks the end.
    pub async fn end(&mut self) {
        self.heal();
        for node in 0..self.cluster.len() {
            self.thaw(node);
            self.start(node);
        }
        self.see_ghosts().await;
        if !self.moves.is_empty() {
            // Whoever imports a slot believes nobody who claims it.
            self.wait(Duration::from_millis(self.history.setup.timeout * 4 + 4000))
                .await;
        }
        let left = self.end_moves();
        self.agree().await;
        if self.is_over() {
            return;
        }
        for key in left {
            self.gather(key);
        }
        self.wait(Duration::from_millis(500)).await;
        self.agree().await;
        if self.is_over() {
            return;
        }
        self.epochs_and_slots();
        self.keys_are_where_they_belong();
        self.nothing_is_lost();
    }

    /// Nodes that were reset while nobody was told are other nodes now: nobody takes them for the old ones. Then the operator makes an end of it.
    async fn see_ghosts(&mut self) {
        if self.ghosts.is_empty() {
            return;
        }
        self.wait(Duration::from_millis(self.history.setup.timeout * 4 + 3000))
            .await;
        for (node, id) in std::mem::take(&mut self.ghosts) {
            for viewer in self.members.clone() {
                let Some(view) = self.view(viewer) else {
                    continue;
                };
                if view.node(id).is_some_and(|old| {
                    !old.flags.noaddr && !old.flags.failed && !old.flags.suspected
                }) {
                    let proof = format!(
                        "assert!(cluster.look(|look| !look.knows({viewer}, {:?}.parse().unwrap())));",
                        id.to_string()
                    );
                    self.watch().broken(
                        Rule::Identity,
                        format!("node {viewer} takes node {node} for the {id} that it was"),
                        proof,
                    );
                }
                self.run(viewer, &["CLUSTER", "FORGET", &id.to_string()]);
            }
            let to = self.members.first().copied().unwrap_or_default();
            self.meet(node, to);
        }
    }

    fn view(&self, node: usize) -> Option<Topology> {
        Topology::parse(&self.nodes_text(node)).ok()
    }

    fn sight(&self, node: usize) -> Option<Sight> {
        let view = self.view(node)?;
        let nodes = view.nodes.iter().map(|node| {
            let unwell = node.flags.suspected
                || node.flags.failed
                || node.flags.handshake
                || node.flags.noaddr;
            let epoch = if node.is_master() {
                node.config_epoch
            } else {
                0
            };
            let slots = node.slots.difference(&self.unassigned);
            (
                node.id,
                (
                    node.is_master(),
                    node.is_replica(),
                    unwell,
                    node.master,
                    epoch,
                    slots,
                ),
            )
        });
        Some(nodes.collect())
    }

    /// Why the members do not agree.
    fn disagreement(&self) -> Option<String> {
        let ids: BTreeSet<NodeId> = self
            .members
            .iter()
            .map(|node| self.cluster.id(*node))
            .collect();
        let mut first: Option<(usize, Sight)> = None;
        for node in self.members.iter().copied() {
            let sight = self.sight(node)?;
            let known: BTreeSet<NodeId> = sight.keys().copied().collect();
            if known != ids {
                return Some(format!(
                    "node {node} knows {} nodes, and there are {}",
                    known.len(),
                    ids.len()
                ));
            }
            if let Some((id, _)) = sight.iter().find(|(_, one)| one.2) {
                return Some(format!("node {node} takes {id} for unwell"));
            }
            match &first {
                None => first = Some((node, sight)),
                Some((other, theirs)) if *theirs != sight => {
                    let id = sight
                        .iter()
                        .find(|(id, one)| theirs.get(id) != Some(one))
                        .map(|(id, _)| *id);
                    let line = |at: usize| {
                        self.nodes_text(at)
                            .lines()
                            .find(|line| id.is_some_and(|id| line.starts_with(&id.to_string())))
                            .map(str::to_owned)
                    };
                    return Some(format!(
                        "nodes {other} and {node} see the same node differently: {:?} and {:?}",
                        line(*other),
                        line(node)
                    ));
                }
                Some(_) => {}
            }
        }
        let down = self.cluster.look({
            let members: Vec<usize> = self.members.iter().copied().collect();
            move |look| {
                members
                    .iter()
                    .find(|node| !look.is_ok(**node))
                    .map(|node| format!("node {node} does not take the cluster for well"))
                    .or_else(|| {
                        let apart = members.iter().find(|node| {
                            // Redis 7.0 folds a chain of replicas only when it hears of other slots than before (`clusterUpdateSlotsConfigWith`), so one may
                            // stay; the double knows no replicas of replicas.
                            let is_in_chain = look
                                .master_of(**node)
                                .is_some_and(|master| !look.is_master(master));
                            !look.is_master(**node) && !look.is_linked(**node) && !is_in_chain
                        });
                        apart.map(|node| format!("node {node} is not linked to its master"))
                    })
            }
        });
        // With slots that are nobody's it can't be well, if it has to cover all (`clusterUpdateState`).
        down.filter(|_| self.unassigned.is_empty() || !self.history.setup.full_coverage)
    }

    async fn agree(&mut self) {
        let mut why = None;
        for turn in 0..LIMIT / 500 {
            why = self.disagreement();
            if why.is_none() || self.is_over() {
                return;
            }
            if turn % 20 == 4 {
                // Whoever could not come in is introduced once more.
                let to = self
                    .members
                    .iter()
                    .copied()
                    .find(|node| !self.unsure.contains(node));
                for node in self.unsure.clone() {
                    self.meet(node, to.unwrap_or_default());
                }
            }
            self.wait(Duration::from_millis(500)).await;
        }
        if let Some(why) = why {
            let proof = "assert!(cluster.look(|look| look.is_settled()));".to_owned();
            self.watch().broken(Rule::OneView, why, proof);
        }
    }

    /// The operator makes an end of all moves. The keys whose slots could not be moved to where they were to go.
    fn end_moves(&mut self) -> Vec<u8> {
        for key in self.moves.keys().copied().collect::<Vec<u8>>() {
            self.carry(key);
            self.close(key);
        }
        let left: Vec<u8> = std::mem::take(&mut self.moves).into_keys().collect();
        for key in &left {
            let number = slot_of(&key_name(*key)).to_string();
            for node in self.members.clone() {
                self.run(node, &["CLUSTER", "SETSLOT", &number, "STABLE"]);
            }
        }
        left
    }

    fn serving(&self, slot: Slot) -> Option<usize> {
        let node = self.members.first().copied()?;
        self.cluster.look(move |look| look.owner(node, slot))
    }

    /// A key that is at a node which does not serve it goes to the one that does, unless that has it.
    fn gather(&mut self, key: u8) {
        let slot = slot_of(&key_name(key));
        let number = slot.to_string();
        let Some(owner) = self.serving(slot) else {
            return;
        };
        for node in self.members.clone() {
            let is_master = self.cluster.look(move |look| look.is_master(node));
            if node == owner
                || !is_master
                || self.run(node, &["CLUSTER", "COUNTKEYSINSLOT", &number]) == Reply::Int(0)
            {
                continue;
            }
            let id = self.cluster.id(owner).to_string();
            let name = key_name(key);
            self.run(node, &["CLUSTER", "SETSLOT", &number, "IMPORTING", &id]);
            if !self.migrate(node, owner, &name).is_ok() {
                self.line(format!("cluster.run_asking({node}, [\"DEL\", {name:?}]);"));
                self.cluster.run_asking(node, ["DEL", &name]);
            }
            self.run(node, &["CLUSTER", "SETSLOT", &number, "STABLE"]);
        }
    }

    fn epochs_and_slots(&mut self) {
        let Some(node) = self.members.first().copied() else {
            return;
        };
        let Some(view) = self.view(node) else { return };
        let mut epochs = BTreeMap::new();
        for master in view.masters().filter(|master| !master.slots.is_empty()) {
            if let Some(other) = epochs.insert(master.config_epoch, master.id) {
                let what = format!(
                    "{other} and {} have epoch {}",
                    master.id, master.config_epoch
                );
                let epochs = "(0..look.len()).filter(|node| look.is_master(*node) && look.slots(*node) > 0).map(|node| look.epoch(node)).collect::<Vec<_>>()";
                let proof = format!(
                    "let mut epochs = cluster.look(|look| {epochs});\n    epochs.sort_unstable();\n    assert!(epochs.windows(2).all(|two| two[0] != two[1]));"
                );
                self.watch().broken(Rule::UniqueEpochs, what, proof);
            }
        }
        let nobodys = SlotSet::all()
            .difference(&view.assigned())
            .difference(&self.unassigned);
        if !nobodys.is_empty() {
            let slot = nobodys.first().map_or(0, Slot::get);
            let proof = format!(
                "assert!(cluster.look(|look| look.owner({node}, {slot}.try_into().unwrap())).is_some());"
            );
            self.watch()
                .broken(Rule::Owned, format!("slots {nobodys} are nobody's"), proof);
        }
    }

    fn keys_are_where_they_belong(&mut self) {
        for key in Player::keys() {
            let slot = slot_of(&key_name(key));
            let Some(owner) = self
                .serving(slot)
                .filter(|_| !self.unassigned.contains(slot))
            else {
                continue;
            };
            for node in self.members.clone() {
                // What a replica of a replica has is what it had when its master became one: see the look at links.
                let belongs = self.cluster.look(move |look| {
                    let master = look.master_of(node);
                    let is_in_chain = master.is_some_and(|master| !look.is_master(master));
                    node == owner || master == Some(owner) || is_in_chain
                });
                // Keys of another one's slot that a master finds at its start stay (`verifyClusterConfigWithData`).
                let named = || {
                    self.cluster
                        .log(node)
                        .iter()
                        .any(|line| line.starts_with(&format!("I have keys for slot {slot},")))
                };
                let number = slot.to_string();
                let is_explained = self.has_others_keys(node) || self.inherited(slot, node);
                if belongs
                    || is_explained
                    || self
                        .cluster
                        .run(node, ["CLUSTER", "COUNTKEYSINSLOT", &number])
                        == Reply::Int(0)
                    || named()
                {
                    continue;
                }
                let proof = format!(
                    "assert_eq!(cluster.run({node}, [\"CLUSTER\", \"COUNTKEYSINSLOT\", \"{number}\"]), Reply::Int(0));"
                );
                self.watch().broken(
                    Rule::Stray,
                    format!("node {node} has keys of slot {slot}, which node {owner} serves"),
                    proof,
                );
            }
        }
    }

    /// Whether a node, or the master whose data it has, has keys that are not its own and that nobody takes away.
    fn has_others_keys(&self, node: usize) -> bool {
        let nodes = &self.watch().nodes;
        let master = nodes[node].master_of.unwrap_or(node);
        nodes[node].has_others_keys || nodes[master].has_others_keys
    }

    /// Whether a node, or the master whose data it has, has taken the place of one to which this slot was being moved, without having heard of that: it has the keys that were there already. What
    /// is being imported is known to the importing master alone (`importing_slots_from`), and `clusterFailoverReplaceYourMaster` takes the slots that it served.
    fn inherited(&self, slot: Slot, node: usize) -> bool {
        let watcher = self.watch();
        let mut bearers: BTreeSet<usize> = BTreeSet::new();
        for promotion in &watcher.promotions {
            let bears = promotion.before.is_some_and(|before| {
                self.targets.contains(&(slot, before)) || bearers.contains(&before)
            });
            if bears && !promotion.slots.contains(slot) {
                bearers.insert(promotion.node);
            }
        }
        let master = watcher.nodes[node].master_of.unwrap_or(node);
        bearers.contains(&node) || bearers.contains(&master)
    }

    fn nothing_is_lost(&mut self) {
        for (key, write) in self.acknowledged.clone() {
            let (name, slot) = (key_name(key), slot_of(&key_name(key)));
            let Some(owner) = self
                .serving(slot)
                .filter(|_| !self.unassigned.contains(slot))
            else {
                continue;
            };
            let reply = self.cluster.run(owner, ["GET", &name]);
            // With slots that are nobody's it may refuse all (`clusterUpdateState`, `getNodeByQuery`).
            if reply.as_error().is_some()
                && !self.unassigned.is_empty()
                && self.history.setup.full_coverage
            {
                continue;
            }
            let value = reply.as_text().and_then(|text| text.parse::<u64>().ok());
            if value == Some(write.value) || self.is_explained(slot, &write) {
                continue;
            }
            let proof = format!(
                "assert_eq!(cluster.run({owner}, [\"GET\", {name:?}]), Reply::from(\"{}\"));",
                write.value
            );
            let what = format!(
                "node {} has acknowledged {name} = {}, and node {owner} has {reply:?}",
                write.by, write.value
            );
            self.watch().broken(Rule::Lost, what, proof);
        }
    }

    /// Whether something in the history may have cost a write: where it was accepted, or where it was carried later.
    fn is_explained(&self, slot: Slot, write: &Write) -> bool {
        let later = self.carried.iter();
        let mut later = later.filter(|one| one.slot == slot && one.at >= write.at);
        self.may_be_lost(slot, write)
            || later.any(|one| {
                let there = Write {
                    value: write.value,
                    by: one.to,
                    at: one.at,
                    asked: true,
                };
                self.may_be_lost(slot, &there)
            })
    }

    /// Whether something in the history may have cost what a node had accepted, or was given, then.
    fn may_be_lost(&self, slot: Slot, write: &Write) -> bool {
        let watcher = self.watch();
        let (at, by) = (write.at, write.by);
        let is_target = self.targets.contains(&(slot, by));
        // Replication is asynchronous: whoever takes its master's place (`clusterFailoverReplaceYourMaster`) may lack the last that it accepted.
        let promoted = watcher.promotions.iter().any(|promotion| {
            let lacks = at >= promotion.has_until;
            let before = lacks && at <= promotion.at;
            if !promotion.slots.contains(slot) {
                // A slot that is on its way to a master is none of its slots, and a replica does not know of it (`importing_slots_from`).
                return before && write.asked && promotion.before == Some(by);
            }
            // A replica of a slot's source may have a key that was carried away, and then the operator takes it for the right one.
            let kept = lacks && write.asked;
            let claimed = || {
                let mut claims = promotion.claims.iter();
                claims.any(|claim| claim.concerns(slot, at, by) && (lacks || is_target))
            };
            before || kept || claimed()
        });
        let mut doubts = watcher.rivals.iter().chain(&watcher.usurpers);
        let mut emptied = watcher.emptied.iter();
        promoted
            || doubts.any(|doubt| doubt.concerns(slot, at, by))
            || emptied.any(|one| at <= one.killed && one.slots.contains(slot))
            || self.dropped.iter().any(|(node, killed)| {
                *node == by && at <= killed.at && killed.imported.contains(slot)
            })
    }
}
