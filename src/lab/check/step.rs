//! Whether the parts of a step fit together.

use std::collections::{BTreeMap, BTreeSet};

use super::kind::{ADD_POSTGRES, NO_POSTGRES};
use super::names::{Names, mentions};
use super::reference::Where;
use crate::lab::environment::CourseNode;
use crate::lab::fault::{Fault, nearest};
use crate::lab::keys::{CHECK, LAB, STEP};
use crate::lab::line::Line;
use crate::lab::line::redis_cli::RedisCliLine;
use crate::lab::model::{Check, Lab, ProbeTarget, Spanned, Step};
use crate::lab::place::locate;
use crate::lab::shape::meant;
use crate::lab::source::Span;
use crate::lab::tree::{Entry, Tree};

pub(super) struct Checker<'a> {
    pub(super) lab: &'a Lab,
    pub(super) tree: &'a Tree,
    pub(super) faults: &'a mut Vec<Fault>,
    pub(super) names: Names,
    /// What is saved up to where the checker stands.
    pub(super) saved: BTreeMap<String, Span>,
    /// Those of them that a step saves whose command still goes on in the background: the step's id.
    pub(super) pending: BTreeMap<String, String>,
}

/// The step at hand.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) number: usize,
    pub(super) step: &'a Step,
    pub(super) tree: &'a Tree,
}

impl<'a> At<'a> {
    /// Whether the step has `key`, understood or not.
    pub(super) fn has(&self, key: &str) -> bool {
        meant(self.tree, &STEP, key).is_some()
    }

    pub(super) fn key_span(&self, key: &str) -> Span {
        self.tree
            .entry(key)
            .map_or(self.tree.span, |entry| entry.key_span)
    }

    /// The entries of all items of `each`, item by item.
    pub(super) fn each(&self) -> impl Iterator<Item = &'a [Entry]> + use<'a> {
        meant(self.tree, &STEP, "each")
            .map_or(&[][..], |each| each.value.items())
            .iter()
            .map(Tree::entries)
    }

    /// Whether one of the step's checks is of a kind, understood or not.
    fn checks(&self, kind: &str) -> bool {
        let lists = ["expect", "holds"]
            .map(|list| meant(self.tree, &STEP, list).map_or(&[][..], |list| list.value.items()));
        lists
            .concat()
            .iter()
            .any(|check| meant(check, &CHECK, kind).is_some())
    }
}

