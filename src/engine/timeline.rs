//! The failover that a step's `timeline` is about: watched from the start of its command until all that is awaited was seen.

use std::time::Duration;

use super::check::{all_seen, awaited, in_words, judge_timeline, moments_in_words};
use super::event::{Event, RawReply, Verdict, When};
use super::trouble::Trouble;
use super::watch;
use super::world::World;
use crate::cluster::Timeline;
use crate::lab::model::{Check, CheckKind, DEFAULT_TIMELINE_WITHIN, Step, TimelineTest};
use crate::observe::{Recorder, RecorderError, Recording};

/// A failover that is to be watched. Nothing is asked yet.
pub(super) struct Failover<'a> {
    asked: Asked<'a>,
    recorder: Recorder,
}

/// Who wants to know what.
struct Asked<'a> {
    world: &'a World,
    step: &'a Step,
    check: &'a Check,
    test: &'a TimelineTest,
}

impl<'a> Failover<'a> {
    /// Looks at the cluster before the command, if there is a failover to watch. Of a step's checks, one can be about that.
    pub async fn prepare(
        world: &'a World,
        step: &'a Step,
        checks: &[&'a Check],
    ) -> Result<Option<Failover<'a>>, Trouble> {
        let timeline = checks.iter().find_map(|check| match &check.kind {
            CheckKind::Timeline(test) => Some((*check, test)),
            _ => None,
        });
        let Some((check, test)) = timeline else {
            return Ok(None);
        };
        let prepared = tokio::select! {
            biased;
            () = world.interrupt.soft.cancelled() => return Err(Trouble::Interrupted),
            prepared = Recorder::prepare(&world.book, &test.node) => prepared,
        };
        let recorder = prepared.map_err(stuck)?;
        if let Some(to) = &test.to {
            recorder.expect_successor(to).map_err(stuck)?;
        }
        let asked = Asked {
            world,
            step,
            check,
            test,
        };
        Ok(Some(Failover { asked, recorder }))
    }

    /// Begins to watch; the command is to begin right after this.
    pub fn begin(self) -> Watched<'a> {
        Watched {
            asked: self.asked,
            recording: self.recorder.begin(),
        }
    }
}

/// A failover that is being watched.
pub(super) struct Watched<'a> {
    asked: Asked<'a>,
    recording: Recording,
}

impl Watched<'_> {
    /// Waits, from the end of the command on, until the moments that the check names were seen, or for as long as it says.
    pub async fn awaited(&self) -> Result<(), Trouble> {
        let Asked {
            world,
            step,
            check,
            test,
        } = self.asked;
        let awaited = awaited(test);
        let what = world.in_scope(None, |scope| in_words(&check.kind, scope));
        let until = world.clock.now() + self.within();
        loop {
            let now = self.recording.timeline();
            if all_seen(&awaited, &now) {
                return Ok(());
            }
            world.emit(Event::Waiting {
                step: step.id.value.clone(),
                what: what.clone(),
                seen: moments_in_words(&now),
            });
            tokio::select! {
                biased;
                () = world.interrupt.soft.cancelled() => return Err(Trouble::Interrupted),
                () = self.recording.until(|timeline| *timeline != now) => {}
                () = world.clock.sleep_until(until) => return Ok(()),
            }
        }
    }

    /// Watches no more and tells what was seen, whatever became of the step. What the check makes of it comes back, to be told by who
    /// knows whether the command did what it should.
    pub async fn end(self) -> Verdict {
        let within = self.within();
        let Watched { asked, recording } = self;
        let Asked {
            world,
            step,
            check,
            test,
        } = asked;
        let zero_unix_ms = recording.zero_unix_ms();
        let (watched, looks) = (recording.elapsed(), recording.answers());
        let timeline = recording.stop().await;
        world.emit(Event::Timeline {
            step: step.id.value.clone(),
            node: test.node.clone(),
            zero_unix_ms,
            awaited: awaited(test),
            watched,
            timeline: timeline.clone(),
        });
        let judged = judge_timeline(test, &timeline, watched);
        let evidence = match judged.holds {
            true => Vec::new(),
            false => evidence(&timeline),
        };
        let looks = u32::try_from(looks).unwrap_or(u32::MAX);
        Verdict {
            within_ms: u64::try_from(within.as_millis()).ok(),
            evidence,
            // Looked at from the start of the command on.
            ..watch::verdict(
                world,
                check,
                "expect",
                When::During,
                judged,
                looks,
                watched,
                None,
            )
        }
    }

    fn within(&self) -> Duration {
        self.asked.check.within.unwrap_or(DEFAULT_TIMELINE_WITHIN)
    }
}

/// The replies that the moments were seen in.
fn evidence(timeline: &Timeline) -> Vec<RawReply> {
    let seen = timeline.moments().into_iter();
    seen.filter_map(|(_, moment)| moment)
        .map(|moment| RawReply {
            node: moment.seen_by.clone(),
            command: moment.command.clone(),
            reply: moment.raw.clone(),
        })
        .collect()
}

fn stuck(error: RecorderError) -> Trouble {
    Trouble::Stuck {
        what: error.to_string(),
        help: Some(error.help().to_owned()),
    }
}
