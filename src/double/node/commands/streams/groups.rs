//! XGROUP.

use super::{entry_id, integer, no_group, noted, write};
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::stream::{Group, Id, Missing, Stream, UNKNOWN};
use crate::double::node::keyspace::value::Typed;

const NO_KEY: Failure = Failure::text(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.",
);

/// What Redis says of options that a subcommand does not have.
pub(super) fn unknown_options(args: &[&[u8]], command: &str) -> Failure {
    let name = String::from_utf8_lossy(args[1]);
    Failure::told(format!(
        "ERR unknown subcommand or wrong number of arguments for '{name}'. Try {command} HELP."
    ))
}

/// The options of CREATE and SETID: MKSTREAM and ENTRIESREAD.
fn options(args: &[&[u8]], create: bool) -> Result<(bool, i64), Failure> {
    let (mut make, mut read) = (false, UNKNOWN);
    let mut words = args[5..].iter();
    while let Some(word) = words.next() {
        if create && word.eq_ignore_ascii_case(b"mkstream") {
            make = true;
            continue;
        }
        match words.next() {
            Some(value) if word.eq_ignore_ascii_case(b"entriesread") => {
                read = integer(value)?;
                if read < 0 && read != UNKNOWN {
                    return Err(Failure::text(
                        "ERR value for ENTRIESREAD must be positive or -1",
                    ));
                }
            }
            _ => return Err(unknown_options(args, "XGROUP")),
        }
    }
    Ok((make, read))
}

pub(super) fn create(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let (key, name) = (args[2], args[3]);
    let (make, entries_read) = options(args, true)?;
    let last = write(call, key)?.map(|found| found.stream.counts.last_id);
    if last.is_none() && !make {
        return Err(NO_KEY);
    }
    if args.len() > 8 {
        return Err(unknown_options(args, "XGROUP"));
    }
    let id = match args[4] {
        b"$" => last.unwrap_or(Id::MIN),
        word => entry_id(word)?,
    };
    if last.is_none() {
        call.put(key, Stream::default().into_value());
        call.server.changed(call.db, key, Some(call.client));
    }
    let Some(found) = write(call, key)? else {
        return Ok(());
    };
    if found.stream.groups.contains_key(name) {
        return Err(Failure::text(
            "BUSYGROUP Consumer Group name already exists",
        ));
    }
    let group = Group::new(id, entries_read);
    found.stream.groups.insert(name.into(), group);
    found.out.ok();
    noted(call, key, "xgroup-create");
    Ok(())
}

pub(super) fn setid(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let (key, name) = (args[2], args[3]);
    let (_, entries_read) = options(args, false)?;
    let mut found = write(call, key)?.ok_or(NO_KEY)?;
    let last = found.stream.counts.last_id;
    let Some(group) = found.group(name) else {
        return no_group(call, key, name);
    };
    if !matches!(args.len(), 5 | 7) {
        return Err(unknown_options(args, "XGROUP"));
    }
    group.last_id = match args[4] {
        b"$" => last,
        word => Id::parse(word, Missing::Lowest).ok_or(super::BAD_ID)?,
    };
    group.entries_read = entries_read;
    found.out.ok();
    noted(call, key, "xgroup-setid");
    Ok(())
}

pub(super) fn destroy(call: &mut Call<'_>) -> Outcome {
    let (key, name) = (call.args[2], call.args[3]);
    let found = write(call, key)?.ok_or(NO_KEY)?;
    let destroyed = found.stream.groups.remove(name).is_some();
    found.out.int(i64::from(destroyed));
    if destroyed {
        noted(call, key, "xgroup-destroy");
        // Who waits for what comes to the group has to be told.
        call.server.ready(call.db, key);
    }
    Ok(())
}

pub(super) fn createconsumer(call: &mut Call<'_>) -> Outcome {
    let (key, name, consumer) = (call.args[2], call.args[3], call.args[4]);
    let mut found = write(call, key)?.ok_or(NO_KEY)?;
    let now = found.now;
    let Some(group) = found.group(name) else {
        return no_group(call, key, name);
    };
    let created = group.add_consumer(consumer, now).is_some();
    found.out.int(i64::from(created));
    if created {
        noted(call, key, "xgroup-createconsumer");
    }
    Ok(())
}

pub(super) fn delconsumer(call: &mut Call<'_>) -> Outcome {
    let (key, name, consumer) = (call.args[2], call.args[3], call.args[4]);
    let mut found = write(call, key)?.ok_or(NO_KEY)?;
    let Some(group) = found.group(name) else {
        return no_group(call, key, name);
    };
    let pending = group.remove_consumer(consumer);
    found.out.int(pending.unwrap_or(0) as i64);
    if pending.is_some() {
        noted(call, key, "xgroup-delconsumer");
    }
    Ok(())
}

pub(super) fn help(call: &mut Call<'_>) -> Outcome {
    call.help(
        "XGROUP",
        &[
            "CREATE <key> <groupname> <id|$> [option]",
            "    Create a new consumer group. Options are:",
            "    * MKSTREAM",
            "      Create the empty stream if it does not exist.",
            "    * ENTRIESREAD entries_read",
            "      Set the group's entries_read counter (internal use).",
            "CREATECONSUMER <key> <groupname> <consumer>",
            "    Create a new consumer in the specified group.",
            "DELCONSUMER <key> <groupname> <consumer>",
            "    Remove the specified consumer.",
            "DESTROY <key> <groupname>",
            "    Remove the specified group.",
            "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
            "    Set the current group ID and entries_read counter.",
        ],
    );
    Ok(())
}
