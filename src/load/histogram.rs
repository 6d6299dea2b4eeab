//! Durations, counted in buckets.

use std::time::Duration;

/// Buckets per power of two; a bucket is at most 1/64 of its values wide.
const PARTS_LOG2: u32 = 6;
const PARTS: u64 = 1 << PARTS_LOG2;
/// Below this many microseconds, a bucket is one microsecond.
const EXACT: u64 = 2 * PARTS;
/// 2^36 µs is 19 hours; what is longer counts as that.
const TOP_LOG2: u32 = 36;
const BUCKETS: usize = (EXACT + PARTS * (TOP_LOG2 - PARTS_LOG2 - 1) as u64) as usize;

/// A histogram of durations with a fixed, small size, and percentiles exact to 2 %.
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max: Duration,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Histogram {
            buckets: vec![0; BUCKETS],
            count: 0,
            max: Duration::ZERO,
        }
    }

    pub(super) fn record(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get_mut(bucket(micros)) {
            *bucket += 1;
        }
        self.count += 1;
        self.max = self.max.max(duration);
    }

    /// The least duration that this share of the values does not exceed. `share` is from 0 to 1. Zero without values.
    pub(super) fn percentile(&self, share: f64) -> Duration {
        let wanted = ((self.count as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, bucket) in self.buckets.iter().enumerate() {
            seen += bucket;
            if seen >= wanted {
                return Duration::from_micros(greatest(index)).min(self.max);
            }
        }
        self.max
    }

    pub(super) fn max(&self) -> Duration {
        self.max
    }
}

fn bucket(micros: u64) -> usize {
    if micros < EXACT {
        return micros as usize;
    }
    let power = micros.ilog2();
    if power >= TOP_LOG2 {
        return BUCKETS - 1;
    }
    let part = (micros >> (power - PARTS_LOG2)) - PARTS;
    (EXACT + u64::from(power - PARTS_LOG2 - 1) * PARTS + part) as usize
}

/// The greatest value of a bucket.
fn greatest(index: usize) -> u64 {
    let index = index as u64;
    if index < EXACT {
        return index;
    }
    let (power, part) = ((index - EXACT) / PARTS + 1, (index - EXACT) % PARTS);
    ((PARTS + part + 1) << power) - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_value_is_in_its_bucket_which_is_narrow(micros in 0_u64..1 << TOP_LOG2) {
            let index = bucket(micros);
            prop_assert!(greatest(index) >= micros);
            prop_assert!(index == 0 || greatest(index - 1) < micros);
            prop_assert!((greatest(index) - micros) as f64 <= micros as f64 / 64.0);
        }

        #[test]
        fn a_percentile_is_what_sorting_says(mut values in prop::collection::vec(0_u64..10_000_000, 1..200), share in 0.0_f64..=1.0) {
            let mut histogram = Histogram::new();
            for value in &values {
                histogram.record(Duration::from_micros(*value));
            }
            values.sort_unstable();
            let rank = ((values.len() as f64 * share).ceil() as usize).max(1);
            let exact = values[rank - 1] as f64;
            let given = histogram.percentile(share).as_micros() as f64;
            prop_assert!(given >= exact && given <= exact * 1.02 + 1.0, "{given} for {exact}");
            prop_assert_eq!(histogram.max(), Duration::from_micros(values[values.len() - 1]));
        }
    }

    #[test]
    fn nothing_and_too_much() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.percentile(0.99), Duration::ZERO);
        histogram.record(Duration::MAX);
        assert_eq!(histogram.max(), Duration::MAX);
        assert!(histogram.percentile(0.5) > Duration::from_secs(3600));
    }
}
