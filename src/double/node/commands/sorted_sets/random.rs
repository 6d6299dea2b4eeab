//! Random members.

use super::{chance, sample};
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::sorted_set::SortedSet;
use crate::double::node::out::Out;

pub(super) fn zrandmember(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let key = args[1];
    let Some(count) = args.get(2) else {
        return one(call, key);
    };
    let count = sample(count)?;
    let with_scores = match args {
        [_, _, _] => false,
        [_, _, _, word] if word.eq_ignore_ascii_case(b"WITHSCORES") => true,
        _ => return Err(Failure::SYNTAX),
    };
    // Twice as many have to be counted.
    if with_scores && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(Failure::text("ERR value is out of range"));
    }
    let before = call.out.len();
    let Some((set, out)) = call.read_and_out::<SortedSet>(key)? else {
        call.out.array(0);
        return Ok(());
    };
    if set.is_empty() || count == 0 {
        out.array(0);
        return Ok(());
    }
    let length = set.len();
    let given = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let given = match count < 0 {
        true => given,
        false => given.min(length),
    };
    out.array(match with_scores && !out.resp3 {
        true => given * 2,
        false => given,
    });
    let at = |rank: usize| set.by_rank(rank).unwrap_or_default();
    if count < 0 {
        let whole = chance::repeated(out, count.unsigned_abs(), |out| {
            write(out, at(chance::any(length)), with_scores);
        });
        if !whole {
            chance::hang_up(call, before);
        }
    } else if given == length {
        // All of them Redis shows from the highest down.
        let all = set.iter(0..length).rev();
        all.for_each(|scored| write(out, scored, with_scores));
    } else {
        for rank in chance::different(length, given) {
            write(out, at(rank), with_scores);
        }
    }
    Ok(())
}

fn one(call: &mut Call<'_>, key: &[u8]) -> Outcome {
    match call.read_and_out::<SortedSet>(key)? {
        None => call.out.null(),
        Some((set, out)) => match set.random(&mut rand::rng()) {
            Some((member, _)) => out.bulk(member),
            None => out.null(),
        },
    }
    Ok(())
}

fn write(out: &mut Out, (member, score): (&[u8], f64), with_score: bool) {
    if with_score && out.resp3 {
        out.array(2);
    }
    out.bulk(member);
    if with_score {
        out.double(score);
    }
}
