//! What is checked of a lab as a whole before anything runs: that its parts fit together, and that it could fail.

use std::collections::{BTreeMap, BTreeSet};

use super::environment::CourseNode;
use super::fault::{Fault, nearest};
use super::line::{Line, Verb};
use super::model::*;
use super::shape::locate;
use super::source::Span;
use super::template::{Reference, Template};
use super::tree::Tree;
use crate::cluster::{NodeName, SlotSet};

/// Puts everything that does not fit together into `faults`. `tree` is the file that `lab` was built from.
pub fn check(lab: &Lab, tree: &Tree, faults: &mut Vec<Fault>) {
    if let (Some(given), Some(tree)) = (&lab.given, tree.get("given")) {
        check_given(given, tree, faults);
    }
    let mut checker = Checker {
        lab,
        faults,
        saved: BTreeMap::new(),
        used: BTreeSet::new(),
    };
    let steps = tree.get("steps").map_or(&[][..], Tree::items);
    let mut ids: BTreeMap<&str, Span> = BTreeMap::new();
    for (step, tree) in lab.steps.iter().zip(steps) {
        if !step.id.value.is_empty() {
            if let Some(first) = ids.get(step.id.value.as_str()) {
                let (line, _) = lab.source.place(first.start);
                checker.faults.push(Fault::new(
                    step.id.span,
                    format!("there is a step `{}` already", step.id.value),
                    format!("first in line {line}"),
                ));
            }
            ids.entry(&step.id.value).or_insert(step.id.span);
        }
        checker.step(step, tree);
    }
    let Checker { saved, used, .. } = checker;
    for (name, span) in saved {
        if !used.contains(&name) {
            faults.push(
                Fault::new(
                    span,
                    format!("`{name}` is saved and never used"),
                    "nobody asks for it",
                )
                .help(format!(
                    "use it as `${{{name}}}` in a later step, or remove it"
                )),
            );
        }
    }
    for point in &lab.points {
        for step in &point.proved_by {
            if !ids.contains_key(step.value.as_str()) {
                let near = nearest(&step.value, ids.keys().copied())
                    .map_or("here".to_owned(), |near| format!("did you mean `{near}`?"));
                faults.push(Fault::new(
                    step.span,
                    format!("there is no step `{}` to prove this point", step.value),
                    near,
                ));
            }
        }
    }
}

fn check_given(given: &Given, tree: &Tree, faults: &mut Vec<Fault>) {
    let span_of = |map: &str, key: &NodeName| {
        tree.get(map)
            .and_then(|map| map.entry(key.as_str()))
            .map_or(tree.span, |entry| entry.key_span)
    };
    let mut all = SlotSet::new();
    let mut owners: Vec<(&NodeName, &SlotSet)> = Vec::new();
    for (name, slots) in &given.masters {
        for (other, theirs) in &owners {
            let both = slots.intersection(theirs);
            if !both.is_empty() {
                faults.push(Fault::new(
                    span_of("masters", name),
                    format!("slots {both} belong to {other} already"),
                    "here again",
                ));
            }
        }
        owners.push((name, slots));
        all = all.union(slots);
    }
    // A list that could not be read in full has its own faults; what is missing from the rest says nothing then.
    let listed = tree.get("masters").map_or(0, |map| map.entries().len());
    let missing = SlotSet::all().difference(&all);
    if !missing.is_empty() && listed == given.masters.len() && listed > 0 {
        let span = tree
            .entry("masters")
            .map_or(tree.span, |entry| entry.key_span);
        faults.push(
            Fault::new(
                span,
                format!("slots {missing} belong to nobody"),
                "not all 16384 slots",
            )
            .help("a cluster with a slot that nobody owns is down (cluster-require-full-coverage)"),
        );
    }
    for (replica, master) in &given.replicas {
        if given.masters.iter().any(|(name, _)| name == replica) {
            faults.push(Fault::new(
                span_of("replicas", replica),
                format!("{replica} is a master already"),
                "here a replica",
            ));
        }
        let known = CourseNode::named(master.as_str()).is_some();
        if known && !given.masters.iter().any(|(name, _)| name == master) {
            faults.push(Fault::new(
                span_of("replicas", replica),
                format!("{master} is not a master here"),
                format!("{replica} can't follow it"),
            ));
        }
    }
    if let Some(keys) = given.keys
        && keys.hot_slot.is_some_and(|hot| hot > keys.count)
    {
        let span = tree
            .get("keys")
            .and_then(|keys| keys.get("hot_slot"))
            .map_or(tree.span, |hot| hot.span);
        faults.push(Fault::new(
            span,
            "more keys in the hot slot than keys",
            format!("`count` is {}", keys.count),
        ));
    }
}

