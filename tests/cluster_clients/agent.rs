//! Whoever uses a client library: a program in its language, or a task here. It is told step by step what to do, and says what it saw, both as
//! JSON, so that one scenario serves all languages.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, timeout_at};

/// The time of one step. Libraries retry by themselves, and slowly.
const STEP: Duration = Duration::from_secs(30);

/// One that is told steps.
pub struct Agent {
    steps: UnboundedSender<Value>,
    seen: UnboundedReceiver<Value>,
    /// Killed when dropped.
    _process: Option<Child>,
}

/// A task's end of an agent: the steps that it is told, and where it says what it saw.
pub type Inside = (UnboundedReceiver<Value>, UnboundedSender<Value>);

impl Agent {
    /// One whose other end is a task of this process.
    pub fn within() -> (Agent, Inside) {
        let (steps, told) = unbounded_channel();
        let (says, seen) = unbounded_channel();
        let agent = Agent {
            steps,
            seen,
            _process: None,
        };
        (agent, (told, says))
    }

    /// A program that reads steps and prints what it saw. What it prints as errors is shown with the test's output.
    pub fn program(mut command: Command) -> Agent {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut input = process.stdin.take().unwrap();
        let output = process.stdout.take().unwrap();
        let mut errors = process.stderr.take().unwrap();
        let (mut agent, (mut told, says)) = Agent::within();
        agent._process = Some(process);
        tokio::spawn(async move {
            while let Some(step) = told.recv().await {
                if input
                    .write_all(format!("{step}\n").as_bytes())
                    .await
                    .is_err()
                {
                    return;
                }
            }
        });
        tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let said = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if says.send(said).is_err() {
                    return;
                }
            }
            let mut text = String::new();
            let _ = errors.read_to_string(&mut text).await;
            let _ = says.send(Value::String(format!("it ended: {text}")));
        });
        agent
    }

    /// Tells a step, and does not wait for its end.
    pub fn tell(&self, step: &str, more: Value) {
        let mut told = Map::new();
        told.insert("step".to_owned(), step.into());
        if let Value::Object(more) = more {
            told.extend(more);
        }
        self.steps.send(told.into()).unwrap();
    }

    /// Tells a step, and waits for what was seen in it.
    pub async fn ask(&mut self, step: &str, more: Value) -> Value {
        self.tell(step, more);
        self.done(step).await
    }

    /// Waits for the end of a step.
    pub async fn done(&mut self, step: &str) -> Value {
        let said = self.next(STEP).await;
        let said = said.unwrap_or_else(|| panic!("{step}: no answer within {STEP:?}"));
        assert_eq!(said["done"], step, "{said}");
        said
    }

    /// The next thing that it says within this time.
    pub async fn next(&mut self, limit: Duration) -> Option<Value> {
        let said = timeout_at(Instant::now() + limit, self.seen.recv()).await;
        said.ok().map(|said| said.unwrap())
    }

    /// What it has said and nobody has heard yet.
    pub fn said(&mut self) -> Option<Value> {
        self.seen.try_recv().ok()
    }
}
