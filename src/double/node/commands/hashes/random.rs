//! Random fields.

use super::{chance, sample};
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::hash::Hash;
use crate::double::node::keyspace::packed::Element;
use crate::double::node::out::Out;

pub(super) fn hrandfield(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let key = args[1];
    let Some(count) = args.get(2) else {
        return one(call, key);
    };
    let count = sample(count)?;
    let with_values = match args {
        [_, _, _] => false,
        [_, _, _, word] if word.eq_ignore_ascii_case(b"WITHVALUES") => true,
        _ => return Err(Failure::SYNTAX),
    };
    // Twice as many have to be counted.
    if with_values && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(Failure::text("ERR value is out of range"));
    }
    let before = call.out.len();
    let Some((hash, out)) = call.read_and_out::<Hash>(key)? else {
        call.out.array(0);
        return Ok(());
    };
    if hash.is_empty() || count == 0 {
        out.array(0);
        return Ok(());
    }
    let length = hash.len();
    let given = match count < 0 {
        true => usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX),
        false => usize::try_from(count).unwrap_or(usize::MAX).min(length),
    };
    out.array(if with_values && !out.resp3 {
        given * 2
    } else {
        given
    });
    if count < 0 {
        let whole = chance::repeated(out, count.unsigned_abs(), |out| {
            write(out, hash.at(chance::any(length)), with_values);
        });
        if !whole {
            chance::hang_up(call, before);
        }
    } else if given == length {
        hash.iter().for_each(|pair| write(out, pair, with_values));
    } else {
        for at in chance::different(length, given) {
            write(out, hash.at(at), with_values);
        }
    }
    Ok(())
}

fn one(call: &mut Call<'_>, key: &[u8]) -> Outcome {
    match call.read_and_out::<Hash>(key)? {
        None => call.out.null(),
        Some((hash, out)) => match hash.random(&mut rand::rng()) {
            Some((field, _)) => field.write(out),
            None => out.null(),
        },
    }
    Ok(())
}

fn write(out: &mut Out, (field, value): (Element<'_>, Element<'_>), with_value: bool) {
    if with_value && out.resp3 {
        out.array(2);
    }
    field.write(out);
    if with_value {
        value.write(out);
    }
}
