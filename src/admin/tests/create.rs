//! Making a cluster of nodes that come late, break off, refuse and never agree.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rstest::rstest;

use super::*;
use crate::admin::{AdminError, Created, Origin, Shape, create_of};

/// A node that is fresh until it is told the first thing, and in its place from then on.
fn newcomer(number: u16) -> Script {
    let mut script = Script::new();
    let told = Arc::new(AtomicBool::new(false));
    let hears = told.clone();
    script
        .on("CONFIG SET repl-diskless-sync-delay 0")
        .answers(move |_| {
            hears.store(true, Ordering::SeqCst);
            Reply::Status("OK".to_owned())
        });
    script.on("CLUSTER NODES").answers(move |_| {
        let view = match told.load(Ordering::SeqCst) {
            true => view(number),
            false => fresh_view(number),
        };
        view.as_str().into()
    });
    script.on("DBSIZE").gives(0);
    let start = [("hz", "10"), ("cluster-node-timeout", "15000")];
    script.on("CONFIG GET *").gives(settings(&start));
    script.on("CONFIG SET cluster-node-timeout *");
    script.on("CLUSTER SET-CONFIG-EPOCH *");
    script.on("CLUSTER MEET * *");
    match number {
        1 => script.on("CLUSTER ADDSLOTSRANGE 0 16383"),
        _ => script.on("CLUSTER REPLICATE *"),
    };
    member(number, script)
}

struct Pair(ScriptServer, ScriptServer);

impl Pair {
    async fn new() -> Pair {
        Pair(
            newcomer(1).start().await.unwrap(),
            newcomer(2).start().await.unwrap(),
        )
    }

    fn of(&self, number: u16) -> &ScriptServer {
        if number == 1 { &self.0 } else { &self.1 }
    }

    /// One of them answers otherwise.
    async fn with(number: u16, otherwise: impl FnOnce(&mut Script)) -> Pair {
        let pair = Pair::new().await;
        pair.of(number).instead(otherwise);
        pair
    }

    async fn create(
        &self,
        shape: &Shape,
        origin: Origin,
        limit: Duration,
    ) -> Result<Created, AdminError> {
        create_of(&book(&[&self.0, &self.1]), shape, origin, limit, &|_| {}).await
    }
}

/// One master with all slots, and its replica.
fn shape() -> Shape {
    Shape {
        node_timeout: None,
        masters: [(name(1), "0-16383".parse().unwrap())].into(),
        replicas: [(name(2), name(1))].into(),
    }
}

/// Where in what it was asked this stands.
fn place(server: &ScriptServer, words: &str) -> usize {
    let asked = server.asked();
    let place = asked.iter().position(|asked| asked.join(" ") == words);
    place.unwrap_or_else(|| panic!("{words} is not in {asked:#?}"))
}

#[tokio::test]
async fn each_is_told_what_it_can_know_alone_before_it_meets_others() {
    let pair = Pair::new().await;
    let shape = Shape {
        node_timeout: Some(Duration::from_millis(1_500)),
        ..shape()
    };
    let phases = Mutex::new(Vec::new());
    let say = |phase: String| phases.lock().unwrap().push(phase);
    let book = book(&[&pair.0, &pair.1]);
    let created = create_of(&book, &shape, Origin::Started, SOON, &say)
        .await
        .unwrap();
    assert_eq!(created.ids[&name(1)].to_string(), ONE);
    assert_eq!(
        created.settings[&name(2)].get("cluster-node-timeout"),
        Some("15000")
    );
    for (server, epoch, other) in [(&pair.0, 1, "10.0.0.2 7002"), (&pair.1, 2, "10.0.0.1 7001")] {
        let timeout = place(server, "CONFIG SET cluster-node-timeout 1500");
        let epoch = place(server, &format!("CLUSTER SET-CONFIG-EPOCH {epoch}"));
        let met = place(server, &format!("CLUSTER MEET {other}"));
        assert!(timeout < met && epoch < met, "{:#?}", server.asked());
    }
    place(&pair.1, &format!("CLUSTER REPLICATE {ONE}"));
    let phases = phases.into_inner().unwrap();
    assert_eq!(phases[0], "waiting for redis-1, redis-2");
    assert_eq!(
        phases.last().unwrap(),
        "introducing the nodes to each other"
    );
}

