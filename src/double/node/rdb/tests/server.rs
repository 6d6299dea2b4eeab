//! Real servers that payloads are taken from and given to.

use std::path::Path;
use std::process::Command;

use crate::double::node::reference::Reference;

pub struct Server(Reference);

impl Server {
    /// Redis 7.0, if it is here. That elements of lists have nodes of their own can be had only by DEBUG.
    pub fn redis_7_0(test: &str) -> Option<Server> {
        let options = [
            "--sanitize-dump-payload",
            "yes",
            "--enable-debug-command",
            "yes",
        ];
        Reference::start_with(test, &options).map(Server)
    }

    /// Redis 6.2, where `.ci/servers` has put it. It does not compress.
    pub fn redis_6_2() -> Option<Server> {
        let cache = std::env::var_os("LABRUNNER_SERVERS").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/servers"),
            Into::into,
        );
        let program = cache.join("redis-6.2.5/redis-server");
        program.is_file().then(|| {
            let mut command = Command::new(program);
            command.args(["--rdbcompression", "no"]);
            Server(Reference::launch(command))
        })
    }

    /// Has it do something that it must not refuse.
    pub fn does<A: AsRef<[u8]> + Clone>(&mut self, command: &[A]) {
        let name = command[0].as_ref().escape_ascii().to_string();
        assert!(self.can(command), "{name} is refused");
    }

    /// Has it do something, and says whether it did.
    pub fn can<A: AsRef<[u8]> + Clone>(&mut self, command: &[A]) -> bool {
        !self.0.ask(command).starts_with(b"-")
    }

    /// The payload of a key.
    pub fn dump(&mut self, key: &str) -> Vec<u8> {
        self.0.ask(&["DUMP", key])
    }

    /// Puts a payload into a key, and gives the error if it is refused.
    pub fn restore(&mut self, key: &str, payload: &[u8]) -> Result<(), String> {
        let reply = self
            .0
            .ask(&[b"RESTORE", key.as_bytes(), b"0", payload, b"REPLACE"]);
        match reply.split_first() {
            Some((b'+', _)) => Ok(()),
            Some((b'-', error)) => Err(String::from_utf8_lossy(error).into_owned()),
            _ => panic!("RESTORE of {}: {reply:?}", payload.escape_ascii()),
        }
    }
}
