//! Durations, counted in the buckets of an HdrHistogram.

use std::time::Duration;

use hdrhistogram::Histogram as Hdr;

/// An hour, in microseconds. What takes longer counts as that; only the greatest value is exact all the same.
const HIGHEST: u64 = 3_600_000_000;
/// Significant decimal digits: a percentile is exact to 0.1 %.
const DIGITS: u8 = 3;

/// A histogram of durations with a fixed size (94 KiB), in microseconds. Percentiles are exact to 0.1 % and a microsecond; the
/// mean and the greatest value are exact.
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    /// Always there: a test makes one with these very constants. Without it nothing would be counted.
    buckets: Option<Hdr<u32>>,
    max: Duration,
    sum: Duration,
}

/// What was counted, without the empty buckets: some kilobytes at most. Can be added to a [`Histogram`] again.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    /// Microseconds, and how often.
    buckets: Vec<(u32, u32)>,
    max: Duration,
    sum: Duration,
}

impl Counts {
    pub(super) fn count(&self) -> u64 {
        self.buckets
            .iter()
            .map(|(_, count)| u64::from(*count))
            .sum()
    }
}

impl Histogram {
    pub(super) fn new() -> Self {
        Histogram {
            buckets: Hdr::new_with_max(HIGHEST, DIGITS).ok(),
            max: Duration::ZERO,
            sum: Duration::ZERO,
        }
    }

    pub(super) fn record(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        if let Some(buckets) = &mut self.buckets {
            buckets.saturating_record(micros);
        }
        self.max = self.max.max(duration);
        self.sum = self.sum.saturating_add(duration);
    }

    /// What was counted since it was new or taken last; nothing of it is left.
    pub(super) fn take(&mut self) -> Counts {
        let mut buckets = Vec::new();
        if let Some(counted) = &mut self.buckets {
            // No value is above an hour, so each fits.
            buckets.extend(counted.iter_recorded().map(|bucket| {
                let micros = u32::try_from(bucket.value_iterated_to()).unwrap_or(u32::MAX);
                (micros, bucket.count_at_value())
            }));
            counted.reset();
        }
        Counts {
            buckets,
            max: std::mem::take(&mut self.max),
            sum: std::mem::take(&mut self.sum),
        }
    }

    pub(super) fn add(&mut self, counts: &Counts) {
        if let Some(buckets) = &mut self.buckets {
            for (micros, count) in &counts.buckets {
                buckets.saturating_record_n(u64::from(*micros), *count);
            }
        }
        self.max = self.max.max(counts.max);
        self.sum = self.sum.saturating_add(counts.sum);
    }

    pub(super) fn clear(&mut self) {
        if let Some(buckets) = &mut self.buckets {
            buckets.reset();
        }
        self.max = Duration::ZERO;
        self.sum = Duration::ZERO;
    }

    pub(super) fn count(&self) -> u64 {
        self.buckets.as_ref().map_or(0, Hdr::len)
    }

    /// Zero without values.
    pub(super) fn mean(&self) -> Duration {
        let count = self.count();
        if count == 0 {
            return Duration::ZERO;
        }
        let nanos = self.sum.as_nanos() / u128::from(count);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// To be written in the crate's own formats.
    pub(super) fn as_hdr(&self) -> Option<&Hdr<u32>> {
        self.buckets.as_ref()
    }

    /// The least duration that this share of the values does not exceed. `share` is from 0 to 1. Zero without values.
    pub(super) fn percentile(&self, share: f64) -> Duration {
        let micros = self
            .buckets
            .as_ref()
            .map_or(0, |buckets| buckets.value_at_quantile(share));
        Duration::from_micros(micros).min(self.max)
    }

    pub(super) fn max(&self) -> Duration {
        self.max
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
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
            prop_assert!(given >= exact * 0.999 - 1.0 && given <= exact * 1.001 + 1.0, "{given} for {exact}");
            prop_assert_eq!(histogram.max(), Duration::from_micros(values[values.len() - 1]));
            let sum: u64 = values.iter().sum();
            prop_assert_eq!(histogram.mean(), Duration::from_nanos(sum * 1000 / values.len() as u64));
        }

        #[test]
        fn what_is_taken_and_added_is_the_same(values in prop::collection::vec(0_u64..4_000_000_000, 0..200), cut in 0_usize..200) {
            let (mut whole, mut part, mut sum) = (Histogram::new(), Histogram::new(), Histogram::new());
            let cut = cut.min(values.len());
            for half in [&values[..cut], &values[cut..]] {
                for value in half {
                    whole.record(Duration::from_micros(*value));
                    part.record(Duration::from_micros(*value));
                }
                let counts = part.take();
                prop_assert_eq!(counts.count(), half.len() as u64);
                prop_assert_eq!(part.count(), 0);
                sum.add(&counts);
            }
            prop_assert_eq!((sum.count(), sum.mean(), sum.max()), (whole.count(), whole.mean(), whole.max()));
            prop_assert!(sum.as_hdr() == whole.as_hdr());
        }
    }

    #[test]
    fn nothing_and_too_much() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.percentile(0.99), Duration::ZERO);
        histogram.record(Duration::MAX);
        assert_eq!(histogram.max(), Duration::MAX);
        assert!(histogram.percentile(0.5) >= Duration::from_secs(3600));
    }
}
