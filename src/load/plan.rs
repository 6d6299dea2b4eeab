//! What a probe is to do.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::cluster::{NodeName, SlotSet};
use crate::resp::AddressBook;

/// What a probe is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbePlan {
    /// Operations a second, from 1 to 20000. Writes and reads take turns.
    pub rate: u32,
    /// Where the keys lie.
    pub slots: ProbeSlots,
    /// One operation's time, redirections and retries included; [`ProbePlan::DEADLINE`] by default.
    pub deadline: Duration,
    /// Which slots and keys are picked follows from it and from the order of the acknowledgements.
    pub seed: u64,
}

/// Which slots a probe uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeSlots {
    /// Every operation picks one of these, all with the same chance.
    Fixed(SlotSet),
    /// Slots that are to move while the probe runs. So that the probe really meets the migration, about half of the
    /// operations are **aimed**: just before such an operation the probe asks `from` which slot is on its way at this
    /// moment (`CLUSTER NODES` says so on the node's own line) and sends the operation there; when none is, it goes to
    /// the lowest slot of the set that `from` still owns, since `redis-cli` moves slots in ascending order. The other
    /// half picks from the whole set, all with the same chance. At more than 400 operations a second, the aimed ones
    /// stay at 200 a second, to spare the source node.
    ///
    /// The figures of an aimed probe say what clients meet who work on the very slots that move. They are not the
    /// share of redirections that evenly spread clients see: that is far smaller, as `redis-cli` has one slot open for
    /// a millisecond or two.
    Moving {
        /// The slots that are to move.
        slots: SlotSet,
        /// Their owner at the start.
        from: NodeName,
    },
}

impl ProbePlan {
    /// The default time of one operation.
    pub const DEADLINE: Duration = Duration::from_secs(1);
    /// The rates that a probe can keep.
    pub const RATES: RangeInclusive<u32> = 1..=20_000;

    pub(super) fn check(&self, book: &AddressBook) -> Result<(), ProbeError> {
        if !Self::RATES.contains(&self.rate) {
            return Err(ProbeError::Rate { rate: self.rate });
        }
        if self.deadline.is_zero() {
            return Err(ProbeError::NoTime);
        }
        let (ProbeSlots::Fixed(slots) | ProbeSlots::Moving { slots, .. }) = &self.slots;
        if slots.is_empty() {
            return Err(ProbeError::NoSlots);
        }
        match &self.slots {
            ProbeSlots::Moving { from, .. } if book.get(from).is_none() => {
                Err(ProbeError::UnknownNode { node: from.clone() })
            }
            _ => Ok(()),
        }
    }
}

/// Why a probe could not be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The rate is out of bounds.
    #[error("a probe runs at 1 to 20000 operations a second, not at {rate}")]
    Rate {
        /// What was asked for.
        rate: u32,
    },
    /// The deadline is zero.
    #[error("a probe's operations need some time")]
    NoTime,
    /// There is no slot to put a key in.
    #[error("a probe needs at least one slot")]
    NoSlots,
    /// The source of the slots is not in the address book.
    #[error("there is no node {node} in this environment")]
    UnknownNode {
        /// Its name.
        node: NodeName,
    },
    /// It was started outside of a Tokio runtime, or the system gave no thread.
    #[error("the probe could not be started: {why}")]
    NotStarted {
        /// The reason.
        why: String,
    },
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn plan(rate: u32, slots: ProbeSlots) -> ProbePlan {
        ProbePlan {
            rate,
            slots,
            deadline: ProbePlan::DEADLINE,
            seed: 1,
        }
    }

    #[rstest]
    #[case(
        plan(0, ProbeSlots::Fixed(SlotSet::all())),
        "a probe runs at 1 to 20000 operations a second, not at 0"
    )]
    #[case(
        plan(20_001, ProbeSlots::Fixed(SlotSet::all())),
        "a probe runs at 1 to 20000 operations a second, not at 20001"
    )]
    #[case(
        plan(1, ProbeSlots::Fixed(SlotSet::new())),
        "a probe needs at least one slot"
    )]
    #[case(plan(1, ProbeSlots::Moving { slots: SlotSet::all(), from: NodeName::new("redis-9") }),
        "there is no node redis-9 in this environment")]
    #[case(ProbePlan { deadline: Duration::ZERO, ..plan(1, ProbeSlots::Fixed(SlotSet::all())) },
        "a probe's operations need some time")]
    fn what_can_t_be_done_is_refused(#[case] plan: ProbePlan, #[case] why: &str) {
        assert_eq!(
            plan.check(&AddressBook::default()).unwrap_err().to_string(),
            why
        );
    }
}
