//! Moving an element from one list to another.

use super::push::push_all;
use super::{end, popped};
use crate::double::node::blocking::gives_up;
use crate::double::node::call::Call;
use crate::double::node::client::Otherwise;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::list::{End, List};
use crate::double::node::keyspace::value::Kind;

pub(super) fn rpoplpush(call: &mut Call<'_>) -> Outcome {
    move_or_nothing(call, End::Right, End::Left)
}

pub(super) fn lmove(call: &mut Call<'_>) -> Outcome {
    let (from, to) = (end(call.args[3])?, end(call.args[4])?);
    move_or_nothing(call, from, to)
}

fn move_or_nothing(call: &mut Call<'_>, from: End, to: End) -> Outcome {
    if !move_one(call, from, to)? {
        call.out.null();
    }
    Ok(())
}

pub(super) fn brpoplpush(call: &mut Call<'_>) -> Outcome {
    let until = gives_up(call.args[3], call.now())?;
    move_or_wait(call, End::Right, End::Left, until)
}

pub(super) fn blmove(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let (from, to) = (end(args[3])?, end(args[4])?);
    let until = gives_up(args[5], call.now())?;
    move_or_wait(call, from, to, until)
}

fn move_or_wait(call: &mut Call<'_>, from: End, to: End, until: Option<i64>) -> Outcome {
    if move_one(call, from, to)? {
        // What it does by now has nothing to wait for.
        let (source, target) = (call.args[1], call.args[2]);
        match call.args {
            [_, _, _, _] => call.replicate_as(&[b"RPOPLPUSH", source, target]),
            [_, _, _, left, right, _] => {
                call.replicate_as(&[b"LMOVE", source, target, left, right]);
            }
            _ => {}
        }
        return Ok(());
    }
    match call.may_block() {
        true => {
            let source = call.args[1];
            call.block(&[source], Some(Kind::List), until, Otherwise::NullArray);
        }
        false => call.out.null(),
    }
    Ok(())
}

/// Moves an element from an end of the first key's list to an end of the second one's, and replies with it. Whether there was one.
fn move_one(call: &mut Call<'_>, from: End, to: End) -> Result<bool, Failure> {
    let (source, target) = (call.args[1], call.args[2]);
    if call.write::<List>(source)?.is_none() {
        return Ok(false);
    }
    call.write::<List>(target)?;
    let Some(list) = call.write::<List>(source)? else {
        return Ok(false);
    };
    let Some(text) = list.pop(from) else {
        return Ok(false);
    };
    push_all(call, target, to, &[&text], false)?;
    call.out.bulk(&text);
    let empty = call
        .write::<List>(source)?
        .is_some_and(|list| list.is_empty());
    popped(call, source, from, 1, empty);
    Ok(true)
}
