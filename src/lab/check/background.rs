//! Commands that go on while other steps run, and those without an end.

use super::step::{At, Checker};
use crate::lab::keys::STEP;
use crate::lab::line::Line;
use crate::lab::model::Spanned;
use crate::lab::shape::meant;
use crate::lab::tree::Tree;

impl Checker<'_> {
    /// Whether the step at hand goes on in the background, or is meant to.
    pub(super) fn is_background(&self, at: At<'_>) -> bool {
        self.names.background.contains(&at.number)
    }

    pub(super) fn check_background(&mut self, at: At<'_>) {
        if !self.is_background(at) {
            return;
        }
        if !at.has("run") {
            self.fault(
                at.key_span("background"),
                "this step has no command that could go on",
                "here",
                "add `run`, or remove this",
            );
            return;
        }
        for (key, what, help) in [
            (
                "each",
                "a step in the background runs one command, once",
                "write a step for each item",
            ),
            (
                "wait",
                "a step in the background waits for nothing",
                "its command goes on until it ends or the step that awaits it stops it; make a pause a step of its own",
            ),
            (
                "meanwhile",
                "a step in the background has no probe",
                "give the probe to a step that runs while this goes on",
            ),
            (
                "holds",
                "nobody looks at what holds while a step goes on in the background",
                "give this to the steps that run while it goes on",
            ),
        ] {
            if at.tree.get(key).is_some() {
                self.fault(at.key_span(key), what, "here", help);
            }
        }
        let id = &at.step.id.value;
        if !id.is_empty() && !self.is_awaited(id) {
            self.fault(
                at.key_span("background"),
                "no later step awaits this one",
                "nobody would see how it ends",
                format!("add `await: {id}` to the step before which it has to have ended"),
            );
        }
    }

    /// Whether some step awaits the step `id`, or is meant to. An `await` that could not be read may be the one.
    fn is_awaited(&self, id: &str) -> bool {
        let mut awaits = self.names.awaits.iter();
        awaits.any(|awaited| awaited.id.is_none() || awaited.meant.as_deref() == Some(id))
    }

    pub(super) fn check_await(&mut self, at: At<'_>) {
        let Some(entry) = meant(at.tree, &STEP, "await") else {
            return;
        };
        let (Some(id), span) = (entry.value.text(), entry.value.span) else {
            return;
        };
        self.pending.retain(|_, step| step != id);
        let Some(number) = self.names.numbers.get(id).copied() else {
            let mut awaits = self.names.awaits.iter();
            let label = awaits
                .find(|awaited| awaited.at == at.number)
                .and_then(|awaited| awaited.meant.as_deref())
                .map_or("here".to_owned(), |near| format!("did you mean `{near}`?"));
            self.fault(
                span,
                format!("there is no step `{id}` to await"),
                label,
                "name an earlier step that has `background: true`",
            );
            return;
        };
        if number >= at.number {
            let what = if number == at.number {
                "a step can't await itself".to_owned()
            } else {
                format!("the step `{id}` comes later, and has not begun here")
            };
            self.fault(
                span,
                what,
                "here",
                "a step awaits one that was begun before it",
            );
            return;
        }
        if !self.names.background.contains(&number) {
            self.fault(
                span,
                format!("the step `{id}` does not go on in the background"),
                "has ended before",
                "add `background: true` to that step, or remove this",
            );
            return;
        }
        let mut awaits = self.names.awaits.iter();
        let first = awaits.find(|awaited| awaited.id.as_deref() == Some(id));
        if let Some(first) = first.filter(|first| first.at < at.number) {
            let first = self.lab.steps.get(first.at);
            let line = first.map_or(0, |step| self.lab.source.place(step.id.span.start).0);
            self.fault(
                span,
                format!("the step `{id}` is awaited already"),
                format!("by the step in line {line}"),
                "it has ended by then: remove this",
            );
        }
    }

    /// From here on, until a step awaits it, what this step saves is not there.
    pub(super) fn leave_pending(&mut self, at: At<'_>) {
        let id = meant(at.tree, &STEP, "id").and_then(|id| id.value.text());
        if let (true, Some(id)) = (self.is_background(at), id) {
            let saves = meant(at.tree, &STEP, "save").map_or(&[][..], |save| save.value.entries());
            for entry in saves {
                self.pending.insert(entry.key.clone(), id.to_owned());
            }
        }
    }

    /// A line that goes on until it is stopped.
    pub(super) fn check_endless(&mut self, at: At<'_>, run: &Spanned<Line>) {
        let is_background = self.is_background(at);
        if !is_background && !at.has("wait") {
            self.fault(
                run.span,
                "this goes on until it is stopped, and nothing says when",
                "no end",
                "add `wait: 10s`, or `background: true` and, to a later step, `await`",
            );
        }
        if at.tree.get("timeout").is_some() {
            self.fault(
                at.key_span("timeout"),
                "what goes on until it is stopped can't take too long",
                "here",
                "`wait` says how long it goes on; in the background, the step that awaits it stops it",
            );
        }
        if at.tree.get("each").map(Tree::items).is_some() && !is_background {
            self.fault(
                at.key_span("each"),
                "items are done one after the other, and the first has no end here",
                "here",
                "write a step for each item",
            );
        }
    }
}
