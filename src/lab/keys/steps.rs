//! The keys of a lab, of its steps and of its points.

use super::checks::CHECK;
use super::{BACKENDS, Rule, Shape, Table, kind, optional, required};

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
        optional(
            "postgres",
            Shape::Choice(&["empty", "migrated"]),
            "PostgreSQL, which is there only in labs that ask for it. Its database is `empty`, or has the application's tables and nothing in them: what `./app migrate up` makes of an empty one.",
        ),
    ],
};

/// `given.keys:`
pub static KEYS: Table = Table {
    name: "given.keys",
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
            "What the command reads from its standard input: the last argument of `redis-cli -x`, or, for a `redis-cli` without a command, commands, a line each, sent on one connection.",
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
            "background",
            Shape::Flag,
            "Whether the command goes on while the next steps run. A later step awaits it; only then its output is checked and its values are saved.",
        ),
        optional(
            "await",
            Shape::Id,
            "The step in the background whose command has to end before this step begins. A command without an end is stopped then.",
        ),
        optional(
            "wait",
            Shape::Duration,
            "A pause instead of a command, while `meanwhile` and `holds` go on; or, beside a command without an end, how long that goes on.",
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
