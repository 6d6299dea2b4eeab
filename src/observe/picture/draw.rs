//! The layout of a picture.

use super::bar::{Cell, bar};
use super::facts::{Facts, Health, Role, Row, Table, listed, state};
use super::{Canvas, Span, Tone};
use crate::cluster::{SLOTS, SlotSet};

/// The narrowest canvas that is laid out for.
const NARROWEST: usize = 60;
/// Between two pieces of a line.
const GAP: usize = 2;
/// What stands before a row, and before the further lines of a sentence.
const INDENT: usize = 2;
/// Below this every column counts.
const ROOMY: usize = 80;
/// Bytes that a replica may be behind without being worth a look: about what a busy master sends in a moment.
const NEAR: u64 = 1_000_000;

type Line = Vec<Span>;

fn span(text: impl Into<String>, tone: Tone) -> Span {
    Span {
        text: text.into(),
        tone,
    }
}

fn columns(line: &[Span]) -> usize {
    line.iter().map(|span| span.text.chars().count()).sum()
}

/// As much of a piece as fits into `room` columns.
fn cut(mut piece: Line, room: usize) -> Line {
    while columns(&piece) > room {
        let over = columns(&piece) - room;
        let Some(last) = piece.last_mut() else { break };
        let kept = last.text.chars().count().saturating_sub(over + 3);
        if kept == 0 {
            piece.pop();
        } else {
            last.text = last.text.chars().take(kept).chain("...".chars()).collect();
        }
    }
    piece
}

/// Pieces that follow each other on a line, and go on in the next where they don't fit.
struct Flow {
    width: usize,
    /// Where lines after the first begin.
    indent: usize,
    lines: Vec<Line>,
}

impl Flow {
    fn new(width: usize, indent: usize, first: Line) -> Flow {
        Flow {
            width,
            indent,
            lines: vec![first],
        }
    }

    fn room(&self) -> usize {
        let taken = self.lines.last().map_or(0, |line| columns(line));
        let gap = if taken == 0 { 0 } else { GAP };
        self.width.saturating_sub(taken + gap)
    }

    /// Adds a piece, on a new line if need be.
    fn push(&mut self, piece: Line) {
        if columns(&piece) == 0 {
            return;
        }
        let piece = cut(piece, self.width.saturating_sub(self.indent));
        if columns(&piece) > self.room() && self.lines.last().is_some_and(|line| !line.is_empty()) {
            self.lines
                .push(vec![span(" ".repeat(self.indent), Tone::Plain)]);
            if let Some(line) = self.lines.last_mut() {
                line.extend(piece);
            }
            return;
        }
        if let Some(line) = self.lines.last_mut() {
            if !line.is_empty() {
                line.push(span(" ".repeat(GAP), Tone::Plain));
            }
            line.extend(piece);
        }
    }

    /// Adds a piece if it fits on the line.
    fn push_if_it_fits(&mut self, piece: Line) {
        if columns(&piece) <= self.room() && self.lines.len() == 1 {
            self.push(piece);
        }
    }
}

