//! Programs that a test makes for itself.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Writes `script` for `sh` as an executable file.
///
/// A process of its own does the writing. Had this one the file open for writing, a child that another test starts at that moment would
/// hold it open too until its own `exec`, and the kernel refuses to run a file that somebody may still write (`ETXTBSY`).
pub fn write_executable(file: &Path, script: &str) {
    let mut writer = Command::new("sh")
        .args(["-c", "cat > \"$1\" && chmod 755 \"$1\"", "sh"])
        .arg(file)
        .stdin(Stdio::piped())
        .spawn()
        .expect("sh runs");
    let mut stdin = writer.stdin.take().expect("its standard input is ours");
    write!(stdin, "#!/bin/sh\n{script}\n").expect("sh reads what is written");
    drop(stdin);
    assert!(writer.wait().expect("sh ends").success());
}
