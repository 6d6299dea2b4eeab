//! The figures of a recording by name: `took`, `empty-it.probe.p99`, `fail.timeline.promoted`, `uniform.json.latency_ms.p99`.

use std::time::Duration;

use super::{Measured, Recording};
use crate::report::words::{number, span, took};

/// A measured value, with how it is written.
#[derive(Debug, Clone, PartialEq)]
pub enum Figure {
    /// How long something took.
    Time(Duration),
    /// How many.
    Count(u64),
    /// A number without a unit.
    Number(f64),
    /// Yes or no, or a name.
    Word(String),
}

/// `3 s`, `1,214`, `0.36`.
impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // Hundredths of a second, as on the timeline, where a second has passed; else as everywhere.
            Figure::Time(time) if (1..60).contains(&time.as_secs()) => {
                let text = format!("{:.2}", time.as_secs_f64());
                let text = text.trim_end_matches('0').trim_end_matches('.');
                write!(f, "{text} s")
            }
            Figure::Time(time) if time.as_secs() >= 60 => f.write_str(&span(*time)),
            Figure::Time(time) => f.write_str(&took(*time)),
            Figure::Count(count) => f.write_str(&number(*count)),
            Figure::Number(value) => write!(f, "{value}"),
            Figure::Word(word) => f.write_str(word),
        }
    }
}

impl Recording {
    /// All figures with their names, in the order of the steps.
    pub fn figures(&self) -> Vec<(String, Figure)> {
        let whole = &self.figures;
        let mut all = vec![
            ("took".to_owned(), time(whole.took_ms as f64)),
            ("cleanup".to_owned(), time(whole.cleanup_ms as f64)),
            ("checks".to_owned(), Figure::Count(whole.checks as u64)),
        ];
        all.extend(
            whole
                .given_ms
                .map(|ms| ("given".to_owned(), time(ms as f64))),
        );
        for step in &whole.steps {
            let mut add = |name: &str, figure: Figure| {
                all.push((format!("{}.{name}", step.step), figure));
            };
            add("took", time(step.took_ms as f64));
            if let Some(probe) = &step.probe {
                let counts = [
                    ("operations", probe.operations),
                    ("failed", probe.failed),
                    ("lost", probe.lost),
                    ("wrong", probe.wrong),
                    ("asked", probe.asked),
                    ("moved", probe.moved),
                ];
                for (name, count) in counts {
                    add(&format!("probe.{name}"), Figure::Count(count));
                }
                let times = [
                    ("longest_gap", probe.longest_gap_ms),
                    ("p50", probe.p50_ms),
                    ("p99", probe.p99_ms),
                    ("max", probe.max_ms),
                ];
                for (name, ms) in times {
                    add(&format!("probe.{name}"), time(ms));
                }
            }
            if let Some(timeline) = &step.timeline {
                for (name, ms) in &timeline.moments {
                    add(&format!("timeline.{name}"), time(*ms));
                }
            }
            let values = step.outputs.iter().filter_map(|output| match output {
                Measured::Json(value) => Some(value),
                Measured::Lines(_) => None,
            });
            // Of several, the last is the one that is meant, and the others by their number.
            let values: Vec<_> = values.collect();
            for (at, value) in values.iter().enumerate() {
                let name = match values.len() {
                    1 => "json".to_owned(),
                    _ => format!("json{}", at + 1),
                };
                flatten(&name, "", value, &mut add);
            }
        }
        all
    }

    /// The figure with this name.
    pub fn figure(&self, name: &str) -> Option<Figure> {
        self.figures()
            .into_iter()
            .find_map(|(known, figure)| (known == name).then_some(figure))
    }
}

fn time(ms: f64) -> Figure {
    Figure::Time(Duration::try_from_secs_f64(ms / 1000.0).unwrap_or_default())
}

/// The values in JSON, each with the path to it. A name that ends in `_ms`, and all below it, is a time.
fn flatten(path: &str, unit: &str, value: &serde_json::Value, add: &mut dyn FnMut(&str, Figure)) {
    use serde_json::Value;
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                let unit = if name.ends_with("_ms") { "ms" } else { unit };
                flatten(&format!("{path}.{name}"), unit, inner, add);
            }
        }
        Value::Number(number) => {
            let figure = match (unit, number.as_u64()) {
                ("ms", _) => time(number.as_f64().unwrap_or_default()),
                (_, Some(count)) => Figure::Count(count),
                _ => Figure::Number(number.as_f64().unwrap_or_default()),
            };
            add(path, figure);
        }
        Value::Bool(value) => add(path, Figure::Word(value.to_string())),
        Value::String(text) => add(path, Figure::Word(text.clone())),
        Value::Array(_) | Value::Null => {}
    }
}
