//! All fields at once.

use crate::double::node::call::Call;
use crate::double::node::failure::Outcome;
use crate::double::node::keyspace::hash::Hash;

pub(super) fn hlen(call: &mut Call<'_>) -> Outcome {
    let length = call.read::<Hash>(call.args[1])?.map_or(0, Hash::len);
    call.out.int(length as i64);
    Ok(())
}

pub(super) fn hgetall(call: &mut Call<'_>) -> Outcome {
    match call.read_and_out::<Hash>(call.args[1])? {
        None => call.out.map(0),
        Some((hash, out)) => {
            out.map(hash.len());
            for (field, value) in hash.iter() {
                field.write(out);
                value.write(out);
            }
        }
    }
    Ok(())
}

pub(super) fn hkeys(call: &mut Call<'_>) -> Outcome {
    match call.read_and_out::<Hash>(call.args[1])? {
        None => call.out.array(0),
        Some((hash, out)) => {
            out.array(hash.len());
            hash.iter().for_each(|(field, _)| field.write(out));
        }
    }
    Ok(())
}

pub(super) fn hvals(call: &mut Call<'_>) -> Outcome {
    match call.read_and_out::<Hash>(call.args[1])? {
        None => call.out.array(0),
        Some((hash, out)) => {
            out.array(hash.len());
            hash.iter().for_each(|(_, value)| value.write(out));
        }
    }
    Ok(())
}
