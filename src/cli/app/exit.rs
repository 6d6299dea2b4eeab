//! The exit codes of the application: each answer has one, so that a script need not read.

use crate::app::{AppError, Refusal};

/// Everything was done.
pub const DONE: u8 = 0;
/// A load test's audit found something.
pub const AUDIT_FAILED: u8 = 1;
/// It was somebody else's.
pub const NOT_HOLDER: u8 = 16;
/// The schema is not whole.
pub const NOT_READY: u8 = 22;
/// Redis and the ledger differ, and that was not repaired.
pub const DRIFT: u8 = 25;
/// The gateway does not take the money.
pub const DECLINED: u8 = 26;
/// It is not known whether it was done.
pub const UNKNOWN: u8 = 5;
/// Somebody wished it to end.
pub const INTERRUPTED: u8 = 130;

/// For `--help`, and for the guide.
pub const TABLE: &str = "\
Exit codes:
   0  done                                      12  no such seat, or more than the event has
   1  an audit found something                  13  no such event
   2  the call is wrong                         14  no such reservation, or it was cancelled
   4  no node of the cluster can be reached     15  the hold has expired
   5  no answer before the deadline             16  somebody else's reservation
   6  the cluster is down                       17  the operation id was used for another request
   7  a server, but not of a cluster            18  too many requests of this user
   8  a password is wrong or missing            19  no such session
   9  done, but no replica has it yet           20  the fencing token is stale
  10  sold out                                  21  the database can't be reached
  11  a seat is taken                           22  the database is not ready for this program
                                                23  the database is full
                                                24  the hold was lost to somebody else
                                                25  Redis and the database differ
                                                26  the payment was declined
                                                70  a bug
                                               130  interrupted";

/// The exit code of an error.
pub fn of(error: &AppError) -> u8 {
    match error {
        AppError::Invalid { .. } => 2,
        AppError::Unreachable { .. } => 4,
        AppError::Unknown { .. } => UNKNOWN,
        AppError::ClusterDown { .. } => 6,
        AppError::NotACluster { .. } => 7,
        AppError::WrongPassword { .. } => 8,
        AppError::NotDurable { .. } => 9,
        AppError::LedgerUnreachable { .. } => 21,
        AppError::LedgerNotReady { .. } => 22,
        AppError::LedgerFull { .. } => 23,
        AppError::NoLedger { .. } => 2,
        AppError::Unexpected { .. } => 70,
        AppError::Refused(refusal) => match refusal {
            Refusal::SoldOut { .. } => 10,
            Refusal::Taken { .. } => 11,
            Refusal::NoSuchSeat { .. } | Refusal::TooMany { .. } => 12,
            Refusal::UnknownEvent { .. } => 13,
            Refusal::UnknownReservation { .. } | Refusal::Cancelled { .. } => 14,
            Refusal::Expired { .. } => 15,
            Refusal::NotHolder { .. } => 16,
            Refusal::OperationReused { .. } => 17,
            Refusal::RateLimited { .. } | Refusal::Locked { .. } => 18,
            Refusal::UnknownSession { .. } => 19,
            Refusal::StaleToken { .. } => 20,
            Refusal::HoldLost { .. } => 24,
        },
    }
}

/// What to do about an error; nothing for an answer that speaks for itself.
pub fn advice(error: &AppError) -> Option<String> {
    Some(match error {
        AppError::Invalid { help, .. } => help.clone(),
        AppError::Refused(Refusal::UnknownEvent { .. }) => {
            "`events` lists those that there are".to_owned()
        }
        AppError::Refused(Refusal::OperationReused { .. }) => {
            "an operation id is for one request and its repetitions: take another".to_owned()
        }
        AppError::Refused(Refusal::SoldOut { .. } | Refusal::Taken { .. }) => {
            "`availability` says what is free; a hold that is not confirmed comes back when it expires".to_owned()
        }
        AppError::Refused(Refusal::HoldLost { .. }) => {
            "reserve other seats; nothing is to be paid".to_owned()
        }
        AppError::Refused(_) => return None,
        AppError::Unreachable { .. } => {
            "start one (`labrunner up`, or `docker compose up -d`), or say where it is: --nodes HOST:PORT,…".to_owned()
        }
        AppError::Unknown { .. } => {
            "ask again with the same --key: what was done is not done twice, and the answer is the first one".to_owned()
        }
        AppError::ClusterDown { .. } => {
            "see `redis-cli -p 7001 CLUSTER INFO`; after a failover this passes, or give it longer: --deadline 30s".to_owned()
        }
        AppError::NotACluster { .. } => {
            "name the nodes of a cluster, servers that were started with `cluster-enabled yes`".to_owned()
        }
        AppError::WrongPassword { .. } => {
            "say it in APP_PASSWORD (and APP_USERNAME), or in the settings file".to_owned()
        }
        AppError::NotDurable { .. } => {
            "is the replica there? `redis-cli INFO replication` of the master says; asking again with the same --key waits again".to_owned()
        }
        AppError::LedgerUnreachable { .. } => {
            "is it running? say where it is: --database-url postgres://user:password@host:port/database".to_owned()
        }
        AppError::LedgerNotReady { help, .. } => help.clone(),
        AppError::LedgerFull { .. } => {
            "make room where its data is; what was confirmed before is safe, and nothing new was".to_owned()
        }
        AppError::NoLedger { .. } => {
            "name it: --database-url postgres://user:password@host:port/database, or DATABASE_URL".to_owned()
        }
        AppError::Unexpected { .. } => {
            "is the data of another program or version? if not, please report it".to_owned()
        }
    })
}
