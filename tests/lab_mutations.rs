//! What an editor, a merge or a cat on the keyboard makes of a lab: it is refused or not, at places that are in the file, and never
//! with a panic.

use std::time::{Duration, Instant};

use labrunner::lab::{self, Source};
use labrunner::report::{Style, faults};
use proptest::prelude::*;

/// A lab of the course, and one with what it does not use: targets, `watch`, steps in the background, a timeline.
const LABS: [&str; 2] = [
    include_str!("../labs/07-scale-down.yaml"),
    include_str!("lab_language/second_terminal.yaml"),
];

/// One change of a text. Numbers are places: parts of 1000 of its length, so that they fit whatever was changed before.
#[derive(Debug, Clone)]
enum Change {
    DeleteSigns(u16, usize),
    DoubleSigns(u16, usize),
    Insert(u16, String),
    DeleteLine(u16),
    DoubleLine(u16),
    SwapLines(u16, u16),
    Indent(u16, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let at = 0u16..1000;
    prop_oneof![
        (at.clone(), 1usize..4).prop_map(|(at, n)| Change::DeleteSigns(at, n)),
        (at.clone(), 1usize..20).prop_map(|(at, n)| Change::DoubleSigns(at, n)),
        (
            at.clone(),
            "[-:{}\\[\\],&*!|>'\"#%@`$\\\\ \n\t\ra-zé→0-9]{1,4}"
        )
            .prop_map(|(at, text)| Change::Insert(at, text)),
        (
            at.clone(),
            "(\\$\\{|\\}|watch |make |NODE=|\\| grep |await: |background: |<<: |- |: |\\*a |&a |--|\u{feff}|\u{1b}\\[31m|---\n|null|~)"
        )
            .prop_map(|(at, text)| Change::Insert(at, text)),
        at.clone().prop_map(Change::DeleteLine),
        at.clone().prop_map(Change::DoubleLine),
        (at.clone(), at.clone()).prop_map(|(a, b)| Change::SwapLines(a, b)),
        (at, 1usize..4).prop_map(|(at, n)| Change::Indent(at, n)),
    ]
}

fn apply(text: &str, change: &Change) -> String {
    let mut signs: Vec<char> = text.chars().collect();
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    let sign = |at: &u16| usize::from(*at) * signs.len() / 1000;
    let line = |at: &u16| usize::from(*at) * lines.len() / 1000;
    match change {
        Change::DeleteSigns(at, n) => {
            let at = sign(at);
            signs.drain(at..(at + n).min(signs.len()));
            signs.into_iter().collect()
        }
        Change::DoubleSigns(at, n) => {
            let at = sign(at);
            let piece: Vec<char> = signs[at..(at + n).min(signs.len())].to_vec();
            signs.splice(at..at, piece);
            signs.into_iter().collect()
        }
        Change::Insert(at, new) => {
            let at = sign(at);
            signs.splice(at..at, new.chars());
            signs.into_iter().collect()
        }
        _ if lines.is_empty() => text.to_owned(),
        Change::DeleteLine(at) => {
            lines.remove(line(at));
            lines.concat()
        }
        Change::DoubleLine(at) => {
            let at = line(at);
            lines.insert(at, lines[at].clone());
            lines.concat()
        }
        Change::SwapLines(a, b) => {
            let (a, b) = (line(a), line(b));
            lines.swap(a, b);
            lines.concat()
        }
        Change::Indent(at, n) => {
            let at = line(at);
            lines[at].insert_str(0, &" ".repeat(*n));
            lines.concat()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_lab_is_refused_at_places_that_are_in_it(lab in prop::sample::select(&LABS[..]), changes in prop::collection::vec(change(), 1..6)) {
        let text = changes.iter().fold(lab.to_owned(), |text, change| apply(&text, change));
        let source = Source::new("lab.yaml", text);
        let begun = Instant::now();
        if let Err(found) = lab::load(&source) {
            prop_assert!(!found.faults.is_empty());
            for fault in &found.faults {
                prop_assert_eq!(source.within(fault.span), fault.span, "{:?}", fault);
            }
            let places: Vec<usize> = found.faults.iter().map(|fault| fault.span.start).collect();
            prop_assert!(places.is_sorted());
            let drawn = faults(&found, Style::PLAIN, 100);
            prop_assert!(!drawn.contains('\u{1b}'), "{}", drawn);
            // Every fault is drawn at a line and a column, and the sentence is not all there is.
            prop_assert_eq!(drawn.matches("[lab.yaml:").count(), found.faults.len().min(100));
        }
        // A hundred times what it takes here: the machine may be busy.
        prop_assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    }
}
