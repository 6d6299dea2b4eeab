//! What CONFIG GET and CONFIG SET know: every parameter of Redis 7.0, and the settings that commands look at.

mod parameter;
mod special;

use std::borrow::Cow;

pub(in crate::double::node) use self::parameter::memory_of as memory;
use self::parameter::{Kind, integer_of, memory_of};
pub(in crate::double::node) use self::parameter::{parameters, place};
use super::failure::Failure;

/// The settings that commands look at.
#[derive(Debug, Clone)]
pub(in crate::double) struct Config {
    /// Of every parameter, by its place in [`parameters`].
    values: Vec<Cow<'static, str>>,
    /// `requirepass`; empty: none.
    pub password: Vec<u8>,
    /// `databases`.
    pub databases: usize,
    /// `proto-max-bulk-len`, in bytes.
    pub max_bulk: i64,
    /// `maxclients`.
    pub max_clients: usize,
    /// `notify-keyspace-events`, as its letters; `A` is resolved.
    pub notify: Vec<u8>,
    /// `hash-max-listpack-entries`.
    pub hash_entries: usize,
    /// `hash-max-listpack-value`, in bytes.
    pub hash_value: usize,
    /// `set-max-intset-entries`.
    pub set_integers: usize,
    /// `zset-max-listpack-entries`.
    pub sorted_entries: usize,
    /// `zset-max-listpack-value`, in bytes.
    pub sorted_value: usize,
    /// `hll-sparse-max-bytes`.
    pub sparse_bytes: usize,
    /// `list-max-listpack-size`.
    pub list_size: i64,
    /// `stream-node-max-bytes`; 0: no limit.
    pub stream_bytes: usize,
    /// `stream-node-max-entries`; 0: no limit.
    pub stream_entries: usize,
    /// `rdbcompression`.
    pub compress: bool,
    /// `maxmemory-policy`.
    pub policy: String,
    /// `busy-reply-threshold`, in milliseconds: from then on a script's node says that it is busy.
    pub busy: u64,
    /// `timeout`: after so many seconds without a word a client is hung up on; 0: never.
    pub idle: i64,
    /// `client-output-buffer-limit` of normal clients and of those that listen to channels.
    pub unread: [UnreadLimit; 2],
    /// `client-query-buffer-limit`, in bytes.
    pub input: usize,
    /// `slowlog-log-slower-than`, in microseconds; negative: nothing is noted.
    pub slow: i64,
    /// `slowlog-max-len`.
    pub slow_entries: usize,
    /// `latency-monitor-threshold`, in milliseconds; 0: nothing is noted.
    pub latency: i64,
    /// `latency-tracking`: how long commands take is counted.
    pub latency_counted: bool,
    /// `tracking-table-max-keys`; 0: no limit.
    pub tracked_keys: usize,
    /// `acllog-max-len`.
    pub refusals: usize,
    /// What replication goes by.
    pub replication: Replication,
}

/// The settings of replication.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::double::node) struct Replication {
    /// `repl-backlog-size`, in bytes.
    pub backlog: i64,
    /// `repl-backlog-ttl`, in seconds; 0: without end.
    pub backlog_life: i64,
    /// `repl-timeout`, in seconds.
    pub timeout: i64,
    /// `repl-ping-replica-period`, in seconds.
    pub ping_period: u64,
    /// `repl-diskless-sync`.
    pub diskless: bool,
    /// `repl-diskless-sync-delay`, in seconds.
    pub sync_delay: i64,
    /// `min-replicas-to-write`.
    pub least_replicas: usize,
    /// `min-replicas-max-lag`, in seconds.
    pub most_lag: i64,
    /// `replica-read-only`.
    pub read_only: bool,
    /// `replica-serve-stale-data`.
    pub serves_stale: bool,
    /// `lazyfree-lazy-expire`: replicas hear of it as UNLINK, and not as DEL, when the time of a key is over.
    pub lazy_ends: bool,
}

/// How much a client may leave unread.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::double::node) struct UnreadLimit {
    /// More bytes than that, and it is hung up on at once; 0: no limit.
    pub hard: usize,
    /// More bytes than that for `seconds`; 0: no limit.
    pub soft: usize,
    /// See `soft`.
    pub seconds: i64,
}

impl Default for Config {
    fn default() -> Self {
        let mut config = Config {
            values: parameters()
                .iter()
                .map(|known| Cow::Borrowed(known.default))
                .collect(),
            password: Vec::new(),
            databases: 0,
            max_bulk: 0,
            max_clients: 0,
            notify: Vec::new(),
            hash_entries: 0,
            hash_value: 0,
            set_integers: 0,
            sorted_entries: 0,
            sorted_value: 0,
            sparse_bytes: 0,
            list_size: 0,
            stream_bytes: 0,
            stream_entries: 0,
            compress: false,
            policy: String::new(),
            busy: 0,
            idle: 0,
            unread: Default::default(),
            input: 0,
            slow: 0,
            slow_entries: 0,
            latency: 0,
            latency_counted: false,
            tracked_keys: 0,
            refusals: 0,
            replication: Replication::default(),
        };
        for known in parameters() {
            config.note(known.name);
        }
        config
    }
}

impl Config {
    /// Whether the policy counts how often keys are used, and not when.
    pub fn counts_use(&self) -> bool {
        self.policy.ends_with("lfu")
    }

    /// The value of the parameter at this place, as CONFIG GET tells it.
    pub fn value(&self, at: usize) -> &str {
        let at = parameters()[at].same_as.unwrap_or(at);
        &self.values[at]
    }

