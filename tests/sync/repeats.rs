//! A reply that is lost after the server acted: the client asks again by itself, and nothing is done twice.

use labrunner::app::answer::ReservationState;
use labrunner::app::patterns::WriteThrough;
use labrunner::app::{Settings, Store};
use labrunner::cluster::Endpoint;

use crate::place::{MINUTE, Place, reserve, settings, settle};
use crate::proxy::Proxy;

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_does_nothing_twice() {
    let Some(place) = Place::make("a_lost_reply_does_nothing_twice").await else {
        return;
    };
    let proxy = Proxy::before(&place.cluster.addresses()).await;
    let endpoint = |at: &std::net::SocketAddr| Endpoint::new(at.ip().to_string(), at.port());
    let store = Store::connect(Settings {
        map: proxy
            .ways
            .iter()
            .map(|(node, way)| (endpoint(node), endpoint(way)))
            .collect(),
        ..settings(&place.cluster)
    })
    .await
    .unwrap();
    let through = WriteThrough::new(store.clone(), place.ledger.clone());
    let event = place.event(40).await;
    let entries = async || -> u64 { place.command(&["XLEN", &event.stream_key()]).await };
    let mut lost = 0;
    for round in 0..8 {
        let before = entries().await;
        let wanted = reserve(&event, "ann", &[round * 2, round * 2 + 1], MINUTE);
        proxy.cut(1);
        let held = store.reserve(&wanted).await.unwrap();
        lost += 1 - proxy.left();
        assert_eq!(store.reserve(&wanted).await.unwrap(), held);
        let request = settle(&event, &held, "ann");
        proxy.cut(2);
        let sold = through.confirm(&request).await.unwrap();
        lost += 2 - proxy.left();
        proxy.cut(0);
        let again = through.confirm(&request).await.unwrap();
        assert_eq!(again.done, sold.done);
        // A hold and a sale.
        assert_eq!(entries().await, before + 2);
        let state = place.store.seats(&event).await.unwrap();
        let state = state.reservations[held.reservation.as_str()].state;
        assert_eq!(state, ReservationState::Confirmed);
    }
    assert!(lost >= 16, "only {lost} replies were lost");
    let history = place.ledger.history(&event, 100).await.unwrap();
    assert_eq!(history.len(), 9);
    place.agree(&event).await;
}
