//! Who serves which slots, as an operator says it: ADDSLOTS, DELSLOTS and their like, SETSLOT.

use super::{change, keys, known, known_or_error, quoted, view_of};
use crate::cluster::{Slot, SlotSet};
use crate::double::gossip::{PeerKey, View};
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::number;

pub(super) fn addslots(call: &mut Call<'_>) -> Outcome {
    one_by_one(call, false)
}

pub(super) fn delslots(call: &mut Call<'_>) -> Outcome {
    one_by_one(call, true)
}

pub(super) fn addslotsrange(call: &mut Call<'_>) -> Outcome {
    by_ranges(call, false)
}

pub(super) fn delslotsrange(call: &mut Call<'_>) -> Outcome {
    by_ranges(call, true)
}

fn slot(word: &[u8]) -> Result<Slot, Failure> {
    number::parse_i64(word)
        .and_then(keys::slot)
        .ok_or(Failure::text("ERR Invalid or out of range slot"))
}

fn one_by_one(call: &mut Call<'_>, delete: bool) -> Outcome {
    let view = view_of(call.server)?;
    // That they are numbers is looked at before anything else.
    let slots: Result<Vec<Slot>, Failure> = call.args[2..].iter().map(|word| slot(word)).collect();
    let mut chosen = SlotSet::new();
    for slot in slots? {
        choose(view, &mut chosen, slot, delete)?;
    }
    update(call, &chosen, delete)
}

fn by_ranges(call: &mut Call<'_>, delete: bool) -> Outcome {
    let view = view_of(call.server)?;
    let (pairs, []) = call.args[2..].as_chunks() else {
        return Err(Failure::arity(match delete {
            true => "cluster|delslotsrange",
            false => "cluster|addslotsrange",
        }));
    };
    let mut chosen = SlotSet::new();
    for [start, end] in pairs {
        let (start, end) = (slot(start)?, slot(end)?);
        if start > end {
            return Err(Failure::told(format!(
                "ERR start slot number {start} is greater than end slot number {end}"
            )));
        }
        for number in start.get()..=end.get() {
            if let Ok(slot) = Slot::new(number) {
                choose(view, &mut chosen, slot, delete)?;
            }
        }
    }
    update(call, &chosen, delete)
}

/// Adds a slot to those that are meant.
fn choose(view: &View, chosen: &mut SlotSet, slot: Slot, delete: bool) -> Outcome {
    let why = match (delete, view.owner(slot)) {
        (true, None) => "is already unassigned",
        (false, Some(_)) => "is already busy",
        _ if chosen.contains(slot) => "specified multiple times",
        _ => {
            chosen.insert(slot);
            return Ok(());
        }
    };
    Err(Failure::told(format!("ERR Slot {slot} {why}")))
}

fn update(call: &mut Call<'_>, chosen: &SlotSet, delete: bool) -> Outcome {
    change(call, |view, _| {
        let owner = (!delete).then_some(view.me);
        for slot in chosen.iter() {
            view.importing.remove(&slot);
            view.give_slot(slot, owner);
        }
        view.note_change();
    })?;
    call.out.ok();
    Ok(())
}

pub(super) fn flushslots(call: &mut Call<'_>) -> Outcome {
    view_of(call.server)?;
    if call.server.dbs[0].len() != 0 {
        return Err(Failure::text(
            "ERR DB must be empty to perform CLUSTER FLUSHSLOTS.",
        ));
    }
    change(call, |view, _| {
        let own = view.myself().slots.clone();
        for slot in own.iter() {
            view.give_slot(slot, None);
        }
        view.note_change();
    })?;
    call.out.ok();
    Ok(())
}

pub(super) fn setslot(call: &mut Call<'_>) -> Outcome {
    let view = view_of(call.server)?;
    let args = call.args;
    if view.myself().flags.replica {
        return Err(Failure::text("ERR Please use SETSLOT only with masters."));
    }
    let slot = slot(args[2])?;
    let is_mine = view.owner(slot) == Some(view.me);
    let action = args[3].to_ascii_lowercase();
    match (&action[..], &args[4..]) {
        (b"migrating", [id]) => {
            if !is_mine {
                return Err(Failure::told(format!(
                    "ERR I'm not the owner of hash slot {slot}"
                )));
            }
            let to = other_end(view, id)?;
            change(call, |view, _| view.migrating.insert(slot, to))?;
        }
        (b"importing", [id]) => {
            if is_mine {
                return Err(Failure::told(format!(
                    "ERR I'm already the owner of hash slot {slot}"
                )));
            }
            let from = other_end(view, id)?;
            change(call, |view, _| view.importing.insert(slot, from))?;
        }
        (b"stable", []) => {
            change(call, |view, _| {
                view.importing.remove(&slot);
                view.migrating.remove(&slot);
            })?;
        }
        (b"node", [id]) => {
            let owner = master(view, known_or_error(view, id)?)?;
            if is_mine && owner != view.me && call.server.dbs[0].count_in_slot(slot) != 0 {
                return Err(Failure::told(format!(
                    "ERR Can't assign hashslot {slot} to a different node while I still hold keys for this hash slot."
                )));
            }
            change(call, |view, around| view.assign_slot(slot, owner, around))?;
        }
        _ => {
            return Err(Failure::text(
                "ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP",
            ));
        }
    }
    change(call, |view, _| view.note_change())?;
    call.out.ok();
    Ok(())
}

/// The master at the other end of a slot's way.
fn other_end(view: &View, id: &[u8]) -> Result<PeerKey, Failure> {
    let unknown = || Failure::told(format!("ERR I don't know about node {}", quoted(id)));
    master(view, known(view, id).ok_or_else(unknown)?)
}

fn master(view: &View, key: PeerKey) -> Result<PeerKey, Failure> {
    match view.peer(key).flags.replica {
        true => Err(Failure::text("ERR Target node is not a master")),
        false => Ok(key),
    }
}
