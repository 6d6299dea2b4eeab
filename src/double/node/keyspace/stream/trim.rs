//! XADD's and XTRIM's taking out of old entries.

use super::{Entry, Id, Stream};

/// What is to stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::double) enum Keep {
    /// So many of the newest entries.
    Newest(u64),
    /// All entries from this id on.
    From(Id),
}

/// How a stream is made shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::double) struct Trim {
    /// What is to stay.
    pub keep: Keep,
    /// More may stay: only whole nodes are taken out.
    pub roughly: bool,
    /// No more than so many entries are taken out, node by node; 0: no limit.
    pub limit: u64,
}

impl Stream {
    /// Takes old entries out. How many.
    pub fn trim(&mut self, trim: Trim) -> u64 {
        let mut deleted = 0;
        while let Some(node) = self.nodes.0.first_entry() {
            if matches!(trim.keep, Keep::Newest(most) if self.counts.length <= most) {
                break;
            }
            let there = u64::try_from(node.get().there()).unwrap_or(0);
            if trim.limit > 0 && deleted + there > trim.limit {
                break;
            }
            let whole = match trim.keep {
                Keep::Newest(most) => self.counts.length.saturating_sub(there) >= most,
                Keep::From(id) => node
                    .get()
                    .entries()
                    .last()
                    .is_none_or(|entry| entry.id < id),
            };
            if whole {
                node.remove();
                self.counts.length = self.counts.length.saturating_sub(there);
                deleted += there;
                continue;
            }
            if !trim.roughly {
                deleted += self.trim_first_node(trim.keep);
            }
            break;
        }
        if self.counts.length == 0 {
            self.counts.first_id = Id::MIN;
        } else if deleted > 0 {
            self.find_first();
        }
        deleted
    }

    /// Takes old entries out of the first node, which stays, also if nothing is in it any more.
    fn trim_first_node(&mut self, keep: Keep) -> u64 {
        let Some(mut node) = self.nodes.0.first_entry() else {
            return 0;
        };
        let most = match keep {
            Keep::Newest(most) => self.counts.length.saturating_sub(most),
            Keep::From(_) => u64::MAX,
        };
        let is_old = |entry: &Entry<'_>| match keep {
            Keep::Newest(_) => true,
            Keep::From(id) => entry.id < id,
        };
        let old: Vec<Id> = node
            .get()
            .entries()
            .take_while(is_old)
            .filter(|entry| !entry.deleted)
            .take(usize::try_from(most).unwrap_or(usize::MAX))
            .map(|entry| entry.id)
            .collect();
        for id in &old {
            node.get_mut().delete(*id);
        }
        let deleted = old.len() as u64;
        self.counts.length = self.counts.length.saturating_sub(deleted);
        deleted
    }
}
