//! What commands do: one file a family.

mod arguments;
mod bitmaps;
#[cfg(test)]
mod chapter;
mod cluster;
mod command;
mod config;
mod connection;
mod first_of;
mod geo;
mod hashes;
mod hyperloglog;
mod info;
pub(in crate::double::node) mod keys;
mod lists;
mod partial_sort;
mod pubsub;
mod random;
pub(super) mod scripting;
mod server;
mod sets;
mod sort;
mod sorted_sets;
mod streams;
mod strings;
mod transactions;

use std::sync::OnceLock;

use super::call::Call;
use super::failure::Outcome;
use super::table::{CommandId, Spec, Table};

/// The function of a command.
pub(super) type Handler = fn(&mut Call<'_>) -> Outcome;

/// Names, as the [`Table`] has them (`get`, `config|get`), and functions.
type Family = &'static [(&'static str, Handler)];

/// All of them.
const FAMILIES: &[Family] = &[
    bitmaps::COMMANDS,
    cluster::COMMANDS,
    command::COMMANDS,
    config::COMMANDS,
    connection::COMMANDS,
    geo::COMMANDS,
    hashes::COMMANDS,
    hyperloglog::COMMANDS,
    info::COMMANDS,
    keys::COMMANDS,
    lists::COMMANDS,
    pubsub::COMMANDS,
    scripting::COMMANDS,
    scripting::functions::COMMANDS,
    server::COMMANDS,
    sets::COMMANDS,
    sort::COMMANDS,
    sorted_sets::COMMANDS,
    streams::COMMANDS,
    strings::COMMANDS,
    transactions::COMMANDS,
];

/// Which commands of the table there are here, and their functions.
pub(super) struct Registry {
    handlers: Vec<Option<Handler>>,
}

impl Registry {
    /// The one of Redis 7.0.
    pub fn get() -> &'static Registry {
        static REGISTRY: OnceLock<Registry> = OnceLock::new();
        REGISTRY.get_or_init(|| {
            let table = Table::redis_7_0();
            let mut handlers = vec![None; table.len()];
            let all: std::collections::HashMap<&str, Handler> =
                FAMILIES.iter().copied().flatten().copied().collect();
            for id in table.all() {
                handlers[id.index()] = all.get(table.spec(id).name).copied();
            }
            Registry { handlers }
        })
    }

    /// The function of a command; `None`: it is not there.
    pub fn handler(&self, id: CommandId) -> Option<Handler> {
        self.handlers[id.index()]
    }

    /// Whether any subcommand of a command is there.
    pub fn has_subcommands(&self, spec: &Spec) -> bool {
        spec.subcommands
            .iter()
            .any(|id| self.handler(*id).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_has_a_command() {
        let table = Table::redis_7_0();
        let known: std::collections::HashSet<&str> =
            table.all().map(|id| table.spec(id).name).collect();
        for (name, _) in FAMILIES.iter().copied().flatten() {
            assert!(known.contains(name), "{name}");
        }
        let names: Vec<&str> = FAMILIES
            .iter()
            .copied()
            .flatten()
            .map(|(name, _)| *name)
            .collect();
        let once: std::collections::HashSet<&str> = names.iter().copied().collect();
        assert_eq!(once.len(), names.len(), "a command has two functions");
    }
}
