//! A run, told in lines: which lines each event leads to. Where and how they are shown is the business of [`Plain`](super::plain::Plain)
//! and [`Live`](super::live::Live), which therefore tell the same story.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cluster::NodeName;
use crate::engine::event::{Counts, Event, Outcome, Stamped};

use super::Verbosity;
use super::failure::{self, Command, Picture};
use super::journal::JournalFate;
use super::layout::{Page, columns, lines_of, one_line, wrap};
use super::steps::{self, Head, Step};
use super::style::Paint;
use super::summary::{LabEnd, Tally, lab_verdict};
use super::timeline::Failover;
use super::words::{count, took};

mod step;

/// Things left behind that are listed one by one.
const LEFT: usize = 8;

/// Turns events into lines.
pub(super) struct Story {
    page: Page,
    verbosity: Verbosity,
    tally: Tally,
    /// The backend and why it was chosen, until it was told.
    backend: Option<String>,
    lab: Option<Lab>,
    /// What `given` asks for, while it is being made.
    given: Option<String>,
    /// What of the lab before is used for this one, in a few words.
    reused: Option<String>,
    steps: BTreeMap<String, Step>,
    /// The step whose picture is shown as soon as the next event is not about it.
    failed: Option<String>,
    /// What went wrong outside of steps; shown as soon as the next event is not about it.
    loose: Picture,
    journal: Option<(String, JournalFate)>,
    end: Option<(Counts, u8, Duration)>,
    concluded: bool,
    /// Whether the last line told was a blank one, or none was told yet.
    blank: bool,
}

/// The lab that runs.
struct Lab {
    file: String,
    /// `Lab 7`, or its title if it has no number.
    name: String,
    heading: String,
    steps: usize,
    heading_told: bool,
}

impl Story {
    pub fn new(verbosity: Verbosity, page: Page) -> Story {
        Story {
            page,
            verbosity,
            tally: Tally::default(),
            backend: None,
            lab: None,
            given: None,
            reused: None,
            steps: BTreeMap::new(),
            failed: None,
            loose: Picture::default(),
            journal: None,
            end: None,
            concluded: false,
            blank: true,
        }
    }

    /// Where the journal is, and what becomes of it: told before the last line.
    pub fn set_journal(&mut self, path: String, fate: JournalFate) {
        self.journal = Some((path, fate));
    }

    pub fn page(&self) -> Page {
        self.page
    }

    pub fn verbosity(&self) -> Verbosity {
        self.verbosity
    }

    /// The place and title of a step that has begun.
    pub fn head(&self, step: &str) -> Option<&Head> {
        self.steps.get(step).map(|step| &step.head)
    }

