//! What came of an attempt, and whether another one makes sense.

use std::time::Duration;

use sqlx::Error;

use crate::app::error::AppError;

/// Why an attempt failed.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// Nobody was reached, or nobody had time: nothing was done. Another attempt may do better.
    NotBegun(String),
    /// It failed on the way. Whether it was done is not known, and by its operation id another attempt finds out.
    Broken(String),
    /// Others were in the way: nothing was done, and another attempt may be luckier.
    Conflict(String),
    /// No attempt will do better.
    Final(AppError),
}

impl Failure {
    /// What it amounts to when there is no time for another attempt. `changes`: whether something was to be changed.
    pub(super) fn at_last(self, place: &str, within: Duration, changes: bool) -> AppError {
        match self {
            Failure::Final(error) => error,
            Failure::NotBegun(what) => AppError::LedgerUnreachable {
                what: format!("the database {place} can't be used: {what}"),
            },
            Failure::Broken(last) if changes => AppError::Unknown { within, last },
            Failure::Broken(what) | Failure::Conflict(what) => AppError::LedgerUnreachable {
                what: format!("the database {place} did not do it in {within:?}: {what}"),
            },
        }
    }

    /// In a few words.
    pub(super) fn told(&self) -> String {
        match self {
            Failure::NotBegun(what) | Failure::Broken(what) | Failure::Conflict(what) => {
                what.clone()
            }
            Failure::Final(error) => error.to_string(),
        }
    }

    /// Whether the connection is of no use any more.
    pub(super) fn breaks_connection(&self) -> bool {
        matches!(self, Failure::NotBegun(_) | Failure::Broken(_))
    }
}

/// What a connection's failure means; `begun`: something was sent before.
pub(super) fn of(error: &Error, begun: bool, place: &str) -> Failure {
    let what = on_one_line(error);
    match error {
        Error::Database(said) => of_code(said.code().as_deref().unwrap_or_default(), what, place),
        Error::PoolTimedOut => {
            Failure::NotBegun("no connection was free, or could be made, in time".to_owned())
        }
        Error::Tls(_) => not_as_said(what, place),
        // What a handshake came to: the server's certificate is not one that the address lets pass.
        Error::Io(error) if !begun && error.kind() == std::io::ErrorKind::InvalidData => {
            not_as_said(what, place)
        }
        Error::Configuration(_) => not_ready(what, "see the address of the database"),
        Error::Io(_) | Error::Protocol(_) | Error::PoolClosed | Error::WorkerCrashed if begun => {
            Failure::Broken(what)
        }
        Error::Io(_) | Error::Protocol(_) | Error::PoolClosed | Error::WorkerCrashed => {
            Failure::NotBegun(what)
        }
        _ => Failure::Final(AppError::Unexpected {
            what: format!("the database gave an answer that no request of ours should get: {what}"),
        }),
    }
}

fn not_ready(what: String, help: &str) -> Failure {
    Failure::Final(AppError::LedgerNotReady {
        what,
        help: help.to_owned(),
    })
}

fn not_as_said(what: String, place: &str) -> Failure {
    not_ready(
        format!("the database {place} can't be reached as the address says: {what}"),
        "see sslmode and sslrootcert in the address, and whether the server has TLS",
    )
}

/// The server lets nobody in from where we are, as whom we are, or in the way that we came; its own words say which.
fn not_let_in(what: String, place: &str) -> Failure {
    match what.ends_with("no encryption") || what.ends_with("SSL off") {
        true => not_ready(
            format!("the database {place} lets nobody in without TLS: {what}"),
            "say sslmode=require, verify-ca or verify-full in the address",
        ),
        false => not_ready(
            format!("the database {place} does not let the application in: {what}"),
            "see pg_hba.conf of the server, and user, database and sslmode in the address",
        ),
    }
}

/// By the codes of the server, appendix A of its manual.
fn of_code(code: &str, what: String, place: &str) -> Failure {
    match code {
        // Serialisation failure, deadlock, lock not available, and a key that somebody else has just written.
        "40001" | "40P01" | "55P03" | "23505" => Failure::Conflict(what),
        // Too many connections, starting up, shutting down, recovering.
        "53300" | "57P03" => Failure::NotBegun(what),
        // Ended by its administrator or by a crash of another process, or its own time was over.
        "57P01" | "57P02" | "57014" | "25P03" | "57P05" => Failure::Broken(what),
        _ if code.starts_with("08") => Failure::Broken(what),
        "28000" if what.contains("pg_hba.conf") => not_let_in(what, place),
        "28P01" | "28000" => Failure::Final(AppError::WrongPassword {
            node: format!("the database {place}"),
            why: what,
        }),
        "3D000" => not_ready(
            format!("there is no database {place}"),
            "make it: `createdb`, or CREATE DATABASE",
        ),
        "42P01" | "42703" | "42883" => not_ready(
            format!("the schema of the database {place} is not this program's: {what}"),
            "`app migrate status` says how it is, `app migrate up` makes what is missing",
        ),
        "53100" | "53200" | "53400" => Failure::Final(AppError::LedgerFull {
            what: format!("the database {place} has no room: {what}"),
        }),
        "25006" => not_ready(
            format!("the database {place} can't be written to: {what}"),
            "is it a standby? name the primary",
        ),
        "42501" => not_ready(
            format!("the database {place} does not allow it: {what}"),
            "give the user rights on the tables, or name another user",
        ),
        _ => Failure::Final(AppError::Unexpected {
            what: format!("the database {place} refused: {what} ({code})"),
        }),
    }
}

/// The server's own words where there are some.
pub(super) fn on_one_line(error: &Error) -> String {
    match error {
        Error::Database(said) => said.message().replace('\n', " "),
        Error::Io(error) => error.to_string(),
        other => other.to_string().replace('\n', " "),
    }
}
