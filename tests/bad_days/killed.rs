//! The run is killed.

use rustix::process::Signal;

use crate::command::{Desk, LONG, Running, processes_about};
use crate::engine::{left_of, turn};
use crate::{Broom, PING, SOON, SUBSCRIBE, WAIT, is_in_step, lab, listens, nothing_is_left, soon};

/// Kills the run. Whatever it started ends soon as well; what it made is there until `clean` removes it, and nothing after that.
fn killed(desk: &Desk, running: Running) {
    let run = desk.run_id();
    running.signal(Signal::KILL);
    let ended = running.end(SOON);
    assert_eq!(ended.signal, Some(9), "{ended}");
    soon("no client of docker is left", || {
        processes_about(&run).is_empty()
    });
    assert_ne!(
        left_of(&run),
        Vec::<String>::new(),
        "a killed run can't have removed anything"
    );
    let cleaned = desk.labrunner(&["clean", &run]);
    cleaned.says(0, &[&format!("removed run {run}: "), "1 network"]);
    nothing_is_left(desk);
    desk.labrunner(&["clean", &run])
        .says(0, &["nothing to remove"]);
}

#[test]
fn killed_while_given_is_made() {
    let Some(_turn) = turn("killed_while_given_is_made") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let mut running = desk.start_lab(&lab("", PING));
    running.wait_for_event("given_started");
    let run = desk.run_id();
    running.wait_until("something is made", |_| {
        (!left_of(&run).is_empty()).then_some(())
    });
    killed(&desk, running);
}

#[test]
fn killed_while_a_command_runs() {
    let Some(_turn) = turn("killed_while_a_command_runs") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let mut running = desk.start_lab(&lab("", SUBSCRIBE));
    listens(&mut running, &desk);
    killed(&desk, running);
}

#[test]
fn a_run_that_goes_on_is_left_alone() {
    let Some(_turn) = turn("a_run_that_goes_on_is_left_alone") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let mut running = desk.start_lab(&lab("", WAIT));
    is_in_step(&mut running, "wait");
    let run = desk.run_id();
    desk.labrunner(&["clean", &run])
        .says(0, &[&format!("left run {run}: still running")]);
    running.end(LONG).says(0, &["A bad day passed"]);
    nothing_is_left(&desk);
}
