//! LMPOP, BLPOP, ZMPOP, BZPOPMIN and their like: taking from the first of several keys that has something, or waiting for one.

use super::arguments::at_least;
use crate::double::node::call::Call;
use crate::double::node::client::Otherwise;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::value::Kind;

/// From which keys how much is to be taken, and from which end of what they hold.
pub(super) struct FirstOf<'a, E> {
    pub keys: &'a [&'a [u8]],
    pub from: E,
    /// `None`: one element, which is not in an array of its own.
    pub most: Option<usize>,
}

impl<'a, E> FirstOf<'a, E> {
    /// Reads `numkeys key [key ...] END [COUNT count]`; `end` reads the end.
    pub fn read(
        words: &'a [&'a [u8]],
        end: impl FnOnce(&[u8]) -> Result<E, Failure>,
    ) -> Result<Self, Failure> {
        let (numkeys, rest) = words.split_first().ok_or(Failure::SYNTAX)?;
        let numkeys = at_least(numkeys, 1, "ERR numkeys should be greater than 0")?;
        let numkeys = usize::try_from(numkeys).unwrap_or(usize::MAX);
        let (keys, rest) = rest.split_at_checked(numkeys).ok_or(Failure::SYNTAX)?;
        let (from, options) = rest.split_first().ok_or(Failure::SYNTAX)?;
        let from = end(from)?;
        let mut most = None;
        let mut words = options.iter();
        while let Some(word) = words.next() {
            match words.next() {
                Some(value) if word.eq_ignore_ascii_case(b"COUNT") && most.is_none() => {
                    let count = at_least(value, 1, "ERR count should be greater than 0")?;
                    most = Some(usize::try_from(count).unwrap_or(usize::MAX));
                }
                _ => return Err(Failure::SYNTAX),
            }
        }
        Ok(FirstOf {
            keys,
            from,
            most: Some(most.unwrap_or(1)),
        })
    }

    /// Nothing was there: waits for a value of this kind, or says so where nothing may wait.
    pub fn wait(&self, call: &mut Call<'_>, kind: Kind, until: Option<i64>) -> Outcome {
        match call.may_block() {
            true => call.block(self.keys, Some(kind), until, Otherwise::NullArray),
            false => call.out.null_array(),
        }
        Ok(())
    }
}
