//! The campaign of the ledger: mixed load through write-through and cache-aside while masters of Redis, PostgreSQL and the application are killed, and
//! nodes and PostgreSQL are frozen, at random; afterwards the ledger is held against the clients' own log.
//!
//! `cargo bench --bench ledger_campaign` makes 10 runs of 60 s at 300 requests a second, each on a new cluster of real servers (three masters with a replica
//! each) and a new PostgreSQL, with two processes of the application. It fails if a seat was sold twice, or a reservation that somebody was told is confirmed is
//! not. `-- --runs N --seconds N --rate N` for others.

#[path = "ledger_campaign/application.rs"]
mod application;
mod campaign;
#[path = "ledger_campaign/clients.rs"]
mod clients;
#[path = "ledger_campaign/judge.rs"]
mod judge;
#[path = "../tests/servers/mod.rs"]
mod servers;
#[path = "../tests/support/mod.rs"]
mod support;
#[path = "ledger_campaign/wire.rs"]
mod wire;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use campaign::Call;
use campaign::cluster::{self, three_shards};
use clients::{Clients, Process};
use judge::judge;
use labrunner::admin::create;
use labrunner::app::answer::ReservationState;
use labrunner::app::ledger::{Ledger, LedgerSettings, schema};
use labrunner::app::patterns::WriteThrough;
use labrunner::app::settings::endpoints;
use labrunner::app::{AppError, Refusal, Settings, Store};
use labrunner::backend::postgres::{Options, Server};
use labrunner::resp::Client;
use rand::Rng;
use servers::Servers;
use sqlx::{Connection, PgConnection};

const EVENTS: usize = 12;
const SEATS: u32 = 800;
/// From the end of one fault to the next.
const PAUSES: std::ops::Range<u64> = 1500..4000;
/// For what ends by itself.
const LONG: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    if std::env::args().any(|argument| argument == "--serve") {
        runtime.block_on(application::serve());
        return ExitCode::SUCCESS;
    }
    let Some(asked) = Call::read() else {
        return ExitCode::SUCCESS;
    };
    let (runs, seconds) = (asked.number("--runs", 10), asked.number("--seconds", 60));
    let rate = asked.number("--rate", 300);
    let mut bad = 0;
    for run in 1..=runs {
        let good = runtime.block_on(one_run(run, Duration::from_secs(seconds as u64), rate));
        bad += usize::from(!good);
    }
    println!("{} of {runs} runs good", runs - bad);
    match bad {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// What is broken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    MasterKilled,
    MasterFrozen,
    PostgresKilled,
    PostgresFrozen,
    ApplicationKilled,
}

const FAULTS: [Fault; 5] = [
    Fault::MasterKilled,
    Fault::MasterFrozen,
    Fault::PostgresKilled,
    Fault::PostgresFrozen,
    Fault::ApplicationKilled,
];

struct Stage {
    servers: Servers,
    database: Server,
    nodes: String,
    /// Faults that are still to come before any of them comes again: no run is to miss one by chance that has the time for all.
    ahead: Vec<Fault>,
    faults: BTreeMap<&'static str, u32>,
    /// When the load began.
    begun: Instant,
}

