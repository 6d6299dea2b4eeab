//! The server itself: its time, its role, saving and stopping it, who watches it.

mod debug;
mod digest;
mod latency;
mod lolwut;
mod memory;
mod replication;
mod saving;
mod slowlog;
mod spark;

use super::Family;
use crate::double::node::call::{Call, Origin};
use crate::double::node::failure::{Failure, Outcome};

pub(super) const COMMANDS: Family = &[
    ("bgrewriteaof", saving::bgrewriteaof),
    ("bgsave", saving::bgsave),
    ("debug", debug::debug),
    ("failover", replication::failover),
    ("lastsave", saving::lastsave),
    ("latency|doctor", latency::doctor),
    ("latency|graph", latency::graph),
    ("latency|help", latency::help),
    ("latency|histogram", latency::histogram),
    ("latency|history", latency::history),
    ("latency|latest", latency::latest),
    ("latency|reset", latency::reset),
    ("lolwut", lolwut::lolwut),
    ("memory|doctor", memory::doctor),
    ("memory|help", memory::help),
    ("memory|malloc-stats", memory::malloc_stats),
    ("memory|purge", memory::purge),
    ("memory|stats", memory::stats),
    ("memory|usage", memory::usage),
    ("module|help", modules_help),
    ("module|list", modules),
    ("module|load", no_module),
    ("module|loadex", no_module),
    ("module|unload", no_module),
    ("monitor", monitor),
    ("replicaof", replication::replicaof),
    ("role", replication::role),
    ("save", saving::save),
    ("shutdown", saving::shutdown),
    ("slaveof", replication::replicaof),
    ("slowlog|get", slowlog::get),
    ("slowlog|help", slowlog::help),
    ("slowlog|len", slowlog::len),
    ("slowlog|reset", slowlog::reset),
    ("time", time),
    ("wait", replication::wait),
];

fn time(call: &mut Call<'_>) -> Outcome {
    // Not the time that stands still within a script: a script may wait for it to pass.
    let now = call.server.clock.unix().as_micros() as i64;
    call.out.array(2);
    call.out.bulk_int(now.div_euclid(1_000_000));
    call.out.bulk_int(now.rem_euclid(1_000_000));
    Ok(())
}

fn monitor(call: &mut Call<'_>) -> Outcome {
    if call.origin == Origin::Script || call.client().is_hand() {
        return Err(Failure::text(
            "ERR MONITOR isn't allowed for DENY BLOCKING client",
        ));
    }
    if call.client().monitor {
        // As in Redis there is no answer to a second one.
        return Ok(());
    }
    let key = call.client;
    call.server.monitor(key);
    call.out.ok();
    Ok(())
}

fn modules(call: &mut Call<'_>) -> Outcome {
    call.out.array(0);
    Ok(())
}

/// With `enable-module-command`; without it this is refused before.
fn no_module(call: &mut Call<'_>) -> Outcome {
    match call.args[1].eq_ignore_ascii_case(b"unload") {
        true => Err(Failure::text(
            "ERR Error unloading module: no such module with that name",
        )),
        false => Err(Failure::text(
            "ERR Error loading the extension. Please check the server logs.",
        )),
    }
}

fn modules_help(call: &mut Call<'_>) -> Outcome {
    call.help_of("MODULE", include_str!("../help/module.txt"));
    Ok(())
}
