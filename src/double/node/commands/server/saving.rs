//! SAVE and its like. A node has no disk: what they do is to note that they were done, so that who waits for LASTSAVE to change, or for INFO's
//! `rdb_changes_since_last_save` to be 0, goes on. Nothing is written, and nothing is read at a start.

use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::server::Server;

fn note(server: &mut Server) {
    server.saved.when = server.now;
    server.saved.dirty = server.dirty;
    server.saved.times += 1;
}

pub(super) fn save(call: &mut Call<'_>) -> Outcome {
    note(call.server);
    call.out.ok();
    Ok(())
}

pub(super) fn bgsave(call: &mut Call<'_>) -> Outcome {
    match call.args[1..] {
        [] => {}
        [how] if how.eq_ignore_ascii_case(b"schedule") => {}
        _ => return Err(Failure::SYNTAX),
    }
    note(call.server);
    call.server.saved.in_background_took = 0;
    call.out.status("Background saving started");
    Ok(())
}

pub(super) fn bgrewriteaof(call: &mut Call<'_>) -> Outcome {
    call.out
        .status("Background append only file rewriting started");
    Ok(())
}

pub(super) fn lastsave(call: &mut Call<'_>) -> Outcome {
    let when = call.server.saved.when;
    call.out.int(when / 1000);
    Ok(())
}

pub(super) fn shutdown(call: &mut Call<'_>) -> Outcome {
    let (mut save, mut nosave, mut abort, mut other) = (false, false, false, false);
    for option in &call.args[1..] {
        match option.to_ascii_lowercase().as_slice() {
            b"nosave" => nosave = true,
            b"save" => save = true,
            b"now" | b"force" => other = true,
            b"abort" => abort = true,
            _ => return Err(Failure::SYNTAX),
        }
    }
    if (abort && (save || nosave || other)) || (save && nosave) {
        return Err(Failure::SYNTAX);
    }
    if abort {
        return Err(Failure::text("ERR No shutdown in progress."));
    }
    call.server.net.stop();
    Ok(())
}
