//! The test: all scenarios on both sides, several at a time.

use std::io::Write;
use std::sync::{Condvar, Mutex};
use std::time::Instant;

use crate::difference::{difference, stopped};
use crate::double::Double;
use crate::play::play;
use crate::real::Real;
use crate::scenario::{Scenario, parse};
use crate::stage::Stage;
use crate::support::may_run;

/// So many real nodes at once.
const NODES: usize = 12;

const FILES: [(&str, &str); 7] = [
    ("making.txt", include_str!("scenarios/making.txt")),
    ("moving.txt", include_str!("scenarios/moving.txt")),
    ("members.txt", include_str!("scenarios/members.txt")),
    ("failover.txt", include_str!("scenarios/failover.txt")),
    ("deaths.txt", include_str!("scenarios/deaths.txt")),
    ("restarts.txt", include_str!("scenarios/restarts.txt")),
    ("partitions.txt", include_str!("scenarios/partitions.txt")),
];

#[test]
fn every_scenario_is_the_same_on_the_double_and_on_real_servers() {
    if !may_run("redis", "the scenarios of a cluster") {
        return;
    }
    let scenarios: Vec<Scenario> = FILES
        .iter()
        .flat_map(|(file, text)| {
            let all = parse(file, text).unwrap_or_else(|wrong| panic!("{wrong}"));
            all.into_iter().filter(|scenario| chosen(file, scenario))
        })
        .collect();
    assert!(!scenarios.is_empty(), "no scenario has that in its title");
    let room = Room::new(NODES);
    let faults: Mutex<Vec<String>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for scenario in &scenarios {
            // Taken here, so that the scenarios begin in their order.
            let place = room.enter(scenario.nodes);
            let faults = &faults;
            scope.spawn(move || {
                let _place = place;
                let began = Instant::now();
                let fault = fault(scenario);
                say(&format!(
                    "{:>6.1} s  {}  {}",
                    began.elapsed().as_secs_f64(),
                    if fault.is_some() { "DIFFERS" } else { "same" },
                    scenario.title
                ));
                if let Some(fault) = fault {
                    let told = format!("== {}\n{fault}", scenario.title);
                    faults.lock().unwrap().push(told);
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    assert!(
        faults.is_empty(),
        "{} of {} scenarios\n\n{}",
        faults.len(),
        scenarios.len(),
        faults.join("\n")
    );
}

/// Plays it on both sides; what is wrong.
fn fault(scenario: &Scenario) -> Option<String> {
    let mut real = Real::start(scenario.nodes, &scenario.settings, scenario.cuts());
    let expected = match play(scenario, &mut real, None) {
        Ok(trace) => trace,
        Err(broken) => return Some(stopped(&broken, "real servers")),
    };
    drop(real);
    let (mut other, sides): (Box<dyn Stage>, _) = match against_real() {
        true => {
            let again = Real::start(scenario.nodes, &scenario.settings, scenario.cuts());
            (Box::new(again), ("real", "again"))
        }
        false => {
            let double = Double::start(scenario.nodes, &scenario.settings);
            (Box::new(double), ("real", "double"))
        }
    };
    match play(scenario, other.as_mut(), Some(&expected)) {
        Ok(trace) => difference(&expected, &trace, sides),
        Err(broken) => {
            let reached = &expected[..broken.trace.len()].to_vec();
            let until_then = difference(reached, &broken.trace, sides).unwrap_or_default();
            Some(until_then + &stopped(&broken, sides.1))
        }
    }
}

/// Whether real servers are played against real servers.
fn against_real() -> bool {
    std::env::var("LABRUNNER_SCENARIOS_AGAINST").is_ok_and(|side| side == "real")
}

/// Without `LABRUNNER_SCENARIOS` those of the first file, a sample; all of them take minutes. `all`: all of them; words: those that have one in their titles.
fn chosen(file: &str, scenario: &Scenario) -> bool {
    match std::env::var("LABRUNNER_SCENARIOS").as_deref() {
        Err(_) => file == FILES[0].0,
        Ok("all") => true,
        Ok(words) => words
            .split(',')
            .any(|word| scenario.title.contains(word.trim())),
    }
}

/// Not println: what a test prints by that is shown only if it fails.
fn say(line: &str) {
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Room for so many nodes.
struct Room {
    free: Mutex<usize>,
    left: Condvar,
}

struct Place<'a> {
    room: &'a Room,
    nodes: usize,
}

impl Room {
    fn new(nodes: usize) -> Room {
        Room {
            free: Mutex::new(nodes),
            left: Condvar::new(),
        }
    }

    /// Waits until there is room.
    fn enter(&self, nodes: usize) -> Place<'_> {
        let mut free = self
            .left
            .wait_while(self.free.lock().unwrap(), |free| *free < nodes)
            .unwrap();
        *free -= nodes;
        Place { room: self, nodes }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self.room.free.lock().unwrap() += self.nodes;
        self.room.left.notify_all();
    }
}
