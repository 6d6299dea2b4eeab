//! The course's labs on simulated nodes, with nothing on the PATH; and redis-cli against simulated nodes beside real local servers.
//!
//! `cargo bench --bench sim_labs` runs `labrunner run --backend sim 'labs/0[1-8]*.yaml'` with an empty PATH, which runs them side by side, says how long each lab took, and fails unless all are
//! green and take 15 s together at most. Then it makes the same calls of redis-cli (a cluster is created, 1000 slots are moved, it is checked) against six local
//! servers and six simulated nodes, in turn, and fails if the simulated ones are slower by more than a tenth, in the median. `-- --runs N --pairs M` for other numbers (1 and 3), `--no-limits` to print
//! the figures without judging them.

mod campaign;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use campaign::{Call, events, lab, spread};
use labrunner::double::Cluster;

/// The labs that need no database.
const LABS: &str = "0[1-8]*.yaml";
/// What all labs together may take, in seconds.
const LIMIT: f64 = 15.0;
/// So many times the time that real servers take, simulated nodes may take.
const SLOWER: f64 = 1.1;
/// Slots that are moved.
const SLOTS: &str = "1000";

fn main() -> ExitCode {
    let Some(call) = Call::read() else {
        return ExitCode::SUCCESS;
    };
    let mut good = true;
    for run in 1..=call.number("--runs", 1) {
        good &= all_labs(run, call.judges());
    }
    match call.number("--pairs", 3) {
        0 => {}
        pairs => good &= pairs_of(pairs, call.judges()),
    }
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Runs all labs where nothing is installed. Whether they are green, and quick enough.
fn all_labs(run: usize, judges: bool) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("journal.jsonl");
    let started = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_labrunner"))
        .args(["run", "--backend", "sim", &lab(LABS), "--journal"])
        .arg(&journal)
        .arg("--state-dir")
        .arg(folder.path())
        .env_clear()
        .env("PATH", "/nonexistent")
        .stdin(Stdio::null())
        .output()
        .expect("labrunner starts");
    let took = started.elapsed().as_secs_f64();
    println!(
        "run {run}: exit {} after {took:.1} s",
        output.status.code().unwrap_or(-1)
    );
    for event in events(&journal) {
        if event["event"] == "lab_finished" {
            let file = event["file"].as_str().unwrap_or_default().to_owned();
            let name = Path::new(&file).file_stem().unwrap_or_default();
            let seconds = event["took_ms"].as_f64().unwrap_or_default() / 1000.0;
            println!("  {:<24} {seconds:6.2} s", name.to_string_lossy());
        }
    }
    if !output.status.success() {
        println!("{}", String::from_utf8_lossy(&output.stdout));
        return false;
    }
    !judges || took <= LIMIT
}

/// Makes the same calls against both, with the machine's redis-cli, or ours where it has none.
fn pairs_of(pairs: usize, judges: bool) -> bool {
    let there = |program: &str| {
        let tried = Command::new(program).arg("--version").output();
        tried.is_ok_and(|output| output.status.success())
    };
    if !there("redis-server") {
        println!("SKIPPED redis-cli beside real servers: redis-server is not installed");
        let required = std::env::var("LABRUNNER_REQUIRE").unwrap_or_default();
        return !required.split(',').any(|word| word.trim() == "redis");
    }
    let mut programs = vec![(
        "labrunner redis-cli",
        vec![env!("CARGO_BIN_EXE_labrunner"), "redis-cli"],
    )];
    if there("redis-cli") {
        programs.push(("redis-cli", vec!["redis-cli"]));
    }
    let mut good = true;
    for (name, program) in programs {
        let (mut real, mut simulated) = (Vec::new(), Vec::new());
        for _ in 0..pairs {
            real.push(against_servers(&program));
            simulated.push(against_nodes(&program));
        }
        let (Some((_, real, _)), Some((_, simulated, _))) = (spread(&real), spread(&simulated))
        else {
            continue;
        };
        println!(
            "{name}: {real:.2} s against servers, {simulated:.2} s against simulated nodes, in the median"
        );
        good &= !judges || simulated <= real * SLOWER;
    }
    good
}

