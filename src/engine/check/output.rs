//! The checks of what a command printed and how it ended.

use serde_json::Value;

use super::Judged;
use crate::engine::scope::Scope;
use crate::lab::action::Output;
use crate::lab::model::{CheckKind, JsonPart, JsonPath, JsonTest, Stream, TextTest};
use crate::lab::quantity::Comparison;
use crate::lab::template::Template;

/// How much of a text stands in a message.
const SHOWN: usize = 120;

/// Decides a check of a command's output.
pub fn judge_output(kind: &CheckKind, output: &Output, scope: &Scope<'_>) -> Judged {
    match kind {
        CheckKind::Exit(wanted) => judge_exit(wanted, output),
        CheckKind::Text { stream, test } => judge_text(*stream, test, output, scope),
        CheckKind::Json { path, test } => judge_json(path, test, output, scope),
        // The others look at nodes; a lab that mixes them up is not loaded.
        _ => Judged::new(false, "this can't be seen in a command's output"),
    }
}

/// Decides the exit code.
pub fn judge_exit(wanted: &Comparison, output: &Output) -> Judged {
    match output.exit {
        Some(code) => Judged::new(wanted.holds(f64::from(code)), format!("exit {code}")),
        None => Judged::new(false, "it did not end, and was stopped"),
    }
}

fn judge_text(stream: Stream, test: &TextTest, output: &Output, scope: &Scope<'_>) -> Judged {
    let (text, name) = match stream {
        Stream::Stdout => (&output.stdout, "stdout"),
        Stream::Stderr => (&output.stderr, "stderr"),
        Stream::Both => (&output.combined, "output"),
    };
    if output.cut_bytes > 0 {
        // What is missing could decide it either way.
        return Judged::new(
            false,
            format!(
                "{name} is too long to be checked: {} bytes of it were not kept",
                output.cut_bytes
            ),
        );
    }
    // Redis ends the lines of INFO with CR LF. Nobody who writes a lab sees the CR.
    let text = text.replace("\r\n", "\n");
    let text = text.trim_end();
    let shown = || {
        if text.is_empty() {
            format!("{name} is empty")
        } else {
            format!("{name} is {}", shorten(text))
        }
    };
    let mut parts = Vec::new();
    let mut with = |template: &Option<Template>, holds: &dyn Fn(&str) -> bool| {
        if let Some(template) = template {
            parts.push(match scope.fill(template) {
                Ok(wanted) => Judged::new(holds(wanted.trim_end()), shown()),
                Err(why) => Judged::new(false, why),
            });
        }
    };
    with(&test.equals, &|wanted| text == wanted);
    // Nothing at all stands in every text, so it is not looked for.
    with(&test.contains, &|wanted| {
        !wanted.is_empty() && text.contains(wanted)
    });
    with(&test.lacks, &|wanted| !text.contains(wanted));
    if let Some(pattern) = &test.matches {
        parts.push(Judged::new(pattern.0.is_match(text), shown()));
    }
    if let Some(wanted) = &test.lines {
        let lines = text.lines().count();
        parts.push(Judged::new(
            wanted.holds(lines as f64),
            format!("{name} has {lines} lines"),
        ));
    }
    if let Some(empty) = test.empty {
        parts.push(Judged::new(text.is_empty() == empty, shown()));
    }
    Judged::all(parts)
}

fn judge_json(path: &JsonPath, test: &JsonTest, output: &Output, scope: &Scope<'_>) -> Judged {
    let value = match read_json(path, output) {
        Ok(value) => value,
        Err(why) => return Judged::new(false, why),
    };
    let text = json_text(&value);
    let seen = format!("{} is {}", path.text, shorten(&text));
    let mut parts = Vec::new();
    if let Some(template) = &test.equals {
        parts.push(match scope.fill(template) {
            Ok(wanted) => Judged::new(text == wanted, seen.clone()),
            Err(why) => Judged::new(false, why),
        });
    }
    if let Some(wanted) = &test.is {
        parts.push(match value.as_f64() {
            Some(number) => Judged::new(wanted.holds(number), seen),
            None => Judged::new(false, format!("{seen}, which is not a number")),
        });
    }
    Judged::all(parts)
}

/// The value at a path of the JSON on a command's standard output.
///
/// # Errors
/// Why there is none.
pub fn read_json(path: &JsonPath, output: &Output) -> Result<Value, String> {
    if output.cut_bytes > 0 {
        return Err(format!(
            "stdout is too long to be read as JSON: {} bytes of the output were not kept",
            output.cut_bytes
        ));
    }
    let value: Value = serde_json::from_str(&output.stdout)
        .map_err(|error| format!("stdout is not JSON: {error}"))?;
    let mut at = &value;
    for part in &path.parts {
        let next = match part {
            JsonPart::Field(name) => at.get(name),
            JsonPart::Index(index) => at.get(index),
        };
        at = next.ok_or_else(|| format!("there is no {} in the JSON on stdout", path.text))?;
    }
    Ok(at.clone())
}

/// A value as a lab would write it: text without quotes, everything else as JSON.
pub fn json_text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn shorten(text: &str) -> String {
    let flat = text.lines().collect::<Vec<_>>().join(" ⏎ ");
    if flat.chars().count() <= SHOWN {
        format!("`{flat}`")
    } else {
        format!(
            "`{}…` ({} characters)",
            flat.chars().take(SHOWN).collect::<String>(),
            text.chars().count()
        )
    }
}
