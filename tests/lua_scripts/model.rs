//! What scripts do to an event against what a model of it says, step by step, for steps that nobody thought of.
//!
//! Holds of the model end at once or never: a step that makes a short one waits until it is over on the server, so that both know
//! which holds are over.

use std::collections::{BTreeMap, BTreeSet};

use labrunner::app::scripts::{AppScript, CANCEL, CONFIRM, RESERVE};
use proptest::prelude::*;
use redis::Value;

use crate::event::{Event, LONG, flat, label, pass};
use crate::server::Server;

#[derive(Debug, Clone)]
enum Step {
    Count {
        user: u8,
        seats: u32,
        short: bool,
    },
    Named {
        user: u8,
        seats: Vec<u32>,
        short: bool,
    },
    /// The reservation by its number; 0 is one that never was.
    Confirm {
        reservation: usize,
        user: u8,
        token: Option<u64>,
    },
    Cancel {
        reservation: usize,
        user: u8,
    },
    /// An operation of before, by its number, for the second time.
    Again {
        operation: usize,
    },
    /// The same, with something else asked.
    Misused {
        operation: usize,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let user = 0..3u8;
    let reservation = 0..12usize;
    let short = prop::bool::weighted(0.25);
    let step = prop_oneof![
        4 => (user.clone(), 1..5u32, short)
            .prop_map(|(user, seats, short)| Step::Count { user, seats, short }),
        3 => (user.clone(), prop::collection::vec(0..14u32, 1..4), short)
            .prop_map(|(user, seats, short)| Step::Named { user, seats, short }),
        6 => (reservation.clone(), user.clone(), prop::option::weighted(0.2, 0..8u64))
            .prop_map(|(reservation, user, token)| Step::Confirm { reservation, user, token }),
        3 => (reservation, user).prop_map(|(reservation, user)| Step::Cancel { reservation, user }),
        2 => (0..40usize).prop_map(|operation| Step::Again { operation }),
        1 => (0..40usize).prop_map(|operation| Step::Misused { operation }),
    ];
    prop::collection::vec(step, 1..60)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    Held,
    /// Its time is over, and nobody has noticed.
    Over,
    Confirmed,
    Cancelled,
    Expired,
}

struct Reservation {
    user: String,
    seats: Vec<u32>,
    token: u64,
    is: Is,
}

/// The event as it should be.
struct Model {
    total: u32,
    free: BTreeSet<u32>,
    reservations: Vec<Reservation>,
    token: u64,
    changes: usize,
}

impl Model {
    fn new(total: u32) -> Model {
        Model {
            total,
            free: (0..total).collect(),
            reservations: Vec::new(),
            token: 0,
            changes: 1,
        }
    }

    fn change(&mut self, number: usize, is: Is) {
        let reservation = &mut self.reservations[number];
        reservation.is = is;
        if matches!(is, Is::Cancelled | Is::Expired) {
            self.free.extend(&reservation.seats);
        }
        self.changes += 1;
    }

    fn give_back(&mut self) {
        for number in 0..self.reservations.len() {
            if self.reservations[number].is == Is::Over {
                self.change(number, Is::Expired);
            }
        }
    }

    /// The answer, without the time at which the hold ends.
    fn reserve(&mut self, user: &str, wanted: Result<u32, &[u32]>, short: bool) -> Vec<String> {
        self.give_back();
        let mut seats = Vec::new();
        match wanted {
            Ok(count) if count > self.total => {
                return vec!["too_many".into(), self.total.to_string()];
            }
            Ok(count) if count as usize > self.free.len() => {
                return vec!["sold_out".into(), self.free.len().to_string()];
            }
            Ok(count) => seats.extend(self.free.iter().take(count as usize)),
            Err(named) => {
                for seat in named {
                    if *seat >= self.total {
                        return vec!["no_seat".into(), label(*seat)];
                    }
                    if !self.free.contains(seat) || seats.contains(seat) {
                        return vec!["taken".into(), label(*seat)];
                    }
                    seats.push(*seat);
                }
            }
        }
        for seat in &seats {
            self.free.remove(seat);
        }
        self.token += 1;
        self.changes += 1;
        let mut answer = vec!["held".into(), self.next_id(), self.token.to_string()];
        answer.extend(seats.iter().map(|seat| label(*seat)));
        self.reservations.push(Reservation {
            user: user.into(),
            seats,
            token: self.token,
            is: if short { Is::Over } else { Is::Held },
        });
        answer
    }

