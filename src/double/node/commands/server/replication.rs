//! What replicas and masters are asked for and told: ROLE, WAIT, REPLICAOF, FAILOVER.

use crate::double::node::call::Call;
use crate::double::node::client::Otherwise;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::number;
use crate::double::node::replication::{Follower, State};

pub(super) fn role(call: &mut Call<'_>) -> Outcome {
    if let Some(master) = call.server.followed() {
        call.out.array(5);
        call.out.bulk(b"slave");
        call.out.bulk(master.ip.as_bytes());
        call.out.int(i64::from(master.port));
        call.out.bulk(master.state.name().as_bytes());
        let applied = master.position.filter(|_| master.heard.is_some());
        call.out.int(applied.map_or(-1, |(_, applied)| applied));
        return Ok(());
    }
    let followers: Vec<Follower> = call.server.followers();
    let online: Vec<&Follower> = followers
        .iter()
        .filter(|follower| follower.state == State::Online)
        .collect();
    call.out.array(3);
    call.out.bulk(b"master");
    call.out.int(call.server.replication.written());
    call.out.array(online.len());
    for follower in online {
        call.out.array(3);
        call.out.bulk(follower.ip.as_bytes());
        call.out.bulk_int(i64::from(follower.port));
        call.out.bulk_int(follower.offset);
    }
    Ok(())
}

pub(super) fn wait(call: &mut Call<'_>) -> Outcome {
    if call.server.replication.is_replica() {
        return Err(Failure::text(
            "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured to be writable (which is not the default) writes to replicas are just local and are not propagated.",
        ));
    }
    let wanted = number::parse_i64(call.args[1]).ok_or(Failure::NOT_AN_INTEGER)?;
    let time = number::parse_i64(call.args[2]).ok_or(Failure::text(
        "ERR timeout is not an integer or out of range",
    ))?;
    if time < 0 {
        return Err(Failure::text("ERR timeout is negative"));
    }
    let offset = call.client().written;
    let there = call.server.replicas_at(offset);
    let wanted = usize::try_from(wanted).unwrap_or(0);
    if there >= wanted || !call.may_block() {
        call.out.int(there as i64);
        return Ok(());
    }
    let until = (time > 0).then(|| call.now().saturating_add(time));
    call.block(&[], None, until, Otherwise::Replicas { wanted, offset });
    let client = call.client;
    call.server.await_replicas(client);
    Ok(())
}

pub(super) fn replicaof(call: &mut Call<'_>) -> Outcome {
    if call.server.cluster.is_some() {
        return Err(Failure::text("ERR REPLICAOF not allowed in cluster mode."));
    }
    let (host, port) = (call.args[1], call.args[2]);
    if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
        call.out.ok();
        return Ok(());
    }
    match number::parse_i64(port).filter(|port| (0..=65_535).contains(port)) {
        None => Err(Failure::text("ERR Invalid master port")),
        Some(_) => Err(Failure::text(
            "ERR this node can't be a replica of another server",
        )),
    }
}

pub(super) fn failover(call: &mut Call<'_>) -> Outcome {
    if call.server.cluster.is_some() {
        return Err(Failure::text("ERR FAILOVER not allowed in cluster mode."));
    }
    let args = call.args;
    let (mut to, mut timeout, mut force, mut abort) = (false, false, false, false);
    let mut at = 1;
    while let Some(option) = args.get(at) {
        match (option.to_ascii_lowercase().as_slice(), &args[at + 1..]) {
            (b"timeout", [time, ..]) if !timeout => {
                let time = number::parse_i64(time).ok_or(Failure::NOT_AN_INTEGER)?;
                if time <= 0 {
                    return Err(Failure::text("ERR FAILOVER timeout must be greater than 0"));
                }
                timeout = true;
                at += 2;
            }
            (b"to", [_, port, ..]) if !to => {
                number::parse_i64(port).ok_or(Failure::NOT_AN_INTEGER)?;
                to = true;
                at += 3;
            }
            (b"force", _) if !force => {
                force = true;
                at += 1;
            }
            (b"abort", []) if args.len() == 2 => {
                abort = true;
                at += 1;
            }
            _ => return Err(Failure::SYNTAX),
        }
    }
    Err(match abort {
        true => Failure::text("ERR No failover in progress."),
        false => Failure::text("ERR FAILOVER requires connected replicas."),
    })
}
