//! What the command says about calls and files that are wrong, and about machines that lack something. Needs no engine: where docker is
//! asked, a script stands in for it.

mod command;

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use command::{Desk, Ended, LONG, processes_about};
use rstest::rstest;
use rustix::process::Signal;

const LAB: &str = "
title: Small
objective: Something small.
given:
  masters: {redis-1: 0-16383}
steps:
  - id: ping
    title: Ping
    run: redis-cli -p 7001 PING
    expect:
      - stdout: {equals: PONG}
points:
  - text: It answers.
    proved_by: [ping]
";

/// A desk with a valid lab on it.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.write("small.yaml", LAB);
    desk
}

/// Runs a lab whose file holds `text`. Nothing may be started for it: there is no docker.
fn run_file(text: impl AsRef<[u8]>) -> Ended {
    let desk = Desk::new();
    desk.write("lab.yaml", text);
    let ended = desk
        .start(desk.run_command(&["lab.yaml"]).env("PATH", "/nowhere"))
        .end(LONG);
    assert!(
        !desk.path().join("journal.jsonl").exists(),
        "nothing is started"
    );
    assert!(!desk.path().join("state").exists(), "nothing is started");
    // A message is for people: none is longer than two screens, or much wider.
    assert!(ended.stderr.lines().count() < 60, "{ended}");
    assert!(
        ended.stderr.lines().all(|line| line.chars().count() < 400),
        "{ended}"
    );
    ended
}

// ---- the call

#[rstest]
#[case::nothing(&[], &["Usage: labrunner", "Find everything that is wrong with labs", "130 interrupted"])]
#[case::no_lab(&["run"], &["required", "<FILE>..."])]
#[case::flag(&["run", "--bakend", "docker", "small.yaml"], &["unexpected argument '--bakend'", "similar argument exists: '--backend'"])]
#[case::command(&["runn", "small.yaml"], &["unrecognized subcommand 'runn'", "similar subcommand exists: 'run'"])]
#[case::backend(&["run", "--backend", "dokcer", "small.yaml"], &["invalid value 'dokcer'", "docker"])]
#[case::port(&["run", "--first-port", "99999", "small.yaml"], &["invalid value '99999'", "--first-port"])]
#[case::port_zero(&["run", "--first-port", "0", "small.yaml"], &["invalid value '0'", "--first-port", "1..=65528"])]
#[case::no_number(&["run", "--jobs", "two", "small.yaml"], &["invalid value 'two' for '--jobs <N>': a whole number is needed, like 3\n\nFor more information"])]
#[case::half_a_number(&["run", "--jobs", "1.5", "small.yaml"], &["invalid value '1.5' for '--jobs <N>': a whole number is needed"])]
#[case::zero(&["run", "--jobs", "0", "small.yaml"], &["invalid value '0' for '--jobs <N>': it has to be at least 1"])]
#[case::too_large(&["run", "--jobs", "99999999999999999999", "small.yaml"], &["for '--jobs <N>': the number is too large"])]
#[case::subnet(&["run", "--subnet", "300.1.1", "small.yaml"], &["invalid value '300.1.1'", "--subnet", "first three numbers", "172.30.0"])]
fn a_wrong_call_is_told(#[case] args: &[&str], #[case] words: &[&str]) {
    let desk = desk();
    desk.labrunner(args).says(2, words);
    assert!(
        !desk.path().join(".labrunner").exists(),
        "nothing is started"
    );
}

