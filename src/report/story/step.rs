//! The part of the story that is about steps: their commands, checks and ends, and the picture of what went wrong in them.

use std::time::Duration;

use crate::engine::event::{Event, Outcome, Verdict};
use crate::lab::action::Output;

use super::super::failure::{self, Command, Miss, Picture, TargetCommand};
use super::super::layout::{one_line, wrap};
use super::super::probe;
use super::super::steps::{self, Head, Step};
use super::super::style::Paint;
use super::super::timeline::{self, Failover};
use super::super::words::{span, times, took};
use super::Story;

/// Lines of a command's output that `-v` shows when all is well.
const OUTPUT: usize = 12;

impl Story {
    pub(super) fn step_skipped(&mut self, id: &str, reason: &str, out: &mut Vec<String>) {
        let step = self.step(id);
        step.skipped = true;
        let head = step.head.clone();
        let lab = self
            .lab
            .as_ref()
            .filter(|_| !self.tally.single())
            .map(|lab| format!("{}, ", lab.name));
        self.tally.skipped(
            format!("{}{}", lab.unwrap_or_default(), head.name()),
            reason,
        );
        self.ended(out, Outcome::Skipped, &head.label(), &head.title, "skipped");
        self.detail(out, reason, None);
    }

    pub(super) fn command_begins(&self, command: &Command, out: &mut Vec<String>) {
        let item = command
            .item
            .map(|(item, of)| format!("({item} of {of}) "))
            .unwrap_or_default();
        self.detail(
            out,
            &format!("$ {item}{}", command.typed),
            Some(Paint::Strong),
        );
        if command.really != command.typed {
            self.detail(out, &format!("= {}", command.really), Some(Paint::Faint));
        }
    }

    /// One of the commands that a make target stands for. The sign is the one by which a shell shows what it runs.
    pub(super) fn target_command(
        &mut self,
        id: &str,
        typed: &str,
        really: &str,
        out: &mut Vec<String>,
    ) {
        let (typed, really) = (one_line(typed), one_line(really));
        self.detail(out, &format!("+ {typed}"), Some(Paint::Strong));
        if really != typed {
            self.detail(out, &format!("= {really}"), Some(Paint::Faint));
        }
        let command = self.step(id).command.get_or_insert_default();
        let number = command.at.as_ref().map_or(0, |at| at.number) + 1;
        command.at = Some(TargetCommand {
            number,
            typed,
            really,
        });
    }

    /// A step whose command goes on while the next steps run.
    pub(super) fn goes_on(&mut self, id: &str, out: &mut Vec<String>) {
        let step = self.step(id);
        step.away = true;
        let head = step.head.clone();
        if self.verbose() {
            self.detail(out, "goes on in the background", Some(Paint::Faint));
        } else if self.normal() {
            out.push(steps::goes_on(self.page, &head.label(), &head.title));
        }
    }

    /// A step whose command went on in the background, and what it did meanwhile.
    pub(super) fn awaited(&mut self, id: &str, stopped: bool, out: &mut Vec<String>) {
        self.come_back(id, out);
        let goes_on = self
            .step(id)
            .command
            .as_ref()
            .is_some_and(|command| command.output.is_none());
        if stopped && goes_on {
            self.detail(out, "stopped: it has no end of its own", Some(Paint::Faint));
        } else if goes_on {
            self.detail(out, "waiting for its end", Some(Paint::Faint));
        }
    }

    fn come_back(&mut self, id: &str, out: &mut Vec<String>) {
        let step = self.step(id);
        step.away = false;
        let (head, held) = (step.head.clone(), std::mem::take(&mut step.held));
        if self.verbose() {
            out.push(steps::begins(self.page, &head.label(), &head.title));
            out.extend(held);
        }
    }

