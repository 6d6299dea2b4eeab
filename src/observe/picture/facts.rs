//! What a picture says, before it is laid out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::{Presence, Scene};
use crate::cluster::{LinkState, Node, NodeId, NodeName, SLOTS, SlotSet, Topology};
use crate::observe::Who;
use crate::resp::RespError;

/// Views that differ in the owners of fewer slots than this are the same picture, with a remark.
const A_FEW_SLOTS: usize = 256;

/// All that is shown.
#[derive(Debug)]
pub(super) struct Facts {
    /// One, where most members see much the same; otherwise one for each way of seeing it.
    pub tables: Vec<Table>,
    /// Sentences on who sees what differently from the first table.
    pub apart: Vec<String>,
    /// Nodes that were never made.
    pub absent: Vec<NodeName>,
    /// How many nodes answered.
    pub answering: usize,
}

/// How the cluster looks to some of its members.
#[derive(Debug)]
pub(super) struct Table {
    /// To whom. Nobody, where there is no cluster.
    pub seen_by: Vec<NodeName>,
    /// `cluster_state` as most of them say it.
    pub ok: bool,
    pub rows: Vec<Row>,
}

/// A node.
#[derive(Debug)]
pub(super) struct Row {
    pub name: String,
    pub port: Option<u16>,
    pub role: Role,
    pub health: Health,
    pub slots: SlotSet,
    /// Why it does not answer, if it does not.
    pub silent: Option<String>,
    /// What is wrong with it otherwise.
    pub trouble: Vec<String>,
    /// How far a replica is behind its master, in bytes.
    pub lag: Option<u64>,
    /// To whom it is giving slots, and who is giving it some.
    pub moving: Option<String>,
    pub keys: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Role {
    Master,
    /// Of whom; of nobody that is known, at times.
    Replica(Option<String>),
    /// It was met, and has not said yet what it is.
    Handshake,
    /// It answers, and is in no cluster.
    Outside,
    /// Nobody knows it, and it says nothing.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Health {
    Well,
    Suspected,
    Failed,
}

impl Health {
    fn of(node: &Node) -> Health {
        match (node.flags.failed, node.flags.suspected) {
            (true, _) => Health::Failed,
            (_, true) => Health::Suspected,
            _ => Health::Well,
        }
    }

    /// As Redis calls it; nothing for a node that is well.
    pub fn flag(self) -> &'static str {
        match self {
            Health::Well => "",
            Health::Suspected => "fail?",
            Health::Failed => "fail",
        }
    }
}

impl Facts {
    pub fn of(scene: Scene<'_>) -> Facts {
        let eyes = Eyes {
            scene,
            who: Who::of(scene.observation, scene.book),
        };
        let groups = eyes.groups();
        let members: usize = groups.iter().map(|group| group.len()).sum();
        let largest = groups
            .iter()
            .enumerate()
            .max_by_key(|(at, group)| (group.len(), std::cmp::Reverse(*at)))
            .map(|(_, group)| group.clone())
            .unwrap_or_default();
        let most = largest.len() * 2 > members || members == 0;
        // While slots move, so do replicas at times, and all nodes hear of it within a second: no time to read several tables.
        let (shown, apart) = if most || scene.moving {
            let apart = eyes.apart(&largest);
            (vec![largest], apart)
        } else {
            (groups, Vec::new())
        };
        let mut tables: Vec<Table> = shown.iter().map(|group| eyes.table(group)).collect();
        let mut apart = apart;
        for table in &mut tables {
            apart.extend(eyes.opinions(table));
        }
        let shown: BTreeSet<&str> = tables
            .iter()
            .flat_map(|table| table.rows.iter().map(|row| row.name.as_str()))
            .collect();
        let absent = scene.book.iter().map(|address| address.name.clone());
        let absent = absent
            .filter(|name| {
                scene.presence.get(name) == Some(&Presence::Absent)
                    && !shown.contains(name.as_str())
            })
            .collect();
        Facts {
            absent,
            apart,
            answering: scene.observation.names().len(),
            tables,
        }
    }

