//! PostgreSQL beside simulated nodes: the machine's own, thrown away afterwards. It is started, stopped, frozen and removed as docker does it with a
//! container, in docker's words.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::change::Said;
use crate::backend::postgres::{Options, Server, Stop};
use crate::backend::{BackendError, Life};
use crate::lab::action::NodeChange;
use crate::lab::environment::POSTGRES;

/// The exit code of a process that was killed.
const KILLED: i64 = 137;

/// The server of an environment, if it has one.
#[derive(Debug, Default)]
pub(super) struct Postgres {
    made: Mutex<Option<Made>>,
    /// The port of the last that was made.
    port: AtomicU16,
}

#[derive(Debug)]
struct Made {
    server: Server,
    paused: bool,
    /// How it ended last.
    exit: i64,
}

impl Made {
    fn life(&mut self) -> Life {
        match (self.paused, self.server.is_running()) {
            (true, true) => Life::Paused,
            (false, true) => Life::Running,
            (_, false) => Life::Exited(self.exit),
        }
    }
}

impl Postgres {
    fn made(&self) -> MutexGuard<'_, Option<Made>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a server, where none runs that can be used, and says where it is, as its superuser.
    ///
    /// # Errors
    /// `Unavailable` when the machine has no PostgreSQL, with what to install, or `port` is taken; `Broken` with the server's own words.
    pub(super) fn make(&self, port: Option<u16>) -> Result<String, BackendError> {
        let mut made = self.made();
        if let Some(there) = made.as_mut()
            && there.life() == Life::Running
        {
            return Ok(there.server.url(POSTGRES));
        }
        // Of one that has ended or is frozen nobody knows in what state it is.
        made.take();
        self.make_new(&mut made, port)
    }

    fn make_new(&self, made: &mut Option<Made>, port: Option<u16>) -> Result<String, BackendError> {
        let server = Server::start(&Options {
            port,
            ..Options::default()
        })?;
        let url = server.url(POSTGRES);
        self.port.store(server.port(), Ordering::Relaxed);
        *made = Some(Made {
            server,
            paused: false,
            exit: 0,
        });
        Ok(url)
    }

    /// How it is.
    pub(super) fn life(&self) -> Life {
        self.made().as_mut().map_or(Life::Absent, Made::life)
    }

    /// Removes it with all that is in it.
    pub(super) fn remove(&self) {
        drop(self.made().take());
    }

    /// The last lines that it logged; nothing where there is none.
    pub(super) fn log(&self, lines: usize) -> String {
        let made = self.made();
        made.as_ref()
            .map_or_else(String::new, |made| made.server.log(lines))
    }

    /// `docker compose up -d postgres`, `docker stop postgres` and their like.
    ///
    /// # Errors
    /// `Broken` when it can't be started or ended, in its own words.
    pub(super) fn change(&self, change: NodeChange, said: &mut Said) -> Result<(), BackendError> {
        let mut made = self.made();
        let Some(there) = made.as_mut() else {
            if change == NodeChange::Up {
                // A new one, with nothing in it, where the old one was.
                let port = self.port.load(Ordering::Relaxed);
                self.make_new(&mut made, (port > 0).then_some(port))?;
                said.err(&format!(" Container {POSTGRES}  Started"));
            } else {
                said.refuse(&format!("No such container: {POSTGRES}"));
            }
            return Ok(());
        };
        let not_running = format!("Container {POSTGRES} is not running");
        match (change, there.life()) {
            (NodeChange::Remove, _) => drop(made.take()),
            (NodeChange::Stop, Life::Running | Life::Paused) => there.stop()?,
            (NodeChange::Kill, Life::Running | Life::Paused) => {
                there.server.kill();
                there.paused = false;
                there.exit = KILLED;
            }
            (NodeChange::Kill, _) => {
                said.refuse(&format!("Cannot kill container: {POSTGRES}: {not_running}"));
                return Ok(());
            }
            (NodeChange::Pause, Life::Running) => {
                there.server.freeze();
                there.paused = true;
            }
            (NodeChange::Pause, Life::Paused) => {
                said.refuse(&format!("Container {POSTGRES} is already paused"));
                return Ok(());
            }
            (NodeChange::Pause, _) => {
                said.refuse(&not_running);
                return Ok(());
            }
            (NodeChange::Unpause, Life::Paused) => {
                there.server.wake();
                there.paused = false;
            }
            (NodeChange::Unpause, _) => {
                said.refuse(&format!("Container {POSTGRES} is not paused"));
                return Ok(());
            }
            (NodeChange::Start, Life::Paused) => {
                said.refuse("cannot start a paused container, try unpause instead");
                return Ok(());
            }
            (NodeChange::Restart, _) => {
                there.stop()?;
                there.server.start_again()?;
            }
            (NodeChange::Up | NodeChange::Start, Life::Exited(_)) => there.server.start_again()?,
            // It is so already.
            (NodeChange::Up | NodeChange::Start | NodeChange::Stop, _) => {}
        }
        match change {
            NodeChange::Up => said.err(&format!(" Container {POSTGRES}  Started")),
            _ => said.out(POSTGRES),
        }
        Ok(())
    }
}

impl Made {
    /// Asks it to end, which wakes it first.
    fn stop(&mut self) -> Result<(), BackendError> {
        self.server.stop(Stop::Fast)?;
        self.paused = false;
        self.exit = 0;
        Ok(())
    }
}
