//! Looking again and again: until what is expected is true, and whether what holds goes on holding.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::check::{Judged, Look, in_words, lasting_in_words};
use super::event::{Event, Verdict, When};
use super::trouble::Trouble;
use super::world::{World, raw_replies};
use crate::lab::model::{Check, CheckKind, DEFAULT_WITHIN, Step};

/// The pause between two looks while something is awaited.
const AWAIT_PAUSE: Duration = Duration::from_millis(40);
/// The pause between two looks at what holds while a command runs.
const HOLD_PAUSE: Duration = Duration::from_millis(100);
/// The pause between two readings of all given keys while a command runs: each is thousands of reads.
const KEYS_PAUSE: Duration = Duration::from_secs(1);
/// How often what is awaited is told.
const TELL_PAUSE: Duration = Duration::from_millis(500);

/// What came of watching while a command ran.
#[derive(Default)]
pub(super) struct Held {
    /// The first check that did not hold.
    pub broken: Option<Verdict>,
    /// How often was looked.
    pub looks: u32,
}

/// A decided check.
#[expect(
    clippy::too_many_arguments,
    reason = "one place builds verdicts, from all that they consist of"
)]
pub(super) fn verdict(
    world: &World,
    check: &Check,
    list: &'static str,
    when: When,
    judged: Judged,
    looks: u32,
    looked_for: Duration,
    evidence: Option<&Look>,
) -> Verdict {
    let within = (list == "expect" && check.kind.is_of_state())
        .then(|| check.within.unwrap_or(DEFAULT_WITHIN));
    let words = world.in_scope(None, |scope| in_words(&check.kind, scope));
    Verdict {
        passed: judged.holds,
        list,
        expected: words + &lasting_in_words(check.lasting),
        seen: judged.seen,
        when,
        looks,
        looked_for,
        within_ms: within.and_then(|within| u64::try_from(within.as_millis()).ok()),
        why: check.why.clone(),
        place: world.place(check.span),
        evidence: evidence.map(raw_replies).unwrap_or_default(),
    }
}

/// Watches what holds until `done` fires. The first look that finds one broken ends the watch.
pub(super) async fn throughout(
    world: &World,
    step: &Step,
    checks: &[&Check],
    done: &CancellationToken,
) -> Held {
    let mut held = Held::default();
    if checks.is_empty() {
        return held;
    }
    let started = world.clock.now();
    let without_keys: Vec<&Check> = checks
        .iter()
        .copied()
        .filter(|check| check.kind != CheckKind::GivenKeys)
        .collect();
    let mut keys_due = started + HOLD_PAUSE;
    loop {
        // The pause comes first: one look has just been made before the command.
        tokio::select! {
            biased;
            () = done.cancelled() => return held,
            () = world.clock.sleep_until(world.clock.now() + HOLD_PAUSE) => {}
        }
        let now = world.clock.now();
        let due = if now >= keys_due {
            checks
        } else {
            &without_keys[..]
        };
        let look = world.look(due).await;
        if now >= keys_due {
            keys_due = world.clock.now() + KEYS_PAUSE;
        }
        held.looks += 1;
        if let Some((check, judged)) = world
            .judge(due, &look)
            .into_iter()
            .find(|(_, judged)| !judged.holds)
        {
            let looked_for = world.clock.now().saturating_sub(started);
            world.emit(Event::Observed {
                step: step.id.value.clone(),
                replies: raw_replies(&look),
            });
            held.broken = Some(verdict(
                world,
                check,
                "holds",
                When::During,
                judged,
                held.looks,
                looked_for,
                Some(&look),
            ));
            return held;
        }
    }
}

