//! BITFIELD, BITFIELD_RO.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::integer::{Overflow, Width};
use super::{number, offset, with_room};
use crate::double::node::call::{Call, Class};
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::text::Text;

/// One of the things to be done.
struct Step {
    width: Width,
    offset: usize,
    action: Action,
    overflow: Overflow,
}

enum Action {
    Get,
    Set(i64),
    Increment(i64),
}

type Steps = SmallVec<[Step; 4]>;

pub(super) fn bitfield(call: &mut Call<'_>) -> Outcome {
    let steps = parse(call)?;
    match last_written(&steps) {
        Some(last) => write(call, &steps, last),
        None => read(call, &steps),
    }
}

pub(super) fn bitfield_ro(call: &mut Call<'_>) -> Outcome {
    let steps = parse(call)?;
    match last_written(&steps) {
        Some(_) => Err(Failure::text(
            "ERR BITFIELD_RO only supports the GET subcommand",
        )),
        None => read(call, &steps),
    }
}

/// The last bit that is written to, if any is.
fn last_written(steps: &Steps) -> Option<usize> {
    let last = |step: &Step| step.offset + step.width.bits as usize - 1;
    steps
        .iter()
        .filter(|step| !matches!(step.action, Action::Get))
        .map(last)
        .max()
}

fn parse(call: &Call<'_>) -> Result<Steps, Failure> {
    const BAD_WIDTH: Failure = Failure::text(
        "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
    );
    let mut steps = Steps::new();
    let mut overflow = Overflow::Wrap;
    let mut rest = &call.args[2..];
    while let Some((word, values)) = rest.split_first() {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        let taken = if is("get") {
            2
        } else if is("set") || is("incrby") {
            3
        } else if is("overflow") {
            1
        } else {
            return Err(Failure::SYNTAX);
        };
        let (values, others) = values.split_at_checked(taken).ok_or(Failure::SYNTAX)?;
        rest = others;
        if taken == 1 {
            overflow = match values[0].to_ascii_lowercase().as_slice() {
                b"wrap" => Overflow::Wrap,
                b"sat" => Overflow::Saturate,
                b"fail" => Overflow::Fail,
                _ => return Err(Failure::text("ERR Invalid OVERFLOW type specified")),
            };
            continue;
        }
        let width = Width::parse(values[0]).ok_or(BAD_WIDTH)?;
        let offset = offset(call, values[1], Some(width.bits))?;
        let action = match values.get(2) {
            None => Action::Get,
            Some(value) if is("set") => Action::Set(number(value)?),
            Some(value) => Action::Increment(number(value)?),
        };
        steps.push(Step {
            width,
            offset,
            action,
            overflow,
        });
    }
    Ok(steps)
}

fn read(call: &mut Call<'_>, steps: &Steps) -> Outcome {
    let key = call.args[1];
    let found = call.read_and_out::<Text>(key)?;
    let (bytes, out) = match found {
        Some((text, out)) => (text.bytes(), out),
        None => (Cow::Borrowed(&b""[..]), &mut *call.out),
    };
    out.array(steps.len());
    for step in steps {
        out.int(step.width.read(&bytes, step.offset));
    }
    Ok(())
}

fn write(call: &mut Call<'_>, steps: &Steps, last: usize) -> Outcome {
    let key = call.args[1];
    let (bytes, grown) = with_room(call, key, last)?;
    let mut replies: SmallVec<[Option<i64>; 4]> = SmallVec::new();
    let mut changes = 0;
    for step in steps {
        let Step { width, offset, .. } = *step;
        let before = width.read(bytes, offset);
        let after = match step.action {
            Action::Get => {
                replies.push(Some(before));
                continue;
            }
            // A field without a sign takes a negative number for a very large one.
            Action::Set(value) if !width.signed => i128::from(value as u64),
            // Redis reckons how far it is to the greatest in 64 bits; from the smallest numbers that is too far, and it takes them for too great.
            Action::Set(value)
                if step.overflow == Overflow::Saturate
                    && width.bits < 64
                    && ((1_i64 << (width.bits - 1)) - 1)
                        .checked_sub(value)
                        .is_none() =>
            {
                i128::from(i64::MAX)
            }
            Action::Set(value) => value.into(),
            Action::Increment(by) => i128::from(before) + i128::from(by),
        };
        let Some(after) = width.fit(after, step.overflow) else {
            replies.push(None);
            continue;
        };
        width.write(bytes, offset, after);
        changes += u64::from(grown || before != after);
        replies.push(Some(match step.action {
            Action::Increment(_) => after,
            _ => before,
        }));
    }
    call.out.array(replies.len());
    for reply in replies {
        match reply {
            Some(number) => call.out.int(number),
            None => call.out.null(),
        }
    }
    if changes > 0 {
        call.changed(key, Class::TEXT, "setbit");
        // That is one of them.
        call.server.dirty += changes - 1;
    }
    Ok(())
}
