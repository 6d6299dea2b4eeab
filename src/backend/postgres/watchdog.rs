//! Who ends a server whose owner was killed.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use super::folder::Folder;

/// Reads until the pipe from its owner is closed, which the kernel does when the owner ends, however it ends. Then it ends the server and
/// removes everything, as [`super::left`] does. What it is told to do when all is well is to go (a line).
const SCRIPT: &str = r#"
trap '' INT TERM HUP
read -r word && exit 0
folder=$1
[ -e "$folder/frozen" ] && kill -CONT $(cat "$folder/frozen") 2>/dev/null
process=$(head -n 1 "$folder/data/postmaster.pid" 2>/dev/null)
data=$(cd "$folder/data" 2>/dev/null && pwd -P)
works_in=$(readlink "/proc/$process/cwd" 2>/dev/null)
if [ -n "$process" ] && [ "${works_in:-$data}" = "$data" ]; then
  kill -QUIT "$process" 2>/dev/null
  left=200
  while kill -0 "$process" 2>/dev/null && [ $left -gt 0 ]; do sleep 0.05; left=$((left - 1)); done
fi
rm -rf "$folder"
"#;

/// A process that waits for its owner's end. Dropped, it goes without doing anything.
#[derive(Debug)]
pub(super) struct Watchdog(Child);

impl Watchdog {
    /// Starts it.
    ///
    /// # Errors
    /// Those of starting a program.
    pub(super) fn start(folder: &Folder) -> std::io::Result<Self> {
        let child = Command::new("sh")
            .args(["-c", SCRIPT, "labrunner-postgres"])
            .arg(folder.path())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C in the terminal is for its owner.
            .process_group(0)
            .spawn()?;
        Ok(Watchdog(child))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        if let Some(mut pipe) = self.0.stdin.take() {
            let _ = std::io::Write::write_all(&mut pipe, b"go\n");
        }
        let _ = self.0.wait();
    }
}
