//! HyperLogLogs: estimates of how many different elements there were.

use super::Family;
use crate::double::node::call::{Call, Class};
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::hyperloglog::{self, Fault, Kind, Union};
use crate::double::node::keyspace::text::Text;
use crate::double::node::keyspace::value::Typed;

pub(super) const COMMANDS: Family = &[
    ("pfadd", pfadd),
    ("pfcount", pfcount),
    ("pfdebug", pfdebug),
    ("pfmerge", pfmerge),
    ("pfselftest", pfselftest),
];

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Failure {
        Failure::text(match fault {
            Fault::NotOne => "WRONGTYPE Key is not a valid HyperLogLog string value.",
            Fault::Corrupted => "INVALIDOBJ Corrupted HLL object detected",
        })
    }
}

/// `hll-sparse-max-bytes`.
fn most_sparse(call: &Call<'_>) -> usize {
    call.server.config.sparse_bytes
}

/// The bytes of a HyperLogLog, to be changed. `None`: there is no such key.
///
/// # Errors
/// It holds something else.
fn write<'a>(call: &'a mut Call<'_>, key: &[u8]) -> Result<Option<&'a mut Vec<u8>>, Failure> {
    let Some(text) = call.write::<Text>(key)? else {
        return Ok(None);
    };
    hyperloglog::kind(&text.bytes())?;
    Ok(Some(text.raw()))
}

fn pfadd(call: &mut Call<'_>) -> Outcome {
    let (key, elements) = (call.args[1], &call.args[2..]);
    let most = most_sparse(call);
    let mut changes = 0;
    if write(call, key)?.is_none() {
        call.put(key, Text::Raw(hyperloglog::empty()).into_value());
        changes += 1;
    }
    if let Some(text) = write(call, key)? {
        for element in elements {
            changes += u64::from(hyperloglog::add(text, element, most)?);
        }
        if changes > 0 {
            hyperloglog::outdate(text);
        }
    }
    if changes > 0 {
        call.changed(key, Class::TEXT, "pfadd");
        call.server.dirty += changes - 1;
    }
    call.out.int(i64::from(changes > 0));
    Ok(())
}

fn pfcount(call: &mut Call<'_>) -> Outcome {
    let [_, key] = call.args else {
        return count_several(call);
    };
    if call.read::<Text>(key)?.is_none() {
        call.out.int(0);
        return Ok(());
    }
    let Some(text) = write(call, key)? else {
        return Ok(());
    };
    let estimate = match hyperloglog::kept(text) {
        Some(kept) => kept,
        None => {
            let estimate = hyperloglog::estimate(text)?;
            hyperloglog::keep(text, estimate);
            // A command that reads, but what it has found out is kept in the value: those who watch it are told.
            let (db, client) = (call.db, call.client);
            call.server.changed(db, key, Some(client));
            call.server.dirty += 1;
            estimate
        }
    };
    call.out.int(estimate);
    Ok(())
}

fn count_several(call: &mut Call<'_>) -> Outcome {
    let union = union(call, &call.args[1..])?;
    call.out.int(union.estimate());
    Ok(())
}

fn union(call: &mut Call<'_>, keys: &[&[u8]]) -> Result<Union, Failure> {
    let mut union = Union::new();
    for key in keys {
        if let Some(text) = call.read::<Text>(key)? {
            union.add(&text.bytes())?;
        }
    }
    Ok(union)
}

fn pfmerge(call: &mut Call<'_>) -> Outcome {
    let key = call.args[1];
    let most = most_sparse(call);
    let union = union(call, &call.args[1..])?;
    if write(call, key)?.is_none() {
        call.put(key, Text::Raw(hyperloglog::empty()).into_value());
    }
    if let Some(text) = write(call, key)? {
        union.write(text, most)?;
    }
    call.changed(key, Class::TEXT, "pfadd");
    call.out.ok();
    Ok(())
}

fn pfdebug(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let (name, key) = (args[1], args[2]);
    let Some(text) = write(call, key)? else {
        return Err(Failure::text("ERR The specified key does not exist"));
    };
    let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    let known = ["GETREG", "DECODE", "ENCODING", "TODENSE"];
    if !known.into_iter().any(is) {
        let words: [&[u8]; 3] = [b"ERR Unknown PFDEBUG subcommand '", c_string(name), b"'"];
        call.out.error_bytes(&words.concat());
        return Ok(());
    }
    if args.len() != 3 {
        let words: [&[u8]; 3] = [
            b"ERR Wrong number of arguments for the '",
            c_string(name),
            b"' subcommand",
        ];
        call.out.error_bytes(&words.concat());
        return Ok(());
    }
    let kind = hyperloglog::kind(text)?;
    if is("DECODE") {
        if kind == Kind::Dense {
            return Err(Failure::text("ERR HLL encoding is not sparse"));
        }
        let runs = hyperloglog::describe(text);
        call.out.bulk(runs.as_bytes());
    } else if is("ENCODING") {
        call.out.status(match kind {
            Kind::Dense => "dense",
            Kind::Sparse => "sparse",
        });
    } else {
        let registers = match is("GETREG") {
            true => Some(hyperloglog::registers(text)?),
            false => None,
        };
        hyperloglog::make_dense(text)?;
        let converted = kind == Kind::Sparse;
        call.server.dirty += u64::from(converted);
        match registers {
            None => call.out.int(i64::from(converted)),
            Some(registers) => {
                call.out.array(registers.len());
                for register in registers {
                    call.out.int(i64::from(register));
                }
            }
        }
    }
    Ok(())
}

/// As much of a word as C prints.
fn c_string(word: &[u8]) -> &[u8] {
    word.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// How many elements PFSELFTEST tries its estimates with.
const TRIED: i64 = 20_000;

/// Held against each other: the two kinds of HyperLogLog, and estimates and true numbers.
fn pfselftest(call: &mut Call<'_>) -> Outcome {
    let failed = |what: String| Failure::told(format!("TESTFAILED {what}"));
    let mut sparse = hyperloglog::empty();
    let mut dense = hyperloglog::empty();
    hyperloglog::make_dense(&mut dense)?;
    let mut next = 1;
    for number in 1..=TRIED {
        let element = number.to_le_bytes();
        hyperloglog::add(&mut sparse, &element, most_sparse(call))?;
        hyperloglog::add(&mut dense, &element, 0)?;
        if number != next {
            continue;
        }
        next *= 10;
        if hyperloglog::registers(&sparse)? != hyperloglog::registers(&dense)? {
            return Err(failed(format!("dense/sparse disagree at {number}")));
        }
        // Six times the standard error of 2^14 registers, and a bit for the small numbers.
        let error = (hyperloglog::estimate(&dense)? - number).abs();
        if error as f64 > (number as f64 * 0.0081 * 6.0).max(2.0) {
            return Err(failed(format!("Too big error at {number}: {error}")));
        }
    }
    call.out.ok();
    Ok(())
}
