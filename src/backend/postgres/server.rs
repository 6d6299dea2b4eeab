//! One server, from its data directory's making to its removal.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rand::Rng;
use rustix::process::Signal;

use super::account::Account;
use super::binaries::Binaries;
use super::folder::Folder;
use super::left;
use super::processes::{family, gone, signal};
use super::watchdog::Watchdog;
use crate::backend::BackendError;
use crate::backend::lock_file::Locked;

/// How long a server may take until it answers; after a crash it reads its log first.
const START: Duration = Duration::from_secs(60);
/// How long it may take to end in good order.
const END: Duration = Duration::from_secs(30);
/// Between two looks at how far it is.
const PAUSE: Duration = Duration::from_millis(10);
/// How many ports are tried: each was free a moment before.
const PORTS: usize = 10;
/// The user that owns everything in it, and the database that is there from the start.
const NAME: &str = "postgres";

/// What a server is to be like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The run it is made for, by which it can be found afterwards.
    pub run: Option<String>,
    /// Its port on 127.0.0.1; one that is free, if not said.
    pub port: Option<u16>,
    /// Whether it waits until its log is on the disk. Without, what it acknowledged survives the end of its processes, however they end, but not
    /// that of the machine; a throw-away server need not survive that.
    pub fsync: bool,
    /// Further lines for its `postgresql.conf`.
    pub settings: Vec<String>,
    /// Variables of its environment, beside those that it has anyway: such as those of a library that shows it another time.
    pub environment: Vec<(String, String)>,
    /// Where its data directory is made, instead of beside all others: such as on a disk that a test made small. It has to be empty; it may be used
    /// once.
    pub data: Option<PathBuf>,
}

/// How a server is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Connections are ended and what is under way is rolled back (`pg_ctl stop -m fast`).
    Fast,
    /// Without a checkpoint: it recovers when it is started again (`-m immediate`).
    Immediate,
}

/// A server that runs, or can be started again. Dropped, it is ended, and everything of it is removed.
#[derive(Debug)]
pub struct Server {
    binaries: Binaries,
    account: Account,
    folder: Folder,
    port: u16,
    password: String,
    environment: Vec<(String, String)>,
    process: Option<Child>,
    frozen: bool,
    watchdog: Option<Watchdog>,
    /// Only held.
    _lock: Locked,
}

impl Server {
    /// Makes a server and starts it. Returns when it takes connections.
    ///
    /// # Errors
    /// `Unavailable`: no PostgreSQL is here; nobody to run it as; it can't be made or started, with its own words.
    pub fn start(options: &Options) -> Result<Self, BackendError> {
        let binaries = Binaries::find()?;
        let account = Account::choose()?;
        let (folder, lock) =
            Folder::make(&Folder::base(), &account).map_err(|error| no_place(&error))?;
        // From here on somebody cleans up.
        let watchdog = Watchdog::start(&folder).map_err(|error| no_place(&error))?;
        let mut server = Server {
            binaries,
            account,
            folder,
            port: 0,
            password: password(),
            environment: options.environment.clone(),
            process: None,
            frozen: false,
            watchdog: Some(watchdog),
            _lock: lock,
        };
        server.make(options)?;
        let tries = if options.port.is_some() { 1 } else { PORTS };
        let mut last = None;
        for _ in 0..tries {
            server.port = match options.port {
                Some(port) => port,
                None => free_port().map_err(|error| no_place(&error))?,
            };
            match server.start_again() {
                Ok(()) => return Ok(server),
                Err(error) if error.to_string().contains("could not bind") => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| no_place(&io::Error::other("no port is free"))))
    }

    /// The version that it is of.
    pub fn version(&self) -> &str {
        self.binaries.version()
    }

