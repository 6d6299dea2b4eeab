//! The files of scenarios, `scenarios/*.txt`.
//!
//! ```text
//! # a whole-line comment
//! == what it shows
//! nodes 4 cluster-node-timeout 800
//! create n1=0-8191 n2=8192-16383 n3>n1
//! n1 CLUSTER FAILOVER
//! until agree, n3 is master
//! ```
//!
//! `nodes` comes first: so many empty nodes, with settings in pairs. Then, in any order:
//!
//! - `n1 WORDS…`, `n1,n2 WORDS…`, `all WORDS…`: a command on a node, or on several one after another; its reply is compared. `n2.id`, `n2.ip`, `n2.port` stand for what is
//!   known of a node, `@1000` for a key of slot 1000 and `@1000.7` for another one, `""` for an empty word. `all` are those that are up.
//! - `create n1=0-100,200 n2=101-199 n3>n1`: a cluster with these masters and replicas, all met, with different epochs, one key with each master and everything agreed on;
//!   `create 3+2` is the usual one, replicas taking turns.
//! - `fill n1 1000 20`: keys `@1000.1` to `@1000.20` are set at n1. `drain n1 n2 1000`: MIGRATE, ten keys a time, until none is left.
//! - `stop`, `kill`, `start`, `freeze`, `thaw` with nodes; `cut n1 n2 | n3`; `heal`; `sleep 2s`.
//! - `until CONDITIONS`: waits for them, fails after a while. `during 3s CONDITIONS`: they hold all the time. `look`: neither. After each of the three the views of all nodes
//!   that answer are compared. `until n1 n2: …` looks at the views of these only (`condition.rs`).
//! - `epochs by rank`: how often an election is repeated is chance here, so only the order of epochs is compared.

use std::time::Duration;

use labrunner::cluster::Slot;
use labrunner::resp::hash_tag;

use crate::condition::Condition;
use crate::names::Names;

pub struct Scenario {
    pub title: String,
    pub nodes: usize,
    pub settings: Vec<(String, String)>,
    pub ranks: bool,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub struct Step {
    /// The file and the line, to be found again.
    pub place: String,
    pub text: String,
    pub act: Act,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    Call(Whom, Vec<String>),
    Create(Create),
    Fill {
        node: usize,
        slot: u16,
        count: usize,
    },
    Drain {
        from: usize,
        to: usize,
        slot: u16,
    },
    Change(Change, Vec<usize>),
    Cut(Vec<Vec<usize>>),
    Heal,
    Sleep(Duration),
    Until(Condition),
    During(Duration, Condition),
    Look,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Stop,
    Kill,
    Start,
    Freeze,
    Thaw,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    All,
    These(Vec<usize>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Create {
    /// Masters with the ranges of their slots.
    pub masters: Vec<(usize, Vec<(u16, u16)>)>,
    /// Replicas with their masters.
    pub replicas: Vec<(usize, usize)>,
}

impl Scenario {
    /// Whether nodes are cut from each other in it.
    pub fn cuts(&self) -> bool {
        self.steps
            .iter()
            .any(|step| matches!(step.act, Act::Cut(_)))
    }
}

/// All scenarios of a file. An error says which line is wrong and why.
pub fn parse(file: &str, text: &str) -> Result<Vec<Scenario>, String> {
    let mut all: Vec<Scenario> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = format!("{file}:{}", index + 1);
        let wrong = |why: String| format!("{place}: {why}\n    {line}");
        if let Some(title) = line.strip_prefix("==") {
            all.push(Scenario {
                title: title.trim().to_owned(),
                nodes: 0,
                settings: Vec::new(),
                ranks: false,
                steps: Vec::new(),
            });
            continue;
        }
        let Some(scenario) = all.last_mut() else {
            return Err(wrong("before the first title".to_owned()));
        };
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["nodes", count, settings @ ..] => {
                scenario.nodes = count.parse().map_err(|_| wrong("how many?".to_owned()))?;
                scenario.settings = settings
                    .chunks(2)
                    .map(|pair| match pair {
                        [name, value] => Ok(((*name).to_owned(), (*value).to_owned())),
                        _ => Err(wrong("a setting without a value".to_owned())),
                    })
                    .collect::<Result<_, _>>()?;
            }
            ["epochs", "by", "rank"] => scenario.ranks = true,
            _ => {
                let act = act(&words, scenario.nodes).map_err(wrong)?;
                scenario.steps.push(Step {
                    place,
                    text: line.to_owned(),
                    act,
                });
            }
        }
    }
    Ok(all)
}

fn act(words: &[&str], nodes: usize) -> Result<Act, String> {
    let node = |word: &str| node(word, nodes);
    let several = |words: &[&str]| {
        words
            .iter()
            .map(|word| node(word))
            .collect::<Result<Vec<usize>, String>>()
    };
    let number = |word: &str| word.parse().map_err(|_| format!("no number: {word}"));
    let change = |change, words: &[&str]| several(words).map(|nodes| Act::Change(change, nodes));
    match words {
        ["create", rest @ ..] => create(rest, nodes).map(Act::Create),
        ["fill", at, slot, count] => Ok(Act::Fill {
            node: node(at)?,
            slot: number(slot)?,
            count: number(count)?.into(),
        }),
        ["drain", from, to, slot] => Ok(Act::Drain {
            from: node(from)?,
            to: node(to)?,
            slot: number(slot)?,
        }),
        ["stop", rest @ ..] => change(Change::Stop, rest),
        ["kill", rest @ ..] => change(Change::Kill, rest),
        ["start", rest @ ..] => change(Change::Start, rest),
        ["freeze", rest @ ..] => change(Change::Freeze, rest),
        ["thaw", rest @ ..] => change(Change::Thaw, rest),
        ["cut", rest @ ..] => rest
            .split(|word| *word == "|")
            .map(several)
            .collect::<Result<_, _>>()
            .map(Act::Cut),
        ["heal"] => Ok(Act::Heal),
        ["look"] => Ok(Act::Look),
        ["sleep", time] => duration(time).map(Act::Sleep),
        ["until", rest @ ..] => Condition::parse(&rest.join(" "), nodes).map(Act::Until),
        ["during", time, rest @ ..] => Ok(Act::During(
            duration(time)?,
            Condition::parse(&rest.join(" "), nodes)?,
        )),
        [whom, command @ ..] if !command.is_empty() => {
            let whom = match *whom {
                "all" => Whom::All,
                these => Whom::These(these.split(',').map(node).collect::<Result<_, _>>()?),
            };
            let command = command.iter().map(|word| (*word).to_owned()).collect();
            Ok(Act::Call(whom, command))
        }
        _ => Err("nobody knows what this is".to_owned()),
    }
}

/// The number of a node by its name, from 0.
pub fn node(word: &str, nodes: usize) -> Result<usize, String> {
    let number: Option<usize> = word.strip_prefix('n').and_then(|n| n.parse().ok());
    number
        .filter(|number| (1..=nodes).contains(number))
        .map(|number| number - 1)
        .ok_or_else(|| format!("no node: {word}"))
}

fn duration(word: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = word.strip_suffix('s').and_then(|n| n.parse().ok());
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| format!("no time: {word}"))
}

