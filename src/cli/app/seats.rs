//! Seats: holding them, selling them, giving them back.

use clap::Args;
use serde_json::json;

use super::events::count;
use super::pattern;
use super::said::Said;
use crate::app::answer::{Cancelled, Confirmed};
use crate::app::patterns::WriteThrough;
use crate::app::request::{self, DEFAULT_HOLD, OperationId, Wanted};
use crate::app::settings::duration;
use crate::app::{AppError, Pattern, Seat, Settings, Store};

/// Hold seats for a user: all that are asked for, or none
///
/// A hold that is not confirmed in time expires, and its seats can be had again. Asked again with the same --key, nothing is done twice, and the
/// answer is the first one.
///
/// With --durable the answer comes when a replica has the change, too. That costs a second round trip, and the replica's. It makes it unlikely that a
/// failover loses the reservation, but does not rule it out: another replica, which has not got it, may be the one that takes over.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true))]
pub struct Reserve {
    /// The id of the event
    #[arg(long, value_name = "ID")]
    event: String,

    /// Any so many seats, the first that are free
    #[arg(long, value_name = "N", allow_negative_numbers = true, group = "which")]
    seats: Option<i64>,

    /// These seats, as in A1,A2
    #[arg(long, value_name = "SEAT,…", group = "which")]
    seat: Option<String>,

    /// For whom
    #[arg(long)]
    user: String,

    /// For how long
    #[arg(long, value_name = "TIME", default_value = "5m")]
    hold: String,

    /// The operation's id: asked twice with the same one, it is done once [default: a new one]
    #[arg(long, value_name = "OPERATION-ID")]
    key: Option<String>,
}

impl Reserve {
    /// The request.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn request(&self) -> Result<request::Reserve, AppError> {
        let wanted = match (self.seats, &self.seat) {
            (Some(number), _) => Wanted::Any(count(number, "a reservation")?),
            (None, Some(list)) => Wanted::These(
                list.split(',')
                    .map(|seat| seat.parse::<Seat>())
                    .collect::<Result<_, _>>()?,
            ),
            (None, None) => Wanted::Any(0),
        };
        let request = request::Reserve {
            event: self.event.parse()?,
            wanted,
            user: self.user.parse()?,
            hold: match self.hold.as_str() {
                "" => DEFAULT_HOLD,
                text => duration(text)?,
            },
            operation: operation(&self.key)?,
        };
        request.check()?;
        Ok(request)
    }
}

#[derive(Debug, Args)]
pub struct Settle {
    /// The id of the event
    #[arg(long, value_name = "ID")]
    event: String,

    /// The reservation, as `reserve` printed it
    #[arg(long)]
    reservation: String,

    /// Who asks; only the holder may
    #[arg(long)]
    user: String,

    /// The fencing token of the reservation, if it is to be checked
    #[arg(long)]
    token: Option<u64>,

    /// The operation's id: asked twice with the same one, it is done once [default: a new one]
    #[arg(long, value_name = "OPERATION-ID")]
    key: Option<String>,

    /// Where it is decided: plain (Redis alone), event-driven (Redis, and a worker tells the ledger), or write-through (the ledger, then Redis), which it is where a database is named
    #[arg(long, value_name = "PATTERN")]
    pattern: Option<String>,

    /// With write-through: end between the two writes, as if the program had been killed there (exit code 5)
    #[arg(long)]
    pub stop_between: bool,
}

impl Settle {
    /// The request.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn request(&self) -> Result<request::Settle, AppError> {
        Ok(request::Settle {
            event: self.event.parse()?,
            reservation: self.reservation.parse()?,
            user: self.user.parse()?,
            token: self.token,
            operation: operation(&self.key)?,
        })
    }

    /// The pattern that it follows.
    ///
    /// # Errors
    /// It is none, or does not go with the rest.
    pub fn pattern(&self, settings: &Settings) -> Result<Pattern, AppError> {
        match pattern::of_change(&self.pattern, settings)? {
            Pattern::Plain | Pattern::EventDriven if self.stop_between => Err(AppError::Invalid {
                what: "without a ledger there are no two writes to stop between".to_owned(),
                help: "name a database, or leave --stop-between out".to_owned(),
            }),
            pattern => Ok(pattern),
        }
    }
}

/// The operation id that was said, or a new one.
///
/// # Errors
/// It is none.
pub fn operation(key: &Option<String>) -> Result<OperationId, AppError> {
    key.as_deref()
        .map_or_else(|| Ok(OperationId::random()), str::parse)
}

/// Holds seats.
pub async fn reserve(store: &Store, request: &request::Reserve) -> Result<Said, AppError> {
    let held = store.reserve(request).await?;
    let seats: Vec<&str> = held.seats.iter().map(Seat::as_str).collect();
    let text = format!(
        "Reservation {}: {} for {}\n  held for {:?}, token {}",
        held.reservation,
        seats.join(" "),
        request.user,
        request.hold,
        held.token
    );
    let json = json!({
        "result": "held", "event": request.event.as_str(), "reservation": held.reservation.as_str(),
        "user": request.user.as_str(), "seats": seats, "token": held.token,
        "expires_ms": held.expires_ms, "operation": request.operation.as_str(),
    });
    Ok(Said::done(text, json))
}

/// Sells held seats.
pub async fn confirm(store: &Store, request: &request::Settle) -> Result<Said, AppError> {
    let confirmed = store.confirm(request).await?;
    Ok(said_confirmed(&confirmed, request))
}

/// Sells held seats in the ledger, and then in Redis.
pub async fn confirm_through(
    through: &WriteThrough,
    request: &request::Settle,
) -> Result<Said, AppError> {
    let written = through.confirm(request).await?;
    let (more, json) = pattern::behind(&written.behind);
    Ok(said_confirmed(&written.done, request).and(&more, json))
}

fn said_confirmed(confirmed: &Confirmed, request: &request::Settle) -> Said {
    let seats: Vec<&str> = confirmed.seats.iter().map(Seat::as_str).collect();
    let text = format!(
        "Reservation {} is confirmed: {} for {}",
        confirmed.reservation,
        seats.join(" "),
        request.user
    );
    let json = json!({
        "result": "confirmed", "event": request.event.as_str(),
        "reservation": confirmed.reservation.as_str(), "user": request.user.as_str(),
        "seats": seats, "token": confirmed.token, "operation": request.operation.as_str(),
    });
    Said::done(text, json)
}

/// Gives seats back.
pub async fn cancel(store: &Store, request: &request::Settle) -> Result<Said, AppError> {
    let cancelled = store.cancel(request).await?;
    Ok(said_cancelled(&cancelled, request))
}

/// Gives seats back in the ledger, and then in Redis.
pub async fn cancel_through(
    through: &WriteThrough,
    request: &request::Settle,
) -> Result<Said, AppError> {
    let written = through.cancel(request).await?;
    let (more, json) = pattern::behind(&written.behind);
    Ok(said_cancelled(&written.done, request).and(&more, json))
}

/// What is said of seats that are free again.
pub fn said_cancelled(cancelled: &Cancelled, request: &request::Settle) -> Said {
    let seats: Vec<&str> = cancelled.seats.iter().map(Seat::as_str).collect();
    let text = format!(
        "Reservation {} is cancelled: {}",
        cancelled.reservation,
        seats.join(" ")
    );
    let json = json!({
        "result": "cancelled", "event": request.event.as_str(),
        "reservation": cancelled.reservation.as_str(), "user": request.user.as_str(),
        "seats": seats, "operation": request.operation.as_str(),
    });
    Said::done(text, json)
}
