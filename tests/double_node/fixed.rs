//! All fixed cases, each file on a pair of servers of its own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::case::{Case, parse};
use crate::pair::Pair;
use crate::real;
use crate::run::{Failure, run};
use crate::show;

/// Failures of one file that are shown in full.
const IN_FULL: usize = 3;

/// Lines shown before the failing one.
const LINES: usize = 15;

struct Report {
    file: String,
    cases: usize,
    failed: usize,
    text: String,
}

#[test]
fn fixed_cases() {
    if !real::is_here("fixed_cases") {
        return;
    }
    let selection = std::env::var("LABRUNNER_CASES").unwrap_or_default();
    let files = Mutex::new(files().into_iter());
    let reports = Mutex::new(Vec::new());
    let take = || files.lock().unwrap().next();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let Some(path) = take() {
                    reports.lock().unwrap().push(file(&path, &selection));
                }
            });
        }
    });
    let mut reports = reports.into_inner().unwrap();
    reports.retain(|report| report.cases > 0 || report.failed > 0);
    reports.sort_by(|a, b| a.file.cmp(&b.file));
    let total = |count: fn(&Report) -> usize| reports.iter().map(count).sum::<usize>();
    let (ran, failed) = (total(|report| report.cases), total(|report| report.failed));
    let mut text = String::new();
    for report in &reports {
        text.push_str(&report.text);
    }
    for Report {
        file,
        cases,
        failed,
        ..
    } in &reports
    {
        text.push_str(&format!("{file:24} {cases:5} cases, {failed} failed\n"));
    }
    text.push_str(&format!(
        "{ran} fixed cases ran in {} files, {failed} failed\n",
        reports.len()
    ));
    // Not eprintln: that is shown only of a test that fails.
    std::io::stderr().write_all(text.as_bytes()).unwrap();
    assert!(
        ran > 0,
        "no case was selected by LABRUNNER_CASES={selection:?}"
    );
    assert!(failed == 0, "{failed} of {ran} fixed cases failed");
}

/// `cases/*.txt`, beside this file.
fn files() -> Vec<PathBuf> {
    let folder = Path::new(file!()).parent().unwrap().join("cases");
    let entries = std::fs::read_dir(&folder).unwrap();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    files
}

fn file(path: &Path, selection: &str) -> Report {
    let family = path.file_stem().unwrap().to_string_lossy().into_owned();
    let mut report = Report {
        file: format!("{family}.txt"),
        cases: 0,
        failed: 0,
        text: String::new(),
    };
    let cases = match parse(&std::fs::read_to_string(path).unwrap()) {
        Ok(cases) => cases,
        Err(why) => {
            report.failed = 1;
            report.text = format!("{}: {why}\n\n", report.file);
            return report;
        }
    };
    let chosen = |case: &&Case| {
        let name = format!("{family}: {}", case.title);
        selection.split(',').any(|part| name.contains(part))
    };
    // Who has selected cases wants to see them.
    let in_full_at_most = if selection.is_empty() { IN_FULL } else { 20 };
    let mut pair = None;
    for case in cases.iter().filter(chosen) {
        report.cases += 1;
        let pair = pair.get_or_insert_with(Pair::start);
        let protocols = [2, 3].into_iter();
        let mut mine = protocols.filter(|protocol| case.only.is_none_or(|only| only == *protocol));
        let failure = mine.find_map(|protocol| Some((protocol, run(case, protocol, pair).err()?)));
        if let Some((protocol, failure)) = failure {
            report.failed += 1;
            let text = if report.failed <= in_full_at_most {
                in_full(&report.file, case, protocol, &failure)
            } else {
                in_short(&report.file, case, protocol, &failure)
            };
            report.text.push_str(&text);
        }
    }
    if !report.text.is_empty() {
        report.text.push('\n');
    }
    report
}

fn in_short(file: &str, case: &Case, protocol: u8, failure: &Failure) -> String {
    let line = failure.lines.last().map_or("", String::as_str);
    let cut = |text: &str, most: usize| text.chars().take(most).collect::<String>();
    let problem = &failure.problem;
    let said = if problem.real.is_empty() && problem.double.is_empty() {
        problem.why.clone()
    } else {
        let of = |bytes| cut(&show::escaped(bytes), 45);
        format!(
            "redis {}  double {}",
            of(&problem.real),
            of(&problem.double)
        )
    };
    format!(
        "{file}:{}: {} (RESP{protocol})\n    > {}    {said}\n",
        failure.line,
        case.title,
        cut(line, 60)
    )
}

fn in_full(file: &str, case: &Case, protocol: u8, failure: &Failure) -> String {
    let Failure {
        line,
        lines,
        problem,
    } = failure;
    let mut text = format!("{file}:{line}: {} (RESP{protocol})\n", case.title);
    let hidden = lines.len().saturating_sub(LINES);
    if hidden > 0 {
        text.push_str(&format!("      … {hidden} lines\n"));
    }
    for (index, line) in lines.iter().enumerate().skip(hidden) {
        let mark = if index + 1 == lines.len() { ">" } else { " " };
        let cut: String = line.chars().take(200).collect();
        text.push_str(&format!("    {mark} {cut}\n"));
    }
    text.push_str(&format!("    {}\n", problem.why));
    text.push_str(&show::both(&problem.real, &problem.double));
    text.push('\n');
    text
}
