//! What comes of a look at nodes that answer late, by halves, with errors or not at all.

use std::time::Instant;

use rstest::rstest;

use super::*;
use crate::double::Clock;
use crate::observe::picture::{Canvas, Scene, draw};
use crate::observe::{Needs, Observation, Observer};
use crate::resp::RespError;

/// How long one look may take here.
const LOOK: Duration = Duration::from_millis(500);

/// Everything of the first `nodes` nodes.
fn all_of(nodes: u16) -> Needs {
    let names: std::collections::BTreeSet<_> = (1..=nodes).map(name).collect();
    Needs {
        cluster: names.clone(),
        info: names.clone(),
        keys: names,
    }
}

/// Why redis-1 is not seen.
fn why(seen: &Observation) -> &RespError {
    seen.views[&name(1)].as_ref().unwrap_err()
}

async fn well() -> ScriptServer {
    node_of("redis-7.0.15", "normal", Script::new()).await
}

#[rstest]
#[case("CLUSTER NODES", "LOADING Redis is loading the dataset in memory")]
#[case("CLUSTER INFO", "CLUSTERDOWN The cluster is down")]
#[case("INFO", "NOAUTH Authentication required.")]
#[case(
    "DBSIZE",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
)]
#[tokio::test]
async fn an_error_to_one_question_is_one_node_s_trouble(
    #[case] question: &str,
    #[case] error: &str,
) {
    let mut script = Script::new();
    script.on(question).errs(error).times(1);
    let (one, two) = (
        node_of("redis-7.0.15", "normal", script).await,
        well().await,
    );
    let observer = Observer::new(book(&[&one, &two]), SOON);
    let seen = observer.look(&all_of(2)).await;
    let broken = RespError::Broken {
        node: name(1),
        why: format!("{question}: {error}"),
    };
    assert_eq!(why(&seen), &broken);
    assert!(seen.view(&name(2)).is_some());
    // Nothing of it is left at the next look.
    let seen = observer.look(&all_of(2)).await;
    assert_eq!(seen.view(&name(1)).unwrap().keys, Some(7));
    assert_eq!(one.connections().1, 1, "an error is an answer");
}

#[rstest]
#[case("CLUSTER NODES", Reply::Nil, "not a text: Nil")]
#[case("CLUSTER NODES", "".into(), "there is no line in it")]
#[case("CLUSTER NODES", "37678d2a611309c8e2809786020bf97e25fdc99a :21001@31001 myself,mas".into(), "line 1: it ends before the master's id")]
#[case("CLUSTER NODES", "37678D2A611309C8E2809786020BF97E25FDC99A :1@2 myself,master - 0 0 0 connected".into(), "digits 0-9a-f")]
#[case("CLUSTER INFO", "cluster_state:perhaps\r\n".into(), "cluster_state")]
#[case("CLUSTER INFO", "cluster_state:ok\r\n".into(), "there is no field cluster_slots_assigned")]
#[case("INFO", "# Replication\r\nrole master\r\n".into(), "line 2: \"role master\" is not field:value")]
#[case("INFO", Reply::from(vec!["role", "master"]), "not a text: Array")]
#[case("DBSIZE", "7".into(), "not a number: Bulk")]
#[case("DBSIZE", Reply::Int(-1), "not a number of keys: -1")]
#[tokio::test]
async fn what_can_t_be_read_is_told_with_the_question_and_the_fault(
    #[case] question: &str,
    #[case] reply: Reply,
    #[case] fault: &str,
) {
    let mut script = Script::new();
    script.on(question).gives(reply);
    let one = node_of("redis-7.0.15", "normal", script).await;
    let seen = Observer::new(book(&[&one]), SOON).look(&all_of(1)).await;
    let said = why(&seen).to_string();
    assert!(
        said.starts_with(&format!("redis-1: {question}: ")),
        "{said}"
    );
    assert!(said.contains(fault), "{said}");
}

