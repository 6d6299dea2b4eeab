//! What went wrong, on one screen: what was expected and what was seen, the command and its output, the cluster, the logs.
//!
//! The most telling part comes first. Each part has a number of lines that it is worth; when all of them together are too long, the
//! longest ones give way, down to that number, and say how many lines they left out.

use std::time::Duration;

use crate::engine::event::{Scene, Verdict, When};
use crate::lab::action::Output;

use super::layout::{Page, columns, lines_of, one_line, together, wrap};
use super::style::Paint;
use super::timeline::{self, Failover};
use super::words::{bytes, span, times, took};

/// Lines that a picture takes at most. With the lines of the run around it, that is one screen of 30 lines.
pub(super) const SCREEN: usize = 20;
/// Lines that a picture takes at most with `-v`.
pub(super) const LONG: usize = 60;

/// The column at which the text of each part begins: two for the indentation, two for the sign, eleven for the label.
const TEXT: usize = 15;
/// Failed checks that are named beside the first one.
const OTHERS: usize = 2;

/// A check that did not hold.
#[derive(Debug, Clone)]
pub(super) struct Miss {
    pub verdict: Verdict,
    /// Time from the start of the step to the decision.
    pub into_step: Duration,
}

/// The last command of a step.
#[derive(Debug, Clone, Default)]
pub(super) struct Command {
    pub typed: String,
    pub really: String,
    pub item: Option<(usize, usize)>,
    /// Of a make target: the command that it runs or ran last.
    pub at: Option<TargetCommand>,
    /// What came of it; `None` while it runs.
    pub output: Option<Output>,
}

/// One of the commands that a make target stands for.
#[derive(Debug, Clone, Default)]
pub(super) struct TargetCommand {
    /// 1 for the first.
    pub number: usize,
    pub typed: String,
    pub really: String,
}

/// Everything that a picture can show.
#[derive(Debug, Default)]
pub(super) struct Picture {
    pub misses: Vec<Miss>,
    /// What went wrong that is not a check, and what to do about it.
    pub troubles: Vec<(String, Option<String>)>,
    pub command: Option<Command>,
    pub scene: Option<Scene>,
    /// The failover that the step watched.
    pub failover: Option<Failover>,
    /// Whether what was really done and the raw replies are shown as well (`-v`).
    pub detailed: bool,
}

/// A part of the picture.
struct Part {
    label: &'static str,
    paint: Option<Paint>,
    lines: Vec<String>,
    /// Lines above which it is cut, even when there is room.
    most: usize,
    /// Lines below which it is not cut, unless all else is cut.
    worth: usize,
    cut: Cut,
}

/// Where a part is cut.
#[derive(Clone, Copy)]
enum Cut {
    /// A sentence is understood by its beginning.
    End,
    /// Any row of a list may be the one that tells; the first and the last are kept.
    Middle,
    /// Of what somebody else printed the beginning and the end tell most. It is marked as theirs.
    Quote,
}

impl Picture {
    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.misses.is_empty() && self.troubles.is_empty()
    }

    /// The picture in at most `most` lines, or in a few more when there is very much of everything.
    pub fn draw(&self, page: Page, most: usize) -> Vec<String> {
        let mut drawing = Drawing {
            page,
            room: page.width - TEXT,
            detailed: self.detailed,
            troubled: !self.troubles.is_empty(),
            parts: Vec::new(),
        };
        for (what, help) in &self.troubles {
            drawing.trouble(what, help.as_deref());
        }
        let first = usize::from(self.troubles.is_empty());
        if let Some(miss) = self.misses.first().filter(|_| first == 1) {
            drawing.miss(miss);
        }
        let others = self.misses.get(first..).unwrap_or_default();
        for miss in others.iter().take(OTHERS) {
            drawing.text("also", &also(miss), 2);
        }
        if others.len() > OTHERS {
            drawing.text("also", &format!("{} more", others.len() - OTHERS), 1);
        }
        if let Some(failover) = &self.failover {
            drawing.failover(failover);
        }
        if let Some(command) = &self.command {
            drawing.command(command);
        }
        if let Some(scene) = &self.scene {
            drawing.scene(scene);
        }
        if self.detailed {
            drawing.evidence(&self.misses);
        }
        drawing.shrink(most);
        drawing.lines()
    }
}

