//! Locks and limits, with their time.

use std::time::Duration;

use super::{cluster, settings};
use crate::servers;
use labrunner::app::request::OperationId;
use labrunner::app::settings::RateLimit;
use labrunner::app::{AppError, Refusal, Store};

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_has_one_owner_and_a_token_that_grows() {
    if !servers::available("a_lock_has_one_owner_and_a_token_that_grows") {
        return;
    }
    let servers = cluster().await;
    let store = Store::connect(settings(&servers)).await.unwrap();
    let (name, ann, ben) = (
        "sweeper".parse().unwrap(),
        "ann".parse().unwrap(),
        "ben".parse().unwrap(),
    );
    let long = Duration::from_secs(60);
    let first = store.lock(&name, &ann, long).await.unwrap();
    let error = store.lock(&name, &ben, long).await.unwrap_err();
    assert!(
        matches!(error, AppError::Refused(Refusal::Locked { .. })),
        "{error}"
    );
    assert_eq!(
        store.lock(&name, &ann, long).await.unwrap().token,
        first.token
    );
    assert!(!store.unlock(&name, &ben, first.token).await.unwrap());
    assert!(store.unlock(&name, &ann, first.token).await.unwrap());
    let second = store.lock(&name, &ben, long).await.unwrap();
    assert!(second.token > first.token);
    // Too late: the lock is somebody else's by now.
    assert!(!store.unlock(&name, &ann, first.token).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_counts_each_operation_once() {
    if !servers::available("a_limit_counts_each_operation_once") {
        return;
    }
    let servers = cluster().await;
    let store = Store::connect(settings(&servers)).await.unwrap();
    let user = "ann".parse().unwrap();
    let limit = RateLimit {
        limit: 2,
        window: Duration::from_secs(3600),
    };
    let (first, second, third) = (
        OperationId::random(),
        OperationId::random(),
        OperationId::random(),
    );
    for _ in 0..3 {
        assert_eq!(store.allow(&user, limit, &first).await.unwrap().used, 1);
    }
    assert_eq!(store.allow(&user, limit, &second).await.unwrap().used, 2);
    let error = store.allow(&user, limit, &third).await.unwrap_err();
    let AppError::Refused(Refusal::RateLimited { wait, .. }) = error else {
        panic!("{error}");
    };
    assert!(wait > Duration::from_secs(3000), "{wait:?}");
}
