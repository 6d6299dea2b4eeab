//! SLOWLOG.

use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::number;

pub(super) fn get(call: &mut Call<'_>) -> Outcome {
    let count = match call.args[2..] {
        [] => 10,
        [count] => number::parse_i64(count)
            .filter(|count| *count >= -1)
            .ok_or(Failure::text(
                "ERR count should be greater than or equal to -1",
            ))?,
        _ => {
            let word = String::from_utf8_lossy(call.args[1]);
            return Err(Failure::told(format!(
                "ERR unknown subcommand or wrong number of arguments for '{word}'. Try SLOWLOG HELP."
            )));
        }
    };
    let entries = &call.server.slow_log.entries;
    let count = usize::try_from(count).map_or(entries.len(), |count| count.min(entries.len()));
    let out = &mut *call.out;
    out.array(count);
    for entry in entries.iter().take(count) {
        out.array(6);
        out.int(entry.id);
        out.int(entry.when);
        out.int(entry.took);
        out.array(entry.words.len());
        entry.words.iter().for_each(|word| out.bulk(word));
        out.bulk(entry.peer.as_bytes());
        out.bulk(&entry.name);
    }
    Ok(())
}

pub(super) fn len(call: &mut Call<'_>) -> Outcome {
    let count = call.server.slow_log.entries.len();
    call.out.int(count as i64);
    Ok(())
}

pub(super) fn reset(call: &mut Call<'_>) -> Outcome {
    call.server.slow_log.entries.clear();
    call.out.ok();
    Ok(())
}

pub(super) fn help(call: &mut Call<'_>) -> Outcome {
    call.help_of("SLOWLOG", include_str!("../help/slowlog.txt"));
    Ok(())
}
