//! The streams of the events, for whoever drains them, and what reads and mends all of an event.

use std::time::Duration;

use redis::cmd;

use super::reads::parsed;
use super::{EVENTS_KEY, Store, number, strange, texts};
use crate::app::answer::Lock;
use crate::app::error::AppError;
use crate::app::event_id::EventId;
use crate::app::request::{LockName, User};
use crate::app::scripts;
use crate::cluster::Slot;

/// The consumer group that drains every stream.
pub const GROUP: &str = "ledger";
/// Entries that are counted at most when it is told how many wait.
const MOST_COUNTED: u32 = 10_000;

/// An entry of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamEntry {
    /// Its id.
    pub id: String,
    /// Its fields and values, in order.
    pub fields: Vec<(String, String)>,
}

/// What a stream gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// The node's time, in milliseconds since 1970.
    pub now_ms: u64,
    /// The first entry that the stream has.
    pub first: Option<String>,
    /// Whether it still has the last entry that was applied.
    pub has_last: bool,
    /// How many of the entries had been given out before.
    pub claimed: u32,
    /// How many that had been given out are not there any more.
    pub vanished: u32,
    /// The entries.
    pub entries: Vec<StreamEntry>,
}

/// How far behind a stream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamLag {
    /// How many entries the stream has.
    pub entries: u64,
    /// How many of them wait to be applied; no more than 10,000 are counted.
    pub waiting: u64,
    /// For how long the oldest of them has, in milliseconds.
    pub lag_ms: u64,
    /// How many dead letters there are.
    pub dead: u64,
}

/// The time in an entry's id, in milliseconds since 1970.
pub fn entry_ms(id: &str) -> u64 {
    let ms = id.split_once('-').map_or(id, |(ms, _)| ms);
    ms.parse().unwrap_or(0)
}

