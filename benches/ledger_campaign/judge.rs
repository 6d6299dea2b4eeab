//! What the clients were told, held against the ledger, read by SQL of its own.

use std::collections::{BTreeMap, HashMap, HashSet};

use sqlx::{PgConnection, Row};

use super::clients::Told;
use super::wire::What;

/// What was found.
#[derive(Debug, Default)]
pub struct Verdict {
    pub answers: BTreeMap<String, u64>,
    /// Clients that never heard what became of it.
    pub unknown: u64,
    /// Seats that two reservations have at the same time, by the ledger.
    pub two_owners: u64,
    /// Reservations that somebody was told are confirmed, and that are not, though nobody asked for them to be cancelled.
    pub lost: Vec<String>,
    /// Seats that two were told to have bought, neither of whom asked to cancel before the other was told.
    pub sold_twice: Vec<String>,
    /// Reservations that somebody was told are cancelled, and that are confirmed.
    pub undead: u64,
    pub confirmed: u64,
}

impl Verdict {
    pub fn is_good(&self) -> bool {
        self.two_owners == 0
            && self.lost.is_empty()
            && self.sold_twice.is_empty()
            && self.undead == 0
    }
}

pub async fn judge(told: &[Told], connection: &mut PgConnection) -> Verdict {
    let mut verdict = Verdict::default();
    let query = "SELECT r.event_id, r.id, r.user_id, r.state,
          coalesce(array_agg(s.label ORDER BY s.position) FILTER (WHERE t.released_at IS NULL AND s.label IS NOT NULL), '{}') AS seats
        FROM reservations r
        LEFT JOIN reserved_seats t ON t.event_id = r.event_id AND t.reservation_id = r.id
        LEFT JOIN seats s ON s.event_id = t.event_id AND s.position = t.position
        GROUP BY r.event_id, r.id";
    let rows = sqlx::query(query)
        .fetch_all(&mut *connection)
        .await
        .expect("the ledger");
    let mut ledger: HashMap<(String, String), (String, String, Vec<String>)> = HashMap::new();
    let mut owners: HashMap<(String, String), u64> = HashMap::new();
    for row in rows {
        let (event, id): (String, String) = (row.get(0), row.get(1));
        let (user, state): (String, String) = (row.get(2), row.get(3));
        let seats: Vec<String> = row.get(4);
        if state == "confirmed" {
            verdict.confirmed += 1;
            for seat in &seats {
                *owners.entry((event.clone(), seat.clone())).or_default() += 1;
            }
        }
        ledger.insert((event, id), (user, state, seats));
    }
    verdict.two_owners = owners.values().filter(|owners| **owners > 1).count() as u64;

    // Whoever asked to cancel may have been heard, whatever he was told.
    let asked_to_cancel: HashSet<(&str, &str)> = told
        .iter()
        .filter(|one| one.asked.what == What::Cancel)
        .map(|one| (one.asked.event.as_str(), one.asked.reservation.as_str()))
        .collect();
    let mut buyers: HashMap<(&str, &str), Vec<&Told>> = HashMap::new();
    for one in told {
        let Some(answer) = &one.answer else {
            verdict.unknown += 1;
            continue;
        };
        *verdict
            .answers
            .entry(format!("{:?} {}", one.asked.what, answer.kind))
            .or_default() += 1;
        if answer.behind {
            *verdict.answers.entry("behind".to_owned()).or_default() += 1;
        }
        if answer.kind != "done" {
            continue;
        }
        let key = (one.asked.event.clone(), one.asked.reservation.clone());
        let found = ledger.get(&key);
        match one.asked.what {
            What::Confirm => {
                for seat in &answer.seats {
                    buyers
                        .entry((&one.asked.event, seat))
                        .or_default()
                        .push(one);
                }
                let cancelled = asked_to_cancel.contains(&(key.0.as_str(), key.1.as_str()));
                let there = found.is_some_and(|(user, state, seats)| {
                    *user == one.asked.user
                        && (cancelled || state == "confirmed" && *seats == answer.seats)
                });
                if !there {
                    verdict.lost.push(format!("{} {}: {found:?}", key.0, key.1));
                }
            }
            What::Cancel => {
                verdict.undead +=
                    u64::from(found.is_some_and(|(_, state, _)| state == "confirmed"));
            }
            What::Reserve | What::Read => {}
        }
    }
    // By the clients' own word alone: who bought a seat, and until when he can't have given it back.
    let mut given_back: HashMap<(&str, &str), std::time::Instant> = HashMap::new();
    for one in told.iter().filter(|one| one.asked.what == What::Cancel) {
        let at = given_back
            .entry((&one.asked.event, &one.asked.reservation))
            .or_insert(one.asked_at);
        *at = one.asked_at.min(*at);
    }
    for ((event, seat), buyers) in buyers {
        for (at, one) in buyers.iter().enumerate() {
            for other in &buyers[at + 1..] {
                if one.asked.reservation == other.asked.reservation {
                    continue;
                }
                let free = |first: &Told, second: &Told| {
                    given_back
                        .get(&(event, first.asked.reservation.as_str()))
                        .is_some_and(|back| *back <= second.told_at)
                };
                if !free(one, other) && !free(other, one) {
                    verdict.sold_twice.push(format!("{event} {seat}"));
                }
            }
        }
    }
    verdict
}
