//! Where redis-cli runs: containers on the nodes' network, so that it also works while a node is down.
//!
//! A toolbox serves one call at a time. Docker has no way to end a program that it started inside a container, short of
//! ending the container: a call that is stopped at its time limit takes its toolbox down, and must not take another call with it. So a call
//! that comes while all toolboxes are busy gets a new one.
//!
//! Where several processes use one environment, each says by a [`Mark`] which toolboxes it has in use.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::client::{Client, run_program};
use super::compose::{Compose, TOOLBOX};
use super::sweep::{HOST_LABEL, LOCK_LABEL, RUN_LABEL};
use super::toolbox_mark::{MOST_SHARED, Mark, State};
use crate::backend::BackendError;
use crate::backend::process::{Ended, Ending};
use crate::backend::terms::Terms;
use crate::lab::action::Limits;

/// The last number of the first toolbox's address, as in the definition.
const FIRST_ADDRESS: u8 = 10;
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
    /// The folder of the files by which processes agree; without, they are all this process's.
    marks: Option<PathBuf>,
}

#[derive(Debug)]
struct Toolbox {
    name: String,
    state: State,
    /// Where it is shared: that it is in use.
    mark: Option<Mark>,
}

impl Toolboxes {
    /// With `marks`, a folder, they are shared with other processes that name the same.
    pub(super) fn new(compose: &Compose, terms: Terms, marks: Option<PathBuf>) -> Self {
        let variables = &compose.variables;
        let first = Toolbox {
            name: terms.container(TOOLBOX),
            state: State::Ready,
            mark: None,
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
            marks,
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
        let mut ended = self
            .exec(&lease, args, stdin.clone(), limits, cancel)
            .await?;
        if lease.is_shared() && is_not_running(&ended) {
            // Whoever stopped or removed it was not this process, so this is where it is found out. Nothing was run.
            self.revive(&lease, cancel).await?;
            ended = self.exec(&lease, args, stdin, limits, cancel).await?;
        }
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

    async fn exec(
        &self,
        lease: &Lease<'_>,
        args: &[String],
        stdin: Option<String>,
        limits: Limits,
        cancel: &CancellationToken,
    ) -> Result<Ended, BackendError> {
        let mut words = vec!["exec"];
        if stdin.is_some() {
            words.push("--interactive");
        }
        words.extend([lease.name(), "redis-cli"]);
        words.extend(args.iter().map(String::as_str));
        let program = self.client.program(words).stdin(stdin);
        run_program(program, limits.time, limits.output, cancel).await
    }

    /// A toolbox that runs and is nobody else's.
    async fn take(&self, cancel: &CancellationToken) -> Result<Lease<'_>, BackendError> {
        if let Some(folder) = &self.marks {
            return self.take_shared(folder, cancel).await;
        }
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

    /// The first toolbox that no process uses.
    async fn take_shared(
        &self,
        folder: &Path,
        cancel: &CancellationToken,
    ) -> Result<Lease<'_>, BackendError> {
        for number in 1..=MOST_SHARED {
            let Some((mark, state)) = Mark::take(folder, number)? else {
                continue;
            };
            let mut lease = Lease {
                home: self,
                toolbox: Some(Toolbox {
                    name: self.name(number),
                    state,
                    mark: Some(mark),
                }),
            };
            if state == State::Soiled {
                self.kill_if_there(lease.name(), cancel).await?;
                lease.is(State::Stopped);
            }
            if state != State::Ready {
                self.revive(&lease, cancel).await?;
            }
            lease.is(State::Soiled);
            return Ok(lease);
        }
        Err(BackendError::Broken {
            what: format!("{MOST_SHARED} calls of redis-cli are under way already"),
            help: "wait until some of them have ended".to_owned(),
        })
    }

    /// Starts a shared toolbox; makes it, if it was removed or never was.
    async fn revive(
        &self,
        lease: &Lease<'_>,
        cancel: &CancellationToken,
    ) -> Result<(), BackendError> {
        let started = self
            .client
            .run(["start", lease.name()], CHANGE_TIME, cancel)
            .await?;
        if started.succeeded() {
            return Ok(());
        }
        match lease.number() {
            Some(number) if is_absent(&started) => self.make(number, cancel).await,
            _ => Err(self.not_changed("start", lease.name(), &started)),
        }
    }

    /// Ends everything in a toolbox that may not be there any more.
    async fn kill_if_there(
        &self,
        name: &str,
        cancel: &CancellationToken,
    ) -> Result<(), BackendError> {
        let ended = self.client.run(["kill", name], CHANGE_TIME, cancel).await?;
        if ended.succeeded() || is_not_running(&ended) {
            return Ok(());
        }
        Err(self.not_changed("kill", name, &ended))
    }

    /// `toolbox`, `toolbox-2`, `toolbox-3`.
    fn name(&self, number: u8) -> String {
        match number {
            1 => self.terms.container(TOOLBOX),
            _ => self.terms.container(&format!("{TOOLBOX}-{number}")),
        }
    }

    async fn make_further(&self, cancel: &CancellationToken) -> Result<Lease<'_>, BackendError> {
        let number = self
            .further
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(2);
        self.make(number, cancel).await?;
        Ok(Lease {
            home: self,
            toolbox: Some(Toolbox {
                name: self.name(number),
                state: State::Soiled,
                mark: None,
            }),
        })
    }

