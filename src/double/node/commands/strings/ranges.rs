//! Parts of texts.

use super::{fits, integer};
use crate::double::node::call::{Call, Class};
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::text::Text;
use crate::double::node::keyspace::value::{Value, typed};

pub(super) fn append(call: &mut Call<'_>) -> Outcome {
    let (key, more) = (call.args[1], call.args[2]);
    let length = match call.write::<Text>(key)? {
        Some(text) => {
            let length = text.len();
            fits(call, length, more.len())?;
            if let Some(text) = call.write::<Text>(key)? {
                text.raw().extend_from_slice(more);
            }
            length + more.len()
        }
        None => {
            call.put(key, Value::Text(Text::new(more)));
            more.len()
        }
    };
    call.changed(key, Class::TEXT, "append");
    call.out.int(length as i64);
    Ok(())
}

pub(super) fn strlen(call: &mut Call<'_>) -> Outcome {
    let length = call.read::<Text>(call.args[1])?.map_or(0, Text::len);
    call.out.int(length as i64);
    Ok(())
}

pub(super) fn setrange(call: &mut Call<'_>) -> Outcome {
    let (key, offset, part) = (call.args[1], integer(call.args[2])?, call.args[3]);
    let offset =
        usize::try_from(offset).map_err(|_| Failure::text("ERR offset is out of range"))?;
    let length = call.write::<Text>(key)?.map(|text| text.len());
    if part.is_empty() {
        call.out.int(length.unwrap_or(0) as i64);
        return Ok(());
    }
    fits(call, offset, part.len())?;
    if length.is_none() {
        call.put(key, Value::Text(Text::Raw(Vec::new())));
    }
    let mut length = 0;
    if let Some(text) = call.write::<Text>(key)? {
        let bytes = text.raw();
        let end = offset + part.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[offset..end].copy_from_slice(part);
        length = bytes.len();
    }
    call.changed(key, Class::TEXT, "setrange");
    call.out.int(length as i64);
    Ok(())
}

pub(super) fn getrange(call: &mut Call<'_>) -> Outcome {
    let (key, start, end) = (call.args[1], integer(call.args[2])?, integer(call.args[3])?);
    let Some(at) = call.server.read(call.db, key) else {
        call.out.bulk(b"");
        return Ok(());
    };
    let text = typed::<Text>(&call.server.dbs[call.db].at(at).1.value)?;
    let bytes = text.bytes();
    let part = range(bytes.len(), start, end).and_then(|range| bytes.get(range));
    call.out.bulk(part.unwrap_or_default());
    Ok(())
}

/// The bytes from `start` to `end`, both included, and negative ones from the end.
fn range(length: usize, start: i64, end: i64) -> Option<std::ops::Range<usize>> {
    let length = length as i64;
    if start < 0 && end < 0 && start > end {
        return None;
    }
    let from_start = |at: i64| if at < 0 { (length + at).max(0) } else { at };
    let (start, end) = (from_start(start), from_start(end).min(length - 1));
    (start <= end && length > 0).then(|| start as usize..end as usize + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(0, -1, Some(0..5))]
    #[case(-3, -2, Some(2..4))]
    #[case(-2, -3, None)]
    #[case(-100, 1, Some(0..2))]
    #[case(3, 100, Some(3..5))]
    #[case(5, 6, None)]
    #[case(0, -100, Some(0..1))]
    fn ranges(#[case] start: i64, #[case] end: i64, #[case] is: Option<std::ops::Range<usize>>) {
        assert_eq!(range(5, start, end), is);
    }
}
