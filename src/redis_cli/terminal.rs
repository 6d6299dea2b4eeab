//! What a call of redis-cli that went into a pipe would have looked like on a terminal.
//!
//! In a pipe redis-cli prints bare values; on a terminal it says of what type each is. Which type a command answers with is known, so one can
//! be told from the other. Held against the real redis-cli by `tests/redis_cli`.

use super::format::{Delimiters, Style};
use super::session::is_report;
use super::value::Value;

/// What a command answers with when it succeeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Status,
    Integer,
    /// A text, or nothing.
    Text,
    /// A list of texts.
    Texts,
    /// What CLUSTER SLOTS has.
    Slots,
}

/// Commands by what they answer with, in small letters; of a command with subcommands both words.
const ANSWERS: [(Answer, &[&str]); 5] = [
    (
        Answer::Status,
        &[
            "asking",
            "auth",
            "cluster addslots",
            "cluster addslotsrange",
            "cluster delslots",
            "cluster failover",
            "cluster flushslots",
            "cluster forget",
            "cluster meet",
            "cluster replicate",
            "cluster reset",
            "cluster saveconfig",
            "cluster setslot",
            "config resetstat",
            "config rewrite",
            "config set",
            "flushall",
            "flushdb",
            "hmset",
            "lset",
            "ltrim",
            "mset",
            "ping",
            "psetex",
            "readonly",
            "readwrite",
            "rename",
            "select",
            "set",
            "setex",
            "type",
            "xgroup create",
        ],
    ),
    (
        Answer::Integer,
        &[
            "append",
            "cluster count-failure-reports",
            "cluster countkeysinslot",
            "cluster keyslot",
            "dbsize",
            "decr",
            "decrby",
            "del",
            "exists",
            "expire",
            "hdel",
            "hexists",
            "hincrby",
            "hlen",
            "hset",
            "hsetnx",
            "incr",
            "incrby",
            "lastsave",
            "linsert",
            "llen",
            "lpush",
            "lrem",
            "persist",
            "pexpire",
            "pttl",
            "publish",
            "rpush",
            "sadd",
            "scard",
            "setnx",
            "sismember",
            "srem",
            "strlen",
            "touch",
            "ttl",
            "unlink",
            "wait",
            "xack",
            "xdel",
            "xlen",
            "xtrim",
            "zadd",
            "zcard",
            "zcount",
            "zrem",
        ],
    ),
    (
        Answer::Text,
        &[
            "cluster myid",
            "echo",
            "get",
            "getdel",
            "getrange",
            "getset",
            "hget",
            "incrbyfloat",
            "lindex",
            "lpop",
            "object encoding",
            "rpop",
            "spop",
            "xadd",
            "zscore",
        ],
    ),
    (
        Answer::Texts,
        &[
            "cluster getkeysinslot",
            "cluster replicas",
            "cluster slaves",
            "config get",
            "hgetall",
            "hkeys",
            "hmget",
            "hvals",
            "keys",
            "lrange",
            "mget",
            "smembers",
            "zrange",
        ],
    ),
    (Answer::Slots, &["cluster slots"]),
];

/// Options with which redis-cli prints the same in a pipe as on a terminal, or types of another protocol.
const PLAIN: [&str; 7] = [
    "--raw",
    "--no-raw",
    "--csv",
    "--json",
    "--quoted-json",
    "-3",
    "-2",
];

/// What a terminal would have shown of the call of a command (`words`) whose output in a pipe was `piped`. `options` are those before the command.
///
/// `None` where that is not known: the command is none of those in the table, or `piped` is not what it prints.
pub fn on_terminal(options: &[String], words: &[String], piped: &str) -> Option<String> {
    if options
        .iter()
        .any(|option| PLAIN.contains(&option.as_str()))
    {
        return None;
    }
    let bytes: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
    if is_report(&bytes) {
        return Some(piped.to_owned());
    }
    let value = error(piped).or_else(|| success(answer(words)?, piped))?;
    Some(printed(&value))
}

/// The same for commands that stood on standard input, a line each. Only if each of them was answered by one line.
pub fn lines_on_terminal(options: &[String], input: &str, piped: &str) -> Option<String> {
    let commands: Vec<Vec<String>> = input
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.split_whitespace().map(str::to_owned).collect())
        .collect();
    let answers: Vec<&str> = piped.lines().collect();
    if commands.len() != answers.len() {
        return None;
    }
    commands
        .iter()
        .zip(answers)
        .map(|(words, answer)| on_terminal(options, words, &format!("{answer}\n")))
        .collect()
}

fn answer(words: &[String]) -> Option<Answer> {
    let one = words.first()?.to_lowercase();
    let two = words
        .get(1)
        .map(|sub| format!("{one} {}", sub.to_lowercase()));
    let named = |name: &str| {
        ANSWERS
            .iter()
            .find_map(|(answer, names)| names.contains(&name).then_some(*answer))
    };
    // PING and ECHO are answered alike but for this.
    if one == "ping" && words.len() > 1 {
        return Some(Answer::Text);
    }
    two.and_then(|two| named(&two)).or_else(|| named(&one))
}

