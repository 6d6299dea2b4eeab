//! Taking elements from the ends, from the first of several lists that has some, and waiting for one.

use super::super::first_of::FirstOf;
use super::{count, end, popped};
use crate::double::node::blocking::gives_up;
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::list::{End, List};
use crate::double::node::keyspace::value::Kind;
use crate::double::node::out::Out;

pub(super) fn lpop(call: &mut Call<'_>) -> Outcome {
    pop(call, End::Left, "lpop")
}

pub(super) fn rpop(call: &mut Call<'_>) -> Outcome {
    pop(call, End::Right, "rpop")
}

fn pop(call: &mut Call<'_>, from: End, name: &str) -> Outcome {
    let args = call.args;
    let key = args[1];
    let most = match args {
        [_, _] => None,
        [_, _, word] => Some(count(word)?),
        _ => return Err(Failure::arity(name)),
    };
    let Some((list, out)) = call.write_and_out::<List>(key)? else {
        match most {
            None => call.out.null(),
            Some(_) => call.out.null_array(),
        }
        return Ok(());
    };
    let taken = match most {
        None => {
            if let Some(element) = list.peek(from) {
                element.write(out);
            }
            list.remove_last(from);
            1
        }
        Some(most) => take(list, from, most, out),
    };
    let empty = list.is_empty();
    if taken > 0 {
        popped(call, key, from, taken, empty);
    }
    Ok(())
}

/// Takes out as many elements from an end, or as many as there are, and writes them as an array. How many they were.
fn take(list: &mut List, from: End, most: usize, out: &mut Out) -> usize {
    let count = most.min(list.len());
    out.array(count);
    match from {
        End::Left => list.iter().take(count).for_each(|it| it.write(out)),
        End::Right => list.iter().rev().take(count).for_each(|it| it.write(out)),
    }
    let start = match from {
        End::Left => 0,
        End::Right => list.len() - count,
    };
    list.remove_range(start, count);
    count
}

pub(super) fn lmpop(call: &mut Call<'_>) -> Outcome {
    let many = FirstOf::read(&call.args[1..], end)?;
    if !take_from_first(call, &many)? {
        call.out.null_array();
    }
    Ok(())
}

pub(super) fn blmpop(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let many = FirstOf::read(&args[2..], end)?;
    let until = gives_up(args[1], call.now())?;
    match take_from_first(call, &many)? {
        true => Ok(()),
        false => many.wait(call, Kind::List, until),
    }
}

pub(super) fn blpop(call: &mut Call<'_>) -> Outcome {
    blocking_pop(call, End::Left)
}

pub(super) fn brpop(call: &mut Call<'_>) -> Outcome {
    blocking_pop(call, End::Right)
}

fn blocking_pop(call: &mut Call<'_>, from: End) -> Outcome {
    let args = call.args;
    let [_, keys @ .., seconds] = args else {
        return Err(Failure::SYNTAX);
    };
    let until = gives_up(seconds, call.now())?;
    let many = FirstOf {
        keys,
        from,
        most: None,
    };
    match take_from_first(call, &many)? {
        true => Ok(()),
        false => many.wait(call, Kind::List, until),
    }
}

/// Takes elements from the first list that is there, and writes its key and them. Whether there was one.
fn take_from_first(call: &mut Call<'_>, many: &FirstOf<'_, End>) -> Result<bool, Failure> {
    for key in many.keys {
        if !call.looks_at(key) {
            continue;
        }
        let Some((list, out)) = call.write_and_out::<List>(key)? else {
            continue;
        };
        out.array(2);
        out.bulk(key);
        let taken = match many.most {
            Some(most) => take(list, many.from, most, out),
            None => {
                if let Some(element) = list.peek(many.from) {
                    element.write(out);
                }
                list.remove_last(many.from);
                1
            }
        };
        let empty = list.is_empty();
        popped(call, key, many.from, taken, empty);
        let name: &[u8] = match many.from {
            End::Left => b"LPOP",
            End::Right => b"RPOP",
        };
        call.replicate_pop(name, key, many.most.map(|_| taken));
        return Ok(true);
    }
    Ok(false)
}
