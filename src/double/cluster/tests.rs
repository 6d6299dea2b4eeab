//! The cluster as a whole.

use std::time::{Duration, Instant};

use super::*;

fn text(reply: Reply) -> String {
    match reply {
        Reply::Bulk(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn a_cluster_is_well_when_it_is_started() {
    let begun = Instant::now();
    let cluster = Cluster::builder().masters(3).replicas(1).seed(7).start().await.unwrap();
    eprintln!("started in {:?}", begun.elapsed());
    for node in 0..cluster.len() {
        let info = text(cluster.run(node, ["CLUSTER", "INFO"]));
        eprintln!("{}", text(cluster.run(node, ["CLUSTER", "NODES"])));
        assert!(info.contains("cluster_state:ok"), "{node}: {info}");
        assert!(info.contains("cluster_known_nodes:6"), "{node}: {info}");
    }
    assert!(cluster.look(|look| look.is_settled()));
}
