//! Where an element is.

use super::{at_least, integer};
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::list::{End, List};

pub(super) fn lpos(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let (key, text) = (args[1], args[2]);
    let options = Options::read(&args[3..])?;
    let Some((list, out)) = call.read_and_out::<List>(key)? else {
        match options.count {
            Some(_) => call.out.array(0),
            None => call.out.null(),
        }
        return Ok(());
    };
    let mut found = list
        .positions(text, options.from, options.most)
        .skip(options.skipped);
    match options.count {
        None => match found.next() {
            Some(at) => out.int(at as i64),
            None => out.null(),
        },
        Some(count) => {
            let place = out.open();
            let mut given = 0;
            for at in found.take(count) {
                out.int(at as i64);
                given += 1;
            }
            out.close(place, |out| out.array(given));
        }
    }
    Ok(())
}

struct Options {
    from: End,
    /// How many matches come before the first that counts.
    skipped: usize,
    /// How many are told; `None`: one, and not as an array.
    count: Option<usize>,
    /// How many elements are looked at.
    most: usize,
}

impl Options {
    fn read(words: &[&[u8]]) -> Result<Options, Failure> {
        const ZERO: Failure = Failure::text(
            "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list",
        );
        let mut options = Options {
            from: End::Left,
            skipped: 0,
            count: None,
            most: usize::MAX,
        };
        let unlimited = |number: i64| match number {
            0 => usize::MAX,
            number => usize::try_from(number).unwrap_or(usize::MAX),
        };
        for pair in words.chunks(2) {
            let [name, value] = pair else {
                return Err(Failure::SYNTAX);
            };
            if name.eq_ignore_ascii_case(b"RANK") {
                let rank = integer(value)?;
                (options.from, options.skipped) = match rank {
                    0 => return Err(ZERO),
                    1.. => (End::Left, rank as usize - 1),
                    // It has no opposite, and stays less than any count of matches.
                    i64::MIN => (End::Right, 0),
                    _ => (End::Right, rank.unsigned_abs() as usize - 1),
                };
            } else if name.eq_ignore_ascii_case(b"COUNT") {
                let count = at_least(value, 0, "ERR COUNT can't be negative")?;
                options.count = Some(unlimited(count));
            } else if name.eq_ignore_ascii_case(b"MAXLEN") {
                options.most = unlimited(at_least(value, 0, "ERR MAXLEN can't be negative")?);
            } else {
                return Err(Failure::SYNTAX);
            }
        }
        Ok(options)
    }
}
