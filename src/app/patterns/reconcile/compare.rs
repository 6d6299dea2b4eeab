//! Comparing: what Redis should have of an event is worked out from what both have, and held against what it has.
//!
//! By the table of responsibilities the ledger is right about the event and about what is confirmed or cancelled in it, and Redis about holds. What
//! follows from these (whose a seat is, which are free, how many are sold) is neither's word: it is derived, and mended where it differs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::drift::{Difference, Drift};
use super::look::{Kept, Stored};
use crate::app::ledger::{Sheet, Snapshot, Whole};
use crate::app::seat::Seat;

/// Keys of the script `mend`, by their numbers.
const META: &str = "1";
const SEATS: &str = "2";
const FREE: &str = "3";
const HOLDS: &str = "4";
const RESERVATIONS: &str = "5";
const CACHE: &str = "6";

/// What the ledger has to be told first.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Duty {
    /// Write the event down.
    Create {
        name: String,
        seats: u32,
        created_ms: u64,
    },
    /// Write a sale down.
    Confirm { reservation: String, kept: Kept },
    /// Write down that a sale is none.
    Refuse { reservation: String, kept: Kept },
}

/// What came of a comparison.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Comparison {
    pub(super) differences: Vec<Difference>,
    pub(super) duties: Vec<Duty>,
    /// Redis has nothing of the event, and the ledger has all.
    pub(super) is_to_be_filled: bool,
    pub(super) is_to_be_listed: bool,
    pub(super) is_to_be_unlisted: bool,
    /// Arguments of the script `mend`.
    pub(super) mends: Vec<String>,
    /// How many seats are what; nothing where they don't add up.
    pub(super) snapshot: Option<Snapshot>,
}

impl Comparison {
    fn found(
        &mut self,
        kind: Drift,
        reservation: Option<&str>,
        seat: Option<&str>,
        details: serde_json::Value,
    ) {
        self.differences.push(Difference {
            kind,
            reservation: reservation.map(str::to_owned),
            seat: seat.map(str::to_owned),
            details,
        });
    }

    fn mend(&mut self, key: &str, field: &str, is: Option<String>, shall: Option<String>) {
        let argument =
            |value: Option<String>| value.map_or("-".to_owned(), |value| format!("={value}"));
        self.mends.extend([
            key.to_owned(),
            field.to_owned(),
            argument(is),
            argument(shall),
        ]);
    }
}

/// Compares an event.
pub(super) fn compare(event: &str, stored: &Stored, whole: Option<&Whole>) -> Comparison {
    let mut comparison = Comparison::default();
    match whole {
        None if stored.is_empty() => {
            if stored.is_listed {
                comparison.found(Drift::EventListedOnly, None, None, json!({}));
                comparison.is_to_be_unlisted = true;
            }
        }
        None => only_in_redis(&mut comparison, stored),
        Some(whole) if stored.meta.is_empty() => {
            let details = json!({"name": whole.name, "seats": whole.seats, "sold": whole.sold});
            comparison.found(Drift::EventMissingInRedis, None, None, details);
            comparison.is_to_be_filled = true;
        }
        Some(whole) => Both::new(stored, whole).compare(event, &mut comparison),
    }
    comparison
}

fn only_in_redis(comparison: &mut Comparison, stored: &Stored) {
    let name = stored.meta.get("name").cloned().unwrap_or_default();
    let number = |field: &str| {
        stored
            .meta
            .get(field)
            .and_then(|text| text.parse::<u64>().ok())
    };
    let seats = number("seats").and_then(|seats| u32::try_from(seats).ok());
    comparison.found(
        Drift::EventMissingInLedger,
        None,
        None,
        json!({"name": name, "seats": seats}),
    );
    if let Some(seats) = seats {
        comparison.duties.push(Duty::Create {
            name,
            seats,
            created_ms: number("created_ms").unwrap_or(stored.now_ms),
        });
    }
}

