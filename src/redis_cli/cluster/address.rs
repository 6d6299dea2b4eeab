//! Addresses in arguments.

use crate::redis_cli::halt::Flow;
use crate::redis_cli::numbers::leading_integer;

use super::work::Work;

/// A node's host and port. The port of the bus, after `@`, is passed over: a node says itself which it has.
pub(super) fn of_node(text: &[u8]) -> Option<(String, i64)> {
    let text = String::from_utf8_lossy(text);
    let text = text.rsplit_once('@').map_or(&*text, |(address, _)| address);
    let (host, port) = text.rsplit_once(':')?;
    Some((host.to_owned(), leading_integer(port.as_bytes())))
}

/// The cluster that a call is for: `host:port`, or `host port` as two arguments.
pub(super) fn of_cluster(arguments: &[Vec<u8>]) -> Option<(String, i64)> {
    let found = match arguments {
        [one] => of_node(one)?,
        [host, port, ..] => (
            String::from_utf8_lossy(host).into_owned(),
            leading_integer(port),
        ),
        [] => return None,
    };
    (found.1 != 0).then_some(found)
}

impl Work<'_, '_> {
    /// The same, or the end.
    pub(super) fn cluster_of(&mut self, arguments: &[Vec<u8>]) -> Flow<(String, i64)> {
        match of_cluster(arguments) {
            Some(found) => Ok(found),
            None => self.give_up(
                "[ERR] Invalid arguments: you need to pass either a valid address (ie. 120.0.0.1:7000) or space separated IP and port (ie. 120.0.0.1 7000)\n",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_argument_or_two() {
        let of = |arguments: &[&str]| {
            let arguments: Vec<_> = arguments
                .iter()
                .map(|text| text.as_bytes().to_vec())
                .collect();
            of_cluster(&arguments)
        };
        let h = |port| Some(("h".to_owned(), port));
        assert_eq!(of(&["h:7001"]), h(7001));
        assert_eq!(of(&["h:7001@17001"]), h(7001));
        assert_eq!(of(&["h", "7001"]), h(7001));
        assert_eq!(of(&["::1:7001"]), Some(("::1".to_owned(), 7001)));
        assert_eq!(of(&["h"]), None);
        assert_eq!(of(&["h:x"]), None);
        assert_eq!(of(&[]), None);
    }
}
