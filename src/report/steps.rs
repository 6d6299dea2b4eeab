//! One line of a run, and what is remembered of a step until it has ended.

use std::time::Duration;

use crate::engine::event::{Outcome, Scene};
use crate::load::ProbeReport;

use super::failure::{Command, Miss, Picture};
use super::layout::{Page, columns_painted};
use super::style::Paint;
use super::timeline::Failover;

/// Columns that a line's label takes: `given`, ` 1/12`.
const LABEL: usize = 5;

/// What is remembered of a step.
#[derive(Debug, Default)]
pub(super) struct Step {
    /// Its place and title.
    pub head: Head,
    /// When it began, in time since the run began.
    pub began: Duration,
    pub command: Option<Command>,
    pub misses: Vec<Miss>,
    pub troubles: Vec<(String, Option<String>)>,
    pub scene: Option<Scene>,
    pub probes: Vec<ProbeReport>,
    pub failover: Option<Failover>,
    /// What was last said to be waited for.
    pub waiting: Option<(String, String)>,
    pub skipped: bool,
    pub ended: bool,
    /// Its command goes on, or has ended, in the background, and nobody has asked for it yet.
    pub away: bool,
    /// Lines of what its command did meanwhile. They would stand among those of other steps.
    pub held: Vec<String>,
}

/// A step's place among the steps of its lab, and its title.
#[derive(Debug, Clone, Default)]
pub(super) struct Head {
    pub index: usize,
    pub of: usize,
    pub title: String,
}

impl Head {
    /// ` 4/12`.
    pub fn label(&self) -> String {
        let width = self.of.to_string().len();
        format!("{:>width$}/{}", self.index, self.of)
    }

    /// `4/12 Wait for the failover`.
    pub fn name(&self) -> String {
        format!("{}/{} {}", self.index, self.of, self.title)
    }
}

impl Step {
    /// What went wrong in this step, if anything did. What it takes is forgotten, so that nothing is shown twice.
    pub fn take_picture(&mut self, detailed: bool) -> Option<Picture> {
        let picture = Picture {
            misses: std::mem::take(&mut self.misses),
            troubles: std::mem::take(&mut self.troubles),
            command: self.command.clone(),
            scene: self.scene.take(),
            failover: self.failover.take(),
            detailed,
        };
        (!picture.is_empty()).then_some(picture)
    }
}

/// The line of something that ended: its mark, its label, what it is, and how long it took.
pub(super) fn ended(page: Page, outcome: Outcome, label: &str, title: &str, right: &str) -> String {
    let paint = match outcome {
        Outcome::Failed | Outcome::Broken => Some(Paint::Strong),
        Outcome::Skipped => Some(Paint::Faint),
        Outcome::Passed | Outcome::Interrupted => None,
    };
    let lead = lead(page, &page.style.mark(outcome), label);
    page.spread(&lead, (title, paint), (right, Some(Paint::Faint)))
}

/// The line of something that begins, where lines are not redrawn.
pub(super) fn begins(page: Page, label: &str, title: &str) -> String {
    let arrow = format!("{:<1$}", ">", page.style.mark_width());
    let lead = lead(page, &page.style.paint(Paint::Busy, &arrow), label);
    page.spread(&lead, (title, Some(Paint::Strong)), ("", None))
}

/// The line of something that goes on while others follow.
pub(super) fn goes_on(page: Page, label: &str, title: &str) -> String {
    let arrow = format!("{:<1$}", ">", page.style.mark_width());
    let lead = lead(page, &page.style.paint(Paint::Busy, &arrow), label);
    let right = ("in the background", Some(Paint::Faint));
    page.spread(&lead, (title, None), right)
}

/// Everything that stands left of a line's title.
pub(super) fn lead(page: Page, mark: &str, label: &str) -> String {
    let gap = page
        .style
        .mark_width()
        .saturating_sub(columns_painted(mark));
    format!("  {mark}{}  {label:<LABEL$}  ", " ".repeat(gap))
}

/// Columns that [`lead`] takes.
pub(super) fn lead_width(page: Page) -> usize {
    page.style.mark_width() + LABEL + 6
}
