//! Brings the cluster to the state that `given` asks for.

use std::time::{Duration, Instant};

use super::event::Event;
use super::scene;
use super::trouble::Trouble;
use super::world::World;
use crate::admin::{self, GivenKeys, Shape};
use crate::backend::BackendError;
use crate::cluster::{NodeName, ServerVersion};
use crate::lab::model::Given;
use crate::resp::Client;

/// After this the nodes will not agree any more.
const CREATE_LIMIT: Duration = Duration::from_secs(60);
/// After this the keys will not be written any more.
const KEYS_LIMIT: Duration = Duration::from_secs(60);

/// How often it is looked whether all that was started still runs. Nodes are up long before the first look, unless one is not.
const DEATHS_PAUSE: Duration = Duration::from_secs(3);

/// Makes the nodes of `given`, the cluster of them, and the keys in it; until the run is interrupted or a node dies.
pub(super) async fn make(world: &World, given: &Given) -> Result<(), Trouble> {
    tokio::select! {
        biased;
        made = make_all(world, given) => made,
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
        let states = world.backend.nodes().await.unwrap_or_default();
        if !scene::died(world, &states).is_empty() {
            return;
        }
    }
}

async fn make_all(world: &World, given: &Given) -> Result<(), Trouble> {
    let started = Instant::now();
    world.emit(Event::GivenStarted {
        what: in_words(given),
    });
    // Masters first: a new master refuses to be writable for 2 s after it is started, and nothing can shorten that.
    let nodes: Vec<NodeName> = given.nodes().cloned().collect();
    let shape = Shape {
        node_timeout: given.node_timeout,
        masters: given.masters.iter().cloned().collect(),
        replicas: given.replicas.iter().cloned().collect(),
    };
    let phase = |phase: String| world.emit(Event::GivenPhase { phase });
    // The cluster is made while the last nodes are still being started. What goes wrong on one side stops the other; the start is
    // always awaited, since only it can end what it has begun in the environment.
    let stop = world.interrupt.soft.child_token();
    let start = async {
        let began = world.backend.start(&nodes, &stop).await;
        match began {
            Ok(()) => world.note_started(&nodes),
            Err(_) => stop.cancel(),
        }
        began
    };
    let create = async {
        let created = tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            created = admin::create(&world.book, &shape, CREATE_LIMIT, &phase) => created,
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
    let ids = match (began, created) {
        (Ok(()), Some(Ok(ids))) => ids,
        (Ok(()) | Err(BackendError::Cancelled), Some(Err(error))) => {
            return Err(Trouble::broken(
                error.to_string(),
                "the nodes are there, but no cluster came of them; the journal has every node's last words",
            ));
        }
        (Err(error), _) => return Err(Trouble::from(error)),
        // Only an interruption or a failed start leaves the cluster unmade, and both were answered above.
        (Ok(()), None) => return Err(Trouble::Interrupted),
    };
    world.learn(ids.iter().map(|(name, id)| (*id, name.clone())));
    let keys = given.keys.map(|keys| GivenKeys {
        count: keys.count,
        hot_slot: keys
            .hot_slot
            .and_then(|count| Some((given.hot_slot()?, count))),
    });
    if let Some(keys) = &keys {
        phase(format!("writing {} keys", keys.count));
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

async fn server_of(world: &World, node: &NodeName) -> Option<ServerVersion> {
    let client = Client::new(world.book.get(node)?.clone(), Duration::from_secs(2));
    let reply = client.call(&["INFO", "server"]).await.ok()?;
    crate::cluster::Info::parse(&reply.as_text()?)
        .ok()?
        .server()
}

fn in_words(given: &Given) -> String {
    let count = |number: usize, what: &str| {
        format!("{number} {what}{}", if number == 1 { "" } else { "s" })
    };
    let mut words = vec![
        count(given.masters.len(), "master"),
        count(given.replicas.len(), "replica"),
    ];
    words.extend(given.keys.map(|keys| count(keys.count as usize, "key")));
    words.join(", ")
}
