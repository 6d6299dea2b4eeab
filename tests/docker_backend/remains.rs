//! What a run that was killed leaves behind.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use labrunner::backend::docker::clean::clean_runs;
use labrunner::backend::{Backend, Docker};
use tokio_util::sync::CancellationToken;

use crate::engine::left_of;
use crate::lab::{Broom, LONG, names, options, prepared, started};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_run_left_is_cleaned_and_a_living_run_is_not() {
    let Some(living) = started("living", &["redis-1"]).await else {
        return;
    };
    let Some(dead) = started("dead", &["redis-1", "redis-2"]).await else {
        return;
    };
    let runs = [living.run.clone(), dead.run.clone()];
    let runs: Vec<&str> = runs.iter().map(String::as_str).collect();

    let report = clean_runs(&runs, false).await.expect("cleaned");
    assert_eq!(report.removed, []);
    assert_eq!(report.left.len(), 2);
    assert!(
        report.left.iter().all(|left| left.why == "still running"),
        "{report:?}"
    );

    // Dying releases the lock, and nothing else.
    let (run, state) = dead.die();
    assert!(state.path().join("runs").join(&run).join("lock").exists());
    assert_eq!(left_of(&run).len(), 4);
    let report = clean_runs(&runs, false).await.expect("cleaned");
    assert_eq!(report.removed.len(), 1, "{report:?}");
    let removed = &report.removed[0];
    assert_eq!(
        (removed.run.as_str(), removed.containers, removed.networks),
        (run.as_str(), 3, 1)
    );
    assert_eq!(report.left.len(), 1);
    assert_eq!(report.left[0].run, living.run);
    assert_eq!(left_of(&run), Vec::<String>::new());
    assert!(!state.path().join("runs").join(&run).exists());
    assert!(living.ping("redis-1").await);

    let report = clean_runs(&runs, true).await.expect("cleaned");
    assert_eq!(report.removed.len(), 1);
    assert_eq!(left_of(&living.run), Vec::<String>::new());
}

/// Not a test of its own: the process that the next test kills.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by a_run_that_is_killed_in_the_middle_of_a_start_is_cleaned"]
async fn start_and_be_killed() {
    let (Ok(run), Ok(state)) = (std::env::var("DK_RUN"), std::env::var("DK_STATE")) else {
        panic!("DK_RUN and DK_STATE say what to start; this is for another test to set");
    };
    let docker = Docker::prepare(options(&run, Path::new(&state)))
        .await
        .expect("prepared");
    let all = names(&[
        "redis-1", "redis-2", "redis-3", "redis-4", "redis-5", "redis-6", "redis-7", "redis-8",
    ]);
    docker
        .start(&all, &CancellationToken::new())
        .await
        .expect("started");
    // Until it is killed; not for ever, in case nobody is left to do it.
    tokio::time::sleep(LONG).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_killed_in_the_middle_of_a_start_is_cleaned() {
    let Some(lab) = prepared("killed", |_| ()).await else {
        return;
    };
    let run = format!("{}-9", lab.run);
    let _broom = Broom(run.clone());
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "remains::start_and_be_killed", "--ignored"])
        .env("DK_RUN", &run)
        .env("DK_STATE", lab.state.path())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("started");
    let deadline = Instant::now() + LONG;
    // Compose has made some and is about to make more.
    while left_of(&run).len() < 2 {
        assert!(Instant::now() < deadline, "nothing is made");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    child.kill().expect("killed");
    child.wait().expect("dead");
    let report = clean_runs(&[&run], false).await.expect("cleaned");
    assert_eq!(report.removed.len(), 1, "{report:?}");
    assert_eq!(report.removed[0].networks, 1, "{report:?}");
    assert_eq!(left_of(&run), Vec::<String>::new());
    assert!(!lab.state.path().join("runs").join(&run).exists());
    // For as long as a compose that went on would need to make another.
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        assert_eq!(left_of(&run), Vec::<String>::new());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    lab.remove().await;
}
