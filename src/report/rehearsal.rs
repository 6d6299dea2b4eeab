//! Runs made by hand, to look at what reports make of them, and a writer that keeps what it is given.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::cluster::NodeName;
use crate::engine::event::{
    Counts, Event, Outcome, Place, RawReply, Scene, Stamped, Verdict, When,
};
use crate::lab::action::Output;
use crate::load::ProbeReport;

mod background;
mod failovers;
mod runs;

pub(super) use background::*;
pub(super) use failovers::*;
pub(super) use runs::*;

pub(super) const FILE: &str = "labs/07-scale-down.yaml";
const EMPTY_IT: &str = "empty-it";
const RESHARD: &str = "redis-cli --cluster reshard 172.30.0.11:7001 --cluster-from 6a3c1f0e5b7d9a8c2e4f6a8b0c1d3e5f7a9b1c3d \
                       --cluster-to 07c37dfeb235213a872192d90877d0cd55635b91 --cluster-slots 1365 --cluster-yes";

/// A writer whose clones all write to the same place.
#[derive(Debug, Clone, Default)]
pub(super) struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Events in the order in which an engine writes them.
#[derive(Default)]
pub(super) struct Run {
    events: Vec<Stamped>,
    at: Duration,
    /// When the lab before ended.
    lab_began: Duration,
}

impl Run {
    /// A run of these files, up to the choice of its backend.
    pub fn of(files: &[&str]) -> Run {
        let mut run = Run::default();
        run.then(
            0,
            Event::RunStarted {
                run: "k3f9".to_owned(),
                version: "0.1.0",
                unix_seconds: 1_790_000_000,
                files: files.iter().map(|file| (*file).to_owned()).collect(),
            },
        );
        run.then(
            80,
            Event::BackendChosen {
                backend: "docker",
                why: "Docker Engine 20.10.24, docker-compose 1.29.2, labrunner-redis:7.0.15"
                    .to_owned(),
            },
        );
        run
    }

    /// Lab 7 with its cluster ready.
    pub fn of_lab_7() -> Run {
        let mut run = Run::of(&[FILE]);
        run.lab(FILE, 7, "Scaling down", 9);
        run.given();
        run
    }

    /// `event`, so many milliseconds after the one before.
    pub fn then(&mut self, ms: u64, event: Event) -> &mut Run {
        self.at += Duration::from_millis(ms);
        let seq = self.events.len() as u64 + 1;
        self.events.push(Stamped {
            seq,
            at: self.at,
            event,
        });
        self
    }

    pub fn lab(&mut self, file: &str, number: u32, title: &str, steps: usize) -> &mut Run {
        self.then(
            1,
            Event::LabStarted {
                file: file.to_owned(),
                number: Some(number),
                title: title.to_owned(),
                steps,
            },
        )
    }

    pub fn given(&mut self) -> &mut Run {
        self.then(
            1,
            Event::GivenStarted {
                what: "4 masters, 4 replicas, 10000 keys".to_owned(),
            },
        );
        self.then(
            1700,
            Event::GivenPhase {
                phase: "8 containers are started; waiting for all nodes to agree".to_owned(),
            },
        );
        self.then(
            2800,
            Event::GivenPhase {
                phase: "writing 10000 keys".to_owned(),
            },
        );
        self.then(
            600,
            Event::GivenReady {
                took: Duration::from_millis(5101),
                ids: BTreeMap::new(),
                server: Some("redis 7.0.15".to_owned()),
            },
        )
    }

    pub fn starts(&mut self, id: &str, index: usize, title: &str) -> &mut Run {
        self.then(
            1,
            Event::StepStarted {
                step: id.to_owned(),
                index,
                title: title.to_owned(),
            },
        )
    }

    pub fn command(
        &mut self,
        id: &str,
        typed: &str,
        item: Option<(usize, usize)>,
        output: Output,
    ) -> &mut Run {
        let really = typed.replacen(
            "redis-cli",
            "docker exec labrunner-k3f9-toolbox redis-cli",
            1,
        );
        self.then(
            1,
            Event::CommandStarted {
                step: id.to_owned(),
                typed: typed.to_owned(),
                really,
                item,
            },
        );
        let ms = u64::try_from(output.took.as_millis()).unwrap();
        self.then(
            ms,
            Event::CommandFinished {
                step: id.to_owned(),
                output,
            },
        )
    }

