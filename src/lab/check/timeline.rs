//! Whether a `timeline` stands where there is a failover to see.

use super::step::{At, Checker};
use crate::cluster::NodeName;
use crate::lab::environment::CourseNode;
use crate::lab::keys::{CHECK, GIVEN, LAB, STEP};
use crate::lab::model::{Check, Given, TimelineTest};
use crate::lab::shape::meant;
use crate::lab::tree::Tree;

impl Checker<'_> {
    /// `tree` is that of the check.
    pub(super) fn check_timeline(
        &mut self,
        at: At<'_>,
        list: &str,
        check: &Check,
        test: &TimelineTest,
        tree: &Tree,
    ) {
        if list == "holds" {
            self.fault(
                check.span,
                "a failover happens once, and does not hold throughout",
                "here",
                "move this to `expect`",
            );
            return;
        }
        if !at.has("run") {
            self.fault(
                check.span,
                "the moments are counted from the start of a command, and the step has no `run`",
                "here",
                "move this to the step that stops the master",
            );
            return;
        }
        if at.has("each") {
            self.fault(
                check.span,
                "the moments are counted from the start of one command, and `each` makes several",
                "here",
                "give the command that stops the master a step of its own",
            );
        }
        let list = meant(at.tree, &STEP, "expect").map_or(&[][..], |list| list.value.items());
        let mut timelines = list
            .iter()
            .filter(|item| meant(item, &CHECK, "timeline").is_some());
        if timelines
            .next()
            .is_some_and(|first| first.span != tree.span)
        {
            self.fault(
                check.span,
                "a step has one timeline",
                "a second one",
                "all moments can stand in one; of two masters, each can fail in a step of its own",
            );
        }
        if check.lasting.is_some() {
            let span = tree.entry("for").map_or(check.span, |entry| entry.key_span);
            self.fault(
                span,
                "a moment is over at once, and can't last",
                "here",
                "`for` goes with `cluster`, `node`, `info`, `lag` and `given_keys`",
            );
        }
        self.check_failover(check, test, tree);
    }

    /// Whether the one can fail and the other take over.
    fn check_failover(&mut self, check: &Check, test: &TimelineTest, tree: &Tree) {
        let span = |key: &str| {
            let value = tree.get("timeline").and_then(|body| body.get(key));
            value.map_or(check.span, |value| value.span)
        };
        if test.to.as_ref() == Some(&test.node) {
            self.fault(
                span("to"),
                format!("{} can't take over from itself", test.node),
                "here",
                "`node` is the master that fails, `to` its replica",
            );
            return;
        }
        let Some(given) = self.given_in_full() else {
            return;
        };
        // What is no node at all has its fault already.
        let known = |node: &&NodeName| CourseNode::named(node.as_str()).is_some();
        let Some(node) = Some(&test.node).filter(known) else {
            return;
        };
        if !given.masters.iter().any(|(name, _)| name == node) {
            let masters = listed(given.masters.iter().map(|(name, _)| name));
            self.fault(
                span("node"),
                format!("{node} is not a master in `given`"),
                "nothing to fail over",
                format!("`node` is the master that fails; the masters are {masters}"),
            );
            return;
        }
        let followers = given.replicas.iter().filter(|(_, master)| master == node);
        let replicas: Vec<&NodeName> = followers.map(|(name, _)| name).collect();
        if let Some(to) = test.to.as_ref().filter(known)
            && !replicas.contains(&to)
        {
            let help = match &replicas[..] {
                [] => format!("{node} has no replica there"),
                _ => format!("what follows {node} there: {}", listed(replicas)),
            };
            self.fault(
                span("to"),
                format!("{to} is not a replica of {node} in `given`"),
                "can't take over",
                help,
            );
        }
    }

    /// `given`, if all of its nodes could be understood. Otherwise nobody knows who is in it.
    fn given_in_full(&self) -> Option<&Given> {
        let given = self.lab.given.as_ref()?;
        let tree = &meant(self.tree, &LAB, "given")?.value;
        let written = |key| meant(tree, &GIVEN, key).map_or(0, |map| map.value.entries().len());
        let all = written("masters") == given.masters.len()
            && written("replicas") == given.replicas.len();
        all.then_some(given)
    }
}

fn listed<'a>(nodes: impl IntoIterator<Item = &'a NodeName>) -> String {
    let names: Vec<&str> = nodes.into_iter().map(NodeName::as_str).collect();
    names.join(", ")
}
