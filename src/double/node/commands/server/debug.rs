//! DEBUG, where `enable-debug-command` allows it: what tests use of it. Its ways to crash a server, and what looks into the insides of Redis, are not there.

use std::time::Duration;

use super::digest::Digest;
use crate::double::node::call::{Call, Class};
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::list::Part;
use crate::double::node::keyspace::text::Text;
use crate::double::node::keyspace::value::Value;
use crate::double::node::number;
use crate::double::node::server::drawn_id;

pub(super) fn debug(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let name = args[1].to_ascii_lowercase();
    match (name.as_slice(), &args[2..]) {
        (b"sleep", [seconds]) => sleep(call, seconds),
        (b"object", [key]) | (b"object", [key, _]) => object(call, key),
        (b"set-active-expire", [word]) => {
            call.server.expires_by_itself = leading_number(word) != 0;
            ok(call)
        }
        (b"quicklist-packed-threshold", [size]) => match is_size(size) {
            true => ok(call),
            false => Err(Failure::text(
                "ERR argument must be a memory value bigger than 1 and smaller than 4gb",
            )),
        },
        (b"change-repl-id", []) => {
            call.server.replication_ids = [drawn_id(), "0".repeat(40)];
            ok(call)
        }
        // Nothing is kept on a disk, written to a log, or checked by sums.
        (b"reload", _) | (b"log", [_]) | (b"loadaof", []) | (b"replicate", [_, ..]) => ok(call),
        (b"set-skip-checksum-validation" | b"pause-cron" | b"aof-flush-sleep", [_]) => ok(call),
        (b"replybuffer", [_, _]) => ok(call),
        (b"digest", []) => {
            let digest = Digest::of_all(&call.server.dbs);
            call.out.status(&digest.hexadecimal());
            Ok(())
        }
        (b"digest-value", keys) => {
            call.out.array(keys.len());
            for key in keys {
                let digest = call
                    .look(key)
                    .map_or_else(Digest::default, Digest::of_entry);
                call.out.status(&digest.hexadecimal());
            }
            Ok(())
        }
        (b"error", [words]) => {
            call.out.error_bytes(words);
            Ok(())
        }
        (b"populate", [count, rest @ ..]) if rest.len() <= 2 => populate(call, count, rest),
        (b"protocol", [kind]) => protocol(call, kind),
        (b"stringmatch-len", [_, _]) | (b"jmap", _) => Err(unknown(args[1])),
        (b"help", []) => {
            call.help_of("DEBUG", include_str!("../help/debug.txt"));
            Ok(())
        }
        _ => Err(unknown(args[1])),
    }
}

fn unknown(word: &[u8]) -> Failure {
    let word = String::from_utf8_lossy(word);
    Failure::told(format!(
        "ERR unknown subcommand or wrong number of arguments for '{word}'. Try DEBUG HELP."
    ))
}

fn ok(call: &mut Call<'_>) -> Outcome {
    call.out.ok();
    Ok(())
}

/// The number at the beginning of a word, as C reads one; 0 if there is none.
fn leading_number(word: &[u8]) -> i64 {
    let digits = |byte: &u8| byte.is_ascii_digit();
    let sign = usize::from(matches!(word.first(), Some(b'-' | b'+')));
    let end = word
        .iter()
        .skip(sign)
        .take_while(|byte| digits(byte))
        .count()
        + sign;
    let text = std::str::from_utf8(&word[..end]).unwrap_or_default();
    text.parse().unwrap_or(0)
}

fn is_size(word: &[u8]) -> bool {
    let text = String::from_utf8_lossy(word);
    crate::double::node::config::memory(&text)
        .is_some_and(|size| size == 0 || (2..4 << 30).contains(&size))
}

/// The whole node stops for that time, by the clock on the wall: what a test wants of it is a server that does not answer.
fn sleep(call: &mut Call<'_>, seconds: &[u8]) -> Outcome {
    let seconds = std::str::from_utf8(seconds).unwrap_or_default();
    let seconds: f64 = seconds.parse().unwrap_or(0.0);
    if let Ok(time) = Duration::try_from_secs_f64(seconds) {
        std::thread::sleep(time);
    }
    call.out.ok();
    Ok(())
}

