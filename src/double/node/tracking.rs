//! CLIENT TRACKING: who keeps copies of which keys, and whom to tell when one of them changes.
//!
//! Either the server remembers which keys a client has read and tells it once of each; or a client wants to hear of all keys that begin in a certain way
//! (BCAST), and remembers nothing. The first are told at once, the others at the end of a round of the loop, of all changes together.

use std::collections::{BTreeMap, BTreeSet};

use super::client::ClientKey;
use super::out::Out;
use super::server::Server;
use super::table::{CommandId, Table, keys};

/// The channel that clients of RESP2 are told by.
const CHANNEL: &[u8] = b"__redis__:invalidate";

/// How a client wants it.
#[derive(Debug, Default, Clone)]
pub(in crate::double) struct Tracked {
    /// The [`id`](super::client::Client::id) of the client that is told instead; 0: itself.
    pub redirect: u64,
    /// That client has gone.
    pub redirect_broken: bool,
    /// It hears of all keys that begin with one of `prefixes`.
    pub broadcast: bool,
    /// Of those alone that are read behind CLIENT CACHING YES.
    pub opt_in: bool,
    /// Not of those that are read behind CLIENT CACHING NO.
    pub opt_out: bool,
    /// Not of what it changes itself.
    pub no_loop: bool,
    /// CLIENT CACHING has been said for the next command.
    pub caching: bool,
    /// Of a client with `broadcast`.
    pub prefixes: BTreeSet<Box<[u8]>>,
}

/// All of a server's tracking.
#[derive(Debug, Default)]
pub(in crate::double) struct Tracking {
    /// How many clients track.
    pub clients: usize,
    /// By key, whatever its database: who has read it, as places and ids.
    readers: BTreeMap<Box<[u8]>, Vec<(ClientKey, u64)>>,
    /// How many there are in `readers`.
    items: usize,
    prefixes: BTreeMap<Box<[u8]>, Prefix>,
    /// The keys that the script which is being run was given. As Redis does it, these are remembered where the script reads anything, and not what it
    /// reads.
    pub(super) script_keys: Vec<Box<[u8]>>,
    /// Some prefix has keys to tell of.
    to_broadcast: bool,
}

/// A beginning of keys that somebody wants to hear of.
#[derive(Debug, Default)]
struct Prefix {
    clients: BTreeSet<ClientKey>,
    /// What has changed in this round, and who did it.
    changed: BTreeMap<Box<[u8]>, Option<ClientKey>>,
}

impl Tracking {
    /// Somebody may have to be told of a change.
    pub fn is_in_use(&self) -> bool {
        self.clients > 0 || !self.readers.is_empty()
    }

    /// How many keys are remembered.
    pub fn keys(&self) -> usize {
        self.readers.len()
    }

    /// How many readers of keys are remembered.
    pub fn items(&self) -> usize {
        self.items
    }

    /// How many prefixes somebody wants to hear of.
    pub fn prefixes(&self) -> usize {
        self.prefixes.len()
    }
}

/// What is told of.
#[derive(Clone, Copy)]
enum Told<'a> {
    Keys(&'a [&'a [u8]]),
    /// The whole of the data is gone.
    All,
}

impl Server {
    /// A client tracks from now on, or in another way than before.
    pub fn track(&mut self, key: ClientKey, how: Tracked) {
        let Some(client) = self.clients.get_mut(key.0) else {
            return;
        };
        for prefix in &how.prefixes {
            let known = self.tracking.prefixes.entry(prefix.clone()).or_default();
            known.clients.insert(key);
        }
        let mut how = how;
        match client.tracking.take() {
            // Prefixes come to those that it has.
            Some(before) => how.prefixes.extend(before.prefixes),
            None => self.tracking.clients += 1,
        }
        client.tracking = Some(Box::new(how));
    }

