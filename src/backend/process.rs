//! Running a program to its end: with a bounded output, a deadline, and a way to call it off.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio_util::sync::CancellationToken;

use super::bounded::Bounded;

/// Bytes read from a pipe at once: what a pipe holds by default on Linux.
const PIPE_BYTES: usize = 64 * 1024;
/// How long output is still read once the program has ended. What it started and left behind may hold the pipe open for ever.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// A program with its arguments and its surroundings, not started yet. It is never given a terminal.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    path: PathBuf,
    args: Vec<OsString>,
    set: Vec<(OsString, OsString)>,
    unset: Vec<OsString>,
    directory: Option<PathBuf>,
    stdin: Option<Vec<u8>>,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By itself, with this exit code; 128 and the signal's number where a signal ended it, as a shell says it.
    Exited(i32),
    /// It was stopped when its time was over.
    TimedOut,
    /// It was called off.
    Cancelled,
}

/// A program that has ended, and what it printed.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) ending: Ending,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// Both, in the order in which they arrived.
    pub(crate) combined: String,
    /// Bytes of both that were not kept.
    pub(crate) cut_bytes: u64,
    pub(crate) took: Duration,
}

impl Ended {
    /// Whether it ended by itself with exit code 0.
    pub(crate) fn succeeded(&self) -> bool {
        self.ending == Ending::Exited(0)
    }

    /// What the program said was wrong, on one line: its standard error, or else whatever it printed.
    pub(crate) fn complaint(&self) -> String {
        let said = if self.stderr.trim().is_empty() {
            &self.stdout
        } else {
            &self.stderr
        };
        let lines: Vec<&str> = said
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        match (lines.is_empty(), self.ending) {
            (false, _) => lines.join("; "),
            (true, Ending::Exited(code)) => format!("exit code {code} and no word"),
            (true, Ending::TimedOut) => format!("no end after {:.1} s", self.took.as_secs_f64()),
            (true, Ending::Cancelled) => "called off".to_owned(),
        }
    }
}

impl Program {
    /// The program at `path`, or of that name on the PATH.
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Program {
            path: path.into(),
            args: Vec::new(),
            set: Vec::new(),
            unset: Vec::new(),
            directory: None,
            stdin: None,
        }
    }

    /// Adds arguments.
    pub(crate) fn args<I: IntoIterator<Item = A>, A: AsRef<OsStr>>(mut self, args: I) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable of its environment.
    pub(crate) fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.set.push((name.into(), value.into()));
        self
    }

    /// Keeps a variable of our own environment from it.
    pub(crate) fn without_env(mut self, name: impl Into<OsString>) -> Self {
        self.unset.push(name.into());
        self
    }

    /// Runs it in `directory`.
    pub(crate) fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Gives it something to read; without, its standard input is at its end from the start.
    pub(crate) fn stdin(mut self, bytes: Option<impl Into<Vec<u8>>>) -> Self {
        self.stdin = bytes.map(Into::into);
        self
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.args);
        for name in &self.unset {
            command.env_remove(name);
        }
        command.envs(self.set.iter().map(|(name, value)| (name, value)));
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command
            .stdin(if self.stdin.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own: Ctrl-C in the terminal reaches us alone, and we can end it with everything that it started.
            .process_group(0)
            .kill_on_drop(true);
        command
    }

    /// Runs it to its end. Of each stream (and of both together) `keep` bytes are kept; the rest is read and counted, so that a
    /// program that prints without end neither blocks nor fills the memory.
    ///
    /// When `time` is over or `cancel` fires, the program and everything in its process group is killed before this returns. The
    /// same happens when the future is dropped.
    ///
    /// # Errors
    /// Those of starting a program: not found, not executable.
    pub(crate) async fn run(
        self,
        time: Duration,
        keep: usize,
        cancel: &CancellationToken,
    ) -> io::Result<Ended> {
        let begun = Instant::now();
        let mut child = Group(self.command().spawn()?);
        let mut stdout = Pipe::new(child.0.stdout.take(), keep);
        let mut stderr = Pipe::new(child.0.stderr.take(), keep);
        let mut combined = Bounded::new(keep);
        let mut ending = None;
        {
            let writing = feed(child.0.stdin.take(), self.stdin.unwrap_or_default());
            tokio::pin!(writing);
            let mut written = false;
            let limit = tokio::time::sleep(time);
            tokio::pin!(limit);
            while ending.is_none() {
                tokio::select! {
                    biased;
                    () = cancel.cancelled() => ending = Some(Ending::Cancelled),
                    () = &mut limit => ending = Some(Ending::TimedOut),
                    bytes = stdout.read() => combined.push(bytes),
                    bytes = stderr.read() => combined.push(bytes),
                    () = &mut writing, if !written => written = true,
                    status = child.0.wait() => ending = Some(Ending::Exited(exit_code(status?))),
                }
            }
        }
        if !matches!(ending, Some(Ending::Exited(_))) {
            child.kill();
            child.0.wait().await?;
        }
        let last_words = tokio::time::sleep(LAST_WORDS);
        tokio::pin!(last_words);
        while stdout.open() || stderr.open() {
            tokio::select! {
                biased;
                () = &mut last_words => break,
                bytes = stdout.read() => combined.push(bytes),
                bytes = stderr.read() => combined.push(bytes),
            }
        }
        let (stdout, cut_out) = stdout.kept.into_text();
        let (stderr, cut_err) = stderr.kept.into_text();
        Ok(Ended {
            ending: ending.unwrap_or(Ending::TimedOut),
            stdout,
            stderr,
            combined: combined.into_text().0,
            cut_bytes: cut_out + cut_err,
            took: begun.elapsed(),
        })
    }
}

