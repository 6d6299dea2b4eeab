//! A node of a list, and how long it gets.

use crate::double::node::keyspace::packed::{Element, Iter, Packed};

/// From this length on an element has a node of its own that is no listpack.
const LARGE: usize = 1 << 30;
/// How many bytes Redis takes an element to need beside its text when it looks whether there is room.
const BESIDE_TEXT: usize = 8;
/// How many bytes a node may have if it is the number of its elements that is limited.
const SAFE: usize = 8192;
/// How many bytes Redis takes two nodes to need less if they become one: the header and end of the older format, of which a listpack has only 7.
const FRAME: usize = 11;

/// The configuration `list-max-listpack-size`. From -1 to -5: a size of 4, 8, 16, 32 or 64 kB; from 0 on a number of elements, in 8 kB at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::double) struct NodeSize(i16);

impl Default for NodeSize {
    fn default() -> Self {
        NodeSize(-2)
    }
}

impl NodeSize {
    /// What is beyond the limits is as the limit.
    pub fn new(size: i64) -> NodeSize {
        NodeSize(size.clamp(-5, i64::from(i16::MAX)) as i16)
    }

    /// Whether a node may have so many bytes and elements.
    fn allows(self, bytes: usize, count: usize) -> bool {
        match self.0 {
            ..0 => bytes <= 4096 << (self.0.unsigned_abs() - 1),
            most => bytes <= SAFE && count <= usize::from(most.unsigned_abs()),
        }
    }

    /// Whether a text has room in a node.
    pub fn has_room(self, node: &Packed, text: &[u8]) -> bool {
        text.len() < LARGE && self.allows(node.size() + text.len() + BESIDE_TEXT, node.len() + 1)
    }

    /// Whether two nodes may become one.
    pub fn allows_both(self, one: &Packed, other: &Packed) -> bool {
        self.allows(one.size() + other.size() - FRAME, one.len() + other.len())
    }
}

/// A node of a list; never empty.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// Short elements.
    Packed(Packed),
    /// One long element.
    Plain(Box<[u8]>),
}

/// A node, to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::double) enum Part<'a> {
    /// Short elements.
    Packed(&'a Packed),
    /// One long element.
    Plain(&'a [u8]),
}

impl Node {
    /// One of a single element.
    pub fn of(text: &[u8]) -> Node {
        if text.len() >= LARGE {
            return Node::Plain(text.into());
        }
        let mut packed = Packed::default();
        packed.push(text);
        Node::Packed(packed)
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        match self {
            Node::Packed(packed) => packed.len(),
            Node::Plain(_) => 1,
        }
    }

    pub fn part(&self) -> Part<'_> {
        match self {
            Node::Packed(packed) => Part::Packed(packed),
            Node::Plain(text) => Part::Plain(text),
        }
    }

    pub fn iter(&self) -> Elements<'_> {
        match self {
            Node::Packed(packed) => Elements::Packed(packed.iter()),
            Node::Plain(text) => Elements::Plain(Some(text)),
        }
    }

    /// The elements from this number on.
    pub fn iter_from(&self, index: usize) -> Elements<'_> {
        match self {
            Node::Packed(packed) => Elements::Packed(packed.iter_from(packed.place(index))),
            Node::Plain(text) => Elements::Plain((index == 0).then_some(&**text)),
        }
    }
}

/// The elements of a node.
#[derive(Debug, Clone)]
pub(super) enum Elements<'a> {
    Packed(Iter<'a>),
    Plain(Option<&'a [u8]>),
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        match self {
            Elements::Packed(iter) => iter.next(),
            Elements::Plain(text) => text.take().map(Element::Text),
        }
    }
}

impl DoubleEndedIterator for Elements<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Elements::Packed(iter) => iter.next_back(),
            Elements::Plain(text) => text.take().map(Element::Text),
        }
    }
}
