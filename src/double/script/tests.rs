use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisResult};

use super::*;
use crate::cluster::{Reply, Slot};
use crate::resp::{AddressBook, Client};

async fn connection(server: &ScriptServer) -> MultiplexedConnection {
    let client = redis::Client::open(format!("redis://{}", server.address())).unwrap();
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(10)));
    client
        .get_multiplexed_async_connection_with_config(&config)
        .await
        .unwrap()
}

async fn ask(connection: &mut MultiplexedConnection, command: &str) -> RedisResult<redis::Value> {
    let mut words = command.split_whitespace();
    let mut command = redis::cmd(words.next().unwrap());
    command.arg(words.collect::<Vec<_>>());
    command.query_async(connection).await
}

fn text(value: redis::Value) -> String {
    redis::from_redis_value(value).unwrap()
}

#[tokio::test]
async fn it_answers_in_turn_and_shows_what_it_was_asked() {
    let mut script = Script::new();
    script.on("INCR n").gives_in_turn([1, 2]);
    script.on("GET *").gives("x");
    let server = script.start().await.unwrap();
    let mut connection = connection(&server).await;
    for expected in [1, 2] {
        assert_eq!(
            ask(&mut connection, "INCR n").await.unwrap(),
            redis::Value::Int(expected)
        );
    }
    assert_eq!(text(ask(&mut connection, "GET a").await.unwrap()), "x");
    assert_eq!(text(ask(&mut connection, "get b").await.unwrap()), "x");
    assert_eq!(server.times("GET *"), 2);
    assert_eq!(server.asked().len(), 4);
    assert_eq!(server.asked()[3], ["get", "b"]);
    assert_eq!(server.connections(), (1, 1));
    server.verify().unwrap();
}

#[tokio::test]
async fn what_it_did_not_expect_fails_the_test_and_says_what_it_did() {
    let mut script = Script::new();
    script.on("GET a").gives("1");
    script.on("INCR n").gives_in_turn([1]);
    let server = script.start().await.unwrap();
    let mut connection = connection(&server).await;
    ask(&mut connection, "INCR n").await.unwrap();
    let error = ask(&mut connection, "DEL a").await.unwrap_err().to_string();
    assert!(error.contains("`DEL a` was not expected"), "{error}");
    ask(&mut connection, "INCR n").await.unwrap_err();
    let fault = server.verify().unwrap_err();
    insta::assert_snapshot!(fault, @r"
    `DEL a` was not expected; expected: GET a, INCR n (used up)
    `INCR n` was not expected; expected: GET a, INCR n (used up)
    ");
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(server)));
    assert!(dropped.is_err(), "the test would not have failed");
}

#[tokio::test]
async fn what_was_expected_and_never_asked_fails_the_test() {
    let mut script = Script::new();
    script.on("PING").times(2);
    let server = script.start().await.unwrap();
    ask(&mut connection(&server).await, "PING").await.unwrap();
    let fault = server.verify().unwrap_err();
    assert_eq!(fault, "`PING` was expected 2 times, and asked 1");
    ask(&mut connection(&server).await, "PING").await.unwrap();
    server.verify().unwrap();
}

#[tokio::test]
async fn a_delay_is_on_the_test_s_clock() {
    let clock = Clock::stepped();
    let mut script = Script::new().with_clock(clock.clone());
    script
        .on("GET slow")
        .after(Duration::from_secs(3600))
        .gives("late");
    let server = script.start().await.unwrap();
    let mut connection = connection(&server).await;
    let asking = tokio::spawn(async move { ask(&mut connection, "GET slow").await });
    while server.times("GET slow") == 0 {
        tokio::task::yield_now().await;
    }
    assert!(!asking.is_finished());
    while !asking.is_finished() {
        clock.advance(Duration::from_secs(1800));
        tokio::task::yield_now().await;
    }
    assert_eq!(text(asking.await.unwrap().unwrap()), "late");
    assert!(clock.now() >= Duration::from_secs(3600));
}

#[tokio::test]
async fn redirections_name_the_slot_and_the_other_script() {
    let other = Script::new().start().await.unwrap();
    let mut script = Script::new();
    script.on("GET *").moved_to(&other);
    script.on("EVALSHA ...").asks(&other);
    let server = script.start().await.unwrap();
    let mut connection = connection(&server).await;
    let slot = Slot::of_key(b"a").get();
    let error = ask(&mut connection, "GET a").await.unwrap_err();
    let (node, to) = error.redirect_node().unwrap();
    assert_eq!((node.to_owned(), to), (other.endpoint().to_string(), slot));
    let error = ask(&mut connection, "EVALSHA abc 1 a").await.unwrap_err();
    assert_eq!(error.code(), Some("ASK"));
    assert_eq!(error.redirect_node().unwrap().1, slot);
}