/// Both sides of an event, and what Redis should have.
struct Both<'a> {
    stored: &'a Stored,
    whole: &'a Whole,
    /// What of the reservations in Redis can be read.
    read: BTreeMap<&'a str, Kept>,
    /// What they should be.
    shall: BTreeMap<String, Kept>,
    /// Reservations that are to be changed or removed: what follows for their seats is no difference of its own.
    touched: BTreeSet<String>,
    /// Whose each seat should be.
    owners: BTreeMap<String, String>,
}

impl<'a> Both<'a> {
    fn new(stored: &'a Stored, whole: &'a Whole) -> Self {
        let read = stored.reservations.iter().filter_map(|(id, text)| {
            let kept: Kept = serde_json::from_str(text).ok()?;
            Some((id.as_str(), kept))
        });
        Both {
            stored,
            whole,
            read: read.collect(),
            shall: BTreeMap::new(),
            touched: BTreeSet::new(),
            owners: BTreeMap::new(),
        }
    }

    fn compare(mut self, event: &str, out: &mut Comparison) {
        self.metadata(out);
        self.sales(out);
        self.sales_of_redis(out);
        self.holds(out);
        self.others(out);
        self.write_reservations(out);
        self.seats(out);
        self.ends(out);
        self.counters(out);
        self.cache(out);
        if !self.stored.is_listed {
            out.found(Drift::EventNotListed, None, None, json!({}));
            out.is_to_be_listed = true;
        }
        out.snapshot = self.snapshot(event);
    }

    fn metadata(&self, out: &mut Comparison) {
        let shall = [
            ("name", self.whole.name.clone()),
            ("seats", self.whole.seats.to_string()),
        ];
        for (field, shall) in shall {
            let is = self.stored.meta.get(field).cloned();
            if is.as_ref() != Some(&shall) {
                out.found(
                    Drift::EventMetadata,
                    None,
                    None,
                    json!({"field": field, "redis": is, "ledger": shall}),
                );
                out.mend(META, field, is, Some(shall));
            }
        }
    }

    /// What the ledger has confirmed or cancelled.
    fn sales(&mut self, out: &mut Comparison) {
        for (id, written) in &self.whole.reservations {
            let is = self.read.get(id.as_str());
            let is_there = self.stored.reservations.contains_key(id);
            if !written.is_confirmed {
                if let Some(kept) = is
                    && (kept.state == "held" || kept.state == "confirmed")
                {
                    let details = json!({"redis": kept.state, "ledger": "cancelled"});
                    out.found(Drift::CancelledStillLive, Some(id), None, details);
                    self.change(
                        id,
                        Kept {
                            state: "cancelled".to_owned(),
                            version: Some(written.version),
                            ..kept.clone()
                        },
                    );
                }
                continue;
            }
            let shall = Kept {
                user: written.user.clone(),
                seats: written.seats.values().cloned().collect(),
                positions: written.seats.keys().copied().collect(),
                state: "confirmed".to_owned(),
                expires_ms: is.map_or(0, |is| is.expires_ms),
                token: written.token,
                version: Some(written.version),
            };
            let differs = match is {
                None if is_there => Some((
                    Drift::Unreadable,
                    json!({"redis": self.stored.reservations.get(id)}),
                )),
                None => Some((Drift::SaleMissingInRedis, json!({"ledger": shall.seats}))),
                Some(is) => sale_differs(is, &shall),
            };
            match (differs, is) {
                (Some((kind, details)), _) => {
                    out.found(kind, Some(id), None, details);
                    self.change(id, shall.clone());
                }
                (None, Some(is)) => {
                    self.shall.insert(id.clone(), is.clone());
                }
                (None, None) => {}
            }
            for seat in &shall.seats {
                self.owners.insert(seat.clone(), id.clone());
            }
        }
    }

