//! Carries out a step's `run`: once, or once for each item; filters what it prints, decides the checks of its output, saves values.

use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::check::{Judged, in_words, json_text, judge_exit, judge_output, read_json};
use super::event::{Event, Verdict, When};
use super::trouble::Trouble;
use super::world::World;
use crate::lab::action::{Action, Limits, Output};
use crate::lab::line::{Filled, Line, Task};
use crate::lab::model::{Check, CheckKind, Item, SaveSource, Step};
use crate::lab::quantity::{Comparison, Relation, Unit, show_duration};
use crate::lab::source::Span;

/// How much of a command's output is kept.
const OUTPUT_KEPT: usize = 1024 * 1024;

/// How long the nodes may take to agree before a command that needs them to.
const AGREEMENT: Duration = Duration::from_secs(5);
/// The pause between two looks at whether they do.
const AGREEMENT_PAUSE: Duration = Duration::from_millis(25);

/// Runs the step's command.
pub(super) async fn run(world: &World, step: &Step) -> Result<(), Trouble> {
    let Some(line) = &step.run else { return Ok(()) };
    let once = [None];
    let items: Vec<Option<&Item>> = if step.each.is_empty() {
        once.to_vec()
    } else {
        step.each.iter().map(Some).collect()
    };
    for (at, item) in items.iter().enumerate() {
        let position = (items.len() > 1).then_some((at + 1, items.len()));
        run_item(world, step, &line.value, line.span, *item, position).await?;
    }
    Ok(())
}