async fn one_run(run: usize, lasting: Duration, rate: usize) -> bool {
    let mut stage = Stage::build().await;
    let url = stage.database.url("postgres");
    let settings = LedgerSettings {
        deadline: LONG,
        ..LedgerSettings::new(&url)
    };
    schema::up(&Ledger::open(&settings).expect("an address"))
        .await
        .expect("a schema");
    let ledger = Ledger::connect(&settings).await.expect("a ledger");
    let store = Store::connect(Settings {
        nodes: endpoints(&stage.nodes).expect("nodes"),
        deadline: LONG,
        ..Settings::default()
    })
    .await
    .expect("a store");
    let through = WriteThrough::new(store.clone(), ledger.clone());
    let events = cluster::events(&through, EVENTS, SEATS).await;
    let names: Arc<Vec<String>> = Arc::new(events.iter().map(ToString::to_string).collect());
    let start = || Process::start(&stage.nodes, &url);
    let clients = Clients::new(vec![start(), start()]);

    let begun = Instant::now();
    stage.begun = begun;
    let load = {
        let (clients, names) = (clients.clone(), names.clone());
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(Duration::from_secs(1) / rate as u32);
            tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
            let mut coming = tokio::task::JoinSet::new();
            for number in 0.. {
                tick.tick().await;
                if begun.elapsed() >= lasting {
                    break;
                }
                let (clients, names) = (clients.clone(), names.clone());
                coming.spawn(async move { clients.come(&names, number).await });
            }
            while coming.join_next().await.is_some() {}
        })
    };
    while begun.elapsed() + Duration::from_secs(6) < lasting {
        let pause = rand::rng().random_range(PAUSES);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        stage = stage.break_something(&clients, &url).await;
    }
    load.await.expect("the load ends");

    // What Redis was not told, it is told now.
    let until = Instant::now() + LONG;
    loop {
        let repaired = through.repair(1000, true).await.expect("a ledger");
        let backlog = ledger.backlog().await.expect("a ledger");
        if backlog.open == 0 {
            break;
        }
        assert!(
            Instant::now() < until,
            "{backlog:?} {:?}",
            repaired.failed.first()
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let told = std::mem::take(&mut *clients.told.lock().expect("no panic"));
    let mut connection = PgConnection::connect(&url).await.expect("a connection");
    let verdict = judge(&told, &mut connection).await;
    let (mut drift, mut forgotten) = (0, 0);
    for event in &events {
        let seats = match store.seats(event).await {
            Ok(seats) => seats,
            Err(AppError::Refused(Refusal::UnknownEvent { .. })) => {
                // Its master came back empty before anybody had noticed: the ledger has to fill it again, which is not for this to show.
                forgotten += 1;
                continue;
            }
            Err(error) => panic!("Redis can't be read: {error}"),
        };
        let in_redis: std::collections::BTreeSet<_> = seats
            .taken
            .iter()
            .filter(|(_, id)| {
                let found = seats.reservations.get(*id);
                found.is_some_and(|found| found.state == ReservationState::Confirmed)
            })
            .map(|(seat, id)| (seat.clone(), id.clone()))
            .collect();
        let confirmed = ledger.confirmed(event).await.expect("a ledger");
        let in_ledger = confirmed
            .iter()
            .flat_map(|one| {
                one.seats
                    .iter()
                    .map(|seat| (seat.to_string(), one.reservation.to_string()))
            })
            .collect();
        drift += in_redis.symmetric_difference(&in_ledger).count();
    }
    println!(
        "run {run}: {} requests in {:.0} s; faults {:?}; {} confirmed at the end; unknown {}; two owners {}; lost {}; sold twice {}; undead {}; \
         seats left to reconciliation {drift}; events that Redis forgot {forgotten}",
        told.len(),
        begun.elapsed().as_secs_f64(),
        stage.faults,
        verdict.confirmed,
        verdict.unknown,
        verdict.two_owners,
        verdict.lost.len(),
        verdict.sold_twice.len(),
        verdict.undead
    );
    println!("       {:?}", verdict.answers);
    let gave_up = std::mem::take(&mut *clients.gave_up.lock().expect("no panic"));
    if !gave_up.is_empty() {
        println!("       who gave up had heard last: {gave_up:?}");
    }
    for what in verdict.lost.iter().chain(&verdict.sold_twice).take(5) {
        println!("       {what}");
    }
    verdict.is_good()
}

impl Stage {
    async fn build() -> Stage {
        let servers = Servers::start(6);
        let shape = three_shards(Duration::from_secs(2));
        create(&servers.book(), &shape, LONG, &|_| {})
            .await
            .expect("a cluster");
        let database = tokio::task::spawn_blocking(|| Server::start(&Options::default()));
        let nodes: Vec<String> = servers
            .book()
            .iter()
            .map(|node| node.reachable.to_string())
            .collect();
        let stage = Stage {
            database: database
                .await
                .expect("no panic")
                .expect("a PostgreSQL server"),
            nodes: nodes.join(","),
            ahead: Vec::new(),
            servers,
            faults: BTreeMap::new(),
            begun: Instant::now(),
        };
        stage.until_in_sync().await;
        stage
    }

    /// One fault, and its end. Returns when all is well again.
    async fn break_something(mut self, clients: &Arc<Clients>, url: &str) -> Stage {
        let short = Duration::from_millis(rand::rng().random_range(500..2500));
        if self.ahead.is_empty() {
            self.ahead = FAULTS.to_vec();
        }
        let fault = self
            .ahead
            .swap_remove(rand::rng().random_range(0..self.ahead.len()));
        match fault {
            Fault::MasterKilled | Fault::MasterFrozen => {
                let name = self.master().await;
                match fault {
                    Fault::MasterKilled => {
                        self.count("master killed");
                        self.servers.kill(&name);
                        // Not before its replica has taken over: it has kept nothing, and would come back as an empty master.
                        tokio::time::sleep(Duration::from_millis(5500)).await;
                        self.servers.start_node(&name);
                    }
                    _ => {
                        // Longer than the timeout: another takes over, and what this one has acknowledged meanwhile is gone.
                        self.count("master frozen");
                        self.servers.signal(&name, "STOP");
                        tokio::time::sleep(Duration::from_millis(4500)).await;
                        self.servers.signal(&name, "CONT");
                    }
                }
                self.until_in_sync().await;
            }
            Fault::PostgresKilled => {
                self.count("PostgreSQL killed");
                self.database.kill();
                tokio::time::sleep(short).await;
                let mut database = self.database;
                self.database = tokio::task::spawn_blocking(move || {
                    database.start_again().expect("PostgreSQL starts again");
                    database
                })
                .await
                .expect("no panic");
            }
            Fault::PostgresFrozen => {
                self.count("PostgreSQL frozen");
                self.database.freeze();
                tokio::time::sleep(short).await;
                self.database.wake();
            }
            Fault::ApplicationKilled => {
                self.count("application killed");
                let new = Process::start(&self.nodes, url);
                let mut old = {
                    let mut processes = clients.processes.lock().expect("no panic");
                    let at = rand::rng().random_range(0..processes.len());
                    std::mem::replace(&mut processes[at], new)
                };
                old.kill().await;
            }
        }
        self
    }

    fn count(&mut self, fault: &'static str) {
        println!(
            "       {:4.1} s: {fault}",
            self.begun.elapsed().as_secs_f64()
        );
        *self.faults.entry(fault).or_default() += 1;
    }

    /// One of the masters, at random.
    async fn master(&self) -> String {
        let mut masters = Vec::new();
        for address in self.servers.book().iter() {
            let client = Client::new(address.clone(), Duration::from_secs(1));
            if role(&client).await == Some(true) {
                masters.push(address.name.to_string());
            }
        }
        masters.swap_remove(rand::rng().random_range(0..masters.len()))
    }

    /// Waits until every node is a master, or a replica that has all of its master's data, and there are three of each.
    async fn until_in_sync(&self) {
        let until = Instant::now() + LONG;
        loop {
            let mut well = 0;
            for address in self.servers.book().iter() {
                let client = Client::new(address.clone(), Duration::from_secs(1));
                if let Ok(reply) = client.call(&["INFO", "replication"]).await {
                    let text = reply.as_text().unwrap_or_default().into_owned();
                    let synced = text.contains("master_link_status:up")
                        || text.contains("connected_slaves:1");
                    well += usize::from(synced);
                }
            }
            if well == 6 {
                return;
            }
            assert!(Instant::now() < until, "the cluster is never well again");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Whether a node is a master.
async fn role(client: &Client) -> Option<bool> {
    let reply = client.call(&["INFO", "replication"]).await.ok()?;
    Some(reply.as_text()?.contains("role:master"))
}
