//! The keys of checks, one table a kind.

use super::{Rule, Shape, Table, kind, optional, required};
use crate::lab::quantity::Unit;

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
        kind(
            "timeline",
            Shape::Table(&TIMELINE),
            "When the moments of a failover were, counted from the start of the step's command.",
        ),
        kind(
            "sql",
            Shape::Table(&SQL),
            "What a query of PostgreSQL gives.",
        ),
        optional(
            "within",
            Shape::Duration,
            "How long after the command it may take to come true; 10s if not said, and 30s for `timeline`. Only of what can be observed again, and only in `expect`.",
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
        required(
            "path",
            Shape::JsonPath,
            "Where: `.seats[0].state`, `.per_node[\"172.30.0.11:7001\"].share`.",
        ),
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

/// `sql:`
pub static SQL: Table = Table {
    name: "SQL check",
    doc: "What a query gives. It is asked as the database's own user, in a transaction that can only read.",
    rule: Rule::SomeKind,
    keys: &[
        required(
            "query",
            Shape::Query,
            "One statement that only looks: `SELECT count(*) FROM reservations`.",
        ),
        kind(
            "value",
            Shape::Template,
            "It gives one value, and this is it, as `psql -At` prints it.",
        ),
        kind(
            "is",
            Shape::Compare(Unit::Count),
            "It gives one value, which is a number like this.",
        ),
        kind(
            "rows",
            Shape::Compare(Unit::Count),
            "How many rows it gives.",
        ),
        kind(
            "equals",
            Shape::List(&Shape::Template),
            "It gives these rows, in this order, each as `psql -At` prints it: its values with `|` between them.",
        ),
    ],
};

/// `timeline:`
pub static TIMELINE: Table = Table {
    name: "timeline check",
    doc: "The moments of a failover, each with the time that it may have. Zero is the start of the step's command.",
    rule: Rule::SomeKind,
    keys: &[
        required("node", Shape::Node, "The master that fails."),
        optional(
            "to",
            Shape::Node,
            "The replica that takes over; if not said, any may.",
        ),
        kind(
            "suspected",
            Shape::Compare(Unit::Time),
            "The first `fail?` or `fail` of it in any node's view.",
        ),
        kind(
            "failed",
            Shape::Compare(Unit::Time),
            "`fail` in the views of a majority of the members that there were at the start.",
        ),
        kind(
            "promoted",
            Shape::Compare(Unit::Time),
            "The replica calls itself master, with the slots.",
        ),
        kind(
            "recovered",
            Shape::Compare(Unit::Time),
            "The first write that is accepted for such a slot.",
        ),
    ],
};
