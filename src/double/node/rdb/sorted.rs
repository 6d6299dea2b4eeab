//! The listpack of a small sorted set: member, score, member, score …

use super::listpack::{Element, Listpack, TooBig};
use crate::double::node::number::{parse_f64, write_g17};

/// Up to this a score without fraction is kept as an integer.
const INTEGERS: f64 = (1_u64 << 62) as f64;

/// Redis reads no more of a score than this.
const LONGEST: usize = 127;

/// Makes the listpack of these members, which come in their order. The score `-0.0` becomes 0, as in Redis.
pub(crate) fn pack_scores<M: AsRef<[u8]>>(
    members: impl IntoIterator<Item = (M, f64)>,
) -> Result<Listpack, TooBig> {
    let mut made = Listpack::new();
    for (member, score) in members {
        made.push(member.as_ref())?;
        if score.abs() <= INTEGERS && score.trunc() == score {
            made.push_integer(score as i64)?;
        } else {
            let mut text = Vec::new();
            write_g17(&mut text, score);
            made.push(&text)?;
        }
    }
    Ok(made)
}

/// The members of such a listpack and their scores. None is NaN.
pub(crate) fn scores(listpack: &Listpack) -> impl Iterator<Item = (Element<'_>, f64)> {
    listpack
        .pairs()
        .map(|(member, score)| (member, read(score)))
}

fn read(score: Element<'_>) -> f64 {
    match score {
        Element::Integer(number) => number as f64,
        // No server writes anything but numbers; for Redis the rest is 0.
        Element::Text(text) => beginning(text).unwrap_or(0.0),
    }
}

/// The number that a text begins with. So Redis reads scores that are written as text: it does not ask what follows.
pub(super) fn beginning(text: &[u8]) -> Option<f64> {
    let text = text.trim_ascii_start();
    let longest = text.len().min(LONGEST);
    (1..=longest).rev().find_map(|end| parse_f64(&text[..end]))
}
