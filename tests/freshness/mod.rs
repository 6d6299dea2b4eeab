//! What a node says of itself, field by field, and the list of fields in which a node that was reset may differ from one that was just
//! started. Everything that is not on the list has to be the same.
//!
//! Each test file uses a part of this.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;

/// Fields by their names, each with the question that it answers: `INFO role`, `CONFIG maxmemory`.
pub type Fields = BTreeMap<String, String>;

/// Fields that differ, by how their names begin, with the reason.
pub const MAY_DIFFER: &[(&str, &[&str])] = &[
    // Different between any two nodes, or any two looks at one.
    (
        "every process has its own",
        &["INFO run_id", "INFO process_id", "INFO monotonic_clock"],
    ),
    (
        "the time",
        &[
            "INFO server_time_usec",
            "INFO uptime_in_",
            "INFO lru_clock",
            "INFO master_last_io_seconds_ago",
            "INFO master_link_up_since_seconds",
        ],
    ),
    (
        "work done until the look, that of the reset itself among it",
        &[
            "INFO used_cpu_",
            "INFO used_active_time_",
            "INFO expire_cycle_cpu_milliseconds",
            "INFO lazyfreed_objects",
            "INFO latest_fork_usec",
            "INFO eventloop_",
            "INFO io_thread",
            "INFO total_",
            "INFO keyspace_hits",
            "INFO keyspace_misses",
            "INFO cmdstat_",
            "INFO latency_percentiles_",
            "INFO errorstat_",
            "INFO unexpected_error_replies",
        ],
    ),
    (
        "the traffic of the last seconds",
        &[
            "INFO instantaneous_",
            "INFO client_recent_max_",
            "INFO reply_buffer_",
        ],
    ),
    (
        "whatever the allocator holds on to, and the peak, which nothing resets",
        &[
            "INFO used_memory",
            "INFO allocator_",
            "INFO rss_overhead_",
            "INFO mem_",
        ],
    ),
    // What a reset does not take back.
    (
        "a master that was a replica remembers whose",
        &["INFO master_replid", "INFO second_repl_offset"],
    ),
    (
        "the offset goes on from where it was, and so does the backlog",
        &[
            "INFO master_repl_offset",
            "INFO slave_repl_offset",
            "INFO slave_read_repl_offset",
            "INFO repl_backlog_",
        ],
    ),
    (
        "dumps and loads, of which a used node has seen some",
        &[
            "INFO rdb_last_save_time",
            "INFO rdb_last_bgsave_time_sec",
            "INFO rdb_last_cow_size",
            "INFO rdb_last_load_keys_",
            "INFO rdb_saves",
        ],
    ),
    (
        "a connection of MIGRATE is kept for 10 s",
        &["INFO migrate_cached_sockets"],
    ),
    (
        "the counts of the cluster's bus go on",
        &["CLUSTER cluster_stats_", "INFO cluster_stats_"],
    ),
];

fn may_differ(field: &str) -> bool {
    MAY_DIFFER
        .iter()
        .flat_map(|(_, begins)| *begins)
        .any(|begin| field.starts_with(begin))
}

/// Reads `field:value` lines as INFO and CLUSTER INFO print them.
pub fn read_lines(question: &str, text: &str, into: &mut Fields) {
    for line in text.lines() {
        let Some((name, value)) = line.trim_end().split_once(':') else {
            continue;
        };
        into.insert(format!("{question} {name}"), value.to_owned());
    }
}

/// Reads names and values by turns, a line each, as redis-cli prints CONFIG GET.
pub fn read_turns(question: &str, text: &str, into: &mut Fields) {
    let lines: Vec<&str> = text.lines().collect();
    for pair in lines.chunks(2) {
        let [name, value] = pair else {
            panic!("{pair:?} is no name and value")
        };
        into.insert(format!("{question} {name}"), (*value).to_owned());
    }
}

/// The differences that are not on the list, a line each.
pub fn differences(node: &str, fresh: &Fields, reset: &Fields) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> = fresh.keys().chain(reset.keys()).collect();
    let mut found = Vec::new();
    for name in names {
        if may_differ(name) {
            continue;
        }
        let (was, is) = (fresh.get(name), reset.get(name));
        if was != is {
            found.push(format!("{node}: {name} is {is:?}, fresh {was:?}"));
        }
    }
    found
}
