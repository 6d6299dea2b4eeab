//! Making a node that was used as good as one that was just started, over RESP alone.
//!
//! What a reset can't undo, a caller has to know of: what was written to files other than the dump, modules, users, whatever
//! `DEBUG` did. What remains of a node's life are its counts of bytes: the replication offset goes on from where it was, and so
//! does the backlog; the counts of the cluster bus and the peaks of memory stay too. See `tests/admin_reset.rs` for the whole list.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::task::JoinSet;

use super::AdminError;
use super::agreement::POLL;
use super::deadline::Deadline;
use super::fresh::fresh_id;
use super::settings::{QUESTION, Settings};
use crate::cluster::{ClusterInfo, Info, NodeName, Reply};
use crate::resp::{AddressBook, Client};

/// How long one exchange with a node may take. To empty a large one takes its time.
const EXCHANGE: Duration = Duration::from_secs(3);

/// What is done, in this order. A node that is a replica refuses to be emptied, and one that has keys refuses to be reset: so both are
/// tried before and after.
const COMMANDS: &[&[&str]] = &[
    // Whoever still waits for something, watches keys or listens.
    &["CLIENT", "KILL", "TYPE", "normal"],
    &["CLIENT", "KILL", "TYPE", "pubsub"],
    &["FLUSHALL"],
    &["CLUSTER", "RESET", "HARD"],
    &["FLUSHALL"],
    &["SCRIPT", "FLUSH"],
    &["FUNCTION", "FLUSH"],
    // A replica keeps what it got at its first synchronisation in a file, from which it would be filled when it is started again.
    &["SAVE"],
    &["SLOWLOG", "RESET"],
    &["LATENCY", "RESET"],
    &["ACL", "LOG", "RESET"],
    &["CONFIG", "RESETSTAT"],
];

/// What is asked then, to see whether it is done.
const QUESTIONS: &[&[&str]] = &[
    &["CLUSTER", "NODES"],
    &["DBSIZE"],
    &["CLUSTER", "INFO"],
    &["INFO"],
    &QUESTION,
    &["CLUSTER", "MYSHARDID"],
];

/// Fields of INFO that say what a fresh node says. A server that has no such field says nothing against it.
const FRESH_FIELDS: [(&str, &str); 10] = [
    ("role", "master"),
    ("connected_slaves", "0"),
    ("loading", "0"),
    ("blocked_clients", "0"),
    ("pubsub_channels", "0"),
    ("pubsub_patterns", "0"),
    ("number_of_cached_scripts", "0"),
    ("number_of_functions", "0"),
    ("rdb_bgsave_in_progress", "0"),
    ("rdb_changes_since_last_save", "0"),
];

/// Resets nodes, all at the same time, so that [`create_of`](super::create_of) takes each for a fresh one: it has no keys, scripts,
/// functions and clients, knows no other node, owns no slot, has a new id and an epoch of 0, and its settings are those that it is
/// to have: those named, or those that it has now.
///
/// Returns, for each, the settings that it has, or why it is not as good as new. Such a node may be in any state.
pub async fn reset(
    book: &AddressBook,
    nodes: BTreeMap<NodeName, Option<Settings>>,
    limit: Duration,
) -> BTreeMap<NodeName, Result<Settings, AdminError>> {
    let until = Deadline::after(limit, book);
    let mut results = BTreeMap::new();
    let mut resetting = JoinSet::new();
    for (name, start) in nodes {
        let Some(address) = book.get(&name) else {
            let why = format!("there is no node {name} in this environment");
            results.insert(name, Err(AdminError::Impossible { why }));
            continue;
        };
        // A task that ends without a word leaves this.
        let why = "its reset came to no end".to_owned();
        let node = name.clone();
        results.insert(name.clone(), Err(AdminError::NotFresh { node, why }));
        let client = Client::new(address.clone(), EXCHANGE);
        let until = until.clone();
        resetting.spawn(async move { (name, reset_one(&client, start, &until).await) });
    }
    let mut shards = BTreeSet::new();
    while let Some(done) = resetting.join_next().await {
        let Ok((name, done)) = done else { continue };
        let result = done.and_then(|(settings, shard)| {
            // A replica has its master's shard id; a server that leaves it that would show two masters as one shard.
            if shard.is_some_and(|shard| !shards.insert(shard)) {
                let why = "it has the shard id of another".to_owned();
                let node = name.clone();
                return Err(AdminError::NotFresh { node, why });
            }
            Ok(settings)
        });
        results.insert(name, result);
    }
    results
}

