//! The sections of INFO but for those about commands.

use super::Lines;
use super::process::{human, peak, processor_time, resident, total_memory};
use crate::double::node::rates::Counted;
use crate::double::node::server::Server;

pub(super) fn server(server: &Server, lines: &mut Lines) {
    let os = rustix::system::uname();
    let executable = std::env::current_exe().unwrap_or_default();
    let mode = match server.cluster {
        None => "standalone",
        Some(_) => "cluster",
    };
    let uptime = (server.now - server.started) / 1000;
    lines.add_all(&[
        ("redis_version", server.presents.version()),
        ("redis_git_sha1", "00000000"),
        ("redis_git_dirty", "0"),
        ("redis_build_id", "0000000000000000"),
        ("redis_mode", mode),
    ]);
    lines.add(
        "os",
        format!(
            "{} {} {}",
            os.sysname().to_string_lossy(),
            os.release().to_string_lossy(),
            os.machine().to_string_lossy()
        ),
    );
    lines.add("arch_bits", usize::BITS);
    lines.add_all(&[
        ("monotonic_clock", "POSIX clock_gettime"),
        ("multiplexing_api", "epoll"),
        ("atomicvar_api", "c11-builtin"),
        ("gcc_version", "0.0.0"),
    ]);
    lines.add("process_id", std::process::id());
    lines.add("process_supervised", "no");
    lines.add("run_id", &server.run_id);
    lines.add("tcp_port", server.config.get("port"));
    lines.add("server_time_usec", server.now_us);
    lines.add("uptime_in_seconds", uptime);
    lines.add("uptime_in_days", uptime / (24 * 3600));
    lines.add("hz", server.config.get("hz"));
    lines.add("configured_hz", server.config.get("hz"));
    lines.add("lru_clock", (server.now / 1000) & 0xff_ffff);
    lines.add("executable", executable.display());
    lines.add("config_file", "");
    lines.add("io_threads_active", 0);
}

pub(super) fn clients(server: &Server, lines: &mut Lines) {
    let clients = || server.clients.iter().map(|(_, client)| client);
    let connected = clients().filter(|client| !client.is_hand()).count();
    let input = clients().map(|client| client.input.len()).max();
    let output = clients().map(|client| client.unsent()).max();
    let blocked = clients().filter(|client| client.waits()).count();
    lines.add("connected_clients", connected);
    // One to each of the others, and one from it.
    let others = server.cluster.as_ref();
    let others = others.map_or(0, |member| member.view.by_id.len().saturating_sub(1));
    lines.add("cluster_connections", 2 * others);
    lines.add("maxclients", server.config.max_clients);
    lines.add("client_recent_max_input_buffer", input.unwrap_or(0));
    lines.add("client_recent_max_output_buffer", output.unwrap_or(0));
    lines.add("blocked_clients", blocked);
    lines.add("tracking_clients", server.tracking.clients);
    lines.add("clients_in_timeout_table", server.ends.len());
}