    fn next_id(&self) -> String {
        format!("r{}", self.reservations.len() + 1)
    }

    fn with_seats(&self, number: usize, mut answer: Vec<String>) -> Vec<String> {
        let seats = &self.reservations[number].seats;
        answer.extend(seats.iter().map(|seat| label(*seat)));
        answer
    }

    fn confirm(&mut self, id: usize, user: &str, token: Option<u64>) -> Vec<String> {
        let Some(number) = id.checked_sub(1).filter(|n| *n < self.reservations.len()) else {
            return vec!["no_reservation".into()];
        };
        let reservation = &self.reservations[number];
        let current = reservation.token;
        if reservation.user != user {
            return vec!["not_holder".into()];
        }
        if token.is_some_and(|token| token != current) {
            return vec!["stale".into(), current.to_string()];
        }
        match reservation.is {
            Is::Held => self.change(number, Is::Confirmed),
            Is::Over => self.change(number, Is::Expired),
            _ => {}
        }
        match self.reservations[number].is {
            Is::Cancelled => vec!["cancelled".into()],
            Is::Expired => vec!["expired".into()],
            _ => {
                let answer = vec!["confirmed".into(), format!("r{id}"), current.to_string()];
                self.with_seats(number, answer)
            }
        }
    }

    fn cancel(&mut self, id: usize, user: &str) -> Vec<String> {
        let Some(number) = id.checked_sub(1).filter(|n| *n < self.reservations.len()) else {
            return vec!["no_reservation".into()];
        };
        let reservation = &self.reservations[number];
        if reservation.user != user {
            return vec!["not_holder".into()];
        }
        match reservation.is {
            Is::Held | Is::Confirmed => self.change(number, Is::Cancelled),
            Is::Over => self.change(number, Is::Expired),
            _ => {}
        }
        match self.reservations[number].is {
            Is::Expired => vec!["expired".into()],
            _ => self.with_seats(number, vec!["cancelled".into(), format!("r{id}")]),
        }
    }

