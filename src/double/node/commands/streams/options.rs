//! What XADD and XTRIM are told about the id, and what is to be taken out.

use super::{BAD_ID, entry_id, integer};
use crate::double::node::failure::Failure;
use crate::double::node::keyspace::stream::{Id, Keep, Trim};

/// The id of a new entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NewId {
    /// `*`.
    Next,
    /// `5-*`.
    NextOf(u64),
    /// `5-3`.
    Given(Id),
}

/// The options of XADD or XTRIM.
pub(super) struct Options {
    pub trim: Option<Trim>,
    /// NOMKSTREAM.
    pub only_if_there: bool,
    pub id: NewId,
    /// Where the id stands.
    pub id_at: usize,
}

const TWO_STRATEGIES: Failure =
    Failure::text("ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
const LIMIT_OF_NOTHING: Failure =
    Failure::text("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
const EXACT_LIMIT: Failure =
    Failure::text("ERR syntax error, LIMIT cannot be used without the special ~ option");

/// Reads the options of XADD, which end with the id, or those of XTRIM. `node_entries`: how many entries a node has, from which the limit follows if none is
/// given.
pub(super) fn parse(args: &[&[u8]], xadd: bool, node_entries: usize) -> Result<Options, Failure> {
    let mut options = Options {
        trim: None,
        only_if_there: false,
        id: NewId::Next,
        id_at: args.len(),
    };
    let (mut keep, mut roughly, mut limit) = (None, false, None);
    let mut at = 2;
    while let Some(word) = args.get(at) {
        let more = args.len() - 1 - at;
        let is = |option: &str| word.eq_ignore_ascii_case(option.as_bytes());
        if xadd && *word == b"*" {
            options.id_at = at;
            break;
        }
        let strategy = is("maxlen") || is("minid");
        if strategy && more > 0 {
            if keep.is_some() {
                return Err(TWO_STRATEGIES);
            }
            roughly = more >= 2 && args[at + 1] == b"~";
            at += 1 + usize::from(more >= 2 && matches!(args[at + 1], b"~" | b"="));
            keep = Some(match is("maxlen") {
                true => Keep::Newest(positive(args[at], "MAXLEN")?),
                false => Keep::From(entry_id(args[at])?),
            });
        } else if is("limit") && more > 0 {
            at += 1;
            limit = Some(positive(args[at], "LIMIT")?);
        } else if xadd && is("nomkstream") {
            options.only_if_there = true;
        } else if xadd {
            options.id = match Id::parse_new(word).ok_or(BAD_ID)? {
                (ms, Some(seq)) => NewId::Given(Id { ms, seq }),
                (ms, None) => NewId::NextOf(ms),
            };
            options.id_at = at;
            break;
        } else {
            return Err(Failure::SYNTAX);
        }
        at += 1;
    }
    let Some(keep) = keep else {
        if limit.is_some_and(|limit| limit > 0) {
            return Err(LIMIT_OF_NOTHING);
        }
        if !xadd {
            return Err(Failure::text(
                "ERR syntax error, XTRIM must be called with a trimming strategy",
            ));
        }
        if limit.is_some() {
            return Err(EXACT_LIMIT);
        }
        return Ok(options);
    };
    if limit.is_some() && !roughly {
        return Err(EXACT_LIMIT);
    }
    let of_nodes = match node_entries.saturating_mul(100) {
        0 => 10_000,
        entries => entries.min(1_000_000) as u64,
    };
    options.trim = Some(Trim {
        keep,
        roughly,
        limit: limit.unwrap_or(if roughly { of_nodes } else { 0 }),
    });
    Ok(options)
}

fn positive(word: &[u8], option: &str) -> Result<u64, Failure> {
    let number = integer(word)?;
    u64::try_from(number)
        .map_err(|_| Failure::told(format!("ERR The {option} argument must be >= 0.")))
}
