//! What a node knows of its cluster, and how it comes to know it: the Redis Cluster specification as a state machine without any input or output.
//!
//! A [`View`] is told what happens (time passes, a link is there or gone, a message came, an operator wants something) and answers with [`Effect`]s: links to be
//! opened and closed, messages to be sent, a master to be followed. It never looks at a clock, a socket or a key by itself: what it has to know of its
//! surroundings comes with each call, as [`Around`]. So the same calls give the same effects, always.

mod around;
mod chores;
mod cron;
mod effect;
mod election;
mod epochs;
mod failure;
mod gossip_section;
mod links;
mod manual;
mod membership;
mod message;
mod migration;
mod peer;
mod receive;
mod rest;
mod sabotage;
mod slots;
mod state;
#[cfg(test)]
mod tests;
mod view;

pub(in crate::double) use around::{Around, MasterLink, Settings};
pub(in crate::double) use effect::{Effect, LinkId};
pub(in crate::double) use message::{Header, Message};
#[cfg(test)]
pub(in crate::double) use peer::OutgoingLink;
pub(in crate::double) use peer::{Flags, Peer, PeerKey};
#[cfg(any(test, fuzzing))]
pub use sabotage::Sabotage;
pub(in crate::double) use view::{Failover, View};