fn object(call: &mut Call<'_>, key: &[u8]) -> Outcome {
    let (now, most) = (call.now(), call.server.config.list_size);
    let compress = call.server.config.compress;
    let Some(entry) = call.look(key) else {
        return Err(Failure::NO_SUCH_KEY);
    };
    let shared = matches!(&entry.value, Value::Text(Text::Int(0..10_000)));
    let size = super::memory::payload(&entry.value, compress);
    let line = format!(
        "Value at:{:p} refcount:{} encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{}",
        std::ptr::from_ref(&entry.value),
        if shared { i64::from(i32::MAX) } else { 1 },
        entry.value.encoding(),
        size,
        (entry.used / 1000) & 0xff_ffff,
        (now - entry.used).max(0) / 1000,
    );
    let line = match &entry.value {
        Value::List(list) => {
            let bytes: usize = list
                .parts()
                .map(|part| match part {
                    Part::Packed(packed) => packed.size(),
                    Part::Plain(text) => text.len(),
                })
                .sum();
            let nodes = list.parts().len();
            let each = list.len() as f64 / nodes.max(1) as f64;
            format!(
                "{line} ql_nodes:{nodes} ql_avg_node:{each:.2} ql_listpack_max:{most} ql_compressed:0 ql_uncompressed_size:{bytes}"
            )
        }
        _ => line,
    };
    call.out.status(&line);
    Ok(())
}

/// Makes keys `key:0`, `key:1` … with the texts `value:0`, `value:1` …: those that are not there yet.
fn populate(call: &mut Call<'_>, count: &[u8], rest: &[&[u8]]) -> Outcome {
    const NOT_POSITIVE: Failure = Failure::text("ERR value is out of range, must be positive");
    let positive = |word| number::parse_i64(word).filter(|number| *number >= 0);
    let count = positive(count).ok_or(NOT_POSITIVE)?;
    let prefix = rest.first().copied().unwrap_or(b"key");
    let size = match rest.get(1) {
        Some(size) => Some(positive(size).ok_or(NOT_POSITIVE)? as usize),
        None => None,
    };
    if size.is_some_and(|size| size as i64 > call.server.config.max_bulk) {
        return Err(Failure::TOO_LONG);
    }
    for at in 0..count {
        let key = [prefix, format!(":{at}").as_bytes()].concat();
        if call.exists(&key) {
            continue;
        }
        let mut text = format!("value:{at}").into_bytes();
        if let Some(size) = size.filter(|size| *size > 0) {
            text.resize(size, 0);
        }
        call.put(&key, Value::Text(Text::plain(&text)));
        call.changed(&key, Class::TEXT, "set");
    }
    call.out.ok();
    Ok(())
}

/// A reply of each type of the protocol.
fn protocol(call: &mut Call<'_>, kind: &[u8]) -> Outcome {
    let out = &mut *call.out;
    match kind.to_ascii_lowercase().as_slice() {
        b"string" => out.bulk(b"Hello World"),
        b"integer" => out.int(12_345),
        #[allow(clippy::approx_constant)] // so says Redis
        b"double" => out.double(3.141),
        b"null" => out.null(),
        b"array" => {
            out.array(3);
            (0..3).for_each(|number| out.int(number));
        }
        b"set" => {
            out.set(3);
            (0..3).for_each(|number| out.int(number));
        }
        b"map" => {
            out.map(3);
            for number in 0..3 {
                out.int(number);
                out.boolean(number == 1);
            }
        }
        b"attrib" => {
            if out.resp3 {
                out.bytes.extend_from_slice(b"|1\r\n");
                out.bulk(b"key-popularity");
                out.array(2);
                out.bulk(b"key:123");
                out.int(90);
            }
            out.bulk(b"Some real reply following the attribute");
        }
        b"push" => {
            if !out.resp3 {
                return Err(Failure::text("ERR RESP2 is not supported by this command"));
            }
            out.push(2);
            out.bulk(b"server-cpu-usage");
            out.int(42);
            // Real replies come after pushes; Redis sends none here.
        }
        b"verbatim" => out.verbatim("txt", b"This is a verbatim\nstring"),
        b"true" => out.boolean(true),
        b"false" => out.boolean(false),
        b"bignum" => {
            let digits = b"1234567999999999999999999999999999999";
            match out.resp3 {
                true => {
                    out.bytes.push(b'(');
                    out.bytes.extend_from_slice(digits);
                    out.bytes.extend_from_slice(b"\r\n");
                }
                false => out.bulk(digits),
            }
        }
        _ => {
            return Err(Failure::text(
                "ERR Wrong protocol type name. Please use one of the following: string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}
