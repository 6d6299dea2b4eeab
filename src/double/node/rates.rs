//! What INFO calls instantaneous: so many a second, in the mean of the last samples.
//!
//! As Redis does it (`trackInstantaneousMetric` in server.c): a sample each tenth of a second, and the mean of sixteen. Nothing wakes up for that here: what is
//! counted after a sample is due comes after a look at the clock, so the samples that were due are made then, with the same values.

/// From one sample to the next, in milliseconds.
const EVERY: i64 = 100;
/// How many samples the mean is of.
const SAMPLES: usize = 16;

/// What is counted. The order is that of the values that [`Rates::at`] is given.
#[derive(Debug, Clone, Copy)]
pub(in crate::double) enum Counted {
    Commands,
    BytesReceived,
    BytesSent,
}

/// The last samples of each.
#[derive(Debug, Default, Clone)]
pub(in crate::double) struct Rates {
    /// When the next sample is due, in milliseconds since 1970; 0: nothing was counted before.
    due: i64,
    /// The values at the last sample.
    last: [u64; 3],
    samples: [[u64; SAMPLES]; 3],
    next: usize,
}

impl Rates {
    /// It is `now`, in milliseconds since 1970, and so much has been counted until now.
    pub fn at(&mut self, now: i64, counted: [u64; 3]) {
        if now < self.due {
            return;
        }
        if self.due == 0 {
            self.last = counted;
        } else {
            // Whatever was counted came before the first of those that are due: the next look at the clock would have made it.
            let gone = (now - self.due) / EVERY;
            for _ in 0..=gone.min(SAMPLES as i64) {
                self.sample(counted);
            }
        }
        self.due = now + EVERY;
    }

    fn sample(&mut self, counted: [u64; 3]) {
        for (at, now) in counted.into_iter().enumerate() {
            let more = now.saturating_sub(self.last[at]);
            self.samples[at][self.next] = more * 1000 / EVERY.unsigned_abs();
        }
        self.last = counted;
        self.next = (self.next + 1) % SAMPLES;
    }

    /// The mean, a second.
    pub fn mean(&self, counted: Counted) -> u64 {
        self.samples[counted as usize].iter().sum::<u64>() / SAMPLES as u64
    }

    /// The mean of bytes in KiB, as INFO writes it.
    pub fn kilobytes(&self, counted: Counted) -> String {
        format!("{:.2}", self.mean(counted) as f64 / 1024.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Since 1970.
    const BEGUN: i64 = 1_000_000;

    #[test]
    fn steady_traffic_is_told_after_a_second_and_a_half() {
        let mut rates = Rates::default();
        for tenth in 0..=16u64 {
            rates.at(
                BEGUN + 100 * tenth as i64,
                [30 * tenth, 3072 * tenth, 1024 * tenth],
            );
        }
        assert_eq!(rates.mean(Counted::Commands), 300);
        assert_eq!(rates.kilobytes(Counted::BytesReceived), "30.00");
        assert_eq!(rates.kilobytes(Counted::BytesSent), "10.00");
    }

    #[test]
    fn a_look_in_between_changes_nothing() {
        let mut rates = Rates::default();
        rates.at(BEGUN, [0; 3]);
        rates.at(BEGUN + 99, [160; 3]);
        assert_eq!(rates.mean(Counted::Commands), 0);
        rates.at(BEGUN + 100, [160; 3]);
        assert_eq!(rates.mean(Counted::Commands), 100);
    }

    #[test]
    fn what_was_counted_long_ago_is_not_told_any_more() {
        let mut rates = Rates::default();
        rates.at(BEGUN, [0; 3]);
        rates.at(BEGUN + 800, [160; 3]);
        assert_eq!(rates.mean(Counted::Commands), 100, "it is among the last");
        rates.at(BEGUN + 3_600_000, [160; 3]);
        assert_eq!(rates.mean(Counted::Commands), 0);
    }

    #[test]
    fn what_was_counted_before_the_first_look_is_no_burst() {
        let mut rates = Rates::default();
        rates.at(BEGUN, [1_000_000; 3]);
        rates.at(BEGUN + 100, [1_000_000; 3]);
        assert_eq!(rates.mean(Counted::Commands), 0);
    }
}