    /// The lines that an event leads to.
    pub fn tell(&mut self, stamped: &Stamped) -> Vec<String> {
        let mut out = Vec::new();
        self.show_pending(&stamped.event, &mut out);
        let own = out.len();
        match &stamped.event {
            Event::RunStarted { files, .. } => self.tally.asked(files),
            Event::BackendChosen { backend, why } => {
                self.backend = Some(format!("{backend}: {}", one_line(why)));
                if self.lab.is_some() {
                    self.tell_backend(&mut out);
                }
            }
            Event::LabStarted {
                file,
                number,
                title,
                steps,
            } => self.lab_started(file, *number, title, *steps, &mut out),
            Event::LabSkipped { reason } => self.lab_skipped(reason, &mut out),
            Event::GivenStarted { what } => {
                let what = one_line(what);
                if self.verbose() {
                    out.push(steps::begins(self.page, "given", &what));
                }
                self.given = Some(what);
            }
            Event::GivenPhase { phase } => self.detail(&mut out, phase, None),
            Event::EnvironmentReused {
                kept,
                remade,
                removed,
            } => self.environment_reused(kept, remade, removed, &mut out),
            Event::EnvironmentGivenUp { why } => {
                let why = one_line(why);
                self.detail(
                    &mut out,
                    &format!("not reused, all is made anew: {why}"),
                    None,
                );
                self.reused = Some("made anew".to_owned());
            }
            Event::GivenReady {
                took: time, server, ..
            } => {
                let what = self.given.take().unwrap_or_default();
                let parts = [
                    Some(what),
                    server.as_deref().map(one_line),
                    self.reused.take(),
                ];
                let parts: Vec<String> = parts.into_iter().flatten().collect();
                let title = parts.join(&format!(" {} ", self.page.style.dot()));
                self.ended(&mut out, Outcome::Passed, "given", &title, &took(*time));
            }
            Event::StepStarted { step, index, title } => {
                let head = Head {
                    index: *index,
                    of: self.steps_in_lab(*index),
                    title: one_line(title),
                };
                if self.verbose() {
                    out.push(steps::begins(self.page, &head.label(), &head.title));
                }
                self.steps.insert(
                    step.clone(),
                    Step {
                        head,
                        began: stamped.at,
                        ..Step::default()
                    },
                );
            }
            Event::StepSkipped { step, reason } => self.step_skipped(step, reason, &mut out),
            Event::CommandStarted {
                step,
                typed,
                really,
                item,
            } => {
                let command = Command {
                    typed: one_line(typed),
                    really: one_line(really),
                    item: *item,
                    at: None,
                    output: None,
                };
                if self.verbose() {
                    self.command_begins(&command, &mut out);
                }
                self.step(step).command = Some(command);
            }
            Event::TargetCommand {
                step,
                typed,
                really,
            } => self.target_command(step, typed, really, &mut out),
            Event::CommandFinished { step, output } => {
                let command = self.step(step).command.get_or_insert_default();
                command.output = Some(output.clone());
                let ending = failure::ending(command);
                self.command_ends(&ending, output, &mut out);
            }
            // Why it was, the step's trouble tells.
            Event::CommandGivenUp { .. } => {}
            Event::Saved { name, value, .. } => self.detail(
                &mut out,
                &format!("saved {name} = {}", one_line(value)),
                None,
            ),
            Event::Waiting { step, what, seen } => {
                let waiting = (one_line(what), one_line(seen));
                // Looking goes on many times a second; a line is worth it only when something else was seen.
                if self.step(step).waiting.as_ref() != Some(&waiting) {
                    self.detail(
                        &mut out,
                        &format!("waiting for: {}; seen: {}", waiting.0, waiting.1),
                        Some(Paint::Faint),
                    );
                    self.step(step).waiting = Some(waiting);
                }
            }
            // Raw replies are for the journal, and so is each single look of a watch.
            Event::Observed { .. } | Event::Repeated { .. } => {}
            Event::StepInBackground { step } => self.goes_on(step, &mut out),
            Event::StepAwaited { step, stopped } => self.awaited(step, *stopped, &mut out),
            Event::Checked { step, verdict } => self.checked(step, verdict, stamped.at, &mut out),
            Event::CheckSkipped { what, reason, .. } => {
                self.detail(
                    &mut out,
                    &format!("left out: {} ({})", one_line(what), one_line(reason)),
                    Some(Paint::Faint),
                );
            }
            Event::Probed { step, report } => self.step(step).probes.push(report.clone()),
            Event::Timeline {
                step,
                node,
                awaited,
                watched,
                timeline,
                ..
            } => {
                self.step(step).failover = Some(Failover {
                    node: node.clone(),
                    awaited: awaited.clone(),
                    watched: *watched,
                    timeline: timeline.clone(),
                });
            }
            Event::StepFinished {
                step,
                outcome,
                took,
            } => self.step_finished(step, *outcome, *took, &mut out),
            Event::Trouble { step, what, help } => {
                self.trouble(step.as_deref(), what, help.as_deref(), &mut out)
            }
            // The scene of a trouble outside of steps is no step's.
            Event::Scene { step, scene } if self.is_loose(step) => {
                self.loose.scene = Some(scene.clone());
            }
            Event::Scene { step, scene } => self.step(step).scene = Some(scene.clone()),
            Event::Interrupted { times } => self.interrupted(*times, &mut out),
            Event::CleanupStarted => self.give_up_given(Outcome::Interrupted, &mut out),
            Event::CleanupFinished {
                kept,
                took: time,
                left,
            } => self.cleaned(*kept, *time, left, &mut out),
            Event::LabFinished {
                file,
                outcome,
                counts,
                took,
            } => self.lab_finished(file, *outcome, *counts, *took, &mut out),
            Event::RunFinished {
                labs,
                exit_code,
                took,
            } => {
                self.end = Some((*labs, *exit_code, *took));
                self.conclude(&mut out);
            }
        }
        self.hold_back(&stamped.event, own, &mut out);
        self.without_doubled_blanks(out)
    }

    /// The lines that are still to be told when no more events come.
    pub fn finish(&mut self) -> Vec<String> {
        let mut out = Vec::new();
        self.show_all_pictures(&mut out);
        self.conclude(&mut out);
        self.without_doubled_blanks(out)
    }

    fn lab_started(
        &mut self,
        file: &str,
        number: Option<u32>,
        title: &str,
        steps: usize,
        out: &mut Vec<String>,
    ) {
        let (file, title) = (one_line(file), one_line(title));
        let (name, heading) = match number {
            Some(number) => (
                format!("Lab {number}"),
                format!("Lab {number} {} {title}", self.page.style.dot()),
            ),
            None => (title.clone(), title),
        };
        self.steps.clear();
        self.reused = None;
        self.tally.begun();
        self.lab = Some(Lab {
            file,
            name,
            heading,
            steps,
            heading_told: false,
        });
        if self.normal() {
            self.tell_heading(out);
            self.tell_backend(out);
        }
    }

