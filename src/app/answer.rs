//! What the application answers.

use serde::Serialize;

use super::event_id::EventId;
use super::request::ReservationId;
use super::seat::Seat;
use crate::cluster::Slot;

/// An event was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// Its id.
    pub event: EventId,
    /// Its name.
    pub name: String,
    /// How many seats it has.
    pub seats: u32,
    /// The slot of all its keys.
    pub slot: Slot,
    /// When, in milliseconds since 1970, by the clock of the node.
    pub created_ms: u64,
}

/// Seats are held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The reservation.
    pub reservation: ReservationId,
    /// Its fencing token: greater than that of every hold before.
    pub token: u64,
    /// Until when, in milliseconds since 1970, by the clock of the node.
    pub expires_ms: u64,
    /// Which.
    pub seats: Vec<Seat>,
}

/// Seats are sold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed {
    /// The reservation.
    pub reservation: ReservationId,
    /// Its fencing token.
    pub token: u64,
    /// Which.
    pub seats: Vec<Seat>,
}

/// Seats are free again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancelled {
    /// The reservation.
    pub reservation: ReservationId,
    /// Which; none if it was cancelled before.
    pub seats: Vec<Seat>,
}

/// One more request is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateVerdict {
    /// Requests in the window, with this one.
    pub used: u32,
    /// How many are allowed.
    pub limit: u32,
}

/// A lock is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lock {
    /// Its fencing token.
    pub token: u64,
    /// Until when, in milliseconds since 1970, by the clock of the node.
    pub expires_ms: u64,
}

/// How many seats an event has, by what they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Availability {
    /// The event's name.
    pub name: String,
    /// All seats.
    pub seats: u32,
    /// Those that can be had: also those whose hold has expired.
    pub free: u32,
    /// Those on hold.
    pub held: u32,
    /// Those sold.
    pub sold: u32,
}

/// All of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventDetails {
    /// Its seats, counted.
    pub availability: Availability,
    /// When it was made, in milliseconds since 1970, by the clock of the node.
    pub created_ms: u64,
    /// How often it was shown.
    pub views: u64,
    /// Its reservations, in the order of their tokens.
    pub reservations: Vec<Reservation>,
}

/// A reservation as the store has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reservation {
    /// Its id.
    pub id: String,
    /// Whose.
    pub user: String,
    /// Its seats.
    pub seats: Vec<String>,
    /// What it is by now.
    pub state: ReservationState,
    /// Its fencing token.
    pub token: u64,
    /// When its hold ends, or ended, in milliseconds since 1970, by the clock of the node.
    pub expires_ms: u64,
}

/// What a reservation can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReservationState {
    /// On hold. Where its time is over, nobody has come for the seats yet; whoever does gets them.
    Held,
    /// Sold.
    Confirmed,
    /// Given back.
    Cancelled,
    /// Its hold ended, and its seats were given back.
    Expired,
    /// It was a hold, and the ledger has sold one of its seats to somebody else: a failover had lost his hold, or what was told of his sale.
    Lost,
}
