//! Write-through and cache-aside: a real PostgreSQL, and a cluster in the test's own process whose nodes can be made to fail to the moment.

use std::time::{Duration, Instant};

use labrunner::app::answer::{Held, ReservationState};
use labrunner::app::ledger::{Entry, Ledger, LedgerSettings};
use labrunner::app::patterns::cache_aside::{Ages, Source};
use labrunner::app::patterns::{CacheAside, WriteThrough};
use labrunner::app::request::{CreateEvent, OperationId, Reserve, Settle, Wanted};
use labrunner::app::{AppError, EventId, Refusal, Seat, Settings, Store};
use labrunner::cluster::Endpoint;
use labrunner::double::{Clock, Cluster};
use sqlx::{Executor, Row};

use crate::databases::Database;
use crate::refusal_of;

/// Long enough for anything that ends by itself, on a machine under load.
const LONG: Duration = Duration::from_secs(60);

/// A cluster of three masters with a replica each, and a ledger.
struct Place {
    cluster: Cluster,
    database: Database,
    store: Store,
    ledger: Ledger,
    through: WriteThrough,
}

impl Place {
    async fn make(test: &str) -> Option<Place> {
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

    async fn event(&self, seats: u32) -> EventId {
        let request = CreateEvent {
            name: "Test".parse().unwrap(),
            seats,
            on_slots: None,
        };
        let made = self.through.create_event(&request).await.unwrap();
        assert_eq!(made.behind, None);
        made.done.event
    }

    async fn reserve(&self, event: &EventId, user: &str, seats: &[u32], hold: Duration) -> Held {
        let request = Reserve {
            event: event.clone(),
            wanted: Wanted::These(seats.iter().map(|seat| Seat::at(*seat)).collect()),
            user: user.parse().unwrap(),
            hold,
            operation: OperationId::random(),
        };
        self.store.reserve(&request).await.unwrap()
    }

    /// The node that has the event's slot.
    fn master(&self, event: &EventId) -> usize {
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
    async fn fail_over(&self, event: &EventId) {
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

    async fn state(&self, event: &EventId, held: &Held) -> Option<ReservationState> {
        let seats = self.store.seats(event).await.unwrap();
        let id = held.reservation.as_str();
        seats.reservations.get(id).map(|found| found.state)
    }

    /// Redis and the ledger say the same of what is sold, and Redis has been told everything.
    async fn agree(&self, event: &EventId) {
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

fn settle(event: &EventId, held: &Held, user: &str) -> Settle {
    Settle {
        event: event.clone(),
        reservation: held.reservation.clone(),
        user: user.parse().unwrap(),
        token: Some(held.token),
        operation: OperationId::random(),
    }
}

const MINUTE: Duration = Duration::from_secs(60);

/// As it is by default, but for a cache that is slow on a machine under load.
fn patient() -> Ages {
    Ages {
        cache: Duration::from_secs(20),
        ..Ages::default()
    }
}

#[tokio::test]
async fn what_is_confirmed_is_in_both_and_so_is_what_is_cancelled() {
    let Some(place) = Place::make("what_is_confirmed_is_in_both").await else {
        return;
    };
    let event = place.event(4).await;
    let held = place.reserve(&event, "ann", &[0, 1], MINUTE).await;
    let request = settle(&event, &held, "ann");
    let written = place.through.confirm(&request).await.unwrap();
    assert_eq!(written.behind, None);
    assert_eq!(written.done.seats, held.seats);
    place.agree(&event).await;
    // The same again, and by another operation: the same answer, nothing new.
    assert_eq!(place.through.confirm(&request).await.unwrap(), written);
    let again = settle(&event, &held, "ann");
    assert_eq!(place.through.confirm(&again).await.unwrap(), written);
    assert_eq!(place.ledger.history(&event, 10).await.unwrap().len(), 2);

    let other = place.reserve(&event, "ben", &[2], MINUTE).await;
    let thief = Settle {
        token: None,
        ..settle(&event, &other, "ann")
    };
    assert!(matches!(
        refusal_of(place.through.confirm(&thief).await),
        Refusal::NotHolder { .. }
    ));
    // A hold that is cancelled, and a sale.
    let gone = place.through.cancel(&settle(&event, &other, "ben")).await;
    assert_eq!(gone.unwrap().done.seats, other.seats);
    assert!(matches!(
        refusal_of(place.through.confirm(&settle(&event, &other, "ben")).await),
        Refusal::Cancelled { .. }
    ));
    let gone = place.through.cancel(&settle(&event, &held, "ann")).await;
    assert_eq!(gone.unwrap().done.seats, held.seats);
    place.agree(&event).await;
    let counted = place.store.availability(&event).await.unwrap();
    assert_eq!((counted.free, counted.held, counted.sold), (4, 0, 0));
    // The seats can be sold again.
    let next = place.reserve(&event, "cem", &[0], MINUTE).await;
    place
        .through
        .confirm(&settle(&event, &next, "cem"))
        .await
        .unwrap();
    place.agree(&event).await;
}

/// The program ends between the two writes; the hold expires, and somebody else holds the seat. The sale stands, and the other loses a hold.
#[tokio::test]
async fn a_sale_that_redis_was_not_told_of_stands() {
    let Some(place) = Place::make("a_sale_that_redis_was_not_told_of_stands").await else {
        return;
    };
    let event = place.event(2).await;
    let held = place
        .reserve(&event, "ann", &[0], Duration::from_millis(300))
        .await;
    let request = settle(&event, &held, "ann");
    let ended = place.through.clone().stopping_between();
    let error = ended.confirm(&request).await.unwrap_err();
    assert_eq!(error.kind(), "unknown_outcome");
    assert_eq!(place.ledger.backlog().await.unwrap().open, 1);
    assert_eq!(
        place.state(&event, &held).await,
        Some(ReservationState::Held)
    );

    place.cluster.sleep(Duration::from_millis(400)).await;
    let other = place.reserve(&event, "ben", &[0], MINUTE).await;
    assert_eq!(
        place.state(&event, &held).await,
        Some(ReservationState::Expired)
    );
    assert!(matches!(
        refusal_of(place.through.confirm(&settle(&event, &other, "ben")).await),
        Refusal::HoldLost { .. }
    ));
    // Whoever asks again for what was done gets the answer, though Redis knows nothing of it any more. And with it Redis is told.
    let written = place.through.confirm(&request).await.unwrap();
    assert_eq!(
        (written.behind, written.done.seats),
        (None, held.seats.clone())
    );
    assert_eq!(
        place.state(&event, &held).await,
        Some(ReservationState::Confirmed)
    );
    assert_eq!(
        place.state(&event, &other).await,
        Some(ReservationState::Lost)
    );
    assert!(matches!(
        refusal_of(place.through.confirm(&settle(&event, &other, "ben")).await),
        Refusal::HoldLost { .. }
    ));
    place.agree(&event).await;
}

#[tokio::test]
async fn what_redis_was_not_told_is_told_by_a_repair() {
    let Some(place) = Place::make("what_redis_was_not_told_is_told_by_a_repair").await else {
        return;
    };
    let event = place.event(4).await;
    let ended = place.through.clone().stopping_between();
    let mut all = Vec::new();
    for seat in 0..3 {
        let held = place.reserve(&event, "ann", &[seat], MINUTE).await;
        assert!(ended.confirm(&settle(&event, &held, "ann")).await.is_err());
        all.push(held);
    }
    assert!(ended.cancel(&settle(&event, &all[0], "ann")).await.is_err());
    let backlog = place.ledger.backlog().await.unwrap();
    assert_eq!(backlog.open, 4);
    // Not due yet: whoever wrote them might be about to tell.
    assert_eq!(place.through.repair(10, false).await.unwrap().told, 0);
    let repaired = place.through.repair(10, true).await.unwrap();
    assert_eq!((repaired.told, repaired.failed.len()), (4, 0));
    place.agree(&event).await;
    // A change that comes later mends what is due on its way.
    let held = place.reserve(&event, "ben", &[3], MINUTE).await;
    assert!(ended.confirm(&settle(&event, &held, "ben")).await.is_err());
    let mut connection = place.database.connect().await;
    connection
        .execute("UPDATE outbox SET due_at = now() WHERE done_at IS NULL")
        .await
        .unwrap();
    let next = place.reserve(&event, "cem", &[0], MINUTE).await;
    place
        .through
        .confirm(&settle(&event, &next, "cem"))
        .await
        .unwrap();
    place.agree(&event).await;
}

/// The master goes in the very moment between the two writes, since the ledger takes its time.
#[tokio::test(flavor = "multi_thread")]
async fn redis_fails_between_the_writes_and_is_told_when_it_is_back() {
    let Some(place) = Place::make("redis_fails_between_the_writes").await else {
        return;
    };
    let event = place.event(2).await;
    let held = place.reserve(&event, "ann", &[0], MINUTE).await;
    let mut connection = place.database.connect().await;
    connection
        .execute(
            "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1); RETURN new; END $$;
             CREATE TRIGGER slowly BEFORE INSERT ON reservations FOR EACH ROW EXECUTE FUNCTION slowly()",
        )
        .await
        .unwrap();
    let through = place.through.clone();
    let through = through.second_write_within(Duration::from_millis(800));
    let request = settle(&event, &held, "ann");
    let confirming = tokio::spawn(async move { through.confirm(&request).await });
    let until = Instant::now() + LONG;
    loop {
        let asleep = connection
            .fetch_one("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()")
            .await
            .unwrap();
        if asleep.get::<i64, _>(0) == 1 {
            break;
        }
        assert!(Instant::now() < until, "the ledger was never asked");
    }
    place.cluster.kill(place.master(&event));
    let written = confirming.await.unwrap().unwrap();
    assert!(written.behind.is_some());
    assert_eq!(written.done.seats, held.seats);
    assert_eq!(place.ledger.backlog().await.unwrap().open, 1);
    let slot = event.slot();
    let back = place.cluster.until(LONG, move |look| {
        (0..look.len()).any(|node| {
            look.is_running(node) && look.owner(node, slot) == Some(node) && look.is_ok(node)
        })
    });
    assert!(back.await);
    place.store.look_again().await;
    let repaired = place.through.repair(10, true).await.unwrap();
    assert_eq!((repaired.told, repaired.failed), (1, Vec::new()));
    place.agree(&event).await;
}

/// A failover forgets a hold, and somebody else gets the seat. Both want it confirmed: it is one's, and the other is told.
#[tokio::test]
async fn a_hold_that_a_failover_forgot_never_makes_a_second_owner() {
    let Some(place) = Place::make("a_hold_that_a_failover_forgot").await else {
        return;
    };
    for ann_first in [false, true] {
        let event = place.event(2).await;
        assert!(place.cluster.until(LONG, |look| look.is_settled()).await);
        // What its replica does not get: the hold, and that the event's token was moved on.
        let master = place.master(&event);
        place.cluster.partition(&[&[master]]);
        let lost = place.reserve(&event, "ann", &[0], MINUTE).await;
        place.fail_over(&event).await;
        place.cluster.heal();
        assert_eq!(place.state(&event, &lost).await, None);
        let found = place.reserve(&event, "ben", &[0], MINUTE).await;
        assert_eq!(
            found.token, lost.token,
            "the failover forgot the token as well"
        );

        let ann = settle(&event, &lost, "ann");
        let ben = settle(&event, &found, "ben");
        if ann_first {
            // She was on her way: she had asked Redis before the failover.
            let entry = Entry {
                event: event.clone(),
                reservation: lost.reservation.clone(),
                user: "ann".parse().unwrap(),
                seats: lost.seats.clone(),
                token: lost.token,
                operation: ann.operation.clone(),
            };
            place.ledger.confirm(&entry).await.unwrap();
            assert!(matches!(
                refusal_of(place.through.confirm(&ben).await),
                Refusal::HoldLost { .. }
            ));
            assert_eq!(place.through.confirm(&ann).await.unwrap().behind, None);
            assert_eq!(
                place.state(&event, &found).await,
                Some(ReservationState::Lost)
            );
        } else {
            assert!(matches!(
                refusal_of(place.through.confirm(&ann).await),
                Refusal::HoldLost { .. }
            ));
            place.through.confirm(&ben).await.unwrap();
            assert!(matches!(
                refusal_of(place.through.confirm(&ann).await),
                Refusal::HoldLost { .. }
            ));
        }
        let owners = place.ledger.confirmed(&event).await.unwrap();
        assert_eq!(owners.len(), 1);
        assert_eq!(
            owners[0].user.as_str(),
            if ann_first { "ann" } else { "ben" }
        );
        place.agree(&event).await;
        place.cluster.start_again(master).unwrap();
    }
}

/// After a failover that forgot tokens, a hold is refused once, as from before; the next one is newer than all that was.
#[tokio::test]
async fn tokens_grow_again_after_a_failover_that_forgot_some() {
    let Some(place) = Place::make("tokens_grow_again").await else {
        return;
    };
    let event = place.event(2).await;
    assert!(place.cluster.until(LONG, |look| look.is_settled()).await);
    place.cluster.partition(&[&[place.master(&event)]]);
    for _ in 0..3 {
        let held = place.reserve(&event, "ann", &[0], MINUTE).await;
        let through = &place.through;
        through
            .confirm(&settle(&event, &held, "ann"))
            .await
            .unwrap();
        through.cancel(&settle(&event, &held, "ann")).await.unwrap();
    }
    place.fail_over(&event).await;
    place.cluster.heal();
    let held = place.reserve(&event, "ben", &[0], MINUTE).await;
    assert_eq!(held.token, 1);
    assert_eq!(
        refusal_of(place.through.confirm(&settle(&event, &held, "ben")).await),
        Refusal::StaleToken { token: 3 }
    );
    place
        .through
        .cancel(&settle(&event, &held, "ben"))
        .await
        .unwrap();
    let held = place.reserve(&event, "ben", &[0], MINUTE).await;
    assert_eq!(held.token, 4);
    place
        .through
        .confirm(&settle(&event, &held, "ben"))
        .await
        .unwrap();
    place.agree(&event).await;
}

/// Held seats come back within a second of the later of their end and the promotion.
#[tokio::test]
async fn held_seats_come_back_when_their_time_is_over_and_the_master_is_promoted() {
    let Some(place) = Place::make("held_seats_come_back").await else {
        return;
    };
    let event = place.event(1).await;
    // It ends long before the replica takes over.
    let held = place
        .reserve(&event, "ann", &[0], Duration::from_millis(200))
        .await;
    assert!(place.cluster.until(LONG, |look| look.is_settled()).await);
    place.fail_over(&event).await;
    let promoted = Instant::now();
    let next = place.reserve(&event, "ben", &[0], MINUTE).await;
    assert!(
        promoted.elapsed() < Duration::from_secs(1),
        "{:?}",
        promoted.elapsed()
    );
    assert_ne!(next.reservation, held.reservation);
}

/// A transaction that a master which has become a replica refuses goes where it was sent on to, also as the first that is asked afterwards.
#[tokio::test]
async fn every_seat_is_read_at_the_new_master_though_the_old_one_answers() {
    let Some(place) = Place::make("every_seat_is_read_at_the_new_master").await else {
        return;
    };
    let event = place.event(2).await;
    assert!(place.cluster.until(LONG, |look| look.is_settled()).await);
    let (old, slot) = (place.master(&event), event.slot());
    place.cluster.freeze(old);
    let taken_over = place.cluster.until(LONG, move |look| {
        (0..look.len())
            .any(|new| new != old && look.owner(new, slot) == Some(new) && look.is_ok(new))
    });
    assert!(taken_over.await);
    place.cluster.thaw(old);
    let follows = place
        .cluster
        .until(LONG, move |look| look.master_of(old).is_some());
    assert!(follows.await);
    let seats = place.store.seats(&event).await.unwrap();
    assert_eq!(seats.free.len(), 2);
}

fn cache(place: &Place, ages: Ages) -> CacheAside {
    CacheAside::new(place.store.clone(), place.ledger.clone(), ages)
}

async fn sell(place: &Place, event: &EventId, seat: u32) {
    let held = place.reserve(event, "ann", &[seat], MINUTE).await;
    let written = place.through.confirm(&settle(event, &held, "ann")).await;
    assert_eq!(written.unwrap().behind, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_who_miss_at_once_make_one_query() {
    let Some(place) = Place::make("two_hundred_who_miss_at_once").await else {
        return;
    };
    let event = place.event(2).await;
    let cache = cache(&place, patient());
    let readers: Vec<_> = (0..200)
        .map(|_| {
            let (cache, event) = (cache.clone(), event.clone());
            tokio::spawn(async move { cache.sheet(&event).await.unwrap() })
        })
        .collect();
    for reader in readers {
        let (sheet, _) = reader.await.unwrap();
        assert_eq!(sheet.unwrap().seats, 2);
    }
    let counts = cache.counts();
    assert_eq!(counts.queries, 1, "{counts:?}");
    assert_eq!(counts.hits + counts.misses, 200, "{counts:?}");
    assert_eq!(cache.sheet(&event).await.unwrap().1, Source::Cache);
    assert_eq!(cache.counts().queries, 1);
    // The same for what is not there.
    let nobody = EventId::random();
    let readers: Vec<_> = (0..50)
        .map(|_| {
            let (cache, event) = (cache.clone(), nobody.clone());
            tokio::spawn(async move { cache.sheet(&event).await.unwrap().0 })
        })
        .collect();
    for reader in readers {
        assert_eq!(reader.await.unwrap(), None);
    }
    assert_eq!(cache.counts().queries, 2);
}

#[tokio::test]
async fn after_a_change_nobody_is_served_what_was_before() {
    let Some(place) = Place::make("after_a_change_nobody_is_served_what_was_before").await else {
        return;
    };
    let event = place.event(4).await;
    let cache = cache(&place, patient());
    for sold in 0..3 {
        for source in [Source::Ledger, Source::Cache] {
            let (sheet, from) = cache.sheet(&event).await.unwrap();
            assert_eq!((sheet.unwrap().sold, from), (sold, source));
        }
        sell(&place, &event, sold).await;
    }
}

#[tokio::test]
async fn a_reader_that_was_slow_cannot_put_an_old_value_back() {
    let Some(place) = Place::make("a_reader_that_was_slow").await else {
        return;
    };
    let event = place.event(4).await;
    let old = place.ledger.sheet(&event).await.unwrap().unwrap();
    let fill = async |sheet: &labrunner::app::ledger::Sheet| {
        let text = serde_json::to_string(sheet).unwrap();
        let filled = place
            .store
            .fill(&event, sheet.version, MINUTE, Duration::ZERO, &text);
        filled.await.unwrap().newer
    };
    assert_eq!(fill(&old).await, None);
    // There is a value, of another version; then no value, only the version; then a newer value.
    sell(&place, &event, 0).await;
    assert_eq!(fill(&old).await, Some(2));
    let new = place.ledger.sheet(&event).await.unwrap().unwrap();
    assert_eq!(fill(&new).await, None);
    assert_eq!(fill(&old).await, Some(2));
    let (sheet, source) = cache(&place, patient()).sheet(&event).await.unwrap();
    assert_eq!((sheet.unwrap().version, source), (2, Source::Cache));
}

/// A flight that has read the ledger before a change, and fills after it, reads again.
#[tokio::test(flavor = "multi_thread")]
async fn who_reads_while_it_changes_reads_again() {
    let Some(place) = Place::make("who_reads_while_it_changes").await else {
        return;
    };
    let event = place.event(40).await;
    let cache = cache(
        &place,
        Ages {
            ttl: Duration::from_millis(50),
            ..patient()
        },
    );
    let reading: Vec<_> = (0..4)
        .map(|_| {
            let (cache, event) = (cache.clone(), event.clone());
            tokio::spawn(async move {
                let mut last = 0;
                while last < 40 {
                    let (sheet, _) = cache.sheet(&event).await.unwrap();
                    let sold = sheet.unwrap().sold;
                    assert!(sold >= last, "{sold} after {last}");
                    last = sold;
                }
            })
        })
        .collect();
    for seat in 0..40 {
        sell(&place, &event, seat).await;
    }
    for reader in reading {
        tokio::time::timeout(LONG, reader).await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shortly_before_the_end_a_value_is_made_anew_and_readers_do_not_wait() {
    let Some(place) = Place::make("shortly_before_the_end").await else {
        return;
    };
    let event = place.event(2).await;
    let cache = cache(
        &place,
        Ages {
            ttl: Duration::from_millis(300),
            jitter: 0.0,
            // As if it took long to make.
            eagerness: 20.0,
            ..patient()
        },
    );
    cache.sheet(&event).await.unwrap();
    let until = Instant::now() + Duration::from_millis(1500);
    while Instant::now() < until {
        cache.sheet(&event).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let counts = cache.counts();
    // The first read found nothing; later ones nearly always something, which was made anew before its end.
    assert!(counts.early >= 1, "{counts:?}");
    assert!(counts.hits > counts.misses, "{counts:?}");
    assert!(counts.queries <= counts.early + counts.misses, "{counts:?}");
}

#[tokio::test]
async fn a_clock_that_is_an_hour_off_changes_nothing() {
    let Some(place) = Place::make("a_clock_that_is_an_hour_off").await else {
        return;
    };
    fn off(by: i64) -> u64 {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        (now.unwrap().as_millis() as u64).saturating_add_signed(by)
    }
    let clocks: [fn() -> u64; 2] = [|| off(3_600_000), || off(-3_600_000)];
    for clock in clocks {
        let event = place.event(2).await;
        let (store, ledger) = (place.store.clone(), place.ledger.clone());
        let ages = patient();
        let cache = CacheAside::with_clock(store, ledger, ages, clock);
        for _ in 0..50 {
            cache.sheet(&event).await.unwrap();
        }
        let counts = cache.counts();
        assert_eq!(
            (counts.queries, counts.hits, counts.early),
            (1, 49, 0),
            "{counts:?}"
        );
    }
    // And an hour that passes on the nodes only: holds end by their clock, the ledger's times are its own, and nothing compares the two.
    let event = place.event(2).await;
    place.cluster.sleep(Duration::from_secs(3600)).await;
    sell(&place, &event, 0).await;
    place.agree(&event).await;
}

/// Reads both sides while the ledger changes and nobody tells Redis: the worst that can be. What is served is never older than the bound.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_served_is_never_older_than_the_bound() {
    let Some(place) = Place::make("what_is_served_is_never_older_than_the_bound").await else {
        return;
    };
    let event = place.event(100).await;
    let ages = Ages {
        ttl: Duration::from_millis(400),
        load: Duration::from_secs(5),
        ..patient()
    };
    let cache = cache(&place, ages);
    let writer = {
        let (ledger, event) = (place.ledger.clone(), event.clone());
        tokio::spawn(async move {
            // When each version came to be, at the latest.
            let mut committed = Vec::new();
            for seat in 0..30_u32 {
                let entry = Entry {
                    event: event.clone(),
                    reservation: labrunner::app::request::ReservationId::random(),
                    user: "ann".parse().unwrap(),
                    seats: vec![Seat::at(seat)],
                    token: 1,
                    operation: OperationId::random(),
                };
                let version = ledger.confirm(&entry).await.unwrap().version;
                committed.push((version, Instant::now()));
                tokio::time::sleep(Duration::from_millis(80)).await;
            }
            committed
        })
    };
    let mut served = Vec::new();
    while !writer.is_finished() {
        let asked = Instant::now();
        let (sheet, _) = cache.sheet(&event).await.unwrap();
        served.push((asked, sheet.unwrap().version));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let committed = writer.await.unwrap();
    let mut oldest = Duration::ZERO;
    for (asked, version) in served {
        // Since when there has been something newer than what was served.
        let newer = committed.iter().find(|(other, _)| *other > version);
        if let Some((_, since)) = newer {
            oldest = oldest.max(asked.saturating_duration_since(*since));
        }
    }
    assert!(oldest <= ages.bound(), "{oldest:?}");
    // It was a test: something old was served.
    assert!(oldest > Duration::from_millis(50), "{oldest:?}");
    eprintln!("oldest {oldest:?}, bound {:?}", ages.bound());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_cache_the_ledger_is_asked_once_for_all() {
    let Some(place) = Place::make("without_the_cache").await else {
        return;
    };
    let event = place.event(2).await;
    for node in 0..place.cluster.len() {
        place.cluster.freeze(node);
    }
    let cache = cache(&place, Ages::default());
    let readers: Vec<_> = (0..50)
        .map(|_| {
            let (cache, event) = (cache.clone(), event.clone());
            tokio::spawn(async move { cache.sheet(&event).await.unwrap() })
        })
        .collect();
    for reader in readers {
        let (sheet, source) = reader.await.unwrap();
        assert_eq!((sheet.unwrap().seats, source), (2, Source::Ledger));
    }
    let counts = cache.counts();
    assert_eq!(counts.without_cache, 50, "{counts:?}");
    assert!(counts.queries < 5, "{counts:?}");
    for node in 0..place.cluster.len() {
        place.cluster.thaw(node);
    }
}

/// Without the database what is cached is served, and changes are refused; nothing is half done.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_ledger_the_cache_serves_and_nothing_is_sold() {
    let Some(place) = Place::make("without_the_ledger").await else {
        return;
    };
    let event = place.event(2).await;
    let nowhere = Ledger::open(&LedgerSettings {
        deadline: Duration::from_millis(500),
        ..LedgerSettings::new("postgres://postgres@127.0.0.1:1/x")
    })
    .unwrap();
    cache(&place, patient()).sheet(&event).await.unwrap();
    let (store, ages) = (place.store.clone(), patient());
    let cached = CacheAside::new(store.clone(), nowhere.clone(), ages);
    let (sheet, source) = cached.sheet(&event).await.unwrap();
    assert_eq!((sheet.unwrap().seats, source), (2, Source::Cache));
    let error = cached.sheet(&EventId::random()).await.unwrap_err();
    assert_eq!(error.kind(), "ledger_unreachable");
    let held = place.reserve(&event, "ann", &[0], MINUTE).await;
    let through = WriteThrough::new(store, nowhere);
    let error = through.confirm(&settle(&event, &held, "ann")).await;
    assert!(matches!(error, Err(AppError::LedgerUnreachable { .. })));
    assert_eq!(
        place.state(&event, &held).await,
        Some(ReservationState::Held)
    );
    place
        .through
        .confirm(&settle(&event, &held, "ann"))
        .await
        .unwrap();
    place.agree(&event).await;
}
