//! The store against a server that misbehaves as no real one can be made to.

use std::time::{Duration, Instant};

use labrunner::app::request::{OperationId, Reserve, Wanted};
use labrunner::app::settings::Settings;
use labrunner::app::{AppError, EventId, Refusal, Store};
use labrunner::cluster::{Endpoint, Reply};
use labrunner::double::{Script, ScriptServer};

/// A reply of `CLUSTER SLOTS` in which these nodes have a half of the slots each, or one all of them.
fn slots(nodes: &[Endpoint]) -> Reply {
    let share = 16_384 / nodes.len() as i64;
    let entry = |(at, node): (usize, &Endpoint)| {
        let at = at as i64;
        let id = format!("{:040x}", node.port);
        let node = vec![
            Reply::from(node.host.as_str()),
            Reply::from(i64::from(node.port)),
            Reply::from(id.as_str()),
        ];
        let range = [Reply::from(at * share), Reply::from((at + 1) * share - 1)];
        Reply::Array(range.into_iter().chain([Reply::Array(node)]).collect())
    };
    Reply::Array(nodes.iter().enumerate().map(entry).collect())
}

/// Starts a script as the one node of a cluster.
async fn node(script: Script) -> ScriptServer {
    let server = script.start().await.unwrap();
    let all = slots(&[server.endpoint()]);
    server.instead(|script| {
        script.on("CLUSTER SLOTS").gives(all);
        script.on("PING").gives(Reply::Status("PONG".to_owned()));
    });
    server
}

async fn store(server: &ScriptServer) -> Store {
    let settings = Settings {
        nodes: vec![server.endpoint()],
        deadline: Duration::from_secs(10),
        attempt: Duration::from_millis(100),
        ..Settings::default()
    };
    Store::connect(settings).await.unwrap()
}

fn request() -> Reserve {
    Reserve {
        event: EventId::random(),
        wanted: Wanted::Any(1),
        user: "ann".parse().unwrap(),
        hold: Duration::from_secs(60),
        operation: OperationId::random(),
    }
}

