//! Work that may end in a panic without taking the run along: whatever happens in it, the environment still has to be removed.

use std::any::Any;

use tokio::task::{JoinError, JoinSet};

use super::trouble::Trouble;

/// Runs `work` in a task of its own and waits for it. A panic in it becomes [`Trouble::Bug`]. When this is dropped, the task ends.
pub(super) async fn guarded<T: Send + 'static>(
    work: impl Future<Output = Result<T, Trouble>> + Send + 'static,
) -> Result<T, Trouble> {
    // A set ends its tasks when it is dropped; a task alone would go on.
    let mut tasks = JoinSet::new();
    tasks.spawn(work);
    match tasks.join_next().await {
        Some(Ok(ended)) => ended,
        Some(Err(error)) => Err(Trouble::Bug {
            what: last_words(error),
        }),
        None => Err(Trouble::Bug {
            what: "a task was lost".to_owned(),
        }),
    }
}

fn last_words(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => words_of(&*panic),
        Err(error) => error.to_string(),
    }
}

/// What was said with a panic. It is a text, unless somebody took care that it is something else.
fn words_of(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without words".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_told_and_goes_no_further() {
        let fixed = guarded::<()>(async { panic!("no such luck") }).await;
        assert!(matches!(fixed, Err(Trouble::Bug { what }) if what == "no such luck"));
        let number = 7;
        let formatted = guarded::<()>(async move { panic!("{number} times") }).await;
        assert!(matches!(formatted, Err(Trouble::Bug { what }) if what == "7 times"));
        let odd = guarded::<()>(async { std::panic::panic_any(7_u8) }).await;
        assert!(matches!(odd, Err(Trouble::Bug { what }) if what == "a panic without words"));
    }

    #[tokio::test]
    async fn what_is_no_panic_comes_back_as_it_is() {
        assert!(matches!(guarded(async { Ok(7) }).await, Ok(7)));
        let failed = guarded::<()>(async { Err(Trouble::Failed) }).await;
        assert!(matches!(failed, Err(Trouble::Failed)));
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_any_more_ends() {
        let (held, released) = tokio::sync::oneshot::channel::<()>();
        let work = guarded::<()>(async move {
            let _held = held;
            std::future::pending().await
        });
        let begun = tokio::time::timeout(std::time::Duration::from_millis(20), work).await;
        assert!(begun.is_err(), "it goes on for ever");
        // The sender is dropped with the task.
        let ended = tokio::time::timeout(std::time::Duration::from_secs(5), released).await;
        assert!(matches!(ended, Ok(Err(_))), "the task was not ended");
    }
}
