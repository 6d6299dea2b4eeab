//! The docker command line: the one way in which this room speaks to the engine.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::backend::BackendError;
use crate::backend::leash::{find_leash, on_leash};
use crate::backend::process::{Ended, Ending, Program, find_program};

/// A question to the engine takes some 25 ms; an engine that needs longer than this is not well.
const QUERY_TIME: Duration = Duration::from_secs(20);
/// Of an answer to a question, this many bytes are kept.
const QUERY_BYTES: usize = 4 << 20;

/// The docker client of this machine.
#[derive(Debug, Clone)]
pub(super) struct Client {
    path: PathBuf,
    /// Ends what it starts when we die: `setpriv`, where the machine has it.
    pub(super) leash: Option<PathBuf>,
}

impl Client {
    /// The client that stands on `path` (as in the PATH variable).
    ///
    /// # Errors
    /// `Unavailable` when there is none.
    pub(super) fn find(path: &OsStr) -> Result<Self, BackendError> {
        let leash = find_leash(path);
        let path = find_program("docker", path).ok_or_else(|| BackendError::Unavailable {
            what: "Docker is not installed: there is no program `docker` on the PATH".to_owned(),
            help: "install Docker (https://docs.docker.com/engine/install/)".to_owned(),
        })?;
        Ok(Client { path, leash })
    }

    /// The client at `path`, whether or not there is one.
    #[cfg(test)]
    pub(super) fn at(path: &str) -> Self {
        Client {
            path: path.into(),
            leash: None,
        }
    }

    /// `docker ARGS`, not started yet.
    pub(super) fn program<I: IntoIterator<Item = A>, A: AsRef<OsStr>>(&self, args: I) -> Program {
        // A client that waits for a program inside a container would wait on when we are killed.
        let program = match &self.leash {
            Some(leash) => on_leash(leash, &self.path),
            None => Program::new(&self.path),
        };
        // Newer clients advertise other products below the output.
        program
            .args(args)
            .env("DOCKER_CLI_HINTS", "false")
            .env("DOCKER_SCAN_SUGGEST", "false")
    }

    /// Runs `docker ARGS` and returns what came of it, whatever the exit code.
    ///
    /// # Errors
    /// `Cancelled`; `Broken` when the client can't be started or the engine is gone.
    pub(super) async fn run<I: IntoIterator<Item = A>, A: AsRef<OsStr>>(
        &self,
        args: I,
        time: Duration,
        cancel: &CancellationToken,
    ) -> Result<Ended, BackendError> {
        let ended = run_program(self.program(args), time, QUERY_BYTES, cancel).await?;
        if ended.ending == Ending::Cancelled {
            return Err(BackendError::Cancelled);
        }
        Ok(ended)
    }

    /// Asks a question and returns what came of it, whatever the exit code.
    ///
    /// # Errors
    /// As [`Client::run`].
    pub(super) async fn ask(&self, args: &[&str]) -> Result<Ended, BackendError> {
        self.run(args, QUERY_TIME, &CancellationToken::new()).await
    }

    /// The lines of an answer.
    ///
    /// # Errors
    /// As [`Client::run`], and `Broken` when the exit code is not 0.
    pub(super) async fn lines(&self, args: &[&str]) -> Result<Vec<String>, BackendError> {
        let ended = self.ask(args).await?;
        if !ended.succeeded() {
            return Err(BackendError::Broken {
                what: format!("`docker {}` failed: {}", args.join(" "), ended.complaint()),
                help: "see whether `docker info` answers".to_owned(),
            });
        }
        Ok(ended.stdout.lines().map(str::to_owned).collect())
    }

