//! Adding elements at the ends.

use crate::double::node::call::{Call, Class};
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::list::{End, List};
use crate::double::node::keyspace::value::Typed;

pub(super) fn lpush(call: &mut Call<'_>) -> Outcome {
    push(call, End::Left, false)
}

pub(super) fn rpush(call: &mut Call<'_>) -> Outcome {
    push(call, End::Right, false)
}

pub(super) fn lpushx(call: &mut Call<'_>) -> Outcome {
    push(call, End::Left, true)
}

pub(super) fn rpushx(call: &mut Call<'_>) -> Outcome {
    push(call, End::Right, true)
}

fn push(call: &mut Call<'_>, at: End, only_if_there: bool) -> Outcome {
    let (key, texts) = (call.args[1], &call.args[2..]);
    let length = match push_all(call, key, at, texts, only_if_there)? {
        Some(length) => length,
        None => {
            call.out.int(0);
            return Ok(());
        }
    };
    call.server.dirty += texts.len() as u64 - 1;
    call.out.int(length as i64);
    Ok(())
}

/// Adds elements, one after the other, and tells so. How long the list is then; `None`: it is not there, and shall not be made.
///
/// # Errors
/// The key holds something else.
pub(super) fn push_all(
    call: &mut Call<'_>,
    key: &[u8],
    at: End,
    texts: &[&[u8]],
    only_if_there: bool,
) -> Result<Option<usize>, Failure> {
    let length = match call.write::<List>(key)? {
        Some(list) => {
            texts.iter().for_each(|text| list.push(at, text));
            list.len()
        }
        None if only_if_there => return Ok(None),
        None => {
            let mut list = List::new(call.server.config.list_size);
            texts.iter().for_each(|text| list.push(at, text));
            let length = list.len();
            call.put(key, list.into_value());
            length
        }
    };
    let event = match at {
        End::Left => "lpush",
        End::Right => "rpush",
    };
    call.changed(key, Class::LIST, event);
    Ok(Some(length))
}
