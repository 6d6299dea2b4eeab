//! What a hit of the cache costs: a read through cache-aside against a plain GET of the same key by the same client, on a real cluster of one
//! local master and a real PostgreSQL.
//!
//! `cargo bench --bench cache_aside` measures both in turn, in rounds of 20,000 reads by 16 readers, 21 times. It fails unless the median of the
//! rounds' ratios is at most 1.15; and prints the fastest round of each, which is the least disturbed where others are at work.
//! `-- --rounds N` for another number, `--no-limits` to print without judging (on a machine that is busy).
//!
//! Then for 20 s (`--seconds N`) the ledger changes ten times a second and nobody tells Redis, while a checker reads the cache and knows when each
//! version was committed: the oldest that was served has to be within the bound.

mod campaign;
#[path = "../tests/servers/mod.rs"]
mod servers;
#[path = "../tests/support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use campaign::{Call, spread};
use labrunner::admin::{Shape, create};
use labrunner::app::ledger::{Entry, Ledger, LedgerSettings, schema};
use labrunner::app::patterns::cache_aside::{Ages, Source};
use labrunner::app::patterns::{CacheAside, WriteThrough};
use labrunner::app::request::{CreateEvent, OperationId, ReservationId};
use labrunner::app::{EventId, Seat, Settings, Store};
use labrunner::backend::postgres::{Options, Server};
use labrunner::cluster::{Endpoint, NodeName};
use servers::Servers;

/// The most that a hit may cost, in plain GETs.
const MOST: f64 = 1.15;
const READERS: usize = 16;
const READS: usize = 20_000;
/// Of what the checker reads.
const SHORT: Ages = Ages {
    ttl: Duration::from_secs(2),
    jitter: 0.1,
    nothing: Duration::from_secs(1),
    eagerness: 1.0,
    load: Duration::from_secs(1),
    cache: Duration::from_millis(500),
    pause: Duration::ZERO,
};

fn main() -> ExitCode {
    let Some(asked) = Call::read() else {
        return ExitCode::SUCCESS;
    };
    let rounds = asked.number("--rounds", 21);
    let server = Server::start(&Options::default()).expect("a PostgreSQL server");
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let (ratios, queries, oldest) =
        runtime.block_on(measured(&server, rounds, asked.number("--seconds", 20)));
    let bound = SHORT.bound();
    println!("the oldest that was served: {oldest:.2?} after the change; the bound is {bound:?}");
    if oldest > bound {
        println!("FAILED: older than the bound");
        return ExitCode::FAILURE;
    }
    let (least, median, most) = spread(&ratios).expect("a round at least");
    println!(
        "a hit in plain GETs: median {median:.3}, {least:.3} to {most:.3} of {rounds}; {queries} queries"
    );
    match median <= MOST || !asked.judges() {
        true => ExitCode::SUCCESS,
        false => {
            println!("FAILED: at most {MOST} is allowed");
            ExitCode::FAILURE
        }
    }
}

