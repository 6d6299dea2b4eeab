//! The schema: the migrations of `migrations/`, built into the program, and how far a database is.

use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::postgres::PgConnection;

use super::attempt::{Kind, Lent};
use super::connection::Ledger;
use super::failure::{self, Failure};
use crate::app::error::AppError;

/// The migrations, in order, each with the way back.
static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");
/// Where sqlx keeps what was applied.
const APPLIED: &str = "_sqlx_migrations";

/// A migration, and whether the database has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Its number.
    pub version: i64,
    /// What it makes.
    pub name: String,
    /// How it stands.
    pub state: StepState,
}

/// How a migration stands in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// It was applied, as this program has it.
    Applied,
    /// It was not applied.
    Missing,
    /// It was begun and did not come to its end.
    HalfApplied,
    /// It was applied in another wording.
    Different,
    /// It was applied, and this program does not know it.
    Unknown,
}

/// What is wrong with a schema, worst first.
fn verdict(steps: &[Step], place: &str) -> Result<(), AppError> {
    let with = |state: StepState| -> Vec<String> {
        let found = steps.iter().filter(|step| step.state == state);
        found.map(|step| step.version.to_string()).collect()
    };
    let not_ready = |what: String, help: &str| {
        Err(AppError::LedgerNotReady {
            what,
            help: help.to_owned(),
        })
    };
    let half = with(StepState::HalfApplied);
    if !half.is_empty() {
        return not_ready(
            format!(
                "migration {} of the database {place} was begun and did not come to its end",
                half.join(", ")
            ),
            "look at what it made, remove that and its row in _sqlx_migrations by hand, then `app migrate up`",
        );
    }
    let unknown = with(StepState::Unknown);
    if !unknown.is_empty() {
        return not_ready(
            format!(
                "the database {place} has migration {}, which this program does not know",
                unknown.join(", ")
            ),
            "it is a newer program's, or another's: use that program, or another database",
        );
    }
    let different = with(StepState::Different);
    if !different.is_empty() {
        return not_ready(
            format!(
                "migration {} of the database {place} is not the one that this program has",
                different.join(", ")
            ),
            "it is another program's, or an unfinished one's: use another database",
        );
    }
    let missing = with(StepState::Missing);
    if missing.is_empty() {
        return Ok(());
    }
    let what = match missing.len() == steps.len() {
        true => format!("the database {place} has no schema yet"),
        false => format!(
            "the database {place} lacks migration {}",
            missing.join(", ")
        ),
    };
    not_ready(what, "make it: `app migrate up`")
}

/// Looks whether the database is as this program needs it.
pub(super) async fn check(ledger: &Ledger) -> Result<(), AppError> {
    verdict(&status(ledger).await?, ledger.place())
}

/// Every migration that this program has or the database has, in order.
///
/// # Errors
/// The database can't be read.
pub async fn status(ledger: &Ledger) -> Result<Vec<Step>, AppError> {
    ledger
        .attempts(Kind::Read, move |mut connection: Lent| async move {
            let found = applied(connection.get()?).await.map_err(ledger.broke())?;
            Ok(steps(found))
        })
        .await
}

/// What the table of migrations says: the checksum of each, and whether it came to its end.
async fn applied(
    connection: &mut PgConnection,
) -> Result<BTreeMap<i64, (String, Vec<u8>, bool)>, sqlx::Error> {
    // Not checked when compiled: the table is sqlx's own, and may not be there.
    let there: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(APPLIED)
        .fetch_one(&mut *connection)
        .await?;
    if !there {
        return Ok(BTreeMap::new());
    }
    let rows: Vec<(i64, String, Vec<u8>, bool)> =
        sqlx::query_as("SELECT version, description, checksum, success FROM _sqlx_migrations")
            .fetch_all(connection)
            .await?;
    let rows = rows.into_iter();
    Ok(rows
        .map(|(version, name, checksum, success)| (version, (name, checksum, success)))
        .collect())
}

