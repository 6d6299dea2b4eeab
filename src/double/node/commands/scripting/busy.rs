//! A script that takes long: others are answered meanwhile, and may end it.

use std::rc::Rc;
use std::time::Duration;

use mlua::{Lua, VmState};

use super::Scripts;
use super::engine::Engine;
use super::engine::node;
use super::functions::LOAD_TIME;
use super::raised::Raised;
use crate::double::node::failure::Failure;
use crate::double::node::server::Server;

/// What a script's client gets when the script was killed, and a function's as well.
const KILLED: &str = "ERR Script killed by user with SCRIPT KILL...";
/// What whoever loads a library gets whose code takes too long.
const LOADED_TOO_LONG: &str = "ERR FUNCTION LOAD timeout";

const BUSY_SCRIPT: Failure = Failure::text(
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
);
const BUSY_FUNCTION: Failure = Failure::text(
    "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.",
);

/// Called by Lua from time to time.
pub(super) fn look(lua: &Lua) -> mlua::Result<VmState> {
    let ended = node(|node| {
        node.look_after_others();
        node.scripts.ended(node.net.is_stopping())
    });
    match ended {
        Ok(Some((engine, words))) => {
            engine.be_impatient(lua, words)?;
            Err(Raised::reply(words))
        }
        _ => Ok(VmState::Continue),
    }
}

impl Server {
    /// If the script has been running for long, answers the others.
    fn look_after_others(&mut self) {
        let stops = self.net.is_stopping();
        let limit = Duration::from_millis(self.config.busy);
        let Some(running) = &mut self.scripts.running else {
            return;
        };
        if stops {
            running.killed = true;
            return;
        }
        // 0: no limit.
        if limit.is_zero() || running.since.elapsed() < limit {
            return;
        }
        running.busy = true;
        self.turn_from_inside();
    }

    /// What is answered instead of executing a command while a script takes long.
    pub fn busy(&self) -> Option<Failure> {
        self.scripts.busy()
    }
}

impl Scripts {
    /// Whether what is being run is to end: its Lua state, and the error that it gets.
    fn ended(&self, stops: bool) -> Option<(Rc<Engine>, &'static str)> {
        if let Some(loading) = &self.loading {
            let is_over = loading.since.elapsed().as_millis() > LOAD_TIME || stops;
            let engine = self.libraries.engine.clone().filter(|_| is_over)?;
            return Some((engine, LOADED_TOO_LONG));
        }
        let running = self.running.as_ref().filter(|running| running.killed)?;
        match running.is_function {
            true => Some((self.libraries.engine.clone()?, KILLED)),
            false => Some((self.engine.clone()?, KILLED)),
        }
    }

    fn busy(&self) -> Option<Failure> {
        let running = self.running.as_ref().filter(|running| running.busy)?;
        Some(match running.is_function {
            true => BUSY_FUNCTION,
            false => BUSY_SCRIPT,
        })
    }

    /// SCRIPT KILL and FUNCTION KILL.
    pub(super) fn kill(&mut self, function: bool) -> Result<(), Failure> {
        let Some(running) = &mut self.running else {
            return Err(Failure::text("NOTBUSY No scripts in execution right now."));
        };
        if running.wrote {
            return Err(Failure::text(
                "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.",
            ));
        }
        if running.is_function != function {
            return Err(match running.is_function {
                true => BUSY_FUNCTION,
                false => BUSY_SCRIPT,
            });
        }
        running.killed = true;
        Ok(())
    }
}