/// Resets a node, again and again until it looks fresh: others that are still being reset let go of it only then.
async fn reset_one(
    client: &Client,
    start: Option<Settings>,
    until: &Deadline,
) -> Result<(Settings, Option<String>), AdminError> {
    let refused = |command: String, reply: String| AdminError::Refused {
        node: client.address().name.clone(),
        command,
        reply,
    };
    let asking = until.hold();
    let now = Settings::read(&client.call(&QUESTION).await?)
        .map_err(|why| refused(QUESTION.join(" "), why))?;
    let start = start.unwrap_or_else(|| now.clone());
    // First of all: a setting may keep a node from being emptied.
    let way_back = now.way_back(&start);
    let commands: Vec<Vec<&str>> = way_back
        .iter()
        .map(|(name, value)| vec!["CONFIG", "SET", *name, *value])
        .collect();
    for (command, reply) in commands.iter().zip(client.pipeline(&commands).await?) {
        if let Reply::Error(error) = reply {
            return Err(refused(command.join(" "), error));
        }
    }
    drop(asking);
    loop {
        let asking = until.hold();
        let attempted = attempt(client, &start).await?;
        drop(asking);
        let not_yet = match attempted {
            Ok(shard) => return Ok((start, shard)),
            Err(why) => why,
        };
        if until.is_past_in(POLL) {
            let node = client.address().name.clone();
            return Err(AdminError::NotFresh { node, why: not_yet });
        }
        until.pause(POLL).await;
    }
}

/// One attempt. The shard id of a node that is as good as new, where it has one; or what it still has of its old life.
async fn attempt(
    client: &Client,
    start: &Settings,
) -> Result<Result<Option<String>, String>, AdminError> {
    let all: Vec<Vec<&str>> = COMMANDS
        .iter()
        .chain(QUESTIONS)
        .map(|words| words.to_vec())
        .collect();
    let replies = client.pipeline(&all).await?;
    let (done, answers) = replies.split_at(COMMANDS.len().min(replies.len()));
    for (command, reply) in COMMANDS.iter().zip(done) {
        if let Reply::Error(error) = reply
            && !is_harmless(command, error)
        {
            return Ok(Err(format!("it refused {}: {error}", command.join(" "))));
        }
    }
    Ok(match fresh_id(client.address().name.clone(), answers) {
        Ok(Some(_)) => match old_traces(answers, start) {
            None => Ok(answers.get(5).and_then(shard_id)),
            Some(trace) => Err(trace),
        },
        Ok(None) => Err("it is still loading its data".to_owned()),
        Err(AdminError::NotFresh { why, .. }) => Err(why),
        Err(other) => return Err(other),
    })
}

/// Whether an error of a command says that there was nothing to do.
fn is_harmless(command: &[&str], error: &str) -> bool {
    match command {
        // A replica's: it is emptied when it is reset, and again after that.
        ["FLUSHALL"] => error.starts_with("READONLY"),
        // Servers before 7.0 have no functions.
        ["FUNCTION", ..] => error.to_ascii_lowercase().contains("unknown command"),
        _ => false,
    }
}

/// What a node still has of its old life, beyond what `fresh_id` looks at.
fn old_traces(answers: &[Reply], start: &Settings) -> Option<String> {
    let text = |at: usize| answers.get(at).and_then(Reply::as_text).unwrap_or_default();
    let info = match ClusterInfo::parse(&text(2)) {
        Ok(info) => info,
        Err(error) => return Some(error.to_string()),
    };
    let numbers = [
        ("cluster_known_nodes", u64::from(info.known_nodes), 1),
        ("cluster_slots_assigned", u64::from(info.slots_assigned), 0),
        ("cluster_current_epoch", info.current_epoch, 0),
        ("cluster_my_epoch", info.my_epoch, 0),
    ];
    if let Some((field, is, _)) = numbers.iter().find(|(_, is, fresh)| is != fresh) {
        return Some(format!("it says {field}:{is}"));
    }
    let info = match Info::parse(&text(3)) {
        Ok(info) => info,
        Err(error) => return Some(error.to_string()),
    };
    let says_otherwise = FRESH_FIELDS
        .iter()
        .find_map(|(field, fresh)| Some((field, info.get(field).filter(|is| is != fresh)?)));
    if let Some((field, is)) = says_otherwise {
        return Some(format!("it says {field}:{is}"));
    }
    let now = match Settings::read(answers.get(4).unwrap_or(&Reply::Nil)) {
        Ok(now) => now,
        Err(why) => return Some(why),
    };
    let (name, wanted) = *now.way_back(start).first()?;
    Some(format!(
        "its {name} is {:?} and not {wanted:?}",
        now.get(name).unwrap_or_default()
    ))
}

