//! The runs themselves.

use super::*;

/// Every run there is, with its name.
pub fn all() -> Vec<(&'static str, Vec<Stamped>)> {
    vec![
        ("passing", passing()),
        ("failing_check", failing_check()),
        ("failover", failover()),
        ("failover_too_late", failover_too_late()),
        ("failover_not_seen", failover_not_seen()),
        ("holds_broken", holds_broken()),
        ("proves_nothing", proves_nothing()),
        ("container_died", container_died()),
        ("no_engine", no_engine()),
        ("interrupted", interrupted()),
        ("interrupted_early", interrupted_early()),
        ("skipped_steps", skipped_steps()),
        ("three_labs", three_labs()),
        ("one_environment", one_environment()),
        ("interrupted_between", interrupted_between()),
        ("left_behind", left_behind()),
        ("endless_output", endless_output()),
        ("broken_off", broken_off()),
        ("given_broken", given_broken()),
        ("background_passes", background_passes()),
        ("background_fails", background_fails()),
        ("background_called_off", background_called_off()),
        ("watched", watched()),
        ("target", target()),
        ("target_fails", target_fails()),
    ]
}

pub fn passing() -> Vec<Stamped> {
    let mut run = Run::of_lab_7();
    run.beginning();
    run.starts(EMPTY_IT, 5, "Move the slots away");
    for item in 1..=3 {
        run.command(
            EMPTY_IT,
            RESHARD,
            Some((item, 3)),
            printed(0, 4100, &moves(200)),
        );
    }
    run.then(
        200,
        Event::Waiting {
            step: EMPTY_IT.to_owned(),
            what: "redis-7 owns 0 slots".to_owned(),
            seen: "redis-7 owns 12 slots".to_owned(),
        },
    );
    let gone = Verdict {
        looks: 4,
        looked_for: Duration::from_millis(740),
        within_ms: Some(10_000),
        ..verdict("redis-7 owns 0 slots", "redis-7 owns 0 slots")
    };
    run.checked(EMPTY_IT, 540, gone);
    run.checked(
        EMPTY_IT,
        1,
        Verdict {
            list: "holds",
            looks: 412,
            looked_for: Duration::from_secs(13),
            ..verdict("the cluster's state is ok", "ok")
        },
    );
    run.then(
        1,
        Event::Probed {
            step: EMPTY_IT.to_owned(),
            report: moving(),
        },
    );
    run.ends(EMPTY_IT, Outcome::Passed, 13_040);
    for (index, (id, title)) in [
        ("remove", "Remove the node"),
        ("forgotten", "See that everybody forgot it"),
        ("stop", "Stop its container"),
        ("whole", "Check that the cluster is whole"),
    ]
    .iter()
    .enumerate()
    {
        run.passes(id, index + 6, title);
    }
    run.cleaned();
    run.over(Outcome::Passed, counts(9, 0, 0, 0, 23), 0)
}

/// What redis-cli prints for so many moved slots.
pub fn moves(slots: usize) -> String {
    let lines = (5461..5461 + slots)
        .map(|slot| format!("Moving slot {slot} from 172.30.0.17:7007 to 172.30.0.11:7001: \n"));
    format!(
        "Ready to move {slots} slots.\n{}",
        lines.collect::<String>()
    )
}

pub fn failing_check() -> Vec<Stamped> {
    let mut run = Run::of_lab_7();
    run.beginning();
    run.starts(EMPTY_IT, 5, "Move the slots away");
    let stuck = format!(
        "{}Node 172.30.0.12:7002 replied with error:\nERR Please use SETSLOT only with masters.\n",
        moves(40)
    );
    run.command(EMPTY_IT, RESHARD, Some((2, 3)), printed(1, 2210, &stuck));
    run.checked(EMPTY_IT, 10_000, slots_are_left());
    let exit = Verdict {
        passed: false,
        place: Place {
            file: FILE.to_owned(),
            line: 60,
            column: 9,
        },
        ..verdict("exit 0", "exit 1")
    };
    run.checked(EMPTY_IT, 1, exit);
    run.then(
        1,
        Event::Probed {
            step: EMPTY_IT.to_owned(),
            report: moving(),
        },
    );
    run.then(
        3,
        Event::Scene {
            step: EMPTY_IT.to_owned(),
            scene: cluster(),
        },
    );
    run.ends(EMPTY_IT, Outcome::Failed, 12_400);
    run.cleaned();
    run.over(Outcome::Failed, counts(4, 1, 4, 0, 23), 1)
}

