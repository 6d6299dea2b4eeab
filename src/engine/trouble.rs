//! What ends a lab besides a check that does not hold.

use crate::backend::BackendError;

/// Why a lab could not go on.
#[derive(Debug, Clone)]
pub(super) enum Trouble {
    /// A check did not hold; it has been told.
    Failed,
    /// The lab could not be carried out as written: a value is missing, a command could not be understood once filled in.
    Stuck { what: String, help: Option<String> },
    /// The environment is not there (exit code 4).
    Unavailable { what: String, help: String },
    /// The environment broke (exit code 5).
    Broken { what: String, help: String },
    /// Somebody wished the run to end.
    Interrupted,
    /// This program broke: the words of a panic.
    Bug { what: String },
}

impl Trouble {
    pub fn broken(what: impl Into<String>, help: impl Into<String>) -> Self {
        Trouble::Broken {
            what: what.into(),
            help: help.into(),
        }
    }
}

impl From<BackendError> for Trouble {
    fn from(error: BackendError) -> Self {
        match error {
            BackendError::Unavailable { what, help } => Trouble::Unavailable { what, help },
            BackendError::Broken { what, help } => Trouble::Broken { what, help },
            BackendError::Cancelled => Trouble::Interrupted,
        }
    }
}
