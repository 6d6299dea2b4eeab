//! The schema: up, down, what is wrong with it, and that everything in it is explained.

use labrunner::app::AppError;
use labrunner::app::ledger::schema::{StepState, down, status, up};
use labrunner::app::ledger::{Ledger, LedgerSettings};
use sqlx::{AssertSqlSafe, Executor, Row};

use crate::databases::Database;
use crate::impatient;

fn open(database: &Database) -> Ledger {
    Ledger::open(&LedgerSettings::new(database.url())).unwrap()
}

async fn all(database: &Database, query: &str) -> Vec<String> {
    let mut connection = database.connect().await;
    let rows = connection.fetch_all(AssertSqlSafe(query.to_owned())).await;
    rows.unwrap().iter().map(|row| row.get(0)).collect()
}

/// Everything of the schema but sqlx's own table, as the catalogue has it.
async fn catalogue(database: &Database) -> Vec<String> {
    let query = "SELECT 'table ' || relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT 'function ' || proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT 'type ' || typname::text FROM pg_type WHERE typnamespace = 'public'::regnamespace
        ORDER BY 1";
    let found = all(database, query).await;
    found
        .into_iter()
        .filter(|line| !line.contains("_sqlx_migrations"))
        .collect()
}

#[tokio::test]
async fn every_step_goes_up_and_down_again() {
    let Some(database) = Database::make("every_step_goes_up_and_down_again").await else {
        return;
    };
    let ledger = open(&database);
    let empty = catalogue(&database).await;
    let made = up(&ledger).await.unwrap();
    assert_eq!(made.len(), 9);
    assert!(made.iter().all(|step| step.state == StepState::Applied));
    assert_eq!(up(&ledger).await.unwrap(), []);
    let whole = catalogue(&database).await;
    for to in (0..9).rev() {
        let undone = down(&ledger, to).await.unwrap();
        assert_eq!(undone.len(), 1, "{to}");
    }
    assert_eq!(catalogue(&database).await, empty);
    up(&ledger).await.unwrap();
    assert_eq!(catalogue(&database).await, whole);
    down(&ledger, 0).await.unwrap();
    assert_eq!(catalogue(&database).await, empty);
    assert!(matches!(
        down(&ledger, 10).await,
        Err(AppError::Invalid { .. })
    ));
}

#[tokio::test]
async fn two_who_migrate_at_once_do_not_meet() {
    let Some(database) = Database::make("two_who_migrate_at_once_do_not_meet").await else {
        return;
    };
    let (one, other) = (open(&database), open(&database));
    let (one, other) = tokio::join!(up(&one), up(&other));
    one.unwrap();
    other.unwrap();
    Ledger::connect(&LedgerSettings::new(database.url()))
        .await
        .unwrap();
}

#[tokio::test]
async fn every_table_and_column_says_what_it_is() {
    let Some(database) = Database::migrated("every_table_and_column_says_what_it_is").await else {
        return;
    };
    let without = "SELECT c.relname || coalesce('.' || a.attname, '')
        FROM pg_class c
        LEFT JOIN LATERAL (
          SELECT attnum, attname FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
          UNION ALL SELECT 0, NULL) a ON true
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> '_sqlx_migrations'";
    let everything = all(&database, without).await;
    assert!(everything.len() > 70, "{}", everything.len());
    let silent = format!(
        "{without} AND coalesce(length(col_description(c.oid, a.attnum)), length(CASE WHEN a.attnum = 0 THEN obj_description(c.oid, 'pg_class') END), 0) < 10"
    );
    assert_eq!(all(&database, &silent).await, Vec::<String>::new());
}

