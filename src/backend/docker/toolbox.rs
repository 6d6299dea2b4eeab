//! Where redis-cli runs: containers on the nodes' network, so that it also works while a node is down.
//!
//! A toolbox serves one call at a time. Docker has no way to end a program that it started inside a container, short of
//! ending the container: a call that is stopped at its time limit takes its toolbox down, and must not take another call with it. So a call
//! that comes while all toolboxes are busy gets a new one.

use std::ffi::OsString;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::client::{Client, run_program};
use super::compose::{Compose, TOOLBOX};
use super::sweep::{HOST_LABEL, LOCK_LABEL, RUN_LABEL};
use super::terms::Terms;
use crate::backend::BackendError;
use crate::backend::process::{Ended, Ending};
use crate::lab::action::Limits;

/// The second toolbox ends in this, the third in the next; what is below belongs to the definition.
const FURTHER_ADDRESSES: u8 = 30;
/// Docker's own work on one container takes some 0.4 s on two cores; much longer under load.
const CHANGE_TIME: Duration = Duration::from_secs(60);

/// The toolboxes of one environment.
#[derive(Debug)]
pub(super) struct Toolboxes {
    client: Client,
    terms: Terms,
    labels: [(&'static str, OsString); 3],
    image: String,
    /// The first is made by compose, and started once.
    first: OnceCell<()>,
    idle: Mutex<Vec<Toolbox>>,
    further: AtomicU8,
}

#[derive(Debug)]
struct Toolbox {
    name: String,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It runs, and nothing in it but itself.
    Ready,
    /// It does not run.
    Stopped,
    /// It runs, and so may a call that nobody waits for.
    Soiled,
}

impl Toolboxes {
    pub(super) fn new(compose: &Compose, terms: Terms) -> Self {
        let variables = &compose.variables;
        let first = Toolbox {
            name: terms.container(TOOLBOX),
            state: State::Ready,
        };
        Toolboxes {
            client: compose.client.clone(),
            terms,
            labels: [
                (RUN_LABEL, variables.run.clone().into()),
                (LOCK_LABEL, variables.lock.clone().into()),
                (HOST_LABEL, variables.host.clone().into()),
            ],
            image: variables.image.clone(),
            first: OnceCell::new(),
            idle: Mutex::new(vec![first]),
            further: AtomicU8::new(0),
        }
    }

    /// Starts the first toolbox, which compose has made, or waits until whoever starts it has done so.
    ///
    /// # Errors
    /// `Cancelled`; `Broken` when it can't be started.
    pub(super) async fn start(&self, cancel: &CancellationToken) -> Result<(), BackendError> {
        let name = self.terms.container(TOOLBOX);
        self.first
            .get_or_try_init(|| self.change("start", &name, cancel))
            .await
            .map(|_| ())
    }

    /// The command line that runs redis-cli with `args`.
    pub(super) fn explain(&self, args: Vec<String>) -> Vec<String> {
        let exec = ["docker", "exec"].map(str::to_owned).into_iter();
        exec.chain([self.terms.container(TOOLBOX), "redis-cli".to_owned()])
            .chain(args)
            .collect()
    }

    /// Runs redis-cli with `args`. When the time is over or `cancel` fires, it is ended inside the container too.
    ///
    /// # Errors
    /// `Broken` when there is no toolbox to run it in, `Cancelled` when that was being made.
    pub(super) async fn redis_cli(
        &self,
        args: &[String],
        stdin: Option<String>,
        limits: Limits,
        cancel: &CancellationToken,
    ) -> Result<Ended, BackendError> {
        let mut lease = self.take(cancel).await?;
        let mut words = vec!["exec"];
        if stdin.is_some() {
            words.push("--interactive");
        }
        words.extend([lease.name(), "redis-cli"]);
        words.extend(args.iter().map(String::as_str));
        let program = self.client.program(words).stdin(stdin);
        let ended = run_program(program, limits.time, limits.output, cancel).await?;
        if !matches!(ended.ending, Ending::Exited(_)) {
            // Whoever called this off does not call off its end.
            self.change("kill", lease.name(), &CancellationToken::new())
                .await?;
            lease.is(State::Stopped);
            return Ok(ended);
        }
        if let Some(words) = exec_failed(&ended) {
            return Err(BackendError::Broken {
                what: format!(
                    "redis-cli can't be run in the toolbox: {}",
                    self.terms.to_course(&words)
                ),
                help:
                    "see whether the container `toolbox` was removed by hand, or what its log says"
                        .to_owned(),
            });
        }
        lease.is(State::Ready);
        Ok(ended)
    }

    /// A toolbox that runs and is nobody else's.
    async fn take(&self, cancel: &CancellationToken) -> Result<Lease<'_>, BackendError> {
        self.start(cancel).await?;
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let Some(toolbox) = idle else {
            return self.make_further(cancel).await;
        };
        let state = toolbox.state;
        let mut lease = Lease {
            home: self,
            toolbox: Some(toolbox),
        };
        if state == State::Soiled {
            self.change("kill", lease.name(), cancel).await?;
            lease.is(State::Stopped);
        }
        if state != State::Ready {
            self.change("start", lease.name(), cancel).await?;
        }
        // Until the call has ended, and whoever drops it before.
        lease.is(State::Soiled);
        Ok(lease)
    }

    async fn make_further(&self, cancel: &CancellationToken) -> Result<Lease<'_>, BackendError> {
        let number = self.further.fetch_add(1, Ordering::Relaxed);
        let name = self
            .terms
            .container(&format!("{TOOLBOX}-{}", u16::from(number) + 2));
        let address = self
            .terms
            .subnet
            .ip(FURTHER_ADDRESSES.saturating_add(number))
            .to_string();
        let mut args: Vec<OsString> = ["run", "--detach", "--name"].map(OsString::from).into();
        args.extend([
            (&name).into(),
            "--network".into(),
            self.terms.network().into(),
            "--ip".into(),
            address.into(),
        ]);
        for (label, value) in &self.labels {
            let mut text = OsString::from(format!("{label}="));
            text.push(value);
            args.extend(["--label".into(), text]);
        }
        args.push((&self.image).into());
        // As docker-compose.yml starts the first.
        args.extend(
            [
                "redis-server",
                "--port",
                "0",
                "--unixsocket",
                "/tmp/toolbox.sock",
                "--save",
                "",
            ]
            .map(OsString::from),
        );
        let ended = self.client.run(args, CHANGE_TIME, cancel).await?;
        if !ended.succeeded() {
            return Err(BackendError::Broken {
                what: format!(
                    "a further toolbox can't be made: {}",
                    self.terms.to_course(&ended.complaint())
                ),
                help: "see what `docker ps --all` says".to_owned(),
            });
        }
        Ok(Lease {
            home: self,
            toolbox: Some(Toolbox {
                name,
                state: State::Soiled,
            }),
        })
    }

