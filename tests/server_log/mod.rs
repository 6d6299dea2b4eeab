//! What a server logged, and when: its own word, to hold ours against.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

/// What a replica logs when it has won, of every version; Redis goes on with `master`, Valkey with `primary`.
const WON: &str = "Failover election won: I'm the new ";

/// When a server logged that it won an election, in milliseconds since 1970, oldest first. The server's time zone has to be UTC.
pub fn elections_won(log: &str) -> Vec<u64> {
    let lines = log.lines().filter(|line| line.contains(WON));
    lines
        .map(|line| {
            unix_ms(line).unwrap_or_else(|| panic!("no time can be read from the line {line:?}"))
        })
        .collect()
}

/// The time of a line: `17:M 22 Nov 2026 23:10:46.123 * …`.
fn unix_ms(line: &str) -> Option<u64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let mut words = line.split_whitespace().skip(1);
    let day: u64 = words.next()?.parse().ok()?;
    let month = MONTHS.find(words.next()?)? as u64 / 3;
    let year: u64 = words.next()?.parse().ok()?;
    let mut time = words.next()?.split([':', '.']);
    let mut part = || time.next()?.parse::<u64>().ok();
    let (hour, minute, second, ms) = (part()?, part()?, part()?, part()?);
    let days = days_before(year, month) + day - 1;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + ms)
}

/// Days from 1970 to the first of a month; the first month is 0.
fn days_before(year: u64, month: u64) -> u64 {
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let years: u64 = (1970..year)
        .map(|year| if leap(year) { 366 } else { 365 })
        .sum();
    let lengths = [
        31,
        if leap(year) { 29 } else { 28 },
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    years + lengths.iter().take(month as usize).sum::<u64>()
}

#[test]
fn a_line_s_time_is_read() {
    let log = "7:S 29 Feb 2028 00:00:01.250 * Failover election won: I'm the new master.\n\
               7:M 29 Feb 2028 00:00:01.251 * configEpoch set to 7 after successful failover\n";
    // `date -u -d '2028-02-29 00:00:01.250' +%s%3N`
    assert_eq!(elections_won(log), [1_835_395_201_250]);
    assert_eq!(
        elections_won(&log.replace("master", "primary")),
        [1_835_395_201_250]
    );
    let none = "7:S 29 Feb 2028 00:00:01.250 * Start of election delayed for 512 milliseconds\n";
    assert!(elections_won(none).is_empty());
}
