//! An event's keys, the calls of its scripts, and all that is kept of it.

use std::collections::{BTreeMap, BTreeSet};

use labrunner::app::scripts::{AppScript, CANCEL, CONFIRM, CREATE_EVENT, RESERVE};
use redis::{Connection, RedisError, Value, cmd};

use crate::server::{Server, VERSIONS, poll};

/// An hour: a hold that does not end while a test runs.
pub const LONG: u64 = 3_600_000;

pub struct Event {
    pub connection: Connection,
    pub id: String,
    operations: u32,
}

/// A reservation as the scripts keep it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    pub user: String,
    pub seats: Vec<String>,
    pub positions: Vec<u32>,
    pub state: String,
    pub token: u64,
    pub expires_ms: u64,
    /// Of what a ledger has decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

/// All that is kept of an event, but for its operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub meta: BTreeMap<String, String>,
    pub seats: BTreeMap<String, String>,
    /// In order.
    pub free: Vec<(String, u32)>,
    pub holds: BTreeMap<String, u64>,
    pub reservations: BTreeMap<String, Kept>,
    pub entries: usize,
}

/// A new event of so many seats on every version and in both protocols, and what to try with it.
pub fn on_every_server(test: &str, seats: u32, body: impl Fn(&Server, &mut Event)) {
    for version in VERSIONS {
        let Some(server) = Server::start(version, test) else {
            continue;
        };
        for protocol in [2, 3] {
            let mut event = Event::new(server.connect(protocol), &format!("{test}{protocol}"));
            let created = event.create(seats);
            assert_eq!(created[..2], ["created".to_owned(), seats.to_string()]);
            body(&server, &mut event);
            event.state().check();
        }
    }
}

/// The label of the seat at a position from 0: ten a row, A1 to Z10, then AA1.
pub fn label(position: u32) -> String {
    let mut row = String::new();
    let mut rest = position / 10 + 1;
    while rest > 0 {
        row.insert(0, char::from(b'A' + ((rest - 1) % 26) as u8));
        rest = (rest - 1) / 26;
    }
    format!("{row}{}", position % 10 + 1)
}

pub fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A reply's texts. It has to be a flat array of bulk strings.
pub fn flat(reply: &Value) -> Vec<String> {
    let Value::Array(items) = reply else {
        panic!("{reply:?} is no array")
    };
    items
        .iter()
        .map(|item| match item {
            Value::BulkString(bytes) => String::from_utf8(bytes.clone()).unwrap(),
            other => panic!("{other:?} is no bulk string"),
        })
        .collect()
}

/// Runs a script by its source.
pub fn eval(
    connection: &mut Connection,
    script: &AppScript,
    keys: &[String],
    arguments: &[&[u8]],
) -> Result<Value, RedisError> {
    let mut command = cmd("EVAL");
    command
        .arg(script.source)
        .arg(keys.len())
        .arg(keys)
        .arg(arguments);
    command.query(connection)
}

/// The server's time in ms.
pub fn server_ms(connection: &mut Connection) -> u64 {
    let (seconds, micros): (u64, u64) = cmd("TIME").query(connection).unwrap();
    seconds * 1000 + micros / 1000
}

/// Polls until it is later than this on the server.
pub fn pass(connection: &mut Connection, ms: u64) {
    poll("the hold is over", || {
        (server_ms(connection) > ms).then_some(())
    });
}

impl Event {
    pub fn new(connection: Connection, id: &str) -> Event {
        Event {
            connection,
            id: id.to_owned(),
            operations: 0,
        }
    }

    /// `part` is "" for the event itself.
    pub fn key(&self, part: &str) -> String {
        let colon = if part.is_empty() { "" } else { ":" };
        format!("event:{{{}}}{colon}{part}", self.id)
    }

    pub fn keys(&self, operation: &str) -> Vec<String> {
        let mut keys: Vec<String> = ["", "seats", "free", "holds", "reservations", "stream"]
            .iter()
            .map(|part| self.key(part))
            .collect();
        keys.push(self.key(&format!("op:{operation}")));
        keys
    }

    /// Runs a script under this operation id; the fingerprint is made of all arguments.
    pub fn call_as(&mut self, operation: &str, script: &AppScript, arguments: &[&str]) -> Value {
        let fingerprint = format!("{} {}", script.name, arguments.join(" "));
        let mut all: Vec<&[u8]> = vec![fingerprint.as_bytes(), b"600000"];
        all.extend(arguments.iter().map(|argument| argument.as_bytes()));
        let keys = self.keys(operation);
        eval(&mut self.connection, script, &keys, &all).unwrap()
    }

    /// Runs a script as an operation of its own.
    pub fn call(&mut self, script: &AppScript, arguments: &[&str]) -> Vec<String> {
        self.operations += 1;
        let operation = format!("own-{}", self.operations);
        flat(&self.call_as(&operation, script, arguments))
    }

    pub fn create(&mut self, seats: u32) -> Vec<String> {
        let labels: Vec<String> = (0..seats).map(label).collect();
        let mut arguments = vec!["A name"];
        arguments.extend(labels.iter().map(String::as_str));
        self.call(&CREATE_EVENT, &arguments)
    }