#[rstest]
#[case::misspelt("smal.yaml", &["smal.yaml: no such file", "help: did you mean small.yaml?"])]
#[case::in_a_folder("labs/07-scale-dwn.yaml", &["labs/07-scale-dwn.yaml: no such file", "did you mean labs/07-scale-down.yaml?"])]
#[case::unlike_any("labs/frobnicate.yaml", &["no such file", "in labs there are 06-other.yaml, 07-scale-down.yaml"])]
#[case::no_such_folder("lbas/07-scale-down.yaml", &["no such file", "there is no folder lbas"])]
#[case::no_labs_there("empty/07-scale-down.yaml", &["no such file", "there are no labs in empty"])]
#[case::a_folder_without_labs("empty", &["there are no labs in empty", "labs are files that end in .yaml or .yml"])]
#[case::a_folder_above("deep", &["there are no labs in deep", "its subdirectories are not looked into; did you mean deep/er?"])]
#[case::a_pattern("labs/9*.yaml", &["no file matches labs/9*.yaml", "in labs there are 06-other.yaml, 07-scale-down.yaml"])]
#[case::half_a_pattern("labs/[0", &["labs/[0 is not a pattern", "`[0-3]` for one of these"])]
#[case::a_file_as_a_folder("small.yaml/x.yaml", &["small.yaml/x.yaml", "ot a directory"])]
fn a_file_that_is_not_there_is_told(#[case] file: &str, #[case] words: &[&str]) {
    let desk = desk();
    std::fs::create_dir(desk.path().join("labs")).unwrap();
    std::fs::create_dir(desk.path().join("empty")).unwrap();
    std::fs::create_dir_all(desk.path().join("deep/er")).unwrap();
    desk.write("deep/er/lab.yaml", LAB);
    desk.write("labs/06-other.yaml", LAB)
        .write("labs/07-scale-down.yaml", LAB);
    for command in ["run", "check"] {
        desk.labrunner(&[command, file]).says(2, words);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    let desk = desk();
    // A file that nobody can read from its beginning, root included.
    let unreadable = "/proc/self/mem";
    if Path::new(unreadable).exists() {
        desk.labrunner(&["check", unreadable])
            .says(2, &[unreadable, "a lab is a readable text file"]);
    } else {
        eprintln!("SKIPPED a_file_that_cannot_be_read_is_told: there is no {unreadable}");
    }
}

#[test]
fn a_folder_and_a_pattern_stand_for_the_labs_in_them() {
    let desk = desk();
    std::fs::create_dir_all(desk.path().join("labs/deeper")).unwrap();
    for name in ["labs/02.yaml", "labs/01.yml", "labs/deeper/03.yaml"] {
        desk.write(name, LAB);
    }
    desk.write("labs/notes.md", "no lab");
    for (files, expected) in [
        (&["labs"][..], &["labs/01.yml", "labs/02.yaml"][..]),
        (&["labs/0*.yaml"], &["labs/02.yaml"]),
        // At the place where each comes first.
        (
            &["labs/02.yaml", "labs/", "labs/*.y*ml", "labs/deeper"],
            &["labs/02.yaml", "labs/01.yml", "labs/deeper/03.yaml"],
        ),
        (
            &["labs/01.yml", "labs/01.yml"],
            &["labs/01.yml", "labs/01.yml"],
        ),
    ] {
        let ended = desk.labrunner(&[&["check"], files].concat());
        ended.says(0, &[]);
        let named: Vec<&str> = ended
            .stdout
            .lines()
            .filter_map(|line| line.split_once(": valid"))
            .map(|(name, _)| name)
            .collect();
        assert_eq!(named, expected, "{ended}");
    }
    // What is wrong with one of them is told before any is run.
    desk.write("labs/09.yaml", "a: [1, 2");
    desk.run(&["labs"])
        .says(3, &["labs/09.yaml is not a valid lab: 1 fault"]);
    assert!(!desk.path().join("journal.jsonl").exists());
}

#[test]
fn all_files_are_looked_at_and_nothing_is_started() {
    let desk = desk();
    desk.write("broken.yaml", "a: [1, 2")
        .write("latin.yaml", b"title: caf\xe9\n");
    let files = ["small.yaml", "broken.yaml", "missing.yaml", "latin.yaml"];
    desk.run(&files).says(
        2,
        &[
            "broken.yaml is not a valid lab",
            "missing.yaml: no such file",
            "latin.yaml is not a valid lab",
        ],
    );
    assert!(!desk.path().join("journal.jsonl").exists());
    // Without the missing file what is left is invalid.
    desk.run(&["small.yaml", "broken.yaml"])
        .says(3, &["broken.yaml is not a valid lab: 1 fault"]);
    assert!(!desk.path().join("journal.jsonl").exists());
}

// ---- the file

#[rstest]
#[case::not_yaml("a: [1, 2", &["not YAML", "lab.yaml:1:"])]
#[case::binary(b"\x7fELF\x00\x01\x02", &["not YAML", "unprintable"])]
#[case::empty("", &["the file is empty", "`title`, `objective`, `steps` and `points`"])]
#[case::only_a_comment("# to do\n", &["the file is empty"])]
#[case::not_text(b"title: caf\xe9\n", &["not UTF-8", "lab.yaml:1:11", "save the file as UTF-8"])]
#[case::a_list("- a\n- b\n", &["lab.yaml:1:"])]
#[case::another_version("version: 2\ntitle: Small\n", &["version 2 of the lab language", "this program reads version 1", "newer labrunner"])]
fn a_file_that_is_no_lab_is_told(#[case] text: impl AsRef<[u8]>, #[case] words: &[&str]) {
    run_file(text).says(3, words);
}

/// Bytes without a pattern, the same every time (a linear congruential generator; the constants are Knuth's).
fn noise(length: usize) -> Vec<u8> {
    let mut state: u64 = 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn noise_is_refused_at_once() {
    let bytes = noise(300_000);
    let letters: String = bytes
        .iter()
        .map(|byte| char::from(b'a' + byte % 26))
        .collect();
    let lines: String = bytes
        .chunks(60)
        .map(|line| {
            line.iter()
                .map(|byte| char::from(b' ' + byte % 95))
                .collect::<String>()
                + "\n"
        })
        .collect();
    for (text, words) in [
        (bytes.clone(), "too large"),
        (bytes[..200_000].to_vec(), "not UTF-8"),
        (letters.clone().into_bytes(), "too large"),
        (letters.into_bytes()[..200_000].to_vec(), "lab.yaml:1:1"),
        (lines.clone().into_bytes(), "too large"),
        (lines.into_bytes()[..200_000].to_vec(), "lab.yaml:"),
    ] {
        let ended = run_file(text);
        ended.says(3, &[words, "lab.yaml is not a valid lab"]);
        assert!(ended.took < Duration::from_secs(5), "{:?}", ended.took);
    }
}

#[rstest]
#[case::aliases(
    "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n\
     e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n".to_owned(),
    "aliases"
)]
#[case::an_alias_of_itself("a: &a [*a]\n".to_owned(), "lab.yaml:1:")]
#[case::lists("[".repeat(100_000), "lab.yaml:1:")]
#[case::mappings("a: {".repeat(20_000), "lab.yaml:1:")]
#[case::lines((0..3_000).map(|depth| format!("{}a:\n", " ".repeat(depth.min(80)))).collect(), "lab.yaml:")]
fn a_bomb_is_refused_at_once(#[case] text: String, #[case] words: &str) {
    let ended = run_file(text);
    ended.says(3, &[words]);
    assert!(ended.took < Duration::from_secs(5), "{:?}", ended.took);
}

