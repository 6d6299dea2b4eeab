//! One owner at a time, and a token that tells a late one.

use labrunner::app::scripts::{AppScript, LOCK, UNLOCK};
use redis::Connection;

use crate::event::{eval, flat, on_every_server, pass, server_ms};

fn call(connection: &mut Connection, script: &AppScript, owner: &str, other: &str) -> Vec<String> {
    let keys = ["lock:{l}".to_owned(), "lock:{l}:token".to_owned()];
    let arguments = [owner.as_bytes(), other.as_bytes()];
    flat(&eval(connection, script, &keys, &arguments).unwrap())
}

#[test]
fn a_lock_has_one_owner() {
    on_every_server("locks", 1, |server, event| {
        let _: () = redis::cmd("DEL")
            .arg(&["lock:{l}", "lock:{l}:token"])
            .query(&mut event.connection)
            .unwrap();
        let c = &mut event.connection;
        let before = server_ms(c);
        let locked = call(c, &LOCK, "ann", "600000");
        assert_eq!(locked[..2], ["locked", "1"]);
        let expires: u64 = locked[2].parse().unwrap();
        assert!((before + 600_000..=server_ms(c) + 600_000).contains(&expires));
        let busy = call(c, &LOCK, "bob", "600000");
        assert_eq!(busy[0], "busy");
        let remaining: u64 = busy[1].parse().unwrap();
        assert!((540_000..=600_000).contains(&remaining));

        // The owner again: longer or shorter, with the same token.
        let extended = call(c, &LOCK, "ann", "900000");
        assert_eq!(extended[..2], ["locked", "1"]);
        assert!(extended[2].parse::<u64>().unwrap() > expires);

        assert_eq!(call(c, &UNLOCK, "bob", "1"), ["not_holder"]);
        assert_eq!(call(c, &UNLOCK, "ann", "2"), ["not_holder"]);
        assert_eq!(call(c, &UNLOCK, "ann", "1"), ["unlocked"]);
        assert_eq!(call(c, &UNLOCK, "ann", "1"), ["not_holder"]);

        // A lock that is over is free, its late owner can't give up the next one's, and the tokens go on.
        let locked = call(c, &LOCK, "bob", "1");
        assert_eq!(locked[..2], ["locked", "2"]);
        pass(c, locked[2].parse().unwrap());
        let mut other = server.connect(3);
        assert_eq!(
            call(&mut other, &LOCK, "ann", "60000")[..2],
            ["locked", "3"]
        );
        assert_eq!(call(c, &UNLOCK, "bob", "2"), ["not_holder"]);
        assert_eq!(call(c, &UNLOCK, "ann", "3"), ["unlocked"]);

        let keys = ["lock:{l}".to_owned(), "lock:{l}:token".to_owned()];
        assert!(eval(c, &LOCK, &keys, &[b"ann", b"0"]).is_err());
        assert!(eval(c, &UNLOCK, &keys, &[b"ann"]).is_err());
    });
}
