//! Connections: who is it, which protocol, which database; CLIENT.

mod clients;
mod kill;
mod pause;
mod tracking;

use crate::double::node::acl::UserKey;
use crate::double::node::call::Call;
use crate::double::node::client::{Closing, Replies};
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::number;

use super::Family;

pub(super) const COMMANDS: Family = &[
    ("auth", auth),
    ("client|caching", tracking::caching),
    ("client|getname", getname),
    ("client|getredir", tracking::getredir),
    ("client|help", help),
    ("client|id", id),
    ("client|info", clients::info),
    ("client|kill", kill::kill),
    ("client|list", clients::list),
    ("client|no-evict", no_evict),
    ("client|pause", pause::pause),
    ("client|reply", reply),
    ("client|setname", setname),
    ("client|tracking", tracking::tracking),
    ("client|trackinginfo", tracking::trackinginfo),
    ("client|unblock", kill::unblock),
    ("client|unpause", pause::unpause),
    ("echo", echo),
    ("hello", hello),
    ("ping", ping),
    ("quit", quit),
    ("reset", reset),
    ("select", select),
];

fn ping(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    if args.len() > 2 {
        return Err(Failure::arity("ping"));
    }
    let listens = call.client().subscriptions() > 0;
    match (args.get(1), listens && !call.out.resp3) {
        (None, false) => call.out.status("PONG"),
        (Some(word), false) => call.out.bulk(word),
        (word, true) => {
            call.out.array(2);
            call.out.bulk(b"pong");
            call.out.bulk(word.copied().unwrap_or_default());
        }
    }
    Ok(())
}

fn echo(call: &mut Call<'_>) -> Outcome {
    call.out.bulk(call.args[1]);
    Ok(())
}

fn select(call: &mut Call<'_>) -> Outcome {
    let db = number::parse_i64(call.args[1]).ok_or(Failure::NOT_AN_INTEGER)?;
    if i32::try_from(db).is_err() {
        return Err(Failure::text(
            "ERR value is out of range, value must between -2147483648 and 2147483647",
        ));
    }
    if db != 0 && call.server.cluster.is_some() {
        return Err(Failure::text("ERR SELECT is not allowed in cluster mode"));
    }
    match usize::try_from(db) {
        Ok(db) if db < call.server.dbs.len() => {
            call.client().db = db;
            call.out.ok();
            Ok(())
        }
        _ => Err(Failure::text("ERR DB index is out of range")),
    }
}

fn quit(call: &mut Call<'_>) -> Outcome {
    call.client().closing = Closing::AfterReply;
    call.out.ok();
    Ok(())
}

fn hello(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let mut resp3 = None;
    if let Some(version) = args.get(1) {
        resp3 = match number::parse_i64(version) {
            Some(version @ 2..=3) => Some(version == 3),
            Some(_) => return Err(Failure::text("NOPROTO unsupported protocol version")),
            None => {
                return Err(Failure::text(
                    "ERR Protocol version is not an integer or out of range",
                ));
            }
        };
    }
    // Each option takes effect at once, also where a later one is refused.
    let mut at = 2;
    while let Some(option) = args.get(at) {
        match (option.to_ascii_lowercase().as_slice(), &args[at + 1..]) {
            (b"auth", [user, password, ..]) => {
                call.server.redacted.extend([at + 1, at + 2]);
                authenticate(call, user, password)?;
                at += 3;
            }
            (b"setname", [given, ..]) => {
                call.client().name = good_name(given)?;
                at += 2;
            }
            _ => {
                let option = String::from_utf8_lossy(option);
                return Err(Failure::told(format!(
                    "ERR Syntax error in HELLO option '{option}'"
                )));
            }
        }
    }
    if !call.client().authenticated {
        return Err(Failure::text(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time",
        ));
    }
    if let Some(resp3) = resp3 {
        call.out.resp3 = resp3;
        call.client().out.resp3 = resp3;
    }
    let id = call.client().id as i64;
    let version = call.server.presents.version();
    let (mode, role) = match call.server.cluster.as_deref() {
        None => ("standalone", "master"),
        Some(member) if member.view.myself().flags.replica => ("cluster", "replica"),
        Some(_) => ("cluster", "master"),
    };
    let out = &mut *call.out;
    out.map(7);
    out.bulk(b"server");
    out.bulk(b"redis");
    out.bulk(b"version");
    out.bulk(version.as_bytes());
    out.bulk(b"proto");
    out.int(if out.resp3 { 3 } else { 2 });
    out.bulk(b"id");
    out.int(id);
    out.bulk(b"mode");
    out.bulk(mode.as_bytes());
    out.bulk(b"role");
    out.bulk(role.as_bytes());
    out.bulk(b"modules");
    out.array(0);
    Ok(())
}

