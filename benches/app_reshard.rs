//! The campaign of a moving event: the slot of one event goes back and forth between two masters while the application is used.
//!
//! `cargo bench --bench app_reshard` moves it 200 times on containers, as `redis-cli --cluster reshard` does (SETSLOT, MIGRATE in small batches,
//! SETSLOT), while `app load-test` sends 500 requests a second for that event. Before each move to redis-2 that node forgets all scripts.
//! It fails unless no request failed, ASK was met 100 times and TRYAGAIN 20 times, by the nodes' own count, and the audit is clean.
//! `-- --moves N` for another number, for which the limits are less in proportion; `--rate R` for another rate.

mod campaign;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use campaign::application::{Ended, app, create_event};
use campaign::containers::Containers;
use campaign::{Call, spread};
use labrunner::cluster::{NodeName, Reply};
use labrunner::resp::Client;

/// For so many moves these redirections have to be met at least.
const MOVES: usize = 200;
const LEAST_ASK: u64 = 100;
const LEAST_TRYAGAIN: u64 = 20;
/// One of redis-1's slots.
const SLOT: &str = "1000";
/// More than are taken while the slot moves.
const SEATS: u32 = 20_000;
const MIX: &str = "reserve=40,confirm=15,cancel=20,read=25";
/// Keys of one MIGRATE. While it runs, both nodes do nothing else.
const BATCH: &str = "50";
/// Changes of the event that its new master has to see before the slot moves on.
const CHANGES: i64 = 25;
/// How long any of this may take.
const LONG: Duration = Duration::from_secs(30);

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// What the moves were like.
#[derive(Default)]
struct Moves {
    /// How long each took, in milliseconds.
    took: Vec<f64>,
    /// How long it then took until the event had changed at its new master, in milliseconds.
    resumed: Vec<f64>,
    /// Keys of the last one.
    keys: usize,
}