/// An error ends with an empty line, and begins with its kind in capital letters.
fn error(piped: &str) -> Option<Value> {
    let text = piped.strip_suffix("\n\n")?;
    let kind = text.split(' ').next().unwrap_or_default();
    (kind.len() >= 3 && kind.chars().all(|c| c.is_ascii_uppercase()) && !text.contains('\n'))
        .then(|| Value::Error(text.into()))
}

fn success(answer: Answer, piped: &str) -> Option<Value> {
    let text = piped.strip_suffix('\n')?;
    let or_nil = |line: &str, value: fn(Vec<u8>) -> Value| match line {
        "" => Value::Nil,
        _ => value(line.into()),
    };
    match answer {
        Answer::Status => (!text.contains('\n')).then(|| or_nil(text, Value::Status)),
        Answer::Integer => text.parse().ok().map(Value::Integer),
        Answer::Text => Some(or_nil(text, Value::Text)),
        Answer::Texts if text.is_empty() => Some(Value::Array(Vec::new())),
        Answer::Texts => Some(Value::Array(
            text.split('\n')
                .map(|line| or_nil(line, Value::Text))
                .collect(),
        )),
        Answer::Slots => slots(text),
    }
}

/// `CLUSTER SLOTS`: two numbers, then four lines a node.
fn slots(text: &str) -> Option<Value> {
    let number = |line: &str| line.parse().ok().map(Value::Integer);
    let mut lines = text.split('\n').peekable();
    let mut ranges = Vec::new();
    while lines.peek().is_some_and(|line| !line.is_empty()) {
        let mut range = vec![number(lines.next()?)?, number(lines.next()?)?];
        // An address has points or colons, or is not known yet; the first slot of the next range is a number.
        while lines
            .peek()
            .is_some_and(|line| line.is_empty() || line.contains(['.', ':']))
        {
            let address = Value::Text(lines.next()?.into());
            let port = number(lines.next()?)?;
            let id = Value::Text(lines.next()?.into());
            // More about a node is in no output of a course's cluster.
            let more = match lines.next() {
                None | Some("") => Value::Array(Vec::new()),
                Some(_) => return None,
            };
            range.push(Value::Array(vec![address, port, id, more]));
        }
        ranges.push(Value::Array(range));
    }
    Some(Value::Array(ranges))
}

fn printed(value: &Value) -> String {
    let delimiters = Delimiters {
        item: b"\n".to_vec(),
        reply: b"\n".to_vec(),
    };
    String::from_utf8_lossy(&Style::Terminal.print(value, &delimiters)).into_owned()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn shown(command: &str, piped: &str) -> Option<String> {
        let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
        on_terminal(&[], &words, piped)
    }

    #[rstest]
    #[case("SET greeting hello", "OK\n", "OK\n")]
    #[case("GET greeting", "hello\n", "\"hello\"\n")]
    #[case("GET nobody", "\n", "(nil)\n")]
    #[case("CLUSTER KEYSLOT user:1", "10778\n", "(integer) 10778\n")]
    #[case(
        "get x",
        "MOVED 478 172.30.0.17:7007\n\n",
        "(error) MOVED 478 172.30.0.17:7007\n"
    )]
    #[case("MGET a b", "Grace\n\n", "1) \"Grace\"\n2) (nil)\n")]
    #[case("INFO stats", "# Stats\r\nx:1\r\n\n", "# Stats\r\nx:1\r\n\n")]
    #[case("PING", "PONG\n", "PONG\n")]
    #[case("PING hello", "hello\n", "\"hello\"\n")]
    #[case("KEYS *", "\n", "(empty array)\n")]
    fn on_a_terminal(#[case] command: &str, #[case] piped: &str, #[case] terminal: &str) {
        assert_eq!(shown(command, piped).as_deref(), Some(terminal));
    }

    #[test]
    fn slots_are_numbered_lists() {
        let piped = "0\n1364\n172.30.0.17\n7007\nabc\n\n172.30.0.18\n7008\ndef\n\n1365\n5460\n172.30.0.11\n7001\nfed\n\n";
        insta::assert_snapshot!(shown("CLUSTER SLOTS", piped).unwrap(), @r#"
        1) 1) (integer) 0
           2) (integer) 1364
           3) 1) "172.30.0.17"
              2) (integer) 7007
              3) "abc"
              4) (empty array)
           4) 1) "172.30.0.18"
              2) (integer) 7008
              3) "def"
              4) (empty array)
        2) 1) (integer) 1365
           2) (integer) 5460
           3) 1) "172.30.0.11"
              2) (integer) 7001
              3) "fed"
              4) (empty array)
        "#);
    }

    #[test]
    fn lines_of_standard_input_one_by_one() {
        let shown = lines_on_terminal(&[], "READONLY\nGET seat:A7\n", "OK\ntaken\n");
        assert_eq!(shown.as_deref(), Some("OK\n\"taken\"\n"));
        assert_eq!(lines_on_terminal(&[], "MGET a b\n", "1\n2\n"), None);
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        assert_eq!(shown("XINFO STREAM x", "length\n1\n"), None);
        assert_eq!(shown("CLUSTER KEYSLOT x", "what?\n"), None);
        assert_eq!(
            on_terminal(
                &["--raw".to_owned()],
                &["GET".to_owned(), "x".to_owned()],
                "1\n"
            ),
            None
        );
    }
}