/// A picture in the making.
struct Drawing {
    page: Page,
    /// Columns for the text of a part.
    room: usize,
    /// Whether more than usual is shown.
    detailed: bool,
    /// Whether something went wrong that is not a check.
    troubled: bool,
    parts: Vec<Part>,
}

impl Drawing {
    /// A text that is wrapped, `most` lines of it at most.
    fn text(&mut self, label: &'static str, text: &str, most: usize) {
        self.painted_text(label, None, text, most);
    }

    fn painted_text(&mut self, label: &'static str, paint: Option<Paint>, text: &str, most: usize) {
        let lines = lines_of(text)
            .iter()
            .flat_map(|line| wrap(line, self.room))
            .collect();
        // What went wrong is worth more than what goes with it.
        let worth = if matches!(label, "expected" | "must hold" | "seen" | "at" | "trouble") {
            2
        } else {
            1
        };
        let most = most * if self.detailed { 4 } else { 1 };
        self.parts.push(Part {
            label,
            paint,
            lines,
            most,
            worth,
            cut: Cut::End,
        });
    }

    /// Lines that somebody else wrote.
    fn quote(&mut self, lines: Vec<String>) {
        let most = if self.detailed { 16 } else { 8 };
        self.parts.push(Part {
            label: "",
            paint: Some(Paint::Faint),
            lines,
            most,
            worth: 3,
            cut: Cut::Quote,
        });
    }

    fn trouble(&mut self, what: &str, help: Option<&str>) {
        self.painted_text("trouble", Some(Paint::Strong), what, 4);
        if let Some(help) = help {
            self.text("help", help, 3);
        }
    }

    fn miss(&mut self, miss: &Miss) {
        let (verdict, style) = (&miss.verdict, self.page.style);
        let within = verdict
            .within_ms
            .filter(|_| verdict.when == When::After)
            .map(|ms| format!(", within {}", span(Duration::from_millis(ms))))
            .unwrap_or_default();
        let expected = format!("{}{within}", one_line(&verdict.expected));
        let place = place(verdict);
        let label = if verdict.list == "holds" {
            "must hold"
        } else {
            "expected"
        };
        let edge = self.page.right_edge() - TEXT;
        let beside = columns(&expected) + columns(&place) + 2 <= edge;
        if beside {
            let gap = " ".repeat(edge - columns(&expected) - columns(&place));
            let line = format!(
                "{}{gap}{}",
                style.paint(Paint::Strong, &expected),
                style.paint(Paint::Faint, &place)
            );
            self.parts.push(Part {
                label,
                paint: None,
                lines: vec![line],
                most: 1,
                worth: 1,
                cut: Cut::End,
            });
        } else {
            self.painted_text(label, Some(Paint::Strong), &expected, 3);
        }
        if let Some(but) = but(miss) {
            self.text("but", &but, 2);
        }
        let seen = lines_of(&verdict.seen).join("\n");
        let seen = if seen.trim().is_empty() {
            "nothing"
        } else {
            seen.as_str()
        };
        match looked(verdict) {
            Some(looked) if columns(seen) + columns(&looked) + 3 <= self.room => {
                self.text("seen", &format!("{seen} ({looked})"), 1)
            }
            Some(looked) => {
                self.text("seen", seen, 5);
                self.text("", &format!("({looked})"), 2);
            }
            None => self.text("seen", seen, 5),
        }
        if !beside {
            self.painted_text("at", Some(Paint::Faint), &place, 2);
        }
        if let Some(why) = &verdict.why {
            self.text("why", &one_line(why), 3);
        }
    }

