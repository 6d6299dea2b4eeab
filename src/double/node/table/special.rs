//! Commands that find their keys in a way of their own: because their key specifications can't say where a key is (`SORT … STORE`), or what
//! is done with it (`SET … GET`). They also have the last word on calls that don't fit their specifications.
//!
//! Words are compared as C compares strings, here as in Redis: up to a zero byte.

use super::keys::KeyPlace;
use super::words::KeyFlags;

/// The way of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Special {
    /// A word tells how many keys follow; with `store`, there is one more before it.
    Numbered {
        store: Option<usize>,
        number: usize,
        first: usize,
    },
    Set,
    Bitfield,
    Sort,
    SortReadOnly,
    Migrate,
    Georadius,
    Xread,
}

impl Special {
    pub(super) fn of(name: &str) -> Option<Self> {
        let numbered = |store, number, first| Special::Numbered {
            store,
            number,
            first,
        };
        Some(match name {
            "eval" | "eval_ro" | "evalsha" | "evalsha_ro" | "fcall" | "fcall_ro" | "blmpop"
            | "bzmpop" => numbered(None, 2, 3),
            "lmpop" | "zmpop" | "sintercard" | "zintercard" | "zinter" | "zunion" | "zdiff" => {
                numbered(None, 1, 2)
            }
            "zunionstore" | "zinterstore" | "zdiffstore" => numbered(Some(1), 2, 3),
            "set" => Special::Set,
            "bitfield" => Special::Bitfield,
            "sort" => Special::Sort,
            "sort_ro" => Special::SortReadOnly,
            "migrate" => Special::Migrate,
            "georadius" | "georadiusbymember" => Special::Georadius,
            "xread" | "xreadgroup" => Special::Xread,
            _ => return None,
        })
    }
}

const CHANGED: KeyFlags = KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE);
const READ: KeyFlags = KeyFlags::RO.with(KeyFlags::ACCESS);
const STORED: KeyFlags = KeyFlags::OW.with(KeyFlags::UPDATE);
const UNKNOWN: KeyFlags = KeyFlags::NONE;

/// The keys of a call; none where it does not fit together.
pub(super) fn keys(special: Special, args: &[&[u8]]) -> Vec<KeyPlace> {
    match special {
        Special::Numbered {
            store,
            number,
            first,
        } => numbered(store, number, first, args),
        Special::Set => one(set(args)),
        Special::Bitfield => one(bitfield(args)),
        Special::Sort => sort(args),
        Special::SortReadOnly => one(READ),
        Special::Migrate => migrate(args),
        Special::Georadius => georadius(args),
        Special::Xread => xread(args),
    }
}

/// The word after the name.
fn one(flags: KeyFlags) -> Vec<KeyPlace> {
    vec![KeyPlace { at: 1, flags }]
}

fn numbered(store: Option<usize>, number: usize, first: usize, args: &[&[u8]]) -> Vec<KeyPlace> {
    let count = args.get(number).map_or(0, |word| leading_number(word));
    let count = usize::try_from(count).unwrap_or(0);
    if count == 0 || count > args.len().saturating_sub(first) {
        return Vec::new();
    }
    let place = |at| KeyPlace { at, flags: UNKNOWN };
    (first..first + count).chain(store).map(place).collect()
}

fn set(args: &[&[u8]]) -> KeyFlags {
    match args.iter().skip(3).any(|word| is(word, "get")) {
        true => CHANGED,
        false => STORED,
    }
}

/// Only `GET`s make it a command that reads.
fn bitfield(args: &[&[u8]]) -> KeyFlags {
    let mut at = 2;
    while let Some(word) = args.get(at) {
        let left = args.len() - at - 1;
        if is(word, "get") && left >= 2 {
            at += 3;
        } else if is(word, "overflow") && left >= 1 {
            at += 2;
        } else {
            // A change, or a fault.
            return CHANGED;
        }
    }
    READ
}

fn sort(args: &[&[u8]]) -> Vec<KeyPlace> {
    let mut keys = one(READ);
    let mut store = None;
    let mut at = 2;
    while let Some(word) = args.get(at) {
        if is(word, "limit") {
            at += 2;
        } else if is(word, "get") || is(word, "by") {
            at += 1;
        } else if is(word, "store") && at + 1 < args.len() {
            // The last one counts.
            store = Some(at + 1);
        }
        at += 1;
    }
    keys.extend(store.map(|at| KeyPlace { at, flags: STORED }));
    keys
}

fn migrate(args: &[&[u8]]) -> Vec<KeyPlace> {
    let flags = KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE);
    let place = |at| KeyPlace { at, flags };
    let mut at = 6;
    while let Some(word) = args.get(at) {
        if is(word, "keys") {
            // With a key before them as well, they are none.
            let alone = args.get(3).is_some_and(|key| key.is_empty());
            let keys = (at + 1..args.len()).map(place);
            return keys.filter(|_| alone).collect();
        }
        if is(word, "auth") {
            at += 1;
        } else if is(word, "auth2") {
            at += 2;
        }
        at += 1;
    }
    vec![place(3)]
}

fn georadius(args: &[&[u8]]) -> Vec<KeyPlace> {
    let mut store = None;
    let mut at = 5;
    while let Some(word) = args.get(at) {
        if (is(word, "store") || is(word, "storedist")) && at + 1 < args.len() {
            // The last one counts.
            store = Some(at + 1);
            at += 1;
        }
        at += 1;
    }
    let place = |at| KeyPlace { at, flags: UNKNOWN };
    [1].into_iter().chain(store).map(place).collect()
}

/// The first half of what follows `STREAMS`.
fn xread(args: &[&[u8]]) -> Vec<KeyPlace> {
    let mut at = 1;
    while let Some(word) = args.get(at) {
        if is(word, "streams") {
            let left = args.len() - at - 1;
            let keys = (at + 1..at + 1 + left / 2).map(|at| KeyPlace { at, flags: UNKNOWN });
            return keys.filter(|_| left.is_multiple_of(2)).collect();
        }
        at += if is(word, "block") || is(word, "count") {
            2
        } else if is(word, "group") {
            3
        } else if is(word, "noack") {
            1
        } else {
            break;
        };
    }
    Vec::new()
}

/// Whether this is the word, in any case.
pub(super) fn is(arg: &[u8], word: &str) -> bool {
    let end = arg.iter().position(|byte| *byte == 0);
    let arg = arg.get(..end.unwrap_or(arg.len())).unwrap_or_default();
    arg.eq_ignore_ascii_case(word.as_bytes())
}

/// A whole number, written as Redis itself would write it.
pub(super) fn whole(arg: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(arg).ok()?;
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// The whole number that a word begins with, as C's `atoi` reads it: blanks and a sign may stand before it, 0 is where there is none.
/// Numbers beyond 64 bits are the greatest or the smallest of them, of which the lower 32 bits are left.
fn leading_number(arg: &[u8]) -> i32 {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let arg = arg.get(arg.iter().take_while(|byte| blank(byte)).count()..);
    let (negative, digits) = match arg.unwrap_or_default() {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    let number = digits.fold(0_i64, |number, digit| {
        let digit = i64::from(digit - b'0');
        let digit = if negative { -digit } else { digit };
        number.saturating_mul(10).saturating_add(digit)
    });
    // What the conversion of a C long to an int leaves.
    number as i32
}
