//! The same commands said to real servers in cluster mode and to a node that was put into the same place by hand: the same answers, to the byte.

mod case;

mod frame;
mod real;

use std::io::Write;
use std::time::Duration;

use regex::{Captures, Regex};
use rstest::rstest;

use crate::cluster::NodeId;
use crate::double::node::clustered::Clustered;
use case::{Case, Line, Step};
use real::Real;

/// A real server and the double in the same place.
pub struct Pair {
    real: Real,
    /// The other real server of the cluster.
    other: Option<Real>,
    double: Clustered,
    /// What each of the double's clients has got that was not looked at yet.
    unread: std::collections::BTreeMap<u8, Vec<u8>>,
    ids: Vec<(String, &'static str)>,
}

/// Where the two are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Alone and without slots.
    Alone,
    /// Beside another master: the lower half of the slots is here, the upper half there.
    Beside,
    /// A replica of another node, which has all slots.
    Replica,
}

fn skip(test: &str, what: &str) {
    let required = std::env::var("LABRUNNER_REQUIRE").unwrap_or_default();
    let line = format!("SKIPPED {test}: there is no {what}\n");
    assert!(
        !required.split(',').any(|word| word.trim() == "redis"),
        "{line}"
    );
    // Not eprintln: what a test prints by that is shown only if it fails.
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Redis 7.0, if it is here.
fn redis_7_0(test: &str) -> Option<Real> {
    let output = std::process::Command::new("redis-server")
        .arg("--version")
        .output();
    let is_it =
        output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("v=7.0."));
    if !is_it {
        skip(test, "redis-server 7.0");
        return None;
    }
    Real::start("redis-server")
}

fn id_of(real: &mut Real) -> NodeId {
    let reply = real.ask(0, &["CLUSTER", "MYID"]);
    let text = String::from_utf8(reply).unwrap();
    text.lines().nth(1).unwrap().parse().unwrap()
}

impl Pair {
    /// `start` starts a real server.
    pub fn start(place: Place, mut start: impl FnMut() -> Option<Real>) -> Option<Pair> {
        let mut real = start()?;
        let mut double = Clustered::new(real.port);
        let id = id_of(&mut real);
        rename(&mut double, id);
        let mut ids = vec![(id.to_string(), "<me>")];
        let mut other = None;
        if place != Place::Alone {
            let mut peer = start()?;
            let id = id_of(&mut peer);
            ids.push((id.to_string(), "<other>"));
            let second = double.knows(id, peer.port);
            join(place, &mut real, &mut peer, id);
            let view = double.view();
            let me = view.me;
            let lone = place == Place::Replica;
            view.peer_mut(me).ip = "127.0.0.1".into();
            view.peer_mut(me).config_epoch = 1;
            view.peer_mut(second).config_epoch = 2;
            view.current_epoch = 2;
            match lone {
                true => {
                    double.gives(0, 16383, second);
                    double.follows(second);
                }
                false => {
                    double.gives(0, 8191, me);
                    double.gives(8192, 16383, second);
                }
            }
            other = Some(peer);
            // Long enough for a master to be sure of itself.
            for _ in 0..8 {
                double.waits(Duration::from_secs(1));
                double.view().note_change();
            }
            double.waits(Duration::ZERO);
            assert!(double.view().ok);
        }
        Some(Pair {
            real,
            other,
            double,
            unread: Default::default(),
            ids,
        })
    }

    fn run(&mut self, case: &Case) -> Result<(), String> {
        self.ask_both(0, &["FLUSHALL"]);
        if let Some(other) = &mut self.other {
            other.ask(0, &["FLUSHALL"]);
        }
        let failures: Vec<String> = case
            .lines
            .iter()
            .filter_map(|line| {
                let why = self.step(line).err()?;
                Some(format!(
                    "{}, line {}: {}\n{why}",
                    case.title, line.number, line.text
                ))
            })
            .collect();
        for client in 1..5 {
            self.real.close(client);
            self.double.close(client);
            self.unread.remove(&client);
        }
        match failures.is_empty() {
            true => Ok(()),
            false => Err(failures.join("\n")),
        }
    }

    fn ask_both(&mut self, client: u8, words: &[&str]) {
        self.real.ask(client, words);
        self.double.ask(client, words);
    }

    fn filled(&self, words: &[String]) -> Vec<String> {
        let other = self.other.as_ref().map_or(0, |other| other.port);
        let fill = |word: &String| {
            let mut word = word.clone();
            for (id, name) in &self.ids {
                word = word.replace(name, id);
            }
            word.replace("<port>", &other.to_string())
        };
        words.iter().map(fill).collect()
    }

