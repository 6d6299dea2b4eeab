//! MIGRATE: keys move to another server, which is asked while everybody waits.

use super::integer;
use super::migrate_target::{Step, Target, Trouble};
use crate::double::node::call::{Call, Class};
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::saved;
use crate::double::node::rdb;

/// How long each step may take if nothing sensible is said, in milliseconds.
const USUAL_TIMEOUT: u64 = 1000;

/// What MIGRATE is told.
struct Request<'a> {
    host: &'a [u8],
    port: &'a [u8],
    db: i64,
    /// In milliseconds.
    timeout: u64,
    /// They stay here as well.
    copy: bool,
    /// They take the place of others of the same name.
    replace: bool,
    /// What AUTH is told.
    login: Option<Vec<&'a [u8]>>,
    keys: &'a [&'a [u8]],
}

fn read<'a>(call: &mut Call<'a>) -> Result<Request<'a>, Failure> {
    let args = call.args;
    let (mut copy, mut replace, mut login) = (false, false, None);
    let mut keys = &args[3..4];
    let mut at = 6;
    while let Some(word) = args.get(at) {
        let is = |option: &str| word.eq_ignore_ascii_case(option.as_bytes());
        let more = &args[at + 1..];
        if is("COPY") {
            copy = true;
        } else if is("REPLACE") {
            replace = true;
        } else if is("AUTH") {
            let [password, ..] = more else {
                return Err(Failure::SYNTAX);
            };
            call.server.redacted.push(at + 1);
            login = Some(vec![*password]);
            at += 1;
        } else if is("AUTH2") {
            let [name, password, ..] = more else {
                return Err(Failure::SYNTAX);
            };
            call.server.redacted.extend([at + 1, at + 2]);
            login = Some(vec![*name, *password]);
            at += 2;
        } else if is("KEYS") {
            if !args[3].is_empty() {
                return Err(Failure::text(
                    "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
                ));
            }
            keys = more;
            break;
        } else {
            return Err(Failure::SYNTAX);
        }
        at += 1;
    }
    let timeout = integer(args[5])?;
    let db = integer(args[4])?;
    Ok(Request {
        host: args[1],
        port: args[2],
        db,
        timeout: u64::try_from(timeout)
            .ok()
            .filter(|it| *it > 0)
            .unwrap_or(USUAL_TIMEOUT),
        copy,
        replace,
        login,
        keys,
    })
}

/// A command, as its words.
type Words = Vec<Vec<u8>>;

/// What is said before the keys: who this is, and which database is meant.
fn introduction(request: &Request<'_>) -> Vec<Words> {
    let mut commands = Vec::new();
    if let Some(login) = &request.login {
        let words = login.iter().map(|word| word.to_vec());
        commands.push([b"AUTH".to_vec()].into_iter().chain(words).collect());
    }
    commands.push(vec![
        b"SELECT".to_vec(),
        request.db.to_string().into_bytes(),
    ]);
    commands
}

/// The command that makes a key at the target. `None`: it is over by now.
fn restore(call: &mut Call<'_>, request: &Request<'_>, key: &[u8]) -> Option<Words> {
    let now = call.now();
    let compress = call.server.config.compress;
    let at = call.db().find(key)?;
    let entry = call.db().at(at).1;
    let end = match entry.expires() {
        Some(end) if end < now => return None,
        Some(end) => (end - now).max(1),
        None => 0,
    };
    let payload = rdb::encode(&saved::save(&entry.value)?, compress);
    // At the target the key's slot is on its way to it.
    let name: &[u8] = match call.server.cluster.is_some() {
        true => b"RESTORE-ASKING",
        false => b"RESTORE",
    };
    let mut words = vec![
        name.to_vec(),
        key.to_vec(),
        end.to_string().into_bytes(),
        payload,
    ];
    if request.replace {
        words.push(b"REPLACE".to_vec());
    }
    Some(words)
}

pub(super) fn migrate(call: &mut Call<'_>) -> Outcome {
    let request = read(call)?;
    let mut there = Vec::new();
    for key in request.keys {
        if call.entry(key).is_some() {
            there.push(*key);
        }
    }
    if there.is_empty() {
        call.out.status("NOKEY");
        return Ok(());
    }
    let mut commands = introduction(&request);
    let before = commands.len();
    let mut keys = Vec::new();
    for key in there {
        if let Some(words) = restore(call, &request, key) {
            commands.push(words);
            keys.push(key);
        }
    }
    let mut target = Target::new(
        call.server.peers.clone(),
        request.host,
        request.port,
        request.timeout,
    );
    let (replies, trouble) = target.ask(&commands, before);
    let is_error = |reply: &Vec<u8>| reply.first() == Some(&b'-');
    let introduced = replies.get(..before).unwrap_or(&replies);
    let mut error = introduced.iter().find(|reply| is_error(reply));
    let well_met = error.is_none();
    let mut moved: Vec<&[u8]> = Vec::new();
    for (key, reply) in keys.iter().zip(replies.iter().skip(before)) {
        if is_error(reply) {
            error = error.or(Some(reply));
        } else if well_met {
            moved.push(key);
        }
    }
    if !request.copy && !moved.is_empty() {
        for key in &moved {
            call.db().remove(key);
            call.changed(key, Class::GENERIC, "del");
        }
        let words: Vec<&[u8]> = [&b"DEL"[..]].into_iter().chain(moved).collect();
        call.replicate_as(&words);
    } else {
        call.replicate_nothing();
    }
    if replies.len() > before
        && let Some(error) = error
    {
        let words = String::from_utf8_lossy(&error[1..]);
        return Err(Failure::told(format!(
            "ERR Target instance replied with error: {words}"
        )));
    }
    match trouble {
        None => {
            call.out.ok();
            Ok(())
        }
        Some(Trouble { step, .. }) => Err(Failure::text(match step {
            Step::Connecting => "IOERR error or timeout connecting to the client",
            Step::Writing => "IOERR error or timeout writing to target instance",
            Step::Reading => "IOERR error or timeout reading to target instance",
        })),
    }
}
