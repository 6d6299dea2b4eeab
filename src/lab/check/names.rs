//! What is named in a lab, and what is asked for.

use std::collections::{BTreeMap, BTreeSet};

use crate::lab::keys::STEP;
use crate::lab::shape::meant;
use crate::lab::source::Source;
use crate::lab::template::Template;
use crate::lab::tree::{Kind, Tree};

/// What is named in a lab, wherever in it, and what is asked for.
#[derive(Default)]
pub(super) struct Names {
    /// The ids of all steps, each with the line where it stands first.
    pub(super) steps: BTreeMap<String, usize>,
    /// The names of all saved values, each with the number of the first step that saves it.
    pub(super) saves: BTreeMap<String, usize>,
    /// The first words of all `${…}`, those included that stand in lines that are not understood.
    pub(super) mentioned: BTreeSet<String>,
}

impl Names {
    pub(super) fn of(source: &Source, steps: &[Tree]) -> Names {
        let mut names = Names::default();
        for (at, step) in steps.iter().enumerate() {
            if let Some(id) = meant(step, &STEP, "id")
                && let Some(text) = id.value.text()
            {
                names
                    .steps
                    .entry(text.to_owned())
                    .or_insert(source.place(id.value.span.start).0);
            }
            for entry in meant(step, &STEP, "save").map_or(&[][..], |save| save.value.entries()) {
                names.saves.entry(entry.key.clone()).or_insert(at);
            }
            mentions(step, &mut |path| {
                names.mentioned.extend(path.first().cloned());
            });
        }
        names
    }
}

/// Tells the path of every `${…}` in what is not prose, of those too that can't be understood.
pub(super) fn mentions(tree: &Tree, tell: &mut dyn FnMut(&[String])) {
    const PROSE: [&str; 6] = ["title", "text", "note", "hint", "solution", "why"];
    match &tree.kind {
        Kind::Null => {}
        Kind::List(items) => items.iter().for_each(|item| mentions(item, tell)),
        Kind::Map(entries) => {
            entries
                .iter()
                .filter(|entry| !PROSE.contains(&entry.key.as_str()))
                .for_each(|entry| mentions(&entry.value, tell));
        }
        Kind::Scalar(scalar) => match Template::parse(&scalar.text) {
            Ok(template) => template
                .references()
                .for_each(|reference| tell(&reference.path)),
            Err(_) => scalar.text.split("${").skip(1).for_each(|rest| {
                let end = rest
                    .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
                    .unwrap_or(rest.len());
                tell(
                    &rest[..end]
                        .split('.')
                        .map(str::to_owned)
                        .collect::<Vec<_>>(),
                );
            }),
        },
    }
}
