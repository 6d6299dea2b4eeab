//! What a sequence has left behind in databases 0 and 1.

use crate::frame::Frame;
use crate::generated::form::Command;
use crate::generated::sequence::exchange;
use crate::pair::{Problem, Twin, check};

/// Keys that forms use.
const KEYS: [&str; 7] = ["k0", "k1", "k2", "k3", "k4", "z0", "z1"];

const DATABASES: [&str; 2] = ["0", "1"];

/// The first question that the two answer in different ways, with the SELECT before it.
pub fn compare(twin: &mut Twin) -> Result<(), (Vec<Command>, Problem)> {
    for database in DATABASES {
        let select = Command::new("", &["SELECT", database]);
        let mut questions = vec![
            select.clone(),
            // Before DBSIZE: it looks at every key, so that none is counted that has expired.
            Command::new("@unordered", &["KEYS", "*"]),
            Command::new("", &["DBSIZE"]),
        ];
        for key in KEYS {
            questions.push(Command::new("", &["TYPE", key]));
            questions.push(Command::new("", &["OBJECT", "ENCODING", key]));
            questions.push(Command::new("@within:5000", &["PTTL", key]));
        }
        let replies = ask(twin, &select, &questions)?;
        let of_keys = replies[questions.len() - 3 * KEYS.len()..].chunks(3);
        let mut contents = Vec::new();
        for (key, about) in KEYS.iter().zip(of_keys) {
            contents.extend(content(key, &about[0].payload, &about[1].payload));
        }
        ask(twin, &select, &contents)?;
    }
    Ok(())
}

/// What shows all that is in a value.
fn content(key: &str, kind: &[u8], encoding: &[u8]) -> Vec<Command> {
    let hashed = if encoding == b"hashtable" {
        "@unordered"
    } else {
        ""
    };
    match kind {
        b"string" => vec![Command::new("", &["GET", key])],
        b"list" => vec![Command::new("", &["LRANGE", key, "0", "-1"])],
        b"hash" => {
            // In RESP2 the pairs come in one array.
            let hashed = if hashed.is_empty() {
                ""
            } else {
                "@unordered:2"
            };
            vec![Command::new(hashed, &["HGETALL", key])]
        }
        b"set" => vec![Command::new(hashed, &["SMEMBERS", key])],
        b"zset" => vec![Command::new("", &["ZRANGE", key, "0", "-1", "WITHSCORES"])],
        b"stream" => vec![
            Command::new("", &["XRANGE", key, "-", "+"]),
            Command::new("", &["XINFO", "GROUPS", key]),
        ],
        _ => Vec::new(),
    }
}

/// What the real server answers.
fn ask(
    twin: &mut Twin,
    select: &Command,
    questions: &[Command],
) -> Result<Vec<Frame>, (Vec<Command>, Problem)> {
    let replies = exchange(twin, questions).map_err(|problem| (questions.to_vec(), problem))?;
    for (question, (real, double)) in questions.iter().zip(&replies) {
        check(real, double, &question.declared.varies)
            .map_err(|problem| (vec![select.clone(), question.clone()], problem))?;
    }
    Ok(replies.into_iter().map(|(real, _)| real).collect())
}
