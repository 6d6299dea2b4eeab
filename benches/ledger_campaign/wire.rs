//! What the clients say to the application and hear from it: a line of JSON each way, with a number that both have.

use serde::{Deserialize, Serialize};

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Asked {
    pub number: u64,
    pub what: What,
    pub event: String,
    pub user: String,
    /// Of a confirmation and a cancellation.
    pub reservation: String,
    pub token: Option<u64>,
    /// Of a reservation.
    pub seats: u32,
    pub hold_ms: u64,
    pub operation: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum What {
    Reserve,
    Confirm,
    Cancel,
    Read,
}

/// What is answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Answered {
    pub number: u64,
    /// `done`, or the kind of the error.
    pub kind: String,
    /// Whether it was a no, which is an answer.
    pub refused: bool,
    pub reservation: String,
    pub token: u64,
    pub seats: Vec<String>,
    /// Whether Redis has not been told yet.
    pub behind: bool,
}
