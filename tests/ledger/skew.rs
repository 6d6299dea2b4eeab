//! PostgreSQL's clock an hour before or behind Redis's and the application's, and one that jumps: no hold, and nothing that Redis is told, goes by it.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use labrunner::admin::{Shape, create};
use labrunner::app::answer::Held;
use labrunner::app::ledger::{Ledger, LedgerSettings, schema};
use labrunner::app::patterns::cache_aside::{Ages, Source};
use labrunner::app::patterns::{CacheAside, WriteThrough};
use labrunner::app::request::{CreateEvent, OperationId, Reserve, Wanted};
use labrunner::app::{AppError, EventId, Refusal, Seat, Settings, Store};
use labrunner::backend::postgres::{Options, Server, Stop};
use labrunner::cluster::{Endpoint, NodeName};
use rstest::rstest;
use sqlx::{Connection, PgConnection};

use crate::place::{LONG, MINUTE, settle};
use crate::refusal_of;
use crate::servers::Servers;
use crate::support::{may_run, skip};

/// As long as a hold lasts that is to end.
const SHORT: Duration = Duration::from_millis(1500);
/// What takes as long as an hour here has gone by the wrong clock.
const SOON: Duration = Duration::from_secs(40);

/// The library that shows a process another time (Debian's package faketime).
fn library() -> Option<PathBuf> {
    let places = [
        "/usr/lib/*/faketime/libfaketimeMT.so.1",
        "/usr/lib*/faketime/libfaketimeMT.so.1",
    ];
    let found = places.iter().flat_map(|place| glob::glob(place).unwrap());
    found.flatten().next()
}

/// A PostgreSQL whose clock is off by this much, a Redis whose clock is right, and the application between them.
struct Place {
    server: Server,
    _servers: Servers,
    store: Store,
    ledger: Ledger,
    through: WriteThrough,
    event: EventId,
}

impl Place {
    async fn make(test: &str, offset: &str) -> Option<Place> {
        if !may_run("postgres", test) || !may_run("redis", test) {
            return None;
        }
        let Some(library) = library() else {
            let why = "there is no libfaketime here: apt-get install faketime";
            skip("faketime", test, why);
            return None;
        };
        let environment = [
            ("LD_PRELOAD", library.to_str().unwrap()),
            ("FAKETIME", offset),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ];
        let options = Options {
            environment: environment
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            ..Options::default()
        };
        let server = tokio::task::spawn_blocking(move || Server::start(&options).unwrap())
            .await
            .unwrap();
        let servers = Servers::start(1);
        let shape = Shape {
            node_timeout: Some(Duration::from_secs(5)),
            masters: [(NodeName::new("redis-1"), "0-16383".parse().unwrap())].into(),
            replicas: [].into(),
        };
        create(&servers.book(), &shape, LONG, &|_| {})
            .await
            .unwrap();
        let at = servers.address("redis-1").reachable;
        let store = Store::connect(Settings {
            nodes: vec![Endpoint::new(at.ip().to_string(), at.port())],
            ..Settings::default()
        })
        .await
        .unwrap();
        let settings = LedgerSettings::new(server.socket_url("postgres"));
        schema::up(&Ledger::open(&settings).unwrap()).await.unwrap();
        let ledger = Ledger::connect(&settings).await.unwrap();
        let through = WriteThrough::new(store.clone(), ledger.clone())
            .second_write_within(Duration::from_secs(20));
        let request = CreateEvent {
            name: "Test".parse().unwrap(),
            seats: 10,
            on_slots: None,
        };
        let made = through.create_event(&request).await.unwrap();
        assert_eq!(made.behind, None);
        Some(Place {
            server,
            _servers: servers,
            store,
            ledger,
            through,
            event: made.done.event,
        })
    }

    /// By how many seconds PostgreSQL's clock is before ours.
    async fn ahead(&self) -> f64 {
        let url = self.server.socket_url("postgres");
        let mut connection = PgConnection::connect(&url).await.unwrap();
        let query = "SELECT extract(epoch FROM clock_timestamp())::float8";
        let theirs: f64 = sqlx::query_scalar(query)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        let ours = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        theirs - ours.as_secs_f64()
    }

    async fn reserve(&self, user: &str, seat: u32, hold: Duration) -> Result<Held, AppError> {
        let request = Reserve {
            event: self.event.clone(),
            wanted: Wanted::These(vec![Seat::at(seat)]),
            user: user.parse().unwrap(),
            hold,
            operation: OperationId::random(),
        };
        self.store.reserve(&request).await
    }