    /// The value of a parameter; of one that is none, nothing.
    pub fn get(&self, name: &str) -> &str {
        place(name.as_bytes()).map_or("", |at| self.value(at))
    }

    /// CONFIG SET: all of it, or nothing. Names and values in turn.
    ///
    /// # Errors
    /// What is wrong with the first pair that is.
    pub fn set(&mut self, pairs: &[[&[u8]; 2]]) -> Result<(), Failure> {
        let mut places = Vec::new();
        for [name, _] in pairs {
            let Some(at) = place(name) else {
                let name = String::from_utf8_lossy(name);
                return Err(Failure::told(format!(
                    "ERR Unknown option or number of arguments for CONFIG SET - '{name}'"
                )));
            };
            let known = &parameters()[at];
            let wrong = match known.kind {
                Kind::Fixed => Some("can't set immutable config"),
                Kind::Protected => Some("can't set protected config"),
                _ if places.contains(&at) => Some("duplicate parameter"),
                _ => None,
            };
            if let Some(wrong) = wrong {
                return Err(failed(name, wrong));
            }
            places.push(at);
        }
        let mut values = Vec::new();
        for (at, [name, value]) in places.iter().zip(pairs) {
            let same = parameters()[*at].same_as.unwrap_or(*at);
            let known = &parameters()[same];
            let read = known
                .read(value, &self.values[same])
                .map_err(|wrong| failed(name, &wrong))?;
            values.push((same, read));
        }
        for (at, value) in values {
            self.values[at] = Cow::Owned(value);
            self.note(parameters()[at].name);
        }
        Ok(())
    }

    /// Sets any parameter, also one that can't be set any more when the server runs.
    ///
    /// # Errors
    /// There is none of that name, or it can't be set to that.
    pub fn set_at_start(&mut self, name: &str, value: &str) -> Result<(), String> {
        let at = place(name.as_bytes()).ok_or("there is no such parameter")?;
        let at = parameters()[at].same_as.unwrap_or(at);
        let known = &parameters()[at];
        let before = known.default;
        let value = match known.name {
            "databases" => integer_of(value)
                .filter(|count| (1..=1_000_000).contains(count))
                .ok_or("not a number of databases")?
                .to_string(),
            _ => known.read(value.as_bytes(), before)?,
        };
        self.values[at] = Cow::Owned(value);
        self.note(known.name);
        Ok(())
    }

    /// Takes over what has changed into the settings that commands look at.
    fn note(&mut self, name: &str) {
        let Some(at) = place(name.as_bytes()) else {
            return;
        };
        let value = self.value(at).to_owned();
        let number = || {
            integer_of(&value)
                .or_else(|| memory_of(&value))
                .unwrap_or(0)
        };
        let size = || usize::try_from(number().max(0)).unwrap_or(usize::MAX);
        match name {
            "requirepass" => self.password = value.into_bytes(),
            "databases" => self.databases = size(),
            "proto-max-bulk-len" => self.max_bulk = number(),
            "maxclients" => self.max_clients = size(),
            "notify-keyspace-events" => self.notify = special::letters(&value),
            "hash-max-listpack-entries" => self.hash_entries = size(),
            "hash-max-listpack-value" => self.hash_value = size(),
            "set-max-intset-entries" => self.set_integers = size(),
            "zset-max-listpack-entries" => self.sorted_entries = size(),
            "zset-max-listpack-value" => self.sorted_value = size(),
            "hll-sparse-max-bytes" => self.sparse_bytes = size(),
            "list-max-listpack-size" => self.list_size = number(),
            "stream-node-max-bytes" => self.stream_bytes = size(),
            "stream-node-max-entries" => self.stream_entries = size(),
            "rdbcompression" => self.compress = value == "yes",
            "maxmemory-policy" => self.policy = value,
            "busy-reply-threshold" => self.busy = number().max(0) as u64,
            "timeout" => self.idle = number(),
            "client-output-buffer-limit" => self.unread = special::unread(&value),
            "client-query-buffer-limit" => self.input = size(),
            "slowlog-log-slower-than" => self.slow = number(),
            "slowlog-max-len" => self.slow_entries = size(),
            "latency-monitor-threshold" => self.latency = number(),
            "latency-tracking" => self.latency_counted = value == "yes",
            "tracking-table-max-keys" => self.tracked_keys = size(),
            "acllog-max-len" => self.refusals = size(),
            "repl-backlog-size" => self.replication.backlog = number(),
            "repl-backlog-ttl" => self.replication.backlog_life = number(),
            "repl-timeout" => self.replication.timeout = number(),
            "repl-ping-replica-period" => {
                self.replication.ping_period = number().max(1).unsigned_abs();
            }
            "repl-diskless-sync" => self.replication.diskless = value == "yes",
            "repl-diskless-sync-delay" => self.replication.sync_delay = number(),
            "min-replicas-to-write" => self.replication.least_replicas = size(),
            "min-replicas-max-lag" => self.replication.most_lag = number(),
            "replica-read-only" => self.replication.read_only = value == "yes",
            "replica-serve-stale-data" => self.replication.serves_stale = value == "yes",
            "lazyfree-lazy-expire" => self.replication.lazy_ends = value == "yes",
            _ => {}
        }
    }
}

fn failed(name: &[u8], why: &str) -> Failure {
    let name = String::from_utf8_lossy(name);
    Failure::told(format!(
        "ERR CONFIG SET failed (possibly related to argument '{name}') - {why}"
    ))
}
