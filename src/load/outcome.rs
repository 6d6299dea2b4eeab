//! What one operation of a load came to.

use std::borrow::Cow;

/// What an operation came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It did what was asked.
    Ok,
    /// It was answered, and the answer was no: sold out, say. That is not a fault of anybody. In a word or two.
    Refused(Cow<'static, str>),
    /// It broke, or its fate is not known: no answer, `CLUSTERDOWN`. The kind, in a word or two.
    Error(Cow<'static, str>),
}

impl Outcome {
    /// A refusal of this kind.
    pub fn refused(kind: &'static str) -> Self {
        Outcome::Refused(Cow::Borrowed(kind))
    }

    /// An error of this kind.
    pub fn error(kind: impl Into<Cow<'static, str>>) -> Self {
        Outcome::Error(kind.into())
    }
}

/// An operation that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Which kind of operation it was, in a word: `reserve`. Figures are kept apart by it.
    pub operation: &'static str,
    /// What it came to.
    pub outcome: Outcome,
}

impl Done {
    /// An operation of this kind that came to this.
    pub fn new(operation: &'static str, outcome: Outcome) -> Self {
        Done { operation, outcome }
    }
}
