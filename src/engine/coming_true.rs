//! When what is awaited has come true in time: each check by its own deadline, all together by the latest of them, each for as long as it
//! has to stay true.
//!
//! A look takes time: what it saw was so at some moment between its begin and its end. A deadline is met by a look that began before it. A
//! check has been true without a break from the *end* of the first look that saw it so to the *begin* of the last one.

use std::time::Duration;

/// What is known of a list of checks. Times are counted from the begin of the first look.
#[derive(Debug, Clone)]
pub(super) struct ComingTrue {
    checks: Vec<Awaited>,
}

#[derive(Debug, Clone)]
struct Awaited {
    within: Duration,
    lasting: Duration,
    since: Option<Since>,
    /// It came true within its deadline and stayed so for long enough; once or still.
    in_time: bool,
}

/// The look that first saw a check true, of an unbroken row of such looks.
#[derive(Debug, Clone, Copy)]
struct Since {
    begun: Duration,
    ended: Duration,
}

/// What a look makes of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// All are true, and have been for long enough.
    All,
    /// This one is awaited.
    Awaiting(usize),
    /// This one did not come true in time, alone or together with the others.
    Overdue(usize),
}

impl ComingTrue {
    /// Checks with their deadlines and how long each has to stay true.
    pub fn new(times: impl IntoIterator<Item = (Duration, Duration)>) -> Self {
        let checks = times
            .into_iter()
            .map(|(within, lasting)| Awaited {
                within,
                lasting,
                since: None,
                in_time: false,
            })
            .collect();
        ComingTrue { checks }
    }

    /// Takes note of a look that began and ended at these times, and saw the checks as `holds` says, in their order.
    pub fn see(&mut self, begun: Duration, ended: Duration, holds: &[bool]) -> Progress {
        for (check, holds) in self.checks.iter_mut().zip(holds) {
            check.since = holds.then(|| check.since.unwrap_or(Since { begun, ended }));
            check.in_time |= check.since_in_time() && check.has_lasted(begun);
        }
        let hopeless =
            |check: &Awaited| !check.in_time && begun > check.within && !check.since_in_time();
        if let Some(at) = self.checks.iter().position(hopeless) {
            return Progress::Overdue(at);
        }
        let latest = self
            .checks
            .iter()
            .map(|check| check.within)
            .max()
            .unwrap_or_default();
        // The check that keeps the others from being true together: one that is not true, or else the one that came last.
        let since = |at: usize| {
            self.checks[at]
                .since
                .map_or(Duration::MAX, |since| since.begun)
        };
        let last = (0..self.checks.len())
            .rev()
            .max_by_key(|at| since(*at))
            .unwrap_or_default();
        let together = self.checks.is_empty() || since(last) <= latest;
        if begun > latest && !together {
            return Progress::Overdue(last);
        }
        let unsettled = |check: &Awaited| !check.has_lasted(begun);
        match self.checks.iter().position(unsettled) {
            Some(at) => Progress::Awaiting(at),
            None => Progress::All,
        }
    }
}

impl Awaited {
    fn since_in_time(&self) -> bool {
        self.since.is_some_and(|since| since.begun <= self.within)
    }

