//! The order of SORT.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::super::partial_sort::sort_part;
use super::Asked;
use super::pattern::Pattern;
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::number;

/// What is compared.
#[derive(Debug, Clone, Copy)]
pub(super) enum By<'a> {
    /// The elements.
    Itself,
    /// What the pattern leads to.
    Other(Pattern<'a>),
    /// Nothing: they stay as they are.
    Nothing,
}

impl<'a> By<'a> {
    /// What BY says. Redis does not take back that nothing is sorted, once it was said.
    pub fn pattern(text: &'a [u8], before: By<'a>) -> By<'a> {
        match (before, Pattern::read(text)) {
            (By::Nothing, _) | (_, Pattern::Nothing | Pattern::Itself) => By::Nothing,
            (_, pattern) => By::Other(pattern),
        }
    }
}

/// Brings elements into the order that is asked for.
///
/// # Errors
/// One is no number, where they are compared as numbers.
pub(super) fn sort(call: &mut Call<'_>, elements: &mut Vec<Vec<u8>>, asked: &Asked<'_>) -> Outcome {
    let by = match asked.by {
        By::Nothing => return Ok(()),
        By::Itself => Pattern::Itself,
        By::Other(pattern) => pattern,
    };
    // What is stored is compared as bytes. What is shown is compared by C's rules of the place, which are those of "C" here: up to a byte 0.
    let text = |text: &[u8]| -> Box<[u8]> {
        let end = match asked.store {
            Some(_) => None,
            None => memchr::memchr(0, text),
        };
        text[..end.unwrap_or(text.len())].into()
    };
    let mut weighed = Vec::with_capacity(elements.len());
    let mut all_numbers = true;
    for element in elements.iter() {
        let weight: Option<Cow<'_, [u8]>> = by.look_up(call, element);
        weighed.push(match (weight, asked.alpha) {
            (Some(weight), true) => Weight::Text(text(&weight)),
            (None, true) => Weight::Missing,
            (None, false) => Weight::Number(0.0),
            (Some(weight), false) => {
                let number = number::parse_weight(&weight);
                all_numbers &= number.is_some();
                Weight::Number(number.unwrap_or_default())
            }
        });
    }
    if !all_numbers {
        return Err(Failure::text(
            "ERR One or more scores can't be converted into double",
        ));
    }
    let mut rows: Vec<_> = weighed.into_iter().zip(std::mem::take(elements)).collect();
    let compare = |(weight, element): &(Weight, Vec<u8>), (other, its): &(Weight, Vec<u8>)| {
        let order = weight.order(other, element, its);
        match asked.downwards {
            true => order.reverse(),
            false => order,
        }
    };
    let part = asked.part(rows.len());
    match matches!(asked.by, By::Other(_)) && part != (0..rows.len()) {
        true => sort_part(&mut rows, part, compare),
        false => rows.sort_by(compare),
    }
    elements.extend(rows.into_iter().map(|(_, element)| element));
    Ok(())
}

enum Weight {
    /// Before all texts.
    Missing,
    Number(f64),
    Text(Box<[u8]>),
}

impl Weight {
    /// Equal numbers leave it to the elements, equal texts to chance: those stay as they are.
    fn order(&self, other: &Weight, element: &[u8], its: &[u8]) -> Ordering {
        match (self, other) {
            (Weight::Number(weight), Weight::Number(other)) => {
                let order = weight.partial_cmp(other).unwrap_or(Ordering::Equal);
                order.then_with(|| element.cmp(its))
            }
            (Weight::Text(text), Weight::Text(other)) => text.cmp(other),
            (Weight::Missing, Weight::Text(_)) => Ordering::Less,
            (Weight::Text(_), Weight::Missing) => Ordering::Greater,
            _ => Ordering::Equal,
        }
    }
}
