//! `--cluster rebalance`.

use crate::redis_cli::halt::Flow;
use crate::redis_cli::numbers::leading_float;

use super::check::Manner as Check;
use super::move_slot::Manner;
use super::plan::plan;
use super::work::Work;

/// A node and how many slots it has too many; below 0, too few.
type Balance = (usize, i64);

impl Work<'_, '_> {
    /// Moves slots until every master has its share.
    pub(super) fn run_rebalance(&mut self) -> Flow<bool> {
        let cluster = self.cluster_of(&self.call.arguments)?;
        self.load(cluster)?;
        self.weigh()?;
        let involved = self.involved();
        let weight = |at: &usize| self.nodes.get(*at).map_or(0.0, |node| node.weight);
        let total: f32 = involved.iter().map(weight).sum();
        self.check(Check::QUIET)?;
        if self.problems > 0 {
            return self.fail("*** Please fix your cluster problems before rebalancing\n");
        }
        let Some(mut balances) = self.balances(&involved, total) else {
            let threshold = self.call.threshold;
            self.warn(format_args!(
                "*** No rebalancing needed! All nodes are within the {threshold:.2}% threshold.\n"
            ))?;
            return Ok(true);
        };
        balances.sort_by_key(|(_, balance)| *balance);
        let count = balances.len();
        self.info(format_args!(
            ">>> Rebalancing across {count} nodes. Total weight = {total:.2}\n"
        ))?;
        if self.options.verbose {
            for (at, balance) in &balances {
                let address = self.address(*at);
                self.say(format_args!("{address} balance is {balance} slots\n"))?;
            }
        }
        self.level(balances)
    }

    /// Sets the weights that were given.
    fn weigh(&mut self) -> Flow {
        for word in self.call.weights.clone().unwrap_or_default() {
            let word = String::from_utf8_lossy(&word).into_owned();
            let Some((name, weight)) = word.split_once('=') else {
                return self.fail(format_args!("*** invalid input {word}\n"));
            };
            let lower = name.to_ascii_lowercase();
            let is_it = |at: &usize| {
                self.nodes
                    .get(*at)
                    .is_some_and(|node| node.id.starts_with(&lower))
            };
            let found = self.masters().into_iter().find(is_it);
            match found.and_then(|at| self.nodes.get_mut(at)) {
                Some(node) => node.weight = leading_float(weight.as_bytes()) as f32,
                None => return self.fail(format_args!("*** No such master node {name}\n")),
            }
        }
        Ok(())
    }

    /// The masters that give or get slots.
    fn involved(&self) -> Vec<usize> {
        let use_empty = self.call.flags.use_empty_masters;
        let takes_part = |at: &usize| {
            use_empty
                || self
                    .nodes
                    .get(*at)
                    .is_some_and(|node| !node.slots.is_empty())
        };
        self.masters().into_iter().filter(takes_part).collect()
    }

    /// What each has too many, the sum being 0; `None` where all are near enough to their share.
    fn balances(&self, involved: &[usize], total: f32) -> Option<Vec<Balance>> {
        let threshold = self.call.threshold;
        let mut balances = Vec::new();
        let mut sum = 0;
        let mut over = false;
        for at in involved {
            let Some(node) = self.nodes.get(*at) else {
                continue;
            };
            // In 32 bits, so that it is rounded as redis-cli rounds it.
            let expected = (16384f32 / total * node.weight) as i64;
            let slots = i64::try_from(node.slots.len()).unwrap_or_default();
            balances.push((*at, slots - expected));
            sum += slots - expected;
            if threshold > 0.0 {
                let off = (100.0 - 100.0 * expected as f64 / slots as f64).abs() as f32;
                over |= if slots > 0 {
                    off > threshold
                } else {
                    expected > 1
                };
            }
        }
        if !over {
            return None;
        }
        // What rounding has left over goes to those that get slots.
        while sum > 0 {
            let before = sum;
            for (_, balance) in &mut balances {
                if *balance <= 0 && sum > 0 {
                    *balance -= 1;
                    sum -= 1;
                }
            }
            if sum == before {
                break;
            }
        }
        Some(balances)
    }

    /// Moves slots from the end of the list, who have too many, to its start.
    fn level(&mut self, mut balances: Vec<Balance>) -> Flow<bool> {
        let (mut low, mut high) = (0, balances.len().saturating_sub(1));
        while low < high {
            let (Some(&(target, wants)), Some(&(source, gives))) =
                (balances.get(low), balances.get(high))
            else {
                break;
            };
            let count = wants.abs().min(gives.abs());
            if count > 0 && !self.shift(source, target, count)? {
                return Ok(false);
            }
            let (wants, gives) = (wants + count, gives - count);
            for (place, balance) in [(low, wants), (high, gives)] {
                if let Some(entry) = balances.get_mut(place) {
                    entry.1 = balance;
                }
            }
            // Weights of 0 for all, or below it, leave balances that nobody can even out.
            if count == 0 && wants != 0 && gives != 0 {
                break;
            }
            low += usize::from(wants == 0);
            high -= usize::from(gives == 0);
        }
        Ok(true)
    }

    /// Moves so many slots from one to the other, with a `#` for each.
    fn shift(&mut self, source: usize, target: usize, count: i64) -> Flow<bool> {
        let (from, to) = (self.address(source), self.address(target));
        self.say(format_args!("Moving {count} slots from {from} to {to}\n"))?;
        let moves = match self.nodes.get(source) {
            Some(node) => plan(&[(source, &node.slots)], count),
            None => Vec::new(),
        };
        if i64::try_from(moves.len()) != Ok(count) {
            return self.fail("*** Assertion failed: Reshard table != number of slots");
        }
        for (source, slot) in moves {
            if !self.call.flags.simulate {
                let manner = Manner {
                    quiet: true,
                    ..Manner::default()
                };
                if let Err(refusal) = self.move_slot(slot, source, target, manner)? {
                    let error = refusal.unwrap_or_default();
                    return self.fail(format_args!("*** clusterManagerMoveSlot: {error}\n"));
                }
            }
            self.show("#")?;
        }
        self.say("\n")?;
        Ok(true)
    }
}
