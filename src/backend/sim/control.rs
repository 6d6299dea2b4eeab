//! How another process has something done by the environment that `labrunner up` left in a process of its own.
//!
//! That process, the host, holds the lock `sim.lock` as long as it lives, and listens at a port of 127.0.0.1 that stands in `sim.json`, with a word that is known to who can read
//! that file. (A socket in the file system would need no word; but its path may have 107 bytes and no more.) One question a connection, one line of JSON each way.

use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::change::Said;
use crate::backend::{BackendError, Life, NodeState, lock_file};
use crate::cluster::NodeName;
use crate::lab::action::{LinkChange, NodeChange};

/// The folder in the state folder where its files are.
const FOLDER: &str = "environment";
/// What is longer is no question and no answer: a node's log is the longest.
pub(super) const LONGEST: u64 = 16 << 20;
/// The host answers within milliseconds, unless the machine is very busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// To make a database's files takes a second, and many on a machine that is very busy.
const PATIENCE_WITH_POSTGRES: Duration = Duration::from_secs(90);

/// The host's files in a state folder.
#[derive(Debug, Clone)]
pub(super) struct Files {
    folder: PathBuf,
}

/// How the host is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Desk {
    /// The host's process.
    pub(super) process: u32,
    /// Its port of 127.0.0.1.
    pub(super) port: u16,
    /// The word by which it knows who may ask.
    pub(super) word: String,
}

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ask {
    Make {
        nodes: Vec<NodeName>,
    },
    Change {
        change: NodeChange,
        nodes: Vec<NodeName>,
    },
    Link {
        change: LinkChange,
        node: NodeName,
    },
    Remove {
        nodes: Vec<NodeName>,
    },
    Log {
        node: NodeName,
        lines: usize,
    },
    States,
    /// A PostgreSQL server, if none runs.
    MakePostgres {
        port: u16,
    },
    RemovePostgres,
    /// How PostgreSQL is.
    Postgres,
    End,
}

impl Ask {
    /// How long the answer may take.
    pub(super) fn patience(&self) -> Duration {
        match self {
            Ask::MakePostgres { .. } | Ask::Change { .. } => PATIENCE_WITH_POSTGRES,
            _ => PATIENCE,
        }
    }
}

/// A question with the word.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Letter {
    pub(super) word: String,
    pub(super) ask: Ask,
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    Done,
    Said(Said),
    States(Vec<NodeState>),
    Log(String),
    /// How PostgreSQL is reached by its superuser.
    Url(String),
    Life(Life),
    /// It could not be done: the environment is broken or not there, and what to do.
    Failed {
        broken: bool,
        what: String,
        help: String,
    },
}

impl From<BackendError> for Answer {
    fn from(error: BackendError) -> Self {
        let broken = matches!(error, BackendError::Broken { .. });
        match error {
            BackendError::Unavailable { what, help } | BackendError::Broken { what, help } => {
                Answer::Failed { broken, what, help }
            }
            BackendError::Cancelled => Answer::Failed {
                broken: true,
                what: "interrupted".to_owned(),
                help: "try again".to_owned(),
            },
        }
    }
}

impl Files {
    pub(super) fn of(state_dir: &Path) -> Self {
        let folder = std::path::absolute(state_dir).unwrap_or_else(|_| state_dir.to_owned());
        Files {
            folder: folder.join(FOLDER),
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.folder.join("sim.lock")
    }

    pub(super) fn desk(&self) -> PathBuf {
        self.folder.join("sim.json")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("sim.log")
    }

    /// Whether a host lives.
    pub(super) fn lives(&self) -> bool {
        lock_file::is_held(&self.lock()).unwrap_or(false)
    }

    /// How the host is reached, if one lives that has said so.
    pub(super) fn read(&self) -> Option<Desk> {
        // The file first: to look at the lock is to take it for a moment, which is to be in the way of a host that is just starting.
        let desk = serde_json::from_str(&fs::read_to_string(self.desk()).ok()?).ok()?;
        self.lives().then_some(desk)
    }

    /// Says how the host is reached. Nobody but its owner can read it.
    pub(super) fn write(&self, desk: &Desk) -> io::Result<()> {
        let new = self.folder.join(format!("sim.json.{}", desk.process));
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        let put = serde_json::to_vec(desk)
            .map_err(io::Error::from)
            .and_then(|bytes| file.write_all(&bytes))
            .and_then(|()| fs::rename(&new, self.desk()));
        if put.is_err() {
            // The error that is told is the first.
            let _ = fs::remove_file(&new);
        }
        put
    }

    /// Removes them, and the folder if nothing else is in it. What can't be removed is small.
    pub(super) fn remove(&self) {
        for file in [self.desk(), self.log(), self.lock()] {
            let _ = fs::remove_file(file);
        }
        let _ = fs::remove_dir(&self.folder);
    }

    /// Asks the host.
    ///
    /// # Errors
    /// `Broken` when there is no host, or it does not answer; what the host itself says.
    pub(super) async fn ask(&self, ask: Ask) -> Result<Answer, BackendError> {
        let desk = self.read().ok_or_else(gone)?;
        let patience = ask.patience();
        let answer = tokio::time::timeout(patience, exchange(&desk, ask)).await;
        let why = match answer {
            Ok(Ok(Answer::Failed { broken, what, help })) => {
                return Err(match broken {
                    true => BackendError::Broken { what, help },
                    false => BackendError::Unavailable { what, help },
                });
            }
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", patience.as_secs()),
        };
        Err(BackendError::Broken {
            what: format!(
                "the process {} in which the simulated nodes live does not answer: {why}",
                desk.process
            ),
            help: format!("see {}; `labrunner down` ends it", self.log().display()),
        })
    }
}

/// That the simulated nodes are no more.
pub(in crate::backend) fn gone() -> BackendError {
    BackendError::Broken {
        what: "the process in which the simulated nodes lived has ended, and not by `labrunner down`"
            .to_owned(),
        help: "`labrunner up` makes the environment anew; `labrunner clean` removes what is left of it"
            .to_owned(),
    }
}

async fn exchange(desk: &Desk, ask: Ask) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, desk.port))).await?;
    let letter = Letter {
        word: desk.word.clone(),
        ask,
    };
    write_line(&mut stream, &letter).await?;
    read_line(&mut stream).await
}

/// Sends one line of JSON.
pub(super) async fn write_line(stream: &mut TcpStream, what: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    stream.flush().await
}

/// Reads one line of JSON.
pub(super) async fn read_line<T: for<'de> Deserialize<'de>>(
    stream: &mut TcpStream,
) -> io::Result<T> {
    let mut line = Vec::new();
    BufReader::new(stream.take(LONGEST))
        .read_until(b'\n', &mut line)
        .await?;
    Ok(serde_json::from_slice(&line)?)
}
