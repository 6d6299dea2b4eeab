//! Client libraries as their users have them, against the node: connecting, pipelines, transactions, scripts, pub/sub, streams.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use futures_util::StreamExt;
use labrunner::double::Node;
use redis::{AsyncCommands, RedisResult, Script, Value, cmd, pipe};
use rstest::rstest;

use crate::support::skip;

/// redis-rs, with its connections that are multiplexed and with those that are not.
#[rstest]
#[tokio::test]
async fn redis_rs(#[values(2, 3)] protocol: u8) {
    let node = Node::start().await.unwrap();
    let client = redis::Client::open(format!("{}?protocol={protocol}", node.url())).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();

    let (): () = cmd("SET")
        .arg("seat")
        .arg("A7")
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(node.get("seat"), Some(b"A7".to_vec()));

    let mut many = pipe();
    for n in 0..1000 {
        many.cmd("INCRBY").arg("count").arg(n);
    }
    let sums: Vec<i64> = many.query_async(&mut connection).await.unwrap();
    assert_eq!(sums.last(), Some(&499_500));

    let both: (i64, Vec<String>) = pipe()
        .atomic()
        .cmd("RPUSH")
        .arg("list")
        .arg("a")
        .arg("b")
        .cmd("LRANGE")
        .arg("list")
        .arg(0)
        .arg(-1)
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(both, (2, vec!["a".to_owned(), "b".to_owned()]));

    let mut alone = client.get_multiplexed_async_connection().await.unwrap();
    let (): () = cmd("WATCH")
        .arg("seat")
        .query_async(&mut alone)
        .await
        .unwrap();
    node.set("seat", "B1");
    let lost: Option<Vec<Value>> = pipe()
        .atomic()
        .cmd("GET")
        .arg("seat")
        .query_async(&mut alone)
        .await
        .unwrap();
    assert_eq!(lost, None);

    let script =
        Script::new("return {redis.call('GET', KEYS[1]), ARGV[1] + 1, cjson.encode({a = 1})}");
    // The first time the server does not know it.
    for _ in 0..2 {
        let said: (String, i64, String) = script
            .key("seat")
            .arg(41)
            .invoke_async(&mut connection)
            .await
            .unwrap();
        assert_eq!(said, ("B1".to_owned(), 42, "{\"a\":1}".to_owned()));
    }

    let mut listener = client.get_async_pubsub().await.unwrap();
    listener.subscribe("seats").await.unwrap();
    listener.psubscribe("ev*").await.unwrap();
    let heard: i64 = cmd("PUBLISH")
        .arg("seats")
        .arg("A7")
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(heard, 1);
    let (): () = cmd("PUBLISH")
        .arg("events")
        .arg("B1")
        .query_async(&mut connection)
        .await
        .unwrap();
    let mut messages = listener.on_message();
    for (channel, text) in [("seats", "A7"), ("events", "B1")] {
        let message = tokio::time::timeout(Duration::from_secs(5), messages.next()).await;
        let message = message.unwrap().unwrap();
        assert_eq!(message.get_channel_name(), channel);
        assert_eq!(message.get_payload::<String>().unwrap(), text);
    }

    let first: String = cmd("XADD")
        .arg("stream")
        .arg("*")
        .arg("seat")
        .arg("A1")
        .query_async(&mut connection)
        .await
        .unwrap();
    let (): () = cmd("XGROUP")
        .arg("CREATE")
        .arg("stream")
        .arg("workers")
        .arg(0)
        .query_async(&mut connection)
        .await
        .unwrap();
    let read: Value = cmd("XREADGROUP")
        .arg("GROUP")
        .arg("workers")
        .arg("one")
        .arg("STREAMS")
        .arg("stream")
        .arg(">")
        .query_async(&mut connection)
        .await
        .unwrap();
    assert!(format!("{read:?}").contains(&first), "{read:?}");
    let acknowledged: i64 = cmd("XACK")
        .arg("stream")
        .arg("workers")
        .arg(&first)
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(acknowledged, 1);

    let wrong: RedisResult<i64> = connection.incr("seat", 1).await;
    assert!(wrong.unwrap_err().to_string().contains("not an integer"));
}

/// The program in redis_py.py, with redis-py as `.ci/clients` fetches it.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn redis_py(#[values(2, 3)] protocol: u8) {
    let Some(library) = redis_py_folder() else {
        return;
    };
    let node = Node::start().await.unwrap();
    let address = node.address();
    let output = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/double_node/redis_py.py"))
        .args([
            address.ip().to_string(),
            address.port().to_string(),
            protocol.to_string(),
        ])
        .env("PYTHONPATH", library)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    let done: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("ok "))
        .collect();
    let all = [
        "connect",
        "pipeline",
        "transaction",
        "script",
        "pub/sub",
        "streams",
        "types",
    ];
    assert_eq!(done, all, "{errors}");
}

fn redis_py_folder() -> Option<PathBuf> {
    let cache = std::env::var_os("LABRUNNER_CLIENTS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/clients"),
        PathBuf::from,
    );
    let found = std::fs::read_dir(&cache).ok().and_then(|folder| {
        folder
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| {
                path.file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with("redis-py-"))
            })
    });
    if found.is_none() {
        skip(
            "redis-py",
            "redis_py",
            "redis-py is not here; .ci/clients fetches it",
        );
    }
    found
}
