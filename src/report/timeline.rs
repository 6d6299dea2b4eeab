//! The timeline of a failover, drawn: a line a moment, all on one axis of time.
//!
//! ```text
//! suspected  4.12 s  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━●
//! failed     4.38 s                               ━●
//! promoted   5.21 s                                 ━━━━━●
//! recovered  5.24 s                                      ●
//!                    │0 s    │1 s    │2 s    │3 s    │4 s
//! ```
//!
//! Each line begins where the one before has its mark, so its length is what that part of the failover took. Moments that are close
//! together have lines of their own and stay apart.

use std::time::Duration;

use crate::cluster::{Moment, NodeName, Timeline};

use super::layout::{Page, columns, one_line};
use super::style::Paint;

/// A failover as it was told.
#[derive(Debug, Clone)]
pub(super) struct Failover {
    pub node: NodeName,
    /// The moments that were waited for.
    pub awaited: Vec<&'static str>,
    /// How long it was watched.
    pub watched: Duration,
    pub timeline: Timeline,
}

/// A moment that was seen, or was waited for in vain.
struct Row<'a> {
    name: &'static str,
    moment: Option<&'a Moment>,
}

/// Whose failover it is and who took over, in a line of at most `room` columns.
pub(super) fn head(page: Page, room: usize, failover: &Failover) -> String {
    let node = one_line(failover.node.as_str());
    let what = match &failover.timeline.promoted {
        Some(moment) => {
            let successor = one_line(moment.seen_by.as_str());
            format!("failover of {node}: {successor} took over")
        }
        None if failover.awaited.contains(&"promoted") => {
            format!("failover of {node}: nobody took over")
        }
        None => format!("failover of {node}"),
    };
    page.style.paint(Paint::Faint, &page.cut(&what, room))
}

/// The drawing, at most `room` columns wide.
pub(super) fn draw(page: Page, room: usize, failover: &Failover) -> Vec<String> {
    let rows = rows(failover);
    let times: Vec<String> = rows.iter().map(Row::time).collect();
    let names = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    let widest = times.iter().map(String::len).max().unwrap_or(0);
    let lead = names + widest + 4;
    // On a page for which there is a layout, half of the room at least is left for the axis.
    let axis = Axis {
        columns: room.saturating_sub(lead).max(1),
        end: end(&rows, failover.watched),
    };
    let mut lines = Vec::with_capacity(rows.len() + 1);
    let mut from = 0;
    for (row, time) in rows.iter().zip(&times) {
        let name = page.style.paint(row.paint(), row.name);
        let gap = " ".repeat(names - row.name.len());
        let to = row.moment.map(|moment| axis.column(moment.after));
        let bar = bar(page, from, to, axis.columns, row.paint());
        lines.push(format!(
            "{name}{gap}  {time:>widest$}  {}{bar}",
            " ".repeat(from)
        ));
        from = to.unwrap_or(from);
    }
    let scale = page.style.paint(Paint::Faint, axis.scale(page).trim_end());
    lines.push(format!("{}{scale}", " ".repeat(lead)));
    lines
}

/// What was seen, in the order in which it was; then what was waited for in vain.
fn rows(failover: &Failover) -> Vec<Row<'_>> {
    let all = failover.timeline.moments().into_iter();
    let mut rows: Vec<Row<'_>> = all
        .filter(|(name, moment)| moment.is_some() || failover.awaited.contains(name))
        .map(|(name, moment)| Row { name, moment })
        .collect();
    // Stable, so what was seen at the same time stays in the order in which a failover goes.
    rows.sort_by_key(|row| row.moment.map_or(Duration::MAX, |moment| moment.after));
    rows
}

impl Row<'_> {
    /// What is looked at every few milliseconds is not known more closely than this.
    fn time(&self) -> String {
        match self.moment {
            Some(moment) => format!("{:.2} s", moment.after.as_secs_f64()),
            None => "not seen".to_owned(),
        }
    }

    fn paint(&self) -> Paint {
        match (self.name, self.moment) {
            (_, None) | ("failed", _) => Paint::Bad,
            ("suspected", _) => Paint::Warning,
            ("promoted", _) => Paint::Busy,
            _ => Paint::Good,
        }
    }
}

