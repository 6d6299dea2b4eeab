//! All that a node is: one value, used by one thread.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::rc::Rc;

use rand::Rng;
use slab::Slab;

use super::acl::Acl;
use super::call::Class;
use super::client::{Client, ClientKey};
use super::commands::scripting::Scripts;
use super::config::Config;
use super::inject::Injected;
use super::keyspace::db::Db;
use super::keyspace::value::{Kind, Value};
use super::latency::{Latencies, Times};
use super::membership::Membership;
use super::net::Net;
use super::out::Out;
use super::pause::Pause;
use super::peers::Peers;
use super::presents::Presents;
use super::rates::Rates;
use super::replication::Replication;
use super::slowlog::SlowLog;
use super::tracking::Tracking;
use super::wires::Wire;
use crate::double::Clock;

/// A node.
pub(in crate::double) struct Server {
    /// The time that it lives in.
    pub clock: Clock,
    /// The time, in milliseconds since 1970: taken when something comes in, then it stands still until that is done.
    pub now: i64,
    /// The same in microseconds.
    pub now_us: i64,
    /// The same when a command was executed last: how long commands take is measured by it.
    pub(super) measured: i64,
    /// When it was started, in milliseconds since 1970.
    pub started: i64,
    /// INFO's `run_id`: 40 hexadecimal digits, drawn at the start.
    pub run_id: String,
    /// INFO's `master_replid` and the one before that.
    pub replication_ids: [String; 2],
    /// SAVE and its like.
    pub saved: Saved,
    /// Its databases.
    pub dbs: Vec<Db>,
    /// Its clients.
    pub clients: Slab<Client>,
    /// The client whose command is being executed.
    pub current: Option<ClientKey>,
    /// Its settings.
    pub config: Config,
    /// What it has counted.
    pub stats: Stats,
    /// Changes since the start.
    pub dirty: u64,
    /// Who listens to a channel.
    pub channels: Listeners,
    /// Who listens to the channels that match a pattern.
    pub patterns: Listeners,
    /// Who listens to a channel of a shard.
    pub shard_channels: Listeners,
    /// Messages to the client whose command is being executed: they come before its reply, see
    /// [`Call::take_own_messages`](super::call::Call::take_own_messages).
    pub own_messages: Vec<u8>,
    /// Scripts and functions.
    pub scripts: Scripts,
    /// Who keeps copies of what.
    pub tracking: Tracking,
    /// CLIENT PAUSE.
    pub pause: Pause,
    /// Who may do what.
    pub acl: Acl,
    /// MONITOR.
    pub monitors: Vec<ClientKey>,
    /// SLOWLOG.
    pub slow_log: SlowLog,
    /// LATENCY.
    pub latencies: Latencies,
    /// Which words of the command that is executed are secrets.
    pub redacted: Vec<usize>,
    /// Keys are taken out when their time is over, and not only when somebody looks for them: DEBUG SET-ACTIVE-EXPIRE.
    pub expires_by_itself: bool,
    /// Who has left more unread than a soft limit allows.
    pub(super) unreading: Vec<ClientKey>,
    /// When the clients are looked over for those that have been silent, or unreading, for too long; in milliseconds since 1970.
    pub(super) next_look: i64,
    /// Errors that a test wants to see.
    pub injected: Injected,
    /// Which version of Redis it says that it is.
    pub presents: Presents,
    /// Its place in a cluster.
    pub cluster: Option<Box<Membership>>,
    /// Its part in replication.
    pub replication: Replication,
    /// What it has to say to other nodes.
    pub wires: Vec<Wire>,
    /// How many tenths of a second it has been a node of a cluster.
    pub ticks: u64,
    /// The other nodes of its world.
    pub peers: Option<Rc<dyn Peers>>,
    /// What it has logged, in the words of Redis, oldest first: when, in milliseconds since 1970, and what.
    pub log: VecDeque<(i64, String)>,
    pub(super) net: Net,
    pub(super) next_client: u64,
    /// Keys that have changed and that somebody waits for, by database.
    pub(super) ready: Vec<Ready>,
    /// The same keys, and those of them whose turn has not come yet: each is there once.
    pub(super) ready_once: HashSet<Ready>,
    /// The key for which a blocked client's command is tried again.
    pub(super) ready_key: Option<Box<[u8]>>,
    /// When blocked clients give up.
    pub(super) ends: BTreeSet<(i64, ClientKey)>,
}

