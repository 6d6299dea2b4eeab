//! The order of the rooms: imports point downward only. Read from the `use` lines and paths of the code itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// From the bottom up. A room may use what stands before it.
const ROOMS: [&str; 15] = [
    "cluster",
    "resp",
    "double",
    "lab",
    "admin",
    "observe",
    "load",
    "redis_cli",
    "app",
    "backend",
    "targets",
    "engine",
    "report",
    "book",
    "cli",
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    found
}

/// The rooms that a line of code names: `crate::lab::…`, `crate::{engine, lab}`.
fn named(code: &str) -> Vec<&'static str> {
    const PREFIX: &str = "crate::";
    let mut found = Vec::new();
    for (at, _) in code.match_indices(PREFIX) {
        let rest = &code[at + PREFIX.len()..];
        if let Some(group) = rest.strip_prefix('{') {
            // Only the outermost names of a group are rooms.
            let mut depth = 0;
            let mut name = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    _ => {}
                }
                if depth == 0 {
                    name.push(c);
                }
            }
            let names = name
                .split(',')
                .map(|part| part.trim().split("::").next().unwrap_or(""));
            found.extend(names.filter_map(|name| ROOMS.iter().find(|room| **room == name)));
        } else {
            let end = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            found.extend(ROOMS.iter().find(|room| **room == &rest[..end]));
        }
    }
    found
}

#[test]
fn imports_point_downward() {
    let rank: BTreeMap<&str, usize> = ROOMS
        .iter()
        .enumerate()
        .map(|(rank, room)| (*room, rank))
        .collect();
    let mut wrong = Vec::new();
    let mut looked_at = 0;
    for room in ROOMS {
        for file in files(&source().join(room)) {
            let text = fs::read_to_string(&file).unwrap();
            // Comments may speak of any room.
            let code: String = text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .collect::<Vec<_>>()
                .join("\n");
            looked_at += 1;
            for other in named(&code) {
                if rank[other] > rank[room] {
                    wrong.push(format!(
                        "{} uses {other}, which is above {room}",
                        file.display()
                    ));
                }
            }
        }
    }
    assert!(looked_at > 50, "only {looked_at} files were found");
    assert_eq!(wrong, Vec::<String>::new());
}

/// The application is one that a course could have anywhere: it knows nothing of labs, nor of what watches and makes their clusters.
#[test]
fn the_application_knows_nothing_of_labs() {
    let mut used = BTreeSet::new();
    for file in files(&source().join("app")) {
        let text = fs::read_to_string(&file).unwrap();
        used.extend(named(&text));
    }
    assert_eq!(used, BTreeSet::from(["app", "cluster", "load", "resp"]));
}

#[test]
fn every_file_stands_in_a_room() {
    for entry in fs::read_dir(source()).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        let known =
            ROOMS.contains(&name.as_str()) || ["bin", "lib.rs", "main.rs"].contains(&name.as_str());
        assert!(known, "src/{name} is in no room");
    }
}

#[test]
fn names_are_read_from_code() {
    assert_eq!(named("use crate::lab::model::Lab;"), ["lab"]);
    assert_eq!(
        named("use crate::{engine::{event, Events}, lab};"),
        ["engine", "lab"]
    );
    assert_eq!(named("let x = crate::report::took(y);"), ["report"]);
    assert_eq!(named("use std::fmt;"), Vec::<&str>::new());
}
