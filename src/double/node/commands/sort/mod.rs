//! SORT and SORT_RO: the elements of a list, a set or a sorted set in an order, and what other keys have to say about them.

mod order;
mod pattern;

use super::Family;
use super::arguments::integer;
use crate::double::node::call::{Call, Class, Origin};
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::list::{End, List};
use crate::double::node::keyspace::packed::Element;
use crate::double::node::keyspace::value::{Kind, Typed, Value};

use order::{By, sort};
use pattern::Pattern;

pub(super) const COMMANDS: Family = &[("sort", sort_any), ("sort_ro", sort_ro)];

fn sort_any(call: &mut Call<'_>) -> Outcome {
    run(call, true)
}

fn sort_ro(call: &mut Call<'_>) -> Outcome {
    run(call, false)
}

/// The options.
#[derive(Debug)]
struct Asked<'a> {
    by: By<'a>,
    /// By their bytes, and not as numbers.
    alpha: bool,
    downwards: bool,
    /// LIMIT: how many are passed over, and how many are taken then; all, if it is negative.
    offset: i64,
    limit: i64,
    /// GET.
    get: Vec<Pattern<'a>>,
    /// STORE.
    store: Option<&'a [u8]>,
}

impl<'a> Asked<'a> {
    /// `clustered`: what other keys hold can't be looked at.
    fn read(words: &[&'a [u8]], may_store: bool, clustered: bool) -> Result<Asked<'a>, Failure> {
        let mut asked = Asked {
            by: By::Itself,
            alpha: false,
            downwards: false,
            offset: 0,
            limit: -1,
            get: Vec::new(),
            store: None,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            if is("ASC") {
                asked.downwards = false;
            } else if is("DESC") {
                asked.downwards = true;
            } else if is("ALPHA") {
                asked.alpha = true;
            } else if is("LIMIT")
                && let [offset, limit, ..] = words.as_slice()
            {
                asked.offset = integer(offset)?;
                asked.limit = integer(limit)?;
                words.nth(1);
            } else if is("STORE")
                && may_store
                && let Some(key) = words.next()
            {
                asked.store = Some(key);
            } else if is("BY")
                && let Some(pattern) = words.next()
            {
                if clustered && pattern.contains(&b'*') {
                    return Err(Failure::text(
                        "ERR BY option of SORT denied in Cluster mode.",
                    ));
                }
                asked.by = By::pattern(pattern, asked.by);
            } else if is("GET")
                && let Some(pattern) = words.next()
            {
                if clustered {
                    return Err(Failure::text(
                        "ERR GET option of SORT denied in Cluster mode.",
                    ));
                }
                asked.get.push(Pattern::read(pattern));
            } else {
                return Err(Failure::SYNTAX);
            }
        }
        Ok(asked)
    }

    /// Which of so many elements are shown.
    fn part(&self, length: usize) -> std::ops::Range<usize> {
        let start = usize::try_from(self.offset).unwrap_or(0).min(length);
        let most = usize::try_from(self.limit).unwrap_or(usize::MAX);
        start..start.saturating_add(most).min(length)
    }
}

fn run(call: &mut Call<'_>, may_store: bool) -> Outcome {
    let args = call.args;
    let clustered = call.server.cluster.is_some();
    let mut asked = Asked::read(&args[2..], may_store, clustered)?;
    let (kind, mut elements) = load(call, args[1])?;
    if matches!(asked.by, By::Nothing) {
        if kind != Some(Kind::Set) {
            if asked.downwards {
                elements.reverse();
            }
        } else if asked.store.is_some() || call.origin == Origin::Script {
            // A set has no order of its own: what is stored, or what a script sees, shall not hang on chance.
            (asked.by, asked.alpha) = (By::Itself, true);
        }
    }
    sort(call, &mut elements, &asked)?;
    let part = asked.part(elements.len());
    let shown = &elements[part];
    match asked.store {
        Some(key) => store(call, key, shown, &asked.get),
        None => reply(call, shown, &asked.get),
    }
    Ok(())
}

/// The elements of a key's value, and its type.
///
/// # Errors
/// It is of a type that can't be sorted.
fn load(call: &mut Call<'_>, key: &[u8]) -> Result<(Option<Kind>, Vec<Vec<u8>>), Failure> {
    let Some(at) = call.server.read(call.db, key) else {
        return Ok((None, Vec::new()));
    };
    let value = &mut call.server.dbs[call.db].at_mut(at).value;
    let elements = match value {
        Value::List(list) => list.iter().map(Element::to_vec).collect(),
        Value::Set(set) => set.iter().map(Element::to_vec).collect(),
        Value::Sorted(sorted) => {
            // It does not become a listpack again in Redis either.
            sorted.convert_to_skiplist();
            let all = sorted.iter(0..sorted.len());
            all.map(|(member, _)| member.to_vec()).collect()
        }
        _ => return Err(Failure::WRONG_TYPE),
    };
    Ok((Some(value.kind()), elements))
}

fn reply(call: &mut Call<'_>, elements: &[Vec<u8>], get: &[Pattern<'_>]) {
    call.out.array(elements.len() * get.len().max(1));
    for element in elements {
        if get.is_empty() {
            call.out.bulk(element);
        }
        for pattern in get {
            match pattern.look_up(call, element) {
                Some(text) => call.out.bulk(&text),
                None => call.out.null(),
            }
        }
    }
}

fn store(call: &mut Call<'_>, key: &[u8], elements: &[Vec<u8>], get: &[Pattern<'_>]) {
    let mut list = List::new(call.server.config.list_size);
    for element in elements {
        if get.is_empty() {
            list.push(End::Right, element);
        }
        for pattern in get {
            let text = pattern.look_up(call, element).unwrap_or_default();
            list.push(End::Right, &text);
        }
    }
    let length = list.len();
    if length > 0 {
        call.put(key, list.into_value());
        call.changed(key, Class::LIST, "sortstore");
        call.server.dirty += length as u64 - 1;
    } else if call.remove(key) {
        call.changed(key, Class::GENERIC, "del");
    }
    call.out.int(length as i64);
}
