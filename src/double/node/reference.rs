//! The real server, for the tests of what is small enough to be held against it word by word.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A Redis 7.0 of one test, killed with it, and one connection to it.
pub(in crate::double) struct Reference {
    process: Child,
    _folder: tempfile::TempDir,
    connection: BufReader<UnixStream>,
}

impl Reference {
    /// Starts it as it comes. Where there is none of version 7.0 it says so and gives nothing; it fails the test if `LABRUNNER_REQUIRE` names `redis`.
    pub fn start(test: &str) -> Option<Self> {
        Self::start_with(test, &[])
    }

    /// The same, with options. It gets 1 GB of memory: what a test sends may be meant to make it take more.
    pub fn start_with(test: &str, options: &[&str]) -> Option<Self> {
        if !Self::is_here() {
            skip(test);
            return None;
        }
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -v 1000000; exec redis-server \"$@\"", "sh"]);
        command.args(options);
        Some(Self::launch(command))
    }

    /// Starts what a command starts, once it is told where to listen.
    pub fn launch(mut command: Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let process = command
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        let connection = loop {
            match UnixStream::connect(&socket) {
                Ok(connection) => break connection,
                Err(error) => assert!(Instant::now() < deadline, "the server listens: {error}"),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        connection
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        Reference {
            process,
            _folder: folder,
            connection: BufReader::new(connection),
        }
    }

    fn is_here() -> bool {
        let version = Command::new("redis-server").arg("--version").output();
        version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("v=7.0."))
    }

    /// Sends all commands at once. The replies: a bulk string as what it holds, anything else as its bytes without the last line's end.
    pub fn ask_all<W: AsRef<[u8]>>(&mut self, commands: &[Vec<W>]) -> Vec<Vec<u8>> {
        // In parts, so that neither side waits for the other to read.
        let mut replies = Vec::with_capacity(commands.len());
        for part in commands.chunks(100) {
            let mut out = Vec::new();
            for command in part {
                write!(out, "*{}\r\n", command.len()).unwrap();
                for word in command {
                    write!(out, "${}\r\n", word.as_ref().len()).unwrap();
                    out.extend_from_slice(word.as_ref());
                    out.extend_from_slice(b"\r\n");
                }
            }
            self.connection.get_mut().write_all(&out).unwrap();
            replies.extend(part.iter().map(|_| self.reply()));
        }
        replies
    }

    /// One command's reply, as [`Self::ask_all`] gives it.
    pub fn ask<W: AsRef<[u8]> + Clone>(&mut self, command: &[W]) -> Vec<u8> {
        self.ask_all(&[command.to_vec()]).remove(0)
    }

    fn reply(&mut self) -> Vec<u8> {
        let mut line = Vec::new();
        self.connection.read_until(b'\n', &mut line).unwrap();
        line.truncate(line.len() - 2);
        let number = || String::from_utf8_lossy(&line[1..]).parse::<i64>().unwrap();
        match line[0] {
            b'$' if number() >= 0 => {
                let mut text = vec![0; number() as usize + 2];
                self.connection.read_exact(&mut text).unwrap();
                text.truncate(text.len() - 2);
                text
            }
            b'*' => {
                let parts: Vec<_> = (0..number()).map(|_| self.reply()).collect();
                line.push(b' ');
                line.extend_from_slice(&parts.join(&b' '));
                line
            }
            _ => line,
        }
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn skip(test: &str) {
    let required = std::env::var("LABRUNNER_REQUIRE").unwrap_or_default();
    let line = format!("SKIPPED {test}: there is no redis-server 7.0\n");
    assert!(
        !required.split(',').any(|word| word.trim() == "redis"),
        "{line}"
    );
    // Not eprintln: what a test prints by that is shown only if it fails.
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}
