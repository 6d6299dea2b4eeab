//! Clients that are hung up on: silent for too long, or not reading what they are sent.

use super::client::{Client, ClientKey, Closing};
use super::server::Server;

/// How often clients are looked over, in milliseconds.
const LOOKS: i64 = 1000;

/// More than this a client is not sent unasked (by MONITOR, or by tracking) if `client-output-buffer-limit` has no limit for it: a reader that never reads
/// would take all memory. Redis, without a limit, lets it.
const UNASKED: usize = 128 * 1024 * 1024;

impl Server {
    /// Something was added to what a client has not read. If that is too much it is hung up on, as soon as that is safe.
    pub(super) fn limit_unread(&mut self, key: ClientKey) {
        let Some(client) = self.clients.get_mut(key.0) else {
            return;
        };
        let unread = client.unsent();
        let limit = self.config.unread[usize::from(client.subscriptions() > 0)];
        let over = |limit: usize| limit > 0 && unread >= limit;
        if !over(limit.soft) {
            client.unread_since = None;
        } else if client.unread_since.is_none() {
            client.unread_since = Some(self.now);
            self.unreading.push(key);
        }
        if over(limit.hard) {
            hang_up(client);
            self.queue_output(key);
        }
    }

    /// The same where the client has not asked for what was added.
    pub(super) fn limit_unasked(&mut self, key: ClientKey) {
        if let Some(client) = self.clients.get_mut(key.0)
            && client.unsent() >= UNASKED
        {
            hang_up(client);
        }
    }

    /// Whether somebody has to be looked for.
    pub(super) fn looks_over_clients(&self) -> bool {
        self.config.idle > 0 || !self.unreading.is_empty()
    }

    /// Hangs up on who has been silent, or has left too much unread, for too long.
    pub(super) fn look_over_clients(&mut self) {
        if !self.looks_over_clients() || self.now < self.next_look {
            return;
        }
        self.next_look = self.now + LOOKS;
        for key in std::mem::take(&mut self.unreading) {
            let Some(client) = self.clients.get_mut(key.0) else {
                continue;
            };
            let Some(since) = client.unread_since else {
                continue;
            };
            let limit = self.config.unread[usize::from(client.subscriptions() > 0)];
            if limit.soft == 0 || client.unsent() < limit.soft {
                client.unread_since = None;
            } else if self.now - since > limit.seconds * 1000 {
                hang_up(client);
                self.queue_output(key);
            } else {
                self.unreading.push(key);
            }
        }
        if self.config.idle == 0 {
            return;
        }
        let (now, idle) = (self.now / 1000, self.config.idle);
        let silent = |client: &Client| {
            now - client.active / 1000 > idle
                && !client.is_hand()
                && !client.waits()
                && !client.monitor
                && client.subscriptions() == 0
        };
        let gone: Vec<ClientKey> = self
            .clients
            .iter()
            .filter(|(_, client)| silent(client))
            .map(|(at, _)| ClientKey(at))
            .collect();
        for key in gone {
            self.close(key);
        }
    }
}

fn hang_up(client: &mut Client) {
    client.closing = Closing::Now;
    client.out.bytes = Vec::new();
    client.sent = 0;
}
