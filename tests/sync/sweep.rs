//! Payments without a sale: the money goes back, by a time that is known, and never from under a sale.

use std::time::Duration;

use labrunner::app::answer::Held;
use labrunner::app::flow::{Flow, PRICE, Paid};
use labrunner::app::ledger::PaymentState;
use labrunner::app::payment::{Answer, Charge, Gateway, Manner, TestGateway};
use labrunner::app::request::Settle;
use labrunner::app::sweep::Swept;
use labrunner::app::worker::Until;
use labrunner::app::{AppError, EventId};
use sqlx::Executor;
use tokio_util::sync::CancellationToken;

use crate::place::{LONG, MINUTE, Place, settle};

/// How long payments are left alone here.
const AGE: Duration = Duration::from_millis(1);

fn flow(place: &Place, gateway: &TestGateway) -> Flow<TestGateway> {
    Flow::new(place.store.clone(), place.ledger.clone(), gateway.clone())
}

/// Who pays for a hold dies when he has asked the gateway, or when it has answered.
async fn dies_paying(
    place: &Place,
    gateway: &TestGateway,
    request: &Settle,
    has_answer: bool,
) -> String {
    let operation = Flow::<TestGateway>::step(&request.operation, "pay").unwrap();
    let paying = Settle {
        operation,
        ..request.clone()
    };
    let payment = place.ledger.payment(&paying, PRICE).await.unwrap();
    let charge = Charge {
        id: payment.id.clone(),
        user: request.user.to_string(),
        cents: payment.cents,
    };
    let answers = gateway.charge(&charge).await;
    if has_answer {
        flow(place, gateway)
            .answered(&payment.id, &answers[0])
            .await
            .unwrap();
    }
    payment.id
}

async fn states(place: &Place) -> Vec<(String, String)> {
    let mut connection = place.database.connect().await;
    let rows = connection
        .fetch_all("SELECT id, state FROM payments ORDER BY id")
        .await;
    let text = |row: &sqlx::postgres::PgRow, at: usize| sqlx::Row::get::<String, _>(row, at);
    let rows = rows.unwrap();
    rows.iter()
        .map(|row| (text(row, 0), text(row, 1)))
        .collect()
}

async fn state_of(place: &Place, id: &str) -> String {
    let all = states(place).await;
    all.into_iter().find(|one| one.0 == id).unwrap().1
}