    /// The heading of the lab, once.
    fn tell_heading(&mut self, out: &mut Vec<String>) {
        let page = self.page;
        if let Some(lab) = self.lab.as_mut().filter(|lab| !lab.heading_told) {
            lab.heading_told = true;
            out.push(String::new());
            if columns(&lab.heading) + columns(&lab.file) + 2 <= page.right_edge() {
                out.push(page.spread(
                    "",
                    (&lab.heading, Some(Paint::Strong)),
                    (&lab.file, Some(Paint::Faint)),
                ));
            } else {
                out.extend(
                    wrap(&lab.heading, page.width)
                        .iter()
                        .map(|line| page.style.paint(Paint::Strong, line)),
                );
                let file = wrap(&lab.file, page.width - 2);
                out.extend(
                    file.iter()
                        .map(|line| format!("  {}", page.style.paint(Paint::Faint, line))),
                );
            }
        }
    }

    /// Which backend and why, once for each choice.
    fn tell_backend(&mut self, out: &mut Vec<String>) {
        if self.normal()
            && let Some(backend) = self.backend.take()
        {
            let lines = wrap(&backend, self.page.width - 4);
            out.extend(lines.iter().enumerate().map(|(index, line)| {
                let indent = if index == 0 { "  " } else { "    " };
                format!("{indent}{}", self.page.style.paint(Paint::Faint, line))
            }));
        }
    }

    fn lab_skipped(&mut self, reason: &str, out: &mut Vec<String>) {
        let name = self
            .lab
            .as_ref()
            .map_or_else(|| "lab".to_owned(), |lab| lab.name.clone());
        self.tally.skipped(name, reason);
        self.ended(
            out,
            Outcome::Skipped,
            "lab",
            &format!("skipped: {}", one_line(reason)),
            "",
        );
    }

    fn trouble(
        &mut self,
        step: Option<&str>,
        what: &str,
        help: Option<&str>,
        out: &mut Vec<String>,
    ) {
        let place = match (step, &self.lab) {
            (Some(step), Some(lab)) => format!("{}, step {step}", lab.file),
            (None, Some(lab)) => lab.file.clone(),
            _ => "run".to_owned(),
        };
        self.tally.failed(place, what);
        let trouble = (what.to_owned(), help.map(str::to_owned));
        match step {
            // The scene of the trouble is still to come.
            Some(step) => self.step(step).troubles.push(trouble),
            None => {
                self.tell_backend(out);
                self.give_up_given(Outcome::Broken, out);
                self.loose.troubles.push(trouble);
            }
        }
    }

    /// The line of a `given` that was not reached.
    fn give_up_given(&mut self, outcome: Outcome, out: &mut Vec<String>) {
        if let Some(what) = self.given.take()
            && (self.normal() || outcome == Outcome::Broken)
        {
            self.tell_heading(out);
            out.push(steps::ended(
                self.page,
                outcome,
                "given",
                &what,
                "not reached",
            ));
        }
    }

    fn interrupted(&self, times: u32, out: &mut Vec<String>) {
        let text = match times {
            0 | 1 => "interrupted; cleaning up (Ctrl-C again to skip the lab's cleanup)",
            2 => {
                "interrupted again; the lab's cleanup is skipped, what the run made is being removed"
            }
            _ => {
                "still removing what the run made; if you end this by force, `labrunner clean` removes the rest"
            }
        };
        let lines = wrap(text, self.page.width - 4);
        out.extend(lines.iter().enumerate().map(|(index, line)| {
            let sign = if index == 0 {
                self.page.style.bang()
            } else {
                " ".to_owned()
            };
            format!("  {sign} {}", self.page.style.paint(Paint::Warning, line))
        }));
    }

    fn environment_reused(
        &mut self,
        kept: &[NodeName],
        remade: &BTreeMap<NodeName, String>,
        removed: &[NodeName],
        out: &mut Vec<String>,
    ) {
        let list = |nodes: &[NodeName]| {
            let names: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
            names.join(", ")
        };
        if !kept.is_empty() {
            self.detail(out, &format!("reset: {}", list(kept)), None);
        }
        for (node, why) in remade {
            let why = one_line(why);
            self.detail(out, &format!("made anew: {node} ({why})"), None);
        }
        if !removed.is_empty() {
            self.detail(out, &format!("removed: {}", list(removed)), None);
        }
        self.reused = match (kept.len(), remade.len()) {
            (0, _) => None,
            (_, 0) => Some("reused".to_owned()),
            (kept, remade) => Some(format!("{kept} of {} reused", count(kept + remade, "node"))),
        };
    }

