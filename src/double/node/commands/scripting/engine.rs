//! A Lua state with all that scripts find in it, and how the node is lent to the functions that they call.

use std::cell::Cell;

use mlua::{Function, HookTriggers, Lua, LuaOptions, LuaString, StdLib, Table, Value, VmState};
use scoped_tls_hkt::scoped_thread_local;

use super::raised::{self, Raised};
use super::random::Random;
use super::{api, busy, functions, guards, libraries};
use crate::double::node::server::Server;

/// The name of our own code in Lua, as an error's place has it.
pub(super) const PRELUDE: &str = "=prelude";

/// The most that one Lua state may have, in bytes: a script that wants more gets an error.
const MEMORY: usize = 512 * 1024 * 1024;
/// From so many bytes on, what a script has left is cleared away at once.
const GARBAGE: usize = 64 * 1024 * 1024;

/// After so many instructions the clock is looked at.
const INSTRUCTIONS: u32 = 10_000;

scoped_thread_local!(
    /// The node whose script is being run by this thread.
    static mut NODE: Server
);

/// Lends the node to the functions that a script calls, until `run` returns.
pub(super) fn lend<R>(node: &mut Server, run: impl FnOnce() -> R) -> R {
    NODE.set(node, run)
}

/// The node, for a function that a script has called.
///
/// # Errors
/// No script is being run: the function was called while the Lua state was made.
pub(super) fn node<R>(use_it: impl FnOnce(&mut Server) -> R) -> mlua::Result<R> {
    match NODE.is_set() {
        true => Ok(NODE.with(use_it)),
        false => Err(Raised::reply("ERR no script is being run")),
    }
}

/// A Lua state.
pub(super) struct Engine {
    pub lua: Lua,
    /// From code and the chunk's name to a function, or nil and a message.
    compile: Function,
    /// Runs a script with its keys and arguments as global variables.
    pub run_script: Function,
    /// Runs a function of a library.
    pub run_function: Function,
    /// Runs a library's code.
    pub run_library: Function,
    /// The hook that ends a script at once is set: the usual one has to be set again.
    impatient: Cell<bool>,
}

impl Engine {
    pub fn new(random: &Random) -> mlua::Result<Engine> {
        let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH;
        let lua = Lua::new_with(libraries, LuaOptions::default())?;
        let host = lua.create_table()?;
        host.raw_set("caught", lua.create_function(raised::caught)?)?;
        host.raw_set("place", lua.create_function(|lua, ()| raised::place(lua))?)?;
        host.raw_set("add_guards", lua.create_function(guards::add)?)?;
        let of_binary = lua.create_function(|lua, message| guards::of_binary(lua, &message))?;
        host.raw_set("of_binary", of_binary)?;
        host.raw_set("random", random.random(&lua)?)?;
        host.raw_set("randomseed", random.randomseed(&lua)?)?;
        let redis = api::table(&lua)?;
        host.raw_set("load_redis", functions::table(&lua, &redis)?)?;
        host.raw_set("redis", redis)?;
        host.raw_set("libraries", libraries::table(&lua)?)?;
        let prelude = lua.load(include_str!("prelude.lua")).set_name(PRELUDE);
        let made: Table = prelude.call(host)?;
        lua.set_globals(made.raw_get("globals")?)?;
        let engine = Engine {
            compile: made.raw_get("compile")?,
            run_script: made.raw_get("run_script")?,
            run_function: made.raw_get("run_function")?,
            run_library: made.raw_get("run_library")?,
            impatient: Cell::new(true),
            lua,
        };
        engine.be_patient()?;
        Ok(engine)
    }

    /// Makes a function of code.
    ///
    /// # Errors
    /// What Lua has against it.
    pub fn compile(&self, code: &[u8], chunk: &str) -> Result<Function, Vec<u8>> {
        if code.first() == Some(&27) {
            let name = chunk.trim_start_matches('@');
            return Err(format!("{name}:1: unexpected symbol near 'char(27)'").into_bytes());
        }
        let code = self.lua.create_string(code);
        let made = code.and_then(|code| {
            self.compile
                .call::<(Option<Function>, Option<LuaString>)>((code, chunk))
        });
        match made {
            Ok((Some(function), _)) => Ok(function),
            Ok((None, message)) => Err(message.map_or_else(Vec::new, |it| it.as_bytes().to_vec())),
            Err(error) => Err(error.to_string().into_bytes()),
        }
    }

    /// Runs something that ends with `true` and a value, or `false` and an error's table. The limit of memory is on meanwhile.
    pub fn run(
        &self,
        what: &Function,
        arguments: impl mlua::IntoLuaMulti,
    ) -> mlua::Result<(bool, Value)> {
        self.be_patient()?;
        let result = {
            let _limit = Limited::new(&self.lua);
            what.call(arguments)
        };
        // Lua itself looks at its garbage only when it has become twice as much.
        if self.lua.used_memory() > GARBAGE {
            self.lua.gc_collect()?;
        }
        result
    }

    /// Looks at the clock from time to time.
    fn be_patient(&self) -> mlua::Result<()> {
        if !self.impatient.replace(false) {
            return Ok(());
        }
        let triggers = HookTriggers::new().every_nth_instruction(INSTRUCTIONS);
        self.lua.set_global_hook(triggers, |lua, _| busy::look(lua))
    }

    /// Ends the script wherever it is, and again if it goes on nevertheless: it may have caught the error, which says `words`.
    pub fn be_impatient(&self, lua: &Lua, words: &'static str) -> mlua::Result<()> {
        self.impatient.set(true);
        let triggers = HookTriggers::new().every_nth_instruction(1);
        lua.set_global_hook(triggers, move |_, frame| {
            // Our own code has to be let finish: it makes the error's table.
            match frame.source().source.as_deref() == Some(PRELUDE) {
                true => Ok(VmState::Continue),
                false => Err(Raised::reply(words)),
            }
        })
    }
}

/// As long as it lives, Lua gets no more than [`MEMORY`].
struct Limited<'a>(&'a Lua);

impl Limited<'_> {
    fn new(lua: &Lua) -> Limited<'_> {
        // It is there in a state that is our own.
        let _ = lua.set_memory_limit(MEMORY);
        Limited(lua)
    }
}

impl Drop for Limited<'_> {
    fn drop(&mut self) {
        let _ = self.0.set_memory_limit(0);
    }
}

/// Lets a function of Rust's make Lua values without a limit, which is much cheaper: they are no more than what it was given. Lua notices it with its
/// next own step.
pub(super) fn unlimited<R>(lua: &Lua, make: impl FnOnce() -> R) -> R {
    let _ = lua.set_memory_limit(0);
    let made = make();
    let _ = lua.set_memory_limit(MEMORY);
    made
}
