//! Commands and replies on the wire, by the codec of `redis-protocol`.

use bytes::{Bytes, BytesMut};
use redis_protocol::resp2::encode::extend_encode as extend_resp2;
use redis_protocol::resp2::types::BytesFrame as Resp2;
use redis_protocol::resp3::decode::complete::decode_bytes;
use redis_protocol::resp3::encode::complete::extend_encode as extend_resp3;
use redis_protocol::resp3::types::BytesFrame as Resp3;

use super::request::{Found, Limits, Parser};
use crate::cluster::Reply;

/// Which version of the protocol replies are in. Commands look the same in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Protocol {
    /// What every connection begins with.
    #[default]
    Resp2,
    /// After `HELLO 3`.
    Resp3,
}

/// What stands at the start of what was received.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// A command; so many bytes.
    Command(Vec<Vec<u8>>, usize),
    /// Not all of it is there yet.
    More,
    /// Something that is no command: what a server answers before it hangs up.
    Wrong(String),
}

/// Reads one command from the start of `buffer`.
pub(super) fn command(buffer: &[u8]) -> Received {
    let mut parser = Parser::default();
    match parser.read(buffer, Limits::REDIS) {
        Found::Command(length) => {
            let words = parser.words(buffer).map(<[u8]>::to_vec);
            Received::Command(words.collect(), length)
        }
        Found::Nothing(length) => Received::Command(Vec::new(), length),
        Found::More(_) => Received::More,
        Found::Wrong(why) => Received::Wrong(String::from_utf8_lossy(&why).into_owned()),
    }
}

/// Reads one whole reply, in RESP3.
pub(super) fn reply(bytes: &[u8]) -> Reply {
    match decode_bytes(&Bytes::copy_from_slice(bytes)) {
        Ok(Some((frame, _))) => from_resp3(frame),
        _ => Reply::Error("ERR this is no reply".to_owned()),
    }
}

fn from_resp3(frame: Resp3) -> Reply {
    let text = |bytes: Bytes| String::from_utf8_lossy(&bytes).into_owned();
    match frame {
        Resp3::BlobString { data, .. } | Resp3::VerbatimString { data, .. } => {
            Reply::Bulk(data.to_vec())
        }
        Resp3::SimpleString { data, .. } => Reply::Status(text(data)),
        Resp3::SimpleError { data, .. } => Reply::Error(data.to_string()),
        Resp3::BlobError { data, .. } => Reply::Error(text(data)),
        Resp3::Number { data, .. } => Reply::Int(data),
        Resp3::Double { data, .. } => Reply::Double(data),
        Resp3::Boolean { data, .. } => Reply::Bool(data),
        Resp3::BigNumber { data, .. } | Resp3::ChunkedString(data) => Reply::Bulk(data.to_vec()),
        Resp3::Array { data, .. } | Resp3::Push { data, .. } => {
            Reply::Array(data.into_iter().map(from_resp3).collect())
        }
        Resp3::Set { data, .. } => Reply::Array(data.into_iter().map(from_resp3).collect()),
        Resp3::Map { data, .. } => Reply::Map(
            data.into_iter()
                .map(|(key, value)| (from_resp3(key), from_resp3(value)))
                .collect(),
        ),
        Resp3::Null | Resp3::Hello { .. } => Reply::Nil,
    }
}

/// Writes a reply.
///
/// # Errors
/// It can't be written in that protocol, as a number that is none.
pub(super) fn write(reply: &Reply, protocol: Protocol, to: &mut BytesMut) -> Result<(), String> {
    match protocol {
        Protocol::Resp2 => extend_resp2(to, &resp2(reply), false),
        Protocol::Resp3 => extend_resp3(to, &resp3(reply), false),
    }
    .map(drop)
    .map_err(|error| error.to_string())
}

