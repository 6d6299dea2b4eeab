//! What an author sees of a slip: the whole diagnostic for every rule of the language, one small file each.
//!
//! The files are `tests/lab_faults/*.yaml`, with what is said of each beside it. A few that an editor or git would spoil are made
//! here.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use labrunner::lab::{self, Source, fault::Faults, load::decode, tree::MAX_BYTES};
use labrunner::report::{Style, faults};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab_faults");

/// The faults of a file, which must have some.
fn faults_of(name: &str, bytes: &[u8]) -> Faults {
    match decode(name, bytes.to_vec()).and_then(|source| lab::load(&source)) {
        Ok(_) => panic!("{name} is valid"),
        Err(faults) => faults,
    }
}

fn check(name: &str, bytes: &[u8]) {
    let drawn = faults(
        &faults_of(&format!("{name}.yaml"), bytes),
        Style::PLAIN,
        100,
    );
    insta::with_settings!({snapshot_path => "lab_faults", prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!(name, drawn);
    });
}

fn files(end: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(FOLDER)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|found| found == end))
        .collect();
    files.sort();
    files
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

/// A file with two faults: in its last line, and in one after signs of several bytes.
const SHORT: &str = "title: Añb\nobjectiv: é\nsteps:\n  - id: ask\n    title: Ask\n    run: redis-cli -p 7001 PING\n    expect:\n      - exit: 0\npoints:\n  - {text: It answers., proved_by: [aks]}\n";

/// Files that are made: their name and their bytes.
fn made() -> Vec<(&'static str, Vec<u8>)> {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for n in 1..12 {
        bomb.push_str(&format!(
            "a{n}: &a{n} [{}]\n",
            vec![format!("*a{}", n - 1); 9].join(", ")
        ));
    }
    let noise = |length: u32| {
        (0..length)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8 % 94 + 33)
            .collect::<Vec<u8>>()
    };
    let one_long_line = format!(
        "title: Golden\nobjective: {}\nstesp: []\n",
        "x".repeat(100_000)
    );
    let long_line_with_a_fault = format!("title: Golden\n{{{}\n", "a, ".repeat(30_000));
    vec![
        (
            "made_byte_order_mark",
            format!("\u{feff}{}", SHORT.replace("title:", "titel:")).into_bytes(),
        ),
        (
            "made_carriage_returns",
            SHORT.replace('\n', "\r\n").into_bytes(),
        ),
        (
            "made_old_carriage_returns",
            SHORT.replace('\n', "\r").into_bytes(),
        ),
        (
            "made_tabs_in_a_line",
            SHORT.replace("PING", "\tPING\t--rwa\t| wc").into_bytes(),
        ),
        ("made_empty", Vec::new()),
        (
            "made_too_large",
            "# a remark, and again\n"
                .repeat(MAX_BYTES / 22 + 2)
                .into_bytes(),
        ),
        ("made_noise", noise(300_000)),
        ("made_less_noise", noise(200_000)),
        (
            "made_not_utf8",
            b"title: Golden\nobjective: caf\xe9\n".to_vec(),
        ),
        (
            "made_control_signs",
            SHORT
                .replace("PING", "\"\\e[31m\" \u{1b}[31mPING")
                .into_bytes(),
        ),
        ("made_bomb", bomb.into_bytes()),
        ("made_deep", "[".repeat(5000).into_bytes()),
        ("made_long_line", one_long_line.into_bytes()),
        (
            "made_long_line_with_a_fault",
            long_line_with_a_fault.into_bytes(),
        ),
    ]
}

#[test]
fn what_is_said_of_every_slip() {
    let files = files("yaml");
    assert!(files.len() > 80, "only {} files in {FOLDER}", files.len());
    for file in files {
        check(&stem(&file), &fs::read(&file).unwrap());
    }
    for (name, bytes) in made() {
        check(name, &bytes);
    }
}

