//! The store while the slot of an event is on its way from one master to another, with some of its keys here and some there.

use std::time::Duration;

use super::{cluster, settings};
use crate::servers;
use labrunner::app::request::{CreateEvent, OperationId, Reserve, Wanted};
use labrunner::app::{EventId, Store};
use labrunner::cluster::Reply;
use labrunner::resp::Client;

struct Node {
    client: Client,
    id: String,
}

impl Node {
    async fn of(servers: &servers::Servers, name: &str) -> Node {
        let client = Client::new(servers.address(name), Duration::from_secs(5));
        let id = client.call(&["CLUSTER", "MYID"]).await.unwrap();
        Node {
            id: id.as_text().unwrap().into_owned(),
            client,
        }
    }

    async fn ok(&self, words: &[&str]) {
        let reply = self.client.call(words).await.unwrap();
        assert!(!matches!(reply, Reply::Error(_)), "{words:?}: {reply:?}");
    }

    async fn set_slot(&self, slot: &str, what: &str, node: &Node) {
        self.ok(&["CLUSTER", "SETSLOT", slot, what, &node.id]).await;
    }

    async fn migrate(&self, keys: &[&str], to: &Node) {
        let target = to.client.address().announced.clone();
        let port = target.port.to_string();
        let words = ["MIGRATE", &target.host, &port, "", "0", "5000", "KEYS"];
        self.ok(&[&words[..], keys].concat()).await;
    }
}

fn reserve(event: &EventId) -> Reserve {
    Reserve {
        event: event.clone(),
        wanted: Wanted::Any(2),
        user: "ann".parse().unwrap(),
        hold: Duration::from_secs(600),
        operation: OperationId::random(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_keys_are_in_two_places_is_read_right_and_waited_for() {
    if !servers::available("an_event_whose_keys_are_in_two_places_is_read_right_and_waited_for") {
        return;
    }
    let servers = cluster().await;
    let store = Store::connect(settings(&servers)).await.unwrap();
    let request = CreateEvent {
        name: "On its Way".parse().unwrap(),
        seats: 10,
        on_slots: Some("8192-16382".parse().unwrap()),
    };
    let event = store.create_event(&request).await.unwrap().event;
    store.reserve(&reserve(&event)).await.unwrap();
    let (from, to) = (
        Node::of(&servers, "redis-2").await,
        Node::of(&servers, "redis-1").await,
    );
    // Where the event is going, no script is known.
    to.ok(&["SCRIPT", "FLUSH"]).await;
    let slot = event.slot().to_string();
    to.set_slot(&slot, "IMPORTING", &from).await;
    from.set_slot(&slot, "MIGRATING", &to).await;
    from.migrate(&[&event.free_key()], &to).await;

    // The event itself is at its old master, its free seats are at the new one.
    for _ in 0..3 {
        let there = store.availability(&event).await.unwrap();
        assert_eq!((there.free, there.held), (8, 2));
    }
    let waiting = {
        let (store, event) = (store.clone(), event.clone());
        tokio::spawn(async move { store.reserve(&reserve(&event)).await })
    };
    // It has been told to come again.
    servers::eventually("TRYAGAIN", Duration::from_secs(5), async || {
        (store.retries().0 > 0).then_some(())
    })
    .await;
    assert!(!waiting.is_finished());
    // All that is left, the records of operations too: a master gives no slot away that it has keys of.
    let rest = from
        .client
        .call(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"])
        .await
        .unwrap();
    let rest: Vec<_> = rest
        .as_array()
        .unwrap()
        .iter()
        .map(Reply::as_text)
        .collect();
    let rest: Vec<&str> = rest.iter().map(|key| key.as_deref().unwrap()).collect();
    assert!(rest.len() > 5, "{rest:?}");
    from.migrate(&rest, &to).await;
    for node in [&to, &from] {
        node.set_slot(&slot, "NODE", &to).await;
    }
    waiting.await.unwrap().unwrap();
    assert_eq!(store.availability(&event).await.unwrap().free, 6);
    assert_eq!(store.retries().1, 0, "no client was made anew");
}
