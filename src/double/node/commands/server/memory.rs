//! MEMORY. Figures are those of the process, or estimates: a value takes other room here than in Redis.

use crate::double::node::call::Call;
use crate::double::node::commands::info::{resident, total_memory};
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::saved;
use crate::double::node::keyspace::value::Value;
use crate::double::node::number;
use crate::double::node::rdb;

/// What an entry of the keyspace takes in Redis beside its key and its value, in bytes.
const ENTRY: usize = 48;

pub(super) fn usage(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let mut at = 3;
    while let Some(option) = args.get(at) {
        let Some(count) = args
            .get(at + 1)
            .filter(|_| option.eq_ignore_ascii_case(b"samples"))
        else {
            return Err(Failure::SYNTAX);
        };
        let count = number::parse_i64(count).ok_or(Failure::NOT_AN_INTEGER)?;
        if count < 0 {
            return Err(Failure::SYNTAX);
        }
        at += 2;
    }
    let key = args[2];
    match call.look(key).map(|entry| size(&entry.value)) {
        None => call.out.null(),
        Some(size) => call.out.int((ENTRY + key.len() + size) as i64),
    }
    Ok(())
}

/// About how many bytes a value takes: those that it is saved in, and as much again for each element as Redis needs to find one in a table.
fn size(value: &Value) -> usize {
    let (elements, each) = match value {
        Value::Text(_) => (0, 0),
        Value::List(list) => (list.parts().len(), 32),
        Value::Hash(hash) => (
            hash.len(),
            if hash.encoding() == "hashtable" {
                56
            } else {
                0
            },
        ),
        Value::Set(set) => (
            set.len(),
            if set.encoding() == "hashtable" { 32 } else { 0 },
        ),
        Value::Sorted(sorted) => (
            sorted.len(),
            if sorted.encoding() == "skiplist" {
                80
            } else {
                0
            },
        ),
        Value::Stream(stream) => (stream.nodes.len(), 64),
    };
    16 + payload(value, false) + elements * each
}

/// How many bytes a value is saved in, without what a DUMP has in front of it and behind it.
pub(super) fn payload(value: &Value, compress: bool) -> usize {
    const AROUND: usize = 11;
    let saved = saved::save(value).map_or(0, |saved| rdb::encode(&saved, compress).len());
    saved.saturating_sub(AROUND)
}

pub(super) fn stats(call: &mut Call<'_>) -> Outcome {
    let used = resident() as i64;
    let clients: usize = call
        .server
        .clients
        .iter()
        .map(|(_, client)| client.memory())
        .sum();
    let keys: usize = call.server.dbs.iter().map(|db| db.len()).sum();
    let each = (used as usize).checked_div(keys).unwrap_or(0);
    let dbs: Vec<(usize, usize, usize)> = call
        .server
        .dbs
        .iter()
        .enumerate()
        .filter(|(_, db)| db.len() > 0)
        .map(|(number, db)| (number, db.len(), db.ending()))
        .collect();
    let out = &mut *call.out;
    out.map(27 + dbs.len());
    let before = [
        ("peak.allocated", used),
        ("total.allocated", used),
        ("startup.allocated", 0),
        ("replication.backlog", 0),
        ("clients.slaves", 0),
        ("clients.normal", clients as i64),
        ("cluster.links", 0),
        ("aof.buffer", 0),
        ("lua.caches", 0),
        ("functions.caches", 0),
    ];
    for (name, value) in before {
        out.bulk(name.as_bytes());
        out.int(value);
    }
    for (number, keys, ending) in dbs {
        out.bulk(format!("db.{number}").as_bytes());
        out.map(3);
        out.bulk(b"overhead.hashtable.main");
        out.int((keys * ENTRY) as i64);
        out.bulk(b"overhead.hashtable.expires");
        out.int((ending * ENTRY) as i64);
        out.bulk(b"overhead.hashtable.slot-to-keys");
        out.int(0);
    }
    let overhead = clients + keys * ENTRY;
    for (name, value) in [
        ("overhead.total", overhead as i64),
        ("keys.count", keys as i64),
        ("keys.bytes-per-key", each as i64),
        ("dataset.bytes", used - overhead as i64),
    ] {
        out.bulk(name.as_bytes());
        out.int(value);
    }
    let percentage = (used - overhead as i64) as f64 * 100.0 / used.max(1) as f64;
    out.bulk(b"dataset.percentage");
    out.double(percentage);
    out.bulk(b"peak.percentage");
    out.double(100.0);
    for name in ["allocated", "active", "resident"] {
        out.bulk(format!("allocator.{name}").as_bytes());
        out.int(used);
    }
    for (ratio, bytes) in [
        (
            "allocator-fragmentation.ratio",
            "allocator-fragmentation.bytes",
        ),
        ("allocator-rss.ratio", "allocator-rss.bytes"),
        ("rss-overhead.ratio", "rss-overhead.bytes"),
        ("fragmentation", "fragmentation.bytes"),
    ] {
        out.bulk(ratio.as_bytes());
        out.double(1.0);
        out.bulk(bytes.as_bytes());
        out.int(0);
    }
    Ok(())
}

pub(super) fn doctor(call: &mut Call<'_>) -> Outcome {
    let text = match total_memory() > 0 && resident() > total_memory() / 2 {
        false => {
            "Hi Sam, this instance is empty or is using very little memory, my issues detector can't be used in these conditions. Please, leave for your mission on Earth and fill it with some data. The new Sam and I will be back to our programming as soon as I finished rebooting.\n"
        }
        true => {
            "Sam, I detected a few issues in this Redis instance memory implants:\n\n * The process has taken more than half of the machine's memory.\n\nI'm here to keep you safe, Sam. I want to help you.\n"
        }
    };
    call.out.verbatim("txt", text.as_bytes());
    Ok(())
}

pub(super) fn purge(call: &mut Call<'_>) -> Outcome {
    call.out.ok();
    Ok(())
}

pub(super) fn malloc_stats(call: &mut Call<'_>) -> Outcome {
    call.out
        .verbatim("txt", b"Stats not supported for the current allocator");
    Ok(())
}

pub(super) fn help(call: &mut Call<'_>) -> Outcome {
    call.help_of("MEMORY", include_str!("../help/memory.txt"));
    Ok(())
}
