//! `make TARGET [VAR=value]`: one of the course's targets.

use std::ops::Range;

use super::words::Word;
use super::{LineFault, Parsed, Value};
use crate::cluster::NodeName;
use crate::lab::environment::CourseNode;
use crate::lab::fault::{nearest, suggest};
use crate::lab::target::Target;
use crate::lab::template::Template;

/// A line of make that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct MakeLine {
    name: Name,
    /// The target's word.
    pub(super) word: Word,
    node: Option<Template>,
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
}

/// The targets as typed, each with what it does, for the reference. `NODE` stands where it can be said.
pub(in crate::lab) const TARGETS: [(&str, Name, &str); 7] = [
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
];

/// A target of the course that this version can't carry out.
const LATER: &str = "load-test";
/// The one variable that a target of a lab can take.
const VARIABLE: &str = "NODE";
/// The node that is meant by a target which can do without `NODE`.
const DEFAULT_NODE: &str = "redis-1";
const NODES: &str = "NODE takes a port, 7001 to 7008, or a name, redis-1 to redis-8";

impl Name {
    /// Whether `NODE` belongs to it, and if so, whether it has to be there.
    pub(in crate::lab) fn takes_node(self) -> Option<bool> {
        match self {
            Name::Failover | Name::Recover => Some(false),
            Name::ScaleDown => Some(true),
            Name::ClusterNodes | Name::ClusterInfo | Name::WatchCluster | Name::ScaleAddReplica => {
                None
            }
        }
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

    /// Whether it changes nothing.
    pub(super) fn only_looks(&self) -> bool {
        matches!(
            self.name,
            Name::ClusterNodes | Name::ClusterInfo | Name::WatchCluster
        )
    }

    pub(super) fn fill(&self, value: Value<'_>) -> Result<Target, String> {
        let node = match &self.node {
            None => NodeName::new(DEFAULT_NODE),
            Some(template) => {
                let text = template.fill(|reference| value(reference))?;
                let found = node(&text).map_err(|what| format!("{VARIABLE}={text}: {what}"));
                found?.name()
            }
        };
        Ok(match self.name {
            Name::ClusterNodes => Target::ClusterNodes,
            Name::ClusterInfo => Target::ClusterInfo,
            Name::WatchCluster => Target::WatchCluster,
            Name::Failover => Target::Failover { node },
            Name::Recover => Target::Recover { node },
            Name::ScaleAddReplica => Target::ScaleAddReplica,
            Name::ScaleDown => Target::ScaleDown { node },
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
    let mut node = None;
    for (word, sign) in variables {
        match variable(word, sign, name, node.is_some()) {
            Ok(template) => node = Some(template),
            Err(fault) => faults.push(fault),
        }
    }
    if name.takes_node() == Some(true) && node.is_none() && faults.is_empty() {
        let typed = word.as_written();
        faults.push(
            LineFault::new(
                word.range.clone(),
                format!("`{typed}` isn't told which node"),
                "add `NODE=7007`",
            )
            .help(NODES),
        );
    }
    if faults.is_empty() {
        let word = word.clone();
        Ok(MakeLine { name, word, node })
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
    if text == LATER {
        return Err(LineFault::new(
            word.range.clone(),
            format!("this version of labrunner can't run the target `{LATER}` yet"),
            "here",
        )
        .help(format!(
            "it belongs to the course; what can be run are {}",
            targets().join(", ")
        )));
    }
    let known: Vec<&str> = targets().into_iter().chain([LATER]).collect();
    let (label, _) = suggest(text, &known);
    Err(LineFault::new(
        word.range.clone(),
        format!("`{text}` is not one of the course's targets"),
        label,
    )
    .help(format!("the targets are {}", targets().join(", "))))
}

/// What a word of the form `NAME=value`, with the sign at `sign`, says of the target's node.
fn variable(word: &Word, sign: usize, target: Name, given: bool) -> Result<Template, LineFault> {
    let (variable, value) = (&word.as_written()[..sign], &word.as_written()[sign + 1..]);
    let at = |part: Range<usize>| word.place(part);
    let target_name = TARGETS
        .iter()
        .find(|(_, name, _)| *name == target)
        .map_or("", |(typed, ..)| typed);
    if variable != VARIABLE {
        let label = nearest(variable, [VARIABLE])
            .map_or("here".to_owned(), |near| format!("did you mean `{near}`?"));
        let help = match target.takes_node() {
            Some(_) => format!("`make {target_name}` takes {VARIABLE}, as in `NODE=7007`"),
            None => format!("`make {target_name}` takes no variable"),
        };
        return Err(LineFault::new(
            at(0..sign),
            format!("`{variable}` is not a variable of `make {target_name}`"),
            label,
        )
        .help(help));
    }
    if target.takes_node().is_none() {
        return Err(LineFault::new(
            word.range.clone(),
            format!("`make {target_name}` takes no {VARIABLE}"),
            "here",
        )
        .help("it is the same for all nodes: leave this out"));
    }
    if given {
        return Err(LineFault::new(
            word.range.clone(),
            format!("{VARIABLE} is there twice"),
            "the second one",
        )
        .help("a target works on one node: make it a step of its own, or an item of `each`"));
    }
    if value.is_empty() {
        return Err(LineFault::new(
            word.range.clone(),
            format!("{VARIABLE} has no value"),
            "nothing after the sign",
        )
        .help(NODES));
    }
    let value_at = at(sign + 1..word.as_written().len());
    // The whole word was read as a template before, so that a part of it after a sign outside of all places is one too.
    let template = Template::parse(value)
        .map_err(|fault| LineFault::new(value_at.clone(), fault.what, "here"))?;
    match template.literal().map(node) {
        Some(Err(what)) => Err(LineFault::new(value_at, what, "here").help(NODES)),
        _ => Ok(template),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Filled, Line, Task};
    use super::*;
    use rstest::rstest;

    fn fill(text: &str) -> Result<Filled, String> {
        Line::parse(text)
            .unwrap()
            .fill(|reference| match reference.path.join(".").as_str() {
                "each.port" => Ok("7007".to_owned()),
                "each.name" => Ok("redis-7".to_owned()),
                "odd" => Ok("9999".to_owned()),
                "evil" => Ok("7007; id".to_owned()),
                other => Err(format!("no value for {other}")),
            })
    }

    fn down(name: &str) -> Target {
        let node = NodeName::new(name);
        Target::ScaleDown { node }
    }

    #[rstest]
    #[case("make cluster-nodes", Target::ClusterNodes)]
    #[case("make cluster-info", Target::ClusterInfo)]
    #[case("make watch-cluster", Target::WatchCluster)]
    #[case("make failover", Target::Failover { node: NodeName::new("redis-1") })]
    #[case("make failover NODE=7002", Target::Failover { node: NodeName::new("redis-2") })]
    #[case("make recover", Target::Recover { node: NodeName::new("redis-1") })]
    #[case("make recover NODE=redis-3", Target::Recover { node: NodeName::new("redis-3") })]
    #[case("make scale-add-replica", Target::ScaleAddReplica)]
    #[case("make scale-down NODE=7007", down("redis-7"))]
    #[case("make NODE=7007 scale-down", down("redis-7"))]
    #[case("make scale-down NODE='redis-7'", down("redis-7"))]
    #[case("make scale-down NODE=${each.port}", down("redis-7"))]
    #[case("make scale-down NODE=${each.name}", down("redis-7"))]
    #[case("make scale-down \"NODE=${each.port}\"", down("redis-7"))]
    fn a_target_is_what_the_reader_types(#[case] text: &str, #[case] target: Target) {
        assert_eq!(fill(text).unwrap().task, Task::Target(target));
    }

    /// What a target says of itself is what a reader types for it.
    #[test]
    fn every_target_is_shown_as_it_is_typed() {
        let mut seen = Vec::new();
        for (name, target, _) in TARGETS {
            let mut lines = vec![format!("make {name}")];
            if let Some(has_to) = target.takes_node() {
                let nodes = CourseNode::all().filter(|node| node.number() > 1 || has_to);
                lines.extend(nodes.map(|node| format!("make {name} NODE={}", node.port())));
                lines.drain(..usize::from(has_to));
            }
            for typed in lines {
                let Task::Target(target) = fill(&typed).unwrap().task else {
                    panic!("{typed}")
                };
                assert_eq!(target.to_string(), typed);
                assert_eq!(
                    Line::parse(&typed).unwrap().is_endless(),
                    target.is_endless()
                );
                assert!(!seen.contains(&target), "{typed}");
                seen.push(target);
            }
        }
        assert_eq!(seen.len(), 4 + 3 * 8);
    }

    #[test]
    fn what_a_target_prints_can_be_filtered() {
        let filled = fill("make cluster-nodes | grep -E \"(master|slave)\"").unwrap();
        assert_eq!(filled.task, Task::Target(Target::ClusterNodes));
        assert_eq!(filled.filters.len(), 1);
    }

    #[rstest]
    #[case(
        "make scale-down NODE=${odd}",
        "NODE=9999: there is no node on port 9999"
    )]
    #[case(
        "make scale-down NODE=${evil}",
        "NODE=7007; id: `7007; id` is not a node of this environment"
    )]
    #[case("make scale-down NODE=${nothing}", "no value for nothing")]
    fn what_a_value_brings_is_checked_when_it_is_there(#[case] text: &str, #[case] why: &str) {
        assert_eq!(fill(text).unwrap_err(), why);
    }

    /// Each with the part of the line at which the caret stands.
    #[rstest]
    #[case("make", "make", "isn't told which target")]
    #[case("make NODE=7001", "make", "isn't told which target")]
    #[case("make cluster-node", "cluster-node", "not one of the course's targets")]
    #[case("make all", "all", "not one of the course's targets")]
    #[case("make load-test USERS=50 SEATS=2", "load-test", "can't run")]
    #[case("make scale-down", "scale-down", "isn't told which node")]
    #[case("make scale-down NOED=7007", "NOED", "not a variable")]
    #[case("make failover USERS=5", "USERS", "not a variable")]
    #[case("make cluster-info NODE=7001", "NODE=7001", "takes no NODE")]
    #[case("make failover NODE=9999", "9999", "no node on port 9999")]
    #[case("make failover NODE=70001", "70001", "not a node")]
    #[case("make failover NODE='redis-9'", "redis-9", "not a node")]
    #[case("make failover NODE=", "NODE=", "has no value")]
    #[case("make failover NODE='$(id)'", "$(id)", "not a node")]
    #[case("make failover NODE=$(id)", "$(", "no shell")]
    #[case("make failover NODE=7001 NODE=7002", "NODE=7002", "twice")]
    #[case("make -j4 cluster-nodes", "-j4", "no meaning")]
    #[case("make cluster-nodes -s", "-s", "no meaning")]
    #[case("make failover recover", "recover", "second one")]
    #[case("make ${odd}", "${odd}", "can't be a value")]
    #[case("make watch-cluster | grep master", "grep master", "draws a screen")]
    fn what_is_not_a_target_is_refused(#[case] text: &str, #[case] at: &str, #[case] why: &str) {
        let faults = Line::parse(text).unwrap_err();
        let [fault] = &faults[..] else {
            panic!("{faults:?}")
        };
        assert_eq!(&text[fault.range.clone()], at);
        assert!(fault.what.contains(why), "{fault:?}");
        assert!(fault.help.is_some(), "{fault:?}");
    }
}
