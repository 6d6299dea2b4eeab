//! Runs with commands in the background, with a watch, and with make targets.

use super::*;

const FILE: &str = "labs/06-failover.yaml";
const PUSH: &str = "redis-cli -p 7001 RPUSH queue first";
const POP: &str = "redis-cli -p 7001 BLPOP queue 10";
const POP_REALLY: &str = "docker exec labrunner-k3f9-toolbox redis-cli -p 7001 BLPOP queue 10";
const LOOK: &str = "watch -n 1 'redis-cli -p 7001 INFO stats | grep instantaneous_ops'";

fn lab_6(steps: usize) -> Run {
    let mut run = Run::of(&[FILE]);
    run.lab(FILE, 6, "Failover testing", steps);
    run.given();
    run
}

fn over(mut run: Run, outcome: Outcome, counts: Counts, exit_code: u8) -> Vec<Stamped> {
    run.cleaned();
    run.lab_ends(FILE, outcome, counts);
    let labs = Counts {
        passed: usize::from(outcome == Outcome::Passed),
        failed: usize::from(outcome != Outcome::Passed),
        ..Counts::default()
    };
    run.run_ends(labs, exit_code)
}

fn at_line(line: usize, verdict: Verdict) -> Verdict {
    Verdict {
        place: Place {
            file: FILE.to_owned(),
            line,
            column: 9,
        },
        ..verdict
    }
}

/// A step that waits in the background, one that lets it come to its end, and one that awaits it.
fn waits_and_is_pushed(exit: i32, popped: &str) -> Run {
    let mut run = lab_6(3);
    run.starts("pop", 1, "Wait for the queue");
    run.goes_on("pop", POP, POP_REALLY);
    run.starts("push", 2, "Push to the queue");
    run.then(
        1,
        Event::CommandStarted {
            step: "push".to_owned(),
            typed: PUSH.to_owned(),
            really: PUSH.to_owned(),
            item: None,
        },
    );
    // It ends in the middle of another step's command.
    run.command_ends("pop", 90, printed(exit, 1120, popped));
    run.command_ends("push", 6, printed(0, 96, "(integer) 1\n"));
    let pushed = verdict("stdout is `(integer) 1`", "stdout is `(integer) 1`");
    run.checked("push", 1, at_line(24, pushed));
    run.ends("push", Outcome::Passed, 102);
    run.awaited("pop", false);
    run
}

pub fn background_passes() -> Vec<Stamped> {
    let mut run = waits_and_is_pushed(0, "1) \"queue\"\n2) \"first\"\n");
    let popped = verdict(
        "stdout contains `first`",
        "stdout is `1) \"queue\" ⏎ 2) \"first\"`",
    );
    run.checked("pop", 1, at_line(17, popped));
    run.ends("pop", Outcome::Passed, 1124);
    run.passes("whole", 3, "Check that the cluster is whole");
    over(run, Outcome::Passed, counts(3, 0, 0, 0, 3), 0)
}

pub fn background_fails() -> Vec<Stamped> {
    let mut run = waits_and_is_pushed(0, "(nil)\n(10.03s)\n");
    let popped = Verdict {
        passed: false,
        ..verdict("stdout contains `first`", "stdout is `(nil) ⏎ (10.03s)`")
    };
    run.checked("pop", 1, at_line(17, popped));
    run.then(
        3,
        Event::Scene {
            step: "pop".to_owned(),
            scene: cluster(),
        },
    );
    run.ends("pop", Outcome::Failed, 1124);
    over(run, Outcome::Failed, counts(1, 1, 1, 0, 2), 1)
}

/// The lab fails while something goes on in the background.
pub fn background_called_off() -> Vec<Stamped> {
    let mut run = lab_6(4);
    run.starts("look", 1, "Watch the throughput");
    run.goes_on(
        "look",
        LOOK,
        "every 1s: docker exec labrunner-k3f9-toolbox redis-cli -p 7001 INFO stats",
    );
    run.starts("stop", 2, "Stop a master");
    run.command(
        "stop",
        "docker stop redis-1",
        None,
        printed(1, 240, "Error: No such container: redis-1\n"),
    );
    let exit = Verdict {
        passed: false,
        ..verdict("exit 0", "exit 1")
    };
    run.checked("stop", 1, at_line(30, exit));
    run.then(
        3,
        Event::Scene {
            step: "stop".to_owned(),
            scene: cluster(),
        },
    );
    run.ends("stop", Outcome::Failed, 245);
    run.command_ends(
        "look",
        600,
        printed(0, 850, "instantaneous_ops_per_sec:211\n"),
    );
    run.ends("look", Outcome::Interrupted, 860);
    over(run, Outcome::Failed, counts(0, 1, 3, 0, 1), 1)
}

