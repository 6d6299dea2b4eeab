//! Everything that the recorded servers printed is understood, and printed back as it was.
//!
//! The recordings, and the states that they show, are described in `fixtures/servers/README.md`.

mod damage;
mod meaning;
mod recordings;
mod redirects;
mod slots;
mod texts;

use std::collections::BTreeSet;
use std::fs;

use crate::recordings::*;

#[test]
fn every_version_has_every_recording_and_no_other() {
    let root = folder("");
    let entries = fs::read_dir(&root)
        .unwrap_or_else(|e| panic!("{}: {e}; run .ci/record-servers", root.display()));
    let names = |entries: fs::ReadDir| -> BTreeSet<String> {
        entries
            .map(|entry| entry.unwrap())
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect()
    };
    let there: BTreeSet<String> = names(entries)
        .into_iter()
        .filter(|name| root.join(name).is_dir())
        .collect();
    assert_eq!(there, VERSIONS.map(str::to_owned).into());

    for version in VERSIONS {
        let mut expected = BTreeSet::new();
        for state in states(version) {
            expected.extend(
                ["nodes", "cluster-info", "info-replication", "errors"]
                    .map(|reply| format!("{reply}.{state}.txt")),
            );
            expected.extend([2, 3].map(|protocol| format!("slots.{state}.resp{protocol}")));
            if is_7_0_or_later(version) {
                expected.extend([2, 3].map(|protocol| format!("shards.{state}.resp{protocol}")));
            }
            if FULL_STATES.contains(&state) {
                expected.extend(["info", "nodes-conf"].map(|reply| format!("{reply}.{state}.txt")));
            }
        }
        let recorded = names(fs::read_dir(folder(version)).unwrap());
        assert_eq!(recorded, expected, "{version}");
        for file in recorded {
            assert!(
                !bytes(version, &file).is_empty(),
                "{version}/{file} is empty"
            );
        }
    }
}

/// The list by which a misspelt field of INFO is told in a lab: all that the recordings have.
#[test]
fn the_seen_fields_of_info_are_those_of_the_recordings() {
    let mut fields = BTreeSet::new();
    for version in VERSIONS {
        let files = fs::read_dir(folder(version))
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap());
        for file in files.filter(|file| file.starts_with("info")) {
            let info = labrunner::cluster::Info::parse(&text(version, &file)).unwrap();
            // Names with a number or a command in them stand for many.
            let single = |name: &&str| {
                let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
                let counted = stem != *name && ["slave", "replica", "db"].contains(&stem);
                let named = ["cmdstat_", "errorstat_", "latency_"];
                !counted && !named.iter().any(|many| name.starts_with(many))
            };
            fields.extend(
                info.fields()
                    .map(|(name, _)| name)
                    .filter(single)
                    .map(str::to_owned),
            );
        }
    }
    let listed: BTreeSet<String> = labrunner::cluster::Info::seen_fields()
        .map(str::to_owned)
        .collect();
    assert_eq!(listed, fields);
}
