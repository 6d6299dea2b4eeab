//! Work that may end in a panic without taking the run along: whatever happens in it, the environment still has to be removed.

use std::any::Any;

use tokio::task::{JoinError, JoinSet};

use super::trouble::Trouble;

/// Runs `work` in a task of its own and waits for it. A panic in it becomes [`Trouble::Bug`]. When this is dropped, the task ends.
pub(super) async fn guarded<T: Send + 'static>(
    work: impl Future<Output = Result<T, Trouble>> + Send + 'static,
) -> Result<T, Trouble> {
    Guarded::begin(work).ended().await
}

/// Work that goes on in a task of its own. When this is dropped, the task ends.
pub(super) struct Guarded<T> {
    // A set ends its tasks when it is dropped; a task alone would go on.
    tasks: JoinSet<Result<T, Trouble>>,
}

impl<T: Send + 'static> Guarded<T> {
    /// Begins `work`.
    pub fn begin(work: impl Future<Output = Result<T, Trouble>> + Send + 'static) -> Self {
        let mut tasks = JoinSet::new();
        tasks.spawn(work);
        Guarded { tasks }
    }

    /// Waits for its end, which it has once. A panic in it becomes [`Trouble::Bug`]. May be dropped and called again.
    pub async fn ended(&mut self) -> Result<T, Trouble> {
        match self.tasks.join_next().await {
            Some(Ok(ended)) => ended,
            Some(Err(error)) => Err(Trouble::Bug {
                what: last_words(error),
            }),
            None => Err(Trouble::Bug {
                what: "a task was lost".to_owned(),
            }),
        }
    }

    /// Ends it where it is, and waits until nothing of it is left.
    pub async fn drop_now(&mut self) {
        self.tasks.shutdown().await;
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
    use tokio::sync::oneshot::error::TryRecvError;

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
    async fn work_goes_on_while_nobody_waits_for_it_and_can_be_ended_where_it_is() {
        let (tell, told) = tokio::sync::oneshot::channel();
        let (held, mut released) = tokio::sync::oneshot::channel::<()>();
        let mut work = Guarded::<()>::begin(async move {
            let _held = held;
            let _ = tell.send(());
            std::future::pending().await
        });
        assert_eq!(told.await, Ok(()));
        let waited = tokio::time::timeout(std::time::Duration::from_millis(20), work.ended()).await;
        assert!(waited.is_err(), "it goes on for ever");
        assert!(
            released.try_recv() == Err(TryRecvError::Empty),
            "and waiting ended it"
        );
        work.drop_now().await;
        // Not merely soon: when this has returned, nothing of it is left.
        assert_eq!(released.try_recv(), Err(TryRecvError::Closed));
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