async fn run_item(
    world: &World,
    step: &Step,
    line: &Line,
    span: Span,
    item: Option<&Item>,
    position: Option<(usize, usize)>,
) -> Result<(), Trouble> {
    let id = step.id.value.clone();
    let mut filled = world
        .in_scope(item, |scope| line.fill(|reference| scope.value(reference)))
        .map_err(stuck)?;
    if let (Task::Action(Action::RedisCli(call)), Some(stdin)) = (&mut filled.task, &step.stdin) {
        call.stdin = Some(
            world
                .in_scope(item, |scope| scope.fill(&stdin.value))
                .map_err(stuck)?,
        );
    }
    await_agreement(world, action_of(&filled)?).await?;
    let raw = perform(world, step, &filled, position, &world.interrupt.soft).await?;
    let cut_bytes = raw.cut_bytes;
    let (output, before_filters) = filter(&filled, raw).map_err(|why| {
        world.emit(Event::CommandGivenUp {
            step: id.clone(),
            why: why.clone(),
        });
        stuck(why)
    })?;
    world.emit(Event::CommandFinished {
        step: id.clone(),
        output: output.clone(),
    });
    // A command that was ended by the wish to end says nothing about the lab.
    if output.exit != Some(0) && world.interrupt.soft.is_cancelled() {
        return Err(Trouble::Interrupted);
    }

    let decide = |verdict: Verdict| world.decide(step, verdict);
    if output.exit.is_none() {
        let seen = format!(
            "it ran for {} without an end, and was stopped",
            show_duration(step.timeout)
        );
        return decide(own(
            world,
            span,
            "the command ends".to_owned(),
            Judged { holds: false, seen },
        ));
    }
    // What a filter says means nothing if the command before it did not work.
    if let Some(code) = before_filters.filter(|code| *code != 0) {
        let seen = format!("exit {code} of the command before `| grep`");
        decide(own(
            world,
            span,
            "exit 0 of the command before `| grep`".to_owned(),
            Judged { holds: false, seen },
        ))?;
    }
    // A line that would have passed the filter may have been in what is missing.
    if before_filters.is_some() && cut_bytes > 0 {
        let seen = format!("{cut_bytes} bytes of the output were too much to be kept");
        decide(own(
            world,
            span,
            "all of the output goes through `| grep`".to_owned(),
            Judged { holds: false, seen },
        ))?;
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
        let judged = judge_exit(&zero, &output);
        if !judged.holds {
            decide(own(world, span, "exit 0".to_owned(), judged))?;
        }
    }
    // The checks may use what is saved; why it could not be is told after them, since they may know better.
    let saved = save(world, step, &output);
    for check in of_output {
        let (judged, expected) = world.in_scope(item, |scope| {
            (
                judge_output(&check.kind, &output, scope),
                in_words(&check.kind, scope),
            )
        });
        let verdict = Verdict {
            why: check.why.clone(),
            ..own(world, check.span, expected, judged)
        };
        decide(verdict)?;
    }
    saved.map_err(stuck)
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

/// Has the environment do what a line asks for, and tells that it begins. That it ended is told by the caller, who knows the filters,
/// unless there is no output to tell of.
async fn perform(
    world: &World,
    step: &Step,
    filled: &Filled,
    item: Option<(usize, usize)>,
    cancel: &CancellationToken,
) -> Result<Output, Trouble> {
    let action = action_of(filled)?;
    world.note_action(action);
    world.emit(Event::CommandStarted {
        step: step.id.value.clone(),
        typed: filled.typed.clone(),
        really: world.backend.explain(action),
        item,
    });
    let limits = Limits {
        time: step.timeout,
        output: OUTPUT_KEPT,
    };
    let mut open = Open {
        world,
        step,
        why: Some("a bug in labrunner".to_owned()),
    };
    let performed = world.backend.perform(action, limits, cancel).await;
    open.why = performed.as_ref().err().map(ToString::to_string);
    if let Ok(output) = &performed {
        world.note_done(action, output);
    }
    Ok(performed?)
}

/// `redis-cli --cluster` refuses to work on a cluster whose nodes don't agree yet, as they don't for some tenths of a second after
/// the command before. A reader types slower than gossip travels; here that pause is made. Where they still don't agree after it,
/// redis-cli says so itself.
async fn await_agreement(world: &World, action: &Action) -> Result<(), Trouble> {
    let Action::RedisCli(call) = action else {
        return Ok(());
    };
    let needs_it = ["reshard", "rebalance", "add-node", "del-node", "check"];
    if !call.cluster_mode
        || !call
            .words
            .first()
            .is_some_and(|word| needs_it.contains(&word.as_str()))
    {
        return Ok(());
    }
    let until = world.clock.now() + AGREEMENT;
    let agree = async {
        while world.clock.now() < until && !world.look_at_views().await.agrees() {
            let next = world.clock.now() + AGREEMENT_PAUSE;
            world.clock.sleep_until(next).await;
        }
    };
    tokio::select! {
        biased;
        () = world.interrupt.soft.cancelled() => Err(Trouble::Interrupted),
        () = agree => Ok(()),
    }
}

/// A command that has begun. Unless it has ended well, it is told that it was given up, whatever happened: a panic too.
struct Open<'a> {
    world: &'a World,
    step: &'a Step,
    why: Option<String>,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if let Some(why) = self.why.take() {
            self.world.emit(Event::CommandGivenUp {
                step: self.step.id.value.clone(),
                why,
            });
        }
    }
}

/// What the backend is to do.
fn action_of(filled: &Filled) -> Result<&Action, Trouble> {
    match &filled.task {
        Task::Action(action) => Ok(action),
        Task::Target(_) | Task::Watch { .. } => Err(stuck("not carried out yet".to_owned())),
    }
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

/// The output after the line's filters, and the exit code that the command had before them, where there are any.
fn filter(filled: &Filled, raw: Output) -> Result<(Output, Option<i32>), String> {
    if filled.filters.is_empty() || raw.exit.is_none() {
        return Ok((raw, None));
    }
    let before = raw.exit;
    let mut output = raw;
    for filter in &filled.filters {
        let filtered = filter.apply(&output.stdout)?;
        output.stdout = filtered.text;
        output.exit = Some(filtered.exit);
    }
    output.combined = format!("{}{}", output.stderr, output.stdout);
    Ok((output, before))
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
    let output = perform(world, step, &filled, None, &world.interrupt.hard).await?;
    world.emit(Event::CommandFinished {
        step: step.id.value.clone(),
        output,
    });
    Ok(())
}