    /// `docker start` or `docker kill`, of a toolbox.
    async fn change(
        &self,
        verb: &str,
        name: &str,
        cancel: &CancellationToken,
    ) -> Result<(), BackendError> {
        let ended = self.client.run([verb, name], CHANGE_TIME, cancel).await?;
        // One that ended by itself meanwhile is as dead as if we had killed it.
        if ended.succeeded() || (verb == "kill" && ended.stderr.contains("is not running")) {
            return Ok(());
        }
        Err(BackendError::Broken {
            what: format!(
                "`docker {verb} {}` failed: {}",
                self.terms.to_course(name),
                self.terms.to_course(&ended.complaint())
            ),
            help: "see whether the container was removed by hand, or what its log says".to_owned(),
        })
    }
}

/// A toolbox in use. Dropped, it goes back among the idle ones, as it then is.
struct Lease<'a> {
    home: &'a Toolboxes,
    toolbox: Option<Toolbox>,
}

impl Lease<'_> {
    fn name(&self) -> &str {
        self.toolbox.as_ref().map_or("", |toolbox| &toolbox.name)
    }

    fn is(&mut self, state: State) {
        if let Some(toolbox) = &mut self.toolbox {
            toolbox.state = state;
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let Some(toolbox) = self.toolbox.take() {
            self.home
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(toolbox);
        }
    }
}

/// Docker's words, when it was docker and not redis-cli that failed: redis-cli writes its own errors otherwise.
fn exec_failed(ended: &Ended) -> Option<String> {
    let docker_speaks = [
        "Error response from daemon:",
        "Error: No such container",
        "OCI runtime exec failed",
    ]
    .iter()
    .any(|words| {
        ended.stderr.trim_start().starts_with(words) || ended.stdout.trim_start().starts_with(words)
    });
    (!ended.succeeded() && docker_speaks).then(|| ended.complaint())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::docker(1, "", "Error response from daemon: Container ab is not running", true)]
    #[case::no_program(
        126,
        "OCI runtime exec failed: exec failed: \"redis-cli\": not found",
        "",
        true
    )]
    #[case::gone(1, "", "Error: No such container: toolbox", true)]
    #[case::redis_cli(
        1,
        "",
        "Could not connect to Redis at 10.0.0.1:7001: Connection refused",
        false
    )]
    #[case::a_value(0, "Error response from daemon: is a value too", "", false)]
    fn tells_docker_from_redis_cli(
        #[case] code: i32,
        #[case] stdout: &str,
        #[case] stderr: &str,
        #[case] docker: bool,
    ) {
        let ended = Ended {
            ending: Ending::Exited(code),
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
            combined: String::new(),
            cut_bytes: 0,
            took: Duration::ZERO,
        };
        assert_eq!(exec_failed(&ended).is_some(), docker);
    }
}