/// Looks until all checks hold in one and the same look, and have held for as long as each asks. One verdict a check; the last is a
/// bad one if they did not come true in time.
pub(super) async fn until_all_hold(
    world: &World,
    step: &Step,
    checks: &[&Check],
) -> Result<Vec<Verdict>, Trouble> {
    let started = world.clock.now();
    // Since when each has been true without a break.
    let mut since: Vec<Option<Duration>> = vec![None; checks.len()];
    let mut ever = vec![false; checks.len()];
    let mut looks = 0;
    let mut told: Option<Duration> = None;
    loop {
        let look = world.look(checks).await;
        looks += 1;
        let now = world.clock.now();
        let elapsed = now.saturating_sub(started);
        let judged = world.judge(checks, &look);
        for (at, (check, judged)) in judged.iter().enumerate() {
            since[at] = judged.holds.then(|| since[at].unwrap_or(now));
            ever[at] |= since[at].is_some_and(|since| {
                now.saturating_sub(since) >= check.lasting.unwrap_or_default()
            });
        }
        let settled = |at: usize, check: &Check| {
            since[at]
                .is_some_and(|since| now.saturating_sub(since) >= check.lasting.unwrap_or_default())
        };
        if judged
            .iter()
            .enumerate()
            .all(|(at, (check, _))| settled(at, check))
        {
            world.emit(Event::Observed {
                step: step.id.value.clone(),
                replies: raw_replies(&look),
            });
            return Ok(judged
                .into_iter()
                .map(|(check, judged)| {
                    verdict(
                        world,
                        check,
                        "expect",
                        When::After,
                        judged,
                        looks,
                        elapsed,
                        None,
                    )
                })
                .collect());
        }
        // Each check has its own deadline for coming true at all; the latest is that for being true together.
        let limit = |check: &Check| {
            check.within.unwrap_or(DEFAULT_WITHIN) + check.lasting.unwrap_or_default()
        };
        let latest = checks
            .iter()
            .map(|check| limit(check))
            .max()
            .unwrap_or_default();
        let overdue = judged.iter().enumerate().find(|(at, (check, _))| {
            !settled(*at, check) && (elapsed > latest || (!ever[*at] && elapsed > limit(check)))
        });
        if let Some((_, (check, bad))) = overdue {
            world.emit(Event::Observed {
                step: step.id.value.clone(),
                replies: raw_replies(&look),
            });
            let mut bad = bad.clone();
            if bad.holds {
                bad = Judged {
                    holds: false,
                    seen: format!("{}, but not for long enough", bad.seen),
                };
            }
            return Ok(vec![verdict(
                world,
                check,
                "expect",
                When::After,
                bad,
                looks,
                elapsed,
                Some(&look),
            )]);
        }
        if let Some((check, judged)) = judged.iter().find(|(_, judged)| !judged.holds)
            && told.is_none_or(|told| elapsed.saturating_sub(told) >= TELL_PAUSE)
        {
            told = Some(elapsed);
            let what = world.in_scope(None, |scope| in_words(&check.kind, scope));
            world.emit(Event::Waiting {
                step: step.id.value.clone(),
                what,
                seen: judged.seen.clone(),
            });
        }
        tokio::select! {
            () = world.clock.sleep_until(now + AWAIT_PAUSE) => {}
            () = world.interrupt.soft.cancelled() => return Err(Trouble::Interrupted),
        }
    }
}

/// Whether what holds still holds after the step, for as long as each check asks. One verdict a check; the last is bad if one does not.
pub(super) async fn still_hold(
    world: &World,
    step: &Step,
    checks: &[&Check],
    looks_before: u32,
) -> Result<Vec<Verdict>, Trouble> {
    let started = world.clock.now();
    let longest = checks
        .iter()
        .filter_map(|check| check.lasting)
        .max()
        .unwrap_or_default();
    let mut looks = looks_before;
    loop {
        let elapsed = world.clock.now().saturating_sub(started);
        // A check is watched for its own time, and all once more at the end.
        let last = elapsed >= longest;
        let watched: Vec<&Check> = checks
            .iter()
            .copied()
            .filter(|check| {
                last || looks == looks_before || check.lasting.is_some_and(|time| time >= elapsed)
            })
            .collect();
        let look = world.look(&watched).await;
        looks += 1;
        let judged = world.judge(&watched, &look);
        if let Some((check, bad)) = judged.iter().find(|(_, judged)| !judged.holds) {
            world.emit(Event::Observed {
                step: step.id.value.clone(),
                replies: raw_replies(&look),
            });
            return Ok(vec![verdict(
                world,
                check,
                "holds",
                When::After,
                bad.clone(),
                looks,
                elapsed,
                Some(&look),
            )]);
        }
        if last {
            world.emit(Event::Observed {
                step: step.id.value.clone(),
                replies: raw_replies(&look),
            });
            return Ok(judged
                .into_iter()
                .map(|(check, judged)| {
                    verdict(
                        world,
                        check,
                        "holds",
                        When::After,
                        judged,
                        looks,
                        elapsed,
                        None,
                    )
                })
                .collect());
        }
        tokio::select! {
            () = world.clock.sleep_until((started + longest).min(world.clock.now() + HOLD_PAUSE)) => {}
            () = world.interrupt.soft.cancelled() => return Err(Trouble::Interrupted),
        }
    }
}
