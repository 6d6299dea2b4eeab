//! Making an environment's containers and starting them.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::client::{Client, run_program};
use super::compose::TOOLBOX;
use super::prepare::port_taken;
use super::{Inner, Ordering};
use crate::backend::BackendError;
use crate::backend::process::{Ended, Ending};
use crate::cluster::NodeName;
use crate::lab::environment::CourseNode;

/// To make nine containers takes a second or two; a machine under load needs longer.
const CREATE_TIME: Duration = Duration::from_secs(120);
/// To start one takes half a second of processor time.
const START_TIME: Duration = Duration::from_secs(60);
/// Of what compose says while an environment is made, this many bytes are kept.
const SAID_BYTES: usize = 64 * 1024;

impl Inner {
    /// See [`crate::backend::Backend::start`]. The nodes are started in the order given, as many at a time as the machine has cores: the
    /// first of them are up well before the last.
    pub(super) async fn start(
        &self,
        nodes: &[NodeName],
        cancel: &CancellationToken,
    ) -> Result<(), BackendError> {
        let _making = tokio::select! {
            making = self.making.lock() => making,
            () = cancel.cancelled() => return Err(BackendError::Cancelled),
        };
        let mut waiting = VecDeque::new();
        for name in nodes {
            let node = CourseNode::named(name.as_str()).ok_or_else(|| no_such_node(name))?;
            waiting.push_back((node, self.terms.container(name.as_str())));
        }
        // The toolbox with the first of them: to start the Python compose a second time would take most of a second.
        let services: Vec<String> = nodes
            .iter()
            .map(NodeName::to_string)
            .chain([TOOLBOX.to_owned()])
            .collect();
        let created = self
            .run_compose(
                self.compose.create(&services),
                CREATE_TIME,
                SAID_BYTES,
                cancel,
            )
            .await?;
        if created.ending == Ending::Cancelled {
            return Err(BackendError::Cancelled);
        }
        if !created.succeeded() {
            return Err(self
                .refused("the environment can't be made", &created)
                .await);
        }

        let mut starting = JoinSet::new();
        loop {
            while starting.len() < self.parallel
                && let Some((node, container)) = waiting.pop_front()
            {
                self.reservation.release(node);
                starting.spawn(start_one(self.client.clone(), container, cancel.clone()));
            }
            match starting.join_next().await {
                None => return Ok(()),
                Some(Ok(Ok((_, ended)))) if ended.succeeded() => {}
                // The others are stopped when the set is dropped.
                Some(Ok(Ok((container, ended)))) => {
                    let what = format!("{} can't be started", self.terms.to_course(&container));
                    return Err(self.refused(&what, &ended).await);
                }
                Some(Ok(Err(error))) => return Err(error),
                Some(Err(panicked)) => {
                    return Err(BackendError::Broken {
                        what: format!("starting a container came to no end: {panicked}"),
                        help: "this is a bug of labrunner; please report it".to_owned(),
                    });
                }
            }
        }
    }

    /// Runs compose; remembers if it was stopped in the middle.
    pub(super) async fn run_compose(
        &self,
        program: crate::backend::process::Program,
        time: Duration,
        keep: usize,
        cancel: &CancellationToken,
    ) -> Result<Ended, BackendError> {
        // Until it has ended by itself: the future may be dropped at any moment.
        self.disturbed.store(true, Ordering::Relaxed);
        let ended = run_program(program, time, keep, cancel).await?;
        if matches!(ended.ending, Ending::Exited(_)) {
            self.disturbed.store(false, Ordering::Relaxed);
        }
        Ok(ended)
    }

    /// Says why docker or compose did not do it, in the course's terms where those are clearer.
    pub(super) async fn refused(&self, what: &str, ended: &Ended) -> BackendError {
        let words = ended.complaint();
        if let Some(port) = port_in_the_way(&words) {
            let filter = format!("publish={port}");
            let holders = self
                .client
                .lines(&["ps", "--filter", &filter, "--format", "{{.Names}}"])
                .await
                .unwrap_or_default();
            return port_taken(port, &holders, self.sharing);
        }
        let help = if words.contains("Pool overlaps") {
            format!(
                "another network has taken {}.0/24 meanwhile: try again, or name another subnet",
                self.terms.subnet
            )
        } else {
            "see what `docker info` says, and whether the image has redis-server in it".to_owned()
        };
        BackendError::Unavailable {
            what: format!("{what}: {}", self.terms.to_course(&words)),
            help,
        }
    }
}

async fn start_one(
    client: Client,
    container: String,
    cancel: CancellationToken,
) -> Result<(String, Ended), BackendError> {
    let ended = client
        .run(["start", container.as_str()], START_TIME, &cancel)
        .await?;
    Ok((container, ended))
}

fn no_such_node(name: &NodeName) -> BackendError {
    BackendError::Unavailable {
        what: format!("docker-compose.yml has no node {name}"),
        help: "its nodes are redis-1 to redis-8".to_owned(),
    }
}

/// The port that docker says is in use. It says so in several ways:
/// `Bind for 127.0.0.1:7001 failed: port is already allocated` (another container has it),
/// `listen tcp4 127.0.0.1:7001: bind: address already in use` (another program has it).
fn port_in_the_way(words: &str) -> Option<u16> {
    if !words.contains("port is already allocated") && !words.contains("address already in use") {
        return None;
    }
    words.split("127.0.0.1:").skip(1).find_map(|rest| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        rest[..digits].parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::a_container(
        "Error response from daemon: driver failed programming external connectivity on endpoint redis-1 (8ac2): Bind for 127.0.0.1:7001 failed: port is already allocated",
        Some(7001)
    )]
    #[case::a_program(
        "driver failed programming external connectivity on endpoint redis-1 (8ac2): Error starting userland proxy: listen tcp4 127.0.0.1:7001: bind: address already in use",
        Some(7001)
    )]
    #[case::another_complaint(
        "Could not connect to Redis at 127.0.0.1:7001: Connection refused",
        None
    )]
    #[case::no_port("address already in use", None)]
    fn finds_the_port_in_the_way(#[case] words: &str, #[case] port: Option<u16>) {
        assert_eq!(port_in_the_way(words), port);
    }
}
