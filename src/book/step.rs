//! A step: its text, what to type, what that prints, and what is checked, in words.

use super::html;
use super::shelf::{Shelved, nearest_or_list};
use crate::engine::check_in_words;
use crate::lab::environment::CourseNode;
use crate::lab::model::{Check, DEFAULT_TIMELINE_WITHIN, DEFAULT_WITHIN, ProbeTarget, Step};
use crate::lab::template::{Reference, Template};
use crate::report::recording::{Measured, RecordedRun, Recording};
use crate::report::{probe_in_words, span};

/// The step called `id`.
pub(super) fn find<'a>(shelved: &'a Shelved, id: &str) -> Result<&'a Step, (String, String)> {
    shelved.lab.step(id).ok_or_else(|| {
        let known: Vec<&str> = shelved
            .lab
            .steps
            .iter()
            .map(|step| step.id.value.as_str())
            .collect();
        (
            format!("lab {} has no step {id}", shelved.name),
            nearest_or_list(id, &known),
        )
    })
}

/// A step with all that belongs to it, below a heading that has its id; with `number` it is one of a whole lab.
pub(super) fn whole(shelved: &Shelved, step: &Step, number: Option<usize>) -> String {
    let number = number.map_or(String::new(), |number| format!("{number}. "));
    let mut out = format!(
        "### {number}{} {{#{}}}\n\n",
        step.title.trim(),
        step.id.value
    );
    if let Some(text) = &step.text {
        out += &format!("{}\n\n", text.trim());
    }
    out += &before(shelved, step);
    out += &recorded(shelved, step);
    out += &after(shelved, step);
    out += &checks(step);
    if let Some(note) = &step.note {
        out += &format!(
            "<div class=\"lab-note\" role=\"note\">\n\n**Where the course says something else.** {}\n\n</div>\n\n",
            note.trim()
        );
    }
    for (summary, text) in [("Hint", &step.hint), ("Solution", &step.solution)] {
        if let Some(text) = text {
            out += &format!(
                "<details class=\"lab-hint\">\n<summary>{summary}</summary>\n\n{}\n\n</details>\n\n",
                text.trim()
            );
        }
    }
    out
}

/// A step's commands and what they printed.
pub(super) fn recorded(shelved: &Shelved, step: &Step) -> String {
    let recorded = shelved
        .recording
        .as_ref()
        .and_then(|recording| Some((recording, recording.step(&step.id.value)?)));
    let Some((recording, recorded)) = recorded else {
        return as_written(step);
    };
    if let Some(reason) = &recorded.skipped {
        return as_written(step)
            + &format!(
                "<p class=\"lab-quiet\">Not run: {}</p>\n\n",
                html::sentence(reason)
            );
    }
    let runs = &recorded.runs;
    let is_short = |run: &RecordedRun| run.output.len() == 1 && !run.measured;
    if runs.len() > 1 && runs.iter().all(is_short) {
        return together(step, runs);
    }
    let mut measured = recording
        .step_figures(&step.id.value)
        .map_or(&[][..], |figures| &figures.outputs[..])
        .iter();
    runs.iter()
        .map(|run| {
            let figures = if run.measured { measured.next() } else { None };
            one(step, run, figures)
        })
        .collect()
}

/// The command of a step that has no recording.
fn as_written(step: &Step) -> String {
    let Some(run) = &step.run else {
        return String::new();
    };
    html::command(&[&with_names(&run.value.typed)]) + &stdin(step)
}