#[tokio::test]
async fn a_second_line_with_the_same_id_is_no_view() {
    let line = text("redis-7.0.15", "nodes.fresh.txt");
    let mut script = Script::new();
    script.on("CLUSTER NODES").gives(line.repeat(2).as_str());
    let one = node_of("redis-7.0.15", "normal", script).await;
    let seen = Observer::new(book(&[&one]), SOON).look(&all_of(1)).await;
    assert!(
        why(&seen).to_string().contains("already stands on line 1"),
        "{}",
        why(&seen)
    );
    assert_eq!(seen.members().len(), 0);
}

/// The three ways in which a conversation ends before its time, each at the last of four answers.
#[rstest]
#[case::hangs(|script: &mut Script| { script.on("DBSIZE").hangs().times(1); }, "redis-1: no answer within 500ms")]
#[case::hangs_up(|script: &mut Script| { script.on("DBSIZE").hangs_up().times(1); }, "redis-1: connection closed")]
#[case::half(|script: &mut Script| { script.on("INFO").gives_half("role:master\r\n").times(1); }, "redis-1: connection closed")]
#[tokio::test]
async fn half_a_conversation_is_no_view_and_the_next_one_is_whole(
    #[case] breaks: fn(&mut Script),
    #[case] said: &str,
) {
    let mut script = Script::new();
    breaks(&mut script);
    let (one, two) = (
        node_of("redis-7.0.15", "normal", script).await,
        well().await,
    );
    let observer = Observer::new(book(&[&one, &two]), LOOK);
    let seen = observer.look(&all_of(2)).await;
    assert_eq!(why(&seen).to_string(), said);
    assert!(seen.view(&name(2)).is_some());
    assert!(seen.took < SOON, "{:?}", seen.took);
    let seen = observer.look(&all_of(2)).await;
    assert_eq!(seen.view(&name(1)).map(|view| view.keys), Some(Some(7)));
    assert_eq!((one.connections().1, two.connections().1), (2, 1));
}

