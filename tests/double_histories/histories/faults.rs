//! What is wrong between nodes by the history's own doing, and since when.

use std::collections::{BTreeMap, BTreeSet};

/// All moments are in microseconds since the cluster's start.
#[derive(Debug, Default)]
pub struct Faults {
    /// Who can't send to whom.
    pub cuts: BTreeSet<(usize, usize)>,
    /// Up to when a pair was cut at last.
    cut_until: BTreeMap<(usize, usize), u64>,
    /// Nodes that are slow, and frozen ones.
    pub slow: BTreeSet<usize>,
    pub frozen: BTreeSet<usize>,
    pub loss: bool,
    /// The stretch of trouble that is going on or was the last: stretches that are near each other are one.
    pub began: u64,
    pub until: u64,
    /// Whether there has been any.
    any: bool,
}

impl Faults {
    /// Whether anything is wrong now.
    pub fn are_there(&self) -> bool {
        self.loss || !self.cuts.is_empty() || !self.slow.is_empty() || !self.frozen.is_empty()
    }

    /// To be said whenever time has passed, and before something is changed. `apart`: stretches of trouble that are no further from each other are one.
    pub fn at(&mut self, now: u64, apart: u64) {
        for pair in &self.cuts {
            self.cut_until.insert(*pair, now);
        }
        if self.are_there() {
            if !self.any || now > self.until + apart {
                self.began = now;
            }
            self.any = true;
            self.until = now;
        }
    }

    /// There has been nothing wrong since `moment`.
    pub fn calm_since(&self, moment: u64) -> bool {
        !self.are_there() && (!self.any || self.until < moment)
    }

    /// Nothing but cuts has been wrong since `moment`, and none of this pair.
    pub fn pair_calm_since(&self, one: usize, other: usize, moment: u64) -> bool {
        let cut = |pair| {
            self.cut_until
                .get(&pair)
                .is_some_and(|until| *until >= moment)
        };
        let apart = cut((one, other)) || cut((other, one));
        !apart && !self.loss && self.slow.is_empty() && self.frozen.is_empty()
    }

    /// Whether packets pass between two nodes both ways.
    pub fn are_joined(&self, one: usize, other: usize) -> bool {
        !self.cuts.contains(&(one, other)) && !self.cuts.contains(&(other, one))
    }

    pub fn heal(&mut self) {
        self.cuts.clear();
        self.slow.clear();
        self.loss = false;
    }
}
