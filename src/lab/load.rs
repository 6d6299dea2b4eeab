//! From a file's text to a [`Lab`], or to everything that is wrong with it.

use std::time::Duration;

use super::check;
use super::environment::CourseNode;
use super::fault::{Fault, Faults};
use super::keys::{LAB, LANGUAGE, PROBED, Shape, TIMELINE, Table};
use super::line::Line;
use super::model::*;
use super::quantity::{Comparison, Unit, parse_duration, parse_rate};
use super::shape;
use super::source::{Source, Span};
use super::template::Template;
use super::tree::{self, MAX_BYTES, Tree};
use crate::cluster::{NodeName, SlotSet};

/// Reads a lab.
///
/// # Errors
/// Everything that is wrong with it, each with its place: not YAML, unknown or missing keys, values of the wrong kind, lines
/// that are not understood, references to what is not there, steps after which nothing is checked, points without a proof.
pub fn load(source: &Source) -> Result<Lab, Faults> {
    let mut faults = Vec::new();
    let Some(tree) = tree::read(source, &mut faults) else {
        return Err(Faults::new(source, faults));
    };
    if let Some(fault) = other_language(&tree) {
        // Of a file in another version of the language nothing else can be said.
        return Err(Faults::new(source, vec![fault]));
    }
    shape::check(source, &tree, &Shape::Table(&LAB), &mut faults);
    // What could be understood is checked further even if other parts could not, so that all faults are shown at once.
    let lab = build(source, &tree);
    check::check(&lab, &tree, &mut faults);
    if faults.is_empty() {
        Ok(lab)
    } else {
        Err(Faults::new(source, faults))
    }
}

/// What was read of a file, as a source called `name`. Of a file that may be huge, `MAX_BYTES + 1` bytes are enough.
///
/// # Errors
/// When it is larger than a lab can be, or not UTF-8.
pub fn decode(name: &str, bytes: Vec<u8>) -> Result<Source, Faults> {
    if bytes.len() > MAX_BYTES {
        // The end may have been cut in the middle of a character.
        let source = Source::new(name, String::from_utf8_lossy(&bytes).into_owned());
        return Err(Faults::new(&source, vec![tree::too_large()]));
    }
    String::from_utf8(bytes)
        .map(|text| Source::new(name, text))
        .map_err(|error| {
            let good = error.utf8_error().valid_up_to();
            let bytes = error.into_bytes();
            let mark = if bytes.starts_with("\u{feff}".as_bytes()) {
                '\u{feff}'.len_utf8()
            } else {
                0
            };
            let source = Source::new(name, String::from_utf8_lossy(&bytes).into_owned());
            let span = Span::new(
                good - mark,
                good - mark + char::REPLACEMENT_CHARACTER.len_utf8(),
            );
            let fault = Fault::new(
                span,
                "this is not text: a byte here is not UTF-8",
                "from here on",
            )
            .help("save the file as UTF-8");
            Faults::new(&source, vec![fault])
        })
}

fn other_language(tree: &Tree) -> Option<Fault> {
    let version = tree.get("version")?;
    let number: u64 = version.text()?.parse().ok()?;
    (number != LANGUAGE).then(|| {
        Fault::new(
            version.span,
            format!("this lab is written in version {number} of the lab language"),
            format!("this program reads version {LANGUAGE}"),
        )
        .help(if number > LANGUAGE {
            "install a newer labrunner"
        } else {
            "install an older labrunner, or bring the lab up to date"
        })
    })
}

/// Builds the types from a tree. What is not as it should be has been reported by [`shape::check`]; here it is left out.
fn build(source: &Source, tree: &Tree) -> Lab {
    Lab {
        source: source.clone(),
        number: number(tree, "number"),
        title: text(tree, "title").unwrap_or_default(),
        objective: text(tree, "objective").unwrap_or_default(),
        minutes: number(tree, "minutes"),
        text: text(tree, "text"),
        given: tree.get("given").map(given),
        skip_on: skips(tree),
        steps: list(tree, "steps")
            .iter()
            .map(|step| build_step(source, step))
            .collect(),
        points: list(tree, "points").iter().map(point).collect(),
    }
}

fn list<'a>(tree: &'a Tree, key: &str) -> &'a [Tree] {
    tree.get(key).map_or(&[], Tree::items)
}

fn word<'a>(tree: &'a Tree, key: &str) -> Option<&'a str> {
    tree.get(key).and_then(Tree::text)
}

fn text(tree: &Tree, key: &str) -> Option<String> {
    word(tree, key).map(str::to_owned)
}

fn number(tree: &Tree, key: &str) -> Option<u32> {
    word(tree, key)?.parse().ok()
}

fn duration(tree: &Tree, key: &str) -> Option<Duration> {
    parse_duration(word(tree, key)?).ok()
}