    /// Tries until there is an answer that is wanted. Says how long it took from `begun` on.
    async fn until<T>(
        &self,
        begun: Instant,
        what: &str,
        look: impl AsyncFn() -> Option<T>,
    ) -> (T, Duration) {
        loop {
            if let Some(found) = look().await {
                return (found, begun.elapsed());
            }
            assert!(begun.elapsed() < SOON, "not within {SOON:?}: {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A sale that Redis is not told of.
    async fn sell_and_stop_between(&self, seat: u32) {
        let held = self.reserve("ann", seat, MINUTE).await.unwrap();
        let through = self.through.clone().stopping_between();
        let sold = through.confirm(&settle(&self.event, &held, "ann")).await;
        assert!(sold.is_err(), "{sold:?}");
        let backlog = self.ledger.backlog().await.unwrap();
        assert_eq!(backlog.open, 1);
        assert!(
            u128::from(backlog.oldest_ms) < SOON.as_millis(),
            "{backlog:?}"
        );
    }

    /// Redis is told what it was not, once the time for it has come: not by `--all`, which asks for no time.
    async fn is_told(&self) {
        let told = async || {
            self.through.repair(100, false).await.unwrap();
            (self.ledger.backlog().await.unwrap().open == 0).then_some(())
        };
        self.until(Instant::now(), "Redis is told", told).await;
    }
}

#[rstest]
#[case::before("+1h", 3600.0)]
#[case::behind("-1h", -3600.0)]
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_an_hour_off_changes_nothing(
    #[case] offset: &str,
    #[case] seconds: f64,
) {
    let test = "a_database_that_is_an_hour_off_changes_nothing";
    let Some(place) = Place::make(test, offset).await else {
        return;
    };
    let ahead = place.ahead().await;
    assert!((ahead - seconds).abs() < 60.0, "{ahead}");

    // A hold lasts as long as was said, and is over then.
    let begun = Instant::now();
    let held = place.reserve("ann", 0, SHORT).await.unwrap();
    let refused = refusal_of(place.reserve("ben", 0, MINUTE).await);
    assert!(matches!(refused, Refusal::Taken { .. }), "{refused:?}");
    let freed = async || place.reserve("ben", 0, MINUTE).await.ok();
    let (of_ben, took) = place.until(begun, "the seat comes back", freed).await;
    assert!(took >= SHORT, "{took:?}");
    let request = settle(&place.event, &held, "ann");
    let late = refusal_of(place.through.confirm(&request).await);
    assert!(matches!(late, Refusal::Expired { .. }), "{late:?}");

    // One that is not over is confirmed, and Redis and the ledger say the same.
    let request = settle(&place.event, &of_ben, "ben");
    let sold = place.through.confirm(&request).await.unwrap();
    assert_eq!(sold.behind, None);
    let confirmed = place.ledger.confirmed(&place.event).await.unwrap();
    assert_eq!(confirmed.len(), 1);
    assert_eq!(
        place.store.availability(&place.event).await.unwrap().sold,
        1
    );

    place.sell_and_stop_between(1).await;
    place.is_told().await;
    assert_eq!(
        place.store.availability(&place.event).await.unwrap().sold,
        2
    );

    // What is cached ends at its time, by the node's clock.
    let ages = Ages {
        ttl: SHORT,
        jitter: 0.0,
        eagerness: 0.0,
        ..Ages::default()
    };
    let cache = CacheAside::new(place.store.clone(), place.ledger.clone(), ages);
    let begun = Instant::now();
    let (sheet, _) = cache.sheet(&place.event).await.unwrap();
    assert_eq!(sheet.unwrap().sold, 2);
    assert_eq!(cache.sheet(&place.event).await.unwrap().1, Source::Cache);
    let missed =
        async || (cache.sheet(&place.event).await.unwrap().1 == Source::Ledger).then_some(());
    place.until(begun, "the value ends", missed).await;
}

/// What was to be done in two seconds is not put off for an hour, and a worker that has died does not keep its streams for one.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_whose_clock_is_set_back_an_hour_goes_on() {
    let test = "a_database_whose_clock_is_set_back_an_hour_goes_on";
    let Some(mut place) = Place::make(test, "+1h").await else {
        return;
    };
    let streams = [place.event.to_string()];
    place.sell_and_stop_between(0).await;
    let of_the_dead = place.ledger.lease("dead", "dead", &streams).await.unwrap();
    assert_eq!(of_the_dead.len(), 1);

    place.server.stop(Stop::Fast).unwrap();
    place.server.set_environment("FAKETIME", "+0");
    place.server.start_again().unwrap();
    let ahead = place.ahead().await;
    assert!(ahead.abs() < 60.0, "{ahead}");

    place.is_told().await;
    assert_eq!(
        place.store.availability(&place.event).await.unwrap().sold,
        1
    );
    let taken = async || {
        let leases = place
            .ledger
            .lease("alive", "alive", &streams)
            .await
            .unwrap();
        (leases.len() == 1).then_some(())
    };
    place
        .until(Instant::now(), "the dead worker's stream is taken", taken)
        .await;
}