#[tokio::test]
async fn what_is_not_redis_at_all_is_told() {
    let mut script = Script::new();
    script.on("...").sends("HTTP/1.1 400 Bad Request\r\n\r\n");
    let one = script.start().await.unwrap();
    let seen = Observer::new(book(&[&one]), SOON).look(&all_of(1)).await;
    assert!(
        matches!(why(&seen), RespError::Broken { .. }),
        "{}",
        why(&seen)
    );
    assert!(seen.took < SOON);
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_not_taken_for_the_next_one() {
    let clock = Clock::stepped();
    let mut script = Script::new().with_clock(clock.clone());
    let old = text("redis-7.0.15", "nodes.suspected.txt");
    let hour = Duration::from_secs(3600);
    script
        .on("CLUSTER NODES")
        .after(hour)
        .gives(old.as_str())
        .times(1);
    let one = node_of("redis-7.0.15", "normal", script).await;
    let observer = Observer::new(book(&[&one]), LOOK);
    let seen = observer.look(&all_of(1)).await;
    assert!(
        matches!(why(&seen), RespError::TimedOut { .. }),
        "{}",
        why(&seen)
    );
    clock.advance(hour);
    for _ in 0..3 {
        let seen = observer.look(&all_of(1)).await;
        let view = seen.view(&name(1)).unwrap().topology.as_ref().unwrap();
        assert_eq!(view.raw, text("redis-7.0.15", "nodes.normal.txt"));
    }
}

/// Byte for byte, whatever the version adds.
#[rstest]
#[tokio::test]
async fn replies_of_every_version_are_kept_as_they_came(
    #[values("redis-6.2.5", "redis-7.0.15", "redis-8.2.3", "valkey-9.1.2")] server: &str,
    #[values("migrating", "failed", "noaddr", "fresh")] state: &str,
) {
    let mut script = Script::new();
    let whole = text(server, "info.normal.txt");
    script.on("INFO").gives(whole.as_str());
    let one = node_of(server, state, script).await;
    let seen = Observer::new(book(&[&one]), SOON).look(&all_of(1)).await;
    let view = seen.view(&name(1)).unwrap();
    let topology = view.topology.as_ref().unwrap();
    assert_eq!(topology.raw, text(server, &format!("nodes.{state}.txt")));
    assert_eq!(topology.value.to_string(), topology.raw);
    let cluster = view.cluster_info.as_ref().unwrap();
    assert_eq!(
        cluster.raw,
        text(server, &format!("cluster-info.{state}.txt"))
    );
    assert!(cluster.raw.contains("cluster_state:ok") == cluster.value.ok);
    let info = view.info.as_ref().unwrap();
    assert_eq!(info.raw, whole);
    assert_eq!(
        info.value
            .server()
            .unwrap()
            .to_string()
            .replace(' ', "-")
            .to_lowercase(),
        server
    );
}

#[tokio::test]
async fn a_node_is_asked_what_is_needed_and_no_more() {
    let (one, two) = (well().await, well().await);
    let observer = Observer::new(book(&[&one, &two]), SOON);
    let needs = Needs {
        cluster: [name(1)].into(),
        keys: [name(1), name(2)].into(),
        ..Needs::default()
    };
    for _ in 0..2 {
        let seen = observer.look(&needs).await;
        assert_eq!(seen.view(&name(1)).unwrap().info, None);
        assert_eq!(seen.view(&name(2)).unwrap().topology, None);
    }
    let look = [
        vec!["CLUSTER", "NODES"],
        vec!["CLUSTER", "INFO"],
        vec!["DBSIZE"],
    ];
    assert_eq!(one.asked(), [look.clone(), look].concat());
    assert_eq!(two.asked(), [["DBSIZE"], ["DBSIZE"]]);
    assert_eq!((one.connections(), two.connections()), ((1, 1), (1, 1)));
}

/// All hang, each for the whole time of a look: that is one look's time for all of them.
#[tokio::test]
async fn nodes_that_hang_are_waited_for_together() {
    let mut servers = Vec::new();
    for _ in 0..5 {
        let mut script = Script::new();
        script.on("...").hangs();
        servers.push(script.start().await.unwrap());
    }
    let book = book(&servers.iter().collect::<Vec<_>>());
    let begun = Instant::now();
    let seen = Observer::new(book, LOOK).look(&all_of(5)).await;
    assert!(begun.elapsed() < LOOK * 4, "{:?}", begun.elapsed());
    assert!(seen.took >= LOOK, "{:?}", seen.took);
    let silent = |view: &Result<_, _>| matches!(view, Err(RespError::TimedOut { .. }));
    assert_eq!(seen.views.values().filter(|view| silent(view)).count(), 5);
}

/// Whatever a node says stands in a terminal as plain text.
#[rstest]
#[case("CLUSTER NODES", Reply::Error("ERR \x1b[2J\x07 gone".into()))]
#[case("CLUSTER NODES", "\x1b[2J\tx\n".into())]
#[case("INFO", "role:slave\r\nmaster_link_status:\x1b[31mup\r\n".into())]
#[tokio::test]
async fn a_picture_has_no_control_signs_in_it(#[case] question: &str, #[case] reply: Reply) {
    let mut script = Script::new();
    script.on(question).gives(reply);
    let one = well().await;
    let four = node_of("redis-7.0.15", "replica", script).await;
    let two_and_three = (well().await, well().await);
    let book = book(&[&one, &two_and_three.0, &two_and_three.1, &four]);
    let mut needs = all_of(4);
    needs
        .cluster
        .retain(|node| [name(1), name(4)].contains(node));
    let observation = Observer::new(book.clone(), SOON).look(&needs).await;
    let scene = Scene {
        observation: &observation,
        book: &book,
        presence: &Default::default(),
        moving: false,
    };
    let picture = draw(
        scene,
        Canvas {
            width: 100,
            unicode: true,
        },
    );
    assert!(picture.to_string().contains("redis-4"), "{picture}");
    let spans = picture.lines.iter().flatten();
    let signs: String = spans
        .flat_map(|span| span.text.chars())
        .filter(|sign| sign.is_control())
        .collect();
    assert_eq!(signs, "", "{picture}");
}
