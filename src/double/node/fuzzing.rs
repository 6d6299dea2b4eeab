//! Ways in for the targets of `fuzz/`, which see what is public only.

#![allow(clippy::expect_used)] // what fails here is to fail loudly

use std::sync::OnceLock;

use super::config::Config;
use super::host::Host;
use super::out::Out;
use super::rdb::{NodeSize, decode, encode, seal};
use super::server::Server;
use crate::double::request::{Found, Limits, Parser};
use crate::double::{Clock, wire};

/// Reads bytes as RESTORE does: as they are, and with version and checksum put behind them.
pub fn restore(bytes: &[u8]) {
    let _ = decode(bytes, NodeSize::default());
    let _ = decode(&seal(bytes.to_vec()), NodeSize::default());
}

/// Reads bytes as RESTORE does, with version and checksum put behind them; what DUMP gives for a value is read as the same value.
///
/// # Panics
///
/// If it is not.
pub fn restore_and_dump(bytes: &[u8]) {
    let Ok(value) = decode(&seal(bytes.to_vec()), NodeSize::default()) else {
        return;
    };
    for compress in [true, false] {
        let again = decode(&encode(&value, compress), NodeSize::default());
        assert!(again.as_ref() == Ok(&value), "{again:?} of {value:?}");
    }
}

/// Reads bytes as commands, all at once and cut into two pieces: the same commands are found.
///
/// # Panics
///
/// If they are not.
pub fn requests(bytes: &[u8]) {
    let whole = all_commands(&[bytes]);
    let (first, _) = bytes.split_at(bytes.len() / 2);
    let third = bytes.len() / 3;
    assert_eq!(whole, all_commands(&[first, bytes]));
    assert_eq!(whole, all_commands(&[&bytes[..third], first, bytes]));
}

/// The commands at the start of a buffer, of which more and more is there, and the error at their end.
fn all_commands(buffers: &[&[u8]]) -> (Vec<Vec<Vec<u8>>>, Option<Vec<u8>>) {
    let mut commands = Vec::new();
    let mut parser = Parser::default();
    let mut done = 0;
    for buffer in buffers {
        loop {
            let rest = &buffer[done..];
            match parser.read(rest, Limits::REDIS) {
                Found::More(_) => break,
                Found::Nothing(length) => done += length,
                Found::Command(length) => {
                    commands.push(parser.words(rest).map(<[u8]>::to_vec).collect());
                    done += length;
                }
                Found::Wrong(words) => return (commands, Some(words)),
            }
        }
    }
    (commands, None)
}

/// Has a node execute bytes as one client's commands, but for those that would take its time or stop it.
///
/// # Panics
///
/// If the node's thread has.
pub fn commands(bytes: &[u8]) {
    static NODE: OnceLock<Host> = OnceLock::new();
    let node = NODE.get_or_init(|| {
        let address = (std::net::Ipv4Addr::LOCALHOST, 0).into();
        let started = Host::lone(address, Clock::stepped(), Config::default());
        started.expect("a port").0
    });
    let bytes = bytes.to_vec();
    let done = node.run(move |server| execute(server, &bytes));
    assert!(done.is_some(), "the node's thread is gone");
}

fn execute(server: &mut Server, bytes: &[u8]) {
    let key = server.client_by_hand();
    let mut parser = Parser::default();
    let mut out = Out::new(false);
    let mut done = 0;
    while let found @ (Found::Command(length) | Found::Nothing(length)) =
        parser.read(&bytes[done..], Limits::REDIS)
    {
        let words: Vec<&[u8]> = match found {
            Found::Command(_) => parser.words(&bytes[done..]).collect(),
            _ => Vec::new(),
        };
        done += length;
        // A script may well run for ever, and the others are told to.
        let name = words.first().map(|name| name.to_ascii_lowercase());
        let left_out: [&[u8]; 9] = [
            b"eval",
            b"eval_ro",
            b"evalsha",
            b"fcall",
            b"fcall_ro",
            b"function",
            b"script",
            b"debug",
            b"shutdown",
        ];
        match name {
            Some(name) if !left_out.contains(&&*name) => server.execute(key, &words, &mut out),
            _ => {}
        }
        if server
            .clients
            .get(key.0)
            .is_none_or(|client| client.blocked.is_some())
        {
            break;
        }
    }
    server.close(key);
    for db in &mut server.dbs {
        db.clear();
    }
    server.config = Config::default();
}

/// Reads bytes as a script's server reads commands, and as a reply.
pub fn resp(bytes: &[u8]) {
    let _ = wire::command(bytes);
    let reply = wire::reply(bytes);
    let mut buffer = bytes::BytesMut::new();
    for protocol in [wire::Protocol::Resp2, wire::Protocol::Resp3] {
        let _ = wire::write(&reply, protocol, &mut buffer);
    }
}
