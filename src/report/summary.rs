//! The last lines of a run: how each of several labs ended, what was skipped and why, what failed and where, where the journal is,
//! and the verdict.
//!
//! The verdict is the last line, and it always counts what was skipped: a run in which nothing was tried must not look like one in
//! which all was well.

use std::time::Duration;

use crate::engine::event::{Counts, Outcome};

use super::layout::{Page, columns, columns_painted, one_line, together, wrap};
use super::style::Paint;
use super::words::{count, took};

/// Skips and failures that are listed one by one; of what is more, the number.
const LISTED: usize = 12;

/// What is remembered of a run for its last lines.
#[derive(Debug, Default)]
pub(super) struct Tally {
    labs: Vec<LabEnd>,
    skips: Vec<(String, String)>,
    failures: Vec<(String, String)>,
    /// The files of the labs that the run was given.
    asked: Vec<String>,
    /// How many of them were begun.
    begun: usize,
}

/// How a lab ended.
#[derive(Debug)]
pub(super) struct LabEnd {
    /// `Lab 7`
    pub name: String,
    /// `Lab 7 · Scaling down`
    pub heading: String,
    pub outcome: Outcome,
    pub counts: Counts,
    pub took: Duration,
}

impl Tally {
    /// Remembers that `what` was skipped.
    pub fn skipped(&mut self, what: String, reason: &str) {
        self.skips.push((what, one_line(reason)));
    }

    /// Remembers what went wrong, and where.
    pub fn failed(&mut self, place: String, what: &str) {
        self.failures.push((place, one_line(what)));
    }

    /// Remembers what the run was given.
    pub fn asked(&mut self, files: &[String]) {
        self.asked = files.iter().map(|file| one_line(file)).collect();
    }

    /// Remembers that a lab was begun.
    pub fn begun(&mut self) {
        self.begun += 1;
    }

    /// Remembers how a lab ended.
    pub fn ended(&mut self, lab: LabEnd) {
        self.labs.push(lab);
    }

    /// Whether the run is one of a single lab, whose verdict is the run's.
    pub fn single(&self) -> bool {
        self.asked.len() <= 1 && self.labs.len() <= 1
    }

    /// A line a lab, in a run of several: how it ended, its steps and checks, and how long it took.
    pub fn table(&self, page: Page) -> Vec<String> {
        if self.single() || self.labs.is_empty() {
            return Vec::new();
        }
        let not_run: &[String] = self.asked.get(self.begun..).unwrap_or_default();
        let columns = Columns::of(&self.labs);
        let heading = count(self.labs.len() + not_run.len(), "lab");
        let mut lines = vec![page.style.paint(Paint::Strong, &heading)];
        lines.extend(self.labs.iter().map(|lab| {
            let paint = match lab.outcome {
                Outcome::Failed | Outcome::Broken => Some(Paint::Strong),
                Outcome::Skipped => Some(Paint::Faint),
                Outcome::Passed | Outcome::Interrupted => None,
            };
            row(
                page,
                &page.style.mark(lab.outcome),
                (&lab.heading, paint),
                &columns.show(lab),
            )
        }));
        let left_out = page.style.mark(Outcome::Skipped);
        lines.extend(
            not_run
                .iter()
                .map(|file| row(page, &left_out, (file, Some(Paint::Faint)), "not run")),
        );
        lines.push(String::new());
        lines
    }

    /// What was skipped and why, and, in a run of many labs, what failed and where.
    pub fn lists(&self, page: Page) -> Vec<String> {
        let mut lines = list(
            page,
            "failed",
            Paint::Bad,
            if self.single() { &[] } else { &self.failures },
        );
        lines.extend(list(page, "skipped", Paint::Warning, &self.skips));
        lines
    }

    /// The run's last line. `ended` is what its last event says; `None` when that event never came.
    pub fn verdict(&self, page: Page, ended: Option<(Counts, u8, Duration)>) -> Vec<String> {
        match (ended, self.labs.as_slice()) {
            (_, [lab]) if self.single() => {
                lab_verdict(page, lab, ended.map_or(0, |(_, exit_code, _)| exit_code))
            }
            (Some((labs, exit_code, time)), _) => self.run_verdict(page, labs, exit_code, time),
            (None, _) => vec![page.style.paint(Paint::Bad, "The run broke off.")],
        }
    }

    fn run_verdict(&self, page: Page, labs: Counts, exit_code: u8, time: Duration) -> Vec<String> {
        let total = labs.passed + labs.failed + labs.skipped + labs.not_run;
        let steps =
            |of: fn(&Counts) -> usize| self.labs.iter().map(|lab| of(&lab.counts)).sum::<usize>();
        let mut parts = vec![format!("{} passed", labs.passed)];
        if labs.failed > 0 {
            parts.push(format!("{} failed", labs.failed));
        }
        if labs.not_run > 0 {
            parts.push(format!("{} not run", labs.not_run));
        }
        parts.push(format!("{} skipped", labs.skipped));
        let (verdict, paint) = match exit_code {
            0 if labs.passed == 0 => ("Nothing ran", Paint::Warning),
            0 => ("Passed", Paint::Good),
            130 => ("Interrupted", Paint::Warning),
            _ => ("Failed", Paint::Bad),
        };
        let mut tail = Vec::new();
        if !self.labs.is_empty() {
            tail.push(format!(
                "{} passed, {} skipped",
                count(steps(|c| c.passed), "step"),
                steps(|c| c.skipped)
            ));
            tail.push(count(steps(|c| c.checks), "check"));
        }
        tail.push(took(time));
        tail.extend(meaning(exit_code));
        sentence(
            page,
            (paint, verdict),
            &format!(": {}, {}", count(total, "lab"), parts.join(", ")),
            &tail,
        )
    }
}

