//! Carrying out what a lab's commands ask for.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::Inner;
use super::client::run_program;
use crate::backend::BackendError;
use crate::backend::process::{Ended, Ending};
use crate::backend::terms::Terms;
use crate::backend::words::{as_typed, not_ours, quote, to_output};
use crate::cluster::NodeName;
use crate::lab::action::{Action, Limits, LinkChange, NodeChange, Output};
use crate::lab::environment::{CourseNode, POSTGRES};

/// A port of the loopback interface refuses within microseconds, or not at all.
const REFUSAL_TIME: Duration = Duration::from_millis(500);

/// To remove one container takes half a second of processor time; a machine under load needs longer.
const REMOVE_TIME: Duration = Duration::from_secs(60);

impl Inner {
    /// See [`crate::backend::Backend::perform`].
    pub(super) async fn perform(
        &self,
        action: &Action,
        limits: Limits,
        cancel: &CancellationToken,
    ) -> Result<Output, BackendError> {
        let ended = match action {
            Action::Nodes {
                change: NodeChange::Up,
                nodes,
            } => self.up(nodes, limits, cancel).await?,
            Action::Nodes { .. } | Action::Links { .. } => {
                let program = self.client.program(self.docker_words(action));
                run_program(program, limits.time, limits.output, cancel).await?
            }
            Action::App(call) => {
                let ended = self.app(call, limits, cancel).await?;
                return Ok(to_output(ended, |text| self.app_to_course(text)));
            }
            Action::Psql(call) => self.psql(call, limits, cancel).await?,
            Action::RedisCli(call) => {
                let refusing = self.refusing(&Terms::by_loopback(call)).await;
                let args = self.terms.redis_cli(call, &refusing).map_err(not_ours)?;
                let stdin = call.stdin.as_deref().map(|text| self.terms.stdin(text));
                self.toolboxes
                    .redis_cli(&args, stdin, limits, cancel)
                    .await?
            }
        };
        Ok(to_output(ended, |text| self.terms.to_course(text)))
    }

    /// See [`crate::backend::Backend::explain`].
    pub(super) fn explain(&self, action: &Action) -> String {
        let words = match action {
            Action::Nodes {
                change: NodeChange::Up,
                nodes,
            } => self.compose.explain_up(&services(nodes)),
            Action::Nodes { .. } | Action::Links { .. } => ["docker".to_owned()]
                .into_iter()
                .chain(self.docker_words(action))
                .collect(),
            Action::App(call) => self.explain_app(call),
            Action::Psql(call) => self.explain_psql(call),
            // A call that can't be made is refused when it is performed; here it is shown as typed.
            Action::RedisCli(call) => self.toolboxes.explain(
                self.terms
                    .redis_cli(call, &[])
                    .unwrap_or_else(|_| as_typed(call)),
            ),
        };
        words
            .iter()
            .map(|word| quote(word))
            .collect::<Vec<_>>()
            .join(" ")
    }

    async fn up(
        &self,
        nodes: &[NodeName],
        limits: Limits,
        cancel: &CancellationToken,
    ) -> Result<Ended, BackendError> {
        let _making = tokio::select! {
            making = self.making.lock() => making,
            () = cancel.cancelled() => return Err(BackendError::Cancelled),
        };
        for node in nodes
            .iter()
            .filter_map(|name| CourseNode::named(name.as_str()))
        {
            self.reservation.release(node);
        }
        if nodes.iter().any(|name| name.as_str() == POSTGRES) {
            self.reservation
                .release_port(self.reservation.postgres_port());
        }
        self.run_compose(
            self.compose.up(&services(nodes)),
            limits.time,
            limits.output,
            cancel,
        )
        .await
    }