    /// What a reader would call news.
    pub fn state(&self) -> String {
        let mut text = String::new();
        for table in &self.tables {
            let _ = writeln!(text, "{:?} {}", table.seen_by, table.ok);
            for row in &table.rows {
                let _ = writeln!(
                    text,
                    "{} {:?} {:?} {:?} {:?}",
                    row.name, row.role, row.health, row.silent, row.trouble
                );
            }
        }
        let _ = writeln!(text, "{:?} {:?}", self.apart, self.absent);
        text
    }

    /// Who owns what.
    pub fn slots(&self) -> String {
        let rows = self.tables.iter().flat_map(|table| &table.rows);
        rows.map(|row| format!("{} {}\n", row.name, row.slots))
            .collect()
    }
}

impl Table {
    /// Masters and replicas that have not failed, and nodes that have.
    pub fn counts(&self) -> (usize, usize, usize) {
        let count = |is: &dyn Fn(&Row) -> bool| self.rows.iter().filter(|row| is(row)).count();
        let up = |row: &Row| row.health != Health::Failed;
        (
            count(&|row| row.role == Role::Master && up(row)),
            count(&|row| matches!(row.role, Role::Replica(_)) && up(row)),
            count(&|row| !up(row)),
        )
    }

    /// Slots whose owner has not failed.
    pub fn served(&self) -> usize {
        let served = self
            .rows
            .iter()
            .filter(|row| row.health != Health::Failed)
            .fold(SlotSet::new(), |all, row| all.union(&row.slots));
        served.len().min(usize::from(SLOTS))
    }
}

/// A scene, and who is who in it.
struct Eyes<'a> {
    scene: Scene<'a>,
    who: Who,
}

type Group = Vec<NodeName>;

