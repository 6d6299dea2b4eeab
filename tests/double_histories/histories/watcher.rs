//! The checker that looks at all nodes after everything that happens.

use std::collections::{BTreeMap, BTreeSet};

use super::cluster::NodeId;
use super::double::{Clock, Look};
use super::event::Setup;
use super::faults::Faults;
use super::rule::{Rule, Violation};
use super::seen::{Doubt, Owed, Promotion, Rebirth, Seen};

pub struct Watcher {
    pub(super) clock: Clock,
    pub(super) zero: u64,
    pub(super) timeout: u64,
    pub(super) delay: u64,
    pub(super) validity: u64,
    pub(super) replica_migration: bool,
    /// An operator or a client has sent a command since the last look: what changed may be by his word.
    pub commanded: bool,
    pub nodes: Vec<Seen>,
    /// When it has looked last.
    looked_at: Option<u64>,
    pub faults: Faults,
    pub violation: Option<Violation>,
    pub promotions: Vec<Promotion>,
    /// Elections that an operator has asked for: whose, and in which epoch. Their requests are for votes against masters that are well, however late they come.
    pub(super) forced: BTreeSet<(usize, u64)>,
    /// Masters that served slots which another one served in the same epoch, since one of them had taken it without votes (`clusterBumpConfigEpochWithoutConsensus`,
    /// `clusterHandleConfigEpochCollision`).
    pub rivals: Vec<Doubt>,
    /// Masters whose slots an operator has assigned to another node, of which they have not heard.
    pub usurpers: Vec<Doubt>,
    /// Masters that have come back without their keys, and of which it is not known yet whether they are masters still.
    pub reborn: Vec<Rebirth>,
    /// Those that went on as masters, or whose replicas have copied them: what was accepted before is lost.
    pub emptied: Vec<Rebirth>,
    /// Who won which epoch.
    pub(super) winners: BTreeMap<u64, usize>,
    /// Epochs that were taken without votes.
    pub(super) bumped: BTreeSet<(usize, u64)>,
    /// Who had which epoch as a master.
    pub(super) held: BTreeMap<u64, BTreeSet<usize>>,
    /// Who voted in which epoch, for whom.
    pub(super) votes: BTreeMap<(usize, u64), NodeId>,
    /// When a master last took a node for unwell.
    pub(super) suspected: BTreeMap<(usize, usize), u64>,
    pub(super) owed: Vec<Owed>,
    /// Nodes that were forgotten: by whom, and until when they have to stay so.
    pub bans: Vec<(usize, NodeId, u64)>,
}

impl Watcher {
    pub fn new(clock: Clock, setup: &Setup) -> Watcher {
        let zero = clock.now().as_micros() as u64;
        Watcher {
            clock,
            zero,
            timeout: setup.timeout * 1000,
            delay: setup.delay,
            validity: setup.validity,
            replica_migration: setup.replica_migration,
            commanded: false,
            nodes: Vec::new(),
            looked_at: None,
            faults: Faults::default(),
            violation: None,
            promotions: Vec::new(),
            forced: BTreeSet::new(),
            rivals: Vec::new(),
            usurpers: Vec::new(),
            reborn: Vec::new(),
            emptied: Vec::new(),
            winners: BTreeMap::new(),
            bumped: BTreeSet::new(),
            held: BTreeMap::new(),
            votes: BTreeMap::new(),
            suspected: BTreeMap::new(),
            owed: Vec::new(),
            bans: Vec::new(),
        }
    }

    /// Microseconds since the start.
    pub fn now(&self) -> u64 {
        self.clock.now().as_micros() as u64 - self.zero
    }

    pub fn broken(&mut self, rule: Rule, what: String, proof: String) {
        let at = self.now();
        let violation = Violation {
            rule,
            at,
            what,
            proof,
        };
        self.violation.get_or_insert(violation);
    }

    /// A line of a log that should not be there.
    pub(super) fn line_broken(&mut self, rule: Rule, node: usize, line: &str, why: &str) {
        let times = format!("cluster.log({node}).iter().filter(|line| *line == {line:?}).count()");
        self.broken(
            rule,
            format!("node {node} says `{line}`: {why}"),
            format!("assert_eq!({times}, 0, {why:?});"),
        );
    }

    /// To be said before a fault is set or ended.
    pub fn note_faults(&mut self) {
        let (now, apart) = (self.now(), 2 * self.timeout + 1_000_000);
        self.faults.at(now, apart);
    }

