//! The guide says what is true: its labs load, its faults look as they are shown, its commands exist, and its reference chapter is
//! the one that the key table makes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use labrunner::lab::{self, Source, reference};
use labrunner::report::{Style, faults};

fn book() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("book/src")
}

fn chapters() -> Vec<(String, String)> {
    fn collect(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|end| end == "md") {
                let name = path
                    .strip_prefix(book())
                    .unwrap()
                    .to_string_lossy()
                    .into_owned();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    collect(&book(), &mut found);
    found.sort();
    found
}

/// The fenced blocks of a chapter: what stands after the fence, and the text.
fn blocks(chapter: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in chapter.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => open = Some((info.trim().to_owned(), String::new())),
            (Some(_), Some("")) => blocks.extend(open.take()),
            (Some((_, text)), _) => *text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    assert_eq!(open, None, "a fence is not closed");
    blocks
}

#[test]
fn the_reference_is_that_of_the_key_table() {
    let committed = fs::read_to_string(book().join("reference.md")).unwrap_or_default();
    assert!(
        committed == reference::markdown(),
        "the chapter is out of date: labrunner schema --reference > book/src/reference.md"
    );
}

#[test]
fn every_chapter_is_in_the_summary_and_every_link_leads_somewhere() {
    let summary = fs::read_to_string(book().join("SUMMARY.md")).unwrap();
    for (name, text) in chapters() {
        assert!(
            name == "SUMMARY.md" || summary.contains(&format!("({name})")),
            "{name} is not in SUMMARY.md"
        );
        let folder = book().join(&name).parent().unwrap().to_owned();
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let file = link.split('#').next().unwrap_or_default();
            assert!(
                file.is_empty() || folder.join(file).is_file(),
                "{name}: {link}"
            );
        }
    }
}

/// A block `yaml lab` is a whole lab. A block `text slip=A->B` shows what is said of the lab before it with A misspelt as B.
#[test]
fn every_lab_is_valid_and_every_fault_is_shown_as_it_is() {
    let (mut labs, mut slips) = (0, 0);
    for (name, text) in chapters() {
        let mut last = None;
        for (info, block) in blocks(&text) {
            if info == "yaml lab" {
                labs += 1;
                if let Err(found) = lab::load(&Source::new("first.yaml", block.clone())) {
                    panic!("{name}: {}", faults(&found, Style::PLAIN, 100));
                }
                last = Some(block);
            } else if let Some((right, wrong)) = info
                .strip_prefix("text slip=")
                .and_then(|slip| slip.split_once("->"))
            {
                slips += 1;
                let lab = last.as_ref().unwrap();
                assert!(lab.contains(right), "{name}: no {right} in the lab");
                let found = lab::load(&Source::new("first.yaml", lab.replacen(right, wrong, 1)))
                    .unwrap_err();
                assert_eq!(
                    block.trim(),
                    faults(&found, Style::PLAIN, 100).trim(),
                    "{name}"
                );
            } else if let Some(file) = info.strip_prefix("yaml of ") {
                // A part of a lab that is here, word by word.
                let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
                let whole = fs::read_to_string(&path)
                    .unwrap_or_else(|error| panic!("{name}: {file}: {error}"));
                assert!(
                    whole.contains(block.trim_end()),
                    "{name}: this does not stand in {file}:\n{block}"
                );
            } else {
                assert!(
                    !info.starts_with("yaml"),
                    "{name}: is this block a whole lab? then mark it `yaml lab`"
                );
            }
        }
    }
    assert!(labs >= 2 && slips >= 1, "{labs} labs, {slips} slips");
}

/// Every `labrunner …` in a block for the shell or between backquotes: the words after it. `./app …` is `labrunner app …`.
fn calls(chapter: &str) -> Vec<Vec<String>> {
    let in_blocks = blocks(chapter)
        .into_iter()
        .filter(|(info, _)| info == "sh" || info == "yml")
        .flat_map(|(_, text)| {
            // A workflow says `- run: …`.
            let line = |line: &str| line.trim().trim_start_matches("- run: ").to_owned();
            text.lines().map(line).collect::<Vec<_>>()
        });
    let mut prose = String::new();
    let mut fenced = false;
    for line in chapter.lines() {
        fenced ^= line.starts_with("```");
        if !fenced {
            prose += &format!("{line} ");
        }
    }
    let in_prose: Vec<String> = prose
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    in_blocks
        .chain(in_prose)
        .filter_map(|line| {
            let line = line.replacen("./app ", "labrunner app ", 1);
            line.strip_prefix("labrunner ")
                .map(|rest| rest.split_whitespace().map(str::to_owned).collect())
        })
        .collect()
}

fn help(words: &[&str]) -> Option<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_labrunner"))
        .args(words)
        .arg("--help")
        .output()
        .unwrap();
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn every_command_exists_with_its_flags() {
    let mut seen = 0;
    for (name, text) in chapters() {
        for call in calls(&text) {
            seen += 1;
            let help = help(&[&call[0]])
                .unwrap_or_else(|| panic!("{name}: there is no `labrunner {}`", call[0]));
            // A subcommand of a subcommand has flags of its own.
            let words: Vec<&str> = call.iter().map(String::as_str).collect();
            let plain = words.iter().take_while(|word| !word.starts_with('-'));
            let inner = (2..=plain.count().min(3)).filter_map(|depth| self::help(&words[..depth]));
            let help = help + &inner.collect::<String>();
            for flag in call.iter().filter(|word| word.starts_with('-')) {
                assert!(
                    help.contains(flag.as_str()),
                    "{name}: `labrunner {}` has no {flag}",
                    call[0]
                );
            }
        }
    }
    assert!(seen >= 8, "only {seen} commands in the guide");
}

/// The reference names the exit codes, which the command's own help does too.
#[test]
fn the_exit_codes_are_those_of_the_command() {
    let help = help(&[]).unwrap();
    let chapter = reference::markdown();
    let of_chapter: Vec<&str> = chapter
        .lines()
        .skip_while(|line| !line.starts_with("## Exit codes"))
        .filter_map(|line| {
            line.strip_prefix("| ")?
                .split(' ')
                .next()
                .filter(|code| code.parse::<u8>().is_ok())
        })
        .collect();
    assert!(of_chapter.len() >= 8, "{of_chapter:?}");
    let codes = help
        .split("Exit codes:")
        .nth(1)
        .and_then(|rest| rest.split("Examples:").next())
        .unwrap();
    let mut of_help: Vec<&str> = codes
        .split_whitespace()
        .filter(|word| word.parse::<u8>().is_ok())
        .collect();
    of_help.sort_by_key(|code| code.parse::<u8>().unwrap_or_default());
    assert_eq!(of_chapter, of_help);
}
