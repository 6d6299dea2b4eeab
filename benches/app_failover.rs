//! The application while a master fails: what is answered, what is lost, and when it goes on.
//!
//! `cargo bench --bench app_failover` lets each of four faults befall a master 5 times, on containers, under 500 requests a second
//! for 30 s: `docker stop`, `docker kill`, a cut network, and a pause longer than the node timeout. Every request is remembered with
//! its answer, and after the recovery each is asked again by a new client under its own operation id. It fails unless in every run no seat was sold
//! twice, every repeated request got its first answer (but those whose record the failover lost, which are counted), the first
//! request of the failed master's was answered within 1 s of the promotion, none failed later than that, and all masters answered to the end.
//!
//! `-- --fault stop|kill|network|pause` for one of them; `--runs N` for so many runs of each; `--seconds N` for the length of the load, 22 at
//! the least; `--lose` for acknowledged reservations lost on purpose, and what `durable` costs and saves, in place of all that; `--no-limits` to
//! print the times without judging them (on a machine that is busy).

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use app_failover::stage::{FAILING, Fault, SHARDS, Stage};
use app_failover::traffic::{Answer, Exchange, Place, Traffic, claims};
use app_failover::{lose, repeat};
use campaign::{Call, spread};
use labrunner::app::audit::Claims;
use labrunner::app::request::CreateEvent;
use labrunner::app::{EventId, Store};
use labrunner::cluster::NodeName;
use labrunner::load::{OpenLoop, Recorder};
use labrunner::observe;
use tokio_util::sync::CancellationToken;

mod app_failover {
    pub mod lose;
    pub mod repeat;
    pub mod stage;
    pub mod traffic;
}
mod campaign;

const RATE: u32 = 500;
/// As many as the application's own load test has under way at the most.
const IN_FLIGHT: usize = 2048;
/// From the start of the load to the fault.
const FAULT_AT: Duration = Duration::from_secs(5);
/// From the start of a pause to its end: the replica has taken over long before.
const PAUSED: Duration = Duration::from_secs(12);
/// The most that may pass from the promotion to the first answer.
const FIRST_ANSWER: Duration = Duration::from_secs(1);
/// At the end, every master has to answer in each of so many seconds.
const LAST_SECONDS: u64 = 5;
/// Events of each master: those with seats for all, and one that sells out.
const EVENTS: [u32; 4] = [2000, 2000, 2000, 100];

/// What came of one run.
#[derive(Default)]
struct Run {
    requests: usize,
    /// From the fault, in seconds.
    promoted: Option<f64>,
    /// From the promotion to the first answer for a slot of the failed master, in milliseconds.
    first_answer_ms: Option<f64>,
    /// The longest time in which the other masters answered nothing, in milliseconds.
    elsewhere_ms: f64,
    errors: usize,
    lost: usize,
    lost_holds: usize,
    sold_twice: u64,
    retries: u64,
    rebuilds: u64,
    asked_again: usize,
    /// What must hold and did not.
    broken: Vec<String>,
    /// Times that are over their limits.
    late: Vec<String>,
}