/// A watch in the background, which the step after next stops.
pub fn watched() -> Vec<Stamped> {
    let mut run = lab_6(3);
    run.starts("look", 1, "Watch the throughput");
    run.goes_on(
        "look",
        LOOK,
        "every 1s: docker exec labrunner-k3f9-toolbox redis-cli -p 7001 INFO stats",
    );
    let mut all = String::new();
    for times in 1..=2 {
        let line = format!("instantaneous_ops_per_sec:{}\n", times * 100);
        run.then(
            1000,
            Event::Repeated {
                step: "look".to_owned(),
                times,
                output: printed(0, 96, &line),
            },
        );
        all.push_str(&line);
    }
    run.passes("load", 2, "Put some load on it");
    run.awaited("look", true);
    run.command_ends("look", 510, printed(0, 2650, &all));
    let lines = verdict("stdout has at least 2 lines", "stdout has 2 lines");
    run.checked("look", 1, at_line(18, lines));
    run.ends("look", Outcome::Passed, 2650);
    run.passes("whole", 3, "Check that the cluster is whole");
    over(run, Outcome::Passed, counts(3, 0, 0, 0, 3), 0)
}

const SCALE_DOWN: &str = "make scale-down NODE=7007";

fn scaling_down() -> Run {
    let mut run = Run::of_lab_7();
    run.starts(EMPTY_IT, 1, "Move the slots away");
    run.then(
        1,
        Event::CommandStarted {
            step: EMPTY_IT.to_owned(),
            typed: SCALE_DOWN.to_owned(),
            really: SCALE_DOWN.to_owned(),
            item: None,
        },
    );
    for (slots, to) in [
        (1366, "07c37dfeb235213a872192d90877d0cd55635b91"),
        (1365, "67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1"),
    ] {
        let typed = format!(
            "redis-cli --cluster reshard 172.30.0.11:7001 --cluster-from 6a3c1f0e5b7d9a8c2e4f6a8b0c1d3e5f7a9b1c3d --cluster-to {to} --cluster-slots {slots} --cluster-yes"
        );
        run.target_command(EMPTY_IT, 1900, &typed);
    }
    run
}

pub fn target() -> Vec<Stamped> {
    let mut run = scaling_down();
    let output = Output {
        stderr: "redis-7 has no slots left\n".to_owned(),
        ..printed(0, 4700, &moves(40))
    };
    run.command_ends(EMPTY_IT, 2600, output);
    run.checked(
        EMPTY_IT,
        3,
        verdict("redis-7 owns 0 slots", "redis-7 owns 0 slots"),
    );
    run.ends(EMPTY_IT, Outcome::Passed, 4710);
    run.cleaned();
    run.over(Outcome::Passed, counts(1, 0, 0, 0, 1), 0)
}

pub fn target_fails() -> Vec<Stamped> {
    let mut run = scaling_down();
    let stuck = format!(
        "{}Node 172.30.0.12:7002 replied with error:\nERR Please use SETSLOT only with masters.\n",
        moves(40)
    );
    run.command_ends(EMPTY_IT, 300, printed(1, 2200, &stuck));
    let exit = Verdict {
        passed: false,
        ..verdict("exit 0", "exit 1")
    };
    run.checked(EMPTY_IT, 1, exit);
    run.then(
        3,
        Event::Scene {
            step: EMPTY_IT.to_owned(),
            scene: cluster(),
        },
    );
    run.ends(EMPTY_IT, Outcome::Failed, 2215);
    run.cleaned();
    run.over(Outcome::Failed, counts(0, 1, 8, 0, 1), 1)
}
