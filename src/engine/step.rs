//! Runs one step: looks before, acts, watches meanwhile, looks after.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::check::{in_words, judge_probe};
use super::command;
use super::event::{Event, Verdict, When};
use super::probe;
use super::trouble::Trouble;
use super::watch;
use super::world::{World, raw_replies};
use crate::lab::model::{Check, CheckKind, Step};
use crate::load::ProbeReport;

/// Runs a step that is not skipped.
pub(super) async fn run(world: &World, step: &Step) -> Result<(), Trouble> {
    StepRun { world, step }.run().await
}

struct StepRun<'a> {
    world: &'a World,
    step: &'a Step,
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

        self.before(&holds_state, if acts { &expect_state } else { &[] }, acts)
            .await?;
        let probe = match &step.probe {
            Some(spec) => Some(probe::start(world, step, &spec.value).await?),
            None => None,
        };
        let (done, broken) = (CancellationToken::new(), CancellationToken::new());
        let act = async {
            let result = self.act(&broken).await;
            done.cancel();
            result
        };
        // What does not hold is told when it is seen, with the time of that moment.
        let watched = async {
            let held = watch::throughout(world, step, &holds_state, &done).await;
            let told = held.broken.map_or(Ok(()), |verdict| self.decide(verdict));
            if told.is_err() {
                broken.cancel();
            }
            (told, held.looks)
        };
        let (acted, (held, looks)) = if acts {
            tokio::join!(act, watched)
        } else {
            (Ok(()), (Ok(()), 0))
        };
        let mut result = acted.and(held);
        if result.is_ok() && !expect_state.is_empty() {
            result = self.await_expected(&expect_state).await;
        }
        // A probe is stopped and told of in any case: what it counted is often why the step failed.
        let report = match probe {
            Some(probe) => Some(probe::stop(world, step, probe).await),
            None => None,
        };
        result?;
        if let Some(report) = &report {
            self.judge_probe("expect", &expect, report)?;
            self.judge_probe("holds", &holds, report)?;
        }
        if acts || holds_state.iter().any(|check| check.lasting.is_some()) {
            self.after(&holds_state, looks).await?;
        }
        Ok(())
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
    async fn before(&self, holds: &[&Check], expect: &[&Check], acts: bool) -> Result<(), Trouble> {
        let all: Vec<&Check> = holds.iter().chain(expect).copied().collect();
        if all.is_empty() {
            return Ok(());
        }
        let look = self.world.look(&all).await;
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
            if !acts && check.lasting.is_none() {
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
    /// `broken` fires.
    async fn act(&self, broken: &CancellationToken) -> Result<(), Trouble> {
        if let Some(pause) = self.step.wait {
            let until = self.world.clock.now() + pause;
            tokio::select! {
                () = self.world.clock.sleep_until(until) => return Ok(()),
                () = broken.cancelled() => return Ok(()),
                () = self.world.interrupt.soft.cancelled() => return Err(Trouble::Interrupted),
            }
        }
        command::run(self.world, self.step).await
    }

    async fn await_expected(&self, checks: &[&Check]) -> Result<(), Trouble> {
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
        report: &ProbeReport,
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
