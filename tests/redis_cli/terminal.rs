//! A call at a terminal, by somebody who reads the questions and types the answers.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::sync::Mutex;

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};

use crate::both::{Said, Which, answer_all, command, end, late};

/// Types Ctrl-D, which says that there is no more.
pub const NO_MORE: &str = "^D";

/// Runs one of them with all its streams at a terminal, and types the answers, each after its question. What is seen on the screen is its output.
pub fn converse_at_terminal<A: AsRef<std::ffi::OsStr>>(
    which: Which,
    args: &[A],
    answers: &[String],
) -> Said {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let person = openpt(flags).unwrap();
    grantpt(&person).unwrap();
    unlockpt(&person).unwrap();
    let program: OwnedFd = ioctl_tiocgptpeer(&person, flags).unwrap();
    let mut process = command(which, args)
        .stdin(program.try_clone().unwrap())
        .stdout(program.try_clone().unwrap())
        .stderr(program)
        .spawn()
        .unwrap();
    // The command has ended its own use of the terminal with the end of that statement: now only the process has it, and its end is seen here.
    let mut screen = File::from(person);
    let mut keyboard = screen.try_clone().unwrap();
    let seen = Mutex::new(Vec::new());
    let mut code = None;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut bytes = [0; 4096];
            // The end of the last process at a terminal is an error for whoever reads there.
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                seen.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        scope.spawn(|| {
            answer_all(answers, &seen, |answer| {
                let typed = match answer {
                    NO_MORE => "\x04".to_owned(),
                    answer => format!("{answer}\n"),
                };
                let _ = keyboard.write_all(typed.as_bytes());
            });
        });
        code = end(&mut process);
    });
    let seen = seen.into_inner().unwrap();
    Said {
        out: lines_of(&seen),
        err: Vec::new(),
        code: code.unwrap_or_else(|| late(which, args, &seen)),
    }
}

/// What is on the screen, without what a terminal puts before the end of every line.
fn lines_of(screen: &[u8]) -> Vec<u8> {
    let is_before_end = |at: usize, byte: u8| byte == b'\r' && screen.get(at + 1) == Some(&b'\n');
    let kept = screen.iter().enumerate();
    kept.filter(|(at, byte)| !is_before_end(*at, **byte))
        .map(|(_, byte)| *byte)
        .collect()
}
