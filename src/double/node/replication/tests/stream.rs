//! What comes out of the stream at a replica.

use std::time::Duration;

use super::world::World;
use crate::cluster::Reply;

#[test]
fn the_ends_of_keys_are_the_master_s() {
    let mut world = World::with_replicas(2, &[]);
    world.run(0, "SET a 1 PX 500");
    world.run(0, "SET b 1");
    world.run(0, "PEXPIRE b 700");
    assert_eq!(world.run(0, "PEXPIRETIME a"), world.run(1, "PEXPIRETIME a"));
    assert_eq!(world.run(0, "PEXPIRETIME b"), world.run(1, "PEXPIRETIME b"));
    world.nodes[0].expires_by_itself = false;
    world.tick(Duration::from_millis(600));
    // It is there still, but nobody is shown it.
    assert_eq!(world.run(1, "GET a"), Reply::Nil);
    assert_eq!(world.run(1, "DBSIZE"), Reply::Int(2));
    assert_eq!(world.run(0, "GET a"), Reply::Nil);
    assert_eq!(world.run(1, "DBSIZE"), Reply::Int(1));
    world.nodes[0].expires_by_itself = true;
    world.tick(Duration::from_millis(200));
    assert_eq!(world.run(1, "DBSIZE"), Reply::Int(0));
    world.assert_same();
}

#[test]
fn transactions_and_scripts_come_as_a_whole() {
    let mut world = World::with_replicas(2, &[]);
    let client = world.client(0);
    for line in ["MULTI", "SET a 1", "GET a", "INCR a", "EXEC"] {
        client.run(&mut world, line);
    }
    assert_eq!(world.run(1, "GET a"), Reply::Bulk(b"2".to_vec()));
    let script = "redis.call('SPOP','s');redis.call('SET','t',redis.call('TIME')[1])";
    world.run(0, "SADD s 1 2 3 4 5 6 7 8 9");
    let words = ["EVAL", script, "0"].map(|word| word.as_bytes().to_vec());
    world.run_words(0, &words);
    assert_eq!(world.run(0, "GET t"), world.run(1, "GET t"));
    world.assert_same();
    let commands: Vec<String> = world.nodes[0]
        .replication
        .log
        .as_ref()
        .and_then(|log| log.from(1))
        .unwrap()
        .iter()
        .map(|entry| String::from_utf8_lossy(&entry.words[0]).into_owned())
        .collect();
    assert_eq!(
        commands,
        [
            "MULTI", "SELECT", "SET", "INCR", "EXEC", "SADD", "MULTI", "SREM", "SET", "EXEC"
        ]
    );
}

#[test]
fn what_chance_takes_is_taken_everywhere() {
    let mut world = World::with_replicas(3, &[]);
    let members: Vec<String> = (0..50).map(|number| format!("m{number}")).collect();
    world.run(0, &format!("SADD s {}", members.join(" ")));
    for line in ["SPOP s", "SPOP s 3", "SPOP s 40", "SPOP s 100"] {
        world.run(0, line);
        world.assert_same();
    }
    assert_eq!(world.run(1, "EXISTS s"), Reply::Int(0));
}

#[test]
fn who_has_waited_has_taken_it_everywhere() {
    let mut world = World::with_replicas(2, &[]);
    let client = world.client(0);
    world.run(0, "RPUSH other x");
    world.run(0, "DEL other");
    for (line, given) in [
        ("BLPOP one two 0", "RPUSH two x y"),
        ("BRPOP one three 0", "RPUSH three x y z"),
        ("BLMPOP 0 2 one four LEFT COUNT 2", "RPUSH four x y z"),
        ("BLMOVE five six LEFT RIGHT 0", "RPUSH five x y"),
        ("BRPOPLPUSH seven six 0", "RPUSH seven x y"),
        ("BZPOPMIN one eight 0", "ZADD eight 1 x 2 y"),
        ("BZPOPMAX one nine 0", "ZADD nine 1 x 2 y"),
        ("BZMPOP 0 2 one ten MAX COUNT 2", "ZADD ten 1 x 2 y 3 z"),
    ] {
        assert_eq!(client.run(&mut world, line), None, "{line}");
        world.run(0, given);
        assert!(client.heard(&mut world).is_some(), "{line}");
        world.assert_same();
    }
}

#[test]
fn groups_of_streams_are_the_same() {
    let mut world = World::with_replicas(2, &[]);
    let client = world.client(0);
    for line in [
        "XADD s * a 1",
        "XGROUP CREATE s g 0",
        "XREADGROUP GROUP g one COUNT 1 STREAMS s >",
        "XADD s * a 2",
        "XREADGROUP GROUP g two STREAMS s >",
    ] {
        world.run(0, line);
        world.tick(Duration::from_millis(10));
    }
    let read = "XREADGROUP GROUP g three BLOCK 0 STREAMS t s > >";
    world.run(0, "XGROUP CREATE t g $ MKSTREAM");
    assert_eq!(client.run(&mut world, read), None);
    world.run(0, "XADD s * a 3");
    assert!(client.heard(&mut world).is_some());
    for line in [
        "XACK s g 0-1",
        "XAUTOCLAIM s g four 5 0 COUNT 1",
        "XGROUP DELCONSUMER s g one",
        "XTRIM s MAXLEN 2",
    ] {
        world.run(0, line);
        world.tick(Duration::from_millis(10));
    }
    for line in ["XINFO STREAM s FULL", "XINFO STREAM t FULL"] {
        assert_eq!(world.run(0, line), world.run(1, line), "{line}");
    }
    world.assert_same();
}

#[test]
fn functions_come_along() {
    let mut world = World::new(2, &[]);
    let code = "#!lua name=lib\nredis.register_function('f', function(keys) return redis.call('INCR', keys[1]) end)";
    let words = ["FUNCTION", "LOAD", code].map(|word| word.as_bytes().to_vec());
    world.run_words(0, &words);
    world.follow(1, 0);
    assert_eq!(world.run(0, "FUNCTION DUMP"), world.run(1, "FUNCTION DUMP"));
    world.run(0, "FCALL f 1 k");
    assert_eq!(world.run(1, "GET k"), Reply::Bulk(b"1".to_vec()));
    assert!(
        matches!(world.run(1, "FCALL f 1 k"), Reply::Error(words) if words.starts_with("READONLY"))
    );
    world.run(0, "FUNCTION FLUSH");
    assert_eq!(world.run(0, "FUNCTION DUMP"), world.run(1, "FUNCTION DUMP"));
    world.run(0, "FLUSHALL");
    world.assert_same();
}
