//! The ledger: who gets a seat, what is refused, what a repetition gets, and how it bears what breaks.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use labrunner::app::answer::ReservationState;
use labrunner::app::ledger::{Entry, Ledger, LedgerSettings, Told};
use labrunner::app::request::{CreateEvent, OperationId, ReservationId};
use labrunner::app::{AppError, EventId, Refusal, Seat};
use labrunner::backend::postgres::{Options, Server, Stop};
use sqlx::{Executor, Row};

use crate::databases::Database;
use crate::{impatient, refusal_of};

/// An event with so many seats.
/// An event in the ledger; asked for twice under one id, it is one.
pub async fn event(ledger: &Ledger, seats: u32) -> EventId {
    let event = EventId::random();
    let request = CreateEvent {
        name: "Test".parse().unwrap(),
        seats,
        on_slots: None,
    };
    let operation = OperationId::random();
    for _ in 0..2 {
        let made = ledger.create_event(&event, &request, &operation, 1_700_000_000_000);
        assert!(made.await.unwrap());
    }
    let other = OperationId::random();
    let again = ledger.create_event(&event, &request, &other, 1);
    assert!(!again.await.unwrap());
    event
}

/// A sale of these seats.
pub fn entry(event: &EventId, user: &str, token: u64, seats: &[u32]) -> Entry {
    Entry {
        event: event.clone(),
        reservation: ReservationId::random(),
        user: user.parse().unwrap(),
        seats: seats.iter().map(|seat| Seat::at(*seat)).collect(),
        token,
        operation: OperationId::random(),
    }
}

/// What must hold in every database at any time, read by SQL of its own.
async fn sound(database: &Database) {
    let mut connection = database.connect().await;
    let wrong = connection
        .fetch_all(
            "SELECT 'sold ' || e.id FROM events e
               WHERE sold <> (SELECT count(*) FROM reserved_seats r WHERE r.event_id = e.id AND released_at IS NULL)
             UNION ALL SELECT 'versions ' || e.id FROM events e
               WHERE version <> (SELECT count(*) FROM history h WHERE h.event_id = e.id)
             UNION ALL SELECT 'owner ' || r.id FROM reservations r
               WHERE (state = 'confirmed') <> EXISTS (
                 SELECT FROM reserved_seats s WHERE s.event_id = r.event_id AND s.reservation_id = r.id AND released_at IS NULL)
             UNION ALL SELECT 'outbox ' || h.id FROM history h
               WHERE NOT EXISTS (SELECT FROM outbox o WHERE o.event_id = h.event_id AND o.version = h.version)
             UNION ALL SELECT 'token ' || s.label FROM seats s JOIN reserved_seats r USING (event_id, position)
               JOIN reservations o ON o.event_id = r.event_id AND o.id = r.reservation_id WHERE s.token < o.token",
        )
        .await
        .unwrap();
    let wrong: Vec<String> = wrong.iter().map(|row| row.get(0)).collect();
    assert_eq!(wrong, Vec::<String>::new());
}

#[tokio::test]
async fn a_seat_is_sold_once_and_can_be_sold_again_when_it_was_given_back() {
    let Some((database, ledger)) = Database::ledger("a_seat_is_sold_once").await else {
        return;
    };
    let event = event(&ledger, 4).await;
    let ann = entry(&event, "ann", 1, &[1, 0]);
    let sold = ledger.confirm(&ann).await.unwrap();
    assert_eq!((sold.state, sold.version), (ReservationState::Confirmed, 2));
    assert_eq!(sold.seats, ann.seats);
    // Asked again: the same answer, whether under the same operation or another.
    assert_eq!(ledger.confirm(&ann).await.unwrap(), sold);
    let other = Entry {
        operation: OperationId::random(),
        ..ann.clone()
    };
    assert_eq!(ledger.confirm(&other).await.unwrap().version, 2);
    let ben = entry(&event, "ben", 2, &[2, 1]);
    assert!(matches!(
        refusal_of(ledger.confirm(&ben).await),
        Refusal::HoldLost { .. }
    ));
    assert_eq!(ledger.sheet(&event).await.unwrap().unwrap().sold, 2);
    // Nothing of the refused one is there.
    assert_eq!(
        ledger.reservation(&event, &ben.reservation).await.unwrap(),
        None
    );

    let back = Entry {
        operation: OperationId::random(),
        ..ann.clone()
    };
    let cancelled = ledger.cancel(&back).await.unwrap();
    assert_eq!(
        (cancelled.state, cancelled.version, cancelled.seats.len()),
        (ReservationState::Cancelled, 3, 2)
    );
    assert_eq!(ledger.cancel(&back).await.unwrap(), cancelled);
    let late = Entry {
        operation: OperationId::random(),
        ..ann.clone()
    };
    assert!(matches!(
        refusal_of(ledger.confirm(&late).await),
        Refusal::Cancelled { .. }
    ));
    ledger.confirm(&ben).await.unwrap();
    sound(&database).await;
    let history = ledger.history(&event, 10).await.unwrap();
    let kinds: Vec<&str> = history.iter().map(|entry| entry.kind.as_str()).collect();
    assert_eq!(kinds, ["created", "confirmed", "cancelled", "confirmed"]);
}

