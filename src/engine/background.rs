//! Commands that go on while the next steps run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::command::{self, Turn, begin, finish};
use super::guard::Guarded;
use super::task::Done;
use super::trouble::Trouble;
use super::world::World;
use crate::lab::model::Step;

/// The commands of a lab that go on in the background, by their steps' places in the lab. When the last owner is gone, so are they.
#[derive(Default)]
pub(super) struct Background {
    // Not a part of the world: each of them holds the world, and would never be dropped.
    commands: Mutex<BTreeMap<usize, InBackground>>,
}

/// A command that goes on in the background, or has ended there and is not decided yet.
pub(super) struct InBackground {
    /// The place of its step in the lab.
    pub at: usize,
    began: Instant,
    endless: bool,
    stop: CancellationToken,
    work: Guarded<Came>,
}

/// What came of a command in the background.
pub(super) struct Came {
    done: Done,
    ended: Instant,
}

impl Background {
    /// Begins the command of a step and lets it go on.
    pub async fn begin(&self, world: &Arc<World>, step: &Step) -> Result<(), Trouble> {
        let place = |other: &Step| other.id.value == step.id.value;
        let (Some(at), Some(line)) = (world.lab.steps.iter().position(place), &step.run) else {
            return Ok(());
        };
        // What keeps it from being begun is told now, and not when it is awaited.
        let begun = begin(world, step, &line.value, Turn::ONLY).await?;
        let (began, endless) = (Instant::now(), begun.is_endless());
        let stop = world.interrupt.soft.child_token();
        let work = Guarded::begin({
            let (world, stop) = (world.clone(), stop.clone());
            async move {
                let Some(step) = world.lab.steps.get(at) else {
                    return Err(Trouble::Interrupted);
                };
                let (soft, over) = (&world.interrupt.soft, std::future::pending());
                let done = finish(&world, step, begun, over, &stop, soft).await?;
                let ended = Instant::now();
                Ok(Came { done, ended })
            }
        });
        let command = InBackground {
            at,
            began,
            endless,
            stop,
            work,
        };
        self.commands().insert(at, command);
        Ok(())
    }

    /// Whether the command of the step at this place went on in the background and is not decided yet.
    pub fn has(&self, at: usize) -> bool {
        self.commands().contains_key(&at)
    }

    /// That command, for whoever decides it.
    pub fn take(&self, at: usize) -> Option<InBackground> {
        self.commands().remove(&at)
    }

    /// The place of the first step whose command is not decided yet.
    pub fn first(&self) -> Option<usize> {
        self.commands().keys().next().copied()
    }

    /// All of them, told to stop.
    pub fn stop_all(&self) -> Vec<InBackground> {
        let all: Vec<InBackground> = std::mem::take(&mut *self.commands())
            .into_values()
            .collect();
        all.iter().for_each(|command| command.stop.cancel());
        all
    }

    /// The lock of plain data: what a thread that panicked left in it is as good as any.
    fn commands(&self) -> MutexGuard<'_, BTreeMap<usize, InBackground>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InBackground {
    /// Whether it goes on until it is stopped.
    pub fn is_endless(&self) -> bool {
        self.endless
    }

    /// For how long it has been under way.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Waits until it has ended; what has no end of its own is stopped. How long it went on comes with it.
    pub async fn ended(&mut self) -> Result<(Came, Duration), Trouble> {
        if self.endless {
            self.stop.cancel();
        }
        let came = self.work.ended().await?;
        let took = came.ended.duration_since(self.began);
        Ok((came, took))
    }

    /// Waits until it has stopped, for so long; then it is ended where it is.
    pub async fn gone(&mut self, patience: Duration) {
        self.stop.cancel();
        // How it ended decides nothing any more.
        let _ = tokio::time::timeout(patience, self.work.ended()).await;
        self.work.drop_now().await;
    }
}

impl Came {
    /// Decides what is to be said of it.
    pub fn judge(&self, world: &World, step: &Step) -> Result<(), Trouble> {
        match &step.run {
            Some(line) => command::judge(world, step, line.span, Turn::ONLY, &self.done),
            None => Ok(()),
        }
    }
}
