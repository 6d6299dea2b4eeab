//! Walking through a sorted set, from both ends.

use std::ops::Range;

use super::indexed::Indexed;
use super::packed::Packed;

/// Members and their scores in their order.
#[derive(Debug, Clone)]
pub(in crate::double) struct Iter<'a> {
    left: usize,
    walk: Walk<'a>,
}

#[derive(Debug, Clone)]
enum Walk<'a> {
    Packed {
        packed: &'a Packed,
        start: usize,
    },
    Indexed {
        indexed: &'a Indexed,
        /// The place of the next one from the beginning: a chunk, and the place in there.
        front: (usize, usize),
        /// The place behind the next one from the end.
        back: (usize, usize),
    },
}

impl<'a> Iter<'a> {
    /// The ranks must be there.
    pub(super) fn packed(packed: &'a Packed, ranks: Range<usize>) -> Self {
        Iter {
            left: ranks.len(),
            walk: Walk::Packed {
                packed,
                start: ranks.start,
            },
        }
    }

    /// The ranks must be there.
    pub(super) fn indexed(indexed: &'a Indexed, ranks: Range<usize>) -> Self {
        Iter {
            left: ranks.len(),
            walk: Walk::Indexed {
                indexed,
                front: indexed.place(ranks.start),
                back: indexed.place(ranks.end),
            },
        }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], f64);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        match &mut self.walk {
            Walk::Packed { packed, start } => {
                *start += 1;
                Some(packed.get(*start - 1))
            }
            Walk::Indexed { indexed, front, .. } => {
                let (chunk, at) = *front;
                *front = match at + 1 < indexed.chunk_len(chunk) {
                    true => (chunk, at + 1),
                    false => (chunk + 1, 0),
                };
                Some(indexed.get(chunk, at))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        match &mut self.walk {
            Walk::Packed { packed, start } => Some(packed.get(*start + self.left)),
            Walk::Indexed { indexed, back, .. } => {
                let (chunk, at) = *back;
                *back = match at {
                    0 => (chunk - 1, indexed.chunk_len(chunk - 1) - 1),
                    _ => (chunk, at - 1),
                };
                Some(indexed.get(back.0, back.1))
            }
        }
    }
}

impl ExactSizeIterator for Iter<'_> {}
