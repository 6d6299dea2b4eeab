//! Changes in the middle of a list. What they do to its nodes is as in Redis: a full node is cut in two for a new element, and small neighbours
//! become one then; what is removed or replaced leaves the cuts where they are.

use super::node::Node;
use super::{End, List};
use crate::double::node::keyspace::packed::{Needle, Packed};

/// A listpack does not get longer than this.
const LONGEST: usize = 1 << 30;

impl List {
    /// Puts a text in the place of the element with this number. Whether there is one.
    pub fn set(&mut self, index: usize, text: &[u8]) -> bool {
        let Some((at, inner)) = self.locate(index) else {
            return false;
        };
        match &mut self.nodes[at] {
            Node::Packed(packed) if packed.size() + text.len() < LONGEST => {
                packed.replace(packed.place(inner), text);
            }
            // One that is too long for its node gets its own.
            Node::Packed(packed) => {
                let rest = packed.split_off(inner + 1);
                packed.remove(packed.place(inner), 1);
                let emptied = packed.is_empty();
                if !rest.is_empty() {
                    self.nodes.insert(at + 1, Node::Packed(rest));
                }
                match emptied {
                    true => self.nodes[at] = Node::of(text),
                    false => self.nodes.insert(at + 1, Node::of(text)),
                }
            }
            node => *node = Node::of(text),
        }
        true
    }

    /// Takes out as many elements from this number on, or as many as there are.
    pub fn remove_range(&mut self, index: usize, count: usize) {
        let Some((mut at, inner)) = self.locate(index) else {
            return;
        };
        let mut left = count.min(self.count - index);
        self.count -= left;
        let mut from = inner;
        while left > 0 && at < self.nodes.len() {
            let here = (self.nodes[at].len() - from).min(left);
            left -= here;
            match &mut self.nodes[at] {
                Node::Packed(packed) if here < packed.len() => {
                    packed.remove(packed.place(from), here);
                    at += 1;
                }
                _ if from == 0 => {
                    // All nodes that go as a whole go at once.
                    let mut gone = 1;
                    while let Some(node) = self.nodes.get(at + gone)
                        && node.len() <= left
                        && left > 0
                    {
                        left -= node.len();
                        gone += 1;
                    }
                    self.nodes.drain(at..at + gone);
                }
                _ => at += 1,
            }
            from = 0;
        }
    }

    /// Takes out elements that are this text, at most `most` of them, looked for from one end. How many they were.
    pub fn remove_all(&mut self, text: &[u8], from: End, most: usize) -> usize {
        let needle = Needle::new(text);
        let mut removed = 0;
        let nodes = self.nodes.len();
        let mut emptied = false;
        for step in 0..nodes {
            let at = match from {
                End::Left => step,
                End::Right => nodes - 1 - step,
            };
            if removed == most {
                break;
            }
            match &mut self.nodes[at] {
                Node::Packed(packed) => {
                    removed += remove_from(packed, &needle, from, most - removed);
                    emptied |= packed.is_empty();
                }
                Node::Plain(plain) => {
                    if **plain == *text {
                        // An empty row is taken out below.
                        self.nodes[at] = Node::Packed(Packed::default());
                        removed += 1;
                        emptied = true;
                    }
                }
            }
        }
        if emptied {
            self.nodes.retain(|node| node.len() > 0);
        }
        self.count -= removed;
        removed
    }

    /// Adds a text before or behind the first element that is `pivot`. Whether there is one.
    pub fn insert(&mut self, pivot: &[u8], before: bool, text: &[u8]) -> bool {
        let needle = Needle::new(pivot);
        let found = self.nodes.iter().enumerate().find_map(|(at, node)| {
            let inner = node.iter().position(|element| needle.is(element))?;
            Some((at, inner))
        });
        let Some((at, inner)) = found else {
            return false;
        };
        self.count += 1;
        let size = self.size;
        let last = self.nodes[at].len() - 1;
        if let Node::Packed(packed) = &mut self.nodes[at]
            && size.has_room(packed, text)
        {
            let place = packed.place(inner + usize::from(!before));
            packed.insert(place, text);
            return true;
        }
        // At an end of a node the neighbour may have room, or else a new one comes in between.
        if before && inner == 0 {
            match at.checked_sub(1).and_then(|at| self.nodes.get_mut(at)) {
                Some(Node::Packed(packed)) if size.has_room(packed, text) => packed.push(text),
                _ => self.nodes.insert(at, Node::of(text)),
            }
        } else if !before && inner == last {
            match self.nodes.get_mut(at + 1) {
                Some(Node::Packed(packed)) if size.has_room(packed, text) => packed.insert(0, text),
                _ => self.nodes.insert(at + 1, Node::of(text)),
            }
        } else if let Node::Packed(packed) = &mut self.nodes[at] {
            let rest = packed.split_off(inner + usize::from(!before));
            // The new element goes to the part without the pivot, however long that gets.
            let (rest, pivot_at) = match before {
                true => {
                    packed.push(text);
                    (rest, at + 1)
                }
                false => {
                    let mut rest = rest;
                    rest.insert(0, text);
                    (rest, at)
                }
            };
            self.nodes.insert(at + 1, Node::Packed(rest));
            self.merge_around(pivot_at);
        }
        true
    }

    /// Makes one node of two where both together are within the limits: first the two before this one, then the two behind it, then this one with
    /// its neighbours.
    fn merge_around(&mut self, center: usize) {
        let mut center = center;
        if center >= 2 && self.merge(center - 2) {
            center -= 1;
        }
        self.merge(center + 1);
        if center >= 1 && self.merge(center - 1) {
            center -= 1;
        }
        self.merge(center);
    }

    /// Makes one node of this one and the next, if they are within the limits.
    fn merge(&mut self, at: usize) -> bool {
        let both = match (self.nodes.get(at), self.nodes.get(at + 1)) {
            (Some(Node::Packed(one)), Some(Node::Packed(other))) => {
                self.size.allows_both(one, other)
            }
            _ => false,
        };
        if both
            && let Some(Node::Packed(other)) = self.nodes.remove(at + 1)
            && let Node::Packed(one) = &mut self.nodes[at]
        {
            one.append(&other);
        }
        both
    }
}

fn remove_from(packed: &mut Packed, needle: &Needle<'_>, from: End, most: usize) -> usize {
    let mut removed = 0;
    match from {
        End::Left => {
            let mut at = 0;
            while at < packed.end() && removed < most {
                if needle.is(packed.at(at)) {
                    packed.remove(at, 1);
                    removed += 1;
                } else {
                    at = packed.next(at);
                }
            }
        }
        End::Right => {
            let mut at = packed.end();
            while at > 0 && removed < most {
                at = packed.before(at);
                if needle.is(packed.at(at)) {
                    packed.remove(at, 1);
                    removed += 1;
                }
            }
        }
    }
    removed
}
