//! To be replaced.
use super::server::Server;
use super::replication::{Replication, ReplicationMessage};
use super::config::Config;
use crate::cluster::{NodeId, Slot};
use crate::double::gossip::{LinkId, Settings};
impl Server {
    pub fn follow(&mut self, _: NodeId, _: &str, _: u16) {}
    pub fn lead(&mut self) {}
    pub fn follow_as_before(&mut self) {}
    pub fn deliver(&mut self, _: &[u8], _: &[u8], _: bool) {}
    pub fn replication_tick(&mut self) {}
    pub fn replication_connected(&mut self, _: LinkId) {}
    pub fn replication_closed(&mut self, _: LinkId) {}
    pub fn replication_received(&mut self, _: LinkId, _: ReplicationMessage) {}
}
impl Replication { pub fn has_link(&self, _: LinkId) -> bool { false } }
