//! Runs one step: looks before, acts, watches meanwhile, looks after.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::background::Background;
use super::check::{in_words, judge_probe};
use super::command;
use super::event::{Event, Verdict, When};
use super::evidence::raw_replies;
use super::probe;
use super::timeline::{Failover, Watched};
use super::trouble::Trouble;
use super::watch;
use super::world::World;
use crate::lab::model::{Check, CheckKind, Step};
use crate::load::{Probe, ProbeReport};

/// Runs a step that is not skipped. What it leaves running is in the `background`.
pub(super) async fn run(
    world: &Arc<World>,
    step: &Step,
    background: &Background,
) -> Result<(), Trouble> {
    let run = StepRun {
        world,
        step,
        background,
    };
    run.run().await
}

struct StepRun<'a> {
    world: &'a Arc<World>,
    step: &'a Step,
    background: &'a Background,
}

impl StepRun<'_> {
    async fn run(&self) -> Result<(), Trouble> {
        let (world, step) = (self.world, self.step);
        let expect = self.applying(&step.expect);
        let holds = self.applying(&step.holds);
        let expect_state: Vec<&Check> = expect
            .iter()
            .copied()
            .filter(|check| check.kind.is_of_state())
            .collect();
        let holds_state: Vec<&Check> = holds
            .iter()
            .copied()
            .filter(|check| check.kind.is_of_state())
            .collect();
        let acts = step.run.is_some() || step.wait.is_some();
        // A step that does not act may still have something to wait for.
        let goes_on = acts || !expect_state.is_empty() || step.probe.is_some();

        self.before(
            &holds_state,
            if acts { &expect_state } else { &[] },
            goes_on,
        )
        .await?;
        let failover = Failover::prepare(world, step, &expect).await?;
        let goes_on = goes_on || failover.is_some();
        // A probe's rate and its gaps are real time.
        let _natural = step.probe.as_ref().map(|_| world.clock.hold());
        let probe = match &step.probe {
            Some(spec) => Some(probe::start(world, step, &spec.value).await?),
            None => None,
        };
        let (done, broke) = (CancellationToken::new(), CancellationToken::new());
        let go_on = async {
            let gone = self
                .go_on(&expect_state, failover.map(Failover::begin), probe, &broke)
                .await;
            done.cancel();
            gone
        };
        // What holds is watched until the last thing of the step has happened, which is not the end of its command: what the command
        // brings about may take its time, and may be rough.
        // What does not hold is told when it is seen, and even if the command fails as well: it may well be why.
        let watch = async {
            let held = watch::throughout(world, step, &holds_state, &done).await;
            let told = match held.broken {
                Some(broken) if !world.interrupt.soft.is_cancelled() => self.decide(broken),
                _ => Ok(()),
            };
            if told.is_err() {
                broke.cancel();
            }
            (told, held.looks)
        };
        let ((result, report), (held, looks)) = if goes_on {
            tokio::join!(go_on, watch)
        } else {
            ((Ok(()), None), (Ok(()), 0))
        };
        let result = result.and(held);
        result?;
        self.judge_probe("expect", &expect, report.as_ref())?;
        self.judge_probe("holds", &holds, report.as_ref())?;
        // Of a step that only looks, the look before was also the look after, for what does not have to last.
        let after: Vec<&Check> = holds_state
            .iter()
            .copied()
            .filter(|check| goes_on || check.lasting.is_some())
            .collect();
        self.after(&after, looks).await
    }

    /// The command or the pause, and what becomes true by it. The probe is stopped and told of in any case: what it counted is often why
    /// the step failed. `broke` ends what is awaited.
    async fn go_on(
        &self,
        expect: &[&Check],
        failover: Option<Watched<'_>>,
        probe: Option<Probe>,
        broke: &CancellationToken,
    ) -> (Result<(), Trouble>, Option<ProbeReport>) {
        let mut result = self.act(broke).await;
        let mut timed = false;
        if result.is_ok() {
            let awaited = async {
                tokio::join!(
                    await_failover(failover.as_ref()),
                    self.await_expected(expect)
                )
            };
            result = tokio::select! {
                biased;
                () = broke.cancelled() => Ok(()),
                (seen, expected) = awaited => {
                    timed = seen.is_ok();
                    seen.and(expected)
                }
            };
        }
        if let Some(failover) = failover {
            let verdict = failover.end().await;
            // What was cut short says nothing of the lab.
            if timed {
                result = result.and(self.decide(verdict));
            }
        }
        let Some(probe) = probe else {
            return (result, None);
        };
        match probe::stop(self.world, self.step, probe).await {
            Ok(report) => (result, Some(report)),
            Err(trouble) => (result.and(Err(trouble)), None),
        }
    }

    /// The checks that apply to the servers at hand. What is left out is told.
    fn applying<'c>(&self, checks: &'c [Check]) -> Vec<&'c Check> {
        let (applying, other): (Vec<&Check>, Vec<&Check>) = checks
            .iter()
            .partition(|check| self.world.applies(check.on.as_ref()));
        for check in other {
            let what = self
                .world
                .in_scope(None, |scope| in_words(&check.kind, scope));
            let rule = check
                .on
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default();
            self.world.emit(Event::CheckSkipped {
                step: self.id(),
                what,
                reason: format!("only on {rule}"),
            });
        }
        applying
    }

    fn id(&self) -> String {
        self.step.id.value.clone()
    }

    /// What holds throughout has to hold already, and what this step brings about must not: otherwise the step proves nothing.
    async fn before(
        &self,
        holds: &[&Check],
        expect: &[&Check],
        goes_on: bool,
    ) -> Result<(), Trouble> {
        let all: Vec<&Check> = holds.iter().chain(expect).copied().collect();
        if all.is_empty() {
            return Ok(());
        }
        let look = self.world.look_unless_interrupted(&all).await?;
        self.world.emit(Event::Observed {
            step: self.id(),
            replies: raw_replies(&look),
        });
        for (check, judged) in self.world.judge(holds, &look) {
            if !judged.holds {
                let verdict = watch::verdict(
                    self.world,
                    check,
                    "holds",
                    When::Before,
                    judged,
                    1,
                    Duration::ZERO,
                    Some(&look),
                );
                return self.decide(verdict);
            }
            // Of a step that only looks, this look is the whole of it.
            if !goes_on && check.lasting.is_none() {
                let verdict = watch::verdict(
                    self.world,
                    check,
                    "holds",
                    When::After,
                    judged,
                    1,
                    Duration::ZERO,
                    None,
                );
                self.decide(verdict)?;
            }
        }
        for (check, mut judged) in self.world.judge(expect, &look) {
            if judged.holds {
                judged.holds = false;
                let verdict = watch::verdict(
                    self.world,
                    check,
                    "expect",
                    When::Before,
                    judged,
                    1,
                    Duration::ZERO,
                    Some(&look),
                );
                return self.decide(verdict);
            }
        }
        Ok(())
    }

    /// The command, or the pause. A command runs to its end whatever happens meanwhile; of a pause nothing more is to be seen once
    /// `broken` fires, and as little of a command that has no end of its own.
    async fn act(&self, broken: &CancellationToken) -> Result<(), Trouble> {
        if let (None, Some(pause)) = (&self.step.run, self.step.wait) {
            let until = self.world.clock.now() + pause;
            tokio::select! {
                () = self.world.clock.sleep_until(until) => return Ok(()),
                () = broken.cancelled() => return Ok(()),
                () = self.world.interrupt.soft.cancelled() => return Err(Trouble::Interrupted),
            }
        }
        if self.step.background {
            return self.background.begin(self.world, self.step).await;
        }
        command::run(self.world, self.step, broken).await
    }

    async fn await_expected(&self, checks: &[&Check]) -> Result<(), Trouble> {
        if checks.is_empty() {
            return Ok(());
        }
        for verdict in watch::until_all_hold(self.world, self.step, checks).await? {
            self.decide(verdict)?;
        }
        Ok(())
    }

    async fn after(&self, holds: &[&Check], looks_before: u32) -> Result<(), Trouble> {
        if holds.is_empty() {
            return Ok(());
        }
        for verdict in watch::still_hold(self.world, self.step, holds, looks_before).await? {
            self.decide(verdict)?;
        }
        Ok(())
    }

    fn judge_probe(
        &self,
        list: &'static str,
        checks: &[&Check],
        report: Option<&ProbeReport>,
    ) -> Result<(), Trouble> {
        for check in checks {
            if let CheckKind::Probe(test) = &check.kind {
                let judged = judge_probe(test, report);
                let verdict = watch::verdict(
                    self.world,
                    check,
                    list,
                    When::After,
                    judged,
                    1,
                    Duration::ZERO,
                    None,
                );
                self.decide(verdict)?;
            }
        }
        Ok(())
    }

    /// Tells a verdict; a bad one ends the step.
    fn decide(&self, verdict: Verdict) -> Result<(), Trouble> {
        self.world.decide(self.step, verdict)
    }
}

async fn await_failover(failover: Option<&Watched<'_>>) -> Result<(), Trouble> {
    match failover {
        Some(failover) => failover.awaited().await,
        None => Ok(()),
    }
}