    /// A command that goes on, as the step's last word for now.
    pub fn goes_on(&mut self, id: &str, typed: &str, really: &str) -> &mut Run {
        self.then(
            1,
            Event::CommandStarted {
                step: id.to_owned(),
                typed: typed.to_owned(),
                really: really.to_owned(),
                item: None,
            },
        );
        self.then(
            1,
            Event::StepInBackground {
                step: id.to_owned(),
            },
        )
    }

    /// The end of a command that went on.
    pub fn command_ends(&mut self, id: &str, ms: u64, output: Output) -> &mut Run {
        self.then(
            ms,
            Event::CommandFinished {
                step: id.to_owned(),
                output,
            },
        )
    }

    pub fn awaited(&mut self, id: &str, stopped: bool) -> &mut Run {
        self.then(
            1,
            Event::StepAwaited {
                step: id.to_owned(),
                stopped,
            },
        )
    }

    /// One of the commands of a make target.
    pub fn target_command(&mut self, id: &str, ms: u64, typed: &str) -> &mut Run {
        let really = typed.replacen(
            "redis-cli",
            "docker exec labrunner-k3f9-toolbox redis-cli",
            1,
        );
        self.then(
            ms,
            Event::TargetCommand {
                step: id.to_owned(),
                typed: typed.to_owned(),
                really,
            },
        )
    }

    pub fn checked(&mut self, id: &str, ms: u64, verdict: Verdict) -> &mut Run {
        self.then(
            ms,
            Event::Checked {
                step: id.to_owned(),
                verdict,
            },
        )
    }

    pub fn ends(&mut self, id: &str, outcome: Outcome, took_ms: u64) -> &mut Run {
        self.then(
            1,
            Event::StepFinished {
                step: id.to_owned(),
                outcome,
                took: Duration::from_millis(took_ms),
            },
        )
    }

    /// A step that passes.
    pub fn passes(&mut self, id: &str, index: usize, title: &str) -> &mut Run {
        self.starts(id, index, title);
        self.command(
            id,
            "redis-cli -p 7007 CLUSTER MYID",
            None,
            printed(0, 96, "6a3c1f0e5b7d9a8c2e4f6a8b0c1d3e5f7a9b1c3d\n"),
        );
        self.checked(
            id,
            4,
            verdict(
                "stdout equals 6a3c1f0e5b7d9a8c2e4f6a8b0c1d3e5f7a9b1c3d",
                "6a3c1f0e5b7d9a8c2e4f6a8b0c1d3e5f7a9b1c3d",
            ),
        );
        self.ends(id, Outcome::Passed, 102)
    }

    /// The four steps before the slots are moved.
    pub fn beginning(&mut self) -> &mut Run {
        self.passes("identify-target", 1, "Identify the target node");
        self.passes(
            "refuse-early",
            2,
            "See why an owner of slots cannot be removed",
        );
        self.passes("find-replica", 3, "Find its replica");
        self.passes("remove-replica", 4, "Remove the replica first")
    }

    pub fn cleaned(&mut self) -> &mut Run {
        self.then(1, Event::CleanupStarted);
        self.then(
            1120,
            Event::CleanupFinished {
                kept: false,
                took: Duration::from_millis(1120),
                left: Vec::new(),
            },
        )
    }

    /// The end of a lab that leaves its environment to the next.
    pub fn kept(&mut self) -> &mut Run {
        self.then(1, Event::CleanupStarted);
        self.then(
            0,
            Event::CleanupFinished {
                kept: true,
                took: Duration::from_micros(40),
                left: Vec::new(),
            },
        )
    }

    /// The start of a lab in the environment of the one before, of which `remade` could not be reset.
    pub fn given_again(&mut self, remade: &[(&str, &str)]) -> &mut Run {
        let node = |number: usize| NodeName::new(format!("redis-{number}"));
        let remade: BTreeMap<NodeName, String> = remade
            .iter()
            .map(|(name, why)| (NodeName::new(*name), (*why).to_owned()))
            .collect();
        let kept = (1..=6).map(node).filter(|name| !remade.contains_key(name));
        self.then(
            1,
            Event::GivenStarted {
                what: "3 masters, 3 replicas, 10000 keys".to_owned(),
            },
        );
        self.then(
            1,
            Event::GivenPhase {
                phase: "resetting redis-1, redis-2; removing redis-7".to_owned(),
            },
        );
        self.then(
            640,
            Event::EnvironmentReused {
                kept: kept.collect(),
                remade,
                removed: vec![node(7)],
            },
        );
        self.is_ready(900)
    }

