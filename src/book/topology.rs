//! The cluster that a lab starts from, as a picture: a row for each master with its replicas. It is a drawing of 400 units, so that it can be
//! read on a telephone; its text has the colour of the page's text.

use super::html::escaped;
use crate::cluster::{NodeName, SLOTS, SlotSet};
use crate::lab::environment::CourseNode;
use crate::lab::model::Given;

const WIDTH: usize = 400;
const BOX: usize = 236;
const REPLICA_LEFT: usize = 276;
/// Characters of small text in a master's box.
const CHARACTERS: usize = 34;
/// From the left edge of a box to its text.
const INSET: usize = 12;

/// The picture.
pub(super) fn picture(given: &Given, lab: &str) -> String {
    let mut rows = String::new();
    let mut top = 4;
    for (master, slots) in &given.masters {
        let replicas: Vec<&NodeName> = given
            .replicas
            .iter()
            .filter(|(_, of)| of == master)
            .map(|(name, _)| name)
            .collect();
        let (row, height) = row(top, master, slots, &replicas);
        rows += &row;
        top += height + 12;
    }
    let title = format!("topology-{lab}");
    let title = escaped(&title);
    let described = described(given);
    format!(
        "<figure class=\"lab-figure\"><svg viewBox=\"0 0 {WIDTH} {top}\" role=\"img\" aria-labelledby=\"{title}-title {title}-desc\">\
         <title id=\"{title}-title\">The cluster that the lab starts from</title>\
         <desc id=\"{title}-desc\">{}</desc>{rows}</svg></figure>\n\n",
        escaped(&described)
    )
}

/// The picture in a sentence for each master.
fn described(given: &Given) -> String {
    let sentences: Vec<String> = given
        .masters
        .iter()
        .map(|(master, slots)| {
            let replicas: Vec<&str> = given
                .replicas
                .iter()
                .filter(|(_, of)| of == master)
                .map(|(name, _)| name.as_str())
                .collect();
            let replicas = match replicas.is_empty() {
                true => "no replica".to_owned(),
                false => format!("the replica {}", replicas.join(" and ")),
            };
            format!("{master} owns the slots {slots} and has {replicas}.")
        })
        .collect();
    sentences.join(" ")
}

fn row(top: usize, master: &NodeName, slots: &SlotSet, replicas: &[&NodeName]) -> (String, usize) {
    let ranges = lines_of(&slots.to_string());
    let height = (66 + 15 * ranges.len()).max((replicas.len() * 52).saturating_sub(8));
    let mut out = node_box(2, top, BOX, height);
    out += &text(2 + INSET, top + 21, "lab-name", &format!("{master}"));
    out += &text_end(2 + BOX - INSET, top + 21, &port(master));
    out += &text(
        2 + INSET,
        top + 39,
        "lab-small",
        &format!("master, {} slots", slots.len()),
    );
    out += &bar(2 + INSET, top + 47, BOX - 2 * INSET, slots);
    for (at, line) in ranges.iter().enumerate() {
        out += &text(2 + INSET, top + 72 + 15 * at, "lab-small", line);
    }
    for (at, replica) in replicas.iter().enumerate() {
        let replica_top = top + 52 * at;
        let middle = replica_top + 22;
        out += &format!(
            "<path class=\"lab-link\" d=\"M{} {middle} H{REPLICA_LEFT}\"/>",
            2 + BOX
        );
        out += &node_box(REPLICA_LEFT, replica_top, WIDTH - REPLICA_LEFT - 2, 44);
        out += &text(
            REPLICA_LEFT + INSET,
            replica_top + 19,
            "lab-name",
            replica.as_str(),
        );
        out += &text(
            REPLICA_LEFT + INSET,
            replica_top + 36,
            "lab-small",
            &format!("replica {}", port(replica)),
        );
    }
    (out, height)
}

fn port(node: &NodeName) -> String {
    CourseNode::named(node.as_str()).map_or(String::new(), |node| node.port().to_string())
}

fn node_box(left: usize, top: usize, width: usize, height: usize) -> String {
    format!(
        "<rect class=\"lab-node\" x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" rx=\"6\"/>"
    )
}

fn text(left: usize, base: usize, class: &str, text: &str) -> String {
    format!(
        "<text class=\"{class}\" x=\"{left}\" y=\"{base}\">{}</text>",
        escaped(text)
    )
}

fn text_end(right: usize, base: usize, text: &str) -> String {
    format!(
        "<text class=\"lab-small\" text-anchor=\"end\" x=\"{right}\" y=\"{base}\">{}</text>",
        escaped(text)
    )
}

/// All slots as a line, with those of a master filled.
fn bar(left: usize, top: usize, width: usize, slots: &SlotSet) -> String {
    let mut out = format!(
        "<rect class=\"lab-slots\" x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"8\"/>"
    );
    let unit = width as f64 / f64::from(SLOTS);
    for range in slots.ranges() {
        let (first, last) = (range.start.get(), range.end.get());
        out += &format!(
            "<rect class=\"lab-owned\" x=\"{:.1}\" y=\"{top}\" width=\"{:.1}\" height=\"8\"/>",
            left as f64 + unit * f64::from(first),
            (unit * f64::from(last - first + 1)).max(1.0),
        );
    }
    out
}

/// Slots in lines that fit into a box.
fn lines_of(ranges: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for range in ranges.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + range.len() < CHARACTERS => {
                line.push(' ');
                line.push_str(range);
            }
            _ => lines.push(range.to_owned()),
        }
    }
    lines
}
