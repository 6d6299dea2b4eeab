//! Lists, cut into nodes.

#[cfg(test)]
use std::borrow::Cow;
use std::collections::VecDeque;

use super::listpack::Listpack;

/// From this length on an element has a node of its own, which is no listpack.
const LARGE: usize = 1 << 30;
/// How many bytes Redis takes an element to need beside its text, when it looks whether there is room.
const BESIDE_TEXT: usize = 8;
/// How many bytes a node may have if the limit is a number of elements.
const SAFE: usize = 8192;

/// How long a node of a list gets: the configuration `list-max-listpack-size`. From -1 to -5 it is a size of 4, 8, 16, 32 or 64 kB; from 1 on a
/// number of elements, in 8 kB at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NodeSize(pub i32);

impl Default for NodeSize {
    fn default() -> Self {
        NodeSize(-2)
    }
}

impl NodeSize {
    /// Whether a node of so many bytes and elements has room for a text of `added` bytes.
    fn has_room(self, bytes: usize, count: usize, added: usize) -> bool {
        let bytes = bytes.saturating_add(added).saturating_add(BESIDE_TEXT);
        match self.0 {
            ..0 => bytes <= 4096 << self.0.abs_diff(-1).min(4),
            most => bytes <= SAFE && count < most.min(0x7fff) as usize,
        }
    }
}

/// A node of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ListNode {
    /// One or more elements.
    Packed(Listpack),
    /// One element that is too long to be packed.
    Plain(Vec<u8>),
}

/// A list: its nodes from head to tail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct List {
    pub nodes: VecDeque<ListNode>,
}

impl List {
    /// Adds an element at the tail, as RPUSH does.
    pub fn push_back(&mut self, text: &[u8], size: NodeSize) {
        if let Some(ListNode::Packed(node)) = self.nodes.back_mut()
            && has_room(node, text, size)
            && node.push(text).is_ok()
        {
            return;
        }
        self.nodes.push_back(ListNode::of(text));
    }

    /// Adds an element at the head, as LPUSH does.
    #[cfg(test)]
    pub fn push_front(&mut self, text: &[u8], size: NodeSize) {
        if let Some(ListNode::Packed(node)) = self.nodes.front_mut()
            && has_room(node, text, size)
            && node.push_front(text).is_ok()
        {
            return;
        }
        self.nodes.push_front(ListNode::of(text));
    }

    /// All elements, from head to tail.
    #[cfg(test)]
    pub fn iter(&self) -> impl Iterator<Item = Cow<'_, [u8]>> {
        self.nodes.iter().flat_map(|node| {
            let (packed, plain) = match node {
                ListNode::Packed(listpack) => (Some(listpack.iter()), None),
                ListNode::Plain(text) => (None, Some(Cow::Borrowed(&text[..]))),
            };
            let packed = packed.into_iter().flatten().map(|element| element.text());
            packed.chain(plain)
        })
    }
}

fn has_room(node: &Listpack, text: &[u8], size: NodeSize) -> bool {
    text.len() < LARGE && size.has_room(node.bytes().len(), node.len(), text.len())
}

impl ListNode {
    /// A node of one element.
    fn of(text: &[u8]) -> Self {
        let packed = (text.len() < LARGE)
            .then(|| Listpack::of([text]).ok())
            .flatten();
        packed.map_or_else(|| ListNode::Plain(text.to_vec()), ListNode::Packed)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{List, ListNode, NodeSize};

    /// Texts of 60 bytes take 62; a listpack has 7 bytes besides. So the n-th has room if 7 + 62(n - 1) + 60 + 8 is not above the limit.
    #[rstest]
    #[case(-1, 65)]
    #[case(-2, 131)]
    #[case(-5, 1056)]
    #[case::no_other_size(-6, 1056)]
    #[case::lowest(i32::MIN, 1056)]
    #[case::each_alone(0, 1)]
    #[case::by_number(3, 3)]
    #[case::by_number_but_safe(1000, 131)]
    fn nodes_are_full_at(#[case] size: i32, #[case] full: usize) {
        let text = [b'x'; 60];
        let (mut right, mut left) = (List::default(), List::default());
        for _ in 0..2 * full {
            right.push_back(&text, NodeSize(size));
            left.push_front(&text, NodeSize(size));
        }
        let lengths = |list: &List| -> Vec<usize> {
            (list.nodes.iter())
                .map(|node| match node {
                    ListNode::Packed(node) => node.len(),
                    ListNode::Plain(_) => 0,
                })
                .collect()
        };
        assert_eq!(lengths(&right), [full, full]);
        assert_eq!(lengths(&left), [full, full]);
    }

    #[test]
    fn elements_from_head_to_tail() {
        let mut list = List::default();
        for text in ["3", "4"] {
            list.push_back(text.as_bytes(), NodeSize::default());
        }
        list.push_front(b"2", NodeSize::default());
        list.nodes.push_front(ListNode::Plain(b"1".to_vec()));
        list.push_front(b"0", NodeSize::default());
        assert!(list.iter().eq(["0", "1", "2", "3", "4"].map(str::as_bytes)));
        assert_eq!(list.nodes.len(), 3);
    }
}