    /// A client tracks nothing any more. What it has read is forgotten when it is changed.
    pub fn track_nothing(&mut self, key: ClientKey) {
        let Some(tracked) = self
            .clients
            .get_mut(key.0)
            .and_then(|client| client.tracking.take())
        else {
            return;
        };
        self.tracking.clients -= 1;
        for prefix in &tracked.prefixes {
            if let Some(known) = self.tracking.prefixes.get_mut(prefix) {
                known.clients.remove(&key);
                if known.clients.is_empty() {
                    self.tracking.prefixes.remove(prefix);
                }
            }
        }
    }

    /// A command that reads was executed: its keys are remembered, if the client wants that.
    pub(super) fn remember_read(&mut self, client: ClientKey, command: CommandId, args: &[&[u8]]) {
        let Some(id) = self.wants_remembered(client) else {
            return;
        };
        let places = keys(Table::redis_7_0(), command, args).unwrap_or_default();
        for key in places.iter().filter_map(|place| args.get(place.at)) {
            self.remember(client, id, key);
        }
        self.forget_surplus();
    }

    /// A script has read something: its keys are remembered.
    pub(super) fn remember_script_read(&mut self, client: ClientKey) {
        let Some(id) = self.wants_remembered(client) else {
            return;
        };
        for key in self.tracking.script_keys.clone() {
            self.remember(client, id, &key);
        }
        self.forget_surplus();
    }

    /// The id of a client whose reads are remembered now.
    fn wants_remembered(&self, client: ClientKey) -> Option<u64> {
        let client = self.clients.get(client.0)?;
        let how = client.tracking.as_ref()?;
        let not_now = how.broadcast || (how.opt_in && !how.caching) || (how.opt_out && how.caching);
        (!not_now).then_some(client.id)
    }

    fn remember(&mut self, client: ClientKey, id: u64, key: &[u8]) {
        let readers = self.tracking.readers.entry(key.into()).or_default();
        if !readers.contains(&(client, id)) {
            readers.push((client, id));
            self.tracking.items += 1;
        }
    }

    /// Keeps to `tracking-table-max-keys`: who has read what is forgotten is told that it has changed.
    fn forget_surplus(&mut self) {
        let most = self.config.tracked_keys;
        while most > 0 && self.tracking.readers.len() > most {
            let Some(key) = self.tracking.readers.keys().next().cloned() else {
                return;
            };
            self.tell_readers(&key);
        }
    }

    /// A key has changed.
    pub(super) fn tell_trackers(&mut self, key: &[u8], by: Option<ClientKey>) {
        for (prefix, known) in &mut self.tracking.prefixes {
            if key.starts_with(prefix) {
                known.changed.insert(key.into(), by);
                self.tracking.to_broadcast = true;
            }
        }
        self.tell_readers(key);
    }

    fn tell_readers(&mut self, key: &[u8]) {
        let Some(readers) = self.tracking.readers.remove(key) else {
            return;
        };
        self.tracking.items -= readers.len();
        for (client, id) in readers {
            let Some(tracked) = self
                .clients
                .get(client.0)
                .filter(|client| client.id == id)
                .and_then(|client| client.tracking.as_ref())
            else {
                continue;
            };
            if tracked.broadcast || (tracked.no_loop && self.current == Some(client)) {
                continue;
            }
            self.invalidate(client, Told::Keys(&[key]));
        }
    }

    /// All keys of a database, or of all, are gone.
    pub fn tell_trackers_of_flush(&mut self) {
        if !self.tracking.is_in_use() {
            return;
        }
        let tracking: Vec<ClientKey> = self
            .clients
            .iter()
            .filter(|(_, client)| client.tracking.is_some())
            .map(|(at, _)| ClientKey(at))
            .collect();
        for client in tracking {
            self.invalidate(client, Told::All);
        }
        self.tracking.readers.clear();
        self.tracking.items = 0;
    }