    /// Looks at everything, if this is another moment than the last time, or a node has logged something since: what it says is judged by how things stand right then. Much happens at one moment that changes
    /// nothing, such as the ticks of nodes that were started together.
    pub fn look_if_new(&mut self, look: &Look<'_>) {
        let logged = |node| {
            let lines = self.nodes.get(node).map_or(0, |seen: &Seen| seen.lines);
            !look.logged(node, lines).is_empty()
        };
        if self.looked_at != Some(self.now()) || (0..look.len()).any(logged) {
            self.look(look);
        }
    }

    /// Looks at everything.
    pub fn look(&mut self, look: &Look<'_>) {
        let now = self.now();
        self.looked_at = Some(now);
        self.note_faults();
        while self.nodes.len() < look.len() {
            self.nodes.push(Seen::new(look, self.nodes.len()));
        }
        let before = self.nodes.clone();
        for node in 0..look.len() {
            self.see(node, look, now);
        }
        let mut fresh = Vec::new();
        for node in 0..look.len() {
            let lines = look.logged(node, self.nodes[node].lines);
            self.nodes[node].lines += lines.len();
            fresh.push(lines);
        }
        self.see_epochs(&before, &fresh, look);
        self.see_suspicions(look, now);
        for (node, lines) in fresh.iter().enumerate() {
            for line in lines {
                self.read(node, line, &before, look, now);
            }
        }
        self.see_promotions(&before, look, now);
        self.deposed(&before);
        self.one_writer(look);
        self.see_doubts(look, now);
        self.see_reborn(look);
        self.minority(look, &before, now);
        self.told(look, now);
        for (viewer, id, until) in self.bans.clone() {
            if now < until && look.is_running(viewer) && look.knows(viewer, id) {
                self.broken(
                    Rule::Ban,
                    format!("node {viewer} knows {id} again, which it has forgotten less than a minute ago"),
                    format!("assert!(!cluster.look(|look| look.knows({viewer}, {:?}.parse().unwrap())));", id.to_string()),
                );
            }
        }
    }

    fn see(&mut self, node: usize, look: &Look<'_>, now: u64) {
        let running = look.is_running(node);
        let master_of = look.master_of(node);
        let silent = master_of.is_some_and(|master| {
            !look.is_running(master) || self.faults.cuts.contains(&(master, node))
        });
        let alone = running
            && !(0..look.len()).any(|other| {
                other != node
                    && look.is_running(other)
                    && look.is_master(other)
                    && self.faults.are_joined(node, other)
            });
        let is_even = running
            && look.is_linked(node)
            && master_of.is_some_and(|master| {
                look.is_running(master)
                    && look.is_master(master)
                    && look.offset(master) == look.offset(node)
            });
        let copied = self.nodes[node].master_of;
        let copies = copied.is_some_and(|master| self.nodes[master].has_others_keys);
        let seen = &mut self.nodes[node];
        seen.id = look.id(node);
        if running && !seen.running {
            seen.running_since = now;
            seen.alone_since = None;
            seen.joined_at = None;
            seen.silent_since = None;
        }
        seen.running = running;
        let was_replica = !seen.master;
        seen.master = look.is_master(node);
        if seen.master {
            if was_replica {
                let takes_nothing = seen.asked.is_some() && !look.serves(node);
                seen.has_others_keys = takes_nothing || !seen.has_synced || copies;
            }
            seen.master_until = now;
            seen.asked = seen.asked.filter(|_| seen.epoch == look.epoch(node));
        } else {
            seen.has_others_keys = false;
            seen.pauses_until = 0;
            seen.joined_at = None;
        }
        seen.ok = look.is_ok(node);
        seen.serves = look.serves(node);
        seen.ok_as_replica |= seen.ok && !seen.master;
        seen.epoch = look.epoch(node);
        let linked = look.is_linked(node);
        // What counts of a link that has ended is its end.
        if seen.master_of != master_of || !silent || (seen.linked && !linked) {
            seen.silent_since = None;
        }
        seen.linked = linked;
        seen.was_linked |= linked;
        if seen.master_of != master_of {
            seen.has_until = 0;
        }
        if is_even {
            seen.has_until = now;
        }
        seen.has_synced = linked || (seen.has_synced && seen.master_of == master_of);
        seen.master_of = master_of;
        if silent && seen.silent_since.is_none() {
            seen.silent_since = Some(now);
        }
        let offset = look.offset(node);
        if offset != seen.offset {
            (seen.offset, seen.offset_since) = (offset, now);
        }
        let known = look.known(node);
        if known != seen.known {
            (seen.known, seen.known_since) = (known, now);
        }
        if alone {
            seen.joined_at = None;
            seen.alone_since.get_or_insert(now);
        } else if let Some(since) = seen.alone_since.take()
            && now - since > 2 * self.timeout + 500_000
            && !seen.ok
            && seen.master
        {
            seen.joined_at = Some(now);
        }
    }

