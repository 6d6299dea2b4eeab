//! Carries out what a line asks for: one thing for the backend, a target, or a line again and again. Tells that it begins, what it
//! does meanwhile, and that it has ended; whether that was good is for others to say.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::event::Event;
use super::events::Events;
use super::trouble::Trouble;
use super::world::World;
use crate::backend::BackendError;
use crate::lab::action::{Action, Limits, Output};
use crate::lab::line::{Filled, Task};
use crate::lab::model::Step;
use crate::lab::quantity::show_duration;
use crate::targets::{self, Told};

/// How much of a command's output is kept.
pub(super) const OUTPUT_KEPT: usize = 1024 * 1024;
/// The time limit of what goes on until it is stopped: longer than any lab.
const ENDLESS: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the nodes may take to agree before a command that needs them to.
const AGREEMENT: Duration = Duration::from_secs(15);
/// The pause between two looks at whether they do.
const AGREEMENT_PAUSE: Duration = Duration::from_millis(25);

/// What came of a command.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// What it printed and how it ended, after the line's filters.
    pub output: Output,
    /// The exit code that the command had before the filters, where there are any.
    pub before_filters: Option<i32>,
    /// Bytes that went through no filter, since they were too much to be kept.
    pub unfiltered: u64,
    /// Of a `watch`: how often it saw its command to the end.
    pub watched: Option<Repetitions>,
}

/// What a `watch` has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Repetitions {
    /// How often its command ended.
    pub times: u32,
    /// How often that command worked: exit 0, before filters.
    pub worked: u32,
    /// How the last one ended, before filters.
    pub last: i32,
}

impl Repetitions {
    /// Of a target that looks again and again by itself: whether it has seen anything is all that is known.
    fn in_one(output: &Output) -> Repetitions {
        let seen = u32::from(!output.stdout.trim().is_empty());
        Repetitions {
            times: seen,
            worked: seen,
            last: 0,
        }
    }
}

/// A command that has begun. Unless it ends well, it is told that it was given up, whatever happens: a panic too.
pub(super) struct Begun {
    filled: Filled,
    open: Open,
}

/// Tells that a command begins.
pub(super) fn begin(
    world: &World,
    step: &Step,
    filled: Filled,
    item: Option<(usize, usize)>,
) -> Begun {
    let id = &step.id.value;
    world.emit(Event::CommandStarted {
        step: id.clone(),
        typed: filled.typed.clone(),
        really: explain(world, &filled),
        item,
    });
    Begun {
        filled,
        open: Open {
            events: world.events.clone(),
            step: id.clone(),
            ended: false,
            why: None,
        },
    }
}

impl Begun {
    /// Whether it goes on until it is stopped.
    pub fn is_endless(&self) -> bool {
        self.filled.task.is_endless()
    }

    /// Carries it out to its end, which it has after `time` at the latest if it has one of its own. `stop` ends it before; to what has
    /// no end of its own, that is a good end. `cancel`, which `stop` is a child of, is the wish to end: after it nothing is.
    pub async fn end(
        mut self,
        world: &World,
        time: Duration,
        stop: &CancellationToken,
        cancel: &CancellationToken,
    ) -> Result<Done, Trouble> {
        let step = self.open.step.clone();
        let limits = Limits {
            time,
            output: OUTPUT_KEPT,
        };
        let carried_out = match &self.filled.task {
            Task::Watch { every, inner } => {
                super::repeat::watch(world, &step, *every, inner, limits, stop).await
            }
            task => once(world, task, limits, stop, Some(&step))
                .await
                .map(|output| Done {
                    watched: task.is_endless().then(|| Repetitions::in_one(&output)),
                    ..Done::of(output)
                })
                .map_err(Failed::from),
        };
        let carried_out = match carried_out {
            // It was cut off in the middle by the wish to end: its end is not one.
            Ok(_) if self.is_endless() && cancel.is_cancelled() => {
                Err(BackendError::Cancelled.into())
            }
            Ok(done) => done.filtered(&self.filled),
            Err(failed) => Err(failed),
        };
        match carried_out {
            Ok(done) => {
                world.emit(Event::CommandFinished {
                    step,
                    output: done.output.clone(),
                });
                self.open.ended = true;
                Ok(done)
            }
            Err(failed) => {
                let called_off =
                    matches!(failed.trouble, Trouble::Interrupted) && !cancel.is_cancelled();
                self.open.why = Some(if called_off {
                    "called off".to_owned()
                } else {
                    failed.why
                });
                Err(failed.trouble)
            }
        }
    }
}

impl Done {
    /// What came of something that is not filtered yet.
    pub fn of(output: Output) -> Done {
        Done {
            output,
            ..Done::default()
        }
    }

    /// The same after the filters of a line.
    pub fn filtered(self, filled: &Filled) -> Result<Done, Failed> {
        if filled.filters.is_empty() || self.output.exit.is_none() {
            return Ok(self);
        }
        let mut done = Done {
            before_filters: self.output.exit,
            unfiltered: self.unfiltered.max(self.output.cut_bytes),
            ..self
        };
        let output = &mut done.output;
        for filter in &filled.filters {
            let filtered = filter.apply(&output.stdout)?;
            output.stdout = filtered.text;
            output.exit = Some(filtered.exit);
        }
        output.combined = format!("{}{}", output.stderr, output.stdout);
        Ok(done)
    }
}

/// Why a command has no output: in a few words, and as what ends the lab.
pub(super) struct Failed {
    why: String,
    trouble: Trouble,
}

impl From<BackendError> for Failed {
    fn from(error: BackendError) -> Self {
        Failed {
            why: error.to_string(),
            trouble: error.into(),
        }
    }
}

