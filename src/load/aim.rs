//! Which slot is on its way at this moment.

use std::time::Duration;

use crate::cluster::{Slot, SlotSet, Topology};
use crate::resp::{Address, Client};

/// How long the source may take to answer; a probe that can't aim goes on without.
const LIMIT: Duration = Duration::from_millis(100);

/// Asks the source of a migration where it is.
#[derive(Debug, Clone)]
pub(super) struct Aim {
    source: Client,
    slots: SlotSet,
}

impl Aim {
    /// Over a connection of its own, so that asking does not queue behind operations.
    pub(super) fn new(source: Address, slots: SlotSet) -> Self {
        Aim {
            source: Client::new(source, LIMIT),
            slots,
        }
    }

    /// The slot that the source is giving away now; between two slots, the lowest one of the set that it still owns.
    /// `None` when nothing of the set is left there, or when there is no answer.
    pub(super) async fn take(&self) -> Option<Slot> {
        let reply = self.source.call(&["CLUSTER", "NODES"]).await.ok()?;
        target(&reply.as_text()?, &self.slots)
    }
}

fn target(cluster_nodes: &str, slots: &SlotSet) -> Option<Slot> {
    // Only the source's own line is read: that is where open slots stand, and speed is what counts here.
    // A host may be called `myself` too.
    let is_own = |line: &&str| {
        let mut flags = line.split(' ').nth(2).unwrap_or_default().split(',');
        flags.any(|flag| flag == "myself")
    };
    let line = cluster_nodes.lines().find(is_own)?;
    let view = Topology::parse(&format!("{line}\n")).ok()?;
    let myself = view.myself()?;
    let open = myself
        .migrating
        .iter()
        .map(|(slot, _)| *slot)
        .find(|slot| slots.contains(*slot));
    open.or_else(|| myself.slots.intersection(slots).first())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const LINES: &str = "\
1111111111111111111111111111111111111111 10.0.0.1:7001@17001 master - 0 0 1 connected 0-49
2222222222222222222222222222222222222222 10.0.0.2:7002@17002 myself,master - 0 0 2 connected SLOTS
";

    #[rstest]
    #[case("50-99 [70->-1111111111111111111111111111111111111111]", Some(70))]
    #[case("50-99 [200->-1111111111111111111111111111111111111111]", Some(60))]
    #[case("50-99", Some(60))]
    #[case("65-99 [3-<-1111111111111111111111111111111111111111]", Some(65))]
    #[case("90-99", None)]
    fn the_open_slot_or_else_the_next_one(#[case] slots: &str, #[case] expected: Option<u16>) {
        let set: SlotSet = "60-80".parse().unwrap();
        assert_eq!(
            target(&LINES.replace("SLOTS", slots), &set).map(Slot::get),
            expected
        );
    }

    #[test]
    fn a_source_without_slots_or_sense_is_no_target() {
        let set = SlotSet::all();
        assert_eq!(target("", &set), None);
        assert_eq!(target("myself\n", &set), None);
        let replica = "2222222222222222222222222222222222222222 10.0.0.2:7002@17002 myself,slave \
                       1111111111111111111111111111111111111111 0 0 2 connected\n";
        assert_eq!(target(replica, &set), None);
    }
}
