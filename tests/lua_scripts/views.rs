//! Views are counted once for every operation.

use labrunner::app::scripts::VIEW;

use crate::event::{eval, flat, on_every_server};

#[test]
fn a_view_is_counted_once() {
    on_every_server("views", 1, |_, event| {
        let mut view = |operation: &str, fingerprint: &[u8], ttl: &[u8]| {
            let keys = [event.key("views"), event.key(&format!("op:{operation}"))];
            eval(&mut event.connection, &VIEW, &keys, &[fingerprint, ttl])
        };
        let first = view("v1", b"view", b"60000").unwrap();
        assert_eq!(flat(&first), ["viewed", "1"]);
        assert_eq!(
            flat(&view("v2", b"view", b"60000").unwrap()),
            ["viewed", "2"]
        );
        assert_eq!(view("v1", b"view", b"60000").unwrap(), first);
        assert_eq!(
            flat(&view("v1", b"other", b"60000").unwrap()),
            ["op_conflict"]
        );
        assert!(view("v3", b"view", b"0").is_err());
        assert_eq!(
            flat(&view("v3", b"view", b"60000").unwrap()),
            ["viewed", "3"]
        );
    });
}
