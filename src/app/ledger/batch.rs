//! What a batch of entries of an event's stream amounts to: worked out in memory, one entry after the other, so that few statements write it.

use std::collections::{BTreeMap, HashMap};

/// An entry of a stream, as the ledger needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id in the stream.
    pub id: String,
    /// What it means for the ledger.
    pub effect: Effect,
}

/// What an entry means for the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: a hold, the end of one, or what the ledger itself had told Redis.
    Nothing,
    /// The event was made.
    Created {
        /// Its name.
        name: String,
        /// How many seats it has.
        seats: u32,
        /// When, in milliseconds since 1970.
        at_ms: u64,
    },
    /// A hold was made a sale.
    Confirmed(Line),
    /// A hold or a sale was given back.
    Cancelled(Line),
    /// Nobody can say.
    Unreadable(String),
}

/// By what the ids of a stream are ordered: the time, and a number. What is no id comes before all others.
pub(in crate::app) fn order(id: &str) -> (u64, u64) {
    let (ms, number) = id.split_once('-').unwrap_or((id, "0"));
    (ms.parse().unwrap_or(0), number.parse().unwrap_or(0))
}

/// A reservation in an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Which.
    pub reservation: String,
    /// Whose.
    pub user: String,
    /// The labels of its seats.
    pub seats: Vec<String>,
    /// Its fencing token.
    pub token: i64,
}

/// What the ledger has of what a batch is about.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) version: i64,
    pub(super) sold: i32,
    /// By id: whose, whether it is confirmed, its token.
    pub(super) reservations: HashMap<String, Standing>,
    /// By label: position and the highest token.
    pub(super) seats: HashMap<String, (i32, i64)>,
    /// Who has a position.
    pub(super) owners: HashMap<i32, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) user: String,
    pub(super) is_confirmed: bool,
    pub(super) token: i64,
    /// Of a confirmed one: positions and labels.
    pub(super) seats: Vec<(i32, String)>,
}

/// A row of `reservations`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Upsert {
    pub(super) user: String,
    pub(super) is_confirmed: bool,
    pub(super) was_confirmed: bool,
    pub(super) token: i64,
    pub(super) version: i64,
}

/// A row of `history`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Past {
    pub(super) version: i64,
    pub(super) kind: &'static str,
    pub(super) reservation: String,
    pub(super) user: String,
    pub(super) seats: String,
    pub(super) token: i64,
    pub(super) message: String,
}

/// What is to be written.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) version: i64,
    pub(super) sold: i32,
    pub(super) reservations: BTreeMap<String, Upsert>,
    /// Position, reservation, and whether it was given back later in the same batch.
    pub(super) taken: Vec<(i32, String, bool)>,
    /// Positions that a reservation from before the batch gives back.
    pub(super) released: Vec<(i32, String)>,
    pub(super) tokens: BTreeMap<i32, i64>,
    pub(super) history: Vec<Past>,
    /// Sales that are not allowed, with the version that says so: Redis has to be told.
    pub(super) refused: Vec<(String, i64)>,
    /// The entry that stopped it, by its place in the batch, and why.
    pub(super) stuck: Option<(usize, String)>,
}

impl Plan {
    /// Whether anything but the position changes.
    pub(super) fn is_empty(&self) -> bool {
        self.history.is_empty()
    }
}

/// Works out a batch.
pub(super) fn plan(mut known: Known, messages: &[Message]) -> Plan {
    let mut plan = Plan {
        version: known.version,
        sold: known.sold,
        ..Plan::default()
    };
    for (place, message) in messages.iter().enumerate() {
        let done = match &message.effect {
            Effect::Nothing | Effect::Created { .. } => Ok(()),
            Effect::Unreadable(why) => Err(why.clone()),
            Effect::Confirmed(line) => confirm(&mut known, &mut plan, line, &message.id),
            Effect::Cancelled(line) => cancel(&mut known, &mut plan, line, &message.id),
        };
        if let Err(why) = done {
            plan.stuck = Some((place, why));
            break;
        }
    }
    plan
}

