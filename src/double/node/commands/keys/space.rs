//! Whole databases.

use rand::Rng;

use super::integer;
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::server::Server;

pub(super) fn dbsize(call: &mut Call<'_>) -> Outcome {
    let count = call.db().len();
    call.out.int(count as i64);
    Ok(())
}

pub(super) fn flushdb(call: &mut Call<'_>) -> Outcome {
    flush(call, call.db..call.db + 1)
}

pub(super) fn flushall(call: &mut Call<'_>) -> Outcome {
    flush(call, 0..call.server.dbs.len())
}

fn flush(call: &mut Call<'_>, dbs: std::ops::Range<usize>) -> Outcome {
    match call.args[1..] {
        [] => {}
        [how] if how.eq_ignore_ascii_case(b"SYNC") || how.eq_ignore_ascii_case(b"ASYNC") => {}
        _ => return Err(Failure::SYNTAX),
    }
    // Also where there is nothing to be taken away.
    call.replicate_always();
    for db in dbs {
        break_watches(call.server, db);
        wake_waiting(call.server, db);
        call.server.dirty += call.server.dbs[db].len() as u64;
        call.server.dbs[db].clear();
    }
    call.server.tell_trackers_of_flush();
    call.out.ok();
    Ok(())
}

/// Whoever watches a key that is there and is about to be taken away.
fn break_watches(server: &mut Server, db: usize) {
    let keys: Vec<_> = server.dbs[db]
        .watched
        .keys()
        .filter(|key| server.dbs[db].find(key).is_some())
        .cloned()
        .collect();
    for key in keys {
        server.changed(db, &key, None);
    }
}

/// Whoever waits for a key that is there and is about to be taken away: some have to be told.
fn wake_waiting(server: &mut Server, db: usize) {
    let keys: Vec<_> = server.dbs[db]
        .waiting
        .keys()
        .filter(|key| server.dbs[db].find(key).is_some())
        .cloned()
        .collect();
    for key in keys {
        server.ready(db, &key);
    }
}

pub(super) fn swapdb(call: &mut Call<'_>) -> Outcome {
    if call.server.cluster.is_some() {
        return Err(Failure::text("ERR SWAPDB is not allowed in cluster mode"));
    }
    let read = |word, words| integer(word).map_err(|_| Failure::text(words));
    let one = read(call.args[1], "ERR invalid first DB index")?;
    let other = read(call.args[2], "ERR invalid second DB index")?;
    let count = call.server.dbs.len();
    let place = |number: i64| usize::try_from(number).ok().filter(|db| *db < count);
    let (Some(one), Some(other)) = (place(one), place(other)) else {
        return Err(Failure::text("ERR DB index is out of range"));
    };
    if one != other {
        // Whoever watches a key that is there in either.
        let (first, second) = (one.min(other), one.max(other));
        let (left, right) = call.server.dbs.split_at_mut(second);
        left[first].swap_keys(&mut right[0]);
        for (db, before) in [(one, other), (other, one)] {
            let keys: Vec<_> = call.server.dbs[db].watched.keys().cloned().collect();
            for key in keys {
                let there = |db: usize| call.server.dbs[db].find(&key).is_some();
                if there(db) || there(before) {
                    call.server.changed(db, &key, None);
                }
            }
            let keys: Vec<_> = call.server.dbs[db].waiting.keys().cloned().collect();
            for key in keys {
                let there = |db: usize| call.server.dbs[db].find(&key).is_some();
                if there(db) || there(before) {
                    call.server.ready(db, &key);
                }
            }
        }
    }
    call.server.dirty += 1;
    call.out.ok();
    Ok(())
}

pub(super) fn randomkey(call: &mut Call<'_>) -> Outcome {
    // Where keys are over and stay, there may be no other.
    let mut tries = 100;
    loop {
        tries -= i32::from(!call.server.takes_out());
        let count = call.db().len();
        if count == 0 {
            call.out.null();
            return Ok(());
        }
        let at = rand::rng().random_range(0..count);
        let key = call.db().at(at).0.to_vec();
        // One that is over is taken out by this.
        if tries == 0 || call.exists(&key) {
            call.out.bulk(&key);
            return Ok(());
        }
    }
}
