//! Reading keys back from nodes that redirect, stall and refuse.

use rstest::rstest;

use super::*;
use crate::admin::GivenKeys;
use crate::observe::{KeysReport, read_back};
use crate::resp::{Address, Router};

/// For a reading that can't come to its end.
const SHORT: Duration = Duration::from_millis(800);

fn keys(count: u32) -> GivenKeys {
    GivenKeys {
        count,
        hot_slot: None,
    }
}

/// The value of the first key.
fn value() -> Reply {
    keys(1).key(1).1.as_str().into()
}

/// A node without slots, in the eyes of everybody.
async fn other(script: Script) -> ScriptServer {
    script.start().await.unwrap()
}

/// The owner of all slots, and another node.
async fn owner(script: Script, other: &ScriptServer) -> (ScriptServer, AddressBook) {
    let owner = script.start().await.unwrap();
    let (at, elsewhere) = (owner.endpoint(), other.endpoint());
    let line = |id: &str, flags: &str, at: &Endpoint, slots: &str| {
        format!(
            "{} {at}@1 {flags} - 0 0 1 connected{slots}\n",
            id.repeat(40)
        )
    };
    let view = |one: &str, two: &str| {
        let lines = line("1", one, &at, " 0-16383") + &line("2", two, &elsewhere, "");
        Reply::from(lines.as_str())
    };
    let (its, theirs) = (
        view("myself,master", "master"),
        view("master", "myself,master"),
    );
    owner.instead(|script| {
        script.on("CLUSTER NODES").gives(its);
    });
    other.instead(|script| {
        script.on("CLUSTER NODES").gives(theirs);
    });
    let entry =
        |name: &str, server: &ScriptServer| -> Address { server.as_node(name, server.endpoint()) };
    let book = AddressBook::new(vec![entry("redis-1", &owner), entry("redis-2", other)]);
    (owner, book)
}

async fn read(book: &AddressBook, within: Duration, keys: &GivenKeys) -> KeysReport {
    read_back(&Router::new(book.clone(), within), keys).await
}

fn counts(report: &KeysReport) -> (u64, u64, u64, u64) {
    (report.intact, report.missing, report.changed, report.unread)
}

#[rstest]
#[case("TRYAGAIN Multiple keys request during rehashing of slot")]
#[case("CLUSTERDOWN The cluster is down")]
#[case("CLUSTERDOWN Hash slot not served")]
#[case("LOADING Redis is loading the dataset in memory")]
#[case("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.")]
#[tokio::test]
async fn what_passes_is_waited_out_and_what_stays_leaves_the_key_unread(#[case] error: &str) {
    let mut script = Script::new();
    script.on("GET *").errs(error).times(2);
    script.on("GET *").gives(value());
    let two = other(Script::new()).await;
    let (one, book) = owner(script, &two).await;
    let report = read(&book, SOON, &keys(1)).await;
    assert!(report.all_intact(), "{report:?}");
    assert_eq!(one.times("GET *"), 3);

    one.instead(|script| {
        script.on("GET *").errs(error);
    });
    let report = read(&book, SHORT, &keys(1)).await;
    assert_eq!(counts(&report), (0, 0, 0, 1));
    assert_eq!(
        report.first_fault.unwrap(),
        format!("given:000001 could not be read: redis-1 kept answering: {error}")
    );
    assert!(report.took < SOON);
}

#[rstest]
#[case("NOPERM this user has no permissions to run the 'get' command")]
#[case("NOREPLICAS Not enough good replicas to write.")]
#[case("MOVED")]
#[case("ASK 1")]
#[tokio::test]
async fn what_does_not_pass_is_asked_once_and_told(#[case] error: &str) {
    let mut script = Script::new();
    script.on("GET *").errs(error).times(1);
    let two = other(Script::new()).await;
    let (_one, book) = owner(script, &two).await;
    let report = read(&book, SOON, &keys(1)).await;
    assert_eq!(counts(&report), (0, 0, 0, 1));
    assert_eq!(
        report.first_fault.unwrap(),
        format!("given:000001 could not be read: {error}")
    );
}

#[tokio::test]
async fn a_key_that_has_moved_is_read_where_it_is() {
    let mut heir = Script::new();
    heir.on("GET *").gives(value());
    let two = other(heir).await;
    let mut script = Script::new();
    script.on("GET *").moved_to(&two).times(2);
    let (_one, book) = owner(script, &two).await;
    assert!(read(&book, SOON, &keys(1)).await.all_intact());
    assert_eq!((two.times("GET *"), two.times("ASKING")), (1, 0));
}

#[tokio::test]
async fn a_key_on_its_way_is_asked_for_where_it_goes() {
    let mut heir = Script::new();
    heir.on("ASKING").times(1);
    heir.on("GET *").gives_in_turn([value()]);
    let two = other(heir).await;
    let mut script = Script::new();
    script.on("GET *").asks(&two);
    let (_one, book) = owner(script, &two).await;
    assert!(read(&book, SOON, &keys(1)).await.all_intact());
    let asked = two.asked();
    let at = asked.iter().position(|words| words[0] == "ASKING").unwrap();
    assert_eq!(asked[at + 1][0], "GET", "in one go with it");
}

