//! CLIENT PAUSE: commands that are held until a moment comes.

use super::client::ClientKey;
use super::server::Server;
use super::table::{Flags, Spec, Table};

/// A pause that has been asked for. Its end may have passed already.
#[derive(Debug, Default)]
pub(in crate::double) struct Pause {
    /// `None`: there is none.
    state: Option<State>,
    /// Whose next command waits.
    held: Vec<ClientKey>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    /// In milliseconds since 1970.
    until: i64,
    /// All commands, and not only those that may change something.
    all: bool,
    /// It is a manual failover's: no change may come in by any way, or it would be lost.
    failover: bool,
}

impl Pause {
    /// When it ends, in milliseconds since 1970.
    pub fn end(&self) -> Option<i64> {
        self.state.map(|state| state.until)
    }

    /// Whether anybody may have to wait.
    pub fn is_asked_for(&self) -> bool {
        self.state.is_some()
    }
}

impl Server {
    /// Holds commands from now on. Of two pauses the stricter way and the later end hold.
    pub fn pause(&mut self, until: i64, all: bool) {
        let before = self.pause.state;
        self.pause.state = Some(match before {
            Some(before) => State {
                until: until.max(before.until),
                all: all || before.all,
                failover: before.failover,
            },
            None => State {
                until,
                all,
                failover: false,
            },
        });
    }

    /// Holds whatever changes something until a manual failover is over.
    pub fn pause_for_failover(&mut self, until: i64) {
        self.pause(until, false);
        if let Some(state) = &mut self.pause.state {
            state.failover = true;
        }
    }

    /// Whether this command has to wait for the end of a manual failover and can't, since its client has no connection.
    pub(super) fn can_t_wait(&self, key: ClientKey, spec: &Spec) -> bool {
        let by_hand = self.clients.get(key.0).is_some_and(|it| it.is_hand());
        let state = self.pause.state.filter(|state| state.until > self.now);
        by_hand && spec.flags.has(Flags::WRITE) && state.is_some_and(|state| state.failover)
    }

    /// Lets go what is held. It goes on in the order in which it came.
    pub fn end_pause(&mut self) {
        self.pause.state = None;
        for key in std::mem::take(&mut self.pause.held) {
            if let Some(client) = self.clients.get_mut(key.0)
                && std::mem::take(&mut client.postponed)
            {
                self.net.hungry.push_back(key);
            }
        }
    }

    /// The pause is over by the clock.
    pub(super) fn end_pause_due(&mut self) {
        if self
            .pause
            .state
            .is_some_and(|state| state.until <= self.now)
        {
            self.end_pause();
        }
    }

    /// Whether changes are held: nothing may expire either.
    pub(super) fn is_paused(&self) -> bool {
        self.pause.state.is_some_and(|state| state.until > self.now)
    }

    /// Whether this command of a client has to wait; then the client is held.
    pub(super) fn holds(&mut self, key: ClientKey, spec: &Spec) -> bool {
        let Some(state) = self.pause.state.filter(|state| state.until > self.now) else {
            return false;
        };
        let Some(client) = self.clients.get_mut(key.0) else {
            return false;
        };
        let table = Table::redis_7_0();
        let changes =
            |spec: &Spec| spec.flags.has(Flags::WRITE) || spec.flags.has(Flags::MAY_REPLICATE);
        let queued = client.transaction.as_ref().filter(|_| spec.name == "exec");
        let held = state.all
            || changes(spec)
            || queued.is_some_and(|it| it.queue.iter().any(|it| changes(table.spec(it.command))));
        if !held || client.is_hand() {
            return false;
        }
        client.postponed = true;
        self.pause.held.push(key);
        true
    }
}