pub(super) fn memory(server: &Server, lines: &mut Lines) {
    let used = resident();
    let peak = peak().max(used);
    let total = total_memory();
    let most = server.config.get("maxmemory").parse().unwrap_or(0);
    let mut sized = |name: &str, bytes: u64| {
        lines.add(name, bytes);
        lines.add(&format!("{name}_human"), human(bytes));
    };
    sized("used_memory", used);
    sized("used_memory_rss", used);
    sized("used_memory_peak", peak);
    lines.add(
        "used_memory_peak_perc",
        format!("{:.2}%", used as f64 * 100.0 / peak.max(1) as f64),
    );
    lines.add("used_memory_overhead", 0);
    lines.add("used_memory_startup", 0);
    lines.add("used_memory_dataset", used);
    lines.add("used_memory_dataset_perc", "100.00%");
    lines.add("allocator_allocated", used);
    lines.add("allocator_active", used);
    lines.add("allocator_resident", used);
    lines.add("total_system_memory", total);
    lines.add("total_system_memory_human", human(total));
    lines.add_all(&[
        ("used_memory_lua", "0"),
        ("used_memory_vm_eval", "0"),
        ("used_memory_lua_human", "0B"),
        ("used_memory_scripts_eval", "0"),
    ]);
    let (scripts, functions, libraries) = server.scripts.counts();
    lines.add("number_of_cached_scripts", scripts);
    lines.add("number_of_functions", functions);
    lines.add("number_of_libraries", libraries);
    lines.add_all(&[
        ("used_memory_vm_functions", "0"),
        ("used_memory_vm_total", "0"),
        ("used_memory_vm_total_human", "0B"),
        ("used_memory_functions", "0"),
        ("used_memory_scripts", "0"),
        ("used_memory_scripts_human", "0B"),
    ]);
    lines.add("maxmemory", most);
    lines.add("maxmemory_human", human(most));
    lines.add("maxmemory_policy", &server.config.policy);
    lines.add_all(&[
        ("allocator_frag_ratio", "1.00"),
        ("allocator_frag_bytes", "0"),
        ("allocator_rss_ratio", "1.00"),
        ("allocator_rss_bytes", "0"),
        ("rss_overhead_ratio", "1.00"),
        ("rss_overhead_bytes", "0"),
        ("mem_fragmentation_ratio", "1.00"),
        ("mem_fragmentation_bytes", "0"),
        ("mem_not_counted_for_evict", "0"),
        ("mem_replication_backlog", "0"),
        ("mem_total_replication_buffers", "0"),
        ("mem_clients_slaves", "0"),
    ]);
    let clients: usize = server
        .clients
        .iter()
        .map(|(_, client)| client.memory())
        .sum();
    lines.add("mem_clients_normal", clients);
    lines.add_all(&[
        ("mem_cluster_links", "0"),
        ("mem_aof_buffer", "0"),
        ("mem_allocator", "libc"),
        ("active_defrag_running", "0"),
        ("lazyfree_pending_objects", "0"),
        ("lazyfreed_objects", "0"),
    ]);
}

pub(super) fn persistence(server: &Server, lines: &mut Lines) {
    lines.add_all(&[
        ("loading", "0"),
        ("async_loading", "0"),
        ("current_cow_peak", "0"),
        ("current_cow_size", "0"),
        ("current_cow_size_age", "0"),
        ("current_fork_perc", "0.00"),
        ("current_save_keys_processed", "0"),
        ("current_save_keys_total", "0"),
    ]);
    lines.add(
        "rdb_changes_since_last_save",
        server.dirty.saturating_sub(server.saved.dirty),
    );
    lines.add("rdb_bgsave_in_progress", 0);
    lines.add("rdb_last_save_time", server.saved.when / 1000);
    lines.add("rdb_last_bgsave_status", "ok");
    lines.add("rdb_last_bgsave_time_sec", server.saved.in_background_took);
    lines.add("rdb_current_bgsave_time_sec", -1);
    lines.add("rdb_saves", server.saved.times);
    lines.add_all(&[
        ("rdb_last_cow_size", "0"),
        ("rdb_last_load_keys_expired", "0"),
        ("rdb_last_load_keys_loaded", "0"),
        ("aof_enabled", "0"),
        ("aof_rewrite_in_progress", "0"),
        ("aof_rewrite_scheduled", "0"),
        ("aof_last_rewrite_time_sec", "-1"),
        ("aof_current_rewrite_time_sec", "-1"),
        ("aof_last_bgrewrite_status", "ok"),
        ("aof_rewrites", "0"),
        ("aof_rewrites_consecutive_failures", "0"),
        ("aof_last_write_status", "ok"),
        ("aof_last_cow_size", "0"),
        ("module_fork_in_progress", "0"),
        ("module_fork_last_cow_size", "0"),
    ]);
}

