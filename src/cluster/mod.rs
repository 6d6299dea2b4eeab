//! The vocabulary of Redis Cluster: what its words mean, and how to read what servers print.
//!
//! Everything here is a value. Nothing opens a connection, reads a clock or touches a file, so all of it is tested on
//! text alone: on replies recorded from Redis 6.2, 7.0, 8.2 and Valkey 9.1 (`fixtures/servers/`), and on generated text.
//!
//! | reply of | is read into |
//! |---|---|
//! | `CLUSTER NODES` | [`Topology`], a list of [`Node`] |
//! | `CLUSTER SLOTS` | [`SlotTable`] |
//! | `CLUSTER SHARDS` | [`Shards`] |
//! | `CLUSTER INFO` | [`ClusterInfo`] |
//! | `INFO` | [`Info`], [`ServerVersion`], [`AttachedReplica`] |
//! | an error | [`ClusterError`] |
//!
//! Parsers refuse what they do not understand with a [`ParseError`] that says where and why, and never panic. What a newer
//! server may add (a flag, an aux field, a field of INFO or of a map) is kept or passed over, not refused.

mod as_text;
mod cluster_info;
mod difference;
mod endpoint;
mod error;
mod flags;
mod info;
mod node;
mod node_id;
mod node_name;
#[cfg(test)]
mod properties;
mod redirect;
mod reply;
mod shards;
mod slot;
mod slot_range;
mod slot_set;
mod slot_table;
mod timeline;
mod topology;
mod version;

pub use cluster_info::ClusterInfo;
pub use endpoint::Endpoint;
pub use error::ParseError;
pub use flags::NodeFlags;
pub use info::{AttachedReplica, Info};
pub use node::{LinkState, Node};
pub use node_id::NodeId;
pub use node_name::NodeName;
pub use redirect::ClusterError;
pub use reply::Reply;
pub use shards::{Health, Role, Shard, ShardNode, Shards};
pub use slot::{SLOTS, Slot};
pub use slot_range::SlotRange;
pub use slot_set::SlotSet;
pub use slot_table::{SlotEntry, SlotNode, SlotTable};
pub use timeline::{Moment, Timeline};
pub use topology::Topology;
pub use version::{Product, ServerVersion};