fn main() -> ExitCode {
    let Some(asked) = Call::read() else {
        return ExitCode::SUCCESS;
    };
    let moves = asked.number("--moves", MOVES);
    let rate = asked.number("--rate", 500).to_string();
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let good = runtime.block_on(async {
        let containers = Containers::three_pairs("reshard").await;
        let outcome = campaign(&containers, moves, &rate).await;
        let left = containers.remove().await;
        println!("left: {left:?}");
        let good = match outcome {
            Ok(good) => good,
            Err(error) => {
                println!("it could not be carried out: {error}");
                false
            }
        };
        good && left.is_empty()
    });
    match good {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

async fn campaign(containers: &Containers, moves: usize, rate: &str) -> Result<bool, Failed> {
    let book = containers.book();
    let event = create_event(&book, SEATS, SLOT);
    // It ends when it is interrupted.
    let words = ["load-test", "--event", &event, "--seats", "1", "--mix", MIX];
    let words = [&words[..], &["--rate", rate, "--for", "1h"]].concat();
    let mut load = tokio::process::Command::from(app(&book, &words));
    let load = load.kill_on_drop(true).spawn()?;
    let id = load.id().ok_or("the load test has ended")?;
    let outcome = back_and_forth(containers, &event, moves).await;
    tokio::process::Command::new("kill")
        .args(["-INT", &id.to_string()])
        .status()
        .await?;
    let ended: Ended = load.wait_with_output().await?.into();
    let done = match outcome {
        Ok(done) => done,
        Err(error) => {
            println!("{}", ended.text);
            return Err(error);
        }
    };
    Ok(judged(&done, &ended, moves))
}

/// Tells all, and says whether it is as it has to be.
fn judged(done: &Moves, ended: &Ended, moves: usize) -> bool {
    for (what, times) in [
        ("a move", &done.took),
        ("then until a change", &done.resumed),
    ] {
        if let Some((least, middle, most)) = spread(times) {
            println!("{what}: minimum {least:.0} ms, median {middle:.0} ms, maximum {most:.0} ms");
        }
    }
    let count = |path: &str| ended.count(path);
    let shown = |path: &str| count(path).map_or_else(|| "?".to_owned(), |count| count.to_string());
    let ms = |name: &str| {
        let found = ended.number(&format!("/latency_ms/{name}"));
        found.map_or_else(|| "?".to_owned(), |ms| format!("{ms:.1}"))
    };
    let failed = ended.sum("/errors");
    let part = |limit: u64| (limit * moves as u64).div_ceil(MOVES as u64);
    println!(
        "{} moves, {} keys in the last one; {} requests in {:.0} s, at {}/s of {}/s",
        done.took.len(),
        done.keys,
        shown("/total_requests"),
        ended.number("/duration_ms").unwrap_or(f64::NAN) / 1000.0,
        ended.number("/achieved_rate").unwrap_or(f64::NAN),
        ended.number("/offered_rate").unwrap_or(f64::NAN),
    );
    println!(
        "failed {} (limit 0), dropped {}, of unknown outcome {}; refused: {} (there is a seat for everybody)",
        failed.map_or_else(|| "?".to_owned(), |failed| failed.to_string()),
        shown("/dropped"),
        shown("/unknown_outcome"),
        ended.json["refused"],
    );
    println!(
        "ASK {} (limit {}), TRYAGAIN {} (limit {}), MOVED {}; sent again {}, clients made anew {}",
        shown("/redirects/ask"),
        part(LEAST_ASK),
        shown("/redirects/tryagain"),
        part(LEAST_TRYAGAIN),
        shown("/redirects/moved"),
        shown("/retries"),
        shown("/clients_made_anew"),
    );
    println!(
        "latency from when it was due: p50 {} ms, p99 {} ms, most {} ms; audit {}",
        ms("p50"),
        ms("p99"),
        ms("max"),
        if ended.is_clean() {
            "clean"
        } else {
            "NOT CLEAN"
        },
    );
    let good = done.took.len() == moves
        && ended.exit == Some(0)
        && ended.is_clean()
        && failed == Some(0)
        && count("/dropped") == Some(0)
        && count("/unknown_outcome") == Some(0)
        && ended.sum("/refused") == Some(0)
        && count("/redirects/ask") >= Some(part(LEAST_ASK))
        && count("/redirects/tryagain") >= Some(part(LEAST_TRYAGAIN));
    if !good {
        println!("{}", ended.text);
    }
    good
}

/// Moves the slot from redis-1 to redis-2, back, and so on.
async fn back_and_forth(
    containers: &Containers,
    event: &str,
    moves: usize,
) -> Result<Moves, Failed> {
    let names = ["redis-1", "redis-2"].map(NodeName::new);
    let book = containers.book();
    let node = |name: &NodeName| -> Result<Node, Failed> {
        let address = book.get(name).ok_or("a node without an address")?;
        Ok(Node {
            client: Client::new(address.clone(), LONG),
            id: containers.ids[name].to_string(),
        })
    };
    let nodes = [node(&names[0])?, node(&names[1])?];
    let stream = format!("event:{{{event}}}:stream");
    let mut done = Moves::default();
    nodes[0].until_changed(&stream, 0).await?;
    for number in 0..moves {
        let (from, to) = (&nodes[number % 2], &nodes[(number + 1) % 2]);
        if number % 2 == 0 {
            to.call(&["SCRIPT", "FLUSH"]).await?;
        }
        let before = from.changes(&stream).await?;
        let started = Instant::now();
        done.keys = move_slot(from, to).await?;
        let moved = Instant::now();
        to.until_changed(&stream, before).await?;
        done.took.push(milliseconds(moved - started));
        done.resumed.push(milliseconds(moved.elapsed()));
    }
    Ok(done)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

struct Node {
    client: Client,
    id: String,
}

impl Node {
    async fn call(&self, words: &[&str]) -> Result<Reply, Failed> {
        match self.client.call(words).await? {
            Reply::Error(error) => {
                Err(format!("{}: {error}", words[..2.min(words.len())].join(" ")).into())
            }
            reply => Ok(reply),
        }
    }

    /// How often the event has changed.
    async fn changes(&self, stream: &str) -> Result<i64, Failed> {
        let length = self.call(&["XLEN", stream]).await?;
        Ok(length.as_int().ok_or("XLEN gives a number")?)
    }

    /// Waits until the event has changed here, and more than once.
    async fn until_changed(&self, stream: &str, since: i64) -> Result<(), Failed> {
        let deadline = Instant::now() + LONG;
        while self.changes(stream).await? < since + CHANGES {
            if Instant::now() > deadline {
                return Err(format!("the event did not change within {LONG:?}").into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}

/// Says how many keys went over.
async fn move_slot(from: &Node, to: &Node) -> Result<usize, Failed> {
    let target = to.client.address().announced.clone();
    let port = target.port.to_string();
    to.call(&["CLUSTER", "SETSLOT", SLOT, "IMPORTING", &from.id])
        .await?;
    from.call(&["CLUSTER", "SETSLOT", SLOT, "MIGRATING", &to.id])
        .await?;
    let mut moved = 0;
    loop {
        let keys = from
            .call(&["CLUSTER", "GETKEYSINSLOT", SLOT, BATCH])
            .await?;
        let keys: Vec<String> = match &keys {
            Reply::Array(keys) => keys
                .iter()
                .filter_map(|key| key.as_text().map(|key| key.into_owned()))
                .collect(),
            other => return Err(format!("GETKEYSINSLOT gave {other:?}").into()),
        };
        if keys.is_empty() {
            break;
        }
        moved += keys.len();
        let mut words = vec!["MIGRATE", &target.host, &port, "", "0", "10000", "KEYS"];
        words.extend(keys.iter().map(String::as_str));
        from.call(&words).await?;
    }
    // First the new owner, so that there always is one.
    for node in [to, from] {
        node.call(&["CLUSTER", "SETSLOT", SLOT, "NODE", &to.id])
            .await?;
    }
    Ok(moved)
}
