//! Whether what a `${…}` refers to is there.

use std::collections::BTreeSet;

use super::step::{At, Checker};
use crate::lab::environment::{ATTRIBUTES, CourseNode};
use crate::lab::fault::nearest;
use crate::lab::place::locate;
use crate::lab::shape::TOLD_OF_ONE_TEXT;
use crate::lab::source::Span;
use crate::lab::template::{Reference, Template};
use crate::lab::tree::Entry;

/// Where a template stands, and so what it can refer to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Where {
    /// In the step's line or in a check of what the line printed: done once for each item.
    EachItem,
    /// Anywhere else.
    Once,
}

impl Checker<'_> {
    /// Checks what a template refers to. `span` is that of the scalar whose text the template is.
    pub(super) fn template(&mut self, at: At<'_>, template: &Template, span: Span, place: Where) {
        let mut told = 0;
        for reference in template.references() {
            if let Err((what, help)) = self.reference(at, reference, place) {
                let span = locate(
                    &self.lab.source,
                    span,
                    template.as_written(),
                    reference.range.clone(),
                );
                self.fault(span, what, "here", help);
                told += 1;
                if told == TOLD_OF_ONE_TEXT {
                    break;
                }
            }
        }
    }

    fn reference(
        &self,
        at: At<'_>,
        reference: &Reference,
        place: Where,
    ) -> Result<(), (String, String)> {
        let known = ATTRIBUTES.map(|(name, _)| name);
        let attribute = |name: &str| {
            if known.contains(&name) {
                Ok(())
            } else {
                let near = nearest(name, known)
                    .map_or(String::new(), |near| format!("did you mean `{near}`? "));
                Err((
                    format!("a node has no `{name}`"),
                    format!("{near}a node has {}", known.join(", ")),
                ))
            }
        };
        let path: Vec<&str> = reference.path.iter().map(String::as_str).collect();
        match path[..] {
            ["each", ..] if !at.has("each") => {
                Err(("this step has no `each`".to_owned(), "`${each.…}` has a meaning in the `run` of a step with `each`".to_owned()))
            }
            ["each", ..] if place == Where::Once => {
                Err(("there is no item of `each` here".to_owned(), "an item is at hand in `run`, in `stdin` and in checks of what the command printed".to_owned()))
            }
            ["each"] => Err(("`${each}` does not say what of the item".to_owned(), "write `${each.NAME}`".to_owned())),
            ["each", field, ref rest @ ..] => {
                let values: Vec<&Entry> = at.each().flatten().filter(|entry| entry.key == field).collect();
                if values.is_empty() {
                    let names: BTreeSet<&str> = at.each().flatten().map(|entry| entry.key.as_str()).collect();
                    let help = nearest(field, names.iter().copied())
                        .map_or_else(|| format!("it has {}", names.iter().copied().collect::<Vec<_>>().join(", ")), |near| format!("did you mean `{near}`?"));
                    return Err((format!("`each` has no `{field}`"), help));
                }
                match rest {
                    [] => Ok(()),
                    [name] => {
                        let is_other = |text: &&str| !text.contains("${") && CourseNode::named(text).is_none();
                        if let Some(text) = values.iter().filter_map(|entry| entry.value.text()).find(is_other) {
                            return Err((format!("`{text}` is not a node, so it has no `{name}`"), "the nodes are redis-1 to redis-8".to_owned()));
                        }
                        attribute(name)
                    }
                    _ => Err((format!("`{reference}` goes too deep"), "write `${each.NAME}` or `${each.NAME.id}`".to_owned())),
                }
            }
            [node, ref rest @ ..] if CourseNode::named(node).is_some() => match rest {
                [name] => attribute(name),
                _ => Err((format!("`{reference}` does not say what of {node}"), format!("write `${{{node}.id}}`; a node has {}", known.join(", ")))),
            },
            [name, ..] if self.pending.contains_key(name) => {
                let step = self.pending.get(name).map_or("", String::as_str);
                Err((
                    format!("`{name}` is not there yet"),
                    format!("the step `{step}` saves it, which is still in the background: use it in the step with `await: {step}`, or after that"),
                ))
            }
            [name] if self.saved.contains_key(name) => Ok(()),
            [name, _, ..] if self.saved.contains_key(name) => {
                Err((format!("`{name}` is a text that was saved, and has no parts"), format!("write `${{{name}}}`")))
            }
            [name, ..] => match self.names.saves.get(name) {
                Some(step) if *step == at.number => Err((
                    format!("`{name}` is not there yet"),
                    "this step saves it after its command; only what is in `expect`, and later steps, can use it".to_owned(),
                )),
                Some(step) => {
                    let id = self.lab.steps.get(*step).map_or("", |step| &step.id.value);
                    Err((format!("`{name}` is not there yet"), format!("the step `{id}` saves it, which comes later")))
                }
                None => {
                    let known: Vec<String> = self.saved.keys().cloned().chain(CourseNode::all().map(|node| node.name().to_string())).collect();
                    let help = match nearest(name, known.iter().map(String::as_str)) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => "a value has to be saved by an earlier step (`save: {name: stdout}`); nodes are redis-1 to redis-8".to_owned(),
                    };
                    Err((format!("nothing is called `{name}` here"), help))
                }
            },
            [] => Ok(()),
        }
    }
}
