//! Going through a sorted set.

use super::scan_value;
use crate::double::node::call::Call;
use crate::double::node::failure::Outcome;
use crate::double::node::keyspace::sorted_set::SortedSet;
use crate::double::node::number;

pub(super) fn zscan(call: &mut Call<'_>) -> Outcome {
    scan_value::<SortedSet>(call, |set, walk, out| {
        let mut given = 0;
        // Redis counts members and scores.
        let count = usize::try_from(walk.count.div_ceil(2)).unwrap_or(usize::MAX);
        let packed = set.encoding() == "listpack";
        let cursor = set.scan(walk.cursor, count, |member, score| {
            if walk.takes(member) {
                out.bulk(member);
                // No double in RESP3 either.
                match packed && is_kept_whole(score) {
                    true => out.bulk_int(score as i64),
                    false => out.bulk_of(|bytes| number::write_g17(bytes, score)),
                }
                given += 2;
            }
        });
        (cursor, given)
    })
}

/// Whether a listpack has the score as a whole number, and so it is shown: with more than 17 digits, too.
fn is_kept_whole(score: f64) -> bool {
    score.trunc() == score && score.abs() <= (1_u64 << 62) as f64
}
