//! Random members.

use super::{chance, count, sample};
use crate::double::node::call::{Call, Class};
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::packed::Element;
use crate::double::node::keyspace::set::Set;

/// SPOP with a count makes a new set of what stays if that is less than a fifth of what goes.
const STAYING: usize = 5;

pub(super) fn spop(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let key = args[1];
    let most = match args {
        [_, _] => None,
        [_, _, word] => Some(count(word)?),
        _ => return Err(Failure::SYNTAX),
    };
    let integers = call.server.config.set_integers;
    // Replicas are told which members it has come upon.
    let mut told = call.server.replication.feeds().then(Vec::new);
    let Some((set, out)) = call.write_and_out::<Set>(key)? else {
        match most {
            None => call.out.null(),
            Some(_) => call.out.set(0),
        }
        return Ok(());
    };
    let mut note = |member: Element<'_>| {
        if let Some(told) = &mut told {
            told.push(member.to_vec());
        }
    };
    let length = set.len();
    let taken = most.unwrap_or(1).min(length);
    match most {
        None => {
            let at = chance::any(length);
            note(set.at(at));
            set.at(at).write(out);
            set.remove_at(at);
        }
        Some(most) if most >= length => {
            out.set(length);
            set.iter().for_each(|member| member.write(out));
            *set = Set::default();
        }
        Some(most) => {
            out.set(most);
            let stays = length - most;
            if stays * STAYING > most {
                for _ in 0..most {
                    let at = chance::any(set.len());
                    note(set.at(at));
                    set.at(at).write(out);
                    set.remove_at(at);
                }
            } else {
                let mut rest = Set::default();
                for _ in 0..stays {
                    let at = chance::any(set.len());
                    rest.insert_element(set.at(at), integers);
                    set.remove_at(at);
                }
                for member in set.iter() {
                    note(member);
                    member.write(out);
                }
                *set = rest;
            }
        }
    }
    let empty = set.is_empty();
    if taken > 0 {
        call.changed(key, Class::SET, "spop");
        call.server.dirty += taken as u64 - 1;
    }
    match told {
        Some(_) if most.is_some_and(|most| most >= length) => call.replicate_as(&[b"DEL", key]),
        Some(members) => {
            for member in &members {
                call.replicate_as(&[b"SREM", key, member]);
            }
        }
        None => {}
    }
    if empty {
        call.remove_empty(key);
    }
    Ok(())
}

pub(super) fn srandmember(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let key = args[1];
    let count = match args {
        [_, _] => None,
        [_, _, word] => Some(sample(word)?),
        _ => return Err(Failure::SYNTAX),
    };
    let before = call.out.len();
    let Some((set, out)) = call.read_and_out::<Set>(key)? else {
        match count {
            None => call.out.null(),
            Some(_) => call.out.array(0),
        }
        return Ok(());
    };
    let length = set.len();
    let count = match count {
        None => {
            match set.random(&mut rand::rng()) {
                Some(member) => member.write(out),
                None => out.null(),
            }
            return Ok(());
        }
        Some(0) => {
            out.array(0);
            return Ok(());
        }
        Some(count) => count,
    };
    if count < 0 {
        let times = count.unsigned_abs();
        out.array(usize::try_from(times).unwrap_or(usize::MAX));
        let whole = chance::repeated(out, times, |out| set.at(chance::any(length)).write(out));
        if !whole {
            chance::hang_up(call, before);
        }
        return Ok(());
    }
    let some = chance::different(length, usize::try_from(count).unwrap_or(usize::MAX));
    out.array(some.len());
    let members = some.into_iter().map(|at| set.at(at));
    members.for_each(|member: Element<'_>| member.write(out));
    Ok(())
}
