//! Acknowledged reservations lost on purpose, and what `durable` does about it.
//!
//! A master is frozen while hundreds of holds are on their way to it, from a writer that waits patiently. Its replica takes over, and sells. Thawed, the
//! old master carries out what lies in its buffers and acknowledges it, before it hears that it is none any more; then it becomes a
//! replica, and forgets.

use std::time::{Duration, Instant};

use labrunner::app::request::{OperationId, Reserve, User, Wanted};
use labrunner::app::{AppError, EventId, Settings, Store};
use labrunner::cluster::NodeName;
use labrunner::observe;
use tokio::task::JoinSet;

use super::stage::{FAILING, Fault, Stage};
use super::traffic::HOLD;

/// Holds on their way to the frozen master.
const WRITES: u64 = 500;
/// They come from so many clients: one client with more than 200 requests in flight may not recover, which is another matter.
const WRITERS: u64 = 4;
/// Seats that the new master sells meanwhile.
const MEANWHILE: u64 = 500;
/// Holds of which the latency is taken, and how many at a time.
const TIMED: (u64, u64) = (4000, 50);
/// Without `durable`, so many have to be lost, or the loss was not made.
const MUST_LOSE: usize = 200;

#[derive(Default)]
struct Loss {
    p50: Duration,
    p99: Duration,
    acknowledged: usize,
    not_durable: usize,
    errors: Vec<String>,
    lost: usize,
    sold_twice: usize,
}

/// With and without `durable`. Whether the loss could be shown, and was less with it.
pub async fn campaign() -> bool {
    println!(
        "durable  p50 ms  p99 ms  acknowledged of {WRITES}  not durable  errors  lost  seats told to two"
    );
    let mut lost = Vec::new();
    for durable in [false, true] {
        let loss = one(durable).await;
        println!(
            "{:7}  {:6.2}  {:6.2}  {:19}  {:11}  {:6}  {:4}  {:17}",
            if durable { "yes" } else { "no" },
            loss.p50.as_secs_f64() * 1000.0,
            loss.p99.as_secs_f64() * 1000.0,
            loss.acknowledged,
            loss.not_durable,
            loss.errors.len(),
            loss.lost,
            loss.sold_twice,
        );
        if let Some(first) = loss.errors.first() {
            println!("         the first error: {first}");
        }
        lost.push((loss.lost, loss.errors.len()));
    }
    lost[0].0 >= MUST_LOSE && lost[1].0 < lost[0].0 && lost[1].1 == 0
}

async fn one(durable: bool) -> Loss {
    let stage = Stage::build(if durable { "durable" } else { "lose" }).await;
    // It waits longer than the pause lasts: the application's own attempt of 0.5 s would be given up, and asked of the new master.
    let patient = Settings {
        attempt: Duration::from_secs(20),
        deadline: Duration::from_secs(60),
        in_flight: 150,
        durable,
        ..stage.settings()
    };
    let mut writers = Vec::new();
    for _ in 0..WRITERS {
        let store = Store::connect(patient.clone()).await;
        writers.push(store.expect("a store"));
    }
    let store = stage.store().await;
    store.load_scripts().await;
    let (timed, event) = (
        crate::event(&store, 0, 10_000).await,
        crate::event(&store, 0, 5_000).await,
    );
    let mut loss = Loss::default();
    let mut times: Vec<Duration> = many(&writers[0], &timed, "timed", TIMED.0, TIMED.1)
        .await
        .into_iter()
        .map(|held| held.took)
        .collect();
    times.sort_unstable();
    loss.p50 = times[times.len() / 2];
    loss.p99 = times[times.len() * 99 / 100];
    // All connections that the writer will use are there before the pause.
    all_of(&writers, &timed, "early").await;

    let watch = observe::Recorder::prepare(&stage.book(), &NodeName::new(FAILING)).await;
    let recording = watch.expect("a failover to record").begin();
    stage.break_it(Fault::Pause).await;
    let writing = tokio::spawn({
        let (writers, event) = (writers.clone(), event.clone());
        async move { all_of(&writers, &event, "before").await }
    });
    let promoted = recording.until(|seen| seen.promoted.is_some());
    let promoted = tokio::time::timeout(Duration::from_secs(15), promoted).await;
    promoted.expect("a replica takes over");
    recording.stop().await;
    let others = many(&stage.store().await, &event, "after", MEANWHILE, 50).await;
    stage.mend(Fault::Pause).await;
    let written = writing.await.expect("no panic");
    stage.until_in_sync(FAILING).await;

    let store = stage.store().await;
    let seats = store.seats(&event).await.expect("the seats");
    let theirs: Vec<String> = others.iter().flat_map(Written::seats).collect();
    for one in &written {
        match &one.answer {
            Ok(held) => {
                loss.acknowledged += 1;
                let id = held.reservation.to_string();
                loss.lost += usize::from(!seats.reservations.contains_key(&id));
                let both = one.seats().into_iter().filter(|seat| theirs.contains(seat));
                loss.sold_twice += both.count();
            }
            Err(AppError::NotDurable { .. }) => loss.not_durable += 1,
            Err(error) => loss.errors.push(error.to_string()),
        }
    }
    stage.remove().await;
    loss
}

struct Written {
    took: Duration,
    answer: Result<labrunner::app::answer::Held, AppError>,
}

impl Written {
    fn seats(&self) -> Vec<String> {
        let seats = self.answer.iter().flat_map(|held| &held.seats);
        seats.map(ToString::to_string).collect()
    }
}

/// [`WRITES`] holds at once, by all of the writers.
async fn all_of(writers: &[Store], event: &EventId, who: &str) -> Vec<Written> {
    let mut writing = JoinSet::new();
    for (at, store) in writers.iter().enumerate() {
        let (store, event, who) = (store.clone(), event.clone(), format!("{who}-{at}"));
        let count = WRITES / WRITERS;
        writing.spawn(async move { many(&store, &event, &who, count, count).await });
    }
    writing.join_all().await.into_iter().flatten().collect()
}

/// Holds `count` seats, one a request, `at_once` at a time.
async fn many(store: &Store, event: &EventId, who: &str, count: u64, at_once: u64) -> Vec<Written> {
    let mut asking = JoinSet::new();
    for first in 0..at_once {
        let (store, event, who) = (store.clone(), event.clone(), who.to_owned());
        asking.spawn(async move {
            let mut written = Vec::new();
            for number in (first..count).step_by(at_once as usize) {
                let user: User = format!("{who}-{number}").parse().expect("a user");
                let request = Reserve {
                    event: event.clone(),
                    wanted: Wanted::Any(1),
                    user,
                    hold: HOLD,
                    operation: OperationId::random(),
                };
                let begun = Instant::now();
                let answer = store.reserve(&request).await;
                let took = begun.elapsed();
                written.push(Written { took, answer });
            }
            written
        });
    }
    asking.join_all().await.into_iter().flatten().collect()
}
