//! FCALL, FCALL_RO and FUNCTION KILL.

use std::rc::Rc;

use super::super::eval::{broken, finish, fits_cluster, run_with, tables};
use super::super::run::Running;
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::number;
use crate::double::node::replication::Needs;

/// FCALL and FCALL_RO.
pub(super) fn fcall(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let libraries = &call.server.scripts.libraries;
    let (Some(function), Some(engine)) = (libraries.function(args[1]), &libraries.engine) else {
        return Err(Failure::text("ERR Function not found"));
    };
    let (function, engine) = (Rc::clone(function), Rc::clone(engine));
    let keys =
        number::parse_i64(args[2]).ok_or(Failure::text("ERR Bad number of keys provided"))?;
    if keys > args.len() as i64 - 3 {
        return Err(Failure::text(
            "ERR Number of keys can't be greater than number of args",
        ));
    }
    let keys =
        usize::try_from(keys).map_err(|_| Failure::text("ERR Number of keys can't be negative"))?;
    fits_cluster(call.server, function.flags)?;
    let flags = function.flags;
    let refused = call.server.script_may_not_run(Some(Needs {
        writing: !flags.no_writes,
        fresh_data: !flags.allow_stale,
    }));
    if let Some(failure) = refused {
        return Err(failure);
    }
    let ro = matches!(args[0].last(), Some(b'o' | b'O'));
    if !function.flags.no_writes && ro {
        return Err(Failure::text(
            "ERR Can not execute a script with write flag using *_ro command.",
        ));
    }
    let mut running = Running::new(call.client, &function.name, function.flags.no_writes);
    running.is_function = true;
    running.cross_slot = function.flags.cross_slot;
    running.command = args.iter().map(|word| word.to_vec()).collect();
    let (keys, argv) = args[3..].split_at(keys);
    let (keys, argv) = tables(&engine, keys, argv).map_err(|error| broken(&error))?;
    let ended = run_with(call, running, || {
        engine.run(&engine.run_function, (&function.function, keys, argv))
    });
    finish(call, &function.name, ended)
}

/// FUNCTION KILL.
pub(super) fn kill(call: &mut Call<'_>) -> Outcome {
    call.server.scripts.kill(true)?;
    call.out.ok();
    Ok(())
}
