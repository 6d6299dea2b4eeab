//! From the client library's values to [`Reply`].

use redis::Value;

use crate::cluster::Reply;

/// One value of the client library as a [`Reply`]. Nothing is lost but what the vocabulary does not tell apart: a set
/// and a push become an array, a verbatim string its text, a big number its digits, and attributes are left out.
pub(crate) fn reply(value: Value) -> Reply {
    match value {
        Value::Nil => Reply::Nil,
        Value::Int(n) => Reply::Int(n),
        Value::Double(n) => Reply::Double(n),
        Value::Boolean(b) => Reply::Bool(b),
        Value::Okay => Reply::Status("OK".into()),
        Value::SimpleString(text) => Reply::Status(text),
        Value::BulkString(bytes) => Reply::Bulk(bytes),
        Value::BigNumber(digits) => Reply::Bulk(digits),
        Value::VerbatimString { text, .. } => Reply::Bulk(text.into_bytes()),
        Value::Array(items) | Value::Set(items) => Reply::Array(replies(items)),
        Value::Push { data, .. } => Reply::Array(replies(data)),
        Value::Map(pairs) => Reply::Map(
            pairs
                .into_iter()
                .map(|(k, v)| (reply(k), reply(v)))
                .collect(),
        ),
        Value::Attribute { data, .. } => reply(*data),
        Value::ServerError(error) => Reply::Error(error_text(&error)),
        // The library may get more kinds of value. A reply of a kind unknown to us is told from an error by its text.
        other => Reply::Status(format!("{other:?}")),
    }
}

fn replies(values: Vec<Value>) -> Vec<Reply> {
    values.into_iter().map(reply).collect()
}

/// The error's text as the server sent it. The library splits it at the first space into code and detail; its own
/// `Display` is worded differently.
fn error_text(error: &redis::ServerError) -> String {
    match error.details() {
        Some(detail) => format!("{} {detail}", error.code()),
        None => error.code().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn parsed(wire: &[u8]) -> Reply {
        reply(redis::parse_redis_value(wire).unwrap())
    }

    #[rstest]
    #[case(b"-MOVED 3999 127.0.0.1:6381\r\n", "MOVED 3999 127.0.0.1:6381")]
    #[case(
        b"-ERR unknown command 'X', with args beginning with: \r\n",
        "ERR unknown command 'X', with args beginning with: "
    )]
    #[case(
        b"-NOREPLICAS Not enough good replicas to write.\r\n",
        "NOREPLICAS Not enough good replicas to write."
    )]
    #[case(b"-BARE\r\n", "BARE")]
    fn an_error_keeps_its_whole_text(#[case] wire: &[u8], #[case] text: &str) {
        assert_eq!(parsed(wire), Reply::Error(text.into()));
    }

    #[rstest]
    #[case(b"+OK\r\n", Reply::Status("OK".into()))]
    #[case(b"+QUEUED\r\n", Reply::Status("QUEUED".into()))]
    #[case(b":-7\r\n", Reply::Int(-7))]
    #[case(b"$-1\r\n", Reply::Nil)]
    #[case(b"*-1\r\n", Reply::Nil)]
    #[case(b"$3\r\na\r\n\r\n", Reply::Bulk(b"a\r\n".to_vec()))]
    #[case(b"=7\r\ntxt:a b\r\n", Reply::Bulk(b"a b".to_vec()))]
    #[case(b"#t\r\n", Reply::Bool(true))]
    #[case(b",1.5\r\n", Reply::Double(1.5))]
    #[case(b"%1\r\n+k\r\n:1\r\n", Reply::Map(vec![(Reply::Status("k".into()), Reply::Int(1))]))]
    #[case(b"~1\r\n:1\r\n", Reply::Array(vec![Reply::Int(1)]))]
    #[case(b"*2\r\n-ERR a b\r\n:1\r\n", Reply::Array(vec![Reply::Error("ERR a b".into()), Reply::Int(1)]))]
    fn every_kind_of_value_has_its_reply(#[case] wire: &[u8], #[case] expected: Reply) {
        assert_eq!(parsed(wire), expected);
    }
}
