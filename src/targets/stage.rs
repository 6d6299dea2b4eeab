//! Where a target is carried out: it runs commands as a reader types them, tells all that happens, and keeps it for the end.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Told;
use super::refusal::Refusal;
use super::state::State;
use crate::backend::bounded::Bounded;
use crate::backend::{Backend, BackendError};
use crate::cluster::NodeName;
use crate::lab::action::{Action, Limits, Output};
use crate::lab::line::{Line, Task};
use crate::observe::{Needs, Observer, Who};

/// How long one look at the nodes may take, which is how long it takes while one of them hangs.
const LOOK: Duration = Duration::from_secs(1);
/// How long the nodes may take to agree, and a node that was just started to answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// A target under way.
pub(super) struct Stage<'a> {
    pub(super) backend: &'a Arc<dyn Backend>,
    pub(super) cancel: &'a CancellationToken,
    observer: Observer,
    limits: Limits,
    began: Duration,
    tell: &'a mut (dyn FnMut(Told) + Send),
    stdout: Bounded,
    stderr: Bounded,
    combined: Bounded,
    cut_bytes: u64,
}

impl<'a> Stage<'a> {
    pub(super) fn new(
        backend: &'a Arc<dyn Backend>,
        limits: Limits,
        cancel: &'a CancellationToken,
        tell: &'a mut (dyn FnMut(Told) + Send),
    ) -> Self {
        Stage {
            observer: Observer::new(backend.addresses(), LOOK),
            began: backend.clock().now(),
            backend,
            cancel,
            limits,
            tell,
            stdout: Bounded::new(limits.output),
            stderr: Bounded::new(limits.output),
            combined: Bounded::new(limits.output),
            cut_bytes: 0,
        }
    }

    /// Time since the target began.
    pub(super) fn elapsed(&self) -> Duration {
        self.backend.clock().now().saturating_sub(self.began)
    }

    /// What is left of the target's time.
    pub(super) fn left(&self) -> Duration {
        self.limits.time.saturating_sub(self.elapsed())
    }

    /// Runs a line as a reader would type it. Returns its exit code; `None` when the time was over.
    ///
    /// # Errors
    /// It could not be carried out; `Cancelled` when it was called off.
    pub(super) async fn run(&mut self, typed: &str) -> Result<Option<i32>, BackendError> {
        let action = action(typed).map_err(|why| BackendError::Broken {
            what: format!("`{typed}` can't be run: {why}"),
            help: "this is a bug in labrunner".to_owned(),
        })?;
        if self.cancel.is_cancelled() {
            return Err(BackendError::Cancelled);
        }
        let prompt = format!("$ {typed}\n");
        self.stderr.push(prompt.as_bytes());
        self.combined.push(prompt.as_bytes());
        (self.tell)(Told::Command {
            typed: typed.to_owned(),
            really: self.backend.explain(&action),
        });
        let limits = Limits {
            time: self.left(),
            ..self.limits
        };
        let output = self.backend.perform(&action, limits, self.cancel).await?;
        self.stdout.push(output.stdout.as_bytes());
        self.stderr.push(output.stderr.as_bytes());
        self.combined.push(output.combined.as_bytes());
        self.cut_bytes += output.cut_bytes;
        for (text, told) in [
            (output.stdout, Told::Out as fn(String) -> Told),
            (output.stderr, Told::Err),
        ] {
            if !text.is_empty() {
                (self.tell)(told(text));
            }
        }
        if output.exit.is_none() && self.cancel.is_cancelled() {
            return Err(BackendError::Cancelled);
        }
        Ok(output.exit)
    }

    /// Prints whole lines on the standard output.
    pub(super) fn print(&mut self, text: String) {
        self.stdout.push(text.as_bytes());
        self.combined.push(text.as_bytes());
        (self.tell)(Told::Out(text));
    }

    /// Says something on the standard error, a line or several.
    pub(super) fn note(&mut self, text: &str) {
        let text = format!("{}\n", text.trim_end_matches('\n'));
        self.stderr.push(text.as_bytes());
        self.combined.push(text.as_bytes());
        (self.tell)(Told::Err(text));
    }