#[test]
fn a_file_cannot_command_the_terminal() {
    let text = "title: \"\\e[31mred\\e]0;evil\\a\"\n\"\\e[2Jkey\": 1\n# \x1b[31m in a comment\n";
    let ended = run_file(text);
    assert_eq!(ended.exit, Some(3), "{ended}");
    assert!(
        !ended.stderr.contains(['\x1b', '\x07']),
        "{:?}",
        ended.stderr
    );
}

// ---- where things are written

#[rstest]
#[case::a_state_folder_that_cannot_be(&["--state-dir", "/proc/nothing"], &["the journal can't be written to /proc/nothing/journals", "--state-dir DIR"])]
#[case::a_state_folder_that_is_a_file(&["--state-dir", "small.yaml"], &["the journal can't be written to small.yaml/journals", "--state-dir DIR"])]
#[case::a_journal_that_is_a_folder(&["--journal", "."], &["the journal can't be written to .", "--journal FILE"])]
#[case::a_journal_that_cannot_be(&["--journal", "/proc/nothing/x.jsonl"], &["can't be written to /proc/nothing/x.jsonl", "--journal FILE"])]
#[case::a_journal_below_a_file(&["--journal", "small.yaml/x.jsonl"], &["can't be written to small.yaml/x.jsonl", "--journal FILE"])]
fn a_place_that_cannot_be_written_to_is_told(#[case] place: &[&str], #[case] words: &[&str]) {
    let desk = desk();
    desk.labrunner(&[&["run", "small.yaml"], place].concat())
        .says(4, words);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let desk = desk();
    for args in [
        &["schema"][..],
        &["check", "small.yaml"],
        &["--help"],
        &["run", "smal.yaml"],
    ] {
        let mut command = desk.command(args);
        // A pipe whose reading end is closed before the first word.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command
            .stdout(writer.try_clone().unwrap())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("panicked"), "{args:?}: {said}");
        let expected = if args[0] == "run" { 2 } else { 0 };
        assert_eq!(output.status.code(), Some(expected), "{args:?}: {said}");
    }
}

#[test]
fn a_full_disk_is_told() {
    if !Path::new("/dev/full").exists() {
        eprintln!("SKIPPED a_full_disk_is_told: there is no /dev/full");
        return;
    }
    let desk = desk();
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = desk
        .command(["schema"])
        .stdout(full)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_ne!(output.status.code(), Some(0), "half a schema is none");
    assert!(
        said.contains("can't be written") && !said.contains("panicked"),
        "{said}"
    );
}

// ---- the machine, with a script in docker's place

