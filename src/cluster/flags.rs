//! What a node is, and what others think of its health: the flags of a `CLUSTER NODES` line.

use std::fmt;

use serde::{Serialize, Serializer};

/// The flags of a `CLUSTER NODES` line. `master` and `replica` exclude each other; both are false in a handshake, before the
/// node has said what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct NodeFlags {
    /// The node that gave the answer.
    pub myself: bool,
    /// It is a master, with slots or without.
    pub master: bool,
    /// It is a replica (Redis prints `slave`).
    pub replica: bool,
    /// `fail?`: the node that gave the answer cannot reach it, and has not heard the same from a majority (PFAIL).
    pub suspected: bool,
    /// `fail`: a majority of masters could not reach it (FAIL).
    pub failed: bool,
    /// Met, and not heard from yet; its id is random until it answers.
    pub handshake: bool,
    /// Its address is not known.
    pub noaddr: bool,
    /// A replica that will not try to take over from its master (`cluster-replica-no-failover`).
    pub nofailover: bool,
}

impl NodeFlags {
    /// Reads `myself,master`. Second: the words that are not known here, as a newer server may have them, in their order.
    pub(super) fn parse(text: &str) -> (Self, Vec<String>) {
        let mut flags = NodeFlags::default();
        let mut unknown = Vec::new();
        for word in text.split(',') {
            match word {
                "myself" => flags.myself = true,
                "master" => flags.master = true,
                "slave" | "replica" => flags.replica = true,
                "fail?" => flags.suspected = true,
                "fail" => flags.failed = true,
                "handshake" => flags.handshake = true,
                "noaddr" => flags.noaddr = true,
                "nofailover" => flags.nofailover = true,
                "noflags" | "" => {}
                other => unknown.push(other.to_owned()),
            }
        }
        (flags, unknown)
    }

    /// The flags that are set, in the words and the order of Redis: `representClusterNodeFlags` in its `cluster.c`.
    pub(super) fn words(self) -> impl Iterator<Item = &'static str> {
        [
            (self.myself, "myself"),
            (self.master, "master"),
            (self.replica, "slave"),
            (self.suspected, "fail?"),
            (self.failed, "fail"),
            (self.handshake, "handshake"),
            (self.noaddr, "noaddr"),
            (self.nofailover, "nofailover"),
        ]
        .into_iter()
        .filter_map(|(set, word)| set.then_some(word))
    }
}

impl fmt::Display for NodeFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gap = "";
        for word in self.words() {
            write!(f, "{gap}{word}")?;
            gap = ",";
        }
        if gap.is_empty() {
            f.write_str("noflags")
        } else {
            Ok(())
        }
    }
}

/// As the list of its words.
impl Serialize for NodeFlags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.words())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("myself,master")]
    #[case("slave")]
    #[case("master,fail?")]
    #[case("master,fail,noaddr")]
    #[case("myself,slave,nofailover")]
    #[case("handshake")]
    #[case("noflags")]
    fn prints_what_it_read(#[case] text: &str) {
        let (flags, unknown) = NodeFlags::parse(text);
        assert_eq!(
            (flags.to_string().as_str(), unknown.as_slice()),
            (text, [].as_slice())
        );
    }

    #[test]
    fn reads_replica_and_keeps_unknown_words() {
        let (flags, unknown) = NodeFlags::parse("myself,replica,voter,quiet");
        assert!(flags.myself && flags.replica && !flags.master);
        assert_eq!(unknown, ["voter", "quiet"]);
        assert_eq!(
            serde_json::to_string(&flags).unwrap(),
            r#"["myself","slave"]"#
        );
    }
}
