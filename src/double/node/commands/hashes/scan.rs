//! Going through a hash.

use super::scan_value;
use crate::double::node::call::Call;
use crate::double::node::failure::Outcome;
use crate::double::node::keyspace::hash::Hash;

pub(super) fn hscan(call: &mut Call<'_>) -> Outcome {
    scan_value::<Hash>(call, |hash, walk, out| {
        let mut given = 0;
        let cursor = walk.steps(|cursor, seen| {
            hash.scan(cursor, |field, value| {
                // Redis counts field and value.
                *seen += 2;
                if field.with(|field| walk.takes(field)) {
                    field.write(out);
                    value.write(out);
                    given += 2;
                }
            })
        });
        (cursor, given)
    })
}
