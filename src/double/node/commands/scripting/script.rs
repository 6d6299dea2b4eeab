//! SCRIPT.

use super::eval::compiled;
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};

pub(super) fn load(call: &mut Call<'_>) -> Outcome {
    let body = call.args[2];
    let digest = super::digest(body);
    compiled(call.server, digest, body)?;
    call.out.bulk(&digest);
    Ok(())
}

pub(super) fn exists(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    call.out.array(args.len() - 2);
    for name in &args[2..] {
        let known = super::eval::known(call.server, name).is_some();
        call.out.int(i64::from(known));
    }
    Ok(())
}

pub(super) fn flush(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let fits = match args.get(2) {
        None => true,
        Some(how) => how.eq_ignore_ascii_case(b"sync") || how.eq_ignore_ascii_case(b"async"),
    };
    if args.len() > 3 || !fits {
        return Err(Failure::text(
            "ERR SCRIPT FLUSH only support SYNC|ASYNC option",
        ));
    }
    call.server.scripts.forget_all();
    call.out.ok();
    Ok(())
}

pub(super) fn kill(call: &mut Call<'_>) -> Outcome {
    call.server.scripts.kill(false)?;
    call.out.ok();
    Ok(())
}

/// There is no debugger here; a session that asks for one gets its scripts run as always.
pub(super) fn debug(call: &mut Call<'_>) -> Outcome {
    let how = call.args[2].to_ascii_lowercase();
    match &how[..] {
        b"no" | b"yes" | b"sync" => {
            call.out.ok();
            Ok(())
        }
        _ => Err(Failure::text("ERR Use SCRIPT DEBUG YES/SYNC/NO")),
    }
}

pub(super) fn help(call: &mut Call<'_>) -> Outcome {
    call.help(
        "SCRIPT",
        &[
            "DEBUG (YES|SYNC|NO)",
            "    Set the debug mode for subsequent scripts executed.",
            "EXISTS <sha1> [<sha1> ...]",
            "    Return information about the existence of the scripts in the script cache.",
            "FLUSH [ASYNC|SYNC]",
            "    Flush the Lua scripts cache. Very dangerous on replicas.",
            "    When called without the optional mode argument, the behavior is determined by the",
            "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
            "    * ASYNC: Asynchronously flush the scripts cache.",
            "    * SYNC: Synchronously flush the scripts cache.",
            "KILL",
            "    Kill the currently executing Lua script.",
            "LOAD <script>",
            "    Load a script into the scripts cache without executing it.",
        ],
    );
    Ok(())
}