fn steps(mut applied: BTreeMap<i64, (String, Vec<u8>, bool)>) -> Vec<Step> {
    let ours = MIGRATIONS
        .iter()
        .filter(|migration| !migration.migration_type.is_down_migration());
    let mut steps: Vec<Step> = ours
        .map(|migration| Step {
            version: migration.version,
            name: migration.description.to_string(),
            state: match applied.remove(&migration.version) {
                None => StepState::Missing,
                Some((_, _, false)) => StepState::HalfApplied,
                Some((_, checksum, true)) if *migration.checksum == checksum => StepState::Applied,
                Some(_) => StepState::Different,
            },
        })
        .collect();
    steps.extend(applied.into_iter().map(|(version, (name, _, _))| Step {
        version,
        name,
        state: StepState::Unknown,
    }));
    steps.sort_by_key(|step| step.version);
    steps
}

/// Applies what is missing, each migration in a transaction of its own, and says which. Two who do so at the same time do not meet.
///
/// # Errors
/// As [`status`]; tables of somebody else's are in the way; the schema is a newer program's, another's, or half applied.
pub async fn up(ledger: &Ledger) -> Result<Vec<Step>, AppError> {
    let before = status(ledger).await?;
    let missing_alone = before
        .iter()
        .all(|step| matches!(step.state, StepState::Missing | StepState::Applied));
    if !missing_alone {
        verdict(&before, ledger.place())?;
    }
    let has_none = |steps: &[Step]| steps.iter().all(|step| step.state == StepState::Missing);
    if has_none(&before)
        && let Err(refused) = refuse_foreign(ledger).await
        // They may have been made since by somebody who migrates at the same time.
        && has_none(&status(ledger).await?)
    {
        return Err(refused);
    }
    moved(ledger, async |connection: &mut PgConnection| {
        MIGRATIONS.run_direct(None, connection, false).await
    })
    .await?;
    Ok(only_changed(before, status(ledger).await?))
}

/// Takes back every migration after `to`, with all that is in its tables, and says which.
///
/// # Errors
/// As [`up`]; there is no migration `to`, unless it is 0.
pub async fn down(ledger: &Ledger, to: i64) -> Result<Vec<Step>, AppError> {
    if to != 0 && !MIGRATIONS.version_exists(to) {
        let last = MIGRATIONS.iter().map(|step| step.version).max();
        return Err(AppError::invalid(
            format!("there is no migration {to}"),
            format!("0 for nothing at all, up to {}", last.unwrap_or(0)),
        ));
    }
    let before = status(ledger).await?;
    let ours = before
        .iter()
        .all(|step| matches!(step.state, StepState::Missing | StepState::Applied));
    if !ours {
        verdict(&before, ledger.place())?;
    }
    moved(ledger, async |connection: &mut PgConnection| {
        // As `Migrator::undo` does, which wants to take a connection by itself.
        connection.lock().await?;
        let mut back: Vec<_> = MIGRATIONS
            .iter()
            .filter(|step| step.migration_type.is_down_migration() && step.version > to)
            .collect();
        back.sort_by_key(|step| std::cmp::Reverse(step.version));
        for step in back {
            let applied = connection.list_applied_migrations(APPLIED).await?;
            if applied.iter().any(|there| there.version == step.version) {
                connection.revert(APPLIED, step).await?;
            }
        }
        connection.unlock().await
    })
    .await?;
    Ok(only_changed(before, status(ledger).await?))
}

fn only_changed(before: Vec<Step>, after: Vec<Step>) -> Vec<Step> {
    after
        .into_iter()
        .filter(|step| !before.contains(step))
        .collect()
}

