//! What a load test does.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use crate::app::error::AppError;
use crate::app::event_id::EventId;
use crate::app::request::MOST_SEATS_AT_ONCE;

/// A load test.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// How requests come.
    pub shape: Shape,
    /// Seats of each reservation.
    pub seats: u32,
    /// The events; each request is for one of them, at random.
    pub events: Vec<EventId>,
    /// What is asked for.
    pub mix: Mix,
    /// How long a hold lasts.
    pub hold: Duration,
    /// What is due within this time of the start is left out of the figures. The audit leaves nothing out.
    pub warm_up: Duration,
    /// Whether seats are taken by a check and then an act, in place of the script.
    pub naive: bool,
    /// Decides what is asked of which event.
    pub seed: u64,
}

/// How requests come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Users who wait for their answers.
    Closed {
        /// How many.
        users: u64,
        /// From an answer to the user's next request.
        think: Duration,
        /// For how long users come again; each comes once if not said.
        length: Option<Duration>,
    },
    /// Requests at a rate, whatever becomes of those before.
    Open {
        /// A second.
        rate: u32,
        /// For how long.
        length: Duration,
    },
}

impl Plan {
    /// Checks what goes together.
    ///
    /// # Errors
    /// [`AppError::Invalid`].
    pub fn check(&self) -> Result<(), AppError> {
        let invalid = |what: String, help: &str| Err(AppError::invalid(what, help));
        if self.seats == 0 || self.seats > MOST_SEATS_AT_ONCE {
            return invalid(
                format!("{} seats can't be reserved at once", self.seats),
                "1 to 100 seats",
            );
        }
        let length = match self.shape {
            Shape::Closed { users, length, .. } => {
                if users == 0 || users > 1_000_000 {
                    return invalid(
                        format!("a load test can't have {users} users"),
                        "1 to 1000000",
                    );
                }
                length
            }
            Shape::Open { rate, length } => {
                if rate == 0 {
                    return invalid(
                        "a rate of nothing is no load".to_owned(),
                        "as in --rate 500",
                    );
                }
                Some(length)
            }
        };
        match length {
            Some(length) if length > Duration::from_secs(60 * 60) => {
                invalid(format!("{length:?} is too long"), "1h at the most")
            }
            Some(length) if length <= self.warm_up => invalid(
                format!(
                    "after a warm-up of {:?}, nothing of {length:?} is left",
                    self.warm_up
                ),
                "a longer --for, or a shorter --warm-up",
            ),
            None if !self.warm_up.is_zero() => invalid(
                "users who come once have nothing to warm up with".to_owned(),
                "add --for TIME, or leave --warm-up out",
            ),
            _ => Ok(()),
        }
    }
}

/// Kinds of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Hold seats.
    Reserve,
    /// Make a hold of before a sale.
    Confirm,
    /// Give a hold of before back.
    Cancel,
    /// Ask how many seats are free.
    Read,
}

impl Kind {
    /// All.
    pub const ALL: [Kind; 4] = [Kind::Reserve, Kind::Confirm, Kind::Cancel, Kind::Read];

    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Reserve => super::RESERVE,
            Kind::Confirm => "confirm",
            Kind::Cancel => "cancel",
            Kind::Read => "read",
        }
    }
}

/// How often each kind of request is, relative to the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mix(BTreeMap<Kind, u32>);

impl Default for Mix {
    /// Reservations alone, as in the course.
    fn default() -> Self {
        Mix(BTreeMap::from([(Kind::Reserve, 1)]))
    }
}

impl Mix {
    /// The kind for a number between 0 and 1.
    pub fn pick(&self, share: f64) -> Kind {
        let total: u32 = self.0.values().sum();
        let mut left = (share * f64::from(total)) as u32;
        for (kind, weight) in &self.0 {
            match left.checked_sub(*weight) {
                None => return *kind,
                Some(less) => left = less,
            }
        }
        Kind::Reserve
    }

