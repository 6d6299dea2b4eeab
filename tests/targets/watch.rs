//! A watch shows what happens.

use std::sync::Arc;
use std::time::{Duration, Instant};

use labrunner::backend::BackendError;
use labrunner::lab::action::{Limits, NodeChange};
use labrunner::lab::target::Target;
use labrunner::targets::{self, Told};
use tokio_util::sync::CancellationToken;

use crate::engine::turn;
use crate::stage::{LIMITS, LONG, PAUSE, THREE, stage};

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_shows_what_happens_although_a_node_hangs() {
    let Some(_turn) = turn("a_watch_shows_what_happens") else {
        return;
    };
    let stage = stage("watch", &THREE, &[("redis-4", "redis-1")], &[]).await;
    let cancel = CancellationToken::new();
    let pictures = Arc::new(std::sync::Mutex::new(String::new()));
    let watching = tokio::spawn({
        let (backend, cancel, pictures) = (stage.backend.clone(), cancel.clone(), pictures.clone());
        async move {
            let mut tell = |told| match told {
                Told::Out(text) => pictures.lock().unwrap().push_str(&text),
                other => panic!("{other:?}"),
            };
            targets::run(&Target::WatchCluster, &backend, LIMITS, &cancel, &mut tell).await
        }
    });
    let shows = async |what: &str, from: usize| {
        let deadline = Instant::now() + LONG;
        loop {
            let text = pictures.lock().unwrap().clone();
            if let Some(at) = text[from..].find(what) {
                return from + at;
            }
            assert!(
                Instant::now() < deadline,
                "it never shows {what:?}:\n{text}"
            );
            tokio::time::sleep(PAUSE).await;
        }
    };
    let at = shows("cluster ok  3 masters, 1 replica  16384 slots served", 0).await;
    assert_eq!(at, "after 0.".len() + "0 s\n".len());
    stage.change(NodeChange::Pause, "redis-1").await;
    let at = shows("paused", at).await;
    let at = shows("redis-4  7004  master", at).await;
    stage.change(NodeChange::Unpause, "redis-1").await;
    shows("redis-1  7001  replica of redis-4", at).await;
    cancel.cancel();
    let output = watching.await.unwrap().expect("an end");
    assert_eq!(output.exit, Some(0));
    let text = pictures.lock().unwrap().clone();
    assert_eq!(output.stdout, text);
    assert!(text.is_ascii(), "{text}");
    eprintln!("{text}");
    let bodies: Vec<&str> = text
        .split_terminator("\n\n")
        .map(|picture| picture.split_once('\n').unwrap().1)
        .collect();
    // What does not change is not shown again, however often it was looked at.
    assert!(bodies.len() >= 4, "{text}");
    assert!(bodies.windows(2).all(|two| two[0] != two[1]), "{text}");
    // Its time over, it ends as well, and so it does when the nodes are gone.
    let limits = Limits {
        time: Duration::from_millis(300),
        ..LIMITS
    };
    let fresh = CancellationToken::new();
    let (result, _) = stage.try_run(&Target::WatchCluster, limits, &fresh).await;
    assert_eq!(result.expect("an end").exit, Some(0));
    stage.backend.remove().await.expect("removed");
    let (result, _) = stage.try_run(&Target::WatchCluster, LIMITS, &fresh).await;
    match result {
        Err(BackendError::Broken { what, .. }) => assert!(what.contains("is gone"), "{what}"),
        other => panic!("{other:?}"),
    }
    stage.remove().await;
}
