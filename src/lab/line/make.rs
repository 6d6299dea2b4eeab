//! `make TARGET [VAR=value]`: one of the course's targets.

#[cfg(test)]
mod tests;

use std::ops::Range;

use super::app::table::{SEATS_OF_A_LOAD, USERS_OF_A_LOAD, check_number};
use super::words::Word;
use super::{LineFault, Parsed, Value};
use crate::cluster::NodeName;
use crate::lab::environment::CourseNode;
use crate::lab::fault::{nearest, suggest};
use crate::lab::target::{DEFAULT_SEATS, DEFAULT_USERS, Target};
use crate::lab::template::Template;

/// A line of make that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct MakeLine {
    name: Name,
    /// The target's word.
    pub(super) word: Word,
    variables: Vec<(Variable, Template)>,
}

/// A target without its variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lab) enum Name {
    ClusterNodes,
    ClusterInfo,
    WatchCluster,
    Failover,
    Recover,
    ScaleAddReplica,
    ScaleDown,
    LoadTest,
}

/// A variable of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lab) enum Variable {
    Node,
    Users,
    Seats,
}

/// The targets as typed, each with what it does, for the reference.
pub(in crate::lab) const TARGETS: [(&str, Name, &str); 8] = [
    (
        "cluster-nodes",
        Name::ClusterNodes,
        "Shows every node, as one of them sees it.",
    ),
    (
        "cluster-info",
        Name::ClusterInfo,
        "Shows how the cluster is.",
    ),
    (
        "watch-cluster",
        Name::WatchCluster,
        "Draws the cluster again and again, until it is stopped.",
    ),
    (
        "failover",
        Name::Failover,
        "Stops a master: redis-1, or the one that `NODE=` says.",
    ),
    (
        "recover",
        Name::Recover,
        "Starts the stopped master again: redis-1, or the one that `NODE=` says.",
    ),
    (
        "scale-add-replica",
        Name::ScaleAddReplica,
        "Makes redis-8 a replica of redis-7.",
    ),
    (
        "scale-down",
        Name::ScaleDown,
        "Moves all slots of the master that `NODE=` says to the others.",
    ),
    (
        "load-test",
        Name::LoadTest,
        "Lets many users at once want seats of one event, by `./app load-test`: 50 users 2 seats each, or what `USERS=` and `SEATS=` say.",
    ),
];

/// The node that is meant by a target which can do without `NODE`.
const DEFAULT_NODE: &str = "redis-1";

impl Variable {
    /// As typed.
    pub(in crate::lab) fn name(self) -> &'static str {
        match self {
            Variable::Node => "NODE",
            Variable::Users => "USERS",
            Variable::Seats => "SEATS",
        }
    }

    /// A value that is good, for the reference and for helps.
    pub(in crate::lab) fn example(self) -> &'static str {
        match self {
            Variable::Node => "7007",
            Variable::Users => "50",
            Variable::Seats => "2",
        }
    }

    fn help(self) -> String {
        let number = |(min, max)| format!("{} takes a number from {min} to {max}", self.name());
        match self {
            Variable::Node => {
                "NODE takes a port, 7001 to 7008, or a name, redis-1 to redis-8".to_owned()
            }
            Variable::Users => number(USERS_OF_A_LOAD),
            Variable::Seats => number(SEATS_OF_A_LOAD),
        }
    }

    fn check(self, text: &str) -> Result<(), String> {
        let number = |(min, max)| check_number(text, min, max);
        match self {
            Variable::Node => node(text).map(drop),
            Variable::Users => number(USERS_OF_A_LOAD),
            Variable::Seats => number(SEATS_OF_A_LOAD),
        }
    }
}

impl Name {
    /// The variables that belong to it, and whether each has to be there.
    pub(in crate::lab) fn variables(self) -> &'static [(Variable, bool)] {
        match self {
            Name::Failover | Name::Recover => &[(Variable::Node, false)],
            Name::ScaleDown => &[(Variable::Node, true)],
            Name::LoadTest => &[(Variable::Users, false), (Variable::Seats, false)],
            Name::ClusterNodes | Name::ClusterInfo | Name::WatchCluster | Name::ScaleAddReplica => {
                &[]
            }
        }
    }

    fn takes(self, variable: Variable) -> bool {
        self.variables().iter().any(|(own, _)| *own == variable)
    }
}