pub(super) fn stats(server: &Server, lines: &mut Lines) {
    let stats = &server.stats;
    lines.add("total_connections_received", stats.connections);
    lines.add("total_commands_processed", stats.commands);
    lines.add(
        "instantaneous_ops_per_sec",
        stats.rates.mean(Counted::Commands),
    );
    lines.add("total_net_input_bytes", stats.received);
    lines.add("total_net_output_bytes", stats.sent);
    lines.add_all(&[
        ("total_net_repl_input_bytes", "0"),
        ("total_net_repl_output_bytes", "0"),
        (
            "instantaneous_input_kbps",
            &stats.rates.kilobytes(Counted::BytesReceived),
        ),
        (
            "instantaneous_output_kbps",
            &stats.rates.kilobytes(Counted::BytesSent),
        ),
        ("instantaneous_input_repl_kbps", "0.00"),
        ("instantaneous_output_repl_kbps", "0.00"),
    ]);
    lines.add("rejected_connections", stats.rejected);
    let syncs = server.replication.counts;
    lines.add("sync_full", syncs.full);
    lines.add("sync_partial_ok", syncs.partial);
    lines.add("sync_partial_err", syncs.partial_refused);
    lines.add("expired_keys", stats.expired);
    lines.add_all(&[
        ("expired_stale_perc", "0.00"),
        ("expired_time_cap_reached_count", "0"),
        ("expire_cycle_cpu_milliseconds", "0"),
        ("evicted_keys", "0"),
        ("evicted_clients", "0"),
        ("total_eviction_exceeded_time", "0"),
        ("current_eviction_exceeded_time", "0"),
    ]);
    lines.add("keyspace_hits", stats.hits);
    lines.add("keyspace_misses", stats.misses);
    lines.add("pubsub_channels", server.channels.len());
    lines.add("pubsub_patterns", server.patterns.len());
    lines.add("pubsubshard_channels", server.shard_channels.len());
    lines.add_all(&[
        ("latest_fork_usec", "0"),
        ("total_forks", "0"),
        ("migrate_cached_sockets", "0"),
        ("slave_expires_tracked_keys", "0"),
        ("active_defrag_hits", "0"),
        ("active_defrag_misses", "0"),
        ("active_defrag_key_hits", "0"),
        ("active_defrag_key_misses", "0"),
        ("total_active_defrag_time", "0"),
        ("current_active_defrag_time", "0"),
    ]);
    lines.add("tracking_total_keys", server.tracking.keys());
    lines.add("tracking_total_items", server.tracking.items());
    lines.add("tracking_total_prefixes", server.tracking.prefixes());
    lines.add("unexpected_error_replies", 0);
    lines.add("total_error_replies", stats.errors);
    lines.add("dump_payload_sanitizations", 0);
    lines.add("total_reads_processed", stats.reads);
    lines.add("total_writes_processed", stats.writes);
    lines.add_all(&[
        ("io_threaded_reads_processed", "0"),
        ("io_threaded_writes_processed", "0"),
        ("reply_buffer_shrinks", "0"),
        ("reply_buffer_expands", "0"),
    ]);
}

pub(super) fn cpu(_: &Server, lines: &mut Lines) {
    let (user, kernel) = processor_time();
    lines.add("used_cpu_sys", format!("{kernel:.6}"));
    lines.add("used_cpu_user", format!("{user:.6}"));
    lines.add("used_cpu_sys_children", "0.000000");
    lines.add("used_cpu_user_children", "0.000000");
    lines.add("used_cpu_sys_main_thread", format!("{kernel:.6}"));
    lines.add("used_cpu_user_main_thread", format!("{user:.6}"));
}

pub(super) fn cluster(server: &Server, lines: &mut Lines) {
    lines.add("cluster_enabled", i64::from(server.cluster.is_some()));
}

pub(super) fn keyspace(server: &Server, lines: &mut Lines) {
    for (number, db) in server.dbs.iter().enumerate() {
        if db.len() == 0 {
            continue;
        }
        let average = db.average_time_left(server.now);
        lines.add(
            &format!("db{number}"),
            format!(
                "keys={},expires={},avg_ttl={average}",
                db.len(),
                db.ending()
            ),
        );
    }
}
