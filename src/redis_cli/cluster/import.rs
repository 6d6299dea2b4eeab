//! `--cluster import`: the keys of a server without cluster mode.

use crate::cluster::Slot;
use crate::redis_cli::halt::{Flow, Halt};
use crate::redis_cli::link::{Link, Place};
use crate::redis_cli::receive::reason;
use crate::redis_cli::value::Value;

use super::address::of_cluster;
use super::check::Manner as Check;
use super::load::field;
use super::work::Work;

/// The server that the keys come from.
struct Source {
    address: String,
    link: Link,
}

impl Work<'_, '_> {
    /// Moves, or copies, every key of database 0 to the master of its slot.
    pub(super) fn run_import(&mut self) -> Flow<bool> {
        let (host, port) = self.cluster_of(&self.call.arguments)?;
        let Some(from) = self.call.from.clone() else {
            return self
                .give_up("[ERR] Option '--cluster-from' is required for subcommand 'import'.\n");
        };
        let Some((from_host, from_port)) = of_cluster(&[from.into_bytes()]) else {
            return self.give_up(
                "[ERR] Invalid --cluster-from host. You need to pass a valid address (ie. 120.0.0.1:7000).\n",
            );
        };
        let address = format!("{from_host}:{from_port}");
        self.info(format_args!(
            ">>> Importing data from {address} to cluster {host}:{port}\n"
        ))?;
        self.load((host, port))?;
        if !self.check(Check::PLAIN)? {
            return Ok(false);
        }
        let mut source = self.source_of_import(from_host, from_port)?;
        let info = self.ask_source(&mut source, &["INFO"])?;
        if field(&info, "cluster_enabled") == Some(1) {
            return self.fail("[ERR] The source node should not be a cluster node.\n");
        }
        let size = match self.ask_source(&mut source, &["DBSIZE"])? {
            Value::Integer(size) => size,
            _ => 0,
        };
        self.warn(format_args!("*** Importing {size} keys from DB 0\n"))?;
        let mut cursor = b"0".to_vec();
        loop {
            let found = self.ask_source(
                &mut source,
                &[b"SCAN", cursor.as_slice(), b"COUNT", b"1000"],
            )?;
            let Some([next, keys]) = found.items() else {
                return Err(Halt::Exit(1));
            };
            cursor = next.text().unwrap_or(b"0").to_vec();
            for key in keys
                .items()
                .unwrap_or_default()
                .iter()
                .filter_map(Value::text)
            {
                self.import_key(&mut source, key)?;
            }
            if cursor == b"0" {
                return Ok(true);
            }
        }
    }

    fn import_key(&mut self, source: &mut Source, key: &[u8]) -> Flow {
        let slot = Slot::of_key(key);
        let owner = self.masters().into_iter().find_map(|at| {
            let node = self
                .nodes
                .get(at)
                .filter(|node| node.slots.contains(slot))?;
            Some((node.host.clone(), node.port))
        });
        let Some((host, port)) = owner else {
            return Err(Halt::Exit(1));
        };
        self.say("Migrating ")?;
        self.around.output.write_all(key)?;
        self.show(format_args!(" to {host}:{port}: "))?;
        let (port, timeout) = (port.to_string(), self.call.timeout.to_string());
        let mut words: Vec<&[u8]> = vec![
            b"MIGRATE",
            host.as_bytes(),
            port.as_bytes(),
            key,
            b"0",
            timeout.as_bytes(),
        ];
        let login = &self.options.login;
        match (&login.user, &login.password) {
            (Some(user), Some(password)) => words.extend([b"AUTH2".as_slice(), user, password]),
            (None, Some(password)) => words.extend([b"AUTH".as_slice(), password]),
            _ => {}
        }
        if self.call.flags.copy {
            words.push(b"COPY");
        }
        if self.call.flags.replace {
            words.push(b"REPLACE");
        }
        self.ask_source(source, &words)?;
        self.good("OK\n")
    }

    fn source_of_import(&mut self, host: String, port: i64) -> Flow<Source> {
        let address = format!("{host}:{port}");
        let link = match Link::open(&Place::Tcp(host, port)) {
            Ok(link) => link,
            Err(error) => {
                return self.give_up(format_args!(
                    "Could not connect to Redis at {address}: {}.\n",
                    reason(&error)
                ));
            }
        };
        let mut source = Source { address, link };
        if let Some(password) = &self.call.from_password {
            let words: Vec<&[u8]> = match &self.call.from_user {
                Some(user) => vec![b"AUTH", user, password],
                None => vec![b"AUTH", password],
            };
            match source.link.ask(&words) {
                Ok(reply) => {
                    if let Some(error) = reply.error() {
                        let error = String::from_utf8_lossy(error).into_owned();
                        return self.give_up(format_args!("AUTH failed: {error}\n"));
                    }
                }
                Err(broken) => return self.give_up(format_args!("Error: {broken}\n")),
            }
        }
        Ok(source)
    }

    fn ask_source<A: AsRef<[u8]>>(&mut self, source: &mut Source, words: &[A]) -> Flow<Value> {
        match source.link.ask(words) {
            Err(broken) => self.give_up(format_args!("Error: {broken}\n")),
            Ok(reply) => match reply.error() {
                None => Ok(reply),
                Some(error) => {
                    let error = String::from_utf8_lossy(error).into_owned();
                    self.fail(format_args!(
                        "Source {} replied with error:\n{error}\n",
                        source.address
                    ))
                }
            },
        }
    }
}
