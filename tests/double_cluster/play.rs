//! Plays a scenario on a stage, and writes down what every node says after each step.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::condition::Condition;
use crate::names::{Names, name};
use crate::normal::{self, Normal};
use crate::scenario::{Act, Change, Create, Scenario, Step, Whom, key, spell_out};
use crate::stage::{By, Stage};
use crate::view::{View, text};

/// How long a condition may take to become true. Long: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(25);
/// How long views may differ from what is expected before they are taken for wrong.
const DOUBT: Duration = Duration::from_secs(4);
/// Between two looks.
const PACE: Duration = Duration::from_millis(50);
/// So many looks in a row have to show the same before it is taken for what came of a step.
const STEADY: u32 = 5;
/// A master that has just been started takes no part for 2 s, and counts those with slots only after that.
const AWAKE: Duration = Duration::from_millis(2300);

/// What was seen, in order.
pub type Trace = Vec<Seen>;

#[derive(Clone, Debug)]
pub struct Seen {
    pub place: String,
    pub step: String,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Replies to a command, with the names of who gave them.
    Replies(Vec<(String, String)>),
    Views(Normal),
}

/// Why a scenario could not be played to its end.
#[derive(Debug)]
pub struct Broken {
    pub place: String,
    pub step: String,
    pub why: String,
    pub trace: Trace,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Up,
    Down,
    Frozen,
}

struct Play<'a> {
    stage: &'a mut dyn Stage,
    /// The stage's number of each node, by the order of names.
    order: Vec<usize>,
    names: Names,
    states: Vec<State>,
    /// When the last node was started.
    started: Duration,
    ranks: bool,
    trace: Trace,
    expected: Option<&'a Trace>,
}

/// Plays it. With `expected`, what another stage has seen: views that differ from it are given a little time to become the same.
pub fn play(
    scenario: &Scenario,
    stage: &mut dyn Stage,
    expected: Option<&Trace>,
) -> Result<Trace, Broken> {
    let broken = |step: Option<&Step>, why: String, trace: Trace| Broken {
        place: step.map(|step| step.place.clone()).unwrap_or_default(),
        step: step.map(|step| step.text.clone()).unwrap_or_default(),
        why,
        trace,
    };
    let mut ids = Vec::new();
    for node in 0..scenario.nodes {
        match stage.call(node, By::Observer, &words(&["CLUSTER", "MYID"])) {
            Ok(id) => ids.push((text(&id), node)),
            Err(why) => return Err(broken(None, format!("CLUSTER MYID: {why}"), Vec::new())),
        }
    }
    ids.sort();
    let order: Vec<usize> = ids.iter().map(|(_, node)| *node).collect();
    let named = ids
        .into_iter()
        .map(|(id, node)| (id, stage.place(node)))
        .collect();
    let mut play = Play {
        names: Names::new(named),
        states: vec![State::Up; order.len()],
        started: stage.now(),
        stage,
        order,
        ranks: scenario.ranks,
        trace: Vec::new(),
        expected,
    };
    for step in &scenario.steps {
        if let Err(why) = play.step(step) {
            let logs = play.logs();
            return Err(broken(Some(step), format!("{why}\n{logs}"), play.trace));
        }
    }
    Ok(play.trace)
}

