//! Probes beside nodes that behave as no real ones can be made to: scripts. redis-1 owns all slots, redis-2 is another master.

mod aim;
mod audit;
mod operation;
mod probe;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::keys::{ProbeKey, Turn};
use super::probe::Shared;
use super::tally::Outcome;
use super::{ProbePlan, ProbeReport, ProbeSlots};
use crate::cluster::{Endpoint, NodeName, Reply, Slot};
use crate::double::{Clock, Script, ScriptServer};
use crate::resp::AddressBook;

/// Within this everything comes about that is to, on a busy machine too.
const SOON: Duration = Duration::from_secs(10);
/// The deadline of operations that can't come to anything.
const SHORT: Duration = Duration::from_millis(300);
const RATE: u32 = 200;
const SEED: u64 = 1;

/// The slot of all operations of [`Stage::operate`].
fn slot() -> Slot {
    Slot::new(7).unwrap()
}

fn name(number: u16) -> NodeName {
    NodeName::new(format!("redis-{number}"))
}

/// What redis-1 or redis-2 sees.
fn view(by: u16) -> String {
    let line = |number: u16, slots: &str| {
        let (id, myself) = (
            number.to_string().repeat(40),
            if by == number { "myself," } else { "" },
        );
        format!(
            "{id} 10.0.0.{number}:700{number}@1700{number} {myself}master - 0 0 1 connected{slots}\n"
        )
    };
    line(1, " 0-16383") + &line(2, "")
}

/// A node of the cluster. What the test has written into `script` counts first.
async fn node(number: u16, mut script: Script) -> ScriptServer {
    script.on("CLUSTER NODES").gives(view(number).as_str());
    script.start().await.unwrap()
}

fn book(one: &ScriptServer, two: &ScriptServer) -> AddressBook {
    let announced = |number: u16| Endpoint::new(format!("10.0.0.{number}"), 7000 + number);
    AddressBook::new(vec![
        one.as_node(name(1), announced(1)),
        two.as_node(name(2), announced(2)),
    ])
}

fn ok() -> Reply {
    Reply::Status("OK".to_owned())
}

async fn eventually(mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < deadline, "it did not come about");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A probe whose operations are carried out one by one.
struct Stage {
    one: ScriptServer,
    two: ScriptServer,
    shared: Arc<Shared>,
}

impl Stage {
    async fn new(deadline: Duration, script: Script) -> Stage {
        let only = [slot()].into_iter().collect();
        Stage::with(deadline, ProbeSlots::Fixed(only), script, Script::new()).await
    }

    async fn with(deadline: Duration, slots: ProbeSlots, one: Script, two: Script) -> Stage {
        let (one, two) = (node(1, one).await, node(2, two).await);
        let plan = ProbePlan {
            rate: RATE,
            slots,
            deadline,
            seed: SEED,
        };
        let shared = Arc::new(Shared::new(book(&one, &two), plan, Instant::now()));
        Stage { one, two, shared }
    }

    /// Begins an operation, and gives the task that carries it out.
    fn begin(&self, number: u64) -> tokio::task::JoinHandle<()> {
        let shared = self.shared.clone();
        let permit = shared.in_flight.clone().try_acquire_owned().unwrap();
        tokio::spawn(super::operation::operate(
            shared,
            number,
            Instant::now(),
            permit,
        ))
    }

    /// Carries an operation out to its end.
    async fn operate(&self, number: u64) -> ProbeReport {
        let ended = tokio::time::timeout(SOON * 2, self.begin(number)).await;
        ended.unwrap().unwrap();
        self.report()
    }

    fn report(&self) -> ProbeReport {
        self.shared.tally().report(Instant::now())
    }

    /// The write of this operation was acknowledged. Returns the name of its key and its value.
    fn acknowledged(&self, number: u64) -> (String, String) {
        self.came_to(number, Outcome::Written)
    }

    fn came_to(&self, number: u64, outcome: Outcome) -> (String, String) {
        let key = ProbeKey {
            number,
            slot: slot(),
            absent: false,
        };
        let name = self.shared.naming.key(key);
        self.shared
            .tally()
            .ended(Instant::now(), key, &name, outcome, Duration::ZERO);
        (name, self.shared.naming.value(key))
    }
}

/// The first operation that writes.
const WRITE: u64 = 0;

/// The first operation that reads: a key that was written, or one that never was.
fn read(absent: bool) -> u64 {
    let mut reads = (1..).step_by(2);
    reads
        .find(|number| Turn::of(*number, RATE, SEED).absent == absent)
        .unwrap()
}
