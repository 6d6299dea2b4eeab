//! A node without replicas and without a master.

use crate::double::node::call::Call;
use crate::double::node::client::Otherwise;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::number;

pub(super) fn role(call: &mut Call<'_>) -> Outcome {
    call.out.array(3);
    call.out.bulk(b"master");
    call.out.int(0);
    call.out.array(0);
    Ok(())
}

pub(super) fn wait(call: &mut Call<'_>) -> Outcome {
    let wanted = number::parse_i64(call.args[1]).ok_or(Failure::NOT_AN_INTEGER)?;
    let time = number::parse_i64(call.args[2]).ok_or(Failure::text(
        "ERR timeout is not an integer or out of range",
    ))?;
    if time < 0 {
        return Err(Failure::text("ERR timeout is negative"));
    }
    if wanted <= 0 || !call.may_block() {
        call.out.int(0);
        return Ok(());
    }
    let until = (time > 0).then(|| call.now().saturating_add(time));
    call.block(&[], None, until, Otherwise::Zero);
    Ok(())
}

pub(super) fn replicaof(call: &mut Call<'_>) -> Outcome {
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
