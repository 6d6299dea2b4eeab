//! What the engine itself costs: a step that only checks one field of INFO, beyond the round trip to the node; and from the start of
//! the command to the first line of its journal.
//!
//! `cargo bench --bench engine` runs 50 steps against a redis-server process on loopback. It fails when a step costs more than 1 ms
//! beyond the round trip, or the first line of the journal takes more than 15 ms in the median. `-- --steps N` for another number,
//! `--no-limits` to print the times without judging them (of a debug build, or on a machine that is busy).

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use labrunner::backend::{Backend, BackendError, Clock, NodeState, RealClock};
use labrunner::cluster::{Endpoint, NodeName};
use labrunner::engine::event::Event;
use labrunner::engine::{self, Ending, Events, Interrupt};
use labrunner::lab::action::{Action, Limits, Output};
use labrunner::lab::{self, Source};
use labrunner::resp::{Address, AddressBook, Client};
use tokio_util::sync::CancellationToken;

const MOST_PER_STEP: Duration = Duration::from_millis(1);
const MOST_TO_JOURNAL: Duration = Duration::from_millis(15);

/// An environment of one server that is there already. Only what a lab that changes nothing needs.
struct OneServer {
    book: AddressBook,
}

#[async_trait]
impl Backend for OneServer {
    fn name(&self) -> &'static str {
        "local"
    }
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(RealClock::new())
    }
    fn addresses(&self) -> AddressBook {
        self.book.clone()
    }
    async fn start(&self, _: &[NodeName], _: &CancellationToken) -> Result<(), BackendError> {
        Ok(())
    }
    async fn perform(
        &self,
        _: &Action,
        _: Limits,
        _: &CancellationToken,
    ) -> Result<Output, BackendError> {
        Err(BackendError::Unavailable {
            what: "this environment changes nothing".into(),
            help: String::new(),
        })
    }
    fn explain(&self, _: &Action) -> String {
        String::new()
    }
    async fn nodes(&self) -> Result<Vec<NodeState>, BackendError> {
        Ok(Vec::new())
    }
    async fn log(&self, _: &NodeName, _: usize) -> Result<String, BackendError> {
        Ok(String::new())
    }
    async fn remove(&self) -> Result<(), BackendError> {
        Ok(())
    }
}

/// A server that ends with this value.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn lab_of(steps: usize) -> String {
    let mut text = String::from("title: Steps\nobjective: To be measured.\nsteps:\n");
    for step in 1..=steps {
        text.push_str(&format!(
            "  - id: step-{step}\n    title: Step {step}\n    holds:\n      - info: {{name: redis-1, fields: {{role: master}}}}\n"
        ));
    }
    text.push_str("points:\n  - {text: It is quick., proved_by: [step-1]}\n");
    text
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

async fn round_trips(client: &Client) -> Vec<Duration> {
    let mut times = Vec::new();
    for _ in 0..200 {
        let started = Instant::now();
        client.call(&["INFO"]).await.expect("the server answers");
        times.push(started.elapsed());
    }
    times
}

async fn steps(count: usize) -> bool {
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|l| l.local_addr())
        .expect("a free port")
        .port();
    let folder = tempfile::tempdir().expect("a folder");
    let server = Command::new("redis-server")
        .args([
            "--port",
            &port.to_string(),
            "--save",
            "",
            "--bind",
            "127.0.0.1",
        ])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .spawn();
    let _server = match server {
        Ok(child) => Server(child),
        Err(error) => {
            eprintln!(
                "redis-server does not start: {error}; install it (apt-get install redis-server)"
            );
            return false;
        }
    };
    let address = Address {
        name: NodeName::new("redis-1"),
        announced: Endpoint::new("127.0.0.1", port),
        reachable: SocketAddr::from(([127, 0, 0, 1], port)),
    };
    let client = Client::new(address.clone(), Duration::from_millis(500));
    let deadline = Instant::now() + Duration::from_secs(10);
    while client.call(&["PING"]).await.is_err() {
        assert!(Instant::now() < deadline, "redis-server does not answer");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let lab =
        Arc::new(lab::load(&Source::new("bench.yaml", lab_of(count))).expect("the lab is valid"));
    let mut round_trip = round_trips(&client).await;
    let took = Arc::new(Mutex::new(Vec::new()));
    let heard = took.clone();
    let events = Arc::new(Events::new(Box::new(move |stamped| {
        // As a journal does: every event is written out.
        let line = serde_json::to_vec(stamped).expect("an event is JSON");
        std::hint::black_box(line);
        if let Event::StepFinished { took, .. } = &stamped.event {
            heard.lock().expect("nobody panics").push(*took);
        }
    })));
    let backend = Arc::new(OneServer {
        book: AddressBook::new(vec![address]),
    });
    let result = engine::run(lab, backend, events, Interrupt::default()).await;
    round_trip.extend(round_trips(&client).await);
    let times = took.lock().expect("nobody panics").clone();
    if result.ending != Ending::Passed || times.len() != count {
        eprintln!("the lab did not pass: {result:?}");
        return false;
    }
    let total: Duration = times.iter().sum();
    let mean = total / u32::try_from(count).expect("a small number");
    let trip = median(round_trip);
    let beyond = mean.saturating_sub(trip);
    println!(
        "{count} steps of one INFO field: {:.3} ms a step (median {:.3}), INFO round trip {:.3} ms, beyond it {:.3} ms (limit {:.0} ms)",
        ms(mean),
        ms(median(times)),
        ms(trip),
        ms(beyond),
        ms(MOST_PER_STEP)
    );
    beyond <= MOST_PER_STEP
}

/// From starting the process to the first line of the journal. The environment is taken away, so that the command ends soon after.
fn journal() -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let lab = folder.path().join("lab.yaml");
    std::fs::write(&lab, lab_of(1)).expect("a file");
    let mut times = Vec::new();
    for run in 0..21 {
        let path = folder.path().join(format!("{run}.jsonl"));
        let started = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_labrunner"))
            .arg("run")
            .arg(&lab)
            .arg("--journal")
            .arg(&path)
            .arg("--state-dir")
            .arg(folder.path())
            .env("PATH", "")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("labrunner starts");
        while std::fs::read(&path).map_or(true, |text| !text.contains(&b'\n')) {
            assert!(started.elapsed() < Duration::from_secs(5), "no journal");
            std::hint::spin_loop();
        }
        times.push(started.elapsed());
        let _ = child.wait();
    }
    let worst = times.iter().max().copied().unwrap_or_default();
    let middle = median(times);
    println!(
        "start to the first line of the journal: median {:.1} ms of 21, worst {:.1} ms (limit {:.0} ms)",
        ms(middle),
        ms(worst),
        ms(MOST_TO_JOURNAL)
    );
    middle <= MOST_TO_JOURNAL
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    // `cargo test --benches` only wants to know whether it starts.
    if arguments.iter().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    let at = arguments.iter().position(|argument| argument == "--steps");
    let count = at
        .and_then(|at| arguments.get(at + 1))
        .and_then(|count| count.parse().ok())
        .unwrap_or(50);
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let judge = !arguments.iter().any(|argument| argument == "--no-limits");
    let quick_steps = runtime.block_on(steps(count));
    let quick_start = journal();
    if !judge || (quick_steps && quick_start) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