/// Sweeps until all is swept, and sums up.
async fn sweep_all(place: &Place, flow: &Flow<TestGateway>, done: u64) -> Swept {
    let mut all = Swept::default();
    let until = std::time::Instant::now() + LONG;
    while all.refunded + all.voided < done {
        let swept = flow.sweep(AGE, 100).await.unwrap();
        all.refunded += swept.refunded;
        all.voided += swept.voided;
        all.failed += swept.failed;
        assert!(
            std::time::Instant::now() < until,
            "{all:?} {:?}",
            states(place).await
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    all
}

async fn hold(place: &Place, event: &EventId, seat: u32, time: Duration) -> (Held, Settle) {
    let held = place.reserve(event, "ann", &[seat], time).await;
    let request = settle(event, &held, "ann");
    (held, request)
}

#[tokio::test]
async fn who_dies_between_paying_and_the_sale_gets_the_money_back_when_the_hold_has_ended() {
    let Some(place) = Place::make("who_dies_between_paying_and_the_sale").await else {
        return;
    };
    let event = place.event(10).await;
    let gateway = TestGateway::new(Manner::Ok, Duration::ZERO);
    let flow = flow(&place, &gateway);
    let short = Duration::from_millis(700);
    let (_, unknown) = hold(&place, &event, 0, short).await;
    let (_, taken) = hold(&place, &event, 1, short).await;
    let (_, lives) = hold(&place, &event, 2, MINUTE).await;
    let (_, sold) = hold(&place, &event, 3, MINUTE).await;
    let unknown_id = dies_paying(&place, &gateway, &unknown, false).await;
    let taken_id = dies_paying(&place, &gateway, &taken, true).await;
    let lives_id = dies_paying(&place, &gateway, &lives, true).await;
    assert!(matches!(flow.pay(&sold).await.unwrap(), Paid::Sold(_)));
    assert_eq!(gateway.money(), 4 * PRICE);

    let swept = sweep_all(&place, &flow, 2).await;
    assert_eq!((swept.refunded, swept.voided, swept.failed), (1, 1, 0));
    assert_eq!(gateway.money(), 2 * PRICE);
    assert_eq!(state_of(&place, &unknown_id).await, "voided");
    assert_eq!(state_of(&place, &taken_id).await, "refunded");
    // Who comes back while his hold lives has his seats; who comes back too late has his money.
    assert!(matches!(flow.pay(&lives).await.unwrap(), Paid::Sold(_)));
    assert_eq!(state_of(&place, &lives_id).await, "paid");
    for late in [&unknown, &taken] {
        let paid = flow.pay(late).await.unwrap();
        assert!(matches!(paid, Paid::Refunded(..)), "{paid:?}");
    }
    assert_eq!(gateway.money(), 2 * PRICE);
    // Nothing is left to do, and what was sold is not even looked at again.
    let looked = "SELECT count(*) FROM payments WHERE state IN ('asked', 'refund_due') OR (state = 'paid' AND sale_seen_at IS NULL)";
    place
        .until("all is closed", || async {
            flow.sweep(AGE, 100).await.unwrap();
            place.count(looked).await == 0
        })
        .await;
    assert_eq!(flow.sweep(AGE, 100).await.unwrap(), Swept::default());
    assert_eq!(gateway.money(), 2 * PRICE);
    assert_eq!(place.sold(&event).await.len(), 2);
    place.drain().await;
    place
        .until("Redis was told", || async {
            place.through.repair(100, true).await.unwrap();
            place.ledger.backlog().await.unwrap().open == 0
        })
        .await;
    place.agree(&event).await;
}

#[tokio::test]
async fn a_gateway_that_answers_after_it_was_told_to_take_nothing_is_asked_again() {
    let Some(place) = Place::make("a_gateway_that_answers_after_it_was_told").await else {
        return;
    };
    let event = place.event(2).await;
    let gateway = TestGateway::new(Manner::Ok, Duration::ZERO);
    let flow = flow(&place, &gateway);
    let (_, request) = hold(&place, &event, 0, Duration::from_millis(200)).await;
    let id = dies_paying(&place, &gateway, &request, false).await;
    assert_eq!(sweep_all(&place, &flow, 1).await.voided, 1);
    let charge = Charge {
        id: id.clone(),
        user: "ann".to_owned(),
        cents: PRICE,
    };
    assert_eq!(gateway.charge(&charge).await, [Answer::Declined]);
    assert_eq!(gateway.money(), 0);
    // Another gateway might have taken it all the same: the receipt is money that has to go back.
    let receipt = Answer::Paid {
        receipt: "late".to_owned(),
    };
    let payment = flow.answered(&id, &receipt).await.unwrap();
    assert_eq!(payment.state, PaymentState::RefundDue);
    assert_eq!(sweep_all(&place, &flow, 1).await.refunded, 1);
    assert_eq!(state_of(&place, &id).await, "refunded");
}

/// It gives nothing back, the first times that it is asked.
#[derive(Clone)]
struct Unwilling(TestGateway, std::sync::Arc<std::sync::atomic::AtomicU32>);

impl Gateway for Unwilling {
    async fn charge(&self, charge: &Charge) -> Vec<Answer> {
        self.0.charge(charge).await
    }

    async fn refund(&self, id: &str) -> bool {
        use std::sync::atomic::Ordering;
        let fewer = |left: u32| left.checked_sub(1);
        let refuses = self
            .1
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer);
        refuses.is_err() && self.0.refund(id).await
    }
}

#[tokio::test]
async fn a_cancelled_sale_whose_canceller_died_is_paid_back_however_often_the_gateway_refuses() {
    let Some(place) = Place::make("a_cancelled_sale_whose_canceller_died").await else {
        return;
    };
    let event = place.event(2).await;
    let gateway = TestGateway::new(Manner::Ok, Duration::ZERO);
    let (_, request) = hold(&place, &event, 0, MINUTE).await;
    let paid = flow(&place, &gateway).pay(&request).await.unwrap();
    let Paid::Sold(sold) = paid else {
        panic!("not sold: {paid:?}");
    };
    flow(&place, &gateway).sweep(AGE, 100).await.unwrap();
    // The sale is cancelled, and whoever did that does not come to the money: it is due back in the same moment.
    let cancel = Settle {
        operation: labrunner::app::request::OperationId::random(),
        ..request.clone()
    };
    place.through.cancel(&cancel).await.unwrap();
    assert_eq!(state_of(&place, &sold.payment.id).await, "refund_due");
    let unwilling = Unwilling(
        gateway.clone(),
        std::sync::Arc::new(std::sync::atomic::AtomicU32::new(2)),
    );
    let flow = Flow::new(place.store.clone(), place.ledger.clone(), unwilling);
    let failed = std::sync::atomic::AtomicU64::new(0);
    place
        .until("the money is back", || async {
            let swept = flow.sweep(AGE, 100).await.unwrap();
            failed.fetch_add(swept.failed, std::sync::atomic::Ordering::SeqCst);
            swept.refunded == 1
        })
        .await;
    assert_eq!((failed.into_inner(), gateway.money()), (2, 0));
    assert_eq!(state_of(&place, &sold.payment.id).await, "refunded");
}

/// A payment whose payer died; and a sale that Redis alone made of a paid hold, and alone takes back.
#[tokio::test]
async fn a_worker_sweeps_beside_draining() {
    let Some(place) = Place::make("a_worker_sweeps_beside_draining").await else {
        return;
    };
    let event = place.event(4).await;
    let gateway = TestGateway::new(Manner::Ok, Duration::ZERO);
    let (_, request) = hold(&place, &event, 0, Duration::from_millis(300)).await;
    dies_paying(&place, &gateway, &request, true).await;
    let (_, second) = hold(&place, &event, 1, MINUTE).await;
    dies_paying(&place, &gateway, &second, true).await;
    place.store.confirm(&second).await.unwrap();

    let stop = CancellationToken::new();
    let worker = place
        .worker("w", |_| {})
        .sweeping(flow(&place, &gateway), Duration::from_millis(50));
    let working = {
        let stop = stop.clone();
        tokio::spawn(async move { worker.run(Until::Stopped, &stop).await })
    };
    place
        .until("one is back, and the other is a sale", || async {
            gateway.money() == PRICE && place.sold(&event).await.len() == 1
        })
        .await;
    let cancel = Settle {
        operation: labrunner::app::request::OperationId::random(),
        ..second
    };
    place.store.cancel(&cancel).await.unwrap();
    place
        .until("the money is back", || async { gateway.money() == 0 })
        .await;
    place
        .until("that is written down", || async {
            states(&place).await.iter().all(|one| one.1 == "refunded")
        })
        .await;
    stop.cancel();
    let tally = working.await.unwrap().unwrap();
    assert_eq!(tally.swept, 2);
    assert!(place.sold(&event).await.is_empty());
}

/// Two who sweep at once, and a holder who comes back at that very moment: he is sold his seats or gets his money, never both and never neither.
#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_in_the_moment_of_the_sweep_has_his_seats_or_his_money() {
    let Some(place) = Place::make("who_comes_back_in_the_moment_of_the_sweep").await else {
        return;
    };
    let event = place.event(40).await;
    let gateway = TestGateway::new(Manner::Ok, Duration::ZERO);
    let (mut sold, mut refunded) = (0, 0);
    for seat in 0..30 {
        let time = Duration::from_millis(300);
        let (held, request) = hold(&place, &event, seat, time).await;
        dies_paying(&place, &gateway, &request, true).await;
        // Around the end of the hold, a little earlier and a little later.
        let moment = held.expires_ms + u64::from(seat) - 30;
        place
            .until("the hold is about to end", || async { now_ms() >= moment })
            .await;
        let (flow, other) = (flow(&place, &gateway), flow(&place, &gateway));
        let (_, _, paid) = tokio::join!(
            flow.sweep(AGE, 100),
            other.sweep(AGE, 100),
            flow.pay(&request)
        );
        match paid.unwrap() {
            Paid::Sold(_) => sold += 1,
            Paid::Refunded(..) => refunded += 1,
            other => panic!("{other:?}"),
        }
    }
    let flow = flow(&place, &gateway);
    place
        .until("all is closed", || async {
            flow.sweep(AGE, 100).await.unwrap();
            place
                .count("SELECT count(*) FROM payments WHERE state NOT IN ('refunded', 'paid')")
                .await
                == 0
        })
        .await;
    assert_eq!(sold + refunded, 30);
    assert_eq!(place.sold(&event).await.len() as u64, sold);
    assert_eq!(gateway.money(), sold * PRICE);
    let unpaid = "SELECT count(*) FROM reservations r WHERE state = 'confirmed' AND NOT EXISTS \
                  (SELECT FROM payments p WHERE p.reservation_id = r.id AND p.state = 'paid')";
    assert_eq!(place.count(unpaid).await, 0);
}

fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(since.unwrap().as_millis()).unwrap()
}

/// What can't be asked now is asked later: no payment is given back on a guess.
#[tokio::test]
async fn while_redis_can_t_say_whether_the_hold_lives_nothing_is_given_back() {
    let Some(mut place) = Place::make("while_redis_can_t_say").await else {
        return;
    };
    let event = place.event(2).await;
    let gateway = TestGateway::new(Manner::Ok, Duration::ZERO);
    let (_, request) = hold(&place, &event, 0, MINUTE).await;
    let id = dies_paying(&place, &gateway, &request, true).await;
    let impatient = labrunner::app::Store::connect(labrunner::app::Settings {
        deadline: Duration::from_millis(300),
        ..crate::place::settings(&place.cluster)
    });
    place.store = impatient.await.unwrap();
    for node in 0..place.cluster.addresses().len() {
        place.cluster.kill(node);
    }
    let flow = flow(&place, &gateway);
    place
        .until("it was tried", || async {
            match flow.sweep(AGE, 100).await {
                Ok(swept) => {
                    assert_eq!((swept.refunded, swept.voided), (0, 0));
                    swept.failed == 1
                }
                Err(error @ AppError::Refused(_)) => panic!("{error}"),
                Err(_) => false,
            }
        })
        .await;
    assert_eq!(state_of(&place, &id).await, "paid");
    assert_eq!(gateway.money(), PRICE);
}
