//! Lua scripts and libraries of functions, as Redis 7.0 runs them: EVAL, SCRIPT, FUNCTION, FCALL.
//!
//! One [`Engine`] is a Lua state with what scripts find in it. While a script runs, the node is lent to the functions that it calls
//! ([`engine::lend`]): a command that the script executes is executed by the same thread, in the same call.

mod api;
mod arguments;
mod busy;
mod engine;
mod eval;
pub(super) mod functions;
mod guards;
mod libraries;
mod raised;
mod random;
mod reply;
mod run;
mod script;
mod shebang;
mod values;

use std::collections::HashMap;
use std::rc::Rc;

use super::Family;

use engine::Engine;
use functions::{Libraries, Loading};
use random::Random;
use run::Running;
use shebang::Flags;

pub(super) const COMMANDS: Family = &[
    ("eval", eval::eval),
    ("eval_ro", eval::eval),
    ("evalsha", eval::evalsha),
    ("evalsha_ro", eval::evalsha),
    ("script|load", script::load),
    ("script|exists", script::exists),
    ("script|flush", script::flush),
    ("script|kill", script::kill),
    ("script|debug", script::debug),
    ("script|help", script::help),
];

/// SHA-1 of a script in lower-case hexadecimal digits.
type Digest = [u8; 40];

/// All that a node knows of scripts.
#[derive(Default)]
pub(in crate::double) struct Scripts {
    /// The Lua state of EVAL; made when the first script comes.
    engine: Option<Rc<Engine>>,
    /// What EVALSHA finds.
    known: HashMap<Digest, Script, foldhash::fast::FixedState>,
    /// Libraries of functions.
    libraries: Libraries,
    /// The library whose code is being run.
    loading: Option<Loading>,
    /// The script that is being run.
    running: Option<Running>,
    /// The random numbers of all scripts.
    random: Random,
}

impl Scripts {
    /// How many scripts, functions and libraries are kept.
    pub fn counts(&self) -> (usize, usize, usize) {
        let (functions, libraries) = self.libraries.counts();
        (self.known.len(), functions, libraries)
    }
}

/// A script that was compiled.
#[derive(Clone)]
struct Script {
    function: mlua::Function,
    flags: Flags,
}

/// The name by which EVALSHA knows a script.
fn digest(body: &[u8]) -> Digest {
    let mut digest = [0; 40];
    let bytes = sha1_smol::Sha1::from(body).digest().bytes();
    for (pair, byte) in digest.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        *pair = [
            DIGITS[usize::from(byte >> 4)],
            DIGITS[usize::from(byte & 15)],
        ];
    }
    digest
}