    /// Tells of the changes of a round those who want to hear of all.
    pub(super) fn broadcast_changes(&mut self) {
        if !std::mem::take(&mut self.tracking.to_broadcast) {
            return;
        }
        let mut messages: Vec<(ClientKey, Vec<Box<[u8]>>)> = Vec::new();
        for known in self.tracking.prefixes.values_mut() {
            let changed = std::mem::take(&mut known.changed);
            if changed.is_empty() {
                continue;
            }
            for client in &known.clients {
                let no_loop = self
                    .clients
                    .get(client.0)
                    .and_then(|client| client.tracking.as_ref())
                    .is_some_and(|tracked| tracked.no_loop);
                let keys = changed
                    .iter()
                    .filter(|(_, by)| !no_loop || **by != Some(*client));
                let keys: Vec<Box<[u8]>> = keys.map(|(key, _)| key.clone()).collect();
                if !keys.is_empty() {
                    messages.push((*client, keys));
                }
            }
        }
        for (client, keys) in messages {
            let keys: Vec<&[u8]> = keys.iter().map(|key| &**key).collect();
            self.invalidate(client, Told::Keys(&keys));
        }
    }

    /// Tells a client, or the one that it has named for that.
    fn invalidate(&mut self, key: ClientKey, told: Told<'_>) {
        let Some(client) = self.clients.get(key.0) else {
            return;
        };
        let own_resp3 = client.out.resp3;
        let Some(redirect) = client.tracking.as_ref().map(|tracked| tracked.redirect) else {
            return;
        };
        let mut target = key;
        if redirect != 0 {
            let Some(other) = self.client_by_id(redirect) else {
                self.redirect_is_broken(key, redirect);
                return;
            };
            target = other;
        }
        let Some(client) = self.clients.get_mut(target.0) else {
            return;
        };
        let resp3 = client.out.resp3;
        let mut out = Out::new(resp3);
        if resp3 {
            out.push(2);
            out.bulk(b"invalidate");
        } else if redirect != 0 && client.subscriptions() > 0 {
            out.push(3);
            out.bulk(b"message");
            out.bulk(CHANNEL);
        } else {
            // It could not tell such a message from a reply.
            return;
        }
        match told {
            Told::Keys(keys) => {
                out.array(keys.len());
                keys.iter().for_each(|key| out.bulk(key));
            }
            Told::All => {
                // In the protocol of the client that tracks, as Redis writes it.
                out.resp3 = own_resp3;
                out.null();
            }
        }
        if self.current == Some(target) && target != key {
            // What a client hears for another one comes before its own reply.
            self.own_messages.extend_from_slice(&out.bytes);
            return;
        }
        client.out.bytes.extend_from_slice(&out.bytes);
        self.has_output(target);
    }

    fn redirect_is_broken(&mut self, key: ClientKey, redirect: u64) {
        let Some(client) = self.clients.get_mut(key.0) else {
            return;
        };
        if let Some(tracked) = &mut client.tracking {
            tracked.redirect_broken = true;
        }
        if client.out.resp3 {
            let mut out = Out::new(true);
            out.push(2);
            out.bulk(b"tracking-redir-broken");
            out.int(redirect as i64);
            client.out.bytes.extend_from_slice(&out.bytes);
            self.has_output(key);
        }
    }

    /// A command is done: what CLIENT CACHING has said is over, unless the command was CLIENT itself.
    pub(super) fn forget_caching(&mut self, key: ClientKey) {
        let Some(client) = self.clients.get_mut(key.0) else {
            return;
        };
        let Some(tracked) = client.tracking.as_mut().filter(|tracked| tracked.caching) else {
            return;
        };
        let table = Table::redis_7_0();
        let was_client = client
            .command
            .is_some_and(|id| table.spec(id).name.starts_with("client|"));
        if client.transaction.is_none() && !was_client {
            tracked.caching = false;
        }
    }

    /// The client with this [`id`](super::client::Client::id).
    pub fn client_by_id(&self, id: u64) -> Option<ClientKey> {
        let found = self.clients.iter().find(|(_, client)| client.id == id);
        found
            .filter(|(_, client)| !client.is_hand())
            .map(|(at, _)| ClientKey(at))
    }
}
