//! Transactions: MULTI, EXEC, DISCARD, WATCH, UNWATCH.

use crate::double::node::call::{Call, Origin};
use crate::double::node::client::ClientKey;
use crate::double::node::dispatch::Prepared;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::server::Server;

use super::Family;

pub(super) const COMMANDS: Family = &[
    ("multi", multi),
    ("exec", exec),
    ("discard", discard),
    ("watch", watch),
    ("unwatch", unwatch),
];

fn multi(call: &mut Call<'_>) -> Outcome {
    let client = call.client();
    if client.transaction.is_some() {
        return Err(Failure::text("ERR MULTI calls can not be nested"));
    }
    client.transaction = Some(Box::default());
    call.out.ok();
    Ok(())
}

fn exec(call: &mut Call<'_>) -> Outcome {
    let key = call.client;
    if call.client().transaction.is_none() {
        return Err(Failure::text("ERR EXEC without MULTI"));
    }
    call.server.look_at_watched(key);
    let broken = call.client().watch_broken;
    call.server.unwatch_all(key);
    let Some(transaction) = call.client().transaction.take() else {
        return Ok(());
    };
    if transaction.failed {
        return Err(Failure::text(
            "EXECABORT Transaction discarded because of previous errors.",
        ));
    }
    if broken {
        call.out.null_array();
        return Ok(());
    }
    call.out.array(transaction.queue.len());
    call.client().executing = Some(transaction.queue.len());
    for queued in &transaction.queue {
        let words: smallvec::SmallVec<[&[u8]; 8]> =
            queued.words.iter().map(|word| &**word).collect();
        let before = call.out.len();
        // SELECT may be one of them.
        let Some(client) = call.server.clients.get(key.0) else {
            return Ok(());
        };
        let prepared = Prepared {
            client: key,
            db: client.db,
            args: &words,
            command: queued.command,
            origin: Origin::Transaction,
        };
        if let Err(failure) = call.server.call(prepared, call.out) {
            call.out.bytes.truncate(before);
            call.out.error(&failure);
        }
        if call.out.bytes.get(before) == Some(&b'-') {
            call.server.count_error(&call.out.bytes[before + 1..]);
        }
    }
    call.client().executing = None;
    Ok(())
}

fn discard(call: &mut Call<'_>) -> Outcome {
    let key = call.client;
    if call.client().transaction.take().is_none() {
        return Err(Failure::text("ERR DISCARD without MULTI"));
    }
    call.server.unwatch_all(key);
    call.out.ok();
    Ok(())
}

fn watch(call: &mut Call<'_>) -> Outcome {
    let (key, db, args) = (call.client, call.db, call.args);
    if call.client().transaction.is_some() {
        return Err(Failure::text("ERR WATCH inside MULTI is not allowed"));
    }
    call.out.ok();
    for name in &args[1..] {
        // A key that is over already is gone before it is watched: that it goes later changes nothing.
        call.server.live(db, name);
        let watching = call.server.dbs[db]
            .watched
            .entry((*name).into())
            .or_default();
        if !watching.contains(&key) {
            watching.push(key);
            call.client().watching.push((db, (*name).into()));
        }
    }
    Ok(())
}

fn unwatch(call: &mut Call<'_>) -> Outcome {
    let key = call.client;
    call.server.unwatch_all(key);
    call.out.ok();
    Ok(())
}

impl Server {
    /// A client watches nothing any more, and nothing that it watched has changed.
    pub fn unwatch_all(&mut self, key: ClientKey) {
        let Some(client) = self.clients.get_mut(key.0) else {
            return;
        };
        client.watch_broken = false;
        for (db, watched) in std::mem::take(&mut client.watching) {
            let all = &mut self.dbs[db].watched;
            if let Some(watching) = all.get_mut(&watched) {
                watching.retain(|client| *client != key);
                if watching.is_empty() {
                    all.remove(&watched);
                }
            }
        }
    }

    /// Takes out what a client watches and what is over by now; that counts as a change.
    fn look_at_watched(&mut self, key: ClientKey) {
        let Some(client) = self.clients.get_mut(key.0) else {
            return;
        };
        let watching = std::mem::take(&mut client.watching);
        for (db, watched) in &watching {
            self.live(*db, watched);
        }
        if let Some(client) = self.clients.get_mut(key.0) {
            client.watching = watching;
        }
    }

    /// Ends a client's transaction without doing anything: EXEC itself was refused.
    pub fn abort(&mut self, key: ClientKey) {
        if let Some(client) = self.clients.get_mut(key.0)
            && client.transaction.take().is_some()
        {
            self.unwatch_all(key);
        }
    }
}
