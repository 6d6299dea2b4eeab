//! What INFO tells of commands and errors.

use super::Lines;
use crate::double::node::server::{CommandStats, Server};
use crate::double::node::table::{Spec, Table};

/// Commands that have been sent, with their counts.
fn used(server: &Server) -> impl Iterator<Item = (&'static Spec, &CommandStats)> {
    let table = Table::redis_7_0();
    table.all().filter_map(move |id| {
        let stats = server.stats.by_command.get(id.index())?;
        let used = stats.calls > 0 || stats.rejected > 0 || stats.failed > 0;
        used.then(|| (table.spec(id), stats))
    })
}

pub(super) fn counts(server: &Server, lines: &mut Lines) {
    for (spec, stats) in used(server) {
        let each = match stats.calls {
            0 => 0.0,
            calls => stats.microseconds as f64 / calls as f64,
        };
        let value = format!(
            "calls={},usec={},usec_per_call={each:.2},rejected_calls={},failed_calls={}",
            stats.calls, stats.microseconds, stats.rejected, stats.failed
        );
        lines.add(&format!("cmdstat_{}", spec.name), value);
    }
}

pub(super) fn errors(server: &Server, lines: &mut Lines) {
    for (word, count) in &server.stats.errors_by_word {
        lines.add(&format!("errorstat_{word}"), format!("count={count}"));
    }
}

pub(super) fn times(server: &Server, lines: &mut Lines) {
    let percents = server.config.get("latency-tracking-info-percentiles");
    for (spec, stats) in used(server) {
        if stats.times.is_empty() {
            continue;
        }
        let told: Vec<String> = percents
            .split_ascii_whitespace()
            .filter_map(|percent| {
                let value = stats.times.percentile(percent.parse().ok()?);
                Some(format!("p{percent}={value:.3}"))
            })
            .collect();
        let name = format!("latency_percentiles_usec_{}", spec.name);
        lines.add(&name, told.join(","));
    }
}
