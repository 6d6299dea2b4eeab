//! MONITOR: clients that see the commands of all.

use super::call::Origin;
use super::client::{ClientKey, Replies};
use super::dispatch::Prepared;
use super::server::Server;

impl Server {
    /// A client sees all commands from now on.
    pub fn monitor(&mut self, key: ClientKey) {
        if let Some(client) = self.clients.get_mut(key.0)
            && !std::mem::replace(&mut client.monitor, true)
        {
            self.monitors.push(key);
        }
    }

    /// A client sees them no longer.
    pub fn end_monitor(&mut self, key: ClientKey) {
        if let Some(client) = self.clients.get_mut(key.0)
            && std::mem::take(&mut client.monitor)
        {
            self.monitors.retain(|monitor| *monitor != key);
        }
    }

    /// Shows a command that was executed.
    pub(super) fn show_to_monitors(&mut self, call: &Prepared<'_>) {
        let (seconds, micros) = (
            self.now_us.div_euclid(1_000_000),
            self.now_us.rem_euclid(1_000_000),
        );
        // SELECT is shown with the database that it has chosen.
        let client = self.clients.get(call.client.0);
        let db = client.map_or(call.db, |client| client.db);
        let from = match call.origin {
            Origin::Script => "lua".to_owned(),
            _ => client.map_or_else(String::new, |client| client.peer_name()),
        };
        let mut line = format!("+{seconds}.{micros:06} [{db} {from}]").into_bytes();
        for (at, word) in call.args.iter().enumerate() {
            line.push(b' ');
            quote(&mut line, self.shown_word(at, word));
        }
        line.extend_from_slice(b"\r\n");
        for key in self.monitors.clone() {
            if let Some(client) = self.clients.get_mut(key.0)
                && client.replies == Replies::On
            {
                client.out.bytes.extend_from_slice(&line);
                self.has_output(key);
            }
        }
    }
}

/// A word in double quotes, with escapes for what could not be seen.
pub(super) fn quote(out: &mut Vec<u8>, word: &[u8]) {
    out.push(b'"');
    for byte in word {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x07 => out.extend_from_slice(b"\\a"),
            0x08 => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(*byte),
            _ => out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    out.push(b'"');
}