/// Who listens, by the name of what is listened to.
pub(in crate::double) type Listeners = BTreeMap<Box<[u8]>, BTreeSet<ClientKey>>;

/// A key that may have what somebody waits for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Ready {
    pub db: usize,
    pub key: Box<[u8]>,
    /// It was not there before. Who waits for a list or a sorted set is only served by one that is made; one that something else is replaced by
    /// serves nobody in Redis.
    pub made: bool,
}

/// What is known of the last SAVE or BGSAVE. There is no file: what they did was to note this.
#[derive(Debug, Default)]
pub(in crate::double) struct Saved {
    /// When it was, in milliseconds since 1970.
    pub when: i64,
    /// [`Server::dirty`] then.
    pub dirty: u64,
    /// How many there have been.
    pub times: u64,
    /// How many seconds the last BGSAVE took; -1: there was none.
    pub in_background_took: i64,
}

/// 40 hexadecimal digits.
pub(in crate::double) fn drawn_id() -> String {
    let mut rng = rand::rng();
    (0..40)
        .filter_map(|_| char::from_digit(rng.random_range(0..16), 16))
        .collect()
}

/// What INFO tells.
#[derive(Debug, Default, Clone)]
pub(in crate::double) struct Stats {
    /// Connections taken.
    pub connections: u64,
    /// Connections refused, since there were too many.
    pub rejected: u64,
    /// Commands executed.
    pub commands: u64,
    /// Keys that were looked up and found.
    pub hits: u64,
    /// Keys that were looked up and not found.
    pub misses: u64,
    /// Keys whose time was over.
    pub expired: u64,
    /// Bytes received.
    pub received: u64,
    /// Bytes sent.
    pub sent: u64,
    /// How often somebody's socket was read.
    pub reads: u64,
    /// How often somebody's socket was written to.
    pub writes: u64,
    /// Error replies.
    pub errors: u64,
    /// By the error's first word.
    pub errors_by_word: BTreeMap<String, u64>,
    /// By command: calls, rejected, failed.
    pub by_command: Vec<CommandStats>,
    /// How much of it came lately.
    pub rates: Rates,
}

/// What INFO commandstats tells of a command.
#[derive(Debug, Default, Clone, Copy)]
pub(in crate::double) struct CommandStats {
    /// How often it was executed.
    pub calls: u64,
    /// How often it was refused before it was executed.
    pub rejected: u64,
    /// How often it was executed and answered with an error.
    pub failed: u64,
    /// How long it took, all together.
    pub microseconds: u64,
    /// How often it took how long.
    pub times: Times,
}

impl Server {
    pub(super) fn new(clock: Clock, config: Config, net: Net) -> Server {
        let databases = config.databases.max(1);
        let mut server = Server {
            clock,
            now: 0,
            now_us: 0,
            measured: 0,
            started: 0,
            run_id: drawn_id(),
            replication_ids: [drawn_id(), "0".repeat(40)],
            saved: Saved::default(),
            dbs: std::iter::repeat_with(Db::default)
                .take(databases)
                .collect(),
            clients: Slab::new(),
            current: None,
            config,
            stats: Stats::default(),
            dirty: 0,
            channels: BTreeMap::new(),
            patterns: BTreeMap::new(),
            shard_channels: BTreeMap::new(),
            own_messages: Vec::new(),
            scripts: Scripts::default(),
            tracking: Tracking::default(),
            pause: Pause::default(),
            acl: Acl::default(),
            monitors: Vec::new(),
            slow_log: SlowLog::default(),
            latencies: Latencies::default(),
            redacted: Vec::new(),
            expires_by_itself: true,
            unreading: Vec::new(),
            next_look: 0,
            injected: Injected::default(),
            presents: Presents::default(),
            cluster: None,
            replication: Replication::default(),
            wires: Vec::new(),
            ticks: 0,
            peers: None,
            log: VecDeque::new(),
            net,
            next_client: 1,
            ready: Vec::new(),
            ready_once: HashSet::new(),
            ready_key: None,
            ends: BTreeSet::new(),
        };
        server.look_at_the_clock();
        server.started = server.now;
        server.saved.when = server.now;
        server.saved.in_background_took = -1;
        server.default_password();
        server
    }

