//! What one look says of the environment: how every node is, how the cluster is, what is wrong.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use super::survey::{
    ClusterNow, LabOf, LifeNow, NodeNow, Opinion, PostgresNow, Remark, State, Survey,
};
use crate::backend::standing::{self, Standing};
use crate::backend::{Life, NodeState};
use crate::cluster::{Node, NodeId, NodeName, Role, SLOTS, Topology};
use crate::engine::names::Names;
use crate::lab::environment::CourseNode;
use crate::observe::{Observation, View};
use crate::resp::AddressBook;

/// What a look says of the environment.
pub(super) fn judge(
    standing: &Standing,
    lives: &[NodeState],
    toolbox: Life,
    postgres: Life,
    observation: &Observation,
    book: &AddressBook,
) -> Survey {
    let members = observation.members();
    let views: Vec<&Topology> = members
        .iter()
        .filter_map(|name| observation.topology(name))
        .collect();
    let names = names_in(observation, &views, book);
    let nodes: Vec<NodeNow> = lives
        .iter()
        .map(|state| node_now(standing, state, observation, &views, &names))
        .collect();
    let cluster = cluster_now(observation, &members, &nodes, &names);
    let mut survey = Survey {
        state: State::Well,
        lab: standing.lab.as_ref().map(LabOf::of),
        backend: standing.backend.clone(),
        image: standing.image.clone(),
        server: standing.server.clone(),
        made_unix_seconds: standing.made_unix_seconds,
        seen_unix_seconds: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()),
        nodes,
        postgres: standing.postgres.as_ref().map(|it| PostgresNow {
            port: it.port,
            life: life_now(postgres),
            exit: exit_of(postgres),
        }),
        cluster,
        faults: Vec::new(),
        notes: Vec::new(),
    };
    let lives: Vec<Life> = lives.iter().map(|node| node.life).collect();
    if toolbox == Life::Absent && lives.iter().all(|life| *life == Life::Absent) {
        survey.state = State::Gone;
        survey.faults.push(standing::gone(standing).into());
        return survey;
    }
    if standing::have_all_stopped(standing, &lives) {
        survey.state = State::Stopped;
        survey.faults.push(standing::all_stopped(standing).into());
        return survey;
    }
    remark_on_nodes(&mut survey, standing, observation);
    remark_on_postgres(&mut survey, standing);
    remark_on_cluster(&mut survey, standing, observation, &members);
    if toolbox == Life::Absent && !standing.is_simulated() {
        survey.notes.push(Remark::new(
            "the toolbox is not there, in which labrunner runs redis-cli",
            "`labrunner up` makes it again; so does the first command that needs it",
        ));
    }
    if !survey.faults.is_empty() {
        survey.state = State::Broken;
    }
    survey
}

/// Which id is whose: by the nodes' own word, and of those that don't answer, by their addresses.
fn names_in(observation: &Observation, views: &[&Topology], book: &AddressBook) -> Names {
    let mut names = Names::new(book.clone());
    let by_address: Vec<(NodeId, NodeName)> = views
        .iter()
        .flat_map(|view| view.members())
        .filter_map(|node| Some((node.id, names.name_of(node)?.clone())))
        .collect();
    names.learn(by_address);
    names.learn_from(observation);
    names
}

fn node_now(
    standing: &Standing,
    state: &NodeState,
    observation: &Observation,
    views: &[&Topology],
    names: &Names,
) -> NodeNow {
    let course = CourseNode::named(state.name.as_str());
    let myself = observation.topology(&state.name).and_then(Topology::myself);
    // What others say of it: whoever has failed is the last to be believed, since an address may have had several nodes.
    let theirs = views
        .iter()
        .flat_map(|view| view.members())
        .filter(|node| !node.flags.myself && names.name_of(node) == Some(&state.name))
        .filter(|node| myself.is_none_or(|myself| myself.id == node.id));
    let theirs: Vec<&Node> = theirs.collect();
    let known = theirs.iter().copied().min_by_key(|node| node.flags.failed);
    let opinion = theirs
        .iter()
        .map(|node| match (node.flags.failed, node.flags.suspected) {
            (true, _) => Opinion::Failed,
            (_, true) => Opinion::Suspected,
            _ => Opinion::Ok,
        })
        .max()
        .unwrap_or_default();
    let member = match observation.topology(&state.name) {
        Some(_) => observation.members().contains(&state.name),
        None => known.is_some(),
    };
    let node = myself.or(known).filter(|_| member);
    let replica = node.is_some_and(|node| node.is_replica());
    NodeNow {
        name: state.name.clone(),
        address: course.map_or_else(String::new, |node| match standing.is_simulated() {
            true => format!("127.0.0.1:{}", node.port()),
            false => node.address(),
        }),
        port: standing.ports.get(&state.name).copied().unwrap_or(0),
        life: life_now(state.life),
        exit: exit_of(state.life),
        answers: observation.view(&state.name).is_some(),
        id: myself.or(known).map(|node| node.id),
        member,
        role: node.map(|_| if replica { Role::Replica } else { Role::Master }),
        master: node
            .filter(|_| replica)
            .and_then(|node| node.master)
            .map(|id| NodeName::new(names.call(id))),
        slots: node.map(|node| node.slots.clone()).unwrap_or_default(),
        linked: observation
            .view(&state.name)
            .filter(|_| replica)
            .and_then(linked),
        opinion,
    }
}