/// Runs the small lab with only `docker` on the PATH, as this script has it.
fn with_docker(desk: &Desk, script: &str, args: &[&str]) -> Ended {
    let path = desk.script("bin", "docker", script);
    let mut command = desk.run_command(&[&["small.yaml"], args].concat());
    desk.start(command.env("PATH", path).env_remove("LAB_REDIS_IMAGE"))
        .end(LONG)
}

/// A run that has to have docker.
const DOCKER: &[&str] = &["--backend", "docker"];

/// An engine with nothing in it, and no compose.
const BARE: &str = r#"
case "$1 $2" in
'version --format') echo 27.1.0 ;;
'compose version') echo "docker: 'compose' is not a docker command." >&2; exit 1 ;;
'pull --quiet') echo "Error response from daemon: pull access denied for $3" >&2; exit 1 ;;
'image inspect') exit 1 ;;
esac"#;

fn with_compose(script: &str) -> String {
    script.replace(
        "'compose version') echo \"docker: 'compose' is not a docker command.\" >&2; exit 1",
        "'compose version') echo 2.29.1",
    )
}

#[test]
fn no_docker_is_told() {
    let desk = desk();
    let mut command = desk.run_command(&["small.yaml", "--backend", "docker"]);
    desk.start(command.env("PATH", "/nowhere")).end(LONG).says(
        4,
        &[
            "Docker is not installed",
            "no program `docker` on the PATH",
            "install Docker",
            "exit code 4, the environment is not there",
        ],
    );
    let mut command = desk.command(["clean"]);
    desk.start(command.env("PATH", "/nowhere"))
        .end(LONG)
        .says(0, &["nothing to remove", "no docker here"]);
}

#[rstest]
#[case::down(
    "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
    &["sudo systemctl start docker", "`docker info` answers"]
)]
#[case::not_allowed(
    "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
    &["usermod -aG docker"]
)]
fn an_engine_that_does_not_answer_is_told_once(#[case] words: &str, #[case] help: &[&str]) {
    let desk = desk();
    let ended = with_docker(&desk, &format!("echo '{words}' >&2; exit 1"), DOCKER);
    ended.says(
        4,
        &[&["the Docker engine does not answer:", words], help].concat(),
    );
    assert!(
        !ended.stdout.contains("went away"),
        "it was never there: {ended}"
    );
}

#[test]
fn no_compose_is_told() {
    with_docker(&desk(), BARE, DOCKER).says(
        4,
        &[
            "neither `docker compose` nor `docker-compose` is installed",
            "install Docker Compose",
        ],
    );
}

#[rstest]
#[case::named(&["--image", "no-such-image:1"], &["the image no-such-image:1 is not on this machine"])]
#[case::pulled_in_vain(&["--image", "no-such-image:1", "--backend", "docker"], &["no-such-image:1", "can't be pulled", "pull access denied for no-such-image:1"])]
fn no_image_is_told(#[case] args: &[&str], #[case] words: &[&str]) {
    let ended = with_docker(&desk(), &with_compose(BARE), args);
    ended.says(4, &[words, &["LAB_REDIS_IMAGE", ".ci/images"]].concat());
}

/// In CI a variable that is not set is often set to nothing.
#[test]
fn an_empty_variable_names_no_image() {
    let desk = desk();
    let path = desk.script("bin", "docker", &with_compose(BARE));
    let mut command = desk.run_command(&["small.yaml"]);
    desk.start(command.env("PATH", path).env("LAB_REDIS_IMAGE", ""))
        .end(LONG)
        .says(0, &["the image redis:7.2 is not on this machine", "sim: "]);
}

/// A client that waits for an engine that is stuck.
#[test]
fn an_engine_that_is_stuck_can_be_interrupted() {
    let desk = desk();
    // A number that no other process has in its arguments.
    let seconds = 100_000 + std::process::id();
    let path = desk.script("bin", "docker", &format!("exec /bin/sleep {seconds}"));
    let mut command = desk.run_command(&["small.yaml"]);
    let mut running = desk.start(command.env("PATH", path).process_group(0));
    let waits = |_: &command::Running| {
        (!processes_about(&format!("sleep {seconds}")).is_empty()).then_some(())
    };
    running.wait_until("docker is asked", waits);
    running.signal(Signal::INT);
    running
        .end(Duration::from_secs(10))
        .says(130, &["interrupted"]);
    // They were killed; on a busy machine they may take a moment to be gone.
    let deadline = std::time::Instant::now() + Duration::from_secs(5);
    while !processes_about(&format!("sleep {seconds}")).is_empty() {
        assert!(
            std::time::Instant::now() < deadline,
            "what asked the engine runs on"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}
