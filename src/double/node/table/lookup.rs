//! From a name as a client wrote it to a command. Every command that is executed comes by here.

use super::spec::{CommandId, Spec};

/// As long as a command's name can be here; the longest of Redis 7.0 has 21 bytes.
const ROOM: usize = 24;

/// Nobody's parent.
const NONE: u16 = u16::MAX;

/// A hash table with open addressing, a quarter full, whose keys lie in the slots themselves.
#[derive(Debug)]
pub(super) struct Lookup {
    slots: Vec<Slot>,
    mask: usize,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    name: Name,
    id: u16,
}

/// A name in lower case: three words that hold its bytes (which may overlap: the length says how), then its length, and the command whose
/// subcommand it is. Put together from whole words, since going byte by byte would take longer than all the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Name([u64; 4]);

impl Name {
    /// `None`: too long for a command.
    fn new(parent: u16, name: &[u8]) -> Option<Self> {
        let [a, b, c] = match name.len() {
            0 => [0; 3],
            length @ 1..=3 => {
                let byte = |at: usize| u64::from(name[at]);
                [
                    byte(0) | byte(length / 2) << 8 | byte(length - 1) << 16,
                    0,
                    0,
                ]
            }
            4..=7 => {
                let start = u32::from_le_bytes(*name.first_chunk()?);
                let end = u32::from_le_bytes(*name.last_chunk()?);
                [u64::from(start) | u64::from(end) << 32, 0, 0]
            }
            8..=16 => [word(name.first_chunk()?), word(name.last_chunk()?), 0],
            17..=ROOM => [
                word(name.first_chunk()?),
                word(name.get(8..)?.first_chunk()?),
                word(name.last_chunk()?),
            ],
            _ => return None,
        };
        let rest = name.len() as u64 | u64::from(parent) << 16;
        Some(Name([lower(a), lower(b), lower(c), rest]))
    }

    fn hash(self) -> usize {
        let [a, b, c, d] = self.0;
        // Odd constants without a pattern: the digits of the golden ratio, of e and of the roots of 2 and 3.
        let mixed = a
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(b.wrapping_mul(0xb7e1_5162_8aed_2a6b))
            .wrapping_add(c.wrapping_mul(0x6a09_e667_f3bc_c909))
            .wrapping_add(d.wrapping_mul(0xbb67_ae85_84ca_a73b));
        // The upper bits of a product depend on all of its factors' bits.
        (mixed >> 40) as usize
    }
}

impl Lookup {
    /// Of all commands, each at the place that its id says.
    pub(super) fn new(specs: &[Spec]) -> Self {
        let size = (specs.len() * 4).next_power_of_two();
        let empty = Slot {
            name: Name([0; 4]),
            id: NONE,
        };
        let mut lookup = Lookup {
            slots: vec![empty; size],
            mask: size - 1,
        };
        for (spec, id) in specs.iter().zip(0..) {
            let own = spec.name.split_once('|').map_or(spec.name, |(_, own)| own);
            let parent = spec.parent.map_or(NONE, |parent| parent.0);
            if let Some(name) = Name::new(parent, own.as_bytes()) {
                let at = lookup.slot(name);
                lookup.slots[at] = Slot { name, id };
            }
        }
        lookup
    }

    /// The slot of this name, or the empty one where it would be. Three quarters are empty, so the search ends.
    fn slot(&self, name: Name) -> usize {
        let mut at = name.hash() & self.mask;
        while self.slots[at].id != NONE && self.slots[at].name != name {
            at = (at + 1) & self.mask;
        }
        at
    }

    /// The command of this name, in any case of its letters.
    pub(super) fn find(&self, parent: Option<CommandId>, name: &[u8]) -> Option<CommandId> {
        let name = Name::new(parent.map_or(NONE, |parent| parent.0), name)?;
        let slot = &self.slots[self.slot(name)];
        (slot.id != NONE).then_some(CommandId(slot.id))
    }
}

fn word(bytes: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*bytes)
}

/// Eight bytes with their upper-case letters (of ASCII) in lower case.
fn lower(bytes: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // Without the top bit of a byte nothing is carried over into the next one.
    let low = bytes & (EACH * 0x7f);
    let from_a = low + EACH * (0x80 - b'A' as u64);
    let beyond_z = low + EACH * (0x7f - b'Z' as u64);
    let upper = (from_a & !beyond_z & !bytes) & (EACH * 0x80);
    // 0x80 becomes 0x20, the bit that tells the cases apart.
    bytes | upper >> 2
}
