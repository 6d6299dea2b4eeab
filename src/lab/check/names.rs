//! What is named in a lab, and what is asked for.

use std::collections::{BTreeMap, BTreeSet};

use crate::lab::fault::nearest;
use crate::lab::keys::STEP;
use crate::lab::shape::meant;
use crate::lab::source::Source;
use crate::lab::template::Template;
use crate::lab::tree::{Kind, Tree};

/// An `await`.
pub(super) struct Await {
    /// The number of its step.
    pub(super) at: usize,
    /// What is awaited, where that could be read.
    pub(super) id: Option<String>,
    /// The step that this means, if it means one.
    pub(super) meant: Option<String>,
}

/// What is named in a lab, wherever in it, and what is asked for.
#[derive(Default)]
pub(super) struct Names {
    /// The ids of all steps, each with the line where it stands first.
    pub(super) steps: BTreeMap<String, usize>,
    /// The ids of all steps, each with the number of the step that has it first.
    pub(super) numbers: BTreeMap<String, usize>,
    /// The numbers of the steps in the background.
    pub(super) background: BTreeSet<usize>,
    /// Every `await`.
    pub(super) awaits: Vec<Await>,
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
                names.numbers.entry(text.to_owned()).or_insert(at);
            }
            if meant(step, &STEP, "background").is_some_and(|it| it.value.text() != Some("false")) {
                names.background.insert(at);
            }
            if let Some(awaited) = meant(step, &STEP, "await") {
                names.awaits.push(Await {
                    at,
                    id: awaited.value.text().map(str::to_owned),
                    meant: None,
                });
            }
            for entry in meant(step, &STEP, "save").map_or(&[][..], |save| save.value.entries()) {
                names.saves.entry(entry.key.clone()).or_insert(at);
            }
            mentions(step, &mut |path| {
                names.mentioned.extend(path.first().cloned());
            });
        }
        let meant: Vec<Option<String>> = names
            .awaits
            .iter()
            .map(|awaited| names.meant_by(awaited))
            .collect();
        for (awaited, meant) in names.awaits.iter_mut().zip(meant) {
            awaited.meant = meant;
        }
        names
    }

    /// The step that an `await` names. If there is none: the one it may mean, best one in the background.
    fn meant_by(&self, awaited: &Await) -> Option<String> {
        let id = awaited.id.as_deref()?;
        if self.numbers.contains_key(id) {
            return Some(id.to_owned());
        }
        let ids = self.numbers.keys().map(String::as_str);
        let background = ids
            .clone()
            .filter(|id| self.background.contains(&self.numbers[*id]));
        let meant = nearest(id, background).or_else(|| nearest(id, ids));
        meant.map(str::to_owned)
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