    fn cleaned(&mut self, kept: bool, time: Duration, left: &[String], out: &mut Vec<String>) {
        if left.is_empty() {
            let title = match kept {
                true => "the environment is kept for the next lab",
                false => "all that the run made is removed",
            };
            self.ended(out, Outcome::Passed, "clean", title, &took(time));
            return;
        }
        self.tell_heading(out);
        let title = format!("{} could not be removed", count(left.len(), "thing"));
        out.push(steps::ended(
            self.page,
            Outcome::Broken,
            "clean",
            &title,
            &took(time),
        ));
        for thing in left.iter().take(LEFT) {
            self.indented(out, thing, None);
        }
        if left.len() > LEFT {
            self.indented(out, &format!("and {} more", left.len() - LEFT), None);
        }
        self.indented(out, "`labrunner clean` tries again.", Some(Paint::Strong));
    }

    fn lab_finished(
        &mut self,
        file: &str,
        outcome: Outcome,
        counts: Counts,
        took: Duration,
        out: &mut Vec<String>,
    ) {
        self.show_all_pictures(out);
        let (name, heading) = self.lab.take().map_or_else(
            || (one_line(file), one_line(file)),
            |lab| (lab.name, lab.heading),
        );
        let end = LabEnd {
            name,
            heading,
            outcome,
            counts,
            took,
        };
        // The verdict of the only lab is the run's last line.
        if !self.tally.single() && self.normal() {
            out.extend(lab_verdict(self.page, &end, 0));
            out.push(String::new());
        }
        self.tally.ended(end);
        self.steps.clear();
        self.given = None;
    }

    /// The last lines of the run, once.
    fn conclude(&mut self, out: &mut Vec<String>) {
        if std::mem::replace(&mut self.concluded, true) {
            return;
        }
        self.show_all_pictures(out);
        let page = self.page;
        if self.normal() {
            out.push(String::new());
            out.extend(self.tally.table(page));
            out.extend(self.tally.lists(page));
        }
        if let Some((path, fate)) = &self.journal {
            match fate.trouble() {
                Some(trouble) => {
                    let text = format!("journal: {path} is not complete: {}", one_line(trouble));
                    out.extend(
                        wrap(&text, page.width)
                            .iter()
                            .map(|line| page.style.paint(Paint::Warning, line)),
                    );
                }
                // A path is not cut: it is there to be copied.
                None if self.normal() => {
                    out.push(page.style.paint(Paint::Faint, &format!("journal: {path}")))
                }
                None => {}
            }
        }
        out.extend(self.tally.verdict(page, self.end));
    }

    /// A line of something that ended well, or was not tried.
    fn ended(
        &self,
        out: &mut Vec<String>,
        outcome: Outcome,
        label: &str,
        title: &str,
        right: &str,
    ) {
        if self.normal() {
            out.push(steps::ended(self.page, outcome, label, title, right));
        }
    }

    /// Text below a line, with `-v` only.
    fn detail(&self, out: &mut Vec<String>, text: &str, paint: Option<Paint>) {
        if self.verbose() {
            self.indented(out, text, paint);
        }
    }

    /// Text below a line, where its title begins.
    fn indented(&self, out: &mut Vec<String>, text: &str, paint: Option<Paint>) {
        let indent = self.indent();
        for line in lines_of(text) {
            for (index, part) in wrap(&line, self.page.width - indent.len() - 2)
                .iter()
                .enumerate()
            {
                let deeper = if index == 0 { "" } else { "  " };
                out.push(format!(
                    "{indent}{deeper}{}",
                    self.page.painted(paint, part)
                ));
            }
        }
    }

    fn indent(&self) -> String {
        " ".repeat(steps::lead_width(self.page))
    }

    fn steps_in_lab(&self, at_least: usize) -> usize {
        self.lab.as_ref().map_or(0, |lab| lab.steps).max(at_least)
    }

    fn normal(&self) -> bool {
        self.verbosity >= Verbosity::Normal
    }

    fn verbose(&self) -> bool {
        self.verbosity >= Verbosity::Verbose
    }

    /// No blank line at the beginning, and never two in a row.
    fn without_doubled_blanks(&mut self, mut lines: Vec<String>) -> Vec<String> {
        lines.retain(|line| {
            let keep = !(line.is_empty() && self.blank);
            self.blank = line.is_empty();
            keep
        });
        lines
    }
}
