//! YAML as a tree in which everything knows its place. Read from the parser's events, so that all faults of a file can be
//! shown at once, and with limits, so that no file can exhaust this program.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span as ParserSpan};

use super::fault::Fault;
use super::place::locate;
use super::source::{Source, Span};

/// The largest file that is read, in bytes. Labs are a few kilobytes.
pub const MAX_BYTES: usize = 256 * 1024;
/// The most nodes that a file may come to once its aliases are followed. A long lab has a thousand.
const MAX_NODES: usize = 8_000;
/// The deepest nesting.
const MAX_DEPTH: usize = 24;

/// A piece of YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// Where it stands. Of a mapping or list: from its first key or item on.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// What a piece of YAML is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Nothing: `key:` with no value, `~` or `null`.
    Null,
    /// Text, number, true or false; which of these, the key table says.
    Scalar(Scalar),
    /// `- …`
    List(Vec<Tree>),
    /// `key: value`, in the order written.
    Map(Vec<Entry>),
}

/// A scalar: its text after unquoting and folding, and how it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// The text.
    pub text: String,
    /// Written without quotes and in one piece, so that it may be a number or a flag.
    pub plain: bool,
}

/// One `key: value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub value: Tree,
}

impl Tree {
    /// `text`, `a list`, `a mapping`, `nothing`: for messages.
    pub fn describe(&self) -> &'static str {
        match &self.kind {
            Kind::Null => "nothing",
            Kind::Scalar(_) => "text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// The items of a list; none of anything else.
    pub fn items(&self) -> &[Tree] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// The entries of a mapping; none of anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The value under `key`, null counting as absent.
    pub fn get(&self, key: &str) -> Option<&Tree> {
        self.entries()
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.value)
            .filter(|v| v.kind != Kind::Null)
    }

    /// The entry of `key`.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// How many nodes there are, this one included.
    fn size(&self) -> usize {
        1 + match &self.kind {
            Kind::Null | Kind::Scalar(_) => 0,
            Kind::List(items) => items.iter().map(Tree::size).sum(),
            Kind::Map(entries) => entries.iter().map(|entry| 1 + entry.value.size()).sum(),
        }
    }
}

/// Reads `source`. Faults that leave a tree behind (a key twice) are put in `faults`; `None` when there is no tree at all, in
/// which case `faults` says why.
pub fn read(source: &Source, faults: &mut Vec<Fault>) -> Option<Tree> {
    if source.text().len() > MAX_BYTES {
        faults.push(too_large());
        return None;
    }
    let mut builder = Builder {
        source,
        faults,
        open: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        root: None,
        documents: 0,
    };
    for event in Parser::new_from_str(source.text()) {
        match event {
            Ok((event, span)) => {
                if builder.take(event, span).is_err() {
                    return None;
                }
            }
            Err(error) => {
                builder
                    .faults
                    .push(super::not_yaml::explain(source, &error));
                return None;
            }
        }
    }
    let Builder { root, faults, .. } = builder;
    match root {
        Some(tree) if tree.kind != Kind::Null => Some(tree),
        _ => {
            faults.push(
                Fault::new(Span::new(0, 0), "the file is empty", "nothing here")
                    .help("a lab needs at least `title`, `objective`, `steps` and `points`"),
            );
            None
        }
    }
}

pub(super) fn too_deep(span: Span) -> Fault {
    Fault::new(span, "nested too deeply for a lab", "here")
        .help(format!("labs nest up to {MAX_DEPTH} deep"))
}

/// Said of a file with more than [`MAX_BYTES`].
pub(super) fn too_large() -> Fault {
    let what = format!(
        "the file is too large for a lab: it has more than {} kB",
        MAX_BYTES / 1024
    );
    Fault::new(Span::new(0, 0), what, "it begins here")
        .help("labs are a few kB; is this the right file?")
}

/// The reading cannot go on; the fault is on the list.
struct Stop;

/// A list or mapping whose end has not come yet.
struct Open {
    start: usize,
    anchor: usize,
    kind: OpenKind,
}

enum OpenKind {
    List(Vec<Tree>),
    Map {
        entries: Vec<Entry>,
        key: Option<(String, Span)>,
    },
}