fn create(words: &[&str], nodes: usize) -> Result<Create, String> {
    let mut create = Create {
        masters: Vec::new(),
        replicas: Vec::new(),
    };
    if let [word] = words
        && let Some((masters, replicas)) = word.split_once('+')
    {
        let number = |word: &str| {
            word.parse::<usize>()
                .map_err(|_| format!("no number: {word}"))
        };
        let (masters, replicas) = (number(masters)?, number(replicas)?);
        // As redis-cli shares them out.
        let bound = |n: usize| (16384.0 / masters as f64 * n as f64).round() as u16;
        for n in 0..masters {
            create.masters.push((n, vec![(bound(n), bound(n + 1) - 1)]));
        }
        for n in 0..replicas {
            create.replicas.push((masters + n, n % masters));
        }
        return Ok(create);
    }
    for word in words {
        if let Some((master, slots)) = word.split_once('=') {
            let ranges = slots
                .split(',')
                .filter(|range| !range.is_empty())
                .map(|range| {
                    let (first, last) = range.split_once('-').unwrap_or((range, range));
                    first.parse().ok().zip(last.parse().ok())
                })
                .collect::<Option<_>>()
                .ok_or_else(|| format!("no slots: {slots}"))?;
            create.masters.push((node(master, nodes)?, ranges));
        } else if let Some((replica, master)) = word.split_once('>') {
            create
                .replicas
                .push((node(replica, nodes)?, node(master, nodes)?));
        } else {
            return Err(format!("neither a master nor a replica: {word}"));
        }
    }
    Ok(create)
}

/// The words of a command with what their short forms stand for.
pub fn spell_out(words: &[String], names: &Names) -> Vec<Vec<u8>> {
    words
        .iter()
        .map(|word| {
            let known = word
                .split_once('.')
                .and_then(|(who, what)| Some((node(who, names.count()).ok()?, what)));
            match known {
                Some((node, "id")) => names.id(node).to_owned(),
                Some((node, "ip")) => names.place(node).ip.to_string(),
                Some((node, "port")) => names.place(node).port.to_string(),
                _ if word == "\"\"" => String::new(),
                _ => key_in_word(word).unwrap_or_else(|| word.clone()),
            }
            .into_bytes()
        })
        .collect()
}

fn key_in_word(word: &str) -> Option<String> {
    let place = word.strip_prefix('@')?;
    let (slot, which) = place.split_once('.').unwrap_or((place, ""));
    Some(key(slot.parse().ok()?, which))
}

/// A key of a slot.
pub fn key(slot: u16, which: &str) -> String {
    format!("{{{}}}{which}", hash_tag(Slot::new(slot).unwrap()))
}
