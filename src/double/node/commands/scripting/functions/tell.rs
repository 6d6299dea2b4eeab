//! FUNCTION LIST, STATS and HELP.

use super::load::told;
use super::{Function, Libraries};
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::glob;
use crate::double::node::out::Out;

/// FUNCTION LIST.
pub(super) fn list(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let (mut pattern, mut with_code) = (None, false);
    let mut at = 2;
    while let Some(option) = args.get(at) {
        if !with_code && option.eq_ignore_ascii_case(b"withcode") {
            with_code = true;
        } else if pattern.is_none() && option.eq_ignore_ascii_case(b"libraryname") {
            at += 1;
            pattern = Some(
                *args
                    .get(at)
                    .ok_or(Failure::text("ERR library name argument was not given"))?,
            );
        } else {
            return Err(told("Unknown argument ", option, ""));
        }
        at += 1;
    }
    let out = &mut *call.out;
    let place = out.open();
    let mut count = 0;
    for library in call.server.scripts.libraries.all.values() {
        if pattern.is_some_and(|pattern| !glob::matches(pattern, &library.name, true)) {
            continue;
        }
        count += 1;
        out.map(3 + usize::from(with_code));
        out.bulk(b"library_name");
        out.bulk(&library.name);
        out.bulk(b"engine");
        out.bulk(b"LUA");
        out.bulk(b"functions");
        out.array(library.functions.len());
        for function in &library.functions {
            tell(out, function);
        }
        if with_code {
            out.bulk(b"library_code");
            out.bulk(&library.code);
        }
    }
    out.close(place, |out| out.array(count));
    Ok(())
}

fn tell(out: &mut Out, function: &Function) {
    out.map(3);
    out.bulk(b"name");
    out.bulk(&function.name);
    out.bulk(b"description");
    match &function.description {
        Some(text) => out.bulk(text),
        None => out.null(),
    }
    out.bulk(b"flags");
    out.set(function.flags.names().count());
    for name in function.flags.names() {
        out.status(name);
    }
}

/// FUNCTION STATS.
pub(super) fn stats(call: &mut Call<'_>) -> Outcome {
    let running = call.server.scripts.running.as_ref();
    if let Some(running) = running
        && !running.is_function
        && let Some(failure) = call.server.busy()
    {
        return Err(failure);
    }
    let out = &mut *call.out;
    out.map(2);
    out.bulk(b"running_script");
    match running {
        Some(running) => {
            out.map(3);
            out.bulk(b"name");
            out.bulk(&running.name);
            out.bulk(b"command");
            out.array(running.command.len());
            for word in &running.command {
                out.bulk(word);
            }
            out.bulk(b"duration_ms");
            out.int(running.since.elapsed().as_millis() as i64);
        }
        None => out.null(),
    }
    let Libraries { all, functions, .. } = &call.server.scripts.libraries;
    out.bulk(b"engines");
    out.map(1);
    out.bulk(b"LUA");
    out.map(2);
    out.bulk(b"libraries_count");
    out.int(all.len() as i64);
    out.bulk(b"functions_count");
    out.int(functions.len() as i64);
    Ok(())
}

/// FUNCTION HELP.
pub(super) fn help(call: &mut Call<'_>) -> Outcome {
    call.help(
        "FUNCTION",
        &[
            "LOAD [REPLACE] <FUNCTION CODE>",
            "    Create a new library with the given library name and code.",
            "DELETE <LIBRARY NAME>",
            "    Delete the given library.",
            "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
            "    Return general information on all the libraries:",
            "    * Library name",
            "    * The engine used to run the Library",
            "    * Library description",
            "    * Functions list",
            "    * Library code (if WITHCODE is given)",
            "    It also possible to get only function that matches a pattern using LIBRARYNAME argument.",
            "STATS",
            "    Return information about the current function running:",
            "    * Function name",
            "    * Command used to run the function",
            "    * Duration in MS that the function is running",
            "    If no function is running, return nil",
            "    In addition, returns a list of available engines.",
            "KILL",
            "    Kill the current running function.",
            "FLUSH [ASYNC|SYNC]",
            "    Delete all the libraries.",
            "    When called without the optional mode argument, the behavior is determined by the",
            "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
            "    * ASYNC: Asynchronously flush the libraries.",
            "    * SYNC: Synchronously flush the libraries.",
            "DUMP",
            "    Return a serialized payload representing the current libraries, can be restored using FUNCTION RESTORE command",
            "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
            "    Restore the libraries represented by the given payload, it is possible to give a restore policy to",
            "    control how to handle existing libraries (default APPEND):",
            "    * FLUSH: delete all existing libraries.",
            "    * APPEND: appends the restored libraries to the existing libraries. On collision, abort.",
            "    * REPLACE: appends the restored libraries to the existing libraries, On collision, replace the old",
            "      libraries with the new libraries (notice that even on this option there is a chance of failure",
            "      in case of functions name collision with another library).",
        ],
    );
    Ok(())
}
