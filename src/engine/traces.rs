//! What a lab's commands leave on a node beyond what a reset undoes. A node is used again only if all that was done to it is known
//! to be undone: of a command that is not in the lists here nobody knows that.

use crate::cluster::NodeName;
use crate::lab::action::{Action, NodeChange, RedisCliCall};
use crate::lab::environment::CourseNode;

/// What is left of something that was done to a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trace {
    /// Nothing that a reset does not undo.
    Undone,
    /// Settings may be others than at the node's start. They can be set back where it is known what they were.
    Settings,
    /// Something that stays, as a reason why the node has to be made anew.
    Lasting(String),
}

/// The nodes that something was done to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Touched {
    These(Vec<NodeName>),
    /// Every node of the environment, or any.
    All,
}

/// What an action leaves, and where. Which nodes are there is not known here: `up` is taken to change nothing on a node that runs,
/// and the end of a node is seen by its life.
pub(super) fn of_action(action: &Action) -> (Touched, Trace) {
    match action {
        Action::Nodes { change, nodes } => {
            let what = match change {
                NodeChange::Up | NodeChange::Remove => None,
                NodeChange::Start => Some("started"),
                NodeChange::Stop => Some("stopped"),
                NodeChange::Kill => Some("killed"),
                NodeChange::Pause => Some("paused"),
                NodeChange::Unpause => Some("unpaused"),
                NodeChange::Restart => Some("restarted"),
            };
            let trace = what.map_or(Trace::Undone, |what| {
                Trace::Lasting(format!("it was {what}"))
            });
            (Touched::These(nodes.clone()), trace)
        }
        Action::Links { node, .. } => (
            Touched::These(vec![node.clone()]),
            Trace::Lasting("its links were changed".to_owned()),
        ),
        Action::RedisCli(call) => of_call(call),
        // The database is made anew for every lab that has one.
        Action::Psql(_) => (Touched::These(Vec::new()), Trace::Undone),
        // It reads and writes keys and runs scripts, and sets nothing.
        Action::App(_) => (Touched::All, Trace::Undone),
    }
}

fn of_call(call: &RedisCliCall) -> (Touched, Trace) {
    let words: Vec<&str> = call.words.iter().map(String::as_str).collect();
    if call.cluster_mode {
        return (Touched::All, of_cluster_command(&words));
    }
    let trace = if words.is_empty() {
        let typed_in = call.stdin.as_deref().unwrap_or_default();
        // With `--scan` and its like, which only read, nothing is typed in.
        typed_in.lines().map(of_line).max().unwrap_or(Trace::Undone)
    } else {
        of_command(&words)
    };
    let host = call.host.as_deref().and_then(CourseNode::at_host);
    let node = host.or_else(|| call.port.and_then(CourseNode::on_port));
    // Where a redirection leads is not known.
    let follows = call.options.iter().any(|option| option == "-c");
    match node {
        Some(node) if !follows => (Touched::These(vec![node.name()]), trace),
        _ => (Touched::All, trace),
    }
}

/// `redis-cli --cluster …`. All of them do to nodes what `CLUSTER` and `MIGRATE` do.
fn of_cluster_command(words: &[&str]) -> Trace {
    match words {
        [
            "create" | "check" | "info" | "fix" | "reshard" | "rebalance" | "add-node" | "del-node"
            | "import",
            ..,
        ] => Trace::Undone,
        ["call", _, command @ ..] => of_command(command),
        _ => lasting(&["--cluster", words.first().copied().unwrap_or_default()]),
    }
}

/// A line that redis-cli reads. It may begin with how often the command is to be sent.
fn of_line(line: &str) -> Trace {
    let words: Vec<&str> = line.split_whitespace().collect();
    match &words[..] {
        [] => Trace::Undone,
        [times, command @ ..] if times.bytes().all(|byte| byte.is_ascii_digit()) => {
            of_command(command)
        }
        command => of_command(command),
    }
}

