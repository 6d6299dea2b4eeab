//! Learning points, each with the steps that prove it.

use super::shelf::Shelved;
use crate::lab::model::Point;

/// All points of a lab, in a chapter that has its steps.
pub(super) fn all(shelved: &Shelved) -> String {
    let points = shelved.lab.points.iter().enumerate();
    points
        .map(|(at, point)| {
            format!(
                "{}. <a id=\"point-{}\"></a>{}\n",
                at + 1,
                at + 1,
                told(shelved, point, Some(""))
            )
        })
        .collect::<String>()
        + "\n"
}

/// A single point. `page` is the way to the chapter that has the lab's steps.
///
/// # Errors
/// There is no such point.
pub(super) fn one(
    shelved: &Shelved,
    number: &str,
    page: Option<&str>,
) -> Result<String, (String, String)> {
    let points = &shelved.lab.points;
    number
        .parse::<usize>()
        .ok()
        .and_then(|number| points.get(number.checked_sub(1)?))
        .map(|point| told(shelved, point, page))
        .ok_or_else(|| {
            (
                format!("lab {} has no point {number}", shelved.name),
                format!("it has {}, from 1", points.len()),
            )
        })
}

fn told(shelved: &Shelved, point: &Point, page: Option<&str>) -> String {
    let steps: Vec<String> = point
        .proved_by
        .iter()
        .map(|id| {
            let title = shelved
                .lab
                .step(&id.value)
                .map_or(id.value.as_str(), |step| step.title.trim());
            match page {
                Some(page) => format!("[{title}]({page}#{})", id.value),
                None => title.to_owned(),
            }
        })
        .collect();
    // One paragraph, whatever the lab's line ends are.
    let text: Vec<&str> = point.text.split_whitespace().collect();
    format!("{} Proved by: {}.", text.join(" "), steps.join(", "))
}
