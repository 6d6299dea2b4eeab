//! Speaking RESP to nodes: addresses, one connection a node, deadlines, raw replies, and redirections that are counted
//! instead of hidden.
//!
//! - [`Client`] talks to one node. It connects when first used, connects again when the connection broke, and gives every
//!   call a deadline.
//! - [`Router`] talks to a cluster: it follows `MOVED` and `ASK` and says how often it did.
//! - [`AddressBook`] knows where a node is for the cluster and where it is for this program; the two differ as soon as
//!   containers are involved.

mod address;
mod batch;
mod client;
mod clock;
mod convert;
mod hash_tag;
mod route_error;
mod router;
mod slot_map;
mod typed;

pub use address::{Address, AddressBook};
pub use batch::Batch;
pub use client::{Client, RespError};
pub(crate) use clock::pause;
pub use clock::{Clock, Hold, RealClock};
pub(crate) use convert::reply;
pub use hash_tag::hash_tag;
pub use route_error::RouteError;
pub use router::{Routed, Router, Terms};
pub use typed::typed_words;
