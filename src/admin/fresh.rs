//! Taking a fresh node: awaiting its first answer, making sure that it is empty, and setting what it can know alone.

use std::time::Duration;

use super::AdminError;
use super::deadline::Deadline;
use super::settings::{QUESTION, Settings};
use crate::cluster::{NodeId, NodeName, Reply, SlotSet, Topology};
use crate::resp::{Client, RespError};

/// The pause between two questions to a node that is not there yet.
const POLL: Duration = Duration::from_millis(10);
/// How long one question may take while the node starts up. A container's port may be open before anything listens
/// behind it, and such a connection never answers.
const FIRST_ANSWER: Duration = Duration::from_millis(250);
/// The least time that a question gets, also when the limit is nearer: a healthy node should not be said to have given
/// no answer within no time.
const LAST_ANSWER: Duration = Duration::from_millis(50);

/// What a node has to know before it meets others.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// `cluster-node-timeout`.
    pub(super) node_timeout: Option<Duration>,
    /// The configuration epoch, different for every node: nodes that claim the same one would settle that by bumping,
    /// which takes time and makes the epochs differ from run to run. It can only be set before the first MEET.
    pub(super) epoch: u64,
    /// Empty for a replica.
    pub(super) slots: SlotSet,
}

/// A node that was taken.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    pub(super) id: NodeId,
    /// As they were before its plan was carried out.
    pub(super) settings: Settings,
}

/// Polls until the node answers, checks that it is fresh, and carries out its plan. Ends at `until` at the latest, with
/// the reason why there was no answer.
pub(super) async fn take(
    client: &Client,
    plan: &Plan,
    until: &Deadline,
) -> Result<Taken, AdminError> {
    let taken = first_answer(client, until).await?;
    let mut commands: Vec<Vec<String>> = Vec::new();
    if let Some(timeout) = plan.node_timeout {
        commands.push(words([
            "CONFIG",
            "SET",
            "cluster-node-timeout",
            &timeout.as_millis().to_string(),
        ]));
    }
    // At its default of 5 s a master waits that long for more replicas before it starts the first synchronisation.
    commands.push(words(["CONFIG", "SET", "repl-diskless-sync-delay", "0"]));
    commands.push(words([
        "CLUSTER",
        "SET-CONFIG-EPOCH",
        &plan.epoch.to_string(),
    ]));
    if !plan.slots.is_empty() {
        commands.push(add_slots_range(&plan.slots));
    }
    let _asking = until.hold();
    let left = until.left().max(FIRST_ANSWER);
    let replies = client.pipeline_within(&commands, left).await?;
    for (command, reply) in commands.iter().zip(replies) {
        let Reply::Error(error) = reply else { continue };
        if command.iter().any(|word| word == "ADDSLOTSRANGE") && is_unknown_subcommand(&error) {
            // Redis before 7.0.
            let command = add_slots(&plan.slots);
            if let Reply::Error(error) = client.call_within(&command, left).await? {
                return Err(refused(client, "CLUSTER ADDSLOTS …".into(), error));
            }
        } else if !is_epoch_already_set(&error) {
            return Err(refused(client, command.join(" "), error));
        }
    }
    Ok(taken)
}

async fn first_answer(client: &Client, until: &Deadline) -> Result<Taken, AdminError> {
    let questions = [
        words(["CLUSTER", "NODES"]),
        words(["DBSIZE"]),
        words(QUESTION),
    ];
    loop {
        let limit = until.left().clamp(LAST_ANSWER, FIRST_ANSWER);
        let asking = until.hold();
        let replies = client.pipeline_within(&questions, limit).await;
        drop(asking);
        let not_yet = match replies {
            Ok(replies) => match fresh_id(client.address().name.clone(), &replies)? {
                Some(id) => {
                    let settings = Settings::read(replies.get(2).unwrap_or(&Reply::Nil))
                        .map_err(|why| refused(client, QUESTION.join(" "), why))?;
                    return Ok(Taken { id, settings });
                }
                None => RespError::Broken {
                    node: client.address().name.clone(),
                    why: "it is still loading its data".into(),
                },
            },
            Err(error) => error,
        };
        if until.is_past_in(POLL) {
            return Err(not_yet.into());
        }
        until.pause(POLL).await;
    }
}