fn confirm(known: &mut Known, plan: &mut Plan, line: &Line, message: &str) -> Result<(), String> {
    if let Some(standing) = known.reservations.get(&line.reservation) {
        return match standing.user == line.user {
            // Confirmed: by whoever was quicker than this entry. Cancelled: so it stays, and Redis was told.
            true => Ok(()),
            false => Err(format!(
                "reservation {} is {}'s in the ledger",
                line.reservation, standing.user
            )),
        };
    }
    if line.seats.is_empty() {
        return Err("a sale without seats".to_owned());
    }
    let mut seats = Vec::with_capacity(line.seats.len());
    for label in &line.seats {
        match known.seats.get(label) {
            Some((position, highest)) => seats.push((*position, label.clone(), *highest)),
            None => return Err(format!("the event has no seat {label}")),
        }
    }
    plan.version += 1;
    let is_free = |(position, _, highest): &(i32, String, i64)| {
        !known.owners.contains_key(position) && *highest <= line.token
    };
    if !seats.iter().all(is_free) {
        // Somebody else has bought one of them, or holds it under a newer token: Redis had lost that.
        plan.refused.push((line.reservation.clone(), plan.version));
        note(known, plan, line, "cancelled", &[], message, false);
        return Ok(());
    }
    plan.sold = plan
        .sold
        .saturating_add(i32::try_from(seats.len()).unwrap_or(i32::MAX));
    let mut kept = Vec::with_capacity(seats.len());
    for (position, label, _) in seats {
        known.owners.insert(position, line.reservation.clone());
        known.seats.insert(label.clone(), (position, line.token));
        plan.tokens.insert(position, line.token);
        plan.taken.push((position, line.reservation.clone(), false));
        kept.push((position, label));
    }
    kept.sort();
    note(known, plan, line, "confirmed", &kept, message, true);
    Ok(())
}

fn cancel(known: &mut Known, plan: &mut Plan, line: &Line, message: &str) -> Result<(), String> {
    let seats = match known.reservations.get(&line.reservation) {
        Some(standing) if standing.user != line.user => {
            return Err(format!(
                "reservation {} is {}'s in the ledger",
                line.reservation, standing.user
            ));
        }
        Some(standing) if !standing.is_confirmed => return Ok(()),
        Some(standing) => standing.seats.clone(),
        // A hold: from now on it can't be confirmed any more.
        None => Vec::new(),
    };
    plan.version += 1;
    plan.sold = plan
        .sold
        .saturating_sub(i32::try_from(seats.len()).unwrap_or(i32::MAX));
    for (position, _) in &seats {
        known.owners.remove(position);
        let here = plan.taken.iter_mut().rev();
        let mut here = here.filter(|(taken, who, _)| taken == position && *who == line.reservation);
        match here.next() {
            Some(taken) => taken.2 = true,
            None => plan.released.push((*position, line.reservation.clone())),
        }
    }
    note(known, plan, line, "cancelled", &seats, message, false);
    Ok(())
}

