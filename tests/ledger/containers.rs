//! One PostgreSQL and one Redis in containers of the images that labs use, reached as a developer's are: at a port that was mapped.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use labrunner::admin::{Shape, create};
use labrunner::app::ledger::{Ledger, LedgerSettings, schema};
use labrunner::app::request::{CreateEvent, OperationId, Reserve, Wanted};
use labrunner::app::{AppError, Refusal, Seat, Settings, Store};
use labrunner::cluster::{Endpoint, NodeName};
use labrunner::resp::{Address, AddressBook, Client};
use testcontainers::core::{ContainerPort, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt};

use crate::ledger::{entry, event};
use crate::place::{LONG, MINUTE, settle};
use crate::refusal_of;
use crate::support::{may_run, skip};

/// The image that labs run on, `redis` or `postgres`: the one that is named, else one that .ci/images made. None of another kind is downloaded.
fn image(kind: &str, test: &str) -> Option<GenericImage> {
    // An engine that answers.
    if !may_run("docker", test) {
        return None;
    }
    let named = std::env::var(format!("LAB_{}_IMAGE", kind.to_uppercase())).unwrap_or_default();
    let named = match named.is_empty() {
        false => named,
        true => {
            let label = format!("label=labrunner.image={kind}");
            let list = Command::new("docker")
                .args(["image", "ls", "--filter", &label])
                .args(["--format", "{{.Repository}}:{{.Tag}}"])
                .output()
                .unwrap();
            let list = String::from_utf8_lossy(&list.stdout).into_owned();
            list.lines().next().unwrap_or_default().to_owned()
        }
    };
    let there = Command::new("docker")
        .args(["image", "inspect", &named])
        .output()
        .is_ok_and(|output| output.status.success());
    if !there {
        skip("docker", test, &format!("there is no image of {kind} here"));
        return None;
    }
    let (name, tag) = named.rsplit_once(':').unwrap();
    Some(GenericImage::new(name, tag))
}

/// The port on this machine that a port of the container is mapped to; after each start it is another one.
async fn mapped(container: &ContainerAsync<GenericImage>, port: u16) -> u16 {
    container.get_host_port_ipv4(port).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_in_a_container_keeps_what_it_has_committed() {
    let test = "a_ledger_in_a_container_keeps_what_it_has_committed";
    let Some(image) = image("postgres", test) else {
        return;
    };
    let container = image
        .with_exposed_port(ContainerPort::Tcp(5432))
        .with_wait_for(WaitFor::message_on_stderr("ready to accept connections"))
        .with_env_var("POSTGRES_PASSWORD", "secret")
        .with_env_var("POSTGRES_DB", "tickets")
        // By which it is found if this is killed.
        .with_label("labrunner.run", test)
        .with_startup_timeout(LONG)
        .start()
        .await
        .unwrap();
    let settings = async || LedgerSettings {
        // A public image starts a server before the one that stays.
        deadline: LONG,
        ..LedgerSettings::new(format!(
            "postgres://postgres:secret@127.0.0.1:{}/tickets",
            mapped(&container, 5432).await
        ))
    };
    let of_first = settings().await;
    schema::up(&Ledger::open(&of_first).unwrap()).await.unwrap();
    let ledger = Ledger::connect(&of_first).await.unwrap();
    let event = event(&ledger, 10).await;
    let first = entry(&event, "ann", 1, &[0]);
    ledger.confirm(&first).await.unwrap();

    // It would wait for its clients; after a second it is killed.
    container.stop_with_timeout(Some(1)).await.unwrap();
    let away = Ledger::open(&crate::impatient(&of_first.url)).unwrap();
    let error = away
        .confirm(&entry(&event, "ann", 1, &[1]))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), "ledger_unreachable", "{error}");

    container.start().await.unwrap();
    let ledger = Ledger::connect(&settings().await).await.unwrap();
    let confirmed = ledger.confirmed(&event).await.unwrap();
    assert_eq!(confirmed.len(), 1);
    assert_eq!(confirmed[0].reservation, first.reservation);
    // Asked again under the same operation id, it is answered, and not done again.
    ledger.confirm(&first).await.unwrap();
    assert_eq!(ledger.confirmed(&event).await.unwrap().len(), 1);
    container.rm().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_are_held_in_one_node_behind_a_mapped_port() {
    let test = "seats_are_held_in_one_node_behind_a_mapped_port";
    let Some(image) = image("redis", test) else {
        return;
    };
    let container = image
        .with_exposed_port(ContainerPort::Tcp(6379))
        .with_wait_for(WaitFor::message_on_stdout("Ready to accept connections"))
        .with_cmd([
            "redis-server",
            "--cluster-enabled",
            "yes",
            "--save",
            "",
            "--protected-mode",
            "no",
        ])
        .with_label("labrunner.run", test)
        .with_startup_timeout(LONG)
        .start()
        .await
        .unwrap();
    // Nobody is there: a client that did not heed the map would get nowhere.
    let inside = "127.0.9.9";
    let outside = SocketAddr::from(([127, 0, 0, 1], mapped(&container, 6379).await));
    let address = Address {
        name: NodeName::new("redis-1"),
        announced: Endpoint::new(inside, 6379),
        reachable: outside,
    };
    let client = Client::new(address.clone(), Duration::from_secs(5));
    client
        .call(&["CONFIG", "SET", "cluster-announce-ip", inside])
        .await
        .unwrap();
    let shape = Shape {
        node_timeout: Some(Duration::from_secs(5)),
        masters: [(NodeName::new("redis-1"), "0-16383".parse().unwrap())].into(),
        replicas: [].into(),
    };
    let book = AddressBook::new(vec![address.clone()]);
    create(&book, &shape, LONG, &|_| {}).await.unwrap();
    let at = Endpoint::new(outside.ip().to_string(), outside.port());
    let store = Store::connect(Settings {
        nodes: vec![at.clone()],
        map: vec![(address.announced, at)],
        ..Settings::default()
    })
    .await
    .unwrap();
    let request = CreateEvent {
        name: "Test".parse().unwrap(),
        seats: 2,
        on_slots: None,
    };
    let event = store.create_event(&request).await.unwrap().event;
    let reserve = async |user: &str, hold: Duration| -> Result<_, AppError> {
        let request = Reserve {
            event: event.clone(),
            wanted: Wanted::These(vec![Seat::at(0)]),
            user: user.parse().unwrap(),
            hold,
            operation: OperationId::random(),
        };
        store.reserve(&request).await
    };
    let begun = Instant::now();
    let short = Duration::from_millis(700);
    reserve("ann", short).await.unwrap();
    let refused = refusal_of(reserve("ben", MINUTE).await);
    assert!(matches!(refused, Refusal::Taken { .. }), "{refused:?}");
    let held = loop {
        match reserve("ben", MINUTE).await {
            Ok(held) => break held,
            Err(error) => assert!(begun.elapsed() < LONG, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(begun.elapsed() >= short);
    store.confirm(&settle(&event, &held, "ben")).await.unwrap();
    assert_eq!(store.availability(&event).await.unwrap().sold, 1);
    container.rm().await.unwrap();
}