#[tokio::test]
async fn half_a_reply_a_hang_up_and_a_hang() {
    let mut script = Script::new();
    script.on("GET half").gives_half("a long enough reply");
    script.on("GET nothing").hangs_up();
    script.on("GET never").hangs();
    let server = script.start().await.unwrap();
    for key in ["half", "nothing"] {
        let mut connection = connection(&server).await;
        let error = ask(&mut connection, &format!("GET {key}"))
            .await
            .unwrap_err();
        assert!(!error.is_timeout(), "{key}: {error}");
    }
    let mut connection = connection(&server).await;
    connection.set_response_timeout(Duration::from_millis(50));
    let error = ask(&mut connection, "GET never").await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    // It is still there, and as silent as before.
    assert_eq!(server.connections().0, 1);
}

#[tokio::test]
async fn a_recording_is_played_in_its_order() {
    let mut script = Script::new();
    script
        .plays("> CLUSTER MYID\n$3\nabc\n> CLUSTER MYID\n-ERR gone\n> LRANGE l 0 -1\n*2\n$1\na\n$1\nb\n")
        .unwrap();
    let server = script.start().await.unwrap();
    let mut connection = connection(&server).await;
    assert_eq!(
        text(ask(&mut connection, "CLUSTER MYID").await.unwrap()),
        "abc"
    );
    ask(&mut connection, "CLUSTER MYID").await.unwrap_err();
    let list = ask(&mut connection, "LRANGE l 0 -1").await.unwrap();
    let list: Vec<String> = redis::from_redis_value(list).unwrap();
    assert_eq!(list, ["a", "b"]);
    let mut script = Script::new();
    assert!(script.plays("+OK\n").unwrap_err().contains("line 1"));
    assert!(script.plays("> PING\n").unwrap_err().contains("`PING`"));
}

#[tokio::test]
async fn resp3_is_spoken_to_those_who_ask_for_it() {
    let mut script = Script::new();
    script.on("CONFIG GET *").gives(Reply::Map(vec![(
        Reply::Bulk(b"maxmemory".to_vec()),
        Reply::Bulk(b"0".to_vec()),
    )]));
    let server = script.start().await.unwrap();
    let url = format!("redis://{}/?protocol=resp3", server.address());
    let client = redis::Client::open(url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let value = ask(&mut connection, "CONFIG GET maxmemory").await.unwrap();
    assert!(matches!(value, redis::Value::Map(_)), "{value:?}");
}

#[tokio::test]
async fn a_test_can_change_its_mind() {
    let mut script = Script::new();
    script.on("GET a").gives("before");
    let server = script.start().await.unwrap();
    let mut connection = connection(&server).await;
    assert_eq!(text(ask(&mut connection, "GET a").await.unwrap()), "before");
    server.instead(|script| {
        script.on("GET a").gives_in_turn(["after"]);
    });
    assert_eq!(text(ask(&mut connection, "GET a").await.unwrap()), "after");
    assert_eq!(text(ask(&mut connection, "GET a").await.unwrap()), "before");
}

#[tokio::test]
async fn a_reply_can_be_made_of_the_command() {
    let mut script = Script::new();
    script
        .on("SET * *")
        .answers(|words| Reply::Bulk([&words[1][..], b"=", &words[2]].concat()));
    let server = script.start().await.unwrap();
    let mut connection = connection(&server).await;
    let answer = ask(&mut connection, "SET a 1").await.unwrap();
    assert_eq!(text(answer), "a=1");
    let answer = ask(&mut connection, "SET b 2").await.unwrap();
    assert_eq!(text(answer), "b=2");
}

#[tokio::test]
async fn a_node_is_found_by_the_address_that_it_announces() {
    let mut script = Script::new();
    script.on("PING").gives("here");
    let server = script.start().await.unwrap();
    let announced: Endpoint = "172.30.0.12:7002".parse().unwrap();
    let book = AddressBook::new(vec![server.as_node("redis-2", announced.clone())]);
    let address = book.by_announced(&announced).unwrap().clone();
    assert_eq!(address.name, "redis-2".into());
    let client = Client::new(address, Duration::from_secs(10));
    assert_eq!(client.call(&["PING"]).await.unwrap(), Reply::from("here"));
}
