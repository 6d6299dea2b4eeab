//! Calls of the real `app`, on a cluster that a campaign has made.

use std::process::{Command, Output, Stdio};

use labrunner::resp::AddressBook;
use serde_json::Value;

/// `app WORDS --json` on these nodes, without a setting from outside.
pub fn app(book: &AddressBook, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_app"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("APP_") {
            command.env_remove(name);
        }
    }
    let nodes = book.iter().map(|node| node.reachable.to_string());
    let map = book
        .iter()
        .map(|node| format!("{}={}", node.announced, node.reachable));
    command
        .args(words)
        .arg("--json")
        .env("APP_NODES", nodes.collect::<Vec<_>>().join(","))
        .env("APP_MAP", map.collect::<Vec<_>>().join(","))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// How a call ended: its exit code, and what it printed as JSON (`null` if it did not).
pub struct Ended {
    pub exit: Option<i32>,
    pub json: Value,
    /// All that it printed, for whoever looks for what went wrong.
    pub text: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let stdout = String::from_utf8_lossy(&output.stdout);
        Ended {
            exit: output.status.code(),
            json: serde_json::from_str(&stdout).unwrap_or_default(),
            text: format!("{stdout}{}", String::from_utf8_lossy(&output.stderr)),
        }
    }
}

impl Ended {
    /// A count of the answer, by its path: `/audit/sold_twice`.
    pub fn count(&self, path: &str) -> Option<u64> {
        self.json.pointer(path)?.as_u64()
    }

    /// A number of the answer, by its path.
    pub fn number(&self, path: &str) -> Option<f64> {
        self.json.pointer(path)?.as_f64()
    }

    /// Whether an audit was made and is clean.
    pub fn is_clean(&self) -> bool {
        self.json.pointer("/audit/clean").and_then(Value::as_bool) == Some(true)
    }

    /// The sum of the counts of an object, such as errors by kind.
    pub fn sum(&self, path: &str) -> Option<u64> {
        let counts = self.json.pointer(path)?.as_object()?;
        Some(counts.values().filter_map(Value::as_u64).sum())
    }
}

/// Calls `app` and waits for its end.
pub fn call(book: &AddressBook, words: &[&str]) -> Ended {
    app(book, words).output().expect("app starts").into()
}

/// Makes an event, and gives its id.
pub fn create_event(book: &AddressBook, seats: u32, on_slots: &str) -> String {
    let words = ["create-event", "--name", "Campaign", "--seats"];
    let seats = seats.to_string();
    let words = [&words[..], &[seats.as_str(), "--on-slots", on_slots]].concat();
    let created = call(book, &words);
    let event = created.json.pointer("/event").and_then(Value::as_str);
    event
        .unwrap_or_else(|| panic!("no event was made: {}", created.text))
        .to_owned()
}
