//! `labrunner book serve`: every page is there at every moment, and new as soon as its chapter is.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::small_book::SmallBook;

/// How long a page may take to be made on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

struct Served {
    process: Child,
    address: String,
    book: SmallBook,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A book that is served until this is dropped.
fn served(book: SmallBook) -> Served {
    let mut process = Command::new(env!("CARGO_BIN_EXE_labrunner"))
        .current_dir(book.path("."))
        .args(["book", "serve", "--port", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let out = process.stdout.take().unwrap();
    BufReader::new(out).read_line(&mut line).unwrap();
    let address = line
        .strip_prefix("serving http://")
        .and_then(|rest| rest.split('/').next())
        .unwrap_or_else(|| panic!("it said {line:?}"))
        .to_owned();
    Served {
        process,
        address,
        book,
    }
}

impl Served {
    /// The first line of the answer to this request, and the body.
    fn ask(&self, request: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        write!(stream, "{request} HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.lines().next().unwrap_or_default();
        (status.to_owned(), body.to_owned())
    }
}

#[test]
fn a_page_is_there_while_it_is_made_anew() {
    let served = served(SmallBook::new());
    let page = || served.ask("GET /prose.html");
    assert!(page().1.contains("to find, and the lab"));
    served
        .book
        .change("book/src/prose.md", "# Prose", "# Newer prose");
    let until = Instant::now() + LIMIT;
    loop {
        let (status, body) = page();
        assert_eq!(status, "HTTP/1.1 200 OK");
        if body.contains("Newer prose") {
            break;
        }
        assert!(Instant::now() < until, "the page stays as it was");
    }
}

#[test]
fn what_is_not_there_and_what_is_not_asked_for_like_this() {
    let served = served(SmallBook::new());
    let status = |request: &str| served.ask(request).0;
    assert_eq!(status("GET /nothing.html"), "HTTP/1.1 404 Not Found");
    assert_eq!(status("GET /../book.toml"), "HTTP/1.1 404 Not Found");
    assert_eq!(
        status("POST /prose.html"),
        "HTTP/1.1 405 Method Not Allowed"
    );
    let (status, body) = served.ask("HEAD /prose.html");
    assert_eq!((status.as_str(), body.as_str()), ("HTTP/1.1 200 OK", ""));
}
