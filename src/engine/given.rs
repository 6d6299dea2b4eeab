//! Brings the cluster to the state that `given` asks for.

use std::time::{Duration, Instant};

use super::database;
use super::environment::Environment;
use super::event::Event;
use super::reuse;
use super::trouble::Trouble;
use super::world::World;
use crate::admin::{self, Created, GivenKeys, Origin, Shape};
use crate::backend::{Backend, BackendError};
use crate::cluster::{NodeName, ServerVersion};
use crate::lab::model::{Check, CheckKind, Given, GivenPostgres};
use crate::lab::quantity::{Comparison, Relation, Unit};
use crate::lab::source::Span;
use crate::resp::Client;

/// After this the nodes will not agree any more.
const CREATE_LIMIT: Duration = Duration::from_secs(60);
/// The same of nodes of which some were used before: if these don't agree, others are made.
const CREATE_AGAIN_LIMIT: Duration = Duration::from_secs(20);
/// After this the keys will not be written any more.
const KEYS_LIMIT: Duration = Duration::from_secs(60);

/// After this a replica will not have them any more.
const COPIED_LIMIT: Duration = Duration::from_secs(20);
/// The pause between two looks at whether it has.
const COPIED_PAUSE: Duration = Duration::from_millis(20);
/// How often it is looked whether all that was started still runs. Nodes are up long before the first look, unless one is not.
const DEATHS_PAUSE: Duration = Duration::from_secs(3);

/// Makes the nodes of `given`, the cluster of them, and the keys in it; until the run is interrupted or a node dies. Nodes of the lab
/// before are used where they can be made as good as new. The time that it took is counted from `started`.
pub(super) async fn make(
    world: &World,
    environment: &Environment,
    given: &Given,
    started: Instant,
) -> Result<(), Trouble> {
    tokio::select! {
        biased;
        made = make_all(world, environment, given, started) => made,
        () = a_death(world) => Err(Trouble::broken(
            "the cluster can't be made: a node has died",
            "see whether the image runs Redis with the options of docker-compose.yml",
        )),
    }
}

/// Returns when a node that was started does not run any more.
async fn a_death(world: &World) {
    loop {
        tokio::time::sleep(DEATHS_PAUSE).await;
        let lives = world.alive.compare(world.backend.nodes()).await;
        if !lives.unwrap_or_default().died.is_empty() {
            return;
        }
    }
}

async fn make_all(
    world: &World,
    environment: &Environment,
    given: &Given,
    started: Instant,
) -> Result<(), Trouble> {
    // Masters first: a new master refuses to be writable for 2 s after it is started, and nothing can shorten that.
    let nodes: Vec<NodeName> = given.nodes().cloned().collect();
    let kept = if environment.is_used() {
        reuse::make_ready(world, environment, &nodes).await?
    } else {
        Vec::new()
    };
    world.alive.note_started(&kept);
    let (created, database) = tokio::join!(
        create(world, environment, given, &nodes, &kept),
        database::make(world, environment, given.postgres),
    );
    let created = created?;
    database?;
    for (node, settings) in created.settings {
        environment.note_fresh(&node, Some(settings));
    }
    let ids = created.ids;
    world.learn(ids.iter().map(|(name, id)| (*id, name.clone())));
    let keys = given.keys.map(|keys| GivenKeys {
        count: keys.count,
        hot_slot: keys
            .hot_slot
            .and_then(|count| Some((given.hot_slot()?, count))),
    });
    if let Some(keys) = &keys {
        world.emit(Event::GivenPhase {
            phase: format!("writing {} keys", keys.count),
        });
        let written = tokio::select! {
            biased;
            () = world.interrupt.soft.cancelled() => return Err(Trouble::Interrupted),
            written = keys.write(&world.router, KEYS_LIMIT) => written,
        };
        written.map_err(|error| {
            Trouble::broken(
                error.to_string(),
                "the cluster did not take the keys of `given`",
            )
        })?;
        copied(world, given).await?;
    }
    let server = match nodes.first() {
        Some(node) => server_of(world, node).await,
        None => None,
    };
    world.set_given(keys, server);
    world.emit(Event::GivenReady {
        took: started.elapsed(),
        ids,
        server: server.map(|server| server.to_string()),
    });
    Ok(())
}

