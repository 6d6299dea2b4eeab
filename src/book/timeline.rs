//! A failover that was watched, as a picture: a line for each moment on one axis of time. Each begins where the one before has its mark, so its
//! length is what that part of the failover took.

use super::html::escaped;
use crate::report::recording::TimelineFigures;

const WIDTH: f64 = 400.0;
const LEFT: f64 = 8.0;
const RIGHT: f64 = 392.0;
const ROW: f64 = 34.0;

/// The picture. `place` makes its ids unlike those of others on the page.
pub(super) fn picture(figures: &TimelineFigures, place: &str) -> String {
    let mut moments: Vec<&(String, f64)> = figures.moments.iter().collect();
    moments.sort_by(|a, b| a.1.total_cmp(&b.1));
    let end = moments.last().map_or(1.0, |(_, ms)| ms.max(1.0));
    let at = |ms: f64| LEFT + (RIGHT - LEFT) * (ms / end);
    let mut rows = String::new();
    let mut from = LEFT;
    let mut top = 4.0;
    for (name, ms) in &moments {
        let to = at(*ms);
        let (base, middle) = (top + 12.0, top + 22.0);
        rows += &format!(
            "<text class=\"lab-name\" x=\"{LEFT}\" y=\"{base}\">{}</text>\
             <text class=\"lab-small\" text-anchor=\"end\" x=\"{RIGHT}\" y=\"{base}\">{}</text>\
             <path class=\"lab-span\" d=\"M{from:.1} {middle} H{to:.1}\"/>\
             <circle class=\"lab-mark\" cx=\"{to:.1}\" cy=\"{middle}\" r=\"5\"/>",
            escaped(name),
            seconds(*ms),
        );
        from = to;
        top += ROW;
    }
    let step = step(end);
    let base = top + 16.0;
    let mut tick = 0.0;
    while tick <= end {
        let x = at(tick);
        let anchor = if tick == 0.0 { "start" } else { "middle" };
        // The last label would be cut at the edge.
        if x < RIGHT - 12.0 || tick == 0.0 {
            rows += &format!(
                "<path class=\"lab-tick\" d=\"M{x:.1} 4 V{top}\"/>\
                 <text class=\"lab-small\" text-anchor=\"{anchor}\" x=\"{x:.1}\" y=\"{base}\">{} s</text>",
                (tick / 100.0).round() / 10.0
            );
        }
        tick += step;
    }
    let height = base + 8.0;
    let node = escaped(&figures.node);
    let told: Vec<String> = moments
        .iter()
        .map(|(name, ms)| format!("{name} after {}", seconds(*ms)))
        .collect();
    let successor = figures
        .to
        .as_ref()
        .map_or(String::new(), |to| format!(", {} took over", escaped(to)));
    let id = escaped(&format!("timeline-{place}"));
    format!(
        "<figure class=\"lab-figure\"><svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\">\
         <title id=\"{id}-title\">Failover of {node}{successor}</title>\
         <desc id=\"{id}-desc\">{}.</desc>{rows}</svg>\
         <figcaption>Failover of {node}{successor}; counted from the start of the command.</figcaption></figure>\n\n",
        escaped(&told.join(", "))
    )
}

/// What is looked at every few milliseconds is not known more closely than this.
fn seconds(ms: f64) -> String {
    format!("{:.2} s", ms / 1000.0)
}

/// Milliseconds between ticks: 1, 2 or 5 times a power of ten, so that there are at most six.
fn step(end: f64) -> f64 {
    (0..9)
        .flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powi(power)))
        .find(|step| end / step <= 6.0)
        .unwrap_or(end)
}
