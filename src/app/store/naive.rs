//! How not to do it: look whether seats are free, and then take them. What others did in between is overwritten. It is here to be
//! measured against the script, which can't be come between.

use redis::Value;

use super::client::Request;
use super::reads::parsed;
use super::{Store, number, stored_seats, unknown};
use crate::app::answer::Held;
use crate::app::error::{AppError, Refusal};
use crate::app::now_ms;
use crate::app::request::{ReservationId, Reserve, Wanted};

impl Store {
    /// Holds seats as [`reserve`](Store::reserve) does, but by a check and then an act, as one would without a script. Seats that are asked for
    /// by their labels are taken unseen.
    ///
    /// # Errors
    /// Sold out, by what it saw; no such event; those of every request.
    pub async fn reserve_naively(&self, request: &Reserve) -> Result<Held, AppError> {
        request.check()?;
        let event = &request.event;
        let mut check = redis::pipe();
        check.cmd("HGET").arg(event.event_key()).arg("token");
        check
            .cmd("ZRANGE")
            .arg(event.free_key())
            .arg(0)
            .arg(i64::from(request.wanted.count()) - 1);
        let seen = self
            .client
            .send(event.slot(), |_| Request::Pipeline(check.clone()));
        let (token, mut seats): (Option<String>, Vec<String>) = parsed(seen.await?)?;
        let token: u64 = number(&token.ok_or_else(|| unknown(event))?)?;
        if let Wanted::These(these) = &request.wanted {
            seats = these.iter().map(|seat| seat.to_string()).collect();
        }
        let free = u32::try_from(seats.len()).unwrap_or(u32::MAX);
        if free < request.wanted.count() {
            return Err(AppError::Refused(Refusal::SoldOut {
                asked: request.wanted.count(),
                free,
            }));
        }
        let reservation = ReservationId::random();
        let expires_ms = now_ms() + u64::try_from(request.hold.as_millis()).unwrap_or(u64::MAX);
        let kept = serde_json::json!({
            "user": request.user.as_str(), "seats": seats, "state": "held",
            "token": token + 1, "expires_ms": expires_ms,
        });
        let mut act = redis::pipe();
        act.cmd("ZREM").arg(event.free_key()).arg(&seats);
        let taken = act.cmd("HSET").arg(event.seats_key());
        for seat in &seats {
            taken.arg(seat).arg(reservation.as_str());
        }
        act.cmd("HSET")
            .arg(event.reservations_key())
            .arg(reservation.as_str())
            .arg(kept.to_string());
        act.cmd("HSET")
            .arg(event.event_key())
            .arg("token")
            .arg(token + 1);
        let done = self
            .client
            .send(event.slot(), |_| Request::Pipeline(act.clone()));
        let _: Value = done.await?;
        let seats: Vec<&str> = seats.iter().map(String::as_str).collect();
        Ok(Held {
            reservation,
            token: token + 1,
            expires_ms,
            seats: stored_seats(&seats),
        })
    }
}
