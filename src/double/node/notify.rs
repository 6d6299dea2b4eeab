//! Keyspace notifications.

use super::call::Class;
use super::server::Server;

impl Server {
    /// Tells those who listen to keyspace events, if `notify-keyspace-events` has the class.
    pub fn notify(&mut self, class: Class, event: &str, key: &[u8], db: usize) {
        let wanted = &self.config.notify;
        if wanted.is_empty() || !wanted.contains(&class.0) {
            return;
        }
        if self.channels.is_empty() && self.patterns.is_empty() {
            return;
        }
        let (by_key, by_event) = (wanted.contains(&b'K'), wanted.contains(&b'E'));
        if by_key {
            let mut channel = format!("__keyspace@{db}__:").into_bytes();
            channel.extend_from_slice(key);
            self.publish(&channel, event.as_bytes());
        }
        if by_event {
            let channel = format!("__keyevent@{db}__:{event}");
            self.publish(channel.as_bytes(), key);
        }
    }
}
