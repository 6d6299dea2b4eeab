//! Whole runs, as they are shown.

use std::io;

use insta::assert_snapshot;
use rstest::rstest;

use super::layout::columns;
use super::rehearsal::{self, Captured};
use super::{Journal, Reporter, Reporters, Style, Terminal, Verbosity};
use crate::engine::event::Stamped;

const ASCII: Style = Style {
    colour: false,
    unicode: false,
};
const COLOURS: Style = Style {
    colour: true,
    unicode: true,
};

/// What a pipe gets of a run.
fn shown(events: &[Stamped], verbosity: Verbosity, style: Style, width: usize) -> String {
    let captured = Captured::default();
    let journal = Journal::new(io::sink());
    let terminal = Terminal::new(captured.clone(), verbosity, style, width)
        .with_journal(".labrunner/runs/k3f9.jsonl", journal.fate());
    let mut reporters = Reporters(vec![Box::new(journal), Box::new(terminal)]);
    events.iter().for_each(|event| reporters.on(event));
    reporters.finish();
    captured.text()
}

fn normal(events: &[Stamped]) -> String {
    shown(events, Verbosity::Normal, Style::PLAIN, 100)
}

#[test]
fn every_run_in_a_pipe() {
    for (name, events) in rehearsal::all() {
        assert_snapshot!(name, normal(&events));
    }
}

#[test]
fn narrow() {
    assert_snapshot!(
        "failing_check_60_columns",
        shown(
            &rehearsal::failing_check(),
            Verbosity::Normal,
            Style::PLAIN,
            60
        )
    );
    assert_snapshot!(
        "container_died_60_columns",
        shown(
            &rehearsal::container_died(),
            Verbosity::Normal,
            Style::PLAIN,
            60
        )
    );
    assert_snapshot!(
        "failover_too_late_60_columns",
        shown(
            &rehearsal::failover_too_late(),
            Verbosity::Normal,
            Style::PLAIN,
            60
        )
    );
}

#[test]
fn without_utf_8() {
    assert_snapshot!(
        "failing_check_ascii",
        shown(&rehearsal::failing_check(), Verbosity::Normal, ASCII, 80)
    );
    assert_snapshot!(
        "skipped_steps_ascii",
        shown(&rehearsal::skipped_steps(), Verbosity::Normal, ASCII, 80)
    );
    assert_snapshot!(
        "failover_ascii",
        shown(&rehearsal::failover(), Verbosity::Normal, ASCII, 80)
    );
}

#[test]
fn verbose() {
    assert_snapshot!(
        "passing_verbose",
        shown(&rehearsal::passing(), Verbosity::Verbose, Style::PLAIN, 100)
    );
    assert_snapshot!(
        "one_environment_verbose",
        shown(
            &rehearsal::one_environment(),
            Verbosity::Verbose,
            Style::PLAIN,
            80
        )
    );
    assert_snapshot!(
        "failing_check_verbose",
        shown(
            &rehearsal::failing_check(),
            Verbosity::Verbose,
            Style::PLAIN,
            100
        )
    );
    assert_snapshot!(
        "failover_verbose",
        shown(
            &rehearsal::failover(),
            Verbosity::Verbose,
            Style::PLAIN,
            100
        )
    );
}

#[test]
fn verbose_with_commands_in_the_background_and_targets() {
    for (name, events) in [
        ("background_passes_verbose", rehearsal::background_passes()),
        (
            "background_called_off_verbose",
            rehearsal::background_called_off(),
        ),
        ("watched_verbose", rehearsal::watched()),
        ("target_verbose", rehearsal::target()),
        ("target_fails_verbose", rehearsal::target_fails()),
    ] {
        let text = shown(&events, Verbosity::Verbose, Style::PLAIN, 100);
        assert_snapshot!(name, text);
    }
}

#[test]
fn quiet() {
    assert_snapshot!(shown(&rehearsal::passing(), Verbosity::Quiet, Style::PLAIN, 100), @"Lab 7 passed: 9 steps passed, 0 skipped · 23 checks · 20.2 s");
    assert_snapshot!(
        "failing_check_quiet",
        shown(
            &rehearsal::failing_check(),
            Verbosity::Quiet,
            Style::PLAIN,
            100
        )
    );
    assert_snapshot!(
        "three_labs_quiet",
        shown(
            &rehearsal::three_labs(),
            Verbosity::Quiet,
            Style::PLAIN,
            100
        )
    );
}

