//! Real containers on days when things go wrong: what the command says, how it ends, and that it leaves nothing behind.
//!
//! Most labs here have one master: that is up in some two seconds.

mod command;
mod engine;
mod support;

use std::fmt::Write as _;
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use command::{Desk, Ended, LONG, Running, processes_about};
use engine::{docker, left_of, remove_by_hand, turn};
use rstest::rstest;
use rustix::process::Signal;

/// After an interruption a run has to be over in this time.
const SOON: Duration = Duration::from_secs(10);
/// What somebody else does on the host is done by then.
const A_WHILE: Duration = Duration::from_secs(5);

/// A lab of one master with these steps, of which the first proves everything.
fn lab(given: &str, steps: &str) -> String {
    let first = steps
        .split("id: ")
        .nth(1)
        .and_then(|rest| rest.lines().next())
        .unwrap();
    let mut text = format!(
        "title: A bad day\nobjective: To be seen.\ngiven:\n  masters: {{redis-1: 0-16383}}\n{given}steps:\n"
    );
    for line in steps.trim_matches('\n').lines() {
        writeln!(text, "  {line}").unwrap();
    }
    writeln!(
        text,
        "points:\n  - text: It is so.\n    proved_by: [{first}]"
    )
    .unwrap();
    text
}

const PING: &str = "
- id: ping
  title: Ping
  run: redis-cli -p 7001 PING
  expect:
    - stdout: {equals: PONG}
";

/// A command that goes on until it is stopped.
const SUBSCRIBE: &str = "
- id: listen
  title: Listen
  run: redis-cli -p 7001 SUBSCRIBE news
  expect:
    - stdout: {contains: news}
  cleanup:
    - redis-cli -p 7001 SET cleaned up
";

/// Removes what is left of a run when a test fails.
struct Broom<'a>(&'a Desk);

impl Drop for Broom<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() && self.0.path().join("journal.jsonl").exists() {
            remove_by_hand(&self.0.run_id());
        }
    }
}

/// Fails if anything of the desk's last run is left: containers, networks, volumes, processes, files.
#[track_caller]
fn nothing_is_left(desk: &Desk) {
    let run = desk.run_id();
    assert_eq!(left_of(&run), Vec::<String>::new(), "left of the run {run}");
    assert_eq!(
        processes_about(&run),
        Vec::<String>::new(),
        "still at work for the run {run}"
    );
    assert!(
        !desk.path().join("state/runs").join(&run).exists(),
        "the files of the run {run}"
    );
}

/// Runs a lab to its end and sees that nothing is left.
fn run_lab(desk: &Desk, lab: &str) -> Ended {
    let _broom = Broom(desk);
    let ended = desk.run_lab(lab);
    nothing_is_left(desk);
    ended
}

/// The lines from the first cross to the end of what was printed: what somebody sees who scrolls to the end.
#[track_caller]
fn on_one_screen(ended: &Ended) -> String {
    let lines: Vec<&str> = ended.stdout.lines().collect();
    let cross = lines
        .iter()
        .position(|line| line.contains('✗'))
        .unwrap_or_else(|| panic!("no cross\n{ended}"));
    assert!(
        lines.len() - cross <= 30,
        "{} lines\n{ended}",
        lines.len() - cross
    );
    assert!(
        lines.iter().all(|line| line.chars().count() <= 100),
        "{ended}"
    );
    lines[cross..].join("\n")
}

/// The container of the desk's run.
fn container(desk: &Desk, name: &str) -> String {
    format!("labrunner-{}-{name}", desk.run_id())
}

fn is_in_step(running: &mut Running, step: &str) {
    running.wait_for(step, |event| {
        event["event"] == "step_started" && event["step"] == step
    });
}

fn runs_its_command(running: &mut Running) {
    running.wait_for_event("command_started");
}

/// Waits until somebody subscribes: the command is under way inside the container.
fn listens(running: &mut Running, desk: &Desk) {
    runs_its_command(running);
    let container = container(desk, "toolbox");
    running.wait_until("the command inside the container", |_| {
        docker(&["top", &container])
            .contains("SUBSCRIBE")
            .then_some(())
    });
}

