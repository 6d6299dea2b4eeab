//! Several labs in one run, and what of the environment of one is used for the next.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use insta::assert_snapshot;
use labrunner::backend::{Backend, BackendError};
use labrunner::engine::event::{Event, Stamped};
use labrunner::engine::{Ending, Events, Interrupt, LabsResult, Maker, Manner, run_all};
use tokio::sync::{Barrier, Notify};

use crate::environment::{Environment, Wrong, unavailable, with_servers, without_servers};
use crate::servers;
use crate::story::{LONG, lab, line, loaded};

/// Hands out environments that were prepared.
struct Prepared {
    coming: Mutex<VecDeque<Arc<Environment>>>,
    /// Who wants a further one waits for as many as this is for, so that only labs that are run at once get any.
    together: Option<Barrier>,
    made: AtomicUsize,
    /// Tells that the last of them was handed out.
    all_made: Notify,
}

impl Prepared {
    fn new(environments: &[Arc<Environment>], together: Option<usize>) -> Self {
        Prepared {
            coming: Mutex::new(environments.iter().cloned().collect()),
            together: together.map(Barrier::new),
            made: AtomicUsize::new(0),
            all_made: Notify::new(),
        }
    }
}

#[async_trait]
impl Maker for Prepared {
    async fn make(&self) -> Result<Arc<dyn Backend>, BackendError> {
        let is_first = self.made.fetch_add(1, Ordering::Relaxed) == 0;
        if let Some(together) = self.together.as_ref().filter(|_| !is_first) {
            together.wait().await;
        }
        let mut coming = self.coming.lock().unwrap();
        let next = coming.pop_front();
        if coming.is_empty() {
            self.all_made.notify_one();
        }
        let next = next.ok_or_else(|| unavailable("there is no further environment"))?;
        Ok(next)
    }
}

struct Run {
    result: LabsResult,
    events: Vec<Stamped>,
    environments: Vec<Arc<Environment>>,
    /// Environments that nobody asked for.
    unused: usize,
}

impl Run {
    /// The story of all labs, a line an event.
    fn story(&self) -> String {
        let lines: Vec<String> = self
            .events
            .iter()
            .filter_map(|event| match &event.event {
                Event::LabStarted { title, .. } => Some(format!("# {title}")),
                Event::StepFinished { .. } | Event::Checked { .. } => None,
                Event::Scene { .. } => None,
                other => line(other),
            })
            .collect();
        format!("{}\n=> {:?}", lines.join("\n"), self.result.endings)
    }

    fn removed(&self) -> Vec<usize> {
        let removed = self.environments.iter();
        removed.map(|environment| environment.removed()).collect()
    }
}

async fn run(environments: Vec<Environment>, manner: Manner, labs: &[String]) -> Run {
    run_until(environments, manner, labs, |_, _| {}).await
}

/// One after the other, each in the environment that the one before has left.
const IN_TURN: Manner = Manner {
    fresh: false,
    at_once: None,
};

/// Runs labs; `heed` hears every event, and may interrupt the run.
async fn run_until(
    environments: Vec<Environment>,
    manner: Manner,
    labs: &[String],
    heed: impl Fn(&Event, &Interrupt) + Send + 'static,
) -> Run {
    let environments: Vec<Arc<Environment>> = environments.into_iter().map(Arc::new).collect();
    let together = manner.at_once.map(NonZeroUsize::get);
    let maker = Arc::new(Prepared::new(&environments, together));
    run_in(environments, maker, manner, labs, heed).await
}

async fn run_in(
    environments: Vec<Arc<Environment>>,
    maker: Arc<Prepared>,
    manner: Manner,
    labs: &[String],
    heed: impl Fn(&Event, &Interrupt) + Send + 'static,
) -> Run {
    let interrupt = Interrupt::default();
    let told: Arc<Mutex<Vec<Stamped>>> = Arc::default();
    let events = Arc::new(Events::new(Box::new({
        let (told, interrupt) = (told.clone(), interrupt.clone());
        move |event| {
            heed(&event.event, &interrupt);
            told.lock().unwrap().push(event.clone());
        }
    })));
    let labs = labs.iter().map(|text| loaded(text)).collect();
    let running = run_all(labs, maker.clone(), manner, &events, &interrupt);
    let result = tokio::time::timeout(LONG, running).await.unwrap();
    let events = told.lock().unwrap().clone();
    let unused = maker.coming.lock().unwrap().len();
    Run {
        result,
        events,
        environments,
        unused,
    }
}

