//! A load test while it runs, in one line.

use super::milliseconds;
use crate::load::Progress;

/// Where a load test is, in one line of at most `width` columns. What matters least is left out first.
pub fn live_line(progress: &Progress, width: usize) -> String {
    let mut parts = vec![format!("{}s", progress.elapsed.as_secs())];
    if progress.warming_up {
        parts.push(format!("warming up, {} done", progress.left_out));
        parts.push(format!("{} in flight", progress.in_flight));
    } else {
        parts.push(format!("{} done", progress.done()));
        parts.push(format!("{}/s", progress.rate));
        let p99 = progress.p99.as_secs_f64() * 1000.0;
        parts.push(format!("p99 {}", milliseconds(p99)));
        // First of the rest when there are any: trouble is what somebody looks for.
        if progress.errors > 0 {
            parts.push(format!("{} errors", progress.errors));
        }
        if progress.dropped > 0 {
            parts.push(format!("{} dropped", progress.dropped));
        }
        parts.push(format!("{} ok", progress.ok));
        parts.push(format!("{} refused", progress.refused));
        parts.push(format!("{} in flight", progress.in_flight));
    }
    let mut line = String::new();
    for part in parts {
        let gap = if line.is_empty() { "" } else { "  " };
        // All of it is ASCII, a column each.
        if line.len() + gap.len() + part.len() > width {
            break;
        }
        line.push_str(gap);
        line.push_str(&part);
    }
    line
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn progress() -> Progress {
        Progress {
            elapsed: Duration::from_millis(12_900),
            in_flight: 7,
            ok: 5000,
            refused: 321,
            rate: 498,
            p99: Duration::from_micros(3_412),
            ..Progress::default()
        }
    }

    #[test]
    fn one_line_says_it_all() {
        insta::assert_snapshot!(live_line(&progress(), 100), @"12s  5321 done  498/s  p99 3.4ms  5000 ok  321 refused  7 in flight");
        let trouble = Progress {
            errors: 3,
            dropped: 12,
            ..progress()
        };
        insta::assert_snapshot!(live_line(&trouble, 100), @"12s  5324 done  498/s  p99 3.4ms  3 errors  12 dropped  5000 ok  321 refused  7 in flight");
        let warming = Progress {
            warming_up: true,
            left_out: 900,
            ..progress()
        };
        insta::assert_snapshot!(live_line(&warming, 100), @"12s  warming up, 900 done  7 in flight");
    }

    #[test]
    fn it_is_never_wider_than_asked() {
        let widest = Progress {
            errors: u64::MAX / 8,
            dropped: u64::MAX,
            rate: u64::MAX,
            in_flight: u64::MAX,
            elapsed: Duration::MAX,
            p99: Duration::MAX,
            ..progress()
        };
        for width in 0..300 {
            assert!(live_line(&widest, width).len() <= width);
            assert!(live_line(&progress(), width).len() <= width);
        }
        insta::assert_snapshot!(live_line(&progress(), 30), @"12s  5321 done  498/s");
    }
}
