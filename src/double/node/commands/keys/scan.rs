//! Going through all keys.

use super::integer;
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::glob;
use crate::double::node::keyspace::db::Entry;
use crate::double::node::keyspace::value::Typed;
use crate::double::node::out::Out;

pub(super) fn keys(call: &mut Call<'_>) -> Outcome {
    let pattern = call.args[1];
    let all = pattern == b"*";
    let now = call.now();
    let place = call.out.open();
    let mut count = 0;
    let db = &call.server.dbs[call.db];
    for (key, entry) in db.keys().iter() {
        if lives(entry, now) && (all || glob::matches(pattern, key, false)) {
            call.out.bulk(key);
            count += 1;
        }
    }
    call.out.close(place, |out| out.array(count));
    Ok(())
}

fn lives(entry: &Entry, now: i64) -> bool {
    entry.expires().is_none_or(|end| end >= now)
}

/// What SCAN, HSCAN, SSCAN and ZSCAN are told: where to go on, how far, and what to leave out.
pub(in crate::double) struct Walk<'a> {
    pub cursor: u64,
    pub count: u64,
    pub pattern: Option<&'a [u8]>,
    /// SCAN only: TYPE.
    pub kind: Option<&'a [u8]>,
}

impl<'a> Walk<'a> {
    /// Reads the cursor and the options. `whole`: SCAN, which knows TYPE.
    pub fn read(cursor: &[u8], options: &[&'a [u8]], whole: bool) -> Result<Walk<'a>, Failure> {
        let mut walk = Walk {
            cursor: read_cursor(cursor)?,
            count: 10,
            pattern: None,
            kind: None,
        };
        let mut words = options.iter();
        while let Some(word) = words.next() {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            let Some(value) = words.next() else {
                return Err(Failure::SYNTAX);
            };
            if is("COUNT") {
                let count = integer(value)?;
                if count < 1 {
                    return Err(Failure::SYNTAX);
                }
                walk.count = count as u64;
            } else if is("MATCH") {
                walk.pattern = (*value != b"*").then_some(value);
            } else if is("TYPE") && whole {
                walk.kind = Some(value);
            } else {
                return Err(Failure::SYNTAX);
            }
        }
        Ok(walk)
    }

    /// Takes steps until as many elements were seen as COUNT says, or until the end. `step` takes one from a cursor to the next, and counts what it
    /// has seen. The cursor for the next command; 0 at the end.
    pub fn steps(&self, mut step: impl FnMut(u64, &mut u64) -> u64) -> u64 {
        let mut cursor = self.cursor;
        let mut seen = 0;
        // A table with many empty buckets shall not make it long.
        let mut left = self.count.saturating_mul(10);
        loop {
            cursor = step(cursor, &mut seen);
            left -= 1;
            if cursor == 0 || left == 0 || seen >= self.count {
                return cursor;
            }
        }
    }

    /// Whether the pattern lets it through.
    pub fn takes(&self, name: &[u8]) -> bool {
        self.pattern
            .is_none_or(|pattern| glob::matches(pattern, name, false))
    }
}

/// HSCAN, SSCAN and ZSCAN: a walk through the value of a key. `go` writes what the walk takes, and gives the cursor for the next command and how
/// many elements it has written.
pub(in crate::double) fn scan_value<T: Typed>(
    call: &mut Call<'_>,
    go: impl FnOnce(&T, &Walk<'_>, &mut Out) -> (u64, usize),
) -> Outcome {
    let args = call.args;
    // The cursor is looked at before the key, the options after it.
    Walk::read(args[2], &[], false)?;
    let Some((value, out)) = call.read_and_out::<T>(args[1])? else {
        call.out.array(2);
        call.out.bulk(b"0");
        call.out.array(0);
        return Ok(());
    };
    let walk = Walk::read(args[2], &args[3..], false)?;
    let place = out.open();
    let (cursor, given) = go(value, &walk, out);
    out.close(place, |out| {
        out.array(2);
        out.bulk(itoa::Buffer::new().format(cursor).as_bytes());
        out.array(given);
    });
    Ok(())
}

/// A cursor: what C's strtoul takes as a whole.
fn read_cursor(word: &[u8]) -> Result<u64, Failure> {
    let invalid = Failure::text("ERR invalid cursor");
    let text = std::str::from_utf8(word).map_err(|_| invalid.clone())?;
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        // An empty word is 0 for it.
        return match word {
            b"" => Ok(0),
            _ => Err(invalid),
        };
    }
    let number: u64 = digits.parse().map_err(|_| invalid)?;
    Ok(match text.starts_with('-') {
        true => number.wrapping_neg(),
        false => number,
    })
}

pub(super) fn scan(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let walk = Walk::read(args[1], &args[2..], true)?;
    let now = call.now();
    let db = &call.server.dbs[call.db];
    let mut found = Vec::new();
    let cursor = walk.steps(|cursor, seen| {
        db.keys().scan(cursor, |key, entry| {
            *seen += 1;
            let kind = walk
                .kind
                .is_none_or(|kind| kind.eq_ignore_ascii_case(entry.value.kind().name().as_bytes()));
            if kind && walk.takes(key) && lives(entry, now) {
                found.push(key.to_vec());
            }
        })
    });
    call.out.array(2);
    call.out.bulk(cursor.to_string().as_bytes());
    call.out.array(found.len());
    for key in found {
        call.out.bulk(&key);
    }
    Ok(())
}
