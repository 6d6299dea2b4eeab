//! The processes of a server: the first one, and one for each connection, each the leader of a group of its own.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Between two looks at whether a process is gone.
const PAUSE: Duration = Duration::from_millis(5);

/// Sends a signal; a process that is not there gets none.
pub(super) fn signal(process: u32, signal: Signal) {
    let id = i32::try_from(process).ok().and_then(Pid::from_raw);
    if let Some(id) = id {
        let _ = kill_process(id, signal);
    }
}

/// A process with all that it started, itself first.
pub(super) fn family(process: u32) -> Vec<u32> {
    let all = all();
    let mut family = vec![process];
    let mut at = 0;
    while let Some(parent) = family.get(at).copied() {
        family.extend(all.iter().filter(|(_, of)| *of == parent).map(|(id, _)| id));
        at += 1;
    }
    family
}

/// Every process with its parent.
fn all() -> Vec<(u32, u32)> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return listed();
    };
    let found: Vec<(u32, u32)> = entries
        .flatten()
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            Some((id, parent(&stat)?))
        })
        .collect();
    if found.is_empty() { listed() } else { found }
}

/// `1234 (a name) S 1 …`: the name may have anything in it.
fn parent(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

/// As [`all`], where there is no `/proc`.
fn listed() -> Vec<(u32, u32)> {
    let said = Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output();
    let said = said.map(|said| said.stdout).unwrap_or_default();
    String::from_utf8_lossy(&said)
        .lines()
        .filter_map(|line| {
            let mut numbers = line.split_whitespace().map(str::parse);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        })
        .collect()
}

/// Whether a process is there; one that is dead and not waited for is not.
pub(super) fn lives(process: u32) -> bool {
    let id = i32::try_from(process).ok().and_then(Pid::from_raw);
    let there = id.is_some_and(|id| {
        !matches!(
            rustix::process::test_kill_process(id),
            Err(rustix::io::Errno::SRCH)
        )
    });
    let dead = std::fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| {
        stat.rsplit_once(')')
            .is_some_and(|(_, rest)| rest.trim_start().starts_with('Z'))
    });
    there && !dead
}

/// Waits until all are gone. `false`: some were not, within the limit.
pub(super) fn gone(processes: &[u32], limit: Duration) -> bool {
    let until = Instant::now() + limit;
    while processes.iter().any(|process| lives(*process)) {
        if Instant::now() >= until {
            return false;
        }
        std::thread::sleep(PAUSE);
    }
    true
}

/// The server that works on this data directory, by the file that it keeps there; nothing when the process is another one by now.
pub(super) fn of_data(data: &Path, postmaster: &Path) -> Option<u32> {
    let text = std::fs::read_to_string(postmaster).ok()?;
    let process = text.lines().next()?.trim().parse().ok()?;
    // A server works in its data directory. Where the system does not say in which folder a process works, the file has to do.
    match std::fs::read_link(format!("/proc/{process}/cwd")) {
        Ok(works_in) => (std::fs::canonicalize(data).ok()? == works_in).then_some(process),
        Err(_) => lives(process).then_some(process),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    #[test]
    fn a_family_is_found_and_seen_to_end() {
        let mut child = Command::new("sh")
            .args(["-c", "sleep 60 & echo begun; wait"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = [0; 5];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut said).unwrap();
        let family = family(child.id());
        assert_eq!(family.len(), 2, "{family:?}");
        assert!(listed().iter().any(|(id, _)| *id == child.id()) || !Path::new("/bin/ps").exists());
        for process in &family {
            assert!(lives(*process));
            signal(*process, Signal::KILL);
        }
        assert!(gone(&family, Duration::from_secs(10)));
        child.wait().unwrap();
    }

    #[test]
    fn a_file_that_names_another_process_names_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("postmaster.pid");
        assert_eq!(of_data(folder.path(), &file), None);
        std::fs::write(&file, format!("{}\n", std::process::id())).unwrap();
        assert_eq!(of_data(folder.path(), &file), None);
        let here = std::env::current_dir().unwrap();
        assert_eq!(of_data(&here, &file), Some(std::process::id()));
    }
}
