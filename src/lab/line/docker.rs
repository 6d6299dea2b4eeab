//! `docker …` and `docker compose …`: changes of the nodes and the service of this environment, and of no other container.

use super::words::Word;
use super::{LineFault, Parsed, Value};
use crate::cluster::NodeName;
use crate::lab::action::{Action, LinkChange, NodeChange};
use crate::lab::environment::{CourseNode, POSTGRES, is_there};
use crate::lab::fault::{nearest, suggest};

/// A line of docker that was understood.
#[derive(Debug, Clone, PartialEq)]
pub enum DockerLine {
    /// A change of the lives of nodes, or of the service.
    Nodes {
        /// Which change.
        change: NodeChange,
        /// The nodes; never empty.
        nodes: Vec<Word>,
    },
    /// A change of a node's links.
    Links {
        /// Which change.
        change: LinkChange,
        /// The node.
        node: Word,
    },
}

pub(in crate::lab) const VERBS: [(&str, NodeChange); 7] = [
    ("start", NodeChange::Start),
    ("stop", NodeChange::Stop),
    ("kill", NodeChange::Kill),
    ("pause", NodeChange::Pause),
    ("unpause", NodeChange::Unpause),
    ("restart", NodeChange::Restart),
    ("rm", NodeChange::Remove),
];

impl DockerLine {
    /// All words of the line that name nodes.
    pub fn words(&self) -> &[Word] {
        match self {
            DockerLine::Nodes { nodes, .. } => nodes,
            DockerLine::Links { node, .. } => std::slice::from_ref(node),
        }
    }

    /// The word that names PostgreSQL, if one does.
    pub(super) fn postgres(&self) -> Option<&Word> {
        let is_postgres = |word: &&Word| word.literal() == Some(POSTGRES);
        self.words().iter().find(is_postgres)
    }

    pub(super) fn fill(&self, value: Value<'_>) -> Result<Action, String> {
        let mut name = |word: &Word, is_known: fn(&str) -> bool| {
            let name = word.fill(value)?;
            is_known(&name)
                .then(|| NodeName::new(&*name))
                .ok_or_else(|| format!("`{name}` is not a node of this environment"))
        };
        Ok(match self {
            DockerLine::Nodes { change, nodes } => {
                let nodes = nodes
                    .iter()
                    .map(|word| name(word, is_there))
                    .collect::<Result<Vec<NodeName>, String>>()?;
                Action::Nodes {
                    change: *change,
                    nodes,
                }
            }
            DockerLine::Links { change, node } => Action::Links {
                change: *change,
                node: name(node, |name| CourseNode::named(name).is_some())?,
            },
        })
    }
}

pub(super) fn parse(program: &Word, rest: &[Word]) -> Parsed<DockerLine> {
    match rest.split_first() {
        Some((word, rest)) if word.literal() == Some("compose") => parse_compose(word, rest),
        Some((word, rest)) if word.literal() == Some("network") => parse_network(word, rest),
        Some((word, rest)) => parse_change(word, rest, false),
        None => Err(vec![LineFault::new(
            program.range.clone(),
            "docker isn't told what to do",
            "here",
        )]),
    }
}

pub(super) fn parse_compose(program: &Word, rest: &[Word]) -> Parsed<DockerLine> {
    match rest.split_first() {
        Some((word, rest)) => parse_change(word, rest, true),
        None => Err(vec![LineFault::new(
            program.range.clone(),
            "docker compose isn't told what to do",
            "here",
        )]),
    }
}