/// One command of Redis.
fn of_command(words: &[&str]) -> Trace {
    let upper: Vec<String> = words
        .iter()
        .take(2)
        .map(|word| word.to_ascii_uppercase())
        .collect();
    let (name, sub) = (
        upper.first().map_or("", String::as_str),
        upper.get(1).map_or("", String::as_str),
    );
    let is_in = |list: &str, word: &str| list.split_whitespace().any(|known| known == word);
    if is_in(UNDONE, name) {
        return Trace::Undone;
    }
    if (name, sub) == ("CONFIG", "SET") {
        // Names and values by turns.
        let names = words.iter().skip(2).step_by(2);
        let files = |name: &&str| is_in(OF_FILES, &name.to_ascii_lowercase());
        return names
            .copied()
            .find(files)
            .map_or(Trace::Settings, |name| lasting(&["CONFIG SET", name]));
    }
    let known = UNDONE_PARTS
        .iter()
        .find(|(container, _)| *container == name)
        .is_some_and(|(_, parts)| is_in(parts, sub));
    if known {
        return Trace::Undone;
    }
    let grouped = UNDONE_PARTS.iter().any(|(container, _)| *container == name)
        || ["DEBUG", "MODULE"].contains(&name);
    if grouped && !sub.is_empty() {
        lasting(&[name, sub])
    } else {
        lasting(&[name])
    }
}

fn lasting(words: &[&str]) -> Trace {
    Trace::Lasting(format!("it was sent {}", words.join(" ")))
}

/// Commands that read, that write keys, or whose effect ends with the connection; and those whose effect is on scripts, functions,
/// the slow log and the latency log, which are emptied.
const UNDONE: &str = "
    APPEND BITCOUNT BITFIELD BITFIELD_RO BITOP BITPOS BLMOVE BLMPOP BLPOP BRPOP BRPOPLPUSH BZMPOP BZPOPMAX BZPOPMIN COPY DECR
    DECRBY DEL DELEX DELIFEQ DIGEST DUMP EXISTS EXPIRE EXPIREAT EXPIRETIME FLUSHALL FLUSHDB GEOADD GEODIST GEOHASH GEOPOS
    GEORADIUS GEORADIUS_RO GEORADIUSBYMEMBER GEORADIUSBYMEMBER_RO GEOSEARCH GEOSEARCHSTORE GET GETBIT GETDEL GETEX GETRANGE
    GETSET HDEL HEXISTS HEXPIRE HEXPIREAT HEXPIRETIME HGET HGETALL HGETDEL HGETEX HINCRBY HINCRBYFLOAT HKEYS HLEN HMGET HMSET
    HPERSIST HPEXPIRE HPEXPIREAT HPEXPIRETIME HPTTL HRANDFIELD HSCAN HSET HSETEX HSETNX HSTRLEN HTTL HVALS INCR INCRBY
    INCRBYFLOAT KEYS LCS LINDEX LINSERT LLEN LMOVE LMPOP LPOP LPOS LPUSH LPUSHX LRANGE LREM LSET LTRIM MGET MIGRATE MOVE MSET
    MSETEX MSETNX OBJECT PERSIST PEXPIRE PEXPIREAT PEXPIRETIME PFADD PFCOUNT PFMERGE PSETEX PTTL RANDOMKEY RENAME RENAMENX
    RESTORE RESTORE-ASKING RPOP RPOPLPUSH RPUSH RPUSHX SADD SCAN SCARD SDIFF SDIFFSTORE SET SETBIT SETEX SETNX SETRANGE SINTER
    SINTERCARD SINTERSTORE SISMEMBER SMEMBERS SMISMEMBER SMOVE SORT SORT_RO SPOP SRANDMEMBER SREM SSCAN STRLEN SUBSTR SUNION
    SUNIONSTORE TOUCH TTL TYPE UNLINK XACK XACKDEL XADD XAUTOCLAIM XCLAIM XDEL XDELEX XGROUP XINFO XLEN XPENDING XRANGE XREAD
    XREADGROUP XREVRANGE XSETID XTRIM ZADD ZCARD ZCOUNT ZDIFF ZDIFFSTORE ZINCRBY ZINTER ZINTERCARD ZINTERSTORE ZLEXCOUNT ZMPOP
    ZMSCORE ZPOPMAX ZPOPMIN ZRANDMEMBER ZRANGE ZRANGEBYLEX ZRANGEBYSCORE ZRANGESTORE ZRANK ZREM ZREMRANGEBYLEX ZREMRANGEBYRANK
    ZREMRANGEBYSCORE ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE ZREVRANK ZSCAN ZSCORE ZUNION ZUNIONSTORE
    EVAL EVALSHA EVAL_RO EVALSHA_RO FCALL FCALL_RO FUNCTION
    ASKING AUTH COMMAND DBSIZE DISCARD ECHO EXEC HELLO INFO LASTSAVE LATENCY LOLWUT MEMORY MONITOR MULTI PING PSUBSCRIBE PUBLISH
    PUBSUB PUNSUBSCRIBE QUIT READONLY READWRITE RESET ROLE SELECT SLOWLOG SPUBLISH SSUBSCRIBE SUBSCRIBE SUNSUBSCRIBE TIME
    UNSUBSCRIBE UNWATCH WAIT WAITAOF WATCH";