    /// Takes the time.
    pub(super) fn look_at_the_clock(&mut self) {
        self.set_time(self.clock.unix().as_micros() as i64);
    }

    /// It is this moment, in microseconds since 1970, until it is said to be another one.
    pub(super) fn set_time(&mut self, now: i64) {
        self.now_us = now;
        self.now = self.now_us / 1000;
        self.measured = self.now_us;
        let stats = &mut self.stats;
        let counted = [stats.commands, stats.received, stats.sent];
        stats.rates.at(self.now, counted);
    }

    /// The number of a key that is there in its database's keys. One that is over is taken out on the way.
    pub fn live(&mut self, db: usize, key: &[u8]) -> Option<usize> {
        let at = self.dbs[db].find(key)?;
        match self.dbs[db].at(at).1.expires() {
            Some(when) if when < self.now => self.is_over(db, key, at),
            _ => Some(at),
        }
    }

    /// What [`live`](Self::live) makes of a key that is over.
    #[cold]
    fn is_over(&mut self, db: usize, key: &[u8], at: usize) -> Option<usize> {
        if self.replication.is_applying() {
            // It is there until the master says something else.
            return Some(at);
        }
        if self.takes_out() {
            self.expire(db, key);
        }
        None
    }

    /// The same for a command that reads: counted as a hit or a miss, and as a use.
    pub fn read(&mut self, db: usize, key: &[u8]) -> Option<usize> {
        match self.live(db, key) {
            Some(at) => {
                self.stats.hits += 1;
                self.touch(db, at);
                Some(at)
            }
            None => {
                self.stats.misses += 1;
                self.notify(Class::MISS, "keymiss", key, db);
                None
            }
        }
    }

    /// Notes that a key was used.
    pub fn touch(&mut self, db: usize, at: usize) {
        self.dbs[db].at_mut(at).used = self.now;
    }

    /// Sets a key's value. Tells nobody but those who listen to the event `new`.
    pub fn put(&mut self, db: usize, key: &[u8], value: Value, keep_end: bool) {
        let now = self.now;
        if self.config.notify.contains(&b'n') && self.live(db, key).is_none() {
            self.notify(Class::NEW, "new", key, db);
        }
        let made = self.is_waited_for(db, key)
            && matches!(value.kind(), Kind::List | Kind::Sorted | Kind::Stream)
            && self.live(db, key).is_none();
        self.dbs[db].put(key, value, keep_end, now);
        if made {
            self.may_serve(db, key, true);
        }
    }

    /// Takes a key out whose time is over.
    fn expire(&mut self, db: usize, key: &[u8]) {
        if self.dbs[db].remove(key).is_some() {
            self.stats.expired += 1;
            let lazily = self.config.replication.lazy_ends;
            self.propagate_removal(db, key, lazily);
            self.changed(db, key, None);
            self.notify(Class::EXPIRED, "expired", key, db);
        }
    }

    /// Takes out all keys whose time is over.
    pub(super) fn expire_due(&mut self) {
        if !self.expires_by_itself || !self.takes_out() {
            return;
        }
        for db in 0..self.dbs.len() {
            while let Some((when, key)) = self.dbs[db].next_end() {
                if when >= self.now {
                    break;
                }
                let key = key.to_vec();
                self.expire(db, &key);
            }
        }
        self.write_pending_singly();
    }