#[rstest]
#[case(1, "CLUSTER NODES", "ERR This instance has cluster support disabled")]
#[case(1, "DBSIZE", "NOAUTH Authentication required.")]
#[case(
    2,
    "CONFIG GET *",
    "NOPERM this user has no permissions to run the 'config|get' command"
)]
#[case(2, "CONFIG SET cluster-node-timeout 1500", "ERR CONFIG SET failed")]
#[case(
    1,
    "CONFIG SET repl-diskless-sync-delay 0",
    "ERR unknown command 'CONFIG'"
)]
#[case(
    1,
    "CLUSTER SET-CONFIG-EPOCH 1",
    "ERR The user can assign a config epoch only when the node does not know any other node."
)]
#[case(1, "CLUSTER ADDSLOTSRANGE 0 16383", "ERR Slot 0 is already busy")]
#[case(
    2,
    "CLUSTER MEET 10.0.0.1 7001",
    "ERR Invalid node address specified: 10.0.0.1:7001"
)]
#[case(
    2,
    "CLUSTER REPLICATE 1111111111111111111111111111111111111111",
    "ERR I can only replicate a master, not a replica."
)]
#[tokio::test]
async fn a_node_that_refuses_a_command_ends_it_at_once(
    #[case] number: u16,
    #[case] command: &str,
    #[case] error: &str,
) {
    let pair = Pair::with(number, |script| {
        script.on_words(command.split(' ')).errs(error).times(1);
    })
    .await;
    let shape = Shape {
        node_timeout: Some(Duration::from_millis(1_500)),
        ..shape()
    };
    let begun = Instant::now();
    let refused = pair
        .create(&shape, Origin::Started, SOON)
        .await
        .unwrap_err();
    assert!(begun.elapsed() < SOON / 2, "{:?}", begun.elapsed());
    let (command, reply) = (command.to_owned(), error.to_owned());
    assert_eq!(
        refused,
        AdminError::Refused {
            node: name(number),
            command,
            reply
        }
    );
}

/// What a node does at first, before it does as it should.
#[rstest]
#[case::loads(1, |script: &mut Script| { script.on("CLUSTER NODES").errs(LOADING).times(2); })]
#[case::loads_its_keys(2, |script: &mut Script| { script.on("CLUSTER NODES").gives(fresh_view(2).as_str()).times(2); script.on("DBSIZE").errs(LOADING).times(2); })]
#[case::hangs(1, |script: &mut Script| { script.on("CLUSTER NODES").hangs().times(1); })]
#[case::hangs_up(2, |script: &mut Script| { script.on("CLUSTER NODES").hangs_up().times(3); })]
#[case::breaks_off(2, |script: &mut Script| { script.on("CLUSTER NODES").gives_half(fresh_view(2).as_str()).times(2); })]
#[case::does_not_know_its_master(2, |script: &mut Script| { script.on("CLUSTER REPLICATE *").errs(&format!("ERR Unknown node {ONE}")).times(3); })]
#[case::has_its_epoch(1, |script: &mut Script| { script.on("CLUSTER SET-CONFIG-EPOCH 1").errs("ERR Node config epoch is already non-zero").times(1); })]
#[case::meets_later(1, |script: &mut Script| { script.on("CLUSTER MEET * *").hangs_up().times(1); })]
#[case::meets_later(2, |script: &mut Script| { script.on("CLUSTER MEET * *").gives_half(Reply::Status("OK".into())).times(2); })]
#[case::follows_later(2, |script: &mut Script| { script.on("CLUSTER REPLICATE *").hangs_up().times(2); })]
#[tokio::test]
async fn what_passes_is_waited_out(#[case] number: u16, #[case] first: fn(&mut Script)) {
    let pair = Pair::with(number, first).await;
    pair.create(&shape(), Origin::Started, SOON).await.unwrap();
}

