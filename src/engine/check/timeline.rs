//! The `timeline` check: when the moments of a failover were, and who took over.

use std::time::Duration;

use super::Judged;
use crate::cluster::Timeline;
use crate::lab::model::TimelineTest;
use crate::lab::quantity::{Comparison, Relation};

/// The moments that a check waits for: those that it names, and the promotion if it says whose.
pub fn awaited(test: &TimelineTest) -> Vec<&'static str> {
    let named = |name: &&str| {
        test.moments.iter().any(|(known, _)| known == name)
            || (*name == "promoted" && test.to.is_some())
    };
    let all = Timeline::default().moments().map(|(name, _)| name);
    all.into_iter().filter(named).collect()
}

/// Whether all these moments have been seen.
pub fn all_seen(awaited: &[&str], timeline: &Timeline) -> bool {
    awaited.iter().all(|name| timeline.moment(name).is_some())
}

/// Decides a timeline that was watched for so long. What was seen is told in full, also what the check does not ask for.
pub fn judge_timeline(test: &TimelineTest, timeline: &Timeline, watched: Duration) -> Judged {
    let awaited = awaited(test);
    let known = |name: &str| timeline.moments().iter().any(|(known, _)| *known == name);
    let mut judged = match test.moments.iter().find(|(name, _)| !known(name)) {
        // A key of the language that is not a moment here would pass unseen: it fails instead.
        Some((other, _)) => {
            return Judged::new(false, format!("a failover has no moment `{other}`"));
        }
        None => Judged::new(!awaited.is_empty(), ""),
    };
    let (mut bad, mut good) = (Vec::new(), Vec::new());
    for (name, moment) in timeline.moments() {
        let Some(moment) = moment else {
            if awaited.contains(&name) {
                bad.push(format!("not {name} in {}", seconds(watched)));
            }
            continue;
        };
        let wanted = test.moments.iter().find(|(known, _)| *known == name);
        let late = wanted.and_then(|(_, wanted)| miss(wanted, moment.after));
        let (who, other) = match (name, &test.to) {
            ("promoted", Some(to)) if *to != moment.seen_by => {
                (Some(format!("{}, not {to}", moment.seen_by)), true)
            }
            ("promoted", _) => (Some(moment.seen_by.to_string()), false),
            _ => (None, false),
        };
        let words = if late.is_some() || other {
            &mut bad
        } else {
            &mut good
        };
        let notes: Vec<String> = who.into_iter().chain(late).collect();
        let notes = match notes.is_empty() {
            true => String::new(),
            false => format!(" ({})", notes.join(", ")),
        };
        words.push(format!("{name} after {}{notes}", seconds(moment.after)));
    }
    // What is wrong comes first: on a narrow page the end may be cut off.
    judged.holds &= bad.is_empty();
    let parts = [bad.join(", "), good.join(", ")];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    judged.seen = parts.join("; ");
    judged
}

/// The moments seen so far, in words: `suspected after 4.12 s`.
pub fn moments_in_words(timeline: &Timeline) -> String {
    let seen = timeline.moments().into_iter().filter_map(|(name, moment)| {
        let after = seconds(moment?.after);
        Some(format!("{name} after {after}"))
    });
    let seen: Vec<String> = seen.collect();
    match seen.is_empty() {
        true => "no sign of a failure".to_owned(),
        false => seen.join(", "),
    }
}

/// What is wrong with a time, if anything is.
fn miss(wanted: &Comparison, after: Duration) -> Option<String> {
    let ms = after.as_secs_f64() * 1000.0;
    if wanted.holds(ms) {
        return None;
    }
    // At least a millisecond: nothing is too late by nothing.
    let by = Duration::from_millis((ms - wanted.number).abs().ceil().max(1.0) as u64);
    let by = match by.as_millis() {
        ms @ 0..1000 => format!("{ms} ms"),
        _ => seconds(by),
    };
    Some(match wanted.relation {
        Relation::Less | Relation::AtMost => format!("{by} too late"),
        Relation::More | Relation::AtLeast => format!("{by} too early"),
        Relation::Equal | Relation::NotEqual => format!("should be {}", wanted.in_words()),
    })
}

