//! MIGRATE from one node to another that is not of its world, by a connection.

use rstest::rstest;

use crate::cluster::Reply;
use crate::double::{Clock, Node};

fn error(words: &str) -> Reply {
    Reply::Error(words.to_owned())
}

fn ok() -> Reply {
    Reply::Status("OK".to_owned())
}

async fn node() -> Node {
    Node::builder()
        .clock(Clock::stepped())
        .start()
        .await
        .unwrap()
}

fn migrate(from: &Node, port: u16, rest: &[&str]) -> Reply {
    let port = port.to_string();
    let words = ["MIGRATE", "127.0.0.1", &port].into_iter();
    from.run(words.chain(rest.iter().copied()))
}

#[tokio::test]
async fn keys_move_with_their_ends() {
    let (from, to) = (node().await, node().await);
    let port = to.address().port();
    from.set("a", "1");
    from.run(["SET", "b", "2", "PX", "5000"]);
    from.run(["RPUSH", "c", "x", "y"]);
    let rest = ["", "0", "5000", "KEYS", "a", "b", "none", "c"];
    assert_eq!(migrate(&from, port, &rest), ok());
    assert_eq!(from.run(["DBSIZE"]), Reply::Int(0));
    assert_eq!(to.get("a"), Some(b"1".to_vec()));
    assert_eq!(to.run(["PTTL", "b"]), Reply::Int(5000));
    assert_eq!(to.run(["LLEN", "c"]), Reply::Int(2));
    let none = Reply::Status("NOKEY".to_owned());
    assert_eq!(migrate(&from, port, &rest), none);
}

#[tokio::test]
async fn a_copy_stays_and_replaces_only_if_it_is_to() {
    let (from, to) = (node().await, node().await);
    let port = to.address().port();
    from.set("a", "1");
    to.set("a", "2");
    let busy = "ERR Target instance replied with error: BUSYKEY Target key name already exists.";
    assert_eq!(migrate(&from, port, &["a", "0", "5000"]), error(busy));
    assert_eq!(from.get("a"), Some(b"1".to_vec()));
    let rest = ["a", "0", "5000", "COPY", "REPLACE"];
    assert_eq!(migrate(&from, port, &rest), ok());
    assert_eq!(to.get("a"), Some(b"1".to_vec()));
    assert_eq!(from.get("a"), Some(b"1".to_vec()));
    assert_eq!(migrate(&from, port, &["a", "3", "5000"]), ok());
    assert_eq!(from.get("a"), None);
    let Reply::Bulk(told) = to.run(["INFO", "keyspace"]) else {
        panic!("INFO is a text");
    };
    assert!(String::from_utf8_lossy(&told).contains("db3:keys=1"));
}

#[tokio::test]
async fn a_password_is_said() {
    let from = node().await;
    let to = Node::builder().password("open").start().await.unwrap();
    let port = to.address().port();
    from.set("a", "1");
    let unknown = "ERR Target instance replied with error: NOAUTH Authentication required.";
    assert_eq!(migrate(&from, port, &["a", "0", "5000"]), error(unknown));
    let wrong = "ERR Target instance replied with error: WRONGPASS invalid username-password pair or user is disabled.";
    let rest = ["a", "0", "5000", "AUTH", "shut"];
    assert_eq!(migrate(&from, port, &rest), error(wrong));
    assert_eq!(from.get("a"), Some(b"1".to_vec()));
    let rest = ["a", "0", "5000", "AUTH2", "default", "open"];
    assert_eq!(migrate(&from, port, &rest), ok());
    assert_eq!(to.get("a"), Some(b"1".to_vec()));
}

#[tokio::test]
async fn nobody_there_or_nobody_who_answers() {
    let from = node().await;
    from.set("a", "1");
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let silent = "IOERR error or timeout reading to target instance";
    assert_eq!(migrate(&from, port, &["a", "0", "50"]), error(silent));
    drop(listener);
    let gone = "IOERR error or timeout connecting to the client";
    assert_eq!(migrate(&from, port, &["a", "0", "50"]), error(gone));
    assert_eq!(from.get("a"), Some(b"1".to_vec()));
}

#[rstest]
#[case::auth_without_password(&["a", "0", "50", "AUTH"], "ERR syntax error")]
#[case::auth2_without_password(&["a", "0", "50", "AUTH2", "name"], "ERR syntax error")]
#[case::unknown_option(&["a", "0", "50", "FAST"], "ERR syntax error")]
#[case::key_and_keys(
    &["a", "0", "50", "KEYS", "b"],
    "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string"
)]
#[case::no_timeout(&["a", "0", "x"], "ERR value is not an integer or out of range")]
#[case::no_database(&["a", "x", "50"], "ERR value is not an integer or out of range")]
#[tokio::test]
async fn what_can_t_be_meant_is_refused(#[case] rest: &[&str], #[case] words: &str) {
    let from = node().await;
    from.set("a", "1");
    assert_eq!(migrate(&from, 1, rest), error(words));
}