    /// See [`crate::backend::Backend::remove_nodes`].
    pub(super) async fn remove_nodes(
        &self,
        nodes: &[NodeName],
        cancel: &CancellationToken,
    ) -> Result<(), BackendError> {
        let names: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
        self.remove_containers(&names, cancel).await?;
        for node in nodes
            .iter()
            .filter_map(|name| CourseNode::named(name.as_str()))
        {
            self.reservation.take_back(node);
        }
        Ok(())
    }

    /// Removes the containers of nodes or services, with their data. Those that are not there are passed over.
    pub(super) async fn remove_containers(
        &self,
        names: &[&str],
        cancel: &CancellationToken,
    ) -> Result<(), BackendError> {
        let _making = tokio::select! {
            making = self.making.lock() => making,
            () = cancel.cancelled() => return Err(BackendError::Cancelled),
        };
        let words = self.docker_words(&Action::Nodes {
            change: NodeChange::Remove,
            nodes: names.iter().map(|name| NodeName::new(*name)).collect(),
        });
        let ended = self.client.run(words, REMOVE_TIME, cancel).await?;
        // A newer client says nothing of containers that are not there; an older one complains, a line each.
        let absent = |line: &str| line.contains("No such container");
        let complaints = ended.stderr.trim();
        let only_absent = matches!(ended.ending, Ending::Exited(_))
            && !complaints.is_empty()
            && complaints.lines().all(absent);
        if !ended.succeeded() && !only_absent {
            let words = self.terms.to_course(&ended.complaint());
            return Err(BackendError::Broken {
                what: format!("{} can't be removed: {words}", names.join(", ")),
                help: "see what `docker ps --all` says".to_owned(),
            });
        }
        Ok(())
    }

    /// Those of `nodes` whose port on this machine refuses connections: nodes that don't run, or whose links are cut.
    async fn refusing(&self, nodes: &[CourseNode]) -> Vec<CourseNode> {
        let mut refusing = Vec::new();
        for node in nodes {
            if self.is_refusing(self.reservation.reachable(*node)).await {
                refusing.push(*node);
            }
        }
        refusing
    }

    /// Whether a port of this machine refuses connections.
    pub(super) async fn is_refusing(&self, address: SocketAddr) -> bool {
        let tried = tokio::time::timeout(REFUSAL_TIME, TcpStream::connect(address)).await;
        matches!(tried, Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused)
    }

    /// The arguments for docker; nothing for what is not docker's to do.
    fn docker_words(&self, action: &Action) -> Vec<String> {
        match action {
            Action::Nodes { change, nodes } => {
                let verb: &[&str] = match change {
                    // Compose's, not docker's.
                    NodeChange::Up => &[],
                    NodeChange::Start => &["start"],
                    NodeChange::Stop => &["stop"],
                    NodeChange::Kill => &["kill"],
                    NodeChange::Pause => &["pause"],
                    NodeChange::Unpause => &["unpause"],
                    NodeChange::Restart => &["restart"],
                    NodeChange::Remove => &["rm", "--force", "--volumes"],
                };
                let verb = verb.iter().map(|word| (*word).to_owned());
                verb.chain(nodes.iter().map(|node| self.terms.container(node.as_str())))
                    .collect()
            }
            Action::Links { change, node } => {
                let mut words: Vec<String> = vec!["network".to_owned()];
                match change {
                    LinkChange::Disconnect => words.push("disconnect".to_owned()),
                    LinkChange::Connect => {
                        words.push("connect".to_owned());
                        // Its own address and name again: docker would give it any.
                        if let Some(course) = CourseNode::named(node.as_str()) {
                            words.extend(["--ip".to_owned(), self.terms.ip(course)]);
                        }
                        words.extend(["--alias".to_owned(), node.to_string()]);
                    }
                }
                words.extend([self.terms.network(), self.terms.container(node.as_str())]);
                words
            }
            Action::RedisCli(_) | Action::App(_) | Action::Psql(_) => Vec::new(),
        }
    }
}

fn services(nodes: &[NodeName]) -> Vec<String> {
    nodes.iter().map(NodeName::to_string).collect()
}
