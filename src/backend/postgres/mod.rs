//! A PostgreSQL server that is thrown away afterwards: for the labs that need one where no container is, and for tests.
//!
//! It is the machine's own PostgreSQL ([`Binaries`]), run as an ordinary user ([`Account`]) on a new data directory, with a socket folder and a
//! port of its own, so that any number go side by side and none meets a server that is there already. It ends with its owner: [`Server`] stops
//! it and removes everything when it is dropped; a watchdog does so when the owner is killed; and where that one was killed as well,
//! [`left`] finds what is there.
//!
//! All of this blocks: about a second for [`Server::start`], less than a tenth for most else.

mod account;
mod binaries;
mod folder;
pub mod left;
mod processes;
mod server;
mod watchdog;

pub use account::Account;
pub use binaries::Binaries;
pub use server::{Options, Server, Stop};
