//! A replica executes what its master has executed.

use std::rc::Rc;

use super::log::Entry;
use super::message::Snapshot;
use crate::double::node::call::Origin;
use crate::double::node::client::ClientKey;
use crate::double::node::commands::Registry;
use crate::double::node::dispatch::{Prepared, look_up};
use crate::double::node::out::Out;
use crate::double::node::server::Server;
use crate::double::node::table::Table;

impl Server {
    /// Applies the next entries of the stream. `false`: what comes is not what had to come next.
    pub(super) fn apply_all(&mut self, entries: &[Rc<Entry>]) -> bool {
        let hand = self.client_by_hand();
        let whole = entries.iter().all(|entry| self.take_entry(entry, hand));
        self.close(hand);
        if !self.ready.is_empty() {
            self.serve_waiting();
        }
        whole
    }

    /// Takes in an entry; a transaction is applied when it is there as a whole.
    fn take_entry(&mut self, entry: &Rc<Entry>, hand: ClientKey) -> bool {
        let master = self.replication.master.as_mut();
        let Some(position) = master.and_then(|master| master.position.as_mut()) else {
            return false;
        };
        if entry.at != position.read + 1 {
            return false;
        }
        position.read = entry.end();
        if entry.is("MULTI") || !position.transaction.is_empty() {
            position.transaction.push(Rc::clone(entry));
            if entry.is("EXEC") {
                let transaction = std::mem::take(&mut position.transaction);
                for entry in &transaction {
                    self.apply(entry, hand);
                }
                for entry in transaction {
                    self.is_applied(entry);
                }
            }
            return true;
        }
        if entry.is("REPLCONF") {
            self.acknowledge();
        }
        self.apply(entry, hand);
        self.is_applied(Rc::clone(entry));
        true
    }

    /// An entry was applied: it is part of this node's own log as well.
    fn is_applied(&mut self, entry: Rc<Entry>) {
        let master = self.replication.master.as_mut();
        if let Some(position) = master.and_then(|master| master.position.as_mut()) {
            position.applied = entry.end();
        }
        self.replication.offset = entry.end();
        if let Some(log) = &mut self.replication.log {
            log.push(entry, self.config.replication.backlog);
        }
    }

    fn apply(&mut self, entry: &Entry, hand: ClientKey) {
        if ["MULTI", "EXEC", "SELECT", "PING", "REPLCONF"]
            .iter()
            .any(|name| entry.is(name))
        {
            return;
        }
        let words: Vec<&[u8]> = entry.words.iter().map(|word| &**word).collect();
        self.execute_as_master(hand, entry.db, entry.now, &words);
    }

    /// Executes a command without asking whether it may be, at a moment that may have passed. What it replies is of no interest.
    fn execute_as_master(&mut self, hand: ClientKey, db: usize, now: i64, words: &[&[u8]]) {
        let Ok((command, handler)) =
            look_up(Table::redis_7_0(), Registry::get(), self.presents, words)
        else {
            return;
        };
        if let Some(client) = self.clients.get_mut(hand.0) {
            client.db = db;
        }
        let own = (self.now, self.now_us);
        (self.now, self.now_us) = (now, now.saturating_mul(1000));
        let outer = self.current.replace(hand);
        self.replication.applying = true;
        let prepared = Prepared {
            client: hand,
            db,
            args: words,
            command,
            // What had to wait at the master has waited there.
            origin: Origin::Transaction,
        };
        let mut out = Out::new(true);
        let _ = self.call_with(handler, prepared, &mut out);
        self.replication.applying = false;
        self.current = outer;
        (self.now, self.now_us) = own;
    }

    /// Has this data from now on, and no other.
    pub(super) fn load(&mut self, snapshot: &Snapshot) {
        for number in 0..self.dbs.len() {
            let mut db = snapshot
                .dbs
                .get(number)
                .map(|db| db.copy())
                .unwrap_or_default();
            self.dbs[number].swap_keys(&mut db);
            let watched: Vec<Box<[u8]>> = self.dbs[number].watched.keys().cloned().collect();
            for key in watched {
                if db.find(&key).is_some() || self.dbs[number].find(&key).is_some() {
                    self.modified(number, &key, None);
                }
            }
        }
        self.tell_trackers_of_flush();
        let hand = self.client_by_hand();
        let now = self.now;
        match &snapshot.functions {
            Some(payload) => {
                let words: [&[u8]; 4] = [b"FUNCTION", b"RESTORE", payload, b"FLUSH"];
                self.execute_as_master(hand, 0, now, &words);
            }
            None => self.execute_as_master(hand, 0, now, &[b"FUNCTION", b"FLUSH"]),
        }
        self.close(hand);
    }
}