fn auth(call: &mut Call<'_>) -> Outcome {
    let (user, password) = match call.args[1..] {
        [password] => {
            call.server.redacted.push(1);
            if call.server.acl.is_open() {
                return Err(Failure::text(
                    "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
                ));
            }
            (&b"default"[..], password)
        }
        [user, password] => {
            call.server.redacted.extend([1, 2]);
            (user, password)
        }
        _ => return Err(Failure::SYNTAX),
    };
    authenticate(call, user, password)?;
    call.out.ok();
    Ok(())
}

/// The client is this user from now on.
fn authenticate(call: &mut Call<'_>, user: &[u8], password: &[u8]) -> Outcome {
    let Some(user) = call.server.acl.authenticated(user, password) else {
        return Err(Failure::text(
            "WRONGPASS invalid username-password pair or user is disabled.",
        ));
    };
    let client = call.client();
    client.authenticated = true;
    client.user = user;
    Ok(())
}

fn reset(call: &mut Call<'_>) -> Outcome {
    let key = call.client;
    call.server.forget_client(key);
    call.server.unwatch_all(key);
    let open = call.server.acl.is_open();
    let client = call.client();
    client.transaction = None;
    client.db = 0;
    client.name.clear();
    client.authenticated = open;
    client.user = UserKey::DEFAULT;
    client.replies = Replies::On;
    client.asking = false;
    client.read_only = false;
    client.out.resp3 = false;
    call.out.resp3 = false;
    call.out.status("RESET");
    Ok(())
}

fn id(call: &mut Call<'_>) -> Outcome {
    let id = call.client().id;
    call.out.int(id as i64);
    Ok(())
}

fn getname(call: &mut Call<'_>) -> Outcome {
    let name = call.client().name.clone();
    match name.is_empty() {
        true => call.out.null(),
        false => call.out.bulk(&name),
    }
    Ok(())
}

fn setname(call: &mut Call<'_>) -> Outcome {
    call.client().name = good_name(call.args[2])?;
    call.out.ok();
    Ok(())
}

/// A name as CLIENT LIST can show it: bytes that can be seen, and no space.
fn good_name(name: &[u8]) -> Result<Vec<u8>, Failure> {
    match name.iter().all(u8::is_ascii_graphic) {
        true => Ok(name.to_vec()),
        false => Err(Failure::text(
            "ERR Client names cannot contain spaces, newlines or special characters.",
        )),
    }
}

fn reply(call: &mut Call<'_>) -> Outcome {
    let how = call.args[2];
    if how.eq_ignore_ascii_case(b"on") {
        call.client().replies = Replies::On;
        call.out.ok();
    } else if how.eq_ignore_ascii_case(b"off") {
        call.client().replies = Replies::Off;
    } else if how.eq_ignore_ascii_case(b"skip") {
        let client = call.client();
        if client.replies != Replies::Off {
            client.replies = Replies::SkipNext;
        }
    } else {
        return Err(Failure::SYNTAX);
    }
    Ok(())
}

fn no_evict(call: &mut Call<'_>) -> Outcome {
    call.client().no_evict = switch(call.args[2])?;
    call.out.ok();
    Ok(())
}

/// `on` or `off`.
fn switch(word: &[u8]) -> Result<bool, Failure> {
    match word {
        on if on.eq_ignore_ascii_case(b"on") => Ok(true),
        off if off.eq_ignore_ascii_case(b"off") => Ok(false),
        _ => Err(Failure::SYNTAX),
    }
}

/// A subcommand of CLIENT has another number of arguments.
fn no_such_form(call: &Call<'_>) -> Failure {
    let word = String::from_utf8_lossy(call.args[1]);
    Failure::told(format!(
        "ERR unknown subcommand or wrong number of arguments for '{word}'. Try CLIENT HELP."
    ))
}

fn help(call: &mut Call<'_>) -> Outcome {
    call.help_of("CLIENT", include_str!("../help/client.txt"));
    Ok(())
}