#[test]
fn every_snapshot_has_its_file() {
    let known: BTreeSet<String> = files("yaml")
        .iter()
        .map(|path| stem(path))
        .chain(made().iter().map(|(name, _)| (*name).to_owned()))
        .collect();
    let snapshots: BTreeSet<String> = files("snap").iter().map(|path| stem(path)).collect();
    assert_eq!(
        snapshots.difference(&known).collect::<Vec<_>>(),
        Vec::<&String>::new()
    );
}

/// A place that an editor can't go to, or the middle of a character, would be worse than no place.
#[test]
fn every_fault_has_a_place_in_the_file() {
    let written = files("yaml")
        .into_iter()
        .map(|path| (stem(&path), fs::read(&path).unwrap()));
    for (name, bytes) in written.chain(
        made()
            .into_iter()
            .map(|(name, bytes)| (name.to_owned(), bytes)),
    ) {
        let faults = faults_of(&name, &bytes);
        for fault in &faults.faults {
            assert_eq!(
                faults.source.within(fault.span),
                fault.span,
                "{name}: {fault:?}"
            );
        }
    }
}

/// Nothing that somebody puts into a file may keep an editor or CI waiting.
#[test]
fn no_file_takes_long() {
    let many_keys: String = (0..MAX_BYTES / 16)
        .map(|n| format!("key{n}: v\n"))
        .collect();
    let many_references = format!(
        "{}steps:\n  - run: redis-cli -p 7001 ECHO {}\n",
        "title: x\n",
        "${a} ".repeat(50_000)
    );
    let many_items = format!(
        "title: x\nsteps:\n  - each: [{}]\n",
        (0..2600)
            .map(|n| format!("{{a{n}: 1}}, "))
            .collect::<String>()
    );
    let many_masters: String = (0..3900)
        .map(|n| format!("    redis-{n}: 0-16383\n"))
        .collect();
    let many_masters = format!("given:\n  masters:\n{many_masters}");
    let line = |line: String| format!("title: x\nsteps:\n  - run: {line}\n");
    let many_watches = line("watch ".repeat(40_000));
    let much_watched = line(format!("watch {}", "redis-cli ".repeat(24_000)));
    let many_variables = line(format!("make failover {}", "NODE=7001 ".repeat(24_000)));
    let many_awaits: String = (0..300)
        .map(|n| format!("  - {{id: a{n}, background: true}}\n  - {{id: b{n}, await: c{n}}}\n"))
        .collect();
    let many_awaits = format!("title: x\nsteps:\n{many_awaits}");
    let wide = "{a: ".repeat(20) + &"b, ".repeat(20_000);
    for text in [
        many_keys,
        many_references,
        many_items,
        many_masters,
        many_watches,
        much_watched,
        many_variables,
        many_awaits,
        wide,
    ] {
        let begun = Instant::now();
        let begin: String = text.chars().take(30).collect();
        let found = lab::load(&Source::new("x.yaml", text)).unwrap_err();
        let loaded = begun.elapsed();
        faults(&found, Style::PLAIN, 100);
        println!(
            "{begin:?}…: {} faults, read in {loaded:?}, drawn after {:?}",
            found.faults.len(),
            begun.elapsed()
        );
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{:?} for {begin}…",
            begun.elapsed()
        );
    }
}

/// The lab of the repository in the time that an author does not notice.
#[test]
fn a_lab_is_read_at_once() {
    let text = fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/labs/07-scale-down.yaml"
    ))
    .unwrap();
    let source = Source::new("lab.yaml", text);
    // The best of several: other processes of the machine are not what is measured. A debug build on a slow machine beside other tests has taken 70 ms, so that it can only show what takes far too long.
    let best = (0..10)
        .map(|_| {
            let begun = Instant::now();
            lab::load(&source).unwrap();
            begun.elapsed()
        })
        .min()
        .unwrap_or_default();
    println!("read in {best:?}");
    let limit = Duration::from_millis(if cfg!(debug_assertions) { 400 } else { 10 });
    assert!(best < limit, "{best:?}");
}
