//! Unions, intersections and differences of sorted sets, and of sets, whose members all have the score 1.

use std::borrow::Cow;
use std::collections::HashMap;

use foldhash::quality::FixedState;

use super::{at_least, integer, limits, store};
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::packed::Element;
use crate::double::node::keyspace::set::Set;
use crate::double::node::keyspace::sorted_set::{SortedSet, order};
use crate::double::node::keyspace::value::Value;
use crate::double::node::number;
use crate::double::node::server::Server;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

/// What becomes of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Shown,
    Stored,
    Counted,
}

pub(super) fn zunion(call: &mut Call<'_>) -> Outcome {
    show(call, Operation::Union, "zunion")
}

pub(super) fn zinter(call: &mut Call<'_>) -> Outcome {
    show(call, Operation::Intersection, "zinter")
}

pub(super) fn zdiff(call: &mut Call<'_>) -> Outcome {
    show(call, Operation::Difference, "zdiff")
}

pub(super) fn zunionstore(call: &mut Call<'_>) -> Outcome {
    make(call, Operation::Union, "zunionstore")
}

pub(super) fn zinterstore(call: &mut Call<'_>) -> Outcome {
    make(call, Operation::Intersection, "zinterstore")
}

pub(super) fn zdiffstore(call: &mut Call<'_>) -> Outcome {
    make(call, Operation::Difference, "zdiffstore")
}

pub(super) fn zintercard(call: &mut Call<'_>) -> Outcome {
    let args = &call.args[1..];
    let asked = Asked::read(call, args, Operation::Intersection, Purpose::Counted)
        .map_err(|wrong| wrong.said_by("zintercard"))?;
    let sources = asked.sources(call.server, call.db);
    let count = intersection(&sources, asked.aggregate).take(asked.limit);
    call.out.int(count.count() as i64);
    Ok(())
}

fn show(call: &mut Call<'_>, operation: Operation, name: &str) -> Outcome {
    let args = &call.args[1..];
    let asked =
        Asked::read(call, args, operation, Purpose::Shown).map_err(|wrong| wrong.said_by(name))?;
    let sources = asked.sources(call.server, call.db);
    let result = result(&sources, operation, asked.aggregate);
    let out = &mut *call.out;
    let nested = asked.with_scores && out.resp3;
    out.array(match asked.with_scores && !nested {
        true => result.len() * 2,
        false => result.len(),
    });
    for (member, score) in result {
        if nested {
            out.array(2);
        }
        out.bulk(&member);
        if asked.with_scores {
            out.double(score);
        }
    }
    Ok(())
}

fn make(call: &mut Call<'_>, operation: Operation, name: &str) -> Outcome {
    let args = &call.args[2..];
    let asked =
        Asked::read(call, args, operation, Purpose::Stored).map_err(|wrong| wrong.said_by(name))?;
    let limits = limits(call);
    let sources = asked.sources(call.server, call.db);
    let new = SortedSet::of(&result(&sources, operation, asked.aggregate), limits);
    store(call, call.args[1], new, name);
    Ok(())
}

/// How the scores of a member in several sets become one.
#[derive(Debug, Clone, Copy)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn of(self, score: f64, other: f64) -> f64 {
        match self {
            Aggregate::Sum => number_or_0(score + other),
            Aggregate::Min if other < score => other,
            Aggregate::Max if other > score => other,
            _ => score,
        }
    }
}

/// Infinities against each other make 0 here.
fn number_or_0(score: f64) -> f64 {
    match score.is_nan() {
        true => 0.0,
        false => score,
    }
}

/// The words of one of these commands.
struct Asked {
    /// Places in the database; `None`: there is no such key.
    found: Vec<Option<usize>>,
    /// As many; empty: all are 1.
    weights: Vec<f64>,
    aggregate: Aggregate,
    with_scores: bool,
    /// ZINTERCARD counts no farther.
    limit: usize,
}

enum Wrong {
    NoKeys,
    Other(Failure),
}

