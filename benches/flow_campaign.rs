//! The campaign of the complete reservation: the traffic of lab 13 while everything is killed and frozen at random, and afterwards the books are done.
//!
//! `cargo bench --bench flow_campaign` makes 20 runs of 60 s (`--runs N --seconds N`) at 300 operations a second (`--rate N`), each on a new cluster of real
//! servers (three masters with a replica each) and a new PostgreSQL, with two workers and two processes of clients. Masters of Redis, PostgreSQL, workers and clients are
//! killed with `kill -9`, masters are frozen for longer than the node timeout, or cut from the other nodes while clients still reach them. A script looks ten times a second whether all seats of an event are free, held or sold.
//!
//! A run is good if no seat was sold twice, no reservation that a client was told is sold is lost, no look found a seat astray, nothing is left in the
//! streams and the outbox, money is there exactly for what is sold, and reconciliation ends at no difference.

mod campaign;
#[path = "../tests/servers/mod.rs"]
mod servers;
#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use campaign::Call;
use campaign::cluster::{self, three_shards};
use labrunner::admin::create;
use labrunner::app::answer::ReservationState;
use labrunner::app::flow::{Flow, Paid};
use labrunner::app::ledger::{Ledger, LedgerSettings, schema};
use labrunner::app::patterns::reconcile::{Asked, Outcome};
use labrunner::app::patterns::{Reconcile, WriteThrough};
use labrunner::app::payment::{Manner, TestGateway};
use labrunner::app::request::{OperationId, Reserve, Settle, Wanted};
use labrunner::app::settings::{address_map, endpoints};
use labrunner::app::worker::status;
use labrunner::app::{EventId, Settings, Store};
use labrunner::backend::postgres::{Options, Server};
use labrunner::cluster::{Endpoint, Slot};
use rand::Rng;
use servers::Servers;
use sqlx::{Connection, Executor, PgConnection, Row};

