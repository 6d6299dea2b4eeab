//! The run on a terminal: the lines of [`Story`] stay, and below them each thing that is under way has two lines that are redrawn: what
//! it is and for how long, and what it does or waits for.

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{
    MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle, TermLike,
};

use crate::engine::event::{Event, Stamped};

use super::layout::{Page, columns, one_line};
use super::screen::Screen;
use super::story::Story;
use super::style::Paint;
use super::{Reporter, Verbosity, steps};

/// Time between two pictures of a spinner.
const TICK: Duration = Duration::from_millis(100);
/// Pictures a second, at most.
const FRAMES: u8 = 20;
/// Columns for the time at the end of a line: `2 min 05 s` and a space before it.
const TIME: usize = 11;
/// Columns at the right that a redrawn line leaves free, so that `^C` as a terminal echoes it doesn't break the line.
const FREE: usize = 4;

/// Shows the run's lines and, below them, what is under way.
pub(super) struct Live {
    screen: Screen,
    bars: MultiProgress,
    under_way: Vec<UnderWay>,
    story: Story,
}

/// Something under way, and how it is shown.
struct UnderWay {
    task: Task,
    bar: ProgressBar,
    /// What it does now.
    detail: Arc<Mutex<String>>,
}

/// What can be under way.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Task {
    Given,
    Step(String),
    Cleanup,
}

