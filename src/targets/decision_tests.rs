//! What targets decide on recorded clusters (`fixtures/servers`): whether they go on, and why not.

use std::collections::BTreeMap;

use super::refusal::Refusal;
use super::state::State;
use super::{add_replica, failover, scale_down};
use crate::backend::Life;
use crate::cluster::{NodeName, Topology};
use crate::observe::recorded::{book, fresh, frozen, gone, moved, name};
use crate::observe::{Observation, Seen, View, Who};

/// A state that tests change.
struct Stage {
    observation: Observation,
    lives: BTreeMap<NodeName, Life>,
}

impl Stage {
    /// All five nodes see the recorded state; redis-6 and redis-7 were never made.
    fn new(state: &str) -> Stage {
        let mut observation = Observation::default();
        let mut lives = BTreeMap::new();
        for number in 1..=7 {
            let (view, life) = match number {
                1..=5 => (Ok(moved(state, number)), Life::Running),
                _ => (Err(gone(number)), Life::Absent),
            };
            observation.views.insert(name(number), view);
            lives.insert(name(number), life);
        }
        Stage { observation, lives }
    }

    fn is(mut self, number: u16, life: Life) -> Stage {
        let error = match life {
            Life::Running | Life::Paused => frozen(number),
            _ => gone(number),
        };
        self.observation.views.insert(name(number), Err(error));
        self.lives.insert(name(number), life);
        self
    }

    /// Another text of CLUSTER NODES at one node.
    fn edit(self, number: u16, change: impl Fn(&str) -> String) -> Stage {
        self.change(number, |view| {
            let raw = change(&view.topology.as_ref().unwrap().raw);
            let value = Topology::parse(&raw).unwrap();
            view.topology = Some(Seen { value, raw });
        })
    }

    /// Another text of CLUSTER NODES at all nodes that answer.
    fn edit_all(self, change: impl Fn(&str) -> String) -> Stage {
        (1..=5).fold(self, |stage, number| stage.edit(number, &change))
    }

    fn change(mut self, number: u16, change: impl Fn(&mut View)) -> Stage {
        let view = self.observation.views.get_mut(&name(number)).unwrap();
        if let Ok(view) = view {
            change(view);
        }
        self
    }

    fn state(self) -> State {
        let who = Who::of(&self.observation, &book());
        State {
            observation: self.observation,
            lives: self.lives,
            who,
        }
    }
}

fn line_of(text: &str, number: u16) -> String {
    let address = format!("127.0.0.1:{}@", 21000 + number);
    let line = text.lines().find(|line| line.contains(&address));
    line.unwrap().to_owned()
}

fn id_of(text: &str, number: u16) -> String {
    line_of(text, number)[..40].to_owned()
}

/// The text, with the line of one node changed.
fn with_line(text: &str, number: u16, change: impl Fn(&str) -> String) -> String {
    let line = line_of(text, number);
    text.replace(&line, &change(&line))
}

/// The text without the slots of a node.
fn without_slots(text: &str, number: u16) -> String {
    with_line(text, number, |line| {
        let words: Vec<&str> = line.split(' ').take(8).collect();
        words.join(" ")
    })
}

/// The text in which a node replicates another.
fn replicating(text: &str, replica: u16, master: u16) -> String {
    let master = id_of(text, master);
    with_line(text, replica, |line| {
        let mut words: Vec<&str> = line.split(' ').collect();
        words[3] = &master;
        words.join(" ")
    })
}

fn says_fail(view: &mut View) {
    view.cluster_info.as_mut().unwrap().value.ok = false;
}

/// What is to be done, on one line.
fn in_words(plan: &scale_down::Plan) -> String {
    let moves: Vec<String> = plan
        .moves
        .iter()
        .map(|(name, id, share)| format!("{name} ({id:.8}) gets {share}"))
        .collect();
    format!(
        "at {}, from {:.8}: {}; replicas: {:?}",
        plan.seed,
        plan.from,
        moves.join(", "),
        plan.replicas
    )
}

