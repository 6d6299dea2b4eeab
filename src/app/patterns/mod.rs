//! The ways in which Redis and the ledger work together, one file each. They share [`Store`](super::Store) and [`Ledger`](super::Ledger), and
//! nothing else.
//!
//! | pattern | who is written first | when the other has it | what is served meanwhile |
//! |---|---|---|---|
//! | plain | Redis alone | never | what Redis acknowledged, which a failover can lose |
//! | write-through | the ledger | in the same request; after a failure by a repair, within bounds | the truth to whoever asked; Redis refuses to sell the seats to others |
//! | event-driven | Redis, and its stream | when a worker comes by: milliseconds later | what Redis acknowledged, which a failover can lose |
//! | cache-aside | – (it reads) | when somebody reads | the cache, no older than its bound |

pub mod cache_aside;
pub mod event_driven;
pub mod reconcile;
pub mod write_through;

use std::fmt;
use std::str::FromStr;

use super::error::AppError;
use super::request::shown;

pub use cache_aside::CacheAside;
pub use reconcile::Reconcile;
pub use write_through::WriteThrough;

/// A way to work with Redis and the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// Redis alone.
    Plain,
    /// Changes go to the ledger and then to Redis.
    WriteThrough,
    /// Changes go to Redis, and by its streams to the ledger.
    EventDriven,
    /// Reads go to a cache in Redis, and to the ledger where it has nothing.
    CacheAside,
}

impl FromStr for Pattern {
    type Err = AppError;

    fn from_str(text: &str) -> Result<Self, AppError> {
        match text {
            "plain" => Ok(Pattern::Plain),
            "write-through" => Ok(Pattern::WriteThrough),
            "event-driven" => Ok(Pattern::EventDriven),
            "cache-aside" => Ok(Pattern::CacheAside),
            _ => Err(AppError::invalid(
                format!("there is no pattern {}", shown(text)),
                "plain, write-through, event-driven or cache-aside",
            )),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Pattern::Plain => "plain",
            Pattern::WriteThrough => "write-through",
            Pattern::EventDriven => "event-driven",
            Pattern::CacheAside => "cache-aside",
        })
    }
}