    /// Whose failover it is, the check says.
    fn failover(&mut self, failover: &Failover) {
        let lines = timeline::draw(self.page, self.page.right_edge() - TEXT, failover);
        self.parts.push(Part {
            label: "timeline",
            paint: None,
            most: lines.len(),
            // It is not cut at all, since a drawing with lines missing tells nothing.
            worth: 2 * lines.len(),
            lines,
            cut: Cut::Middle,
        });
    }

    fn command(&mut self, command: &Command) {
        let item = command
            .item
            .map(|(item, of)| format!("({item} of {of}) "))
            .unwrap_or_default();
        self.text("command", &format!("{item}{}", command.typed), 2);
        if self.detailed && command.really != command.typed {
            self.text("really", &command.really, 2);
        }
        let worked = command
            .output
            .as_ref()
            .is_some_and(|output| output.exit == Some(0));
        if let Some(at) = command.at.as_ref().filter(|_| !worked) {
            self.text(
                "",
                &format!("was at command {}: {}", at.number, at.typed),
                2,
            );
            if self.detailed && at.really != at.typed {
                self.text("really", &at.really, 2);
            }
        }
        if command.output.is_none() && self.troubled {
            self.text("", "came to no end", 1);
        } else {
            self.text("", &ending(command), 2);
        }
        if let Some(output) = &command.output {
            self.quote(printed(output));
        }
    }

    fn scene(&mut self, scene: &Scene) {
        // The log of a node that died tells more than a table in which it is missing.
        for (node, log) in &scene.logs {
            self.text("log", &format!("of {node}, its last lines"), 1);
            let lines = lines_of(log);
            self.quote(if lines.is_empty() {
                vec!["(it logged nothing)".to_owned()]
            } else {
                lines
            });
        }
        if !scene.nodes.is_empty() {
            let lines = self.page.table(&scene.nodes, self.room);
            // Any of its rows may be the one that tells.
            self.parts.push(Part {
                label: "cluster",
                paint: None,
                lines,
                most: 16,
                worth: 8,
                cut: Cut::Middle,
            });
        }
        if !scene.disagreements.is_empty() {
            self.text(
                "views",
                &scene
                    .disagreements
                    .iter()
                    .map(|view| one_line(view))
                    .collect::<Vec<_>>()
                    .join("\n"),
                6,
            );
        }
    }

    /// The raw replies that the verdicts rest on.
    fn evidence(&mut self, misses: &[Miss]) {
        for reply in misses.iter().flat_map(|miss| &miss.verdict.evidence) {
            self.text(
                "reply",
                &format!("{}> {}", reply.node, one_line(&reply.command)),
                1,
            );
            self.quote(lines_of(&reply.reply));
        }
    }

    /// Cuts the parts that are longest beyond their worth until all of them fit; when that is not enough, down to half of it.
    fn shrink(&mut self, most: usize) {
        let mut allowed: Vec<usize> = self
            .parts
            .iter()
            .map(|part| part.lines.len().min(part.most))
            .collect();
        for share in [1, 2] {
            while allowed.iter().sum::<usize>() > most {
                let spare = |index: &usize| {
                    allowed[*index].saturating_sub(self.parts[*index].worth.div_ceil(share))
                };
                match (0..allowed.len()).max_by_key(spare) {
                    Some(longest) if spare(&longest) > 0 => allowed[longest] -= 1,
                    _ => break,
                }
            }
        }
        for (part, most) in self.parts.iter_mut().zip(allowed) {
            let lines = std::mem::take(&mut part.lines);
            part.lines = match part.cut {
                Cut::End => self.page.cut_end(lines, most, self.room),
                Cut::Middle => self.page.cut_middle(lines, most),
                Cut::Quote => {
                    let bar = self.page.style.bar();
                    let lines = self.page.cut_middle(lines, most);
                    lines
                        .iter()
                        .map(|line| {
                            self.page
                                .cut(&format!("{bar} {line}"), self.room)
                                .into_owned()
                        })
                        .collect()
                }
            };
        }
    }

    fn lines(self) -> Vec<String> {
        let page = self.page;
        self.parts
            .into_iter()
            .enumerate()
            .flat_map(|(index, part)| part.draw(page, index == 0))
            .collect()
    }
}

