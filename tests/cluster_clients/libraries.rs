//! The client libraries, and what their users can't do with them.

use std::path::{Path, PathBuf};

use labrunner::cluster::Endpoint;
use tokio::process::Command;

use crate::agent::Agent;
use crate::redis_rs;
use crate::support::skip;

/// A client library, with the version of RESP where it has a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Library {
    RedisRs { protocol: u8 },
    RedisPy { protocol: u8 },
    RedisRb,
    NodeRedis,
}

use Library::{NodeRedis, RedisPy, RedisRb, RedisRs};

impl Library {
    /// Whether the test can run; see [`skip`].
    pub fn available(self, test: &str) -> bool {
        self.folder()
            .is_none_or(|(name, folder)| match (folder, self.program_there()) {
                (Some(_), true) => true,
                (None, _) => skip(
                    name,
                    test,
                    &format!("{name} is not here; .ci/clients fetches it"),
                ),
                (_, false) => skip(name, test, &format!("nothing runs {name} here")),
            })
    }

    /// A user of the library that knows one node.
    pub fn user(self, seed: &Endpoint) -> Agent {
        let (variable, script) = match self {
            RedisRs { protocol } => return redis_rs::agent(seed, protocol),
            RedisPy { .. } => ("PYTHONPATH", "redis_py.py"),
            RedisRb => ("RUBYLIB", "redis_rb.rb"),
            NodeRedis => ("NODE_PATH", "node_redis.js"),
        };
        let mut command = Command::new(self.program());
        command
            .arg(
                Path::new(env!("CARGO_MANIFEST_DIR"))
                    .join("tests/cluster_clients")
                    .join(script),
            )
            .args([&seed.host, &seed.port.to_string()])
            .env(variable, self.folder().unwrap().1.unwrap());
        if let RedisPy { protocol } = self {
            command.arg(protocol.to_string());
        }
        Agent::program(command)
    }

    /// Whether one pipeline may have keys of several nodes.
    pub fn pipelines_across_nodes(self) -> bool {
        self != RedisRb
    }

    /// Whether it says where it believes the owners of slots to be.
    pub fn tells_owners(self) -> bool {
        self != RedisRb
    }

    /// Whether it says which replicas it knows.
    pub fn tells_replicas(self) -> bool {
        self != NodeRedis
    }

    /// Whether it hears what is published.
    pub fn hears(self, sharded: bool) -> bool {
        match self {
            RedisRs { protocol } => protocol == 3,
            RedisPy { .. } => true,
            RedisRb | NodeRedis => !sharded,
        }
    }

    /// Whether it looks for a new owner by itself when it can't reach the old one. One that does not learns of a promotion when the old master is back
    /// and redirects it.
    pub fn looks_for_the_new_master(self) -> bool {
        self != NodeRedis
    }

    fn program(self) -> &'static str {
        match self {
            RedisRs { .. } => "",
            RedisPy { .. } => "python3",
            RedisRb => "ruby",
            NodeRedis => "node",
        }
    }

    fn program_there(self) -> bool {
        std::env::var_os("PATH").is_some_and(|path| {
            std::env::split_paths(&path).any(|folder| folder.join(self.program()).is_file())
        })
    }

    /// Its name in `LABRUNNER_REQUIRE`, and the folder that `.ci/clients` has put it in.
    fn folder(self) -> Option<(&'static str, Option<PathBuf>)> {
        let name = match self {
            RedisRs { .. } => return None,
            RedisPy { .. } => "redis-py",
            RedisRb => "redis-rb",
            NodeRedis => "node-redis",
        };
        let cache = std::env::var_os("LABRUNNER_CLIENTS").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/clients"),
            PathBuf::from,
        );
        let is_it = |path: &PathBuf| {
            path.file_name()
                .is_some_and(|file| file.to_string_lossy().starts_with(&format!("{name}-")))
        };
        let found = std::fs::read_dir(cache)
            .ok()
            .and_then(|files| files.filter_map(|file| Some(file.ok()?.path())).find(is_it));
        Some((name, found))
    }
}
