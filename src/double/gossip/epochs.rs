//! Config epochs: which of two claims to a slot is the newer one.

use super::around::Around;
use super::peer::PeerKey;
use super::sabotage::Sabotage;
use super::view::View;

impl View {
    /// CLUSTER BUMPEPOCH: whether the epoch was changed.
    pub fn bump_epoch(&mut self, _around: &mut Around<'_>) -> bool {
        self.bump_without_consensus()
    }

    /// The greatest epoch that is known.
    fn greatest_epoch(&self) -> u64 {
        let of_peers = self.peers.iter().map(|(_, peer)| peer.config_epoch).max();
        of_peers.unwrap_or(0).max(self.current_epoch)
    }

    /// Takes a new epoch without asking anybody, unless this node's is the greatest already.
    pub(super) fn bump_without_consensus(&mut self) -> bool {
        let greatest = self.greatest_epoch();
        let mine = self.myself().config_epoch;
        if mine != 0 && mine == greatest {
            return false;
        }
        self.current_epoch += 1;
        let epoch = self.current_epoch;
        self.peer_mut(self.me).config_epoch = epoch;
        self.log(format!("New configEpoch set to {epoch}"));
        true
    }

    /// Two masters have the same epoch: the one with the smaller id takes a new one.
    pub(super) fn resolve_collision(&mut self, other: PeerKey) {
        let (me, peer) = (self.myself(), self.peer(other));
        if peer.config_epoch != me.config_epoch
            || !peer.flags.master
            || !me.flags.master
            || peer.id <= me.id
            || self.sabotaged(Sabotage::CollisionsStay)
        {
            return;
        }
        self.current_epoch += 1;
        let epoch = self.current_epoch;
        self.peer_mut(self.me).config_epoch = epoch;
    }

    /// After reading what was kept: the current epoch is never behind.
    pub(super) fn catch_up_epoch(&mut self) {
        self.current_epoch = self.greatest_epoch();
    }
}
