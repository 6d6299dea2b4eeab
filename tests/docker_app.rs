//! The docker backend starts the application: what it is told, what it is not, and that nothing of it is left.
//!
//! A program of the test's own stands in its place, which needs no container: the environment is prepared, and nothing is started in it.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "command/executable.rs"]
mod executable;
mod support;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use labrunner::backend::{Backend, BackendError, Docker, DockerOptions};
use labrunner::lab::action::{Action, AppCall, Limits, Output};
use tokio_util::sync::CancellationToken;

/// Long enough for anything that ends by itself, on a machine under load.
const LIMITS: Limits = Limits {
    time: Duration::from_secs(60),
    output: 64 * 1024,
};

struct Stage {
    docker: Docker,
    state: tempfile::TempDir,
}

/// An environment whose application is `script`; `None`, loudly, where there is no docker.
async fn stage(name: &str, script: &str) -> Option<Stage> {
    let state = tempfile::tempdir().unwrap();
    let program = state.path().join("the program");
    if !script.is_empty() {
        executable::write_executable(&program, script);
    }
    stage_with(name, state, Some(program)).await
}

/// The same with this program, or with none.
async fn stage_with(
    name: &str,
    state: tempfile::TempDir,
    program: Option<PathBuf>,
) -> Option<Stage> {
    if !support::may_run("docker", name) {
        return None;
    }
    let docker = Docker::prepare(DockerOptions {
        run: format!("app-{name}-{}", std::process::id()),
        image: std::env::var("LAB_REDIS_IMAGE").ok(),
        state_dir: state.path().to_owned(),
        app: program,
        ..DockerOptions::default()
    })
    .await
    .unwrap();
    Some(Stage { docker, state })
}

fn app(words: &[&str]) -> Action {
    let words = words.iter().map(|word| (*word).to_owned()).collect();
    Action::App(AppCall { words })
}

impl Stage {
    async fn perform(&self, words: &[&str], limits: Limits) -> Result<Output, BackendError> {
        let cancel = CancellationToken::new();
        self.docker.perform(&app(words), limits, &cancel).await
    }

    fn file(&self, name: &str) -> PathBuf {
        self.state.path().join(name)
    }
}

#[tokio::test]
async fn it_is_told_where_the_nodes_are_and_says_it_in_the_course_s_terms() {
    let script = r#"printf '<%s>' "$@"; echo; env | grep ^APP_ | sort; echo "to $APP_NODES" >&2; cat; exit 17"#;
    let Some(stage) = stage("told", script).await else {
        return;
    };
    let words = ["show", "--event", "a 'b", "", "--json"];
    let output = stage.perform(&words, LIMITS).await.unwrap();
    let reachable: Vec<String> = (7001..=7008)
        .map(|port| format!("127.0.0.1:{port}"))
        .collect();
    let map: Vec<String> = (1..=8)
        .map(|n| format!("172.30.0.1{n}:700{n}=127.0.0.1:700{n}"))
        .collect();
    assert_eq!(
        output.stdout,
        format!(
            "<app><show><--event><a 'b><><--json>\nAPP_MAP={}\nAPP_NODES={}\n",
            map.join(","),
            reachable.join(",")
        )
    );
    assert_eq!(output.stderr, format!("to {}\n", reachable.join(",")));
    assert_eq!(output.exit, Some(17));

    // What was really said is this run's own.
    let really = stage.docker.explain(&app(&words));
    let book = stage.docker.addresses();
    assert_eq!(book.iter().count(), 8);
    for address in book.iter() {
        let pair = format!("{}={}", address.announced, address.reachable);
        assert!(really.contains(&pair), "{really}");
        assert!(!pair.contains("172.30.0."), "{really}");
    }
    assert!(
        really.ends_with(r#"the program' app show --event 'a '\''b' '' --json"#),
        "{really}"
    );
    stage.docker.remove().await.unwrap();
}

#[tokio::test]
async fn one_that_never_ends_is_stopped_with_all_that_it_started() {
    // The script says who it is before it hangs, and so does what it starts.
    let script = r#"cd "${0%/*}"; sleep 1000 & echo "$$ $!" > ids; mv ids said; wait"#;
    let Some(stage) = stage("endless", script).await else {
        return;
    };
    let limits = Limits {
        time: Duration::from_secs(2),
        ..LIMITS
    };
    let output = stage.perform(&["events"], limits).await.unwrap();
    assert_eq!(output.exit, None, "{output:?}");
    gone(&stage.file("said")).await;

    std::fs::remove_file(stage.file("said")).unwrap();
    let cancel = CancellationToken::new();
    let (call, said) = (app(&["events"]), stage.file("said"));
    let calling_off = async {
        until("it has begun", || said.exists()).await;
        cancel.cancel();
    };
    let (output, ()) = tokio::join!(stage.docker.perform(&call, LIMITS, &cancel), calling_off);
    assert_eq!(output.unwrap().exit, None);
    gone(&said).await;
    stage.docker.remove().await.unwrap();
}

#[tokio::test]
async fn one_that_is_not_there_is_told() {
    let Some(stage) = stage("absent", "").await else {
        return;
    };
    match stage.perform(&["events"], LIMITS).await {
        // Where `setpriv` starts it, it is that which complains.
        Ok(output) => {
            assert_eq!(output.exit, Some(127), "{output:?}");
            assert!(output.stderr.contains("the program"), "{output:?}");
        }
        Err(BackendError::Broken { what, help }) => {
            assert!(
                what.starts_with("the application can't be started"),
                "{what}"
            );
            assert!(help.contains("the program"), "{help}");
        }
        Err(other) => panic!("{other:?}"),
    }
    stage.docker.remove().await.unwrap();
}

/// Nothing but labrunner is the application as well: a test that took itself for it would start itself again and again.
#[tokio::test]
async fn a_program_that_is_not_labrunner_does_not_take_itself_for_the_application() {
    let state = tempfile::tempdir().unwrap();
    let Some(stage) = stage_with("itself", state, None).await else {
        return;
    };
    match stage.perform(&["events"], LIMITS).await {
        Err(BackendError::Broken { what, help }) => {
            assert!(what.contains("is not labrunner"), "{what}");
            assert!(
                help.contains("says in the backend's options where it is"),
                "{help}"
            );
        }
        other => panic!("{other:?}"),
    }
    stage.docker.remove().await.unwrap();
}

/// Waits until the processes that a file names are no more.
async fn gone(said: &Path) {
    let ids = std::fs::read_to_string(said).unwrap();
    for id in ids.split_whitespace() {
        // One that has ended and is not reaped yet has no command line.
        let line = PathBuf::from(format!("/proc/{id}/cmdline"));
        until("its end", || {
            std::fs::read(&line).unwrap_or_default().is_empty()
        })
        .await;
    }
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMITS.time;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
