use std::sync::Arc;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

use super::*;
use crate::load::Outcome;

const SECOND: Duration = Duration::from_secs(1);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Ends an operation `ended` after the start, that was due `latency` before.
fn end(recorder: &Recorder, worker: usize, done: Done, ended: Duration, latency: Duration) {
    let ended = recorder.started() + ended;
    recorder.begun();
    recorder.record(worker, done, ended - latency, ended);
}

fn ok(operation: &'static str) -> Done {
    Done::new(operation, Outcome::Ok)
}

#[test]
fn outcomes_are_counted_by_operation_and_kind() {
    let recorder = Recorder::new(Duration::ZERO);
    for (worker, done, latency) in [
        (0, ok("reserve"), 1),
        (1, ok("reserve"), 3),
        (2, Done::new("reserve", Outcome::refused("sold out")), 5),
        (3, Done::new("reserve", Outcome::refused("seat taken")), 7),
        (4, Done::new("read", Outcome::error("no answer")), 1000),
        (5, Done::new("read", Outcome::error("no answer")), 2000),
    ] {
        end(&recorder, worker, done, SECOND * 3, ms(latency));
    }
    recorder.dropped(recorder.started());
    recorder.stop(recorder.started() + SECOND * 4);
    let summary = recorder.summary();
    assert_eq!((summary.all.count, summary.all.ok), (6, 2));
    assert_eq!((summary.dropped, summary.warm_up_left_out), (1, 0));
    assert_eq!(summary.measured, SECOND * 4);
    assert_eq!(summary.achieved_rate, 1.0);
    let reserve = &summary.operations["reserve"];
    assert_eq!(
        (reserve.count, reserve.refusals(), reserve.failures()),
        (4, 2, 0)
    );
    assert_eq!(reserve.refused["sold out"], 1);
    assert_eq!(reserve.latency.mean, ms(4));
    assert_eq!(reserve.ok_latency.max, ms(3));
    assert_eq!(reserve.refused_latency.max, ms(7));
    assert_eq!(reserve.error_latency, Percentiles::default());
    let read = &summary.operations["read"];
    assert_eq!(read.errors["no answer"], 2);
    assert_eq!(read.error_latency.mean, ms(1500));
    // Asked again, it says the same.
    assert_eq!(recorder.summary(), summary);
}

#[test]
fn the_warm_up_is_left_out_by_when_an_operation_was_due() {
    let recorder = Recorder::new(SECOND);
    end(&recorder, 0, ok("read"), ms(500), ms(100));
    // Due within the warm-up, ended after it.
    end(&recorder, 0, ok("read"), ms(1500), ms(600));
    end(&recorder, 0, ok("read"), ms(1500), ms(500));
    recorder.dropped(recorder.started() + ms(999));
    recorder.dropped(recorder.started() + ms(1000));
    recorder.stop(recorder.started() + SECOND * 3);
    let summary = recorder.summary();
    assert_eq!((summary.all.count, summary.warm_up_left_out), (1, 2));
    assert_eq!((summary.dropped, summary.measured), (1, SECOND * 2));
}

