//! The clients: they ask an application, ask again under the same operation id where there was no answer, and remember what they were told.

use std::collections::{BTreeMap, HashMap};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use labrunner::app::request::OperationId;
use rand::Rng;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::oneshot;

use super::wire::{Answered, Asked, What};

/// How long a client asks again and again.
const PATIENCE: Duration = Duration::from_secs(40);
/// How long he waits for one answer.
const ONE_ANSWER: Duration = Duration::from_secs(12);

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Answered>>>>;

/// A process of the application.
pub struct Process {
    child: Child,
    input: Arc<tokio::sync::Mutex<ChildStdin>>,
    waiting: Waiting,
}

impl Process {
    pub fn start(nodes: &str, database: &str) -> Process {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .arg("--serve")
            .env("CAMPAIGN_NODES", nodes)
            .env("CAMPAIGN_DATABASE", database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the application starts");
        let input = child.stdin.take().expect("a pipe");
        let output = child.stdout.take().expect("a pipe");
        let waiting = Waiting::default();
        let told = waiting.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let Ok(answered) = serde_json::from_str::<Answered>(&line) else {
                    // The last line of a process that was killed.
                    continue;
                };
                let waiting = told.lock().expect("no panic").remove(&answered.number);
                if let Some(waiting) = waiting {
                    let _ = waiting.send(answered);
                }
            }
            // Who waits is told that nothing comes any more.
            told.lock().expect("no panic").clear();
        });
        Process {
            child,
            input: Arc::new(tokio::sync::Mutex::new(input)),
            waiting,
        }
    }

    pub async fn kill(&mut self) {
        let _ = self.child.kill().await;
    }
}

/// What a client was told at the end.
#[derive(Debug, Clone)]
pub struct Told {
    pub asked: Asked,
    /// Nothing: he gave up without an answer, or the answer was that it is not known.
    pub answer: Option<Answered>,
    pub asked_at: Instant,
    pub told_at: Instant,
}

pub struct Clients {
    pub processes: Mutex<Vec<Process>>,
    next: AtomicU64,
    pub told: Mutex<Vec<Told>>,
    /// What those who gave up had heard last, and how many they were.
    pub gave_up: Mutex<BTreeMap<String, u64>>,
    /// Holds that nobody has settled: event, user, and what was answered.
    open: Mutex<Vec<(String, String, Answered)>>,
    sold: Mutex<Vec<(String, String, String)>>,
}

impl Clients {
    pub fn new(processes: Vec<Process>) -> Arc<Clients> {
        Arc::new(Clients {
            processes: Mutex::new(processes),
            next: AtomicU64::new(1),
            told: Mutex::default(),
            gave_up: Mutex::default(),
            open: Mutex::default(),
            sold: Mutex::default(),
        })
    }

    /// One client: half reserve, a quarter confirm, some cancel or read.
    pub async fn come(&self, events: &[String], number: u64) {
        let (what, event, user, reservation, token) = self.choose(events, number);
        let asked = Asked {
            number: 0,
            what,
            event,
            user,
            reservation,
            token,
            seats: 1 + u32::from(number.is_multiple_of(3)),
            hold_ms: 8000,
            operation: OperationId::random().to_string(),
        };
        let asked_at = Instant::now();
        let answer = self.until_answered(&asked).await;
        if let Some(answer) = answer.as_ref().filter(|answer| answer.kind == "done") {
            let (event, user) = (asked.event.clone(), asked.user.clone());
            match what {
                What::Reserve => {
                    self.open
                        .lock()
                        .expect("no panic")
                        .push((event, user, answer.clone()))
                }
                What::Confirm => {
                    let sale = (event, user, asked.reservation.clone());
                    self.sold.lock().expect("no panic").push(sale);
                }
                _ => {}
            }
        }
        self.told.lock().expect("no panic").push(Told {
            asked,
            answer,
            asked_at,
            told_at: Instant::now(),
        });
    }

    fn choose(
        &self,
        events: &[String],
        number: u64,
    ) -> (What, String, String, String, Option<u64>) {
        let mut random = rand::rng();
        let event = events[random.random_range(0..events.len())].clone();
        let user = format!("user-{number}");
        let dice = random.random_range(0..100);
        let taken = |open: &mut Vec<(String, String, Answered)>| {
            (!open.is_empty()).then(|| {
                let at = rand::rng().random_range(0..open.len());
                open.swap_remove(at)
            })
        };
        match dice {
            0..30 => {
                if let Some((event, user, held)) = taken(&mut self.open.lock().expect("no panic")) {
                    return (
                        What::Confirm,
                        event,
                        user,
                        held.reservation,
                        Some(held.token),
                    );
                }
            }
            30..36 => {
                if let Some((event, user, held)) = taken(&mut self.open.lock().expect("no panic")) {
                    return (
                        What::Cancel,
                        event,
                        user,
                        held.reservation,
                        Some(held.token),
                    );
                }
            }
            36..42 => {
                let mut sold = self.sold.lock().expect("no panic");
                if !sold.is_empty() {
                    let at = random.random_range(0..sold.len());
                    let (event, user, reservation) = sold.swap_remove(at);
                    return (What::Cancel, event, user, reservation, None);
                }
            }
            42..55 => return (What::Read, event, user, String::new(), None),
            _ => {}
        }
        (What::Reserve, event, user, String::new(), None)
    }

    /// Asks until there is an answer that says what became of it.
    async fn until_answered(&self, asked: &Asked) -> Option<Answered> {
        let until = Instant::now() + PATIENCE;
        let mut last = "nothing".to_owned();
        while Instant::now() < until {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let (sender, answer) = oneshot::channel();
            let input = {
                let processes = self.processes.lock().expect("no panic");
                let process = &processes[rand::rng().random_range(0..processes.len())];
                process
                    .waiting
                    .lock()
                    .expect("no panic")
                    .insert(number, sender);
                process.input.clone()
            };
            let line = serde_json::to_string(&Asked {
                number,
                ..asked.clone()
            })
            .expect("a line");
            let sent = input
                .lock()
                .await
                .write_all(format!("{line}\n").as_bytes())
                .await;
            let answered = match sent {
                Ok(()) => tokio::time::timeout(ONE_ANSWER, answer)
                    .await
                    .ok()
                    .and_then(Result::ok),
                Err(_) => None,
            };
            match answered {
                Some(answer) if answer.kind == "done" || answer.refused => return Some(answer),
                // Not known, or not possible just now: the same again, later.
                heard => {
                    last = heard.map_or_else(|| "no answer".to_owned(), |answer| answer.kind);
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
        *self
            .gave_up
            .lock()
            .expect("no panic")
            .entry(last)
            .or_default() += 1;
        None
    }
}