    /// Sales of which the ledger knows nothing.
    fn sales_of_redis(&mut self, out: &mut Comparison) {
        let sales: Vec<(&str, Kept)> = self
            .read
            .iter()
            .filter(|(id, kept)| {
                kept.state == "confirmed" && !self.whole.reservations.contains_key(**id)
            })
            .map(|(id, kept)| (*id, kept.clone()))
            .collect();
        for (id, kept) in sales {
            let reservation = id.to_owned();
            let can_be = !kept.seats.is_empty()
                && kept
                    .seats
                    .iter()
                    .all(|seat| !self.owners.contains_key(seat) && self.position(seat).is_some());
            if can_be {
                out.found(
                    Drift::SaleMissingInLedger,
                    Some(id),
                    None,
                    json!({"user": kept.user, "seats": kept.seats}),
                );
                for seat in &kept.seats {
                    self.owners.insert(seat.clone(), reservation.clone());
                }
                self.shall.insert(reservation.clone(), kept.clone());
                out.duties.push(Duty::Confirm { reservation, kept });
            } else {
                let owners: BTreeMap<&String, Option<&String>> = kept
                    .seats
                    .iter()
                    .map(|seat| (seat, self.owners.get(seat)))
                    .collect();
                out.found(Drift::SoldTwice, Some(id), None, json!({"ledger": owners}));
                out.duties.push(Duty::Refuse {
                    reservation: reservation.clone(),
                    kept: kept.clone(),
                });
                self.change(
                    &reservation,
                    Kept {
                        state: "cancelled".to_owned(),
                        ..kept
                    },
                );
            }
        }
    }

    /// Holds: those that their seats name first, then the newer before the older.
    fn holds(&mut self, out: &mut Comparison) {
        let mut holds: Vec<(&str, Kept)> = self
            .read
            .iter()
            .filter(|(id, kept)| {
                kept.state == "held" && !self.whole.reservations.contains_key(**id)
            })
            .map(|(id, kept)| (*id, kept.clone()))
            .collect();
        let is_named = |id: &str, kept: &Kept| {
            let named = |seat: &String| self.stored.seats.get(seat).is_some_and(|who| who == id);
            kept.seats.iter().all(named)
        };
        holds.sort_by_key(|(id, kept)| (!is_named(id, kept), std::cmp::Reverse(kept.token)));
        for (id, kept) in holds {
            let taken = kept.seats.iter().find_map(|seat| {
                let owner = self.owners.get(seat)?;
                Some((seat.clone(), owner.clone()))
            });
            let positions: Option<Vec<u32>> =
                kept.seats.iter().map(|seat| self.position(seat)).collect();
            let lost = match (&taken, &positions) {
                (_, None) => Some((Drift::HoldBroken, json!({"seats": kept.seats}))),
                (_, Some(positions)) if positions.is_empty() => {
                    Some((Drift::HoldBroken, json!({"seats": kept.seats})))
                }
                (Some((seat, owner)), _) => {
                    let kind = match self
                        .shall
                        .get(owner)
                        .is_some_and(|other| other.state == "held")
                    {
                        true => Drift::HoldTwice,
                        false => Drift::HoldOfSoldSeat,
                    };
                    Some((kind, json!({"seat": seat, "owner": owner})))
                }
                (None, Some(_)) => None,
            };
            if let Some((kind, details)) = lost {
                out.found(kind, Some(id), None, details);
                self.change(
                    id,
                    Kept {
                        state: "lost".to_owned(),
                        ..kept
                    },
                );
                continue;
            }
            for seat in &kept.seats {
                self.owners.insert(seat.clone(), id.to_owned());
            }
            let positions = positions.unwrap_or_default();
            if positions == kept.positions {
                self.shall.insert(id.to_owned(), kept);
            } else {
                let details = json!({"redis": kept.positions, "shall": positions});
                out.found(Drift::ReservationPositions, Some(id), None, details);
                self.change(id, Kept { positions, ..kept });
            }
        }
    }

    /// What has ended stays as it is, and what nobody can read goes.
    fn others(&mut self, out: &mut Comparison) {
        for (id, text) in &self.stored.reservations {
            if self.shall.contains_key(id) {
                continue;
            }
            match self.read.get(id.as_str()) {
                Some(kept) => {
                    self.shall.insert(id.clone(), kept.clone());
                }
                None => {
                    out.found(Drift::Unreadable, Some(id), None, json!({"redis": text}));
                    self.touched.insert(id.clone());
                }
            }
        }
    }

