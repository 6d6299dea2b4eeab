//! CLIENT PAUSE and CLIENT UNPAUSE.

use super::no_such_form;
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::number;

pub(super) fn pause(call: &mut Call<'_>) -> Outcome {
    let all = match call.args[2..] {
        [_] => true,
        [_, how] if how.eq_ignore_ascii_case(b"all") => true,
        [_, how] if how.eq_ignore_ascii_case(b"write") => false,
        [_, _] => {
            return Err(Failure::text("ERR CLIENT PAUSE mode must be WRITE or ALL"));
        }
        _ => return Err(no_such_form(call)),
    };
    let time = number::parse_i64(call.args[2]).ok_or(Failure::text(
        "ERR timeout is not an integer or out of range",
    ))?;
    if time < 0 {
        return Err(Failure::text("ERR timeout is negative"));
    }
    // Redis lets this overflow too: the pause is over before it has begun.
    let until = call.now().wrapping_add(time);
    call.server.pause(until, all);
    call.out.ok();
    Ok(())
}

pub(super) fn unpause(call: &mut Call<'_>) -> Outcome {
    call.server.end_pause();
    call.out.ok();
    Ok(())
}