impl MakeLine {
    /// Whether it goes on until it is stopped.
    pub fn is_endless(&self) -> bool {
        self.name == Name::WatchCluster
    }

    /// Whether it moves slots away from a node.
    pub(super) fn moves_slots(&self) -> bool {
        self.name == Name::ScaleDown
    }

    /// Whether it is a load test.
    pub(super) fn is_load_test(&self) -> bool {
        self.name == Name::LoadTest
    }

    /// Whether it changes nothing.
    pub(super) fn only_looks(&self) -> bool {
        matches!(
            self.name,
            Name::ClusterNodes | Name::ClusterInfo | Name::WatchCluster
        )
    }

    pub(super) fn fill(&self, value: Value<'_>) -> Result<Target, String> {
        let mut said = |variable: Variable| -> Result<Option<String>, String> {
            let given = self.variables.iter().find(|(own, _)| *own == variable);
            let Some((_, template)) = given else {
                return Ok(None);
            };
            let text = template.fill(|reference| value(reference))?;
            variable
                .check(&text)
                .map_err(|what| format!("{}={text}: {what}", variable.name()))?;
            Ok(Some(text))
        };
        let node = match said(Variable::Node)? {
            None => NodeName::new(DEFAULT_NODE),
            Some(text) => node(&text)?.name(),
        };
        let mut number = |variable, default| {
            let text = said(variable)?;
            text.map_or(Ok(default), |text| {
                text.parse().map_err(|_| variable.help())
            })
        };
        Ok(match self.name {
            Name::ClusterNodes => Target::ClusterNodes,
            Name::ClusterInfo => Target::ClusterInfo,
            Name::WatchCluster => Target::WatchCluster,
            Name::Failover => Target::Failover { node },
            Name::Recover => Target::Recover { node },
            Name::ScaleAddReplica => Target::ScaleAddReplica,
            Name::ScaleDown => Target::ScaleDown { node },
            Name::LoadTest => Target::LoadTest {
                users: number(Variable::Users, DEFAULT_USERS)?,
                seats: number(Variable::Seats, DEFAULT_SEATS)?,
            },
        })
    }
}

/// The node that a value of `NODE` means.
fn node(text: &str) -> Result<CourseNode, String> {
    match text.parse() {
        Ok(port) => {
            CourseNode::on_port(port).ok_or_else(|| format!("there is no node on port {port}"))
        }
        Err(_) => CourseNode::named(text)
            .ok_or_else(|| format!("`{text}` is not a node of this environment")),
    }
}

fn targets() -> Vec<&'static str> {
    TARGETS.iter().map(|(name, ..)| *name).collect()
}

pub(super) fn parse(program: &Word, rest: &[Word]) -> Parsed<MakeLine> {
    let mut faults = Vec::new();
    let mut found: Option<(Name, &Word)> = None;
    // A slip in the target leaves no second fault behind: what the variables should be, nobody can know then.
    let mut unclear = false;
    let mut variables: Vec<(&Word, usize)> = Vec::new();
    for word in rest {
        let text = word.as_written();
        if text.starts_with('-') {
            // What stands behind it may belong to it.
            return Err(vec![
                LineFault::new(
                    word.range.clone(),
                    format!("make's option `{text}` has no meaning in a lab"),
                    "here",
                )
                .help("there is no Makefile: labrunner carries out the course's targets itself"),
            ]);
        } else if let Some(sign) = text.find('=') {
            variables.push((word, sign));
        } else if unclear || found.is_some() {
            faults.push(
                LineFault::new(
                    word.range.clone(),
                    "one step makes one target, and this is a second one",
                    "one too many",
                )
                .help("make it a step of its own"),
            );
        } else {
            match target(word) {
                Ok(name) => found = Some((name, word)),
                Err(fault) => {
                    unclear = true;
                    faults.push(fault);
                }
            }
        }
    }
    let Some((name, word)) = found else {
        if !unclear && faults.is_empty() {
            faults.push(
                LineFault::new(
                    program.range.clone(),
                    "make isn't told which target",
                    "here",
                )
                .help(format!("one of {}", targets().join(", "))),
            );
        }
        return Err(faults);
    };
    let mut said: Vec<(Variable, Template)> = Vec::new();
    for (word, sign) in variables {
        match variable(word, sign, name, &said) {
            Ok(found) => said.push(found),
            Err(fault) => faults.push(fault),
        }
    }
    let there = |variable| said.iter().any(|(own, _)| *own == variable);
    let mut missing = name.variables().iter().filter(|(_, has_to)| *has_to);
    if faults.is_empty()
        && let Some((variable, _)) = missing.find(|(variable, _)| !there(*variable))
    {
        let typed = word.as_written();
        faults.push(
            LineFault::new(
                word.range.clone(),
                format!("`{typed}` isn't told which node"),
                format!("add `{}={}`", variable.name(), variable.example()),
            )
            .help(variable.help()),
        );
    }
    if faults.is_empty() {
        let word = word.clone();
        Ok(MakeLine {
            name,
            word,
            variables: said,
        })
    } else {
        Err(faults)
    }
}