impl Play<'_> {
    fn step(&mut self, step: &Step) -> Result<(), String> {
        match &step.act {
            Act::Call(whom, words) => {
                let nodes: Vec<usize> = match whom {
                    Whom::All => self.up(),
                    Whom::These(nodes) => nodes.clone(),
                };
                let mut replies = Vec::new();
                for node in nodes {
                    replies.push((name(node), self.call(node, words)?));
                }
                self.note(step, What::Replies(replies));
                Ok(())
            }
            Act::Create(create) => {
                self.create(create)?;
                self.look(step)
            }
            Act::Fill { node, slot, count } => {
                for n in 1..=*count {
                    let key = key(*slot, &n.to_string());
                    self.must(*node, &["SET", &key, &format!("value {n}")])?;
                }
                Ok(())
            }
            Act::Drain { from, to, slot } => self.drain(step, *from, *to, *slot),
            Act::Change(change, nodes) => {
                for &node in nodes {
                    self.change(*change, node)?;
                }
                Ok(())
            }
            Act::Cut(groups) => {
                let groups: Vec<Vec<usize>> = groups
                    .iter()
                    .map(|group| group.iter().map(|&node| self.order[node]).collect())
                    .collect();
                self.stage.cut(&groups);
                Ok(())
            }
            Act::Heal => {
                self.stage.heal();
                Ok(())
            }
            Act::Sleep(time) => {
                self.stage.pause(*time);
                Ok(())
            }
            Act::Until(condition) => {
                self.until(condition)?;
                self.look(step)
            }
            Act::During(time, condition) => {
                self.during(*time, condition)?;
                self.look(step)
            }
            Act::Look => self.look(step),
        }
    }

    fn change(&mut self, change: Change, node: usize) -> Result<(), String> {
        let (before, after) = match change {
            Change::Stop | Change::Kill => (State::Up, State::Down),
            Change::Start => (State::Down, State::Up),
            Change::Freeze => (State::Up, State::Frozen),
            Change::Thaw => (State::Frozen, State::Up),
        };
        if self.states[node] != before {
            return Err(format!("{} is {:?}", name(node), self.states[node]));
        }
        let there = self.order[node];
        match change {
            Change::Stop => self.stage.stop(there),
            Change::Kill => self.stage.kill(there),
            Change::Start => {
                self.stage.start(there);
                self.started = self.stage.now();
            }
            Change::Freeze => self.stage.freeze(there),
            Change::Thaw => self.stage.thaw(there),
        }
        self.states[node] = after;
        Ok(())
    }

    /// A command as the scenario writes it; its normalised reply.
    fn call(&mut self, node: usize, words: &[String]) -> Result<String, String> {
        let spelled = spell_out(words, &self.names);
        let frame = self
            .stage
            .call(self.order[node], By::Scenario, &spelled)
            .map_err(|why| format!("{}: {why}", name(node)))?;
        self.learn(node)?;
        Ok(normal::reply(words, &frame, &self.names))
    }

    /// A command of a step that is not about it.
    fn must(&mut self, node: usize, line: &[&str]) -> Result<String, String> {
        let words: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
        let reply = self.call(node, &words)?;
        match reply.starts_with("error: ") {
            true => Err(format!("{} to {}: {reply}", name(node), line.join(" "))),
            false => Ok(reply),
        }
    }

    /// Its id may have changed by what it was told.
    fn learn(&mut self, node: usize) -> Result<(), String> {
        let words = words(&["CLUSTER", "MYID"]);
        let id = self
            .stage
            .call(self.order[node], By::Observer, &words)
            .map_err(|why| format!("{}: {why}", name(node)))?;
        self.names.learn(node, &text(&id));
        Ok(())
    }

    fn create(&mut self, create: &Create) -> Result<(), String> {
        let masters: Vec<usize> = create.masters.iter().map(|(node, _)| *node).collect();
        let replicas: Vec<usize> = create.replicas.iter().map(|(node, _)| *node).collect();
        let all = [masters.as_slice(), replicas.as_slice()].concat();
        for (node, ranges) in &create.masters {
            let mut line = vec!["CLUSTER".to_owned(), "ADDSLOTSRANGE".to_owned()];
            for (first, last) in ranges {
                line.extend([first.to_string(), last.to_string()]);
            }
            if !ranges.is_empty() {
                let line: Vec<&str> = line.iter().map(String::as_str).collect();
                self.must(*node, &line)?;
            }
        }
        for (n, &node) in all.iter().enumerate() {
            let epoch = (n + 1).to_string();
            self.must(node, &["CLUSTER", "SET-CONFIG-EPOCH", &epoch])?;
        }
        for (n, &one) in all.iter().enumerate() {
            for &other in &all[n + 1..] {
                let other = name(other);
                let words = [&format!("{other}.ip"), &format!("{other}.port")];
                self.must(one, &["CLUSTER", "MEET", words[0], words[1]])?;
            }
        }
        let observers: Vec<String> = all.iter().map(|&node| name(node)).collect();
        let observers = observers.join(" ");
        let count = self.names.count();
        let wait = |claims: String| Condition::parse(&format!("{observers}: {claims}"), count);
        // Who gets slots when others have replicas already is a target for replicas that move, and not otherwise.
        self.until(&wait(format!("know {}, agree", all.len()))?)?;
        for (replica, master) in &create.replicas {
            let master = format!("{}.id", name(*master));
            self.must(*replica, &["CLUSTER", "REPLICATE", &master])?;
        }
        let whole = create
            .masters
            .iter()
            .flat_map(|(_, ranges)| ranges)
            .map(|(first, last)| u32::from(last - first) + 1)
            .sum::<u32>()
            == 16384;
        let ok = if whole { "ok, " } else { "" };
        self.until(&wait(format!("{ok}agree, synced"))?)?;
        if whole {
            for (node, ranges) in &create.masters {
                if let Some((first, _)) = ranges.first() {
                    let key = key(*first, "");
                    self.must(*node, &["SET", &key, "there from the start"])?;
                }
            }
        }
        self.until(&wait("agree, synced".to_owned())?)
    }

    fn drain(&mut self, step: &Step, from: usize, to: usize, slot: u16) -> Result<(), String> {
        let mut replies = Vec::new();
        loop {
            let ask = words(&["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), "10"]);
            let keys = self.stage.call(self.order[from], By::Scenario, &ask)?;
            if keys.items.is_empty() {
                break;
            }
            let place = self.names.place(to);
            let mut line = words(&[
                "MIGRATE",
                &place.ip.to_string(),
                &place.port.to_string(),
                "",
                "0",
                "5000",
                "KEYS",
            ]);
            line.extend(keys.items.iter().map(|key| key.payload.clone()));
            let reply = self.stage.call(self.order[from], By::Scenario, &line)?;
            replies.push((name(from), normal::reply(&[], &reply, &self.names)));
            if reply.is_error() {
                break;
            }
        }
        self.note(step, What::Replies(replies));
        Ok(())
    }

    fn up(&self) -> Vec<usize> {
        (0..self.states.len())
            .filter(|&node| self.states[node] == State::Up)
            .collect()
    }

    /// The views of all that are up.
    fn views(&mut self) -> Result<BTreeMap<usize, View>, String> {
        let mut views = BTreeMap::new();
        for node in self.up() {
            let view = View::of(self.stage, self.order[node])
                .map_err(|why| format!("{}: {why}", name(node)))?;
            self.names.learn(node, &view.id);
            views.insert(node, view);
        }
        Ok(views)
    }

    fn until(&mut self, condition: &Condition) -> Result<(), String> {
        let began = self.stage.now();
        loop {
            let lack = match self.views() {
                Ok(views) => condition.lacks(&views, &self.names),
                // A node that has just been started may not answer everything yet.
                Err(why) => Some(why),
            };
            let Some(lack) = lack else { return Ok(()) };
            if self.stage.now() > began + PATIENCE {
                let picture = self.picture();
                return Err(format!("not within {PATIENCE:?}: {lack}\n{picture}"));
            }
            self.stage.pause(PACE);
        }
    }

    fn during(&mut self, time: Duration, condition: &Condition) -> Result<(), String> {
        let began = self.stage.now();
        while self.stage.now() < began + time {
            let views = self.views()?;
            if let Some(lack) = condition.lacks(&views, &self.names) {
                let after = self.stage.now() - began;
                return Err(format!(
                    "no more after {after:?}: {lack}\n{}",
                    self.picture()
                ));
            }
            self.stage.pause(PACE);
        }
        Ok(())
    }

    /// The views once they change no more.
    fn look(&mut self, step: &Step) -> Result<(), String> {
        let at = self.trace.len();
        let expected = self.expected.and_then(|trace| trace.get(at));
        let awake = (self.started + AWAKE).saturating_sub(self.stage.now());
        if !awake.is_zero() {
            self.stage.pause(awake);
        }
        let began = self.stage.now();
        let (mut last, mut same) = (None, 0);
        loop {
            let seen = What::Views(normal::views(&self.views()?, &self.names, self.ranks));
            same = if last.as_ref() == Some(&seen) {
                same + 1
            } else {
                1
            };
            let settled = same >= STEADY;
            let as_expected = expected.is_none_or(|expected| expected.what == seen);
            let waited = self.stage.now() - began;
            if settled && (as_expected || waited > DOUBT) {
                self.note(step, seen);
                return Ok(());
            }
            if waited > PATIENCE {
                return Err(format!("the views never settle\n{}", self.picture()));
            }
            last = Some(seen);
            self.stage.pause(PACE);
        }
    }

    fn note(&mut self, step: &Step, what: What) {
        self.trace.push(Seen {
            place: step.place.clone(),
            step: step.text.clone(),
            what,
        });
    }

    /// All CLUSTER NODES at this moment, for a message.
    fn picture(&mut self) -> String {
        let Ok(views) = self.views() else {
            return String::new();
        };
        let normal = normal::views(&views, &self.names, self.ranks);
        let lines = normal.iter().map(|(node, said)| {
            let (_, nodes) = &said[0];
            format!("  {}:\n    {}", name(*node), nodes.join("\n    "))
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    fn logs(&self) -> String {
        let logs = self.order.iter().enumerate().map(|(node, &there)| {
            let log = self.stage.log(there);
            self.names
                .of_text(&format!("  --- log of {}\n{log}", name(node)))
        });
        logs.collect::<Vec<_>>().join("\n")
    }
}

fn words(line: &[&str]) -> Vec<Vec<u8>> {
    line.iter().map(|word| word.as_bytes().to_vec()).collect()
}
