//! BITCOUNT, BITPOS.

use super::number;
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::text::Text;

pub(super) fn bitcount(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let Some((text, out)) = call.read_and_out::<Text>(args[1])? else {
        call.out.int(0);
        return Ok(());
    };
    let bytes = text.bytes();
    let range = match args.len() {
        2 => bits(0, -1, bytes.len(), false),
        4 | 5 => {
            let (start, end) = (number(args[2])?, number(args[3])?);
            // Redis looks at the unit after this.
            if start < 0 && end < 0 && start > end {
                out.int(0);
                return Ok(());
            }
            bits(start, end, bytes.len(), by_bit(args.get(4))?)
        }
        _ => return Err(Failure::SYNTAX),
    };
    out.int(range.map_or(0, |(first, last)| count(&bytes, first, last)) as i64);
    Ok(())
}

/// Whether BIT was said. Without a word it is BYTE.
fn by_bit(unit: Option<&&[u8]>) -> Result<bool, Failure> {
    match unit {
        None => Ok(false),
        Some(unit) if unit.eq_ignore_ascii_case(b"bit") => Ok(true),
        Some(unit) if unit.eq_ignore_ascii_case(b"byte") => Ok(false),
        Some(_) => Err(Failure::SYNTAX),
    }
}

/// The first and the last bit of a range of bytes or of bits, in a text of so many bytes. Negative numbers count from the end. `None`: no bit is in it.
fn bits(start: i64, end: i64, length: usize, by_bit: bool) -> Option<(usize, usize)> {
    let unit = if by_bit { 1 } else { 8 };
    let length = (length * 8 / unit) as i64;
    let place = |at: i64| if at < 0 { (length + at).max(0) } else { at };
    let (start, end) = (place(start), place(end).min(length - 1));
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    range
        .filter(|(start, end)| start <= end)
        .map(|(start, end)| (start * unit, end * unit + unit - 1))
}

/// How many bits are set from the first to the last one, which must be there.
fn count(bytes: &[u8], first: usize, last: usize) -> u64 {
    let part = &bytes[first / 8..=last / 8];
    let (words, rest) = part.as_chunks::<8>();
    let all: u64 = (words.iter())
        .map(|word| u64::from(u64::from_ne_bytes(*word).count_ones()))
        .chain(rest.iter().map(|byte| u64::from(byte.count_ones())))
        .sum();
    let before = part[0] & !(0xff >> (first % 8));
    let behind = part[part.len() - 1] & !(0xff << (7 - last % 8));
    all - u64::from(before.count_ones() + behind.count_ones())
}

pub(super) fn bitpos(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let wanted = match number(args[2])? {
        0 => false,
        1 => true,
        _ => return Err(Failure::text("ERR The bit argument must be 1 or 0.")),
    };
    let Some((text, out)) = call.read_and_out::<Text>(args[1])? else {
        // All bits of what is not there are 0, and there is no end of them.
        call.out.int(if wanted { -1 } else { 0 });
        return Ok(());
    };
    let bytes = text.bytes();
    let range = match args.len() {
        3 => bits(0, -1, bytes.len(), false),
        4..=6 => {
            let start = number(args[3])?;
            let by_bit = by_bit(args.get(5))?;
            let end = args.get(4).map_or(Ok(-1), |word| number(word))?;
            bits(start, end, bytes.len(), by_bit)
        }
        _ => return Err(Failure::SYNTAX),
    };
    let Some((first, last)) = range else {
        out.int(-1);
        return Ok(());
    };
    let found = match position(&bytes, wanted, first, last) {
        Some(at) => at as i64,
        // A text without an end has zeros behind it.
        None if !wanted && args.len() < 5 => bytes.len() as i64 * 8,
        None => -1,
    };
    out.int(found);
    Ok(())
}

/// Where the first such bit is from the first to the last one, which must be there.
fn position(bytes: &[u8], wanted: bool, first: usize, last: usize) -> Option<usize> {
    let none = if wanted { 0 } else { 0xff };
    let byte_at = |at: usize| {
        // Bits of the first byte that do not count are made to be others.
        let bits = bytes[at] ^ none;
        if at == first / 8 {
            bits & (0xff >> (first % 8))
        } else {
            bits
        }
    };
    let begin = first / 8;
    let at = match byte_at(begin) {
        0 => {
            let rest = &bytes[begin + 1..=last / 8];
            let (words, tail) = rest.as_chunks::<8>();
            let skipped = words.iter().take_while(|word| **word == [none; 8]).count() * 8;
            let left = rest.len() - skipped;
            let further = rest[skipped..].iter().take(left.min(8 + tail.len()));
            begin + 1 + skipped + further.take_while(|byte| **byte == none).count()
        }
        _ => begin,
    };
    let found = (at <= last / 8).then(|| at * 8 + byte_at(at).leading_zeros() as usize);
    found.filter(|at| *at <= last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bit_by_bit(
            bytes in prop::collection::vec(prop_oneof![3 => Just(0), 3 => Just(0xff), 1 => any::<u8>()], 1..40),
            start in -330_i64..330,
            end in -330_i64..330,
            by_bit: bool,
            wanted: bool,
        ) {
            let row: Vec<bool> = bytes.iter().flat_map(|byte| (0..8).map(move |at| byte & (0x80 >> at) != 0)).collect();
            let unit = if by_bit { 1 } else { 8 };
            let length = (row.len() / unit) as i64;
            let from_end = |at: i64| if at < 0 { (at + length).max(0) } else { at };
            let inside = |at: &usize| (from_end(start)..=from_end(end)).contains(&((at / unit) as i64));
            let part: Vec<usize> = (0..row.len()).filter(inside).collect();
            let range = bits(start, end, bytes.len(), by_bit);
            prop_assert_eq!(range, part.first().copied().zip(part.last().copied()));
            if let Some((first, last)) = range {
                let set = part.iter().filter(|at| row[**at]).count();
                prop_assert_eq!(count(&bytes, first, last), set as u64);
                prop_assert_eq!(position(&bytes, wanted, first, last), part.into_iter().find(|at| row[*at] == wanted));
            }
        }
    }
}
