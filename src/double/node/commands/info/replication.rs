//! The section of INFO about replication.

use super::Lines;
use crate::double::node::replication::{Followed, LinkState};
use crate::double::node::server::Server;

pub(super) fn replication(server: &Server, lines: &mut Lines) {
    match server.followed() {
        None => lines.add("role", "master"),
        Some(master) => as_replica(server, &master, lines),
    }
    let followers = server.followers();
    lines.add("connected_slaves", followers.len());
    let settings = &server.config.replication;
    if settings.least_replicas > 0 && settings.most_lag > 0 {
        lines.add("min_slaves_good_slaves", server.good_replicas());
    }
    for (number, follower) in followers.iter().enumerate() {
        lines.add(
            &format!("slave{number}"),
            format!(
                "ip={},port={},state={},offset={},lag={}",
                follower.ip,
                follower.port,
                follower.state.name(),
                follower.offset,
                follower.lag
            ),
        );
    }
    let replication = &server.replication;
    let backlog = replication.backlog();
    let (first, length) = backlog.unwrap_or_default();
    lines.add("master_failover_state", "no-failover");
    lines.add("master_replid", &server.replication_ids[0]);
    lines.add("master_replid2", &server.replication_ids[1]);
    lines.add("master_repl_offset", replication.written());
    lines.add("second_repl_offset", replication.second_offset());
    lines.add("repl_backlog_active", u8::from(backlog.is_some()));
    lines.add("repl_backlog_size", server.config.get("repl-backlog-size"));
    lines.add("repl_backlog_first_byte_offset", first);
    lines.add("repl_backlog_histlen", length);
}

fn as_replica(server: &Server, master: &Followed, lines: &mut Lines) {
    let up = master.state == LinkState::Connected;
    let syncs = master.state == LinkState::Transfer;
    // Without a history there is still one number to be told.
    let (read, applied) = master.position.unwrap_or((1, 1));
    lines.add("role", "slave");
    lines.add("master_host", &master.ip);
    lines.add("master_port", master.port);
    lines.add("master_link_status", if up { "up" } else { "down" });
    lines.add("master_last_io_seconds_ago", master.heard.unwrap_or(-1));
    lines.add("master_sync_in_progress", u8::from(syncs));
    lines.add("slave_read_repl_offset", read);
    lines.add("slave_repl_offset", applied);
    if syncs {
        lines.add_all(&[
            ("master_sync_total_bytes", "0"),
            ("master_sync_read_bytes", "0"),
            ("master_sync_left_bytes", "0"),
            ("master_sync_perc", "0.00"),
        ]);
        lines.add("master_sync_last_io_seconds_ago", master.last_sign);
    }
    if !up {
        lines.add("master_link_down_since_seconds", master.down.unwrap_or(-1));
    }
    let flag = |name: &str| u8::from(server.config.get(name) == "yes");
    lines.add("slave_priority", server.config.get("replica-priority"));
    lines.add("slave_read_only", flag("replica-read-only"));
    lines.add("replica_announced", flag("replica-announced"));
}
