//! The lab language, as an author meets it: the labs of this repository are valid, every slip in them is found at its place, and
//! the JSON Schema says the same as the reader.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use labrunner::cluster::NodeName;
use labrunner::lab::model::CheckKind;
use labrunner::lab::{self, Source, schema};
use labrunner::report::{self, Style};
use rstest::rstest;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn labs() -> Vec<PathBuf> {
    let mut labs: Vec<PathBuf> = fs::read_dir(repository().join("labs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    labs.sort();
    assert!(!labs.is_empty(), "there are no labs");
    labs
}

#[test]
fn every_lab_is_valid() {
    for path in labs() {
        let source = Source::new(path.to_string_lossy(), fs::read_to_string(&path).unwrap());
        if let Err(faults) = lab::load(&source) {
            panic!("{}", report::faults(&faults, Style::PLAIN, 100));
        }
    }
}

/// The reader's second terminal: what is watched while something happens.
const SECOND_TERMINAL: &str = include_str!("lab_language/second_terminal.yaml");

#[test]
fn a_step_in_the_background_is_awaited() {
    let lab = lab::load(&Source::new("lab.yaml", SECOND_TERMINAL))
        .unwrap_or_else(|faults| panic!("{}", report::faults(&faults, Style::PLAIN, 100)));
    let background: Vec<&str> = lab
        .steps
        .iter()
        .filter(|step| step.background)
        .map(|step| step.id.value.as_str())
        .collect();
    assert_eq!(background, ["look-on"]);
    let awaiting = lab.awaiting("look-on").unwrap();
    assert_eq!(awaiting.id.value, "stop-looking");
    assert!(lab.awaiting("fail").is_none());
    let endless: Vec<bool> = lab.steps.iter().map(|step| step.is_endless()).collect();
    assert_eq!(endless, [true, false, true, false, false]);
    assert_eq!(
        lab.step("look-a-while").unwrap().wait,
        Some(Duration::from_secs(5))
    );
    assert!(lab.step("look").is_none());
}

#[test]
fn a_timeline_is_what_its_keys_say() {
    let lab = lab::load(&Source::new("lab.yaml", SECOND_TERMINAL)).unwrap();
    let check = &lab.step("fail").unwrap().expect[0];
    let CheckKind::Timeline(test) = &check.kind else {
        panic!("{check:?}")
    };
    assert_eq!(test.node.as_str(), "redis-1");
    assert_eq!(test.to.as_ref().map(NodeName::as_str), Some("redis-4"));
    let moments: Vec<(&str, String)> = test
        .moments
        .iter()
        .map(|(name, wanted)| (*name, wanted.in_words()))
        .collect();
    // In the order in which a failover runs through them, not in the one in which they were written.
    assert_eq!(
        moments,
        [
            ("failed", "more than 1s".to_owned()),
            ("recovered", "at most 20s".to_owned())
        ]
    );
    assert_eq!(check.within, Some(Duration::from_secs(40)));
}

/// Every key of the text: its line (from 0), the byte at which it stands in the line, and the key.
fn keys_of(text: &str) -> Vec<(usize, usize, String)> {
    let key = regex::Regex::new(r"([A-Za-z][\w-]*):(?:[ \n]|$)").unwrap();
    let mut found = Vec::new();
    let mut block_indent: Option<usize> = None;
    for (number, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        match block_indent {
            Some(outer) if line.trim().is_empty() || indent > outer => continue,
            _ => block_indent = None,
        }
        let comment = line
            .find(" #")
            .unwrap_or(if line.starts_with('#') { 0 } else { line.len() });
        let code = &line[..comment];
        for hit in key.captures_iter(code) {
            let at = hit.get(1).unwrap();
            // Inside quotes there is text and no key.
            if code[..at.start()].matches('"').count() % 2 == 0
                && !code[..at.start()].contains(": `")
            {
                let before = code[..at.start()].trim_end();
                if before.is_empty() || before.ends_with(['{', ',', '-']) {
                    found.push((number, at.start(), at.as_str().to_owned()));
                }
            }
        }
        if code.trim_end().ends_with(['|', '>']) || code.trim_end().ends_with(">-") {
            block_indent = Some(
                indent
                    + if code.trim_start().starts_with("- ") {
                        2
                    } else {
                        0
                    },
            );
        }
    }
    found
}

/// What a slip of the finger makes of a word.
fn slips(word: &str) -> Vec<String> {
    let chars: Vec<char> = word.chars().collect();
    let middle = chars.len() / 2;
    let mut slips = Vec::new();
    let mut dropped = chars.clone();
    dropped.remove(middle);
    slips.push(dropped.iter().collect());
    let mut doubled = chars.clone();
    doubled.insert(middle, chars[middle]);
    slips.push(doubled.iter().collect());
    if chars.len() > 1 {
        let mut swapped = chars.clone();
        let at = middle.max(1);
        swapped.swap(at - 1, at);
        slips.push(swapped.iter().collect());
    }
    slips.retain(|slip: &String| slip != word && !slip.is_empty());
    slips
}

/// One key misspelt, for every key in the file and three slips each: refused every time, at the right line at least 95 times of
/// 100. The figures are printed with `--nocapture`.
#[rstest]
fn every_misspelt_key_is_refused_at_its_line(
    #[files("labs/*.yaml")]
    #[files("tests/lab_language/second_terminal.yaml")]
    path: PathBuf,
) {
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let keys = keys_of(&text);
    assert!(
        keys.len() > 40,
        "only {} keys were found in {}",
        keys.len(),
        path.display()
    );
    let (mut tried, mut accepted, mut misplaced) = (0, Vec::new(), Vec::new());
    let mut with_a_tail = Vec::new();
    for (line, column, key) in &keys {
        // All three slips for the lab that the figure is measured on; one for each of the others, to save time.
        let all = if path.ends_with("07-scale-down.yaml") {
            3
        } else {
            1
        };
        for slip in slips(key).into_iter().take(all) {
            let mut changed: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            changed[*line].replace_range(*column..column + key.len(), &slip);
            let source = Source::new("lab.yaml", changed.join("\n") + "\n");
            tried += 1;
            match lab::load(&source) {
                Ok(_) => accepted.push(format!("line {}: {key} -> {slip}", line + 1)),
                Err(faults) => {
                    if faults.faults.len() > 1 {
                        with_a_tail.push(format!("line {}: {key} -> {slip}", line + 1));
                    }
                    if !faults
                        .faults
                        .iter()
                        .any(|fault| source.place(fault.span.start).0 == line + 1)
                    {
                        misplaced.push(format!("line {}: {key} -> {slip}", line + 1));
                    }
                }
            }
        }
    }
    println!(
        "{}: {} keys, {tried} slips, {} accepted, {} at another line, {} with more than one fault",
        path.display(),
        keys.len(),
        accepted.len(),
        misplaced.len(),
        with_a_tail.len()
    );
    assert_eq!(
        accepted,
        Vec::<String>::new(),
        "accepted in {}",
        path.display()
    );
    assert!(
        misplaced.len() * 20 <= tried,
        "at another line: {misplaced:?}"
    );
    // One slip is one fault, not one with a tail of others that only follow from it. In a short lab one of them counts for more.
    assert!(
        with_a_tail.len() * 20 <= tried.max(100),
        "with more than one fault: {with_a_tail:#?}"
    );
}

#[test]
fn the_committed_schema_is_that_of_the_key_table() {
    let path = repository().join("fixtures/lab.schema.json");
    let made = serde_json::to_string_pretty(&schema::schema()).unwrap() + "\n";
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == made,
        "fixtures/lab.schema.json is out of date: labrunner schema > fixtures/lab.schema.json"
    );
}