    fn has_lasted(&self, until: Duration) -> bool {
        self.since
            .is_some_and(|since| until.saturating_sub(since.ended) >= self.lasting)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Progress::{All, Awaiting, Overdue};
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Looks that take no time.
    fn follow(times: &[(u64, u64)], looks: &[(u64, &[bool])]) -> Vec<Progress> {
        let mut coming = ComingTrue::new(
            times
                .iter()
                .map(|(within, lasting)| (ms(*within), ms(*lasting))),
        );
        looks
            .iter()
            .map(|(at, holds)| coming.see(ms(*at), ms(*at), holds))
            .collect()
    }

    #[test]
    fn true_at_once() {
        assert_eq!(follow(&[(0, 0)], &[(0, &[true])]), [All]);
        assert_eq!(follow(&[], &[(0, &[])]), [All]);
    }

    #[test]
    fn the_first_look_counts_even_without_any_time() {
        assert_eq!(
            follow(&[(0, 0)], &[(0, &[false]), (1, &[true])]),
            [Awaiting(0), Overdue(0)]
        );
    }

    #[test]
    fn a_look_that_began_before_the_deadline_meets_it_however_long_it_takes() {
        let mut coming = ComingTrue::new([(ms(100), ms(0))]);
        assert_eq!(coming.see(ms(0), ms(60), &[false]), Awaiting(0));
        assert_eq!(coming.see(ms(100), ms(600), &[true]), All);
        let mut late = ComingTrue::new([(ms(100), ms(0))]);
        assert_eq!(late.see(ms(101), ms(102), &[true]), Overdue(0));
    }

    #[test]
    fn true_at_times_but_never_together() {
        let looks: &[(u64, &[bool])] = &[
            (0, &[true, false]),
            (50, &[false, true]),
            (100, &[true, false]),
            (101, &[false, true]),
        ];
        assert_eq!(
            follow(&[(100, 0), (100, 0)], looks),
            [Awaiting(1), Awaiting(0), Awaiting(1), Overdue(0)]
        );
    }

    #[test]
    fn each_has_its_own_deadline_and_together_the_latest_counts() {
        // The first is true in its own time, then not, then again, together with the second.
        let looks: &[(u64, &[bool])] = &[
            (5, &[true, false]),
            (40, &[false, true]),
            (90, &[true, true]),
        ];
        assert_eq!(
            follow(&[(10, 0), (100, 0)], looks),
            [Awaiting(1), Awaiting(0), All]
        );
        // Not true in its own time: the other's deadline is no help.
        let looks: &[(u64, &[bool])] = &[(5, &[false, true]), (11, &[true, true])];
        assert_eq!(
            follow(&[(10, 0), (100, 0)], looks),
            [Awaiting(0), Overdue(0)]
        );
    }

    #[test]
    fn it_has_to_stay_true_without_a_break() {
        let looks: &[(u64, &[bool])] = &[
            (10, &[true]),
            (59, &[true]),
            (60, &[false]),
            (70, &[true]),
            (119, &[true]),
            (120, &[true]),
        ];
        assert_eq!(
            follow(&[(100, 50)], looks),
            [
                Awaiting(0),
                Awaiting(0),
                Awaiting(0),
                Awaiting(0),
                Awaiting(0),
                All
            ]
        );
        // True before the deadline, and broken after it: there is no second chance.
        let looks: &[(u64, &[bool])] = &[(90, &[true]), (110, &[false])];
        assert_eq!(follow(&[(100, 50)], looks), [Awaiting(0), Overdue(0)]);
        // True only after the deadline, however long it would stay so.
        assert_eq!(follow(&[(100, 50)], &[(101, &[true])]), [Overdue(0)]);
    }

    #[test]
    fn how_long_a_look_takes_is_no_time_of_being_true() {
        let mut coming = ComingTrue::new([(ms(100), ms(50))]);
        assert_eq!(coming.see(ms(0), ms(80), &[true]), Awaiting(0));
        assert_eq!(coming.see(ms(90), ms(200), &[true]), Awaiting(0));
        assert_eq!(coming.see(ms(201), ms(202), &[true]), All);
    }

    #[test]
    fn what_came_true_last_is_to_blame_when_all_came_too_late_together() {
        let looks: &[(u64, &[bool])] = &[
            (0, &[true, false]),
            (10, &[false, true]),
            (30, &[false, true]),
            (101, &[true, true]),
        ];
        assert_eq!(follow(&[(100, 0), (100, 0)], looks)[3], Overdue(0));
    }

    proptest! {
        /// Whatever is seen, the verdict comes, it is `All` only in a look in which all are true, and an unbroken truth from the
        /// beginning is found as soon as it has lasted.
        #[test]
        fn the_verdict_comes_and_is_never_a_false_all(
            times in proptest::collection::vec((0_u64..300, 0_u64..100), 1..4),
            pause in 1_u64..30,
            takes in 0_u64..20,
            seen in proptest::collection::vec(any::<[bool; 3]>(), 60),
            always in any::<bool>(),
        ) {
            let mut coming = ComingTrue::new(times.iter().map(|(within, lasting)| (ms(*within), ms(*lasting))));
            let limit = times.iter().map(|(within, _)| *within).max().unwrap_or(0)
                + times.iter().map(|(_, lasting)| *lasting).max().unwrap_or(0);
            let mut now = 0;
            for look in 0.. {
                let holds: Vec<bool> =
                    (0..times.len()).map(|at| always || seen[look % seen.len()][at]).collect();
                match coming.see(ms(now), ms(now + takes), &holds) {
                    All => {
                        prop_assert!(holds.iter().all(|holds| *holds));
                        break;
                    }
                    Overdue(at) => {
                        prop_assert!(!always, "check {at} was true all the time");
                        break;
                    }
                    Awaiting(_) => {
                        // A look that began late may find that it lasted; the one after that is the last.
                        prop_assert!(now <= limit + takes, "still awaiting at {now} of {limit}");
                    }
                }
                now += takes + pause;
            }
        }
    }
}
