//! Libraries of functions: FUNCTION, FCALL.

mod call;
mod dump;
mod load;
mod register;
mod tell;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

use super::engine::Engine;
use super::shebang::Flags;
use crate::double::node::commands::Family;

pub(super) use register::table;

pub(in crate::double::node::commands) const COMMANDS: Family = &[
    ("fcall", call::fcall),
    ("fcall_ro", call::fcall),
    ("function|delete", load::delete),
    ("function|dump", dump::dump),
    ("function|flush", load::flush),
    ("function|help", tell::help),
    ("function|kill", call::kill),
    ("function|list", tell::list),
    ("function|load", load::load),
    ("function|restore", dump::restore),
    ("function|stats", tell::stats),
];

/// How long the code of a library may take, in milliseconds.
pub(super) const LOAD_TIME: u128 = 500;

/// The libraries that are loaded. A copy is cheap: what is to be done to all of them or to none is done to a copy.
#[derive(Default, Clone)]
pub(super) struct Libraries {
    /// Their Lua state.
    pub engine: Option<Rc<Engine>>,
    all: BTreeMap<Box<[u8]>, Rc<Library>>,
    /// Functions by their names in lower case: FCALL does not look at the case.
    functions: BTreeMap<Vec<u8>, Rc<Function>>,
}

impl Libraries {
    /// How many functions and libraries there are.
    pub fn counts(&self) -> (usize, usize) {
        (self.functions.len(), self.all.len())
    }
}

/// A library.
struct Library {
    name: Box<[u8]>,
    code: Vec<u8>,
    functions: Vec<Rc<Function>>,
}

/// A function of one.
struct Function {
    name: Vec<u8>,
    description: Option<Vec<u8>>,
    flags: Flags,
    function: mlua::Function,
}

/// What the code of a library that is being loaded has registered.
pub(super) struct Loading {
    pub since: Instant,
    functions: Vec<Rc<Function>>,
}

impl Libraries {
    /// The function of this name.
    fn function(&self, name: &[u8]) -> Option<&Rc<Function>> {
        // Mostly it is written as it is called.
        let found = self.functions.get(name);
        found.or_else(|| self.functions.get(&name.to_ascii_lowercase()))
    }

    /// What the function of this name has declared.
    pub(super) fn flags_of(&self, name: &[u8]) -> Option<Flags> {
        Some(self.function(name)?.flags)
    }

    /// Takes a library in.
    ///
    /// # Errors
    /// Another one has a function of the same name: this name.
    fn add(&mut self, library: Library) -> Result<(), Vec<u8>> {
        for function in &library.functions {
            if self
                .functions
                .contains_key(&function.name.to_ascii_lowercase())
            {
                return Err(function.name.clone());
            }
        }
        for function in &library.functions {
            self.functions
                .entry(function.name.to_ascii_lowercase())
                .or_insert_with(|| Rc::clone(function));
        }
        self.all.insert(library.name.clone(), Rc::new(library));
        Ok(())
    }

    /// Takes a library out. Whether it was there.
    fn remove(&mut self, name: &[u8]) -> bool {
        let Some(library) = self.all.remove(name) else {
            return false;
        };
        for function in &library.functions {
            self.functions.remove(&function.name.to_ascii_lowercase());
        }
        true
    }
}