fn parsed<T: std::str::FromStr>(tree: &Tree, key: &str) -> Option<T> {
    word(tree, key)?.parse().ok()
}

fn template(tree: &Tree, key: &str) -> Option<Template> {
    Template::parse(word(tree, key)?).ok()
}

fn compare(tree: &Tree, key: &str, unit: Unit) -> Option<Comparison> {
    Comparison::parse(word(tree, key)?, unit).ok()
}

fn flag(tree: &Tree, key: &str) -> Option<bool> {
    parsed(tree, key)
}

fn node(tree: &Tree, key: &str) -> Option<NodeName> {
    word(tree, key).map(NodeName::new)
}

fn skips(tree: &Tree) -> Vec<Skip> {
    let entries = tree.get("skip_on").map_or(&[][..], Tree::entries);
    entries
        .iter()
        .filter_map(|e| {
            Some(Skip {
                backend: e.key.clone(),
                reason: e.value.text()?.to_owned(),
            })
        })
        .collect()
}

fn given(tree: &Tree) -> Given {
    let pairs = |key: &str| {
        let entries = tree.get(key).map_or(&[][..], Tree::entries).iter();
        entries
            .filter(|e| CourseNode::named(&e.key).is_some())
            .filter_map(|e| Some((NodeName::new(&*e.key), e.value.text()?)))
    };
    Given {
        node_timeout: duration(tree, "node_timeout"),
        masters: pairs("masters")
            .filter_map(|(name, slots)| Some((name, slots.parse::<SlotSet>().ok()?)))
            .collect(),
        replicas: pairs("replicas")
            .map(|(name, master)| (name, NodeName::new(master)))
            .collect(),
        keys: tree.get("keys").and_then(|keys| {
            Some(GivenKeysSpec {
                count: number(keys, "count")?,
                hot_slot: number(keys, "hot_slot"),
            })
        }),
        postgres: word(tree, "postgres").map(|state| match state {
            "migrated" => GivenPostgres::Migrated,
            _ => GivenPostgres::Empty,
        }),
    }
}

fn build_line(tree: &Tree) -> Option<Spanned<Line>> {
    Some(Spanned {
        value: Line::parse(tree.text()?).ok()?,
        span: tree.span,
    })
}

fn spanned_text(tree: &Tree) -> Option<Spanned<String>> {
    Some(Spanned {
        value: tree.text()?.to_owned(),
        span: tree.span,
    })
}

fn build_step(source: &Source, tree: &Tree) -> Step {
    Step {
        id: tree.get("id").and_then(spanned_text).unwrap_or(Spanned {
            value: String::new(),
            span: tree.span,
        }),
        title: text(tree, "title").unwrap_or_default(),
        text: text(tree, "text"),
        run: tree.get("run").and_then(build_line),
        stdin: tree.get("stdin").and_then(|t| {
            Some(Spanned {
                value: Template::parse(t.text()?).ok()?,
                span: t.span,
            })
        }),
        each: list(tree, "each").iter().map(item).collect(),
        save: tree
            .get("save")
            .map_or(&[][..], Tree::entries)
            .iter()
            .filter_map(|entry| {
                let source = shape::read_save_source(entry.value.text()?).ok()?;
                Some(Save {
                    name: Spanned {
                        value: entry.key.clone(),
                        span: entry.key_span,
                    },
                    source,
                })
            })
            .collect(),
        wait: duration(tree, "wait"),
        background: flag(tree, "background").unwrap_or(false),
        awaits: tree.get("await").and_then(spanned_text),
        probe: list(tree, "meanwhile")
            .iter()
            .find_map(|item| probe(item.get("probe")?)),
        timeout: duration(tree, "timeout").unwrap_or(DEFAULT_TIMEOUT),
        expect: list(tree, "expect")
            .iter()
            .filter_map(|check| build_check(source, check))
            .collect(),
        holds: list(tree, "holds")
            .iter()
            .filter_map(|check| build_check(source, check))
            .collect(),
        note: text(tree, "note"),
        hint: text(tree, "hint"),
        solution: text(tree, "solution"),
        skip_on: skips(tree),
        on: parsed(tree, "on"),
        cleanup: list(tree, "cleanup")
            .iter()
            .filter_map(build_line)
            .collect(),
    }
}

fn item(tree: &Tree) -> Item {
    let values = tree.entries().iter().filter_map(|entry| {
        let value = Template::parse(entry.value.text()?).ok()?;
        Some((
            entry.key.clone(),
            Spanned {
                value,
                span: entry.value.span,
            },
        ))
    });
    Item {
        values: values.collect(),
        span: tree.span,
    }
}

