//! How a replica comes to follow, and goes on after a cut.

use super::world::World;
use crate::cluster::Reply;

fn status(words: &str) -> Reply {
    Reply::Status(words.to_owned())
}

#[test]
fn a_replica_has_what_was_there_before_and_what_comes() {
    let mut world = World::new(2, &[]);
    world.run(0, "SET before 1");
    assert_eq!(world.info(0, "master_repl_offset"), "0");
    world.follow(1, 0);
    assert_eq!(world.info(1, "master_link_status"), "up");
    assert_eq!(world.info(0, "connected_slaves"), "1");
    assert_eq!(
        world.info(0, "slave0"),
        "ip=127.0.0.1,port=7002,state=online,offset=0,lag=0"
    );
    world.run(0, "SET after 2");
    assert_eq!(world.run(1, "GET before"), Reply::Bulk(b"1".to_vec()));
    assert_eq!(world.run(1, "GET after"), Reply::Bulk(b"2".to_vec()));
    // SELECT 0 and SET after 2.
    assert_eq!(world.info(0, "master_repl_offset"), (23 + 31).to_string());
    world.assert_same();
    assert_eq!(
        world.run(1, "SET a b"),
        Reply::Error("READONLY You can't write against a read only replica.".to_owned())
    );
    world.pass(1);
    assert_eq!(
        world.info(0, "slave0"),
        "ip=127.0.0.1,port=7002,state=online,offset=54,lag=0"
    );
    // A script that has not declared that it only reads is refused as a command that writes is.
    for declared in ["", " flags=no-writes"] {
        let script = format!("#!lua{declared}\nreturn 1");
        let words = ["EVAL", &script, "0"].map(|word| word.as_bytes().to_vec());
        let reply = world.run_words(1, &words);
        match declared {
            "" => assert_eq!(
                reply,
                Reply::Error("READONLY You can't write against a read only replica.".to_owned())
            ),
            _ => assert_eq!(reply, Reply::Int(1)),
        }
    }
}

#[test]
fn what_was_missed_is_made_up_for() {
    let mut world = World::with_replicas(2, &[]);
    world.run(0, "SET a 1");
    world.cut(1);
    world.run(0, "SET a 2");
    assert_eq!(world.info(1, "master_link_status"), "down");
    assert_eq!(world.info(1, "master_link_down_since_seconds"), "0");
    world.pass(3);
    assert_eq!(world.info(1, "master_link_down_since_seconds"), "3");
    assert_eq!(world.run(1, "GET a"), Reply::Bulk(b"1".to_vec()));
    world.heal();
    world.pass(1);
    assert_eq!(world.info(1, "master_link_status"), "up");
    assert_eq!(world.run(1, "GET a"), Reply::Bulk(b"2".to_vec()));
    assert_eq!(world.info(0, "sync_full"), "1");
    assert_eq!(world.info(0, "sync_partial_ok"), "1");
    world.assert_same();
}

#[test]
fn who_has_missed_too_much_gets_all_data() {
    let mut world = World::with_replicas(2, &[("repl-backlog-size", "16384")]);
    world.cut(1);
    let long = "x".repeat(5000);
    for number in 0..10 {
        world.run(0, &format!("SET key{number} {long}"));
    }
    world.heal();
    world.pass(1);
    assert_eq!(world.info(0, "sync_full"), "2");
    assert_eq!(world.info(0, "sync_partial_err"), "2");
    world.assert_same();
}

#[test]
fn replicas_of_a_master_that_is_gone_go_on_with_its_heir() {
    let mut world = World::with_replicas(3, &[]);
    world.run(0, "SET a 1");
    world.cut(0);
    world.lead(1);
    world.run(1, "SET a 2");
    world.follow(2, 1);
    assert_eq!(world.run(2, "GET a"), Reply::Bulk(b"2".to_vec()));
    assert_eq!(world.info(1, "sync_full"), "0");
    assert_eq!(world.info(1, "sync_partial_ok"), "1");
    assert_eq!(
        world.info(1, "master_replid"),
        world.info(2, "master_replid")
    );
    assert_eq!(
        world.info(1, "master_replid2"),
        world.info(2, "master_replid2")
    );
    // The old master has written nothing that the others have not: it can go on as well.
    world.heal();
    world.follow(0, 1);
    assert_eq!(world.info(1, "sync_full"), "0");
    world.assert_same();
}

