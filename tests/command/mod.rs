//! The real `labrunner` command in a folder of its own: run to its end, or started, watched by its journal, and sent signals.
//!
//! Each test file uses a part of this.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

mod executable;

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Long enough for anything that ends by itself, on a machine under load.
pub const LONG: Duration = Duration::from_secs(90);
/// Between two looks at what is waited for.
const PAUSE: Duration = Duration::from_millis(5);

/// A folder in which the command is run, with the labs that a test writes there. Messages name files as they were typed, so they are
/// the same on every machine.
pub struct Desk {
    folder: tempfile::TempDir,
}

/// What came of a command.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; `None` when a signal ended it.
    pub exit: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

/// A command that was started. Dropped before its end, it is killed.
pub struct Running {
    child: Child,
    begun: Instant,
    stdout: PathBuf,
    stderr: PathBuf,
    journal: PathBuf,
    ended: bool,
}

impl Desk {
    /// An empty folder.
    pub fn new() -> Desk {
        Desk {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> &Self {
        std::fs::write(self.path().join(name), text).unwrap();
        self
    }

    /// Writes an executable `sh` script into a folder that can stand in the PATH, and returns that folder.
    pub fn script(&self, folder: &str, name: &str, script: &str) -> PathBuf {
        let folder = self.path().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        executable::write_executable(&folder.join(name), script);
        folder
    }

    /// The command with `args`, not started yet. Nothing of the user's own settings reaches it, but which image to take.
    pub fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_labrunner"));
        command
            .args(args)
            .current_dir(self.path())
            .env_remove("LABRUNNER_STATE")
            .env_remove("RUST_BACKTRACE")
            .env_remove("CLICOLOR_FORCE")
            .stdin(Stdio::null());
        command
    }

    /// `labrunner run ARGS`, with its state in `state` and its journal in `journal.jsonl`.
    pub fn run_command(&self, args: &[&str]) -> Command {
        let all = ["run", "--state-dir", "state", "--journal", "journal.jsonl"];
        self.command(all.iter().chain(args))
    }

    /// Runs `labrunner ARGS` to its end.
    pub fn labrunner(&self, args: &[&str]) -> Ended {
        self.start(&mut self.command(args)).end(LONG)
    }

    /// Runs `labrunner run ARGS` to its end.
    pub fn run(&self, args: &[&str]) -> Ended {
        self.start(&mut self.run_command(args)).end(LONG)
    }

    /// Starts a command.
    pub fn start(&self, command: &mut Command) -> Running {
        let number = std::fs::read_dir(self.path()).unwrap().count();
        let file = |name: &str| self.path().join(format!("{name}-{number}.txt"));
        let (stdout, stderr) = (file("stdout"), file("stderr"));
        command
            .stdout(File::create(&stdout).unwrap())
            .stderr(File::create(&stderr).unwrap());
        Running {
            begun: Instant::now(),
            child: command.spawn().unwrap(),
            stdout,
            stderr,
            journal: self.path().join("journal.jsonl"),
            ended: false,
        }
    }

    /// Writes a lab and starts running it; the journal of the run before it, if there was one, is forgotten.
    pub fn start_lab(&self, lab: &str) -> Running {
        let _ = std::fs::remove_file(self.path().join("journal.jsonl"));
        self.write("lab.yaml", lab);
        self.start(&mut self.run_command(&["lab.yaml"]))
    }

    /// Writes a lab and runs it to its end.
    pub fn run_lab(&self, lab: &str) -> Ended {
        self.start_lab(lab).end(LONG)
    }

    /// The run's id, from the journal's first line.
    pub fn run_id(&self) -> String {
        let journal = read(&self.path().join("journal.jsonl"));
        let first: Value = serde_json::from_str(journal.lines().next().unwrap()).unwrap();
        assert_eq!(first["event"], "run_started", "{journal}");
        first["run"].as_str().unwrap().to_owned()
    }

    /// The journal's events.
    pub fn events(&self) -> Vec<Value> {
        events(&self.path().join("journal.jsonl"))
    }
}

impl Running {
    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it printed until now.
    pub fn stdout(&self) -> String {
        read(&self.stdout)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(id, signal).unwrap();
    }

    /// Waits until the journal has an event of which `is_it` is true.
    pub fn wait_for(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        self.wait_until(what, |running| {
            events(&running.journal)
                .into_iter()
                .find(|event| is_it(event))
        })
    }

    /// Waits until the journal has an event of this name.
    pub fn wait_for_event(&mut self, name: &str) -> Value {
        self.wait_for(name, |event| event["event"] == name)
    }

    /// Looks again and again until `look` has something.
    pub fn wait_until<T>(&mut self, what: &str, look: impl Fn(&Running) -> Option<T>) -> T {
        let until = Instant::now() + LONG;
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                self.ended = true;
                panic!("it ended ({status}) before this: {what}\n{}", self.said());
            }
            assert!(
                Instant::now() < until,
                "never came: {what}\n{}",
                self.said()
            );
            std::thread::sleep(PAUSE);
        }
    }

    /// The most memory that it has had in use at once until now, in bytes; `None` when it has ended.
    pub fn peak_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kilobytes * 1024)
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end, `limit` at most.
    pub fn end(mut self, limit: Duration) -> Ended {
        let until = Instant::now() + limit;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                Instant::now() < until,
                "no end within {limit:?}\n{}",
                self.said()
            );
            std::thread::sleep(PAUSE);
        };
        self.ended = true;
        let ended = Ended {
            exit: status.code(),
            signal: status.signal(),
            stdout: read(&self.stdout),
            stderr: read(&self.stderr),
            took: self.begun.elapsed(),
        };
        // Nothing in this file is about a bug of the command; none may show itself.
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        assert_ne!(ended.exit, Some(70), "{ended:?}");
        ended
    }

    fn said(&self) -> String {
        format!(
            "--- stdout\n{}--- stderr\n{}",
            read(&self.stdout),
            read(&self.stderr)
        )
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Ended {
    /// Fails unless it ended with this exit code, and each of `words` stands in what it printed, on whichever stream. Line breaks of the
    /// layout count as spaces.
    #[track_caller]
    pub fn says(&self, exit: i32, words: &[&str]) -> &Self {
        // With `--nocapture` the tests show what people read.
        println!("{self}");
        assert_eq!(self.exit, Some(exit), "{self}");
        let said = flat(&format!("{}\n{}", self.stdout, self.stderr));
        for word in words {
            assert!(
                said.contains(&flat(word)),
                "it does not say {word:?}\n{self}"
            );
        }
        self
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "exit {:?}, signal {:?}, {:?}\n--- stdout\n{}--- stderr\n{}",
            self.exit,
            self.signal,
            self.took,
            beginning(&self.stdout),
            beginning(&self.stderr)
        )
    }
}

/// As much of a text as a person would read.
fn beginning(text: &str) -> String {
    text.chars().take(8_000).collect()
}

fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

/// The events of a journal that may still be written: what is no whole line is not there yet.
fn events(journal: &Path) -> Vec<Value> {
    read(journal)
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// The command lines of the machine's processes in which `word` stands.
pub fn processes_about(word: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(word))
        .collect()
}

/// A lab of these steps; `given` is all of it, or nothing.
pub fn lab(given: &str, steps: &str) -> String {
    let first = steps
        .split("- id: ")
        .nth(1)
        .and_then(|rest| rest.lines().next())
        .unwrap_or_default();
    format!(
        "title: A lab\nobjective: To be run.\n{given}steps:\n{steps}points:\n  - text: It is so.\n    proved_by: [{first}]\n"
    )
}