    fn write_reservations(&self, out: &mut Comparison) {
        for id in &self.touched {
            let is = self.stored.reservations.get(id).cloned();
            let shall = self.shall.get(id).map(Kept::text);
            out.mend(RESERVATIONS, id, is, shall);
        }
    }

    /// Whose each seat is, and which are free.
    fn seats(&self, out: &mut Comparison) {
        let mut labels: BTreeSet<String> = Seat::all(self.whole.seats)
            .map(|seat| seat.to_string())
            .collect();
        labels.extend(self.stored.seats.keys().cloned());
        labels.extend(self.stored.free.keys().cloned());
        for label in labels {
            let has = self.stored.seats.get(&label);
            let score = self.stored.free.get(&label).copied();
            let shall = self.owners.get(&label);
            let position = self.position(&label);
            let place = match shall {
                None => position.map(f64::from),
                Some(_) => None,
            };
            if has == shall && score == place {
                continue;
            }
            out.mend_seat(&label, has, shall, score, place);
            let touched = [has, shall].into_iter().flatten();
            if touched.into_iter().any(|id| self.touched.contains(id)) {
                continue;
            }
            let kind = match (position, shall, has, score) {
                (None, ..) => Drift::SeatUnknown,
                (_, Some(_), None, Some(_)) => Drift::SeatFree,
                (_, _, None, None) => Drift::SeatNowhere,
                (_, Some(shall), Some(has), _) if shall != has => Drift::SeatOwner,
                (_, _, Some(_), Some(_)) => Drift::SeatInTwoPlaces,
                (_, None, Some(_), None) => Drift::SeatOrphan,
                _ => Drift::SeatPosition,
            };
            let details = json!({"redis": {"owner": has, "free": score}, "shall": {"owner": shall, "free": place}});
            out.found(kind, None, Some(&label), details);
        }
    }

    /// When holds end.
    fn ends(&self, out: &mut Comparison) {
        let held: BTreeMap<&String, f64> = self
            .shall
            .iter()
            .filter(|(_, kept)| kept.state == "held")
            .map(|(id, kept)| (id, kept.expires_ms as f64))
            .collect();
        let ids: BTreeSet<&String> = held
            .keys()
            .copied()
            .chain(self.stored.holds.keys())
            .collect();
        for id in ids {
            let is = self.stored.holds.get(id).copied();
            let shall = held.get(id).copied();
            if is == shall {
                continue;
            }
            out.mend(HOLDS, id, is.map(whole_number), shall.map(whole_number));
            if self.touched.contains(id) {
                continue;
            }
            let kind = match (is, shall) {
                (None, _) => Drift::HoldWithoutEnd,
                (Some(_), None) => Drift::HoldDangling,
                (Some(_), Some(_)) => Drift::HoldEnd,
            };
            out.found(kind, Some(id), None, json!({"redis": is, "shall": shall}));
        }
    }

    fn counters(&self, out: &mut Comparison) {
        let count = |all: &mut dyn Iterator<Item = &Kept>| -> usize {
            all.filter(|kept| kept.state == "confirmed")
                .map(|kept| kept.seats.len())
                .sum()
        };
        let shall = count(&mut self.shall.values()).to_string();
        let is = self.stored.meta.get("sold").cloned();
        if is.as_ref() != Some(&shall) {
            let by_its_sales = count(&mut self.read.values()).to_string();
            if is.as_ref() != Some(&by_its_sales) {
                let details = json!({"redis": is, "shall": shall});
                out.found(Drift::SoldCount, None, None, details);
            }
            out.mend(META, "sold", is, Some(shall));
        }
        let of_ledger = self
            .whole
            .reservations
            .values()
            .map(|written| written.token);
        let of_redis = self.read.values().map(|kept| kept.token);
        let highest = of_ledger.chain(of_redis).max().unwrap_or(0);
        let is = self.stored.meta.get("token").cloned();
        let behind = is
            .as_ref()
            .and_then(|token| token.parse::<u64>().ok())
            .is_none_or(|token| token < highest);
        if behind {
            out.found(
                Drift::TokenBehind,
                None,
                None,
                json!({"redis": is, "highest": highest}),
            );
            out.mend(META, "token", is, Some(highest.to_string()));
        }
    }

