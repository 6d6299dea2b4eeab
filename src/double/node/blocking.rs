//! Clients that wait for a key, and what ends their waiting.

use super::call::Origin;
use super::client::{Blocked, ClientKey, Otherwise};
use super::dispatch::Prepared;
use super::failure::Failure;
use super::keyspace::value::Kind;
use super::number::LongDouble;
use super::out::Out;
use super::server::{Ready, Server};
use super::table::CommandId;

/// When a command gives up that may wait for so many seconds, in milliseconds since 1970. `None`: never, which is said by 0; or the end is
/// later than 64 bits can say.
///
/// # Errors
/// No number, a negative one, or more milliseconds than 64 bits can hold, which Redis calls negative.
pub(in crate::double::node) fn gives_up(seconds: &[u8], now: i64) -> Result<Option<i64>, Failure> {
    const NO_NUMBER: Failure = Failure::text("ERR timeout is not a float or out of range");
    let seconds = LongDouble::parse(seconds).ok_or(NO_NUMBER)?;
    match seconds.seconds_to_millis() {
        0 => Ok(None),
        millis @ 1.. => Ok(now.checked_add(millis)),
        _ => Err(Failure::text("ERR timeout is negative")),
    }
}

impl Server {
    /// Blocks a client.
    pub(super) fn block(&mut self, client: ClientKey, blocked: Blocked) {
        for key in &blocked.keys {
            let waiting = self.dbs[blocked.db].waiting.entry(key.clone()).or_default();
            // A key that is named twice is waited for once.
            if !waiting.contains(&client) {
                waiting.push_back(client);
            }
        }
        if let Some(until) = blocked.until {
            self.ends.insert((until, client));
        }
        if let Some(client) = self.clients.get_mut(client.0) {
            client.blocked = Some(Box::new(blocked));
        }
    }

    /// Ends a client's waiting without telling it anything. Whether it was waiting.
    pub(super) fn unblock(&mut self, key: ClientKey) -> bool {
        let Some(client) = self.clients.get_mut(key.0) else {
            return false;
        };
        let Some(blocked) = client.blocked.take() else {
            return false;
        };
        let db = &mut self.dbs[blocked.db];
        for waited in &blocked.keys {
            if let Some(waiting) = db.waiting.get_mut(waited) {
                waiting.retain(|client| *client != key);
                if waiting.is_empty() {
                    db.waiting.remove(waited);
                }
            }
        }
        if let Some(until) = blocked.until {
            self.ends.remove(&(until, key));
        }
        // What it sent meanwhile is to be executed now.
        self.net.hungry.push_back(key);
        true
    }

    /// Tries the commands of those who wait for keys that have changed, in the order in which they began to wait.
    pub(super) fn serve_waiting(&mut self) {
        while !self.ready.is_empty() {
            for ready in std::mem::take(&mut self.ready) {
                // From here on it may get ready once more.
                self.ready_once.remove(&ready);
                let Some(waiting) = self.dbs[ready.db].waiting.get(&ready.key) else {
                    continue;
                };
                for client in waiting.clone() {
                    self.try_again(client, &ready);
                }
            }
        }
    }

    fn try_again(&mut self, key: ClientKey, ready: &Ready) {
        let db = ready.db;
        let holds = self
            .live(db, &ready.key)
            .map(|at| self.dbs[db].at(at).1.value.kind());
        let Some(client) = self.clients.get_mut(key.0) else {
            return;
        };
        let Some(blocked) = client.blocked.take() else {
            return;
        };
        // Without the kind there is nothing to be had: somebody who was served before may have taken it all.
        let another = blocked.kind.is_some() && blocked.kind != holds;
        let for_made = matches!(blocked.kind, Some(Kind::List | Kind::Sorted));
        if another || for_made && !ready.made {
            client.blocked = Some(blocked);
            return;
        }
        let mut out = Out::new(client.out.resp3);
        std::mem::swap(&mut out.bytes, &mut client.out.bytes);
        let before = out.len();
        let words: Vec<&[u8]> = blocked.again.words.iter().map(|word| &**word).collect();
        let outer = self.current.replace(key);
        let prepared = Prepared {
            client: key,
            db,
            args: &words,
            command: blocked.again.command,
            origin: Origin::Again,
        };
        self.ready_key = Some(ready.key.clone());
        let outcome = self.call(prepared, &mut out);
        self.ready_key = None;
        self.current = outer;
        if let Err(failure) = outcome {
            out.bytes.truncate(before);
            out.error(&failure);
        }
        let served = out.len() > before;
        if let Some(client) = self.clients.get_mut(key.0) {
            out.bytes.append(&mut client.out.bytes);
            std::mem::swap(&mut out.bytes, &mut client.out.bytes);
            client.blocked = Some(blocked);
        }
        if served {
            self.unblock(key);
            self.has_output(key);
        }
    }

    /// Tells those whose time is over that there was nothing.
    pub(super) fn give_up_due(&mut self) {
        while let Some((until, key)) = self.ends.first().copied() {
            if until > self.now {
                break;
            }
            self.ends.remove(&(until, key));
            self.give_up(key);
        }
    }

    /// The command with which a client waits.
    fn waiting_command(&self, key: ClientKey) -> Option<CommandId> {
        let blocked = self.clients.get(key.0)?.blocked.as_ref()?;
        Some(blocked.again.command)
    }

    /// Ends a client's waiting with an error. Whether it was waiting.
    pub(super) fn unblock_with_error(&mut self, key: ClientKey, failure: &Failure) -> bool {
        let Some(command) = self.waiting_command(key) else {
            return false;
        };
        let stats = self.stats.by_command(command);
        stats.calls += 1;
        stats.failed += 1;
        self.unblock(key);
        if let Some(client) = self.clients.get_mut(key.0) {
            client.out.error(failure);
        }
        self.count_error(failure.0.as_bytes());
        self.has_output(key);
        true
    }

    /// Ends a client's waiting with what its command answers when nothing came. Whether it was waiting.
    pub(super) fn give_up(&mut self, key: ClientKey) -> bool {
        let Some(otherwise) = self
            .clients
            .get(key.0)
            .and_then(|client| Some(client.blocked.as_ref()?.otherwise))
        else {
            return false;
        };
        if let Some(command) = self.waiting_command(key) {
            self.stats.by_command(command).calls += 1;
        }
        self.unblock(key);
        let replicas = match otherwise {
            Otherwise::Replicas { offset, .. } => self.replicas_at(offset),
            Otherwise::NullArray => 0,
        };
        if let Some(client) = self.clients.get_mut(key.0) {
            match otherwise {
                Otherwise::NullArray => client.out.null_array(),
                Otherwise::Replicas { .. } => client.out.int(replicas as i64),
            }
        }
        self.has_output(key);
        true
    }
}
