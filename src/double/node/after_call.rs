//! What is noted of a command that was executed: counts, times, the slow log, who watches by MONITOR, who keeps copies of what it has read.

use super::call::Origin;
use super::dispatch::Prepared;
use super::server::Server;
use super::table::{Flags, Spec, Table, keys};

/// Whether a command is EVAL or one like it.
fn runs_script(spec: &Spec) -> bool {
    matches!(
        spec.name,
        "eval" | "eval_ro" | "evalsha" | "evalsha_ro" | "fcall" | "fcall_ro"
    )
}

impl Server {
    /// A command was executed. `began`: in microseconds of the node's clock; `wrote`: there is a reply; `failed`: it is an error.
    pub(super) fn note_call(&mut self, call: &Prepared<'_>, began: i64, wrote: bool, failed: bool) {
        self.measured = self.clock.unix().as_micros() as i64;
        let spec = Table::redis_7_0().spec(call.command);
        let again = call.origin == Origin::Again;
        let client = self.clients.get(call.client.0);
        // What a client waits for is counted when it comes.
        let waits = match again {
            true => !wrote,
            false => client.is_some_and(|client| client.blocked.is_some()),
        };
        if !waits && !client.is_some_and(|client| client.is_hand()) {
            self.note_done(call, self.measured.saturating_sub(began), failed);
        }
        if again {
            return;
        }
        if !self.monitors.is_empty()
            && !spec.flags.has(Flags::SKIP_MONITOR)
            && !spec.flags.has(Flags::ADMIN)
        {
            self.show_to_monitors(call);
        }
        self.redacted.clear();
        if self.tracking.clients > 0 && spec.flags.has(Flags::READONLY) && !runs_script(spec) {
            match call.origin {
                Origin::Script => self.remember_script_read(call.client),
                _ => self.remember_read(call.client, call.command, call.args),
            }
        }
    }

    /// A command is about to be executed.
    pub(super) fn before_call(&mut self, call: &Prepared<'_>) {
        if self.monitors.is_empty() && self.tracking.clients == 0 {
            return;
        }
        let spec = Table::redis_7_0().spec(call.command);
        if !runs_script(spec) {
            return;
        }
        // A script is shown in front of what it does.
        if !self.monitors.is_empty() {
            self.show_to_monitors(call);
        }
        if self.tracking.clients > 0 {
            self.tracking.script_keys = keys(Table::redis_7_0(), call.command, call.args)
                .unwrap_or_default()
                .iter()
                .filter_map(|place| call.args.get(place.at))
                .map(|key| (*key).into())
                .collect();
        }
    }

    /// A command has got its reply. `took`: in microseconds.
    fn note_done(&mut self, call: &Prepared<'_>, took: i64, failed: bool) {
        let spec = Table::redis_7_0().spec(call.command);
        self.stats.commands += 1;
        let stats = self.stats.by_command(call.command);
        stats.calls += 1;
        stats.microseconds += took.max(0) as u64;
        if failed {
            stats.failed += 1;
        }
        if self.config.latency_counted {
            stats.times.add(took);
        }
        if self.config.latency > 0 {
            let event = match spec.flags.has(Flags::FAST) {
                true => "fast-command",
                false => "command",
            };
            self.note_latency(event, took / 1000);
        }
        if self.config.slow >= 0 && took >= self.config.slow && !spec.flags.has(Flags::SKIP_SLOWLOG)
        {
            self.note_slow(call, took);
        }
    }

    /// The words of a call as MONITOR and SLOWLOG show them: without secrets.
    pub(super) fn shown_word<'a>(&self, at: usize, word: &'a [u8]) -> &'a [u8] {
        match self.redacted.contains(&at) {
            true => b"(redacted)",
            false => word,
        }
    }
}
