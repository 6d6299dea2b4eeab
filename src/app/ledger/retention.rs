//! What is forgotten: the rows that say which entries were applied, once their stream has them no more.
//!
//! A row is there to find an entry that is given out again. Who drains a stream has it trimmed first ([`Store::trim`](crate::app::Store::trim)), and says
//! here before which entry none is there any more. That is written down, with the position of the stream, before a row is removed: should an entry
//! from before it come all the same, say from a replica that had not heard of the trimming and takes over, it is known to have been applied, with
//! its row or without.

use sqlx::Connection;

use super::attempt::{Kind, Lent};
use super::connection::Ledger;
use crate::app::error::AppError;

/// Rows that are removed in one transaction, at most.
const ROWS: i64 = 5_000;

impl Ledger {
    /// Says that the stream `source` of an event has no entry before this one, and that none will be applied from now on; and removes the rows
    /// of those that were. How many, at most 5,000 a call; nothing where the stream is another worker's.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn forget(
        &self,
        event: &str,
        source: &str,
        instance: &str,
        before: &str,
    ) -> Result<Option<u64>, AppError> {
        self.attempts(Kind::Change, move |mut connection: Lent| async move {
            let mut transaction = connection.get()?.begin().await.map_err(self.broke())?;
            let mine = sqlx::query!(
                "UPDATE stream_positions SET forgotten_before = CASE \
                   WHEN string_to_array(forgotten_before, '-')::numeric[] < string_to_array($3, '-')::numeric[] THEN $3 ELSE forgotten_before END \
                 WHERE event_id = $1 AND owner = $2",
                event,
                instance,
                before
            )
            .execute(&mut *transaction)
            .await
            .map_err(self.broke())?;
            if mine.rows_affected() == 0 {
                return Ok(None);
            }
            // The range is the key's; the comparison of numbers is for ids that are not as long as all others.
            let gone = sqlx::query!(
                "DELETE FROM processed_messages WHERE source = $1 AND message_id IN ( \
                   SELECT message_id FROM processed_messages \
                   WHERE source = $1 AND message_id < $2 \
                     AND string_to_array(message_id, '-')::numeric[] < string_to_array($2, '-')::numeric[] \
                   ORDER BY message_id LIMIT $3)",
                source,
                before,
                ROWS
            )
            .execute(&mut *transaction)
            .await
            .map_err(self.broke())?;
            transaction.commit().await.map_err(self.broke())?;
            Ok(Some(gone.rows_affected()))
        })
        .await
    }
}
