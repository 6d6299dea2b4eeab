//! A call through both programs.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::support::skip;

/// How long one call may take. Five programs that move thousands of slots at once, each on nine nodes, take more than a minute.
const LIMIT: Duration = Duration::from_secs(240);
/// How long it may take until all its questions have been asked.
const QUESTIONS: Duration = Duration::from_secs(60);

/// Which program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Which {
    /// redis-cli 7.0.
    Real,
    Ours,
    /// redis-cli 6.2.
    Old,
}

/// What a call came to.
#[derive(Clone, PartialEq, Eq)]
pub struct Said {
    pub out: Vec<u8>,
    pub err: Vec<u8>,
    pub code: Option<i32>,
}

impl std::fmt::Debug for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string().replace("\\n", "\\n\n    ");
        write!(
            f,
            "exit {:?}\n  out:\n    {}\n  err:\n    {}",
            self.code,
            text(&self.out),
            text(&self.err)
        )
    }
}

/// Whether the redis-cli that is compared with is here; if not, `test` is skipped, or fails where it must be.
pub fn is_here(test: &str) -> bool {
    if !crate::support::may_run("redis", test) {
        return false;
    }
    let version = Command::new("redis-cli").arg("--version").output().unwrap();
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    version.starts_with("redis-cli 7.0.")
        || skip(
            "redis",
            test,
            &format!("redis-cli is not 7.0, but {}", version.trim()),
        )
}

/// Where `.ci/servers` keeps redis-cli 6.2.
fn old() -> std::path::PathBuf {
    let servers = std::env::var_os("LABRUNNER_SERVERS").map(std::path::PathBuf::from);
    let here = || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/servers");
    servers.unwrap_or_else(here).join("redis-6.2.5/redis-cli")
}

/// Runs one of them with this on its standard input.
pub fn call<A: AsRef<std::ffi::OsStr>>(which: Which, args: &[A], input: &[u8]) -> Said {
    run(which, args, |mut stdin, _| {
        // Whoever reads nothing may have gone.
        let _ = stdin.write_all(input);
    })
}

/// Runs one of them and answers its questions, one after the other, as they come.
pub fn converse<A: AsRef<std::ffi::OsStr>>(which: Which, args: &[A], answers: &[String]) -> Said {
    run(which, args, |mut stdin, out| {
        answer_all(answers, out, |answer| {
            let _ = stdin.write_all(format!("{answer}\n").as_bytes());
        });
    })
}

/// Gives the answers, each once a question is the last of what was said.
pub fn answer_all(answers: &[String], out: &Mutex<Vec<u8>>, mut say: impl FnMut(&str)) {
    let mut answered = 0;
    let until = Instant::now() + QUESTIONS;
    for answer in answers {
        loop {
            let seen = out.lock().unwrap().clone();
            if seen.len() > answered && (seen.ends_with(b": ") || seen.ends_with(b"? ")) {
                answered = seen.len();
                break;
            }
            if Instant::now() > until {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        say(answer);
    }
}

/// One of them with these arguments, and nothing of the user's own settings.
pub fn command<A: AsRef<std::ffi::OsStr>>(which: Which, args: &[A]) -> Command {
    let mut command = match which {
        Which::Real => Command::new("redis-cli"),
        Which::Old => Command::new(old()),
        Which::Ours => {
            let mut command = Command::new(env!("CARGO_BIN_EXE_labrunner"));
            command.arg("redis-cli");
            command
        }
    };
    command
        .args(args)
        .env_remove("REDISCLI_AUTH")
        .env_remove("FAKETTY")
        .env("LC_ALL", "C")
        .env("TERM", "dumb");
    command
}

fn run<A: AsRef<std::ffi::OsStr>>(
    which: Which,
    args: &[A],
    feed: impl FnOnce(ChildStdin, &Mutex<Vec<u8>>) + Send,
) -> Said {
    let mut process = command(which, args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stdin = process.stdin.take().unwrap();
    let (mut out, mut err) = (
        process.stdout.take().unwrap(),
        process.stderr.take().unwrap(),
    );
    let seen = Mutex::new(Vec::new());
    let mut code = None;
    let err = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = out.read(&mut bytes) {
                seen.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        let read_err = scope.spawn(move || {
            let mut bytes = Vec::new();
            err.read_to_end(&mut bytes).unwrap();
            bytes
        });
        scope.spawn(|| feed(stdin, &seen));
        code = end(&mut process);
        read_err.join().unwrap()
    });
    let out = seen.into_inner().unwrap();
    let code = code.unwrap_or_else(|| late(which, args, &out));
    Said { out, err, code }
}

/// The exit code with which a program ends, if it was not killed. `None`: it did not end in time.
pub fn end(process: &mut Child) -> Option<Option<i32>> {
    let until = Instant::now() + LIMIT;
    loop {
        if let Some(status) = process.try_wait().unwrap() {
            return Some(status.code());
        }
        if Instant::now() > until {
            process.kill().unwrap();
            process.wait().unwrap();
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What a program left half done is no outcome that could be compared.
pub fn late<A: AsRef<std::ffi::OsStr>>(which: Which, args: &[A], out: &[u8]) -> ! {
    let words: Vec<_> = args
        .iter()
        .map(|arg| arg.as_ref().to_string_lossy())
        .collect();
    panic!(
        "{which:?} did not end within {LIMIT:?}: {}\nuntil then it said:\n{}",
        words.join(" "),
        String::from_utf8_lossy(out)
    );
}

/// Without what is chance: HELLO says which client this is, and a server that hangs up may do so before or after what was sent has come.
pub fn without_chance(mut said: Said) -> Said {
    let text = String::from_utf8_lossy(&said.out).into_owned();
    let id =
        regex::Regex::new(r#"("?id"?(?:" => \(integer\) |"\n *\d+\) \(integer\) |[ ,:\n]))\d+"#)
            .unwrap();
    if text.contains("proto") {
        said.out = id.replace_all(&text, "${1}N").into_owned().into_bytes();
    }
    let errors = String::from_utf8_lossy(&said.err);
    said.err = errors
        .replace("Connection reset by peer", "Server closed the connection")
        .into_bytes();
    said
}
