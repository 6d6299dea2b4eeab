//! Sequences of 20 commands of mixed families, made at random and shrunk when they fail. A sequence is sent to both servers in one write; the
//! replies are the same but for what a form declares to vary, and so is what they have left behind: each key's type, encoding, content, expiry.
//!
//! - `LABRUNNER_SEQUENCES`: how many, drawn anew each time (else always the same 300);
//! - `LABRUNNER_FAMILIES`: of which families (`strings,hashes`; all).

mod form;
mod pool;
mod sequence;
mod state;

use std::cell::RefCell;
use std::io::Write;
use std::time::Instant;

use proptest::array::{uniform3, uniform24};
use proptest::bool::weighted;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::pair::Pair;
use crate::real;
use crate::red;
use form::{Command, Form};
use sequence::Player;

/// Commands of one sequence.
const LENGTH: usize = 20;

const FAMILIES: [(&str, &str); 13] = [
    ("strings", include_str!("forms/strings.txt")),
    ("hashes", include_str!("forms/hashes.txt")),
    ("lists", include_str!("forms/lists.txt")),
    ("sets", include_str!("forms/sets.txt")),
    ("sorted_sets", include_str!("forms/sorted_sets.txt")),
    ("members", include_str!("forms/members.txt")),
    ("streams", include_str!("forms/streams.txt")),
    ("keys", include_str!("forms/keys.txt")),
    ("bits", include_str!("forms/bits.txt")),
    ("transactions", include_str!("forms/transactions.txt")),
    ("scripts", include_str!("forms/scripts.txt")),
    ("places", include_str!("forms/places.txt")),
    ("estimates", include_str!("forms/estimates.txt")),
];

/// Families of every sequence, where they are chosen: what they do concerns the values of all others.
const EVERYWHERE: [&str; 2] = ["keys", "transactions"];

/// A family, with its forms.
type Family = (&'static str, Vec<Form>);

/// Numbers of which one command is made: which of the sequence's families, which of its forms, and how it is filled.
type Numbers = (u16, u16, [u16; 24]);

/// The families of a list, or all.
fn families(names: &str) -> Vec<Family> {
    let names: Vec<&str> = names.split(',').filter(|name| !name.is_empty()).collect();
    for name in &names {
        let known = FAMILIES.iter().any(|(family, _)| family == name);
        assert!(known, "LABRUNNER_FAMILIES: there is no family {name}");
    }
    let wanted = |name: &str| names.is_empty() || names.contains(&name);
    let families = FAMILIES.iter().filter(|(name, _)| wanted(name));
    families
        .map(|(name, text)| (*name, Form::all(text)))
        .collect()
}

/// Sequences of commands. Each has three families, so that what one does with its key is not at once undone by ten others, and those that
/// concern all. To shrink one, commands are left out, then filled with simpler things.
fn sequences(families: Vec<Family>) -> impl Strategy<Value = Vec<Command>> {
    let (everywhere, own): (Vec<Family>, Vec<Family>) = families
        .into_iter()
        .partition(|(name, _)| EVERYWHERE.contains(name));
    let kept = vec(weighted(1.0), LENGTH);
    let numbers = (any::<u16>(), any::<u16>(), uniform24(any::<u16>()));
    let three = uniform3(any::<u16>());
    (kept, three, vec(numbers, LENGTH)).prop_map(move |(kept, three, numbers)| {
        let commands = numbers
            .iter()
            .map(|one| command(&own, &everywhere, three, one));
        let kept = commands.zip(kept).filter(|(_, kept)| *kept);
        kept.map(|(command, _)| command).collect()
    })
}

fn command(own: &[Family], everywhere: &[Family], three: [u16; 3], numbers: &Numbers) -> Command {
    let (which, form, filling) = numbers;
    let which = usize::from(which % 10);
    let at = match which {
        0..=3 => 0,
        4..=6 => 1,
        _ => 2,
    };
    let (home, (_, forms)) = match everywhere.get(which.wrapping_sub(8)) {
        Some(family) => (at, family),
        None if own.is_empty() => (at, &everywhere[0]),
        None => (at, &own[usize::from(three[at]) % own.len()]),
    };
    forms[usize::from(*form) % forms.len()].command(home, filling)
}

/// Plays so many sequences; what it counted, and the failure, shrunk.
fn play(
    runner: &mut TestRunner,
    families: Vec<Family>,
    pair: Pair,
) -> (String, Result<(), String>) {
    let strategy = (any::<bool>(), sequences(families));
    let begun = Instant::now();
    let player = RefCell::new(Player::new(pair));
    let result = runner.run(&strategy, |(resp3, commands): (bool, Vec<Command>)| {
        let protocol = if resp3 { 3 } else { 2 };
        let result = player.borrow_mut().play(protocol, &commands);
        result.map_err(|failure| TestCaseError::fail(failure.to_string()))
    });
    let seconds = begun.elapsed().as_secs_f64();
    let counted = format!("{}, {seconds:.1} s\n", player.borrow().counted());
    let result = result.map_err(|error| match error {
        TestError::Fail(shown, _) => shown.to_string(),
        TestError::Abort(why) => why.to_string(),
    });
    (counted, result)
}

fn config(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        max_shrink_time: 120_000,
        ..Config::default()
    }
}

#[test]
fn generated_sequences() {
    if !real::is_here("generated_sequences") {
        return;
    }
    // Always the same few, unless more are asked for: what chance finds in a campaign shall not break a build that has nothing to do with it.
    let mut runner = match std::env::var("LABRUNNER_SEQUENCES") {
        Ok(count) => TestRunner::new(config(count.parse().unwrap())),
        Err(_) => {
            let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
            TestRunner::new_with_rng(config(300), rng)
        }
    };
    let names = std::env::var("LABRUNNER_FAMILIES").unwrap_or_default();
    let (counted, result) = play(&mut runner, families(&names), Pair::start());
    std::io::stderr().write_all(counted.as_bytes()).unwrap();
    if let Err(shown) = result {
        panic!("{shown}");
    }
}

/// A server for which a hash of two fields is a big one: found, and shrunk to the command or two that show it.
#[test]
fn a_wrong_double_is_found_and_shown_in_few_commands() {
    if !real::is_here("a_wrong_double_is_found_and_shown_in_few_commands") {
        return;
    }
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config(300), rng);
    let (_, result) = play(&mut runner, families(""), red::unequal());
    let shown = result.unwrap_err();
    let block: Vec<&str> = shown
        .lines()
        .skip_while(|line| !line.starts_with("== "))
        .skip(1)
        .take_while(|line| !line.is_empty())
        .collect();
    assert!(block.len() <= 4, "{shown}");
    assert!(block.last().unwrap().contains("OBJECT ENCODING"), "{shown}");
    assert!(shown.contains("listpack") && shown.contains("hashtable"));
    crate::case::parse(&format!("== a\n{}", block.join("\n"))).unwrap();
}
