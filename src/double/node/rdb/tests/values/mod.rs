//! Values whose payloads are recorded: how a server gets them, and how they are made here.

mod hashes;
mod lists;
mod sets;
mod sorted_sets;
mod streams;
mod strings;

use crate::double::node::rdb::Saved;

type Words = Vec<Vec<u8>>;

/// A value under the key `k`.
pub struct Case {
    pub name: String,
    /// Makes it on a server.
    pub commands: Vec<Words>,
    /// The same, made here. A set and a hash can come in another order.
    pub built: Option<Saved>,
}

/// The recordings, and what is in each.
pub fn families() -> Vec<(&'static str, Vec<Case>)> {
    vec![
        ("strings", strings::cases()),
        ("lists", lists::cases()),
        ("sets", sets::cases()),
        ("hashes", hashes::cases()),
        ("sorted-sets", sorted_sets::cases()),
        ("streams", streams::cases()),
    ]
}

/// Bytes without pattern: `kinds` different ones, beginning at `a` if they are few.
pub fn noise(seed: u64, kinds: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
    let first = if kinds > 128 { 0 } else { b'a' };
    let next = |_| {
        state = state
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        first.wrapping_add(((state >> 33) % kinds) as u8)
    };
    (0..len).map(next).collect()
}

/// A command, said in words; the long ones are given by `more`.
fn command(words: &str, more: impl IntoIterator<Item = Vec<u8>>) -> Words {
    let words = words.split(' ').map(|word| word.as_bytes().to_vec());
    words.chain(more).collect()
}

fn case(name: impl Into<String>, commands: Vec<Words>, built: impl Into<Option<Saved>>) -> Case {
    Case {
        name: name.into(),
        commands,
        built: built.into(),
    }
}
