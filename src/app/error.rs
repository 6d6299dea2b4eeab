//! Why the application could not do what it was asked.

use super::seat::Seat;

/// Why not. What was well asked and is answered with a no is a [`Refusal`]; all else is told apart by what somebody has to do about it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AppError {
    /// The request itself is wrong; nothing was sent.
    #[error("{what}")]
    Invalid {
        /// What is wrong with it.
        what: String,
        /// What to ask instead.
        help: String,
    },
    /// The answer is no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No node of the cluster can be reached.
    #[error("{what}")]
    Unreachable {
        /// Which were tried, and what came of it.
        what: String,
    },
    /// The time for it is over, and whether it was done is not known.
    #[error(
        "no answer in {within:?}, so it is not known whether it was done; the last attempt: {last}"
    )]
    Unknown {
        /// How long it was tried.
        within: std::time::Duration,
        /// What came of the last attempt.
        last: String,
    },
    /// The cluster says that it can't serve: `cluster_state:fail`, or nobody has the slot.
    #[error("the cluster is down: {what}")]
    ClusterDown {
        /// In its own words.
        what: String,
    },
    /// A server that is no cluster.
    #[error("{node} is a Redis server, but not a node of a cluster")]
    NotACluster {
        /// Where.
        node: String,
    },
    /// The cluster wants a password, or another one.
    #[error("{node} does not let the application in: {why}")]
    WrongPassword {
        /// Where.
        node: String,
        /// In its own words.
        why: String,
    },
    /// It was done, but no replica has it yet, and `durable` was asked for.
    #[error("it was done, but in {within:?} no replica has confirmed that it has a copy")]
    NotDurable {
        /// How long was waited.
        within: std::time::Duration,
    },
    /// The database of the ledger can't be reached, or does nothing; nothing was done.
    #[error("{what}")]
    LedgerUnreachable {
        /// Where it is, and what came of the last attempt.
        what: String,
    },
    /// The database of the ledger is there, and not as this program needs it.
    #[error("{what}")]
    LedgerNotReady {
        /// What is wrong with it.
        what: String,
        /// What to do about it.
        help: String,
    },
    /// The database of the ledger has no room, so it takes no more; nothing was done.
    #[error("{what}")]
    LedgerFull {
        /// In its own words.
        what: String,
    },
    /// Something that needs the ledger was asked for, and no database is named.
    #[error("no database is named, and {what} needs one")]
    NoLedger {
        /// What was asked for.
        what: &'static str,
    },
    /// An answer that no script of ours gives, or an error that no request of ours should meet.
    #[error("{what}")]
    Unexpected {
        /// What came.
        what: String,
    },
}

impl AppError {
    pub(crate) fn invalid(what: impl Into<String>, help: impl Into<String>) -> Self {
        AppError::Invalid {
            what: what.into(),
            help: help.into(),
        }
    }

    /// A short name for each kind, for counting.
    pub fn kind(&self) -> &'static str {
        match self {
            AppError::Invalid { .. } => "invalid",
            AppError::Refused(refusal) => refusal.kind(),
            AppError::Unreachable { .. } => "unreachable",
            AppError::Unknown { .. } => "unknown_outcome",
            AppError::ClusterDown { .. } => "cluster_down",
            AppError::NotACluster { .. } => "not_a_cluster",
            AppError::WrongPassword { .. } => "wrong_password",
            AppError::NotDurable { .. } => "not_durable",
            AppError::LedgerUnreachable { .. } => "ledger_unreachable",
            AppError::LedgerNotReady { .. } => "ledger_not_ready",
            AppError::LedgerFull { .. } => "ledger_full",
            AppError::NoLedger { .. } => "no_ledger",
            AppError::Unexpected { .. } => "unexpected",
        }
    }
}

/// A no, which is an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Fewer seats are free than were asked for.
    #[error("sold out: {asked} asked for, {free} free")]
    SoldOut {
        /// How many were asked for.
        asked: u32,
        /// How many are free.
        free: u32,
    },
    /// A seat that was asked for by name is not free.
    #[error("seat {seat} is taken")]
    Taken {
        /// The first such.
        seat: Seat,
    },
    /// No such seat.
    #[error("the event has no seat {seat}")]
    NoSuchSeat {
        /// The first such.
        seat: Seat,
    },
    /// More seats than there are.
    #[error("the event has only {seats} seats")]
    TooMany {
        /// All seats of the event.
        seats: u32,
    },
    /// No such event.
    #[error("there is no event {event}")]
    UnknownEvent {
        /// As asked for.
        event: String,
    },
    /// No such reservation.
    #[error("the event has no reservation {reservation}")]
    UnknownReservation {
        /// As asked for.
        reservation: String,
    },
    /// The hold has expired, and its seats are free again.
    #[error("the hold of reservation {reservation} has expired; its seats are free again")]
    Expired {
        /// Which.
        reservation: String,
    },
    /// The reservation was cancelled before.
    #[error("reservation {reservation} was cancelled")]
    Cancelled {
        /// Which.
        reservation: String,
    },
    /// Somebody else's.
    #[error("reservation {reservation} is not {user}'s")]
    NotHolder {
        /// Which.
        reservation: String,
        /// Who asked.
        user: String,
    },
    /// The fencing token is not that of the reservation.
    #[error("the token is stale: the reservation's is {token}")]
    StaleToken {
        /// That of the reservation.
        token: u64,
    },
    /// The hold was lost, in a failover or because somebody else's confirmation came first: one of its seats is sold to somebody else.
    #[error(
        "the hold of reservation {reservation} was lost: one of its seats is sold to somebody else"
    )]
    HoldLost {
        /// Which.
        reservation: String,
    },
    /// The operation id stands for another request.
    #[error("the operation id {operation} was used for another request")]
    OperationReused {
        /// Which.
        operation: String,
    },
    /// Too many requests of this user.
    #[error("{user} has to wait {wait:?}: {limit} requests in {window:?} are allowed")]
    RateLimited {
        /// Who.
        user: String,
        /// Until the next may be tried.
        wait: std::time::Duration,
        /// Requests.
        limit: u32,
        /// In this time.
        window: std::time::Duration,
    },
    /// No such session.
    #[error("there is no session {session}; it may have expired")]
    UnknownSession {
        /// As asked for.
        session: String,
    },
    /// Somebody else has the lock.
    #[error("the lock {name} is held by somebody else for another {remaining:?}")]
    Locked {
        /// Which.
        name: String,
        /// Until it expires, if it is not given back.
        remaining: std::time::Duration,
    },
}

impl Refusal {
    /// A short name for each kind, for counting and for `--json`.
    pub fn kind(&self) -> &'static str {
        match self {
            Refusal::SoldOut { .. } => "sold_out",
            Refusal::Taken { .. } => "taken",
            Refusal::NoSuchSeat { .. } => "no_such_seat",
            Refusal::TooMany { .. } => "too_many",
            Refusal::UnknownEvent { .. } => "unknown_event",
            Refusal::UnknownReservation { .. } => "unknown_reservation",
            Refusal::Expired { .. } => "expired",
            Refusal::Cancelled { .. } => "cancelled",
            Refusal::NotHolder { .. } => "not_holder",
            Refusal::StaleToken { .. } => "stale_token",
            Refusal::HoldLost { .. } => "hold_lost",
            Refusal::OperationReused { .. } => "operation_reused",
            Refusal::RateLimited { .. } => "rate_limited",
            Refusal::UnknownSession { .. } => "unknown_session",
            Refusal::Locked { .. } => "locked",
        }
    }
}
