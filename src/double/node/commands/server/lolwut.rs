//! LOLWUT: the version, and the picture that version 5 drew: Georg Nees's squares, which get into disorder from row to row. That of version 6 is not there.

use rand::Rng;

use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::number;

pub(super) fn lolwut(call: &mut Call<'_>) -> Outcome {
    let mut text = String::new();
    if let [option, version, sizes @ ..] = &call.args[1..]
        && option.eq_ignore_ascii_case(b"version")
    {
        let version = number::parse_i64(version).ok_or(Failure::NOT_AN_INTEGER)?;
        if version == 5 {
            let size = |at: usize, default: usize, most: i64| match sizes.get(at) {
                None => Ok(default),
                Some(size) => number::parse_i64(size)
                    .map(|size| size.clamp(1, most) as usize)
                    .ok_or(Failure::NOT_AN_INTEGER),
            };
            let (columns, across, down) = (size(0, 66, 1000)?, size(1, 8, 200)?, size(2, 12, 200)?);
            text = schotter(columns, across, down);
            text.push_str("\nGeorg Nees - schotter, plotter on paper, 1968. ");
        }
    }
    text.push_str("Redis ver. 7.0.15\n");
    call.out.verbatim("txt", text.as_bytes());
    Ok(())
}

/// Pixels, eight of which are one character.
struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<bool>,
}

impl Canvas {
    fn at(&mut self, x: i64, y: i64) -> Option<&mut bool> {
        let (x, y) = (usize::try_from(x).ok()?, usize::try_from(y).ok()?);
        (x < self.width).then(|| self.pixels.get_mut(y * self.width + x))?
    }

    fn line(&mut self, from: (i64, i64), to: (i64, i64)) {
        let (mut x, mut y) = from;
        let (dx, dy) = ((to.0 - x).abs(), (to.1 - y).abs());
        let (step_x, step_y) = (if x < to.0 { 1 } else { -1 }, if y < to.1 { 1 } else { -1 });
        let mut error = dx - dy;
        loop {
            if let Some(pixel) = self.at(x, y) {
                *pixel = true;
            }
            if (x, y) == to {
                return;
            }
            let double = error * 2;
            if double > -dy {
                error -= dy;
                x += step_x;
            }
            if double < dx {
                error += dx;
                y += step_y;
            }
        }
    }

    fn square(&mut self, x: f32, y: f32, side: f32, angle: f32) {
        let radius = (side / std::f32::consts::SQRT_2).round();
        let corner = |turn: u8| {
            let angle =
                std::f32::consts::FRAC_PI_4 + angle + f32::from(turn) * std::f32::consts::FRAC_PI_2;
            let x = (angle.sin() * radius + x).round();
            (x as i64, (angle.cos() * radius + y).round() as i64)
        };
        for turn in 0..4 {
            self.line(corner(turn), corner((turn + 1) % 4));
        }
    }

    fn text(&mut self) -> String {
        // Which pixel of a character each bit of a braille sign is.
        const DOTS: [(i64, i64); 8] = [
            (0, 0),
            (0, 1),
            (0, 2),
            (1, 0),
            (1, 1),
            (1, 2),
            (0, 3),
            (1, 3),
        ];
        let mut text = String::new();
        for y in (0..self.height as i64).step_by(4) {
            for x in (0..self.width as i64).step_by(2) {
                let mut sign = 0x2800;
                for (bit, (right, down)) in DOTS.iter().enumerate() {
                    if self.at(x + right, y + down).is_some_and(|pixel| *pixel) {
                        sign |= 1 << bit;
                    }
                }
                text.extend(char::from_u32(sign));
            }
            if y + 1 < self.height as i64 {
                text.push('\n');
            }
        }
        text
    }
}

fn schotter(columns: usize, across: usize, down: usize) -> String {
    let mut rng = rand::rng();
    let width = columns * 2;
    let border = if width > 4 { 2 } else { 0 };
    let side = (width - border * 2) as f32 / across as f32;
    // What no screen could show is cut off.
    let height = ((side * down as f32) as usize + border * 2).min(8000);
    let mut canvas = Canvas {
        width,
        height,
        pixels: vec![false; width * height],
    };
    for row in 0..down {
        for column in 0..across {
            // Centers are whole pixels.
            let mut x = (column as f32 * side + side / 2.0 + border as f32).trunc();
            let mut y = (row as f32 * side + side / 2.0 + border as f32).trunc();
            let mut angle = 0.0;
            if row > 1 {
                let disorder = row as f32 / down as f32;
                let mut away = || rng.random_range(-disorder..=disorder);
                angle = away();
                x = (x + away() * side / 3.0).trunc();
                y = (y + away() * side / 3.0).trunc();
            }
            canvas.square(x, y, side, angle);
        }
    }
    canvas.text()
}
