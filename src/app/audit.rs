//! Holds every seat of an event against what the application answered: the only proof that nothing was sold twice, lost or made up.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::answer::ReservationState;
use super::error::AppError;
use super::event_id::EventId;
use super::store::{Seats, Store};

/// What was answered to those who asked for seats of one event.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// Those who were told that they have seats.
    pub successes: Vec<Claim>,
    /// Users who were told that they have none: each asked only once.
    #[serde(default)]
    pub failures: Vec<String>,
}

/// The same with the event that it is about, for an audit of many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventClaims {
    /// The event's id.
    pub event: String,
    /// What was answered.
    #[serde(default)]
    pub claims: Claims,
}

/// Somebody was told that he has seats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The reservation.
    pub reservation: String,
    /// Whose.
    pub user: String,
    /// The seats.
    pub seats: Vec<String>,
    /// What it was said to be at the end.
    #[serde(default = "held")]
    pub state: ReservationState,
}

fn held() -> ReservationState {
    ReservationState::Held
}

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Audit {
    /// All seats of the event.
    pub seats: u64,
    /// Those that are free.
    pub free: u64,
    /// Those on hold.
    pub held: u64,
    /// Those sold.
    pub sold: u64,
    /// Seats that are neither, or both, or whose reservation does not know them.
    pub astray: u64,
    /// Seats that more than one was told to have.
    pub sold_twice: u64,
    /// Successes that are not there, or not with these seats: acknowledged and lost.
    pub successes_missing: u64,
    /// Failures that have seats in spite of it.
    pub failures_present: u64,
    /// Whether all is as it has to be.
    pub clean: bool,
}

impl Audit {
    /// Holds the seats against the claims.
    pub fn of(seats: &Seats, claims: &Claims) -> Audit {
        let mut audit = Audit {
            seats: u64::from(seats.total),
            free: seats.free.len() as u64,
            ..Audit::default()
        };
        let free: BTreeSet<&str> = seats.free.iter().map(String::as_str).collect();
        audit.astray += (seats.free.len() - free.len()) as u64;
        for (seat, reservation) in &seats.taken {
            let reservation = seats.reservations.get(reservation);
            let knows = reservation.filter(|found| found.seats.contains(seat));
            match knows.map(|found| found.state) {
                _ if free.contains(seat.as_str()) => audit.astray += 1,
                Some(ReservationState::Held) => audit.held += 1,
                Some(ReservationState::Confirmed) => audit.sold += 1,
                _ => audit.astray += 1,
            }
        }
        let found = audit.free + audit.held + audit.sold + audit.astray;
        audit.astray += audit.seats.abs_diff(found);

        let mut holders: BTreeMap<&str, usize> = BTreeMap::new();
        let live = |state| matches!(state, ReservationState::Held | ReservationState::Confirmed);
        for claim in &claims.successes {
            if live(claim.state) {
                for seat in &claim.seats {
                    *holders.entry(seat).or_default() += 1;
                }
            }
            let there = seats
                .reservations
                .get(&claim.reservation)
                .is_some_and(|found| {
                    found.user == claim.user
                        && found.state == claim.state
                        && found.seats == claim.seats
                        && (!live(claim.state)
                            || claim
                                .seats
                                .iter()
                                .all(|seat| seats.taken.get(seat) == Some(&claim.reservation)))
                });
            audit.successes_missing += u64::from(!there);
        }
        audit.sold_twice = holders.values().filter(|holders| **holders > 1).count() as u64;
        let failures: BTreeSet<&str> = claims.failures.iter().map(String::as_str).collect();
        let with_seats: BTreeSet<&str> = seats
            .reservations
            .values()
            .filter(|reservation| live(reservation.state))
            .map(|reservation| reservation.user.as_str())
            .collect();
        audit.failures_present = failures.intersection(&with_seats).count() as u64;
        audit.clean = audit.astray == 0
            && audit.sold_twice == 0
            && audit.successes_missing == 0
            && audit.failures_present == 0;
        audit
    }
}

