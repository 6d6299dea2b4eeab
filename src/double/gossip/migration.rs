//! Replicas that move to masters that have lost theirs.

use super::around::Around;
use super::peer::PeerKey;
use super::view::View;

/// For how long, in milliseconds, a master has to be without replicas: those of a master that was just replaced need some time to say so.
const DELAY: i64 = 5000;

impl View {
    /// Moves this replica to a master without any, if it is the one that has to. `most`: the most working replicas that one master has.
    pub(super) fn migrate_to_orphan(&mut self, most: usize, around: &Around<'_>) {
        let Some(master) = self.myself().replica_of.filter(|_| self.ok) else {
            return;
        };
        let well = |key: &&PeerKey| !self.peer(**key).flags.unwell();
        let siblings = self.peer(master).replicas.iter().filter(well).count();
        if siblings <= around.settings.migration_barrier {
            return;
        }
        let mut target: Option<PeerKey> = None;
        let mut candidate = self.me;
        for index in 0..self.order.len() {
            let key = self.order[index];
            let peer = self.peer(key);
            let replicas = if peer.flags.master {
                self.working_replicas(key)
            } else {
                0
            };
            let orphaned =
                !peer.flags.replica && !peer.flags.failed && peer.flags.migrate_to && replicas == 0;
            if replicas == most {
                for &replica in &peer.replicas {
                    if self.peer(replica).id < self.peer(candidate).id {
                        candidate = replica;
                    }
                }
            }
            if orphaned && target.is_none() && peer.serves() {
                target = Some(key);
            }
            let peer = self.peer_mut(key);
            if !orphaned {
                peer.orphaned_since = 0;
            } else if peer.orphaned_since == 0 {
                peer.orphaned_since = around.now;
            }
        }
        if let Some(target) = target
            && candidate == self.me
            && around.now - self.peer(target).orphaned_since > DELAY
        {
            let id = self.peer(target).id;
            self.log(format!("Migrating to orphaned master {id}"));
            self.set_master(target);
        }
    }
}