/// Writes down what a reservation is now.
fn note(
    known: &mut Known,
    plan: &mut Plan,
    line: &Line,
    kind: &'static str,
    seats: &[(i32, String)],
    message: &str,
    is_confirmed: bool,
) {
    let before = known.reservations.get(&line.reservation);
    let was_confirmed = is_confirmed || before.is_some_and(|before| before.is_confirmed);
    let token = before.map_or(line.token, |before| before.token);
    let labels: Vec<&str> = seats.iter().map(|(_, label)| label.as_str()).collect();
    plan.history.push(Past {
        version: plan.version,
        kind,
        reservation: line.reservation.clone(),
        user: line.user.clone(),
        seats: labels.join(","),
        token,
        message: message.to_owned(),
    });
    plan.reservations.insert(
        line.reservation.clone(),
        Upsert {
            user: line.user.clone(),
            is_confirmed,
            was_confirmed,
            token,
            version: plan.version,
        },
    );
    known.reservations.insert(
        line.reservation.clone(),
        Standing {
            user: line.user.clone(),
            is_confirmed,
            token,
            seats: seats.to_vec(),
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(reservation: &str, seats: &[&str], token: i64) -> Line {
        Line {
            reservation: reservation.to_owned(),
            user: "ann".to_owned(),
            seats: seats.iter().map(|seat| (*seat).to_owned()).collect(),
            token,
        }
    }

    fn messages(effects: Vec<Effect>) -> Vec<Message> {
        (1..)
            .zip(effects)
            .map(|(id, effect)| Message {
                id: format!("{id}-0"),
                effect,
            })
            .collect()
    }

    fn known() -> Known {
        let seats = [("A1", 0), ("A2", 1), ("A3", 2)];
        Known {
            version: 7,
            sold: 1,
            seats: seats
                .map(|(label, position)| (label.to_owned(), (position, 3)))
                .into(),
            owners: [(2, "old".to_owned())].into(),
            reservations: [(
                "old".to_owned(),
                Standing {
                    user: "ann".to_owned(),
                    is_confirmed: true,
                    token: 3,
                    seats: vec![(2, "A3".to_owned())],
                },
            )]
            .into(),
        }
    }

    #[test]
    fn a_seat_that_changes_hands_within_a_batch_ends_with_the_last() {
        let plan = plan(
            known(),
            &messages(vec![
                Effect::Confirmed(line("r1", &["A2", "A1"], 4)),
                Effect::Cancelled(line("r1", &["A2", "A1"], 4)),
                Effect::Confirmed(line("r2", &["A1"], 5)),
                Effect::Cancelled(line("old", &["A3"], 3)),
                Effect::Confirmed(line("r3", &["A3"], 6)),
            ]),
        );
        assert_eq!(plan.stuck, None);
        assert_eq!((plan.version, plan.sold), (12, 2));
        let taken: Vec<_> = plan
            .taken
            .iter()
            .map(|(position, who, released)| (*position, who.as_str(), *released))
            .collect();
        assert_eq!(
            taken,
            [
                (1, "r1", true),
                (0, "r1", true),
                (0, "r2", false),
                (2, "r3", false)
            ]
        );
        assert_eq!(plan.released, [(2, "old".to_owned())]);
        assert!(plan.reservations["r1"].was_confirmed && !plan.reservations["r1"].is_confirmed);
        assert_eq!(plan.tokens, [(0, 5), (1, 4), (2, 6)].into());
        let told: Vec<_> = plan
            .history
            .iter()
            .map(|past| past.seats.as_str())
            .collect();
        assert_eq!(told, ["A1,A2", "A1,A2", "A1", "A3", "A3"]);
    }

    #[test]
    fn what_the_ledger_does_not_allow_is_refused_and_told() {
        let plan = plan(
            known(),
            &messages(vec![
                Effect::Confirmed(line("r1", &["A3"], 9)),
                Effect::Confirmed(line("r2", &["A1"], 2)),
                Effect::Confirmed(line("r1", &["A3"], 9)),
                Effect::Confirmed(line("old", &["A3"], 3)),
                Effect::Cancelled(line("r9", &["A1"], 9)),
                Effect::Confirmed(line("r9", &["A1"], 9)),
            ]),
        );
        assert_eq!(plan.stuck, None);
        assert_eq!(plan.refused, [("r1".to_owned(), 8), ("r2".to_owned(), 9)]);
        assert_eq!((plan.version, plan.sold), (10, 1));
        assert!(plan.taken.is_empty());
        assert!(!plan.reservations["r9"].is_confirmed);
    }

    #[test]
    fn one_that_nobody_can_apply_stops_those_behind_it() {
        let plan = plan(
            known(),
            &messages(vec![
                Effect::Confirmed(line("r1", &["A1"], 9)),
                Effect::Confirmed(line("r2", &["Z9"], 9)),
                Effect::Confirmed(line("r3", &["A2"], 9)),
            ]),
        );
        assert_eq!(plan.stuck, Some((1, "the event has no seat Z9".to_owned())));
        assert_eq!(plan.taken, [(0, "r1".to_owned(), false)]);
    }
}
