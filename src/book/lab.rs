//! A whole lab as a chapter.

use super::shelf::Shelved;
use super::{html, points, step, topology, verified};
use crate::lab::model::GivenPostgres;

/// All that a chapter shows of a lab, below the title that the author gives it.
pub(super) fn whole(shelved: &Shelved) -> String {
    let lab = &shelved.lab;
    let mut out = format!("**Objective:** {}\n\n", lab.objective.trim());
    if let Some(minutes) = lab.minutes {
        out += &format!("**Time needed:** about {minutes} minutes\n\n");
    }
    out += &note_of_age(shelved);
    if let Some(text) = &lab.text {
        out += &format!("{}\n\n", text.trim());
    }
    if let Some(given) = &lab.given {
        out += "## What it starts from {#start}\n\n";
        out += &topology::picture(given, &shelved.name);
        let keys = given.keys.map_or(String::new(), |keys| {
            format!(
                " {} keys lie in it already, to see that none is lost.",
                keys.count
            )
        });
        let database = match given.postgres {
            None => "",
            Some(GivenPostgres::Empty) => " Beside it is PostgreSQL, with an empty database.",
            Some(GivenPostgres::Migrated) => {
                " Beside it is PostgreSQL, with the application's tables and nothing in them."
            }
        };
        out +=
            &format!("To do the lab by hand, let labrunner make this cluster.{keys}{database}\n\n");
        out += &html::command(&[&format!("labrunner up {}", shelved.typed)]);
    }
    out += "## Steps {#steps}\n\n";
    if shelved.recording.is_some() {
        out += "Names in square brackets, like <var>[redis-7 id]</var>, stand for what is another in your cluster.\n\n";
    }
    for (at, one) in lab.steps.iter().enumerate() {
        out += &step::whole(shelved, one, Some(at + 1));
    }
    out += "## Key learning points {#points}\n\n";
    out += &points::all(shelved);
    out += "## Verified {#verified}\n\n";
    out + &verified::foot(shelved)
}

/// What a reader has to know who looks at output that is not of this lab.
fn note_of_age(shelved: &Shelved) -> String {
    let what = match &shelved.recording {
        None => "This lab has not been recorded yet: it is shown without output.",
        Some(_) if !shelved.is_current() => {
            "This lab was changed after the run whose output is shown here."
        }
        Some(_) => return String::new(),
    };
    format!("<p class=\"lab-stale\" role=\"note\">{what}</p>\n\n")
}
