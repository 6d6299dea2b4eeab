//! `load-test`: many users at once want seats of one event.

use super::stage::Stage;
use crate::backend::BackendError;
use crate::lab::action::Output;

/// Runs the application's load test. How the cluster is, the application finds out itself: a test during a failover is a test.
pub(super) async fn load_test(
    mut stage: Stage<'_>,
    users: u32,
    seats: u32,
) -> Result<Output, BackendError> {
    let exit = stage
        .run(&format!("./app load-test --users {users} --seats {seats}"))
        .await?;
    Ok(stage.end(exit))
}
