//! CLUSTER, and what clients of a cluster say: ASKING, READONLY, READWRITE.

mod describe;
mod info;
mod keys;
mod peers;
mod shards;
mod slots;
#[cfg(test)]
mod tests;

use super::Family;
use crate::cluster::NodeId;
use crate::double::gossip::{Around, PeerKey, View};
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::presents::Presents;
use crate::double::node::server::Server;

pub(super) const COMMANDS: Family = &[
    ("asking", asking),
    ("cluster|addslots", slots::addslots),
    ("cluster|addslotsrange", slots::addslotsrange),
    ("cluster|bumpepoch", peers::bumpepoch),
    (
        "cluster|count-failure-reports",
        peers::count_failure_reports,
    ),
    ("cluster|countkeysinslot", keys::countkeysinslot),
    ("cluster|delslots", slots::delslots),
    ("cluster|delslotsrange", slots::delslotsrange),
    ("cluster|failover", peers::failover),
    ("cluster|flushslots", slots::flushslots),
    ("cluster|forget", peers::forget),
    ("cluster|getkeysinslot", keys::getkeysinslot),
    ("cluster|help", help),
    ("cluster|info", info::info),
    ("cluster|keyslot", keys::keyslot),
    ("cluster|links", info::links),
    ("cluster|meet", peers::meet),
    ("cluster|myid", describe::myid),
    ("cluster|nodes", describe::nodes),
    ("cluster|replicas", describe::replicas),
    ("cluster|replicate", peers::replicate),
    ("cluster|reset", peers::reset),
    ("cluster|saveconfig", peers::saveconfig),
    ("cluster|set-config-epoch", peers::set_config_epoch),
    ("cluster|setslot", slots::setslot),
    ("cluster|shards", shards::shards),
    ("cluster|slaves", describe::replicas),
    ("cluster|slots", shards::slots),
    ("readonly", |call| read_only(call, true)),
    ("readwrite", |call| read_only(call, false)),
];

const DISABLED: Failure = Failure::text("ERR This instance has cluster support disabled");

/// What a node knows of its cluster.
///
/// # Errors
/// It is in none.
fn view_of(server: &Server) -> Result<&View, Failure> {
    let member = server.cluster.as_deref().ok_or(DISABLED)?;
    Ok(&member.view)
}

/// The same, for those who tell of moments and messages: nodes that rest keep no account of them.
///
/// # Errors
/// It is in none.
fn accounts_of(server: &mut Server) -> Result<&View, Failure> {
    server.in_cluster(|_, _| ());
    view_of(server)
}

/// Changes what the node knows of its cluster.
///
/// # Errors
/// It is in none.
fn change<T>(
    call: &mut Call<'_>,
    what: impl FnOnce(&mut View, &mut Around<'_>) -> T,
) -> Result<T, Failure> {
    let changed = call.server.in_cluster(what).ok_or(DISABLED)?;
    call.server.look_at_slots();
    call.take_own_messages();
    Ok(changed)
}

/// The node with this id.
fn known(view: &View, id: &[u8]) -> Option<PeerKey> {
    let id: NodeId = std::str::from_utf8(id).ok()?.parse().ok()?;
    view.find(id)
}

/// The same.
///
/// # Errors
/// There is none: what most commands say then.
fn known_or_error(view: &View, id: &[u8]) -> Result<PeerKey, Failure> {
    known(view, id).ok_or_else(|| Failure::told(format!("ERR Unknown node {}", quoted(id))))
}

/// A word as errors have it: as C prints it.
fn quoted(word: &[u8]) -> String {
    let word = word.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(word).into_owned()
}

/// What is answered to a subcommand with too many words.
fn no_such_form(call: &Call<'_>) -> Failure {
    let word = call.args[1];
    let word = word.get(..128).unwrap_or(word);
    let unknown = match call.server.presents < Presents::V7_0 {
        true => "Unknown",
        false => "unknown",
    };
    Failure::told(format!(
        "ERR {unknown} subcommand or wrong number of arguments for '{}'. Try CLUSTER HELP.",
        quoted(word)
    ))
}

fn asking(call: &mut Call<'_>) -> Outcome {
    view_of(call.server)?;
    call.client().asking = true;
    call.out.ok();
    Ok(())
}

fn read_only(call: &mut Call<'_>, read_only: bool) -> Outcome {
    view_of(call.server)?;
    call.client().read_only = read_only;
    call.out.ok();
    Ok(())
}

fn help(call: &mut Call<'_>) -> Outcome {
    view_of(call.server)?;
    call.help_of("CLUSTER", include_str!("../help/cluster.txt"));
    Ok(())
}