    /// `what`: `count N` or `seats A1 A2`.
    pub fn reserve(&mut self, reservation: &str, user: &str, hold: u64, what: &str) -> Vec<String> {
        let hold = hold.to_string();
        let mut arguments = vec![reservation, user, &hold];
        arguments.extend(what.split(' '));
        self.call(&RESERVE, &arguments)
    }

    /// Reserves, which has to succeed, and waits until the hold is over.
    pub fn reserve_until_over(&mut self, reservation: &str, user: &str, what: &str) {
        let held = self.reserve(reservation, user, 1, what);
        assert_eq!(held[0], "held", "{held:?}");
        pass(&mut self.connection, held[3].parse().unwrap());
    }

    /// Ends a hold by hand, without anybody coming by.
    pub fn end(&mut self, reservation: &str) {
        let over = server_ms(&mut self.connection) - 1;
        let mut kept = self.state().reservations[reservation].clone();
        kept.expires_ms = over;
        let () = redis::pipe()
            .cmd("HSET")
            .arg(self.key("reservations"))
            .arg(reservation)
            .arg(serde_json::to_string(&kept).unwrap())
            .ignore()
            .cmd("ZADD")
            .arg(self.key("holds"))
            .arg("XX")
            .arg(over)
            .arg(reservation)
            .ignore()
            .query(&mut self.connection)
            .unwrap();
    }

    pub fn confirm(&mut self, reservation: &str, user: &str, token: &str) -> Vec<String> {
        self.call(&CONFIRM, &[reservation, user, token])
    }

    pub fn cancel(&mut self, reservation: &str, user: &str) -> Vec<String> {
        self.call(&CANCEL, &[reservation, user])
    }

    pub fn state(&mut self) -> State {
        let hash = |event: &mut Event, part: &str| -> BTreeMap<String, String> {
            let key = event.key(part);
            cmd("HGETALL")
                .arg(key)
                .query(&mut event.connection)
                .unwrap()
        };
        let zset = |event: &mut Event, part: &str| -> Vec<(String, f64)> {
            let key = event.key(part);
            cmd("ZRANGE")
                .arg(key)
                .arg(&["0", "-1", "WITHSCORES"])
                .query(&mut event.connection)
                .unwrap()
        };
        let (free, holds) = (zset(self, "free"), zset(self, "holds"));
        let (meta, seats) = (hash(self, ""), hash(self, "seats"));
        let reservations = hash(self, "reservations");
        let entries = cmd("XLEN")
            .arg(self.key("stream"))
            .query(&mut self.connection)
            .unwrap();
        State {
            meta,
            seats,
            free: free
                .into_iter()
                .map(|(seat, position)| (seat, position as u32))
                .collect(),
            holds: holds
                .into_iter()
                .map(|(id, expires)| (id, expires as u64))
                .collect(),
            reservations: reservations
                .into_iter()
                .map(|(id, text)| (id, serde_json::from_str(&text).unwrap()))
                .collect(),
            entries,
        }
    }
}

impl State {
    pub fn free_labels(&self) -> Vec<String> {
        self.free.iter().map(|(seat, _)| seat.clone()).collect()
    }

    /// What is true of every event, whatever was done to it.
    pub fn check(&self) {
        let total: u32 = self.meta["seats"].parse().unwrap();
        let free: BTreeSet<&String> = self.free.iter().map(|(seat, _)| seat).collect();
        let taken: BTreeSet<&String> = self.seats.keys().collect();
        assert!(free.is_disjoint(&taken), "free and taken: {self:?}");
        let all: BTreeSet<String> = (0..total).map(label).collect();
        assert_eq!(
            free.union(&taken)
                .map(|seat| (*seat).clone())
                .collect::<BTreeSet<_>>(),
            all,
            "every seat is free or taken"
        );
        for (seat, position) in &self.free {
            assert_eq!(*seat, label(*position), "back at its old position");
        }
        // What the reservations say and what the seats say is the same.
        let mut owned = BTreeMap::new();
        let mut holds = BTreeMap::new();
        let mut sold = 0;
        let mut tokens = BTreeSet::new();
        for (id, kept) in &self.reservations {
            assert_eq!(kept.seats.len(), kept.positions.len());
            assert!(tokens.insert(kept.token), "a token twice: {self:?}");
            if ["held", "confirmed"].contains(&kept.state.as_str()) {
                for seat in &kept.seats {
                    let before = owned.insert(seat.clone(), id.clone());
                    assert_eq!(before, None, "{seat} is in two reservations");
                }
            }
            if kept.state == "held" {
                holds.insert(id.clone(), kept.expires_ms);
            }
            if kept.state == "confirmed" {
                sold += kept.seats.len();
            }
        }
        assert_eq!(owned, self.seats);
        assert_eq!(holds, self.holds);
        assert_eq!(self.meta["sold"], sold.to_string());
        let newest: u64 = self.meta["token"].parse().unwrap();
        assert!(tokens.last().is_none_or(|last| *last <= newest));
    }
}