/// The same of commands of which not every part is undone.
const UNDONE_PARTS: &[(&str, &str)] = &[
    (
        "ACL",
        "CAT DRYRUN GENPASS GETUSER HELP LIST LOG USERS WHOAMI",
    ),
    (
        "CLIENT",
        "CACHING CAPA GETNAME GETREDIR HELP ID IMPORT-SOURCE INFO KILL LIST NO-EVICT NO-TOUCH REPLY SETINFO SETNAME TRACKING \
         TRACKINGINFO UNBLOCK",
    ),
    (
        "CLUSTER",
        "ADDSLOTS ADDSLOTSRANGE BUMPEPOCH COUNT-FAILURE-REPORTS COUNTKEYSINSLOT DELSLOTS DELSLOTSRANGE FAILOVER FLUSHSLOTS \
         FORGET GETKEYSINSLOT HELP INFO KEYSLOT LINKS MEET MYID MYSHARDID NODES REPLICAS REPLICATE RESET SAVECONFIG \
         SET-CONFIG-EPOCH SETSLOT SHARDS SLAVES SLOT-STATS SLOTS",
    ),
    ("CONFIG", "GET HELP RESETSTAT"),
    ("MODULE", "HELP LIST"),
    ("SCRIPT", "EXISTS FLUSH HELP KILL LOAD"),
];

