//! In cluster mode a script may touch only keys that it was given, all of one slot.

use labrunner::app::scripts::{ALL, CANCEL, CONFIRM, LOCK, RATE_LIMIT, RESERVE, UNLOCK, VIEW};
use redis::{Connection, cmd};

use crate::event::{Event, LONG, eval, flat};
use crate::server::poll;
use crate::servers::{Servers, available};

/// One node that has all slots.
fn node(servers: &Servers) -> Connection {
    let address = servers.address("redis-1").reachable;
    let client = redis::Client::open(format!("redis://{address}?protocol=resp3")).unwrap();
    let mut connection = poll("the node listens", || client.get_connection().ok());
    let slots: Vec<u16> = (0..16_384).collect();
    let _: () = cmd("CLUSTER")
        .arg("ADDSLOTS")
        .arg(slots)
        .query(&mut connection)
        .unwrap();
    poll("the cluster is well", || {
        let info: String = cmd("CLUSTER").arg("INFO").query(&mut connection).unwrap();
        info.contains("cluster_state:ok").then_some(())
    });
    connection
}

#[test]
fn every_script_runs_in_a_cluster() {
    if !available("every_script_runs_in_a_cluster") {
        return;
    }
    let servers = Servers::start(1);
    let mut event = Event::new(node(&servers), "aaaaaaaa");
    assert_eq!(event.create(12)[..2], ["created", "12"]);
    assert_eq!(event.reserve("r1", "ann", LONG, "count 2")[0], "held");
    event.reserve_until_over("r2", "bob", "seats A9");
    assert_eq!(event.reserve("r3", "cid", LONG, "seats A9 A5")[0], "held");
    assert_eq!(event.call(&CONFIRM, &["r1", "ann", "1"])[0], "confirmed");
    assert_eq!(event.call(&CANCEL, &["r1", "ann"])[0], "cancelled");
    let (views, op) = (event.key("views"), event.key("op:v"));
    event.state().check();

    let c = &mut event.connection;
    let viewed = eval(c, &VIEW, &[views, op], &[b"f", b"9000"]).unwrap();
    assert_eq!(flat(&viewed), ["viewed", "1"]);
    let allowed = eval(c, &RATE_LIMIT, &["rate:ann".into()], &[b"o", b"9000", b"5"]).unwrap();
    assert_eq!(flat(&allowed), ["allowed", "1", "5"]);
    let lock = ["lock:{l}".to_owned(), "lock:{l}:token".to_owned()];
    let locked = eval(c, &LOCK, &lock, &[b"ann", b"9000"]).unwrap();
    assert_eq!(flat(&locked)[..2], ["locked", "1"]);
    let unlocked = eval(c, &UNLOCK, &lock, &[b"ann", b"1"]).unwrap();
    assert_eq!(flat(&unlocked), ["unlocked"]);

    // Keys of two events are no event.
    let mut keys = event.keys("o");
    keys[6] = "event:{bbbbbbbb}:op:o".into();
    let error = eval(&mut event.connection, &RESERVE, &keys, &[]).unwrap_err();
    assert_eq!(error.code(), Some("CROSSSLOT"), "{error}");
}

/// Servers keep them under the names that we compute.
#[test]
fn servers_and_we_agree_on_the_hashes() {
    if !available("servers_and_we_agree_on_the_hashes") {
        return;
    }
    let servers = Servers::start(1);
    let mut connection = node(&servers);
    for script in ALL {
        let hash: String = cmd("SCRIPT")
            .arg("LOAD")
            .arg(script.source)
            .query(&mut connection)
            .unwrap();
        assert_eq!(hash, script.sha1(), "{}", script.name);
    }
}
