//! Looking out for a master that takes over from one that is silent.
//!
//! The library finds it by itself, sooner or later; but a client of it that was made before leads to the old master, and to make a new
//! one takes long while that hangs. So the other nodes are asked who has the slots, and as soon as it is somebody else, that one is asked directly, until
//! connections have been made since.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::client::Client;
use super::lanes::Lane;
use super::link::Link;
use crate::cluster::Slot;

/// Between two looks. After a promotion, about this passes until requests go to the new master.
const PAUSE: Duration = Duration::from_millis(100);
/// How long one node may take to say who has the slots.
const PATIENCE: Duration = Duration::from_millis(100);
/// Where nothing comes of it for so long, the next failed attempt begins anew.
const LONGEST: Duration = Duration::from_secs(60);

impl Client {
    /// Looks out for the master that takes over the slots of this lane, unless somebody does already.
    pub fn watch(self: &Arc<Self>, slot: Slot, lane: &Arc<Lane>, link: &Arc<Link>) {
        if !lane.watch() {
            return;
        }
        let (client, lane, link) = (Arc::clone(self), Arc::clone(lane), Arc::clone(link));
        tokio::spawn(async move {
            client.look_out(slot, &lane, &link).await;
            lane.unwatched();
        });
    }

    async fn look_out(self: &Arc<Self>, slot: Slot, lane: &Lane, link: &Arc<Link>) {
        let silent = self.lanes().master(slot);
        let begun = Instant::now();
        let mut changed = None;
        while !lane.is_well() && begun.elapsed() < LONGEST {
            sleep(PAUSE).await;
            for node in self.lanes().nodes() {
                if Some(&node) != silent.as_ref() && self.ask_for_slots(&node, PATIENCE).await {
                    break;
                }
            }
            let now = self.lanes().master(slot);
            match changed {
                None if now.is_some() && now != silent => {
                    changed = Some(Instant::now());
                    lane.set_direct(true);
                    // Who waits for the old one waits in vain.
                    link.replaced.notify_waiters();
                }
                Some(changed) if link.is_newer_than(changed) => break,
                _ => {}
            }
            if changed.is_some() {
                self.rebuild(link);
            }
        }
        if changed.is_some() {
            lane.set_direct(false);
        }
    }
}