/// The end of the axis: the last moment, or, where one did not come, the end of the wait for it.
fn end(rows: &[Row<'_>], watched: Duration) -> Duration {
    let last = rows
        .iter()
        .filter_map(|row| row.moment)
        .map(|moment| moment.after)
        .max();
    match rows.iter().any(|row| row.moment.is_none()) {
        true => last.unwrap_or_default().max(watched),
        false => last.unwrap_or(watched),
    }
}

/// From one moment to the next, with a mark at its end; to the end of the axis and without a mark where there was no next.
fn bar(page: Page, from: usize, to: Option<usize>, end: usize, paint: Paint) -> String {
    let (line, waiting, mark) = match page.style.unicode {
        true => ("━", "┄", "●"),
        false => ("=", ".", "o"),
    };
    let style = page.style;
    match to {
        Some(to) => {
            let line = line.repeat(to.saturating_sub(from));
            format!(
                "{}{}",
                style.paint(Paint::Faint, &line),
                style.paint(paint, mark)
            )
        }
        None => style.paint(paint, &waiting.repeat(end.saturating_sub(from))),
    }
}

/// Time as columns.
struct Axis {
    columns: usize,
    end: Duration,
}

impl Axis {
    /// Where a time is; the end is the last column.
    fn column(&self, time: Duration) -> usize {
        let share = time.as_secs_f64() / self.end.as_secs_f64().max(0.001);
        // As rounding goes, and never beyond the last.
        ((share * (self.columns - 1) as f64).round() as usize).min(self.columns - 1)
    }

    /// A tick and its time, as often as there is room: `│0 s    │1 s    │2 s`.
    fn scale(&self, page: Page) -> String {
        let tick = page.style.bar();
        let mut scale = String::new();
        let step = self.step();
        for n in 0.. {
            let time = step.saturating_mul(n);
            let label = format!("{tick}{}", label(time, step));
            let at = self.column(time);
            if time > self.end || at + columns(&label) > self.columns {
                break;
            }
            let gap = at.saturating_sub(columns(&scale));
            scale.push_str(&" ".repeat(gap));
            scale.push_str(&label);
        }
        scale
    }

    /// The shortest of 1, 2, 5, 10, 20, … milliseconds at which ticks have room for their times.
    fn step(&self) -> Duration {
        const GAP: usize = 3;
        let steps = (0..9).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_u64.pow(power)));
        let mut steps = steps.map(Duration::from_millis);
        let fits = |step: &Duration| {
            let widest = label(self.end, *step).len();
            self.column(*step) > widest + GAP
        };
        steps
            .find(fits)
            .unwrap_or(self.end.max(Duration::from_millis(1)))
    }
}