    /// What is cached may be old, for a time; it may not be what the ledger never said.
    fn cache(&self, out: &mut Comparison) {
        let Some(text) = &self.stored.cache else {
            return;
        };
        let mut parts = text.splitn(4, ':');
        let version = parts.next().and_then(|version| version.parse::<u64>().ok());
        let value = parts.nth(2);
        let is_wrong = match (version, value) {
            (None, _) => true,
            (Some(version), _) if version > self.whole.version => true,
            (Some(version), Some(value)) if version == self.whole.version => {
                let shall = Sheet {
                    name: self.whole.name.clone(),
                    seats: self.whole.seats,
                    sold: self.whole.sold,
                    created_ms: self.whole.created_ms,
                    version,
                };
                serde_json::from_str::<Sheet>(value).ok() != Some(shall)
            }
            _ => false,
        };
        if is_wrong {
            let details = json!({"redis": text, "version": self.whole.version});
            out.found(Drift::CacheWrong, None, None, details);
            out.mend(CACHE, "", Some(text.clone()), None);
        }
    }

    fn snapshot(&self, event: &str) -> Option<Snapshot> {
        let of = |state: &str| -> u32 {
            let found = self.read.values().filter(|kept| kept.state == state);
            u32::try_from(found.map(|kept| kept.seats.len()).sum::<usize>()).unwrap_or(u32::MAX)
        };
        let snapshot = Snapshot {
            event: event.to_owned(),
            seats: self.whole.seats,
            free: u32::try_from(self.stored.free.len()).ok()?,
            held: of("held"),
            sold: of("confirmed"),
        };
        let sum = snapshot
            .free
            .checked_add(snapshot.held)?
            .checked_add(snapshot.sold)?;
        (sum == snapshot.seats).then_some(snapshot)
    }

    fn change(&mut self, id: &str, shall: Kept) {
        self.touched.insert(id.to_owned());
        self.shall.insert(id.to_owned(), shall);
    }

    /// The position of a seat that the event has.
    fn position(&self, label: &str) -> Option<u32> {
        let position = Seat::stored(label.to_owned()).position()?;
        (position < self.whole.seats).then_some(position)
    }
}

impl Comparison {
    fn mend_seat(
        &mut self,
        label: &str,
        has: Option<&String>,
        shall: Option<&String>,
        score: Option<f64>,
        place: Option<f64>,
    ) {
        // Both are looked at, also where one of them stays: that is what the other was concluded from.
        self.mend(SEATS, label, has.cloned(), shall.cloned());
        self.mend(
            FREE,
            label,
            score.map(whole_number),
            place.map(whole_number),
        );
    }
}

/// In what a sale in Redis differs from the ledger's.
fn sale_differs(is: &Kept, shall: &Kept) -> Option<(Drift, serde_json::Value)> {
    let both = |redis: serde_json::Value, ledger: serde_json::Value| json!({"redis": redis, "ledger": ledger});
    let sorted = |kept: &Kept| -> BTreeSet<(u32, String)> {
        kept.positions
            .iter()
            .copied()
            .zip(kept.seats.iter().cloned())
            .collect()
    };
    if is.state != shall.state {
        return Some((
            Drift::SaleNotConfirmed,
            both(json!(is.state), json!(shall.state)),
        ));
    }
    if is.user != shall.user {
        return Some((Drift::SaleUser, both(json!(is.user), json!(shall.user))));
    }
    if is.token != shall.token {
        return Some((Drift::SaleToken, both(json!(is.token), json!(shall.token))));
    }
    if is.seats.len() != shall.seats.len() || sorted(is) != sorted(shall) {
        return Some((Drift::SaleSeats, both(json!(is.seats), json!(shall.seats))));
    }
    // A sale that Redis made by itself has none.
    match is.version {
        Some(version) if version != 0 && Some(version) != shall.version => Some((
            Drift::SaleVersion,
            both(json!(version), json!(shall.version)),
        )),
        _ => None,
    }
}

/// A score as the script compares it.
fn whole_number(score: f64) -> String {
    format!("{score}")
}
