//! Where two traces of a scenario differ, to be read.

use std::fmt::Write;

use crate::names::name;
use crate::play::{Broken, Trace, What};

/// Nothing when they are the same. `sides`: what the two are called.
pub fn difference(expected: &Trace, got: &Trace, sides: (&str, &str)) -> Option<String> {
    let mut told = String::new();
    for (one, other) in expected.iter().zip(got) {
        if one.what == other.what {
            continue;
        }
        let _ = writeln!(told, "  {}: {}", one.place, one.step);
        match (&one.what, &other.what) {
            (What::Replies(one), What::Replies(other)) => {
                for ((who, one), (_, other)) in one.iter().zip(other) {
                    if one != other {
                        let (one, other) = (shifted(one), shifted(other));
                        let _ = writeln!(told, "    {who} says at {}: {one}", sides.0);
                        let _ = writeln!(told, "    {who} says at {}: {other}", sides.1);
                    }
                }
                if one.len() != other.len() {
                    let lengths = (one.len(), other.len());
                    let _ = writeln!(told, "    {} replies, and {}", lengths.0, lengths.1);
                }
            }
            (What::Views(one), What::Views(other)) => {
                for (node, said) in one {
                    let Some(instead) = other.get(node) else {
                        continue;
                    };
                    for ((title, lines), (_, others)) in said.iter().zip(instead) {
                        if lines != others {
                            let _ = writeln!(told, "    {} {title}", name(*node));
                            lines_that_differ(&mut told, lines, others, sides);
                        }
                    }
                }
            }
            _ => told.push_str("    not the same kind of step\n"),
        }
    }
    if expected.len() != got.len() {
        let _ = writeln!(told, "  {} steps, and {}", expected.len(), got.len());
    }
    (!told.is_empty()).then_some(told)
}

/// What stopped a scenario.
pub fn stopped(broken: &Broken, side: &str) -> String {
    format!(
        "  {}: {}\n    at {side}: {}\n",
        broken.place,
        broken.step,
        shifted(&broken.why)
    )
}

fn lines_that_differ(told: &mut String, one: &[String], other: &[String], sides: (&str, &str)) {
    let only = |lines: &[String], others: &[String]| -> Vec<String> {
        let mut others = others.to_vec();
        let mut only = Vec::new();
        for line in lines {
            match others.iter().position(|other| other == line) {
                Some(at) => drop(others.remove(at)),
                None => only.push(line.clone()),
            }
        }
        only
    };
    let width = sides.0.len().max(sides.1.len());
    for (side, lines) in [(sides.0, only(one, other)), (sides.1, only(other, one))] {
        for line in lines {
            let _ = writeln!(told, "      {side:width$} | {line}");
        }
    }
}

fn shifted(text: &str) -> String {
    text.replace('\n', "\n      ")
}
