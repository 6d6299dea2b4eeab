//! DUMP payloads of Redis 7.0: what DUMP gives and RESTORE takes, to the byte.
//!
//! A payload is one value in the RDB format, then two bytes of that format's version and eight of a checksum. [`encode`] writes what
//! Redis 7.0.15 writes with the configuration it comes with (strings compressed). [`decode`] reads every type that 7.0 reads, also those
//! that only older versions wrote, and refuses what 7.0 refuses with `sanitize-dump-payload yes`: whatever it gives is sound to the last byte.
//! It never panics, and takes memory in proportion to the payload; an LZF string grows at most 88 times when it is unpacked.
//!
//! [`Saved`] stands between the payload and the keyspace. It keeps what the payload's bytes depend on and a value's content does not tell:
//! how a list is cut into nodes, how wide a set of integers is, in which nodes a stream's entries lie.

mod crc64;
mod decode;
mod encode;
mod functions;
mod integer_set;
mod list;
mod listpack;
mod lzf;
mod old_types;
mod payload;
mod reader;
mod saved;
mod sorted;
mod stream;
mod stream_node;
mod writer;
mod ziplist;
mod zipmap;

#[cfg(test)]
mod tests;

pub(crate) use decode::decode;
pub(crate) use encode::encode;
pub(crate) use functions::{BadLibraries, decode_libraries, encode_libraries};
pub(crate) use integer_set::IntegerSet;
pub(crate) use list::{List, ListNode, NodeSize};
pub(crate) use listpack::{Element, Listpack, TooBig};
#[cfg(test)]
pub(crate) use payload::BadPayload;
#[cfg(fuzzing)]
pub(crate) use payload::seal;
pub(crate) use saved::Saved;
pub(crate) use sorted::{pack_scores, scores};
pub(crate) use stream::{Pending, SavedConsumer, SavedGroup, SavedStream, StreamId};
pub(crate) use stream_node::{StreamEntry, StreamNode, StreamNodeSize};