/// In RESP2 a map is an array of keys and values in turn, a number with decimals a text, and true is 1.
fn resp2(reply: &Reply) -> Resp2 {
    match reply {
        Reply::Nil => Resp2::Null,
        Reply::Status(text) => Resp2::SimpleString(text.clone().into()),
        Reply::Error(text) => Resp2::Error(text.clone().into()),
        Reply::Int(number) => Resp2::Integer(*number),
        Reply::Bulk(bytes) => Resp2::BulkString(bytes.clone().into()),
        Reply::Double(number) => Resp2::BulkString(number.to_string().into()),
        Reply::Bool(truth) => Resp2::Integer(i64::from(*truth)),
        Reply::Array(items) => Resp2::Array(items.iter().map(resp2).collect()),
        Reply::Map(pairs) => {
            let items = pairs.iter().flat_map(|(key, value)| [key, value]);
            Resp2::Array(items.map(resp2).collect())
        }
    }
}

fn resp3(reply: &Reply) -> Resp3 {
    let attributes = None;
    match reply {
        Reply::Nil => Resp3::Null,
        Reply::Status(text) => Resp3::SimpleString {
            data: text.clone().into(),
            attributes,
        },
        Reply::Error(text) => Resp3::SimpleError {
            data: text.clone().into(),
            attributes,
        },
        Reply::Int(number) => Resp3::Number {
            data: *number,
            attributes,
        },
        Reply::Bulk(bytes) => Resp3::BlobString {
            data: bytes.clone().into(),
            attributes,
        },
        Reply::Double(number) => Resp3::Double {
            data: *number,
            attributes,
        },
        Reply::Bool(truth) => Resp3::Boolean {
            data: *truth,
            attributes,
        },
        Reply::Array(items) => Resp3::Array {
            data: items.iter().map(resp3).collect(),
            attributes,
        },
        Reply::Map(pairs) => Resp3::Map {
            data: pairs
                .iter()
                .map(|(key, value)| (resp3(key), resp3(value)))
                .collect(),
            attributes,
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(words: &[Vec<u8>]) -> Vec<u8> {
        let mut wire = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            wire.extend(format!("${}\r\n", word.len()).bytes());
            wire.extend(word);
            wire.extend(b"\r\n");
        }
        wire
    }

    proptest! {
        #[test]
        fn a_command_is_read_as_it_was_written_wherever_it_is_cut(
            words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..6),
            rest in prop::collection::vec(any::<u8>(), 0..10),
        ) {
            let wire = packed(&words);
            for cut in 0..wire.len() {
                prop_assert_eq!(command(&wire[..cut]), Received::More);
            }
            let length = wire.len();
            let more = [wire, rest].concat();
            prop_assert_eq!(command(&more), Received::Command(words, length));
        }

        #[test]
        fn noise_is_no_reason_to_panic(noise in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = command(&noise);
        }
    }

    #[test]
    fn a_line_typed_by_hand_is_a_command() {
        let words = ["SET", "a", "1"].map(|word| word.as_bytes().to_vec());
        assert_eq!(
            command(b"SET a  1\r\nGET"),
            Received::Command(words.to_vec(), 10)
        );
        assert_eq!(command(b"SET a"), Received::More);
    }

    #[test]
    fn what_is_no_command_is_told() {
        for wire in [&b"*1\r\n:5\r\n"[..], b"*x\r\n"] {
            assert!(matches!(command(wire), Received::Wrong(_)), "{wire:?}");
        }
        let long = vec![b'a'; 70_000];
        assert!(matches!(command(&long), Received::Wrong(_)));
    }

    #[test]
    fn replies_in_both_protocols() {
        let reply = Reply::Map(vec![
            (Reply::Bulk(b"a".to_vec()), Reply::Int(1)),
            (Reply::Bulk(b"b".to_vec()), Reply::Nil),
            (Reply::Bulk(b"c".to_vec()), Reply::Bool(true)),
        ]);
        let wire = |protocol| {
            let mut buffer = BytesMut::new();
            write(&reply, protocol, &mut buffer).unwrap();
            String::from_utf8(buffer.to_vec()).unwrap()
        };
        assert_eq!(
            wire(Protocol::Resp2),
            "*6\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n$-1\r\n$1\r\nc\r\n:1\r\n"
        );
        let resp3 = wire(Protocol::Resp3);
        assert!(resp3.starts_with("%3\r\n"), "{resp3:?}");
        for part in ["$1\r\na\r\n:1\r\n", "$1\r\nb\r\n_\r\n", "$1\r\nc\r\n#t\r\n"] {
            assert!(resp3.contains(part), "{resp3:?}");
        }
    }
}
