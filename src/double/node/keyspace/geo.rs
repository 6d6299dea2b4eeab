//! Places on the earth as scores of a sorted set, and what is near one.
//!
//! A place is a cell of a grid of 2^26 by 2^26: 52 bits, one of the latitude and one of the longitude by turns, which a score holds exactly. Cells
//! that are near often have numbers that are near, so that a coarser cell is a range of scores.

#[cfg(test)]
mod tests;

/// The radius of the earth in metres.
const EARTH: f64 = 6_372_797.560_856;
/// Half the side of the map of all cells in metres.
const MAP: f64 = 20_037_726.37;

/// Degrees east, at most 180 to either side.
pub(in crate::double) const LONGITUDES: (f64, f64) = (-180.0, 180.0);
/// Degrees north, as far as the map goes to either side.
pub(in crate::double) const LATITUDES: (f64, f64) = (-85.051_128_78, 85.051_128_78);

/// Bits of either coordinate in a score.
const FINEST: u32 = 26;

const LATITUDE_BITS: u64 = 0x5555_5555_5555_5555;
const LONGITUDE_BITS: u64 = 0xaaaa_aaaa_aaaa_aaaa;

/// A place, in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::double) struct Position {
    pub longitude: f64,
    pub latitude: f64,
}

impl Position {
    /// Whether it is on the map. Redis calls one that is not an `invalid longitude,latitude pair`.
    pub fn is_valid(self) -> bool {
        (LONGITUDES.0..=LONGITUDES.1).contains(&self.longitude)
            && (LATITUDES.0..=LATITUDES.1).contains(&self.latitude)
    }

    /// The score of the cell that a place on the map is in.
    pub fn score(self) -> f64 {
        Cell::of(self, FINEST, LATITUDES).bits as f64
    }

    /// The middle of the cell of a score. Scores of other than 52 bits have one too.
    pub fn of_score(score: f64) -> Self {
        let cell = Cell {
            bits: as_c_does(score),
            step: FINEST,
        };
        let area = cell.area();
        let middle = |(min, max): (f64, f64), limits: (f64, f64)| {
            ((min + max) / 2.0).clamp(limits.0, limits.1)
        };
        Position {
            longitude: middle(area.longitude, LONGITUDES),
            latitude: middle(area.latitude, LATITUDES),
        }
    }

    /// The 11 letters of GEOHASH. The standard's latitudes go to the poles, unlike those of the scores, and 52 bits are no more than 10 letters and
    /// a bit: the last letter is always `0`.
    pub fn geohash(self) -> [u8; 11] {
        const LETTERS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        let bits = Cell::of(self, FINEST, (-90.0, 90.0)).bits;
        let mut letters = [b'0'; 11];
        for (at, letter) in letters.iter_mut().take(10).enumerate() {
            *letter = LETTERS[(bits >> (52 - 5 * (at + 1)) & 31) as usize];
        }
        letters
    }

    /// Metres to another place, along the earth's surface.
    pub fn distance(self, to: Self) -> f64 {
        let (latitude, to_latitude) = (radians(self.latitude), radians(to.latitude));
        let (longitude, to_longitude) = (radians(self.longitude), radians(to.longitude));
        let v = ((to_longitude - longitude) / 2.0).sin();
        if v == 0.0 {
            return self.distance_of_latitudes(to);
        }
        let u = ((to_latitude - latitude) / 2.0).sin();
        let a = u * u + latitude.cos() * to_latitude.cos() * v * v;
        2.0 * EARTH * a.sqrt().asin()
    }

    fn distance_of_latitudes(self, to: Self) -> f64 {
        EARTH * (radians(to.latitude) - radians(self.latitude)).abs()
    }
}

/// A score as a whole number. C leaves it open what becomes of those that there are no whole numbers for; this is what is done on x86-64.
fn as_c_does(score: f64) -> u64 {
    let half = 2_f64.powi(63);
    if score < half {
        // What is too far down becomes the lowest.
        score as i64 as u64
    } else if score - half < half {
        (score - half) as u64 | 1 << 63
    } else {
        0
    }
}