pub fn holds_broken() -> Vec<Stamped> {
    let mut run = Run::of_lab_7();
    run.beginning();
    run.starts(EMPTY_IT, 5, "Move the slots away");
    run.then(
        1,
        Event::CommandStarted {
            step: EMPTY_IT.to_owned(),
            typed: RESHARD.to_owned(),
            really: RESHARD.to_owned(),
            item: Some((1, 3)),
        },
    );
    let broken = Verdict {
        passed: false,
        list: "holds",
        when: When::During,
        looks: 118,
        looked_for: Duration::from_millis(4190),
        ..verdict(
            "the cluster's state is ok",
            "redis-2 says that it is fail, all others say ok",
        )
    };
    run.checked(EMPTY_IT, 4200, broken);
    run.ends(EMPTY_IT, Outcome::Failed, 4205);
    // An engine that looks at the cluster after the step has ended is fine too.
    run.then(
        3,
        Event::Scene {
            step: EMPTY_IT.to_owned(),
            scene: cluster(),
        },
    );
    run.cleaned();
    run.over(Outcome::Failed, counts(4, 1, 4, 0, 15), 1)
}

pub fn proves_nothing() -> Vec<Stamped> {
    let mut run = Run::of_lab_7();
    run.starts("identify-target", 1, "Identify the target node");
    let before = Verdict {
        passed: false,
        when: When::Before,
        ..verdict("redis-7 is a master", "redis-7 is a master")
    };
    run.checked("identify-target", 2, before);
    run.ends("identify-target", Outcome::Failed, 3);
    run.cleaned();
    run.over(Outcome::Failed, counts(0, 1, 8, 0, 1), 1)
}

pub fn container_died() -> Vec<Stamped> {
    let mut run = Run::of_lab_7();
    run.beginning();
    run.starts(EMPTY_IT, 5, "Move the slots away");
    run.command(
        EMPTY_IT,
        RESHARD,
        Some((1, 3)),
        printed(
            1,
            830,
            "Could not connect to Redis at 172.30.0.13:7003: Connection refused\n",
        ),
    );
    run.then(
        1,
        Event::Trouble {
            step: Some(EMPTY_IT.to_owned()),
            what: "The container of redis-3 ended in the middle of the step, with exit code 137.".to_owned(),
            help: Some("137 is SIGKILL: often the machine ran out of memory. `docker inspect` says so as OOMKilled.".to_owned()),
        },
    );
    let log: String = (0..30)
        .map(|n| {
            format!("1:M 03 Oct 2026 12:00:{n:02}.120 * 10 changes in 300 seconds. Saving...\r\n")
        })
        .collect();
    let logs = vec![(NodeName::new("redis-3"), log)];
    run.then(
        1,
        Event::Scene {
            step: EMPTY_IT.to_owned(),
            scene: Scene { logs, ..cluster() },
        },
    );
    run.ends(EMPTY_IT, Outcome::Broken, 840);
    run.cleaned();
    run.over(Outcome::Broken, counts(4, 1, 4, 0, 12), 5)
}

pub fn no_engine() -> Vec<Stamped> {
    let mut run = Run::default();
    run.then(
        0,
        Event::RunStarted {
            run: "k3f9".to_owned(),
            version: "0.1.0",
            unix_seconds: 1_790_000_000,
            files: vec![FILE.to_owned()],
        },
    );
    run.then(
        40,
        Event::Trouble {
            step: None,
            what: "Docker's engine does not answer on /var/run/docker.sock: connection refused.".to_owned(),
            help: Some("Start it (`sudo systemctl start docker`), or use another backend: `--backend local`.".to_owned()),
        },
    );
    run.run_ends(counts(0, 0, 1, 0, 0), 4)
}

pub fn interrupted() -> Vec<Stamped> {
    let mut run = Run::of_lab_7();
    run.passes("identify-target", 1, "Identify the target node");
    run.starts(
        "refuse-early",
        2,
        "See why an owner of slots cannot be removed",
    );
    run.then(900, Event::Interrupted { times: 1 });
    run.ends("refuse-early", Outcome::Interrupted, 910);
    run.then(400, Event::CleanupStarted);
    run.then(600, Event::Interrupted { times: 2 });
    run.then(
        900,
        Event::CleanupFinished {
            kept: false,
            took: Duration::from_millis(1500),
            left: Vec::new(),
        },
    );
    run.over(Outcome::Interrupted, counts(1, 0, 8, 0, 3), 130)
}

pub fn interrupted_early() -> Vec<Stamped> {
    let mut run = Run::of(&[FILE]);
    run.lab(FILE, 7, "Scaling down", 9);
    run.then(
        1,
        Event::GivenStarted {
            what: "4 masters, 4 replicas, 10000 keys".to_owned(),
        },
    );
    run.then(1200, Event::Interrupted { times: 1 });
    run.cleaned();
    run.over(Outcome::Interrupted, counts(0, 0, 9, 0, 0), 130)
}

