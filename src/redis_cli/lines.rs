//! A call without a command: commands come from standard input, one a line.

use std::time::Instant;

use super::halt::Flow;
use super::link::Place;
use super::numbers::{is_integer, leading_integer};
use super::options::Options;
use super::session::Session;
use super::surroundings::Surroundings;
use crate::resp::typed_words;

/// Sends line after line until the input ends. The exit code is 0 whatever came of them.
pub(super) fn run(options: &Options, around: &mut Surroundings) -> Flow<u8> {
    let prompts = around.input_is_terminal;
    let mut session = Session::new(options, around);
    session.line_by_line = true;
    // A server that is not there is told about now, and tried again with every command.
    session.connect()?;
    loop {
        if prompts {
            let prompt = prompt(&session);
            session.print(prompt.as_bytes())?;
        }
        let mut line = Vec::new();
        if session.around.input.read_until(b'\n', &mut line)? == 0 {
            return Ok(0);
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        match typed_words(&line) {
            None => session.print(b"Invalid argument(s)\n")?,
            Some(words) => {
                if !of_a_line(&mut session, &words)? {
                    return Ok(0);
                }
            }
        }
    }
}

fn prompt(session: &Session) -> String {
    if !session.is_connected() {
        return "not connected> ".to_owned();
    }
    match (session.database(), &session.place) {
        (0, place) => format!("{place}> "),
        (database, place) => format!("{place}[{database}]> "),
    }
}

/// Does what a line says. Whether there is more to do.
fn of_a_line(session: &mut Session, words: &[Vec<u8>]) -> Flow<bool> {
    let Some(first) = words.first() else {
        return Ok(true);
    };
    // `3 ping` is `ping`, three times.
    let (words, repeat) = match words {
        [count, rest @ ..] if !rest.is_empty() && is_integer(count) => {
            let count = leading_integer(count);
            if count <= 0 {
                session.print(b"Invalid redis-cli repeat command option value.\n")?;
                return Ok(true);
            }
            (rest, count)
        }
        _ => (words, 1),
    };
    match (first.to_ascii_lowercase().as_slice(), words) {
        (b"quit" | b"exit", _) => return Ok(false),
        (b"restart", _) => session.print(b"Use 'restart' only in Lua debugging mode.\n")?,
        (b"clear", [_]) => session.print(b"\x1b[H\x1b[2J")?,
        (b"connect", [_, host, port]) => {
            session.place = Place::Tcp(String::from_utf8_lossy(host).into_owned(), leading_integer(port));
            session.connect()?;
        }
        (b"help" | b"?", _) => session.print(
            b"labrunner redis-cli has no help on commands: see https://redis.io/commands, or COMMAND DOCS <command>.\n",
        )?,
        ([b':', b's', b'e', b't'], _) => {}
        ([b':', ..], _) => {
            let text = [b"unknown redis-cli internal command '".as_slice(), first, b"'\n"].concat();
            session.print(&text)?;
        }
        _ => {
            let start = Instant::now();
            session.command(words, repeat)?;
            session.tell_time(start.elapsed())?;
        }
    }
    Ok(true)
}