/// What the database itself refuses, by the name of the rule: none of it depends on the application.
#[tokio::test]
async fn the_database_refuses_what_must_not_be() {
    let Some(database) = Database::migrated("the_database_refuses_what_must_not_be").await else {
        return;
    };
    let mut connection = database.connect().await;
    connection
        .execute(
            "INSERT INTO events (id, name, seats, created_at) VALUES ('abcdefgh', 'Test', 2, now());
             INSERT INTO seats (event_id, position, label) VALUES ('abcdefgh', 0, 'A1'), ('abcdefgh', 1, 'A2');
             INSERT INTO reservations (event_id, id, user_id, state, token, version, confirmed_at)
               VALUES ('abcdefgh', 'r-1', 'ann', 'confirmed', 1, 2, now()), ('abcdefgh', 'r-2', 'ben', 'confirmed', 2, 3, now());
             INSERT INTO reserved_seats VALUES ('abcdefgh', 0, 'r-1');
             INSERT INTO history (event_id, version, kind, operation_id) VALUES ('abcdefgh', 1, 'created', 'op')",
        )
        .await
        .unwrap();
    let refused = [
        (
            "INSERT INTO reserved_seats VALUES ('abcdefgh', 0, 'r-2')",
            "reserved_seats_one_owner",
        ),
        (
            "INSERT INTO reserved_seats VALUES ('abcdefgh', 2, 'r-2')",
            "foreign key",
        ),
        (
            "INSERT INTO reserved_seats VALUES ('abcdefgh', 1, 'r-3')",
            "foreign key",
        ),
        (
            "INSERT INTO seats (event_id, position, label) VALUES ('abcdefgh', 2, 'A1')",
            "seats_label_once",
        ),
        ("UPDATE events SET sold = 3", "events_sold_within_capacity"),
        ("UPDATE events SET sold = -1", "events_sold_within_capacity"),
        ("UPDATE events SET id = 'ABCDEFGH'", "check constraint"),
        ("UPDATE reservations SET state = 'held'", "check constraint"),
        (
            "UPDATE reservations SET state = 'cancelled'",
            "reservations_state_and_times",
        ),
        (
            "UPDATE history SET kind = 'confirmed'",
            "append-only: UPDATE",
        ),
        ("DELETE FROM history", "append-only: DELETE"),
        ("TRUNCATE history", "append-only: TRUNCATE"),
        (
            "INSERT INTO history (event_id, version, kind, operation_id) VALUES ('abcdefgh', 1, 'created', 'op2')",
            "history_one_entry_a_version",
        ),
        (
            "INSERT INTO history (event_id, version, kind, operation_id) VALUES ('abcdefgh', 2, 'confirmed', 'op2')",
            "history_names_its_reservation",
        ),
        (
            "INSERT INTO availability_snapshots (event_id, seats, free, held, sold) VALUES ('abcdefgh', 2, 1, 0, 0)",
            "availability_snapshots_account_for_every_seat",
        ),
        (
            "INSERT INTO reconciliation_runs (repairs) VALUES (true)",
            "reconciliation_runs_repair_under_a_lock",
        ),
        (
            "INSERT INTO reconciliation_runs (repairs, outcome) VALUES (false, 'clean')",
            "reconciliation_runs_end_with_an_outcome",
        ),
        (
            "INSERT INTO outbox (event_id, version, kind) VALUES ('abcdefgh', 1, 'confirmed')",
            "outbox_names_its_reservation",
        ),
        (
            "INSERT INTO processed_messages VALUES ('s', '1-1'), ('s', '1-1')",
            "processed_messages_pkey",
        ),
    ];
    for (statement, rule) in refused {
        let error = connection.execute(statement).await.unwrap_err().to_string();
        assert!(error.contains(rule), "{statement}: {error}");
    }
    // A seat that was given back can be sold again.
    connection
        .execute(
            "UPDATE reserved_seats SET released_at = now(); INSERT INTO reserved_seats VALUES ('abcdefgh', 0, 'r-2')",
        )
        .await
        .unwrap();
}

#[tokio::test]
async fn a_schema_that_is_not_ours_is_told_and_left_alone() {
    let Some(database) = Database::make("a_schema_that_is_not_ours_is_told_and_left_alone").await
    else {
        return;
    };
    let mut connection = database.connect().await;
    connection
        .execute("CREATE TABLE events (day date, what text); INSERT INTO events VALUES (now(), 'a concert')")
        .await
        .unwrap();
    let error = up(&open(&database)).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("tables of somebody else: events"),
        "{error}"
    );
    assert_eq!(
        all(&database, "SELECT what FROM events").await,
        ["a concert"]
    );
    connection.execute("DROP TABLE events").await.unwrap();
    // Another program's migrations.
    connection
        .execute(
            "CREATE TABLE _sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL,
               installed_on timestamptz NOT NULL DEFAULT now(), success boolean NOT NULL, checksum bytea NOT NULL, execution_time bigint NOT NULL);
             INSERT INTO _sqlx_migrations VALUES (1, 'users', now(), true, 'x', 0)",
        )
        .await
        .unwrap();
    let error = up(&open(&database)).await.unwrap_err();
    assert!(error.to_string().contains("is not the one"), "{error}");
    assert!(down(&open(&database), 0).await.is_err());
}

