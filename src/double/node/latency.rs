//! Times: how often commands took how long, and moments at which something took very long.

use std::collections::{BTreeMap, VecDeque};

use super::server::Server;

/// So many samples of an event are kept.
const SAMPLES: usize = 160;

/// How often a command took how long: a count for each power of two of microseconds.
#[derive(Debug, Default, Clone, Copy)]
pub(in crate::double) struct Times {
    /// Of calls that took up to 1, 2, 4, 8 … microseconds.
    counts: [u32; 32],
}

impl Times {
    /// One more, in microseconds.
    pub fn add(&mut self, took: i64) {
        let took = took.clamp(1, 1 << 31) as u64;
        let at = took.next_power_of_two().trailing_zeros() as usize;
        let count = &mut self.counts[at.min(31)];
        *count = count.saturating_add(1);
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.counts.iter().map(|count| u64::from(*count)).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }

    /// Up to so many microseconds each, and how many took no longer: only where there are some.
    pub fn cumulative(&self) -> Vec<(u64, u64)> {
        let mut sum = 0;
        let mut all = Vec::new();
        for (at, count) in self.counts.iter().enumerate() {
            if *count > 0 {
                sum += u64::from(*count);
                all.push((1 << at, sum));
            }
        }
        all
    }

    /// What so many of a hundred did not exceed, in microseconds.
    pub fn percentile(&self, percent: f64) -> f64 {
        let wanted = (self.len() as f64 * percent / 100.0).ceil().max(1.0) as u64;
        let found = self
            .cumulative()
            .into_iter()
            .find(|(_, sum)| *sum >= wanted);
        found.map_or(0.0, |(upto, _)| upto as f64)
    }
}

/// What took longer than `latency-monitor-threshold`, by event.
#[derive(Debug, Default)]
pub(in crate::double) struct Latencies(pub BTreeMap<&'static str, Event>);

/// Something that took long now and then.
#[derive(Debug, Default)]
pub(in crate::double) struct Event {
    /// When, in seconds since 1970, and how long it took, in milliseconds: one for each second that has some, the oldest first.
    pub samples: VecDeque<(i64, i64)>,
    /// The longest of all, in milliseconds.
    pub longest: i64,
}

impl Server {
    /// Notes that something took so many milliseconds, if that is long.
    pub fn note_latency(&mut self, event: &'static str, took: i64) {
        if self.config.latency == 0 || took < self.config.latency {
            return;
        }
        let second = self.now / 1000;
        let event = self.latencies.0.entry(event).or_default();
        event.longest = event.longest.max(took);
        if let Some((_, longest)) = event.samples.back_mut().filter(|(when, _)| *when == second) {
            *longest = took.max(*longest);
            return;
        }
        event.samples.push_back((second, took));
        if event.samples.len() > SAMPLES {
            event.samples.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_by_powers_of_two() {
        let mut times = Times::default();
        for took in [0, 1, 2, 3, 4, 5, 1000, i64::MAX] {
            times.add(took);
        }
        assert_eq!(times.len(), 8);
        let all = times.cumulative();
        assert_eq!(
            all,
            [(1, 2), (2, 3), (4, 5), (8, 6), (1024, 7), (1 << 31, 8)]
        );
        assert_eq!(times.percentile(50.0), 4.0);
        assert_eq!(times.percentile(100.0), 2_147_483_648.0);
    }
}