    /// When something is to be done without anybody asking, in milliseconds since 1970.
    pub(super) fn next_moment(&self) -> Option<i64> {
        let keys = self.dbs.iter().filter_map(|db| db.next_end());
        let expires = self.expires_by_itself && self.takes_out();
        let ends = self.ends.first().map(|(when, _)| *when);
        // A key's last millisecond is its own.
        keys.filter(|_| expires)
            .map(|(when, _)| when.saturating_add(1))
            .chain(ends)
            .chain(self.pause.end())
            .chain(self.looks_over_clients().then_some(self.next_look))
            .min()
    }

    /// The text of a key.
    pub(super) fn text(&mut self, db: usize, key: &[u8]) -> Option<Vec<u8>> {
        let at = self.live(db, key)?;
        match &self.dbs[db].at(at).1.value {
            Value::Text(text) => Some(text.bytes().into_owned()),
            _ => None,
        }
    }

    /// Executes a command for a client that has no connection. The reply in RESP3. `asking`: it has said ASKING before.
    pub(super) fn run_by_hand(&mut self, words: &[Vec<u8>], asking: bool) -> Vec<u8> {
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let key = self.client_by_hand();
        let mut out = Out::new(true);
        let outer = self.current.replace(key);
        if asking {
            self.execute(key, &[b"ASKING"], &mut Out::new(true));
        }
        self.execute(key, &words, &mut out);
        self.current = outer;
        self.close(key);
        out.bytes
    }

    /// A client without a connection.
    pub(super) fn client_by_hand(&mut self) -> ClientKey {
        let mut client = Client::new(0, None, self.now);
        client.authenticated = true;
        client.out.resp3 = true;
        ClientKey(self.clients.insert(client))
    }

    /// Does what is due by the clock.
    pub(super) fn settle(&mut self) {
        // Time stands still for a script, and nobody sees the half of what it does.
        if self.scripts.client().is_some() {
            return;
        }
        self.look_at_the_clock();
        self.end_round();
        if self.has_more_to_do() {
            // Commands that were held until now, or waited behind one that was.
            self.feed_the_hungry();
            self.end_round();
        }
    }

    /// What is done at the end of each round of the loop, when all that had come in is done.
    pub(super) fn end_round(&mut self) {
        self.end_pause_due();
        self.give_up_due();
        self.expire_due();
        self.serve_waiting();
        self.look_over_clients();
        self.broadcast_changes();
        self.write_pending_singly();
        self.feed_replicas();
        self.send_all();
    }

    /// Tells those who watch a key, wait for it, or have a copy of it, that it has changed. `by`: whose command did it.
    pub fn changed(&mut self, db: usize, key: &[u8], by: Option<ClientKey>) {
        self.modified(db, key, by);
        self.may_serve(db, key, false);
    }

    /// The same, if the change can't be what somebody waits for.
    pub fn modified(&mut self, db: usize, key: &[u8], by: Option<ClientKey>) {
        let keys = &self.dbs[db];
        if !keys.watched.is_empty()
            && let Some(watching) = keys.watched.get(key)
        {
            for client in watching {
                if let Some(client) = self.clients.get_mut(client.0) {
                    client.watch_broken = true;
                }
            }
        }
        if self.tracking.is_in_use() {
            self.tell_trackers(key, by);
        }
    }

    /// A key may have what somebody waits for.
    pub fn ready(&mut self, db: usize, key: &[u8]) {
        self.may_serve(db, key, true);
    }

    fn may_serve(&mut self, db: usize, key: &[u8], made: bool) {
        if self.is_waited_for(db, key) {
            let key = key.into();
            let ready = Ready { db, key, made };
            if self.ready_once.insert(ready.clone()) {
                self.ready.push(ready);
            }
        }
    }

    fn is_waited_for(&self, db: usize, key: &[u8]) -> bool {
        let waiting = &self.dbs[db].waiting;
        !waiting.is_empty() && waiting.contains_key(key)
    }
}

impl Stats {
    /// The counts of a command.
    pub fn by_command(&mut self, id: super::table::CommandId) -> &mut CommandStats {
        let at = id.index();
        if at >= self.by_command.len() {
            self.by_command.resize(at + 1, CommandStats::default());
        }
        &mut self.by_command[at]
    }
}
