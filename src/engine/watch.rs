//! Looking again and again: until what is expected is true, and whether what holds goes on holding.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::check::{Judged, Look, in_words, lasting_in_words};
use super::coming_true::{ComingTrue, Progress};
use super::event::{Event, Verdict, When};
use super::evidence::raw_replies;
use super::trouble::Trouble;
use super::world::World;
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
    /// How often was looked, the look before the step included.
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
    // One look has been made before the step.
    let mut held = Held {
        broken: None,
        looks: 1,
    };
    if checks.is_empty() {
        return held;
    }
    let started = world.clock.now();
    let mut due = Due::new(checks, started + HOLD_PAUSE);
    let mut next = started + HOLD_PAUSE;
    loop {
        tokio::select! {
            biased;
            () = done.cancelled() => return held,
            () = world.clock.sleep_until(next) => {}
        }
        let now = world.clock.now();
        next = now + HOLD_PAUSE;
        let watched = due.at(now, checks);
        // A look that has begun is heeded, even if the command ends meanwhile. Only a wish to end is not kept waiting.
        let Ok(look) = world.look_unless_interrupted(&watched).await else {
            return held;
        };
        due.looked(world.clock.now(), &watched);
        held.looks += 1;
        if let Some((check, judged)) = first_bad(world, &watched, &look) {
            let looked_for = world.clock.now().saturating_sub(started);
            observed(world, step, &look);
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

/// When the given keys are due to be read, which is too much to be done at every look.
struct Due {
    keys: Duration,
    without_keys: bool,
}

impl Due {
    fn new(checks: &[&Check], keys: Duration) -> Self {
        Due {
            keys,
            without_keys: checks
                .iter()
                .all(|check| check.kind != CheckKind::GivenKeys),
        }
    }

    /// Those of `checks` that are due at this moment.
    fn at<'c>(&self, now: Duration, checks: &[&'c Check]) -> Vec<&'c Check> {
        let keys_too = self.without_keys || now >= self.keys;
        let due = |check: &&Check| keys_too || check.kind != CheckKind::GivenKeys;
        checks.iter().copied().filter(due).collect()
    }

    /// Takes note of a look that ended now.
    fn looked(&mut self, now: Duration, watched: &[&Check]) {
        if watched
            .iter()
            .any(|check| check.kind == CheckKind::GivenKeys)
        {
            self.keys = now + KEYS_PAUSE;
        }
    }
}

fn first_bad<'c>(world: &World, checks: &[&'c Check], look: &Look) -> Option<(&'c Check, Judged)> {
    world
        .judge(checks, look)
        .into_iter()
        .find(|(_, judged)| !judged.holds)
}

fn observed(world: &World, step: &Step, look: &Look) {
    world.emit(Event::Observed {
        step: step.id.value.clone(),
        replies: raw_replies(look),
    });
}

/// Looks until all checks hold in one and the same look, and have held for as long as each asks. One verdict a check; a single bad one if
/// they did not come true in time.
pub(super) async fn until_all_hold(
    world: &World,
    step: &Step,
    checks: &[&Check],
) -> Result<Vec<Verdict>, Trouble> {
    let mut coming = ComingTrue::new(checks.iter().map(|check| {
        let within = check.within.unwrap_or(DEFAULT_WITHIN);
        (within, check.lasting.unwrap_or_default())
    }));
    let mut looks = 0;
    let mut told: Option<Duration> = None;
    let mut begun = world.clock.now();
    let started = begun;
    loop {
        let look = world.look_unless_interrupted(checks).await?;
        looks += 1;
        let elapsed = world.clock.now().saturating_sub(started);
        let judged = world.judge(checks, &look);
        let holds: Vec<bool> = judged.iter().map(|(_, judged)| judged.holds).collect();
        let decided = |check: &Check, judged: Judged, look: Option<&Look>| {
            let when = When::After;
            verdict(world, check, "expect", when, judged, looks, elapsed, look)
        };
        match coming.see(begun.saturating_sub(started), elapsed, &holds) {
            Progress::All => {
                observed(world, step, &look);
                return Ok(judged
                    .into_iter()
                    .map(|(check, judged)| decided(check, judged, None))
                    .collect());
            }
            Progress::Overdue(at) => {
                observed(world, step, &look);
                return Ok(judged
                    .into_iter()
                    .skip(at)
                    .take(1)
                    .map(|(check, judged)| decided(check, too_late(judged), Some(&look)))
                    .collect());
            }
            Progress::Awaiting(at) => {
                if let Some((check, judged)) = judged.get(at)
                    && told.is_none_or(|told| elapsed.saturating_sub(told) >= TELL_PAUSE)
                {
                    told = Some(elapsed);
                    let what = world.in_scope(None, |scope| in_words(&check.kind, scope));
                    let so_far = if judged.holds {
                        ", but not for long enough yet"
                    } else {
                        ""
                    };
                    world.emit(Event::Waiting {
                        step: step.id.value.clone(),
                        what,
                        seen: format!("{}{so_far}", judged.seen),
                    });
                }
            }
        }
        tokio::select! {
            () = world.clock.sleep_until(world.clock.now() + AWAIT_PAUSE) => {}
            () = world.interrupt.soft.cancelled() => return Err(Trouble::Interrupted),
        }
        begun = world.clock.now();
    }
}

/// What is to be told of a check that is overdue. It may be true by now.
fn too_late(judged: Judged) -> Judged {
    if !judged.holds {
        return judged;
    }
    Judged {
        holds: false,
        seen: format!("{}, but too late", judged.seen),
    }
}

/// Whether what holds still holds after the step, for as long as each check asks. One verdict a check, or a single bad one.
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
    let mut due = Due::new(checks, started);
    let mut looks = looks_before;
    loop {
        let now = world.clock.now();
        let elapsed = now.saturating_sub(started);
        // A check is watched for its own time; all are looked at once more at the end.
        let last = elapsed >= longest;
        let watched: Vec<&Check> = if last || looks == looks_before {
            checks.to_vec()
        } else {
            let own_time = |check: &&Check| check.lasting.is_some_and(|time| time >= elapsed);
            due.at(now, checks).into_iter().filter(own_time).collect()
        };
        let look = world.look_unless_interrupted(&watched).await?;
        due.looked(world.clock.now(), &watched);
        looks += 1;
        let looked_for = world.clock.now().saturating_sub(started);
        let decided = |check: &Check, judged: Judged, look: Option<&Look>| {
            let when = When::After;
            verdict(world, check, "holds", when, judged, looks, looked_for, look)
        };
        if let Some((check, bad)) = first_bad(world, &watched, &look) {
            observed(world, step, &look);
            return Ok(vec![decided(check, bad, Some(&look))]);
        }
        if last {
            observed(world, step, &look);
            return Ok(world
                .judge(&watched, &look)
                .into_iter()
                .map(|(check, judged)| decided(check, judged, None))
                .collect());
        }
        tokio::select! {
            () = world.clock.sleep_until((started + longest).min(now + HOLD_PAUSE)) => {}
            () = world.interrupt.soft.cancelled() => return Err(Trouble::Interrupted),
        }
    }
}
