//! `watch -n N '…'`: a line again and again, until it is stopped.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::event::Event;
use super::task::{Done, Failed, OUTPUT_KEPT, Repetitions, once};
use super::world::World;
use crate::backend::BackendError;
use crate::backend::bounded::Bounded;
use crate::lab::action::{Limits, Output};
use crate::lab::line::Filled;

/// Runs `inner` again and again, with `every` between the end of one and the begin of the next, until `stop` fires. What it printed each
/// time, one after the other, is what a watch prints; a repetition that is cut off by the stop is left out whole. It ends well (exit 0)
/// however its command ended, as `watch` does; it has no end (no exit code) when a repetition has none within its limits.
///
/// # Errors
/// Those of carrying out the line.
pub(super) async fn watch(
    world: &World,
    step: &str,
    every: Duration,
    inner: &Filled,
    limits: Limits,
    stop: &CancellationToken,
) -> Result<Done, Failed> {
    let begun = world.clock.now();
    let mut kept = Kept::new();
    let mut seen = Repetitions::default();
    let mut unfiltered = 0;
    let mut exit = Some(0);
    while !stop.is_cancelled() {
        let raw = match once(world, &inner.task, limits, stop, None).await {
            Err(BackendError::Cancelled) => break,
            Ok(output) if output.exit.is_none() && stop.is_cancelled() => break,
            performed => performed?,
        };
        let done = Done::of(raw).filtered(inner)?;
        unfiltered += done.unfiltered;
        kept.push(&done.output);
        let Some(ended) = done.before_filters.or(done.output.exit) else {
            exit = None;
            break;
        };
        seen.times += 1;
        seen.worked += u32::from(ended == 0);
        seen.last = ended;
        world.emit(Event::Repeated {
            step: step.to_owned(),
            times: seen.times,
            output: done.output,
        });
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = world.clock.sleep_until(world.clock.now() + every) => {}
        }
    }
    Ok(Done {
        output: Output {
            exit,
            took: world.clock.now().saturating_sub(begun),
            ..kept.into_output()
        },
        unfiltered,
        watched: Some(seen),
        ..Done::default()
    })
}

/// What was printed until now; of what is too much, the beginning and the end.
struct Kept {
    stdout: Bounded,
    stderr: Bounded,
    combined: Bounded,
    cut_bytes: u64,
}

impl Kept {
    fn new() -> Self {
        let bounded = || Bounded::new(OUTPUT_KEPT);
        Kept {
            stdout: bounded(),
            stderr: bounded(),
            combined: bounded(),
            cut_bytes: 0,
        }
    }

    fn push(&mut self, output: &Output) {
        let streams = [
            (&mut self.stdout, &output.stdout),
            (&mut self.stderr, &output.stderr),
            (&mut self.combined, &output.combined),
        ];
        for (kept, text) in streams {
            kept.push(text.as_bytes());
            // What is printed next begins on a line of its own.
            if !text.is_empty() && !text.ends_with('\n') {
                kept.push(b"\n");
            }
        }
        self.cut_bytes += output.cut_bytes;
    }

    fn into_output(self) -> Output {
        let (stdout, cut_out) = self.stdout.into_text();
        let (stderr, cut_err) = self.stderr.into_text();
        Output {
            stdout,
            stderr,
            combined: self.combined.into_text().0,
            cut_bytes: self.cut_bytes + cut_out + cut_err,
            ..Output::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(stdout: &str, stderr: &str, cut_bytes: u64) -> Output {
        Output {
            exit: Some(0),
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
            combined: format!("{stdout}{stderr}"),
            cut_bytes,
            ..Output::default()
        }
    }

    #[test]
    fn what_was_printed_stands_one_below_the_other() {
        let mut kept = Kept::new();
        for output in [
            printed("a\n", "", 0),
            printed("", "", 0),
            printed("b", "no\n", 7),
            printed("c\n", "", 0),
        ] {
            kept.push(&output);
        }
        let output = kept.into_output();
        assert_eq!(output.stdout, "a\nb\nc\n");
        assert_eq!(output.stderr, "no\n");
        assert_eq!(output.combined, "a\nbno\nc\n");
        assert_eq!(output.cut_bytes, 7);
    }

    #[test]
    fn of_what_is_too_much_the_beginning_and_the_end_are_kept() {
        let mut kept = Kept::new();
        let line = format!("{}\n", "x".repeat(999));
        for time in 0..3000 {
            kept.push(&printed(&format!("{time} {line}"), "", 0));
        }
        let output = kept.into_output();
        assert!(output.stdout.len() < OUTPUT_KEPT + 100);
        assert!(output.stdout.starts_with("0 x") && output.stdout.contains("\n2999 x"));
        // 3000 lines of a thousand bytes, each behind its number.
        let printed = 3000 * 1001 + 10 + 90 * 2 + 900 * 3 + 2000 * 4;
        let marks = output.stdout.len() - (printed - output.cut_bytes as usize);
        assert!(marks < 60, "{marks} bytes more than were printed");
    }
}
