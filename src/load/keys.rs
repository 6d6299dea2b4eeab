//! A probe's keys and values, and which operation comes when.

use crate::cluster::Slot;
use crate::resp::hash_tag;

/// A key that one operation wrote or read. Small, since a probe remembers every key that was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProbeKey {
    /// The number of the operation that made it up.
    pub(super) number: u64,
    pub(super) slot: Slot,
    /// Whether it was made up for a read that should find nothing.
    pub(super) absent: bool,
}

/// Names of one probe's keys. Two probes never share a key, also with the same seed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Naming {
    /// Drawn anew for every probe.
    pub(super) nonce: u32,
}

impl Naming {
    /// `probe:{TAG}:NONCE:NUMBER`, or with `never:` before the number for a key that is never written.
    pub(super) fn key(&self, key: ProbeKey) -> String {
        let never = if key.absent { "never:" } else { "" };
        format!(
            "probe:{{{}}}:{:08x}:{never}{}",
            hash_tag(key.slot),
            self.nonce,
            key.number
        )
    }

    /// The value that the key is written with; no other key has it.
    pub(super) fn value(&self, key: ProbeKey) -> String {
        format!(
            "{:08x}:{}:{:016x}",
            self.nonce,
            key.number,
            mixed(key.number ^ u64::from(self.nonce))
        )
    }
}

/// What the operation with a certain number is to do. Follows from the seed alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) write: bool,
    /// Whether it is aimed, if the probe aims at all.
    pub(super) aimed: bool,
    /// Whether this read is of a key that was never written: one in eight.
    pub(super) absent: bool,
    /// Picks the slot.
    pub(super) slot_pick: u64,
    /// Picks the key to read.
    pub(super) key_pick: u64,
}

impl Turn {
    /// The turn of operation `number` at `rate` operations a second.
    pub(super) fn of(number: u64, rate: u32, seed: u64) -> Self {
        // A write and the read after it are a pair, so that both halves, the aimed one and the other, have as many
        // writes as reads.
        let pair = number / 2;
        let period = u64::from(rate.div_ceil(200)).max(2);
        let slot_pick = mixed(seed ^ mixed(number));
        let key_pick = mixed(slot_pick);
        Turn {
            write: number.is_multiple_of(2),
            aimed: pair.is_multiple_of(period),
            absent: mixed(key_pick).is_multiple_of(8),
            slot_pick,
            key_pick,
        }
    }
}

/// Takes one of `items`, all with the same chance (but for a bias that is far below what a probe could show).
pub(super) fn picked<T: Copy>(items: &[T], pick: u64) -> Option<T> {
    let index = pick.checked_rem(items.len() as u64)?;
    items.get(usize::try_from(index).ok()?).copied()
}

/// The finaliser of SplitMix64: every input has its own output, and near inputs have outputs that look unrelated.
fn mixed(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn a_key_lies_in_its_slot_and_has_its_own_value() {
        let naming = Naming { nonce: 0xabc };
        let key = ProbeKey {
            number: 7,
            slot: Slot::new(12182).unwrap(),
            absent: false,
        };
        assert_eq!(Slot::of_key(naming.key(key).as_bytes()), key.slot);
        let never = ProbeKey {
            absent: true,
            ..key
        };
        assert_eq!(Slot::of_key(naming.key(never).as_bytes()), key.slot);
        assert_ne!(naming.key(key), naming.key(never));
        let next = ProbeKey { number: 8, ..key };
        assert_ne!(naming.value(key), naming.value(next));
        assert_ne!(naming.key(key), Naming { nonce: 0xabd }.key(key));
    }

    #[rstest]
    #[case(200, 0.5)]
    #[case(400, 0.5)]
    #[case(1000, 0.2)]
    #[case(20_000, 0.01)]
    fn aimed_operations_are_half_and_200_a_second_at_most(#[case] rate: u32, #[case] share: f64) {
        let turns: Vec<Turn> = (0..u64::from(rate)).map(|n| Turn::of(n, rate, 1)).collect();
        let aimed = turns.iter().filter(|turn| turn.aimed).count();
        assert!(
            (aimed as f64 / turns.len() as f64 - share).abs() < 0.01,
            "{aimed}"
        );
        let writes = turns.iter().filter(|turn| turn.aimed && turn.write).count();
        assert_eq!(writes * 2, aimed);
    }

    #[test]
    fn turns_follow_from_the_seed() {
        let turns = |seed| (0..100).map(|n| Turn::of(n, 200, seed)).collect::<Vec<_>>();
        assert_eq!(turns(1), turns(1));
        assert_ne!(turns(1), turns(2));
        let absent = (0..10_000).filter(|n| Turn::of(*n, 200, 1).absent).count();
        assert!((1000..1500).contains(&absent), "{absent}");
    }

    #[test]
    fn picks_are_spread_and_none_is_no_panic() {
        assert_eq!(picked::<u8>(&[], 5), None);
        let items: Vec<usize> = (0..100).collect();
        let mut counts = vec![0; 100];
        for n in 0..100_000 {
            counts[picked(&items, Turn::of(n, 200, 9).slot_pick).unwrap()] += 1;
        }
        assert!(
            counts.iter().all(|count| (800..1200).contains(count)),
            "{counts:?}"
        );
    }
}
