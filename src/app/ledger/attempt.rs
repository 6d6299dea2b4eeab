//! Trying until the deadline: the connection, the time, and what is tried again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{ConnectOptions, PgConnection, Postgres};
use tokio::time::{Instant, sleep, timeout};

use super::connection::{LIMITS, Ledger, MARGIN, server_limit};
use super::failure::{self, Failure};
use crate::app::error::AppError;

/// How long to wait before another attempt, the first time and at most; each time it is doubled, and a part of it is drawn.
const WAITS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));

/// How many times as long as the first one an attempt may take at most.
const MOST_TIME: u32 = 8;

/// How long it is looked why no connection was to be had.
const LOOK: Duration = Duration::from_millis(300);

/// How long something is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Patience {
    pub(super) deadline: Duration,
    pub(super) attempt: Duration,
}

/// Whether a request changes something, so that it may be unknown whether it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Change,
}

impl Ledger {
    /// Does `work` on a connection, again and again until it succeeds, fails for good, or the deadline is over. It has to be something that
    /// may be done twice: a transaction that looks first whether its operation has been done.
    ///
    /// # Errors
    /// What the last attempt came to.
    pub(super) async fn attempts<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        kind: Kind,
        work: impl Fn(Lent) -> F,
    ) -> Result<T, AppError> {
        let Patience { deadline, attempt } = self.patience;
        let until = Instant::now() + deadline;
        let mut wait = WAITS.0;
        let mut unknown = false;
        let mut longest = attempt;
        loop {
            let begun = Instant::now();
            let limit = longest.min(until.saturating_duration_since(begun));
            let failure = match self.attempt(limit, &work).await {
                Ok(done) => return Ok(done),
                Err(Failure::Final(error)) => return Err(error),
                Err(failure) => failure,
            };
            unknown |= matches!(failure, Failure::Broken(_));
            // What was called off for want of time is begun anew from its beginning. With no more time than before it would come to no end on a machine
            // that is busy, and keep it busy.
            let is_begun = !matches!(failure, Failure::NotBegun(_));
            if is_begun && begun.elapsed() + MARGIN >= limit {
                longest = (longest * 2).min(attempt * MOST_TIME);
            }
            wait = (wait * 2).min(WAITS.1);
            let pause = wait.mul_f64(rand::random_range(0.5..1.0));
            if Instant::now() + pause >= until {
                // One attempt that may have done it leaves that open, whatever became of the others.
                let failure = match (unknown, failure) {
                    (true, failure) => Failure::Broken(failure.told()),
                    (false, failure) => failure,
                };
                return Err(failure.at_last(self.place(), deadline, kind == Kind::Change));
            }
            sleep(pause).await;
        }
    }

    async fn attempt<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        limit: Duration,
        work: &impl Fn(Lent) -> F,
    ) -> Result<T, Failure> {
        let begun = Instant::now();
        let connection = match timeout(limit, self.pool.acquire()).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(sqlx::Error::PoolTimedOut)) | Err(_) => return Err(self.why_none().await),
            Ok(Err(error)) => return Err(failure::of(&error, false, self.place())),
        };
        let desk = Desk::default();
        let left = limit.saturating_sub(begun.elapsed());
        let is_longer = limit > self.patience.attempt;
        let mut lent = desk.lend(connection);
        let done = timeout(left, async {
            if is_longer {
                self.give_time(lent.get()?, limit).await?;
            }
            work(lent).await
        });
        let done = done.await;
        let done = done.unwrap_or_else(|_| Err(Failure::Broken("no answer in time".to_owned())));
        // One whose limits are others than the pool's is used once.
        if !is_longer && !done.as_ref().is_err_and(Failure::breaks_connection) {
            desk.release();
        }
        done
    }

    /// Has the server work for longer than the connection was made for.
    async fn give_time(
        &self,
        connection: &mut PgConnection,
        attempt: Duration,
    ) -> Result<(), Failure> {
        for name in LIMITS {
            sqlx::query("SELECT set_config($1, $2, false)")
                .bind(name)
                .bind(server_limit(attempt))
                .execute(&mut *connection)
                .await
                .map_err(self.broke())?;
        }
        Ok(())
    }

    /// Why no connection was to be had. The pool tries until its time is over, and does not say what it met.
    async fn why_none(&self) -> Failure {
        let options = self.pool.connect_options();
        match timeout(LOOK, options.connect()).await {
            Ok(Err(error)) => failure::of(&error, false, self.place()),
            Ok(Ok(_)) => Failure::NotBegun("all connections were busy".to_owned()),
            Err(_) => Failure::NotBegun("it did not answer in time".to_owned()),
        }
    }

    /// An error of the library, in the middle of `work`.
    pub(super) fn broke(&self) -> impl Fn(sqlx::Error) -> Failure + '_ {
        |error| failure::of(&error, true, self.place())
    }
}

/// Where a connection is put back when who has it is done with it, or is called off. What is left here is not used again: in the middle of a
/// request nobody can go on with it, and the next one would wait for the answer of this one.
#[derive(Default)]
struct Desk(Arc<Mutex<Option<PoolConnection<Postgres>>>>);

impl Desk {
    fn lend(&self, connection: PoolConnection<Postgres>) -> Lent {
        Lent {
            connection: Some(connection),
            desk: self.0.clone(),
        }
    }

    /// It is good: the pool may have it back.
    fn release(&self) {
        drop(take(&self.0));
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        if let Some(connection) = take(&self.0) {
            drop(connection.detach());
        }
    }
}

fn take(desk: &Mutex<Option<PoolConnection<Postgres>>>) -> Option<PoolConnection<Postgres>> {
    desk.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// A connection for one attempt.
pub(super) struct Lent {
    /// There until it is dropped.
    connection: Option<PoolConnection<Postgres>>,
    desk: Arc<Mutex<Option<PoolConnection<Postgres>>>>,
}

impl Lent {
    /// The connection.
    ///
    /// # Errors
    /// Never, as long as it is lent.
    pub(super) fn get(&mut self) -> Result<&mut PgConnection, Failure> {
        let connection = self.connection.as_deref_mut();
        connection.ok_or_else(|| Failure::NotBegun("the connection is gone".to_owned()))
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        *self.desk.lock().unwrap_or_else(PoisonError::into_inner) = self.connection.take();
    }
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        Failure::Final(error)
    }
}

impl From<crate::app::error::Refusal> for Failure {
    fn from(refusal: crate::app::error::Refusal) -> Self {
        Failure::Final(AppError::Refused(refusal))
    }
}
