//! Other names and other databases for a key.

use super::integer;
use crate::double::node::call::{Call, Class};
use crate::double::node::failure::{Failure, Outcome};

const SAME: Failure = Failure::text("ERR source and destination objects are the same");

pub(super) fn rename(call: &mut Call<'_>) -> Outcome {
    rename_to(call, false)
}

pub(super) fn renamenx(call: &mut Call<'_>) -> Outcome {
    rename_to(call, true)
}

fn rename_to(call: &mut Call<'_>, only_if_absent: bool) -> Outcome {
    let (from, to) = (call.args[1], call.args[2]);
    if !call.exists(from) {
        return Err(Failure::NO_SUCH_KEY);
    }
    if from == to {
        match only_if_absent {
            true => call.out.int(0),
            false => call.out.ok(),
        }
        return Ok(());
    }
    if call.exists(to) {
        if only_if_absent {
            call.out.int(0);
            return Ok(());
        }
        call.db().remove(to);
    }
    if let Some(entry) = call.db().remove(from) {
        call.put(to, entry.value.clone());
        call.db().expire(to, entry.expires());
    }
    call.changed(from, Class::GENERIC, "rename_from");
    call.changed(to, Class::GENERIC, "rename_to");
    match only_if_absent {
        true => call.out.int(1),
        false => call.out.ok(),
    }
    Ok(())
}

/// The number of a database.
fn database(call: &Call<'_>, word: &[u8], words: &'static str) -> Result<usize, Failure> {
    let number = match words.is_empty() {
        true => integer(word)?,
        false => integer(word).map_err(|_| Failure::text(words))?,
    };
    usize::try_from(number)
        .ok()
        .filter(|db| *db < call.server.dbs.len())
        .ok_or(Failure::text("ERR DB index is out of range"))
}

pub(super) fn move_to(call: &mut Call<'_>) -> Outcome {
    if call.server.cluster.is_some() {
        return Err(Failure::text("ERR MOVE is not allowed in cluster mode"));
    }
    let (key, to) = (call.args[1], call.args[2]);
    let to = database(call, to, "")?;
    let from = call.db;
    if from == to {
        return Err(SAME);
    }
    if !call.exists(key) || call.server.live(to, key).is_some() {
        call.out.int(0);
        return Ok(());
    }
    if let Some(entry) = call.db().remove(key) {
        call.server.put(to, key, entry.value.clone(), false);
        call.server.dbs[to].expire(key, entry.expires());
    }
    call.changed(key, Class::GENERIC, "move_from");
    let client = call.client;
    call.server.changed(to, key, Some(client));
    call.server.notify(Class::GENERIC, "move_to", key, to);
    call.out.int(1);
    Ok(())
}

pub(super) fn copy(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let (from, to) = (args[1], args[2]);
    let mut db = call.db;
    let mut replace = false;
    let mut words = args[3..].iter();
    while let Some(word) = words.next() {
        if word.eq_ignore_ascii_case(b"REPLACE") {
            replace = true;
        } else if word.eq_ignore_ascii_case(b"DB") && !words.as_slice().is_empty() {
            let word = words.next().copied().unwrap_or_default();
            db = database(call, word, "")?;
        } else {
            return Err(Failure::SYNTAX);
        }
    }
    if db != 0 && call.server.cluster.is_some() {
        return Err(Failure::text(
            "ERR Copying to another database is not allowed in cluster mode",
        ));
    }
    if db == call.db && from == to {
        return Err(SAME);
    }
    let Some(entry) = call.entry(from) else {
        call.out.int(0);
        return Ok(());
    };
    let (value, end) = (entry.value.clone(), entry.expires());
    if call.server.live(db, to).is_some() {
        if !replace {
            call.out.int(0);
            return Ok(());
        }
        call.server.dbs[db].remove(to);
    }
    call.server.put(db, to, value, false);
    call.server.dbs[db].expire(to, end);
    let client = call.client;
    call.server.changed(db, to, Some(client));
    call.server.dirty += 1;
    call.server.notify(Class::GENERIC, "copy_to", to, db);
    call.out.int(1);
    Ok(())
}
