//! A list: a chain of nodes, cut where Redis cuts them, since DUMP shows it.

mod change;
mod node;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use super::packed::{Element, Needle, Packed};

use node::Node;
pub(in crate::double) use node::{NodeSize, Part};

/// An end of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::double) enum End {
    /// The first element's.
    Left,
    /// The last element's.
    Right,
}

/// A list.
#[derive(Debug, Clone, Default)]
pub(in crate::double) struct List {
    nodes: VecDeque<Node>,
    count: usize,
    /// How long its nodes get. A list keeps what the configuration said when it was made.
    size: NodeSize,
}

impl List {
    /// An empty one, with `list-max-listpack-size` as it is configured.
    pub fn new(size: i64) -> List {
        List {
            size: NodeSize::new(size),
            ..List::default()
        }
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What OBJECT ENCODING says.
    pub fn encoding(&self) -> &'static str {
        "quicklist"
    }

    /// Adds an element at an end.
    pub fn push(&mut self, end: End, text: &[u8]) {
        self.count += 1;
        let size = self.size;
        let (node, place) = match end {
            End::Left => (self.nodes.front_mut(), Some(0)),
            End::Right => (self.nodes.back_mut(), None),
        };
        if let Some(Node::Packed(packed)) = node {
            if size.has_room(packed, text) {
                return packed.insert(place.unwrap_or(packed.end()), text);
            }
            packed.shrink();
        }
        let node = Node::of(text);
        match end {
            End::Left => self.nodes.push_front(node),
            End::Right => self.nodes.push_back(node),
        }
    }

    /// The element at an end.
    pub fn peek(&self, end: End) -> Option<Element<'_>> {
        match end {
            End::Left => self.nodes.front()?.iter().next(),
            End::Right => self.nodes.back()?.iter().next_back(),
        }
    }

    /// Takes the element at an end out.
    pub fn pop(&mut self, end: End) -> Option<Vec<u8>> {
        let text = self.peek(end)?.to_vec();
        self.remove_last(end);
        Some(text)
    }

    /// Takes the element at an end out, whatever it is.
    pub fn remove_last(&mut self, end: End) {
        let at = match end {
            End::Left => 0,
            End::Right => self.nodes.len().saturating_sub(1),
        };
        let Some(node) = self.nodes.get_mut(at) else {
            return;
        };
        self.count -= 1;
        match node {
            Node::Packed(packed) if packed.len() > 1 => {
                let place = match end {
                    End::Left => 0,
                    End::Right => packed.before(packed.end()),
                };
                packed.remove(place, 1);
            }
            _ => drop(self.nodes.remove(at)),
        }
    }

    /// The node in which the element with this number is, and its number there. The nodes are counted from the nearer end.
    fn locate(&self, index: usize) -> Option<(usize, usize)> {
        if index >= self.count {
            return None;
        }
        if index < self.count / 2 {
            let mut left = index;
            for (at, node) in self.nodes.iter().enumerate() {
                match left.checked_sub(node.len()) {
                    Some(rest) => left = rest,
                    None => return Some((at, left)),
                }
            }
        } else {
            // How many elements there are from this one on.
            let mut left = self.count - index;
            for (at, node) in self.nodes.iter().enumerate().rev() {
                match node.len().checked_sub(left) {
                    Some(before) => return Some((at, before)),
                    None => left -= node.len(),
                }
            }
        }
        None
    }

    /// The element with this number.
    pub fn get(&self, index: usize) -> Option<Element<'_>> {
        let (node, at) = self.locate(index)?;
        Some(match &self.nodes[node] {
            Node::Packed(packed) => packed.at(packed.place(at)),
            Node::Plain(text) => Element::Text(text),
        })
    }

    /// All elements.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Element<'_>> {
        self.nodes.iter().flat_map(Node::iter)
    }

    /// The elements from this number on, to the last one.
    pub fn iter_from(&self, index: usize) -> impl Iterator<Item = Element<'_>> {
        let (node, at) = self.locate(index).unwrap_or((self.nodes.len(), 0));
        let first = self.nodes.get(node).map(|node| node.iter_from(at));
        let others = self.nodes.range(self.nodes.len().min(node + 1)..);
        first
            .into_iter()
            .flatten()
            .chain(others.flat_map(Node::iter))
    }

    /// The numbers of the elements that are this text, beside whether they are: looked at from one end, at most `most` of them.
    pub fn positions(&self, text: &[u8], from: End, most: usize) -> impl Iterator<Item = usize> {
        let needle = Needle::new(text);
        let last = self.count.saturating_sub(1);
        let (ahead, back) = match from {
            End::Left => (Some(self.iter().enumerate()), None),
            End::Right => {
                let numbered = self.iter().rev().enumerate();
                (None, Some(numbered.map(move |(at, it)| (last - at, it))))
            }
        };
        let all = ahead
            .into_iter()
            .flatten()
            .chain(back.into_iter().flatten());
        all.take(most)
            .filter(move |(_, element)| needle.is(*element))
            .map(|(at, _)| at)
    }

    /// Its nodes, as DUMP has them.
    pub fn parts(&self) -> impl ExactSizeIterator<Item = Part<'_>> {
        self.nodes.iter().map(Node::part)
    }

    /// Adds nodes at the end as they are, as RESTORE does. An empty one is left out.
    pub fn add_packed(&mut self, packed: Packed) {
        if !packed.is_empty() {
            self.count += packed.len();
            self.nodes.push_back(Node::Packed(packed));
        }
    }

    /// The same with a node that is one long element.
    pub fn add_plain(&mut self, text: &[u8]) {
        self.count += 1;
        self.nodes.push_back(Node::Plain(text.into()));
    }
}