    fn step(&mut self, line: &Line) -> Result<(), String> {
        match &line.step {
            Step::Call(words) => {
                let words = self.filled(words);
                self.send(line.on, &words);
                self.same(line)
            }
            Step::Send(words) => {
                let words = self.filled(words);
                self.send(line.on, &words);
                Ok(())
            }
            Step::Read => self.same(line),
            Step::Other(words) => {
                if let Some(other) = &mut self.other {
                    let reply = other.ask(0, words);
                    assert_eq!(reply, b"+OK\r\n");
                }
                // What the master executes reaches its replica.
                self.double.obeys(words);
                let size = format!(":{}\r\n", self.double.server.dbs[0].len());
                self.real.until(&["DBSIZE"], &size);
                Ok(())
            }
            Step::State(wanted) => {
                self.real.until(&["CLUSTER", "INFO"], wanted);
                for _ in 0..100 {
                    let is = self.double.ask(0, &["CLUSTER", "INFO"]);
                    if String::from_utf8_lossy(&is).contains(wanted.as_str()) {
                        return Ok(());
                    }
                    self.double.waits(Duration::from_millis(100));
                    self.double.view().note_change();
                }
                Err(format!("the double is never {wanted}"))
            }
        }
    }

    fn send(&mut self, on: u8, words: &[String]) {
        self.real.send(on, words);
        let got = self.double.ask(on, words);
        self.unread.entry(on).or_default().extend(got);
    }

    fn same(&mut self, line: &Line) -> Result<(), String> {
        let real = self.real.read(line.on);
        let told = self.double.told(line.on);
        let unread = self.unread.entry(line.on).or_default();
        unread.extend(told);
        let length = frame::length(unread).unwrap_or(unread.len());
        let double: Vec<u8> = unread.drain(..length).collect();
        let (real, double) = (self.shown(&real, line), self.shown(&double, line));
        match real == double {
            true => Ok(()),
            false => Err(format!("  redis:  {real}\n  double: {double}")),
        }
    }

    /// A reply as it is compared: ids that are drawn, and times, are names.
    fn shown(&self, reply: &[u8], line: &Line) -> String {
        let mut text = reply.escape_ascii().to_string();
        for (id, name) in &self.ids {
            text = text.replace(id, name);
        }
        let hex = Regex::new(r"\b[0-9a-f]{40}\b").unwrap();
        text = hex.replace_all(&text, "<id>").into_owned();
        if text.contains(r"cluster_slots_assigned:0\r\n") {
            // In its first two seconds Redis has not counted yet, and says 1.
            text = text.replace(r"cluster_size:1\r\n", r"cluster_size:0\r\n");
        }
        let time = Regex::new(r"\b1[0-9]{12}\b").unwrap();
        text = time.replace_all(&text, "<time>").into_owned();
        // Redis tells nodes in the order of a hash table that is another one in each process.
        if let Step::Call(words) = &line.step
            && words.iter().any(|word| word == "NODES")
        {
            let mut lines: Vec<&str> = text.split("\\n").collect();
            lines.sort_unstable();
            text = lines.join("\\n");
        }
        for mask in &line.masks {
            let mask = Regex::new(mask).unwrap();
            let masked = |found: &Captures<'_>| found[0].replace(&found[1], "<masked>");
            text = mask.replace_all(&text, masked).into_owned();
        }
        text
    }
}

/// The double has the id of the real one.
fn rename(double: &mut Clustered, id: NodeId) {
    let view = double.view();
    let me = view.me;
    view.rename(me, id);
}

/// Makes a cluster of the two.
fn join(place: Place, real: &mut Real, peer: &mut Real, id: NodeId) {
    real.ask(0, &["CLUSTER", "SET-CONFIG-EPOCH", "1"]);
    peer.ask(0, &["CLUSTER", "SET-CONFIG-EPOCH", "2"]);
    let give = |to: &mut Real, start: u16, end: u16| {
        let mut words = vec!["CLUSTER".to_owned(), "ADDSLOTS".to_owned()];
        words.extend((start..=end).map(|slot| slot.to_string()));
        assert_eq!(to.ask(0, &words), b"+OK\r\n");
    };
    match place {
        Place::Replica => give(peer, 0, 16383),
        _ => {
            give(real, 0, 8191);
            give(peer, 8192, 16383);
        }
    }
    real.ask(0, &["CLUSTER", "MEET", "127.0.0.1", &peer.port.to_string()]);
    real.until(
        &["CLUSTER", "NODES"],
        &format!("{id} 127.0.0.1:{}@{} master", peer.port, peer.port + 10_000),
    );
    if place == Place::Replica {
        assert_eq!(
            real.ask(0, &["CLUSTER", "REPLICATE", &id.to_string()]),
            b"+OK\r\n"
        );
        real.until(&["INFO", "replication"], "master_link_status:up");
    }
    for one in [real, peer] {
        one.until(&["CLUSTER", "INFO"], "cluster_state:ok");
        one.until(&["CLUSTER", "INFO"], "cluster_current_epoch:2");
    }
}

fn compare(place: Place, text: &str, test: &str) {
    let cases = case::parse(text);
    let Some(mut pair) = Pair::start(place, || redis_7_0(test)) else {
        return;
    };
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|case| pair.run(case).err())
        .collect();
    assert!(
        failures.is_empty(),
        "{} of {} cases:\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
}

#[rstest]
#[case(Place::Alone, include_str!("cases/alone.txt"), "alone")]
#[case(Place::Beside, include_str!("cases/beside.txt"), "beside")]
#[case(Place::Replica, include_str!("cases/replica.txt"), "replica")]
fn a_node_answers_as_redis_does(#[case] place: Place, #[case] text: &str, #[case] test: &str) {
    compare(place, text, test);
}