/// Starts the nodes that are not `kept`, and makes the cluster of all while the last of them are still being started. What goes wrong on
/// one side stops the other; the start is always awaited, since only it can end what it has begun in the environment.
async fn create(
    world: &World,
    environment: &Environment,
    given: &Given,
    nodes: &[NodeName],
    kept: &[NodeName],
) -> Result<Created, Trouble> {
    let shape = Shape {
        node_timeout: given.node_timeout,
        masters: given.masters.iter().cloned().collect(),
        replicas: given.replicas.iter().cloned().collect(),
    };
    let (origin, limit) = if kept.is_empty() {
        (Origin::Started, CREATE_LIMIT)
    } else {
        (Origin::Reset, CREATE_AGAIN_LIMIT)
    };
    let missing: Vec<NodeName> = nodes
        .iter()
        .filter(|node| !kept.contains(node))
        .cloned()
        .collect();
    let stop = world.interrupt.soft.child_token();
    let start = async {
        if missing.is_empty() {
            return Ok(());
        }
        let began = environment.start(&missing, &stop).await;
        match began {
            Ok(()) => world.alive.note_started(&missing),
            Err(_) => stop.cancel(),
        }
        began
    };
    let phase = |phase: String| world.emit(Event::GivenPhase { phase });
    let create = async {
        let created = tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            created = admin::create_of(&world.book, &shape, origin, limit, &phase) => created,
        };
        if created.is_err() {
            stop.cancel();
        }
        Some(created)
    };
    let (began, created) = tokio::join!(start, create);
    if world.interrupt.soft.is_cancelled() {
        return Err(Trouble::Interrupted);
    }
    match (began, created) {
        (Ok(()), Some(Ok(created))) => Ok(created),
        (Ok(()) | Err(BackendError::Cancelled), Some(Err(error))) => Err(Trouble::broken(
            error.to_string(),
            "the nodes are there, but no cluster came of them; the journal has every node's last words",
        )),
        (Err(error), _) => Err(Trouble::from(error)),
        // Only an interruption or a failed start leaves the cluster unmade, and both were answered above.
        (Ok(()), None) => Err(Trouble::Interrupted),
    }
}

/// Waits until every replica has what was written. A replica whose link has just come up gets the stream only once its master has its
/// first acknowledgement, which it sends once a second; a lab that stops a master before that would lose keys.
async fn copied(world: &World, given: &Given) -> Result<(), Trouble> {
    let in_sync = |replica: &NodeName| Check {
        kind: CheckKind::Lag {
            replica: replica.clone(),
            bytes: Comparison {
                relation: Relation::Equal,
                number: 0.0,
                unit: Unit::Bytes,
            },
        },
        span: Span::new(0, 0),
        within: None,
        lasting: None,
        on: None,
        why: None,
    };
    let checks: Vec<Check> = given
        .replicas
        .iter()
        .map(|(replica, _)| in_sync(replica))
        .collect();
    let checks: Vec<&Check> = checks.iter().collect();
    if checks.is_empty() {
        return Ok(());
    }
    world.emit(Event::GivenPhase {
        phase: "waiting until the replicas have them".to_owned(),
    });
    let until = world.clock.now() + COPIED_LIMIT;
    loop {
        let look = world.look_unless_interrupted(&checks).await?;
        let behind = world
            .judge(&checks, &look)
            .into_iter()
            .find(|(_, judged)| !judged.holds);
        let Some((_, judged)) = behind else {
            return Ok(());
        };
        if world.clock.now() >= until {
            return Err(Trouble::broken(
                format!("not every replica has the keys of `given`: {}", judged.seen),
                "see what the replica and its master have logged",
            ));
        }
        world
            .clock
            .sleep_until(world.clock.now() + COPIED_PAUSE)
            .await;
    }
}

async fn server_of(world: &World, node: &NodeName) -> Option<ServerVersion> {
    let client = Client::new(world.book.get(node)?.clone(), Duration::from_secs(2));
    let reply = client.call(&["INFO", "server"]).await.ok()?;
    crate::cluster::Info::parse(&reply.as_text()?)
        .ok()?
        .server()
}

/// What `given` asks for, in a few words.
pub(super) fn in_words(given: &Given) -> String {
    let count = |number: usize, what: &str| {
        format!("{number} {what}{}", if number == 1 { "" } else { "s" })
    };
    let mut words = vec![
        count(given.masters.len(), "master"),
        count(given.replicas.len(), "replica"),
    ];
    words.extend(given.keys.map(|keys| count(keys.count as usize, "key")));
    words.extend(given.postgres.map(|state| match state {
        GivenPostgres::Empty => "an empty database".to_owned(),
        GivenPostgres::Migrated => "the application's database".to_owned(),
    }));
    words.join(", ")
}
