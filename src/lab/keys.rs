//! The one key table of the language. The reader of labs, the JSON Schema, the suggestions for misspelt keys and the reference
//! chapter of the guide are all made from it, so that they can't say different things.

use super::quantity::Unit;

/// A mapping of the language: which keys it can have.
#[derive(Debug)]
pub struct Table {
    /// What one is called: `step`.
    pub name: &'static str,
    /// What it is, for the reference and for completion in editors.
    pub doc: &'static str,
    /// Its keys, in the order in which the reference lists them.
    pub keys: &'static [Key],
    /// What has to be there besides the required keys.
    pub rule: Rule,
}

/// What has to be in a mapping besides its required keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Nothing.
    Free,
    /// One key or more.
    NotEmpty,
    /// Exactly one of the keys whose `group` is [`Group::Kind`].
    OneKind,
    /// One or more of the keys whose `group` is [`Group::Kind`].
    SomeKind,
}

/// The part that a key plays in its mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Required.
    Required,
    /// Can be left out.
    Optional,
    /// Says what kind of thing the mapping is; see [`Rule`].
    Kind,
}

/// One key.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What its value looks like.
    pub shape: Shape,
    /// Its part in the mapping.
    pub group: Group,
    /// What it means.
    pub doc: &'static str,
}

/// What a value looks like.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Text for people, of one line or many.
    Text,
    /// Text in which `${…}` is filled in.
    Template,
    /// A `run` line.
    Line,
    /// A regular expression.
    Pattern,
    /// An id: small letters, digits and hyphens.
    Id,
    /// `true` or `false`.
    Flag,
    /// A whole number in a range.
    Number {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// A time: `10s`.
    Duration,
    /// A rate: `200/s`.
    Rate,
    /// A number to compare with: `3`, `">= 50"`.
    Compare(Unit),
    /// Ranges of slots: `0-1364 5461`.
    Slots,
    /// What a probe asks: `all`, `moving`, or slots.
    ProbeSlots,
    /// A node's name: `redis-7`.
    Node,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Where a value is saved from: `stdout`, `stderr`, `json PATH`, `match PATTERN`.
    SaveSource,
    /// Which servers: `>= 7.0`.
    Version,
    /// A path into JSON: `.node[0].name`.
    JsonPath,
    /// A list of such.
    List(&'static Shape),
    /// A mapping whose keys the author makes up (or, with [`Shape::Node`], names of nodes).
    Map {
        /// What a key looks like: [`Shape::Id`] or [`Shape::Node`] or a [`Shape::Choice`].
        key: &'static Shape,
        /// What a value looks like.
        value: &'static Shape,
    },
    /// A mapping of the language.
    Table(&'static Table),
}

const fn required(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key {
        name,
        shape,
        group: Group::Required,
        doc,
    }
}

const fn optional(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key {
        name,
        shape,
        group: Group::Optional,
        doc,
    }
}

const fn kind(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key {
        name,
        shape,
        group: Group::Kind,
        doc,
    }
}

/// The version of the language that this program reads.
pub const LANGUAGE: u64 = 1;

/// Backends, as `skip_on` names them.
pub const BACKENDS: &[&str] = &["docker", "local", "sim"];

const SKIP: Shape = Shape::Map {
    key: &Shape::Choice(BACKENDS),
    value: &Shape::Text,
};

/// A whole lab.
pub static LAB: Table = Table {
    name: "lab",
    doc: "One lab of the course: what it starts from, its steps, and what they prove.",
    rule: Rule::Free,
    keys: &[
        optional(
            "version",
            Shape::Number { min: 1, max: 1000 },
            "The version of the lab language. This program reads version 1, which is what a lab without this key is in.",
        ),
        optional(
            "number",
            Shape::Number { min: 0, max: 999 },
            "The lab's number in the course.",
        ),
        required("title", Shape::Text, "The lab's title."),
        required(
            "objective",
            Shape::Text,
            "What the reader learns, in one or two sentences.",
        ),
        optional(
            "minutes",
            Shape::Number { min: 1, max: 600 },
            "How long a reader needs.",
        ),
        optional(
            "text",
            Shape::Text,
            "What stands before the first step; Markdown.",
        ),
        optional(
            "given",
            Shape::Table(&GIVEN),
            "The cluster that is made before the first step, to exactly this state.",
        ),
        optional(
            "skip_on",
            SKIP,
            "Backends on which the lab is not run, each with the reason.",
        ),
        required(
            "steps",
            Shape::List(&Shape::Table(&STEP)),
            "What the reader does, in order.",
        ),
        required(
            "points",
            Shape::List(&Shape::Table(&POINT)),
            "The key learning points, each with the steps that prove it.",
        ),
    ],
};

/// `given:`
pub static GIVEN: Table = Table {
    name: "given",
    doc: "The cluster that is made before the first step. It is reached directly, not by replaying earlier labs.",
    rule: Rule::Free,
    keys: &[
        optional(
            "node_timeout",
            Shape::Duration,
            "cluster-node-timeout: how long a node may be silent before the others suspect it.",
        ),
        required(
            "masters",
            Shape::Map {
                key: &Shape::Node,
                value: &Shape::Slots,
            },
            "The masters, each with its slots. Together they own all 16384.",
        ),
        optional(
            "replicas",
            Shape::Map {
                key: &Shape::Node,
                value: &Shape::Node,
            },
            "The replicas, each with its master.",
        ),
        optional(
            "keys",
            Shape::Table(&KEYS),
            "Keys to write, so that there is data to move, and to lose if something is wrong.",
        ),
    ],
};

/// `given.keys:`
pub static KEYS: Table = Table {
    name: "given keys",
    doc: "Keys that are written before the first step; `given_keys: intact` reads every one of them back.",
    rule: Rule::Free,
    keys: &[
        required(
            "count",
            Shape::Number {
                min: 1,
                max: 1_000_000,
            },
            "How many.",
        ),
        optional(
            "hot_slot",
            Shape::Number {
                min: 1,
                max: 1_000_000,
            },
            "How many of them lie in one slot: the first slot of the master that is listed last.",
        ),
    ],
};

/// A step.
pub static STEP: Table = Table {
    name: "step",
    doc: "One thing that the reader does, and how both the reader and CI know that it worked.",
    rule: Rule::Free,
    keys: &[
        required(
            "id",
            Shape::Id,
            "The step's name, by which points refer to it.",
        ),
        required("title", Shape::Text, "The step's title."),
        optional(
            "text",
            Shape::Text,
            "What the reader is told before the command; Markdown.",
        ),
        optional(
            "run",
            Shape::Line,
            "The command, as the reader would type it. There is no shell.",
        ),
        optional(
            "stdin",
            Shape::Template,
            "What the command reads from its standard input.",
        ),
        optional(
            "each",
            Shape::List(&Shape::Map {
                key: &Shape::Id,
                value: &Shape::Template,
            }),
            "Values with which `run` is done once each, as `${each.…}`.",
        ),
        optional(
            "save",
            Shape::Map {
                key: &Shape::Id,
                value: &Shape::SaveSource,
            },
            "Names for what the command printed, to be used as `${name}` later.",
        ),
        optional(
            "wait",
            Shape::Duration,
            "A pause instead of a command, while `meanwhile` and `holds` go on.",
        ),
        optional(
            "meanwhile",
            Shape::List(&Shape::Table(&MEANWHILE)),
            "What goes on beside the command.",
        ),
        optional(
            "timeout",
            Shape::Duration,
            "How long the command may take; 60s if not said.",
        ),
        optional(
            "expect",
            Shape::List(&Shape::Table(&CHECK)),
            "What becomes true by this step: false before it, true after it.",
        ),
        optional(
            "holds",
            Shape::List(&Shape::Table(&CHECK)),
            "What is true throughout: before, during and after the step.",
        ),
        optional(
            "note",
            Shape::Text,
            "Where what really happens differs from what the course text says; Markdown.",
        ),
        optional(
            "hint",
            Shape::Text,
            "What a learner is told who is stuck; Markdown.",
        ),
        optional(
            "solution",
            Shape::Text,
            "What a learner is shown who gives up; Markdown.",
        ),
        optional(
            "skip_on",
            SKIP,
            "Backends on which the step is not run, each with the reason.",
        ),
        optional(
            "on",
            Shape::Version,
            "Servers on which the step is run; it is skipped on others.",
        ),
        optional(
            "cleanup",
            Shape::List(&Shape::Line),
            "Commands that are run when the lab ends, however it ends, if the step was begun.",
        ),
    ],
};

/// An item of `meanwhile`.
pub static MEANWHILE: Table = Table {
    name: "meanwhile",
    doc: "Something that goes on beside a step's command.",
    rule: Rule::OneKind,
    keys: &[kind(
        "probe",
        Shape::Table(&PROBE),
        "Reads and writes unique keys, counts what happened to each, and reads every acknowledged one back at the end.",
    )],
};

/// `meanwhile: - probe:`
pub static PROBE: Table = Table {
    name: "probe",
    doc: "Client traffic beside a step's command.",
    rule: Rule::Free,
    keys: &[
        required(
            "rate",
            Shape::Rate,
            "Operations a second, half reads and half writes, on a schedule that does not wait for answers.",
        ),
        required(
            "slots",
            Shape::ProbeSlots,
            "Where: `all` slots, those that are `moving` by the step's reshard, or ranges of slots.",
        ),
    ],
};

/// A check.
pub static CHECK: Table = Table {
    name: "check",
    doc: "One thing that can be true or not: one kind, and what is common to all kinds.",
    rule: Rule::OneKind,
    keys: &[
        kind(
            "exit",
            Shape::Compare(Unit::Count),
            "The command's exit code. Without this check it has to be 0.",
        ),
        kind(
            "stdout",
            Shape::Table(&TEXT),
            "What the command printed on its standard output.",
        ),
        kind(
            "stderr",
            Shape::Table(&TEXT),
            "What the command printed on its standard error.",
        ),
        kind(
            "output",
            Shape::Table(&TEXT),
            "What the command printed, on either.",
        ),
        kind(
            "json",
            Shape::Table(&JSON),
            "A value in the JSON that the command printed.",
        ),
        kind(
            "cluster",
            Shape::Table(&CLUSTER),
            "The cluster, as every member that answers sees it.",
        ),
        kind("node", Shape::Table(&NODE), "One node."),
        kind("info", Shape::Table(&INFO), "Fields of one node's INFO."),
        kind(
            "lag",
            Shape::Table(&LAG),
            "How far a replica is behind its master.",
        ),
        kind(
            "given_keys",
            Shape::Choice(&["intact"]),
            "Every key of `given` is read back, and has its value.",
        ),
        kind(
            "probe",
            Shape::Table(&PROBED),
            "What the step's probe counted.",
        ),
        optional(
            "within",
            Shape::Duration,
            "How long after the command it may take to come true; 10s if not said. Only of what can be observed again, and only in `expect`.",
        ),
        optional(
            "for",
            Shape::Duration,
            "How long it has to stay true, once it is. In `holds`: how long it is watched after the command.",
        ),
        optional(
            "on",
            Shape::Version,
            "Servers on which the check is made; it is left out on others.",
        ),
        optional(
            "why",
            Shape::Text,
            "Why it has to be so; shown when it is not.",
        ),
    ],
};

/// `stdout:`, `stderr:`, `output:`
pub static TEXT: Table = Table {
    name: "text check",
    doc: "What a text is like. White space at its end does not count.",
    rule: Rule::NotEmpty,
    keys: &[
        optional("equals", Shape::Template, "It is this."),
        optional("contains", Shape::Template, "This stands in it."),
        optional("lacks", Shape::Template, "This does not stand in it."),
        optional(
            "matches",
            Shape::Pattern,
            "A part of it matches this regular expression; ^ and $ stand for a line's begin and end.",
        ),
        optional(
            "lines",
            Shape::Compare(Unit::Count),
            "How many lines it has.",
        ),
        optional("empty", Shape::Flag, "Whether there is nothing at all."),
    ],
};

/// `json:`
pub static JSON: Table = Table {
    name: "JSON check",
    doc: "A value in JSON that the command printed.",
    rule: Rule::SomeKind,
    keys: &[
        required("path", Shape::JsonPath, "Where: `.seats[0].state`."),
        kind("equals", Shape::Template, "It is this."),
        kind(
            "is",
            Shape::Compare(Unit::Count),
            "It is a number like this.",
        ),
    ],
};

/// `cluster:`
pub static CLUSTER: Table = Table {
    name: "cluster check",
    doc: "The cluster. Members are the nodes that answer and that know others or own slots; every one of them has to see it so.",
    rule: Rule::NotEmpty,
    keys: &[
        optional(
            "state",
            Shape::Choice(&["ok", "fail"]),
            "cluster_state of every member.",
        ),
        optional(
            "agree",
            Shape::Flag,
            "Whether all members see the same members, roles and owners of slots.",
        ),
        optional(
            "masters",
            Shape::Compare(Unit::Count),
            "How many masters there are that have not failed.",
        ),
        optional(
            "replicas",
            Shape::Compare(Unit::Count),
            "How many replicas there are that have not failed.",
        ),
        optional(
            "known_nodes",
            Shape::Compare(Unit::Count),
            "cluster_known_nodes of every member.",
        ),
        optional(
            "slots_assigned",
            Shape::Compare(Unit::Count),
            "cluster_slots_assigned of every member.",
        ),
    ],
};

/// `node:`
pub static NODE: Table = Table {
    name: "node check",
    doc: "One node, as every member that answers sees it.",
    rule: Rule::SomeKind,
    keys: &[
        required("name", Shape::Node, "Which node."),
        kind("role", Shape::Choice(&["master", "replica"]), "What it is."),
        kind("master", Shape::Node, "Whose replica it is."),
        kind(
            "slots",
            Shape::Compare(Unit::Count),
            "How many slots it owns.",
        ),
        kind(
            "owns",
            Shape::Slots,
            "Slots that it owns, and perhaps others.",
        ),
        kind(
            "replicas",
            Shape::Compare(Unit::Count),
            "How many replicas it has that have not failed.",
        ),
        kind(
            "link",
            Shape::Choice(&["up", "down"]),
            "A replica's link to its master, by the replica's own word.",
        ),
        kind(
            "state",
            Shape::Choice(&["ok", "suspected", "failed"]),
            "What most members that answer think of it.",
        ),
        kind(
            "member",
            Shape::Flag,
            "Whether the other nodes that answer know it.",
        ),
        kind("running", Shape::Flag, "Whether it answers."),
        kind(
            "keys",
            Shape::Compare(Unit::Count),
            "How many keys it holds (DBSIZE).",
        ),
    ],
};

/// `info:`
pub static INFO: Table = Table {
    name: "info check",
    doc: "Fields of INFO.",
    rule: Rule::Free,
    keys: &[
        required("name", Shape::Node, "Which node."),
        required(
            "fields",
            Shape::Map {
                key: &Shape::Id,
                value: &Shape::Template,
            },
            "Fields, each with its value: a text, or a comparison such as `\">= 1\"`.",
        ),
    ],
};

/// `lag:`
pub static LAG: Table = Table {
    name: "lag check",
    doc: "The master's replication offset less the replica's.",
    rule: Rule::Free,
    keys: &[
        required("replica", Shape::Node, "Which replica."),
        required(
            "bytes",
            Shape::Compare(Unit::Bytes),
            "How many bytes: `0`, `\"<= 1MiB\"`.",
        ),
    ],
};

/// `probe:` in a check.
pub static PROBED: Table = Table {
    name: "probe check",
    doc: "What the step's probe counted.",
    rule: Rule::NotEmpty,
    keys: &[
        optional(
            "operations",
            Shape::Compare(Unit::Count),
            "Operations that were done.",
        ),
        optional(
            "failed",
            Shape::Compare(Unit::Count),
            "Operations that did not succeed, redirections followed.",
        ),
        optional(
            "lost",
            Shape::Compare(Unit::Count),
            "Acknowledged writes that could not be read back at the end.",
        ),
        optional(
            "wrong",
            Shape::Compare(Unit::Count),
            "Reads that gave another value than the one written.",
        ),
        optional(
            "unknown",
            Shape::Compare(Unit::Count),
            "Writes without an answer, which may have been done or not.",
        ),
        optional(
            "late",
            Shape::Compare(Unit::Count),
            "Answers that came after the operation's deadline.",
        ),
        optional(
            "asked",
            Shape::Compare(Unit::Count),
            "ASK redirections met.",
        ),
        optional(
            "moved",
            Shape::Compare(Unit::Count),
            "MOVED redirections met.",
        ),
        optional(
            "longest_gap",
            Shape::Compare(Unit::Time),
            "The longest time between two operations that succeeded.",
        ),
        optional(
            "p99",
            Shape::Compare(Unit::Time),
            "99 of 100 operations took no longer, counted from when they were due.",
        ),
    ],
};

/// An item of `points`.
pub static POINT: Table = Table {
    name: "point",
    doc: "A learning point, and what proves it.",
    rule: Rule::Free,
    keys: &[
        required("text", Shape::Text, "The point; Markdown."),
        required(
            "proved_by",
            Shape::List(&Shape::Id),
            "Ids of the steps that prove it.",
        ),
    ],
};

/// All tables, for the reference and for tests.
pub static TABLES: [&Table; 15] = [
    &LAB, &GIVEN, &KEYS, &STEP, &MEANWHILE, &PROBE, &CHECK, &TEXT, &JSON, &CLUSTER, &NODE, &INFO,
    &LAG, &PROBED, &POINT,
];

impl Table {
    /// The key called `name`.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The names of all keys.
    pub fn names(&self) -> Vec<&'static str> {
        self.keys.iter().map(|key| key.name).collect()
    }

    /// The names of the keys of one group.
    pub fn names_of(&self, group: Group) -> Vec<&'static str> {
        self.keys
            .iter()
            .filter(|key| key.group == group)
            .map(|key| key.name)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_listed_and_every_key_is_told_apart() {
        fn collect(shape: &Shape, seen: &mut Vec<&'static str>) {
            match shape {
                Shape::List(inner) => collect(inner, seen),
                Shape::Map { value, .. } => collect(value, seen),
                Shape::Table(table) => {
                    seen.push(table.name);
                    table.keys.iter().for_each(|key| collect(&key.shape, seen));
                }
                _ => {}
            }
        }
        let mut seen = Vec::new();
        collect(&Shape::Table(&LAB), &mut seen);
        for table in TABLES {
            assert!(
                seen.contains(&table.name),
                "{} is not reached from a lab",
                table.name
            );
            let mut names = table.names();
            names.sort_unstable();
            names.dedup();
            assert_eq!(
                names.len(),
                table.keys.len(),
                "{} has a key twice",
                table.name
            );
        }
        for name in seen {
            assert!(
                TABLES.iter().any(|table| table.name == name),
                "{name} is not listed"
            );
        }
    }
}