    /// Where its programs are, such as `psql`.
    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The password of its user `postgres`, over TCP.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Where a database of it is, over TCP: with a password, as anywhere.
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgres://{NAME}:{}@127.0.0.1:{}/{database}?sslmode=disable",
            self.password, self.port
        )
    }

    /// Where a database of it is, over its socket: without a password, since nobody else gets into the folder.
    pub fn socket_url(&self, database: &str) -> String {
        let folder = self.folder.path().to_string_lossy().replace('/', "%2F");
        format!("postgres://{NAME}@{folder}:{}/{database}", self.port)
    }

    /// The folder of its socket.
    pub fn socket_folder(&self) -> &Path {
        self.folder.path()
    }

    /// The process id of the server's first process, while it runs.
    pub fn process(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// Whether its first process is there.
    pub fn is_running(&mut self) -> bool {
        self.process
            .as_mut()
            .is_some_and(|process| matches!(process.try_wait(), Ok(None)))
    }

    /// Starts it where it is not running, on the data and the port that it had. Returns when it takes connections.
    ///
    /// # Errors
    /// `Broken`, with its own words.
    pub fn start_again(&mut self) -> Result<(), BackendError> {
        if self.is_running() {
            return Ok(());
        }
        self.process = None;
        let until = Instant::now() + START;
        loop {
            let from = std::fs::metadata(self.folder.log()).map_or(0, |log| log.len());
            match self.launch(until, from) {
                // Somebody of the server before is just about to go.
                Err(error) if error.contains("shared memory block") && Instant::now() < until => {
                    std::thread::sleep(PAUSE);
                }
                done => return done.map_err(|why| self.broken("start", &why)),
            }
        }
    }

    /// Ends it. What is stopped stays stopped.
    ///
    /// # Errors
    /// `Broken`: it did not end in time; it is killed then.
    pub fn stop(&mut self, how: Stop) -> Result<(), BackendError> {
        self.wake();
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        signal(
            process.id(),
            match how {
                Stop::Fast => Signal::INT,
                Stop::Immediate => Signal::QUIT,
            },
        );
        let until = Instant::now() + END;
        while matches!(process.try_wait(), Ok(None)) {
            if Instant::now() >= until {
                self.kill();
                return Err(self.broken("stop", &format!("it did not end in {END:?}")));
            }
            std::thread::sleep(PAUSE);
        }
        self.process = None;
        Ok(())
    }

    /// `kill -9` of all its processes. Returns when they are gone.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // First itself: it makes no more then.
            let mut processes = family(process.id());
            let _ = process.kill();
            for one in &processes {
                signal(*one, Signal::KILL);
            }
            let _ = process.wait();
            processes.retain(|one| *one != process.id());
            gone(&processes, END);
            // Its process id may be somebody else's tomorrow.
            let _ = std::fs::remove_file(self.folder.postmaster());
        }
        let _ = std::fs::remove_file(self.folder.frozen());
        self.frozen = false;
    }

    /// Freezes all its processes: it is there, and does not answer.
    pub fn freeze(&mut self) {
        let Some(first) = self.process() else { return };
        let mut stopped: Vec<u32> = Vec::new();
        // Whoever came to be while the list was made is on the next one.
        loop {
            let new: Vec<u32> = family(first)
                .into_iter()
                .filter(|process| !stopped.contains(process))
                .collect();
            if new.is_empty() {
                break;
            }
            stopped.extend(&new);
            let text: Vec<String> = stopped.iter().map(u32::to_string).collect();
            let _ = std::fs::write(self.folder.frozen(), text.join(" "));
            for process in new {
                signal(process, Signal::STOP);
            }
        }
        self.frozen = true;
    }

    /// Goes on after [`freeze`](Self::freeze).
    pub fn wake(&mut self) {
        if let (true, Some(first)) = (self.frozen, self.process()) {
            for process in family(first) {
                signal(process, Signal::CONT);
            }
        }
        let _ = std::fs::remove_file(self.folder.frozen());
        self.frozen = false;
    }

    /// Sets a variable of its environment, from its next start on.
    pub fn set_environment(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// The last lines of its log.
    pub fn log(&self, lines: usize) -> String {
        let text = std::fs::read(self.folder.log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let all: Vec<&str> = text.lines().collect();
        let from = all.len().saturating_sub(lines);
        all.get(from..).unwrap_or_default().join("\n")
    }

    /// Makes the data directory.
    fn make(&self, options: &Options) -> Result<(), BackendError> {
        if let Some(run) = &options.run {
            std::fs::write(self.folder.run(), run).map_err(|error| no_place(&error))?;
        }
        if let Some(data) = &options.data {
            std::os::unix::fs::symlink(data, self.folder.data())
                .and_then(|()| self.account.give(data))
                .and_then(|()| std::fs::set_permissions(data, PermissionsExt::from_mode(0o700)))
                .map_err(|error| no_place(&error))?;
        }
        self.write_secret().map_err(|error| no_place(&error))?;
        let data = self.folder.data();
        let mut command = self.command("initdb");
        command
            .arg("--pgdata")
            .arg(&data)
            .args(["--username", NAME, "--no-sync", "--encoding", "UTF8"])
            .args([
                "--locale",
                "C",
                "--auth-local",
                "trust",
                "--auth-host",
                "scram-sha-256",
            ])
            .arg("--pwfile")
            .arg(self.folder.password());
        let made = command.output().map_err(|error| no_place(&error))?;
        if !made.status.success() {
            let said = String::from_utf8_lossy(&made.stderr);
            return Err(BackendError::Unavailable {
                what: format!("initdb made no database: {}", on_one_line(&said)),
                help: "see what it says; is the disk full?".to_owned(),
            });
        }
        self.configure(options).map_err(|error| no_place(&error))
    }

    fn write_secret(&self) -> io::Result<()> {
        let path = self.folder.password();
        let mut file = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&path)?;
        file.write_all(self.password.as_bytes())?;
        self.account.give(&path)
    }

    fn configure(&self, options: &Options) -> io::Result<()> {
        let mut lines = vec![
            String::new(),
            "listen_addresses = '127.0.0.1'".to_owned(),
            format!(
                "unix_socket_directories = '{}'",
                self.folder.path().display()
            ),
            "unix_socket_permissions = 0700".to_owned(),
            // Small, since many may go side by side.
            "shared_buffers = 32MB".to_owned(),
            "timezone = 'UTC'".to_owned(),
            "log_timezone = 'UTC'".to_owned(),
            "log_line_prefix = '%m [%p] '".to_owned(),
            "jit = off".to_owned(),
        ];
        if !options.fsync {
            lines.push("fsync = off".to_owned());
            lines.push("full_page_writes = off".to_owned());
        }
        lines.extend(options.settings.iter().cloned());
        lines.push(String::new());
        OpenOptions::new()
            .append(true)
            .open(self.folder.data().join("postgresql.conf"))?
            .write_all(lines.join("\n").as_bytes())
    }

    /// One of the programs, as the account that the server has, and with nothing of the reader's own settings.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.binaries.program(program));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        command
            .env("LC_ALL", "C")
            // Where the reader stands, another account may not be let in.
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        self.account.apply(&mut command);
        command
    }

    /// Starts it and waits for it; or what it said against it, after the first `from` bytes of its log.
    fn launch(&mut self, until: Instant, from: u64) -> Result<(), String> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.log());
        let log = log.map_err(|error| error.to_string())?;
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        let mut process = self
            .command("postgres")
            .arg("-D")
            .arg(self.folder.data())
            .arg("-p")
            .arg(self.port.to_string())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdout(log)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(|error| error.to_string())?;
        loop {
            if self.says_ready(process.id()) {
                self.process = Some(process);
                return Ok(());
            }
            match process.try_wait() {
                Ok(None) if Instant::now() < until => std::thread::sleep(PAUSE),
                Ok(None) => {
                    self.process = Some(process);
                    self.kill();
                    return Err(format!("it did not answer in {START:?}"));
                }
                Ok(Some(_)) => return Err(self.complaint(from)),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// What `pg_ctl -w` waits for.
    fn says_ready(&self, process: u32) -> bool {
        let text = std::fs::read_to_string(self.folder.postmaster()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        lines.first() == Some(&process.to_string().as_str()) && lines.get(7) == Some(&"ready")
    }

    /// What it logged last time, without the times.
    fn complaint(&self, from: u64) -> String {
        let mut said = Vec::new();
        let read = File::open(self.folder.log()).and_then(|mut log| {
            io::Seek::seek(&mut log, io::SeekFrom::Start(from))?;
            io::Read::read_to_end(&mut log, &mut said)
        });
        match read {
            Ok(_) => on_one_line(&String::from_utf8_lossy(&said)),
            Err(error) => error.to_string(),
        }
    }

    fn broken(&self, what: &str, why: &str) -> BackendError {
        BackendError::Broken {
            what: format!("PostgreSQL {} did not {what}: {why}", self.version()),
            help: "see what it says; is the disk full, or a port taken?".to_owned(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Killed, it would leave its piece of shared memory to the system.
        let _ = self.stop(Stop::Immediate);
        let _ = left::remove(&self.folder);
        // Now there is nothing to watch.
        drop(self.watchdog.take());
    }
}

fn no_place(error: &io::Error) -> BackendError {
    BackendError::Unavailable {
        what: format!("a PostgreSQL server can't be made: {error}"),
        help: "it is made in the folder for temporary files: set TMPDIR to another one".to_owned(),
    }
}

fn on_one_line(said: &str) -> String {
    let lines: Vec<&str> = said
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines.join("; ")
}

fn free_port() -> io::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    Ok(listener.local_addr()?.port())
}

/// Nobody types it.
fn password() -> String {
    let mut rng = rand::rng();
    (0..24)
        .map(|_| char::from(rng.random_range(b'a'..=b'z')))
        .collect()
}