impl Live {
    pub fn new(terminal: impl TermLike + 'static, story: Story) -> Live {
        let screen = Screen::new(terminal);
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(screen.clone()), FRAMES);
        Live {
            screen,
            bars: MultiProgress::with_draw_target(target),
            under_way: Vec::new(),
            story,
        }
    }

    pub fn story_mut(&mut self) -> &mut Story {
        &mut self.story
    }

    fn begin(&mut self, task: Task, label: &str, title: &str) {
        if self.story.verbosity() == Verbosity::Quiet {
            return;
        }
        let detail = Arc::new(Mutex::new(String::new()));
        let bar = self.bars.add(ProgressBar::new_spinner());
        bar.set_style(self.style(label.to_owned(), title.to_owned(), detail.clone()));
        bar.enable_steady_tick(TICK);
        self.under_way.push(UnderWay { task, bar, detail });
    }

    fn begin_step(&mut self, step: &str) {
        if let Some(head) = self.story.head(step) {
            let (label, title) = (head.label(), head.title.clone());
            self.begin(Task::Step(step.to_owned()), &label, &title);
        }
    }

    /// How a task's two lines are drawn. The second is there from the beginning, so that the lines above don't jump.
    fn style(&self, label: String, title: String, detail: Arc<Mutex<String>>) -> ProgressStyle {
        let page = self.story.page();
        let pictures: &[&str] = match page.style.unicode {
            true => &["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏", " "],
            false => &["|   ", "/   ", "-   ", "\\   ", "    "],
        };
        let painted: Vec<String> = pictures
            .iter()
            .map(|picture| page.style.paint(Paint::Busy, picture))
            .collect();
        let pictures: Vec<&str> = painted.iter().map(String::as_str).collect();
        // The window may have become narrower, and a redrawn line that wraps would eat the one above it.
        let screen = self.screen.clone();
        let now = move || Page {
            width: page.width.min(usize::from(screen.width())),
            ..page
        };
        let now_too = now.clone();
        ProgressStyle::with_template("  {spinner}{task}\n{detail}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner())
            .tick_strings(&pictures)
            .with_key("task", move |state: &ProgressState, out: &mut dyn Write| {
                let _ = out.write_str(&first_line(now(), &label, &title, state.elapsed()));
            })
            .with_key("detail", move |_: &ProgressState, out: &mut dyn Write| {
                let detail = detail.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = out.write_str(&second_line(now_too(), &detail));
            })
    }

    fn end(&mut self, task: &Task) {
        let (ended, others) = std::mem::take(&mut self.under_way)
            .into_iter()
            .partition(|known| known.task == *task);
        self.under_way = others;
        self.clear(ended);
    }

    fn clear(&self, ended: Vec<UnderWay>) {
        for UnderWay { bar, .. } in ended {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
    }

    /// What a task does now, on its second line.
    fn detail(&self, task: &Task, text: String) {
        if let Some(known) = self.under_way.iter().find(|known| known.task == *task) {
            *known.detail.lock().unwrap_or_else(PoisonError::into_inner) = text;
        }
    }

    fn print(&self, lines: &[String]) {
        if let Some(last) = lines.last() {
            let mut text = lines.join("\n");
            if last.is_empty() {
                // indicatif drops what follows the last line break, and so a blank line at the end.
                text.push('\n');
            }
            // A terminal that went away is no fault of the run.
            let _ = self.bars.println(text);
        }
    }

    /// What is under way after an event that the story was told already.
    fn follow(&mut self, event: &Event) {
        match event {
            Event::GivenStarted { what } => self.begin(Task::Given, "given", &one_line(what)),
            Event::GivenPhase { phase } => self.detail(&Task::Given, one_line(phase)),
            Event::StepStarted { step, .. } => self.begin_step(step),
            Event::StepAwaited { step, stopped } => {
                self.begin_step(step);
                let doing = if *stopped {
                    "stopping its command"
                } else {
                    "waiting for its command to end"
                };
                self.detail(&Task::Step(step.clone()), doing.to_owned());
            }
            Event::TargetCommand { step, typed, .. } => {
                self.detail(&Task::Step(step.clone()), format!("$ {}", one_line(typed)))
            }
            Event::CommandStarted {
                step, typed, item, ..
            } => {
                let item = item
                    .map(|(item, of)| format!("({item} of {of}) "))
                    .unwrap_or_default();
                self.detail(
                    &Task::Step(step.clone()),
                    format!("$ {item}{}", one_line(typed)),
                );
            }
            Event::CommandFinished { step, .. } => self.detail(
                &Task::Step(step.clone()),
                "the command has ended; checking".to_owned(),
            ),
            Event::Waiting { step, what, seen } => {
                let text = waiting(self.story.page(), &one_line(what), &one_line(seen));
                self.detail(&Task::Step(step.clone()), text);
            }
            Event::CleanupStarted => self.begin(Task::Cleanup, "clean", "cleaning up"),
            _ => {}
        }
    }

    /// What is no longer under way after an event, before its lines are shown in its place.
    fn leave(&mut self, event: &Event) {
        match event {
            Event::GivenReady { .. } => self.end(&Task::Given),
            Event::StepFinished { step, .. }
            | Event::StepSkipped { step, .. }
            | Event::StepInBackground { step } => self.end(&Task::Step(step.clone())),
            Event::CleanupStarted | Event::Trouble { step: None, .. } => self.end(&Task::Given),
            Event::CleanupFinished { .. } => self.end(&Task::Cleanup),
            Event::LabFinished { .. } | Event::RunFinished { .. } => self.leave_all(),
            _ => {}
        }
    }

    fn leave_all(&mut self) {
        let all = std::mem::take(&mut self.under_way);
        self.clear(all);
    }
}

impl Reporter for Live {
    fn on(&mut self, event: &Stamped) {
        let lines = self.story.tell(event);
        self.leave(&event.event);
        self.print(&lines);
        self.follow(&event.event);
    }

    fn finish(&mut self) {
        self.leave_all();
        let lines = self.story.finish();
        self.print(&lines);
        let _ = self.screen.leave();
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // A run that breaks off leaves no half-drawn line behind.
        self.leave_all();
        let _ = self.screen.leave();
    }
}

/// A task and for how long it has been under way: what stands right of its spinner, each part where it will be on the line that stays.
fn first_line(page: Page, label: &str, title: &str, time: Duration) -> String {
    let lead = steps::lead(page, "", label);
    let lead = lead.get(2 + page.style.mark_width()..).unwrap_or_default();
    let room = page
        .right_edge()
        .saturating_sub(steps::lead_width(page) + TIME);
    let title = page.cut(title, room);
    let time = ticking(time);
    let gap = " ".repeat((room + TIME).saturating_sub(columns(&title) + columns(&time)));
    format!(
        "{lead}{title}{gap}{}",
        page.style.paint(Paint::Faint, &time)
    )
}

/// What a task does.
fn second_line(page: Page, detail: &str) -> String {
    let indent = " ".repeat(steps::lead_width(page));
    let detail = page.cut(
        detail,
        page.right_edge().saturating_sub(indent.len() + FREE),
    );
    format!("{indent}{}", page.style.paint(Paint::Faint, &detail))
}

/// What is waited for and what is there instead. When both don't fit, what is there is kept: it is what changes.
fn waiting(page: Page, what: &str, seen: &str) -> String {
    let room = page
        .right_edge()
        .saturating_sub(steps::lead_width(page) + FREE);
    let (before, between) = ("waiting for: ", "; now: ");
    let spare = room.saturating_sub(columns(before) + columns(between));
    let what = page.cut(what, (spare / 2).max(spare.saturating_sub(columns(seen))));
    format!("{before}{what}{between}{seen}")
}

/// A time that runs: tenths of a second, then seconds.
fn ticking(time: Duration) -> String {
    match time.as_secs() {
        0..60 => format!("{}.{} s", time.as_secs(), time.subsec_millis() / 100),
        _ => super::words::took(Duration::from_secs(time.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use indicatif::InMemoryTerm;
    use rstest::rstest;

    use super::super::rehearsal::{self, Captured};
    use super::super::{Style, Terminal};
    use super::*;

    const ROWS: u16 = 400;

    fn live(terminal: &InMemoryTerm, verbosity: Verbosity, width: usize) -> Terminal {
        Terminal::live(terminal.clone(), verbosity, Style::PLAIN, width)
    }

    /// Lets the spinner turn until the screen is as it should be.
    fn wait_for(terminal: &InMemoryTerm, what: &dyn Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let screen = terminal.contents();
            if what(&screen) || Instant::now() > deadline {
                assert!(what(&screen), "{screen}");
                return screen;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[rstest]
    fn after_a_run_the_screen_has_what_a_pipe_gets(
        #[values(Verbosity::Quiet, Verbosity::Normal, Verbosity::Verbose)] verbosity: Verbosity,
        #[values(60, 100)] width: u16,
    ) {
        for (name, events) in rehearsal::all() {
            let terminal = InMemoryTerm::new(ROWS, width);
            let captured = Captured::default();
            let mut plain = Terminal::new(
                captured.clone(),
                verbosity,
                Style::PLAIN,
                usize::from(width),
            );
            let mut live = live(&terminal, verbosity, usize::from(width));
            for event in &events {
                live.on(event);
                plain.on(event);
            }
            live.finish();
            plain.finish();
            assert_eq!(terminal.contents(), captured.text().trim_end(), "{name}");
            // What comes next stands on a line of its own.
            terminal.write_str("$ ").unwrap();
            assert!(terminal.contents().ends_with("\n$"), "{name}");
        }
    }

    #[test]
    fn a_step_that_is_under_way_has_two_lines() {
        let terminal = InMemoryTerm::new(ROWS, 100);
        let mut live = live(&terminal, Verbosity::Normal, 100);
        let events = rehearsal::passing();
        let waits = events
            .iter()
            .position(|event| matches!(event.event, Event::Waiting { .. }))
            .unwrap();
        events[..waits].iter().for_each(|event| live.on(event));
        let screen = wait_for(&terminal, &|screen| screen.contains("checking"));
        assert!(
            screen
                .lines()
                .rev()
                .nth(1)
                .unwrap()
                .contains("5/9    Move the slots away   "),
            "{screen}"
        );
        live.on(&events[waits]);
        let screen = wait_for(&terminal, &|screen| screen.contains("waiting for"));
        let last: Vec<&str> = screen.lines().rev().take(3).collect();
        assert_eq!(
            last[0],
            "            waiting for: redis-7 owns 0 slots; now: redis-7 owns 12 slots"
        );
        assert!(
            last[1].ends_with(" s") && columns(last[1]) == 100,
            "{screen}"
        );
        assert!(last[2].contains("✓  4/9"), "{screen}");
    }

    #[test]
    fn what_happens_in_the_background_does_not_touch_the_lines_of_the_step_at_hand() {
        let terminal = InMemoryTerm::new(ROWS, 100);
        let mut live = live(&terminal, Verbosity::Normal, 100);
        let events = rehearsal::background_passes();
        let is_of = |event: &Event, id: &str| matches!(event, Event::CommandFinished { step, .. } if step == id);
        let ended = events
            .iter()
            .position(|event| is_of(&event.event, "pop"))
            .unwrap();
        events[..=ended].iter().for_each(|event| live.on(event));
        let screen = wait_for(&terminal, &|screen| screen.contains("RPUSH"));
        let last: Vec<&str> = screen.lines().rev().take(3).collect();
        assert_eq!(last[0], "            $ redis-cli -p 7001 RPUSH queue first");
        assert!(last[1].contains("2/3    Push to the queue"), "{screen}");
        assert!(last[2].ends_with("in the background"), "{screen}");
        // When it is awaited, it is at hand itself.
        let awaited = events
            .iter()
            .position(|event| matches!(event.event, Event::StepAwaited { .. }))
            .unwrap();
        events[ended + 1..=awaited]
            .iter()
            .for_each(|event| live.on(event));
        let screen = wait_for(&terminal, &|screen| {
            screen.contains("waiting for its command")
        });
        let last: Vec<&str> = screen.lines().rev().take(3).collect();
        assert!(last[1].contains("1/3    Wait for the queue"), "{screen}");
        assert!(last[2].contains("✓  2/3"), "{screen}");
    }

    #[test]
    fn a_key_pressed_in_between_does_not_disturb_the_lines() {
        let terminal = InMemoryTerm::new(ROWS, 100);
        let captured = Captured::default();
        let mut plain = Terminal::new(captured.clone(), Verbosity::Normal, Style::PLAIN, 100);
        let mut live = live(&terminal, Verbosity::Normal, 100);
        for event in &rehearsal::interrupted() {
            live.on(event);
            plain.on(event);
            if matches!(
                event.event,
                Event::StepStarted { .. } | Event::CommandStarted { .. } | Event::CleanupStarted
            ) {
                wait_for(&terminal, &|screen| {
                    screen.contains(|c| "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏".contains(c))
                });
                // As a terminal echoes it: where the cursor is.
                terminal.write_str("^C").unwrap();
                wait_for(&terminal, &|screen| !screen.contains("^C"));
            }
        }
        live.finish();
        plain.finish();
        assert_eq!(terminal.contents(), captured.text().trim_end());
    }

    #[test]
    fn a_run_that_is_dropped_leaves_no_half_drawn_line() {
        let terminal = InMemoryTerm::new(ROWS, 100);
        let mut live = live(&terminal, Verbosity::Normal, 100);
        let events = rehearsal::passing();
        let begins = events
            .iter()
            .position(|event| matches!(event.event, Event::CommandStarted { .. }))
            .unwrap();
        events[..=begins].iter().for_each(|event| live.on(event));
        wait_for(&terminal, &|screen| screen.contains("$ redis-cli"));
        drop(live);
        let screen = terminal.contents();
        assert!(
            screen.lines().last().unwrap().contains("✓  given"),
            "{screen}"
        );
    }

    #[test]
    fn the_lines_of_a_task_fit_into_a_window_that_became_narrow() {
        for width in 0..100 {
            let page = Page {
                width,
                ..Page::new(Style::PLAIN, 100)
            };
            let first = first_line(page, "5/9", "Move the slots away", Duration::from_secs(61));
            let second = second_line(
                page,
                &waiting(page, "redis-7 owns 0 slots", "redis-7 owns 1365 slots"),
            );
            // Below this there is no room for anything but the label and the time.
            if width >= 30 {
                assert!(columns(&first) + 3 <= width, "{width}: {first:?}");
                assert!(columns(&second) <= width, "{width}: {second:?}");
            }
        }
    }

    #[rstest]
    #[case(0, "0.0 s")]
    #[case(12_480, "12.4 s")]
    #[case(60_000, "1 min 00 s")]
    fn a_running_time_reads(#[case] ms: u64, #[case] words: &str) {
        assert_eq!(ticking(Duration::from_millis(ms)), words);
    }
}