fn life_now(life: Life) -> LifeNow {
    match life {
        Life::Absent => LifeNow::Absent,
        Life::Running => LifeNow::Running,
        Life::Paused => LifeNow::Paused,
        Life::Exited(_) => LifeNow::Stopped,
    }
}

fn exit_of(life: Life) -> Option<i64> {
    match life {
        Life::Exited(code) => Some(code),
        _ => None,
    }
}

fn linked(view: &View) -> Option<bool> {
    let status = view.info.as_ref()?.value.get("master_link_status")?;
    Some(status == "up")
}

fn cluster_now(
    observation: &Observation,
    members: &BTreeSet<NodeName>,
    nodes: &[NodeNow],
    names: &Names,
) -> Option<ClusterNow> {
    if members.is_empty() {
        return None;
    }
    let lives = |node: &&NodeNow| node.opinion != Opinion::Failed && node.member;
    let count = |role: Role| {
        nodes
            .iter()
            .filter(lives)
            .filter(|node| node.role == Some(role))
            .filter(|node| role == Role::Replica || !node.slots.is_empty())
            .count()
    };
    let assigned = members
        .iter()
        .filter_map(|name| observation.topology(name))
        .map(|view| view.assigned().len())
        .min();
    Some(ClusterNow {
        ok: members.iter().all(|name| says_ok(observation, name)),
        masters: count(Role::Master),
        replicas: count(Role::Replica),
        slots_assigned: assigned.unwrap_or(0),
        disagreement: observation.disagreement(&|id| names.call(id)),
    })
}

fn says_ok(observation: &Observation, name: &NodeName) -> bool {
    observation
        .view(name)
        .and_then(|view| view.cluster_info.as_ref())
        .is_some_and(|info| info.value.ok)
}

fn remark_on_nodes(survey: &mut Survey, standing: &Standing, observation: &Observation) {
    let expected: BTreeSet<&NodeName> = standing
        .given
        .iter()
        .flat_map(|given| given.nodes())
        .collect();
    let somebody_knows = survey.cluster.is_some();
    let has_given = standing.given.is_some();
    // There is no docker that knows simulated nodes: labrunner does in its place what the course types.
    let (docker, container) = match standing.is_simulated() {
        true => ("labrunner do docker", "the node"),
        false => ("docker", "the container of"),
    };
    for node in &survey.nodes {
        let name = &node.name;
        match node.life {
            LifeNow::Absent if node.member || (expected.contains(name) && !somebody_knows) => {
                survey.faults.push(Remark::new(
                    format!("{container} {name} was removed, and its data with it"),
                    format!(
                        "`labrunner down`, then `{}`, makes all anew; or `{docker} compose up -d {name}` makes an empty node, for you to add to the cluster",
                        standing.command()
                    ),
                ));
            }
            LifeNow::Absent if expected.contains(name) => survey.notes.push(Remark::new(
                format!("{name} was removed, and no node knows it any more"),
                format!("`{docker} compose up -d {name}` makes an empty node"),
            )),
            LifeNow::Absent => {}
            LifeNow::Stopped | LifeNow::Paused => {
                let (is, help) = match (node.life, node.exit) {
                    (LifeNow::Paused, _) => (
                        "frozen".to_owned(),
                        format!("`{docker} unpause {name}` lets it go on"),
                    ),
                    (_, Some(0) | None) => (
                        "stopped".to_owned(),
                        format!("`{docker} start {name}` starts it"),
                    ),
                    (_, Some(code)) => (
                        format!("stopped (exit {code})"),
                        format!("`{docker} start {name}` starts it"),
                    ),
                };
                // Somebody's wish, perhaps; but as long as nobody has taken over, the cluster is not whole.
                if node.role == Some(Role::Master) && !node.slots.is_empty() && has_given {
                    survey.faults.push(Remark::new(
                        format!(
                            "{name} is {is}, and nobody serves its {} slots yet",
                            node.slots.len()
                        ),
                        format!("a replica takes over within seconds, if it has one; {help} again"),
                    ));
                } else {
                    survey
                        .notes
                        .push(Remark::new(format!("{name} is {is}"), help));
                }
            }
            LifeNow::Running if !node.answers => {
                let why = match observation.views.get(name) {
                    Some(Err(why)) => {
                        let why = why.to_string();
                        let why = why.strip_prefix(&format!("{name}: ")).unwrap_or(&why);
                        format!(": {why}")
                    }
                    _ => String::new(),
                };
                let ip = CourseNode::named(name.as_str()).map_or_else(String::new, CourseNode::ip);
                survey.faults.push(Remark::new(
                    format!("{name} runs, but does not answer{why}"),
                    match standing.is_simulated() {
                        true => format!(
                            "if its links were cut: `{docker} network connect labrunner-cluster {name}`; if it hangs: `{docker} restart {name}`"
                        ),
                        false => format!(
                            "see `docker logs {name}`; if its links were cut: `docker network connect --ip {ip} --alias {name} labrunner-cluster {name}`"
                        ),
                    },
                ));
            }
            LifeNow::Running => {}
        }
    }
}

