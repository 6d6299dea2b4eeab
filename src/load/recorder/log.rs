//! HdrHistogram's own log format, which its viewers and other load tools read.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use super::series::{Series, fill};
use crate::load::histogram::Histogram;

/// Writes an interval a second and operation, the operation being the tag. Values are microseconds; the column of the greatest
/// value is for people, and in milliseconds.
pub(super) fn write(series: &Series, began: SystemTime, to: &mut impl Write) -> io::Result<()> {
    // Compressed, since the readers of other languages know no log without.
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("[Histogram log format version 1.3]")
        .add_comment("Latencies in microseconds, counted from when an operation was due.")
        .with_start_time(began)
        .with_base_time(began)
        .with_max_value_divisor(1000.0)
        .begin_log_with(to, &mut serializer)?;
    let mut histogram = Histogram::new();
    for (second, cells) in series.seconds() {
        let operations: BTreeSet<&str> = cells.iter().map(|cell| cell.operation).collect();
        for operation in operations {
            fill(
                &mut histogram,
                cells.iter().filter(|cell| cell.operation == operation),
            );
            let name = tag(operation);
            if let Some(counted) = histogram.as_hdr() {
                log.write_histogram(
                    counted,
                    Duration::from_secs(second),
                    Duration::from_secs(1),
                    Tag::new(&name),
                )
                .map_err(|error| io::Error::other(error.to_string()))?;
            }
        }
    }
    Ok(())
}

/// An operation's name with what a tag can't hold replaced.
fn tag(operation: &str) -> String {
    operation.replace([',', ' ', '\r', '\n'], "-")
}