    /// Epochs that masters have come to without votes: by a bump, which is logged, or as the smaller one of two that had the same, which is not.
    fn see_epochs(&mut self, before: &[Seen], fresh: &[Vec<String>], look: &Look<'_>) {
        for node in 0..look.len() {
            let (old, seen) = (&before[node], self.nodes[node].clone());
            for line in &fresh[node] {
                if let Some(epoch) = line.strip_prefix("New configEpoch set to ") {
                    self.bumped
                        .insert((node, epoch.parse().unwrap_or_default()));
                }
            }
            if !seen.master || (old.epoch == seen.epoch && old.master) {
                continue;
            }
            let logged = fresh[node]
                .iter()
                .any(|line| line.contains("onfigEpoch set to"));
            let collided = old.epoch > 0
                && old.master
                && (0..look.len()).any(|other| other != node && before[other].epoch == old.epoch);
            if !logged && collided {
                self.bumped.insert((node, seen.epoch));
            }
            self.held.entry(seen.epoch).or_default().insert(node);
        }
    }

    fn see_suspicions(&mut self, look: &Look<'_>, now: u64) {
        for node in 0..look.len() {
            let slack = self.timeout + (self.faults.until - self.faults.began);
            let seen = &mut self.nodes[node];
            seen.unwell = look.unwell(node);
            if seen.running && now - seen.master_until <= slack {
                for unwell in &seen.unwell {
                    self.suspected.insert((node, *unwell), now);
                }
            }
        }
    }

    fn see_promotions(&mut self, before: &[Seen], look: &Look<'_>, now: u64) {
        for (node, old) in before.iter().enumerate() {
            if old.master || !self.nodes[node].master || !look.serves(node) {
                continue;
            }
            self.nodes[node].asked = None;
            let slots = look.slot_set(node);
            let claims = (0..look.len()).filter(|other| *other != node && look.is_master(*other));
            let claims = claims.filter_map(|other| {
                let both = look.slot_set(other).intersection(&slots);
                (!both.is_empty()).then_some(Doubt {
                    node: other,
                    rival: node,
                    slots: both,
                    until: None,
                })
            });
            let claims = claims.collect();
            self.promotions.push(Promotion {
                at: now,
                node,
                before: old.master_of,
                has_until: old.has_until,
                slots,
                claims,
            });
        }
    }

    /// Masters that have lost their last slots to the claims of others. Of what an operator takes away nothing follows; and without replica migration only who has lost all its slots to one and the same
    /// claim follows (`clusterUpdateSlotsConfigWith`): neither is judged.
    fn deposed(&mut self, before: &[Seen]) {
        if std::mem::take(&mut self.commanded) || !self.replica_migration {
            return;
        }
        for (node, old) in before.iter().enumerate() {
            let seen = &self.nodes[node];
            let served = old.running && old.master && old.serves;
            if served && seen.running && seen.master && !seen.serves {
                self.broken(
                    Rule::Deposed,
                    format!("node {node} has lost its last slot and is a master still"),
                    format!("assert!(cluster.look(|look| look.serves({node}) || !look.is_master({node})));"),
                );
            }
        }
    }

    fn see_doubts(&mut self, look: &Look<'_>, now: u64) {
        let claims = self.promotions.iter_mut().flat_map(|one| &mut one.claims);
        let all = claims.chain(&mut self.rivals).chain(&mut self.usurpers);
        for doubt in all.filter(|doubt| doubt.until.is_none()) {
            let yields =
                |node| !look.is_master(node) || look.slot_set(node).is_disjoint(&doubt.slots);
            if yields(doubt.node) || yields(doubt.rival) {
                doubt.until = Some(now);
            }
        }
    }

