//! OBJECT: how a value is kept.

use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::text::Text;
use crate::double::node::keyspace::value::Value;

pub(super) fn encoding(call: &mut Call<'_>) -> Outcome {
    match call.look(call.args[2]).map(|entry| entry.value.encoding()) {
        Some(encoding) => call.out.bulk(encoding.as_bytes()),
        None => call.out.null(),
    }
    Ok(())
}

pub(super) fn refcount(call: &mut Call<'_>) -> Outcome {
    let count = match call.look(call.args[2]).map(|entry| &entry.value) {
        None => {
            call.out.null();
            return Ok(());
        }
        // Redis has one object for each of these numbers, and says so by this count.
        Some(Value::Text(Text::Int(0..10_000))) => i64::from(i32::MAX),
        Some(_) => 1,
    };
    call.out.int(count);
    Ok(())
}

pub(super) fn idletime(call: &mut Call<'_>) -> Outcome {
    let lfu = call.server.config.counts_use();
    let now = call.now();
    match call.look(call.args[2]).map(|entry| entry.used) {
        None => call.out.null(),
        Some(_) if lfu => {
            return Err(Failure::text(
                "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
            ));
        }
        Some(used) => call.out.int((now - used).max(0) / 1000),
    }
    Ok(())
}

pub(super) fn freq(call: &mut Call<'_>) -> Outcome {
    let lfu = call.server.config.counts_use();
    match call.look(call.args[2]).map(|entry| entry.frequency) {
        None => call.out.null(),
        Some(_) if !lfu => {
            return Err(Failure::text(
                "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
            ));
        }
        Some(frequency) => call.out.int(i64::from(frequency)),
    }
    Ok(())
}

pub(super) fn help(call: &mut Call<'_>) -> Outcome {
    call.help(
        "OBJECT",
        &[
            "ENCODING <key>",
            "    Return the kind of internal representation used in order to store the value",
            "    associated with a <key>.",
            "FREQ <key>",
            "    Return the access frequency index of the <key>. The returned integer is",
            "    proportional to the logarithm of the recent access frequency of the key.",
            "IDLETIME <key>",
            "    Return the idle time of the <key>, that is the approximated number of",
            "    seconds elapsed since the last access to the key.",
            "REFCOUNT <key>",
            "    Return the number of references of the value associated with the specified",
            "    <key>.",
        ],
    );
    Ok(())
}