#[test]
fn every_second_has_a_row_even_one_in_which_nothing_ended() {
    let recorder = Recorder::new(SECOND);
    for (worker, ended, done) in [
        (0, 1100, ok("reserve")),
        (1, 1900, Done::new("read", Outcome::refused("sold out"))),
        (0, 3500, ok("reserve")),
        (1, 3600, Done::new("read", Outcome::error("no answer"))),
    ] {
        end(&recorder, worker, done, ms(ended), ms(ended - 1000));
    }
    recorder.stop(recorder.started() + ms(4200));
    let rows: Vec<String> = recorder
        .summary()
        .series
        .iter()
        .map(|row| {
            format!(
                "{}: {} ok {} refused {} errors, max {:?}",
                row.second, row.ok, row.refused, row.errors, row.max
            )
        })
        .collect();
    insta::assert_snapshot!(rows.join("\n"), @"
    0: 1 ok 1 refused 0 errors, max 900ms
    1: 0 ok 0 refused 0 errors, max 0ns
    2: 1 ok 0 refused 1 errors, max 2.6s
    3: 0 ok 0 refused 0 errors, max 0ns
    ");
}

#[test]
fn kinds_beyond_bounds_are_one_kind() {
    let recorder = Recorder::new(Duration::ZERO);
    for n in 0..200 {
        let done = Done::new("read", Outcome::error(format!("ERR {n}")));
        end(&recorder, 0, done, ms(10), ms(1));
    }
    let summary = recorder.summary();
    assert_eq!(summary.all.errors.len(), 51);
    assert_eq!(summary.all.errors["other"], 150);
    assert_eq!(summary.all.failures(), 200);
}

#[test]
fn progress_is_seen_while_threads_record() {
    const EACH: u64 = 20_000;
    let recorder = Arc::new(Recorder::new(Duration::ZERO));
    // As if it had begun a while ago, so that there is a last whole second.
    let long_ago = Instant::now() - ms(2500);
    recorder.started.set((long_ago, SystemTime::now())).unwrap();
    let threads: Vec<_> = (0..4)
        .map(|worker| {
            let recorder = recorder.clone();
            std::thread::spawn(move || {
                for n in 0..EACH {
                    end(&recorder, worker, ok("read"), ms(1000 + n % 900), ms(2));
                }
            })
        })
        .collect();
    let mut seen = 0;
    while !threads.iter().all(std::thread::JoinHandle::is_finished) {
        let done = recorder.progress().done();
        assert!(done >= seen, "{done} after {seen}");
        seen = done;
    }
    for thread in threads {
        thread.join().unwrap();
    }
    recorder.begun();
    let progress = recorder.progress();
    assert_eq!((progress.ok, progress.done()), (4 * EACH, 4 * EACH));
    assert_eq!(progress.in_flight, 1);
    assert!(!progress.warming_up);
    let summary = recorder.summary();
    assert_eq!(summary.all.latency.p99, ms(2));
    assert_eq!(
        summary.series.iter().map(|row| row.ok).sum::<u64>(),
        4 * EACH
    );
}

#[test]
fn the_last_second_has_a_rate_and_a_percentile() {
    let recorder = Recorder::new(SECOND);
    let started = Instant::now() - ms(3500);
    recorder.started.set((started, SystemTime::now())).unwrap();
    for n in 1..=100 {
        end(&recorder, n, ok("read"), ms(2000 + n as u64), ms(n as u64));
    }
    let progress = recorder.progress();
    assert_eq!((progress.rate, progress.p99.as_millis()), (100, 99));
    assert!(progress.elapsed >= ms(3500));
}

#[test]
fn the_log_is_read_back_by_the_crate_itself() {
    let recorder = Recorder::new(SECOND);
    let mut expected: Vec<(&str, u64, Histogram<u32>)> = Vec::new();
    for (second, operation) in [(0, "read"), (0, "reserve a seat"), (2, "read")] {
        let mut histogram = Histogram::new_with_max(3_600_000_000, 3).unwrap();
        for n in 1..=500_u64 {
            let latency = Duration::from_micros(n * n);
            let done = if n % 5 == 0 {
                Done::new(operation, Outcome::refused("sold out"))
            } else {
                ok(operation)
            };
            // Due after the warm-up, and ended within the second.
            let ended = SECOND * (second + 1) + ms(500) + Duration::from_micros(n);
            end(&recorder, n as usize, done, ended, latency);
            histogram.record(n * n).unwrap();
        }
        expected.push((operation, u64::from(second), histogram));
    }
    let mut text = Vec::new();
    recorder.write_log(&mut text).unwrap();
    assert!(text.starts_with(b"#[Histogram log format version 1.3]\n"));
    let mut found = 0;
    let mut headers = Vec::new();
    for entry in IntervalLogIterator::new(&text) {
        match entry.unwrap() {
            LogEntry::Interval(interval) => {
                let (operation, second, histogram) = &expected[found];
                assert_eq!(
                    interval.tag().unwrap().as_str(),
                    operation.replace(' ', "-")
                );
                assert_eq!(interval.start_timestamp(), SECOND * *second as u32);
                assert_eq!(interval.duration(), SECOND);
                assert!((interval.max() - 250.0).abs() < 0.3, "{}", interval.max());
                let bytes = base64(interval.encoded_histogram());
                let read: Histogram<u32> = Deserializer::new()
                    .deserialize(&mut bytes.as_slice())
                    .unwrap();
                assert!(read == *histogram);
                found += 1;
            }
            LogEntry::StartTime(at) => headers.push(("start", at)),
            LogEntry::BaseTime(at) => headers.push(("base", at)),
        }
    }
    assert_eq!(found, expected.len());
    let began = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    assert_eq!(headers.len(), 2);
    for (_, at) in headers {
        assert!(at.abs_diff(began) < Duration::from_secs(60), "{at:?}");
    }
}

/// The crate hands the histogram out as text.
fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.bytes().filter(|byte| *byte != b'=');
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for digit in digits {
        let value = DIGITS.iter().position(|known| *known == digit).unwrap();
        bits = (bits << 6 | value as u32) & 0xffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
}
