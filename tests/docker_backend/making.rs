//! An environment is made, beside others, or called off; what it needs and does not find is named.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use labrunner::backend::{Backend, BackendError, Docker, DockerOptions};
use labrunner::lab::action::NodeChange;
use tokio_util::sync::CancellationToken;

use crate::engine::left_of;
use crate::lab::{LONG, cli, names, nodes, options, prepared, started};

#[tokio::test(flavor = "multi_thread")]
async fn two_environments_stand_side_by_side() {
    let Some(one) = started("one", &["redis-1"]).await else {
        return;
    };
    let Some(two) = started("two", &["redis-1"]).await else {
        return;
    };
    one.ok(&cli(
        7001,
        &["CONFIG", "SET", "cluster-node-timeout", "4321"],
    ))
    .await;
    assert_eq!(
        one.ok(&cli(7001, &["CONFIG", "GET", "cluster-node-timeout"]))
            .await,
        "cluster-node-timeout\n4321\n"
    );
    assert_eq!(
        two.ok(&cli(7001, &["CONFIG", "GET", "cluster-node-timeout"]))
            .await,
        "cluster-node-timeout\n15000\n"
    );
    one.remove().await;
    assert_eq!(two.ok(&cli(7001, &["PING"])).await, "PONG\n");
    two.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_is_called_off_leaves_nothing() {
    let Some(lab) = prepared("off", |_| ()).await else {
        return;
    };
    let cancel = CancellationToken::new();
    let all = names(&[
        "redis-1", "redis-2", "redis-3", "redis-4", "redis-5", "redis-6",
    ]);
    let starting = lab.docker.start(&all, &cancel);
    let calling_off = async {
        let deadline = Instant::now() + LONG;
        while left_of(&lab.run).len() < 2 {
            assert!(Instant::now() < deadline, "nothing is made");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cancel.cancel();
    };
    let (started, ()) = tokio::join!(starting, calling_off);
    assert!(
        matches!(started, Err(BackendError::Cancelled)),
        "{started:?}"
    );
    lab.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_stops_what_is_under_way() {
    let Some(lab) = prepared("under-way", |_| ()).await else {
        return;
    };
    let all = names(&["redis-1", "redis-2", "redis-3", "redis-4"]);
    let cancel = CancellationToken::new();
    let starting = lab.docker.start(&all, &cancel);
    let removing = async {
        let deadline = Instant::now() + LONG;
        while left_of(&lab.run).is_empty() {
            assert!(Instant::now() < deadline, "nothing is made");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        lab.remove().await;
    };
    let (started, ()) = tokio::join!(starting, removing);
    assert!(
        matches!(started, Err(BackendError::Cancelled)),
        "{started:?}"
    );
    assert_eq!(left_of(&lab.run), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_named_with_who_has_it() {
    let Some(lab) = started("port", &["redis-1"]).await else {
        return;
    };
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("bound").port();
    let state = tempfile::tempdir().expect("a folder");
    let wanting = |port| DockerOptions {
        first_port: Some(port),
        ..options("dk-port-2", state.path())
    };
    let first = port.min(65_528);
    let error = Docker::prepare(wanting(first)).await.expect_err("taken");
    assert_eq!(
        error.to_string(),
        format!("port {port} of 127.0.0.1 is taken by another program")
    );

    let of_node = lab.address("redis-1").reachable.port();
    let error = Docker::prepare(wanting(of_node)).await.expect_err("taken");
    assert!(matches!(error, BackendError::Unavailable { .. }));
    assert_eq!(
        error.to_string(),
        format!(
            "port {of_node} of 127.0.0.1 is taken by the container labrunner-{}-redis-1",
            lab.run
        )
    );
    lab.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_are_reserved_until_the_nodes_start_and_a_port_lost_later_is_named() {
    let Some(lab) = prepared("late-port", |_| ()).await else {
        return;
    };
    let port = lab.address("redis-1").reachable.port();
    TcpListener::bind(("127.0.0.1", port)).expect_err("reserved");
    TcpListener::bind(("0.0.0.0", port)).expect_err("reserved");
    lab.start(&["redis-1"]).await;

    // Docker gives the port up with the node, and then somebody else takes it.
    lab.ok(&nodes(NodeChange::Stop, &["redis-1"])).await;
    let taken = TcpListener::bind(("127.0.0.1", port)).expect("free");
    let error = lab
        .docker
        .start(&names(&["redis-1"]), &CancellationToken::new())
        .await
        .expect_err("taken");
    assert!(matches!(error, BackendError::Unavailable { .. }));
    assert_eq!(
        error.to_string(),
        format!("port {port} of 127.0.0.1 is taken by another program")
    );
    drop(taken);
    lab.start(&["redis-1"]).await;
    lab.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subnet_that_is_taken_is_named_with_who_has_it() {
    let Some(lab) = started("subnet", &["redis-1"]).await else {
        return;
    };
    let announced = lab.address("redis-1").announced.host;
    let subnet = announced.rsplit_once('.').expect("an address").0.to_owned();
    let state = tempfile::tempdir().expect("a folder");
    let wanting = DockerOptions {
        subnet: Some(subnet.clone()),
        ..options("dk-subnet-2", state.path())
    };
    let error = Docker::prepare(wanting).await.expect_err("taken");
    assert!(matches!(error, BackendError::Unavailable { .. }));
    assert_eq!(
        error.to_string(),
        format!(
            "the subnet {subnet}.0/24 is taken: the Docker network labrunner-{0}-labrunner-cluster of the run {0} is in it",
            lab.run
        )
    );
    lab.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_nowhere_is_told() {
    let Some(lab) = prepared("image", |_| ()).await else {
        return;
    };
    let state = tempfile::tempdir().expect("a folder");
    let image = Some("lrdock-no-such-image:1".to_owned());
    let wanting = DockerOptions {
        image,
        ..options("dk-image-2", state.path())
    };
    let error = Docker::prepare(wanting).await.expect_err("no such image");
    assert_eq!(
        error.to_string(),
        "the image lrdock-no-such-image:1 is not on this machine"
    );
    lab.remove().await;
}
