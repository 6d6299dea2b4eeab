//! Places within a distance of another.

use super::super::partial_sort::sort_part;
use super::options::{Asked, Destination, Form, Order, read};
use super::{limits, store, write_distance, write_position};
use crate::double::node::call::Call;
use crate::double::node::failure::Outcome;
use crate::double::node::keyspace::geo::{Position, Search};
use crate::double::node::keyspace::sorted_set::{ScoreRange, SortedSet};
use crate::double::node::keyspace::value::typed;
use crate::double::node::out::Out;

pub(super) fn georadius(call: &mut Call<'_>) -> Outcome {
    search(call, Form::Radius, true)
}

pub(super) fn georadius_ro(call: &mut Call<'_>) -> Outcome {
    search(call, Form::Radius, false)
}

pub(super) fn georadiusbymember(call: &mut Call<'_>) -> Outcome {
    search(call, Form::RadiusByMember, true)
}

pub(super) fn georadiusbymember_ro(call: &mut Call<'_>) -> Outcome {
    search(call, Form::RadiusByMember, false)
}

pub(super) fn geosearch(call: &mut Call<'_>) -> Outcome {
    search(call, Form::Search, false)
}

pub(super) fn geosearchstore(call: &mut Call<'_>) -> Outcome {
    search(call, Form::SearchStore, true)
}

/// A place that was found.
struct Found<'a> {
    member: &'a [u8],
    score: f64,
    position: Position,
    /// In metres.
    distance: f64,
}

fn search(call: &mut Call<'_>, form: Form, may_store: bool) -> Outcome {
    let args = call.args;
    let key = match form {
        Form::SearchStore => args[2],
        _ => args[1],
    };
    let limits = limits(call);
    // Not through `call`: what is found stays in the keyspace while the reply is written.
    let at = call.server.read(call.db, key);
    let set = match at {
        Some(at) => Some(typed::<SortedSet>(
            &call.server.dbs[call.db].at(at).1.value,
        )?),
        None => None,
    };
    let asked = read(args, form, may_store, set)?;
    let found = match (set, asked.search) {
        (Some(set), Some(search)) => find(set, &search, &asked),
        _ => Vec::new(),
    };
    let Some(destination) = asked.destination else {
        reply(call.out, &found, &asked);
        return Ok(());
    };
    let scored = found.iter().map(|place| {
        let score = match destination.distances {
            true => place.distance / asked.metres,
            false => place.score,
        };
        (place.member, score)
    });
    let new = SortedSet::of(&scored.collect::<Vec<_>>(), limits);
    keep(call, &destination, new, form);
    Ok(())
}

fn keep(call: &mut Call<'_>, destination: &Destination<'_>, new: SortedSet, form: Form) {
    let event = match form {
        Form::SearchStore => "geosearchstore",
        _ => "georadiusstore",
    };
    let more = (new.len() as u64).saturating_sub(1);
    store(call, destination.key, new, event);
    call.server.dirty += more;
}

/// The places that are asked for, in the order in which they are shown.
fn find<'a>(set: &'a SortedSet, search: &Search, asked: &Asked<'_>) -> Vec<Found<'a>> {
    let most = asked.count.unwrap_or(usize::MAX);
    let cells = search.ranges().flat_map(|(min, max)| {
        let ranks = set.score_ranks(&ScoreRange {
            min,
            min_exclusive: false,
            max,
            max_exclusive: true,
        });
        set.iter(ranks)
    });
    let places = cells.filter_map(|(member, score)| {
        let position = Position::of_score(score);
        let distance = search.distance(position)?;
        Some(Found {
            member,
            score,
            position,
            distance,
        })
    });
    let mut found: Vec<_> = match asked.any {
        true => places.take(most).collect(),
        false => places.collect(),
    };
    // The nearest of all are those that COUNT means.
    let nearest = (asked.count.is_some() && !asked.any).then_some(Order::Nearest);
    if let Some(order) = asked.order.or(nearest) {
        let compare = |a: &Found<'_>, b: &Found<'_>| match order {
            Order::Nearest => a.distance.total_cmp(&b.distance),
            Order::Farthest => b.distance.total_cmp(&a.distance),
        };
        match most < found.len() {
            true => sort_part(&mut found, 0..most, compare),
            false => found.sort_by(compare),
        }
    }
    found.truncate(most);
    found
}

fn reply(out: &mut Out, found: &[Found<'_>], asked: &Asked<'_>) {
    let more = [asked.with_distance, asked.with_hash, asked.with_position];
    let more = more.into_iter().filter(|with| *with).count();
    out.array(found.len());
    for place in found {
        if more > 0 {
            out.array(more + 1);
        }
        out.bulk(place.member);
        if asked.with_distance {
            write_distance(out, place.distance / asked.metres);
        }
        if asked.with_hash {
            out.int(whole(place.score));
        }
        if asked.with_position {
            write_position(out, place.position);
        }
    }
}

/// A score as WITHHASH shows it. One that is too high for a whole number becomes the lowest of these, as on x86-64 in C.
fn whole(score: f64) -> i64 {
    match score < 2_f64.powi(63) {
        true => score as i64,
        false => i64::MIN,
    }
}
