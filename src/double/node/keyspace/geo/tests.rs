//! Places against a real server: cells, positions, distances, and what a search finds in which order.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rstest::rstest;

use super::*;
use crate::double::node::number::{LongDouble, write_fixed, write_g17};
use crate::double::node::reference::Reference;

const PALERMO: Position = Position {
    longitude: 13.361389,
    latitude: 38.115556,
};
const CATANIA: Position = Position {
    longitude: 15.087269,
    latitude: 37.502669,
};

#[test]
fn a_place_of_the_documentation() {
    assert_eq!(PALERMO.score(), 3_479_099_956_230_698.0);
    let stored = [PALERMO, CATANIA].map(|place| Position::of_score(place.score()));
    assert_eq!(&stored[0].geohash(), b"sqc8b49rny0");
    let mut text = Vec::new();
    write_fixed(&mut text, stored[0].distance(stored[1]), 4);
    assert_eq!(text, b"166274.1516");
}

#[rstest]
#[case(180.0, 85.05112878, true)]
#[case(-180.0, -85.05112878, true)]
#[case(180.0001, 0.0, false)]
#[case(0.0, 85.06, false)]
#[case(f64::INFINITY, 0.0, false)]
fn a_place_on_the_map(#[case] longitude: f64, #[case] latitude: f64, #[case] valid: bool) {
    let place = Position {
        longitude,
        latitude,
    };
    assert_eq!(place.is_valid(), valid);
}

/// No score, no search panics.
#[test]
fn any_score_is_a_place() {
    for score in [
        f64::INFINITY,
        f64::NEG_INFINITY,
        -1.0,
        1e300,
        0.5,
        2_f64.powi(60),
    ] {
        assert!(Position::of_score(score).is_valid(), "{score}");
    }
    for length in [0.0, -0.0, 1e-300, 1e300, f64::INFINITY, f64::MAX] {
        for shape in [
            Shape::Circle { radius: length },
            Shape::Box {
                width: length,
                height: 1.0,
            },
        ] {
            let search = Search {
                center: PALERMO,
                shape,
            };
            assert!(search.ranges().count() <= 9);
        }
    }
}

fn some_place(random: &mut StdRng, around: Position, most: f64) -> Position {
    let near = |random: &mut StdRng, middle: f64, limits: (f64, f64)| {
        (middle + random.random_range(-most..most)).clamp(limits.0, limits.1)
    };
    Position {
        longitude: near(random, around.longitude, LONGITUDES),
        latitude: near(random, around.latitude, LATITUDES),
    }
}

fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn places_and_searches_are_a_real_servers() {
    let Some(mut server) = Reference::start("places_and_searches_are_a_real_servers") else {
        return;
    };
    let mut random = StdRng::seed_from_u64(9);
    let anywhere = Position {
        longitude: 0.0,
        latitude: 0.0,
    };
    let mut found_in_all = 0;
    for round in 0..60 {
        server.ask(&["DEL", "g"]);
        let middle = some_place(&mut random, anywhere, 200.0);
        let wide = [0.01, 1.0, 30.0, 400.0][round % 4];
        let places: Vec<_> = (0..100)
            .map(|_| some_place(&mut random, middle, wide))
            .collect();
        for (name, place) in places.iter().enumerate() {
            let [longitude, latitude] =
                [place.longitude, place.latitude].map(|value| value.to_string());
            server.ask(&["GEOADD", "g", &longitude, &latitude, &name.to_string()]);
            let score = text(|out| write_g17(out, place.score()));
            assert_eq!(
                server.ask(&["ZSCORE", "g", &name.to_string()]),
                score.as_bytes()
            );
        }
        let stored: Vec<_> = places
            .iter()
            .map(|place| Position::of_score(place.score()))
            .collect();
        for (name, place) in stored.iter().enumerate() {
            let name = name.to_string();
            let hash = format!("*1 {}", String::from_utf8_lossy(&place.geohash()));
            assert_eq!(
                String::from_utf8_lossy(&server.ask(&["GEOHASH", "g", &name])),
                hash
            );
            let [longitude, latitude] = [place.longitude, place.latitude]
                .map(|value| text(|out| LongDouble::from(value).write(out)));
            let reply = server.ask(&["GEOPOS", "g", &name]);
            assert_eq!(
                String::from_utf8_lossy(&reply),
                format!("*1 *2 {longitude} {latitude}")
            );
            let distance = text(|out| write_fixed(out, stored[0].distance(*place), 4));
            assert_eq!(
                server.ask(&["GEODIST", "g", "0", &name]),
                distance.as_bytes()
            );
        }
        // In the order of the set, as the server has them.
        let mut order: Vec<_> = (0..places.len()).collect();
        order.sort_by(|a, b| {
            let scores = places[*a].score().total_cmp(&places[*b].score());
            scores.then_with(|| a.to_string().cmp(&b.to_string()))
        });
        for _ in 0..40 {
            let center = some_place(&mut random, middle, wide / 2.0);
            let mut length = || (wide * 150_000.0 * random.random_range(0.0..1.0_f64)).floor();
            let (width, height) = (length(), length());
            let searches = [
                (Shape::Circle { radius: width }, vec![width]),
                (Shape::Box { width, height }, vec![width, height]),
            ];
            for (shape, lengths) in searches {
                let search = Search { center, shape };
                let mut ours = Vec::new();
                for (from, to) in search.ranges() {
                    for name in &order {
                        let score = places[*name].score();
                        if score >= from && score < to && search.distance(stored[*name]).is_some() {
                            ours.push(name.to_string());
                        }
                    }
                }
                let mut command = vec![
                    "GEOSEARCH".to_owned(),
                    "g".to_owned(),
                    "FROMLONLAT".to_owned(),
                ];
                command.extend([center.longitude, center.latitude].map(|value| value.to_string()));
                command.push(
                    if lengths.len() == 1 {
                        "BYRADIUS"
                    } else {
                        "BYBOX"
                    }
                    .to_owned(),
                );
                command.extend(lengths.iter().map(f64::to_string));
                command.push("m".to_owned());
                let reply = server.ask(&command);
                let shown = format!("*{} {}", ours.len(), ours.join(" "));
                assert_eq!(shown, String::from_utf8_lossy(&reply), "{search:?}");
                found_in_all += ours.len();
            }
        }
    }
    assert!(found_in_all > 10_000, "{found_in_all}");
}