/// Settings by which a server writes to files that a reset does not know of.
const OF_FILES: &str = "aclfile appenddirname appendfilename appendonly dbfilename dir logfile";

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::lab::line::{Line, Task};

    /// What a `run` line leaves.
    fn left(line: &str) -> (Touched, Trace) {
        let filled = Line::parse(line)
            .unwrap()
            .fill(|_| Ok(String::new()))
            .unwrap();
        match filled.task {
            Task::Action(action) => of_action(&action),
            other => panic!("{other:?}"),
        }
    }

    fn these(names: &[&str]) -> Touched {
        Touched::These(names.iter().map(|name| NodeName::new(*name)).collect())
    }

    #[rstest]
    #[case("redis-cli -p 7002 SET key value")]
    #[case("redis-cli -p 7002 get key")]
    #[case("redis-cli -p 7002 INFO replication")]
    #[case("redis-cli -p 7002 CLUSTER NODES")]
    #[case("redis-cli -p 7002 cluster failover force")]
    #[case("redis-cli -p 7002 CLUSTER RESET SOFT")]
    #[case("redis-cli -p 7002 EVAL 'return 1' 0")]
    #[case("redis-cli -p 7002 SCRIPT LOAD 'return 1'")]
    #[case("redis-cli -p 7002 CONFIG GET maxmemory")]
    #[case("redis-cli -p 7002 CONFIG RESETSTAT")]
    #[case("redis-cli -p 7002 CLIENT LIST")]
    #[case("redis-cli -p 7002 ACL WHOAMI")]
    #[case("redis-cli -p 7002 --scan --pattern '*'")]
    #[case("docker compose up -d redis-2")]
    fn a_reset_undoes_what_is_read_and_what_is_written_to_keys(#[case] line: &str) {
        assert_eq!(left(line), (these(&["redis-2"]), Trace::Undone));
    }

    #[rstest]
    #[case("redis-cli -p 7002 CONFIG SET maxmemory 1mb", Trace::Settings)]
    #[case("redis-cli -p 7002 config set hz 50 maxmemory 1mb", Trace::Settings)]
    #[case("redis-cli -p 7002 CONFIG SET hz 50 AppendOnly yes", Trace::Lasting("it was sent CONFIG SET AppendOnly".into()))]
    #[case("redis-cli -p 7002 CONFIG SET dir /tmp", Trace::Lasting("it was sent CONFIG SET dir".into()))]
    // The value of a setting may have the name of another.
    #[case(
        "redis-cli -p 7002 CONFIG SET cluster-announce-hostname dir",
        Trace::Settings
    )]
    fn settings_can_be_set_back_unless_they_are_about_files(
        #[case] line: &str,
        #[case] trace: Trace,
    ) {
        assert_eq!(left(line), (these(&["redis-2"]), trace));
    }

    #[rstest]
    #[case("redis-cli -p 7002 DEBUG SLEEP 1", "it was sent DEBUG SLEEP")]
    #[case(
        "redis-cli -p 7002 debug set-active-expire 0",
        "it was sent DEBUG SET-ACTIVE-EXPIRE"
    )]
    #[case("redis-cli -p 7002 MODULE LOAD /x.so", "it was sent MODULE LOAD")]
    #[case("redis-cli -p 7002 ACL SETUSER bob on", "it was sent ACL SETUSER")]
    #[case("redis-cli -p 7002 CONFIG REWRITE", "it was sent CONFIG REWRITE")]
    #[case("redis-cli -p 7002 CLIENT PAUSE 1000", "it was sent CLIENT PAUSE")]
    #[case("redis-cli -p 7002 SCRIPT DEBUG YES", "it was sent SCRIPT DEBUG")]
    #[case("redis-cli -p 7002 CLUSTER MIGRATION", "it was sent CLUSTER MIGRATION")]
    #[case("redis-cli -p 7002 SHUTDOWN NOSAVE", "it was sent SHUTDOWN")]
    #[case("redis-cli -p 7002 BGREWRITEAOF", "it was sent BGREWRITEAOF")]
    #[case("redis-cli -p 7002 BGSAVE", "it was sent BGSAVE")]
    // A command of a module, or one that is newer than this list.
    #[case("redis-cli -p 7002 JSON.SET doc $ 1", "it was sent JSON.SET")]
    #[case("redis-cli -p 7002 TSUNAMI", "it was sent TSUNAMI")]
    // Part of a command only by what follows it.
    #[case("redis-cli -p 7002 CONFIG", "it was sent CONFIG")]
    #[case("docker stop redis-2", "it was stopped")]
    #[case("docker kill redis-2", "it was killed")]
    #[case("docker start redis-2", "it was started")]
    #[case("docker restart redis-2", "it was restarted")]
    #[case("docker pause redis-2", "it was paused")]
    #[case("docker unpause redis-2", "it was unpaused")]
    #[case("docker network disconnect cluster redis-2", "its links were changed")]
    #[case("docker network connect cluster redis-2", "its links were changed")]
    fn what_is_not_known_to_be_undone_lasts(#[case] line: &str, #[case] why: &str) {
        assert_eq!(
            left(line),
            (these(&["redis-2"]), Trace::Lasting(why.to_owned()))
        );
    }

    #[rstest]
    #[case("redis-cli -c -p 7002 JSON.SET doc $ 1", "it was sent JSON.SET")]
    #[case(
        "redis-cli --cluster call 127.0.0.1:7002 DEBUG SLEEP 1",
        "it was sent DEBUG SLEEP"
    )]
    #[case(
        "redis-cli --cluster set-timeout 127.0.0.1:7002 5000",
        "it was sent --cluster set-timeout"
    )]
    fn where_a_command_went_is_not_always_known(#[case] line: &str, #[case] why: &str) {
        assert_eq!(left(line), (Touched::All, Trace::Lasting(why.to_owned())));
    }

    #[rstest]
    #[case("./app create-event --name e --seats 10")]
    #[case("redis-cli --cluster check 127.0.0.1:7002")]
    #[case("redis-cli --cluster add-node 127.0.0.1:7008 127.0.0.1:7007")]
    #[case("redis-cli --cluster call 127.0.0.1:7002 PING")]
    fn what_writes_keys_or_moves_slots_is_undone(#[case] line: &str) {
        assert_eq!(left(line), (Touched::All, Trace::Undone));
    }

    #[rstest]
    #[case("PING\nSET a 1\n\n5 INCR a\n", Trace::Undone)]
    #[case("PING\nCONFIG SET hz 50\n", Trace::Settings)]
    #[case("CONFIG SET hz 50\n3 debug sleep 1\nGET a\n", Trace::Lasting("it was sent DEBUG SLEEP".into()))]
    #[case("'CONFIG' GET hz\n", Trace::Lasting("it was sent 'CONFIG'".into()))]
    fn what_is_typed_in_counts_line_by_line(#[case] stdin: &str, #[case] trace: Trace) {
        let call = RedisCliCall {
            port: Some(7002),
            stdin: Some(stdin.to_owned()),
            ..RedisCliCall::default()
        };
        assert_eq!(
            of_action(&Action::RedisCli(call)),
            (these(&["redis-2"]), trace)
        );
    }
}