impl Wrong {
    fn said_by(self, name: &str) -> Failure {
        match self {
            Wrong::Other(failure) => failure,
            Wrong::NoKeys => Failure::told(format!(
                "ERR at least 1 input key is needed for '{name}' command"
            )),
        }
    }
}

impl From<Failure> for Wrong {
    fn from(failure: Failure) -> Wrong {
        Wrong::Other(failure)
    }
}

impl Asked {
    /// Reads `numkeys key [key ...] [option ...]`. The keys are looked up before the options are looked at.
    fn read(
        call: &mut Call<'_>,
        words: &[&[u8]],
        operation: Operation,
        purpose: Purpose,
    ) -> Result<Asked, Wrong> {
        let (numkeys, rest) = words.split_first().ok_or(Failure::SYNTAX)?;
        let numkeys = integer(numkeys)?;
        if numkeys < 1 {
            return Err(Wrong::NoKeys);
        }
        let numkeys = usize::try_from(numkeys).unwrap_or(usize::MAX);
        let (keys, options) = rest.split_at_checked(numkeys).ok_or(Failure::SYNTAX)?;
        let mut asked = Asked {
            found: find(call, keys)?,
            weights: Vec::new(),
            aggregate: Aggregate::Sum,
            with_scores: false,
            limit: usize::MAX,
        };
        let weighs = operation != Operation::Difference && purpose != Purpose::Counted;
        let mut options = options.iter();
        while let Some(word) = options.next() {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            let rest = options.as_slice();
            if is("WEIGHTS")
                && weighs
                && let Some(weights) = rest.get(..keys.len())
            {
                asked.weights.clear();
                for weight in weights {
                    let weight = number::parse_f64(weight)
                        .ok_or(Failure::text("ERR weight value is not a float"))?;
                    asked.weights.push(weight);
                }
                options = rest[keys.len()..].iter();
            } else if is("AGGREGATE")
                && weighs
                && let Some(how) = options.next()
            {
                let is = |name: &str| how.eq_ignore_ascii_case(name.as_bytes());
                asked.aggregate = if is("SUM") {
                    Aggregate::Sum
                } else if is("MIN") {
                    Aggregate::Min
                } else if is("MAX") {
                    Aggregate::Max
                } else {
                    return Err(Failure::SYNTAX.into());
                };
            } else if is("WITHSCORES") && purpose == Purpose::Shown {
                asked.with_scores = true;
            } else if is("LIMIT")
                && purpose == Purpose::Counted
                && let Some(limit) = options.next()
            {
                asked.limit = match at_least(limit, 0, "ERR LIMIT can't be negative")? {
                    0 => usize::MAX,
                    limit => usize::try_from(limit).unwrap_or(usize::MAX),
                };
            } else {
                return Err(Failure::SYNTAX.into());
            }
        }
        Ok(asked)
    }

    /// What is at the places, with its weights.
    fn sources<'a>(&self, server: &'a Server, db: usize) -> Vec<Source<'a>> {
        let source = |(at, found): (usize, &Option<usize>)| Source {
            members: match found.map(|found| &server.dbs[db].at(found).1.value) {
                Some(Value::Set(set)) => Members::Plain(set),
                Some(Value::Sorted(sorted)) => Members::Scored(sorted),
                _ => Members::None,
            },
            weight: self.weights.get(at).copied().unwrap_or(1.0),
        };
        self.found.iter().enumerate().map(source).collect()
    }
}

/// The places of keys in the database.
///
/// # Errors
/// A key holds something else than a set or a sorted one.
fn find(call: &mut Call<'_>, keys: &[&[u8]]) -> Result<Vec<Option<usize>>, Failure> {
    // First of all what is over is taken out, since that moves others.
    for key in keys {
        call.exists(key);
    }
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        let at = call.server.read(call.db, key);
        if let Some(at) = at
            && !matches!(
                call.server.dbs[call.db].at(at).1.value,
                Value::Set(_) | Value::Sorted(_)
            )
        {
            return Err(Failure::WRONG_TYPE);
        }
        found.push(at);
    }
    Ok(found)
}

