//! HyperLogLogs: strings that estimate how many different elements they were given, byte-equal to Redis's.
//!
//! Such a string has a head of 16 bytes (`HYLL`, the kind, 3 unused, and the last estimate, whose highest bit says that it is out of date), and then
//! 16,384 registers, in one of two kinds: dense, 6 bits each; or sparse, runs of registers with the same value. Strings are also written by SET and
//! SETRANGE: whatever stands in one is read without harm.

mod dense;
mod estimate;
mod murmur;
mod sparse;
#[cfg(test)]
mod tests;

use sparse::Runs;

/// Registers of a HyperLogLog: 14 bits of an element's hash choose one.
pub(super) const REGISTERS: usize = 1 << 14;

/// Bits of the hash that are left for a register's value.
const HASH_BITS: u32 = 64 - 14;

const HEAD: usize = 16;
const MAGIC: &[u8] = b"HYLL";
const KIND: usize = 4;
const DENSE: u8 = 0;
const SPARSE: u8 = 1;

/// Why a string is no HyperLogLog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::double) enum Fault {
    /// `WRONGTYPE Key is not a valid HyperLogLog string value.`
    NotOne,
    /// `INVALIDOBJ Corrupted HLL object detected`
    Corrupted,
}

/// Which of the two kinds a string is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::double) enum Kind {
    Dense,
    Sparse,
}

/// An empty one: sparse, and its estimate is 0. (PFADD that makes one [`outdate`]s it, even if it adds nothing.)
pub(in crate::double) fn empty() -> Vec<u8> {
    let mut text = vec![0; HEAD];
    text[..MAGIC.len()].copy_from_slice(MAGIC);
    text[KIND] = SPARSE;
    sparse::push_zeros(&mut text, REGISTERS);
    text
}

/// Looks whether a string is one, by its head and its length. All other functions here may be given any string, but mean this.
pub(in crate::double) fn kind(text: &[u8]) -> Result<Kind, Fault> {
    match text.get(..HEAD) {
        Some(head) if head.starts_with(MAGIC) => match head[KIND] {
            DENSE if text.len() == HEAD + dense::LENGTH => Ok(Kind::Dense),
            SPARSE => Ok(Kind::Sparse),
            _ => Err(Fault::NotOne),
        },
        _ => Err(Fault::NotOne),
    }
}

/// Adds an element. `true` if a register was changed by it, so that the estimate may be another; then it is [`outdate`]d already.
/// `most` is `hll-sparse-max-bytes`: a string that would be longer is made dense.
pub(in crate::double) fn add(
    text: &mut Vec<u8>,
    element: &[u8],
    most: usize,
) -> Result<bool, Fault> {
    let hash = murmur::hash(element);
    let register = (hash as usize) & (REGISTERS - 1);
    // The place of the first bit that is set, of those that are left. One behind them is always set.
    let value = (hash >> 14 | 1 << HASH_BITS).trailing_zeros() as u8 + 1;
    raise(text, register, value, most)
}

/// Makes a register at least this great.
fn raise(text: &mut Vec<u8>, register: usize, value: u8, most: usize) -> Result<bool, Fault> {
    let raised = match kind(text)? {
        Kind::Dense => dense::raise(&mut text[HEAD..], register, value),
        Kind::Sparse => match sparse::raise(text, register, value, most)? {
            sparse::Raised::Kept => false,
            sparse::Raised::Done => true,
            sparse::Raised::NoRoom => {
                make_dense(text)?;
                dense::raise(&mut text[HEAD..], register, value)
            }
        },
    };
    if raised {
        outdate(text);
    }
    Ok(raised)
}

/// Says that the estimate that is kept is out of date.
pub(in crate::double) fn outdate(text: &mut [u8]) {
    if let Some(last) = text.get_mut(HEAD - 1) {
        *last |= 1 << 7;
    }
}

