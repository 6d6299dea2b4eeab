//! The moments of a failover.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::node_name::NodeName;

/// The moments of a failover, counted from the start of the command that breaks something. A moment is `None` until it is seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Timeline {
    /// The first `fail?` or `fail` on the failing node, in any other node's view.
    pub suspected: Option<Moment>,
    /// `fail` in the views of a majority of the members, as many as there were at the start; the failing node is one of them.
    pub failed: Option<Moment>,
    /// A replica of the failing master calls itself master with all of its slots, in its own view.
    pub promoted: Option<Moment>,
    /// The first write for such a slot that a node other than the failing one accepts.
    pub recovered: Option<Moment>,
}

/// When something was first seen, by whom, and the reply that showed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// How long after the start. In JSON in milliseconds with three decimals, as all times of a journal.
    #[serde(rename = "after_ms", serialize_with = "milliseconds")]
    pub after: Duration,
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

    /// The moment with this name.
    pub fn moment(&self, name: &str) -> Option<&Moment> {
        let (_, moment) = self
            .moments()
            .into_iter()
            .find(|(known, _)| *known == name)?;
        moment
    }

    /// Whether no moment that was seen comes before an earlier one. Moments that were not seen do not count; equal times, as two
    /// things seen in one look have, are in order.
    ///
    /// A real failover need not be: a replica is elected by masters alone, so it can be promoted before a majority of all members,
    /// replicas among them, says `fail`. A failover by hand promotes while nobody fails at all.
    pub fn in_order(&self) -> bool {
        self.moments()
            .into_iter()
            .filter_map(|(_, moment)| moment)
            .is_sorted_by_key(|moment| moment.after)
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
        let seconds = self.after.as_secs_f64();
        write!(f, "after {seconds:.3} s by {}", self.seen_by)
    }
}

fn milliseconds<S: Serializer>(time: &Duration, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_f64((time.as_secs_f64() * 1_000_000.0).round() / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(after_ms: u64, seen_by: &str) -> Option<Moment> {
        Some(Moment {
            after: Duration::from_millis(after_ms),
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

    #[test]
    fn a_moment_is_found_by_its_name_and_written_in_milliseconds() {
        let timeline = Timeline {
            failed: Some(Moment {
                after: Duration::from_nanos(1_530_250_400),
                seen_by: "redis-3".into(),
                command: "CLUSTER NODES".to_owned(),
                raw: "…".to_owned(),
            }),
            ..Timeline::default()
        };
        assert_eq!(timeline.moment("failed"), timeline.failed.as_ref());
        assert_eq!(timeline.moment("promoted"), None);
        assert_eq!(timeline.moment("over"), None);
        insta::assert_snapshot!(serde_json::to_string(&timeline).unwrap(), @r#"{"suspected":null,"failed":{"after_ms":1530.25,"seen_by":"redis-3","command":"CLUSTER NODES","raw":"…"},"promoted":null,"recovered":null}"#);
    }
}