fn held() -> Reply {
    Reply::from(vec!["held", "r-1", "7", "1795728009883", "A1"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_a_node_lacks_goes_in_full_once() {
    let mut script = Script::new();
    script.on("EVALSHA ...").gives_in_turn([
        Reply::Error("NOSCRIPT No matching script. Please use EVAL.".to_owned()),
        held(),
    ]);
    script.on("EVAL ...").gives_in_turn([held()]);
    let server = node(script).await;
    let store = store(&server).await;
    for _ in 0..2 {
        assert_eq!(store.reserve(&request()).await.unwrap().token, 7);
    }
    assert_eq!(store.retries(), (0, 0), "that is no trouble to be counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_is_waited_for_and_asked_again_as_the_same_operation() {
    let mut script = Script::new();
    let passing = [
        "TRYAGAIN Multiple keys request during rehashing of slot",
        "CLUSTERDOWN The cluster is down",
        "LOADING Redis is loading the dataset in memory",
        "NOREPLICAS Not enough good replicas to write.",
        "OOM command not allowed when used memory > 'maxmemory'.",
    ];
    let errors = passing.map(|text| Reply::Error(text.to_owned()));
    script
        .on("EVALSHA ...")
        .gives_in_turn(errors.into_iter().chain([held()]));
    let server = node(script).await;
    let held = store(&server).await.reserve(&request()).await.unwrap();
    assert_eq!(held.seats[0].as_str(), "A1");
    let mut asked = server.asked();
    asked.retain(|words| words[0] == "EVALSHA");
    assert_eq!(asked.len(), 6);
    // To the letter, or the node could not know that it is the same.
    assert!(
        asked.windows(2).all(|pair| pair[0] == pair[1]),
        "{asked:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_and_broken_connections_are_asked_again() {
    let mut script = Script::new();
    script.on("EVALSHA ...").hangs().times(1);
    script.on("EVALSHA ...").hangs_up().times(1);
    script.on("EVALSHA ...").gives_half(held()).times(1);
    script.on("EVALSHA ...").gives(held());
    let server = node(script).await;
    let begun = Instant::now();
    store(&server).await.reserve(&request()).await.unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "{:?}",
        begun.elapsed()
    );
    let mut asked = server.asked();
    asked.retain(|words| words[0] == "EVALSHA");
    assert!(
        asked.windows(2).all(|pair| pair[0] == pair[1]),
        "{asked:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streak_of_silence_makes_a_new_client() {
    let mut script = Script::new();
    script.on("EVALSHA ...").hangs();
    let server = node(script).await;
    let store = store(&server).await;
    let asking = tokio::spawn({
        let store = store.clone();
        async move { store.reserve(&request()).await }
    });
    let deadline = Instant::now() + Duration::from_secs(9);
    while store.retries().1 == 0 {
        assert!(Instant::now() < deadline, "no new client was made");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.instead(|script| {
        script.on("EVALSHA ...").gives(held());
    });
    asking.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deadline_is_kept_and_the_outcome_called_unknown() {
    let mut script = Script::new();
    script.on("EVALSHA ...").hangs();
    script.on("CLUSTER INFO").gives("cluster_state:ok\r\n");
    let server = node(script).await;
    let store = Store::connect(Settings {
        nodes: vec![server.endpoint()],
        deadline: Duration::from_secs(1),
        attempt: Duration::from_millis(100),
        ..Settings::default()
    })
    .await
    .unwrap();
    let begun = Instant::now();
    let error = store.reserve(&request()).await.unwrap_err();
    assert!(matches!(error, AppError::Unknown { .. }), "{error}");
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_has_moved_is_followed() {
    let mut heir = Script::new();
    heir.on("EVALSHA ...").gives(held());
    let heir = node(heir).await;
    let mut script = Script::new();
    script.on("EVALSHA ...").moved_to(&heir);
    let server = node(script).await;
    let store = store(&server).await;
    // From now on the cluster says that the slots are the other one's.
    let all = slots(&[heir.endpoint()]);
    server.instead(|script| {
        script.on("CLUSTER SLOTS").gives(all);
    });
    store.reserve(&request()).await.unwrap();
    assert_eq!(heir.times("EVALSHA ..."), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_on_its_way_is_asked_for_where_it_goes() {
    let mut heir = Script::new();
    heir.on("ASKING");
    heir.on("EVALSHA ...").gives(held());
    let heir = node(heir).await;
    let mut script = Script::new();
    script.on("EVALSHA ...").asks(&heir);
    let server = node(script).await;
    store(&server).await.reserve(&request()).await.unwrap();
    let mut asked = heir.asked();
    asked.retain(|words| ["ASKING", "EVALSHA"].contains(&words[0].as_str()));
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0][0], "ASKING");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_no_script_gives_is_told_and_not_asked_again() {
    for strange in [
        Reply::from(vec!["perhaps"]),
        Reply::from(vec!["held", "r-1", "seven", "1", "A1"]),
        Reply::from(5),
        Reply::Error("ERR value is not an integer or out of range".to_owned()),
    ] {
        let mut script = Script::new();
        script.on("EVALSHA ...").gives(strange);
        let server = node(script).await;
        let error = store(&server).await.reserve(&request()).await.unwrap_err();
        assert!(matches!(error, AppError::Unexpected { .. }), "{error}");
        assert_eq!(server.times("EVALSHA ..."), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_is_an_answer_and_not_asked_again() {
    let mut script = Script::new();
    script
        .on("EVALSHA ...")
        .gives(vec!["sold_out", "0"])
        .times(1);
    let server = node(script).await;
    let error = store(&server).await.reserve(&request()).await.unwrap_err();
    let refusal = Refusal::SoldOut { asked: 1, free: 0 };
    assert_eq!(error, AppError::Refused(refusal));
}