fn probe(tree: &Tree) -> Option<Spanned<ProbeSpec>> {
    let slots = match word(tree, "slots")? {
        "all" => ProbeTarget::All,
        "moving" => ProbeTarget::Moving,
        slots => ProbeTarget::Slots(shape::read_slots(slots).ok()?),
    };
    Some(Spanned {
        value: ProbeSpec {
            rate: parse_rate(word(tree, "rate")?).ok()?,
            slots,
        },
        span: tree.span,
    })
}

fn build_check(source: &Source, tree: &Tree) -> Option<Check> {
    let (span, kind) = tree
        .entries()
        .iter()
        .find_map(|entry| Some((entry.key_span, check_kind(&entry.key, &entry.value)?)))?;
    debug_assert!(span.end <= source.text().len());
    Some(Check {
        kind,
        span,
        within: duration(tree, "within"),
        lasting: duration(tree, "for"),
        on: parsed(tree, "on"),
        why: text(tree, "why"),
    })
}

fn check_kind(kind: &str, body: &Tree) -> Option<CheckKind> {
    let text_of = |stream| CheckKind::Text {
        stream,
        test: text_test(body),
    };
    let count = |key: &str| compare(body, key, Unit::Count);
    Some(match kind {
        "exit" => CheckKind::Exit(Comparison::parse(body.text()?, Unit::Count).ok()?),
        "stdout" => text_of(Stream::Stdout),
        "stderr" => text_of(Stream::Stderr),
        "output" => text_of(Stream::Both),
        "json" => CheckKind::Json {
            path: shape::read_json_path(word(body, "path")?).ok()?,
            test: JsonTest {
                equals: template(body, "equals"),
                is: count("is"),
            },
        },
        "cluster" => CheckKind::Cluster(ClusterTest {
            ok: word(body, "state").map(|state| state == "ok"),
            agree: flag(body, "agree"),
            masters: count("masters"),
            replicas: count("replicas"),
            known_nodes: count("known_nodes"),
            slots_assigned: count("slots_assigned"),
        }),
        "node" => CheckKind::Node(NodeTest {
            name: node(body, "name")?,
            is_master: word(body, "role").map(|role| role == "master"),
            master: node(body, "master"),
            slots: count("slots"),
            owns: word(body, "owns").and_then(|slots| shape::read_slots(slots).ok()),
            replicas: count("replicas"),
            link_up: word(body, "link").map(|link| link == "up"),
            health: word(body, "state").map(|state| match state {
                "suspected" => Health::Suspected,
                "failed" => Health::Failed,
                _ => Health::Ok,
            }),
            member: flag(body, "member"),
            running: flag(body, "running"),
            keys: count("keys"),
        }),
        "info" => CheckKind::Info {
            node: node(body, "name")?,
            fields: body
                .get("fields")?
                .entries()
                .iter()
                .filter_map(|entry| {
                    Some((
                        entry.key.clone(),
                        Template::parse(entry.value.text()?).ok()?,
                    ))
                })
                .collect(),
        },
        "lag" => CheckKind::Lag {
            replica: node(body, "replica")?,
            bytes: compare(body, "bytes", Unit::Bytes)?,
        },
        "given_keys" => CheckKind::GivenKeys,
        "probe" => CheckKind::Probe(ProbeTest {
            counts: comparisons(body, &PROBED),
        }),
        "timeline" => CheckKind::Timeline(TimelineTest {
            node: node(body, "node")?,
            to: node(body, "to"),
            moments: comparisons(body, &TIMELINE),
        }),
        "sql" => CheckKind::Sql(SqlTest {
            query: template(body, "query")?,
            value: template(body, "value"),
            is: count("is"),
            rows: count("rows"),
            equals: body.get("equals").map(|rows| {
                let rows = rows.items().iter();
                rows.filter_map(|row| Template::parse(row.text()?).ok())
                    .collect()
            }),
        }),
        _ => return None,
    })
}

/// All comparisons that a mapping has, in the order of its table.
fn comparisons(body: &Tree, table: &Table) -> Vec<(&'static str, Comparison)> {
    let keys = table.keys.iter();
    keys.filter_map(|key| match key.shape {
        Shape::Compare(unit) => Some((key.name, compare(body, key.name, unit)?)),
        _ => None,
    })
    .collect()
}

fn text_test(body: &Tree) -> TextTest {
    TextTest {
        equals: template(body, "equals"),
        contains: template(body, "contains"),
        lacks: template(body, "lacks"),
        matches: parsed(body, "matches"),
        lines: compare(body, "lines", Unit::Count),
        empty: flag(body, "empty"),
    }
}

fn point(tree: &Tree) -> Point {
    Point {
        text: text(tree, "text").unwrap_or_default(),
        proved_by: list(tree, "proved_by")
            .iter()
            .filter_map(spanned_text)
            .collect(),
    }
}