#[tokio::test]
async fn a_holder_from_before_is_refused_by_the_token_of_the_seat() {
    let Some((database, ledger)) = Database::ledger("a_holder_from_before_is_refused").await else {
        return;
    };
    let event = event(&ledger, 2).await;
    let new = entry(&event, "new", 7, &[0]);
    ledger.confirm(&new).await.unwrap();
    let gone = Entry {
        operation: OperationId::random(),
        ..new.clone()
    };
    ledger.cancel(&gone).await.unwrap();
    let stale = entry(&event, "old", 6, &[0]);
    assert_eq!(
        refusal_of(ledger.confirm(&stale).await),
        Refusal::StaleToken { token: 7 }
    );
    // The same token is the same hold's, or one that a failover gave twice: the index decides.
    ledger
        .confirm(&entry(&event, "same", 7, &[0]))
        .await
        .unwrap();
    ledger
        .confirm(&entry(&event, "other", 1, &[1]))
        .await
        .unwrap();
    sound(&database).await;
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused() {
    let Some((_database, ledger)) = Database::ledger("what_is_asked_wrongly_is_refused").await
    else {
        return;
    };
    let event = event(&ledger, 2).await;
    let ann = entry(&event, "ann", 1, &[0]);
    ledger.confirm(&ann).await.unwrap();
    let changed = |change: &dyn Fn(&mut Entry)| {
        let mut entry = Entry {
            operation: OperationId::random(),
            ..ann.clone()
        };
        change(&mut entry);
        entry
    };
    let confirm = async |entry: Entry| refusal_of(ledger.confirm(&entry).await);
    let nobody = changed(&|entry| entry.user = "ben".parse().unwrap());
    assert!(matches!(
        confirm(nobody.clone()).await,
        Refusal::NotHolder { .. }
    ));
    assert!(matches!(
        refusal_of(ledger.cancel(&nobody).await),
        Refusal::NotHolder { .. }
    ));
    let reused = Entry {
        reservation: ReservationId::random(),
        ..ann.clone()
    };
    assert!(matches!(
        confirm(reused).await,
        Refusal::OperationReused { .. }
    ));
    let elsewhere = entry(&EventId::random(), "ann", 1, &[0]);
    assert!(matches!(
        confirm(elsewhere.clone()).await,
        Refusal::UnknownEvent { .. }
    ));
    assert!(matches!(
        refusal_of(ledger.cancel(&elsewhere).await),
        Refusal::UnknownEvent { .. }
    ));
    assert!(matches!(
        confirm(entry(&event, "ann", 1, &[5])).await,
        Refusal::NoSuchSeat { .. }
    ));
}

#[tokio::test]
async fn a_hold_that_was_cancelled_can_never_be_confirmed() {
    let Some((database, ledger)) = Database::ledger("a_hold_that_was_cancelled").await else {
        return;
    };
    let event = event(&ledger, 2).await;
    let hold = entry(&event, "ann", 1, &[0]);
    let cancelled = ledger.cancel(&hold).await.unwrap();
    assert_eq!((cancelled.seats.len(), cancelled.version), (0, 2));
    let confirm = Entry {
        operation: OperationId::random(),
        ..hold
    };
    assert!(matches!(
        refusal_of(ledger.confirm(&confirm).await),
        Refusal::Cancelled { .. }
    ));
    sound(&database).await;
}

/// Fifty at once for ten seats, with connections for some of them: each seat has one owner, and the others are told.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_each_seat_has_one_owner() {
    let Some((database, ledger)) = Database::ledger("of_many_at_once").await else {
        return;
    };
    let event = event(&ledger, 10).await;
    let asked: Vec<_> = (0..50_u32)
        .map(|n| {
            // Overlapping pairs, in both orders.
            let pair = match n % 2 {
                0 => [n % 10, (n + 1) % 10],
                _ => [(n + 1) % 10, n % 10],
            };
            let entry = entry(&event, &format!("user-{n}"), u64::from(n) + 1, &pair);
            let ledger = ledger.clone();
            tokio::spawn(async move { ledger.confirm(&entry).await })
        })
        .collect();
    let mut owned = BTreeSet::new();
    for answer in asked {
        match answer.await.unwrap() {
            Ok(sold) => {
                for seat in sold.seats {
                    assert!(owned.insert(seat.clone()), "{seat} was sold twice");
                }
            }
            Err(AppError::Refused(Refusal::HoldLost { .. } | Refusal::StaleToken { .. })) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert!(owned.len() >= 2);
    sound(&database).await;
}

/// The same operation from twenty at once is done once.
#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_many_repeat_is_done_once() {
    let Some((database, ledger)) = Database::ledger("an_operation_that_many_repeat").await else {
        return;
    };
    let event = event(&ledger, 2).await;
    let entry = entry(&event, "ann", 1, &[0]);
    let asked: Vec<_> = (0..20)
        .map(|_| {
            let (ledger, entry) = (ledger.clone(), entry.clone());
            tokio::spawn(async move { ledger.confirm(&entry).await.unwrap() })
        })
        .collect();
    for answer in asked {
        assert_eq!(answer.await.unwrap().version, 2);
    }
    assert_eq!(ledger.history(&event, 10).await.unwrap().len(), 2);
    sound(&database).await;
}

/// The server's own word for a serialisation failure, a deadlock and a shutdown, the first times that it is asked.
#[tokio::test]
async fn what_may_be_tried_again_is_and_is_done_once() {
    let Some((database, ledger)) = Database::ledger("what_may_be_tried_again").await else {
        return;
    };
    let mut connection = database.connect().await;
    for (number, code) in ["40001", "40P01", "55P03", "57P01"].iter().enumerate() {
        let event = event(&ledger, 2).await;
        let function = format!(
            "CREATE SEQUENCE tries_{number};
             CREATE FUNCTION fail_{number}() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
               IF nextval('tries_{number}') <= 2 THEN RAISE EXCEPTION 'not now' USING ERRCODE = '{code}'; END IF;
               RETURN new;
             END $$;
             CREATE TRIGGER fail BEFORE INSERT ON reservations FOR EACH ROW EXECUTE FUNCTION fail_{number}()"
        );
        connection
            .execute(sqlx::AssertSqlSafe(function))
            .await
            .unwrap();
        let sold = ledger
            .confirm(&entry(&event, "ann", 1, &[0]))
            .await
            .unwrap();
        assert_eq!(sold.version, 2);
        let drop = format!("SELECT currval('tries_{number}'); DROP TRIGGER fail ON reservations");
        let tries = connection
            .fetch_one(sqlx::AssertSqlSafe(format!(
                "SELECT last_value FROM tries_{number}"
            )))
            .await
            .unwrap();
        assert_eq!(tries.get::<i64, _>(0), 3, "{code}");
        connection
            .execute(sqlx::AssertSqlSafe(
                drop.split_once("; ").unwrap().1.to_owned(),
            ))
            .await
            .unwrap();
    }
    sound(&database).await;
}

/// What takes longer than an attempt may is done all the same: the next attempt has more time, here as well as on the server.
#[tokio::test]
async fn what_takes_longer_than_an_attempt_gets_more_time() {
    let Some((database, ledger)) = Database::ledger("what_takes_longer").await else {
        return;
    };
    let event = event(&ledger, 2).await;
    database
        .connect()
        .await
        .execute(
            "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN PERFORM pg_sleep(1); RETURN new; END $$;
             CREATE TRIGGER dawdle BEFORE INSERT ON reservations FOR EACH ROW EXECUTE FUNCTION dawdle()",
        )
        .await
        .unwrap();
    let hurried = LedgerSettings {
        attempt: Duration::from_millis(500),
        deadline: Duration::from_secs(60),
        ..LedgerSettings::new(database.url())
    };
    let hurried = Ledger::connect(&hurried).await.unwrap();
    for (user, seat) in [("ann", 0), ("ben", 1)] {
        let entry = entry(&event, user, 1, &[seat]);
        assert_eq!(
            hurried.confirm(&entry).await.unwrap().version,
            u64::from(seat) + 2
        );
    }
    sound(&database).await;
}

/// Every try has an end, also where the server never has time.
#[tokio::test]
async fn the_deadline_ends_what_never_gets_better() {
    let Some((database, ledger)) = Database::ledger("the_deadline_ends").await else {
        return;
    };
    let event = event(&ledger, 2).await;
    let hurried = Ledger::connect(&impatient(&database.url())).await.unwrap();
    let mut connection = database.connect().await;
    connection
        .execute("BEGIN; LOCK TABLE reservations IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let begun = Instant::now();
    let entry = entry(&event, "ann", 1, &[0]);
    let error = hurried.confirm(&entry).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(10), "{error}");
    assert!(
        matches!(
            error,
            AppError::Unknown { .. } | AppError::LedgerUnreachable { .. }
        ),
        "{error}"
    );
    connection.execute("ROLLBACK").await.unwrap();
    assert_eq!(hurried.confirm(&entry).await.unwrap().version, 2);
}

async fn own_server(options: Options) -> Server {
    tokio::task::spawn_blocking(move || Server::start(&options).unwrap())
        .await
        .unwrap()
}

/// The server is killed again and again under requests. What was answered is there afterwards, and nothing is there twice.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_survives_kills_of_the_server() {
    if !crate::support::may_run("postgres", "what_was_answered_survives_kills_of_the_server") {
        return;
    }
    let mut server = own_server(Options::default()).await;
    let url = server.url("postgres");
    let settings = LedgerSettings {
        deadline: Duration::from_secs(30),
        ..LedgerSettings::new(&url)
    };
    labrunner::app::ledger::schema::up(&Ledger::open(&settings).unwrap())
        .await
        .unwrap();
    let ledger = Ledger::connect(&settings).await.unwrap();
    let event = event(&ledger, 400).await;
    let done = Arc::new(AtomicUsize::new(0));
    let asking: Vec<_> = (0..8_u32)
        .map(|user| {
            let (ledger, event, done) = (ledger.clone(), event.clone(), done.clone());
            tokio::spawn(async move {
                let mut sold = Vec::new();
                for n in 0..50 {
                    let entry = entry(&event, &format!("user-{user}"), 1, &[user * 50 + n]);
                    sold.push(ledger.confirm(&entry).await.unwrap());
                    done.fetch_add(1, Ordering::Relaxed);
                }
                sold
            })
        })
        .collect();
    for quarter in 1..=3 {
        let until = Instant::now() + Duration::from_secs(60);
        while done.load(Ordering::Relaxed) < quarter * 100 {
            assert!(Instant::now() < until, "only {done:?} are sold");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server = tokio::task::spawn_blocking(move || {
            server.kill();
            server.start_again().unwrap();
            server
        })
        .await
        .unwrap();
    }
    let mut told = BTreeSet::new();
    for user in asking {
        for sold in user.await.unwrap() {
            let found = ledger.reservation(&event, &sold.reservation).await.unwrap();
            assert_eq!(found.unwrap(), sold);
            assert!(
                told.insert(sold.version),
                "two have version {}",
                sold.version
            );
        }
    }
    assert_eq!(told, (2..=401).collect());
    assert_eq!(ledger.sheet(&event).await.unwrap().unwrap().sold, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_costs_the_deadline_and_no_more() {
    if !crate::support::may_run("postgres", "a_frozen_server_costs_the_deadline_and_no_more") {
        return;
    }
    let mut server = own_server(Options::default()).await;
    let url = server.url("postgres");
    let patient = LedgerSettings::new(&url);
    labrunner::app::ledger::schema::up(&Ledger::open(&patient).unwrap())
        .await
        .unwrap();
    let patient = Ledger::connect(&patient).await.unwrap();
    let event = event(&patient, 2).await;
    let ledger = Ledger::open(&impatient(&url)).unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    let entry = entry(&event, "ann", 1, &[0]);
    loop {
        while ledger.sheet(&event).await.is_err() {
            assert!(Instant::now() < until, "no connection came about");
        }
        server.freeze();
        let begun = Instant::now();
        let error = ledger.confirm(&entry).await.unwrap_err();
        assert!(begun.elapsed() < Duration::from_secs(10), "{error}");
        server.wake();
        if error.kind() == "unknown_outcome" {
            break;
        }
        // The connection was still on its way back into the pool, and nothing was sent.
        assert_eq!(error.kind(), "ledger_unreachable", "{error}");
        assert!(Instant::now() < until, "nothing was ever sent");
    }
    let sold = patient.confirm(&entry).await.unwrap();
    assert_eq!(sold.version, 2);
    server.stop(Stop::Fast).unwrap();
    let error = ledger.sheet(&event).await.unwrap_err();
    assert_eq!(error.kind(), "ledger_unreachable", "{error}");
    server.start_again().unwrap();
    assert_eq!(patient.sheet(&event).await.unwrap().unwrap().sold, 1);
}

#[tokio::test]
async fn the_outbox_has_what_redis_was_not_told_until_it_was() {
    let Some((database, ledger)) = Database::ledger("the_outbox").await else {
        return;
    };
    let event = event(&ledger, 4).await;
    let ann = entry(&event, "ann", 1, &[0]);
    let sold = ledger.confirm(&ann).await.unwrap();
    assert_eq!(ledger.backlog().await.unwrap().open, 2);
    // Nobody takes them while whoever wrote them is about to tell.
    assert_eq!(ledger.take_tasks(10, false).await.unwrap(), []);
    let tasks = ledger.take_tasks(10, true).await.unwrap();
    assert_eq!(tasks.len(), 2);
    assert!(matches!(&tasks[0].told, Told::Created { seats: 4, .. }));
    assert_eq!(tasks[1].told, Told::Reservation(sold.clone()));
    // Whoever takes a row that is overdue gets what the reservation is by now.
    let gone = Entry {
        operation: OperationId::random(),
        ..ann.clone()
    };
    let cancelled = ledger.cancel(&gone).await.unwrap();
    let tasks = ledger.take_tasks(10, true).await.unwrap();
    assert_eq!(tasks.len(), 3);
    assert_eq!(tasks[1].told, Told::Reservation(cancelled.clone()));
    ledger
        .told(&event, Some(&ann.reservation), sold.version)
        .await
        .unwrap();
    assert_eq!(ledger.backlog().await.unwrap().open, 2);
    ledger
        .told(&event, Some(&ann.reservation), cancelled.version)
        .await
        .unwrap();
    ledger.told(&event, None, 1).await.unwrap();
    assert_eq!(ledger.backlog().await.unwrap().open, 0);

    // One that never succeeds is given up in the end, and seen.
    ledger
        .confirm(&entry(&event, "ben", 2, &[1]))
        .await
        .unwrap();
    let mut tries = 0;
    loop {
        let tasks = ledger.take_tasks(10, true).await.unwrap();
        let Some(task) = tasks.first() else { break };
        tries += 1;
        assert_eq!(task.attempts, tries);
        ledger.not_told(task, "Redis is down").await.unwrap();
    }
    let backlog = ledger.backlog().await.unwrap();
    assert_eq!((tries, backlog.open, backlog.given_up), (12, 0, 1));
    sound(&database).await;
}

#[tokio::test]
async fn sales_are_counted_by_the_database() {
    let Some((_database, ledger)) = Database::ledger("sales_are_counted").await else {
        return;
    };
    let (big, small) = (event(&ledger, 10).await, event(&ledger, 5).await);
    for (n, user) in (0..).zip(["ann", "ben", "ann"]) {
        let sold = entry(&big, user, u64::from(n) + 1, &[2 * n, 2 * n + 1]);
        ledger.confirm(&sold).await.unwrap();
        if n == 1 {
            let operation = OperationId::random();
            ledger.cancel(&Entry { operation, ..sold }).await.unwrap();
        }
    }
    ledger
        .confirm(&entry(&small, "cem", 1, &[0]))
        .await
        .unwrap();
    let sales = ledger.sales(None).await.unwrap();
    let rows: Vec<_> = sales
        .iter()
        .map(|sale| {
            (
                sale.event.as_str(),
                sale.sold,
                sale.reservations,
                sale.buyers,
                sale.cancelled,
            )
        })
        .collect();
    assert_eq!(
        rows,
        [(big.as_str(), 4, 2, 1, 1), (small.as_str(), 1, 1, 1, 0)]
    );
    assert_eq!(ledger.sales(Some(&small)).await.unwrap().len(), 1);
    assert_eq!(ledger.confirmed(&big).await.unwrap().len(), 2);
    let state = ledger.state().await.unwrap();
    assert_eq!(
        (state.events, state.confirmed, state.cancelled, state.sold),
        (2, 3, 1, 5)
    );
}