/// The shard id; `None` where the server knows none.
fn shard_id(reply: &Reply) -> Option<String> {
    match reply {
        Reply::Bulk(_) | Reply::Status(_) => reply.as_text().map(|id| id.into_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn bulk(text: &str) -> Reply {
        Reply::Bulk(text.as_bytes().to_vec())
    }

    fn settings(hz: &str) -> Settings {
        Settings::read(&Reply::Array(vec![bulk("hz"), bulk(hz)])).unwrap()
    }

    const CLUSTER: &str = "cluster_state:fail\r\ncluster_slots_assigned:0\r\ncluster_slots_ok:0\r\ncluster_slots_pfail:0\r\n\
        cluster_slots_fail:0\r\ncluster_known_nodes:1\r\ncluster_size:0\r\ncluster_current_epoch:0\r\ncluster_my_epoch:0\r\n";
    const INFO: &str = "# Replication\r\nrole:master\r\nconnected_slaves:0\r\n# Memory\r\nnumber_of_cached_scripts:0\r\n";

    fn traces(cluster: &str, info: &str, hz: &str) -> Option<String> {
        let config = Reply::Array(vec![bulk("hz"), bulk(hz)]);
        let answers = [
            bulk(""),
            Reply::Int(0),
            bulk(cluster),
            bulk(info),
            config,
            bulk("shard"),
        ];
        old_traces(&answers, &settings("10"))
    }

    #[test]
    fn a_node_that_was_just_started_has_no_traces() {
        assert_eq!(traces(CLUSTER, INFO, "10"), None);
    }

    #[rstest]
    #[case(
        "current_epoch:0",
        "current_epoch:7",
        "it says cluster_current_epoch:7"
    )]
    #[case("my_epoch:0", "my_epoch:7", "it says cluster_my_epoch:7")]
    #[case("known_nodes:1", "known_nodes:2", "it says cluster_known_nodes:2")]
    #[case(
        "slots_assigned:0",
        "slots_assigned:5",
        "it says cluster_slots_assigned:5"
    )]
    #[case(
        "connected_slaves:0",
        "connected_slaves:1",
        "it says connected_slaves:1"
    )]
    #[case(
        "cached_scripts:0",
        "cached_scripts:3",
        "it says number_of_cached_scripts:3"
    )]
    #[case("role:master", "role:slave", "it says role:slave")]
    fn every_trace_of_an_old_life_is_seen(
        #[case] fresh: &str,
        #[case] old: &str,
        #[case] said: &str,
    ) {
        let seen = traces(
            &CLUSTER.replace(fresh, old),
            &INFO.replace(fresh, old),
            "10",
        );
        assert_eq!(seen.as_deref(), Some(said));
    }

    #[test]
    fn a_setting_that_is_not_as_it_was_is_seen() {
        assert_eq!(
            traces(CLUSTER, INFO, "50").as_deref(),
            Some(r#"its hz is "50" and not "10""#)
        );
    }

    #[rstest]
    #[case(&["FLUSHALL"], "READONLY You can't write against a read only replica.", true)]
    #[case(&["FLUSHALL"], "NOREPLICAS Not enough good replicas to write.", false)]
    #[case(&["FUNCTION", "FLUSH"], "ERR unknown command `FUNCTION`, with args beginning with: `FLUSH`, ", true)]
    #[case(&["FUNCTION", "FLUSH"], "BUSY Redis is busy running a script.", false)]
    #[case(&["SAVE"], "ERR Background save already in progress", false)]
    fn only_an_error_that_says_that_nothing_was_to_be_done_is_harmless(
        #[case] command: &[&str],
        #[case] error: &str,
        #[case] harmless: bool,
    ) {
        assert_eq!(is_harmless(command, error), harmless);
    }
}