    /// The engine's version: `20.10.24`.
    ///
    /// # Errors
    /// `Unavailable`, with the client's own words, when the engine does not answer.
    pub(super) async fn engine_version(&self) -> Result<String, BackendError> {
        // Not by `ask`, for which an engine that does not answer is one that went away.
        let asked = self
            .program(["version", "--format", "{{.Server.Version}}"])
            .run(QUERY_TIME, QUERY_BYTES, &CancellationToken::new())
            .await;
        let complaint = match asked {
            Ok(ended) if ended.succeeded() && !ended.stdout.trim().is_empty() => {
                return Ok(ended.stdout.trim().to_owned());
            }
            Ok(ended) => {
                // The template prints the zero value before the complaint.
                ended
                    .complaint()
                    .trim_start_matches("<no value>")
                    .trim_start_matches("; ")
                    .to_owned()
            }
            Err(error) => error.to_string(),
        };
        let help = if complaint.contains("permission denied") {
            "add yourself to the group that may use it (`sudo usermod -aG docker $USER`, then log in anew), or use sudo"
        } else {
            "start it (`sudo systemctl start docker`, or Docker Desktop) and see that `docker info` answers"
        };
        Err(BackendError::Unavailable {
            what: format!("the Docker engine does not answer: {complaint}"),
            help: help.to_owned(),
        })
    }
}

/// Runs `program`; `Broken` when it can't be started, or when it says that the engine is gone.
pub(super) async fn run_program(
    program: Program,
    time: Duration,
    keep: usize,
    cancel: &CancellationToken,
) -> Result<Ended, BackendError> {
    let ended = program
        .run(time, keep, cancel)
        .await
        .map_err(|error| BackendError::Broken {
            what: format!("the docker client can't be started: {error}"),
            help: "see whether `docker info` answers".to_owned(),
        })?;
    if !ended.succeeded() && engine_is_gone(&ended.stderr) {
        return Err(BackendError::Broken {
            what: format!("the Docker engine went away: {}", ended.complaint()),
            help: "start it again, then remove what is left with `labrunner clean`".to_owned(),
        });
    }
    Ok(ended)
}

/// Whether a client (docker's or either compose's) says that it reached no engine.
fn engine_is_gone(stderr: &str) -> bool {
    [
        "Cannot connect to the Docker daemon",
        "error during connect",
        "Couldn't connect to Docker daemon",
    ]
    .iter()
    .any(|words| stderr.contains(words))
}

#[cfg(test)]
mod tests {
    use super::super::executable::write_executable;
    use super::*;
    use rstest::rstest;

    /// A folder with a program `docker` that runs `script`.
    fn fake(script: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        write_executable(&folder.path().join("docker"), script);
        folder
    }

    #[test]
    fn a_setpriv_without_the_option_is_no_leash() {
        let folder = tempfile::tempdir().expect("a folder");
        write_executable(&folder.path().join("setpriv"), "exit 1");
        assert_eq!(find_leash(folder.path().as_os_str()), None);
        assert_eq!(find_leash(OsStr::new("/nowhere")), None);
    }

    #[test]
    fn no_client_is_told() {
        let error = Client::find(OsStr::new("/nowhere")).expect_err("none there");
        insta::assert_snapshot!(error, @"Docker is not installed: there is no program `docker` on the PATH");
    }

    #[rstest]
    #[case::down(
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
        "systemctl start"
    )]
    #[case::not_allowed(
        "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
        "usermod"
    )]
    #[tokio::test]
    async fn an_engine_that_does_not_answer_is_told_in_its_own_words(
        #[case] words: &str,
        #[case] advice: &str,
    ) {
        let folder = fake(&format!("echo; echo '{words}' >&2; exit 1"));
        let client = Client::find(folder.path().as_os_str()).expect("found");
        match client.engine_version().await.expect_err("does not answer") {
            BackendError::Unavailable { what, help } => {
                assert!(what.contains(words), "{what}");
                assert!(help.contains(advice), "{help}");
            }
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn an_engine_that_answers_has_a_version() {
        let folder = fake("echo 27.1.0");
        let client = Client::find(folder.path().as_os_str()).expect("found");
        assert_eq!(client.engine_version().await.expect("answers"), "27.1.0");
    }

    #[tokio::test]
    async fn an_engine_that_goes_away_is_broken_whatever_was_asked() {
        let folder = fake(
            "echo 'Cannot connect to the Docker daemon at unix:///x. Is it running?' >&2; exit 1",
        );
        let client = Client::find(folder.path().as_os_str()).expect("found");
        let error = client
            .ask(&["stop", "redis-1"])
            .await
            .expect_err("no engine");
        assert!(matches!(error, BackendError::Broken { .. }), "{error:?}");
    }
}
