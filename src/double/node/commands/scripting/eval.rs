//! EVAL and EVALSHA.

use std::rc::Rc;

use mlua::{LuaString, Table, Value};

use super::engine::{Engine, lend};
use super::run::Running;
use super::shebang::{self, Flags};
use super::{Digest, Script, Scripts, reply};
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::number;
use crate::double::node::replication::Needs;
use crate::double::node::server::Server;

/// EVAL and EVAL_RO.
pub(super) fn eval(call: &mut Call<'_>) -> Outcome {
    let body = call.args[1];
    let keys = number_of_keys(call.args)?;
    let digest = super::digest(body);
    let script = compiled(call.server, digest, body)?;
    run(call, digest, script, keys)
}

/// EVALSHA and EVALSHA_RO.
pub(super) fn evalsha(call: &mut Call<'_>) -> Outcome {
    let name = call.args[1];
    if name.len() != size_of::<Digest>() {
        return Err(NO_SCRIPT);
    }
    let keys = number_of_keys(call.args)?;
    let (digest, script) = known(call.server, name).ok_or(NO_SCRIPT)?;
    run(call, digest, script, keys)
}

const NO_SCRIPT: Failure = Failure::text("NOSCRIPT No matching script. Please use EVAL.");

/// How many of the words behind the number are keys.
pub(super) fn number_of_keys(args: &[&[u8]]) -> Result<usize, Failure> {
    let given = number::parse_i64(args[2]).ok_or(Failure::NOT_AN_INTEGER)?;
    if given > args.len() as i64 - 3 {
        return Err(Failure::text(
            "ERR Number of keys can't be greater than number of args",
        ));
    }
    usize::try_from(given).map_err(|_| Failure::text("ERR Number of keys can't be negative"))
}

/// The script of this name, upper or lower case.
pub(super) fn known(server: &Server, name: &[u8]) -> Option<(Digest, Script)> {
    let mut digest: Digest = name.try_into().ok()?;
    digest.make_ascii_lowercase();
    let script = server.scripts.known.get(&digest)?;
    Some((digest, script.clone()))
}

/// The script with this code, which is kept from then on.
pub(super) fn compiled(
    server: &mut Server,
    digest: Digest,
    body: &[u8],
) -> Result<Script, Failure> {
    if let Some(script) = server.scripts.known.get(&digest) {
        return Ok(script.clone());
    }
    let (flags, code) = shebang::read(body)?;
    let engine = server.scripts.engine()?;
    let function = engine.compile(code, "@user_script").map_err(|message| {
        Failure::told(format!(
            "ERR Error compiling script (new function): {}",
            String::from_utf8_lossy(&message)
        ))
    })?;
    let script = Script { function, flags };
    server.scripts.known.insert(digest, script.clone());
    Ok(script)
}

impl Scripts {
    /// The Lua state of EVAL.
    pub(super) fn engine(&mut self) -> Result<Rc<Engine>, Failure> {
        if let Some(engine) = &self.engine {
            return Ok(Rc::clone(engine));
        }
        let engine = Engine::new(&self.random)
            .map_err(|error| Failure::told(format!("ERR Lua can't be started: {error}")))?;
        let engine = Rc::new(engine);
        self.engine = Some(Rc::clone(&engine));
        Ok(engine)
    }

    /// Whether the script that a command runs has declared that it writes, or that it does not. `None`: it has declared nothing, or this is another command.
    pub fn declared_to_write(&self, command: &str, args: &[&[u8]]) -> Option<bool> {
        let word = args.get(1)?;
        let flags = match command {
            "eval" | "eval_ro" => match self.known.get(&super::digest(word)) {
                Some(script) => script.flags,
                None => shebang::read(word).ok()?.0,
            },
            "evalsha" | "evalsha_ro" => {
                let mut digest: Digest = (*word).try_into().ok()?;
                digest.make_ascii_lowercase();
                self.known.get(&digest)?.flags
            }
            // What a function is not said to do, it does.
            "fcall" | "fcall_ro" => return Some(!self.libraries.flags_of(word)?.no_writes),
            _ => return None,
        };
        flags.declared.then_some(!flags.no_writes)
    }

    /// Forgets all scripts, and what they have left in Lua's memory.
    pub fn forget_all(&mut self) {
        self.known.clear();
        self.engine = None;
    }
}