const EVENTS: usize = 8;
const SEATS: u32 = 4_000;
const NODE_TIMEOUT: Duration = Duration::from_secs(2);
const PAUSES: std::ops::Range<u64> = 1_500..4_000;
/// For what ends by itself.
const LONG: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    if std::env::var_os("FLOW_CLIENTS").is_some() {
        runtime.block_on(clients());
        return ExitCode::SUCCESS;
    }
    let Some(asked) = Call::read() else {
        return ExitCode::SUCCESS;
    };
    let (runs, rate) = (asked.number("--runs", 20), asked.number("--rate", 300));
    let lasting = Duration::from_secs(asked.number("--seconds", 60) as u64);
    let good = (1..=runs)
        .filter(|run| runtime.block_on(one_run(*run, lasting, rate)))
        .count();
    println!("{good} of {runs} runs good");
    match good == runs {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Where everything is, for a process.
fn settings_of(nodes: &str, map: &str) -> Settings {
    Settings {
        nodes: endpoints(nodes).expect("nodes"),
        map: address_map(map).expect("a map"),
        deadline: Duration::from_secs(20),
        ..Settings::default()
    }
}

async fn both(nodes: &str, map: &str, url: &str) -> (Store, Ledger) {
    let settings = LedgerSettings {
        deadline: Duration::from_secs(20),
        ..LedgerSettings::new(url)
    };
    let until = Instant::now() + LONG;
    loop {
        let (store, ledger) = tokio::join!(
            Store::connect(settings_of(nodes, map)),
            Ledger::connect(&settings)
        );
        match (store, ledger) {
            (Ok(store), Ok(ledger)) => return (store, ledger),
            (store, ledger) => assert!(
                Instant::now() < until,
                "{:?} {:?}",
                store.err(),
                ledger.err()
            ),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A process of clients: it says on a line what each was told, and ends when it is killed.
async fn clients() {
    let of = |name: &str| std::env::var(name).expect("a variable");
    let (store, ledger) = both(&of("FLOW_NODES"), &of("FLOW_MAP"), &of("DATABASE_URL")).await;
    let events: Vec<EventId> = of("FLOW_EVENTS")
        .split(',')
        .map(|id| id.parse().expect("an id"))
        .collect();
    let rate: u32 = of("FLOW_CLIENTS").parse().expect("a rate");
    let mut tick = tokio::time::interval(Duration::from_secs(1) / rate.max(1));
    loop {
        tick.tick().await;
        let (store, ledger) = (store.clone(), ledger.clone());
        let event = events[rand::rng().random_range(0..events.len())].clone();
        tokio::spawn(async move {
            let told = one_client(&store, &ledger, &event).await;
            let mut out = std::io::stdout().lock();
            let _ = writeln!(out, "{told}");
        });
    }
}

/// What one client does and is told: `sold EVENT RESERVATION SEATS…`, `cancelled EVENT RESERVATION`, or something else.
async fn one_client(store: &Store, ledger: &Ledger, event: &EventId) -> String {
    let (manner, plain, cancels) = {
        let mut random = rand::rng();
        let manner = match random.random_range(0..20) {
            0 => Manner::Fail,
            1 => Manner::Slow,
            2 | 3 => Manner::Twice,
            _ => Manner::Ok,
        };
        (
            manner,
            random.random_range(0..10) == 0,
            random.random_range(0..5) == 0,
        )
    };
    let operation = OperationId::random();
    let hold = Reserve {
        event: event.clone(),
        wanted: Wanted::Any(rand::rng().random_range(1..3)),
        user: "user".parse().expect("a user"),
        hold: Duration::from_secs(20),
        operation: operation.clone(),
    };
    let flow = Flow::new(
        store.clone(),
        ledger.clone(),
        TestGateway::new(manner, Duration::from_millis(300)),
    );
    let held = match flow.hold(&hold).await {
        Ok(held) => held,
        Err(error) => return format!("no hold: {}", error.kind()),
    };
    // Some look and go: their holds end by themselves.
    if plain {
        return "left".to_owned();
    }
    let request = Settle {
        event: event.clone(),
        reservation: held.reservation.clone(),
        user: hold.user.clone(),
        token: Some(held.token),
        operation,
    };
    let mut paid = flow.pay(&request).await;
    for _ in 0..3 {
        match &paid {
            Ok(Paid::Unanswered(_)) | Err(_) => paid = flow.pay(&request).await,
            Ok(_) => break,
        }
    }
    match paid {
        Ok(Paid::Sold(_)) if cancels => {
            let request = Settle {
                operation: OperationId::random(),
                ..request
            };
            match flow.cancel(&request).await {
                Ok(_) => format!("cancelled {event} {}", held.reservation),
                Err(error) => format!("open {event} {}: {}", held.reservation, error.kind()),
            }
        }
        Ok(Paid::Sold(sold)) => {
            let seats: Vec<String> = sold
                .confirmed
                .done
                .seats
                .iter()
                .map(ToString::to_string)
                .collect();
            format!("sold {event} {} {}", held.reservation, seats.join(" "))
        }
        Ok(Paid::Declined(_)) => "declined".to_owned(),
        Ok(Paid::Unanswered(_)) => "unanswered".to_owned(),
        Ok(Paid::Refunded(..)) => "refunded".to_owned(),
        Err(error) => format!("unknown: {}", error.kind()),
    }
}

struct Stage {
    servers: Servers,
    database: Server,
    nodes: String,
    map: String,
    events: String,
    rate: usize,
    workers: Vec<Child>,
    clients: Vec<Child>,
    told: Arc<Mutex<Vec<String>>>,
    faults: BTreeMap<&'static str, u32>,
}

async fn one_run(run: usize, lasting: Duration, rate: usize) -> bool {
    let mut stage = Stage::build(rate).await;
    let url = stage.database.url("postgres");
    schema::up(&Ledger::open(&LedgerSettings::new(&url)).expect("an address"))
        .await
        .expect("a schema");
    let (store, ledger) = both(&stage.nodes, &stage.map, &url).await;
    let through = WriteThrough::new(store.clone(), ledger.clone());
    let events = cluster::events(&through, EVENTS, SEATS).await;
    stage.events = events
        .iter()
        .map(EventId::to_string)
        .collect::<Vec<_>>()
        .join(",");
    for _ in 0..2 {
        let (worker, clients) = (stage.worker(), stage.client());
        stage.workers.push(worker);
        stage.clients.push(clients);
    }
    let watching = {
        let (store, events) = (store.clone(), events.clone());
        tokio::spawn(async move { watch(&store, &events, lasting).await })
    };
    let begun = Instant::now();
    while begun.elapsed() + Duration::from_secs(8) < lasting {
        let pause = rand::rng().random_range(PAUSES);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        stage.break_something(&store).await;
    }
    tokio::time::sleep(lasting.saturating_sub(begun.elapsed())).await;
    for process in stage.clients.iter_mut() {
        process.kill().expect("clients to kill");
        process.wait().expect("their end");
    }
    let (looks, astray) = watching.await.expect("it ends");

    // The books are done: what is under way arrives, what a failover has lost is mended.
    let until = Instant::now() + LONG;
    loop {
        let states = status(&store, &ledger, &[]).await;
        let pending = states.map(|all| all.iter().map(|one| one.pending).sum::<u64>());
        let _ = through.repair(1000, true).await;
        let open = open_payments(&url).await;
        let backlog = ledger.backlog().await;
        if open == 0 && matches!((&pending, &backlog), (Ok(0), Ok(left)) if left.open == 0) {
            break;
        }
        // Who does not answer now, on a machine that is busy, may do so in a moment.
        if Instant::now() > until {
            println!(
                "       pending {pending:?}, payments without a sale {open}, outbox {backlog:?}"
            );
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let reconcile = Reconcile::new(store.clone(), ledger.clone());
    let repair = Asked {
        repair: true,
        ..Asked::default()
    };
    let first = reconcile.run(&repair).await.expect("a comparison");
    let second = reconcile
        .run(&Asked::default())
        .await
        .expect("a comparison");
    for worker in &mut stage.workers {
        worker.kill().expect("a worker to kill");
        worker.wait().expect("its end");
    }
    stage
        .judge(run, &url, looks, astray, &first.counts, second.outcome)
        .await
}

/// Payments that have no sale and whose money is not back.
async fn open_payments(url: &str) -> i64 {
    let mut connection = PgConnection::connect(url).await.expect("a connection");
    let query = "SELECT count(*) FROM payments p WHERE state IN ('asked', 'refund_due') OR (state = 'paid' AND NOT EXISTS \
                 (SELECT FROM reservations r WHERE r.event_id = p.event_id AND r.id = p.reservation_id AND r.state = 'confirmed'))";
    connection.fetch_one(query).await.expect("an answer").get(0)
}

/// Looks ten times a second whether every seat is free, held or sold; how often, and how often not.
async fn watch(store: &Store, events: &[EventId], lasting: Duration) -> (u32, u32) {
    let begun = Instant::now();
    let (mut looks, mut astray) = (0, 0);
    while begun.elapsed() < lasting {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let event = &events[looks as usize % events.len()];
        let Ok(seats) = store.seats(event).await else {
            continue;
        };
        looks += 1;
        let is_live = |id: &String| {
            let found = seats.reservations.get(id).map(|one| one.state);
            matches!(
                found,
                Some(ReservationState::Held | ReservationState::Confirmed)
            )
        };
        let taken = seats.taken.values().filter(|id| is_live(id)).count();
        astray += u32::from(seats.free.len() + taken != seats.total as usize);
    }
    (looks, astray)
}

impl Stage {
    async fn build(rate: usize) -> Stage {
        let servers = Servers::start_on_wires(6);
        let shape = three_shards(NODE_TIMEOUT);
        let book = servers.book();
        create(&book, &shape, LONG, &|_| {})
            .await
            .expect("a cluster");
        let at = |one: &labrunner::resp::Address| {
            Endpoint::new(one.reachable.ip().to_string(), one.reachable.port()).to_string()
        };
        let nodes: Vec<String> = book.iter().map(at).collect();
        let map: Vec<String> = book
            .iter()
            .map(|one| format!("{}={}", one.announced, at(one)))
            .collect();
        Stage {
            servers,
            database: Server::start(&Options {
                settings: vec!["max_connections = 300".to_owned()],
                ..Options::default()
            })
            .expect("a PostgreSQL server"),
            nodes: nodes.join(","),
            map: map.join(","),
            events: String::new(),
            rate,
            workers: Vec::new(),
            clients: Vec::new(),
            told: Arc::default(),
            faults: BTreeMap::new(),
        }
    }

    fn worker(&self) -> Child {
        Command::new(env!("CARGO_BIN_EXE_app"))
            // Longer than anybody waits for the gateway.
            .args(["worker", "--refund-after", "12s"])
            .env("APP_NODES", &self.nodes)
            .env("APP_MAP", &self.map)
            .env("APP_DEADLINE", "60s")
            .env("DATABASE_URL", self.database.url("postgres"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a worker")
    }

    fn client(&self) -> Child {
        let mut process = Command::new(std::env::current_exe().expect("this program"))
            // An operation of the load is a hold, a payment or a cancellation: about two and a half a client.
            .env("FLOW_CLIENTS", (self.rate / 5).to_string())
            .env("FLOW_NODES", &self.nodes)
            .env("FLOW_MAP", &self.map)
            .env("FLOW_EVENTS", &self.events)
            .env("DATABASE_URL", self.database.url("postgres"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("clients");
        let out = process.stdout.take().expect("a pipe");
        let told = self.told.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                told.lock().expect("no panic").push(line);
            }
        });
        process
    }

    async fn break_something(&mut self, store: &Store) {
        let what = [
            "kill master",
            "freeze master",
            "cut master off",
            "kill postgres",
            "kill worker",
            "kill clients",
        ];
        let what = what[rand::rng().random_range(0..what.len())];
        *self.faults.entry(what).or_insert(0) += 1;
        match what {
            "kill postgres" => {
                self.database.kill();
                tokio::time::sleep(Duration::from_millis(300)).await;
                self.database.start_again().expect("it starts again");
            }
            "kill worker" | "kill clients" => {
                let fresh = match what {
                    "kill worker" => self.worker(),
                    _ => self.client(),
                };
                let all = match what {
                    "kill worker" => &mut self.workers,
                    _ => &mut self.clients,
                };
                let mut old = std::mem::replace(&mut all[0], fresh);
                all.rotate_left(1);
                old.kill().expect("a process to kill");
                old.wait().expect("its end");
            }
            _ => self.break_master(store, what).await,
        }
    }

    /// A master goes, its replica takes over, and it comes back.
    async fn break_master(&mut self, store: &Store, what: &str) {
        let slot = Slot::new(rand::rng().random_range(0..16384)).expect("a slot");
        store.look_again().await;
        let Some(master) = store.master_of(slot) else {
            return;
        };
        let book = self.servers.book();
        let found = book.iter().find(|one| one.announced == master);
        let name = found.expect("a name").name.to_string();
        match what {
            "kill master" => self.servers.kill(&name),
            "freeze master" => self.servers.signal(&name, "STOP"),
            _ => self.servers.cut(&name),
        }
        let until = Instant::now() + Duration::from_secs(20);
        while store.master_of(slot).is_some_and(|now| now == master) && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(100)).await;
            store.look_again().await;
        }
        match what {
            "kill master" => self.servers.start_node(&name),
            "freeze master" => self.servers.signal(&name, "CONT"),
            _ => self.servers.heal(),
        }
        // Until it is a replica that has everything: before that, nobody could take over from the new master.
        tokio::time::sleep(Duration::from_secs(5)).await;
    }

    async fn judge(
        &self,
        run: usize,
        url: &str,
        looks: u32,
        astray: u32,
        mended: &BTreeMap<&'static str, u64>,
        outcome: Outcome,
    ) -> bool {
        let mut connection = PgConnection::connect(url).await.expect("a connection");
        let mut rows = async |query: &'static str| -> BTreeSet<String> {
            let rows = connection.fetch_all(query).await.expect("an answer");
            rows.iter().map(|row| row.get::<String, _>(0)).collect()
        };
        let confirmed =
            rows("SELECT event_id || ' ' || id FROM reservations WHERE state = 'confirmed'").await;
        let twice = rows(
            "SELECT event_id || ' ' || position FROM reserved_seats WHERE released_at IS NULL GROUP BY 1 HAVING count(*) > 1",
        )
        .await;
        let broken = rows(
            "SELECT event_id FROM history GROUP BY event_id HAVING count(*) <> max(version) \
             UNION SELECT id FROM events e WHERE sold <> (SELECT count(*) FROM reserved_seats r WHERE r.event_id = e.id AND released_at IS NULL)",
        )
        .await;
        let paid_without = rows(
            "SELECT event_id || ' ' || reservation_id FROM payments WHERE state = 'paid' EXCEPT \
             SELECT event_id || ' ' || id FROM reservations WHERE state = 'confirmed'",
        )
        .await;
        let unpaid = rows(
            "SELECT event_id || ' ' || id FROM reservations WHERE state = 'confirmed' EXCEPT \
             SELECT event_id || ' ' || reservation_id FROM payments WHERE state = 'paid'",
        )
        .await;
        let told = self.told.lock().expect("no panic").clone();
        let mut kinds: BTreeMap<&str, u32> = BTreeMap::new();
        let (mut lost, mut undead) = (Vec::new(), Vec::new());
        let mut owners: BTreeMap<(String, String), String> = BTreeMap::new();
        for line in &told {
            let mut words = line.split(' ');
            let kind = words.next().unwrap_or_default();
            *kinds.entry(kind).or_insert(0) += 1;
            let (event, reservation) = (
                words.next().unwrap_or_default(),
                words.next().unwrap_or_default(),
            );
            let name = format!("{event} {reservation}");
            match kind {
                "sold" => {
                    if !confirmed.contains(&name) {
                        lost.push(name.clone());
                    }
                    for seat in words {
                        let seat = (event.to_owned(), seat.to_owned());
                        if let Some(other) = owners.insert(seat, name.clone()) {
                            lost.push(format!(
                                "{name} and {other} were both told that they have a seat"
                            ));
                        }
                    }
                }
                "cancelled" if confirmed.contains(&name) => undead.push(name),
                _ => {}
            }
        }
        // Clients that are killed between the payment and the sale leave a payment, which a worker gives back.
        println!(
            "run {run}: told {kinds:?}; faults {:?}; {} confirmed; lost {}; undead {}; seats with two owners {}; broken books {}; \
             {looks} looks, {astray} astray; sold and unpaid {}; paid without a sale {}; mended {mended:?}; \
             afterwards {outcome:?}",
            self.faults,
            confirmed.len(),
            lost.len(),
            undead.len(),
            twice.len(),
            broken.len(),
            unpaid.len(),
            paid_without.len()
        );
        for what in lost
            .iter()
            .chain(&undead)
            .chain(&unpaid)
            .chain(&paid_without)
            .take(5)
        {
            println!("       {what}");
        }
        lost.is_empty()
            && undead.is_empty()
            && twice.is_empty()
            && broken.is_empty()
            && unpaid.is_empty()
            && paid_without.is_empty()
            && astray == 0
            && looks > 0
            && kinds.get("sold").is_some_and(|sold| *sold > 0)
            && outcome == Outcome::Clean
    }
}
