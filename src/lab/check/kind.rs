//! Whether a check stands where it means something.

use super::reference::Where;
use super::step::{At, Checker};
use crate::cluster::Info;
use crate::lab::fault::nearest;
use crate::lab::keys::{GIVEN, LAB};
use crate::lab::model::{Check, CheckKind, SqlTest};
use crate::lab::shape::meant;
use crate::lab::template::Template;
use crate::lab::tree::Tree;

/// That something needs PostgreSQL where there is none.
pub(super) const NO_POSTGRES: &str = "this needs PostgreSQL, and the lab does not ask for it";
/// How a lab asks for it.
pub(super) const ADD_POSTGRES: &str =
    "add `postgres: migrated` to `given`: the application's tables, empty; or `postgres: empty`";

/// The templates of a check of SQL, each with where it stands.
fn sql_templates<'t>(
    test: &'t SqlTest,
    body: Option<&'t Tree>,
) -> Vec<(&'t Template, Option<&'t Tree>)> {
    let value = |key: &str| body.and_then(|body| body.get(key));
    let rows = value("equals").map_or(&[][..], Tree::items);
    let equals = test.equals.iter().flatten().zip(rows);
    [(Some(&test.query), "query"), (test.value.as_ref(), "value")]
        .into_iter()
        .filter_map(|(template, key)| Some((template?, value(key))))
        .chain(equals.map(|(template, row)| (template, Some(row))))
        .collect()
}

impl Checker<'_> {
    /// Whether the lab asks for PostgreSQL, or is meant to.
    pub(super) fn has_postgres(&self) -> bool {
        meant(self.tree, &LAB, "given")
            .is_some_and(|given| meant(&given.value, &GIVEN, "postgres").is_some())
    }

    pub(super) fn check(&mut self, at: At<'_>, list: &str, check: &Check, tree: &Tree) {
        let key_span = |key: &str| tree.entry(key).map_or(check.span, |entry| entry.key_span);
        let of_state = check.kind.is_of_state();
        if self.is_background(at) && !check.kind.is_of_output() {
            // Of a `holds`, and of a step without a `run`, it is said once that they can't be.
            if list == "expect" && at.has("run") {
                self.fault(
                    check.span,
                    "a step in the background has checks of what its command printed, and no others",
                    "here",
                    "move this to the step that awaits it, or to one of its own",
                );
            }
            return;
        }
        if check.kind.is_of_output() && !at.has("run") {
            self.fault(
                check.span,
                "this looks at what a command printed, and the step has no `run`",
                "here",
                "add `run`, or look at `cluster`, `node`, `info` or `sql`",
            );
        }
        if check.kind.is_of_output() && list == "holds" && at.has("run") {
            self.fault(
                check.span,
                "what a command printed can't hold before it ran",
                "here",
                "move this to `expect`",
            );
        }
        if matches!(check.kind, CheckKind::Probe(_)) && !at.has("meanwhile") {
            self.fault(
                check.span,
                "this step has no probe",
                "here",
                "add `meanwhile: [{probe: {rate: 200/s, slots: all}}]`",
            );
        }
        if let CheckKind::Timeline(test) = &check.kind {
            self.check_timeline(at, list, check, test, tree);
            return;
        }
        let given = meant(self.tree, &LAB, "given").map(|given| &given.value);
        if check.kind == CheckKind::GivenKeys
            && given.is_none_or(|given| meant(given, &GIVEN, "keys").is_none())
        {
            self.fault(
                check.span,
                "`given` writes no keys",
                "nothing to read back",
                "add `given: keys: {count: 1000}`",
            );
        }
        if matches!(check.kind, CheckKind::Sql(_)) && !self.has_postgres() {
            self.fault(check.span, NO_POSTGRES, "here", ADD_POSTGRES);
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
                "`within` goes with `cluster`, `node`, `info`, `lag`, `given_keys`, `sql` and `timeline` in `expect`",
            );
        }
        if check.lasting.is_some() && !of_state {
            self.fault(
                key_span("for"),
                "what a command printed does not change any more",
                "here",
                "`for` goes with `cluster`, `node`, `info`, `lag`, `given_keys` and `sql`",
            );
        }
        if list == "expect"
            && of_state
            && !at.has("run")
            && !at.has("wait")
            && tree.entry("within").is_none()
        {
            self.fault(
                check.span,
                "this step does nothing by which this could become true",
                "here",
                "give it `within`, if it is awaited; put it under `holds`, if it is so already",
            );
        }
        if let CheckKind::Info { .. } = &check.kind {
            self.info_fields(tree);
        }
        let fill: Vec<(&Template, Option<&Tree>)> = match &check.kind {
            CheckKind::Text { test, .. } => {
                let body = tree
                    .entries()
                    .iter()
                    .find(|entry| entry.key_span == check.span)
                    .map(|entry| &entry.value);
                let value = |key: &str| body.and_then(|body| body.get(key));
                [
                    (&test.equals, "equals"),
                    (&test.contains, "contains"),
                    (&test.lacks, "lacks"),
                ]
                .into_iter()
                .filter_map(|(template, key)| Some((template.as_ref()?, value(key))))
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
                let value = |key: &str| {
                    tree.get("info")
                        .and_then(|body| body.get("fields"))
                        .and_then(|fields| fields.get(key))
                };
                fields
                    .iter()
                    .map(|(name, template)| (template, value(name)))
                    .collect()
            }
            CheckKind::Sql(test) => sql_templates(test, tree.get("sql")),
            _ => Vec::new(),
        };
        let place = if check.kind.is_of_output() {
            Where::EachItem
        } else {
            Where::Once
        };
        for (template, tree) in fill {
            self.template(
                at,
                template,
                tree.map_or(check.span, |tree| tree.span),
                place,
            );
        }
    }

    /// A field that no server was seen to print may be one of a newer server. One that is nearly a known one is a slip.
    fn info_fields(&mut self, check: &Tree) {
        let fields = check.get("info").and_then(|body| body.get("fields"));
        for entry in fields.map_or(&[][..], Tree::entries) {
            let known = Info::seen_fields().any(|field| field == entry.key);
            if let (false, Some(near)) = (known, nearest(&entry.key, Info::seen_fields())) {
                self.fault(
                    entry.key_span,
                    format!("INFO has no field `{}`", entry.key),
                    format!("did you mean `{near}`?"),
                    "the names are those that the server prints",
                );
            }
        }
    }
}
