//! What a look rests on, as it was answered.

use super::check::Look;
use super::event::RawReply;
use crate::cluster::NodeName;
use crate::lab::environment::POSTGRES;

/// The raw replies of a look, for the journal and as evidence.
pub(super) fn raw_replies(look: &Look) -> Vec<RawReply> {
    let mut replies = Vec::new();
    for (node, view) in &look.observation.views {
        let mut add = |command: &str, reply: String| {
            replies.push(RawReply {
                node: node.clone(),
                command: command.to_owned(),
                reply,
            })
        };
        match view {
            Ok(view) => {
                if let Some(seen) = &view.topology {
                    add("CLUSTER NODES", seen.raw.clone());
                }
                if let Some(seen) = &view.cluster_info {
                    add("CLUSTER INFO", seen.raw.clone());
                }
                if let Some(seen) = &view.info {
                    add("INFO", seen.raw.clone());
                }
                if let Some(keys) = view.keys {
                    add("DBSIZE", keys.to_string());
                }
            }
            Err(why) => add("(no answer)", why.to_string()),
        }
    }
    for (query, answer) in &look.sql {
        replies.push(RawReply {
            node: NodeName::new(POSTGRES),
            command: query.clone(),
            reply: match answer {
                Ok(rows) => rows.to_string(),
                Err(why) => why.clone(),
            },
        });
    }
    replies
}