/// What GEOSEARCH looks for places in. All lengths are in metres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::double) enum Shape {
    /// BYRADIUS.
    Circle { radius: f64 },
    /// BYBOX: its sides go east and north.
    Box { width: f64, height: f64 },
}

/// A shape at its place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::double) struct Search {
    pub center: Position,
    pub shape: Shape,
}

impl Search {
    /// Metres from the middle to a place, if it is in the shape.
    pub fn distance(&self, to: Position) -> Option<f64> {
        match self.shape {
            Shape::Circle { radius } => {
                let distance = self.center.distance(to);
                (distance <= radius).then_some(distance)
            }
            Shape::Box { width, height } => {
                // The width is measured where the place is.
                let below = Position {
                    latitude: to.latitude,
                    ..self.center
                };
                let out = to.distance_of_latitudes(self.center) > height / 2.0
                    || to.distance(below) > width / 2.0;
                (!out).then(|| self.center.distance(to))
            }
        }
    }

    /// The ranges of scores (from the first to before the second) in which all places of the shape are, among others, in the order in which Redis
    /// goes through them: which is the order of a reply that is not sorted, and decides what COUNT with ANY finds.
    pub fn ranges(&self) -> impl Iterator<Item = (f64, f64)> {
        let mut last = None;
        let cells = self.cells().into_iter().flatten();
        // In a coarse grid a neighbour to the east can be the neighbour to the west.
        let cells = cells.filter(move |cell| last.replace(*cell) != Some(*cell));
        cells.map(Cell::scores)
    }

    fn cells(&self) -> [Option<Cell>; 9] {
        let (longitudes, latitudes) = self.bounds();
        let radius = match self.shape {
            Shape::Circle { radius } => radius,
            Shape::Box { width, height } => {
                let (width, height) = (width / 2.0, height / 2.0);
                (width * width + height * height).sqrt()
            }
        };
        let mut step = self.step(radius);
        let mut cell = Cell::of(self.center, step, LATITUDES);
        let reaches = cell.moved(0, 1).area().latitude.1 >= latitudes.1
            && cell.moved(0, -1).area().latitude.0 <= latitudes.0
            && cell.moved(1, 0).area().longitude.1 >= longitudes.1
            && cell.moved(-1, 0).area().longitude.0 <= longitudes.0;
        if step > 1 && !reaches {
            step -= 1;
            cell = Cell::of(self.center, step, LATITUDES);
        }
        let area = cell.area();
        let wanted = |east: i32, north: i32| {
            let inside = match east {
                1 => area.longitude.1 > longitudes.1,
                -1 => area.longitude.0 < longitudes.0,
                _ => false,
            } || match north {
                1 => area.latitude.1 > latitudes.1,
                -1 => area.latitude.0 < latitudes.0,
                _ => false,
            };
            // With the coarsest grid nothing is left out.
            (step < 2 || !inside).then(|| cell.moved(east, north))
        };
        let around = [
            (0, 0),
            (0, 1),
            (0, -1),
            (1, 0),
            (-1, 0),
            (1, 1),
            (-1, 1),
            (1, -1),
            (-1, -1),
        ];
        around.map(|(east, north)| wanted(east, north))
    }

    /// The grid whose cells are so great that nine of them hold the shape, most often.
    fn step(&self, radius: f64) -> u32 {
        if radius == 0.0 {
            return FINEST;
        }
        let mut step = 1;
        let mut size = radius;
        while size < MAP {
            size *= 2.0;
            step += 1;
        }
        step -= 2;
        // Cells are narrow near the poles.
        let latitude = self.center.latitude.abs();
        if latitude > 66.0 {
            step -= 1;
        }
        if latitude > 80.0 {
            step -= 1;
        }
        step.clamp(1, FINEST as i32) as u32
    }

