//! Where the patterns are tested: a real PostgreSQL, and a cluster in the test's own process whose nodes can be made to fail to the moment.

use std::time::Duration;

use labrunner::app::answer::{Held, ReservationState};
use labrunner::app::ledger::Ledger;
use labrunner::app::patterns::WriteThrough;
use labrunner::app::request::{CreateEvent, OperationId, Reserve, Settle, Wanted};
use labrunner::app::{EventId, Seat, Settings, Store};
use labrunner::cluster::Endpoint;
use labrunner::double::{Clock, Cluster};

use crate::databases::Database;

/// Long enough for anything that ends by itself, on a machine under load.
pub const LONG: Duration = Duration::from_secs(60);
/// As long as a hold lasts that is not to end.
pub const MINUTE: Duration = Duration::from_secs(60);

/// A cluster of three masters with a replica each, and a ledger.
pub struct Place {
    pub cluster: Cluster,
    pub database: Database,
    pub store: Store,
    pub ledger: Ledger,
    pub through: WriteThrough,
}

impl Place {
    pub async fn make(test: &str) -> Option<Place> {
        let (database, ledger) = Database::ledger(test).await?;
        let cluster = Cluster::builder()
            .masters(3)
            .replicas(1)
            .seed(7)
            .node_timeout(Duration::from_secs(1))
            .clock(Clock::leaping())
            .start()
            .await
            .unwrap();
        let nodes = cluster.addresses();
        let store = Store::connect(Settings {
            nodes: nodes
                .iter()
                .map(|at| Endpoint::new(at.ip().to_string(), at.port()))
                .collect(),
            deadline: LONG,
            ..Settings::default()
        })
        .await
        .unwrap();
        // On a machine under load, what is quick elsewhere takes its time.
        let through = WriteThrough::new(store.clone(), ledger.clone())
            .second_write_within(Duration::from_secs(20));
        Some(Place {
            cluster,
            database,
            store,
            ledger,
            through,
        })
    }

    pub async fn event(&self, seats: u32) -> EventId {
        let request = CreateEvent {
            name: "Test".parse().unwrap(),
            seats,
            on_slots: None,
        };
        let made = self.through.create_event(&request).await.unwrap();
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
        let request = Reserve {
            event: event.clone(),
            wanted: Wanted::These(seats.iter().map(|seat| Seat::at(*seat)).collect()),
            user: user.parse().unwrap(),
            hold,
            operation: OperationId::random(),
        };
        self.store.reserve(&request).await.unwrap()
    }

    /// The event's first seat is held and sold, to this user.
    pub async fn sell(&self, event: &EventId, user: &str) -> Held {
        let held = self.reserve(event, user, &[0], MINUTE).await;
        let request = settle(event, &held, user);
        self.through.confirm(&request).await.unwrap();
        held
    }

    /// The node that has the event's slot.
    pub fn master(&self, event: &EventId) -> usize {
        let slot = event.slot();
        self.cluster
            .look(move |look| {
                (0..look.len()).find(|node| {
                    look.is_running(*node)
                        && look.is_master(*node)
                        && look.owner(*node, slot) == Some(*node)
                })
            })
            .unwrap()
    }

    /// Ends the node that has the event's slot, and waits until another has it.
    pub async fn fail_over(&self, event: &EventId) {
        let (old, slot) = (self.master(event), event.slot());
        self.cluster.kill(old);
        let taken_over = self.cluster.until(LONG, move |look| {
            // All of them know: whoever is asked first sends nobody to the dead.
            let running = || (0..look.len()).filter(|node| look.is_running(*node));
            running().any(|new| {
                look.is_master(new)
                    && running().all(|node| look.owner(node, slot) == Some(new) && look.is_ok(node))
            })
        });
        assert!(taken_over.await);
        self.store.look_again().await;
    }

    pub async fn state(&self, event: &EventId, held: &Held) -> Option<ReservationState> {
        let seats = self.store.seats(event).await.unwrap();
        let id = held.reservation.as_str();
        seats.reservations.get(id).map(|found| found.state)
    }

    /// Redis and the ledger say the same of what is sold, and Redis has been told everything.
    pub async fn agree(&self, event: &EventId) {
        let seats = self.store.seats(event).await.unwrap();
        let mut sold_in_redis: Vec<String> = seats
            .taken
            .iter()
            .filter(|(_, id)| seats.reservations[*id].state == ReservationState::Confirmed)
            .map(|(seat, _)| seat.clone())
            .collect();
        let confirmed = self.ledger.confirmed(event).await.unwrap();
        let mut sold: Vec<String> = confirmed
            .iter()
            .flat_map(|change| change.seats.iter().map(Seat::to_string))
            .collect();
        sold_in_redis.sort();
        sold.sort();
        assert_eq!(sold_in_redis, sold);
        let counted = self.store.availability(event).await.unwrap();
        assert_eq!(counted.sold as usize, sold.len());
        let audit = self.store.audit(event, &Default::default()).await.unwrap();
        assert_eq!(audit.astray, 0);
        assert_eq!(self.ledger.backlog().await.unwrap().open, 0);
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