#[test]
fn what_the_old_master_alone_has_is_lost() {
    let mut world = World::with_replicas(2, &[]);
    world.run(0, "SET a 1");
    world.cut(1);
    world.run(0, "SET a 2");
    world.lead(1);
    world.run(1, "SET b 3");
    world.heal();
    world.follow(0, 1);
    assert_eq!(world.info(1, "sync_full"), "1");
    assert_eq!(world.run(0, "GET a"), Reply::Bulk(b"1".to_vec()));
    world.assert_same();
}

#[test]
fn wait_counts_those_who_have_it() {
    let mut world = World::with_replicas(3, &[]);
    let client = world.client(0);
    assert_eq!(client.run(&mut world, "SET a 1"), Some(status("OK")));
    assert_eq!(client.run(&mut world, "WAIT 2 0"), None);
    assert_eq!(client.heard(&mut world), Some(Reply::Int(2)));
    assert_eq!(client.run(&mut world, "WAIT 1 0"), Some(Reply::Int(2)));
    world.cut(2);
    client.run(&mut world, "SET a 2");
    assert_eq!(client.run(&mut world, "WAIT 2 1500"), None);
    assert_eq!(client.heard(&mut world), None);
    world.pass(2);
    assert_eq!(client.heard(&mut world), Some(Reply::Int(1)));
    assert!(matches!(world.run(1, "WAIT 1 0"), Reply::Error(_)));
}

#[test]
fn too_few_replicas_and_nothing_is_written() {
    let settings = [
        ("min-replicas-to-write", "1"),
        ("min-replicas-max-lag", "3"),
        ("repl-timeout", "60"),
    ];
    let mut world = World::with_replicas(2, &settings);
    assert_eq!(world.run(0, "SET a 1"), status("OK"));
    assert_eq!(world.info(0, "min_slaves_good_slaves"), "1");
    world.cut(1);
    let refused = Reply::Error("NOREPLICAS Not enough good replicas to write.".to_owned());
    assert_eq!(world.run(0, "SET a 2"), refused);
    assert!(matches!(
        world.run(0, "EVAL redis.call('set','a','3') 0"),
        Reply::Error(_)
    ));
    assert_eq!(world.run(0, "GET a"), Reply::Bulk(b"1".to_vec()));
}

#[test]
fn a_replica_that_may_not_tell_stale_data_does_not() {
    let mut world = World::with_replicas(2, &[("replica-serve-stale-data", "no")]);
    world.run(0, "SET a 1");
    assert_eq!(world.run(1, "GET a"), Reply::Bulk(b"1".to_vec()));
    world.cut(1);
    assert!(
        matches!(world.run(1, "GET a"), Reply::Error(words) if words.starts_with("MASTERDOWN"))
    );
    assert_eq!(world.info(1, "master_link_status"), "down");
}

#[test]
fn a_silent_link_is_made_anew() {
    let mut world = World::with_replicas(
        2,
        &[("repl-timeout", "5"), ("repl-ping-replica-period", "2")],
    );
    let before = world.info(0, "master_repl_offset");
    // The first round is that of the start, in which nobody is sent a PING.
    world.pass(21);
    // It is not silent as long as the master pings.
    assert_eq!(world.info(0, "sync_full"), "1");
    assert_eq!(world.info(0, "sync_partial_ok"), "0");
    assert_eq!(before, "0");
    assert_eq!(world.info(0, "master_repl_offset"), (10 * 14).to_string());
    world.assert_same();
}