    /// The longitudes and latitudes that the shape reaches to.
    fn bounds(&self) -> ((f64, f64), (f64, f64)) {
        let (width, height) = match self.shape {
            Shape::Circle { radius } => (radius, radius),
            Shape::Box { width, height } => (width / 2.0, height / 2.0),
        };
        let Position {
            longitude,
            latitude,
        } = self.center;
        let north = degrees(height / EARTH);
        // As wide as it is at the side that is nearer to a pole.
        let side = if latitude < 0.0 {
            latitude - north
        } else {
            latitude + north
        };
        let east = degrees(width / EARTH / radians(side).cos());
        (
            (longitude - east, longitude + east),
            (latitude - north, latitude + north),
        )
    }
}

/// A cell of a grid of `2^step` by `2^step`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cell {
    bits: u64,
    step: u32,
}

/// From where to where a cell goes, in degrees.
struct Area {
    longitude: (f64, f64),
    latitude: (f64, f64),
}

impl Cell {
    fn of(position: Position, step: u32, latitudes: (f64, f64)) -> Self {
        let scale = (1_u64 << step) as f64;
        let part = |value: f64, limits: (f64, f64)| {
            ((value - limits.0) / (limits.1 - limits.0) * scale) as u32
        };
        let latitude = part(position.latitude, latitudes);
        let longitude = part(position.longitude, LONGITUDES);
        Cell {
            bits: spread(latitude) | spread(longitude) << 1,
            step,
        }
    }

    fn area(self) -> Area {
        let scale = (1_u64 << self.step) as f64;
        let part = |number: u32, limits: (f64, f64)| {
            let at = |number: f64| limits.0 + number / scale * (limits.1 - limits.0);
            (at(f64::from(number)), at(f64::from(number) + 1.0))
        };
        Area {
            longitude: part(gather(self.bits >> 1), LONGITUDES),
            latitude: part(gather(self.bits), LATITUDES),
        }
    }

    /// The neighbour so many cells to the east and to the north (one at most), around the map's edge if it comes to that.
    fn moved(self, east: i32, north: i32) -> Self {
        let all = u64::MAX >> (64 - 2 * self.step);
        let moved = |by: i32, mine: u64| {
            let others = !mine;
            let bits = self.bits & mine;
            let bits = match by {
                // One is added across the bits of the other coordinate.
                1.. => bits.wrapping_add(others & all).wrapping_add(1),
                // At the very edge of the map a cell has one bit more than the others. It stays.
                0 => return bits,
                _ => bits.wrapping_sub(1),
            };
            bits & mine & all
        };
        Cell {
            bits: moved(east, LONGITUDE_BITS) | moved(north, LATITUDE_BITS),
            step: self.step,
        }
    }

    /// The scores of all places in the cell: from the first to before the second.
    fn scores(self) -> (f64, f64) {
        let shift = 2 * (FINEST - self.step);
        (
            (self.bits << shift) as f64,
            ((self.bits + 1) << shift) as f64,
        )
    }
}

/// Moves the bits of a number to the even places.
fn spread(number: u32) -> u64 {
    let mut bits = u64::from(number);
    bits = (bits | bits << 16) & 0x0000_ffff_0000_ffff;
    bits = (bits | bits << 8) & 0x00ff_00ff_00ff_00ff;
    bits = (bits | bits << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    bits = (bits | bits << 2) & 0x3333_3333_3333_3333;
    (bits | bits << 1) & LATITUDE_BITS
}

/// Takes the bits at the even places.
fn gather(bits: u64) -> u32 {
    let mut bits = bits & LATITUDE_BITS;
    bits = (bits | bits >> 1) & 0x3333_3333_3333_3333;
    bits = (bits | bits >> 2) & 0x0f0f_0f0f_0f0f_0f0f;
    bits = (bits | bits >> 4) & 0x00ff_00ff_00ff_00ff;
    bits = (bits | bits >> 8) & 0x0000_ffff_0000_ffff;
    (bits | bits >> 16) as u32
}

fn radians(degrees: f64) -> f64 {
    degrees * (std::f64::consts::PI / 180.0)
}

fn degrees(radians: f64) -> f64 {
    radians / (std::f64::consts::PI / 180.0)
}