struct Builder<'a> {
    source: &'a Source,
    faults: &'a mut Vec<Fault>,
    open: Vec<Open>,
    anchors: HashMap<usize, Tree>,
    nodes: usize,
    root: Option<Tree>,
    documents: usize,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, at: ParserSpan) -> Result<(), Stop> {
        let span = self.bytes(at);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return self.stop(
                        span,
                        "a file holds one lab; a second document starts here",
                        "second document",
                    );
                }
                Ok(())
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                // The copy stands where the alias does: that is what a reader looks at.
                Some(tree) => {
                    // What an alias stands for counts each time: otherwise a few lines could stand for billions of nodes.
                    self.nodes += tree.size();
                    self.place(Tree { span, ..tree }, 0)
                }
                None => self.stop(span, "this alias stands inside what it names", "here"),
            },
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(span, tag.is_some())?;
                self.refuse_control_signs(span, &text);
                let plain = style == ScalarStyle::Plain;
                let kind = if plain && matches!(&*text, "" | "~" | "null") {
                    Kind::Null
                } else {
                    Kind::Scalar(Scalar {
                        text: text.into_owned(),
                        plain,
                    })
                };
                self.place(Tree { span, kind }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tag(span, tag.is_some())?;
                self.push(span, anchor, OpenKind::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tag(span, tag.is_some())?;
                self.push(
                    span,
                    anchor,
                    OpenKind::Map {
                        entries: Vec::new(),
                        key: None,
                    },
                )
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else {
                    return Ok(());
                };
                let (kind, inner_end) = match open.kind {
                    OpenKind::List(items) => {
                        let end = items.last().map(|item| item.span.end);
                        (Kind::List(items), end)
                    }
                    OpenKind::Map { entries, .. } => {
                        let end = entries
                            .last()
                            .map(|entry| entry.value.span.end.max(entry.key_span.end));
                        (Kind::Map(entries), end)
                    }
                };
                // A block collection "ends" where the next thing begins; what a reader calls its end is that of its last piece.
                let end = if span.end > span.start {
                    span.end
                } else {
                    inner_end.unwrap_or(span.end)
                };
                self.place(
                    Tree {
                        span: Span::new(open.start, end),
                        kind,
                    },
                    open.anchor,
                )
            }
        }
    }

    fn push(&mut self, span: Span, anchor: usize, kind: OpenKind) -> Result<(), Stop> {
        if self.open.len() >= MAX_DEPTH {
            self.faults.push(too_deep(span));
            return Err(Stop);
        }
        self.open.push(Open {
            start: span.start,
            anchor,
            kind,
        });
        Ok(())
    }

    fn place(&mut self, tree: Tree, anchor: usize) -> Result<(), Stop> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            let what = if self.anchors.is_empty() {
                "the file holds more than a lab can"
            } else {
                "with its aliases the file holds more than a lab can"
            };
            return self.stop(tree.span, what, "one too many");
        }
        if anchor != 0 {
            self.anchors.insert(anchor, tree.clone());
        }
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => self.root = Some(tree),
            Some(OpenKind::List(items)) => items.push(tree),
            Some(OpenKind::Map { entries, key }) => match key.take() {
                None => match tree.kind {
                    Kind::Scalar(scalar) => *key = Some((scalar.text, tree.span)),
                    _ => return self.stop(tree.span, "a key must be a word", "this is not one"),
                },
                Some((name, key_span)) => {
                    if let Some(first) = entries.iter().find(|entry| entry.key == name) {
                        let (line, _) = self.source.place(first.key_span.start);
                        self.faults.push(Fault::new(
                            key_span,
                            format!("`{name}` stands here twice"),
                            format!("first in line {line}"),
                        ));
                    } else {
                        // `key:` with nothing after it has a span that may lie lines below; its key is where a reader looks.
                        let span = if tree.kind == Kind::Null {
                            key_span
                        } else {
                            tree.span
                        };
                        entries.push(Entry {
                            key: name,
                            key_span,
                            value: Tree { span, ..tree },
                        });
                    }
                }
            },
        }
        Ok(())
    }

    /// What a text says is printed and passed on; no escape sequence may be hidden in it, written out or in YAML's own escapes.
    fn refuse_control_signs(&mut self, span: Span, text: &str) {
        if let Some((at, sign)) = text
            .char_indices()
            .find(|(_, c)| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
        {
            let place = locate(self.source, span, text, at..at + sign.len_utf8());
            let what = format!(
                "a control character (U+{:04X}) has no place in a lab",
                u32::from(sign)
            );
            self.faults
                .push(Fault::new(place, what, "here").help("remove it"));
        }
    }

    fn refuse_tag(&mut self, span: Span, tagged: bool) -> Result<(), Stop> {
        if tagged {
            self.stop(
                span,
                "YAML tags (`!…`) have no meaning in a lab",
                "remove the tag",
            )
        } else {
            Ok(())
        }
    }

    fn stop(&mut self, span: Span, what: &str, label: &str) -> Result<(), Stop> {
        self.faults.push(Fault::new(span, what, label));
        Err(Stop)
    }

    fn bytes(&self, span: ParserSpan) -> Span {
        let start = self.source.byte_at(span.start.line(), span.start.col());
        Span::new(start, self.source.byte_at(span.end.line(), span.end.col()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn read_text(text: &str) -> (Option<Tree>, Vec<Fault>) {
        let mut faults = Vec::new();
        let tree = read(&Source::new("t.yaml", text), &mut faults);
        (tree, faults)
    }

    #[test]
    fn everything_knows_its_place() {
        let text = "title: Añb\nsteps:\n  - id: one\n    run: >-\n      redis-cli ping\n      again\n  - {id: two}\n";
        let (tree, faults) = read_text(text);
        assert_eq!(faults, []);
        let tree = tree.unwrap();
        let at = |tree: &Tree| text[tree.span.start..tree.span.end].to_owned();
        assert_eq!(at(tree.get("title").unwrap()), "Añb");
        let steps = tree.get("steps").unwrap();
        assert_eq!(at(steps.items()[0].get("id").unwrap()), "one");
        let run = steps.items()[0].get("run").unwrap();
        assert_eq!(run.text(), Some("redis-cli ping again"));
        assert!(
            at(run).contains("redis-cli ping\n      again"),
            "{:?}",
            at(run)
        );
        assert_eq!(at(&steps.items()[1]), "{id: two}");
    }

    #[rstest]
    #[case::empty("", "the file is empty")]
    #[case::blank("\n\n# only a remark\n", "the file is empty")]
    #[case::not_yaml("a: [1, 2\nb: }", "this is not YAML")]
    #[case::tab("a:\n\t- b", "this is not YAML")]
    #[case::two_documents("a: 1\n---\nb: 2\n", "second document")]
    #[case::tag("a: !secret x", "YAML tags")]
    #[case::key_twice("a: 1\nb: 2\na: 3\n", "`a` stands here twice")]
    #[case::key_not_a_word("[1, 2]: x\n", "a key must be a word")]
    #[case::inside_itself("a: &x [*x]\n", "")]
    fn what_cannot_be_read_says_why(#[case] text: &str, #[case] why: &str) {
        let (_, faults) = read_text(text);
        assert!(
            faults.iter().any(|fault| fault.what.contains(why)),
            "{faults:?}"
        );
    }

    #[test]
    fn a_bomb_of_aliases_is_refused_quickly() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for n in 1..12 {
            bomb.push_str(&format!(
                "a{n}: &a{n} [{}]\n",
                vec![format!("*a{}", n - 1); 9].join(", ")
            ));
        }
        let (tree, faults) = read_text(&bomb);
        assert!(tree.is_none());
        assert!(faults[0].what.contains("aliases"), "{faults:?}");
    }

    #[test]
    fn deep_nesting_is_refused() {
        for open in ["[", "- ", "{a: "] {
            let (tree, faults) = read_text(&open.repeat(5000));
            assert!(tree.is_none());
            assert_eq!(faults.len(), 1);
        }
    }

    #[test]
    fn noise_is_refused() {
        let noise: String = (0..300_000u32)
            .map(|n| char::from((n.wrapping_mul(2_654_435_761) >> 24) as u8 % 94 + 33))
            .collect();
        let (tree, faults) = read_text(&noise);
        assert!(tree.is_none());
        assert_eq!(faults.len(), 1);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,200}") {
            let _ = read_text(&text);
        }

        #[test]
        fn no_yaml_like_text_panics(text in "[-a:{}\\[\\],&*!|>'\"# \n\t]{0,120}") {
            let _ = read_text(&text);
        }
    }
}
