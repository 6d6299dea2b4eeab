//! Asking one node again and again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use super::moments::Moments;
use crate::cluster::{Reply, Topology};
use crate::resp::{Client, Clock, RespError};

/// From the start of one question to the start of the next. A moment is seen that much too late at most, and what it takes to answer.
const PAUSE: Duration = Duration::from_millis(8);
/// How long a node may take to answer. Its own connection waits that long, and nobody else's.
const DEADLINE: Duration = Duration::from_millis(300);
/// The pause after a question without an answer. A node that is gone costs ten attempts a second.
const AFTER_NO_ANSWER: Duration = Duration::from_millis(100);

/// What all who ask share.
#[derive(Debug)]
pub(super) struct Shared {
    /// The time that the nodes live in.
    pub clock: Arc<dyn Clock>,
    /// When the command began.
    pub zero: Duration,
    pub moments: watch::Sender<Moments>,
    /// Answers until now.
    pub answers: AtomicU64,
}

impl Shared {
    /// Time since the command began.
    pub fn elapsed(&self) -> Duration {
        self.clock.now().saturating_sub(self.zero)
    }
}

/// A write for a slot of the failing master.
#[derive(Debug, Clone)]
pub(super) struct Write {
    words: [String; 5],
    command: String,
}

impl Write {
    /// Of this key. A recorder that comes to no proper end leaves the key behind, and the server forgets it after a minute.
    pub fn of(key: &str) -> Write {
        let words = ["SET", key, "recovered", "PX", "60000"].map(str::to_owned);
        let command = words.join(" ");
        Write { words, command }
    }
}

/// Asks one node until the task is ended: for its view and, if it may take over, whether it accepts a write, until one was accepted.
///
/// Both in one go, the write first: the view that comes with the answer to a write is never older than that answer, so nobody is seen
/// to accept writes before it is seen to be a master.
pub(super) async fn poll(client: Client, write: Option<Write>, shared: Arc<Shared>) {
    let node = client.address().name.clone();
    let mut last: Option<Reply> = None;
    loop {
        let began = shared.clock.now();
        let write = write
            .as_ref()
            .filter(|_| shared.moments.borrow().timeline().recovered.is_none());
        let asking = shared.clock.hold();
        let answer = ask(&client, write).await;
        let next = match answer {
            Ok((written, view)) => {
                shared.answers.fetch_add(1, Ordering::Relaxed);
                // Almost every answer is the same as the one before, and reading it costs more than asking for it.
                let changed = (last.as_ref() != Some(&view))
                    .then(|| topology(&view))
                    .flatten();
                shared.moments.send_if_modified(|moments| {
                    let after = shared.elapsed();
                    let mut new = false;
                    if let Some((topology, raw)) = &changed {
                        new |= moments.view(&node, after, topology, raw);
                    }
                    if let (Some(write), Some(reply)) = (write, &written) {
                        new |= moments.write(&node, after, &write.command, reply);
                    }
                    new
                });
                last = Some(view);
                began + PAUSE
            }
            Err(_) => shared.clock.now() + AFTER_NO_ANSWER,
        };
        drop(asking);
        shared.clock.sleep_until(next).await;
    }
}

/// The answers to the write, if there is one to be tried, and to `CLUSTER NODES`.
async fn ask(client: &Client, write: Option<&Write>) -> Result<(Option<Reply>, Reply), RespError> {
    const NODES: [&str; 2] = ["CLUSTER", "NODES"];
    let Some(write) = write else {
        return Ok((None, client.call_within(&NODES, DEADLINE).await?));
    };
    let questions = [
        write.words.iter().map(String::as_str).collect(),
        NODES.to_vec(),
    ];
    let mut replies = client.pipeline_within(&questions, DEADLINE).await?;
    let view = replies.pop().unwrap_or(Reply::Nil);
    Ok((replies.pop(), view))
}

/// A node's view and how it was told. An error, or what is no view, is nothing to go by.
fn topology(reply: &Reply) -> Option<(Topology, String)> {
    let raw = match reply {
        Reply::Error(_) => return None,
        reply => reply.as_text()?,
    };
    Some((Topology::parse(&raw).ok()?, raw.into_owned()))
}

/// Removes the key, wherever it may have been accepted.
pub(super) async fn remove(client: Client, key: String) {
    // Whoever does not own the slot refuses, and who does not answer has the key until the server forgets it.
    let _ = client.call_within(&["DEL", &key], DEADLINE).await;
}