fn run(call: &mut Call<'_>, digest: Digest, script: Script, keys: usize) -> Outcome {
    let args = call.args;
    let ro = matches!(args[0].last(), Some(b'o' | b'O'));
    let flags = script.flags;
    if flags.declared {
        fits_cluster(call.server, flags)?;
    }
    let refused = call
        .server
        .script_may_not_run(flags.declared.then_some(Needs {
            writing: !flags.no_writes,
            fresh_data: !flags.allow_stale,
        }));
    if let Some(failure) = refused {
        return Err(failure);
    }
    if flags.declared && !flags.no_writes && ro {
        return Err(Failure::text(
            "ERR Can not execute a script with write flag using *_ro command.",
        ));
    }
    let engine = call.server.scripts.engine()?;
    let mut running = Running::new(call.client, &digest, ro || flags.no_writes);
    running.cross_slot = !flags.declared || flags.cross_slot;
    let (keys, argv) = args[3..].split_at(keys);
    let (keys, argv) = tables(&engine, keys, argv).map_err(|error| broken(&error))?;
    let outcome = run_with(call, running, || {
        engine.run(&engine.run_script, (&script.function, keys, argv))
    });
    finish(call, &digest, outcome)
}

/// A node of a cluster does not run what has been declared to be for none.
pub(super) fn fits_cluster(server: &Server, flags: Flags) -> Outcome {
    match flags.no_cluster && server.cluster.is_some() {
        true => Err(Failure::text(
            "ERR Can not run script on cluster, 'no-cluster' flag is set.",
        )),
        false => Ok(()),
    }
}

/// Keys and arguments as Lua's tables.
pub(super) fn tables(
    engine: &Engine,
    keys: &[&[u8]],
    argv: &[&[u8]],
) -> mlua::Result<(Table, Table)> {
    let table = |words: &[&[u8]]| {
        engine
            .lua
            .create_sequence_from(words.iter().map(LuaString::wrap))
    };
    Ok((table(keys)?, table(argv)?))
}

/// How a run has ended.
pub(super) struct Ended {
    /// `true` and a value, or `false` and an error's table.
    result: mlua::Result<(bool, Value)>,
    /// It has said `redis.setresp(3)`.
    resp3: bool,
}

/// Runs something in Lua, the node being lent to it.
pub(super) fn run_with(
    call: &mut Call<'_>,
    running: Running,
    run: impl FnOnce() -> mlua::Result<(bool, Value)>,
) -> Ended {
    let key = call.client;
    // SELECT in a script is only for the script.
    let db = call.client().db;
    call.client().db = call.db;
    let outer = call.server.scripts.running.replace(running);
    let result = lend(call.server, run);
    let running = std::mem::replace(&mut call.server.scripts.running, outer);
    if let Some(client) = call.server.clients.get_mut(key.0) {
        client.db = db;
    }
    Ended {
        result,
        resp3: running.is_some_and(|running| running.out.resp3),
    }
}

/// Writes the reply of a script that has ended. `name`: its digest, or the function's name.
pub(super) fn finish(call: &mut Call<'_>, name: &[u8], ended: Ended) -> Outcome {
    call.take_own_messages();
    match ended.result {
        Ok((true, value)) => {
            reply::write(call.out, &value, ended.resp3);
            Ok(())
        }
        Ok((false, Value::Table(error))) => {
            let words = error_words(&error, name).map_err(|error| broken(&error))?;
            call.out.error_bytes(&words);
            Ok(())
        }
        Ok((false, value)) => {
            let told = value.to_string().unwrap_or_default();
            let name = String::from_utf8_lossy(name);
            Err(Failure::told(format!(
                "ERR Error running script {name}, {told:.100}"
            )))
        }
        Err(error) => Err(broken(&error)),
    }
}

/// `ERR … script: e0e1…, on @user_script:1.`
fn error_words(error: &Table, name: &[u8]) -> mlua::Result<Vec<u8>> {
    let text = |field: &str| -> mlua::Result<Option<Vec<u8>>> {
        let value: Value = error.raw_get(field)?;
        Ok(match value {
            Value::String(text) => Some(text.as_bytes().to_vec()),
            Value::Integer(number) => Some(number.to_string().into_bytes()),
            Value::Number(number) => {
                let mut digits = Vec::new();
                number::write_g(&mut digits, number, 14);
                Some(digits)
            }
            _ => None,
        })
    };
    // Redis itself does not survive an error without words.
    let mut words = text("err")?.unwrap_or_else(|| b"ERR unknown error".to_vec());
    // A text of C for Redis: it ends at a zero byte.
    if let Some(end) = words.iter().position(|byte| *byte == 0) {
        words.truncate(end);
    }
    if let (Some(source), Some(line)) = (text("source")?, text("line")?) {
        for part in [b" script: ", name, b", on ", &source, b":", &line, b"."] {
            words.extend_from_slice(part);
        }
    }
    Ok(words)
}

/// What is answered if Lua itself has failed.
pub(super) fn broken(error: &mlua::Error) -> Failure {
    let words = match error {
        mlua::Error::MemoryError(_) => "not enough memory".to_owned(),
        other => other.to_string(),
    };
    Failure::told(format!("ERR {}", words.lines().next().unwrap_or_default()))
}
