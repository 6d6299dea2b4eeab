//! What the lines say that nodes log: votes, elections, failures.

use super::cluster::NodeId;
use super::double::Look;
use super::event::{KEYS, key_name};
use super::rule::Rule;
use super::seen::{Owed, Seen};
use super::slot_of;
use super::watcher::Watcher;

/// How long a failover may take that an operator asks for, and a tick until it is given up, in microseconds.
const MANUAL_LIMIT: u64 = 5_000_000 + 100_000;

impl Watcher {
    fn number(&self, id: &str) -> Option<usize> {
        let id: NodeId = id.parse().ok()?;
        self.nodes.iter().position(|seen| seen.id == id)
    }

    pub(super) fn read(
        &mut self,
        node: usize,
        line: &str,
        before: &[Seen],
        look: &Look<'_>,
        now: u64,
    ) {
        if let Some(rest) = line.strip_prefix("Failover auth granted to ") {
            let (id, epoch) = rest.split_once(" for epoch ").unwrap_or_default();
            self.vote(
                node,
                line,
                (id, epoch.parse().unwrap_or_default()),
                before,
                look,
                now,
            );
        } else if let Some(epoch) = line.strip_prefix("Starting a failover election for epoch ") {
            let epoch = epoch.trim_end_matches('.').parse().unwrap_or_default();
            self.nodes[node].election = epoch;
            let asked = self.nodes[node].asked_last;
            if asked.is_some_and(|at| now - at <= MANUAL_LIMIT) {
                self.forced.insert((node, epoch));
            }
            self.nodes[node].replaces = look.master_of(node);
            self.fresh_data(node, line, before, now);
        } else if line == "Failover election won: I'm the new master." {
            self.win(node, line, look);
        } else if let Some(rest) = line.strip_prefix("Marking node ") {
            if let Some(failed) = rest.split(' ').next().and_then(|id| self.number(id)) {
                self.marked(node, line, failed, look, now);
            }
        } else if line.starts_with("Start of election delayed") {
            self.rank(node, line, before, look, now);
        } else if let Some(offset) =
            line.strip_prefix("Received replication offset for paused master manual failover: ")
        {
            self.nodes[node].paused_offset = offset.parse().ok();
        } else if line.starts_with("All master replication stream processed") {
            if self.nodes[node]
                .paused_offset
                .is_some_and(|wanted| look.offset(node) < wanted)
            {
                self.line_broken(Rule::InStep, node, line, "it has not");
            }
        } else if line.starts_with("Manual failover requested by replica") {
            self.nodes[node].pauses_until = now + 5_000_000;
        } else if line == "Manual failover timed out." {
            self.nodes[node].pauses_until = 0;
        }
    }

    fn vote(
        &mut self,
        node: usize,
        line: &str,
        (id, epoch): (&str, u64),
        before: &[Seen],
        look: &Look<'_>,
        now: u64,
    ) {
        let Ok(candidate_id) = id.parse::<NodeId>() else {
            return;
        };
        let first = self.votes.insert((node, epoch), candidate_id).is_none();
        if !first {
            self.line_broken(
                Rule::OneVote,
                node,
                line,
                "it has voted in this epoch before",
            );
        }
        // What it voted for may have come at the same moment.
        let votes = |seen: &Seen| seen.master && seen.serves;
        if !votes(&self.nodes[node]) && !votes(&before[node]) {
            self.line_broken(Rule::OneVote, node, line, "it is no master with slots");
        }
        let Some(candidate) = self.number(id) else {
            return;
        };
        let seen = self.nodes[candidate].clone();
        if seen.election < epoch {
            self.line_broken(
                Rule::OneVote,
                node,
                line,
                "it has asked in an older one only",
            );
        }
        // Whose place the candidate wants is what the voter takes it for: a request tells only slots (`clusterSendFailoverAuthIfNeeded`).
        if let Some(master) = look.sees_master_of(node, candidate) {
            let last = self.nodes[node].voted.insert(master, now);
            if last.is_some_and(|last| now - last < 2 * self.timeout) {
                self.line_broken(
                    Rule::OneVote,
                    node,
                    line,
                    "it has just voted about this master",
                );
            }
            // A request of a manual failover is for a vote against a master that is well (`CLUSTERMSG_FLAG0_FORCEACK`).
            let asked = self.forced.contains(&(candidate, epoch));
            let was_unwell = before[node].unwell.contains(&master);
            if !asked && !was_unwell && !look.sees_failed(node, master) {
                self.line_broken(Rule::DueVote, node, line, "its master is well");
            }
        }
        let Some(master) = seen.replaces else { return };
        let stale = (0..KEYS).map(|key| slot_of(&key_name(key))).find(|slot| {
            let claimed = look.owner(candidate, *slot) == Some(master);
            let owner = look
                .owner(node, *slot)
                .filter(|owner| claimed && *owner != master);
            owner.is_some_and(|owner| {
                look.sees_epoch(node, owner) > look.sees_epoch(candidate, master)
            })
        });
        if let Some(slot) = stale {
            self.line_broken(
                Rule::FreshVote,
                node,
                line,
                &format!("slot {slot} has a newer owner"),
            );
        }
    }

