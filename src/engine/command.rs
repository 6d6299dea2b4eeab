//! A step's `run`: once, or once for each item. Decides the checks of what it printed, and saves values.

use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::check::{Judged, in_words, json_text, judge_exit, judge_output, read_json};
use super::event::{Event, Verdict, When};
use super::task::{self, Begun, Done, Repetitions, await_agreement};
use super::trouble::Trouble;
use super::world::World;
use crate::lab::action::{Action, Output};
use crate::lab::line::{Line, Task};
use crate::lab::model::{Check, CheckKind, Item, SaveSource, Step};
use crate::lab::quantity::{Comparison, Relation, Unit, show_duration};
use crate::lab::source::Span;

/// One time that a step's line is run: the item, and which it is of how many.
#[derive(Clone, Copy)]
pub(super) struct Turn<'a> {
    item: Option<&'a Item>,
    position: Option<(usize, usize)>,
}

impl Turn<'_> {
    /// That of a step without items.
    pub const ONLY: Turn<'static> = Turn {
        item: None,
        position: None,
    };
}

/// The times that a step's line is run.
fn turns(step: &Step) -> Vec<Turn<'_>> {
    let of = step.each.len();
    if of == 0 {
        return vec![Turn::ONLY];
    }
    let turn = |(at, item)| Turn {
        item: Some(item),
        position: (of > 1).then_some((at + 1, of)),
    };
    step.each.iter().enumerate().map(turn).collect()
}

/// Runs the step's command to its end and decides what is to be said of it. `broken` ends one that has no end of its own.
pub(super) async fn run(
    world: &World,
    step: &Step,
    broken: &CancellationToken,
) -> Result<(), Trouble> {
    let Some(line) = &step.run else { return Ok(()) };
    let soft = &world.interrupt.soft;
    for turn in turns(step) {
        let begun = begin(world, step, &line.value, turn).await?;
        let stop = soft.child_token();
        let over = world.clock.now() + step.wait.unwrap_or(step.timeout);
        let over = async {
            tokio::select! {
                () = world.clock.sleep_until(over) => {}
                () = broken.cancelled() => {}
            }
        };
        let done = finish(world, step, begun, over, &stop, soft).await?;
        judge(world, step, line.span, turn, &done)?;
    }
    Ok(())
}

/// Begins one turn of the step's command: nothing has been done by it yet, but it is told.
pub(super) async fn begin(
    world: &World,
    step: &Step,
    line: &Line,
    turn: Turn<'_>,
) -> Result<Begun, Trouble> {
    let mut filled = world
        .in_scope(turn.item, |scope| {
            line.fill(|reference| scope.value(reference))
        })
        .map_err(stuck)?;
    if let (Task::Action(Action::RedisCli(call)), Some(stdin)) = (&mut filled.task, &step.stdin) {
        call.stdin = Some(
            world
                .in_scope(turn.item, |scope| scope.fill(&stdin.value))
                .map_err(stuck)?,
        );
    }
    await_agreement(world, &filled.task).await?;
    Ok(task::begin(world, step, filled, turn.position))
}

/// Carries out what has begun to its end; what has none is stopped when it is `over`.
pub(super) async fn finish(
    world: &World,
    step: &Step,
    begun: Begun,
    over: impl Future<Output = ()>,
    stop: &CancellationToken,
    cancel: &CancellationToken,
) -> Result<Done, Trouble> {
    let endless = begun.is_endless();
    let end = begun.end(world, step.timeout, stop, cancel);
    tokio::pin!(end);
    let done = tokio::select! {
        biased;
        done = &mut end => done,
        () = over, if endless => {
            stop.cancel();
            end.await
        }
    }?;
    // A command that was ended by the wish to end says nothing about the lab.
    if done.output.exit != Some(0) && cancel.is_cancelled() {
        return Err(Trouble::Interrupted);
    }
    Ok(done)
}