    /// Ends without having done what was asked.
    pub(super) fn refuse(mut self, refusal: &Refusal) -> Output {
        self.note(&refusal.to_string());
        self.end(Some(1))
    }

    /// All that was told, and how it ended.
    pub(super) fn end(self, exit: Option<i32>) -> Output {
        let took = self.elapsed();
        let (stdout, cut_out) = self.stdout.into_text();
        let (stderr, cut_err) = self.stderr.into_text();
        let (combined, _) = self.combined.into_text();
        Output {
            exit,
            stdout,
            stderr,
            combined,
            cut_bytes: self.cut_bytes + cut_out + cut_err,
            took,
        }
    }

    /// Looks at all nodes.
    ///
    /// # Errors
    /// The environment does not say how its nodes are.
    pub(super) async fn look(&mut self) -> Result<State, BackendError> {
        let book = self.backend.addresses();
        let all: std::collections::BTreeSet<NodeName> =
            book.iter().map(|address| address.name.clone()).collect();
        let needs = Needs {
            cluster: all.clone(),
            info: all,
            ..Needs::default()
        };
        let (observation, states) = tokio::join!(self.observer.look(&needs), self.backend.nodes());
        let who = Who::of(&observation, &book);
        Ok(State {
            lives: states?
                .into_iter()
                .map(|state| (state.name, state.life))
                .collect(),
            who,
            observation,
        })
    }

    /// Looks until it is `good`, for as long as nodes take to hear of a change; then as it is.
    ///
    /// # Errors
    /// The environment does not say how its nodes are; `Cancelled`.
    pub(super) async fn look_until(
        &mut self,
        good: impl Fn(&State) -> bool + Send,
    ) -> Result<State, BackendError> {
        let clock = self.backend.clock();
        let until = clock.now() + PATIENCE.min(self.left());
        loop {
            let state = self.look().await?;
            if self.cancel.is_cancelled() {
                return Err(BackendError::Cancelled);
            }
            if good(&state) || clock.now() >= until {
                return Ok(state);
            }
            tokio::select! {
                () = self.cancel.cancelled() => return Err(BackendError::Cancelled),
                () = clock.sleep_until(clock.now() + PAUSE) => {}
            }
        }
    }
}

/// What a line asks for: the very same as where it stands in a lab.
fn action(typed: &str) -> Result<Action, String> {
    let line = Line::parse(typed).map_err(|faults| {
        let what: Vec<&str> = faults.iter().map(|fault| fault.what.as_str()).collect();
        what.join("; ")
    })?;
    let filled = line.fill(|_| Err("there is nothing to fill in".to_owned()))?;
    match filled.task {
        Task::Action(action) => Ok(action),
        Task::Target(_) | Task::Watch { .. } => Err("it is no command".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("redis-cli -p 7001 CLUSTER NODES")]
    #[case("redis-cli --cluster info 127.0.0.1:7001")]
    #[case("./app load-test --users 50 --seats 2")]
    #[case("docker stop redis-1")]
    #[case("docker start redis-1")]
    #[case(
        "redis-cli --cluster add-node 172.30.0.18:7008 172.30.0.17:7007 --cluster-slave --cluster-master-id 06e1760bea44bdd8a45be1d013a9a593d6af4ed9"
    )]
    #[case(
        "redis-cli --cluster reshard 127.0.0.1:7001 --cluster-from 06e1760bea44bdd8a45be1d013a9a593d6af4ed9 --cluster-to df8b0f8dffa678425f8c60a917b522bd705cdfea --cluster-slots 1365 --cluster-yes"
    )]
    fn what_targets_run_can_stand_in_a_lab(#[case] typed: &str) {
        assert!(action(typed).is_ok(), "{:?}", action(typed));
    }

    #[test]
    fn what_is_no_command_is_an_error_and_no_panic() {
        for typed in [
            "",
            "redis-cli",
            "rm -rf /",
            "redis-cli -p 7001 GET ${x}",
            "docker",
        ] {
            assert!(action(typed).is_err(), "{typed}");
        }
    }
}