/// The right part of a table of labs, in columns.
struct Columns {
    steps: usize,
    checks: usize,
    time: usize,
}

impl Columns {
    fn of(labs: &[LabEnd]) -> Columns {
        let widest = |text: fn(&LabEnd) -> String| {
            let widths = labs.iter().map(|lab| columns(&text(lab)));
            widths.max().unwrap_or_default()
        };
        Columns {
            steps: widest(LabEnd::steps),
            checks: widest(LabEnd::checks),
            time: widest(|lab| took(lab.took)),
        }
    }

    fn show(&self, lab: &LabEnd) -> String {
        if lab.outcome == Outcome::Skipped {
            return "skipped".to_owned();
        }
        format!(
            "{:>3$}  {:>4$}  {:>5$}",
            lab.steps(),
            lab.checks(),
            took(lab.took),
            self.steps,
            self.checks,
            self.time
        )
    }
}

impl LabEnd {
    /// Those that passed, of all.
    fn steps(&self) -> String {
        let Counts {
            passed,
            failed,
            skipped,
            not_run,
            ..
        } = self.counts;
        let all = passed + failed + skipped + not_run;
        format!("{passed} of {}", count(all, "step"))
    }

    fn checks(&self) -> String {
        count(self.counts.checks, "check")
    }
}

fn row(page: Page, mark: &str, title: (&str, Option<Paint>), right: &str) -> String {
    let gap = page
        .style
        .mark_width()
        .saturating_sub(columns_painted(mark));
    let lead = format!("  {mark}{}  ", " ".repeat(gap));
    page.spread(&lead, title, (right, Some(Paint::Faint)))
}

/// The line that says how a lab ended, and, of the run's only lab, what the exit code means beyond that.
pub(super) fn lab_verdict(page: Page, lab: &LabEnd, exit_code: u8) -> Vec<String> {
    let counts = lab.counts;
    let (verdict, paint) = match lab.outcome {
        Outcome::Passed if exit_code == 0 => ("passed", Paint::Good),
        // Its checks held, and something else went wrong.
        Outcome::Passed => ("passed", Paint::Bad),
        Outcome::Failed => ("failed", Paint::Bad),
        Outcome::Skipped => ("skipped", Paint::Warning),
        Outcome::Broken => ("broke off", Paint::Bad),
        Outcome::Interrupted => ("interrupted", Paint::Warning),
    };
    let mut parts = vec![format!("{} passed", count(counts.passed, "step"))];
    if counts.failed > 0 {
        parts.push(format!("{} failed", counts.failed));
    }
    if counts.not_run > 0 {
        parts.push(format!("{} not run", counts.not_run));
    }
    parts.push(format!("{} skipped", counts.skipped));
    let mut tail = vec![count(counts.checks, "check"), took(lab.took)];
    tail.extend(meaning(exit_code));
    sentence(
        page,
        (paint, &format!("{} {verdict}", lab.name)),
        &format!(": {}", parts.join(", ")),
        &tail,
    )
}

/// What an exit code says beyond the verdict.
fn meaning(exit_code: u8) -> Option<String> {
    let meaning = match exit_code {
        0 | 1 | 130 => return None,
        2 => "the command line is wrong",
        3 => "a lab is not valid",
        4 => "the environment is not there",
        5 => "the environment broke",
        _ => "a fault of labrunner itself",
    };
    Some(format!("exit code {exit_code}, {meaning}"))
}

/// A verdict in its colour, and what follows it, wrapped to the page.
fn sentence(
    page: Page,
    (paint, head): (Paint, &str),
    middle: &str,
    tail: &[String],
) -> Vec<String> {
    let dot = page.style.dot();
    let mut text = format!("{head}{middle}");
    for part in tail {
        text.push_str(&format!("\u{a0}{dot} {}", together(part)));
    }
    let mut lines: Vec<String> = Vec::new();
    for (index, line) in wrap(&text, page.width - 2).into_iter().enumerate() {
        lines.push(match (index, line.strip_prefix(head)) {
            (0, Some(rest)) => format!("{}{rest}", page.style.paint(paint, head)),
            (0, None) => page.style.paint(paint, &line),
            _ => format!("  {line}"),
        });
    }
    lines
}

/// Things and what is to be said of each, one below the other.
fn list(page: Page, label: &str, paint: Paint, entries: &[(String, String)]) -> Vec<String> {
    let mut lines = Vec::new();
    let indent = " ".repeat("skipped".len() + 2);
    for (index, (thing, said)) in entries.iter().take(LISTED).enumerate() {
        for (part, text) in wrap(&format!("{thing}: {said}"), page.width - indent.len() - 2)
            .iter()
            .enumerate()
        {
            lines.push(match index + part {
                0 => format!(
                    "{}{}{text}",
                    page.style.paint(paint, label),
                    &indent[label.len().min(indent.len())..]
                ),
                _ => format!("{indent}{}{text}", if part > 0 { "  " } else { "" }),
            });
        }
    }
    if entries.len() > LISTED {
        lines.push(format!("{indent}and {} more", entries.len() - LISTED));
    }
    lines
}
