//! Errors that a cluster client has to act on.

use std::fmt;

use super::as_text::serde_as_text;
use super::endpoint::Endpoint;
use super::slot::Slot;

/// An error that a cluster client has to act on. Prints as a server sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterError {
    /// The slot belongs to another node: ask that one, and from now on for the whole slot.
    Moved {
        /// The key's slot.
        slot: Slot,
        /// Its owner. An empty host means the host that was asked.
        to: Endpoint,
    },
    /// The slot is on its way and this key is not here: ask that node, this once, after `ASKING`.
    Ask {
        /// The key's slot.
        slot: Slot,
        /// Where the slot goes. An empty host means the host that was asked.
        to: Endpoint,
    },
    /// The slot is on its way and the command's keys are not all in one place: try again.
    TryAgain,
    /// The command's keys belong to different slots.
    CrossSlot,
    /// The cluster, or the slot, is not served; with the server's reason.
    Down(String),
    /// The server is reading its data from disk.
    Loading,
    /// A replica without a link to its master that may not answer from old data.
    MasterDown,
    /// Any other error, whole.
    Other(String),
}

impl ClusterError {
    /// Reads an error's text, with or without the protocol's leading `-`. What is not understood, also a `MOVED` without a
    /// proper slot and endpoint, is `Other`.
    pub fn parse(error: &str) -> Self {
        let text = error
            .strip_prefix('-')
            .unwrap_or(error)
            .trim_end_matches(['\r', '\n']);
        let (code, rest) = text.split_once(' ').unwrap_or((text, ""));
        match code {
            "MOVED" => target(rest).map(|(slot, to)| ClusterError::Moved { slot, to }),
            "ASK" => target(rest).map(|(slot, to)| ClusterError::Ask { slot, to }),
            "TRYAGAIN" => Some(ClusterError::TryAgain),
            "CROSSSLOT" => Some(ClusterError::CrossSlot),
            "CLUSTERDOWN" => Some(ClusterError::Down(rest.to_owned())),
            "LOADING" => Some(ClusterError::Loading),
            "MASTERDOWN" => Some(ClusterError::MasterDown),
            _ => None,
        }
        .unwrap_or_else(|| ClusterError::Other(text.to_owned()))
    }
}

/// Reads `3999 127.0.0.1:6381`.
fn target(text: &str) -> Option<(Slot, Endpoint)> {
    let (slot, endpoint) = text.split_once(' ')?;
    Some((slot.parse().ok()?, endpoint.parse().ok()?))
}

impl std::str::FromStr for ClusterError {
    type Err = std::convert::Infallible;

    fn from_str(error: &str) -> Result<Self, Self::Err> {
        Ok(ClusterError::parse(error))
    }
}

impl fmt::Display for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClusterError::Moved { slot, to } => write!(f, "MOVED {slot} {to}"),
            ClusterError::Ask { slot, to } => write!(f, "ASK {slot} {to}"),
            ClusterError::TryAgain => {
                f.write_str("TRYAGAIN Multiple keys request during rehashing of slot")
            }
            ClusterError::CrossSlot => {
                f.write_str("CROSSSLOT Keys in request don't hash to the same slot")
            }
            ClusterError::Down(reason) => write!(f, "CLUSTERDOWN {reason}"),
            ClusterError::Loading => {
                f.write_str("LOADING the server is loading the dataset in memory")
            }
            ClusterError::MasterDown => f.write_str("MASTERDOWN Link with MASTER is down"),
            ClusterError::Other(text) => f.write_str(text),
        }
    }
}

serde_as_text!(ClusterError);

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn slot(n: u16) -> Slot {
        Slot::new(n).unwrap()
    }

    #[rstest]
    #[case("MOVED 3999 127.0.0.1:6381", ClusterError::Moved { slot: slot(3999), to: Endpoint::new("127.0.0.1", 6381) })]
    #[case("-MOVED 1 ::1:7001\r\n", ClusterError::Moved { slot: slot(1), to: Endpoint::new("::1", 7001) })]
    #[case("MOVED 1 :7001", ClusterError::Moved { slot: slot(1), to: Endpoint::new("", 7001) })]
    #[case("ASK 0 redis-2:7002", ClusterError::Ask { slot: slot(0), to: Endpoint::new("redis-2", 7002) })]
    #[case(
        "TRYAGAIN Multiple keys request during rehashing of slot",
        ClusterError::TryAgain
    )]
    #[case(
        "CROSSSLOT Keys in request don't hash to the same slot",
        ClusterError::CrossSlot
    )]
    #[case("CLUSTERDOWN Hash slot not served", ClusterError::Down("Hash slot not served".into()))]
    #[case(
        "LOADING Redis is loading the dataset in memory",
        ClusterError::Loading
    )]
    #[case(
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        ClusterError::MasterDown
    )]
    #[case("ERR unknown command", ClusterError::Other("ERR unknown command".into()))]
    #[case("MOVED", ClusterError::Other("MOVED".into()))]
    #[case("MOVED 16384 a:1", ClusterError::Other("MOVED 16384 a:1".into()))]
    #[case("MOVED 1 a", ClusterError::Other("MOVED 1 a".into()))]
    #[case("MOVEDX 1 a:1", ClusterError::Other("MOVEDX 1 a:1".into()))]
    #[case("", ClusterError::Other(String::new()))]
    fn reads_and_reads_again_what_it_printed(#[case] text: &str, #[case] error: ClusterError) {
        assert_eq!(ClusterError::parse(text), error);
        assert_eq!(ClusterError::parse(&error.to_string()), error);
    }
}