/// Processes that end with this value.
struct Servers(Vec<Child>);

impl Drop for Servers {
    fn drop(&mut self) {
        for server in &mut self.0 {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

fn against_servers(program: &[&str]) -> f64 {
    let folder = tempfile::tempdir().expect("a folder");
    let mut addresses = Vec::new();
    let mut servers = Servers(Vec::new());
    for number in 0..6 {
        let port = free_port();
        let own = folder.path().join(number.to_string());
        std::fs::create_dir(&own).expect("a folder");
        let server = Command::new("redis-server")
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--cluster-enabled",
                "yes",
            ])
            .args(["--save", "", "--repl-diskless-sync-delay", "0"])
            .arg("--dir")
            .arg(&own)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server starts");
        servers.0.push(server);
        addresses.push(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while !addresses.iter().all(|at| TcpStream::connect(at).is_ok()) {
        assert!(Instant::now() < deadline, "the servers do not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    calls(program, &addresses)
}

fn against_nodes(program: &[&str]) -> f64 {
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let made = Cluster::builder()
        .masters(0)
        .nodes(6)
        .config("save", "")
        .start();
    let cluster = runtime.block_on(made).expect("nodes");
    calls(program, &cluster.addresses())
}

/// A port that has a bus port, and that nobody has.
fn free_port() -> u16 {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        if port < 55_000 && TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok() {
            return port;
        }
    }
}

/// How long the calls take, in seconds.
fn calls(program: &[&str], addresses: &[SocketAddr]) -> f64 {
    let all: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let call = |args: &[&str]| {
        Command::new(program[0])
            .args(&program[1..])
            .args(args)
            .stdin(Stdio::null())
            .output()
            .expect("redis-cli starts")
    };
    let run = |args: &[&str]| {
        let output = call(args);
        assert!(
            output.status.success(),
            "{args:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let id = |at: usize| {
        let port = addresses[at].port().to_string();
        run(&["-p", &port, "CLUSTER", "MYID"]).trim().to_owned()
    };
    let (from, to) = (id(0), id(1));
    let started = Instant::now();
    let create: Vec<&str> = ["--cluster", "create"]
        .into_iter()
        .chain(all.iter().map(String::as_str))
        .chain(["--cluster-replicas", "1", "--cluster-yes"])
        .collect();
    run(&create);
    let created = started.elapsed().as_secs_f64();
    let deadline = Instant::now() + Duration::from_secs(30);
    let is_well = || {
        let port = addresses[0].port().to_string();
        run(&["-p", &port, "CLUSTER", "INFO"]).contains("cluster_state:ok")
    };
    while !is_well() {
        assert!(Instant::now() < deadline, "the cluster is not well");
        std::thread::sleep(Duration::from_millis(10));
    }
    let well = started.elapsed().as_secs_f64();
    run(&[
        "--cluster",
        "reshard",
        &all[0],
        "--cluster-from",
        &from,
        "--cluster-to",
        &to,
        "--cluster-slots",
        SLOTS,
        "--cluster-yes",
    ]);
    let moved = started.elapsed().as_secs_f64();
    // Nodes hear of the last slots a moment later; until then they do not agree.
    let deadline = Instant::now() + Duration::from_secs(30);
    while !call(&["--cluster", "check", &all[0]]).status.success() {
        assert!(Instant::now() < deadline, "the nodes do not agree");
    }
    let agreed = started.elapsed().as_secs_f64();
    println!(
        "  created after {created:.2} s, well after {:.2} s, moved after {:.2} s, agreed after {:.2} s",
        well - created,
        moved - well,
        agreed - moved
    );
    agreed
}
