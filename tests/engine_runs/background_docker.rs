//! What goes on in the background, on real containers: that it is really at work beside other steps, and that nothing of it is left.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use labrunner::backend::{Backend, Docker, DockerOptions};
use labrunner::cluster::NodeName;
use labrunner::engine::event::{Event, Stamped};
use labrunner::engine::{Ending, Events, Interrupt};
use labrunner::lab::action::Output;
use labrunner::resp::Client;

use crate::docker;
use crate::last_look::{LastLook, LookedAt};
use crate::servers::eventually;
use crate::story::{LONG, in_order, lab, loaded};
use crate::support;

/// Starting containers is work for the processor: these tests take turns.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Whose turn it is. `None` where the test can't run, which has been told then.
async fn turn(test: &str) -> Option<tokio::sync::MutexGuard<'static, ()>> {
    match support::may_run("docker", test) {
        true => Some(TURN.lock().await),
        false => None,
    }
}

/// Looks for what is still at work. What is left of the run after a panic goes with it.
struct AtWork {
    run: String,
    _folder: tempfile::TempDir,
}

/// What there was when the lab had ended and its environment was still there.
#[derive(Debug, PartialEq, Eq)]
struct AtTheEnd {
    /// Clients of docker that wait for a program inside of a container.
    clients: Vec<String>,
    /// Calls of redis-cli inside of a toolbox.
    calls: Vec<String>,
    /// Whether redis-1 has clients that it keeps waiting.
    blocked: bool,
}

impl Drop for AtWork {
    fn drop(&mut self) {
        // After a panic nobody awaits anything any more, but the docker client works.
        if std::thread::panicking() {
            docker::remove_by_hand(&self.run);
        }
    }
}

async fn prepare(test: &str) -> Arc<LookedAt<AtWork>> {
    let run = format!("bg-{test}-{}", std::process::id());
    let folder = tempfile::tempdir().unwrap();
    let options = DockerOptions {
        run: run.clone(),
        image: std::env::var("LAB_REDIS_IMAGE").ok(),
        state_dir: folder.path().to_owned(),
        ..DockerOptions::default()
    };
    let docker = Docker::prepare(options).await.unwrap();
    let by = AtWork {
        run,
        _folder: folder,
    };
    Arc::new(LookedAt::new(docker, by))
}

impl LastLook for AtWork {
    type Seen = AtTheEnd;

    async fn look(&self, docker: &Docker) -> AtTheEnd {
        let info = clients_of_redis_1(docker).await;
        AtTheEnd {
            clients: docker_clients(&self.run),
            calls: calls_in_toolboxes(&self.run),
            blocked: !info.unwrap().contains("blocked_clients:0"),
        }
    }
}

/// What redis-1 says of its clients.
async fn clients_of_redis_1(docker: &Docker) -> Option<String> {
    let book = docker.addresses();
    let address = book.get(&NodeName::new("redis-1")).unwrap();
    let client = Client::new(address.clone(), Duration::from_secs(5));
    let info = client.call(&["INFO", "clients"]).await.ok()?;
    Some(info.as_text()?.into_owned())
}

/// Processes of this machine that run `docker exec` in this run's containers.
fn docker_clients(run: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| {
        let line = fs::read(process.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    });
    lines
        .filter(|line| line.contains("docker exec") && line.contains(run))
        .collect()
}

