//! How processes that use one environment agree on its toolboxes: by files, one a toolbox. Whoever uses it has the file locked, and leaves a
//! word in it on how the toolbox is. A process that is killed in the middle of a call leaves the word that it was using it.

use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::backend::BackendError;
use crate::backend::lock_file::{self, Locked, NoLock};

/// As many calls at once, of all processes together, are served where they share the toolboxes.
pub(super) const MOST_SHARED: u8 = 32;

/// How a toolbox is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It runs, and nothing in it but itself.
    Ready,
    /// It does not run.
    Stopped,
    /// It runs, and so may a call that nobody waits for.
    Soiled,
}

impl State {
    /// As it stands in a file.
    fn word(self) -> &'static str {
        match self {
            State::Ready => "ready",
            State::Stopped => "stopped",
            State::Soiled => "in use",
        }
    }

    /// Of a word that is not known, or cut short, nothing is known: it may be in use.
    fn read(word: &str) -> State {
        match word.trim() {
            // A file that was just made.
            "" | "stopped" => State::Stopped,
            "ready" => State::Ready,
            _ => State::Soiled,
        }
    }
}

/// A toolbox that this process has in use, as others see it. Dropped, it is free for them.
#[derive(Debug)]
pub(super) struct Mark {
    number: u8,
    file: Locked,
}

impl Mark {
    /// Takes the toolbox with this number, and says how it was left; nothing if somebody has it in use. The files are in `folder`.
    ///
    /// # Errors
    /// `Broken` when the file can't be made.
    pub(super) fn take(folder: &Path, number: u8) -> Result<Option<(Mark, State)>, BackendError> {
        let path = folder.join(name(number));
        let mut file = match lock_file::take(&path) {
            Ok(file) => file,
            Err(NoLock::Held) => return Ok(None),
            Err(NoLock::Io(error)) => {
                return Err(BackendError::Broken {
                    what: format!("can't write {}: {error}", path.display()),
                    help: "make its folder writable".to_owned(),
                });
            }
        };
        let mut word = String::new();
        // What is not text is not known.
        let state = match file.read_to_string(&mut word) {
            Ok(_) => State::read(&word),
            Err(_) => State::Soiled,
        };
        Ok(Some((Mark { number, file }, state)))
    }

    /// 1 for the first.
    pub(super) fn number(&self) -> u8 {
        self.number
    }

    /// Says how the toolbox is now; at once, since this process may be killed.
    pub(super) fn leave(&mut self, state: State) {
        // A word that can't be written is found cut short or old; what is done in a toolbox that does not run is tried again.
        let _ = self
            .file
            .set_len(0)
            .and_then(|()| self.file.rewind())
            .and_then(|()| self.file.write_all(state.word().as_bytes()));
    }
}

/// Removes the files of all toolboxes from `folder`.
pub(super) fn remove_all(folder: &Path) {
    for number in 1..=MOST_SHARED {
        let _ = std::fs::remove_file(folder.join(name(number)));
    }
}

fn name(number: u8) -> String {
    format!("toolbox-{number}.lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_it_and_the_next_knows_how_it_was_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let take = || Mark::take(folder.path(), 1).expect("writable");
        let (mut mark, state) = take().expect("free");
        assert_eq!((mark.number(), state), (1, State::Stopped));
        assert!(take().is_none(), "in use");
        assert!(Mark::take(folder.path(), 2).expect("writable").is_some());
        for left in [State::Ready, State::Soiled, State::Stopped] {
            mark.leave(left);
            drop(mark);
            let (again, state) = take().expect("free");
            assert_eq!(state, left);
            mark = again;
        }
        drop(mark);
        for word in [&b"something"[..], b"rea", b"\xff\xfe"] {
            std::fs::write(folder.path().join(name(1)), word).expect("written");
            assert_eq!(take().map(|(_, state)| state), Some(State::Soiled));
        }
        remove_all(folder.path());
        assert_eq!(
            std::fs::read_dir(folder.path()).expect("a folder").count(),
            0
        );
    }
}
