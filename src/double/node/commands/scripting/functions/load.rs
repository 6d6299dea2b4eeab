//! FUNCTION LOAD, DELETE and FLUSH.

use std::rc::Rc;
use std::time::Instant;

use mlua::Value;

use super::super::engine::{Engine, lend};
use super::{Libraries, Library, Loading};
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::server::Server;
use crate::resp::typed_words;

/// FUNCTION LOAD.
pub(super) fn load(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let (code, options) = match &args[2..] {
        [options @ .., code] => (*code, options),
        [] => return Err(Failure::SYNTAX),
    };
    for option in options {
        if !option.eq_ignore_ascii_case(b"replace") {
            return Err(told("Unknown option given: ", option, ""));
        }
    }
    let replace = !options.is_empty();
    let mut libraries = call.server.scripts.libraries.clone();
    let name = name_of(code)?;
    if libraries.all.contains_key(&name) && !replace {
        return Err(told("Library '", &name, "' already exists"));
    }
    libraries.remove(&name);
    let library = made(call.server, &mut libraries, name, code)?;
    let name = library.name.clone();
    libraries
        .add(library)
        .map_err(|name| told("Function ", &name, " already exists"))?;
    call.server.scripts.libraries = libraries;
    call.server.dirty += 1;
    call.out.bulk(&name);
    Ok(())
}

/// `ERR …`, with a name in it.
pub(super) fn told(before: &str, name: &[u8], behind: &str) -> Failure {
    let name = String::from_utf8_lossy(name);
    Failure::told(format!("ERR {before}{name}{behind}"))
}

pub(super) const BAD_NAME: &str = "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long";

/// Whether a library or a function may be called so.
pub(super) fn is_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name
            .iter()
            .all(|it| it.is_ascii_alphanumeric() || *it == b'_')
}

/// The library's name, as the first line of its code has it.
pub(super) fn name_of(code: &[u8]) -> Result<Box<[u8]>, Failure> {
    const INVALID: Failure = Failure::text("ERR Invalid library metadata");
    if !code.starts_with(b"#!") {
        return Err(Failure::text("ERR Missing library metadata"));
    }
    let end = memchr::memchr(b'\n', code).ok_or(INVALID)?;
    let words = typed_words(&code[..end]).ok_or(INVALID)?;
    let (engine, words) = words.split_first().ok_or(INVALID)?;
    let mut name = None;
    for word in words {
        match word.split_at_checked(5) {
            Some((start, given)) if start.eq_ignore_ascii_case(b"name=") => {
                if name.replace(given).is_some() {
                    return Err(Failure::text(
                        "ERR Invalid metadata value, name argument was given multiple times",
                    ));
                }
            }
            _ => return Err(told("Invalid metadata value given: ", word, "")),
        }
    }
    let name = name.ok_or(Failure::text("ERR Library name was not given"))?;
    if !is_name(name) {
        return Err(Failure::text(BAD_NAME));
    }
    let engine = &engine[2..];
    if !engine.eq_ignore_ascii_case(b"lua") {
        return Err(told("Engine '", engine, "' not found"));
    }
    Ok(name.into())
}

/// Makes a library of its code, which is run for that. It is not in `libraries` yet.
pub(super) fn made(
    server: &mut Server,
    libraries: &mut Libraries,
    name: Box<[u8]>,
    code: &[u8],
) -> Result<Library, Failure> {
    let engine = match &libraries.engine {
        Some(engine) => Rc::clone(engine),
        None => {
            let engine = Engine::new(&server.scripts.random)
                .map_err(|error| Failure::told(format!("ERR Lua can't be started: {error}")))?;
            let engine = Rc::new(engine);
            libraries.engine = Some(Rc::clone(&engine));
            engine
        }
    };
    let line = memchr::memchr(b'\n', code).unwrap_or_default();
    let function = engine
        .compile(&code[line..], "@user_function")
        .map_err(|message| told("Error compiling function: ", &message, ""))?;
    server.scripts.loading = Some(Loading {
        since: Instant::now(),
        functions: Vec::new(),
    });
    // The code has to be stopped by the engine that runs it.
    let usual = server.scripts.libraries.engine.replace(Rc::clone(&engine));
    let result = lend(server, || engine.run(&engine.run_library, &function));
    server.scripts.libraries.engine = usual;
    let loading = server.scripts.loading.take();
    match result {
        Ok((true, _)) => {}
        Ok((false, Value::Table(error))) => {
            let words: Option<mlua::LuaString> = error.raw_get("err").unwrap_or_default();
            let words = words.map_or_else(Vec::new, |words| words.as_bytes().to_vec());
            return Err(told("Error registering functions: ", &words, ""));
        }
        Ok((false, value)) => {
            let words = value.to_string().unwrap_or_default();
            return Err(told("Error registering functions: ", words.as_bytes(), ""));
        }
        Err(error) => return Err(super::super::eval::broken(&error)),
    }
    let functions = loading.map_or_else(Vec::new, |loading| loading.functions);
    if functions.is_empty() {
        return Err(Failure::text("ERR No functions registered"));
    }
    Ok(Library {
        name,
        code: code.to_vec(),
        functions,
    })
}

/// FUNCTION DELETE.
pub(super) fn delete(call: &mut Call<'_>) -> Outcome {
    let name = call.args[2];
    if !call.server.scripts.libraries.remove(name) {
        return Err(Failure::text("ERR Library not found"));
    }
    call.server.dirty += 1;
    call.out.ok();
    Ok(())
}

/// FUNCTION FLUSH.
pub(super) fn flush(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    if args.len() > 3 {
        return Err(unfit(args[1]));
    }
    if args.get(2).is_some_and(|how| {
        !how.eq_ignore_ascii_case(b"sync") && !how.eq_ignore_ascii_case(b"async")
    }) {
        return Err(Failure::text(
            "ERR FUNCTION FLUSH only supports SYNC|ASYNC option",
        ));
    }
    call.server.scripts.libraries = Libraries::default();
    call.server.dirty += 1;
    call.out.ok();
    Ok(())
}

/// What is answered to too many words behind a subcommand.
pub(super) fn unfit(subcommand: &[u8]) -> Failure {
    told(
        "unknown subcommand or wrong number of arguments for '",
        subcommand,
        "'. Try FUNCTION HELP.",
    )
}