fn calls_in_toolboxes(run: &str) -> Vec<String> {
    let label = format!("label=labrunner.run={run}");
    let names = docker::docker(&["ps", "--filter", &label, "--format", "{{.Names}}"]);
    let toolboxes = names.lines().filter(|name| name.contains("toolbox"));
    let programs: Vec<String> = toolboxes
        .flat_map(|name| {
            let top = docker::docker(&["top", name]);
            top.lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    let is_call = |line: &String| line.contains("redis-cli");
    programs.into_iter().filter(is_call).collect()
}

/// A lab that is being run in containers.
struct Run {
    environment: Arc<LookedAt<AtWork>>,
    interrupt: Interrupt,
    told: Arc<Mutex<Vec<Stamped>>>,
    running: tokio::task::JoinHandle<labrunner::engine::LabResult>,
}

async fn begin(test: &str, steps: &str) -> Run {
    begin_with(test, "given: {masters: {redis-1: 0-16383}}", steps).await
}

async fn begin_with(test: &str, given: &str, steps: &str) -> Run {
    let environment = prepare(test).await;
    let lab = loaded(&lab(given, steps));
    let told: Arc<Mutex<Vec<Stamped>>> = Arc::default();
    let events = Events::new(Box::new({
        let told = told.clone();
        move |event| told.lock().unwrap().push(event.clone())
    }));
    let interrupt = Interrupt::default();
    let backend: Arc<dyn Backend> = environment.clone();
    let running = tokio::spawn(labrunner::engine::run(
        Arc::new(lab),
        backend,
        Arc::new(events),
        interrupt.clone(),
    ));
    Run {
        environment,
        interrupt,
        told,
        running,
    }
}

impl Run {
    /// Waits until redis-1 keeps a client waiting: the command in the background is really at work.
    async fn is_blocked(&self) {
        eventually("a client that waits", LONG, async || {
            let info = clients_of_redis_1(&self.environment.docker).await?;
            info.contains("blocked_clients:1").then_some(())
        })
        .await;
    }

    /// The end, and what there was then of what the lab had begun.
    async fn end(self) -> (Ending, Vec<Stamped>, AtTheEnd) {
        let result = tokio::time::timeout(2 * LONG, self.running).await;
        let result = result.unwrap().unwrap();
        let events = self.told.lock().unwrap().clone();
        in_order(&events, result);
        let left = docker::left_of(&self.environment.by.run);
        assert_eq!(left, [] as [&str; 0]);
        let seen = self.environment.take_seen().unwrap();
        (result.ending, events, seen)
    }
}

fn printed(events: &[Stamped], id: &str) -> Output {
    let printed = events.iter().find_map(|event| match &event.event {
        Event::CommandFinished { step, output } if step == id => Some(output.clone()),
        _ => None,
    });
    printed.unwrap_or_else(|| panic!("{id} has no output: {events:#?}"))
}

const NOTHING: AtTheEnd = AtTheEnd {
    clients: Vec::new(),
    calls: Vec::new(),
    blocked: false,
};

#[tokio::test]
async fn a_step_awaits_what_another_lets_come_to_its_end_and_watches_are_stopped() {
    let Some(_turn) =
        turn("a_step_awaits_what_another_lets_come_to_its_end_and_watches_are_stopped").await
    else {
        return;
    };
    let run = begin(
        "passes",
        r#"
  - {id: look, title: T, run: watch -n 0.2 'redis-cli -p 7001 INFO stats | grep instantaneous_ops', background: true, expect: [stdout: {matches: '^instantaneous_ops_per_sec:\d+', lines: ">= 2"}, stderr: {empty: true}]}
  - {id: pop, title: T, run: redis-cli -p 7001 BLPOP queue 60, background: true, save: {got: 'match (fir\w+)'}, expect: [stdout: {equals: "queue\nfirst"}]}
  - {id: waits, title: T, run: redis-cli -p 7001 INFO clients | grep blocked, expect: [stdout: {matches: 'blocked_clients:[01]'}]}
  - {id: push, title: T, run: redis-cli -p 7001 RPUSH queue first, expect: [stdout: {equals: "1"}]}
  - {id: got, title: T, await: pop, run: "redis-cli -p 7001 ECHO ${got}", expect: [stdout: {equals: first}]}
  - {id: count, title: T, run: watch -n 0.5 'redis-cli -p 7001 INCR looks', wait: 3s, expect: [stdout: {matches: '^1\n2'}]}
  - {id: stop, title: T, await: look}
"#,
    )
    .await;
    let (ending, events, seen) = run.end().await;
    assert_eq!(ending, Ending::Passed, "{events:#?}");
    assert_eq!(seen, NOTHING);
    // The list was popped only after it was pushed to, so the one command went on while the other ran.
    let at = |id: &str| {
        let is_it = |event: &&Stamped| matches!(&event.event, Event::CommandFinished { step, .. } if step == id);
        events.iter().find(is_it).unwrap().at
    };
    assert!(at("waits") < at("pop") && at("push") < at("got"));
    // Each look was one more, and none was cut off: what the last one printed is there.
    let count = printed(&events, "count").stdout;
    let lines: Vec<usize> = count.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(lines, (1..=lines.len()).collect::<Vec<_>>());
    assert!((2..=6).contains(&lines.len()), "{count}");
    let looks = events
        .iter()
        .filter(|event| matches!(&event.event, Event::Repeated { step, .. } if step == "count"));
    assert_eq!(looks.count(), lines.len());
}

#[tokio::test]
async fn a_lab_that_fails_leaves_nothing_of_what_went_on() {
    let Some(_turn) = turn("a_lab_that_fails_leaves_nothing_of_what_went_on").await else {
        return;
    };
    let run = begin(
        "fails",
        r#"
  - {id: pop, title: T, run: redis-cli -p 7001 BLPOP queue 0, background: true, expect: [exit: 0]}
  - {id: look, title: T, run: watch -n 0.2 'redis-cli -p 7001 INFO clients', background: true, expect: [exit: 0]}
  - {id: blocked, title: T, wait: 30min, holds: [info: {name: redis-1, fields: {blocked_clients: "<= 0"}}]}
  - {id: await, title: T, await: pop}
  - {id: await-too, title: T, await: look}
"#,
    )
    .await;
    let (ending, events, seen) = run.end().await;
    // What fails the lab is that redis-1 keeps a client waiting, so the command was at work then.
    assert_eq!(ending, Ending::Failed, "{events:#?}");
    assert_eq!(seen, NOTHING);
}

#[tokio::test]
async fn an_interrupted_lab_leaves_nothing_of_what_went_on() {
    let Some(_turn) = turn("an_interrupted_lab_leaves_nothing_of_what_went_on").await else {
        return;
    };
    let run = begin(
        "interrupted",
        r#"
  - {id: pop, title: T, run: redis-cli -p 7001 BLPOP queue 0, background: true, expect: [exit: 0]}
  - {id: look, title: T, run: watch -n 0.2 'redis-cli -p 7001 INFO clients', background: true, expect: [exit: 0]}
  - {id: pause, title: T, wait: 30min, holds: [node: {name: redis-1, running: true}]}
  - {id: await, title: T, await: pop}
  - {id: await-too, title: T, await: look}
"#,
    )
    .await;
    run.is_blocked().await;
    eventually("a look", LONG, async || {
        let told = run.told.lock().unwrap();
        let looked = |event: &Stamped| matches!(event.event, Event::Repeated { .. });
        told.iter().any(looked).then_some(())
    })
    .await;
    run.interrupt.request();
    let (ending, events, seen) = run.end().await;
    assert_eq!(ending, Ending::Interrupted, "{events:#?}");
    assert_eq!(seen, NOTHING);
}

#[tokio::test]
async fn a_command_in_the_background_that_fails_is_told_with_what_it_printed() {
    let Some(_turn) =
        turn("a_command_in_the_background_that_fails_is_told_with_what_it_printed").await
    else {
        return;
    };
    let run = begin(
        "bad",
        r#"
  - {id: pop, title: T, run: redis-cli -p 7001 BLPOP queue 1, background: true, expect: [stdout: {contains: first}]}
  - {id: pause, title: T, run: redis-cli -p 7001 PING, expect: [stdout: {equals: PONG}]}
  - {id: got, title: T, await: pop, run: redis-cli -p 7001 PING, expect: [stdout: {equals: PONG}]}
"#,
    )
    .await;
    let (ending, events, seen) = run.end().await;
    assert_eq!(ending, Ending::Failed, "{events:#?}");
    assert_eq!(seen, NOTHING);
    let miss = events.iter().find_map(|event| match &event.event {
        Event::Checked { step, verdict } if !verdict.passed => Some((step.as_str(), verdict)),
        _ => None,
    });
    let (step, verdict) = miss.unwrap();
    assert_eq!((step, verdict.place.line), ("pop", 6));
    let begun =
        |event: &Stamped| matches!(&event.event, Event::StepStarted { step, .. } if step == "got");
    assert!(
        !events.iter().any(begun),
        "the step that awaits it is not begun"
    );
}

#[tokio::test]
async fn a_target_moves_slots_under_a_probe_while_a_watch_goes_on() {
    let Some(_turn) = turn("a_target_moves_slots_under_a_probe_while_a_watch_goes_on").await else {
        return;
    };
    let run = begin_with(
        "target",
        "given: {masters: {redis-1: 300-8000, redis-2: 8001-16383, redis-3: 0-299}, keys: {count: 2000, hot_slot: 500}}",
        r#"
  - {id: look, title: T, run: watch -n 0.5 'make cluster-nodes | grep 7003', background: true, expect: [stdout: {matches: ' 0-299$'}]}
  - id: empty-it
    title: T
    run: make scale-down NODE=7003
    meanwhile: [probe: {rate: 400/s, slots: moving}]
    expect:
      - node: {name: redis-3, slots: 0}
      - stdout: {contains: Moving slot}
      - probe: {asked: ">= 1", moved: ">= 1"}
    holds:
      - given_keys: intact
      - probe: {failed: 0, lost: 0}
  - {id: stop, title: T, await: look, run: make cluster-info, expect: [stdout: {contains: "cluster_state:ok"}]}
"#,
    )
    .await;
    let (ending, events, seen) = run.end().await;
    assert_eq!(ending, Ending::Passed, "{events:#?}");
    assert_eq!(seen, NOTHING);
    // Only what the targets of steps run is told; a look of a watch tells what it printed.
    let commands: Vec<(&str, &str)> = events
        .iter()
        .filter_map(|event| match &event.event {
            Event::TargetCommand { step, typed, .. } => Some((step.as_str(), typed.as_str())),
            _ => None,
        })
        .collect();
    let reshards = |(step, typed): &(&str, &str)| {
        *step == "empty-it" && typed.starts_with("redis-cli --cluster reshard 127.0.0.1:")
    };
    assert!(commands.iter().any(reshards), "{commands:?}");
    assert!(commands.iter().all(|(step, _)| *step != "look"));
    assert!(commands.iter().any(|(step, _)| *step == "stop"));
}