fn remark_on_postgres(survey: &mut Survey, standing: &Standing) {
    let Some(postgres) = &survey.postgres else {
        return;
    };
    match postgres.life {
        LifeNow::Running => {}
        LifeNow::Absent => survey.faults.push(Remark::new(
            "postgres was removed, and the lab's database with it",
            format!(
                "`labrunner down`, then `{}`, makes all anew",
                standing.command()
            ),
        )),
        // Somebody's wish, as the lab may have it.
        LifeNow::Paused => survey.notes.push(Remark::new(
            "postgres is frozen",
            "`docker unpause postgres` lets it go on",
        )),
        LifeNow::Stopped => survey.notes.push(Remark::new(
            match postgres.exit {
                Some(0) | None => "postgres is stopped".to_owned(),
                Some(code) => format!("postgres is stopped (exit {code})"),
            },
            "`docker start postgres` starts it again, with its data",
        )),
    }
}

fn remark_on_cluster(
    survey: &mut Survey,
    standing: &Standing,
    observation: &Observation,
    members: &BTreeSet<NodeName>,
) {
    // Without a cluster of its own, what the reader makes of the nodes is the reader's business.
    if standing.given.is_none() {
        return;
    }
    let Some(cluster) = &survey.cluster else {
        survey.faults.push(Remark::new(
            "no node that answers belongs to a cluster",
            format!(
                "`labrunner down`, then `{}`, makes it anew",
                standing.command()
            ),
        ));
        return;
    };
    if let Some(name) = members.iter().find(|name| !says_ok(observation, name)) {
        let (why, help) = why_not_ok(cluster);
        survey.faults.push(Remark::new(
            format!("{name} says cluster_state:fail{why}"),
            help,
        ));
    }
    if let Some(disagreement) = &cluster.disagreement {
        survey.faults.push(Remark::new(
            format!("the nodes don't all see the same: {disagreement}"),
            "they tell each other within some seconds: look again; `redis-cli --cluster check 127.0.0.1:7001` says more",
        ));
    }
}

/// Why the cluster is not ok, as the end of a sentence, and what to do.
fn why_not_ok(cluster: &ClusterNow) -> (String, String) {
    let missing = usize::from(SLOTS).saturating_sub(cluster.slots_assigned);
    if missing > 0 {
        let slots = if missing == 1 {
            "1 slot has".to_owned()
        } else {
            format!("{missing} slots have")
        };
        return (
            format!(": {slots} no owner"),
            "give them one: `redis-cli --cluster fix 127.0.0.1:7001`, or CLUSTER ADDSLOTSRANGE"
                .to_owned(),
        );
    }
    (
        String::new(),
        "look again in some seconds; `redis-cli --cluster check 127.0.0.1:7001` says more"
            .to_owned(),
    )
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
