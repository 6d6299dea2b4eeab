//! Keys for a wanted slot.

use std::sync::OnceLock;

use crate::cluster::{SLOTS, Slot};

/// A hash tag (without its braces) that falls in `slot`: a key that has `{tag}` as its first braces lies there.
///
/// It is the smallest decimal number that does, the same on every machine. The table of all slots is made on first use,
/// in a few milliseconds.
pub fn hash_tag(slot: Slot) -> u32 {
    static TAGS: OnceLock<Vec<u32>> = OnceLock::new();
    let tags = TAGS.get_or_init(all_tags);
    tags.get(usize::from(slot.get()))
        .copied()
        .unwrap_or_default()
}

/// The smallest number in every slot, by slot.
fn all_tags() -> Vec<u32> {
    let mut tags: Vec<Option<u32>> = vec![None; usize::from(SLOTS)];
    let mut missing = tags.len();
    let mut text = String::with_capacity(10);
    for number in 0..u32::MAX {
        use std::fmt::Write as _;
        text.clear();
        // Writing to a String can't fail.
        let _ = write!(text, "{number}");
        let slot = usize::from(Slot::of_key(text.as_bytes()).get());
        if let Some(tag @ None) = tags.get_mut(slot) {
            *tag = Some(number);
            missing -= 1;
            // Reached below 200,000: CRC16 spreads numbers of six digits evenly.
            if missing == 0 {
                break;
            }
        }
    }
    tags.into_iter().map(Option::unwrap_or_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_has_a_tag_that_falls_in_it() {
        for n in 0..SLOTS {
            let slot = Slot::new(n).unwrap();
            let key = format!("given:{{{}}}:000001", hash_tag(slot));
            assert_eq!(Slot::of_key(key.as_bytes()), slot, "{key}");
        }
    }
}
