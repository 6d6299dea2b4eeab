//! What is in the record of an operation: how a repeated request gets the first answer.

use serde_json::Value;
use sqlx::PgConnection;

use super::failure::Failure;
use super::record::{Change, Entry};
use crate::app::answer::ReservationState;
use crate::app::error::{AppError, Refusal};
use crate::app::request::{OperationId, ReservationId, User};
use crate::app::seat::Seat;

/// The answer as it is kept; the version is added by the statement that makes it.
pub(super) fn kept(entry: &Entry, state: ReservationState, seats: &[String]) -> Value {
    serde_json::json!({
        "state": state, "reservation": entry.reservation.as_str(), "user": entry.user.as_str(),
        "seats": seats, "token": entry.token,
    })
}

/// The answer that this operation got before, if it was done.
///
/// # Errors
/// The operation id was used for another request.
pub(super) async fn answered(
    connection: &mut PgConnection,
    operation: &OperationId,
    fingerprint: &str,
    broke: impl Fn(sqlx::Error) -> Failure,
) -> Result<Option<Change>, Failure> {
    let found = sqlx::query!(
        "SELECT fingerprint, answer FROM operations WHERE id = $1",
        operation.as_str()
    )
    .fetch_optional(connection)
    .await
    .map_err(broke)?;
    match found {
        None => Ok(None),
        Some(record) if record.fingerprint != fingerprint => Err(Refusal::OperationReused {
            operation: operation.to_string(),
        }
        .into()),
        Some(record) => parse(record.answer).map(Some),
    }
}

fn parse(answer: Value) -> Result<Change, Failure> {
    #[derive(serde::Deserialize)]
    struct Kept {
        state: ReservationState,
        reservation: String,
        user: String,
        seats: Vec<String>,
        token: u64,
        version: u64,
    }
    let kept: Kept = serde_json::from_value(answer).map_err(|error| {
        Failure::Final(AppError::Unexpected {
            what: format!("an operation is not recorded as the application does: {error}"),
        })
    })?;
    let user: User = kept.user.parse()?;
    Ok(Change {
        state: kept.state,
        reservation: ReservationId::stored(kept.reservation),
        user,
        seats: kept.seats.into_iter().map(Seat::stored).collect(),
        token: kept.token,
        version: kept.version,
    })
}
