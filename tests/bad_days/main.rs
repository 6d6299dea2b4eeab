//! Real containers on days when things go wrong: what the command says, how it ends, and that it leaves nothing behind.
//!
//! Most labs here have one master: that is up in some two seconds.

#[path = "../command/mod.rs"]
mod command;
#[path = "../engine/mod.rs"]
mod engine;
#[path = "../support/mod.rs"]
mod support;

mod breaking;
mod failing;
mod interrupted;
mod killed;
mod not_there;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use command::{Desk, Ended, Running, processes_about};
use engine::{docker, left_of, remove_by_hand};

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

/// A step that waits, and looks at a node while it does.
const WAIT: &str = "
- id: wait
  title: Wait
  wait: 3s
  holds:
    - node: {name: redis-1, running: true}
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
