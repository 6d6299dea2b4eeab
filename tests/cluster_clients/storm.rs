//! Writes that go on while something happens to the cluster, and what becomes of each.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::agent::Agent;

/// Numbered writes, one after another, each to a key of its own.
pub struct Storm {
    prefix: String,
    /// Why a write failed; nothing where it was acknowledged.
    writes: BTreeMap<u64, Option<String>>,
}

impl Storm {
    /// The user begins.
    pub async fn begin(user: &mut Agent, prefix: &str) -> Storm {
        let mut storm = Storm {
            prefix: prefix.to_owned(),
            writes: BTreeMap::new(),
        };
        user.tell("storm", json!({"prefix": prefix}));
        storm.until_done(user, "storm").await;
        storm
    }

    /// The user comes to an end.
    pub async fn end(&mut self, user: &mut Agent) {
        user.tell("calm", json!({}));
        self.until_done(user, "calm").await;
    }

    /// Listens until enough was written.
    pub async fn until(
        &mut self,
        user: &mut Agent,
        what: &str,
        limit: Duration,
        enough: impl Fn(&Storm) -> bool,
    ) {
        let until = Instant::now() + limit;
        while !enough(self) {
            let left = until.saturating_duration_since(Instant::now());
            match user.next(left).await {
                Some(said) => self.hear(&said),
                None => panic!("not within {limit:?}: {what}; {}", self.summary()),
            }
        }
    }

    /// Hears all that was said until now. Returns the number of the last write.
    pub fn so_far(&mut self, user: &mut Agent) -> u64 {
        while let Some(said) = user.said() {
            self.hear(&said);
        }
        self.writes.keys().next_back().copied().unwrap_or_default()
    }

    /// The acknowledged ones, by number.
    pub fn acknowledged(&self) -> impl DoubleEndedIterator<Item = u64> + '_ {
        let writes = self.writes.iter();
        writes.filter(|(_, why)| why.is_none()).map(|(n, _)| *n)
    }

    pub fn key(&self, n: u64) -> String {
        format!("{}{n}", self.prefix)
    }

    /// How many went well and how many did not, and why.
    pub fn summary(&self) -> String {
        let mut failures: BTreeMap<&str, u32> = BTreeMap::new();
        for why in self.writes.values().flatten() {
            *failures.entry(why).or_default() += 1;
        }
        let well = self.acknowledged().count();
        format!("{well} writes acknowledged, failed: {failures:?}")
    }

    async fn until_done(&mut self, user: &mut Agent, step: &str) {
        loop {
            let said = user.next(crate::LIMIT).await;
            let said = said.unwrap_or_else(|| panic!("{step}: no answer; {}", self.summary()));
            if said["done"] == step {
                return;
            }
            self.hear(&said);
        }
    }

    fn hear(&mut self, said: &Value) {
        let n = said["write"].as_u64();
        let n = n.unwrap_or_else(|| panic!("{said}"));
        let why = match said["ok"] == true {
            true => None,
            false => Some(said["why"].to_string()),
        };
        self.writes.insert(n, why);
    }
}