/// Draws what is known.
pub(super) fn lines(facts: &Facts, canvas: Canvas) -> Vec<Line> {
    let width = canvas.width.max(NARROWEST);
    let canvas = Canvas { width, ..canvas };
    let mut lines = Vec::new();
    let several = facts.tables.len() > 1;
    if several {
        let sentence = format!(
            "the members do not agree: they see {} different clusters",
            facts.tables.len()
        );
        lines.extend(wrapped(&sentence, Tone::Bad, 0, width));
    }
    for table in &facts.tables {
        if several {
            lines.push(Vec::new());
            let heading = format!("seen by {}", listed(&table.seen_by));
            lines.extend(wrapped(&heading, Tone::Strong, 0, width));
        }
        lines.extend(headline(facts, table, width));
        lines.extend(rows(table, canvas));
    }
    if !facts.absent.is_empty() {
        let text = format!("not started: {}", listed(&facts.absent));
        lines.extend(wrapped(&text, Tone::Faint, INDENT, width));
    }
    if !facts.apart.is_empty() {
        lines.push(vec![span("seen differently than above", Tone::Warning)]);
        for sentence in &facts.apart {
            lines.extend(wrapped(sentence, Tone::Plain, INDENT, width));
        }
    }
    lines
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn headline(facts: &Facts, table: &Table, width: usize) -> Vec<Line> {
    if table.seen_by.is_empty() {
        let text = match facts.answering {
            0 => "no node answers".to_owned(),
            1 => "no cluster: one node answers, and knows no other".to_owned(),
            many => format!("no cluster: {many} nodes answer, and none knows another"),
        };
        return wrapped(&text, Tone::Warning, 0, width);
    }
    let tone = if table.ok { Tone::Good } else { Tone::Bad };
    let state = vec![span("cluster ", Tone::Strong), span(state(table.ok), tone)];
    let mut flow = Flow::new(width, INDENT, state);
    let (masters, replicas, failed) = table.counts();
    let mut nodes = format!(
        "{}, {}",
        count(masters, "master"),
        count(replicas, "replica")
    );
    if failed > 0 {
        nodes += &format!(", {failed} failed");
    }
    flow.push(vec![span(nodes, Tone::Plain)]);
    let (served, all) = (table.served(), usize::from(SLOTS));
    flow.push(if served == all {
        vec![span(format!("{all} slots served"), Tone::Plain)]
    } else {
        vec![span(format!("{served} of {all} slots served"), Tone::Bad)]
    });
    flow.lines
}

fn rows(table: &Table, canvas: Canvas) -> Vec<Line> {
    let name_width = table
        .rows
        .iter()
        .map(|row| row.name.chars().count())
        .max()
        .unwrap_or(0);
    let flagged = table
        .rows
        .iter()
        .any(|row| row.role == Role::Master && row.health != Health::Well);
    let ports = table.rows.iter().filter_map(|row| row.port);
    let port_width = ports.map(|port| port.to_string().len()).max().unwrap_or(0);
    let columns = Columns {
        name: name_width,
        port: port_width,
        flagged,
    };
    table
        .rows
        .iter()
        .flat_map(|row| row_lines(row, &columns, canvas))
        .collect()
}

/// What the rows of a table have in common.
struct Columns {
    name: usize,
    port: usize,
    /// Whether a master is not well, so that there is a column for it.
    flagged: bool,
}

fn row_lines(row: &Row, columns: &Columns, canvas: Canvas) -> Vec<Line> {
    let (name_width, port_width) = (columns.name, columns.port);
    let before = if canvas.width < ROOMY { 0 } else { INDENT };
    let port = row.port.map_or_else(String::new, |port| port.to_string());
    let lead = format!("{:before$}{:<name_width$}{:GAP$}", "", row.name, "");
    let indent = before + name_width + GAP + port_width + GAP;
    let first = vec![
        span(lead, Tone::Plain),
        span(format!("{port:<port_width$}"), Tone::Faint),
    ];
    let mut flow = Flow::new(canvas.width, indent, first);
    match &row.role {
        Role::Master => master(row, columns.flagged, canvas, &mut flow),
        Role::Replica(of) => {
            let of = of.as_deref().unwrap_or("nobody");
            flow.push(vec![span(format!("replica of {of}"), Tone::Plain)]);
            flow.push(vec![flag(row.health)]);
        }
        Role::Handshake => flow.push(vec![span("shaking hands", Tone::Warning)]),
        Role::Outside => flow.push(vec![span("in no cluster", Tone::Warning)]),
        Role::Unknown => {}
    }
    if let Some(silent) = &row.silent {
        flow.push(vec![span(silent.clone(), Tone::Bad)]);
    }
    for trouble in &row.trouble {
        flow.push(vec![span(trouble.clone(), Tone::Warning)]);
    }
    match row.lag {
        Some(0) => flow.push(vec![span("in sync", Tone::Faint)]),
        Some(lag) => {
            let tone = if lag < NEAR {
                Tone::Faint
            } else {
                Tone::Warning
            };
            flow.push(vec![span(format!("{lag} bytes behind"), tone)]);
        }
        None => {}
    }
    if let Some(moving) = &row.moving {
        flow.push_if_it_fits(vec![span(moving.clone(), Tone::Strong)]);
    } else if row.role == Role::Master {
        let ranges = ranges(&row.slots, flow.room());
        flow.push_if_it_fits(vec![span(ranges, Tone::Faint)]);
    }
    if let Some(keys) = row.keys.filter(|_| row.role != Role::Outside) {
        let keys = count(usize::try_from(keys).unwrap_or(usize::MAX), "key");
        flow.push_if_it_fits(vec![span(keys, Tone::Faint)]);
    }
    flow.lines
}

fn flag(health: Health) -> Span {
    let tone = match health {
        Health::Well => Tone::Plain,
        Health::Suspected => Tone::Warning,
        Health::Failed => Tone::Bad,
    };
    span(health.flag(), tone)
}

fn master(row: &Row, flagged: bool, canvas: Canvas, flow: &mut Flow) {
    flow.push(vec![span("master", Tone::Strong)]);
    if flagged {
        let mut flag = flag(row.health);
        flag.text = format!("{:<5}", flag.text);
        flow.push(vec![flag]);
    }
    let width = match canvas.width {
        0..ROOMY => 12,
        _ => 24,
    };
    let owned = match row.health {
        Health::Well => Tone::Good,
        Health::Suspected => Tone::Warning,
        Health::Failed => Tone::Bad,
    };
    let mut piece: Line = Vec::new();
    for cell in bar(&row.slots, width) {
        let tone = if cell == Cell::None {
            Tone::Faint
        } else {
            owned
        };
        let sign = cell.sign(canvas.unicode);
        match piece.last_mut() {
            Some(last) if last.tone == tone => last.text.push(sign),
            _ => piece.push(span(sign, tone)),
        }
    }
    flow.push(piece);
    let slots = match row.slots.len() {
        number if flagged && canvas.width < ROOMY => format!("{number:<5}"),
        0 => format!("{:<10}", "no slots"),
        number => format!("{:<10}", count(number, "slot")),
    };
    flow.push(vec![span(slots, Tone::Plain)]);
}

/// As many ranges as fit into `room` columns, and how many there are more.
fn ranges(slots: &SlotSet, room: usize) -> String {
    let ranges: Vec<String> = slots.ranges().iter().map(ToString::to_string).collect();
    let mut shown = ranges.join(" ");
    let mut kept = ranges.len();
    while shown.len() > room && kept > 1 {
        kept -= 1;
        shown = format!("{} +{}", ranges[..kept].join(" "), ranges.len() - kept);
    }
    shown
}

/// A sentence on lines of its own; the second and later ones are indented further.
fn wrapped(sentence: &str, tone: Tone, indent: usize, width: usize) -> Vec<Line> {
    let mut lines: Vec<String> = vec![" ".repeat(indent)];
    let mut empty = true;
    for word in sentence.split(' ') {
        let taken = lines.last().map_or(0, |line| line.chars().count());
        if !empty && taken + 1 + word.chars().count() > width {
            lines.push(" ".repeat(indent + INDENT));
            empty = true;
        }
        if let Some(line) = lines.last_mut() {
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
    }
    lines
        .into_iter()
        .map(|line| vec![span(line, tone)])
        .collect()
}
