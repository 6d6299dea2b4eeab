//! The journal: every event as one line of JSON, on disk as it happens.
//!
//! A run that is killed leaves whole lines behind and at most one cut line at the end. A disk that fails does not end the run: the
//! journal stops after the last event that it has, and [`JournalFate`] tells why.

use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

use crate::engine::event::Stamped;

use super::Reporter;

/// Writes events as JSON lines.
pub struct Journal {
    out: Box<dyn Write + Send>,
    written: u64,
    fate: JournalFate,
}

/// What became of a journal; shared with it, to be asked after the run's last event.
#[derive(Debug, Clone, Default)]
pub struct JournalFate(Arc<OnceLock<String>>);

impl JournalFate {
    /// Why the journal is not complete, in one sentence; `None` while it is.
    pub fn trouble(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

impl Journal {
    /// A journal that writes to `out`, which should not hold lines back: each is flushed.
    pub fn new(out: impl Write + Send + 'static) -> Journal {
        Journal {
            out: Box::new(out),
            written: 0,
            fate: JournalFate::default(),
        }
    }

    /// What becomes of this journal, for whoever tells the reader about it at the end.
    pub fn fate(&self) -> JournalFate {
        self.fate.clone()
    }

    fn write(&mut self, event: &Stamped) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        // One write a line: a process that is killed in between leaves no half of one.
        self.out.write_all(&line)?;
        self.out.flush()
    }
}

impl Reporter for Journal {
    fn on(&mut self, event: &Stamped) {
        // After a failure there may be half a line in the file: what came after it could not be read back.
        if self.fate.trouble().is_some() {
            return;
        }
        match self.write(event) {
            Ok(()) => self.written = event.seq,
            Err(error) => {
                let after = match self.written {
                    0 => "before the first event".to_owned(),
                    seq => format!("after event {seq}"),
                };
                // The cell is empty: this is the only writer, and it has just looked.
                let _ = self.fate.0.set(format!("it ends {after}: {error}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::Value;

    use super::super::rehearsal::{self, Captured};
    use super::*;

    #[test]
    fn every_event_is_a_line_with_its_place_in_the_run() {
        let captured = Captured::default();
        let mut journal = Journal::new(captured.clone());
        let events = rehearsal::failing_check();
        for event in &events {
            journal.on(event);
        }
        journal.finish();
        assert_eq!(journal.fate().trouble(), None);

        let text = captured.text();
        assert!(text.ends_with('\n'));
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), events.len());
        for (line, event) in lines.iter().zip(&events) {
            assert_eq!(line["seq"], event.seq);
            assert_eq!(
                line["at_ms"].as_f64().unwrap(),
                event.at.as_secs_f64() * 1000.0
            );
            assert!(line["event"].is_string(), "{line}");
        }
        let checked = lines
            .iter()
            .find(|line| line["event"] == "checked" && line["passed"] == false)
            .unwrap();
        assert_eq!(checked["expected"], "redis-7 owns 0 slots");
        assert_eq!(checked["evidence"][0]["node"], "redis-7");
    }

    #[test]
    fn no_line_names_a_field_twice() {
        let captured = Captured::default();
        let mut journal = Journal::new(captured.clone());
        for (_, events) in rehearsal::all() {
            events.iter().for_each(|event| journal.on(event));
        }
        for line in captured.text().lines() {
            // A map that keeps doubles is what serde_json's own object is not: writing it again is shorter when a name was there twice.
            let again = serde_json::from_str::<Value>(line).unwrap().to_string();
            assert_eq!(again.len(), line.len(), "{line}");
        }
    }

    #[test]
    fn a_line_is_on_its_way_before_the_next_event() {
        let captured = Captured::default();
        let mut journal = Journal::new(io::BufWriter::new(captured.clone()));
        for (count, event) in rehearsal::passing().iter().enumerate() {
            journal.on(event);
            assert_eq!(captured.text().lines().count(), count + 1);
        }
    }

    /// A disk with room for so many bytes.
    struct Disk {
        room: usize,
        kept: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.room);
            if taken == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::StorageFull,
                    "no space left on device",
                ));
            }
            self.room -= taken;
            self.kept.lock().unwrap().extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_told_once_and_leaves_the_beginning_readable() {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let mut journal = Journal::new(Disk {
            room: 700,
            kept: kept.clone(),
        });
        for event in &rehearsal::passing() {
            journal.on(event);
        }
        journal.finish();
        let text = String::from_utf8(kept.lock().unwrap().clone()).unwrap();
        let whole = text
            .lines()
            .filter(|line| serde_json::from_str::<Value>(line).is_ok())
            .count();
        assert!(whole > 1, "{text}");
        assert_eq!(
            journal.fate().trouble().unwrap(),
            format!("it ends after event {whole}: no space left on device")
        );
    }

    #[test]
    fn a_disk_that_takes_nothing_is_told_too() {
        let mut journal = Journal::new(Disk {
            room: 0,
            kept: Arc::default(),
        });
        journal.on(&rehearsal::passing()[0]);
        assert_eq!(
            journal.fate().trouble(),
            Some("it ends before the first event: no space left on device")
        );
    }
}