const ONE: &str = "given: {masters: {redis-1: 0-16383}, keys: {count: 20}}";

fn say(title: &str, keys: &str) -> String {
    let step = "  - {id: say, title: T, run: redis-cli -p 7001 SAY yes, expect: [stdout: {equals: 'yes'}]}";
    lab(keys, step).replace("A lab", title)
}

/// A lab that looks that its own keys are there and nothing else is, and does more.
fn clean_slate(title: &str, more: &str) -> String {
    let look = "
  - id: look
    title: T
    run: redis-cli -p 7001 PING
    holds: [node: {name: redis-1, keys: 20}, given_keys: intact, cluster: {state: ok, known_nodes: 1}]";
    lab(ONE, &format!("{look}\n{more}")).replace("A lab", title)
}

#[tokio::test]
async fn a_lab_that_passes_leaves_its_environment_to_the_next() {
    if !servers::available("a_lab_that_passes_leaves_its_environment_to_the_next") {
        return;
    }
    let change = "  - {id: change, title: T, run: redis-cli -p 7001 SET extra 1, expect: [stdout: {equals: OK}]}
  - {id: up, title: T, run: docker compose up -d redis-2, expect: [node: {name: redis-2, running: true}]}";
    let labs = [
        clean_slate("First", change),
        clean_slate("Second", ""),
        say("Third", ""),
    ];
    let run = run(vec![with_servers(2)], IN_TURN, &labs).await;
    assert_snapshot!(run.story(), @"
    # First
    given
    1 look
      $ redis-cli -p 7001 PING
      exit 0
    2 change
      $ redis-cli -p 7001 SET extra 1
      exit 0
    3 up
      $ docker compose up -d redis-2
      exit 0
    clean
    kept
    Passed: 3 passed, 0 failed, 0 skipped, 0 not run
    # Second
    reused [redis-1] remade [] removed [redis-2]
    given
    1 look
      $ redis-cli -p 7001 PING
      exit 0
    clean
    kept
    Passed: 1 passed, 0 failed, 0 skipped, 0 not run
    # Third
    reused [] remade [] removed [redis-1]
    1 say
      $ redis-cli -p 7001 SAY yes
      exit 0
    clean
    cleaned
    Passed: 1 passed, 0 failed, 0 skipped, 0 not run
    => [Passed, Passed, Passed]
    ");
    assert_eq!(run.removed(), [1]);
    let ids: Vec<_> = run
        .events
        .iter()
        .filter_map(|event| match &event.event {
            Event::GivenReady { ids, .. } => Some(ids.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1], "a new id for every lab");
}

#[tokio::test]
async fn what_a_reset_does_not_undo_makes_the_node_anew() {
    if !servers::available("what_a_reset_does_not_undo_makes_the_node_anew") {
        return;
    }
    let debug = "  - {id: spoil, title: T, run: redis-cli -p 7001 CLIENT PAUSE 1, expect: [stdout: {equals: OK}]}";
    let set = "  - {id: set, title: T, run: redis-cli -p 7001 CONFIG SET hz 50, expect: [stdout: {equals: OK}]}";
    let stop = "  - {id: stop, title: T, run: docker stop redis-1, expect: [node: {name: redis-1, running: false}]}";
    let labs = [
        clean_slate("Spoils it", debug),
        clean_slate("Sets something", set),
        clean_slate("Stops it", stop),
        clean_slate("Last", ""),
    ];
    let run = run(vec![with_servers(1)], IN_TURN, &labs).await;
    assert_snapshot!(run.story(), @"
    # Spoils it
    given
    1 look
      $ redis-cli -p 7001 PING
      exit 0
    2 spoil
      $ redis-cli -p 7001 CLIENT PAUSE 1
      exit 0
    clean
    kept
    Passed: 2 passed, 0 failed, 0 skipped, 0 not run
    # Sets something
    reused [] remade [redis-1: it was sent CLIENT PAUSE] removed []
    given
    1 look
      $ redis-cli -p 7001 PING
      exit 0
    2 set
      $ redis-cli -p 7001 CONFIG SET hz 50
      exit 0
    clean
    kept
    Passed: 2 passed, 0 failed, 0 skipped, 0 not run
    # Stops it
    reused [redis-1] remade [] removed []
    given
    1 look
      $ redis-cli -p 7001 PING
      exit 0
    2 stop
      $ docker stop redis-1
      exit 0
    clean
    kept
    Passed: 2 passed, 0 failed, 0 skipped, 0 not run
    # Last
    reused [] remade [redis-1: it does not run] removed []
    given
    1 look
      $ redis-cli -p 7001 PING
      exit 0
    clean
    cleaned
    Passed: 1 passed, 0 failed, 0 skipped, 0 not run
    => [Passed, Passed, Passed, Passed]
    ");
    assert_eq!(run.removed(), [1]);
}

#[tokio::test]
async fn after_a_failure_the_next_lab_gets_a_new_environment() {
    let fails = lab(
        "",
        "  - {id: no, title: T, run: redis-cli -p 7001 SAY no, expect: [stdout: {equals: 'yes'}]}",
    );
    let labs = [
        say("First", ""),
        fails.replace("A lab", "Fails"),
        say("Third", ""),
    ];
    let run = run(vec![without_servers(), without_servers()], IN_TURN, &labs).await;
    assert_snapshot!(run.story(), @"
    # First
    1 say
      $ redis-cli -p 7001 SAY yes
      exit 0
    clean
    kept
    Passed: 1 passed, 0 failed, 0 skipped, 0 not run
    # Fails
    reused [] remade [] removed []
    1 no
      $ redis-cli -p 7001 SAY no
      exit 0
    clean
    cleaned
    Failed: 0 passed, 1 failed, 0 skipped, 0 not run
    # Third
    1 say
      $ redis-cli -p 7001 SAY yes
      exit 0
    clean
    cleaned
    Passed: 1 passed, 0 failed, 0 skipped, 0 not run
    => [Passed, Failed, Passed]
    ");
    assert_eq!(run.removed(), [1, 1]);
    assert_eq!(run.result.counts.passed, 2);
    assert_eq!(run.result.counts.failed, 1);
    assert_eq!(run.result.counts.not_run, 0);
}

#[tokio::test]
async fn fresh_means_an_environment_for_each() {
    let labs = [say("First", ""), say("Second", "")];
    let fresh = Manner {
        fresh: true,
        ..IN_TURN
    };
    let run = run(vec![without_servers(), without_servers()], fresh, &labs).await;
    assert_snapshot!(run.story(), @"
    # First
    1 say
      $ redis-cli -p 7001 SAY yes
      exit 0
    clean
    cleaned
    Passed: 1 passed, 0 failed, 0 skipped, 0 not run
    # Second
    1 say
      $ redis-cli -p 7001 SAY yes
      exit 0
    clean
    cleaned
    Passed: 1 passed, 0 failed, 0 skipped, 0 not run
    => [Passed, Passed]
    ");
    assert_eq!(run.removed(), [1, 1]);
}

/// So many at once, which begin only together.
fn at_once(labs: usize) -> Manner {
    Manner {
        fresh: false,
        at_once: NonZeroUsize::new(labs),
    }
}

#[tokio::test]
async fn labs_at_once_are_told_of_one_after_the_other_in_their_order() {
    let no = lab(
        "",
        "  - {id: no, title: T, run: redis-cli -p 7001 SAY no, expect: [stdout: {equals: 'yes'}]}",
    );
    let labs = [
        say("First", ""),
        no.replace("A lab", "Second"),
        say("Third", ""),
    ];
    // The first is looked at, to know what the others will be.
    let environments = (0..4).map(|_| without_servers()).collect();
    let run = run(environments, at_once(3), &labs).await;
    assert_snapshot!(run.story(), @"
    # First
    1 say
      $ redis-cli -p 7001 SAY yes
      exit 0
    clean
    cleaned
    Passed: 1 passed, 0 failed, 0 skipped, 0 not run
    # Second
    1 no
      $ redis-cli -p 7001 SAY no
      exit 0
    clean
    cleaned
    Failed: 0 passed, 1 failed, 0 skipped, 0 not run
    # Third
    1 say
      $ redis-cli -p 7001 SAY yes
      exit 0
    clean
    cleaned
    Passed: 1 passed, 0 failed, 0 skipped, 0 not run
    => [Passed, Failed, Passed]
    ");
    assert_eq!(run.removed(), [1; 4]);
    assert_eq!(run.result.counts.passed, 2);
    assert_eq!(run.result.counts.failed, 1);
    assert_eq!(run.result.counts.not_run, 0);
}

#[tokio::test]
async fn of_labs_at_once_those_go_first_that_judge_latencies_and_only_until_they_have() {
    let judges = lab(
        "",
        r#"
  - {id: measure, title: T, run: "./app load-test --users 10 --json", expect: [json: {path: .latency_ms.mean, is: "<= 12"}]}
  - {id: more, title: T, run: "./app load-test --users 20 --json", expect: [json: {path: .latency_ms.mean, is: "<= 12"}]}
  - {id: after, title: T, run: redis-cli -p 7001 AWAIT others, expect: [stdout: {equals: others}]}"#,
    );
    let counts = lab(
        "",
        r#"
  - {id: load, title: T, run: "./app load-test --users 10 --json", expect: [json: {path: .latency_ms.mean, is: "<= 12"}], background: true}
  - {id: end, title: T, await: load}
  - {id: say, title: T, run: "make load-test USERS=50 SEATS=2", expect: [stdout: {contains: Successful}]}"#,
    );
    let labs = [
        say("First", ""),
        counts.replace("A lab", "Second"),
        judges.replace("A lab", "Third"),
    ];
    let environments = (0..4).map(|_| Arc::new(without_servers()));
    let environments: Vec<Arc<Environment>> = environments.collect();
    let maker = Arc::new(Prepared::new(&environments, None));
    // The lab that goes first can't end before the others have begun.
    let others = tokio::spawn({
        let (environments, maker) = (environments.clone(), maker.clone());
        async move {
            maker.all_made.notified().await;
            environments.iter().for_each(|it| it.release("others"));
        }
    });
    let run = run_in(environments, maker, at_once(3), &labs, |_, _| {}).await;
    others.abort();
    assert_eq!(run.result.endings, [Ending::Passed; 3]);
    let at = |wanted: &dyn Fn(&Event) -> bool| {
        let found = run.events.iter().filter(|stamped| wanted(&stamped.event));
        found.map(|stamped| stamped.at).collect::<Vec<_>>()
    };
    let judged = at(&|event| matches!(event, Event::StepFinished { step, .. } if step == "more"));
    let started = at(&|event| matches!(event, Event::LabStarted { .. }));
    assert!(
        started[0] >= judged[0] && started[1] >= judged[0] && started[2] < judged[0],
        "{started:?} {judged:?}"
    );
}

#[tokio::test]
async fn of_labs_at_once_no_further_one_begins_when_one_finds_no_environment() {
    let labs = [
        say("First", ""),
        say("Second", ""),
        say("Third", ""),
        say("Fourth", ""),
    ];
    // There is only the one that is looked at. None of the three passes, so the fourth is given no place by one that did, before anything
    // is known of the others.
    let run = run(vec![without_servers()], at_once(3), &labs).await;
    assert_eq!(run.result.endings, [Ending::Unavailable; 3]);
    assert_eq!(run.removed(), [1]);
    assert_eq!(run.result.counts.failed, 3);
    assert_eq!(run.result.counts.not_run, 1);
}

#[tokio::test]
async fn of_labs_at_once_one_that_runs_goes_on_when_others_find_no_environment() {
    let labs = [say("First", ""), say("Second", ""), say("Third", "")];
    let run = run(
        vec![without_servers(), without_servers()],
        at_once(3),
        &labs,
    )
    .await;
    assert_eq!(run.removed(), [1, 1]);
    assert_eq!(run.result.counts.passed, 1);
    assert_eq!(run.result.counts.failed, 2);
    assert_eq!(run.result.counts.not_run, 0);
}

#[tokio::test]
async fn an_environment_that_cannot_be_made_ready_is_replaced_and_no_lab_fails_for_it() {
    if !servers::available("an_environment_that_cannot_be_made_ready_is_replaced") {
        return;
    }
    let stubborn = with_servers(1).with(Wrong {
        nodes_stay: true,
        ..Wrong::default()
    });
    let labs = [
        clean_slate("First", ""),
        say("Second", ""),
        say("Third", ""),
    ];
    let run = run(vec![stubborn, without_servers()], IN_TURN, &labs).await;
    assert_snapshot!(run.story(), @"
    # First
    given
    1 look
      $ redis-cli -p 7001 PING
      exit 0
    clean
    kept
    Passed: 1 passed, 0 failed, 0 skipped, 0 not run
    # Second
    not reused: the nodes can't be removed
    1 say
      $ redis-cli -p 7001 SAY yes
      exit 0
    clean
    kept
    Passed: 1 passed, 0 failed, 0 skipped, 0 not run
    # Third
    reused [] remade [] removed []
    1 say
      $ redis-cli -p 7001 SAY yes
      exit 0
    clean
    cleaned
    Passed: 1 passed, 0 failed, 0 skipped, 0 not run
    => [Passed, Passed, Passed]
    ");
    // Removed by the lab that gave it up, and by nobody else.
    assert_eq!(run.removed(), [1, 1]);
}

#[tokio::test]
async fn where_nothing_can_take_its_place_the_run_ends() {
    if !servers::available("where_nothing_can_take_its_place_the_run_ends") {
        return;
    }
    let stubborn = || {
        with_servers(1).with(Wrong {
            nodes_stay: true,
            ..Wrong::default()
        })
    };
    let labs = [
        clean_slate("First", ""),
        say("Second", ""),
        say("Third", ""),
    ];
    let none_left = run(vec![stubborn()], IN_TURN, &labs).await;
    assert_snapshot!(none_left.story(), @"
    # First
    given
    1 look
      $ redis-cli -p 7001 PING
      exit 0
    clean
    kept
    Passed: 1 passed, 0 failed, 0 skipped, 0 not run
    # Second
    not reused: the nodes can't be removed
      trouble: there is no further environment
    clean
    cleaned
    Broken: 0 passed, 0 failed, 0 skipped, 1 not run
    => [Passed, Unavailable]
    ");
    assert_eq!(none_left.result.counts.not_run, 1);

    let resists = with_servers(1).with(Wrong {
        nodes_stay: true,
        remove_fails: Some(crate::environment::broken("a container resists")),
        ..Wrong::default()
    });
    let left = run(vec![resists, without_servers()], IN_TURN, &labs).await;
    assert_snapshot!(left.story(), @"
    # First
    given
    1 look
      $ redis-cli -p 7001 PING
      exit 0
    clean
    kept
    Passed: 1 passed, 0 failed, 0 skipped, 0 not run
    # Second
    not reused: the nodes can't be removed
      trouble: the environment of the lab before can't be removed: a container resists
    clean
    left: a container resists
    Broken: 0 passed, 0 failed, 0 skipped, 1 not run
    # Third
    1 say
      $ redis-cli -p 7001 SAY yes
      exit 0
    clean
    cleaned
    Passed: 1 passed, 0 failed, 0 skipped, 0 not run
    => [Passed, Broken, Passed]
    ");
}

#[tokio::test]
async fn labs_that_are_skipped_pass_the_environment_on() {
    let skipped = |title: &str| say(title, "skip_on: {local: it needs a network of its own}");
    let labs = [
        say("First", ""),
        skipped("Second"),
        say("Third", ""),
        skipped("Fourth"),
    ];
    let one = run(vec![without_servers(), without_servers()], IN_TURN, &labs).await;
    assert_snapshot!(one.story(), @"
    # First
    1 say
      $ redis-cli -p 7001 SAY yes
      exit 0
    clean
    kept
    Passed: 1 passed, 0 failed, 0 skipped, 0 not run
    # Second
    lab skipped: it needs a network of its own
    Skipped: 0 passed, 0 failed, 1 skipped, 0 not run
    # Third
    reused [] remade [] removed []
    1 say
      $ redis-cli -p 7001 SAY yes
      exit 0
    clean
    cleaned
    Passed: 1 passed, 0 failed, 0 skipped, 0 not run
    # Fourth
    lab skipped: it needs a network of its own
    Skipped: 0 passed, 0 failed, 1 skipped, 0 not run
    => [Passed, Skipped, Passed, Skipped]
    ");
    // The third lab is the last that runs: it removes it.
    assert_eq!((one.removed(), one.unused), (vec![1, 0], 1));

    let none = run(vec![without_servers()], IN_TURN, &[skipped("Only")]).await;
    assert_snapshot!(none.story(), @"
    # Only
    lab skipped: it needs a network of its own
    Skipped: 0 passed, 0 failed, 1 skipped, 0 not run
    => [Skipped]
    ");
    assert_eq!(none.removed(), [1], "what it took, it gives back");
}

#[tokio::test]
async fn an_interruption_between_two_labs_leaves_nothing() {
    let labs = [say("First", ""), say("Second", "")];
    let run = run_until(
        vec![without_servers()],
        IN_TURN,
        &labs,
        |event, interrupt| {
            if matches!(event, Event::LabFinished { .. }) {
                interrupt.request();
            }
        },
    )
    .await;
    assert_snapshot!(run.story(), @"
    # First
    1 say
      $ redis-cli -p 7001 SAY yes
      exit 0
    clean
    kept
    Passed: 1 passed, 0 failed, 0 skipped, 0 not run
    clean
    cleaned
    => [Passed, Interrupted]
    ");
    assert_eq!(run.removed(), [1]);
    assert_eq!(run.result.counts.not_run, 1);
}

#[tokio::test]
async fn an_interruption_while_the_environment_is_made_ready_leaves_nothing() {
    if !servers::available("an_interruption_while_the_environment_is_made_ready_leaves_nothing") {
        return;
    }
    let labs = [clean_slate("First", ""), clean_slate("Second", "")];
    let run = run_until(vec![with_servers(1)], IN_TURN, &labs, |event, interrupt| {
        if matches!(event, Event::GivenPhase { phase } if phase.starts_with("resetting")) {
            interrupt.request();
        }
    })
    .await;
    assert_eq!(
        run.result.endings[..2],
        [Ending::Passed, Ending::Interrupted]
    );
    assert_snapshot!(run.story(), @"
    # First
    given
    1 look
      $ redis-cli -p 7001 PING
      exit 0
    clean
    kept
    Passed: 1 passed, 0 failed, 0 skipped, 0 not run
    # Second
    clean
    cleaned
    Interrupted: 0 passed, 0 failed, 0 skipped, 1 not run
    => [Passed, Interrupted, Interrupted]
    ");
    assert_eq!(run.removed(), [1]);
}

#[tokio::test]
async fn an_interruption_in_a_lab_whose_checks_all_held_removes_its_environment() {
    let labs = [say("First", ""), say("Second", "")];
    let run = run_until(
        vec![without_servers()],
        IN_TURN,
        &labs,
        |event, interrupt| {
            if matches!(event, Event::CleanupStarted) {
                interrupt.request();
            }
        },
    )
    .await;
    assert_eq!(run.removed(), [1]);
    assert!(run.result.endings.contains(&Ending::Interrupted));
    assert!(!run.story().contains("kept"), "{}", run.story());
}