pub fn given_broken() -> Vec<Stamped> {
    let mut run = Run::of(&[FILE]);
    run.lab(FILE, 7, "Scaling down", 9);
    run.then(
        1,
        Event::GivenStarted {
            what: "4 masters, 4 replicas, 10000 keys".to_owned(),
        },
    );
    for (what, help) in [
        (
            "the cluster can't be made: a node has died",
            "see whether the image runs Redis with the options of docker-compose.yml",
        ),
        (
            "redis-3 died by itself, exit 1",
            "the last log lines are below",
        ),
    ] {
        run.then(
            3000,
            Event::Trouble {
                step: None,
                what: what.to_owned(),
                help: Some(help.to_owned()),
            },
        );
    }
    let scene = Scene {
        nodes: vec![
            "redis-1\tmaster\tno slots".to_owned(),
            "redis-3\tstopped, exit 1".to_owned(),
        ],
        logs: vec![(
            NodeName::new("redis-3"),
            "*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\nReading the configuration file, at line 2\n".to_owned(),
        )],
        ..Scene::default()
    };
    run.then(
        40,
        Event::Scene {
            step: "given".to_owned(),
            scene,
        },
    );
    run.cleaned();
    run.over(Outcome::Broken, counts(0, 0, 9, 0, 0), 5)
}

pub fn skipped_steps() -> Vec<Stamped> {
    let mut run = Run::of_lab_7();
    run.passes("identify-target", 1, "Identify the target node");
    run.starts(
        "refuse-early",
        2,
        "See why an owner of slots cannot be removed",
    );
    run.then(
        1,
        Event::StepSkipped {
            step: "refuse-early".to_owned(),
            reason: "Redis 6.2 words this error in another way.".to_owned(),
        },
    );
    run.ends("refuse-early", Outcome::Skipped, 0);
    // Some engines skip without starting.
    run.then(
        1,
        Event::StepSkipped {
            step: "network".to_owned(),
            reason: "A cut network needs containers: here nodes are processes, and what they share can't be cut between them.".to_owned(),
        },
    );
    run.passes("whole", 4, "Check that the cluster is whole");
    run.cleaned();
    run.over(Outcome::Passed, counts(2, 0, 0, 2, 4), 0)
}

pub fn three_labs() -> Vec<Stamped> {
    let (five, nine) = ("labs/05-failover.yaml", "labs/09-ledger.yaml");
    let mut run = Run::of(&[five, FILE, nine]);
    run.lab(five, 5, "Automatic failover", 2);
    run.given();
    run.passes("kill", 1, "Stop a master")
        .passes("see", 2, "See its replica take over");
    run.cleaned();
    run.lab_ends(five, Outcome::Passed, counts(2, 0, 0, 0, 5));
    run.lab(FILE, 7, "Scaling down", 9);
    run.given();
    run.beginning();
    run.starts(EMPTY_IT, 5, "Move the slots away");
    run.checked(EMPTY_IT, 10_000, slots_are_left());
    run.ends(EMPTY_IT, Outcome::Failed, 10_001);
    run.cleaned();
    run.lab_ends(FILE, Outcome::Failed, counts(4, 1, 4, 0, 9));
    run.lab(nine, 9, "The ledger", 6);
    run.then(
        1,
        Event::LabSkipped {
            reason: "PostgreSQL is not installed here.".to_owned(),
        },
    );
    run.lab_ends(nine, Outcome::Skipped, counts(0, 0, 0, 6, 0));
    run.run_ends(counts(1, 1, 0, 1, 0), 1)
}

