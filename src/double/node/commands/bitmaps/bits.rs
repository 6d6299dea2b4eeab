//! SETBIT, GETBIT.

use super::{offset, with_room};
use crate::double::node::call::{Call, Class};
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::text::Text;
use crate::double::node::number::parse_i64;

pub(super) fn setbit(call: &mut Call<'_>) -> Outcome {
    let (key, args) = (call.args[1], call.args);
    let at = offset(call, args[2], None)?;
    let on = match parse_i64(args[3]) {
        Some(0) => false,
        Some(1) => true,
        _ => {
            return Err(Failure::text("ERR bit is not an integer or out of range"));
        }
    };
    let (bytes, grown) = with_room(call, key, at)?;
    let (byte, mask) = (&mut bytes[at / 8], 0x80 >> (at % 8));
    let before = *byte & mask != 0;
    match on {
        true => *byte |= mask,
        false => *byte &= !mask,
    }
    if grown || before != on {
        call.changed(key, Class::TEXT, "setbit");
    }
    call.out.int(i64::from(before));
    Ok(())
}

pub(super) fn getbit(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let at = offset(call, args[2], None)?;
    let text = call.read::<Text>(args[1])?;
    let byte = text.and_then(|text| text.bytes().get(at / 8).copied());
    let on = byte.is_some_and(|byte| byte & (0x80 >> (at % 8)) != 0);
    call.out.int(i64::from(on));
    Ok(())
}
