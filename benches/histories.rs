//! Seeded histories of a simulated cluster, each checked after everything that happens: 10,000 of them.
//!
//! `cargo bench --bench histories` plays those of the seeds 0 to 9,999, every hundredth twice: the same seed must give the same history to the byte. The first one that breaks a rule is made as
//! short as can be and printed, with the command that plays it again and a test to paste; the exit code is 1 then. `-- --histories N --seed S`: N of them from seed S on.
//! `--no-shrink`: as it is. `--go-on`: do not end at the first. `--print`: the events of each, with what nodes say of
//! themselves after each, and all that they have logged in the end.
//!
//! Built with `RUSTFLAGS="--cfg fuzzing"` it knows `--bugs WORD` too: for each bug of the protocol that has this word in its name (`""`: for all), put in on purpose, the first of these histories that shows
//! it, and by which rule. So the table of `src/double/cluster/sabotaged.rs` is made.

#[path = "../tests/double_histories/histories/mod.rs"]
mod histories;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use histories::{History, play, report, shrunk};
use labrunner::{cluster, double};

/// Which histories are played twice.
const TWICE: u64 = 100;

struct Options {
    histories: u64,
    seed: u64,
    shrink: bool,
    go_on: bool,
    print: bool,
    #[cfg(fuzzing)]
    bugs: Option<String>,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        histories: 10_000,
        seed: 0,
        shrink: true,
        go_on: false,
        print: false,
        #[cfg(fuzzing)]
        bugs: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || {
            let value = words.next().and_then(|value| value.parse().ok());
            value.ok_or_else(|| format!("{word} needs a number"))
        };
        match word.as_str() {
            "--histories" => options.histories = number()?,
            "--seed" => options.seed = number()?,
            "--no-shrink" => options.shrink = false,
            "--go-on" => options.go_on = true,
            "--print" => options.print = true,
            #[cfg(fuzzing)]
            "--bugs" => options.bugs = words.next(),
            "--bench" => {}
            other => {
                return Err(format!(
                    "{other}: no such option; there are --histories N, --seed S, --no-shrink, --go-on, --print"
                ));
            }
        }
    }
    Ok(options)
}

#[derive(Default)]
struct Sum {
    played: u64,
    with_failover: u64,
    failovers: usize,
    events: usize,
    time: Duration,
    twice: u64,
    broken: BTreeMap<String, Vec<u64>>,
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    #[cfg(fuzzing)]
    if let Some(word) = &options.bugs {
        show_bugs(word, &options);
        return ExitCode::SUCCESS;
    }
    let begun = Instant::now();
    let next = AtomicU64::new(options.seed);
    let (sum, stop) = (Mutex::new(Sum::default()), AtomicUsize::new(0));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= options.seed + options.histories || stop.load(Ordering::Relaxed) > 0
                    {
                        return;
                    }
                    one(seed, &options, &sum, &stop);
                }
            });
        }
    });
    let sum = sum
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    println!(
        "{} histories with {} events in {:.1?}: {} with a failover, {} failovers; {:.0?} of the clusters' time; {} played twice",
        sum.played,
        sum.events,
        begun.elapsed(),
        sum.with_failover,
        sum.failovers,
        sum.time,
        sum.twice
    );
    for (rule, seeds) in &sum.broken {
        println!(
            "{rule}: {} seeds, {:?}",
            seeds.len(),
            &seeds[..seeds.len().min(10)]
        );
    }
    match sum.broken.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn one(seed: u64, options: &Options, sum: &Mutex<Sum>, stop: &AtomicUsize) {
    let history = History::of(seed);
    let twice = seed.is_multiple_of(TWICE);
    let outcome = play(&history, &|_| {}, twice || options.print);
    if options.print {
        println!("{history}\n{}", outcome.record);
    }
    let same = !twice || play(&history, &|_| {}, true).record == outcome.record;
    let mut sum = sum
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    sum.played += 1;
    sum.events += history.events.len();
    sum.failovers += outcome.failovers;
    sum.with_failover += u64::from(outcome.failovers > 0);
    sum.time += outcome.time;
    sum.twice += u64::from(twice);
    if !same {
        sum.broken
            .entry("not the same twice".to_owned())
            .or_default()
            .push(seed);
    }
    let Some(violation) = &outcome.violation else {
        return;
    };
    sum.broken
        .entry(format!("{:?}", violation.rule))
        .or_default()
        .push(seed);
    if options.go_on {
        println!("seed {seed}: {violation}");
    } else if stop.fetch_add(1, Ordering::Relaxed) == 0 {
        let (history, outcome) = match options.shrink {
            true => shrunk(&history, &|_| {}, 2000),
            false => (history, outcome),
        };
        println!("{history}\n{}", report(&history, &outcome));
    }
}

/// Prints of each bug the first history that shows it.
#[cfg(fuzzing)]
fn show_bugs(word: &str, options: &Options) {
    let bugs: Vec<double::Sabotage> = double::Sabotage::ALL
        .into_iter()
        .filter(|bug| format!("{bug:?}").contains(word))
        .collect();
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(bug) = bugs.get(next.fetch_add(1, Ordering::Relaxed)).copied() {
                    let seen = (options.seed..options.seed + options.histories).find_map(|seed| {
                        let outcome =
                            play(&History::of(seed), &|cluster| cluster.sabotage(bug), false);
                        outcome.violation.map(|violation| (seed, violation))
                    });
                    match seen {
                        Some((seed, violation)) => println!(
                            "(Sabotage::{bug:?}, {seed}, Rule::{:?}), // {violation}",
                            violation.rule
                        ),
                        None => println!("{bug:?}: not seen"),
                    }
                }
            });
        }
    });
}