/// Does what changes the schema, on a connection of its own, which may take as long as it needs.
async fn moved(
    ledger: &Ledger,
    work: impl AsyncFnOnce(&mut PgConnection) -> Result<(), MigrateError>,
) -> Result<(), AppError> {
    let failed = |error: &sqlx::Error| {
        failure::of(error, true, ledger.place()).at_last(
            ledger.place(),
            ledger.patience.deadline,
            true,
        )
    };
    let connection = ledger.pool.acquire().await;
    // Afterwards it is closed: its limits are not those of the others, and where it failed it may still have the lock.
    let mut connection = connection.map_err(|error| failed(&error))?.detach();
    for setting in [
        "SET statement_timeout = 0",
        "SET lock_timeout = 0",
        "SET idle_in_transaction_session_timeout = 0",
    ] {
        let set = sqlx::query(setting).execute(&mut connection).await;
        set.map_err(|error| failed(&error))?;
    }
    let done = work(&mut connection).await;
    drop(connection);
    done.map_err(|error| match &error {
        MigrateError::Execute(why) => failed(why),
        MigrateError::ExecuteMigration(why, version) => match failure::of(why, true, "") {
            Failure::Final(full @ AppError::LedgerFull { .. }) => full,
            Failure::Broken(_) | Failure::NotBegun(_) => failed(why),
            _ => AppError::LedgerNotReady {
                what: format!(
                    "migration {version} of the database {} failed, and nothing of it was done: {}",
                    ledger.place(),
                    failure::on_one_line(why)
                ),
                help: "see what it says; `app migrate status` says how far the schema is"
                    .to_owned(),
            },
        },
        other => AppError::LedgerNotReady {
            what: format!("the schema of the database {}: {other}", ledger.place()),
            help: "`app migrate status` says how it is".to_owned(),
        },
    })
}

/// Refuses to make a schema where tables have our names and are not ours.
async fn refuse_foreign(ledger: &Ledger) -> Result<(), AppError> {
    let names = &tables();
    let found: Vec<String> = ledger
        .attempts(Kind::Read, move |mut connection: Lent| async move {
            sqlx::query_scalar(
                "SELECT relname::text FROM pg_class WHERE relname = ANY($1) AND pg_table_is_visible(oid) ORDER BY 1",
            )
            .bind(names)
            .fetch_all(connection.get()?)
            .await
            .map_err(ledger.broke())
        })
        .await?;
    match found.is_empty() {
        true => Ok(()),
        false => Err(AppError::LedgerNotReady {
            what: format!(
                "the database {} has tables of somebody else: {}",
                ledger.place(),
                found.join(", ")
            ),
            help: "nothing was changed; use a database of its own: `createdb tickets`".to_owned(),
        }),
    }
}

/// The names of the tables that the migrations make, as they say.
fn tables() -> Vec<String> {
    MIGRATIONS
        .iter()
        .filter(|step| !step.migration_type.is_down_migration())
        .flat_map(|step| step.sql.as_str().lines())
        .filter_map(|line| {
            line.strip_prefix("CREATE TABLE ")?
                .split_whitespace()
                .next()
        })
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_migration_has_a_way_back() {
        let versions = |down: bool| -> Vec<i64> {
            MIGRATIONS
                .iter()
                .filter(|step| step.migration_type.is_down_migration() == down)
                .map(|step| step.version)
                .collect()
        };
        assert_eq!(versions(false), versions(true));
        let count = versions(false).len() as i64;
        assert_eq!(versions(false), (1..=count).collect::<Vec<_>>());
        for table in ["reserved_seats", "availability_snapshots"] {
            assert!(tables().contains(&table.to_owned()), "{:?}", tables());
        }
    }

    #[test]
    fn what_is_worst_is_said() {
        let said = |states: &[StepState]| {
            let steps: Vec<Step> = (1..)
                .zip(states)
                .map(|(version, state)| Step {
                    version,
                    name: String::new(),
                    state: *state,
                })
                .collect();
            verdict(&steps, "x").err().map(|error| error.to_string())
        };
        use StepState::{Applied, Different, HalfApplied, Missing, Unknown};
        assert_eq!(said(&[Applied, Applied]), None);
        let told = |states: &[StepState], words: &str| {
            let said = said(states).unwrap();
            assert!(said.contains(words), "{said}");
        };
        told(&[Missing, Missing], "no schema yet");
        told(&[Applied, Missing], "lacks migration 2");
        told(&[Applied, Missing, Unknown], "has migration 3, which");
        told(
            &[Different, Missing],
            "migration 1 of the database x is not",
        );
        told(
            &[HalfApplied, Unknown],
            "migration 1 of the database x was begun",
        );
    }
}