/// A child that leads a process group of its own. Dropped before its end, it is killed with the whole group.
struct Group(Child);

impl Group {
    fn kill(&mut self) {
        // Until the child is waited for, its id can't belong to anybody else; afterwards tokio says `None`.
        let group = self
            .0
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        if let Some(group) = group {
            // An error means that nobody is left to be killed.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A stream of the child, with what is kept of it.
struct Pipe<R> {
    from: Option<R>,
    buffer: Vec<u8>,
    kept: Bounded,
}

impl<R: AsyncRead + Unpin> Pipe<R> {
    fn new(from: Option<R>, keep: usize) -> Self {
        Pipe {
            from,
            buffer: vec![0; PIPE_BYTES],
            kept: Bounded::new(keep),
        }
    }

    fn open(&self) -> bool {
        self.from.is_some()
    }

    /// What arrives next. At the end of the stream it returns nothing once, and then never again. May be dropped and called again
    /// without losing anything.
    async fn read(&mut self) -> &[u8] {
        let Some(from) = &mut self.from else {
            return std::future::pending().await;
        };
        // A pipe that can't be read any more is at its end.
        let length = from.read(&mut self.buffer).await.unwrap_or(0);
        if length == 0 {
            self.from = None;
        }
        let bytes = &self.buffer[..length];
        self.kept.push(bytes);
        bytes
    }
}

/// Writes all of `bytes` and closes. A child that ends without reading them is no error of ours.
async fn feed(into: Option<ChildStdin>, bytes: Vec<u8>) {
    if let Some(mut into) = into {
        let _ = into.write_all(&bytes).await;
        let _ = into.shutdown().await;
    }
}

fn exit_code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(-1)
}

/// The file that `name` stands for in the folders of `path` (as in the PATH variable): the first that can be executed.
pub(crate) fn find_program(name: &str, path: &OsStr) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    std::env::split_paths(path)
        .map(|folder| folder.join(name))
        .find(|file| {
            std::fs::metadata(file)
                .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const LONG: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Program {
        Program::new("sh").args(["-c", script])
    }

    async fn run(program: Program) -> Ended {
        program
            .run(LONG, 10_000, &CancellationToken::new())
            .await
            .expect("sh starts")
    }

    #[rstest]
    #[case::ok("exit 0", 0)]
    #[case::error("exit 3", 3)]
    #[case::signal("kill -9 $$", 137)]
    #[tokio::test]
    async fn tells_the_exit_code(#[case] script: &str, #[case] code: i32) {
        assert_eq!(run(shell(script)).await.ending, Ending::Exited(code));
    }

    #[tokio::test]
    async fn keeps_streams_apart_and_together_in_order() {
        // Each word waits until the word before it must have been read: a pipe alone says nothing about order.
        let ended = run(shell(
            "echo one; sleep 0.1; echo two >&2; sleep 0.1; echo three",
        ))
        .await;
        assert_eq!(ended.stdout, "one\nthree\n");
        assert_eq!(ended.stderr, "two\n");
        assert_eq!(ended.combined, "one\ntwo\nthree\n");
        assert_eq!(ended.cut_bytes, 0);
    }

    #[tokio::test]
    async fn a_program_that_prints_without_measure_is_drained_and_cut() {
        let ended = run(shell(
            "head -c 50000000 /dev/zero | tr '\\0' x; echo end; echo problem >&2",
        ))
        .await;
        assert_eq!(ended.ending, Ending::Exited(0));
        assert!(ended.stdout.len() < 10_100, "{}", ended.stdout.len());
        assert!(ended.stdout.ends_with("xxend\n"));
        assert_eq!(ended.cut_bytes, 50_000_004 - 10_000);
        assert_eq!(ended.stderr, "problem\n");
    }

    #[tokio::test]
    async fn reads_what_it_is_given_and_nothing_of_ours() {
        assert_eq!(
            run(Program::new("cat").stdin(Some("hello"))).await.stdout,
            "hello"
        );
        assert_eq!(run(Program::new("cat")).await.stdout, "");
    }

    #[tokio::test]
    async fn more_input_than_a_pipe_holds_does_not_block() {
        let much = vec![b'y'; 1_000_000];
        let ended = Program::new("cat")
            .stdin(Some(much))
            .run(LONG, 2_000_000, &CancellationToken::new())
            .await
            .expect("cat starts");
        assert_eq!(ended.stdout.len(), 1_000_000);
    }

    #[tokio::test]
    async fn input_that_nobody_reads_is_no_error() {
        let ended = run(shell("exit 5").stdin(Some(vec![b'y'; 1_000_000]))).await;
        assert_eq!(ended.ending, Ending::Exited(5));
    }

    #[tokio::test]
    async fn stops_at_its_time_limit_with_everything_that_it_started() {
        let begun = Instant::now();
        let program = shell("sleep 1000 & echo $!; wait");
        let ended = program
            .run(Duration::from_millis(1500), 1000, &CancellationToken::new())
            .await
            .expect("sh starts");
        assert_eq!(ended.ending, Ending::TimedOut);
        assert!(begun.elapsed() < Duration::from_secs(10));
        let grandchild: i32 = ended.stdout.trim().parse().expect("a process id");
        let gone = || {
            // Orphans are reaped by the first process of the system, some of which take their time: a zombie is dead.
            std::fs::read_to_string(format!("/proc/{grandchild}/stat"))
                .map_or(true, |stat| stat.contains(") Z "))
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        while !gone() {
            assert!(Instant::now() < deadline, "process {grandchild} still runs");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn can_be_called_off() {
        let cancel = CancellationToken::new();
        let canceller = cancel.clone();
        let folder = tempfile::tempdir().expect("a folder");
        let begun = folder.path().join("begun");
        let script = format!("echo begun; : > {}; sleep 1000", begun.display());
        let running = tokio::spawn(async move { shell(&script).run(LONG, 1000, &cancel).await });
        let deadline = Instant::now() + LONG;
        while !begun.exists() {
            assert!(Instant::now() < deadline, "it never began");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        canceller.cancel();
        let ended = running.await.expect("no panic").expect("sh starts");
        assert_eq!(ended.ending, Ending::Cancelled);
        assert_eq!(ended.stdout, "begun\n");
    }

    #[tokio::test]
    async fn a_child_left_behind_does_not_hold_up_the_end() {
        let begun = Instant::now();
        let ended = run(shell("sleep 20 & echo done")).await;
        assert_eq!(
            (ended.ending, ended.stdout.as_str()),
            (Ending::Exited(0), "done\n")
        );
        assert!(begun.elapsed() < Duration::from_secs(10));
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_an_error() {
        let error = Program::new("/no/such/program")
            .run(LONG, 10, &CancellationToken::new())
            .await
            .expect_err("not there");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn finds_programs_that_can_be_executed_only() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("plain"), "").expect("written");
        assert_eq!(find_program("plain", folder.path().as_os_str()), None);
        assert_eq!(
            find_program("sh", OsStr::new("/nowhere:/bin")),
            Some(PathBuf::from("/bin/sh"))
        );
    }
}