/// What a node says for ever once the nodes have met, and what is said of it.
#[rstest]
#[case(2, "CLUSTER NODES", LOADING, "redis-2 refused CLUSTER NODES: LOADING")]
#[case(2, "CLUSTER NODES", view(2).replace(" 0-16383", ""), "redis-2 sees redis-1 with no slots instead of slots 0-16383")]
#[case(1, "CLUSTER NODES", view(1).replace("slave 1111111111111111111111111111111111111111", "master -"), "redis-1 does not see redis-2 as a replica of redis-1 yet")]
#[case(2, "CLUSTER NODES", view(2).replace("master -", "master,fail? -"), "redis-2 suspects redis-1 of having failed")]
#[case(2, "CLUSTER NODES", view(2).replace("master -", "master,fail -"), "redis-2 takes redis-1 for failed")]
#[case(2, "CLUSTER NODES", view(2).replace("1 connected 0", "1 disconnected 0"), "redis-2 has no link to redis-1 yet")]
#[case(1, "CLUSTER NODES", view(1) + "3333333333333333333333333333333333333333 10.0.0.3:7003@17003 master - 0 0 3 connected\n", "redis-1 knows 10.0.0.3:7003, which is not part of this cluster")]
#[case(1, "CLUSTER NODES", view(1).replace("10.0.0.2:7002@17002 slave", "10.0.0.2:7002"), "redis-1 gave an answer that can't be read: CLUSTER NODES: line 2: ")]
#[case(
    1,
    "CLUSTER INFO",
    cluster_info("fail"),
    "redis-1 says cluster_state:fail"
)]
#[case(
    2,
    "INFO replication",
    "role:slave\r\nmaster_link_status:down\r\n",
    "redis-2 says master_link_status:down"
)]
#[case(
    2,
    "INFO replication",
    "role:slave\r\n",
    "redis-2 says master_link_status:unknown"
)]
#[case(
    1,
    "INFO replication",
    "role:master\r\nconnected_slaves:0\r\n",
    "redis-1 has 0 of its 1 replicas online"
)]
#[case(1, "INFO replication", replication(1).replace("online", "wait_bgsave"), "redis-1 has 0 of its 1 replicas online")]
#[case(1, "INFO replication", replication(1).replace(",lag=0", ""), "redis-1 lists its replicas in a way that can't be read: INFO: slave0 has no lag")]
#[tokio::test]
async fn what_never_comes_about_is_named_at_the_limit(
    #[case] number: u16,
    #[case] question: &str,
    #[case] reply: impl Into<String>,
    #[case] said: &str,
) {
    let reply = reply.into();
    let pair = Pair::with(number, |script| {
        if question == "CLUSTER NODES" {
            script
                .on(question)
                .gives(fresh_view(number).as_str())
                .times(1);
        }
        match reply.starts_with("LOADING") {
            true => script.on(question).errs(&reply),
            false => script.on(question).gives(reply.as_str()),
        };
    })
    .await;
    let failed = pair
        .create(&shape(), Origin::Started, SHORT)
        .await
        .unwrap_err();
    let AdminError::NoAgreement { limit, why } = failed else {
        panic!("{failed}")
    };
    assert_eq!(limit, SHORT);
    assert!(why.starts_with(said), "{why}");
}

/// A node that stops answering, and where.
#[rstest]
#[case::never_began(|script: &mut Script| { script.on("CLUSTER NODES").hangs(); })]
#[case::at_the_meeting(|script: &mut Script| { script.on("CLUSTER MEET * *").hangs(); script.on("CLUSTER NODES").gives(fresh_view(2).as_str()).times(1); script.on("CLUSTER NODES").hangs(); })]
#[case::at_last(|script: &mut Script| { script.on("CLUSTER INFO").hangs(); })]
#[tokio::test]
async fn a_node_that_hangs_is_named_at_the_limit(#[case] hangs: fn(&mut Script)) {
    let pair = Pair::new().await;
    pair.1.instead(hangs);
    let begun = Instant::now();
    let failed = pair
        .create(&shape(), Origin::Started, SHORT)
        .await
        .unwrap_err();
    assert!(begun.elapsed() < SHORT * 8, "{:?}", begun.elapsed());
    let AdminError::NoAgreement { why, .. } = failed else {
        panic!("{failed}")
    };
    assert!(why.starts_with("redis-2: no answer within"), "{why}");
}

/// What a node has been told in part can't be told again from the start.
#[rstest]
#[case::hangs_up(|script: &mut Script| { script.on("CLUSTER SET-CONFIG-EPOCH *").hangs_up().times(1); })]
#[case::half(|script: &mut Script| { script.on("CLUSTER ADDSLOTSRANGE ...").gives_half(Reply::Status("OK".into())).times(1); })]
#[tokio::test]
async fn a_node_that_breaks_off_in_the_middle_of_it_ends_it_at_once(
    #[case] breaks: fn(&mut Script),
) {
    let pair = Pair::new().await;
    pair.0.instead(breaks);
    let failed = pair
        .create(&shape(), Origin::Started, SOON)
        .await
        .unwrap_err();
    assert_eq!(failed.to_string(), "redis-1: connection closed");
}

