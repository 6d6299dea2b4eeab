//! Programs that end when we do, whatever ends us.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::process::{Program, find_program};

/// By this variable our own program, started as a part of a run, is told whose end is its own.
pub const LEASH: &str = "LABRUNNER_LEASH";

/// A `setpriv` that knows `--pdeathsig`. That of util-linux does; the one of BusyBox has the name and not the option.
pub(in crate::backend) fn find_leash(path: &OsStr) -> Option<PathBuf> {
    let leash = find_program("setpriv", path)?;
    let tried = std::process::Command::new(&leash)
        .args(["--pdeathsig", "KILL"])
        .arg(&leash)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    tried.is_ok_and(|status| status.success()).then_some(leash)
}

/// `program`, killed by the kernel when we die, whatever kills us: compose would go on making containers for seconds.
pub(in crate::backend) fn on_leash(leash: &Path, program: &Path) -> Program {
    Program::new(leash)
        .args(["--pdeathsig", "KILL"])
        .args([program])
}

/// Our own program, which needs nobody's help for that: see [`heed`].
pub(in crate::backend) fn own(program: &Path) -> Program {
    Program::new(program).env(LEASH, std::process::id().to_string())
}

/// Called first of all by our own program: if it was started as a part of a run, the kernel ends it when whoever started it ends. Whether it may go on: that may
/// have happened already.
pub fn heed() -> bool {
    let Ok(owner) = std::env::var(LEASH) else {
        return true;
    };
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Signal, getppid, set_parent_process_death_signal};
        // Without it, it ends when its servers do.
        let _ = set_parent_process_death_signal(Some(Signal::KILL));
        let Some(parent) = getppid() else {
            return true;
        };
        // Whoever is started by a part of a run has another parent, and is told of the same run. Who has lost his parent has got the first process for one.
        parent.as_raw_pid().to_string() == owner || parent.as_raw_pid() != 1
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = owner;
        true
    }
}