fn parse_change(word: &Word, rest: &[Word], compose: bool) -> Parsed<DockerLine> {
    let verb = word.as_written();
    let change = if compose && verb == "up" {
        Some(NodeChange::Up)
    } else {
        VERBS
            .iter()
            .find(|(name, _)| *name == verb)
            .map(|(_, change)| *change)
    };
    let Some(change) = change else {
        let known: Vec<&str> = VERBS
            .iter()
            .map(|(name, _)| *name)
            .chain(["up", "compose", "network"])
            .collect();
        let (label, _) = suggest(verb, &known);
        let what = format!(
            "`docker {}{verb}` is not something that a lab can do",
            if compose { "compose " } else { "" }
        );
        return Err(vec![LineFault::new(word.range.clone(), what, label).help(
            "a lab can start, stop, kill, pause, unpause, restart and rm its nodes, `docker compose up -d` them, \
             and `docker network disconnect` or `connect` one",
        )]);
    };
    let mut faults = Vec::new();
    let mut nodes = Vec::new();
    let mut detached = false;
    for word in rest {
        match word.literal() {
            Some("-d" | "--detach") if change == NodeChange::Up => detached = true,
            Some("-f" | "--force" | "-v" | "-s" | "--stop" | "-fv" | "-fsv" | "-sf")
                if change == NodeChange::Remove => {}
            Some(option) if option.starts_with('-') => {
                faults.push(LineFault::new(
                    word.range.clone(),
                    format!("`{option}` is not an option that a lab can use here"),
                    "here",
                ));
            }
            Some(name) if !is_there(name) => faults.push(unknown_node(word, name)),
            _ => nodes.push(word.clone()),
        }
    }
    if change == NodeChange::Up && !detached {
        faults.push(
            LineFault::new(
                word.range.clone(),
                "`up` without `-d` never ends",
                "add `-d`",
            )
            .help("write `docker compose up -d …`"),
        );
    }
    if nodes.is_empty() && faults.is_empty() {
        faults.push(
            LineFault::new(word.range.clone(), "which nodes? none is named", "here")
                .help("name them: redis-1 to redis-8, postgres"),
        );
    }
    if faults.is_empty() {
        Ok(DockerLine::Nodes { change, nodes })
    } else {
        Err(faults)
    }
}

fn parse_network(network: &Word, rest: &[Word]) -> Parsed<DockerLine> {
    let Some((word, rest)) = rest.split_first() else {
        return Err(vec![LineFault::new(
            network.range.clone(),
            "docker network isn't told what to do",
            "here",
        )]);
    };
    let change = match word.as_written() {
        "disconnect" => LinkChange::Disconnect,
        "connect" => LinkChange::Connect,
        other => {
            let (label, _) = suggest(other, &["connect", "disconnect"]);
            return Err(vec![LineFault::new(
                word.range.clone(),
                format!("`docker network {other}` is not something that a lab can do"),
                label,
            )]);
        }
    };
    // `docker network disconnect NETWORK NODE`: there is one network, so that its name says nothing that could be wrong.
    let plain: Vec<&Word> = rest
        .iter()
        .filter(|word| !word.as_written().starts_with('-'))
        .collect();
    let [_, node] = plain[..] else {
        return Err(vec![
            LineFault::new(
                word.range.clone(),
                "which node? write the network, then one node",
                "here",
            )
            .help("`docker network disconnect labrunner-cluster redis-1`"),
        ]);
    };
    match node.literal() {
        Some(POSTGRES) => Err(vec![
            LineFault::new(
                node.range.clone(),
                "postgres is no node, and has no links that a lab can cut",
                "here",
            )
            .help("`docker pause postgres` makes it answer nobody, `docker stop postgres` makes it refuse"),
        ]),
        Some(name) if CourseNode::named(name).is_none() => Err(vec![unknown_node(node, name)]),
        _ => Ok(DockerLine::Links {
            change,
            node: node.clone(),
        }),
    }
}

fn unknown_node(word: &Word, name: &str) -> LineFault {
    let known: Vec<String> = CourseNode::all()
        .map(|node| node.name().to_string())
        .chain([POSTGRES.to_owned()])
        .collect();
    let label = nearest(name, known.iter().map(String::as_str))
        .map_or("here".to_owned(), |near| format!("did you mean `{near}`?"));
    LineFault::new(
        word.range.clone(),
        format!("`{name}` is not a node of this environment"),
        label,
    )
    .help("the nodes are redis-1 to redis-8, and beside them there is postgres")
}
