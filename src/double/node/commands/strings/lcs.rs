//! LCS: the longest text that two texts have in common, with gaps.

use super::integer;
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::text::Text;
use crate::double::node::keyspace::value::Typed;

/// A run of bytes that both texts have: where it is in each, from the first byte to the last.
struct Match {
    a: (usize, usize),
    b: (usize, usize),
}

impl Match {
    fn len(&self) -> usize {
        self.a.1 - self.a.0 + 1
    }
}

pub(super) fn lcs(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let (a, b) = (text(call, args[1])?, text(call, args[2])?);
    let (mut only_length, mut places, mut with_length, mut shortest) = (false, false, false, 0);
    let mut words = args[3..].iter();
    while let Some(word) = words.next() {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if is("IDX") {
            places = true;
        } else if is("LEN") {
            only_length = true;
        } else if is("WITHMATCHLEN") {
            with_length = true;
        } else if is("MINMATCHLEN") && !words.as_slice().is_empty() {
            shortest = integer(words.next().copied().unwrap_or_default())?.max(0);
        } else {
            return Err(Failure::SYNTAX);
        }
    }
    if only_length && places {
        return Err(Failure::text(
            "ERR If you want both the length and indexes, please just use IDX.",
        ));
    }
    let cells = (a.len() as u64 + 1).saturating_mul(b.len() as u64 + 1);
    if cells.saturating_mul(4) > call.server.config.max_bulk.max(0) as u64 {
        return Err(Failure::text(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
        ));
    }
    let (common, matches) = compare(&a, &b);
    if only_length {
        call.out.int(common.len() as i64);
    } else if places {
        let matches: Vec<&Match> = matches
            .iter()
            .filter(|run| run.len() as i64 >= shortest)
            .collect();
        call.out.map(2);
        call.out.bulk(b"matches");
        call.out.array(matches.len());
        for run in matches {
            call.out.array(if with_length { 3 } else { 2 });
            for (from, to) in [run.a, run.b] {
                call.out.array(2);
                call.out.int(from as i64);
                call.out.int(to as i64);
            }
            if with_length {
                call.out.int(run.len() as i64);
            }
        }
        call.out.bulk(b"len");
        call.out.int(common.len() as i64);
    } else {
        call.out.bulk(&common);
    }
    Ok(())
}

fn text(call: &mut Call<'_>, key: &[u8]) -> Result<Vec<u8>, Failure> {
    match call.entry(key) {
        None => Ok(Vec::new()),
        Some(entry) => match Text::of(&entry.value) {
            Some(text) => Ok(text.bytes().into_owned()),
            None => Err(Failure::text(
                "ERR The specified keys must contain string values",
            )),
        },
    }
}

/// What is common to both, and the runs it is made of, the last one first, as Redis tells them.
fn compare(a: &[u8], b: &[u8]) -> (Vec<u8>, Vec<Match>) {
    // The length for the first i bytes of one and the first j of the other.
    let width = b.len() + 1;
    let mut lengths = vec![0u32; (a.len() + 1) * width];
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            lengths[i * width + j] = match a[i - 1] == b[j - 1] {
                true => lengths[(i - 1) * width + j - 1] + 1,
                false => lengths[(i - 1) * width + j].max(lengths[i * width + j - 1]),
            };
        }
    }
    let (mut i, mut j) = (a.len(), b.len());
    let mut common = Vec::new();
    let mut matches: Vec<Match> = Vec::new();
    // Whether the last byte that was common belongs to the run that is being read.
    let mut open = false;
    while i > 0 && j > 0 {
        if a[i - 1] == b[j - 1] {
            common.push(a[i - 1]);
            match matches.last_mut() {
                Some(run) if open && run.a.0 == i && run.b.0 == j => {
                    run.a.0 -= 1;
                    run.b.0 -= 1;
                }
                _ => matches.push(Match {
                    a: (i - 1, i - 1),
                    b: (j - 1, j - 1),
                }),
            }
            open = true;
            i -= 1;
            j -= 1;
        } else {
            match lengths[(i - 1) * width + j] > lengths[i * width + j - 1] {
                true => i -= 1,
                false => j -= 1,
            }
            open = false;
        }
    }
    common.reverse();
    (common, matches)
}