    /// Keeps the lines from `own` on to themselves if they are of a command in the background.
    pub(super) fn hold_back(&mut self, event: &Event, own: usize, out: &mut Vec<String>) {
        let (Event::CommandStarted { step, .. }
        | Event::TargetCommand { step, .. }
        | Event::CommandFinished { step, .. }) = event
        else {
            return;
        };
        if let Some(step) = self.steps.get_mut(step).filter(|step| step.away) {
            step.held.extend(out.drain(own..));
        }
    }

    pub(super) fn command_ends(&self, ending: &str, output: &Output, out: &mut Vec<String>) {
        if self.verbose() {
            let bar = self.page.style.bar();
            let room = self.page.width - steps::lead_width(self.page) - 2;
            for line in self.page.cut_middle(failure::printed(output), OUTPUT) {
                self.indented(
                    out,
                    &self.page.cut(&format!("{bar} {line}"), room),
                    Some(Paint::Faint),
                );
            }
            self.indented(out, ending, Some(Paint::Faint));
        }
    }

    pub(super) fn checked(
        &mut self,
        id: &str,
        verdict: &Verdict,
        at: Duration,
        out: &mut Vec<String>,
    ) {
        if verdict.passed {
            if self.verbose() {
                let (expected, seen) = (one_line(&verdict.expected), one_line(&verdict.seen));
                let list = if verdict.list == "holds" {
                    "holds: "
                } else {
                    ""
                };
                let seen = if seen.is_empty() || expected.ends_with(&seen) {
                    String::new()
                } else {
                    format!("; seen: {seen}")
                };
                let looked = match verdict.looks {
                    0 | 1 => String::new(),
                    looks => format!(" (looked {} in {})", times(looks), span(verdict.looked_for)),
                };
                let text = format!("{list}{expected}{seen}{looked}");
                let mark = self.page.style.mark(Outcome::Passed);
                let indent = self.indent();
                let deep = " ".repeat(self.page.style.mark_width() + 1);
                for (index, line) in wrap(&text, self.page.width - indent.len() - deep.len())
                    .iter()
                    .enumerate()
                {
                    let lead = if index == 0 {
                        format!("{mark} ")
                    } else {
                        deep.clone()
                    };
                    out.push(format!("{indent}{lead}{line}"));
                }
            }
            return;
        }
        let title = self.step(id).head.title.clone();
        let what = format!(
            "{title}: {}; seen: {}",
            one_line(&verdict.expected),
            one_line(&verdict.seen)
        );
        self.tally.failed(failure::place(verdict), &what);
        let step = self.step(id);
        let into_step = at.saturating_sub(step.began);
        step.misses.push(Miss {
            verdict: verdict.clone(),
            into_step,
        });
    }

    pub(super) fn step_finished(
        &mut self,
        id: &str,
        outcome: Outcome,
        time: Duration,
        out: &mut Vec<String>,
    ) {
        let step = self.step(id);
        if std::mem::replace(&mut step.ended, true) || (step.skipped && outcome == Outcome::Skipped)
        {
            return;
        }
        let (head, probes) = (step.head.clone(), std::mem::take(&mut step.probes));
        // Of a step that went wrong it is part of the picture; of one that was interrupted there was more to come.
        let failover = match outcome {
            Outcome::Passed => step.failover.take(),
            _ => None,
        };
        let away = step.away;
        if away {
            self.come_back(id, out);
        }
        let bad = matches!(outcome, Outcome::Failed | Outcome::Broken);
        let right = match outcome {
            Outcome::Broken => format!("broke off  {}", took(time)),
            Outcome::Interrupted if away => format!("called off  {}", took(time)),
            Outcome::Interrupted => format!("interrupted  {}", took(time)),
            _ => took(time),
        };
        if bad {
            self.tell_heading(out);
            out.push(steps::ended(
                self.page,
                outcome,
                &head.label(),
                &head.title,
                &right,
            ));
        } else {
            self.ended(out, outcome, &head.label(), &head.title, &right);
        }
        for report in &probes {
            if bad || self.normal() {
                self.indented(out, &probe::line(report), Some(Paint::Faint));
                if let Some(errors) = probe::errors(report) {
                    self.indented(out, &errors, None);
                }
            }
        }
        if let Some(failover) = failover.filter(|_| self.normal()) {
            self.failover(&failover, out);
        }
        self.failed = Some(id.to_owned());
    }

