//! Figures of the process that a node shares with its test, from Linux's `/proc`. Where there is none they are 0.

use std::fs::read_to_string;

/// How many ticks a second has in `/proc/self/stat`: the same on all of Linux's machines.
const TICKS: f64 = 100.0;

/// Memory in use, in bytes.
pub(in crate::double::node::commands) fn resident() -> u64 {
    of_status("VmRSS:")
}

/// The most memory that was ever in use, in bytes.
pub(super) fn peak() -> u64 {
    of_status("VmHWM:")
}

fn of_status(name: &str) -> u64 {
    kilobytes(
        &read_to_string("/proc/self/status").unwrap_or_default(),
        name,
    )
}

/// The machine's memory, in bytes.
pub(in crate::double::node::commands) fn total_memory() -> u64 {
    kilobytes(
        &read_to_string("/proc/meminfo").unwrap_or_default(),
        "MemTotal:",
    )
}

fn kilobytes(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_ascii_whitespace().next());
    number.and_then(|it| it.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Processor time of the process: its own and the kernel's for it, in seconds.
pub(super) fn processor_time() -> (f64, f64) {
    let stat = read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program, in parentheses, may have anything in it.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let mut seconds = || {
        let ticks = fields.next().and_then(|it| it.parse::<f64>().ok());
        ticks.unwrap_or(0.0) / TICKS
    };
    (seconds(), seconds())
}

/// A number of bytes with a unit, as Redis writes it for people.
pub(super) fn human(bytes: u64) -> String {
    let units = [
        (1 << 40, "T"),
        (1 << 30, "G"),
        (1 << 20, "M"),
        (1 << 10, "K"),
    ];
    match units.iter().find(|(size, _)| bytes >= *size) {
        Some((size, unit)) => format!("{:.2}{unit}", bytes as f64 / *size as f64),
        None => format!("{bytes}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn for_people() {
        assert_eq!(human(0), "0B");
        assert_eq!(human(1023), "1023B");
        assert_eq!(human(941_088), "919.03K");
        assert_eq!(human(25_276_518_400), "23.54G");
    }

    #[test]
    fn a_process_has_memory_and_has_worked() {
        assert!(resident() > 100_000 && peak() >= resident() / 2);
        assert!(total_memory() > resident());
        // Some work, so that a tick has passed in any case.
        let began = std::time::Instant::now();
        while began.elapsed().as_millis() < 50 {
            std::hint::spin_loop();
        }
        assert!(processor_time().0 > 0.0);
    }
}
