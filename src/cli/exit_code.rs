//! The exit codes, which scripts and CI rely on.

use std::process::ExitCode;

use crate::engine::Ending;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything passed.
    Passed,
    /// A check failed.
    Failed,
    /// The call is wrong: an unknown flag, a file that is not there.
    Usage,
    /// A lab is not valid.
    Invalid,
    /// The environment is not there.
    Unavailable,
    /// The environment broke in the middle.
    Broken,
    /// A bug of this program.
    Bug,
    /// Somebody wished the run to end.
    Interrupted,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Exit::Passed => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Invalid => 3,
            Exit::Unavailable => 4,
            Exit::Broken => 5,
            Exit::Bug => 70,
            Exit::Interrupted => 130,
        }
    }

    /// How a run of several labs ends: as the one of them that says most about why the run is not to be trusted.
    pub fn of(endings: &[Ending]) -> Exit {
        let rank = |exit: &Exit| match exit {
            Exit::Interrupted => 6,
            Exit::Bug => 5,
            Exit::Unavailable => 4,
            Exit::Broken => 3,
            Exit::Failed => 2,
            _ => 0,
        };
        // A run that ran nothing has shown nothing.
        if endings.iter().all(|ending| *ending == Ending::Skipped) {
            return Exit::Failed;
        }
        let exits = endings.iter().map(|ending| match ending {
            Ending::Passed | Ending::Skipped => Exit::Passed,
            Ending::Failed => Exit::Failed,
            Ending::Broken => Exit::Broken,
            Ending::Unavailable => Exit::Unavailable,
            Ending::Interrupted => Exit::Interrupted,
            Ending::Bug => Exit::Bug,
        });
        exits.max_by_key(rank).unwrap_or(Exit::Passed)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_lab_decides() {
        use Ending::{Broken, Failed, Interrupted, Passed, Skipped};
        assert_eq!(Exit::of(&[Passed, Passed]), Exit::Passed);
        assert_eq!(Exit::of(&[Passed, Skipped]), Exit::Passed);
        assert_eq!(Exit::of(&[Passed, Failed]), Exit::Failed);
        assert_eq!(Exit::of(&[Failed, Broken]), Exit::Broken);
        assert_eq!(Exit::of(&[Broken, Interrupted]), Exit::Interrupted);
        assert_eq!(Exit::of(&[Skipped]), Exit::Failed);
    }
}
