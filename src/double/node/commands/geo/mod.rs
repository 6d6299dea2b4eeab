//! Places: members of sorted sets whose scores are cells of a map.

mod options;
mod search;

use super::Family;
use super::arguments::integer;
use super::sorted_sets::{Mode, add, limits, store};
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::geo::Position;
use crate::double::node::keyspace::sorted_set::SortedSet;
use crate::double::node::number::{self, LongDouble, write_fixed};
use crate::double::node::out::Out;

pub(super) const COMMANDS: Family = &[
    ("geoadd", geoadd),
    ("geodist", geodist),
    ("geohash", geohash),
    ("geopos", geopos),
    ("georadius", search::georadius),
    ("georadius_ro", search::georadius_ro),
    ("georadiusbymember", search::georadiusbymember),
    ("georadiusbymember_ro", search::georadiusbymember_ro),
    ("geosearch", search::geosearch),
    ("geosearchstore", search::geosearchstore),
];

fn coordinate(word: &[u8]) -> Result<f64, Failure> {
    number::parse_f64(word).ok_or(Failure::NOT_A_FLOAT)
}

/// A place on the map.
fn position(longitude: &[u8], latitude: &[u8]) -> Result<Position, Failure> {
    let position = Position {
        longitude: coordinate(longitude)?,
        latitude: coordinate(latitude)?,
    };
    if !position.is_valid() {
        let mut words = b"ERR invalid longitude,latitude pair ".to_vec();
        write_fixed(&mut words, position.longitude, 6);
        words.push(b',');
        write_fixed(&mut words, position.latitude, 6);
        return Err(Failure::told(String::from_utf8_lossy(&words).into_owned()));
    }
    Ok(position)
}

/// How many metres a unit has.
fn unit(word: &[u8]) -> Result<f64, Failure> {
    let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    if is("m") {
        Ok(1.0)
    } else if is("km") {
        Ok(1000.0)
    } else if is("ft") {
        Ok(0.3048)
    } else if is("mi") {
        Ok(1609.34)
    } else {
        Err(Failure::text(
            "ERR unsupported unit provided. please use M, KM, FT, MI",
        ))
    }
}

/// A distance has 4 decimals, whatever the unit.
fn write_distance(out: &mut Out, distance: f64) {
    out.bulk_of(|bytes| write_fixed(bytes, distance, 4));
}

fn write_position(out: &mut Out, position: Position) {
    out.array(2);
    out.double_of(|bytes| LongDouble::from(position.longitude).write(bytes));
    out.double_of(|bytes| LongDouble::from(position.latitude).write(bytes));
}

fn geoadd(call: &mut Call<'_>) -> Outcome {
    let mut mode = Mode::default();
    let mut words = &call.args[2..];
    while let [word, rest @ ..] = words {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if is("NX") {
            mode.only_new = true;
        } else if is("XX") {
            mode.only_old = true;
        } else if is("CH") {
            mode.count_changes = true;
        } else {
            break;
        }
        words = rest;
    }
    let (places, []) = words.as_chunks::<3>() else {
        return Err(Failure::SYNTAX);
    };
    if places.is_empty() || mode.only_new && mode.only_old {
        return Err(Failure::SYNTAX);
    }
    let mut scored = Vec::with_capacity(places.len());
    for [longitude, latitude, member] in places {
        scored.push((position(longitude, latitude)?.score(), *member));
    }
    add(call, mode, &scored)
}

fn geodist(call: &mut Call<'_>) -> Outcome {
    let (key, [from, to], metres) = match call.args {
        [_, key, from, to] => (key, [from, to], 1.0),
        [_, key, from, to, word] => (key, [from, to], unit(word)?),
        _ => return Err(Failure::SYNTAX),
    };
    let set = call.read::<SortedSet>(key)?;
    let place = |member: &[u8]| Some(Position::of_score(set?.score(member)?));
    match (place(from), place(to)) {
        (Some(from), Some(to)) => write_distance(call.out, from.distance(to) / metres),
        _ => call.out.null(),
    }
    Ok(())
}

/// Replies with something about each of the members; `without`: what it is where there is no such member.
fn reply_about(
    call: &mut Call<'_>,
    about: fn(&mut Out, Position),
    without: fn(&mut Out),
) -> Outcome {
    let (key, members) = (call.args[1], &call.args[2..]);
    let Some((set, out)) = call.read_and_out::<SortedSet>(key)? else {
        call.out.array(members.len());
        members.iter().for_each(|_| without(call.out));
        return Ok(());
    };
    out.array(members.len());
    for member in members {
        match set.score(member) {
            Some(score) => about(out, Position::of_score(score)),
            None => without(out),
        }
    }
    Ok(())
}

fn geohash(call: &mut Call<'_>) -> Outcome {
    reply_about(call, |out, place| out.bulk(&place.geohash()), Out::null)
}

fn geopos(call: &mut Call<'_>) -> Outcome {
    reply_about(call, write_position, Out::null_array)
}
