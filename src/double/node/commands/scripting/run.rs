//! A script that is being run, and the commands that it has executed.

use std::time::Instant;

use mlua::{Lua, Value};
use smallvec::SmallVec;

use super::Scripts;
use super::arguments::Argument;
use super::engine::unlimited;
use super::values;
use crate::double::node::call::Origin;
use crate::double::node::client::ClientKey;
use crate::double::node::commands::Registry;
use crate::double::node::dispatch::{Prepared, Unfit, look_up};
use crate::double::node::out::Out;
use crate::double::node::presents::Presents;
use crate::double::node::routing::Redirect;
use crate::double::node::server::Server;
use crate::double::node::table::{CommandId, Flags, Table};

/// The script that is being run.
pub(super) struct Running {
    /// Whose it is.
    pub client: ClientKey,
    /// Its SHA-1, or the name of a function.
    pub name: Vec<u8>,
    /// A function of a library, not a script of EVAL.
    pub is_function: bool,
    /// The command that runs it, word by word.
    pub command: Vec<Vec<u8>>,
    /// It may not write.
    pub read_only: bool,
    /// On a node of a cluster it may use keys of several slots, if they are all there.
    pub cross_slot: bool,
    /// It has executed a command that writes.
    pub wrote: bool,
    /// When it began.
    pub since: Instant,
    /// It has been running for so long that others are answered meanwhile.
    pub busy: bool,
    /// Somebody has said SCRIPT KILL or FUNCTION KILL, or the node is being stopped.
    pub killed: bool,
    /// Where the replies to its commands are written; in RESP3 if it has said so.
    pub out: Out,
}

impl Running {
    pub fn new(client: ClientKey, name: &[u8], read_only: bool) -> Running {
        Running {
            client,
            name: name.to_vec(),
            is_function: false,
            command: Vec::new(),
            read_only,
            cross_slot: false,
            wrote: false,
            since: Instant::now(),
            busy: false,
            killed: false,
            out: Out::new(false),
        }
    }
}

impl Scripts {
    /// The script that is being run.
    pub(super) fn running_mut(&mut self) -> Option<&mut Running> {
        self.running.as_mut()
    }

    /// Whose script is being run.
    pub fn client(&self) -> Option<ClientKey> {
        self.running.as_ref().map(|running| running.client)
    }
}

/// The error reply of a command, without its `-`.
pub(super) struct Failed(pub Vec<u8>);

impl Failed {
    fn new(words: &str) -> Failed {
        Failed(words.as_bytes().to_vec())
    }
}

/// The words of a command, or what is wrong with them.
pub(super) fn words(arguments: &[Argument]) -> Result<SmallVec<[&[u8]; 16]>, &'static str> {
    if arguments.is_empty() {
        return Err("ERR Please specify at least one argument for this redis lib call");
    }
    let mut words = SmallVec::new();
    for argument in arguments {
        match argument {
            Argument::Word(word) => words.push(&word[..]),
            Argument::Unfit => {
                return Err("ERR Lua redis lib command arguments must be strings or integers");
            }
        }
    }
    Ok(words)
}

/// Whether there is a command of this name.
pub(super) fn is_command(presents: Presents, words: &[&[u8]]) -> bool {
    !matches!(
        look_up(Table::redis_7_0(), Registry::get(), presents, words),
        Err(Unfit::Unknown(_))
    )
}

const NOT_ALLOWED: &str = "ERR This Redis command is not allowed from script";

/// Whether Redis has such a command, but not for scripts.
fn is_barred(table: &Table, words: &[&[u8]]) -> bool {
    let Some(mut id) = table.find(words[0]) else {
        return false;
    };
    if let Some(found) = words.get(1).and_then(|word| table.subcommand(id, word)) {
        id = found;
    }
    table.spec(id).flags.has(Flags::NOSCRIPT)
}

