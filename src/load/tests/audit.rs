//! Reading back and removing at the end, from nodes that have lost, changed, refuse and hang.

use rstest::rstest;

use super::super::audit::audit;
use super::*;

async fn audited(stage: &Stage) -> ProbeReport {
    let ended = tokio::time::timeout(SOON * 2, audit(&stage.shared)).await;
    ended.unwrap();
    stage.report()
}

/// One acknowledged key, of which nothing is left behind.
async fn one_key() -> (Stage, String, String) {
    let mut script = Script::new();
    script.on("DEL *").gives(1);
    let stage = Stage::new(SOON, script).await;
    let (name, value) = stage.acknowledged(WRITE);
    (stage, name, value)
}

/// Lost, wrong, and whether all was read.
#[rstest]
#[case::gone(Reply::Nil, (1, 0, true), "was acknowledged and is not there")]
#[case::changed("another".into(), (0, 1, true), "has another value than the one written: \"another\"")]
#[case::of_another_type(Reply::Error("WRONGTYPE Operation against a key holding the wrong kind of value".into()), (0, 1, true), "written: \"WRONGTYPE")]
#[case::locked(Reply::Error("NOPERM this user has no permissions".into()), (0, 0, false), "")]
#[case::of_nobody(Reply::Error("MOVED 7 10.9.9.9:7009".into()), (0, 0, false), "")]
#[tokio::test]
async fn what_is_read_back_instead(
    #[case] reply: Reply,
    #[case] expected: (u64, u64, bool),
    #[case] fault: &str,
) {
    let (stage, name, _) = one_key().await;
    stage.one.instead(|script| {
        script.on("GET *").gives(reply);
    });
    let report = audited(&stage).await;
    assert_eq!(
        (report.lost, report.wrong, report.audited),
        expected,
        "{report:?}"
    );
    let said = report.first_fault.unwrap_or_default();
    assert_eq!(said.starts_with(&name), !fault.is_empty(), "{said}");
    assert!(said.contains(fault), "{said}");
}

/// A redirection at the end is none that an operation met.
#[rstest]
#[case::down(|script: &mut Script| { script.on("GET *").errs("CLUSTERDOWN The cluster is down").times(3); })]
#[case::loading(|script: &mut Script| { script.on("GET *").errs("LOADING Redis is loading the dataset in memory").times(2); })]
#[case::try_again(|script: &mut Script| { script.on("GET *").errs("TRYAGAIN Multiple keys request during rehashing of slot").times(2); })]
#[case::hangs_up(|script: &mut Script| { script.on("GET *").hangs_up().times(2); })]
#[case::half(|script: &mut Script| { script.on("GET *").gives_half("half of something").times(1); })]
#[case::moved(|script: &mut Script| { script.on("GET *").errs("MOVED 7 10.0.0.2:7002"); })]
#[case::asked(|script: &mut Script| { script.on("GET *").errs("ASK 7 10.0.0.2:7002"); })]
#[tokio::test]
async fn what_passes_at_the_end_is_waited_out(#[case] first: fn(&mut Script)) {
    let (stage, name, value) = one_key().await;
    for server in [&stage.one, &stage.two] {
        server.instead(|script| {
            script.on("ASKING");
            script.on_words(["GET", &name]).gives(value.as_str());
        });
    }
    stage.one.instead(first);
    let report = audited(&stage).await;
    assert_eq!(
        (
            report.lost,
            report.wrong,
            report.left_behind,
            report.audited
        ),
        (0, 0, 0, true),
        "{report:?}"
    );
    assert_eq!(
        (
            report.moved,
            report.asked,
            report.tried_again,
            report.failed
        ),
        (0, 0, 0, 0)
    );
}

/// A write without an answer, by what is under its key.
#[rstest]
#[case::done(None, 1)]
#[case::not_done(Some(Reply::Nil), 0)]
#[case::another(Some("another".into()), 0)]
#[case::not_said(Some(Reply::Error("NOPERM no".into())), 0)]
#[tokio::test]
async fn what_became_of_a_write_without_an_answer(
    #[case] reply: Option<Reply>,
    #[case] applied: u64,
) {
    let mut script = Script::new();
    script.on("DEL *").gives(0);
    let stage = Stage::new(SOON, script).await;
    let silent = Outcome::Failed {
        kind: "no answer".into(),
        what: String::new(),
        unknown: true,
    };
    let (_, value) = stage.came_to(WRITE, silent);
    stage.one.instead(|script| {
        script
            .on("GET *")
            .gives(reply.unwrap_or(value.as_str().into()))
            .times(1);
    });
    let report = audited(&stage).await;
    assert_eq!((report.unknown, report.unknown_but_applied), (1, applied));
    assert_eq!(
        (report.lost, report.wrong, report.audited),
        (0, 0, true),
        "nobody was promised anything"
    );
    assert_eq!(stage.one.times("DEL *"), 1);
}

#[rstest]
#[case::there(|script: &mut Script| { script.on("DEL *").gives(1); }, 0)]
#[case::gone_already(|script: &mut Script| { script.on("DEL *").gives(0); }, 0)]
#[case::refused(|script: &mut Script| { script.on("DEL *").errs("NOREPLICAS Not enough good replicas to write."); }, 1)]
#[case::in_a_transaction(|script: &mut Script| { script.on("DEL *").gives(Reply::Status("QUEUED".into())); }, 1)]
#[case::hangs_up(|script: &mut Script| { script.on("DEL *").hangs_up().times(1); script.on("DEL *").gives(0); }, 0)]
#[case::moved(|script: &mut Script| { script.on("DEL *").errs("MOVED 7 10.9.9.9:7009"); }, 1)]
#[tokio::test]
async fn what_can_t_be_removed_is_counted(
    #[case] removes: fn(&mut Script),
    #[case] left_behind: u64,
) {
    let (stage, _, value) = one_key().await;
    stage.one.instead(|script| {
        removes(script);
        script.on("GET *").gives(value.as_str());
    });
    let report = audited(&stage).await;
    assert_eq!((report.left_behind, report.audited), (left_behind, true));
}

#[tokio::test]
async fn a_node_that_could_not_be_read_is_not_waited_for_for_long() {
    let (stage, ..) = one_key().await;
    stage.one.instead(|script| {
        script.on("GET *").errs("NOPERM no");
        script.on("DEL *").hangs();
    });
    let begun = Instant::now();
    let report = audited(&stage).await;
    assert!(
        begun.elapsed() < Duration::from_millis(2_500),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!((report.left_behind, report.audited), (1, false));
}

#[tokio::test]
async fn of_many_keys_each_has_its_own_answer() {
    let mut script = Script::new();
    script.on("DEL *").gives(1);
    let stage = Stage::new(SOON, script).await;
    let mut values = std::collections::BTreeMap::new();
    for number in (0..1200).step_by(2) {
        let (name, value) = stage.acknowledged(number);
        let reply = match number {
            100 | 600 => Reply::Nil,
            1000 => "another".into(),
            _ => Reply::from(value.as_str()),
        };
        values.insert(name.into_bytes(), reply);
    }
    stage.one.instead(|script| {
        script
            .on("GET *")
            .answers(move |words| values[&words[1]].clone());
    });
    let report = audited(&stage).await;
    assert_eq!(
        (report.lost, report.wrong, report.audited),
        (2, 1, true),
        "{report:?}"
    );
    assert_eq!(
        (stage.one.times("GET *"), stage.one.times("DEL *")),
        (600, 600)
    );
}
