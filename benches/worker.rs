//! The worker and the rebuild, on real servers: three masters of Redis with a replica each, and PostgreSQL that writes its log to the disk.
//!
//! `cargo bench --bench worker` measures
//! - how many entries a second one worker applies: 5,000 at least (`--entries N`, 40,000 if not said);
//! - how long an entry waits at 500 a second, for a minute (`--seconds N`), the start of the worker among it: 99 of 100 less than 250 ms;
//! - whether every entry is applied once while workers are killed 100 times (`--kills N`) and masters fail over 10 times (`--failovers N`);
//! - how long it takes to rebuild an empty Redis with 100,000 reservations: 10 s at most (`--reservations N`).
//!
//! `--no-limits` prints the times without judging them (on a machine that is busy); what is lost or done twice is judged always.

mod campaign;
#[path = "../tests/servers/mod.rs"]
mod servers;
#[path = "../tests/support/mod.rs"]
mod support;

use std::io::Read;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use campaign::Call;
use campaign::cluster::{self, three_shards};
use labrunner::admin::create;
use labrunner::app::ledger::{Ledger, LedgerSettings, schema};
use labrunner::app::patterns::Reconcile;
use labrunner::app::patterns::event_driven::Options as Work;
use labrunner::app::patterns::reconcile::{Asked, Outcome};
use labrunner::app::rebuild::rebuild;
use labrunner::app::request::{CreateEvent, OperationId, Reserve, Settle, Wanted};
use labrunner::app::worker::{Until, Worker, status};
use labrunner::app::{EventId, Settings, Store};
use labrunner::backend::postgres::{Options, Server};
use labrunner::cluster::Endpoint;
use rand::Rng;
use servers::Servers;
use sqlx::{Connection, Executor, PgConnection, Row};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const RATE: f64 = 5_000.0;
const LAG_MS: u64 = 250;
const REBUILD: Duration = Duration::from_secs(10);
const EVENTS: usize = 8;
const SEATS: u32 = 20_000;
const HOLD: Duration = Duration::from_secs(3600);
/// For what ends by itself.
const LONG: Duration = Duration::from_secs(120);

/// The application's own worker, as a process of its own, which ends with this.
struct Process(Child);

impl Process {
    /// One that has ended by itself says why.
    fn must_work(&mut self) {
        let Some(status) = self.0.try_wait().expect("a process") else {
            return;
        };
        let mut said = String::new();
        if let Some(stderr) = &mut self.0.stderr {
            stderr.read_to_string(&mut said).expect("what it said");
        }
        panic!("a worker has ended, {status}: {said}");
    }