/// Executes a command for the script that is being run: `Ok` with the value of the reply, or the command's error.
pub(super) fn command(
    node: &mut Server,
    lua: &Lua,
    arguments: &[Argument],
) -> Result<mlua::Result<Value>, Failed> {
    let words = words(arguments).map_err(Failed::new)?;
    let table = Table::redis_7_0();
    let (id, handler) = match look_up(table, Registry::get(), node.presents, &words) {
        Ok(found) => found,
        // Also of a command that is not there it is said if it never could be.
        Err(Unfit::Unknown(_)) if is_barred(table, &words) => {
            return Err(Failed::new(NOT_ALLOWED));
        }
        Err(Unfit::Unknown(_)) => {
            return Err(Failed::new("ERR Unknown Redis command called from script"));
        }
        Err(Unfit::Arity(_)) => {
            return Err(Failed::new(
                "ERR Wrong number of args calling Redis command from script",
            ));
        }
    };
    let flags = table.spec(id).flags;
    if flags.has(Flags::NOSCRIPT) {
        return Err(Failed::new(NOT_ALLOWED));
    }
    let writes = flags.has(Flags::WRITE);
    let wrote = node.scripts.running.as_ref().is_some_and(|it| it.wrote);
    let refused = match writes {
        true => node.script_may_not_write(wrote),
        false => None,
    };
    let Some(running) = &mut node.scripts.running else {
        return Err(Failed::new("ERR no script is being run"));
    };
    if writes {
        if running.read_only {
            return Err(Failed::new(
                "ERR Write commands are not allowed from read-only scripts.",
            ));
        }
        if let Some(words) = refused {
            return Err(Failed::new(words));
        }
        running.wrote = true;
    }
    let (client, cross_slot) = (running.client, running.cross_slot);
    if node.cluster.is_some() {
        local(node, client, id, &words, cross_slot)?;
    }
    let Some(running) = &mut node.scripts.running else {
        return Err(Failed::new("ERR no script is being run"));
    };
    let mut out = std::mem::take(&mut running.out);
    out.bytes.clear();
    let db = node.clients.get(client.0).map_or(0, |client| client.db);
    let prepared = Prepared {
        client,
        db,
        args: &words,
        command: id,
        origin: Origin::Script,
    };
    let failed = match node.call_with(handler, prepared, &mut out) {
        Ok(()) => out.bytes.first() == Some(&b'-'),
        Err(failure) => {
            out.bytes.clear();
            out.error(&failure);
            true
        }
    };
    let result = match failed {
        true => {
            let words = &out.bytes[1..out.bytes.len() - 2];
            node.count_error(words);
            Err(Failed(words.to_vec()))
        }
        false => Ok(unlimited(lua, || values::value(lua, &out.bytes))),
    };
    if out.bytes.capacity() > KEPT {
        out.bytes = Vec::new();
    }
    if let Some(running) = &mut node.scripts.running {
        running.out = out;
    }
    result
}

/// Looks whether a script's command is one for this node of a cluster.
fn local(
    node: &mut Server,
    client: ClientKey,
    id: CommandId,
    words: &[&[u8]],
    cross_slot: bool,
) -> Result<(), Failed> {
    let slot = node.route(client, id, words).map_err(|redirect| {
        let who = node.presents.script();
        Failed(match redirect {
            Redirect::DownForWrites => format!(
                "ERR {who} attempted to execute a write command while the cluster is down and readonly"
            ),
            Redirect::Down => {
                format!("ERR {who} attempted to execute a command while the cluster is down")
            }
            _ => format!("ERR {who} attempted to access a non local key in a cluster node"),
        }.into_bytes())
    })?;
    let Some(slot) = slot.filter(|_| !cross_slot) else {
        return Ok(());
    };
    // The first one that it uses counts where it has declared none.
    let first = node
        .clients
        .get_mut(client.0)
        .map(|client| &mut client.slot);
    match first.map(|first| *first.get_or_insert(slot)) {
        Some(first) if first != slot => Err(Failed::new(
            "ERR Script attempted to access keys that do not hash to the same slot",
        )),
        _ => Ok(()),
    }
}

/// More than this is not kept for the next reply.
const KEPT: usize = 64 * 1024;