#[tokio::test]
async fn two_nodes_that_send_a_reader_to_each_other_end_with_the_time() {
    let two = other(Script::new()).await;
    let mut script = Script::new();
    script.on("GET *").moved_to(&two);
    let (one, book) = owner(script, &two).await;
    two.instead(|script| {
        script.on("GET *").moved_to(&one);
    });
    let report = read(&book, SHORT, &keys(1)).await;
    assert_eq!(counts(&report), (0, 0, 0, 1));
    let fault = report.first_fault.unwrap();
    assert!(fault.contains("kept answering: MOVED"), "{fault}");
    // With a pause after the first few: not as fast as they can answer.
    let asked = one.times("GET *") + two.times("GET *");
    assert!((5..300).contains(&asked), "{asked}");
}

#[tokio::test]
async fn an_owner_whom_the_environment_does_not_have_is_named() {
    let mut script = Script::new();
    script.on("GET *").errs("MOVED 5798 10.9.9.9:7009");
    let two = other(Script::new()).await;
    let (_one, book) = owner(script, &two).await;
    let report = read(&book, SOON, &keys(1)).await;
    assert_eq!(counts(&report), (0, 0, 0, 1));
    let fault = report.first_fault.unwrap();
    assert!(
        fault.contains("redis-1 says that 10.9.9.9:7009 has the slot"),
        "{fault}"
    );
}

/// The first of six keys is answered, and then the connection breaks, in one of three ways.
#[rstest]
#[case::hangs(|script: &mut Script| { script.on("GET given:000002").hangs().times(1); }, false)]
#[case::hangs_up(|script: &mut Script| { script.on("GET given:000002").hangs_up().times(1); }, true)]
#[case::half(|script: &mut Script| { script.on("GET given:000002").gives_half("value of").times(1); }, true)]
#[tokio::test]
async fn a_connection_that_breaks_between_two_answers(
    #[case] breaks: fn(&mut Script),
    #[case] heals: bool,
) {
    let mut script = Script::new();
    breaks(&mut script);
    for (key, value) in keys(6).iter() {
        script.on_words(["GET", &key]).gives(value.as_str());
    }
    let two = other(Script::new()).await;
    let (_one, book) = owner(script, &two).await;
    let report = read(&book, if heals { SOON } else { SHORT }, &keys(6)).await;
    // Whoever hung for the whole time left none for another attempt, and a value that came before that is none for sure.
    let expected = if heals { (6, 0, 0, 0) } else { (0, 0, 0, 6) };
    assert_eq!(counts(&report), expected, "{report:?}");
    assert!(report.took < SOON);
}

#[rstest]
#[case(Reply::Nil, (0, 1, 0, 0), "given:000001 is missing")]
#[case("another".into(), (0, 0, 1, 0), "given:000001 should be \"value of given:000001 88c168dd54d117f7\" and is \"another\"")]
#[case("value of given:000001 88c168dd54d117f7 ".into(), (0, 0, 1, 0), "and is \"value of given:000001 88c168dd54d117f7 \"")]
#[case(Reply::Error("WRONGTYPE Operation against a key holding the wrong kind of value".into()), (0, 0, 1, 0),
    "should be \"value of given:000001 88c168dd54d117f7\" and is of another type")]
#[tokio::test]
async fn what_is_there_instead_is_told(
    #[case] reply: Reply,
    #[case] expected: (u64, u64, u64, u64),
    #[case] fault: &str,
) {
    let mut script = Script::new();
    script.on("GET *").gives(reply);
    let two = other(Script::new()).await;
    let (_one, book) = owner(script, &two).await;
    let report = read(&book, SOON, &keys(1)).await;
    assert_eq!(counts(&report), expected);
    let said = report.first_fault.unwrap();
    assert!(said.contains(fault), "{said}");
}

/// Every hundredth key another fault, over several writes of a connection.
#[tokio::test]
async fn every_key_of_many_has_its_own_answer() {
    let all = keys(1200);
    let values: std::collections::BTreeMap<Vec<u8>, String> = all
        .iter()
        .map(|(key, value)| (key.into_bytes(), value))
        .collect();
    let mut script = Script::new();
    script.on("GET given:000100").gives(Reply::Nil);
    script.on("GET given:000600").gives("another");
    script.on("GET given:001100").errs("NOPERM no");
    script
        .on("GET *")
        .answers(move |words| values[&words[1]].as_str().into());
    let two = other(Script::new()).await;
    let (_one, book) = owner(script, &two).await;
    let report = read(&book, SOON, &all).await;
    assert_eq!(counts(&report), (1197, 1, 1, 1), "{report:?}");
    assert_eq!(
        report.first_fault.as_deref(),
        Some("given:000100 is missing")
    );
}