    /// When a failover's moments were; with `-v` also who showed them.
    fn failover(&self, failover: &Failover, out: &mut Vec<String>) {
        let indent = self.indent();
        let room = self.page.right_edge() - indent.len();
        let head = timeline::head(self.page, room, failover);
        let lines = timeline::draw(self.page, room, failover);
        let lines = std::iter::once(head).chain(lines);
        out.extend(lines.map(|line| format!("{indent}{line}")));
        self.detail(out, &failover.timeline.to_string(), Some(Paint::Faint));
    }

    /// Shows the picture of the step that failed last, once nothing more comes that belongs to it.
    pub(super) fn show_pending(&mut self, event: &Event, out: &mut Vec<String>) {
        let about = match event {
            Event::Scene { step, .. }
            | Event::Checked { step, .. }
            | Event::Observed { step, .. } => Some(step),
            Event::Trouble { step, .. } => step.as_ref(),
            _ => None,
        };
        let about_loose = match event {
            Event::Scene { step, .. } => self.is_loose(step),
            Event::Trouble { step, .. } => step.is_none(),
            _ => false,
        };
        if !about_loose {
            self.show_loose(out);
        }
        if let Some(failed) = self.failed.take() {
            if about == Some(&failed) {
                self.failed = Some(failed);
            } else {
                self.show_picture(&failed, out);
            }
        }
    }

    /// Whether a scene of this name belongs to what went wrong outside of steps.
    pub(super) fn is_loose(&self, scene: &str) -> bool {
        !self.loose.is_empty() && !self.steps.contains_key(scene)
    }

    /// Shows what went wrong outside of steps.
    fn show_loose(&mut self, out: &mut Vec<String>) {
        if !self.loose.is_empty() {
            let picture = std::mem::take(&mut self.loose);
            self.show(&picture, out);
        }
    }

    pub(super) fn show_picture(&mut self, id: &str, out: &mut Vec<String>) {
        let detailed = self.verbose();
        if let Some(picture) = self
            .steps
            .get_mut(id)
            .and_then(|step| step.take_picture(detailed))
        {
            self.show(&picture, out);
        }
    }

    /// Shows every picture that was not shown: of steps that never ended as well.
    pub(super) fn show_all_pictures(&mut self, out: &mut Vec<String>) {
        self.failed = None;
        self.show_loose(out);
        let ids: Vec<String> = self.steps.keys().cloned().collect();
        for id in ids {
            // A step that never ended has no line yet.
            if let Some(step) = self.steps.get(&id)
                && !step.ended
                && (!step.misses.is_empty() || !step.troubles.is_empty())
            {
                let (label, title) = (step.head.label(), step.head.title.clone());
                self.tell_heading(out);
                out.push(steps::ended(
                    self.page,
                    Outcome::Broken,
                    &label,
                    &title,
                    "did not end",
                ));
            }
            self.show_picture(&id, out);
        }
    }

    pub(super) fn show(&mut self, picture: &Picture, out: &mut Vec<String>) {
        self.tell_heading(out);
        let most = if self.verbose() {
            failure::LONG
        } else {
            failure::SCREEN
        };
        out.push(String::new());
        out.extend(picture.draw(self.page, most));
        out.push(String::new());
    }

    /// What is remembered of a step; a step that was never said to begin counts as the next one.
    pub(super) fn step(&mut self, id: &str) -> &mut Step {
        let index = self.steps.len() + 1;
        let of = self.steps_in_lab(index);
        self.steps.entry(id.to_owned()).or_insert_with(|| Step {
            head: Head {
                index,
                of,
                title: one_line(id),
            },
            ..Step::default()
        })
    }
}
