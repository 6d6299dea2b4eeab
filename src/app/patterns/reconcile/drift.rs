//! What can differ, by name.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// A kind of difference, with the side that is right by the table of responsibilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Drift {
    /// The ledger has an event that Redis has not: it is made anew there.
    EventMissingInRedis,
    /// Redis has an event that the ledger has not: it is written down there.
    EventMissingInLedger,
    /// Name or number of seats differ: the ledger's are right.
    EventMetadata,
    /// The index of events has not got it.
    EventNotListed,
    /// The index has an event that nobody else has.
    EventListedOnly,
    /// A sale that Redis does not know.
    SaleMissingInRedis,
    /// A sale that the ledger does not know, of seats that can be had: it is written down there.
    SaleMissingInLedger,
    /// A sale that the ledger does not know, of a seat that it has sold to somebody else: it is none.
    SoldTwice,
    /// A sale that Redis takes for something else.
    SaleNotConfirmed,
    /// What the ledger has cancelled is held or sold in Redis.
    CancelledStillLive,
    /// A sale is another user's in Redis.
    SaleUser,
    /// A sale has another token in Redis.
    SaleToken,
    /// A sale has other seats in Redis.
    SaleSeats,
    /// A sale has another version in Redis.
    SaleVersion,
    /// A reservation in Redis can't be read.
    Unreadable,
    /// A hold has a seat that is sold: it is lost.
    HoldOfSoldSeat,
    /// Two holds have one seat: the newer one keeps it, unless the seat names the other.
    HoldTwice,
    /// A hold has a seat that the event has not, or none: it is lost.
    HoldBroken,
    /// A reservation has positions that are not those of its seats.
    ReservationPositions,
    /// Redis has a seat that the event has not.
    SeatUnknown,
    /// A seat that is held or sold can be had: the way to sell it twice.
    SeatFree,
    /// A seat that is held or sold is also free.
    SeatInTwoPlaces,
    /// A seat names another reservation than the one that has it.
    SeatOwner,
    /// A seat is neither free nor anybody's.
    SeatNowhere,
    /// A free seat has another position.
    SeatPosition,
    /// A seat is that of a reservation which has ended, or never was.
    SeatOrphan,
    /// A hold that would never end.
    HoldWithoutEnd,
    /// A hold that ends at another time than it says.
    HoldEnd,
    /// An end of a hold that is none.
    HoldDangling,
    /// The number of sold seats is not that of the sales.
    SoldCount,
    /// The next hold would get a token that was given before.
    TokenBehind,
    /// The cache has what the ledger never said.
    CacheWrong,
    /// Redis could not be told, and nobody tried any more.
    OutboxGivenUp,
}

impl Drift {
    /// Every kind.
    pub const ALL: [Drift; 33] = [
        Drift::EventMissingInRedis,
        Drift::EventMissingInLedger,
        Drift::EventMetadata,
        Drift::EventNotListed,
        Drift::EventListedOnly,
        Drift::SaleMissingInRedis,
        Drift::SaleMissingInLedger,
        Drift::SoldTwice,
        Drift::SaleNotConfirmed,
        Drift::CancelledStillLive,
        Drift::SaleUser,
        Drift::SaleToken,
        Drift::SaleSeats,
        Drift::SaleVersion,
        Drift::Unreadable,
        Drift::HoldOfSoldSeat,
        Drift::HoldTwice,
        Drift::HoldBroken,
        Drift::ReservationPositions,
        Drift::SeatUnknown,
        Drift::SeatFree,
        Drift::SeatInTwoPlaces,
        Drift::SeatOwner,
        Drift::SeatNowhere,
        Drift::SeatPosition,
        Drift::SeatOrphan,
        Drift::HoldWithoutEnd,
        Drift::HoldEnd,
        Drift::HoldDangling,
        Drift::SoldCount,
        Drift::TokenBehind,
        Drift::CacheWrong,
        Drift::OutboxGivenUp,
    ];

    /// Its name, as it is stored and printed.
    pub fn name(self) -> &'static str {
        match self {
            Drift::EventMissingInRedis => "event_missing_in_redis",
            Drift::EventMissingInLedger => "event_missing_in_ledger",
            Drift::EventMetadata => "event_metadata",
            Drift::EventNotListed => "event_not_listed",
            Drift::EventListedOnly => "event_listed_only",
            Drift::SaleMissingInRedis => "sale_missing_in_redis",
            Drift::SaleMissingInLedger => "sale_missing_in_ledger",
            Drift::SoldTwice => "sold_twice",
            Drift::SaleNotConfirmed => "sale_not_confirmed",
            Drift::CancelledStillLive => "cancelled_still_live",
            Drift::SaleUser => "sale_user",
            Drift::SaleToken => "sale_token",
            Drift::SaleSeats => "sale_seats",
            Drift::SaleVersion => "sale_version",
            Drift::Unreadable => "unreadable",
            Drift::HoldOfSoldSeat => "hold_of_sold_seat",
            Drift::HoldTwice => "hold_twice",
            Drift::HoldBroken => "hold_broken",
            Drift::ReservationPositions => "reservation_positions",
            Drift::SeatUnknown => "seat_unknown",
            Drift::SeatFree => "seat_free",
            Drift::SeatInTwoPlaces => "seat_in_two_places",
            Drift::SeatOwner => "seat_owner",
            Drift::SeatNowhere => "seat_nowhere",
            Drift::SeatPosition => "seat_position",
            Drift::SeatOrphan => "seat_orphan",
            Drift::HoldWithoutEnd => "hold_without_end",
            Drift::HoldEnd => "hold_end",
            Drift::HoldDangling => "hold_dangling",
            Drift::SoldCount => "sold_count",
            Drift::TokenBehind => "token_behind",
            Drift::CacheWrong => "cache_wrong",
            Drift::OutboxGivenUp => "outbox_given_up",
        }
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// What kind.
    pub kind: Drift,
    /// In which reservation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reservation: Option<String>,
    /// At which seat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seat: Option<String>,
    /// What each side has, or should have.
    pub details: Value,
}