    /// Whether holds are settled later, and have to be remembered for it.
    pub fn settles(&self) -> bool {
        [Kind::Confirm, Kind::Cancel]
            .iter()
            .any(|kind| self.0.contains_key(kind))
    }
}

impl FromStr for Mix {
    type Err = AppError;

    /// `reserve=70,confirm=10,cancel=5,read=15`.
    fn from_str(text: &str) -> Result<Self, AppError> {
        let mut mix = BTreeMap::new();
        for part in text.split(',') {
            let parts = part.trim().split_once('=').and_then(|(name, weight)| {
                let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name)?;
                let weight: u32 = weight.parse().ok().filter(|weight| *weight <= 1000)?;
                Some((kind, weight))
            });
            let Some((kind, weight)) = parts else {
                return Err(AppError::invalid(
                    format!("{} is no part of a mix", crate::app::request::shown(part)),
                    "as in reserve=70,confirm=10,cancel=5,read=15",
                ));
            };
            if weight > 0 && mix.insert(kind, weight).is_some() {
                return Err(AppError::invalid(
                    format!("the mix has {} twice", kind.name()),
                    "name each kind once",
                ));
            }
        }
        match mix.contains_key(&Kind::Reserve) {
            true => Ok(Mix(mix)),
            false => Err(AppError::invalid(
                "a mix without reservations has nothing to confirm and nothing to audit",
                "as in reserve=70,read=30",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn a_mix_is_kept_to() {
        let mix: Mix = "reserve=70,confirm=10,cancel=5,read=15".parse().unwrap();
        assert!(mix.settles());
        let mut counts = BTreeMap::new();
        for at in 0..1000 {
            *counts.entry(mix.pick(f64::from(at) / 1000.0)).or_insert(0) += 1;
        }
        let expected = [
            (Kind::Reserve, 700),
            (Kind::Confirm, 100),
            (Kind::Cancel, 50),
            (Kind::Read, 150),
        ];
        assert_eq!(counts, BTreeMap::from(expected));
        assert_eq!(Mix::default().pick(0.999), Kind::Reserve);
        assert!(!Mix::default().settles());
    }

    #[rstest]
    #[case("")]
    #[case("reserve")]
    #[case("reserve=x")]
    #[case("reserve=1,reserve=2")]
    #[case("buy=1")]
    #[case("read=1")]
    #[case("reserve=0,read=1")]
    #[case("reserve=99999")]
    fn what_is_no_mix_is_refused(#[case] text: &str) {
        assert!(text.parse::<Mix>().is_err());
    }

    fn plan(shape: Shape) -> Plan {
        Plan {
            shape,
            seats: 2,
            events: vec![EventId::random()],
            mix: Mix::default(),
            hold: Duration::from_secs(300),
            warm_up: Duration::ZERO,
            naive: false,
            seed: 1,
        }
    }

    #[test]
    fn plans_that_make_no_sense_are_refused() {
        let closed = |users, length| Shape::Closed {
            users,
            think: Duration::ZERO,
            length,
        };
        let open = |rate, seconds| Shape::Open {
            rate,
            length: Duration::from_secs(seconds),
        };
        assert!(plan(closed(50, None)).check().is_ok());
        assert!(plan(open(500, 30)).check().is_ok());
        let wrong = [
            plan(closed(0, None)),
            plan(closed(2_000_000, None)),
            plan(open(0, 30)),
            plan(open(500, 90_000)),
            plan(open(500, 0)),
            Plan {
                seats: 0,
                ..plan(closed(50, None))
            },
            Plan {
                seats: 101,
                ..plan(closed(50, None))
            },
            Plan {
                warm_up: Duration::from_secs(5),
                ..plan(closed(50, None))
            },
            Plan {
                warm_up: Duration::from_secs(5),
                ..plan(open(500, 5))
            },
        ];
        for plan in wrong {
            assert!(plan.check().is_err(), "{plan:?}");
        }
    }
}
