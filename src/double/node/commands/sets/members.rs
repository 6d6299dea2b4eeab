//! Members of a set.

use crate::double::node::call::{Call, Class};
use crate::double::node::failure::Outcome;
use crate::double::node::keyspace::set::Set;

pub(super) fn sadd(call: &mut Call<'_>) -> Outcome {
    let (key, members) = (call.args[1], &call.args[2..]);
    let integers = call.server.config.set_integers;
    let set = call.write_or_new::<Set>(key)?;
    let mut added = 0_u64;
    for member in members {
        added += u64::from(set.insert(member, integers));
    }
    if added > 0 {
        call.changed(key, Class::SET, "sadd");
        call.server.dirty += added - 1;
    }
    call.out.int(added as i64);
    Ok(())
}

pub(super) fn srem(call: &mut Call<'_>) -> Outcome {
    let (key, members) = (call.args[1], &call.args[2..]);
    let mut removed = 0_u64;
    let mut empty = false;
    if let Some(set) = call.write::<Set>(key)? {
        for member in members {
            removed += u64::from(set.remove(member));
        }
        empty = set.is_empty();
    }
    if removed > 0 {
        call.changed(key, Class::SET, "srem");
        call.server.dirty += removed - 1;
        if empty {
            call.remove_empty(key);
        }
    }
    call.out.int(removed as i64);
    Ok(())
}

pub(super) fn smove(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let (from, to, member) = (args[1], args[2], args[3]);
    let integers = call.server.config.set_integers;
    let Some(set) = call.write::<Set>(from)? else {
        call.out.int(0);
        return Ok(());
    };
    let there = set.contains(member);
    call.write::<Set>(to)?;
    if !there || from == to {
        call.out.int(i64::from(there));
        return Ok(());
    }
    let mut empty = false;
    if let Some(set) = call.write::<Set>(from)? {
        set.remove(member);
        empty = set.is_empty();
    }
    call.changed(from, Class::SET, "srem");
    if empty {
        call.remove_empty(from);
    }
    if call.write_or_new::<Set>(to)?.insert(member, integers) {
        call.changed(to, Class::SET, "sadd");
    }
    call.out.int(1);
    Ok(())
}

pub(super) fn scard(call: &mut Call<'_>) -> Outcome {
    let length = call.read::<Set>(call.args[1])?.map_or(0, Set::len);
    call.out.int(length as i64);
    Ok(())
}

pub(super) fn sismember(call: &mut Call<'_>) -> Outcome {
    let (key, member) = (call.args[1], call.args[2]);
    let set = call.read::<Set>(key)?;
    let there = set.is_some_and(|set| set.contains(member));
    call.out.int(i64::from(there));
    Ok(())
}

pub(super) fn smismember(call: &mut Call<'_>) -> Outcome {
    let (key, members) = (call.args[1], &call.args[2..]);
    let found = call.read_and_out::<Set>(key)?;
    let Some((set, out)) = found else {
        call.out.array(members.len());
        members.iter().for_each(|_| call.out.int(0));
        return Ok(());
    };
    out.array(members.len());
    for member in members {
        out.int(i64::from(set.contains(member)));
    }
    Ok(())
}

pub(super) fn smembers(call: &mut Call<'_>) -> Outcome {
    match call.read_and_out::<Set>(call.args[1])? {
        None => call.out.set(0),
        Some((set, out)) => {
            out.set(set.len());
            set.iter().for_each(|member| member.write(out));
        }
    }
    Ok(())
}
