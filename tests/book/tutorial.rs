//! The tutorial of the guide is carried out: its labs are taken out of it and run.

use std::fs;
use std::process::Command;

use super::small_book::{errors, repository};
use super::support;

/// The blocks `yaml lab` of a chapter.
fn labs(chapter: &str) -> Vec<String> {
    chapter
        .split("```yaml lab\n")
        .skip(1)
        .filter_map(|rest| rest.split_once("\n```"))
        .map(|(lab, _)| lab.to_owned())
        .collect()
}

#[test]
fn the_tutorials_labs_are_green_and_the_mistake_that_it_names_is_red() {
    if !support::may_run("docker", "the_tutorials_labs_are_green") {
        return;
    }
    let chapter = fs::read_to_string(repository().join("book/src/first-lab.md")).unwrap();
    let labs = labs(&chapter);
    let [_, last] = &labs[..] else {
        panic!("the tutorial has {} labs", labs.len())
    };
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, lab: &str| {
        let file = folder.path().join(name);
        fs::write(&file, lab).unwrap();
        Command::new(env!("CARGO_BIN_EXE_labrunner"))
            .current_dir(repository())
            .args([
                "run",
                "--backend",
                "docker",
                "--record=recordings",
                "--state-dir",
            ])
            .arg(folder.path())
            .arg("--journal")
            .arg(folder.path().join("journal.jsonl"))
            .arg(file)
            .current_dir(folder.path())
            .output()
            .unwrap()
    };
    let green = run("first.yaml", last);
    assert!(
        green.status.success(),
        "{}{}",
        String::from_utf8_lossy(&green.stdout),
        errors(&green)
    );
    let recording = fs::read_to_string(folder.path().join("recordings/first.json")).unwrap();
    assert!(
        recording.contains("(error) MOVED 12182 172.30.0.13:7003"),
        "{recording}"
    );
    assert!(recording.contains("(integer) 12182"), "{recording}");

    let named = "- node: {name: redis-1, keys: 1}";
    assert!(chapter.contains(named));
    let red = run(
        "second.yaml",
        &last.replace("- node: {name: redis-3, keys: 1}", named),
    );
    assert_eq!(red.status.code(), Some(1));
    assert!(!folder.path().join("recordings/second.json").exists());
}