fn main() -> ExitCode {
    let Some(call) = Call::read() else {
        return ExitCode::SUCCESS;
    };
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    if call.has("--lose") {
        return match runtime.block_on(lose::campaign()) {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        };
    }
    let runs = call.number("--runs", 5);
    let length = Duration::from_secs(call.number("--seconds", 30).max(22) as u64);
    let faults: Vec<Fault> = Fault::ALL
        .into_iter()
        .filter(|fault| call.word("--fault").is_none_or(|name| name == fault.name()))
        .collect();
    if faults.is_empty() {
        println!("no such fault");
        return ExitCode::FAILURE;
    }
    println!(
        "fault    run  requests  promoted s  first answer ms  others silent ms  errors  lost  of these holds  sold twice  asked again  retries  clients made"
    );
    let (mut good, mut all) = (true, Vec::new());
    for fault in faults {
        let mut firsts = Vec::new();
        for number in 1..=runs {
            let run = runtime.block_on(one(fault, number, length));
            let shown = |number: Option<f64>, digits: usize| {
                number.map_or_else(|| "?".to_owned(), |number| format!("{number:.digits$}"))
            };
            println!(
                "{:7}  {number:3}  {:8}  {:>10}  {:>15}  {:16.0}  {:6}  {:4}  {:14}  {:10}  {:11}  {:7}  {:12}",
                fault.name(),
                run.requests,
                shown(run.promoted, 2),
                shown(run.first_answer_ms, 0),
                run.elsewhere_ms,
                run.errors,
                run.lost,
                run.lost_holds,
                run.sold_twice,
                run.asked_again,
                run.retries,
                run.rebuilds,
            );
            for what in run.broken.iter().chain(&run.late) {
                println!("         {what}");
            }
            good &= run.broken.is_empty() && (run.late.is_empty() || !call.judges());
            firsts.extend(run.first_answer_ms);
        }
        told(fault.name(), &firsts);
        all.extend(firsts);
    }
    told("all", &all);
    match good {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn told(name: &str, firsts: &[f64]) {
    if let Some((least, middle, most)) = spread(firsts) {
        println!(
            "{name}: first answer after the promotion: minimum {least:.0} ms, median {middle:.0} ms, maximum {most:.0} ms, of {}",
            firsts.len()
        );
    }
}

/// One failover under load.
async fn one(fault: Fault, number: usize, length: Duration) -> Run {
    let stage = Stage::build(&format!("{}-{number}", fault.name())).await;
    let store = stage.store().await;
    let mut places = Vec::new();
    for shard in 0..SHARDS.len() {
        for seats in EVENTS {
            let event = event(&store, shard, seats).await;
            places.push(Place { event, shard });
        }
    }
    store.load_scripts().await;
    let traffic = Arc::new(Traffic::new(store.clone(), places.clone(), number as u64));
    let load = OpenLoop {
        rate: RATE,
        length,
        in_flight: IN_FLIGHT,
        backlog: OpenLoop::backlog(RATE),
    };
    let recorder = Arc::new(Recorder::new(Duration::ZERO));
    let begun = Instant::now();
    let (stop, stage_here) = (CancellationToken::new(), &stage);
    let load = load.run(traffic.clone(), recorder.clone(), &stop);
    let breaking = async {
        tokio::time::sleep(FAULT_AT).await;
        let watch = observe::Recorder::prepare(&stage_here.book(), &NodeName::new(FAILING)).await;
        let recording = watch.expect("a failover to record").begin();
        let zero = Instant::now();
        stage_here.break_it(fault).await;
        if fault == Fault::Pause {
            tokio::time::sleep_until((zero + PAUSED).into()).await;
            stage_here.mend(fault).await;
        }
        let end = begun + length - Duration::from_secs(1);
        let promoted = recording.until(|seen| seen.promoted.is_some());
        let _ = tokio::time::timeout_at(end.into(), promoted).await;
        let timeline = recording.stop().await;
        (zero, timeline.promoted.map(|moment| moment.after))
    };
    let (loaded, (zero, promoted)) = tokio::join!(load, breaking);
    loaded.expect("the load is carried out");
    let ended = begun + length;
    if fault == Fault::Network {
        stage.mend(fault).await;
    }
    if matches!(fault, Fault::Network | Fault::Pause) {
        stage.until_in_sync(FAILING).await;
    }

    let exchanges = traffic.exchanges();
    let (retries, rebuilds) = store.retries();
    let mut run = Run {
        requests: exchanges.len(),
        promoted: promoted.map(|after| after.as_secs_f64()),
        errors: exchanges.iter().filter(|one| one.answer.is_err()).count(),
        retries,
        rebuilds,
        ..Run::default()
    };
    let dropped = recorder.summary().dropped;
    if dropped > 0 {
        run.broken
            .push(format!("{dropped} requests were never sent"));
    }
    match promoted {
        Some(after) => run.times(&exchanges, &places, zero, zero + after, ended),
        None => run.broken.push("nobody was promoted".to_owned()),
    }
    // A client that was not there before, as a user's next command would be.
    let store = stage.store().await;
    run.answers(&stage, &store, &exchanges, &places).await;
    stage.remove().await;
    run
}

/// An event on the slots of one master.
async fn event(store: &Store, shard: usize, seats: u32) -> EventId {
    let request = CreateEvent {
        name: "Failover Test".parse().expect("a name"),
        seats,
        on_slots: Some(SHARDS[shard].parse().expect("slots")),
    };
    store.create_event(&request).await.expect("an event").event
}

impl Run {
    /// When it went on, and whether it went on to the end.
    fn times(
        &mut self,
        exchanges: &[Exchange],
        places: &[Place],
        zero: Instant,
        promoted: Instant,
        ended: Instant,
    ) {
        let answered = |wanted: &dyn Fn(usize) -> bool| {
            let ours = exchanges
                .iter()
                .filter(|one| one.answer.is_ok() && wanted(places[one.event].shard));
            let mut at: Vec<Instant> = ours.map(|one| one.ended).collect();
            at.sort_unstable();
            at
        };
        // The longest silence after the fault, and its end: a master that is asked to stop answers for some time.
        let silence = |at: &[Instant]| {
            let pairs = at.windows(2).filter(|pair| pair[1] > zero);
            pairs
                .map(|pair| (pair[1] - pair[0], pair[1]))
                .max_by_key(|(length, _)| *length)
        };
        let failed = answered(&|shard| shard == 0);
        match silence(&failed) {
            Some((_, first)) if failed.last().is_some_and(|last| *last > promoted) => {
                let after = first.saturating_duration_since(promoted);
                self.first_answer_ms = Some(after.as_secs_f64() * 1000.0);
                if after > FIRST_ANSWER {
                    self.late.push(format!(
                        "first answer {after:.1?} after the promotion, limit {FIRST_ANSWER:?}"
                    ));
                }
            }
            _ => self
                .broken
                .push("wedged: no answer for a slot of the failed master".to_owned()),
        }
        for shard in 0..SHARDS.len() {
            let at = answered(&|other| other == shard);
            for second in 0..LAST_SECONDS {
                let until = ended - Duration::from_secs(second);
                let within = until - Duration::from_secs(1)..until;
                if !at.iter().any(|at| within.contains(at)) {
                    self.broken.push(format!(
                        "wedged: shard {shard} answered nothing {second} s before the end"
                    ));
                }
            }
            if shard > 0
                && let Some((longest, _)) = silence(&at)
            {
                self.elsewhere_ms = self.elsewhere_ms.max(longest.as_secs_f64() * 1000.0);
            }
        }
        let after = exchanges
            .iter()
            .filter(|one| one.ended > promoted + FIRST_ANSWER);
        let errors: Vec<String> = after
            .filter_map(|one| one.answer.as_ref().err())
            .map(ToString::to_string)
            .collect();
        if let Some(first) = errors.first() {
            self.broken.push(format!(
                "{} errors after the promotion, the first: {first}",
                errors.len()
            ));
        }
    }

    /// What is there of what was answered, and whether it is answered again.
    async fn answers(
        &mut self,
        stage: &Stage,
        store: &Store,
        exchanges: &[Exchange],
        places: &[Place],
    ) {
        let answered: Vec<&Exchange> = exchanges.iter().filter(|one| one.answer.is_ok()).collect();
        let lost = repeat::without_record(stage, &answered, places).await;
        self.lost = lost.len();
        for (at, place) in places.iter().enumerate() {
            let told = claims(exchanges, at);
            let audit = store.audit(&place.event, &told).await.expect("an audit");
            self.sold_twice += audit.sold_twice;
            if audit.astray > 0 || audit.sold_twice > 0 || audit.failures_present > 0 {
                self.broken.push(format!("{}: {audit:?}", place.event));
            }
            let of_event: BTreeSet<String> = lost
                .iter()
                .filter(|lost| answered[**lost].event == at)
                .filter_map(|lost| repeat::reservation(answered[*lost]))
                .collect();
            if audit.successes_missing > of_event.len() as u64 {
                self.broken.push(format!(
                    "{}: {} reservations are not as answered, and only {} have lost a record",
                    place.event,
                    audit.successes_missing,
                    of_event.len()
                ));
            }
        }
        let holds = |lost: &&usize| matches!(answered[**lost].answer, Ok(Answer::Held(_)));
        self.lost_holds = lost.iter().filter(holds).count();
        let kept: Vec<Exchange> = (0..answered.len())
            .filter(|at| !lost.contains(at))
            .map(|at| answered[at].clone())
            .collect();
        self.asked_again = kept.len();
        let others = repeat::other_answers(store, kept).await;
        if let Some(first) = others.first() {
            self.broken.push(format!(
                "{} of {} got another answer when asked again, the first: {first}",
                others.len(),
                self.asked_again
            ));
        }
        for place in places {
            let audit = store.audit(&place.event, &Claims::default()).await;
            let audit = audit.expect("an audit");
            if !audit.clean {
                self.broken
                    .push(format!("{} after the repetitions: {audit:?}", place.event));
            }
        }
    }
}