    pub fn is_ready(&mut self, ms: u64) -> &mut Run {
        self.then(
            ms,
            Event::GivenReady {
                took: Duration::from_millis(ms + 641),
                ids: BTreeMap::new(),
                server: Some("redis 7.0.15".to_owned()),
            },
        )
    }

    pub fn lab_ends(&mut self, file: &str, outcome: Outcome, counts: Counts) -> &mut Run {
        let took = self.at - self.lab_began;
        self.lab_began = self.at;
        self.then(
            1,
            Event::LabFinished {
                file: file.to_owned(),
                outcome,
                counts,
                took,
            },
        )
    }

    /// The end of a run of one lab.
    pub fn over(mut self, outcome: Outcome, counts: Counts, exit_code: u8) -> Vec<Stamped> {
        self.lab_ends(FILE, outcome, counts);
        let labs = Counts {
            passed: usize::from(outcome == Outcome::Passed),
            failed: usize::from(matches!(
                outcome,
                Outcome::Failed | Outcome::Broken | Outcome::Interrupted
            )),
            skipped: usize::from(outcome == Outcome::Skipped),
            ..Counts::default()
        };
        self.run_ends(labs, exit_code)
    }

    pub fn run_ends(mut self, labs: Counts, exit_code: u8) -> Vec<Stamped> {
        let took = self.at;
        self.then(
            1,
            Event::RunFinished {
                labs,
                exit_code,
                took,
            },
        );
        self.events
    }
}

pub(super) fn counts(
    passed: usize,
    failed: usize,
    not_run: usize,
    skipped: usize,
    checks: usize,
) -> Counts {
    Counts {
        passed,
        failed,
        skipped,
        not_run,
        checks,
    }
}

pub(super) fn printed(exit: i32, ms: u64, text: &str) -> Output {
    Output {
        exit: Some(exit),
        stdout: text.to_owned(),
        combined: text.to_owned(),
        took: Duration::from_millis(ms),
        ..Output::default()
    }
}

/// A check that holds after the command.
pub(super) fn verdict(expected: &str, seen: &str) -> Verdict {
    Verdict {
        passed: true,
        list: "expect",
        expected: expected.to_owned(),
        seen: seen.to_owned(),
        when: When::After,
        looks: 1,
        looked_for: Duration::ZERO,
        within_ms: None,
        why: None,
        place: Place {
            file: FILE.to_owned(),
            line: 57,
            column: 9,
        },
        evidence: Vec::new(),
    }
}

/// The check that the slots are gone, failed after ten seconds.
pub(super) fn slots_are_left() -> Verdict {
    Verdict {
        passed: false,
        looks: 41,
        looked_for: Duration::from_secs(10),
        within_ms: Some(10_000),
        why: Some("A node that still owns slots cannot be removed without losing the keys in them.".to_owned()),
        evidence: vec![RawReply {
            node: NodeName::new("redis-7"),
            command: "CLUSTER NODES".to_owned(),
            reply: "6a3c1f0e5b7d9a8c2e4f6a8b0c1d3e5f7a9b1c3d 172.30.0.17:7007@17007 myself,master - 0 0 7 connected 5461-6825\n"
                .to_owned(),
        }],
        ..verdict("redis-7 owns 0 slots", "redis-7 owns 1365 slots")
    }
}

pub(super) fn moving() -> ProbeReport {
    ProbeReport {
        operations: 1214,
        asked: 212,
        moved: 320,
        longest_gap_ms: 24.0,
        latency: crate::load::Latency {
            p99_ms: 3.0,
            ..Default::default()
        },
        audited: true,
        ..ProbeReport::default()
    }
}

pub(super) fn cluster() -> Scene {
    let rows = [
        "redis-1\tmaster\t1365-5460 12288-12300\tlink up",
        "redis-2\tmaster\t6827-10922\tlink up",
        "redis-3\tmaster\t10923-12287 12301-16383\tlink up",
        "redis-4\treplica of redis-1\t\tlink up",
        "redis-5\tdoes not answer: connection refused",
        "redis-6\treplica of redis-3\t\tlink up",
        "redis-7\tmaster\t0-1364 5461-6826\tlink up",
        "redis-8\treplica of redis-7\t\tlink up",
    ];
    Scene {
        nodes: rows.map(String::from).to_vec(),
        disagreements: vec![
            "redis-3 thinks that slots 5461-6826 belong to redis-7; redis-1, redis-2 and redis-7 think that they belong to redis-2"
                .to_owned(),
        ],
        ..Scene::default()
    }
}
