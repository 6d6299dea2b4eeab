//! From the hold to the payment, with gateways of every manner.

use std::time::Duration;

use labrunner::app::Refusal;
use labrunner::app::flow::{Flow, PRICE, Paid};
use labrunner::app::ledger::PaymentState;
use labrunner::app::payment::{Answer, Manner, TestGateway};
use labrunner::app::request::{Reserve, Settle};

use crate::place::{MINUTE, Place, reserve, settle};

fn flow(place: &Place, gateway: &TestGateway, patience: Duration) -> Flow<TestGateway> {
    Flow::new(place.store.clone(), place.ledger.clone(), gateway.clone()).gateway_within(patience)
}

#[tokio::test]
async fn a_reservation_is_paid_once_however_often_that_is_asked_or_answered() {
    let Some(place) = Place::make("a_reservation_is_paid_once").await else {
        return;
    };
    let event = place.event(4).await;
    let gateway = TestGateway::new(Manner::Twice, Duration::ZERO);
    let flow = flow(&place, &gateway, MINUTE);
    let wanted = Reserve {
        ..reserve(&event, "ann", &[0, 1], MINUTE)
    };
    let held = flow.hold(&wanted).await.unwrap();
    assert_eq!(flow.hold(&wanted).await.unwrap(), held);
    let request = Settle {
        operation: wanted.operation.clone(),
        ..settle(&event, &held, "ann")
    };
    let Paid::Sold(sold) = flow.pay(&request).await.unwrap() else {
        panic!("not sold");
    };
    assert_eq!((sold.payment.cents, sold.payment.answers), (2 * PRICE, 2));
    // Again, under this id and under another.
    for again in [request.clone(), settle(&event, &held, "ann")] {
        let Paid::Sold(same) = flow.pay(&again).await.unwrap() else {
            panic!("not sold");
        };
        assert_eq!(same.payment.id, sold.payment.id);
        assert_eq!(same.confirmed.done, sold.confirmed.done);
    }
    assert_eq!(gateway.money(), 2 * PRICE);
    assert_eq!(place.count("SELECT count(*) FROM payments").await, 1);
    place.agree(&event).await;
    // Cancelled, the money goes back, once.
    for _ in 0..2 {
        let (cancelled, payment) = flow.cancel(&request_for_cancel(&request)).await.unwrap();
        assert_eq!(cancelled.done.seats, held.seats);
        assert!(payment.is_none_or(|payment| payment.state == PaymentState::Refunded));
    }
    assert_eq!(gateway.money(), 0);
    place.agree(&event).await;
}

fn request_for_cancel(request: &Settle) -> Settle {
    Settle {
        operation: format!("{}-cancel", request.operation).parse().unwrap(),
        ..request.clone()
    }
}

#[tokio::test]
async fn a_gateway_that_says_no_sells_nothing() {
    let Some(place) = Place::make("a_gateway_that_says_no").await else {
        return;
    };
    let event = place.event(2).await;
    let gateway = TestGateway::new(Manner::Fail, Duration::ZERO);
    let flow = flow(&place, &gateway, MINUTE);
    let held = place.reserve(&event, "ann", &[0], MINUTE).await;
    let request = settle(&event, &held, "ann");
    for _ in 0..2 {
        let paid = flow.pay(&request).await.unwrap();
        assert!(matches!(paid, Paid::Declined(_)), "{paid:?}");
    }
    assert!(place.sold(&event).await.is_empty());
    // A yes after the no is money that has to go back.
    let receipt = Answer::Paid {
        receipt: "late".to_owned(),
    };
    let id = format!("{}-pay", request.operation);
    let payment = flow.answered(&id, &receipt).await.unwrap();
    assert_eq!(payment.state, PaymentState::RefundDue);
    let Paid::Refunded(payment, _) = flow.pay(&request).await.unwrap() else {
        panic!("not refunded");
    };
    assert_eq!(payment.state, PaymentState::Refunded);
}

#[tokio::test]
async fn a_gateway_that_takes_longer_than_the_hold_gives_the_money_back() {
    let Some(place) = Place::make("a_gateway_that_takes_longer_than_the_hold").await else {
        return;
    };
    let event = place.event(2).await;
    let gateway = TestGateway::new(Manner::Slow, Duration::from_millis(600));
    let flow = flow(&place, &gateway, MINUTE);
    let held = place
        .reserve(&event, "ann", &[0], Duration::from_millis(300))
        .await;
    let request = settle(&event, &held, "ann");
    let Paid::Refunded(payment, why) = flow.pay(&request).await.unwrap() else {
        panic!("not refunded");
    };
    assert!(matches!(why, Refusal::Expired { .. }), "{why}");
    assert_eq!(payment.state, PaymentState::Refunded);
    assert_eq!(gateway.money(), 0);
    assert!(place.sold(&event).await.is_empty());
    // Somebody else can have the seat, and the first gets the same answer.
    place.sell(&event, "ben", &[0]).await;
    let again = flow.pay(&request).await.unwrap();
    assert!(matches!(again, Paid::Refunded(..)), "{again:?}");
    place.agree(&event).await;
}

#[tokio::test]
async fn a_gateway_that_did_not_answer_is_asked_again_under_the_same_id() {
    let Some(place) = Place::make("a_gateway_that_did_not_answer").await else {
        return;
    };
    let event = place.event(2).await;
    let slow = TestGateway::new(Manner::Slow, Duration::from_millis(300));
    let held = place.reserve(&event, "ann", &[0], MINUTE).await;
    let request = settle(&event, &held, "ann");
    let impatient = flow(&place, &slow, Duration::from_millis(50));
    let paid = impatient.pay(&request).await.unwrap();
    assert!(matches!(paid, Paid::Unanswered(_)), "{paid:?}");
    assert!(place.sold(&event).await.is_empty());
    let Paid::Sold(sold) = flow(&place, &slow, MINUTE).pay(&request).await.unwrap() else {
        panic!("not sold");
    };
    assert_eq!(sold.payment.answers, 1);
    assert_eq!(slow.money(), PRICE);
    place.agree(&event).await;
}