impl Store {
    /// Reads every seat of an event and holds it against what was answered.
    ///
    /// # Errors
    /// No such event, and those of every request.
    pub async fn audit(&self, event: &EventId, claims: &Claims) -> Result<Audit, AppError> {
        Ok(Audit::of(&self.seats(event).await?, claims))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::answer::Reservation;

    fn claim(user: &str, seats: &[&str], state: ReservationState) -> Claim {
        Claim {
            reservation: format!("r-{user}"),
            user: user.to_owned(),
            seats: seats.iter().map(|seat| (*seat).to_owned()).collect(),
            state,
        }
    }

    /// An event of four seats in which these have theirs.
    fn event(claims: &[Claim]) -> Seats {
        let mut taken = BTreeMap::new();
        let mut reservations = BTreeMap::new();
        for (claim, token) in claims.iter().zip(1..) {
            for seat in &claim.seats {
                taken.insert(seat.clone(), claim.reservation.clone());
            }
            let reservation = Reservation {
                id: claim.reservation.clone(),
                user: claim.user.clone(),
                seats: claim.seats.clone(),
                state: claim.state,
                token,
                expires_ms: 0,
            };
            reservations.insert(claim.reservation.clone(), reservation);
        }
        let free = ["A1", "A2", "A3", "A4"].map(str::to_owned);
        Seats {
            total: 4,
            free: free
                .into_iter()
                .filter(|seat| !taken.contains_key(seat))
                .collect(),
            taken,
            reservations,
        }
    }

    use ReservationState::{Cancelled, Confirmed, Held};

    #[test]
    fn what_was_answered_and_is_so_is_clean() {
        let successes = vec![
            claim("ann", &["A1"], Held),
            claim("ben", &["A3"], Confirmed),
        ];
        let seats = event(&successes);
        let claims = Claims {
            successes,
            failures: vec!["cem".to_owned()],
        };
        let audit = Audit::of(&seats, &claims);
        assert!(audit.clean, "{audit:?}");
        assert_eq!((audit.free, audit.held, audit.sold), (2, 1, 1));
    }

    #[test]
    fn a_seat_that_two_were_told_to_have_is_found() {
        // The second overwrote the first, as a check-then-act does.
        let seats = event(&[claim("ben", &["A1"], Held)]);
        let claims = Claims {
            successes: vec![claim("ann", &["A1"], Held), claim("ben", &["A1"], Held)],
            failures: Vec::new(),
        };
        let audit = Audit::of(&seats, &claims);
        assert_eq!((audit.sold_twice, audit.successes_missing), (1, 1));
        assert!(!audit.clean);
    }

    #[test]
    fn what_was_lost_is_found_and_so_is_what_nobody_was_told() {
        let seats = event(&[claim("ben", &["A1"], Held)]);
        let claims = Claims {
            successes: vec![claim("ann", &["A2"], Held)],
            failures: vec!["ben".to_owned()],
        };
        let audit = Audit::of(&seats, &claims);
        assert_eq!((audit.successes_missing, audit.failures_present), (1, 1));
        assert!(!audit.clean);
    }

    #[test]
    fn what_was_cancelled_has_no_seats_any_more() {
        let cancelled = claim("ann", &["A1"], Cancelled);
        let mut seats = event(std::slice::from_ref(&cancelled));
        seats.taken.clear();
        seats.free.push("A1".to_owned());
        let claims = Claims {
            successes: vec![cancelled, claim("ben", &[], Held)],
            failures: Vec::new(),
        };
        // Ben's is not there.
        assert_eq!(Audit::of(&seats, &claims).successes_missing, 1);
        let claims = Claims {
            successes: claims.successes[..1].to_vec(),
            ..claims
        };
        assert!(Audit::of(&seats, &claims).clean);
    }

    #[test]
    fn seats_that_are_in_two_places_or_in_none_are_astray() {
        let whole = event(&[claim("ann", &["A1"], Held)]);
        let mut lost = whole.clone();
        lost.free.pop();
        assert_eq!(Audit::of(&lost, &Claims::default()).astray, 1);
        let mut twice = whole.clone();
        twice.free.push("A1".to_owned());
        assert!(!Audit::of(&twice, &Claims::default()).clean);
        let mut foreign = whole;
        foreign.reservations.clear();
        assert_eq!(Audit::of(&foreign, &Claims::default()).astray, 1);
    }
}