fn target(word: &Word) -> Result<Name, LineFault> {
    let Some(text) = word.literal() else {
        return Err(LineFault::new(
            word.range.clone(),
            "the target of make can't be a value",
            "here",
        )
        .help(format!("write one of {}", targets().join(", "))));
    };
    if let Some((_, name, _)) = TARGETS.iter().find(|(name, ..)| *name == text) {
        return Ok(*name);
    }
    let (label, _) = suggest(text, &targets());
    Err(LineFault::new(
        word.range.clone(),
        format!("`{text}` is not one of the course's targets"),
        label,
    )
    .help(format!("the targets are {}", targets().join(", "))))
}

/// What a word of the form `NAME=value`, with the sign at `sign`, says to the target, to which `said` was said before.
fn variable(
    word: &Word,
    sign: usize,
    target: Name,
    said: &[(Variable, Template)],
) -> Result<(Variable, Template), LineFault> {
    let (typed, value) = (&word.as_written()[..sign], &word.as_written()[sign + 1..]);
    let at = |part: Range<usize>| word.place(part);
    let target_name = TARGETS
        .iter()
        .find(|(_, name, _)| *name == target)
        .map_or("", |(typed, ..)| typed);
    let all = [Variable::Node, Variable::Users, Variable::Seats];
    let of_target = || target.variables().iter().map(|(variable, _)| *variable);
    let known = all.into_iter().find(|variable| variable.name() == typed);
    // NODE is the variable of most targets; who writes it knows what it is.
    let known = known.filter(|variable| *variable == Variable::Node || target.takes(*variable));
    let Some(variable) = known else {
        let names = match of_target().next() {
            Some(_) => of_target().map(Variable::name).collect(),
            None => vec![Variable::Node.name()],
        };
        let label = nearest(typed, names)
            .map_or("here".to_owned(), |near| format!("did you mean `{near}`?"));
        let taken: Vec<String> = of_target()
            .map(|variable| format!("{}, as in `{0}={}`", variable.name(), variable.example()))
            .collect();
        let help = match taken.is_empty() {
            false => format!("`make {target_name}` takes {}", taken.join(", and ")),
            true => format!("`make {target_name}` takes no variable"),
        };
        return Err(LineFault::new(
            at(0..sign),
            format!("`{typed}` is not a variable of `make {target_name}`"),
            label,
        )
        .help(help));
    };
    let name = variable.name();
    if !target.takes(variable) {
        return Err(LineFault::new(
            word.range.clone(),
            format!("`make {target_name}` takes no {name}"),
            "here",
        )
        .help("it is the same for all nodes: leave this out"));
    }
    if said.iter().any(|(said, _)| *said == variable) {
        return Err(LineFault::new(
            word.range.clone(),
            format!("{name} is there twice"),
            "the second one",
        )
        .help("a target takes it once: make it a step of its own, or an item of `each`"));
    }
    if value.is_empty() {
        return Err(LineFault::new(
            word.range.clone(),
            format!("{name} has no value"),
            "nothing after the sign",
        )
        .help(variable.help()));
    }
    let value_at = at(sign + 1..word.as_written().len());
    // The whole word was read as a template before, so that a part of it after a sign outside of all places is one too.
    let template = Template::parse(value)
        .map_err(|fault| LineFault::new(value_at.clone(), fault.what, "here"))?;
    match template.literal().map(|text| variable.check(text)) {
        Some(Err(what)) => Err(LineFault::new(value_at, what, "here").help(variable.help())),
        _ => Ok((variable, template)),
    }
}
