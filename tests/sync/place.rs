//! A cluster, a ledger, and somebody who changes in Redis what he likes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use labrunner::app::answer::Held;
use labrunner::app::ledger::Ledger;
use labrunner::app::patterns::WriteThrough;
use labrunner::app::patterns::event_driven::Options;
use labrunner::app::request::{CreateEvent, OperationId, Reserve, Settle, Wanted};
use labrunner::app::worker::{Tally, Until, Worker};
use labrunner::app::{AppError, EventId, Seat, Settings, Store};
use labrunner::cluster::Endpoint;
use labrunner::double::Cluster;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use sqlx::{Executor, Row};
use tokio_util::sync::CancellationToken;

use crate::databases::Database;

/// Long enough for anything that ends by itself, on a machine under load.
pub const LONG: Duration = Duration::from_secs(60);
pub const MINUTE: Duration = Duration::from_secs(60);

pub struct Place {
    pub cluster: Cluster,
    pub database: Database,
    pub store: Store,
    pub ledger: Ledger,
    pub through: WriteThrough,
    pub raw: ClusterConnection,
}

/// A map of texts.
pub type Map = BTreeMap<String, String>;

pub fn settings(cluster: &Cluster) -> Settings {
    Settings {
        nodes: cluster
            .addresses()
            .iter()
            .map(|at| Endpoint::new(at.ip().to_string(), at.port()))
            .collect(),
        ..Settings::default()
    }
}

impl Place {
    pub async fn make(test: &str) -> Option<Place> {
        let (database, ledger) = Database::ledger(test).await?;
        let cluster = Cluster::start().await.unwrap();
        let store = Store::connect(settings(&cluster)).await.unwrap();
        let urls: Vec<String> = cluster
            .addresses()
            .iter()
            .map(|at| format!("redis://{at}"))
            .collect();
        let client = ClusterClient::new(urls).unwrap();
        let raw = client.get_async_connection().await.unwrap();
        Some(Place {
            through: WriteThrough::new(store.clone(), ledger.clone()),
            cluster,
            database,
            store,
            ledger,
            raw,
        })
    }

    /// An event in Redis alone.
    pub async fn plain_event(&self, seats: u32) -> EventId {
        self.store
            .create_event(&request(seats))
            .await
            .unwrap()
            .event
    }

    /// An event in both.
    pub async fn event(&self, seats: u32) -> EventId {
        let made = self.through.create_event(&request(seats)).await.unwrap();
        assert_eq!(made.behind, None);
        made.done.event
    }

    pub async fn reserve(
        &self,
        event: &EventId,
        user: &str,
        seats: &[u32],
        hold: Duration,
    ) -> Held {
        self.store
            .reserve(&reserve(event, user, seats, hold))
            .await
            .unwrap()
    }

    /// A sale that only Redis knows.
    pub async fn sell_plain(&self, event: &EventId, user: &str, seats: &[u32]) -> Held {
        let held = self.reserve(event, user, seats, MINUTE).await;
        self.store
            .confirm(&settle(event, &held, user))
            .await
            .unwrap();
        held
    }

    /// A sale that both know.
    pub async fn sell(&self, event: &EventId, user: &str, seats: &[u32]) -> Held {
        let held = self.reserve(event, user, seats, MINUTE).await;
        let written = self.through.confirm(&settle(event, &held, user)).await;
        assert_eq!(written.unwrap().behind, None);
        held
    }

    /// One command, as anybody could send it.
    pub async fn command<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut self.raw.clone()).await.unwrap()
    }

    pub fn worker(&self, name: &str, options: impl FnOnce(&mut Options)) -> Worker {
        let mut all = Options {
            name: name.parse().unwrap(),
            events: Vec::new(),
            batch: 500,
            tries: 3,
            keep: 60 * MINUTE,
            stop_before_ack: false,
        };
        options(&mut all);
        Worker::new(self.store.clone(), self.ledger.clone(), all)
    }

    /// Drains everything.
    pub async fn drain(&self) -> Tally {
        let worker = self.worker("w", |_| {});
        let stop = CancellationToken::new();
        let drained = worker.run(Until::Drained, &stop);
        tokio::time::timeout(LONG, drained).await.unwrap().unwrap()
    }

    /// Everybody who drains seems to have died a while ago.
    pub async fn bury_the_workers(&self) {
        let mut connection = self.database.connect().await;
        connection
            .execute("UPDATE stream_workers SET seen_at = now() - interval '1 minute'")
            .await
            .unwrap();
    }

    /// A number that the database says.
    pub async fn count(&self, query: &'static str) -> i64 {
        let mut connection = self.database.connect().await;
        let row = connection.fetch_one(query).await.unwrap();
        row.get(0)
    }

    /// The labels of what is sold by the ledger, with the reservations.
    pub async fn sold(&self, event: &EventId) -> Map {
        let confirmed = self.ledger.confirmed(event).await.unwrap();
        let seats = confirmed.iter().flat_map(|change| {
            let id = change.reservation.to_string();
            change
                .seats
                .iter()
                .map(move |seat| (seat.to_string(), id.clone()))
        });
        seats.collect()
    }

    /// Redis and the ledger say the same of what is sold, and all adds up in Redis.
    pub async fn agree(&self, event: &EventId) {
        let seats = self.store.seats(event).await.unwrap();
        let in_redis: Map = seats
            .taken
            .iter()
            .filter(|(_, id)| {
                seats.reservations[*id].state == labrunner::app::answer::ReservationState::Confirmed
            })
            .map(|(seat, id)| (seat.clone(), id.clone()))
            .collect();
        assert_eq!(in_redis, self.sold(event).await, "{event}");
        let counted = self.store.availability(event).await.unwrap();
        assert_eq!(counted.sold as usize, in_redis.len(), "{event}");
        assert_eq!(counted.free + counted.held + counted.sold, counted.seats);
        let audit = self.store.audit(event, &Default::default()).await.unwrap();
        assert_eq!(audit.astray, 0, "{event}");
    }

    /// Waits until it is so.
    pub async fn until<F: Future<Output = bool>>(&self, what: &str, mut look: impl FnMut() -> F) {
        let until = Instant::now() + LONG;
        while !look().await {
            assert!(Instant::now() < until, "not within {LONG:?}: {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

pub fn request(seats: u32) -> CreateEvent {
    CreateEvent {
        name: "Test".parse().unwrap(),
        seats,
        on_slots: None,
    }
}

pub fn reserve(event: &EventId, user: &str, seats: &[u32], hold: Duration) -> Reserve {
    Reserve {
        event: event.clone(),
        wanted: Wanted::These(seats.iter().map(|seat| Seat::at(*seat)).collect()),
        user: user.parse().unwrap(),
        hold,
        operation: OperationId::random(),
    }
}

pub fn settle(event: &EventId, held: &Held, user: &str) -> Settle {
    Settle {
        event: event.clone(),
        reservation: held.reservation.clone(),
        user: user.parse().unwrap(),
        token: Some(held.token),
        operation: OperationId::random(),
    }
}

#[track_caller]
pub fn kind_of<T: std::fmt::Debug>(answer: Result<T, AppError>) -> &'static str {
    answer.unwrap_err().kind()
}