    fn kill(&mut self) {
        self.0.kill().expect("a process to kill");
        self.0.wait().expect("its end");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Stage {
    servers: Servers,
    nodes: Vec<Endpoint>,
    database: Server,
    store: Store,
    ledger: Ledger,
}

fn main() -> ExitCode {
    let Some(asked) = Call::read() else {
        return ExitCode::SUCCESS;
    };
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    match runtime.block_on(measured(&asked)) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

async fn measured(asked: &Call) -> bool {
    let mut good = true;
    let mut judge = |what: String, is_good: bool| {
        println!("{}{what}", if is_good { "" } else { "FAILED: " });
        good &= is_good;
    };
    let times = asked.judges();
    let mut stage = Stage::build().await;

    let entries = asked.number("--entries", 40_000);
    if entries > 0 {
        let events = stage.events().await;
        sell(&stage.store, &events, entries / 2, 64).await;
        let begun = Instant::now();
        let tally = stage.drain().await;
        let rate = tally.applied as f64 / begun.elapsed().as_secs_f64();
        judge(
            format!(
                "{} entries applied by one worker: {rate:.0} a second",
                tally.applied
            ),
            rate >= RATE || !times,
        );
        stage.judge_all(&mut judge).await;
    }

    let seconds = asked.number("--seconds", 60);
    if seconds > 0 {
        let events = stage.events().await;
        let stop = CancellationToken::new();
        let worker = stage.worker();
        let working = {
            let stop = stop.clone();
            tokio::spawn(async move { worker.run(Until::Stopped, &stop).await })
        };
        let sold = at_rate(
            &stage.store,
            &events,
            250,
            Duration::from_secs(seconds as u64),
        )
        .await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        stop.cancel();
        let tally = working.await.expect("it ends").expect("a tally");
        judge(
            format!(
                "{} entries at 500 a second: p50 {} ms, p99 {} ms, longest {} ms",
                2 * sold,
                tally.lag_p50_ms,
                tally.lag_p99_ms,
                tally.lag_max_ms
            ),
            tally.lag_p99_ms < LAG_MS || !times,
        );
        stage.drain().await;
        stage.judge_all(&mut judge).await;
    }

    let (kills, failovers) = (
        asked.number("--kills", 100),
        asked.number("--failovers", 10),
    );
    if kills + failovers > 0 {
        let applied = stage.broken(kills, failovers).await;
        judge(
            format!("{kills} workers killed, {failovers} masters failed over, {applied} entries"),
            true,
        );
        stage.judge_all(&mut judge).await;
        // What a failover has lost is no fault of the worker's, and is mended.
        let reconcile = Reconcile::new(stage.store.clone(), stage.ledger.clone());
        let asked = Asked {
            repair: true,
            ..Asked::default()
        };
        let first = reconcile.run(&asked).await.expect("a comparison");
        let second = reconcile
            .run(&Asked {
                repair: false,
                ..asked
            })
            .await;
        let second = second.expect("a comparison");
        judge(
            format!(
                "left to reconciliation: {:?}; afterwards: {:?}",
                first.counts, second.outcome
            ),
            second.outcome == Outcome::Clean,
        );
    }

    let reservations = asked.number("--reservations", 100_000);
    if reservations > 0 {
        let stage = Stage::build().await;
        stage.write(reservations).await;
        let rebuilt = rebuild(&stage.store, &stage.ledger, None, false).await;
        let rebuilt = rebuilt.expect("a rebuild");
        let took = Duration::from_millis(rebuilt.took_ms);
        judge(
            format!(
                "{} reservations of {} events rebuilt in {took:.2?}",
                rebuilt.reservations, rebuilt.events
            ),
            rebuilt.reservations == reservations as u64 && (took <= REBUILD || !times),
        );
        let reconcile = Reconcile::new(stage.store.clone(), stage.ledger.clone());
        let report = reconcile
            .run(&Asked::default())
            .await
            .expect("a comparison");
        judge(
            format!("compared afterwards: {:?}", report.outcome),
            report.outcome == Outcome::Clean,
        );
    }
    good
}

impl Stage {
    async fn build() -> Stage {
        let servers = Servers::start(6);
        let shape = three_shards(Duration::from_secs(2));
        let book = servers.book();
        create(&book, &shape, LONG, &|_| {})
            .await
            .expect("a cluster");
        let at = |reachable: std::net::SocketAddr| {
            Endpoint::new(reachable.ip().to_string(), reachable.port())
        };
        let nodes: Vec<Endpoint> = book.iter().map(|one| at(one.reachable)).collect();
        let map = book
            .iter()
            .map(|one| (one.announced.clone(), at(one.reachable)));
        let store = Store::connect(Settings {
            nodes: nodes.clone(),
            map: map.collect(),
            deadline: LONG,
            ..Settings::default()
        })
        .await
        .expect("a store");
        let database = Server::start(&Options {
            fsync: true,
            ..Options::default()
        })
        .expect("a PostgreSQL server");
        let settings = LedgerSettings {
            deadline: LONG,
            attempt: Duration::from_secs(20),
            ..LedgerSettings::new(database.socket_url("postgres"))
        };
        schema::up(&Ledger::open(&settings).expect("an address"))
            .await
            .expect("a schema");
        let ledger = Ledger::connect(&settings).await.expect("a ledger");
        Stage {
            servers,
            nodes,
            database,
            store,
            ledger,
        }
    }

    async fn events(&self) -> Vec<EventId> {
        let mut events = Vec::new();
        for number in 0..EVENTS {
            let made = self
                .store
                .create_event(&cluster::event(number, SEATS))
                .await;
            events.push(made.expect("an event").event);
        }
        events
    }

    fn worker(&self) -> Worker {
        let work = Work {
            name: "bench".parse().expect("a name"),
            events: Vec::new(),
            batch: 500,
            tries: 5,
            keep: Duration::from_secs(86_400),
            stop_before_ack: false,
        };
        Worker::new(self.store.clone(), self.ledger.clone(), work)
    }

    async fn drain(&self) -> labrunner::app::worker::Tally {
        let stop = CancellationToken::new();
        let drained = self.worker().run(Until::Drained, &stop).await;
        drained.expect("a tally")
    }

    fn process(&self) -> Process {
        let nodes: Vec<String> = self.nodes.iter().map(ToString::to_string).collect();
        let map: Vec<String> = self
            .store
            .settings()
            .map
            .iter()
            .map(|(announced, reachable)| format!("{announced}={reachable}"))
            .collect();
        let process = Command::new(env!("CARGO_BIN_EXE_app"))
            .args(["worker", "--batch", "20"])
            .env("APP_NODES", nodes.join(","))
            .env("APP_MAP", map.join(","))
            .env("APP_DEADLINE", "60s")
            .env("DATABASE_URL", self.database.socket_url("postgres"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        Process(process.expect("a process"))
    }

    /// Load, under which workers are killed and masters fail over.
    async fn broken(&mut self, kills: usize, failovers: usize) -> u64 {
        let events = self.events().await;
        let ends = Arc::new(AtomicBool::new(false));
        let load = {
            let (store, events, ends) = (self.store.clone(), events.clone(), ends.clone());
            tokio::spawn(async move {
                let mut sold = 0;
                while !ends.load(Ordering::Relaxed) {
                    sell(&store, &events, 16, 8).await;
                    sold += 16;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                sold
            })
        };
        let mut workers = [self.process(), self.process()];
        let before = self.applied().await;
        for kill in 0..kills {
            // Not before something was applied since the last one: a process that never came to work proves nothing.
            let seen = self.applied().await;
            let until = Instant::now() + LONG;
            while self.applied().await == seen {
                workers.iter_mut().for_each(Process::must_work);
                assert!(Instant::now() < until, "nothing is applied any more");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let pause = rand::rng().random_range(0..60);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let worker = &mut workers[kill % 2];
            worker.kill();
            *worker = self.process();
        }
        for failover in 0..failovers {
            let slots = ["0", "5461", "10923"][failover % 3];
            let slot =
                labrunner::cluster::Slot::new(slots.parse().expect("a number")).expect("a slot");
            self.store.look_again().await;
            let master = self.store.master_of(slot).expect("a master");
            let name = self
                .servers
                .book()
                .iter()
                .find(|one| one.announced == master)
                .map(|one| one.name.to_string())
                .expect("a name");
            self.servers.kill(&name);
            let until = Instant::now() + LONG;
            loop {
                self.store.look_again().await;
                if self.store.master_of(slot).is_some_and(|now| now != master) {
                    break;
                }
                assert!(Instant::now() < until, "nobody took over from {name}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            self.servers.start_node(&name);
            // Until it is a replica again, and has what the new master has.
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        ends.store(true, Ordering::Relaxed);
        let sold: usize = load.await.expect("the load ends");
        println!("{sold} sales under it");
        drop(workers);
        // What a killed worker had is taken for a living one's until it has not been heard of for a while.
        let until = Instant::now() + LONG;
        loop {
            self.drain().await;
            let states = status(&self.store, &self.ledger, &[]).await;
            let states = states.expect("a status");
            let mut all = states.iter();
            let waits = all.any(|one| one.pending > 0 || one.entries > one.position.applied);
            if !waits || Instant::now() > until {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.applied().await - before
    }

    async fn applied(&self) -> u64 {
        let positions = self.ledger.positions(None).await.expect("a ledger");
        positions.iter().map(|one| one.applied).sum()
    }

    /// Nothing waits, nothing was done twice, and every entry that the streams have was applied.
    async fn judge_all(&self, judge: &mut impl FnMut(String, bool)) {
        let states = status(&self.store, &self.ledger, &[])
            .await
            .expect("a status");
        let pending: u64 = states.iter().map(|one| one.pending).sum();
        let dead: u64 = states.iter().map(|one| one.dead_letters).sum();
        let entries: u64 = states.iter().map(|one| one.entries).sum();
        let applied: u64 = states.iter().map(|one| one.position.applied).sum();
        let mut connection = PgConnection::connect(&self.database.socket_url("postgres"))
            .await
            .expect("a connection");
        let mut number = async |query: &'static str| -> i64 {
            connection.fetch_one(query).await.expect("an answer").get(0)
        };
        let rows = number("SELECT count(*) FROM processed_messages").await;
        // The versions of an event are without a gap, and each reservation was confirmed once at most.
        let gaps = number(
            "SELECT count(*) FROM (SELECT event_id FROM history GROUP BY event_id HAVING count(*) <> max(version)) AS broken",
        )
        .await;
        let twice = number(
            "SELECT count(*) FROM (SELECT event_id, reservation_id FROM history WHERE kind = 'confirmed' \
             GROUP BY 1, 2 HAVING count(*) > 1) AS twice",
        )
        .await;
        let wrong = number(
            "SELECT count(*) FROM events e WHERE sold <> (SELECT count(*) FROM reserved_seats r WHERE r.event_id = e.id AND released_at IS NULL)",
        )
        .await;
        // A failover may have lost entries that were applied; none is applied that never was.
        judge(
            format!(
                "  {entries} entries, {applied} applied, {rows} rows, {pending} pending, {dead} dead; history with gaps {gaps}, \
                 confirmed twice {twice}, miscounted {wrong}"
            ),
            pending == 0
                && dead == 0
                && gaps == 0
                && twice == 0
                && wrong == 0
                && rows as u64 == applied
                && applied >= entries,
        );
    }

    /// So many reservations of one seat each, written straight into the ledger.
    async fn write(&self, reservations: usize) {
        let mut connection = PgConnection::connect(&self.database.socket_url("postgres"))
            .await
            .expect("a connection");
        const OF_EVENT: usize = 5_000;
        let mut left = reservations;
        while left > 0 {
            let count = left.min(OF_EVENT);
            left -= count;
            let request = CreateEvent {
                name: "Big".parse().expect("a name"),
                seats: OF_EVENT as u32,
                on_slots: None,
            };
            let event = EventId::random();
            let operation = OperationId::random();
            let made = self
                .ledger
                .create_event(&event, &request, &operation, 1_700_000_000_000);
            assert!(made.await.expect("an event"));
            for query in [
                "INSERT INTO reservations (event_id, id, user_id, state, token, version, confirmed_at) \
                 SELECT $1, 'r-' || n, 'user-' || n, 'confirmed', n, n + 1, now() FROM generate_series(1, $2::int) AS n",
                "INSERT INTO reserved_seats (event_id, position, reservation_id) \
                 SELECT $1, n - 1, 'r-' || n FROM generate_series(1, $2::int) AS n",
                "UPDATE events SET sold = $2, version = $2 + 1 WHERE id = $1",
            ] {
                sqlx::query(query)
                    .bind(event.as_str())
                    .bind(count as i32)
                    .execute(&mut connection)
                    .await
                    .expect("rows");
            }
        }
    }
}

/// One sale: two entries.
async fn sell_one(store: &Store, event: &EventId) -> bool {
    let user = format!("user-{}", rand::rng().random_range(0..1000));
    let request = Reserve {
        event: event.clone(),
        wanted: Wanted::Any(1),
        user: user.parse().expect("a user"),
        hold: HOLD,
        operation: OperationId::random(),
    };
    let Ok(held) = store.reserve(&request).await else {
        return false;
    };
    let request = Settle {
        event: event.clone(),
        reservation: held.reservation,
        user: request.user,
        token: Some(held.token),
        operation: OperationId::random(),
    };
    store.confirm(&request).await.is_ok()
}

/// So many sales, so many at a time.
async fn sell(store: &Store, events: &[EventId], count: usize, at_once: usize) {
    let mut selling = JoinSet::new();
    for number in 0..count {
        if selling.len() >= at_once {
            selling.join_next().await;
        }
        let (store, event) = (store.clone(), events[number % events.len()].clone());
        selling.spawn(async move { sell_one(&store, &event).await });
    }
    while selling.join_next().await.is_some() {}
}

/// Sales at a rate; how many there were.
async fn at_rate(store: &Store, events: &[EventId], rate: u32, lasting: Duration) -> usize {
    let mut tick = tokio::time::interval(Duration::from_secs(1) / rate);
    let begun = Instant::now();
    let mut selling = JoinSet::new();
    let mut sold = 0;
    while begun.elapsed() < lasting {
        tick.tick().await;
        let (store, event) = (store.clone(), events[sold % events.len()].clone());
        selling.spawn(async move { sell_one(&store, &event).await });
        sold += 1;
    }
    while selling.join_next().await.is_some() {}
    sold
}