/// The stages of the tests below.
fn stages() -> Vec<(&'static str, Stage)> {
    let normal = || Stage::new("normal");
    let link = |view: &mut View| {
        let info = view.info.as_mut().unwrap();
        info.value = info
            .raw
            .replace("master_link_status:up", "master_link_status:down")
            .parse()
            .unwrap();
    };
    let outside = |number: u16| {
        let mut stage = normal();
        let view = Ok(fresh(number));
        stage.observation.views.insert(name(number), view);
        stage.lives.insert(name(number), Life::Running);
        stage
    };
    let nobody = || {
        let mut stage = Stage::new("normal");
        for number in 1..=5 {
            let view = Ok(fresh(number));
            stage.observation.views.insert(name(number), view);
        }
        stage
    };
    vec![
        ("normal", normal()),
        ("fails", normal().change(3, says_fail)),
        ("stopped", normal().is(1, Life::Exited(0))),
        ("paused", normal().is(1, Life::Paused)),
        ("silent", normal().is(1, Life::Running)),
        ("removed", normal().is(1, Life::Absent)),
        ("outside", outside(6)),
        ("no_cluster", nobody()),
        ("out_of_sync", normal().change(4, link)),
        ("replica_stopped", normal().is(4, Life::Exited(0))),
        ("replica_silent", normal().is(4, Life::Running)),
        ("nofailover", Stage::new("nofailover")),
        ("another_master_down", normal().is(2, Life::Exited(137))),
        (
            "two_masters_down",
            normal().is(2, Life::Exited(0)).is(3, Life::Paused),
        ),
        ("migrating", Stage::new("migrating")),
        ("no_slots", normal().edit_all(|text| without_slots(text, 3))),
        (
            "disagreeing",
            normal().edit(2, |text| replicating(text, 5, 3)),
        ),
        (
            "last_replicas",
            normal().edit_all(|text| replicating(text, 5, 1)),
        ),
        (
            "only_master",
            normal().edit_all(|text| {
                let kept = [1, 4, 5].map(|number| line_of(text, number));
                replicating(&(kept.join("\n") + "\n"), 5, 1)
            }),
        ),
    ]
}

/// What is decided on all stages, a paragraph each.
fn decided(decide: impl Fn(&State) -> Result<String, Refusal>) -> String {
    let text = stages().into_iter().map(|(name, stage)| {
        let decided = match decide(&stage.state()) {
            Ok(text) => format!("allowed: {text}\n"),
            Err(refusal) => refusal.to_string(),
        };
        format!("── {name}\n{decided}\n")
    });
    text.collect()
}

#[test]
fn failover_of_a_master_with_a_replica() {
    insta::assert_snapshot!(decided(|state| {
        let heirs = failover::heirs(state, &name(1))?;
        Ok(super::state::listed(heirs))
    }));
}

