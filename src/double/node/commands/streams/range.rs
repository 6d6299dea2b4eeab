//! XLEN, XRANGE, XREVRANGE.

use super::{entries, integer, range_end, range_start, read};
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};

pub(super) fn xlen(call: &mut Call<'_>) -> Outcome {
    let key = call.args[1];
    let length = read(call, key)?.map_or(0, |found| found.stream.counts.length);
    call.out.int(length as i64);
    Ok(())
}

pub(super) fn xrange(call: &mut Call<'_>) -> Outcome {
    range(call, false)
}

pub(super) fn xrevrange(call: &mut Call<'_>) -> Outcome {
    range(call, true)
}

fn range(call: &mut Call<'_>, back: bool) -> Outcome {
    let args = call.args;
    let (start, end) = match back {
        false => (args[2], args[3]),
        true => (args[3], args[2]),
    };
    let ids = range_start(start)?..=range_end(end)?;
    let mut count = None;
    for pair in args[4..].chunks(2) {
        match pair {
            [option, value] if option.eq_ignore_ascii_case(b"count") => {
                count = Some(u64::try_from(integer(value)?).unwrap_or(0));
            }
            _ => return Err(Failure::SYNTAX),
        }
    }
    let Some(found) = read(call, args[1])? else {
        call.out.array(0);
        return Ok(());
    };
    let (nodes, out) = (&found.stream.nodes, found.out);
    match (count, back) {
        (Some(0), _) => out.null_array(),
        (count, false) => entries::entries(out, nodes.range(ids), count.unwrap_or(0)),
        (count, true) => entries::entries(out, nodes.range_back(ids), count.unwrap_or(0)),
    }
    Ok(())
}
