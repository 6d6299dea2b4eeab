//! Sessions: who is logged in, for a time that begins anew whenever the session is shown.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::{AppError, Refusal};
use super::now_ms;
use super::request::{SessionId, User};
use super::store::Store;
use crate::cluster::Slot;

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its id, which is a secret.
    #[serde(skip_deserializing, default)]
    pub id: String,
    /// Who is logged in.
    pub user: String,
    /// Since when, in milliseconds since 1970, by the clock of who logged in.
    pub since_ms: u64,
    /// How long it lasts without being used, in milliseconds.
    pub ttl_ms: u64,
}

impl Store {
    /// Begins a session.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn log_in(&self, user: &User, ttl: Duration) -> Result<Session, AppError> {
        let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        if ttl < Duration::from_secs(1) || ttl > Duration::from_secs(30 * 24 * 60 * 60) {
            return Err(AppError::invalid(
                format!("a session can't last {ttl:?}"),
                "from 1s to 720h",
            ));
        }
        let id = SessionId::random();
        let session = Session {
            id: id.to_string(),
            user: user.to_string(),
            since_ms: now_ms(),
            ttl_ms,
        };
        let text = serde_json::json!({
            "user": session.user, "since_ms": session.since_ms, "ttl_ms": ttl_ms,
        });
        let (slot, key) = place(&id);
        // Done twice it is as done once: the id is new, and the value the same.
        let mut command = redis::cmd("SET");
        command.arg(key).arg(text.to_string()).arg("PX").arg(ttl_ms);
        self.change::<()>(slot, command).await?;
        Ok(session)
    }

    /// Shows a session, which lasts its full time from now on again.
    ///
    /// # Errors
    /// There is none, or not any more.
    pub async fn session(&self, id: &SessionId) -> Result<Session, AppError> {
        let (slot, key) = place(id);
        let mut command = redis::cmd("GET");
        command.arg(&key);
        let text: Option<String> = self.change(slot, command).await?;
        let text = text.ok_or_else(|| unknown(id))?;
        let session: Session =
            serde_json::from_str(&text).map_err(|error| AppError::Unexpected {
                what: format!("the session is not stored as the application does: {error}"),
            })?;
        let mut command = redis::cmd("PEXPIRE");
        command.arg(&key).arg(session.ttl_ms);
        match self.change::<u64>(slot, command).await? {
            // It ended in between.
            0 => Err(unknown(id)),
            _ => Ok(Session {
                id: id.to_string(),
                ..session
            }),
        }
    }

    /// Ends a session.
    ///
    /// # Errors
    /// There is none, or not any more.
    pub async fn log_out(&self, id: &SessionId) -> Result<(), AppError> {
        let (slot, key) = place(id);
        let mut command = redis::cmd("UNLINK");
        command.arg(key);
        match self.change::<u64>(slot, command).await? {
            0 => Err(unknown(id)),
            _ => Ok(()),
        }
    }
}

fn place(id: &SessionId) -> (Slot, String) {
    let key = format!("session:{{{id}}}");
    (Slot::of_key(key.as_bytes()), key)
}

fn unknown(id: &SessionId) -> AppError {
    AppError::Refused(Refusal::UnknownSession {
        session: id.to_string(),
    })
}