#[test]
fn failover_of_others() {
    let decide = |number: u16| {
        let stage = Stage::new("normal").state();
        let heirs = failover::heirs(&stage, &name(number)).map(super::state::listed);
        heirs.unwrap_or_else(|refusal| refusal.to_string())
    };
    insta::assert_snapshot!(decide(2), @"redis-5");
    insta::assert_snapshot!(decide(3), @r"
    refused: redis-3 has no replica: nobody could take over from it, and the cluster would be without its 5460 slots
       help: name another master, or give it a replica: redis-cli -p PORT CLUSTER REPLICATE 06e1760bea44bdd8a45be1d013a9a593d6af4ed9, at a node that owns no slots
    ");
    insta::assert_snapshot!(decide(4), @r"
    refused: redis-4 is a replica of redis-1: nobody has to take over from it
       help: name a master: NODE=7001 (redis-1), NODE=7002 (redis-2) or NODE=7003 (redis-3)
    ");
    insta::assert_snapshot!(decide(6), @r"
    refused: redis-6 is not started
       help: docker compose up -d redis-6
    ");
    insta::assert_snapshot!(decide(9), @r"
    refused: there is no node redis-9 in this environment
       help: there are redis-1, redis-2, redis-3, redis-4, redis-5, redis-6 and redis-7
    ");
    let empty = Stage::new("normal").edit_all(|text| without_slots(text, 3));
    insta::assert_snapshot!(failover::heirs(&empty.state(), &name(3)).unwrap_err(), @r"
    refused: redis-3 is a master without slots: nobody would take over from it
       help: name a master with slots: NODE=7001 (redis-1) or NODE=7002 (redis-2)
    ");
}

#[test]
fn recovery() {
    let may = |life: Life| match failover::may_recover(
        &Stage::new("normal").is(1, life).state(),
        &name(1),
    ) {
        Ok(()) => "allowed".to_owned(),
        Err(refusal) => refusal.to_string(),
    };
    assert_eq!(may(Life::Exited(0)), "allowed");
    assert_eq!(may(Life::Exited(137)), "allowed");
    insta::assert_snapshot!(may(Life::Running), @r"
    refused: redis-1 is running already
       help: make failover NODE=7001 stops it
    ");
    insta::assert_snapshot!(may(Life::Paused), @r"
    refused: redis-1 is paused
       help: docker unpause redis-1
    ");
    insta::assert_snapshot!(may(Life::Absent), @r"
    refused: redis-1 is not started
       help: docker compose up -d redis-1
    ");
}

#[test]
fn scale_down_of_a_master_with_replicas() {
    insta::assert_snapshot!(decided(|state| {
        let plan = scale_down::plan(state, &name(1))?;
        Ok(in_words(&plan))
    }));
}

#[test]
fn scale_down_of_others() {
    let decide = |stage: Stage, number: u16| match scale_down::plan(&stage.state(), &name(number)) {
        Ok(plan) => in_words(&plan),
        Err(refusal) => refusal.to_string(),
    };
    insta::assert_snapshot!(decide(Stage::new("normal"), 4), @r"
    refused: redis-4 is a replica of redis-1: it owns no slots, and it is the only replica of redis-1
       help: a node without slots can be removed as it is: redis-cli --cluster del-node 127.0.0.1:7001 dc5b2ff1f32dc39cd12b0275a9256576d73ac3de
    ");
    let two = Stage::new("normal").edit_all(|text| replicating(text, 5, 1));
    insta::assert_snapshot!(decide(two, 5), @r"
    refused: redis-5 is a replica of redis-1: it owns no slots
       help: a node without slots can be removed as it is: redis-cli --cluster del-node 127.0.0.1:7001 e97af8446990db68e17abd473bf2ede990a730e9
    ");
    let empty = Stage::new("normal").edit_all(|text| without_slots(text, 3));
    insta::assert_snapshot!(decide(empty, 3), @r"
    refused: redis-3 owns no slots already
       help: it can be removed: redis-cli --cluster del-node 127.0.0.1:7001 06e1760bea44bdd8a45be1d013a9a593d6af4ed9
    ");
    // The two others have none: they get all, as there is nobody else.
    let alone = Stage::new("normal")
        .edit_all(|text| without_slots(&without_slots(text, 2), 3))
        .edit_all(|text| replicating(text, 4, 2));
    insta::assert_snapshot!(decide(alone, 1), @"at redis-2, from 37678d2a: redis-2 (df8b0f8d) gets 2731, redis-3 (06e1760b) gets 2731; replicas: []");
}

#[test]
fn the_seed_is_another_member() {
    let state = Stage::new("normal").state();
    let seed = |number| scale_down::plan(&state, &name(number)).unwrap().seed;
    assert_eq!((seed(1), seed(3)), (name(2), name(1)));
}

#[test]
fn a_replica_joins() {
    let may = |stage: Stage, replica: u16, master: u16| match add_replica::may_join(
        &stage.state(),
        &name(replica),
        &name(master),
    ) {
        Ok(None) => "allowed: redis-cli chooses the right master\n".to_owned(),
        Ok(Some((id, fewer))) => format!("allowed: as {fewer:?} have fewer, {id} is named\n"),
        Err(refusal) => refusal.to_string(),
    };
    let started = |mut stage: Stage| {
        stage.observation.views.insert(name(6), Ok(fresh(6)));
        stage.lives.insert(name(6), Life::Running);
        stage
    };
    let texts = stages()
        .into_iter()
        .map(|(what, stage)| format!("── {what}\n{}\n", may(started(stage), 6, 1)));
    insta::assert_snapshot!(texts.collect::<String>());

    let normal = || Stage::new("normal");
    insta::assert_snapshot!(may(started(normal()), 6, 3), @"allowed: redis-cli chooses the right master");
    insta::assert_snapshot!(may(normal(), 6, 1), @r"
    refused: redis-6 is not started
       help: docker compose up -d redis-6
    ");
    insta::assert_snapshot!(may(normal().is(6, Life::Exited(0)), 6, 1), @r"
    refused: redis-6 is not running: it ended with exit code 0
       help: docker start redis-6, which make recover NODE=7006 does
    ");
    insta::assert_snapshot!(may(normal().is(6, Life::Running), 6, 1), @r"
    refused: redis-6 runs and does not answer (no answer within 1s)
       help: see what it logged: docker logs --tail 20 redis-6
    ");
    insta::assert_snapshot!(may(normal(), 5, 1), @r"
    refused: redis-5 is in the cluster already, as a replica of redis-2
       help: make cluster-nodes shows it
    ");
    insta::assert_snapshot!(may(normal(), 2, 1), @r"
    refused: redis-2 is in the cluster already, as a master
       help: make cluster-nodes shows it
    ");
    insta::assert_snapshot!(may(started(normal()), 6, 4), @r"
    refused: redis-4 is a replica of redis-1, and only a master can have replicas
       help: let it leave and join anew: redis-cli --cluster del-node 127.0.0.1:7001 dc5b2ff1f32dc39cd12b0275a9256576d73ac3de, then redis-cli --cluster add-node 172.30.0.14:7004 SEED
    ");
    insta::assert_snapshot!(may(started(normal()), 6, 7), @r"
    refused: redis-7 is not started, and redis-6 is to be its replica
       help: docker compose up -d redis-7, then redis-cli --cluster add-node 172.30.0.17:7007 172.30.0.11:7001
    ");
}