struct Checker<'a> {
    lab: &'a Lab,
    faults: &'a mut Vec<Fault>,
    saved: BTreeMap<String, Span>,
    used: BTreeSet<String>,
}

impl Checker<'_> {
    fn fault(
        &mut self,
        span: Span,
        what: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.faults.push(Fault::new(span, what, label).help(help));
    }

    fn step(&mut self, step: &Step, tree: &Tree) {
        let key_span = |key: &str| tree.entry(key).map_or(tree.span, |entry| entry.key_span);
        if tree.get("run").is_some() && step.wait.is_some() {
            self.fault(
                key_span("wait"),
                "a step either runs a command or waits",
                "here it does both",
                "make the pause a step of its own",
            );
        }
        if tree.get("run").is_none() {
            for key in ["stdin", "each", "save", "timeout"] {
                if tree.get(key).is_some() {
                    self.fault(
                        key_span(key),
                        format!("`{key}` belongs to a `run`, and this step has none"),
                        "here",
                        "add `run`, or remove this",
                    );
                }
            }
        }
        if let (Some(run), Some(stdin)) = (&step.run, &step.stdin)
            && !matches!(run.value.verb, Verb::RedisCli(_))
        {
            self.fault(
                stdin.span,
                "this command reads nothing from its standard input",
                "here",
                "`stdin` goes with `redis-cli`",
            );
        }
        self.check_each(step);
        if let Some(run) = &step.run {
            self.line(run, step);
        }
        if let Some(stdin) = &step.stdin {
            self.template(
                &stdin.value,
                stdin.span,
                stdin.value.as_written(),
                Some(step),
            );
        }
        for item in &step.each {
            for (_, value) in &item.values {
                self.template(&value.value, value.span, value.value.as_written(), None);
            }
        }
        for save in &step.save {
            if CourseNode::named(&save.name.value).is_some() || save.name.value == "each" {
                self.fault(
                    save.name.span,
                    format!("`{}` can't be the name of a saved value", save.name.value),
                    "taken",
                    "choose another name",
                );
            }
            if let Some(first) = self.saved.get(&save.name.value) {
                let (line, _) = self.lab.source.place(first.start);
                self.fault(
                    save.name.span,
                    format!("`{}` is saved twice", save.name.value),
                    format!("first in line {line}"),
                    "choose another name",
                );
            }
            // A step's own checks may use what it saves.
            self.saved.insert(save.name.value.clone(), save.name.span);
        }
        self.check_probe(step, tree);
        let checks = ["expect", "holds"].map(|list| tree.get(list).map_or(&[][..], Tree::items));
        for (list, (built, trees)) in [
            ("expect", (&step.expect, checks[0])),
            ("holds", (&step.holds, checks[1])),
        ] {
            for check in built {
                let tree = trees.iter().find(|tree| {
                    tree.entries()
                        .iter()
                        .any(|entry| entry.key_span == check.span)
                });
                if let Some(tree) = tree {
                    self.check(list, check, tree, step);
                }
            }
        }
        for line in &step.cleanup {
            self.line(line, step);
        }
        if checks.iter().all(|list| list.is_empty()) {
            self.fault(
                step.id.span,
                format!("nothing is checked after the step `{}`", step.id.value),
                "nobody would notice if it failed",
                "add `expect` (what becomes true by it) or `holds` (what is true throughout)",
            );
        }
    }

    fn check_each(&mut self, step: &Step) {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for item in &step.each {
            for (name, _) in &item.values {
                *counts.entry(name).or_default() += 1;
            }
        }
        // What most items have, all must have; what few have is a slip in those.
        for item in &step.each {
            for (name, count) in &counts {
                let here = item.values.iter().find(|(key, _)| key == name);
                let most = *count * 2 > step.each.len();
                match here {
                    None if most => self.fault(
                        item.span,
                        format!("this item has no `{name}`, which the others have"),
                        "here",
                        "all items of `each` have the same names",
                    ),
                    Some((_, value)) if !most && step.each.len() > 1 => {
                        self.fault(
                            value.span,
                            format!("only this item has `{name}`"),
                            "here",
                            "all items of `each` have the same names",
                        );
                    }
                    _ => {}
                }
            }
        }
        if let Some(run) = &step.run {
            let first = step.each.first().map_or(&[][..], |item| &item.values[..]);
            for (name, value) in first {
                let used = run
                    .value
                    .typed
                    .references()
                    .chain(step.stdin.iter().flat_map(|stdin| stdin.value.references()));
                if !used
                    .into_iter()
                    .any(|r| r.path[0] == "each" && r.path.get(1) == Some(name))
                {
                    self.fault(
                        value.span,
                        format!("`{name}` of `each` is never used"),
                        "nobody asks for it",
                        format!("use it as `${{each.{name}}}`"),
                    );
                }
            }
        }
    }

    fn line(&mut self, line: &Spanned<Line>, step: &Step) {
        let typed = line.value.typed.as_written().to_owned();
        self.template(&line.value.typed, line.span, &typed, Some(step));
        if let Some(cli) = line.value.redis_cli()
            && cli.reads_stdin()
            && step.stdin.is_none()
        {
            self.fault(
                line.span,
                "`-x` reads from the standard input, and there is nothing to read",
                "here",
                "add `stdin:`",
            );
        }
    }

    /// Checks what a template refers to. `text` is the scalar that the template's ranges count in; `each` is the step whose
    /// items can be referred to.
    fn template(&mut self, template: &Template, span: Span, text: &str, each: Option<&Step>) {
        for reference in template.references() {
            if let Err((what, help)) = self.reference(reference, each) {
                let at = locate(&self.lab.source, span, text, reference.range.clone());
                self.fault(at, what, "here", help);
            }
        }
    }

    fn reference(
        &mut self,
        reference: &Reference,
        each: Option<&Step>,
    ) -> Result<(), (String, String)> {
        const ATTRIBUTES: [&str; 5] = ["id", "addr", "ip", "port", "name"];
        let attribute = |name: &str| {
            if ATTRIBUTES.contains(&name) {
                Ok(())
            } else {
                let near = nearest(name, ATTRIBUTES)
                    .map_or(String::new(), |near| format!("did you mean `{near}`? "));
                Err((
                    format!("a node has no `{name}`"),
                    format!("{near}a node has {}", ATTRIBUTES.join(", ")),
                ))
            }
        };
        let path: Vec<&str> = reference.path.iter().map(String::as_str).collect();
        match path[..] {
            ["each", ..] if each.is_none_or(|step| step.each.is_empty()) => Err((
                "there is no `each` here".to_owned(),
                "`${each.…}` has a meaning in the `run` of a step with `each`".to_owned(),
            )),
            ["each", field, ref rest @ ..] => {
                let items = each.map_or(&[][..], |step| &step.each[..]);
                let names: Vec<&str> = items
                    .iter()
                    .flat_map(|item| item.values.iter().map(|(name, _)| name.as_str()))
                    .collect();
                let values: Vec<&Template> = items
                    .iter()
                    .flat_map(|item| item.values.iter())
                    .filter(|(name, _)| name == field)
                    .map(|(_, value)| &value.value)
                    .collect();
                if values.is_empty() {
                    let near = nearest(field, names.iter().copied())
                        .map_or("it has other names".to_owned(), |near| {
                            format!("did you mean `{near}`?")
                        });
                    return Err((format!("`each` has no `{field}`"), near));
                }
                match rest {
                    [] => Ok(()),
                    [name] => {
                        if let Some(text) = values
                            .iter()
                            .filter_map(|value| value.literal())
                            .find(|text| CourseNode::named(text).is_none())
                        {
                            return Err((
                                format!("`{text}` is not a node, so it has no `{name}`"),
                                "the nodes are redis-1 to redis-8".to_owned(),
                            ));
                        }
                        attribute(name)
                    }
                    _ => Err((
                        format!("`{reference}` goes too deep"),
                        "write `${each.NAME}` or `${each.NAME.id}`".to_owned(),
                    )),
                }
            }
            [node, ref rest @ ..] if CourseNode::named(node).is_some() => match rest {
                [name] => attribute(name),
                _ => Err((
                    format!("`{reference}` does not say what of {node}"),
                    format!(
                        "write `${{{node}.id}}`; a node has {}",
                        ATTRIBUTES.join(", ")
                    ),
                )),
            },
            [name] if self.saved.contains_key(name) => {
                self.used.insert(name.to_owned());
                Ok(())
            }
            [name, ..] => {
                let known: Vec<String> = self
                    .saved
                    .keys()
                    .cloned()
                    .chain(CourseNode::all().map(|node| node.name().to_string()))
                    .collect();
                let help = match nearest(name, known.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "a value has to be saved by an earlier step (`save: {name: stdout}`); nodes are redis-1 to redis-8".to_owned(),
                };
                Err((format!("nothing is called `{name}` here"), help))
            }
            [] => Ok(()),
        }
    }

    fn check_probe(&mut self, step: &Step, tree: &Tree) {
        let items = tree.get("meanwhile").map_or(&[][..], Tree::items);
        if let [_, second, ..] = items {
            self.fault(
                second.span,
                "a step has one probe",
                "a second one",
                "one probe can ask all slots",
            );
        }
        let Some(probe) = &step.probe else { return };
        if self.lab.given.is_none() {
            self.fault(
                probe.span,
                "a probe needs a cluster, and this lab has no `given`",
                "here",
                "add `given`",
            );
        }
        let moves = step
            .run
            .as_ref()
            .and_then(|run| run.value.redis_cli())
            .and_then(|cli| cli.moves_from());
        if probe.value.slots == ProbeTarget::Moving && moves.is_none() && step.run.is_some() {
            self.fault(
                probe.span,
                "this step moves no slots away from a node",
                "so no slots are `moving`",
                "`moving` goes with `redis-cli --cluster reshard … --cluster-from ID`; otherwise name the slots, or write `all`",
            );
        }
        let looked_at = step
            .expect
            .iter()
            .chain(&step.holds)
            .any(|check| matches!(check.kind, CheckKind::Probe(_)));
        if !looked_at {
            self.fault(
                probe.span,
                "nobody looks at what this probe counts",
                "here",
                "add a check: `- probe: {failed: 0, lost: 0}`",
            );
        }
    }

    fn check(&mut self, list: &str, check: &Check, tree: &Tree, step: &Step) {
        let key_span = |key: &str| tree.entry(key).map_or(check.span, |entry| entry.key_span);
        let of_state = check.kind.is_of_state();
        if check.kind.is_of_output() && step.run.is_none() {
            self.fault(
                check.span,
                "this looks at what a command printed, and the step has no `run`",
                "here",
                "add `run`, or look at `cluster`, `node` or `info`",
            );
        }
        if check.kind.is_of_output() && list == "holds" {
            self.fault(
                check.span,
                "what a command printed can't hold before it ran",
                "here",
                "move this to `expect`",
            );
        }
        if matches!(check.kind, CheckKind::Probe(_)) && step.probe.is_none() {
            self.fault(
                check.span,
                "this step has no probe",
                "here",
                "add `meanwhile: [{probe: {rate: 200/s, slots: all}}]`",
            );
        }
        if check.kind == CheckKind::GivenKeys
            && self
                .lab
                .given
                .as_ref()
                .is_none_or(|given| given.keys.is_none())
        {
            self.fault(
                check.span,
                "`given` writes no keys",
                "nothing to read back",
                "add `given: keys: {count: 1000}`",
            );
        }
        if check.within.is_some() && (!of_state || list == "holds") {
            let why = if of_state {
                "what holds throughout has no deadline"
            } else {
                "a command is run once, so there is nothing to wait for"
            };
            self.fault(
                key_span("within"),
                why,
                "here",
                "`within` goes with `cluster`, `node`, `info`, `lag` and `given_keys` in `expect`",
            );
        }
        if check.lasting.is_some() && !of_state {
            self.fault(
                key_span("for"),
                "what a command printed does not change any more",
                "here",
                "`for` goes with `cluster`, `node`, `info`, `lag` and `given_keys`",
            );
        }
        if list == "expect"
            && of_state
            && step.run.is_none()
            && step.wait.is_none()
            && check.within.is_none()
        {
            self.fault(
                check.span,
                "this step does nothing by which this could become true",
                "here",
                "give it `within`, if it is awaited; put it under `holds`, if it is so already",
            );
        }
        let fill: Vec<(&Template, Option<&Tree>)> = match &check.kind {
            CheckKind::Text { test, .. } => {
                let body = tree
                    .entries()
                    .iter()
                    .find(|entry| entry.key_span == check.span)
                    .map(|entry| &entry.value);
                let at = |key: &str| body.and_then(|body| body.get(key));
                [
                    (&test.equals, "equals"),
                    (&test.contains, "contains"),
                    (&test.lacks, "lacks"),
                ]
                .into_iter()
                .filter_map(|(template, key)| Some((template.as_ref()?, at(key))))
                .collect()
            }
            CheckKind::Json { test, .. } => test
                .equals
                .iter()
                .map(|template| {
                    (
                        template,
                        tree.get("json").and_then(|body| body.get("equals")),
                    )
                })
                .collect(),
            CheckKind::Info { fields, .. } => {
                let at = |key: &str| {
                    tree.get("info")
                        .and_then(|body| body.get("fields"))
                        .and_then(|fields| fields.get(key))
                };
                fields
                    .iter()
                    .map(|(name, template)| (template, at(name)))
                    .collect()
            }
            _ => Vec::new(),
        };
        for (template, at) in fill {
            let of_output = check.kind.is_of_output();
            let span = at.map_or(check.span, |tree| tree.span);
            self.template(
                template,
                span,
                template.as_written(),
                of_output.then_some(step),
            );
        }
    }
}