/// Waits until `is_so`, a while at most.
#[track_caller]
fn soon(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + A_WHILE;
    while !is_so() {
        assert!(Instant::now() < until, "not within {A_WHILE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

// ---- the environment is not there

#[test]
fn an_engine_that_does_not_answer_is_told() {
    let Some(_turn) = turn("an_engine_that_does_not_answer_is_told") else {
        return;
    };
    let desk = Desk::new();
    desk.write("lab.yaml", lab("", PING));
    let mut command = desk.run_command(&["lab.yaml"]);
    desk.start(command.env("DOCKER_HOST", "unix:///nonexistent.sock"))
        .end(LONG)
        .says(
            4,
            &[
                "the Docker engine does not answer",
                "/nonexistent.sock",
                "start it",
                "exit code 4",
            ],
        );
    let mut command = desk.command(["clean"]);
    desk.start(command.env("DOCKER_HOST", "unix:///nonexistent.sock"))
        .end(LONG)
        .says(4, &["the Docker engine does not answer"]);
}

#[test]
fn no_compose_is_told() {
    let Some(_turn) = turn("no_compose_is_told") else {
        return;
    };
    if docker(&["compose", "version", "--short"])
        .trim()
        .starts_with(|first: char| first.is_ascii_digit() || first == 'v')
    {
        eprintln!("SKIPPED no_compose_is_told: compose is a part of this docker client");
        return;
    }
    let desk = Desk::new();
    desk.write("lab.yaml", lab("", PING));
    let client = std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .map(|folder| folder.join("docker"))
        .find(|file| file.exists())
        .unwrap();
    std::fs::create_dir(desk.path().join("bin")).unwrap();
    std::os::unix::fs::symlink(client, desk.path().join("bin/docker")).unwrap();
    let mut command = desk.run_command(&["lab.yaml"]);
    desk.start(command.env("PATH", desk.path().join("bin")))
        .end(LONG)
        .says(
            4,
            &[
                "neither `docker compose` nor `docker-compose` is installed",
                "install Docker Compose",
            ],
        );
    nothing_is_left(&desk);
}

/// The registry is a port of this machine on which nobody listens.
#[rstest]
#[case::not_pulled(&["--backend", "auto"], &["the image localhost:1/no-such-image:1 is not on this machine", "with `--backend docker`"])]
#[case::pulled_in_vain(&["--backend", "docker"], &["the image localhost:1/no-such-image:1 is not on this machine and can't be pulled"])]
fn an_image_that_is_not_there_is_told(#[case] backend: &[&str], #[case] words: &[&str]) {
    let Some(_turn) = turn("an_image_that_is_not_there_is_told") else {
        return;
    };
    let desk = Desk::new();
    desk.write("lab.yaml", lab("", PING));
    let ended = desk.run(
        &[
            &["lab.yaml", "--image", "localhost:1/no-such-image:1"],
            backend,
        ]
        .concat(),
    );
    ended.says(
        4,
        &[words, &["LAB_REDIS_IMAGE", ".ci/images", "exit code 4"]].concat(),
    );
    nothing_is_left(&desk);
}

#[test]
fn an_image_without_redis_is_told() {
    let Some(_turn) = turn("an_image_without_redis_is_told") else {
        return;
    };
    // An image of one empty layer.
    let tag = format!("lrbad-empty:{}", std::process::id());
    let desk = Desk::new();
    desk.write("lab.yaml", lab("", PING))
        .write("empty.tar", [0; 10240]);
    docker(&[
        "import",
        "--change",
        "LABEL lrbad=1",
        desk.path().join("empty.tar").to_str().unwrap(),
        &tag,
    ]);
    let ended = desk.run(&["lab.yaml", "--image", &tag]);
    docker(&["rmi", &tag]);
    ended.says(
        4,
        &[
            "can't be started",
            "redis-server",
            "whether the image has redis-server in it",
        ],
    );
    nothing_is_left(&desk);
}

#[test]
fn a_port_that_is_taken_is_told() {
    let Some(_turn) = turn("a_port_that_is_taken_is_told") else {
        return;
    };
    let desk = Desk::new();
    desk.write("lab.yaml", lab("", PING));
    // Below the ports that the system gives to connections, and above those that labrunner chooses.
    let (first, _held) = (24_200..24_900)
        .step_by(8)
        .find_map(|first| Some((first, TcpListener::bind(("127.0.0.1", first + 3)).ok()?)))
        .unwrap();
    let ended = desk.run(&["lab.yaml", "--first-port", &first.to_string()]);
    ended.says(
        4,
        &[
            &format!(
                "port {} of 127.0.0.1 is taken by another program",
                first + 3
            ),
            "take another first port",
            "exit code 4",
        ],
    );
    nothing_is_left(&desk);
}

#[test]
fn a_subnet_that_is_taken_is_told() {
    let Some(_turn) = turn("a_subnet_that_is_taken_is_told") else {
        return;
    };
    let desk = Desk::new();
    desk.write("lab.yaml", lab("", PING));
    let network = format!("lrbad-{}", std::process::id());
    let subnet = (100..200)
        .map(|third| format!("10.214.{third}"))
        .find(|subnet| {
            Command::new("docker")
                .args([
                    "network",
                    "create",
                    "--subnet",
                    &format!("{subnet}.0/24"),
                    &network,
                ])
                .output()
                .is_ok_and(|output| output.status.success())
        });
    let subnet = subnet.unwrap();
    let ended = desk.run(&["lab.yaml", "--subnet", &subnet]);
    docker(&["network", "rm", &network]);
    ended.says(
        4,
        &[
            &format!("the subnet {subnet}.0/24 is taken: the Docker network {network} is in it"),
            "take another subnet",
            "exit code 4",
        ],
    );
    nothing_is_left(&desk);
}

#[test]
fn one_invalid_lab_among_several_starts_nothing() {
    let Some(_turn) = turn("one_invalid_lab_among_several_starts_nothing") else {
        return;
    };
    let desk = Desk::new();
    desk.write("good.yaml", lab("", PING))
        .write("bad.yaml", lab("", &PING.replace("expect", "expct")));
    let ended = desk.run(&["good.yaml", "bad.yaml"]);
    ended.says(
        3,
        &["did you mean `expect`?", "bad.yaml is not a valid lab"],
    );
    assert!(
        !desk.path().join("journal.jsonl").exists() && !desk.path().join("state").exists(),
        "{ended}"
    );
}

// ---- a lab fails

#[test]
fn a_check_that_fails_is_on_one_screen() {
    let Some(_turn) = turn("a_check_that_fails_is_on_one_screen") else {
        return;
    };
    let desk = Desk::new();
    let ended = run_lab(
        &desk,
        &lab("", &PING.replace("equals: PONG", "equals: PING")),
    );
    ended.says(1, &["A bad day failed: 0 steps passed, 1 failed"]);
    let screen = on_one_screen(&ended);
    for part in [
        "expected",
        "stdout is `PING`",
        "seen",
        "stdout is `PONG`",
        "lab.yaml:",
        "redis-cli -p 7001 PING",
        "exit 0",
        "redis-1",
        "16384 slots",
        "journal.jsonl",
    ] {
        assert!(
            screen.contains(part),
            "{part:?} is not on the screen\n{screen}"
        );
    }
}

#[test]
fn what_was_true_before_proves_nothing() {
    let Some(_turn) = turn("what_was_true_before_proves_nothing") else {
        return;
    };
    let desk = Desk::new();
    let steps = format!("{PING}    - node: {{name: redis-1, slots: 16384}}\n");
    run_lab(&desk, &lab("", &steps)).says(
        1,
        &[
            "redis-1 owns 16384 slots",
            "was true before the step already, so the step proves nothing",
        ],
    );
    assert!(
        !desk
            .events()
            .iter()
            .any(|event| event["event"] == "command_started"),
        "the command is not run"
    );
}

#[test]
fn what_has_to_hold_and_does_not_is_told() {
    let Some(_turn) = turn("what_has_to_hold_and_does_not_is_told") else {
        return;
    };
    let desk = Desk::new();
    let steps = "
- id: flush
  title: Flush
  run: redis-cli -p 7001 FLUSHALL
  expect:
    - stdout: {equals: OK}
  holds:
    - given_keys: intact
";
    let ended = run_lab(&desk, &lab("  keys: {count: 100}\n", steps));
    ended.says(
        1,
        &[
            "must hold",
            "every key of `given` has its value",
            "0 of 100 keys intact, 100 missing",
            "redis-cli -p 7001 FLUSHALL",
        ],
    );
    on_one_screen(&ended);
}

#[test]
fn a_program_that_prints_100_mb_is_cut() {
    let Some(_turn) = turn("a_program_that_prints_100_mb_is_cut") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let steps = "
- id: shout
  title: Shout
  run: redis-cli -p 7001 EVAL \"return string.rep('x', 100000000)\" 0
  expect:
    - stdout: {contains: y}
";
    let mut running = desk.start_lab(&lab("", steps));
    let mut peak = 0;
    while !running.has_ended() {
        peak = peak.max(running.peak_memory().unwrap_or_default());
        std::thread::sleep(Duration::from_millis(5));
    }
    let ended = running.end(LONG);
    ended.says(
        1,
        &[
            "stdout contains `y`",
            "stdout is too long to be checked",
            "EVAL",
        ],
    );
    on_one_screen(&ended);
    assert!(peak > 0 && peak < 200_000_000, "{peak} bytes of memory");
    let journal = std::fs::metadata(desk.path().join("journal.jsonl"))
        .unwrap()
        .len();
    assert!(journal < 10_000_000, "{journal} bytes of journal");
    nothing_is_left(&desk);
}

#[test]
fn a_command_that_never_ends_is_stopped() {
    let Some(_turn) = turn("a_command_that_never_ends_is_stopped") else {
        return;
    };
    let desk = Desk::new();
    let ended = run_lab(
        &desk,
        &lab(
            "",
            &SUBSCRIBE.replace("  expect", "  timeout: 1s\n  expect"),
        ),
    );
    ended.says(
        1,
        &[
            "the command ends",
            "it ran for 1s without an end, and was stopped",
            "redis-cli -p 7001 SUBSCRIBE news",
        ],
    );
    on_one_screen(&ended);
    // What it printed until then is shown.
    assert!(on_one_screen(&ended).contains("subscribe"), "{ended}");
}

#[test]
fn a_full_disk_does_not_stop_a_run() {
    let Some(_turn) = turn("a_full_disk_does_not_stop_a_run") else {
        return;
    };
    if !std::path::Path::new("/dev/full").exists() {
        eprintln!("SKIPPED a_full_disk_does_not_stop_a_run: there is no /dev/full");
        return;
    }
    let desk = Desk::new();
    desk.write("lab.yaml", lab("", PING));
    let ended = desk.labrunner(&[
        "run",
        "lab.yaml",
        "--state-dir",
        "state",
        "--journal",
        "/dev/full",
    ]);
    ended.says(0, &["journal: /dev/full is not complete: it ends before the first event: No space left on device", "A bad day passed"]);
    let runs = desk.path().join("state/runs");
    assert_eq!(
        std::fs::read_dir(runs).map_or(0, Iterator::count),
        0,
        "nothing is left"
    );
}

#[test]
fn a_reader_that_goes_away_does_not_stop_a_run() {
    let Some(_turn) = turn("a_reader_that_goes_away_does_not_stop_a_run") else {
        return;
    };
    let desk = Desk::new();
    desk.write("lab.yaml", lab("", PING));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = desk
        .run_command(&["lab.yaml"])
        .stdout(writer)
        .stderr(std::process::Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), said.as_ref()), (Some(0), ""));
    nothing_is_left(&desk);
}

// ---- the environment breaks

const WAIT: &str = "
- id: wait
  title: Wait
  wait: 3s
  holds:
    - node: {name: redis-1, running: true}
";

#[test]
fn a_container_that_dies_is_told_with_its_last_words() {
    let Some(_turn) = turn("a_container_that_dies_is_told_with_its_last_words") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let mut running = desk.start_lab(&lab("", WAIT));
    is_in_step(&mut running, "wait");
    docker(&["kill", &container(&desk, "redis-1")]);
    let ended = running.end(LONG);
    ended.says(
        5,
        &[
            "redis-1 died",
            "exit 137",
            "log of redis-1",
            "Cluster state changed: ok",
            "exit code 5, the environment broke",
        ],
    );
    on_one_screen(&ended);
    nothing_is_left(&desk);
}

#[test]
fn a_container_that_dies_while_given_is_made_is_told() {
    let Some(_turn) = turn("a_container_that_dies_while_given_is_made_is_told") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let mut running = desk.start_lab(&lab("", PING));
    running.wait_for_event("given_phase");
    let container = container(&desk, "redis-1");
    running.wait_until("the container runs", |_| {
        (docker(&["inspect", "--format", "{{.State.Running}}", &container]).trim() == "true")
            .then_some(())
    });
    docker(&["kill", &container]);
    let ended = running.end(LONG);
    ended.says(5, &["redis-1 died", "exit 137", "exit code 5"]);
    assert!(ended.took < Duration::from_secs(20), "{:?}", ended.took);
    nothing_is_left(&desk);
}

#[test]
fn a_container_that_is_removed_is_told() {
    let Some(_turn) = turn("a_container_that_is_removed_is_told") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let mut running = desk.start_lab(&lab("", WAIT));
    is_in_step(&mut running, "wait");
    docker(&["rm", "--force", &container(&desk, "redis-1")]);
    let ended = running.end(LONG);
    ended.says(
        5,
        &["redis-1 is gone", "exit code 5, the environment broke"],
    );
    on_one_screen(&ended);
    nothing_is_left(&desk);
}

#[test]
fn a_toolbox_that_is_removed_is_told() {
    let Some(_turn) = turn("a_toolbox_that_is_removed_is_told") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let mut running = desk.start_lab(&lab("", &format!("{}{PING}", WAIT.replace("3s", "1s"))));
    is_in_step(&mut running, "wait");
    docker(&["rm", "--force", &container(&desk, "toolbox")]);
    running
        .end(LONG)
        .says(5, &["toolbox", "removed by hand", "exit code 5"]);
    nothing_is_left(&desk);
}

// ---- somebody wishes it to end

/// Sends `signal` and waits for the end of the run, which has to come soon and leave nothing.
fn interrupted(desk: &Desk, running: Running, signal: Signal) -> Ended {
    let asked = Instant::now();
    running.signal(signal);
    let ended = running.end(LONG);
    ended.says(130, &["interrupted; cleaning up"]);
    assert!(asked.elapsed() < SOON, "{:?}\n{ended}", asked.elapsed());
    nothing_is_left(desk);
    ended
}

#[rstest]
#[case::ctrl_c(Signal::INT)]
#[case::terminated(Signal::TERM)]
fn interrupted_while_given_is_made(#[case] signal: Signal) {
    let Some(_turn) = turn("interrupted_while_given_is_made") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let mut running = desk.start_lab(&lab("", PING));
    running.wait_for_event("given_started");
    interrupted(&desk, running, signal).says(130, &["A bad day interrupted"]);
}

#[test]
fn interrupted_while_keys_are_written() {
    let Some(_turn) = turn("interrupted_while_keys_are_written") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let mut running = desk.start_lab(&lab("  keys: {count: 1000000}\n", PING));
    running.wait_for("keys are written", |event| {
        event["event"] == "given_phase"
            && event["phase"]
                .as_str()
                .is_some_and(|phase| phase.contains("keys"))
    });
    interrupted(&desk, running, Signal::INT);
}

#[test]
fn interrupted_while_a_command_runs() {
    let Some(_turn) = turn("interrupted_while_a_command_runs") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let mut running = desk.start_lab(&lab("", SUBSCRIBE));
    listens(&mut running, &desk);
    interrupted(&desk, running, Signal::INT);
    let events = desk.events();
    let cleaned = events.iter().find(|event| {
        event["event"] == "command_started" && event["typed"] == "redis-cli -p 7001 SET cleaned up"
    });
    assert!(
        cleaned.is_some(),
        "the lab's own cleanup is run: {events:?}"
    );
    assert!(
        events
            .iter()
            .any(|event| event["event"] == "command_finished" && event["stdout"] == "OK\n"),
        "and it works"
    );
}

#[test]
fn interrupted_while_something_is_awaited() {
    let Some(_turn) = turn("interrupted_while_something_is_awaited") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let steps = format!("{PING}    - node: {{name: redis-1, slots: 0}}\n      within: 60s\n");
    let mut running = desk.start_lab(&lab("", &steps));
    running.wait_for_event("waiting");
    interrupted(&desk, running, Signal::INT);
}

#[test]
fn interrupted_while_it_is_removed() {
    let Some(_turn) = turn("interrupted_while_it_is_removed") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let mut running = desk.start_lab(&lab("", PING));
    running.wait_for_event("cleanup_started");
    let asked = Instant::now();
    running.signal(Signal::INT);
    let ended = running.end(LONG);
    // What was asked for is under way already; the removal goes on.
    ended.says(130, &["interrupted"]);
    assert!(asked.elapsed() < SOON, "{ended}");
    nothing_is_left(&desk);
}

#[test]
fn interrupted_twice_leaves_out_the_labs_own_cleanup() {
    let Some(_turn) = turn("interrupted_twice_leaves_out_the_labs_own_cleanup") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let mut running = desk.start_lab(&lab("", SUBSCRIBE));
    listens(&mut running, &desk);
    let asked = Instant::now();
    running.signal(Signal::INT);
    running.wait_for_event("interrupted");
    running.signal(Signal::INT);
    let ended = running.end(LONG);
    ended.says(130, &["interrupted again; the lab's cleanup is skipped"]);
    assert!(asked.elapsed() < SOON, "{ended}");
    let finished = desk
        .events()
        .iter()
        .filter(|event| event["event"] == "command_finished" && event["stdout"] == "OK\n")
        .count();
    assert_eq!(finished, 0, "the lab's own cleanup is not run");
    nothing_is_left(&desk);
}

#[test]
fn interrupted_three_times_ends_at_once() {
    let Some(_turn) = turn("interrupted_three_times_ends_at_once") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let mut running = desk.start_lab(&lab("", SUBSCRIBE));
    listens(&mut running, &desk);
    for times in 1..=2 {
        running.signal(Signal::INT);
        running.wait_for("the interruption is heard", |event| {
            event["event"] == "interrupted" && event["times"] == times
        });
    }
    let asked = Instant::now();
    running.signal(Signal::INT);
    let ended = running.end(LONG);
    ended.says(130, &["containers may be left: run `labrunner clean`"]);
    assert!(
        asked.elapsed() < Duration::from_secs(1),
        "{:?}",
        asked.elapsed()
    );
    desk.labrunner(&["clean", &desk.run_id()]);
    nothing_is_left(&desk);
}

/// Signals that come faster than they are heard count as one. However many are heard: it ends, and `clean` finds what is left.
#[test]
fn interrupted_many_times_at_once_ends() {
    let Some(_turn) = turn("interrupted_many_times_at_once_ends") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let mut running = desk.start_lab(&lab("", PING));
    running.wait_for_event("given_started");
    for _ in 0..3 {
        running.signal(Signal::INT);
    }
    let ended = running.end(SOON);
    ended.says(130, &["interrupted"]);
    desk.labrunner(&["clean", &desk.run_id()]);
    nothing_is_left(&desk);
}

// ---- it is killed

/// Kills the run. Whatever it started ends soon as well; what it made is there until `clean` removes it, and nothing after that.
fn killed(desk: &Desk, running: Running) {
    let run = desk.run_id();
    running.signal(Signal::KILL);
    let ended = running.end(SOON);
    assert_eq!(ended.signal, Some(9), "{ended}");
    soon("no client of docker is left", || {
        processes_about(&run).is_empty()
    });
    assert_ne!(
        left_of(&run),
        Vec::<String>::new(),
        "a killed run can't have removed anything"
    );
    let cleaned = desk.labrunner(&["clean", &run]);
    cleaned.says(0, &[&format!("removed run {run}: "), "1 network"]);
    nothing_is_left(desk);
    desk.labrunner(&["clean", &run])
        .says(0, &["nothing to remove"]);
}

#[test]
fn killed_while_given_is_made() {
    let Some(_turn) = turn("killed_while_given_is_made") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let mut running = desk.start_lab(&lab("", PING));
    running.wait_for_event("given_started");
    let run = desk.run_id();
    running.wait_until("something is made", |_| {
        (!left_of(&run).is_empty()).then_some(())
    });
    killed(&desk, running);
}

#[test]
fn killed_while_a_command_runs() {
    let Some(_turn) = turn("killed_while_a_command_runs") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let mut running = desk.start_lab(&lab("", SUBSCRIBE));
    listens(&mut running, &desk);
    killed(&desk, running);
}

#[test]
fn a_run_that_goes_on_is_left_alone() {
    let Some(_turn) = turn("a_run_that_goes_on_is_left_alone") else {
        return;
    };
    let desk = Desk::new();
    let _broom = Broom(&desk);
    let mut running = desk.start_lab(&lab("", WAIT));
    is_in_step(&mut running, "wait");
    let run = desk.run_id();
    desk.labrunner(&["clean", &run])
        .says(0, &[&format!("left run {run}: still running")]);
    running.end(LONG).says(0, &["A bad day passed"]);
    nothing_is_left(&desk);
}