    /// Makes the toolbox with this number, and starts it.
    async fn make(&self, number: u8, cancel: &CancellationToken) -> Result<(), BackendError> {
        let name = self.name(number);
        let last = match number {
            1 => FIRST_ADDRESS,
            _ => FURTHER_ADDRESSES.saturating_add(number.saturating_sub(2)),
        };
        let address = self.terms.subnet.ip(last).to_string();
        let mut args: Vec<OsString> = ["run", "--detach", "--name"].map(OsString::from).into();
        args.extend([
            (&name).into(),
            "--network".into(),
            self.terms.network().into(),
            "--ip".into(),
            address.into(),
            "--sysctl".into(),
            "net.ipv4.tcp_syn_retries=1".into(),
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
                    "{} can't be made: {}",
                    self.terms.to_course(&self.name(number)),
                    self.terms.to_course(&ended.complaint())
                ),
                help: "see what `docker ps --all` says".to_owned(),
            });
        }
        Ok(())
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
        Err(self.not_changed(verb, name, &ended))
    }

    fn not_changed(&self, verb: &str, name: &str, ended: &Ended) -> BackendError {
        BackendError::Broken {
            what: format!(
                "`docker {verb} {}` failed: {}",
                self.terms.to_course(name),
                self.terms.to_course(&ended.complaint())
            ),
            help: "see whether the container was removed by hand, or what its log says".to_owned(),
        }
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

    fn number(&self) -> Option<u8> {
        Some(self.toolbox.as_ref()?.mark.as_ref()?.number())
    }

    fn is_shared(&self) -> bool {
        self.number().is_some()
    }

    /// Takes note of how the toolbox is now; for other processes at once, since this one may be killed.
    fn is(&mut self, state: State) {
        let Some(toolbox) = &mut self.toolbox else {
            return;
        };
        toolbox.state = state;
        if let Some(mark) = &mut toolbox.mark {
            mark.leave(state);
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let Some(toolbox) = self.toolbox.take_if(|toolbox| toolbox.mark.is_none()) {
            self.home
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(toolbox);
        }
    }
}

/// Docker's words, when it was docker and not redis-cli that failed: redis-cli writes its own errors otherwise.
pub(super) fn exec_failed(ended: &Ended) -> Option<String> {
    let docker_speaks = [
        "Error response from daemon:",
        "Error: No such container",
        "OCI runtime exec failed",
        // What the daemon says is lost then. It is what a call gets whose container dies as it is begun.
        "unable to upgrade to tcp, received 500",
    ]
    .iter()
    .any(|words| {
        ended.stderr.trim_start().starts_with(words) || ended.stdout.trim_start().starts_with(words)
    });
    (!ended.succeeded() && docker_speaks).then(|| ended.complaint())
}

/// Whether docker says that the container does not run, or is not there.
pub(super) fn is_not_running(ended: &Ended) -> bool {
    exec_failed(ended).is_some()
        && (is_absent(ended) || ended.complaint().contains("is not running"))
}

/// Whether docker says that the container is not there.
fn is_absent(ended: &Ended) -> bool {
    !ended.succeeded() && ended.complaint().contains("No such container")
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
    #[case::dies(1, "", "unable to upgrade to tcp, received 500", true)]
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
