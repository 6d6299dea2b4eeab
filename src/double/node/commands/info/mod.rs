//! INFO: what a server tells of itself, section by section.
//!
//! All names of Redis 7.0 are there. What the node counts is told truly; figures about memory and processor time are the whole process's, since a node shares it
//! with the test; and what is about disks, forks, replicas, defragmentation and threads of input and output, which a node has none of, is told as by a server
//! that has never used them.

mod commands;
mod process;
mod replication;
mod sections;

use super::Family;
use crate::double::node::call::Call;
use crate::double::node::failure::Outcome;
use crate::double::node::server::Server;

pub(super) use process::{resident, total_memory};

pub(super) const COMMANDS: Family = &[("info", info)];

/// What writes a section's lines.
type Section = fn(&Server, &mut Lines);

/// The sections in the order in which they are told, and whether INFO without arguments tells them.
const SECTIONS: [(&str, &str, bool, Section); 13] = [
    ("server", "Server", true, sections::server),
    ("clients", "Clients", true, sections::clients),
    ("memory", "Memory", true, sections::memory),
    ("persistence", "Persistence", true, sections::persistence),
    ("stats", "Stats", true, sections::stats),
    ("replication", "Replication", true, replication::replication),
    ("cpu", "CPU", true, sections::cpu),
    ("modules", "Modules", true, |_, _| {}),
    ("commandstats", "Commandstats", false, commands::counts),
    ("errorstats", "Errorstats", true, commands::errors),
    ("latencystats", "Latencystats", false, commands::times),
    ("cluster", "Cluster", true, sections::cluster),
    ("keyspace", "Keyspace", true, sections::keyspace),
];

/// Lines `name:value`.
#[derive(Default)]
pub(super) struct Lines(Vec<u8>);

impl Lines {
    fn add(&mut self, name: &str, value: impl std::fmt::Display) {
        self.0
            .extend_from_slice(format!("{name}:{value}\r\n").as_bytes());
    }

    /// What is always the same here.
    fn add_all(&mut self, lines: &[(&str, &str)]) {
        for (name, value) in lines {
            self.add(name, value);
        }
    }
}

fn info(call: &mut Call<'_>) -> Outcome {
    let wanted: Vec<Vec<u8>> = call.args[1..]
        .iter()
        .map(|word| word.to_ascii_lowercase())
        .collect();
    let asked = |name: &str| wanted.iter().any(|word| word == name.as_bytes());
    let mut lines = Lines::default();
    for (name, title, by_default, section) in SECTIONS {
        let told = asked(name)
            || asked("everything")
            || asked("all")
            || (by_default && (wanted.is_empty() || asked("default")));
        if !told {
            continue;
        }
        if !lines.0.is_empty() {
            lines.0.extend_from_slice(b"\r\n");
        }
        lines
            .0
            .extend_from_slice(format!("# {title}\r\n").as_bytes());
        section(call.server, &mut lines);
    }
    call.out.verbatim("txt", &lines.0);
    Ok(())
}
