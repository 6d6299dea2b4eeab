//! Whether it is true that nothing would change: a world that never rests notes what its nodes know whenever it could have, and compares that with what they know when it is stirred.

use std::cell::RefCell;
use std::fmt::Write;
use std::sync::{Arc, Mutex};

use crate::double::node::world::World;

/// How often a world could have rested, for how long, and where it could not have.
#[derive(Debug, Default)]
pub(in crate::double) struct Found {
    /// How often.
    pub rests: usize,
    /// For how long in all, in milliseconds.
    pub rested: i64,
    /// What nodes knew before and after, where that was not the same.
    pub wrong: Vec<(String, String)>,
}

/// What a world goes by that never rests.
#[derive(Debug, Default)]
pub(super) struct Proof {
    found: RefCell<Option<Arc<Mutex<Found>>>>,
    /// Since when it could rest, and what its nodes knew then.
    claim: RefCell<Option<(i64, String)>>,
}

impl Proof {
    pub fn is_wanted(&self) -> bool {
        self.found.borrow().is_some()
    }
}

impl World {
    /// It does not rest from now on, but finds out whether it could.
    pub(in crate::double) fn never_rest(&self, found: Arc<Mutex<Found>>) {
        self.stir();
        *self.rest.proof.found.borrow_mut() = Some(found);
    }

    /// A command is carried out, and what it changes does not count. PUBLISH changes nothing.
    pub(in crate::double::node::world) fn expect_change(&self, words: &[Vec<u8>]) {
        let publishes = words[0].ends_with(b"PUBLISH");
        if self.never_rests() && !publishes {
            self.stir();
        }
    }

    pub(super) fn begin_claim(&self) {
        *self.rest.proof.claim.borrow_mut() = Some((self.now / 1000, self.all_that_is_known()));
    }

    pub(super) fn end_claim(&self) {
        let proof = &self.rest.proof;
        let found = proof.found.borrow();
        let Some((since, before)) = proof.claim.borrow_mut().take() else {
            return;
        };
        let Some(found) = &*found else { return };
        let after = self.all_that_is_known();
        let mut found = found.lock().unwrap();
        found.rests += 1;
        found.rested += self.now / 1000 - since;
        if before != after {
            found.wrong.push((before, after));
        }
    }

    /// All that nodes know of each other and of themselves, but for moments.
    fn all_that_is_known(&self) -> String {
        let mut text = String::new();
        for place in 0..self.len() {
            self.seen(place, |server| {
                let Some(member) = server.cluster.as_deref() else {
                    return;
                };
                let view = &member.view;
                let open = (&view.migrating, &view.importing);
                let about = (view.current_epoch, view.last_vote_epoch, view.ok, view.size);
                writeln!(
                    text,
                    "{place} {:?} {about:?} {open:?} {}",
                    view.me,
                    server.log.len()
                )
                .unwrap();
                for (id, key) in &view.by_id {
                    let peer = view.peer(*key);
                    let at = (&peer.ip, peer.port, peer.bus_port, &peer.hostname);
                    let links = (
                        peer.link.map(|own| (own.id, own.up)),
                        peer.inbound.map(|(id, _)| id),
                    );
                    writeln!(
                        text,
                        "  {id} {key:?} {:?} {at:?} {:?} {:?} {:?} {} {} {:?} {links:?}",
                        peer.flags,
                        peer.replica_of,
                        peer.replicas,
                        peer.slots.ranges(),
                        peer.config_epoch,
                        peer.failed_since,
                        peer.reports,
                    )
                    .unwrap();
                }
            });
        }
        text
    }
}