struct Source<'a> {
    members: Members<'a>,
    weight: f64,
}

enum Members<'a> {
    None,
    Plain(&'a Set),
    Scored(&'a SortedSet),
}

/// A member and its score.
type Scored<'a> = (Cow<'a, [u8]>, f64);

impl<'a> Source<'a> {
    fn len(&self) -> usize {
        match self.members {
            Members::None => 0,
            Members::Plain(set) => set.len(),
            Members::Scored(set) => set.len(),
        }
    }

    /// A member's score, not weighted.
    fn score(&self, member: &[u8]) -> Option<f64> {
        match self.members {
            Members::None => None,
            Members::Plain(set) => set.contains(member).then_some(1.0),
            Members::Scored(set) => set.score(member),
        }
    }

    /// All members with their scores, not weighted.
    fn iter(&self) -> impl Iterator<Item = Scored<'a>> + use<'a> {
        let (plain, scored) = match self.members {
            Members::None => (None, None),
            Members::Plain(set) => (Some(set.iter()), None),
            Members::Scored(set) => (None, Some(set.iter(0..set.len()))),
        };
        let plain = plain.into_iter().flatten().map(|member| {
            let member = match member {
                Element::Text(text) => Cow::Borrowed(text),
                Element::Integer(_) => Cow::Owned(member.to_vec()),
            };
            (member, 1.0)
        });
        let scored = scored.into_iter().flatten();
        plain.chain(scored.map(|(member, score)| (Cow::Borrowed(member), score)))
    }
}

/// The result in the order of a sorted set.
fn result<'a>(
    sources: &[Source<'a>],
    operation: Operation,
    aggregate: Aggregate,
) -> Vec<Scored<'a>> {
    let mut result: Vec<_> = match operation {
        Operation::Union => union(sources, aggregate),
        Operation::Intersection => intersection(sources, aggregate).collect(),
        Operation::Difference => difference(sources).collect(),
    };
    result.sort_unstable_by(|(member, score), (other, its)| order((*score, member), (*its, other)));
    result
}

/// The smallest sets first. With floating point numbers it matters in which order they are summed up.
fn by_length<'s, 'a>(sources: &'s [Source<'a>]) -> Vec<&'s Source<'a>> {
    let mut sources: Vec<_> = sources.iter().collect();
    sources.sort_by_key(|source| source.len());
    sources
}

fn union<'a>(sources: &[Source<'a>], aggregate: Aggregate) -> Vec<Scored<'a>> {
    let mut all: HashMap<Cow<'a, [u8]>, f64, FixedState> = HashMap::default();
    for source in by_length(sources) {
        for (member, score) in source.iter() {
            let score = number_or_0(source.weight * score);
            all.entry(member)
                .and_modify(|sum| *sum = aggregate.of(*sum, score))
                .or_insert(score);
        }
    }
    all.into_iter().collect()
}

fn intersection<'a>(
    sources: &[Source<'a>],
    aggregate: Aggregate,
) -> impl Iterator<Item = Scored<'a>> {
    let sources = by_length(sources);
    let first = sources.first().map(|first| (first.iter(), first.weight));
    first.into_iter().flat_map(move |(members, weight)| {
        let others = sources[1..].to_vec();
        members.filter_map(move |(member, score)| {
            let mut sum = number_or_0(weight * score);
            for other in &others {
                let score = other.score(&member)?;
                sum = aggregate.of(sum, score * other.weight);
            }
            Some((member, sum))
        })
    })
}

/// What is in the first one and in no other.
fn difference<'a>(sources: &[Source<'a>]) -> impl Iterator<Item = Scored<'a>> {
    let (first, others) = match sources {
        [first, others @ ..] => (Some(first.iter()), others),
        [] => (None, sources),
    };
    first
        .into_iter()
        .flatten()
        .filter(|(member, _)| !others.iter().any(|other| other.score(member).is_some()))
}
