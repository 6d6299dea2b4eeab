//! CLIENT KILL and CLIENT UNBLOCK.

use super::clients::Sort;
use super::no_such_form;
use crate::double::node::acl::UserKey;
use crate::double::node::call::Call;
use crate::double::node::client::{Client, ClientKey, Closing};
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::number;

/// Whom to hang up on: who fits all of this.
#[derive(Default)]
struct Filter<'a> {
    id: Option<u64>,
    peer: Option<&'a [u8]>,
    local: Option<&'a [u8]>,
    sort: Option<Sort>,
    user: Option<UserKey>,
}

impl Filter<'_> {
    fn fits(&self, client: &Client) -> bool {
        self.id.is_none_or(|id| client.id == id)
            && self
                .peer
                .is_none_or(|peer| client.peer_name().as_bytes() == peer)
            && self
                .local
                .is_none_or(|local| client.local_name().as_bytes() == local)
            && self.sort.is_none_or(|sort| Sort::of(client) == sort)
            && self.user.is_none_or(|user| client.user == user)
    }
}

pub(super) fn kill(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let old = args.len() == 3;
    let (filter, spares_itself) = match old {
        true => {
            let peer = Some(args[2]);
            (
                Filter {
                    peer,
                    ..Filter::default()
                },
                false,
            )
        }
        false => options(call)?,
    };
    let itself = call.client;
    let fitting: Vec<ClientKey> = call
        .server
        .clients
        .iter()
        .filter(|(_, client)| !client.is_hand() && filter.fits(client))
        .map(|(at, _)| ClientKey(at))
        .filter(|key| *key != itself || !spares_itself)
        .collect();
    for key in &fitting {
        match *key == itself {
            true => call.client().closing = Closing::AfterReply,
            false => call.server.close(*key),
        }
    }
    match (old, fitting.len()) {
        (true, 0) => return Err(Failure::text("ERR No such client")),
        (true, _) => call.out.ok(),
        (false, count) => call.out.int(count as i64),
    }
    Ok(())
}

fn options<'a>(call: &Call<'a>) -> Result<(Filter<'a>, bool), Failure> {
    let args = call.args;
    let mut filter = Filter::default();
    let mut spares_itself = true;
    let mut at = 2;
    while let Some(option) = args.get(at) {
        let Some(value) = args.get(at + 1) else {
            return Err(Failure::SYNTAX);
        };
        match option.to_ascii_lowercase().as_slice() {
            b"id" => {
                let id = number::parse_i64(value).filter(|id| *id > 0);
                filter.id =
                    Some(id.ok_or(Failure::text("ERR client-id should be greater than 0"))? as u64);
            }
            b"type" => filter.sort = Some(Sort::named(value)?),
            b"addr" => filter.peer = Some(value),
            b"laddr" => filter.local = Some(value),
            b"user" => {
                let user = call.server.acl.find(value).ok_or_else(|| {
                    let name = String::from_utf8_lossy(value);
                    Failure::told(format!("ERR No such user '{name}'"))
                })?;
                filter.user = Some(user);
            }
            b"skipme" if value.eq_ignore_ascii_case(b"yes") => spares_itself = true,
            b"skipme" if value.eq_ignore_ascii_case(b"no") => spares_itself = false,
            _ => return Err(Failure::SYNTAX),
        }
        at += 2;
    }
    Ok((filter, spares_itself))
}

pub(super) fn unblock(call: &mut Call<'_>) -> Outcome {
    if call.args.len() > 4 {
        return Err(no_such_form(call));
    }
    let error = match call.args.get(3) {
        None => false,
        Some(how) if how.eq_ignore_ascii_case(b"timeout") => false,
        Some(how) if how.eq_ignore_ascii_case(b"error") => true,
        Some(_) => {
            return Err(Failure::text(
                "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR",
            ));
        }
    };
    let id = number::parse_i64(call.args[2]).ok_or(Failure::NOT_AN_INTEGER)?;
    let key = u64::try_from(id)
        .ok()
        .and_then(|id| call.server.client_by_id(id));
    let unblocked = key.is_some_and(|key| match error {
        false => call.server.give_up(key),
        true => call.server.unblock_with_error(
            key,
            &Failure::text("UNBLOCKED client unblocked via CLIENT UNBLOCK"),
        ),
    });
    call.out.int(i64::from(unblocked));
    Ok(())
}