    /// Everything that is kept is what the model says.
    fn compare(&self, event: &mut Event) {
        let state = event.state();
        state.check();
        let free: Vec<(String, u32)> = self.free.iter().map(|seat| (label(*seat), *seat)).collect();
        assert_eq!(state.free, free);
        assert_eq!(state.entries, self.changes, "one entry for each change");
        assert_eq!(state.meta["token"], self.token.to_string());
        assert_eq!(state.reservations.len(), self.reservations.len());
        for (number, reservation) in self.reservations.iter().enumerate() {
            let kept = &state.reservations[&format!("r{}", number + 1)];
            let is = match reservation.is {
                Is::Held | Is::Over => "held",
                Is::Confirmed => "confirmed",
                Is::Cancelled => "cancelled",
                Is::Expired => "expired",
            };
            assert_eq!(kept.state, is);
            assert_eq!(kept.user, reservation.user);
            assert_eq!(kept.token, reservation.token);
            assert_eq!(kept.positions, reservation.seats);
        }
    }
}

/// What was asked before, and the answer.
struct Asked {
    script: &'static AppScript,
    arguments: Vec<String>,
    answer: Value,
}

/// Asks, compares the answer with the model's, and remembers it. Waits until a short hold is over.
fn ask(
    event: &mut Event,
    history: &mut Vec<Asked>,
    script: &'static AppScript,
    arguments: Vec<String>,
    expected: Vec<String>,
) {
    let operation = format!("o{}", history.len());
    let texts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let answer = event.call_as(&operation, script, &texts);
    let mut told = flat(&answer);
    if told[0] == "held" {
        let expires: u64 = told.remove(3).parse().unwrap();
        if arguments[2] == "1" {
            pass(&mut event.connection, expires);
        }
    }
    assert_eq!(told, expected, "{} {texts:?}", script.name);
    history.push(Asked {
        script,
        arguments,
        answer,
    });
}

fn run(event: &mut Event, total: u32, steps: &[Step]) {
    assert_eq!(event.create(total)[0], "created");
    let mut model = Model::new(total);
    let mut history: Vec<Asked> = Vec::new();
    let name = |user: u8| format!("user-{user}");
    for step in steps {
        match step {
            Step::Count { user, seats, short } => {
                let mut arguments = hold(&model, *user, *short);
                arguments.extend(["count".into(), seats.to_string()]);
                let expected = model.reserve(&name(*user), Ok(*seats), *short);
                ask(event, &mut history, &RESERVE, arguments, expected);
            }
            Step::Named { user, seats, short } => {
                let mut arguments = hold(&model, *user, *short);
                arguments.push("seats".into());
                arguments.extend(seats.iter().map(|seat| label(*seat)));
                let expected = model.reserve(&name(*user), Err(seats), *short);
                ask(event, &mut history, &RESERVE, arguments, expected);
            }
            Step::Confirm {
                reservation,
                user,
                token,
            } => {
                let text = token.map_or(String::new(), |token| token.to_string());
                let arguments = vec![format!("r{reservation}"), name(*user), text];
                let expected = model.confirm(*reservation, &name(*user), *token);
                ask(event, &mut history, &CONFIRM, arguments, expected);
            }
            Step::Cancel { reservation, user } => {
                let arguments = vec![format!("r{reservation}"), name(*user)];
                let expected = model.cancel(*reservation, &name(*user));
                ask(event, &mut history, &CANCEL, arguments, expected);
            }
            Step::Again { operation } | Step::Misused { operation } => {
                let Some(asked) = history.get(*operation) else {
                    continue;
                };
                let mut texts: Vec<&str> = asked.arguments.iter().map(String::as_str).collect();
                let misused = matches!(step, Step::Misused { .. });
                if misused {
                    texts.push("more");
                }
                let answer = event.call_as(&format!("o{operation}"), asked.script, &texts);
                if misused {
                    assert_eq!(flat(&answer), ["op_conflict"]);
                } else {
                    assert_eq!(answer, asked.answer);
                }
            }
        }
        model.compare(event);
    }
}

/// The arguments of a reservation up to its seats.
fn hold(model: &Model, user: u8, short: bool) -> Vec<String> {
    let ms = if short { 1 } else { LONG };
    vec![model.next_id(), format!("user-{user}"), ms.to_string()]
}

#[test]
fn scripts_do_what_the_model_says() {
    let Some(server) = Server::start("redis-7.0.15", "scripts_do_what_the_model_says") else {
        return;
    };
    let mut number = 0;
    let mut answers: BTreeMap<String, u32> = BTreeMap::new();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 128,
        // The regressions' folder of proptest is for tests in src.
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let counted = std::cell::RefCell::new((&mut number, &mut answers));
    runner
        .run(&(1..13u32, steps()), |(total, steps)| {
            let mut counted = counted.borrow_mut();
            *counted.0 += 1;
            let mut event = Event::new(server.connect(3), &format!("case{}", counted.0));
            run(&mut event, total, &steps);
            let state = event.state();
            for kept in state.reservations.values() {
                *counted.1.entry(kept.state.clone()).or_default() += 1;
            }
            Ok(())
        })
        .unwrap();
    // The steps have met what they are for. How often is left to chance, and the rarest comes dozens of times.
    for met in ["held", "confirmed", "cancelled", "expired"] {
        assert!(answers.contains_key(met), "{answers:?}");
    }
}
