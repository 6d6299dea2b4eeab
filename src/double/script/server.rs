//! The server of a script: reads commands, does what the script says.

use std::io;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::Shared;
use super::rule::{Act, Verdict, slot_of};
use crate::cluster::Reply;
use crate::double::wire::{self, Protocol, Received};

/// Takes connections until it is dropped, and drops them with itself.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(converse(stream, shared.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Counts a connection for as long as it is open.
struct Counted(Arc<Shared>);

impl Counted {
    fn new(shared: Arc<Shared>) -> Self {
        let mut state = shared.state();
        state.connections += 1;
        state.connected += 1;
        drop(state);
        Counted(shared)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.state().connections -= 1;
    }
}

/// One connection, until either side hangs up.
async fn converse(mut stream: TcpStream, shared: Arc<Shared>) {
    let counted = Counted::new(shared);
    // That a client has gone away is no fault of the script.
    let _ = answer_all(&mut stream, &counted.0).await;
}

async fn answer_all(stream: &mut TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut protocol = Protocol::default();
    let mut received = BytesMut::new();
    loop {
        let words = match wire::command(&received) {
            Received::Command(words, length) => {
                received.advance(length);
                words
            }
            Received::More => match stream.read_buf(&mut received).await? {
                0 => return Ok(()),
                _ => continue,
            },
            Received::Wrong(why) => {
                send(stream, &Reply::Error(why), protocol).await?;
                return Ok(());
            }
        };
        if words.is_empty() {
            continue;
        }
        match shared.judge(&words) {
            Verdict::Greeting(reply) => {
                if is_hello_3(&words) {
                    protocol = Protocol::Resp3;
                }
                send(stream, &reply, protocol).await?;
            }
            Verdict::Unexpected(what) => {
                let what = what.replace(['\r', '\n'], " ");
                send(stream, &Reply::Error(format!("ERR {what}")), protocol).await?;
            }
            Verdict::Act(delay, act) => {
                if !delay.is_zero() {
                    shared.clock.sleep(delay).await;
                }
                match act {
                    Act::Reply(reply) => send(stream, &reply, protocol).await?,
                    Act::Made(maker) => send(stream, &maker.reply(&words), protocol).await?,
                    Act::Raw(bytes) => stream.write_all(&bytes).await?,
                    Act::Redirect(word, endpoint) => {
                        let slot = slot_of(&words).get();
                        let text = format!("{word} {slot} {endpoint}");
                        send(stream, &Reply::Error(text), protocol).await?;
                    }
                    Act::Half(reply) => {
                        let whole = packed(&reply, protocol)?;
                        stream.write_all(&whole[..whole.len() / 2]).await?;
                        return stream.shutdown().await;
                    }
                    Act::Hang => {
                        // Until the client has had enough.
                        let mut ignored = [0; 1024];
                        while stream.read(&mut ignored).await? > 0 {}
                        return Ok(());
                    }
                    Act::HangUp => return stream.shutdown().await,
                }
            }
        }
    }
}

async fn send(stream: &mut TcpStream, reply: &Reply, protocol: Protocol) -> io::Result<()> {
    stream.write_all(&packed(reply, protocol)?).await
}

fn packed(reply: &Reply, protocol: Protocol) -> io::Result<BytesMut> {
    let mut buffer = BytesMut::new();
    wire::write(reply, protocol, &mut buffer).map_err(io::Error::other)?;
    Ok(buffer)
}

fn is_hello_3(words: &[Vec<u8>]) -> bool {
    matches!(words, [hello, version, ..] if hello.eq_ignore_ascii_case(b"HELLO") && version == b"3")
}

/// What a server says to the greetings of client libraries.
pub(super) fn greeting(words: &[Vec<u8>]) -> Option<Reply> {
    let word = |at: usize| words.get(at).map(|word| word.to_ascii_uppercase());
    let (first, second) = (word(0), word(1));
    match (first.as_deref()?, second.as_deref()) {
        (b"HELLO", version) => {
            let proto = if version == Some(b"3") { 3 } else { 2 };
            let text = |text: &str| Reply::Bulk(text.as_bytes().to_vec());
            Some(Reply::Map(vec![
                (text("server"), text("redis")),
                (text("version"), text("7.0.15")),
                (text("proto"), Reply::Int(proto)),
                (text("id"), Reply::Int(1)),
                (text("mode"), text("standalone")),
                (text("role"), text("master")),
                (text("modules"), Reply::Array(Vec::new())),
            ]))
        }
        (b"CLIENT", Some(b"SETINFO" | b"SETNAME")) => Some(Reply::Status("OK".to_owned())),
        _ => None,
    }
}
