//! The ledger: confirmed reservations in PostgreSQL, which is where it is decided who has a seat.
//!
//! Redis holds seats and is quick about it, but a failover can lose what it has acknowledged. So a sale is one when the ledger has committed it, and
//! not before:
//!
//! - A seat has one owner at a time by a unique index (`reserved_seats_one_owner`), whoever asks, from however many programs.
//! - Each seat keeps the highest fencing token under which it was confirmed; a holder with a lower one is refused.
//! - Every change carries an operation id, and its answer is written in the same transaction, so that a request may be tried again when
//!   it is not known what became of it: done twice it is as done once.
//! - Every change writes a row of the history, which a trigger keeps as it is, and one of the outbox: what Redis has to be told.
//! - The version of an event grows by one with each change, in the order of the commits. That is what caches are compared by.
//!
//! Times in the ledger are its server's; none is ever compared with that of another machine. So it does not matter by how much its clock is off, and
//! where that is set back, nothing waits until it is as late again as it was.
//!
//! Every request has a deadline: as long as it lasts, what can be tried again is (see `failure.rs`).

mod attempt;
mod batch;
mod connection;
mod failure;
mod intake;
mod leases;
mod open_payments;
mod orders;
mod outbox;
mod payments;
mod reconciliation;
mod record;
mod retention;
pub mod schema;
mod view;

pub(in crate::app) use batch::order;
pub use batch::{Effect, Line, Message};
pub use connection::{Ledger, LedgerSettings};
pub use intake::{Batch, Intake};
pub use leases::{DEAD_AFTER, Lease, Position};
pub use open_payments::OpenPayment;
pub use outbox::{Backlog, Task, Told};
pub use payments::{Payment, PaymentState};
pub use reconciliation::{Finding, Snapshot, Whole, Written};
pub use record::{Change, Entry};
pub use view::{Happened, LedgerState, Sale, Sheet};