impl Checker<'_> {
    pub(super) fn fault(
        &mut self,
        span: Span,
        what: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.faults.push(Fault::new(span, what, label).help(help));
    }

    pub(super) fn step(&mut self, number: usize, step: &Step, tree: &Tree) {
        let at = At { number, step, tree };
        let first = self.names.steps.get(&step.id.value).copied();
        let (line, _) = self.lab.source.place(step.id.span.start);
        if let Some(first) = first.filter(|first| *first != line) {
            let what = format!("there is a step `{}` already", step.id.value);
            self.fault(
                step.id.span,
                what,
                format!("first in line {first}"),
                "give each step an id of its own",
            );
        }
        self.check_keys(at);
        self.check_await(at);
        self.check_background(at);
        self.check_each(at);
        if let Some(run) = &step.run {
            self.line(at, run, Where::EachItem);
        }
        if let Some(stdin) = &step.stdin {
            self.template(at, &stdin.value, stdin.span, Where::EachItem);
        }
        for (_, value) in step.each.iter().flat_map(|item| &item.values) {
            self.template(at, &value.value, value.span, Where::Once);
        }
        self.check_probe(at);
        // What holds is looked at before the step as well, so it can't use what the step saves.
        self.check_list(at, "holds", &step.holds);
        self.check_save(at);
        self.check_list(at, "expect", &step.expect);
        for line in &step.cleanup {
            self.line(at, line, Where::Once);
        }
        self.leave_pending(at);
        // A step that does nothing but await another has that one's checks.
        let awaits_only = at.has("await") && !at.has("run");
        if !at.has("expect") && !at.has("holds") && !awaits_only {
            let (span, what) = match step.id.value.as_str() {
                "" => (tree.span, "nothing is checked after this step".to_owned()),
                id => (
                    step.id.span,
                    format!("nothing is checked after the step `{id}`"),
                ),
            };
            let help = if self.is_background(at) {
                "add `expect`, with checks of what its command printed"
            } else {
                "add `expect` (what becomes true by it) or `holds` (what is true throughout)"
            };
            self.fault(span, what, "nobody would notice if it failed", help);
        }
    }

    /// Keys that go together, and keys that don't.
    fn check_keys(&mut self, at: At<'_>) {
        let step = at.step;
        // Of a line that is not understood nobody knows whether it has an end.
        if let Some(run) = &step.run {
            if run.value.is_endless() {
                self.check_endless(at, run);
            } else if step.wait.is_some() && !self.is_background(at) {
                self.fault(
                    at.key_span("wait"),
                    "a step either runs a command or waits",
                    "here it does both",
                    "make the pause a step of its own; both go together only where the command has no end, as `watch` has none",
                );
            }
        }
        if !at.has("run") {
            for key in ["stdin", "each", "save", "timeout"] {
                if at.tree.get(key).is_some() {
                    self.fault(
                        at.key_span(key),
                        format!("`{key}` belongs to a `run`, and this step has none"),
                        "here",
                        "add `run`, or remove this",
                    );
                }
            }
        }
        if let (Some(run), Some(_)) = (&step.run, &step.stdin) {
            let span = at.key_span("stdin");
            match run.value.redis_cli() {
                None => self.fault(
                    span,
                    "this command reads nothing from its standard input",
                    "here",
                    "`stdin` goes with `redis-cli -x`, and with a `redis-cli` that has no command of its own",
                ),
                Some(cli) if cli.stdin_option().is_none() && !cli.reads_commands() => {
                    self.fault(
                        span,
                        "redis-cli reads nothing from its standard input here",
                        "here",
                        "add `-x` to the command: it takes its last argument from `stdin`",
                    );
                }
                Some(_) => {}
            }
        }
    }

    fn check_save(&mut self, at: At<'_>) {
        for entry in meant(at.tree, &STEP, "save").map_or(&[][..], |save| save.value.entries()) {
            let (name, span) = (&entry.key, entry.key_span);
            if CourseNode::named(name).is_some() || name == "each" {
                self.fault(
                    span,
                    format!("`{name}` can't be the name of a saved value"),
                    "taken",
                    "choose another name",
                );
                continue;
            }
            match self.saved.get(name) {
                Some(first) if *first != span => {
                    let (line, _) = self.lab.source.place(first.start);
                    self.fault(
                        span,
                        format!("`{name}` is saved twice"),
                        format!("first in line {line}"),
                        "choose another name",
                    );
                }
                _ => drop(self.saved.insert(name.clone(), span)),
            }
        }
    }

    fn check_each(&mut self, at: At<'_>) {
        let trees = meant(at.tree, &STEP, "each").map_or(&[][..], |each| each.value.items());
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for entry in at.each().flatten() {
            *counts.entry(&entry.key).or_default() += 1;
        }
        const SAME: &str = "all items of `each` have the same names";
        // What most items have, all must have; what few have is a slip in those.
        let (common, rare): (BTreeSet<&str>, BTreeSet<&str>) = counts
            .keys()
            .copied()
            .partition(|name| counts[name] * 2 > trees.len());
        for item in trees.iter().filter(|item| !item.entries().is_empty()) {
            let slips: Vec<&Entry> = item
                .entries()
                .iter()
                .filter(|entry| rare.contains(entry.key.as_str()))
                .collect();
            let missing: Vec<&str> = common
                .iter()
                .copied()
                .filter(|name| item.entry(name).is_none())
                .collect();
            for slip in &slips {
                let near = nearest(&slip.key, missing.iter().copied());
                let label =
                    near.map_or("here".to_owned(), |near| format!("did you mean `{near}`?"));
                self.fault(
                    slip.key_span,
                    format!("not every item has `{}`", slip.key),
                    label,
                    SAME,
                );
            }
            for name in missing.iter().filter(|name| {
                !slips
                    .iter()
                    .any(|slip| nearest(&slip.key, missing.iter().copied()) == Some(name))
            }) {
                self.fault(
                    item.span,
                    format!("this item has no `{name}`, which the others have"),
                    "here",
                    SAME,
                );
            }
        }
        if !at.has("run") {
            return;
        }
        let mut used = BTreeSet::new();
        mentions(at.tree, &mut |path| {
            if let [each, name, ..] = path
                && each == "each"
            {
                used.insert(name.clone());
            }
        });
        // Who asks for a name that is not there means one of those that are.
        let slips: Vec<&str> = used
            .iter()
            .filter_map(|name| nearest(name, counts.keys().copied()))
            .collect();
        used.extend(slips.into_iter().map(str::to_owned));
        for entry in trees.first().map_or(&[][..], Tree::entries) {
            let name = &entry.key;
            if common.contains(name.as_str()) && !used.contains(name) {
                self.fault(
                    entry.key_span,
                    format!("`{name}` of `each` is never used"),
                    "nobody asks for it",
                    format!("use it as `${{each.{name}}}`"),
                );
            }
        }
    }

    fn line(&mut self, at: At<'_>, line: &Spanned<Line>, place: Where) {
        self.template(at, &line.value.typed, line.span, place);
        if let Some(range) = line.value.needs_postgres().filter(|_| !self.has_postgres()) {
            let typed = line.value.typed.as_written();
            let span = locate(&self.lab.source, line.span, typed, range);
            self.fault(span, NO_POSTGRES, "here", ADD_POSTGRES);
        }
        if place == Where::Once && line.value.is_endless() {
            self.fault(
                line.span,
                "a cleanup has to come to an end, and this goes on until it is stopped",
                "no end",
                "look once: without `watch`, or with `make cluster-nodes`",
            );
        }
        let has_stdin = place == Where::EachItem && at.has("stdin");
        let waits = line
            .value
            .redis_cli()
            .is_some_and(RedisCliLine::reads_commands);
        if waits && !has_stdin {
            self.fault(
                line.span,
                "redis-cli has no command here",
                "would wait for one to be typed",
                "write the command on the line, as in `redis-cli -p 7001 PING`, or several under `stdin:`",
            );
        }
        if let Some(option) = line.value.redis_cli().and_then(RedisCliLine::stdin_option) {
            let span = locate(
                &self.lab.source,
                line.span,
                line.value.typed.as_written(),
                option.range.clone(),
            );
            match place {
                Where::EachItem if at.has("stdin") => {}
                Where::EachItem => self.fault(
                    span,
                    "`-x` reads from the standard input, and there is nothing to read",
                    "here",
                    "add `stdin:`",
                ),
                Where::Once => self.fault(
                    span,
                    "`-x` reads from the standard input, and a cleanup has none",
                    "here",
                    "write the value on the line",
                ),
            }
        }
    }

    fn check_probe(&mut self, at: At<'_>) {
        let items = at.tree.get("meanwhile").map_or(&[][..], Tree::items);
        if let [_, second, ..] = items {
            self.fault(
                second.span,
                "a step has one probe",
                "a second one",
                "one probe can ask all slots",
            );
        }
        let Some(probe) = &at.step.probe else { return };
        if meant(self.tree, &LAB, "given").is_none() {
            self.fault(
                probe.span,
                "a probe needs a cluster, and this lab has no `given`",
                "here",
                "add `given`",
            );
        }
        let run = at.step.run.as_ref();
        let moves = run.is_some_and(|run| run.value.moves_slots());
        let not_understood = at.has("run") && at.step.run.is_none();
        if probe.value.slots == ProbeTarget::Moving && !moves && !not_understood {
            let slots = items
                .iter()
                .find_map(|item| item.get("probe")?.get("slots"))
                .map_or(probe.span, |slots| slots.span);
            self.fault(
                slots,
                "this step moves no slots away from a node",
                "so no slots are `moving`",
                "`moving` goes with `make scale-down NODE=…` and with a reshard `--cluster-from ID`; otherwise name the slots, or write `all`",
            );
        }
        if !at.checks("probe") {
            self.fault(
                probe.span,
                "nobody looks at what this probe counts",
                "here",
                "add a check: `- probe: {failed: 0, lost: 0}`",
            );
        }
    }

    fn check_list(&mut self, at: At<'_>, list: &str, checks: &[Check]) {
        let trees = at.tree.get(list).map_or(&[][..], Tree::items);
        for check in checks {
            let tree = trees.iter().find(|tree| {
                tree.entries()
                    .iter()
                    .any(|entry| entry.key_span == check.span)
            });
            if let Some(tree) = tree {
                self.check(at, list, check, tree);
            }
        }
    }
}