async fn measured(server: &Server, rounds: usize, seconds: usize) -> (Vec<f64>, u64, Duration) {
    let servers = one_master().await;
    let at = servers.address("redis-1").reachable;
    let store = Store::connect(Settings {
        nodes: vec![Endpoint::new(at.ip().to_string(), at.port())],
        ..Settings::default()
    })
    .await
    .expect("a store");
    let settings = LedgerSettings::new(server.socket_url("postgres"));
    schema::up(&Ledger::open(&settings).expect("an address"))
        .await
        .expect("a schema");
    let ledger = Ledger::connect(&settings).await.expect("a ledger");
    let request = CreateEvent {
        name: "Bench".parse().expect("a name"),
        seats: 100,
        on_slots: None,
    };
    let through = WriteThrough::new(store.clone(), ledger.clone());
    let event = through
        .create_event(&request)
        .await
        .expect("an event")
        .done
        .event;
    let ages = Ages {
        ttl: Duration::from_secs(3600),
        ..Ages::default()
    };
    let short = CacheAside::new(store.clone(), ledger.clone(), SHORT);
    let cache = CacheAside::new(store.clone(), ledger.clone(), ages);
    cache.sheet(&event).await.expect("a fill");
    let mut ratios = Vec::new();
    let (mut fastest_plain, mut fastest_hit) = (Duration::MAX, Duration::MAX);
    for round in 0..=rounds {
        // Who comes first takes turns.
        let (plain, hit) = match round % 2 {
            0 => {
                let plain = gets(&store, &event).await;
                (plain, hits(&cache, &event).await)
            }
            _ => {
                let hit = hits(&cache, &event).await;
                (gets(&store, &event).await, hit)
            }
        };
        // The first round warms up.
        if round > 0 {
            ratios.push(hit.as_secs_f64() / plain.as_secs_f64());
            fastest_plain = fastest_plain.min(plain);
            fastest_hit = fastest_hit.min(hit);
            println!(
                "{round:>3}  GET {:>7.1} µs  hit {:>7.1} µs  {:.3}",
                micros(plain),
                micros(hit),
                hit.as_secs_f64() / plain.as_secs_f64()
            );
        }
    }
    println!(
        "fastest rounds: GET {:.1} µs, hit {:.1} µs, {:.3}",
        micros(fastest_plain),
        micros(fastest_hit),
        fastest_hit.as_secs_f64() / fastest_plain.as_secs_f64()
    );
    let of_ages = CreateEvent {
        seats: 10_000,
        ..request
    };
    let event = through.create_event(&of_ages).await.expect("an event");
    let oldest = oldest_served(&short, &ledger, &event.done.event, seconds);
    (ratios, cache.counts().queries, oldest.await)
}

/// How long after a change something older was served, at most.
async fn oldest_served(
    cache: &CacheAside,
    ledger: &Ledger,
    event: &EventId,
    seconds: usize,
) -> Duration {
    let writer = {
        let (ledger, event) = (ledger.clone(), event.clone());
        tokio::spawn(async move {
            let mut committed = Vec::new();
            for seat in 0..seconds as u32 * 10 {
                let entry = Entry {
                    event: event.clone(),
                    reservation: ReservationId::random(),
                    user: "bench".parse().expect("a user"),
                    seats: vec![Seat::at(seat)],
                    token: 1,
                    operation: OperationId::random(),
                };
                let change = ledger.confirm(&entry).await.expect("a confirmation");
                committed.push((change.version, Instant::now()));
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            committed
        })
    };
    let mut served = Vec::new();
    while !writer.is_finished() {
        let asked = Instant::now();
        let (sheet, _) = cache.sheet(event).await.expect("an answer");
        served.push((asked, sheet.expect("an event").version));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let committed = writer.await.expect("no panic");
    let ages = served.iter().filter_map(|(asked, version)| {
        // Since when there was something newer.
        let (_, since) = committed.iter().find(|(newer, _)| newer > version)?;
        Some(asked.saturating_duration_since(*since))
    });
    ages.max().unwrap_or_default()
}

/// Of one read, with the others going on.
fn micros(all: Duration) -> f64 {
    all.as_secs_f64() * 1e6 / READS as f64
}

async fn gets(store: &Store, event: &EventId) -> Duration {
    let begun = Instant::now();
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let (store, event) = (store.clone(), event.clone());
            tokio::spawn(async move {
                for _ in 0..READS / READERS {
                    let text = store.cached(&event).await.expect("an answer");
                    assert!(text.is_some());
                }
            })
        })
        .collect();
    for reader in readers {
        reader.await.expect("no panic");
    }
    begun.elapsed()
}

async fn hits(cache: &CacheAside, event: &EventId) -> Duration {
    let begun = Instant::now();
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let (cache, event) = (cache.clone(), event.clone());
            tokio::spawn(async move {
                for _ in 0..READS / READERS {
                    let (sheet, source) = cache.sheet(&event).await.expect("an answer");
                    assert!(sheet.is_some() && source == Source::Cache);
                }
            })
        })
        .collect();
    for reader in readers {
        reader.await.expect("no panic");
    }
    begun.elapsed()
}

async fn one_master() -> Servers {
    let servers = Servers::start(1);
    let shape = Shape {
        node_timeout: Some(Duration::from_secs(5)),
        masters: [(NodeName::new("redis-1"), "0-16383".parse().expect("slots"))].into(),
        replicas: [].into(),
    };
    create(&servers.book(), &shape, Duration::from_secs(30), &|_| {})
        .await
        .expect("a cluster");
    servers
}