/// Decides what is to be said of a turn of the step's command that has ended, and saves what it saves.
pub(super) fn judge(
    world: &World,
    step: &Step,
    span: Span,
    turn: Turn<'_>,
    done: &Done,
) -> Result<(), Trouble> {
    let output = &done.output;
    let decide = |expected: &str, judged: Judged| {
        let verdict = own(world, span, expected.to_owned(), judged);
        world.decide(step, verdict)
    };
    let bad = |seen: String| Judged { holds: false, seen };
    if output.exit.is_none() {
        let time = show_duration(step.timeout);
        let seen = format!("it ran for {time} without an end, and was stopped");
        return decide("the command ends", bad(seen));
    }
    if let Some(seen) = done.watched.and_then(nothing_watched) {
        decide("something is watched", bad(seen))?;
    }
    // What a filter says means nothing if the command before it did not work.
    if let Some(code) = done.before_filters.filter(|code| *code != 0) {
        let seen = format!("exit {code} of the command before `| grep`");
        decide("exit 0 of the command before `| grep`", bad(seen))?;
    }
    // A line that would have passed the filter may have been in what is missing.
    if done.unfiltered > 0 {
        let seen = format!(
            "{} bytes of the output were too much to be kept",
            done.unfiltered
        );
        decide("all of the output goes through `| grep`", bad(seen))?;
    }
    let of_output: Vec<&Check> = step
        .expect
        .iter()
        .filter(|check| check.kind.is_of_output() && world.applies(check.on.as_ref()))
        .collect();
    if !of_output
        .iter()
        .any(|check| matches!(check.kind, CheckKind::Exit(_)))
    {
        let zero = Comparison {
            relation: Relation::Equal,
            number: 0.0,
            unit: Unit::Count,
        };
        let judged = judge_exit(&zero, output);
        if !judged.holds {
            decide("exit 0", judged)?;
        }
    }
    // The checks may use what is saved; why it could not be is told after them, since they may know better.
    let saved = save(world, step, output);
    for check in of_output {
        let (judged, expected) = world.in_scope(turn.item, |scope| {
            (
                judge_output(&check.kind, output, scope),
                in_words(&check.kind, scope),
            )
        });
        let verdict = Verdict {
            why: check.why.clone(),
            ..own(world, check.span, expected, judged)
        };
        world.decide(step, verdict)?;
    }
    saved.map_err(stuck)
}

/// Why a `watch` proves nothing, if it does not. That single repetitions fail is what a watch is for; when all do, it looked at nothing.
fn nothing_watched(seen: Repetitions) -> Option<String> {
    match seen {
        Repetitions { times: 0, .. } => {
            Some("nothing: it was stopped before it had looked once".to_owned())
        }
        Repetitions {
            times,
            worked: 0,
            last,
        } => Some(format!(
            "nothing: its command never worked; exit {last}{}",
            if times == 1 {
                String::new()
            } else {
                format!(" the last of {times} times")
            }
        )),
        _ => None,
    }
}

/// Saves what the step saves, up to the first value that is not there.
fn save(world: &World, step: &Step, output: &Output) -> Result<(), String> {
    for save in &step.save {
        let name = &save.name.value;
        let value = saved_value(&save.source, output)
            .map_err(|why| format!("`{name}` can't be saved: {why}"))?;
        world.emit(Event::Saved {
            step: step.id.value.clone(),
            name: name.clone(),
            value: value.clone(),
        });
        world.save(name, value);
    }
    Ok(())
}

fn stuck(what: String) -> Trouble {
    Trouble::Stuck { what, help: None }
}

/// A verdict on a command: made once, right after it.
fn own(world: &World, span: Span, expected: String, judged: Judged) -> Verdict {
    Verdict {
        passed: judged.holds,
        list: "expect",
        expected,
        seen: judged.seen,
        when: When::After,
        looks: 1,
        looked_for: Duration::ZERO,
        within_ms: None,
        why: None,
        place: world.place(span),
        evidence: Vec::new(),
    }
}

fn saved_value(source: &SaveSource, output: &Output) -> Result<String, String> {
    if output.cut_bytes > 0 {
        return Err("the output is too long".to_owned());
    }
    let value = match source {
        SaveSource::Stdout => output.stdout.trim().to_owned(),
        SaveSource::Stderr => output.stderr.trim().to_owned(),
        SaveSource::Json(path) => match read_json(path, output)? {
            Value::Null => String::new(),
            value => json_text(&value),
        },
        SaveSource::Match(pattern) => pattern
            .0
            .captures(&output.stdout)
            .and_then(|found| found.get(1).or_else(|| found.get(0)))
            .map(|found| found.as_str().to_owned())
            .ok_or_else(|| format!("nothing in stdout matches {pattern}"))?,
    };
    if value.is_empty() {
        Err("there is nothing".to_owned())
    } else {
        Ok(value)
    }
}

/// Runs one `cleanup` line. What it prints and how it ends decides nothing; that it could not be carried out is told.
pub(super) async fn run_cleanup(world: &World, step: &Step, line: &Line) -> Result<(), Trouble> {
    let filled = world
        .in_scope(None, |scope| line.fill(|reference| scope.value(reference)))
        .map_err(stuck)?;
    let hard = &world.interrupt.hard;
    let begun = task::begin(world, step, filled, None);
    let over = world.clock.sleep_until(world.clock.now() + step.timeout);
    finish(world, step, begun, over, &hard.child_token(), hard).await?;
    Ok(())
}
