//! Makes payloads.

use super::list::ListNode;
use super::payload::{kind, seal};
use super::saved::Saved;
use super::writer::Writer;

/// How a node of a list is marked.
pub(super) const PLAIN: u64 = 1;
pub(super) const PACKED: u64 = 2;

/// The payload that DUMP gives for a value. `compress` is the configuration `rdbcompression`, which is on if nobody says otherwise.
pub(crate) fn encode(value: &Saved, compress: bool) -> Vec<u8> {
    let mut out = Writer::new(compress);
    out.byte(kind_of(value));
    match value {
        Saved::String(text) => out.string(text),
        Saved::List(list) => {
            out.count(list.nodes.len());
            for node in &list.nodes {
                let (mark, bytes) = match node {
                    ListNode::Packed(listpack) => (PACKED, listpack.bytes()),
                    ListNode::Plain(text) => (PLAIN, &text[..]),
                };
                out.length(mark);
                out.string(bytes);
            }
        }
        Saved::Set(members) => {
            out.count(members.len());
            members.iter().for_each(|member| out.string(member));
        }
        Saved::Integers(set) => out.string(&set.bytes()),
        Saved::Hash(fields) => {
            out.count(fields.len());
            for (name, value) in fields {
                out.string(name);
                out.string(value);
            }
        }
        Saved::HashListpack(listpack) | Saved::SortedListpack(listpack) => {
            out.string(listpack.bytes())
        }
        Saved::Sorted(members) => {
            out.count(members.len());
            // From the highest to the lowest: whoever reads them can add each in front.
            for (member, score) in members.iter().rev() {
                out.string(member);
                out.double(*score);
            }
        }
        Saved::Stream(stream) => stream.write(&mut out),
    }
    seal(out.finish())
}

fn kind_of(value: &Saved) -> u8 {
    match value {
        Saved::String(_) => kind::STRING,
        Saved::List(_) => kind::LIST_OF_LISTPACKS,
        Saved::Set(_) => kind::SET,
        Saved::Integers(_) => kind::INTEGER_SET,
        Saved::Hash(_) => kind::HASH,
        Saved::HashListpack(_) => kind::HASH_LISTPACK,
        Saved::Sorted(_) => kind::SORTED,
        Saved::SortedListpack(_) => kind::SORTED_LISTPACK,
        Saved::Stream(_) => kind::STREAM,
    }
}
