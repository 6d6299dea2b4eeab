//! The campaign of contention: 100 users want 2 seats each of the same 100, at once and again and again, on containers.
//!
//! `cargo bench --bench contention` does so 200 times with the script and, in turn, 200 times with the check that acts afterwards. It
//! fails unless with the script 50 users get seats every time, 50 none, and the audit is clean; and unless without it at least 95 of 100
//! runs sell a seat twice. `-- --runs N` for another number; `--no-limits` not to judge how often the naive way oversells, which is
//! a matter of chance and of the machine. That the script never does is judged in any case.

mod campaign;

use std::process::ExitCode;
use std::time::Instant;

use campaign::Call;
use campaign::application::{Ended, call};
use campaign::containers::Containers;
use labrunner::resp::AddressBook;

/// Of 100 naive runs, those that have to sell a seat twice.
const NAIVE_OVERSELL: usize = 95;

/// What came of one run each way.
struct Run {
    exact: bool,
    oversold: bool,
}

fn main() -> ExitCode {
    let Some(asked) = Call::read() else {
        return ExitCode::SUCCESS;
    };
    let runs = asked.number("--runs", 200);
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let containers = runtime.block_on(Containers::three_pairs("contention"));
    let book = containers.book();
    let started = Instant::now();
    let done: Vec<Run> = (1..=runs).map(|number| run(&book, number)).collect();
    let left = runtime.block_on(containers.remove());
    let exact = done.iter().filter(|run| run.exact).count();
    let oversold = done.iter().filter(|run| run.oversold).count();
    println!(
        "\nscript: exactly 50 of 100 users and a clean audit in {exact} of {runs} (limit {runs})"
    );
    let least = (runs * NAIVE_OVERSELL).div_ceil(100);
    println!("naive: a seat sold twice in {oversold} of {runs} (limit {least})");
    println!("{:.0} s; left: {left:?}", started.elapsed().as_secs_f64());
    let shown = !asked.judges() || oversold >= least;
    match exact == runs && shown && left.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// The same users, with the script and without.
fn run(book: &AddressBook, number: usize) -> Run {
    let seed = number.to_string();
    let words = [
        "load-test",
        "--users",
        "100",
        "--seats",
        "2",
        "--seed",
        &seed,
    ];
    let script = call(book, &words);
    let naive = call(book, &[&words[..], &["--naive"]].concat());
    let exact = script.exit == Some(0)
        && script.count("/total_requests") == Some(100)
        && script.count("/successful_reservations") == Some(50)
        && script.count("/failed_seat_taken") == Some(50)
        && script.is_clean();
    // It ends with 1 if its audit found something, and so it has to be where a seat was sold twice.
    let twice = naive.count("/audit/sold_twice");
    let oversold = twice > Some(0) && naive.exit == Some(1);
    println!(
        "run {number:3}  script: {}  naive: {}",
        told(&script),
        told(&naive)
    );
    if !exact {
        println!("{}", script.text);
    }
    if twice.is_none() {
        println!("{}", naive.text);
    }
    Run { exact, oversold }
}

fn told(ended: &Ended) -> String {
    let shown =
        |count: Option<u64>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
    format!(
        "{:>3} succeeded, {:>3} failed, {:>3} sold twice, audit {}",
        shown(ended.count("/successful_reservations")),
        shown(ended.count("/failed_seat_taken")),
        shown(ended.count("/audit/sold_twice")),
        if ended.is_clean() {
            "clean"
        } else {
            "not clean"
        },
    )
}