impl From<String> for Failed {
    fn from(why: String) -> Self {
        Failed {
            why: why.clone(),
            trouble: Trouble::Stuck {
                what: why,
                help: None,
            },
        }
    }
}

/// Carries out what is done once. Which commands a target runs is told as those of `step`, if there is one.
pub(super) async fn once(
    world: &World,
    task: &Task,
    limits: Limits,
    cancel: &CancellationToken,
    step: Option<&str>,
) -> Result<Output, BackendError> {
    match task {
        Task::Action(action) => {
            world.alive.note_action(action);
            let output = world.backend.perform(action, limits, cancel).await?;
            world.alive.note_done(action, &output);
            Ok(output)
        }
        Task::Target(target) => {
            let limits = Limits {
                time: if target.is_endless() {
                    ENDLESS
                } else {
                    limits.time
                },
                ..limits
            };
            // All that it prints is in its output; of its commands the output has only what a reader would see.
            let mut tell = |told: Told| {
                if let (Told::Command { typed, really }, Some(step)) = (told, step) {
                    world.emit(Event::TargetCommand {
                        step: step.to_owned(),
                        typed,
                        really,
                    });
                }
            };
            let stops = world.alive.note_target(target);
            let output = targets::run(target, &world.backend, limits, cancel, &mut tell).await?;
            world.alive.note_target_done(target, stops, &output);
            Ok(output)
        }
        Task::Watch { .. } => Err(BackendError::Broken {
            what: "a `watch` can't be watched".to_owned(),
            help: "write the command that is to be watched".to_owned(),
        }),
    }
}

/// What is really done for a line. What a target does is told command by command, once it is known.
fn explain(world: &World, filled: &Filled) -> String {
    match &filled.task {
        Task::Action(action) => world.backend.explain(action),
        Task::Target(_) => filled.typed.clone(),
        Task::Watch { every, inner } => {
            format!("every {}: {}", show_duration(*every), explain(world, inner))
        }
    }
}

/// `redis-cli --cluster` refuses to work on a cluster whose nodes don't agree yet, as they don't for some tenths of a second after
/// the command before. A reader types slower than gossip travels; here that pause is made. Where they still don't agree after it,
/// redis-cli says so itself.
pub(super) async fn await_agreement(world: &World, task: &Task) -> Result<(), Trouble> {
    if !needs_agreement(task) {
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

fn needs_agreement(task: &Task) -> bool {
    match task {
        Task::Action(Action::RedisCli(call)) => {
            let needs_it = ["reshard", "rebalance", "add-node", "del-node", "check"];
            let subcommand = call.words.first().map(String::as_str);
            call.cluster_mode && subcommand.is_some_and(|word| needs_it.contains(&word))
        }
        // A target sees for itself when it can begin.
        Task::Action(_) | Task::Target(_) | Task::Watch { .. } => false,
    }
}

/// What is told of a command that did not end well.
struct Open {
    events: Arc<Events>,
    step: String,
    ended: bool,
    why: Option<String>,
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let unsaid = if std::thread::panicking() {
            "a bug in labrunner"
        } else {
            "it did not stop in time"
        };
        self.events.emit(Event::CommandGivenUp {
            step: std::mem::take(&mut self.step),
            why: self.why.take().unwrap_or_else(|| unsaid.to_owned()),
        });
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::lab::line::Line;
    use crate::lab::target::Target;

    fn line(text: &str) -> Filled {
        let line = Line::parse(text).unwrap();
        line.fill(|reference| Err(reference.to_string())).unwrap()
    }

    fn printed(exit: Option<i32>, stdout: &str, stderr: &str) -> Done {
        Done::of(Output {
            exit,
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
            combined: format!("{stdout}{stderr}"),
            cut_bytes: 3,
            ..Output::default()
        })
    }

    #[test]
    fn filters_change_what_was_printed_and_how_it_ended_and_nothing_is_forgotten() {
        let filled = line("redis-cli -p 7001 INFO | grep -v b | grep -c a");
        let done = printed(Some(7), "a\nab\na\n", "oops\n")
            .filtered(&filled)
            .ok()
            .unwrap();
        assert_eq!(done.output.stdout, "2\n");
        assert_eq!(done.output.combined, "oops\n2\n");
        assert_eq!((done.output.exit, done.before_filters), (Some(0), Some(7)));
        assert_eq!(done.unfiltered, 3);
    }

    #[test]
    fn without_filters_and_without_an_end_all_stays_as_it_is() {
        for (text, exit) in [
            ("redis-cli -p 7001 INFO", Some(7)),
            ("redis-cli -p 7001 INFO | grep x", None),
        ] {
            let done = printed(exit, "a\n", "").filtered(&line(text)).ok().unwrap();
            assert_eq!(done.output.stdout, "a\n");
            assert_eq!((done.output.exit, done.before_filters), (exit, None));
            assert_eq!(done.unfiltered, 0);
        }
    }

    #[rstest]
    #[case(line("redis-cli --cluster reshard 127.0.0.1:7001 --cluster-yes").task, true)]
    #[case(line("redis-cli --cluster check 127.0.0.1:7001").task, true)]
    #[case(line("redis-cli --cluster call 127.0.0.1:7001 PING").task, false)]
    #[case(line("redis-cli -p 7001 check").task, false)]
    #[case(line("docker stop redis-1").task, false)]
    #[case(Task::Target(Target::ScaleAddReplica), false)]
    fn what_waits_for_the_nodes_to_agree(#[case] task: Task, #[case] waits: bool) {
        assert_eq!(needs_agreement(&task), waits);
    }
}