fn one(step: &Step, run: &RecordedRun, figures: Option<&Measured>) -> String {
    let mut out = html::command(&[&run.typed]) + &stdin(step);
    let lines = match figures {
        Some(Measured::Lines(lines)) => lines.clone(),
        Some(Measured::Json(value)) => json_lines(value),
        None => run.output.clone(),
    };
    if !lines.is_empty() {
        out += &html::output(&lines, &format!("Output of: {}", run.typed));
    }
    let json = matches!(figures, Some(Measured::Json(_)));
    let mut told = Vec::new();
    if lines.is_empty() {
        told.push("It prints nothing.".to_owned());
    }
    if json {
        told.push("It is one line; here it has several, and long lists are cut.".to_owned());
    }
    match run.exit {
        Some(0) => {}
        Some(code) => told.push(format!("It ends with exit code {code}.")),
        None => told.push("It goes on until it is stopped.".to_owned()),
    }
    if !told.is_empty() {
        out += &format!("<p class=\"lab-quiet\">{}</p>\n\n", told.join(" "));
    }
    out
}

/// Commands with one line of output each: all to type in one block, and all that is shown in another.
fn together(step: &Step, runs: &[RecordedRun]) -> String {
    let commands: Vec<&str> = runs.iter().map(|run| run.typed.as_str()).collect();
    let mut shown = Vec::new();
    for run in runs {
        shown.push(format!("$ {}", run.typed));
        shown.extend(run.output.iter().cloned());
    }
    html::command(&commands) + &stdin(step) + &html::output(&shown, "Output of these commands")
}

fn stdin(step: &Step) -> String {
    let Some(stdin) = &step.stdin else {
        return String::new();
    };
    let text = with_names(&stdin.value);
    let lines: Vec<&str> = text.trim_end().lines().collect();
    format!(
        "and type {} there:\n\n{}",
        if lines.len() == 1 {
            "this"
        } else {
            "these lines"
        },
        html::command(&lines)
    )
}

/// What goes on before the command, or beside it.
fn before(shelved: &Shelved, step: &Step) -> String {
    let mut told = Vec::new();
    if let Some(awaited) = &step.awaits {
        let title = shelved
            .lab
            .step(&awaited.value)
            .map_or(awaited.value.as_str(), |step| step.title.trim());
        let endless = shelved
            .lab
            .step(&awaited.value)
            .is_some_and(Step::is_endless);
        let what = if endless {
            "First stop (Ctrl-C) the command of"
        } else {
            "First wait for the end of the command of"
        };
        told.push(format!("{what} [{title}](#{}).", awaited.value));
    }
    if step.background {
        told.push(
            "It goes on while you do the next steps: type it in a terminal of its own.".to_owned(),
        );
    }
    if let Some(wait) = step.wait {
        told.push(match step.run {
            Some(_) => format!("Let it go on for {}.", span(wait)),
            None => format!("Wait {}.", span(wait)),
        });
    }
    if told.is_empty() {
        String::new()
    } else {
        format!("{}\n\n", told.join(" "))
    }
}

/// What the traffic beside the command has measured.
fn after(shelved: &Shelved, step: &Step) -> String {
    let Some(probe) = &step.probe else {
        return String::new();
    };
    let slots = match &probe.value.slots {
        ProbeTarget::All => "all slots".to_owned(),
        ProbeTarget::Moving => "the slots that move".to_owned(),
        ProbeTarget::Slots(slots) => format!("the slots {slots}"),
    };
    let measured = shelved
        .recording
        .as_ref()
        .and_then(|recording| recording.step_figures(&step.id.value)?.probe)
        .map_or(String::new(), |figures| {
            let line = probe_in_words(&figures.into());
            let line = line.strip_prefix("probe: ").unwrap_or(&line).to_owned();
            format!(" Measured: {}.", html::escaped(&line))
        });
    format!(
        "<p class=\"lab-probe\">Meanwhile a probe reads and writes {} times a second in {slots}.{measured}</p>\n\n",
        probe.value.rate
    )
}

fn checks(step: &Step) -> String {
    let mut out = String::new();
    let lists = [
        ("What this changes, and is checked", &step.expect, true),
        ("What holds before, meanwhile and after", &step.holds, false),
    ];
    for (title, checks, becomes) in lists {
        if checks.is_empty() {
            continue;
        }
        let items: Vec<String> = checks
            .iter()
            .map(|check| format!("<li>{}</li>", in_words(step, check, becomes)))
            .collect();
        out += &format!("<p>{title}:</p>\n<ul>\n{}\n</ul>\n", items.join("\n"));
    }
    if out.is_empty() {
        return out;
    }
    format!("<div class=\"lab-checks\">\n{out}</div>\n\n")
}