impl Eyes<'_> {
    fn view(&self, name: &NodeName) -> Option<&Topology> {
        self.scene.observation.topology(name)
    }

    /// The members, those together that see much the same.
    fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for name in self.scene.observation.members() {
            let Some(view) = self.view(&name) else {
                continue;
            };
            let like = groups.iter_mut().find(|group| {
                group
                    .first()
                    .and_then(|first| self.scene.observation.topology(first))
                    .is_some_and(|first| alike(first, view))
            });
            match like {
                Some(group) => group.push(name),
                None => groups.push(vec![name]),
            }
        }
        groups
    }

    /// What the members that do not agree with `group` see differently.
    fn apart(&self, group: &Group) -> Vec<String> {
        let Some(here) = group.first().and_then(|first| self.view(first)) else {
            return Vec::new();
        };
        let members = self.scene.observation.members();
        let others = members.iter().filter_map(|name| self.view(name));
        others
            .filter(|there| !here.agrees_with(there))
            .filter(|there| !(self.scene.moving && alike(here, there)))
            .filter_map(|there| here.difference(there, &|id| self.who.call(id)))
            .collect()
    }

    /// What single members think of the health of others, and of the cluster, where most think otherwise.
    fn opinions(&self, table: &Table) -> Vec<String> {
        let mut said: BTreeMap<(String, Health), Vec<&NodeName>> = BTreeMap::new();
        let mut states: BTreeMap<bool, Vec<&NodeName>> = BTreeMap::new();
        for name in &table.seen_by {
            let Some(view) = self.view(name) else {
                continue;
            };
            for node in view.members().filter(|node| !node.flags.myself) {
                let called = self.who.call(node.id);
                let usual = table.rows.iter().find(|row| row.name == called);
                if usual.is_some_and(|row| row.health != Health::of(node)) {
                    said.entry((called, Health::of(node)))
                        .or_default()
                        .push(name);
                }
            }
            if let Some(ok) = self.state(name).filter(|ok| *ok != table.ok) {
                states.entry(ok).or_default().push(name);
            }
        }
        // What the same nodes think of several is one sentence.
        let mut sentences: BTreeMap<(Vec<&NodeName>, Health), Vec<String>> = BTreeMap::new();
        for ((node, health), by) in said {
            sentences.entry((by, health)).or_default().push(node);
        }
        let healths = sentences.into_iter().map(|((by, health), nodes)| {
            let sees = if by.len() == 1 { "sees" } else { "see" };
            let (by, nodes) = (listed(&by), listed(&nodes));
            match health {
                Health::Well => format!("{by} {sees} nothing wrong with {nodes}"),
                _ => format!("{by} {sees} {nodes} as {}", health.flag()),
            }
        });
        let states = states.into_iter().map(|(ok, by)| {
            let says = if by.len() == 1 { "says" } else { "say" };
            format!("{} {says} cluster_state:{}", listed(&by), state(ok))
        });
        healths.chain(states).collect()
    }

    fn state(&self, name: &NodeName) -> Option<bool> {
        let view = self.scene.observation.view(name)?;
        Some(view.cluster_info.as_ref()?.value.ok)
    }

    fn table(&self, group: &Group) -> Table {
        let first = group.first().and_then(|first| self.view(first));
        let states: Vec<bool> = group.iter().filter_map(|name| self.state(name)).collect();
        let ok = states.iter().filter(|ok| **ok).count() * 2 > states.len();
        let mut rows: Vec<Row> = Vec::new();
        let mut known: BTreeSet<NodeId> = BTreeSet::new();
        for address in self.scene.book.iter() {
            let line = first.and_then(|view| self.who.line(&address.name, view));
            known.extend(line.map(|node| node.id));
            rows.extend(self.row(&address.name, address.announced.port, line, group));
        }
        // Nodes of which only their line is there: they have left the environment, or got another id in it.
        for node in first.into_iter().flat_map(|view| &view.nodes) {
            if !known.contains(&node.id) {
                rows.push(self.line_alone(node, group));
            }
        }
        Table {
            seen_by: group.clone(),
            ok,
            rows,
        }
    }

    /// The row of a node of the environment; none for one of which there is nothing to say.
    fn row(&self, name: &NodeName, port: u16, line: Option<&Node>, group: &Group) -> Option<Row> {
        let silent = self.silence(name);
        let itself = self.view(name).and_then(Topology::myself);
        let role = match (line, itself) {
            (Some(line), _) => self.role(line),
            (None, Some(_)) => Role::Outside,
            (None, None) => Role::Unknown,
        };
        if role == Role::Unknown && silent.is_none() {
            return None;
        }
        let view = self.scene.observation.view(name);
        let mut row = Row {
            name: name.to_string(),
            port: Some(port),
            health: line.map_or(Health::Well, |line| self.health(line.id, group)),
            slots: line.map(|line| line.slots.clone()).unwrap_or_default(),
            trouble: Vec::new(),
            lag: None,
            moving: itself.and_then(|itself| self.moving(itself)),
            keys: view.and_then(|view| view.keys),
            silent,
            role,
        };
        if row.role != Role::Outside && line.is_some() {
            self.judge_replica(&mut row, name);
            row.trouble
                .extend(line.and_then(|line| trouble(line, &row)));
        }
        // A member whose own view is another than this one still has a place in it.
        if row.role == Role::Outside && self.scene.observation.members().contains(name) {
            row.role = Role::Unknown;
            row.trouble.push("not known here".to_owned());
        }
        Some(row)
    }

    fn line_alone(&self, node: &Node, group: &Group) -> Row {
        let mut row = Row {
            name: self.who.call(node.id),
            port: (node.endpoint.port != 0).then_some(node.endpoint.port),
            role: self.role(node),
            health: self.health(node.id, group),
            slots: node.slots.clone(),
            silent: None,
            trouble: Vec::new(),
            lag: None,
            moving: None,
            keys: None,
        };
        row.trouble.extend(trouble(node, &row));
        row
    }

    fn role(&self, node: &Node) -> Role {
        match (node.is_master(), node.is_replica()) {
            (true, _) => Role::Master,
            (_, true) => Role::Replica(node.master.map(|id| self.who.call(id))),
            _ => Role::Handshake,
        }
    }

    /// How most of `group` think that a node does; what is worse, where they are split.
    fn health(&self, id: NodeId, group: &Group) -> Health {
        let mut votes: BTreeMap<Health, usize> = BTreeMap::new();
        for view in group.iter().filter_map(|name| self.view(name)) {
            // A node has no opinion of itself.
            if let Some(node) = view.node(id).filter(|node| !node.flags.myself) {
                *votes.entry(Health::of(node)).or_default() += 1;
            }
        }
        let most = votes
            .into_iter()
            .max_by_key(|(health, votes)| (*votes, *health));
        most.map_or(Health::Well, |(health, _)| health)
    }

    /// Why a node does not answer, in a few words; nothing if it does, or if it was never made.
    fn silence(&self, name: &NodeName) -> Option<String> {
        let error = match self.scene.observation.views.get(name) {
            Some(Ok(_)) => return None,
            Some(Err(error)) => Some(error),
            None => None,
        };
        match (self.scene.presence.get(name), error) {
            (Some(Presence::Paused), _) => Some("paused".to_owned()),
            (Some(Presence::Stopped(0)), _) => Some("stopped".to_owned()),
            (Some(Presence::Stopped(code)), _) => Some(format!("stopped, exit code {code}")),
            (Some(Presence::Absent), _) if self.is_known(name) => Some("removed".to_owned()),
            (Some(Presence::Absent), _) => None,
            (_, Some(RespError::TimedOut { .. })) => Some("no answer".to_owned()),
            (_, Some(RespError::NoConnection { .. })) => Some("no connection".to_owned()),
            (_, Some(RespError::Broken { why, .. })) => {
                Some(format!("no answer: {}", first_line(why)))
            }
            (_, None) => None,
        }
    }

    fn is_known(&self, name: &NodeName) -> bool {
        let views = self.scene.observation.views.keys();
        views
            .filter_map(|other| self.view(other))
            .any(|view| self.who.line(name, view).is_some())
    }

    /// How far a replica is behind, by its own INFO and its master's.
    fn judge_replica(&self, row: &mut Row, name: &NodeName) {
        let info = |name: &NodeName| {
            let view = self.scene.observation.view(name)?;
            Some(&view.info.as_ref()?.value)
        };
        let (Role::Replica(Some(master)), Some(own)) = (&row.role, info(name)) else {
            return;
        };
        if let Some(status) = own
            .get("master_link_status")
            .filter(|status| *status != "up")
        {
            row.trouble.push(format!("link {}", first_line(status)));
            return;
        }
        let theirs = info(&NodeName::new(master.as_str()));
        let offsets = theirs
            .and_then(|theirs| theirs.number::<u64>("master_repl_offset").ok())
            .zip(own.number::<u64>("slave_repl_offset").ok());
        row.lag = offsets.map(|(theirs, own)| theirs.saturating_sub(own));
    }

    /// Where slots go to or come from, by the node's own word.
    fn moving(&self, itself: &Node) -> Option<String> {
        let to = itself.migrating.first().map(|(_, to)| ("to", *to));
        let from = itself.importing.first().map(|(_, from)| ("from", *from));
        let (way, other) = to.or(from)?;
        let verb = if way == "to" { "gives" } else { "takes" };
        Some(format!("{verb} slots {way} {}", self.who.call(other)))
    }
}

