//! So much in any window, and no more.

use labrunner::app::scripts::RATE_LIMIT;
use redis::{Connection, RedisError, cmd};

use crate::event::{eval, flat, on_every_server, pass, server_ms};

fn ask(
    connection: &mut Connection,
    key: &str,
    operation: &str,
    window: u64,
    limit: &str,
) -> Result<Vec<String>, RedisError> {
    let window = window.to_string();
    let arguments = [operation.as_bytes(), window.as_bytes(), limit.as_bytes()];
    eval(connection, &RATE_LIMIT, &[key.to_owned()], &arguments).map(|reply| flat(&reply))
}

#[test]
fn a_limit_is_kept() {
    on_every_server("limit", 1, |_, event| {
        let key = format!("rate:{}", event.id);
        let connection = &mut event.connection;
        let hour = 3_600_000;
        let mut asked =
            |operation: &str, limit: &str| ask(connection, &key, operation, hour, limit).unwrap();
        assert_eq!(asked("a", "3"), ["allowed", "1", "3"]);
        assert_eq!(asked("b", "3"), ["allowed", "2", "3"]);
        assert_eq!(asked("a", "3"), ["allowed", "2", "3"], "not counted twice");
        assert_eq!(asked("c", "3"), ["allowed", "3", "3"]);
        for _ in 0..2 {
            let limited = asked("d", "3");
            assert_eq!(limited[..2], ["limited", "3"]);
            let retry: u64 = limited[2].parse().unwrap();
            assert!((hour - 60_000..=hour).contains(&retry), "{retry}");
        }
        assert_eq!(asked("c", "3"), ["allowed", "3", "3"], "it was let through");
        assert_eq!(asked("e", "1")[..2], ["limited", "3"], "a lower limit");
        assert_eq!(asked("d", "4"), ["allowed", "4", "4"]);
        let members: Vec<String> = cmd("ZRANGE")
            .arg(&key)
            .arg(&["0", "-1"])
            .query(connection)
            .unwrap();
        assert_eq!(members, ["a", "b", "c", "d"], "refusals leave no trace");
        assert!(ask(connection, &key, "f", 0, "3").is_err());
        assert!(ask(connection, &key, "f", hour, "0").is_err());
    });
}

/// Until the told time it is refused, from then on it is not.
#[test]
fn the_window_slides() {
    on_every_server("slides", 1, |_, event| {
        let key = format!("rate:{}", event.id);
        let connection = &mut event.connection;
        let window = 400;
        assert_eq!(
            ask(connection, &key, "a", window, "1").unwrap()[0],
            "allowed"
        );
        let told = loop {
            let before = server_ms(connection);
            let reply = ask(connection, &key, "b", window, "1").unwrap();
            let after = server_ms(connection);
            if reply[0] == "allowed" {
                // A busy machine: the window was over before the first look.
                return;
            }
            let retry: u64 = reply[2].parse().unwrap();
            assert!(retry >= 1 && retry <= window, "{retry}");
            if before == after {
                break after + retry;
            }
        };
        pass(connection, told - 1);
        assert_eq!(
            ask(connection, &key, "b", window, "1").unwrap(),
            ["allowed", "1", "1"]
        );
        let ttl: i64 = cmd("PTTL").arg(&key).query(connection).unwrap();
        assert!(ttl <= 400, "the key goes by itself: {ttl}");
    });
}
