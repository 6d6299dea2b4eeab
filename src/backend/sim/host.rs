//! The process in which the environment of `labrunner up` lives: it has its nodes, and does with them what other processes ask it to.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::control::{Answer, Ask, Desk, Files, Letter, read_line, write_line};
use super::hosts::Hosts;
use super::nodes::Nodes;
use super::off_thread;
use crate::backend::lock_file::{self, Locked, NoLock};
use crate::backend::{BackendError, standing};
use crate::double::Clock;

/// How often it looks whether anybody could still find it.
const LOOK: Duration = Duration::from_secs(2);
/// How long its lock is waited for, and how long between two tries.
const LOCK_LIMIT: Duration = Duration::from_millis(500);
const LOCK_PAUSE: Duration = Duration::from_millis(5);
/// How long somebody who has connected may take to say what he wants.
const PATIENCE: Duration = Duration::from_secs(5);

/// Lives until it is told to end, `end` fires, or its state folder is gone. A session of its own keeps it from what happens to the terminal that it was started from.
///
/// # Errors
/// `Unavailable` when another host lives for this folder, or a file can't be written; `Broken` when no thread can be had.
pub async fn serve(state_dir: &Path, end: CancellationToken) -> Result<(), BackendError> {
    // It leads one already, if it was started by hand.
    let _ = rustix::process::setsid();
    let files = Files::of(state_dir);
    let lock = take_lock(&files).await.map_err(|error| match error {
        NoLock::Held => BackendError::Unavailable {
            what: "another process has simulated nodes for this folder".to_owned(),
            help: "`labrunner down` ends it".to_owned(),
        },
        NoLock::Io(error) => unwritable(&files, &error),
    })?;
    let nodes = Arc::new(Nodes::start(Hosts::Loopback, Clock::natural()).await?);
    let listening = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await;
    let listener = listening.map_err(|error| unwritable(&files, &error))?;
    let desk = Desk {
        process: std::process::id(),
        port: listener
            .local_addr()
            .map_err(|error| unwritable(&files, &error))?
            .port(),
        word: format!("{:032x}", rand::random::<u128>()),
    };
    files
        .write(&desk)
        .map_err(|error| unwritable(&files, &error))?;
    let mut looking = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            () = end.cancelled() => break,
            _ = looking.tick() => {
                // Whoever could end it finds it by these; without them it would be there for ever.
                if files.read().as_ref() != Some(&desk) || !standing::handle_path(state_dir).exists() {
                    break;
                }
            }
            came = listener.accept() => {
                if let Ok((stream, _)) = came {
                    let (nodes, end, word) = (nodes.clone(), end.clone(), desk.word.clone());
                    tokio::spawn(async move {
                        // Whoever goes away in the middle is not missed.
                        let _ = tokio::time::timeout(PATIENCE * 20, serve_one(stream, &word, nodes, &end)).await;
                    });
                }
            }
        }
    }
    let _ = off_thread(move || drop(nodes)).await;
    files.remove();
    drop(lock);
    Ok(())
}

/// Takes the lock. Somebody who looks whether it is held holds it for a moment.
async fn take_lock(files: &Files) -> Result<Locked, NoLock> {
    let deadline = Instant::now() + LOCK_LIMIT;
    loop {
        match lock_file::take(&files.lock()) {
            Err(NoLock::Held) if Instant::now() < deadline => {
                tokio::time::sleep(LOCK_PAUSE).await;
            }
            taken => return taken,
        }
    }
}

async fn serve_one(
    mut stream: TcpStream,
    word: &str,
    nodes: Arc<Nodes>,
    end: &CancellationToken,
) -> std::io::Result<()> {
    let Ok(letter) = tokio::time::timeout(PATIENCE, read_line::<Letter>(&mut stream)).await else {
        return Ok(());
    };
    let letter = letter?;
    if letter.word != word {
        return Ok(());
    }
    let ends = matches!(letter.ask, Ask::End);
    let answer = off_thread(move || do_it(&nodes, letter.ask))
        .await
        .unwrap_or_else(Answer::from);
    let written = write_line(&mut stream, &answer).await;
    if ends {
        end.cancel();
    }
    written
}

fn do_it(nodes: &Nodes, ask: Ask) -> Answer {
    let done = match ask {
        Ask::Make { nodes: wanted } => nodes.make(&wanted).map(|()| Answer::Done),
        Ask::Change {
            change,
            nodes: wanted,
        } => nodes.change(change, &wanted).map(Answer::Said),
        Ask::Link { change, node } => nodes.link(change, &node).map(Answer::Said),
        Ask::Remove { nodes: wanted } => {
            nodes.remove(&wanted);
            Ok(Answer::Done)
        }
        Ask::Log { node, lines } => nodes.log(&node, lines).map(Answer::Log),
        Ask::States => Ok(Answer::States(nodes.states())),
        Ask::MakePostgres { port } => nodes.postgres().make(Some(port)).map(Answer::Url),
        Ask::RemovePostgres => {
            nodes.postgres().remove();
            Ok(Answer::Done)
        }
        Ask::Postgres => Ok(Answer::Life(nodes.postgres().life())),
        Ask::End => Ok(Answer::Done),
    };
    done.unwrap_or_else(Answer::from)
}

fn unwritable(files: &Files, error: &std::io::Error) -> BackendError {
    BackendError::Unavailable {
        what: format!("can't keep files in {}: {error}", files.folder().display()),
        help: "make it writable, or choose another: --state-dir DIR".to_owned(),
    }
}