/// What is wrong with a node by its line, beside what its health and its silence say already.
fn trouble(line: &Node, row: &Row) -> Option<String> {
    if line.flags.noaddr {
        return Some("no address".to_owned());
    }
    let lost = line.link == LinkState::Disconnected && row.role != Role::Handshake;
    (lost && row.health == Health::Well && row.silent.is_none()).then(|| "no bus link".to_owned())
}

/// Whether both views have the same members, roles and masters of replicas, and differ in the owners of a few slots at most.
fn alike(one: &Topology, other: &Topology) -> bool {
    let shape = |view: &Topology| -> BTreeMap<NodeId, (bool, bool, Option<NodeId>)> {
        let members = view.members();
        members
            .map(|node| (node.id, (node.is_master(), node.is_replica(), node.master)))
            .collect()
    };
    if shape(one) != shape(other) {
        return false;
    }
    let differing: usize = one
        .members()
        .filter_map(|node| Some((node, other.node(node.id)?)))
        .map(|(here, there)| {
            let gone = here.slots.difference(&there.slots).len();
            gone.max(there.slots.difference(&here.slots).len())
        })
        .max()
        .unwrap_or(0);
    differing < A_FEW_SLOTS
}

/// `ok` or `fail`.
pub(super) fn state(ok: bool) -> &'static str {
    if ok { "ok" } else { "fail" }
}

/// `redis-1, redis-2 and redis-3`.
pub(super) fn listed<T: ToString>(names: &[T]) -> String {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    match names.as_slice() {
        [rest @ .., last] if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        names => names.concat(),
    }
}

/// What can stand in a line of a picture.
fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().filter(|sign| !sign.is_control()).collect()
}
