//! The moments of a failover.

use std::fmt;

use serde::Serialize;

use super::node_name::NodeName;

/// The moments of a failover, counted from the start of the command that breaks something. A moment is `None` until it is seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Timeline {
    /// The first `fail?` or `fail` in any node's view.
    pub suspected: Option<Moment>,
    /// `fail` in a majority's views.
    pub failed: Option<Moment>,
    /// The replica calls itself master with the slots.
    pub promoted: Option<Moment>,
    /// The first write accepted for such a slot.
    pub recovered: Option<Moment>,
}

/// When something was first seen, by whom, and the reply that showed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// How long after the start, in milliseconds.
    pub after_ms: u64,
    /// The node whose view or answer showed it.
    pub seen_by: NodeName,
    /// What it was asked: `CLUSTER NODES`, `SET …`.
    pub command: String,
    /// That view or answer, as it came.
    pub raw: String,
}

impl Timeline {
    /// The moments with their names, in the order in which a failover runs through them.
    pub fn moments(&self) -> [(&'static str, Option<&Moment>); 4] {
        [
            ("suspected", self.suspected.as_ref()),
            ("failed", self.failed.as_ref()),
            ("promoted", self.promoted.as_ref()),
            ("recovered", self.recovered.as_ref()),
        ]
    }

    /// Whether no moment that was seen comes before an earlier one. Moments that were not seen do not count; equal times, as two
    /// things seen in one look have, are in order.
    pub fn in_order(&self) -> bool {
        self.moments()
            .into_iter()
            .filter_map(|(_, moment)| moment)
            .is_sorted_by_key(|moment| moment.after_ms)
    }
}

/// On one line: `suspected after 1.204 s by redis-2, failed after 1.530 s by redis-3, not promoted, not recovered`.
impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, moment)) in self.moments().into_iter().enumerate() {
            let gap = if index == 0 { "" } else { ", " };
            match moment {
                Some(moment) => write!(f, "{gap}{name} {moment}")?,
                None => write!(f, "{gap}not {name}")?,
            }
        }
        Ok(())
    }
}

/// `after 1.204 s by redis-2`.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "after {}.{:03} s by {}",
            self.after_ms / 1000,
            self.after_ms % 1000,
            self.seen_by
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(after_ms: u64, seen_by: &str) -> Option<Moment> {
        Some(Moment {
            after_ms,
            seen_by: seen_by.into(),
            command: "CLUSTER NODES".to_owned(),
            raw: String::new(),
        })
    }

    #[test]
    fn prints_on_one_line() {
        let mut timeline = Timeline {
            suspected: at(1204, "redis-2"),
            failed: at(1530, "redis-3"),
            ..Timeline::default()
        };
        insta::assert_snapshot!(timeline, @"suspected after 1.204 s by redis-2, failed after 1.530 s by redis-3, not promoted, not recovered");
        timeline.promoted = at(12007, "redis-4");
        timeline.recovered = at(12050, "redis-4");
        insta::assert_snapshot!(timeline, @"suspected after 1.204 s by redis-2, failed after 1.530 s by redis-3, promoted after 12.007 s by redis-4, recovered after 12.050 s by redis-4");
    }

    #[test]
    fn order() {
        let mut timeline = Timeline::default();
        assert!(timeline.in_order());
        timeline.failed = at(1530, "redis-3");
        timeline.suspected = at(1530, "redis-3");
        timeline.recovered = at(2400, "redis-4");
        assert!(timeline.in_order());
        timeline.promoted = at(2401, "redis-4");
        assert!(!timeline.in_order());
    }
}