/// Labs that use one environment, one after the other: all of it, a part of it, nothing of it, and what is left without `given`.
pub fn one_environment() -> Vec<Stamped> {
    let files = [
        "labs/04-scale-up.yaml",
        "labs/04b-again.yaml",
        FILE,
        "labs/08-load.yaml",
        "labs/01-start.yaml",
    ];
    let mut run = Run::of(&files);
    run.lab(files[0], 4, "Scaling up", 1);
    run.given()
        .passes("join", 1, "Let it join the cluster")
        .kept();
    run.lab_ends(files[0], Outcome::Passed, counts(1, 0, 0, 0, 3));
    run.lab(files[1], 4, "Scaling up, once more", 1);
    run.given_again(&[])
        .passes("join", 1, "Let it join the cluster")
        .kept();
    run.lab_ends(files[1], Outcome::Passed, counts(1, 0, 0, 0, 3));
    run.lab(files[2], 7, "Scaling down", 1);
    run.given_again(&[
        ("redis-2", "it was stopped"),
        (
            "redis-5",
            "it can't be reset: redis-5 is not a fresh, empty node: it says connected_slaves:1",
        ),
    ]);
    run.passes("leave", 1, "Let it go").kept();
    run.lab_ends(files[2], Outcome::Passed, counts(1, 0, 0, 0, 12));
    run.lab(files[3], 8, "Load testing", 2);
    run.then(
        1,
        Event::GivenStarted {
            what: "3 masters, 3 replicas".to_owned(),
        },
    );
    run.then(
        6000,
        Event::EnvironmentGivenUp {
            why: "the cluster did not agree within 20s: redis-3 says cluster_state:fail".to_owned(),
        },
    );
    run.is_ready(5200).passes("load", 1, "Load it").kept();
    run.lab_ends(files[3], Outcome::Passed, counts(1, 0, 0, 1, 105));
    run.lab(files[4], 1, "Starting a cluster", 1);
    run.then(
        500,
        Event::EnvironmentReused {
            kept: Vec::new(),
            remade: BTreeMap::new(),
            removed: vec![NodeName::new("redis-1"), NodeName::new("redis-2")],
        },
    );
    run.passes("start", 1, "Start six containers").cleaned();
    run.lab_ends(files[4], Outcome::Passed, counts(1, 0, 0, 0, 7));
    run.run_ends(counts(5, 0, 0, 0, 130), 0)
}

/// Ctrl-C when one of three labs has passed, and the next has just begun.
pub fn interrupted_between() -> Vec<Stamped> {
    let files = [FILE, "labs/08-load.yaml", "labs/09-ledger.yaml"];
    let mut run = Run::of(&files);
    run.lab(FILE, 7, "Scaling down", 1);
    run.given().passes("leave", 1, "Let it go").kept();
    run.lab_ends(FILE, Outcome::Passed, counts(1, 0, 0, 0, 3));
    run.then(1, Event::Interrupted { times: 1 });
    run.cleaned();
    run.run_ends(counts(1, 0, 2, 0, 3), 130)
}

pub fn left_behind() -> Vec<Stamped> {
    let mut run = Run::of_lab_7();
    run.passes("identify-target", 1, "Identify the target node");
    run.then(1, Event::CleanupStarted);
    let left = [
        "container labrunner-k3f9-redis-1: removal already in progress",
        "network labrunner-k3f9: has active endpoints",
    ];
    run.then(
        3000,
        Event::CleanupFinished {
            kept: false,
            took: Duration::from_secs(3),
            left: left.map(String::from).to_vec(),
        },
    );
    run.over(Outcome::Broken, counts(1, 0, 8, 0, 1), 5)
}

/// A command that prints without end, in colours and over its own lines.
pub fn endless_output() -> Vec<Stamped> {
    let long_name = format!("labs/{}.yaml", "long".repeat(20));
    let mut run = Run::of(&[&long_name]);
    run.lab(&long_name, 7, &"Scaling down and up again ".repeat(5), 9);
    run.given();
    run.starts("noise", 1, "A title that is far too long for the line on which it has to stand, so that its end has to be left out of it");
    let noise: String = (0..500)
        .map(|n| {
            format!(
                "\x1b[31mline {n}\x1b[0m: 10%\rline {n}: {}\n",
                "移動".repeat(60)
            )
        })
        .collect();
    let output = Output {
        exit: None,
        cut_bytes: 98_000_000,
        took: Duration::from_secs(60),
        ..printed(0, 0, &noise)
    };
    run.command(
        "noise",
        &format!("redis-cli {}", "LRANGE a-rather-long-key 0 -1 ".repeat(12)),
        None,
        output,
    );
    let seen = (0..40)
        .map(|n| format!("\x1b]0;evil\x07{n}) \"{}\"\n", "x".repeat(300)))
        .collect::<String>();
    let long = Verdict {
        passed: false,
        why: Some("word ".repeat(120)),
        place: Place {
            file: long_name,
            line: 1,
            column: 1,
        },
        ..verdict(&format!("stdout equals \"{}\"", "y".repeat(500)), &seen)
    };
    for _ in 0..6 {
        run.checked("noise", 1, long.clone());
    }
    run.then(
        1,
        Event::Scene {
            step: "noise".to_owned(),
            scene: cluster(),
        },
    );
    run.ends("noise", Outcome::Failed, 60_020);
    run.cleaned();
    run.over(Outcome::Failed, counts(0, 1, 8, 0, 6), 1)
}

/// A run whose last events never came.
pub fn broken_off() -> Vec<Stamped> {
    let mut run = Run::of_lab_7();
    run.starts(EMPTY_IT, 1, "Move the slots away");
    run.checked(EMPTY_IT, 10_000, slots_are_left());
    run.events
}
