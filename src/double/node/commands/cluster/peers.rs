//! Which nodes there are, who follows whom, and their epochs.

use std::net::IpAddr;

use super::{change, known_or_error, no_such_form, quoted, view_of};
use crate::double::gossip::Failover;
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::number;

/// How much greater than its client port a node's bus port is, unless it is told.
const BUS_PORT: i64 = 10_000;

pub(super) fn meet(call: &mut Call<'_>) -> Outcome {
    view_of(call.server)?;
    let args = call.args;
    if args.len() > 5 {
        return Err(no_such_form(call));
    }
    let (ip, port) = (args[2], args[3]);
    let number = |word: &[u8], what: &str| {
        number::parse_i64(word).ok_or_else(|| {
            Failure::told(format!(
                "ERR Invalid TCP {what} port specified: {}",
                quoted(word)
            ))
        })
    };
    let client_port = number(port, "base")?;
    let bus_port = match args.get(4) {
        Some(word) => number(word, "bus")?,
        None => client_port.wrapping_add(BUS_PORT),
    };
    // Of a number's bits the lower 32 count, in Redis.
    let valid = |port: i64| u16::try_from(port as i32).ok().filter(|port| *port != 0);
    let address: Option<IpAddr> = quoted(ip).parse().ok();
    let (Some(address), Some(client_port), Some(bus_port)) =
        (address, valid(client_port), valid(bus_port))
    else {
        return Err(Failure::told(format!(
            "ERR Invalid node address specified: {}:{}",
            quoted(ip),
            quoted(port)
        )));
    };
    let address = address.to_string();
    // One that is being met already is not met once more.
    change(call, |view, around| {
        view.meet(&address, client_port, bus_port, around)
    })?;
    call.out.ok();
    Ok(())
}

pub(super) fn forget(call: &mut Call<'_>) -> Outcome {
    let view = view_of(call.server)?;
    let peer = known_or_error(view, call.args[2])?;
    if peer == view.me {
        return Err(Failure::text(
            "ERR I tried hard but I can't forget myself...",
        ));
    }
    let myself = view.myself();
    if myself.flags.replica && myself.replica_of == Some(peer) {
        return Err(Failure::text("ERR Can't forget my master!"));
    }
    change(call, |view, around| {
        view.forget(peer, around);
        view.note_change();
    })?;
    call.out.ok();
    Ok(())
}

pub(super) fn replicate(call: &mut Call<'_>) -> Outcome {
    let view = view_of(call.server)?;
    let master = known_or_error(view, call.args[2])?;
    if master == view.me {
        return Err(Failure::text("ERR Can't replicate myself"));
    }
    if view.peer(master).flags.replica {
        return Err(Failure::text(
            "ERR I can only replicate a master, not a replica.",
        ));
    }
    let myself = view.myself();
    if myself.flags.master && (!myself.slots.is_empty() || call.server.dbs[0].len() != 0) {
        return Err(Failure::text(
            "ERR To set a master the node must be empty and without assigned slots.",
        ));
    }
    change(call, |view, around| {
        view.follow(master, around);
        view.note_change();
    })?;
    call.out.ok();
    Ok(())
}

pub(super) fn count_failure_reports(call: &mut Call<'_>) -> Outcome {
    let peer = known_or_error(view_of(call.server)?, call.args[2])?;
    let count = change(call, |view, around| view.failure_reports(peer, around))?;
    call.out.int(count as i64);
    Ok(())
}

pub(super) fn failover(call: &mut Call<'_>) -> Outcome {
    let view = view_of(call.server)?;
    let how = match call.args[2..] {
        [] => Failover::Manual,
        [how] if how.eq_ignore_ascii_case(b"force") => Failover::Force,
        [how] if how.eq_ignore_ascii_case(b"takeover") => Failover::Takeover,
        [_] => return Err(Failure::SYNTAX),
        _ => return Err(no_such_form(call)),
    };
    let myself = view.myself();
    if myself.flags.master {
        return Err(Failure::text(
            "ERR You should send CLUSTER FAILOVER to a replica",
        ));
    }
    let Some(master) = myself.replica_of.map(|master| view.peer(master)) else {
        return Err(Failure::text(
            "ERR I'm a replica but my master is unknown to me",
        ));
    };
    if how == Failover::Manual && (master.flags.failed || master.link.is_none()) {
        return Err(Failure::text(
            "ERR Master is down or failed, please use CLUSTER FAILOVER FORCE",
        ));
    }
    change(call, |view, around| view.fail_over(how, around))?;
    call.out.ok();
    Ok(())
}

pub(super) fn reset(call: &mut Call<'_>) -> Outcome {
    let view = view_of(call.server)?;
    let hard = match call.args[2..] {
        [] => false,
        [how] if how.eq_ignore_ascii_case(b"hard") => true,
        [how] if how.eq_ignore_ascii_case(b"soft") => false,
        [_] => return Err(Failure::SYNTAX),
        _ => return Err(no_such_form(call)),
    };
    if view.myself().flags.master && call.server.dbs[0].len() != 0 {
        return Err(Failure::text(
            "ERR CLUSTER RESET can't be called with master nodes containing keys",
        ));
    }
    change(call, |view, around| view.reset(hard, around))?;
    call.out.ok();
    Ok(())
}

pub(super) fn bumpepoch(call: &mut Call<'_>) -> Outcome {
    view_of(call.server)?;
    let bumped = change(call, |view, around| view.bump_epoch(around))?;
    let epoch = view_of(call.server)?.myself().config_epoch;
    let word = if bumped { "BUMPED" } else { "STILL" };
    call.out.status(&format!("{word} {epoch}"));
    Ok(())
}

pub(super) fn set_config_epoch(call: &mut Call<'_>) -> Outcome {
    let view = view_of(call.server)?;
    let given = number::parse_i64(call.args[2]).ok_or(Failure::NOT_AN_INTEGER)?;
    let Ok(epoch) = u64::try_from(given) else {
        return Err(Failure::told(format!(
            "ERR Invalid config epoch specified: {given}"
        )));
    };
    if view.by_id.len() > 1 {
        return Err(Failure::text(
            "ERR The user can assign a config epoch only when the node does not know any other node.",
        ));
    }
    if view.myself().config_epoch != 0 {
        return Err(Failure::text("ERR Node config epoch is already non-zero"));
    }
    change(call, |view, _| {
        view.peer_mut(view.me).config_epoch = epoch;
        view.current_epoch = view.current_epoch.max(epoch);
        view.note_change();
    })?;
    call.out.ok();
    Ok(())
}

/// There is no file: what a node that is started again knows of its cluster is kept for it.
pub(super) fn saveconfig(call: &mut Call<'_>) -> Outcome {
    view_of(call.server)?;
    call.out.ok();
    Ok(())
}