    fn fresh_data(&mut self, node: usize, line: &str, before: &[Seen], now: u64) {
        let seen = &self.nodes[node];
        let asked = seen
            .asked
            .or(before[node].asked)
            .is_some_and(|(at, _)| now - at <= MANUAL_LIMIT);
        // As `clusterHandleSlaveFailover` has it: an operator may want data of any age, as long as his failover is not given up, and with a factor of 0 no age matters.
        if asked || self.validity == 0 {
            return;
        }
        // The data may be so old, and whole seconds are all that is kept (`data_age` in `clusterHandleSlaveFailover`).
        let limit = self.validity * self.timeout + self.timeout + 1_000_000 + 1_000_000;
        if seen.silent_since.is_some_and(|since| now - since > limit) {
            self.line_broken(
                Rule::FreshData,
                node,
                line,
                "it has not heard of its master for too long",
            );
        } else if seen.restarted && !seen.was_linked {
            self.line_broken(
                Rule::FreshData,
                node,
                line,
                "it has not heard of its master since its start",
            );
        }
    }

    fn win(&mut self, node: usize, line: &str, look: &Look<'_>) {
        let (epoch, id) = (self.nodes[node].election, self.nodes[node].id);
        let voters = self
            .votes
            .iter()
            .filter(|((voter, of), whom)| *of == epoch && **whom == id && *voter != node)
            .count();
        let wanted = look.size(node) / 2 + 1;
        if voters < wanted {
            self.line_broken(
                Rule::Majority,
                node,
                line,
                &format!("it has {voters} votes in epoch {epoch}, and needs {wanted}"),
            );
        }
        if look.slots(node) == 0 {
            self.line_broken(Rule::Majority, node, line, "it has no slots");
        }
        let before = self
            .winners
            .insert(epoch, node)
            .filter(|other| *other != node);
        let held = self
            .held
            .get(&epoch)
            .and_then(|all| {
                all.iter()
                    .find(|other| **other != node && !self.bumped.contains(&(**other, epoch)))
            })
            .copied();
        if let Some(other) = before.or(held) {
            self.line_broken(
                Rule::OneWinner,
                node,
                line,
                &format!("epoch {epoch} was node {other}'s"),
            );
        }
    }

    fn marked(&mut self, node: usize, line: &str, failed: usize, look: &Look<'_>, now: u64) {
        let mut since = now.saturating_sub(2 * self.timeout + 1_000_000);
        if !self.faults.calm_since(since) {
            since = since.min(self.faults.began.saturating_sub(2 * self.timeout));
        }
        let others = (0..look.len())
            .filter(|other| {
                *other != node
                    && self
                        .suspected
                        .get(&(*other, failed))
                        .is_some_and(|at| *at >= since)
            })
            .count();
        let count = others + usize::from(look.is_master(node));
        let wanted = look.size(node) / 2 + 1;
        // Until it has counted them a node that was started takes itself for the only master: a replica counts them in its first tick, a master when it has waited for two seconds from there
        // (`clusterUpdateState`).
        let seen = &self.nodes[node];
        let counted = if seen.master { 2_300_000 } else { 200_000 };
        let counts = !seen.restarted || now > seen.started_at + counted;
        if counts && count < wanted {
            self.line_broken(
                Rule::Quorum,
                node,
                line,
                &format!("{count} masters suspect it, of {wanted} that are needed"),
            );
        }
        let calm = now.saturating_sub(self.timeout + 2_000_000);
        // Two that have just met may have no link to each other yet: it is told on those that are there (`clusterBroadcastMessage`).
        let is_steady = |node: usize| {
            let seen = &self.nodes[node];
            seen.running && seen.running_since <= calm && seen.known_since <= calm
        };
        if !self.faults.calm_since(calm) || !is_steady(node) {
            return;
        }
        for to in (0..look.len()).filter(|to| *to != node && *to != failed) {
            if is_steady(to)
                && look.knows(to, self.nodes[node].id)
                && look.knows(node, self.nodes[to].id)
            {
                self.owed.push(Owed {
                    by: node,
                    failed,
                    to,
                    until: now + 2 * self.delay + 1000,
                });
            }
        }
    }

    fn rank(&mut self, node: usize, line: &str, before: &[Seen], look: &Look<'_>, now: u64) {
        let seen = &self.nodes[node];
        let number = |after: &str| -> Option<i64> {
            let rest = line.split_once(after)?.1;
            rest.split([',', ')']).next()?.parse().ok()
        };
        let (Some(rank), Some(offset)) = (number("rank #"), number("offset ")) else {
            return;
        };
        if seen.asked.or(before[node].asked).is_some() || seen.master_of.is_none() {
            return;
        }
        let calm = now.saturating_sub(self.timeout / 2 + 300_000);
        let ahead = (0..look.len()).filter(|other| {
            let one = &self.nodes[*other];
            *other != node
                && one.running
                && one.running_since < calm
                && !one.master
                && one.master_of == seen.master_of
                && one.offset > offset
                && one.offset_since < calm
                && self.faults.pair_calm_since(node, *other, calm)
        });
        let ahead = ahead.count() as i64;
        if seen.running_since < calm && rank < ahead {
            self.line_broken(
                Rule::Rank,
                node,
                line,
                &format!("{ahead} others are known to have more data"),
            );
        }
    }
}