#[tokio::test]
async fn what_is_wrong_with_a_schema_is_told() {
    let Some(database) = Database::make("what_is_wrong_with_a_schema_is_told").await else {
        return;
    };
    let connect = async || {
        let error = Ledger::connect(&LedgerSettings::new(database.url())).await;
        error.map(|_| ()).map_err(|error| error.to_string())
    };
    let told = async |words: &str| {
        let error = connect().await.unwrap_err();
        assert!(error.contains(words), "{error}");
    };
    told("no schema yet").await;
    let ledger = open(&database);
    up(&ledger).await.unwrap();
    connect().await.unwrap();
    down(&ledger, 6).await.unwrap();
    told("lacks migration 7, 8, 9").await;
    up(&ledger).await.unwrap();
    let mut connection = database.connect().await;
    connection
        .execute("INSERT INTO _sqlx_migrations VALUES (99, 'the future', now(), true, 'x', 0)")
        .await
        .unwrap();
    told("has migration 99, which this program does not know").await;
    assert!(up(&ledger).await.is_err());
    connection
        .execute("DELETE FROM _sqlx_migrations WHERE version = 99; UPDATE _sqlx_migrations SET success = false WHERE version = 9")
        .await
        .unwrap();
    told("migration 9 of the database").await;
    assert!(up(&ledger).await.is_err());
    let states: Vec<StepState> = status(&ledger)
        .await
        .unwrap()
        .iter()
        .map(|step| step.state)
        .collect();
    assert_eq!(states[8], StepState::HalfApplied);
}

/// A migration whose way is blocked leaves nothing behind, and goes through once the way is free.
#[tokio::test]
async fn a_migration_that_fails_leaves_nothing_half_done() {
    let Some(database) = Database::make("a_migration_that_fails_leaves_nothing_half_done").await
    else {
        return;
    };
    let ledger = open(&database);
    up(&ledger).await.unwrap();
    down(&ledger, 4).await.unwrap();
    let mut connection = database.connect().await;
    // The second table of migration 5.
    connection
        .execute("CREATE TABLE processed_messages (x int)")
        .await
        .unwrap();
    let error = up(&ledger).await.unwrap_err();
    let AppError::LedgerNotReady { what, .. } = &error else {
        panic!("{error}");
    };
    assert!(
        what.contains("migration 5") && what.contains("already exists"),
        "{what}"
    );
    assert_eq!(
        all(
            &database,
            "SELECT coalesce(to_regclass('outbox')::text, 'none')"
        )
        .await,
        ["none"]
    );
    connection
        .execute("DROP TABLE processed_messages")
        .await
        .unwrap();
    assert_eq!(up(&ledger).await.unwrap().len(), 5);
}

#[tokio::test]
async fn a_database_that_is_not_there_and_then_there() {
    let Some(database) = Database::make("a_database_that_is_not_there_and_then_there").await else {
        return;
    };
    let name = format!("{}_later", database.name);
    let settings = LedgerSettings::new(database.server.socket_url(&name));
    let ledger = Ledger::open(&settings).unwrap();
    let error = up(&ledger).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&format!("there is no database {name}")),
        "{error}"
    );
    let mut connection = database.connect().await;
    let make = format!("CREATE DATABASE {name}");
    connection.execute(AssertSqlSafe(make)).await.unwrap();
    // The same one, which had been refused.
    assert_eq!(up(&ledger).await.unwrap().len(), 9);
    Ledger::connect(&settings).await.unwrap();
}

#[tokio::test]
async fn a_database_that_is_not_there_and_one_that_does_not_let_us_in() {
    let Some(database) =
        Database::make("a_database_that_is_not_there_and_one_that_does_not_let_us_in").await
    else {
        return;
    };
    let server = database.server;
    let cases = [
        (
            server.url("postgres").replace(server.password(), "guess"),
            "wrong_password",
            "password authentication failed",
        ),
        (
            server.url("nowhere"),
            "ledger_not_ready",
            "there is no database nowhere",
        ),
        (
            "postgres://postgres@127.0.0.1:1/x".to_owned(),
            "ledger_unreachable",
            "refused",
        ),
        (
            server.url("postgres").replace("disable", "require"),
            "ledger_not_ready",
            "can't be reached as the address says",
        ),
        ("mysql://x".to_owned(), "invalid", "begin with postgres://"),
        (
            "postgres://x:secret@:port".to_owned(),
            "invalid",
            "can't be used",
        ),
    ];
    for (url, kind, words) in cases {
        let error = Ledger::connect(&impatient(&url)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        let text = error.to_string();
        assert!(text.contains(words), "{text}");
        for secret in [server.password(), "guess", "secret"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}
