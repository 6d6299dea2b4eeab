//! Pictures of recorded clusters (`fixtures/servers`), at two widths.

use rstest::rstest;

use super::*;
use crate::observe::View;
use crate::observe::recorded::{book, frozen, gone, moved, name, view};
use crate::resp::RespError;

#[derive(Default)]
struct Stage {
    observation: Observation,
    presence: BTreeMap<NodeName, Presence>,
    moving: bool,
}

impl Stage {
    /// The five nodes run, the two others were never made.
    fn new() -> Stage {
        let mut stage = Stage::default();
        for number in 1..=7 {
            let presence = if number > 5 {
                Presence::Absent
            } else {
                Presence::Running
            };
            stage.presence.insert(name(number), presence);
            if number > 5 {
                let refused = Err(gone(number));
                stage.observation.views.insert(name(number), refused);
            }
        }
        stage
    }

    fn sees(mut self, number: u16, view: View) -> Stage {
        self.observation.views.insert(name(number), Ok(view));
        self
    }

    fn is(mut self, number: u16, presence: Presence) -> Stage {
        let error = match presence {
            Presence::Paused => frozen(number),
            _ => gone(number),
        };
        self.observation.views.insert(name(number), Err(error));
        self.presence.insert(name(number), presence);
        self
    }

    fn draw(&self, width: usize, unicode: bool) -> Picture {
        let scene = Scene {
            observation: &self.observation,
            book: &book(),
            presence: &self.presence,
            moving: self.moving,
        };
        draw(scene, Canvas { width, unicode })
    }
}

fn normal() -> Stage {
    Stage::new()
        .sees(1, view("normal"))
        .sees(2, moved("normal", 2))
        .sees(3, moved("normal", 3))
        .sees(4, view("replica"))
        .sees(5, moved("normal", 5))
}

/// All stages that are drawn in the tests below.
fn stages() -> Vec<(&'static str, Stage)> {
    let fresh = Stage::new().sees(1, view("fresh"));
    let handshake = Stage::new().sees(1, view("handshake"));
    let migrating = Stage {
        moving: true,
        ..normal().sees(1, view("migrating"))
    };
    // One of the two was stopped, the other frozen; only redis-1 has noticed.
    let suspected = Stage::new()
        .is(2, Presence::Stopped(0))
        .is(3, Presence::Paused)
        .sees(1, view("suspected"))
        .sees(4, view("replica"))
        .sees(5, moved("normal", 5));
    let failed = Stage::new()
        .is(3, Presence::Stopped(137))
        .sees(1, view("failed"))
        .sees(2, moved("failed", 2))
        .sees(4, moved("failed", 4))
        .sees(5, moved("failed", 5));
    let promoted = Stage::new()
        .is(2, Presence::Stopped(0))
        .sees(1, view("promoted"))
        .sees(3, moved("promoted", 3))
        .sees(4, moved("promoted", 4))
        .sees(5, view("promoted-replica"));
    let returned = Stage::new()
        .sees(1, view("returned"))
        .sees(2, moved("returned", 2))
        .sees(3, moved("returned", 3))
        .sees(4, moved("returned", 4))
        .sees(5, moved("returned", 5));
    // The replica knows that it is a master now, and has told nobody yet.
    let just_promoted = Stage::new()
        .is(2, Presence::Stopped(0))
        .sees(1, moved("suspected", 1))
        .sees(3, moved("suspected", 3))
        .sees(4, moved("suspected", 4))
        .sees(5, view("promoted-replica"));
    // Cut in two: each side has its own cluster.
    let torn = Stage::new()
        .is(2, Presence::Running)
        .sees(1, view("promoted"))
        .sees(5, view("promoted-replica"))
        .sees(3, moved("normal", 3))
        .sees(4, view("replica"));
    let mut loading = normal();
    let why = "CLUSTER NODES: LOADING Redis is loading the dataset in memory, and a word that has no end: ".to_owned()
        + &"x".repeat(80);
    let error = RespError::Broken { node: name(5), why };
    loading.observation.views.insert(name(5), Err(error));
    let empty = Stage::new();
    vec![
        ("nothing", empty),
        ("fresh", fresh),
        ("handshake", handshake),
        ("normal", normal()),
        ("migrating", migrating),
        ("suspected", suspected),
        ("failed", failed),
        ("just_promoted", just_promoted),
        ("promoted", promoted),
        ("returned", returned),
        ("noaddr", Stage::new().sees(1, view("noaddr"))),
        ("torn", torn),
        ("loading", loading),
    ]
}

#[rstest]
fn pictures(#[values(60, 100)] width: usize) {
    let drawn: String = stages()
        .iter()
        .map(|(name, stage)| format!("── {name}\n{}\n", stage.draw(width, true)))
        .collect();
    insta::assert_snapshot!(format!("pictures_{width}_columns"), drawn);
}

#[test]
fn a_picture_in_ascii() {
    let drawn: String = stages()
        .iter()
        .map(|(name, stage)| format!("-- {name}\n{}\n", stage.draw(80, false)))
        .collect();
    assert!(drawn.is_ascii(), "{drawn}");
    insta::assert_snapshot!(drawn);
}

#[test]
fn no_line_is_wider_than_the_canvas() {
    for (name, stage) in stages() {
        for width in [0, 60, 61, 62, 63, 79, 80, 81, 99, 100, 101, 130] {
            let picture = stage.draw(width, true);
            for line in picture.to_string().lines() {
                assert!(
                    line.chars().count() <= width.max(60),
                    "{name} at {width}: {line:?}"
                );
            }
        }
    }
}