    /// A master that has come back without its keys has lost them as soon as it accepts commands again (`clusterUpdateState`) or a replica has copied it. Somebody else may have taken its place before.
    fn see_reborn(&mut self, look: &Look<'_>) {
        for one in std::mem::take(&mut self.reborn) {
            if !look.is_master(one.node) {
                continue;
            }
            let is_copied = (0..look.len())
                .any(|other| look.master_of(other) == Some(one.node) && look.is_linked(other));
            // What it has sent is copied even if it dies meanwhile.
            if is_copied || (look.is_running(one.node) && look.is_ok(one.node)) {
                self.emptied.push(one);
            } else {
                self.reborn.push(one);
            }
        }
    }

    fn one_writer(&mut self, look: &Look<'_>) {
        let masters: Vec<(usize, u64)> = self
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, seen)| seen.running && seen.master)
            .map(|(at, seen)| (at, seen.epoch))
            .collect();
        for (index, (one, epoch)) in masters.iter().enumerate() {
            for (other, theirs) in &masters[index + 1..] {
                if epoch != theirs {
                    continue;
                }
                let both = look.slot_set(*one).intersection(&look.slot_set(*other));
                if self.bumped.contains(&(*one, *epoch)) || self.bumped.contains(&(*other, *epoch))
                {
                    // An epoch that was taken without votes may be somebody else's too. One of them will take another, and what the other has acknowledged is lost.
                    let pairs = [(*one, *other), (*other, *one)];
                    for (node, rival) in pairs.into_iter().filter(|_| !both.is_empty()) {
                        let known = self.rivals.iter_mut().find(|doubt| {
                            doubt.until.is_none() && (doubt.node, doubt.rival) == (node, rival)
                        });
                        match known {
                            Some(doubt) => doubt.slots = doubt.slots.union(&both),
                            None => self.rivals.push(Doubt {
                                node,
                                rival,
                                slots: both.clone(),
                                until: None,
                            }),
                        }
                    }
                    continue;
                }
                if !both.is_empty() && self.nodes[*one].ok && self.nodes[*other].ok {
                    self.broken(
                        Rule::OneWriter,
                        format!("nodes {one} and {other} both accept writes for {} slots in epoch {epoch}", both.len()),
                        format!(
                            "assert!(cluster.look(|look| look.epoch({one}) != look.epoch({other}) || look.slot_set({one}).is_disjoint(&look.slot_set({other}))));"
                        ),
                    );
                }
            }
        }
    }

    fn minority(&mut self, look: &Look<'_>, before: &[Seen], now: u64) {
        for (node, old) in before.iter().enumerate() {
            let seen = self.nodes[node].clone();
            let writes = seen.running && seen.master && seen.ok && look.serves(node);
            if !writes {
                continue;
            }
            let proof = format!("assert!(!cluster.look(|look| look.is_ok({node})));");
            let alone = seen
                .alone_since
                .is_some_and(|since| now - since > 2 * self.timeout + 500_000);
            if alone && look.size(node) > 1 {
                self.broken(
                    Rule::Minority,
                    format!("node {node} accepts writes and has long reached no other master"),
                    proof.clone(),
                );
            }
            let rejoin = self.timeout.clamp(500_000, 5_000_000) - 250_000;
            if !old.ok && seen.joined_at.is_some_and(|at| now < at + rejoin) {
                self.broken(
                    Rule::Rejoin,
                    format!("node {node} accepts writes as soon as it reaches other masters again"),
                    proof.clone(),
                );
            }
            // One that was well as a replica does not wait any more (`clusterUpdateState`).
            if seen.restarted && !seen.ok_as_replica && now < seen.started_at + 1_999_000 {
                self.broken(
                    Rule::Restart,
                    format!("node {node} accepts writes right after its start"),
                    proof,
                );
            }
        }
    }

    fn told(&mut self, look: &Look<'_>, now: u64) {
        if self.owed.is_empty() {
            return;
        }
        let calm = !self.faults.are_there();
        let nodes = &self.nodes;
        self.owed.retain(|owed| {
            calm && nodes[owed.by].running
                && nodes[owed.to].running
                && look.knows(owed.to, nodes[owed.by].id)
                && look.knows(owed.to, nodes[owed.failed].id)
                && !look.sees_failed(owed.to, owed.failed)
        });
        if let Some(owed) = self.owed.iter().find(|owed| owed.until < now).cloned() {
            let (by, to, failed) = (owed.by, owed.to, owed.failed);
            self.broken(
                Rule::Told,
                format!("node {by} has found that node {failed} has failed, and node {to} does not know it"),
                format!("assert!(cluster.look(|look| look.sees_failed({to}, {failed})));"),
            );
        }
    }
}