impl Part {
    fn draw(self, page: Page, first: bool) -> Vec<String> {
        let mut out = Vec::with_capacity(self.lines.len());
        for (index, line) in self.lines.iter().enumerate() {
            let text = page.painted(self.paint, line);
            let label = if index == 0 { self.label } else { "" };
            let gap = " ".repeat(TEXT - 4 - label.len().min(TEXT - 4));
            out.push(match (first && index == 0, label.is_empty()) {
                (true, _) => format!(
                    "  {} {}{gap}{text}",
                    page.style.cross(),
                    page.style.paint(Paint::Bad, label)
                ),
                (false, false) => {
                    format!("    {}{gap}{text}", page.style.paint(Paint::Strong, label))
                }
                (false, true) => format!("    {gap}{text}"),
            });
        }
        out
    }
}

/// What makes a check that looks right a failed one, or when it was broken.
fn but(miss: &Miss) -> Option<String> {
    let verdict = &miss.verdict;
    let into = together(&span(miss.into_step));
    match (verdict.list, verdict.when) {
        ("expect", When::Before) => {
            Some("was true before the step already, so the step proves nothing".to_owned())
        }
        ("holds", When::Before) => Some("was not so before the command already".to_owned()),
        ("holds", When::During) => Some(format!(
            "was not so during the command, {into} into the step"
        )),
        ("holds", When::After) => Some(format!(
            "was not so after the command, {into} into the step"
        )),
        _ => None,
    }
}

/// How often and for how long it was looked: `looked 41 times in 10 s, after the command`.
fn looked(verdict: &Verdict) -> Option<String> {
    let over = if verdict.looked_for < Duration::from_millis(1) {
        String::new()
    } else {
        format!(" in {}", together(&span(verdict.looked_for)))
    };
    match (verdict.looks, verdict.list, verdict.when) {
        // A check of the command's own output can be looked at once only.
        (0 | 1, _, _) if verdict.within_ms.is_none() => None,
        (0, _, _) => None,
        // What has times of its own says itself how long it was looked at.
        (_, "expect", When::During) => None,
        (looks, "expect", When::After) => {
            Some(format!("looked {}{over}, after the command", times(looks)))
        }
        (looks, _, _) => Some(format!("looked {}{over}", times(looks))),
    }
}

fn also(miss: &Miss) -> String {
    let verdict = &miss.verdict;
    let when = match (verdict.list, verdict.when) {
        ("expect", When::Before) => ", true before the step already",
        ("holds", When::Before) => ", not so before the command",
        ("holds", When::During) => ", not so during the command",
        _ => "",
    };
    let (expected, seen) = (one_line(&verdict.expected), one_line(&verdict.seen));
    format!("{expected}; seen: {seen}{when} ({})", place(verdict))
}

/// `labs/07-scale-down.yaml:57:9`, as editors and terminals make a link of it.
pub(super) fn place(verdict: &Verdict) -> String {
    format!(
        "{}:{}:{}",
        one_line(&verdict.place.file),
        verdict.place.line,
        verdict.place.column
    )
}

/// How a command ended.
pub(super) fn ending(command: &Command) -> String {
    let Some(output) = &command.output else {
        return "was still running".to_owned();
    };
    let ended = match output.exit {
        Some(code) => format!("exit {code} after {}", took(output.took)),
        None => format!("was stopped after {}", took(output.took)),
    };
    let cut = match output.cut_bytes {
        0 => String::new(),
        cut => format!("; {} of what it printed were not kept", bytes(cut)),
    };
    let silent = if [&output.combined, &output.stdout, &output.stderr]
        .iter()
        .all(|text| text.trim().is_empty())
    {
        "; it printed nothing"
    } else {
        ""
    };
    format!("{ended}{cut}{silent}")
}

/// What a command printed, as lines that can be shown.
pub(super) fn printed(output: &Output) -> Vec<String> {
    if output.combined.is_empty() {
        lines_of(&[output.stdout.as_str(), output.stderr.as_str()].join("\n"))
    } else {
        lines_of(&output.combined)
    }
}
