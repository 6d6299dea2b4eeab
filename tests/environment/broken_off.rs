//! Two at once; one that is interrupted, or killed.

use labrunner::backend::BackendError;
use labrunner::backend::standing::{self};
use rstest::rstest;
use rustix::process::Signal;

use crate::command::{Desk, LONG, Running};
use crate::engine::{course_turn as turn, left_of};
use crate::{PAIR, SOON, down, json, nothing_is_left};

fn something_is_made(running: &mut Running) {
    running.wait_until("something is made", |_| {
        left_of("course")
            .iter()
            .any(|thing| thing.starts_with("ps "))
            .then_some(())
    });
}

#[test]
fn of_two_at_once_one_wins_and_the_other_is_told_who() {
    let Some(_turn) = turn("of_two_at_once_one_wins_and_the_other_is_told_who") else {
        return;
    };
    let desk = Desk::new();
    desk.write("lab.yaml", PAIR);
    let mut first = desk.start(&mut desk.command(["up", "lab.yaml"]));
    let id = first.id().to_string();
    first.wait_until("the lock is taken", |_| {
        std::fs::read_to_string(desk.path().join(".labrunner/environment.lock"))
            .is_ok_and(|text| text.contains(&id))
            .then_some(())
    });
    let who = format!("being changed by process {id} (`labrunner up lab.yaml`)");
    for command in ["up", "down"] {
        desk.labrunner(&[command])
            .says(4, &[&who, "wait until that has ended"]);
    }
    something_is_made(&mut first);
    let who = format!("is being made by process {id}");
    desk.labrunner(&["status"])
        .says(4, &[&who, "wait until it is ready"]);
    first.end(LONG).says(0, &["The environment stands."]);
    desk.labrunner(&["status"]).says(0, &["A pair"]);
    down(&desk);
}

#[rstest]
#[case::ctrl_c(Signal::INT)]
#[case::a_polite_kill(Signal::TERM)]
fn interrupted_it_leaves_nothing(#[case] signal: Signal) {
    let Some(_turn) = turn("interrupted_it_leaves_nothing") else {
        return;
    };
    let desk = Desk::new();
    let mut running = desk.start(&mut desk.command(["up"]));
    something_is_made(&mut running);
    running.signal(signal);
    running.end(SOON).says(130, &["interrupted"]);
    nothing_is_left(&desk);
    desk.labrunner(&["status"])
        .says(4, &["no environment stands here"]);
}

#[test]
fn killed_it_leaves_a_half_made_environment_that_is_called_so() {
    let Some(_turn) = turn("killed_it_leaves_a_half_made_environment_that_is_called_so") else {
        return;
    };
    let desk = Desk::new();
    desk.write("lab.yaml", PAIR);
    for remove in [true, false] {
        let mut running = desk.start(&mut desk.command(["up", "lab.yaml"]));
        something_is_made(&mut running);
        running.signal(Signal::KILL);
        assert_eq!(running.end(SOON).signal, Some(9));
        desk.labrunner(&["status"]).says(
            5,
            &[
                "the environment of lab.yaml is half made",
                "`labrunner down`",
                "`labrunner up lab.yaml`",
            ],
        );
        assert_eq!(json(&desk, 5)["state"], "half_made");
        let error = tokio::runtime::Runtime::new()
            .unwrap()
            .block_on(standing::attach(&desk.path().join(".labrunner")))
            .map(|_| ());
        assert!(
            matches!(&error, Err(BackendError::Broken { what, .. }) if what.contains("half made")),
            "{error:?}"
        );
        if remove {
            down(&desk);
        } else {
            desk.labrunner(&["up", "lab.yaml"]).says(
                0,
                &[
                    "removed what an `up` that was killed had left",
                    "The environment stands.",
                ],
            );
        }
    }
    down(&desk);
}

// ---- stopped, removed
