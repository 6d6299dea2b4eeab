//! Keys and their slots.

use super::view_of;
use crate::cluster::Slot;
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::number;

/// The slot with this number.
pub(super) fn slot(number: i64) -> Option<Slot> {
    u16::try_from(number).ok().and_then(|it| Slot::new(it).ok())
}

pub(super) fn keyslot(call: &mut Call<'_>) -> Outcome {
    view_of(call.server)?;
    let slot = Slot::of_key(call.args[2]);
    call.out.int(i64::from(slot.get()));
    Ok(())
}

pub(super) fn countkeysinslot(call: &mut Call<'_>) -> Outcome {
    view_of(call.server)?;
    let number = number::parse_i64(call.args[2]).ok_or(Failure::NOT_AN_INTEGER)?;
    let slot = slot(number).ok_or(Failure::text("ERR Invalid slot"))?;
    let count = call.server.dbs[0].count_in_slot(slot);
    call.out.int(count as i64);
    Ok(())
}

pub(super) fn getkeysinslot(call: &mut Call<'_>) -> Outcome {
    view_of(call.server)?;
    let number = number::parse_i64(call.args[2]).ok_or(Failure::NOT_AN_INTEGER)?;
    let most = number::parse_i64(call.args[3]).ok_or(Failure::NOT_AN_INTEGER)?;
    let (Some(slot), Ok(most)) = (slot(number), usize::try_from(most)) else {
        return Err(Failure::text("ERR Invalid slot or number of keys"));
    };
    let db = &call.server.dbs[0];
    call.out.array(db.count_in_slot(slot).min(most));
    for key in db.keys_in_slot(slot).take(most) {
        call.out.bulk(key);
    }
    Ok(())
}
