//! Runs of registers with the same value:
//!
//! | bytes | registers | value |
//! | --- | --- | --- |
//! | `00nnnnnn` | n + 1 | 0 |
//! | `01nnnnnn nnnnnnnn` | n + 1 | 0 |
//! | `1vvvvvnn` | n + 1 | v + 1 |

use super::{Fault, HEAD, REGISTERS};

/// The greatest value that a run can have.
const GREATEST: u8 = 32;
/// The longest run of such a value.
const LONGEST: usize = 4;
/// The longest run of zeros that takes one byte.
const SHORT: usize = 64;

/// Registers that have the same value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    /// Where it stands in the string, and how many bytes it takes.
    at: usize,
    bytes: usize,
    /// The first register, and how many there are.
    pub first: usize,
    pub length: usize,
    pub value: u8,
}

/// The runs of a string. If they are not of exactly as many registers as there are, the last thing is a fault.
pub(super) struct Runs<'a> {
    text: &'a [u8],
    at: usize,
    next: usize,
    faulty: bool,
}

impl<'a> Runs<'a> {
    pub fn of(text: &'a [u8]) -> Self {
        Runs {
            text,
            at: HEAD,
            next: 0,
            faulty: false,
        }
    }
}

impl Iterator for Runs<'_> {
    type Item = Result<Run, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.faulty || self.at >= self.text.len() && self.next == REGISTERS {
            return None;
        }
        let run =
            read(self.text, self.at, self.next).filter(|run| run.first + run.length <= REGISTERS);
        match run {
            Some(run) => {
                self.at += run.bytes;
                self.next += run.length;
            }
            None => self.faulty = true,
        }
        Some(run.ok_or(Fault::Corrupted))
    }
}

fn read(text: &[u8], at: usize, first: usize) -> Option<Run> {
    let byte = *text.get(at)?;
    let (bytes, length, value) = match byte >> 6 {
        0 => (1, usize::from(byte) + 1, 0),
        1 => {
            let second = *text.get(at + 1)?;
            (
                2,
                usize::from(u16::from_be_bytes([byte & 63, second])) + 1,
                0,
            )
        }
        _ => (1, usize::from(byte & 3) + 1, (byte >> 2 & 31) + 1),
    };
    Some(Run {
        at,
        bytes,
        first,
        length,
        value,
    })
}

pub(super) fn describe(text: &[u8]) -> String {
    let mut at = HEAD;
    let mut runs = Vec::new();
    while let Some(run) = read(text, at, 0) {
        at += run.bytes;
        let length = run.length;
        runs.push(match (run.value, run.bytes) {
            (0, 1) => format!("z:{length}"),
            (0, _) => format!("Z:{length}"),
            (value, _) => format!("v:{value},{length}"),
        });
    }
    runs.join(" ")
}

pub(super) fn push_zeros(out: &mut Vec<u8>, length: usize) {
    let mut new = New::default();
    new.push(0, length);
    out.extend_from_slice(new.bytes());
}

/// At most three runs, as bytes.
#[derive(Default)]
struct New {
    bytes: [u8; 6],
    length: usize,
}

impl New {
    /// Nothing, if the run has no registers.
    fn push(&mut self, value: u8, length: usize) {
        let Some(last) = length.checked_sub(1) else {
            return;
        };
        let [high, low] = (last as u16).to_be_bytes();
        let bytes: &[u8] = match value {
            0 if length <= SHORT => &[low],
            0 => &[1 << 6 | high, low],
            _ => &[1 << 7 | (value - 1) << 2 | low],
        };
        if let Some(place) = self.bytes.get_mut(self.length..self.length + bytes.len()) {
            place.copy_from_slice(bytes);
            self.length += bytes.len();
        }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// What became of a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Raised {
    /// It was great enough.
    Kept,
    Done,
    /// The value is too great for a run, or the string would become too long. Nothing is done.
    NoRoom,
}

/// Makes a register at least this great: its run is cut in up to three, and what can be one run again around it becomes one. `most` is of the whole
/// string.
pub(super) fn raise(
    text: &mut Vec<u8>,
    register: usize,
    value: u8,
    most: usize,
) -> Result<Raised, Fault> {
    if value > GREATEST {
        return Ok(Raised::NoRoom);
    }
    let mut before = None;
    let mut at = HEAD;
    let mut first = 0;
    let run = loop {
        let run = read(text, at, first).ok_or(Fault::Corrupted)?;
        if register < run.first + run.length {
            break run;
        }
        before = Some(at);
        at += run.bytes;
        first += run.length;
    };
    if run.value >= value {
        return Ok(Raised::Kept);
    }
    let mut new = New::default();
    new.push(run.value, register - run.first);
    new.push(value, 1);
    new.push(run.value, run.first + run.length - 1 - register);
    let longer = text.len() - run.bytes + new.length;
    if new.length > run.bytes && longer > most {
        return Ok(Raised::NoRoom);
    }
    text.splice(run.at..run.at + run.bytes, new.bytes().iter().copied());
    join(text, before.unwrap_or(HEAD));
    Ok(Raised::Done)
}

/// Makes one run of two of the same value, in the next few runs from here.
fn join(text: &mut Vec<u8>, mut at: usize) {
    // The run before, up to three new ones, and the one behind.
    for _ in 0..5 {
        let Some(run) = read(text, at, 0) else {
            return;
        };
        let next = read(text, at + run.bytes, 0);
        if let Some(next) = next
            && run.value > 0
            && run.value == next.value
            && run.length + next.length <= LONGEST
        {
            let mut joined = New::default();
            joined.push(run.value, run.length + next.length);
            text.splice(at..next.at + next.bytes, joined.bytes().iter().copied());
        } else {
            at += run.bytes;
        }
    }
}
