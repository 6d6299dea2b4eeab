//! What a scenario waits for: `agree, n3 is master`, or `n1 n2: n3 is fail` in these views only.
//!
//! `ok` and `down`: the cluster's state. `know 3`: three nodes, and no handshake. `agree`: who is there, in which part, with which slots and epoch, is the same in all views.
//! `synced`: replicas have all of their masters' data, and everybody has heard who has any. `epochs differ`: no two masters have the same. `n3 is FLAG`: in CLUSTER NODES (`master`, `replica`, `fail`, `fail?`,
//! `well` for neither of the last two, `gone` for no line at all, `apart` for a link that is down). `n3 follows n1`. `n3 has 100`: slots. `n3 holds 20`: keys, by its own view.

use std::collections::{BTreeMap, BTreeSet};

use crate::names::{Names, name};
use crate::scenario::node;
use crate::view::View;

#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// Whose views count; none: all that there are.
    observers: Vec<usize>,
    claims: Vec<Claim>,
}

#[derive(Clone, Debug, PartialEq)]
enum Claim {
    Ok,
    Down,
    Know(usize),
    Agree,
    Synced,
    EpochsDiffer,
    Is(usize, String),
    Follows(usize, usize),
    Has(usize, u32),
    Holds(usize, u64),
}

impl Condition {
    pub fn parse(text: &str, nodes: usize) -> Result<Condition, String> {
        let (observers, claims) = match text.split_once(':') {
            Some((observers, claims)) => (observers, claims),
            None => ("", text),
        };
        Ok(Condition {
            observers: observers
                .split_whitespace()
                .map(|word| node(word, nodes))
                .collect::<Result<_, _>>()?,
            claims: claims
                .split(',')
                .map(|claim| Claim::parse(claim.trim(), nodes))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Of these views, what does not hold; nothing when all does.
    pub fn lacks(&self, views: &BTreeMap<usize, View>, names: &Names) -> Option<String> {
        let looked_at: BTreeMap<usize, &View> = views
            .iter()
            .filter(|(node, _)| self.observers.is_empty() || self.observers.contains(node))
            .map(|(node, view)| (*node, view))
            .collect();
        if looked_at.is_empty() || self.observers.iter().any(|n| !looked_at.contains_key(n)) {
            return Some("somebody does not answer".to_owned());
        }
        self.claims
            .iter()
            .find_map(|claim| claim.lacks(&looked_at, views, names))
    }
}

impl Claim {
    fn parse(text: &str, nodes: usize) -> Result<Claim, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let node = |word: &str| node(word, nodes);
        let number = |word: &str| {
            word.parse::<u32>()
                .map_err(|_| format!("no number: {word}"))
        };
        Ok(match words.as_slice() {
            ["ok"] => Claim::Ok,
            ["down"] => Claim::Down,
            ["know", count] => Claim::Know(number(count)? as usize),
            ["agree"] => Claim::Agree,
            ["synced"] => Claim::Synced,
            ["epochs", "differ"] => Claim::EpochsDiffer,
            [who, "is", flag] => {
                let flags = [
                    "master", "replica", "fail", "fail?", "well", "gone", "apart",
                ];
                if !flags.contains(flag) {
                    return Err(format!("nobody is ever {flag}"));
                }
                Claim::Is(node(who)?, (*flag).to_owned())
            }
            [who, "follows", whom] => Claim::Follows(node(who)?, node(whom)?),
            [who, "has", count] => Claim::Has(node(who)?, number(count)?),
            [who, "holds", count] => Claim::Holds(node(who)?, number(count)?.into()),
            _ => return Err(format!("no condition: {text}")),
        })
    }

    fn lacks(
        &self,
        looked_at: &BTreeMap<usize, &View>,
        all: &BTreeMap<usize, View>,
        names: &Names,
    ) -> Option<String> {
        match self {
            Claim::Agree => {
                let mut pictures = looked_at.values().map(|view| picture(view, names));
                let first = pictures.next()?;
                (!pictures.all(|picture| picture == first)).then(|| "they don't agree".to_owned())
            }
            Claim::Holds(node, count) => {
                let keys = all.get(node)?.keys;
                (keys != *count).then(|| format!("{} holds {keys} keys", name(*node)))
            }
            _ => looked_at.iter().find_map(|(&observer, view)| {
                let wrong = self.lacks_in(observer, view, all, names)?;
                Some(format!("{} sees {wrong}", name(observer)))
            }),
        }
    }

    fn lacks_in(
        &self,
        observer: usize,
        view: &View,
        all: &BTreeMap<usize, View>,
        names: &Names,
    ) -> Option<String> {
        match self {
            Claim::Ok | Claim::Down => {
                let state = view.cluster("cluster_state");
                let wanted = if *self == Claim::Ok { "ok" } else { "fail" };
                (state != wanted).then(|| format!("the state {state}"))
            }
            Claim::Know(count) => {
                let known = view.nodes.len();
                let shaking = view.nodes.iter().any(|line| line.is("handshake"));
                (known != *count || shaking).then(|| format!("{known} nodes or a handshake"))
            }
            Claim::Synced => {
                // Others learn that somebody has data by the next message.
                let unheard = view.offsets_told().into_iter().find(|(id, told)| {
                    let who = names.of_id(id);
                    let it = all.iter().find(|(node, _)| name(**node) == who);
                    *told == 0 && it.is_some_and(|(_, of)| of.offset() > 0)
                });
                if let Some((id, _)) = unheard {
                    return Some(format!("no data at {}", names.of_id(&id)));
                }
                if view.replication("role") != "slave" {
                    return None;
                }
                let link = view.replication("master_link_status");
                let master = names.of_address(
                    view.replication("master_host"),
                    view.replication("master_port"),
                );
                let behind = all
                    .iter()
                    .any(|(node, of)| name(*node) == master && of.offset() != view.offset());
                (link != "up" || behind).then(|| format!("a link that is {link}, or old data"))
            }
            Claim::EpochsDiffer => {
                let masters = view.nodes.iter().filter(|line| line.is("master"));
                let epochs: Vec<u64> = masters.map(|line| line.epoch).collect();
                let different: BTreeSet<u64> = epochs.iter().copied().collect();
                (epochs.len() != different.len()).then(|| format!("the epochs {epochs:?}"))
            }
            Claim::Is(node, what) => {
                let who = name(*node);
                let line = view.line(names, &who);
                let holds = match (what.as_str(), line) {
                    ("gone", line) => line.is_none(),
                    (_, None) => false,
                    ("well", Some(line)) => !["fail", "fail?", "handshake", "noaddr"]
                        .iter()
                        .any(|f| line.is(f)),
                    ("replica", Some(line)) => line.is("slave"),
                    // Nobody has a link to itself.
                    ("apart", Some(line)) => observer == *node || line.link == "disconnected",
                    // What others say of it, not what it thinks itself.
                    ("fail" | "fail?", Some(_)) if observer == *node => true,
                    (flag, Some(line)) => line.is(flag),
                };
                let seen = line.map(|line| line.flags.join(","));
                (!holds).then(|| format!("{who} as {seen:?}"))
            }
            Claim::Follows(node, master) => {
                let seen = view
                    .line(names, &name(*node))
                    .map(|line| names.of_id(&line.master));
                (seen != Some(name(*master))).then(|| format!("{} follow {seen:?}", name(*node)))
            }
            Claim::Has(node, count) => {
                let seen = view.line(names, &name(*node)).map(|line| line.slot_count());
                (seen != Some(*count)).then(|| format!("{} with {seen:?} slots", name(*node)))
            }
            Claim::Agree | Claim::Holds(..) => None,
        }
    }
}

/// What all have to agree on.
fn picture(view: &View, names: &Names) -> BTreeSet<String> {
    view.nodes
        .iter()
        .map(|line| {
            let flags: Vec<&str> = line
                .flags
                .iter()
                .map(String::as_str)
                .filter(|flag| *flag != "myself")
                .collect();
            let slots: Vec<&str> = line
                .slots
                .iter()
                .map(String::as_str)
                .filter(|slots| !slots.starts_with('['))
                .collect();
            format!(
                "{} {} {} {} {}",
                names.of_id(&line.id),
                flags.join(","),
                names.of_id(&line.master),
                line.epoch,
                slots.join(" ")
            )
        })
        .collect()
}
