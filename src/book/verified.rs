//! The foot of a lab's chapter: when it was green, on what, and how long everything took.

use super::html::{escaped, sentence};
use super::shelf::Shelved;
use super::timeline;
use crate::report::took;
use std::time::Duration;

/// The foot.
pub(super) fn foot(shelved: &Shelved) -> String {
    let Some(recording) = &shelved.recording else {
        return "Not yet.\n\n".to_owned();
    };
    let (verified, figures) = (&recording.verified, &recording.figures);
    let server = verified
        .server
        .as_ref()
        .map_or(String::new(), |server| format!(", on {}", escaped(server)));
    let mut out = format!(
        "<p>On {}{server}, by labrunner {} with {} ({}): {} steps and {} checks passed in {}.</p>\n\n",
        escaped(&verified.date),
        escaped(&verified.labrunner),
        escaped(&verified.backend),
        sentence(&verified.with),
        figures.steps.len(),
        figures.checks,
        in_ms(figures.took_ms),
    );
    for step in &figures.steps {
        if let Some(seen) = &step.timeline {
            out += &timeline::picture(seen, &format!("{}-{}", shelved.name, step.step));
        }
    }
    let mut rows = Vec::new();
    rows.extend(
        figures
            .given_ms
            .map(|ms| row("making what it starts from", ms)),
    );
    for step in &figures.steps {
        let title = shelved
            .lab
            .step(&step.step)
            .map_or(step.step.as_str(), |step| step.title.trim());
        rows.push(row(title, step.took_ms));
    }
    rows.push(row("removing everything", figures.cleanup_ms));
    out += &format!(
        "<details class=\"lab-phases\">\n<summary>How long each part took</summary>\n<table>\n\
         <thead><tr><th scope=\"col\">part</th><th scope=\"col\">time</th></tr></thead>\n<tbody>\n{}\n</tbody>\n</table>\n</details>\n\n",
        rows.join("\n")
    );
    out + &format!(
        "To see it run:\n\n{}",
        super::html::command(&[&format!("labrunner run {}", shelved.typed)])
    )
}

fn row(what: &str, ms: u64) -> String {
    format!("<tr><td>{}</td><td>{}</td></tr>", sentence(what), in_ms(ms))
}

fn in_ms(ms: u64) -> String {
    took(Duration::from_millis(ms))
}
