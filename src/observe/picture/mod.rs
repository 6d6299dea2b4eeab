//! A picture of a cluster, for people: a line a node, what it is, which slots it owns, how it does, and who sees it differently.
//!
//! A picture is made of an observation alone, so that it can be tested on recorded replies. It is text with tones; whoever shows it
//! decides which colours these are.

mod bar;
mod draw;
mod facts;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use super::Observation;
use crate::cluster::NodeName;
use crate::resp::AddressBook;

/// What a picture is made of.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// What the nodes said: `CLUSTER NODES` and `CLUSTER INFO`, and if it is to be shown how far replicas are behind and how many keys there
    /// are, `INFO` and `DBSIZE`.
    pub observation: &'a Observation,
    /// The environment's nodes.
    pub book: &'a AddressBook,
    /// How each node is, by the word of the environment. Nothing is said of a node that is missing here.
    pub presence: &'a BTreeMap<NodeName, Presence>,
    /// Slots are on the move, so that nodes differ for a moment, on who owns a few of them and on what goes with the last of a master's.
    pub moving: bool,
}

/// How a node is, by the word of its environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Its process runs.
    Running,
    /// Its process is frozen.
    Paused,
    /// Its process has ended, with this exit code.
    Stopped(i64),
    /// Never made, or removed.
    Absent,
}

/// What a picture is drawn on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Canvas {
    /// Columns; no line is longer, down to 60.
    pub width: usize,
    /// Whether signs beyond ASCII can be shown.
    pub unicode: bool,
}

/// What a piece of text is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Nothing in particular.
    Plain,
    /// As it should be.
    Good,
    /// Not as it should be, and perhaps it passes.
    Warning,
    /// Not as it should be.
    Bad,
    /// What the line is about.
    Strong,
    /// Beside the point.
    Faint,
}

/// A piece of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The text; no line break and no escape sequence is in it.
    pub text: String,
    /// What it is about.
    pub tone: Tone,
}

/// A picture that is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Its lines, from above.
    pub lines: Vec<Vec<Span>>,
    /// What it says of roles, health and disagreements: where this differs, something has happened.
    pub state: String,
    /// What it says of who owns which slots.
    pub slots: String,
}

impl Picture {
    /// Whether nothing has happened between the two that a picture is drawn anew for: counts of keys and bytes may differ.
    pub fn says_the_same_as(&self, other: &Picture) -> bool {
        (&self.state, &self.slots) == (&other.state, &other.slots)
    }
}

/// Without tones; every line ends in `\n`.
impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            let text: String = line.iter().map(|span| span.text.as_str()).collect();
            writeln!(f, "{}", text.trim_end())?;
        }
        Ok(())
    }
}

/// Draws a picture.
pub fn draw(scene: Scene<'_>, canvas: Canvas) -> Picture {
    let facts = facts::Facts::of(scene);
    Picture {
        lines: draw::lines(&facts, canvas),
        state: facts.state(),
        slots: facts.slots(),
    }
}