impl Store {
    /// The ids in the index of events, in its order; also those of events that never came about.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn listed(&self) -> Result<Vec<String>, AppError> {
        let mut command = cmd("ZRANGE");
        command.arg(EVENTS_KEY).arg(0).arg(-1);
        self.change(Slot::of_key(EVENTS_KEY.as_bytes()), command)
            .await
    }

    /// Takes the next entries of an event's stream: first those that were given out and not done with, then new ones. `done`: entries that are
    /// done with. Nothing where there is no stream. Whoever calls this has to be the only one who drains the stream.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn take(
        &self,
        event: &EventId,
        consumer: &str,
        most: u32,
        last_id: &str,
        done: &[String],
    ) -> Result<Option<Taken>, AppError> {
        let mut arguments = vec![
            GROUP.to_owned(),
            consumer.to_owned(),
            most.to_string(),
            last_id.to_owned(),
        ];
        arguments.extend(done.iter().cloned());
        let keys = [event.stream_key()];
        let answer = self
            .script(&scripts::TAKE, event.slot(), &keys, &arguments)
            .await?;
        let mut strings = answer.into_iter();
        let head: Vec<String> = strings.by_ref().take(6).collect();
        let [_, now_ms, first, kept, claimed, vanished] = head.as_slice() else {
            return match texts(&head).as_slice() {
                ["no_stream"] => Ok(None),
                other => Err(strange("take", other)),
            };
        };
        let mut taken = Taken {
            now_ms: number(now_ms)?,
            first: Some(first.clone()).filter(|first| !first.is_empty()),
            has_last: kept == "1",
            claimed: number(claimed)?,
            vanished: number(vanished)?,
            entries: Vec::new(),
        };
        while let Some(id) = strings.next() {
            let count: usize = match strings.next() {
                Some(count) => number(&count)?,
                None => return Err(strange("take", &[&id])),
            };
            let mut fields = Vec::with_capacity(count / 2);
            for _ in 0..count / 2 {
                match (strings.next(), strings.next()) {
                    (Some(field), Some(value)) => fields.push((field, value)),
                    _ => return Err(strange("take", &[&id])),
                }
            }
            taken.entries.push(StreamEntry { id, fields });
        }
        Ok(Some(taken))
    }

    /// Says that entries are done with.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn done_with(&self, event: &EventId, done: &[String]) -> Result<(), AppError> {
        if done.is_empty() {
            return Ok(());
        }
        let mut command = cmd("XACK");
        command.arg(event.stream_key()).arg(GROUP).arg(done);
        self.change::<u64>(event.slot(), command).await.map(drop)
    }

    /// Takes entries out of an event's stream that are older than `keep`, by the node's clock, and that every group has done with; at most about `most`. The
    /// last applied one, `last_id`, stays. Before which entry none is there any more: nothing where nobody can say, or where there is no stream.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn trim(
        &self,
        event: &EventId,
        last_id: &str,
        keep: Duration,
        most: u32,
    ) -> Result<Option<String>, AppError> {
        let arguments = [
            last_id.to_owned(),
            keep.as_millis().to_string(),
            most.to_string(),
        ];
        let answer = self
            .script(
                &scripts::TRIM,
                event.slot(),
                &[event.stream_key()],
                &arguments,
            )
            .await?;
        match texts(&answer).as_slice() {
            ["no_stream"] => Ok(None),
            ["trimmed", _, before] => {
                Ok(Some((*before).to_owned()).filter(|before| before != "0-0"))
            }
            other => Err(strange("trim", other)),
        }
    }

    /// Puts an entry that nobody can apply among the dead letters of its event; once, however often it is asked.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn bury(
        &self,
        event: &EventId,
        entry: &StreamEntry,
        tries: u32,
        why: &str,
    ) -> Result<(), AppError> {
        let mut arguments = vec![entry.id.clone(), tries.to_string(), why.to_owned()];
        for (field, value) in &entry.fields {
            arguments.extend([field.clone(), value.clone()]);
        }
        let answer = self
            .script(
                &scripts::DEAD_LETTER,
                event.slot(),
                &[event.dead_key()],
                &arguments,
            )
            .await?;
        match texts(&answer).as_slice() {
            ["buried" | "known"] => Ok(()),
            other => Err(strange("dead_letter", other)),
        }
    }

    /// The dead letters of an event, the oldest first, at most `limit`.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn dead_letters(
        &self,
        event: &EventId,
        limit: u32,
    ) -> Result<Vec<StreamEntry>, AppError> {
        let mut command = cmd("XRANGE");
        command
            .arg(event.dead_key())
            .arg(&["-", "+", "COUNT"])
            .arg(limit);
        let found: Vec<(String, Vec<String>)> = self.change(event.slot(), command).await?;
        let pairs = |fields: Vec<String>| {
            let mut fields = fields.into_iter();
            std::iter::from_fn(|| fields.next().zip(fields.next())).collect()
        };
        Ok(found
            .into_iter()
            .map(|(id, fields)| StreamEntry {
                id,
                fields: pairs(fields),
            })
            .collect())
    }

    /// How far behind the stream of an event is, if `last_id` was the last entry that was applied.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn stream_lag(&self, event: &EventId, last_id: &str) -> Result<StreamLag, AppError> {
        let keys = [event.stream_key(), event.dead_key()];
        let arguments = [last_id.to_owned(), MOST_COUNTED.to_string()];
        let answer = self
            .script(&scripts::LAG, event.slot(), &keys, &arguments)
            .await?;
        match texts(&answer).as_slice() {
            ["lag", entries, waiting, oldest, now_ms, dead] => Ok(StreamLag {
                entries: number(entries)?,
                waiting: number(waiting)?,
                lag_ms: match *oldest {
                    "" => 0,
                    oldest => number::<u64>(now_ms)?.saturating_sub(entry_ms(oldest)),
                },
                dead: number(dead)?,
            }),
            other => Err(strange("lag", other)),
        }
    }

    /// One raw read of an event at its master, in one transaction.
    pub(in crate::app) async fn raw(
        &self,
        event: &EventId,
        commands: &redis::Pipeline,
    ) -> Result<redis::Value, AppError> {
        let mut pipeline = commands.clone();
        pipeline.atomic();
        self.client
            .send(event.slot(), |_| {
                super::client::Request::Transaction(pipeline.clone())
            })
            .await
    }

    /// Commands of one event's slot, one after the other, at its master. They have to be such that may be done twice.
    pub(in crate::app) async fn pipelined(
        &self,
        slot: Slot,
        commands: redis::Pipeline,
    ) -> Result<redis::Value, AppError> {
        self.client
            .send(slot, |_| super::client::Request::Pipeline(commands.clone()))
            .await
    }

    /// Mends an event, if nothing of what is to be mended has changed. Whether it was.
    ///
    /// # Errors
    /// [`AppError`].
    pub(in crate::app) async fn mend(
        &self,
        event: &EventId,
        arguments: &[String],
    ) -> Result<bool, AppError> {
        let keys = [
            event.event_key(),
            event.seats_key(),
            event.free_key(),
            event.holds_key(),
            event.reservations_key(),
            event.cache_key(),
        ];
        let answer = self
            .script(&scripts::MEND, event.slot(), &keys, arguments)
            .await?;
        match texts(&answer).as_slice() {
            ["mended", _] => Ok(true),
            ["changed", ..] => Ok(false),
            other => Err(strange("mend", other)),
        }
    }

    /// Puts an event into its place that was built beside it under these keys. `false`: it is there already, and is not to be replaced.
    ///
    /// # Errors
    /// [`AppError`].
    pub(in crate::app) async fn install(
        &self,
        event: &EventId,
        built: [String; 3],
        meta: [String; 5],
        over: bool,
    ) -> Result<bool, AppError> {
        let [seats, free, reservations] = built;
        let keys = [
            event.event_key(),
            event.seats_key(),
            event.free_key(),
            event.holds_key(),
            event.reservations_key(),
            event.stream_key(),
            event.cache_key(),
            seats,
            free,
            reservations,
        ];
        let mut arguments = meta.to_vec();
        arguments.push(if over { "over" } else { "" }.to_owned());
        let answer = self
            .script(&scripts::INSTALL, event.slot(), &keys, &arguments)
            .await?;
        match texts(&answer).as_slice() {
            ["installed"] => Ok(true),
            ["exists"] => Ok(false),
            other => Err(strange("install", other)),
        }
    }

    /// Whether the index of events has this one.
    pub(in crate::app) async fn is_listed(&self, event: &EventId) -> Result<bool, AppError> {
        let mut command = cmd("ZSCORE");
        command.arg(EVENTS_KEY).arg(event.as_str());
        let score: Option<f64> = self
            .change(Slot::of_key(EVENTS_KEY.as_bytes()), command)
            .await?;
        Ok(score.is_some())
    }

    /// Puts an event into the index, by when it was made; it stays where it is, if it is there.
    pub(in crate::app) async fn list(
        &self,
        event: &EventId,
        created_ms: u64,
    ) -> Result<(), AppError> {
        let mut command = cmd("ZADD");
        command
            .arg(EVENTS_KEY)
            .arg("NX")
            .arg(created_ms)
            .arg(event.as_str());
        let slot = Slot::of_key(EVENTS_KEY.as_bytes());
        self.change::<u64>(slot, command).await.map(drop)
    }

    /// Takes an event out of the index.
    pub(in crate::app) async fn unlist(&self, event: &EventId) -> Result<(), AppError> {
        let mut command = cmd("ZREM");
        command.arg(EVENTS_KEY).arg(event.as_str());
        let slot = Slot::of_key(EVENTS_KEY.as_bytes());
        self.change::<u64>(slot, command).await.map(drop)
    }

    /// Takes a lock whose token is higher than `floor`: a failover may have lost what the counter had, and then two holders would have one token.
    pub(in crate::app) async fn lock_above(
        &self,
        name: &LockName,
        owner: &User,
        time: Duration,
        floor: u64,
    ) -> Result<Lock, AppError> {
        let lock = self.lock(name, owner, time).await?;
        if lock.token > floor {
            return Ok(lock);
        }
        let (slot, [_, counter]) = super::lock_keys(name);
        let mut command = cmd("SET");
        command.arg(counter).arg(floor);
        self.change::<()>(slot, command).await?;
        self.unlock(name, owner, lock.token).await?;
        self.lock(name, owner, time).await
    }

    /// A plain command at the master of a key's slot, which may be done twice.
    pub(in crate::app) async fn plain<T: redis::FromRedisValue>(
        &self,
        slot: Slot,
        command: redis::Cmd,
    ) -> Result<T, AppError> {
        self.change(slot, command).await
    }
}

/// What was read, as what it has to be.
pub(in crate::app) fn read_as<T: redis::FromRedisValue>(
    value: redis::Value,
) -> Result<T, AppError> {
    parsed(value)
}
