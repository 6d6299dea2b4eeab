//! The reply of `CLUSTER INFO`.

use std::str::FromStr;

use serde::Serialize;

use super::error::{ParseError, number, quoted};
use super::info::Info;

const REPLY: &str = "CLUSTER INFO";

/// The reply of `CLUSTER INFO`: how the cluster does, in one node's view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClusterInfo {
    /// `cluster_state`: `ok`, this node serves; or `fail`, it refuses commands, since slots have no owner or it is with the minority.
    pub ok: bool,
    /// Slots that have an owner.
    pub slots_assigned: u16,
    /// Slots whose owner is neither suspected nor failed.
    pub slots_ok: u16,
    /// Slots whose owner is suspected (`fail?`).
    pub slots_pfail: u16,
    /// Slots whose owner has failed.
    pub slots_fail: u16,
    /// Nodes that it knows, itself and those in handshake among them.
    pub known_nodes: u32,
    /// Masters that own at least one slot.
    pub size: u32,
    /// The highest epoch that it has seen.
    pub current_epoch: u64,
    /// The epoch of this node's own slots; a replica says its master's.
    pub my_epoch: u64,
    /// Every field, also those above, in the order printed.
    pub fields: Info,
}

impl ClusterInfo {
    /// Reads a reply of `CLUSTER INFO`.
    ///
    /// # Errors
    /// A line that is not `field:value`, or a field above that is missing or not what it should be.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let fields = Info::parse(text).map_err(|e| ParseError::new(REPLY, e.why))?;
        Ok(ClusterInfo {
            ok: match field(&fields, "cluster_state")? {
                "ok" => true,
                "fail" => false,
                other => {
                    let why = format!("cluster_state {} is not ok or fail", quoted(other));
                    return Err(ParseError::new(REPLY, why));
                }
            },
            slots_assigned: count(&fields, "cluster_slots_assigned")?,
            slots_ok: count(&fields, "cluster_slots_ok")?,
            slots_pfail: count(&fields, "cluster_slots_pfail")?,
            slots_fail: count(&fields, "cluster_slots_fail")?,
            known_nodes: count(&fields, "cluster_known_nodes")?,
            size: count(&fields, "cluster_size")?,
            current_epoch: count(&fields, "cluster_current_epoch")?,
            my_epoch: count(&fields, "cluster_my_epoch")?,
            fields,
        })
    }
}

fn field<'a>(fields: &'a Info, name: &str) -> Result<&'a str, ParseError> {
    fields
        .get(name)
        .ok_or_else(|| ParseError::new(REPLY, format!("there is no field {name}")))
}

fn count<N: FromStr>(fields: &Info, name: &str) -> Result<N, ParseError> {
    number(REPLY, name, field(fields, name)?)
}

impl FromStr for ClusterInfo {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        ClusterInfo::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "cluster_state:fail\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:10923\r\n\
        cluster_slots_pfail:5461\r\ncluster_slots_fail:0\r\ncluster_known_nodes:6\r\ncluster_size:3\r\n\
        cluster_current_epoch:6\r\ncluster_my_epoch:1\r\ncluster_stats_messages_sent:12\r\n";

    #[test]
    fn reads_every_field() {
        let info = ClusterInfo::parse(TEXT).unwrap();
        assert!(!info.ok);
        assert_eq!(
            (
                info.slots_assigned,
                info.slots_ok,
                info.slots_pfail,
                info.slots_fail
            ),
            (16384, 10923, 5461, 0)
        );
        assert_eq!(
            (
                info.known_nodes,
                info.size,
                info.current_epoch,
                info.my_epoch
            ),
            (6, 3, 6, 1)
        );
        assert_eq!(info.fields.get("cluster_stats_messages_sent"), Some("12"));
        assert!(
            ClusterInfo::parse(&TEXT.replace(":fail", ":ok"))
                .unwrap()
                .ok
        );
    }

    #[test]
    fn errors_name_the_field() {
        let error = |text: &str| ClusterInfo::parse(text).unwrap_err().to_string();
        insta::assert_snapshot!(error(""), @"CLUSTER INFO: there is no field cluster_state");
        insta::assert_snapshot!(error("cluster_state:good"), @r#"CLUSTER INFO: cluster_state "good" is not ok or fail"#);
        insta::assert_snapshot!(error("cluster_state"), @r#"CLUSTER INFO: line 1: "cluster_state" is not field:value"#);
        insta::assert_snapshot!(
            error(&TEXT.replace("known_nodes:6", "known_nodes:six")),
            @r#"CLUSTER INFO: cluster_known_nodes "six" is not a number"#
        );
    }
}