/// The estimate that is kept, if it is not out of date.
pub(in crate::double) fn kept(text: &[u8]) -> Option<i64> {
    let bytes = text.get(8..HEAD)?.try_into().ok()?;
    Some(i64::from_le_bytes(bytes)).filter(|estimate| *estimate >= 0)
}

/// Keeps an estimate in the string.
pub(in crate::double) fn keep(text: &mut [u8], estimate: i64) {
    if let Some(place) = text.get_mut(8..HEAD) {
        place.copy_from_slice(&estimate.to_le_bytes());
    }
}

/// Estimates anew how many different elements were added.
pub(in crate::double) fn estimate(text: &[u8]) -> Result<i64, Fault> {
    let mut histogram = [0; 64];
    match kind(text)? {
        Kind::Dense => {
            for value in dense::values(&text[HEAD..]) {
                histogram[value as usize] += 1;
            }
        }
        Kind::Sparse => {
            for run in Runs::of(text) {
                let run = run?;
                histogram[run.value as usize] += run.length;
            }
        }
    }
    Ok(estimate::estimate(&histogram))
}

/// Makes a sparse one dense. Nothing is done to a dense one.
pub(in crate::double) fn make_dense(text: &mut Vec<u8>) -> Result<(), Fault> {
    if kind(text)? == Kind::Sparse {
        let mut registers = vec![0; dense::LENGTH];
        for run in Runs::of(text) {
            let run = run?;
            if run.value > 0 {
                for register in run.first..run.first + run.length {
                    dense::raise(&mut registers, register, run.value);
                }
            }
        }
        text.truncate(HEAD);
        text.append(&mut registers);
        text[KIND] = DENSE;
    }
    Ok(())
}

/// The greatest values of each register of many HyperLogLogs: PFMERGE, and PFCOUNT of several keys.
#[derive(Debug, Clone)]
pub(in crate::double) struct Union {
    values: Vec<u8>,
    /// Whether one of them was dense.
    dense: bool,
}

impl Union {
    /// Of none.
    pub fn new() -> Self {
        Union {
            values: vec![0; REGISTERS],
            dense: false,
        }
    }

    /// Takes one more in. If it is corrupted the union is of no use any more.
    pub fn add(&mut self, text: &[u8]) -> Result<(), Fault> {
        match kind(text)? {
            Kind::Dense => {
                self.dense = true;
                for (value, other) in self.values.iter_mut().zip(dense::values(&text[HEAD..])) {
                    *value = other.max(*value);
                }
            }
            Kind::Sparse => {
                for run in Runs::of(text) {
                    let run = run?;
                    for value in &mut self.values[run.first..run.first + run.length] {
                        *value = run.value.max(*value);
                    }
                }
            }
        }
        Ok(())
    }

    /// Estimates how many different elements were added to any of them.
    pub fn estimate(&self) -> i64 {
        let mut histogram = [0; 64];
        for value in &self.values {
            histogram[usize::from(*value & 63)] += 1;
        }
        estimate::estimate(&histogram)
    }

    /// Brings the union into a HyperLogLog, which becomes dense if one of them was. PFMERGE has it in the union already, or it is [`empty`].
    /// The estimate is out of date afterwards, in any case.
    pub fn write(&self, text: &mut Vec<u8>, most: usize) -> Result<(), Fault> {
        if self.dense {
            make_dense(text)?;
        }
        for (register, value) in self.values.iter().enumerate() {
            if *value > 0 {
                raise(text, register, *value, most)?;
            }
        }
        outdate(text);
        Ok(())
    }
}

/// The value of each register, for PFDEBUG GETREG.
pub(in crate::double) fn registers(text: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut union = Union::new();
    union.add(text)?;
    Ok(union.values)
}

/// The runs of a sparse one as PFDEBUG DECODE shows them: `z:` or `Z:` and a number for zeros, by how many bytes they take, and `v:` with a value.
pub(in crate::double) fn describe(text: &[u8]) -> String {
    sparse::describe(text)
}
