//! When each node does something by its own clock, kept so that not all of them have to be asked whenever something happens.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Bound;

/// The moments of all nodes by their places, in microseconds since 1970. A node's is asked for again after it was touched: nothing else changes it.
#[derive(Debug, Default)]
pub(super) struct OwnMoments(RefCell<Moments>);

#[derive(Debug, Default)]
struct Moments {
    /// `i64::MAX`: it does nothing by itself.
    known: Vec<i64>,
    /// The same of those that do something, in order.
    ordered: BTreeSet<(i64, usize)>,
    /// Who was touched, each once.
    touched: Vec<usize>,
    is_touched: Vec<bool>,
}

impl OwnMoments {
    /// Something may have changed at a node.
    pub fn touch(&self, place: usize) {
        let mut moments = self.0.borrow_mut();
        if place >= moments.known.len() {
            moments.known.resize(place + 1, i64::MAX);
            moments.is_touched.resize(place + 1, false);
        }
        if !std::mem::replace(&mut moments.is_touched[place], true) {
            moments.touched.push(place);
        }
    }

    /// The first moment later than this one, and whose it is; of two at the same moment, the one with the smaller place. `ask`: what the moment of a node is.
    pub fn first_after(
        &self,
        moment: i64,
        ask: impl Fn(usize) -> Option<i64>,
    ) -> Option<(i64, usize)> {
        let moments = &mut *self.0.borrow_mut();
        while let Some(place) = moments.touched.pop() {
            moments.is_touched[place] = false;
            let when = ask(place).unwrap_or(i64::MAX);
            let before = std::mem::replace(&mut moments.known[place], when);
            if before == when {
                continue;
            }
            moments.ordered.remove(&(before, place));
            if when != i64::MAX {
                moments.ordered.insert((when, place));
            }
        }
        let later = (Bound::Excluded((moment, usize::MAX)), Bound::Unbounded);
        moments.ordered.range(later).next().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_asked_again_when_it_was_touched() {
        let moments = OwnMoments::default();
        let nothing = moments.first_after(0, |_| panic!("there is nobody"));
        assert_eq!(nothing, None);
        for place in 0..3 {
            moments.touch(place);
        }
        let ask = |place: usize| [Some(30), None, Some(20)][place];
        assert_eq!(moments.first_after(0, ask), Some((20, 2)));
        assert_eq!(moments.first_after(20, ask), Some((30, 0)));
        let other = |_: usize| Some(20);
        assert_eq!(
            moments.first_after(0, other),
            Some((20, 2)),
            "nobody was touched"
        );
        moments.touch(0);
        assert_eq!(moments.first_after(0, other), Some((20, 0)));
    }
}
