//! LATENCY.

use super::spark;
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::latency::{Event, Times};
use crate::double::node::out::Out;
use crate::double::node::table::{CommandId, Table};

pub(super) fn history(call: &mut Call<'_>) -> Outcome {
    let samples = event(call, call.args[2]).map(|event| event.samples.clone());
    let samples = samples.unwrap_or_default();
    call.out.array(samples.len());
    for (when, took) in samples {
        call.out.array(2);
        call.out.int(when);
        call.out.int(took);
    }
    Ok(())
}

/// The event of this name, if it has ever come.
fn event<'a>(call: &'a Call<'_>, name: &[u8]) -> Option<&'a Event> {
    let mut events = call.server.latencies.0.iter();
    let found = events.find(|(known, _)| known.as_bytes() == name);
    found.map(|(_, event)| event)
}

pub(super) fn latest(call: &mut Call<'_>) -> Outcome {
    let events = &call.server.latencies.0;
    call.out.array(events.len());
    for (name, event) in events {
        let (when, took) = event.samples.back().copied().unwrap_or_default();
        call.out.array(4);
        call.out.bulk(name.as_bytes());
        call.out.int(when);
        call.out.int(took);
        call.out.int(event.longest);
    }
    Ok(())
}

pub(super) fn reset(call: &mut Call<'_>) -> Outcome {
    let names = &call.args[2..];
    let events = &mut call.server.latencies.0;
    let before = events.len();
    events.retain(|known, _| !names.is_empty() && !names.contains(&known.as_bytes()));
    let gone = before - events.len();
    call.out.int(gone as i64);
    Ok(())
}

pub(super) fn graph(call: &mut Call<'_>) -> Outcome {
    let name = call.args[2];
    let now = call.now() / 1000;
    let Some(event) = event(call, name) else {
        let name = String::from_utf8_lossy(name);
        return Err(Failure::told(format!(
            "ERR No samples available for event '{name}'"
        )));
    };
    let high = event.samples.iter().map(|(_, took)| *took).max();
    let low = event.samples.iter().map(|(_, took)| *took).min();
    let columns: Vec<(i64, String)> = event
        .samples
        .iter()
        .map(|(when, took)| (*took, ago(now - when)))
        .collect();
    let text = format!(
        "{} - high {} ms, low {} ms (all time high {} ms)\n{}\n{}",
        String::from_utf8_lossy(name),
        high.unwrap_or(0),
        low.unwrap_or(0),
        event.longest,
        "-".repeat(80),
        spark::drawn(&columns),
    );
    call.out.verbatim("txt", text.as_bytes());
    Ok(())
}

/// A number of seconds in the largest unit that gives at least 1.
fn ago(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

pub(super) fn doctor(call: &mut Call<'_>) -> Outcome {
    let events = &call.server.latencies.0;
    let text = if call.server.config.latency == 0 && events.is_empty() {
        "I'm sorry, Dave, I can't do that. Latency monitoring is disabled in this Redis instance. You may use \"CONFIG SET latency-monitor-threshold <milliseconds>.\" in order to enable it. If we weren't in a deep space mission I'd suggest to take a look at https://redis.io/topics/latency-monitor.\n".to_owned()
    } else if events.is_empty() {
        "Dave, no latency spike was observed during the lifetime of this Redis instance, not in the slightest bit. I honestly think you ought to sit down calmly, take a stress pill, and think things over.\n".to_owned()
    } else {
        let mut text = "Dave, I have observed latency spikes in this Redis instance. You don't mind talking about it, do you Dave?\n\n".to_owned();
        for (at, (name, event)) in events.iter().enumerate() {
            text.push_str(&format!("{}. {name}: {}\n", at + 1, described(event)));
        }
        // The advice that Redis gives is about its own host's disks and kernel, and about slow commands; a node has only these.
        text.push_str("\nI have a few advices for you:\n\n- Check your Slow Log to understand what are the commands you are running which are too slow to execute. Please check https://redis.io/commands/slowlog for more information.\n");
        text
    };
    call.out.verbatim("txt", text.as_bytes());
    Ok(())
}

fn described(event: &Event) -> String {
    let count = event.samples.len().max(1) as i64;
    let sum: i64 = event.samples.iter().map(|(_, took)| took).sum();
    let average = sum / count;
    let away: i64 = event
        .samples
        .iter()
        .map(|(_, took)| (took - average).abs())
        .sum();
    let first = event.samples.front().map_or(0, |(when, _)| *when);
    let last = event.samples.back().map_or(0, |(when, _)| *when);
    format!(
        "{count} latency spikes (average {average}ms, mean deviation {}ms, period {:.2} sec). Worst all time event {}ms.",
        away / count,
        (last - first).max(1) as f64 / count as f64,
        event.longest
    )
}

pub(super) fn histogram(call: &mut Call<'_>) -> Outcome {
    let table = Table::redis_7_0();
    let names = &call.args[2..];
    let mut asked: Vec<CommandId> = Vec::new();
    if names.is_empty() {
        asked.extend(table.all());
    }
    for name in names {
        let mut parts = name.split(|byte| *byte == b'|');
        let Some(id) = parts.next().and_then(|part| table.find(part)) else {
            continue;
        };
        match parts.next() {
            Some(part) => asked.extend(table.subcommand(id, part)),
            None => {
                asked.push(id);
                asked.extend(&table.spec(id).subcommands);
            }
        }
    }
    let stats = &call.server.stats.by_command;
    let found: Vec<(&str, &Times)> = asked
        .iter()
        .filter_map(|id| Some((table.spec(*id).name, &stats.get(id.index())?.times)))
        .filter(|(_, times)| !times.is_empty())
        .collect();
    let out = &mut *call.out;
    out.map(found.len());
    for (name, times) in found {
        out.bulk(name.as_bytes());
        tell(out, times);
    }
    Ok(())
}

fn tell(out: &mut Out, times: &Times) {
    out.map(2);
    out.bulk(b"calls");
    out.int(times.len() as i64);
    out.bulk(b"histogram_usec");
    let steps = times.cumulative();
    out.map(steps.len());
    for (upto, count) in steps {
        out.int(upto as i64);
        out.int(count as i64);
    }
}

pub(super) fn help(call: &mut Call<'_>) -> Outcome {
    call.help_of("LATENCY", include_str!("../help/latency.txt"));
    Ok(())
}
