//! How many entries there are, how many there were, and what follows from that for a group that has read some of them.

use super::Id;

/// In the place of a number of entries that nobody knows.
pub(in crate::double) const UNKNOWN: i64 = -1;

/// What a stream knows about its entries without looking at them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::double) struct Counts {
    /// How many there are.
    pub length: u64,
    /// The highest id that was ever given out.
    pub last_id: Id,
    /// The id of the first entry; 0-0 if there is none.
    pub first_id: Id,
    /// The highest id that XDEL has taken out.
    pub max_deleted_id: Id,
    /// How many were ever added.
    pub entries_added: u64,
}

impl Default for Counts {
    fn default() -> Self {
        Counts {
            length: 0,
            last_id: Id::MIN,
            first_id: Id::MIN,
            max_deleted_id: Id::MIN,
            entries_added: 0,
        }
    }
}

impl Counts {
    /// An entry was added behind all others.
    pub fn added(&mut self, id: Id) {
        self.length += 1;
        self.entries_added = self.entries_added.wrapping_add(1);
        self.last_id = id;
        if self.length == 1 {
            self.first_id = id;
        }
    }

    /// Whether XDEL may have taken out something between this id and the entries that come after it.
    pub fn has_gaps_from(&self, start: Id) -> bool {
        self.length > 0
            && self.max_deleted_id != Id::MIN
            && self.first_id <= self.max_deleted_id
            && start <= self.max_deleted_id
    }

    /// How many entries were added up to this id, if that can be told without counting; otherwise [`UNKNOWN`].
    pub fn entries_up_to(&self, id: Id) -> i64 {
        let added = self.entries_added as i64;
        let gone = added.wrapping_sub(self.length as i64);
        if self.entries_added == 0 {
            return 0;
        }
        if id == self.last_id || self.length == 0 && id < self.last_id {
            return added;
        }
        if id > self.last_id {
            return UNKNOWN;
        }
        if self.max_deleted_id == Id::MIN || self.max_deleted_id < self.first_id {
            // Whatever is gone was before the first entry.
            match id.cmp(&self.first_id) {
                std::cmp::Ordering::Less => return gone,
                std::cmp::Ordering::Equal => return gone.wrapping_add(1),
                std::cmp::Ordering::Greater => {}
            }
        }
        UNKNOWN
    }
}