#[test]
fn colours() {
    assert_snapshot!(
        "failing_check_colours",
        shown(&rehearsal::failing_check(), Verbosity::Normal, COLOURS, 80).replace('\x1b', "^")
    );
    assert_snapshot!(
        "failover_not_seen_colours",
        shown(
            &rehearsal::failover_not_seen(),
            Verbosity::Normal,
            COLOURS,
            80
        )
        .replace('\x1b', "^")
    );
}

#[rstest]
fn no_line_is_wider_than_the_page_and_none_moves_the_cursor(
    #[values(60, 61, 100, 200)] width: usize,
    #[values(Verbosity::Quiet, Verbosity::Normal, Verbosity::Verbose)] verbosity: Verbosity,
    #[values(Style::PLAIN, ASCII)] style: Style,
) {
    for (name, events) in rehearsal::all() {
        let text = shown(&events, verbosity, style, width);
        assert!(!text.contains("\n\n\n"), "{name}: two blank lines");
        assert!(!text.starts_with('\n'), "{name}: begins with a blank line");
        for line in text.lines() {
            assert!(
                columns(line) <= width,
                "{name}, {width} columns: {} in {line:?}",
                columns(line)
            );
            assert!(!line.chars().any(char::is_control), "{name}: {line:?}");
            assert_eq!(line, line.trim_end(), "{name}: spaces at the end");
        }
    }
}

#[rstest]
fn colours_change_nothing_but_colours(#[values(60, 100)] width: usize) {
    for (name, events) in rehearsal::all() {
        let with = shown(&events, Verbosity::Verbose, COLOURS, width);
        let without = shown(&events, Verbosity::Verbose, Style::PLAIN, width);
        assert!(with.contains('\x1b'), "{name}");
        assert_eq!(
            super::layout::lines_of(&with),
            super::layout::lines_of(&without),
            "{name}"
        );
    }
}

#[test]
fn what_went_wrong_fits_on_one_screen() {
    for (name, events) in rehearsal::all() {
        for width in [80, 100] {
            let text = shown(&events, Verbosity::Normal, Style::PLAIN, width);
            if let Some(at) = text
                .lines()
                .position(|line| line.trim_start().starts_with('✗'))
            {
                let lines = text.lines().count() - at;
                assert!(
                    lines <= 30,
                    "{name}, {width} columns: {lines} lines from the first cross on"
                );
            }
        }
    }
}

#[test]
fn a_run_that_skipped_says_so_in_its_last_line() {
    for verbosity in [Verbosity::Quiet, Verbosity::Normal, Verbosity::Verbose] {
        let text = shown(&rehearsal::skipped_steps(), verbosity, Style::PLAIN, 100);
        assert!(text.lines().last().unwrap().contains("2 skipped"), "{text}");
        // The reasons stand above it.
        assert_eq!(
            text.contains("skipped  2/9"),
            verbosity != Verbosity::Quiet,
            "{text}"
        );
    }
}

/// Hangs up after so many bytes, as `head` does.
struct HangsUp(usize);

impl io::Write for HangsUp {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.checked_sub(bytes.len()) {
            Some(left) => self.0 = left,
            None => return Err(io::ErrorKind::BrokenPipe.into()),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_hangs_up_does_not_end_the_run_for_the_others() {
    let captured = Captured::default();
    let mut reporters = Reporters(vec![
        Box::new(Terminal::new(
            HangsUp(200),
            Verbosity::Normal,
            Style::PLAIN,
            100,
        )),
        Box::new(Journal::new(captured.clone())),
    ]);
    let events = rehearsal::passing();
    events.iter().for_each(|event| reporters.on(event));
    reporters.finish();
    assert_eq!(captured.text().lines().count(), events.len());
}

#[test]
fn a_journal_that_is_not_complete_is_told_at_the_end_even_when_quiet() {
    let captured = Captured::default();
    let journal = Journal::new(HangsUp(500));
    let terminal = Terminal::new(captured.clone(), Verbosity::Quiet, Style::PLAIN, 100)
        .with_journal("runs/k3f9.jsonl", journal.fate());
    let mut reporters = Reporters(vec![Box::new(journal), Box::new(terminal)]);
    rehearsal::passing()
        .iter()
        .for_each(|event| reporters.on(event));
    reporters.finish();
    let text = captured.text();
    assert_eq!(text.matches("is not complete").count(), 1, "{text}");
    assert!(
        text.lines()
            .next()
            .unwrap()
            .starts_with("journal: runs/k3f9.jsonl is not complete: it ends after event "),
        "{text}"
    );
}
