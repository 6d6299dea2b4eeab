//! Cache-aside: who asks the ledger, what is served how long, and what a slow reader can do.

use std::time::{Duration, Instant};

use labrunner::app::answer::ReservationState;
use labrunner::app::ledger::{Entry, Ledger, LedgerSettings};
use labrunner::app::patterns::cache_aside::{Ages, Source};
use labrunner::app::patterns::{CacheAside, WriteThrough};
use labrunner::app::request::OperationId;
use labrunner::app::{AppError, EventId, Seat};

use crate::place::{LONG, MINUTE, Place, settle};

/// As it is by default, but for a cache that is slow on a machine under load.
fn patient() -> Ages {
    Ages {
        cache: Duration::from_secs(20),
        ..Ages::default()
    }
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
    let until = Instant::now() + LONG;
    let counts = loop {
        cache.sheet(&event).await.unwrap();
        let counts = cache.counts();
        if counts.early >= 1 && counts.hits > counts.misses {
            break counts;
        }
        assert!(Instant::now() < until, "nothing is made anew: {counts:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    // The first read found nothing; later ones nearly always something, which was made anew before its end.
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
            let mut pace = tokio::time::interval(Duration::from_millis(80));
            for seat in 0..30_u32 {
                pace.tick().await;
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
            }
            committed
        })
    };
    let mut served = Vec::new();
    let mut pace = tokio::time::interval(Duration::from_millis(5));
    while !writer.is_finished() {
        pace.tick().await;
        let asked = Instant::now();
        let (sheet, _) = cache.sheet(&event).await.unwrap();
        served.push((asked, sheet.unwrap().version));
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
