//! Going through a set.

use super::scan_value;
use crate::double::node::call::Call;
use crate::double::node::failure::Outcome;
use crate::double::node::keyspace::set::Set;

pub(super) fn sscan(call: &mut Call<'_>) -> Outcome {
    scan_value::<Set>(call, |set, walk, out| {
        let mut given = 0;
        let cursor = walk.steps(|cursor, seen| {
            set.scan(cursor, |member| {
                *seen += 1;
                if member.with(|member| walk.takes(member)) {
                    member.write(out);
                    given += 1;
                }
            })
        });
        (cursor, given)
    })
}