/// The id of a fresh node, by its replies to `CLUSTER NODES` and `DBSIZE`; `None` while it is loading.
pub(super) fn fresh_id(node: NodeName, replies: &[Reply]) -> Result<Option<NodeId>, AdminError> {
    let not_fresh = |why: String| {
        Err(AdminError::NotFresh {
            node: node.clone(),
            why,
        })
    };
    for (reply, command) in replies.iter().zip(["CLUSTER NODES", "DBSIZE"]) {
        match reply {
            Reply::Error(error) if error.starts_with("LOADING") => return Ok(None),
            Reply::Error(error) => {
                return Err(AdminError::Refused {
                    node,
                    command: command.into(),
                    reply: error.clone(),
                });
            }
            _ => {}
        }
    }
    let unreadable = |why: String| AdminError::Refused {
        node: node.clone(),
        command: "CLUSTER NODES".into(),
        reply: format!("unreadable: {why}"),
    };
    let text = replies.first().and_then(Reply::as_text).unwrap_or_default();
    let view = Topology::parse(&text).map_err(|error| unreadable(error.to_string()))?;
    let Some(myself) = view.myself() else {
        return Err(unreadable(format!("no line says myself in {text:?}")));
    };
    if let Some(other) = view.nodes.iter().find(|node| !node.flags.myself) {
        return not_fresh(format!("it already knows another node, {}", other.endpoint));
    }
    if !myself.is_master() {
        return not_fresh("it is a replica".into());
    }
    if !myself.slots.is_empty() {
        return not_fresh(format!("it owns the slots {}", myself.slots));
    }
    match replies.get(1) {
        Some(Reply::Int(0)) => Ok(Some(myself.id)),
        Some(Reply::Int(keys)) => not_fresh(format!("it has {keys} keys")),
        other => Err(AdminError::Refused {
            node,
            command: "DBSIZE".into(),
            reply: format!("{other:?}"),
        }),
    }
}

fn add_slots_range(slots: &SlotSet) -> Vec<String> {
    let mut command = words(["CLUSTER", "ADDSLOTSRANGE"]);
    for range in slots.ranges() {
        command.push(range.start.to_string());
        command.push(range.end.to_string());
    }
    command
}

fn add_slots(slots: &SlotSet) -> Vec<String> {
    let mut command = words(["CLUSTER", "ADDSLOTS"]);
    command.extend(slots.iter().map(|slot| slot.to_string()));
    command
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

fn refused(client: &Client, command: String, reply: String) -> AdminError {
    AdminError::Refused {
        node: client.address().name.clone(),
        command,
        reply,
    }
}

/// 6.2: `ERR Unknown subcommand or wrong number of arguments for 'ADDSLOTSRANGE'`; later ones: `ERR unknown subcommand …`.
fn is_unknown_subcommand(error: &str) -> bool {
    error.to_ascii_lowercase().contains("unknown subcommand")
}

/// A node that was reset keeps its epoch, which can't be set then and does no harm.
fn is_epoch_already_set(error: &str) -> bool {
    error.contains("config epoch is already non-zero")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const ID: &str = "07c37dfeb235213a872192d90877d0cd55635b91";

    fn judged(nodes: &str, keys: Reply) -> Result<Option<NodeId>, AdminError> {
        fresh_id(
            NodeName::new("redis-1"),
            &[Reply::Bulk(nodes.as_bytes().to_vec()), keys],
        )
    }

    #[test]
    fn a_fresh_node_is_taken() {
        let nodes = format!("{ID} :7001@17001 myself,master - 0 0 0 connected\n");
        assert_eq!(judged(&nodes, Reply::Int(0)), Ok(Some(ID.parse().unwrap())));
    }

    #[rstest]
    #[case(
        "ID :7001@17001 myself,master - 0 0 0 connected 5-7\n",
        0,
        "it owns the slots 5-7"
    )]
    #[case("ID :7001@17001 myself,master - 0 0 0 connected\n", 3, "it has 3 keys")]
    #[case(
        "ID :7001@17001 myself,slave 1111111111111111111111111111111111111111 0 0 0 connected\n",
        0,
        "it is a replica"
    )]
    #[case(
        "ID :7001@17001 myself,master - 0 0 0 connected\n1111111111111111111111111111111111111111 10.0.0.2:7002@17002 master - 0 0 0 connected\n",
        0,
        "it already knows another node, 10.0.0.2:7002"
    )]
    fn anything_else_is_not(#[case] nodes: &str, #[case] keys: i64, #[case] why: &str) {
        let error = judged(&nodes.replace("ID", ID), Reply::Int(keys)).unwrap_err();
        assert_eq!(
            error,
            AdminError::NotFresh {
                node: NodeName::new("redis-1"),
                why: why.into()
            }
        );
    }

    #[test]
    fn loading_is_waited_out_and_other_errors_are_not() {
        let loading = Reply::Error("LOADING Redis is loading the dataset in memory".into());
        assert_eq!(judged("", loading), Ok(None));
        let disabled = Reply::Error("ERR This instance has cluster support disabled".into());
        let error = fresh_id(NodeName::new("redis-1"), &[disabled, Reply::Int(0)]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "redis-1 refused CLUSTER NODES: ERR This instance has cluster support disabled"
        );
    }

    #[test]
    fn slots_are_added_by_ranges_or_one_by_one() {
        let slots: SlotSet = "0-2 7".parse().unwrap();
        assert_eq!(
            add_slots_range(&slots).join(" "),
            "CLUSTER ADDSLOTSRANGE 0 2 7 7"
        );
        assert_eq!(add_slots(&slots).join(" "), "CLUSTER ADDSLOTS 0 1 2 7");
    }
}