/// `4.12 s`: what is looked at every few milliseconds is not known more closely.
fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::cluster::Moment;
    use crate::lab::quantity::Unit;

    fn test(to: Option<&str>, moments: &[(&'static str, &str)]) -> TimelineTest {
        TimelineTest {
            node: "redis-1".into(),
            to: to.map(Into::into),
            moments: moments
                .iter()
                .map(|(name, wanted)| (*name, Comparison::parse(wanted, Unit::Time).unwrap()))
                .collect(),
        }
    }

    fn moment(ms: u64, by: &str) -> Option<Moment> {
        Some(Moment {
            after: Duration::from_millis(ms),
            seen_by: by.into(),
            command: "CLUSTER NODES".to_owned(),
            raw: String::new(),
        })
    }

    fn whole() -> Timeline {
        Timeline {
            suspected: moment(4120, "redis-3"),
            failed: moment(4380, "redis-2"),
            promoted: moment(5212, "redis-4"),
            recovered: moment(5240, "redis-4"),
        }
    }

    fn judge(to: Option<&str>, moments: &[(&'static str, &str)], timeline: &Timeline) -> Judged {
        judge_timeline(&test(to, moments), timeline, Duration::from_millis(30_040))
    }

    #[test]
    fn what_was_seen_is_told_in_full() {
        let seen = "suspected after 4.12 s, failed after 4.38 s, promoted after 5.21 s (redis-4), recovered after 5.24 s";
        assert_eq!(
            judge(
                Some("redis-4"),
                &[("suspected", ">= 3s"), ("promoted", "< 6s")],
                &whole()
            ),
            Judged::new(true, seen)
        );
        assert_eq!(
            judge(None, &[("recovered", "<= 5240ms")], &whole()),
            Judged::new(true, seen)
        );
    }

    #[rstest]
    #[case(None, ("promoted", "< 5s"), "promoted after 5.21 s (redis-4, 212 ms too late)")]
    #[case(None, ("promoted", "<= 4s"), "promoted after 5.21 s (redis-4, 1.21 s too late)")]
    #[case(None, ("promoted", "< 5212ms"), "promoted after 5.21 s (redis-4, 1 ms too late)")]
    #[case(None, ("suspected", "> 4500ms"), "suspected after 4.12 s (380 ms too early)")]
    #[case(None, ("failed", "4s"), "failed after 4.38 s (should be 4s)")]
    #[case(None, ("failed", "!= 4380ms"), "failed after 4.38 s (should be other than 4380ms)")]
    #[case(Some("redis-5"), ("failed", "< 5s"), "promoted after 5.21 s (redis-4, not redis-5)")]
    fn what_is_wrong_stands_beside_it(
        #[case] to: Option<&str>,
        #[case] moment: (&'static str, &str),
        #[case] part: &str,
    ) {
        let judged = judge(to, &[moment], &whole());
        assert!(!judged.holds, "{}", judged.seen);
        assert!(
            judged.seen.starts_with(&format!("{part}; ")),
            "{}",
            judged.seen
        );
        // And nothing else is called wrong.
        assert_eq!(
            judged.seen.matches("too ").count()
                + judged.seen.matches("not ").count()
                + judged.seen.matches("should").count(),
            1,
            "{}",
            judged.seen
        );
    }

    #[test]
    fn what_never_came_is_told_if_it_was_awaited() {
        let timeline = Timeline {
            promoted: None,
            recovered: None,
            ..whole()
        };
        let seen = "suspected after 4.12 s, failed after 4.38 s";
        assert_eq!(
            judge(None, &[("failed", "< 5s")], &timeline),
            Judged::new(true, seen)
        );
        let never = Judged::new(false, format!("not promoted in 30.04 s; {seen}"));
        assert_eq!(judge(None, &[("promoted", "< 50s")], &timeline), never);
        // Who took over can't be known then either.
        assert_eq!(
            judge(Some("redis-4"), &[("failed", "< 5s")], &timeline),
            never
        );
        assert_eq!(
            judge(None, &[("suspected", ">= 0ms")], &Timeline::default()),
            Judged::new(false, "not suspected in 30.04 s")
        );
    }

    #[test]
    fn a_check_that_asks_for_nothing_proves_nothing() {
        assert!(!judge(None, &[], &whole()).holds);
        assert_eq!(
            judge(None, &[("over", "< 5s")], &whole()),
            Judged::new(false, "a failover has no moment `over`")
        );
    }

    #[test]
    fn what_is_awaited() {
        assert_eq!(
            awaited(&test(None, &[("recovered", "< 5s"), ("failed", "< 5s")])),
            ["failed", "recovered"]
        );
        assert_eq!(
            awaited(&test(Some("redis-4"), &[("failed", "< 5s")])),
            ["failed", "promoted"]
        );
        let timeline = Timeline {
            promoted: None,
            ..whole()
        };
        assert!(all_seen(&["failed", "recovered"], &timeline));
        assert!(!all_seen(&["failed", "promoted"], &timeline));
    }
}