/// A time on the axis, as exact as its step.
fn label(time: Duration, step: Duration) -> String {
    let decimals = match step.as_millis() {
        1000.. => 0,
        100.. => 1,
        10.. => 2,
        _ => 3,
    };
    let decimals = if time.is_zero() { 0 } else { decimals };
    format!("{:.decimals$} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Style;
    use super::*;

    const ASCII: Style = Style {
        colour: false,
        unicode: false,
    };

    fn moment(ms: u64, by: &str) -> Option<Moment> {
        Some(Moment {
            after: Duration::from_millis(ms),
            seen_by: by.into(),
            command: "CLUSTER NODES".to_owned(),
            raw: String::new(),
        })
    }

    fn whole() -> Failover {
        Failover {
            node: "redis-1".into(),
            awaited: vec!["suspected", "failed", "promoted", "recovered"],
            watched: Duration::from_millis(5251),
            timeline: Timeline {
                suspected: moment(4120, "redis-3"),
                failed: moment(4380, "redis-2"),
                promoted: moment(5212, "redis-4"),
                recovered: moment(5240, "redis-4"),
            },
        }
    }

    fn drawn(style: Style, room: usize, failover: &Failover) -> String {
        let page = Page::new(style, 100);
        let head = head(page, room, failover);
        format!("{head}\n{}", draw(page, room, failover).join("\n"))
    }

    #[test]
    fn on_a_wide_and_on_a_narrow_page() {
        insta::assert_snapshot!(drawn(Style::PLAIN, 88, &whole()), @"
    failover of redis-1: redis-4 took over
    suspected  4.12 s  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━●
    failed     4.38 s                                                       ━━━━●
    promoted   5.21 s                                                           ━━━━━━━━━━━●
    recovered  5.24 s                                                                      ●
                       │0 s         │1 s         │2 s         │3 s         │4 s         │5 s
    ");
        insta::assert_snapshot!(drawn(Style::PLAIN, 48, &whole()), @"
    failover of redis-1: redis-4 took over
    suspected  4.12 s  ━━━━━━━━━━━━━━━━━━━━━━●
    failed     4.38 s                        ━●
    promoted   5.21 s                         ━━━━━●
    recovered  5.24 s                              ●
                       │0 s       │2 s      │4 s
    ");
        insta::assert_snapshot!(drawn(ASCII, 45, &whole()), @"
    failover of redis-1: redis-4 took over
    suspected  4.12 s  ====================o
    failed     4.38 s                      =o
    promoted   5.21 s                       ====o
    recovered  5.24 s                           o
                       |0 s      |2 s     |4 s
    ");
    }

    #[test]
    fn what_did_not_come_is_waited_for_to_the_end() {
        let failover = Failover {
            watched: Duration::from_millis(30_040),
            timeline: Timeline {
                promoted: None,
                recovered: None,
                ..whole().timeline
            },
            ..whole()
        };
        insta::assert_snapshot!(drawn(Style::PLAIN, 68, &failover), @"
    failover of redis-1: nobody took over
    suspected    4.12 s  ━━━━━━●
    failed       4.38 s        ━●
    promoted   not seen         ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄
    recovered  not seen         ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄
                         │0 s    │5 s   │10 s   │15 s   │20 s  │25 s
    ");
        let nothing = Failover {
            awaited: vec!["promoted"],
            timeline: Timeline::default(),
            ..failover.clone()
        };
        insta::assert_snapshot!(drawn(ASCII, 68, &nothing), @"
    failover of redis-1: nobody took over
    promoted  not seen  ................................................
                        |0 s    |5 s    |10 s  |15 s   |20 s   |25 s
    ");
        // What nobody waited for is not missed.
        let enough = Failover {
            awaited: vec!["failed"],
            ..failover
        };
        insta::assert_snapshot!(drawn(Style::PLAIN, 68, &enough), @"
    failover of redis-1
    suspected  4.12 s  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━●
    failed     4.38 s                                               ━━━●
                       │0 s       │1 s       │2 s       │3 s       │4 s
    ");
    }

    #[test]
    fn what_came_in_another_order_stands_in_that_order() {
        let timeline = Timeline {
            failed: moment(5230, "redis-5"),
            ..whole().timeline
        };
        insta::assert_snapshot!(drawn(Style::PLAIN, 68, &Failover { timeline, ..whole() }), @"
    failover of redis-1: redis-4 took over
    suspected  4.12 s  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━●
    promoted   5.21 s                                        ━━━━━━━━━━●
    failed     5.23 s                                                  ●
    recovered  5.24 s                                                  ●
                       │0 s     │1 s     │2 s     │3 s      │4 s
    ");
    }

    proptest! {
        #[test]
        fn it_fits_and_every_moment_has_its_line(
            times in prop::array::uniform4(prop::option::of(0_u64..4_000_000)),
            watched in 0_u64..4_000_000,
            room in 45_usize..200,
            unicode in any::<bool>(),
        ) {
            let [suspected, failed, promoted, recovered] = times.map(|ms| ms.and_then(|ms| moment(ms, "redis-4")));
            let failover = Failover {
                watched: Duration::from_millis(watched),
                timeline: Timeline { suspected, failed, promoted, recovered },
                ..whole()
            };
            let style = Style { colour: false, unicode };
            let lines = draw(Page::new(style, 200), room, &failover);
            prop_assert_eq!(lines.len(), 5);
            let mark = if unicode { '●' } else { 'o' };
            for line in &lines {
                prop_assert!(columns(line) <= room, "{} > {}: {:?}", columns(line), room, line);
                prop_assert_eq!(line, line.trim_end());
                prop_assert!(unicode || line.is_ascii(), "{:?}", line);
            }
            let mut last = 0;
            // Later moments never stand further to the left.
            for line in lines.iter().filter(|line| line.ends_with(mark)) {
                prop_assert!(columns(line) >= last, "{:?}", lines);
                last = columns(line);
            }
        }
    }
}