/// Redis 6.2 has no ranges, and says so in other words than later versions say of what they don't have.
#[rstest]
#[case(
    "ERR Unknown subcommand or wrong number of arguments for 'ADDSLOTSRANGE'. Try CLUSTER HELP."
)]
#[case("ERR unknown subcommand 'ADDSLOTSRANGE'. Try CLUSTER HELP.")]
#[tokio::test]
async fn where_there_are_no_ranges_slots_are_added_one_by_one(#[case] error: &str) {
    let one = newcomer(1).start().await.unwrap();
    let shape = Shape {
        masters: [(name(1), "0-2 7".parse().unwrap())].into(),
        replicas: Default::default(),
        ..shape()
    };
    one.instead(|script| {
        script
            .on("CLUSTER ADDSLOTSRANGE 0 2 7 7")
            .errs(error)
            .times(2);
        script.on("CLUSTER ADDSLOTS 0 1 2 7").times(1);
        script
            .on("CLUSTER ADDSLOTS 0 1 2 7")
            .errs("ERR Slot 0 is already busy")
            .times(1);
        script
            .on("CLUSTER NODES")
            .gives(fresh_view(1).as_str())
            .times(1);
        let made = fresh_view(1).replace("connected", "connected 0-2 7");
        script.on("CLUSTER NODES").gives(made.as_str()).times(1);
        script.on("CLUSTER NODES").gives(fresh_view(1).as_str());
    });
    let make = || async { create_of(&book(&[&one]), &shape, Origin::Started, SOON, &|_| {}).await };
    make().await.unwrap();
    let refused = make().await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "redis-1 refused CLUSTER ADDSLOTS …: ERR Slot 0 is already busy"
    );
}

/// A node that was reset waits for as long as its node timeout before it serves; so that is short until all do.
#[rstest]
#[case(Origin::Reset, None, &["500", "15000"])]
#[case(Origin::Reset, Some(1_500), &["1500", "500", "1500"])]
#[case(Origin::Started, None, &[])]
#[case(Origin::Started, Some(1_500), &["1500"])]
#[tokio::test]
async fn nodes_that_were_reset_are_hurried_and_get_their_timeout_back(
    #[case] origin: Origin,
    #[case] timeout: Option<u64>,
    #[case] expected: &[&str],
) {
    let pair = Pair::with(1, |script| {
        script
            .on("CLUSTER INFO")
            .gives(cluster_info("fail").as_str())
            .times(3);
    })
    .await;
    let shape = Shape {
        node_timeout: timeout.map(Duration::from_millis),
        ..shape()
    };
    pair.create(&shape, origin, SOON).await.unwrap();
    let asked: Vec<String> = pair.0.asked().iter().map(|words| words.join(" ")).collect();
    let set = asked
        .iter()
        .filter_map(|command| command.strip_prefix("CONFIG SET cluster-node-timeout "));
    assert_eq!(set.collect::<Vec<_>>(), expected);
}

/// While anything else is missing, a short timeout would only make nodes suspect each other.
#[tokio::test]
async fn nobody_is_hurried_before_the_nodes_agree() {
    let pair = Pair::with(2, |script| {
        script
            .on("INFO replication")
            .gives("role:slave\r\nmaster_link_status:down\r\n")
            .times(3);
    })
    .await;
    pair.create(&shape(), Origin::Reset, SOON).await.unwrap();
    assert_eq!(pair.0.times("CONFIG SET cluster-node-timeout *"), 0);
}

#[rstest]
#[case("500")]
#[case("15000")]
#[tokio::test]
async fn a_timeout_that_can_t_be_set_is_told(#[case] value: &str) {
    let pair = Pair::with(1, |script| {
        script
            .on("CLUSTER INFO")
            .gives(cluster_info("fail").as_str())
            .times(1);
        script
            .on_words(["CONFIG", "SET", "cluster-node-timeout", value])
            .errs("ERR no")
            .times(1);
    })
    .await;
    let refused = pair
        .create(&shape(), Origin::Reset, SOON)
        .await
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("redis-1 refused CONFIG SET cluster-node-timeout {value}: ERR no")
    );
}

#[rstest]
#[case(fresh_view(2).replace("connected", "connected 5"), 0, "it owns the slots 5")]
#[case(view(2), 0, "it already knows another node, 10.0.0.1:7001")]
#[case(fresh_view(2), 3, "it has 3 keys")]
#[tokio::test]
async fn a_used_node_is_told_nothing(#[case] nodes: String, #[case] keys: i64, #[case] why: &str) {
    let pair = Pair::with(2, |script| {
        script.on("CLUSTER NODES").gives(nodes.as_str());
        script.on("DBSIZE").gives(keys);
    })
    .await;
    let failed = pair
        .create(&shape(), Origin::Started, SOON)
        .await
        .unwrap_err();
    assert_eq!(
        failed,
        AdminError::NotFresh {
            node: name(2),
            why: why.to_owned()
        }
    );
    assert_eq!(pair.1.asked().len(), 3, "{:#?}", pair.1.asked());
}