/// `redis-8 is a replica of redis-7, within 10 s`, as HTML.
fn in_words(step: &Step, check: &Check, becomes: bool) -> String {
    let fill = |template: &Template| with_items(step, template);
    let mut text = html::sentence(&check_in_words(&check.kind, &fill));
    let is_timeline = !check.kind.is_of_state() && !check.kind.is_of_output() && becomes;
    let within = match check.within {
        Some(within) => Some(within),
        None if becomes && check.kind.is_of_state() => Some(DEFAULT_WITHIN),
        None if is_timeline && matches!(check.kind, crate::lab::model::CheckKind::Timeline(_)) => {
            Some(DEFAULT_TIMELINE_WITHIN)
        }
        None => None,
    };
    if let Some(within) = within {
        text += &format!(", within {}", span(within));
    }
    if let Some(lasting) = check.lasting {
        text += &format!(", for {}", span(lasting));
    }
    if let Some(on) = &check.on {
        text += &format!(" (on {})", html::escaped(&on.to_string()));
    }
    if let Some(why) = &check.why {
        text += &format!(". <em>{}</em>", html::sentence(why.trim()));
    }
    text
}

/// A template of a step that is done once for each of several items: with the value of each of them, if they differ.
fn with_items(step: &Step, template: &Template) -> String {
    if !template.as_written().contains("${each.") {
        return with_names(template);
    }
    let mut texts: Vec<String> = step
        .each
        .iter()
        .map(|item| {
            let name = |reference: &Reference| -> Result<String, String> {
                let path: Vec<&str> = reference.path.iter().map(String::as_str).collect();
                let ["each", field, ref rest @ ..] = path[..] else {
                    return Ok(named(&path));
                };
                let value = item.values.iter().find(|(name, _)| name == field);
                let value =
                    value.map_or_else(|| named(&path), |(_, value)| with_names(&value.value));
                Ok(match rest {
                    [] => value,
                    [attribute] => named(&[&value, attribute]),
                    _ => named(&path),
                })
            };
            template
                .fill(name)
                .unwrap_or_else(|_| template.as_written().to_owned())
        })
        .collect();
    texts.dedup();
    texts.join(", ")
}

/// A template with names in the places of values: `${target}` is `[target]`, `${redis-7.id}` is `[redis-7 id]`.
fn with_names(template: &Template) -> String {
    let name = |reference: &Reference| -> Result<String, String> {
        let path: Vec<&str> = reference.path.iter().map(String::as_str).collect();
        Ok(named(&path))
    };
    template
        .fill(name)
        .unwrap_or_else(|_| template.as_written().to_owned())
}

fn named(path: &[&str]) -> String {
    let course = match *path {
        [node, attribute] => CourseNode::named(node).map(|node| match attribute {
            "addr" => node.address(),
            "ip" => node.ip(),
            "port" => node.port().to_string(),
            "name" => node.name().to_string(),
            other => format!("[{} {other}]", node.name()),
        }),
        _ => None,
    };
    course.unwrap_or_else(|| format!("[{}]", path.join(" ")))
}

fn json_lines(value: &serde_json::Value) -> Vec<String> {
    serde_json::to_string_pretty(value)
        .unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .collect()
}

/// Whether a recording has the steps and commands that the lab has; else what is missing.
pub(super) fn missing(shelved: &Shelved, recording: &Recording) -> Option<String> {
    let of_lab = shelved.lab.steps.iter();
    let unknown = of_lab
        .map(|step| step.id.value.as_str())
        .find(|id| recording.step(id).is_none());
    unknown.map(|id| format!("step {id} is not in it"))
}
