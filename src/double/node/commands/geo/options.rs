//! What GEOSEARCH, GEORADIUS and their relatives are told.

use super::{integer, position, unit};
use crate::double::node::failure::Failure;
use crate::double::node::keyspace::geo::{Position, Search, Shape};
use crate::double::node::keyspace::sorted_set::SortedSet;
use crate::double::node::number;

/// One of the commands: where its words stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `GEORADIUS key longitude latitude radius unit`.
    Radius,
    /// `GEORADIUSBYMEMBER key member radius unit`.
    RadiusByMember,
    /// `GEOSEARCH key`, the rest is options.
    Search,
    /// `GEOSEARCHSTORE destination key`, the rest is options.
    SearchStore,
}

impl Form {
    fn searches(self) -> bool {
        matches!(self, Form::Search | Form::SearchStore)
    }
}

/// ASC or DESC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Nearest,
    Farthest,
}

/// Where the result goes, if it is not the reply.
#[derive(Debug, Clone, Copy)]
pub(super) struct Destination<'a> {
    pub key: &'a [u8],
    /// The scores are distances and not cells.
    pub distances: bool,
}

/// What such a command is to find, and what it does with it.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    /// Always there, unless there is no key to search in.
    pub search: Option<Search>,
    /// How many metres the unit has.
    pub metres: f64,
    pub with_distance: bool,
    pub with_hash: bool,
    pub with_position: bool,
    pub order: Option<Order>,
    /// COUNT, at least 1.
    pub count: Option<usize>,
    /// ANY: the first that are found will do.
    pub any: bool,
    pub destination: Option<Destination<'a>>,
}

/// Collects options.
struct Reader<'a, 's> {
    form: Form,
    /// STORE and STOREDIST are known.
    may_store: bool,
    /// The key that is searched in.
    set: Option<&'s SortedSet>,
    asked: Asked<'a>,
    center: Option<Position>,
    shape: Option<Shape>,
    by_member: bool,
    by_position: bool,
    store_distances: bool,
}

/// Reads a command's words. `set` is what the key holds, `may_store` is false for the variants that only read.
pub(super) fn read<'a>(
    args: &[&'a [u8]],
    form: Form,
    may_store: bool,
    set: Option<&SortedSet>,
) -> Result<Asked<'a>, Failure> {
    let mut reader = Reader {
        form,
        may_store,
        set,
        asked: Asked {
            search: None,
            metres: 1.0,
            with_distance: false,
            with_hash: false,
            with_position: false,
            order: None,
            count: None,
            any: false,
            destination: None,
        },
        center: None,
        shape: None,
        by_member: false,
        by_position: false,
        store_distances: false,
    };
    let options = match (form, args) {
        (Form::Radius, [_, _, longitude, latitude, radius, unit, options @ ..]) => {
            reader.center = Some(position(longitude, latitude)?);
            reader.radius(radius, unit)?;
            options
        }
        (Form::RadiusByMember, [_, _, member, radius, unit, options @ ..]) => {
            if set.is_some() {
                reader.member(member)?;
                reader.radius(radius, unit)?;
            }
            options
        }
        (Form::Search, [_, _, options @ ..]) => options,
        (Form::SearchStore, [_, key, _, options @ ..]) => {
            reader.asked.destination = Some(Destination {
                key,
                distances: false,
            });
            options
        }
        _ => return Err(Failure::SYNTAX),
    };
    reader.options(options)?;
    reader.finish(args[0])
}

impl<'a> Reader<'a, '_> {
    fn options(&mut self, mut words: &[&'a [u8]]) -> Result<(), Failure> {
        while let [word, rest @ ..] = words {
            words = self.option(word, rest)?;
        }
        Ok(())
    }

    /// Reads one option. The words after it.
    fn option<'w>(&mut self, word: &[u8], rest: &'w [&'a [u8]]) -> Result<&'w [&'a [u8]], Failure> {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        let searches = self.form.searches();
        if is("WITHDIST") {
            self.asked.with_distance = true;
        } else if is("WITHHASH") {
            self.asked.with_hash = true;
        } else if is("WITHCOORD") {
            self.asked.with_position = true;
        } else if is("ANY") {
            self.asked.any = true;
        } else if is("ASC") {
            self.asked.order = Some(Order::Nearest);
        } else if is("DESC") {
            self.asked.order = Some(Order::Farthest);
        } else if is("STOREDIST") && self.form == Form::SearchStore {
            self.store_distances = true;
        } else if let [count, rest @ ..] = rest
            && is("COUNT")
        {
            let count = integer(count)?;
            if count <= 0 {
                return Err(Failure::text("ERR COUNT must be > 0"));
            }
            self.asked.count = Some(usize::try_from(count).unwrap_or(usize::MAX));
            return Ok(rest);
        } else if let [key, rest @ ..] = rest
            && (is("STORE") || is("STOREDIST"))
            && self.may_store
            && !searches
        {
            let distances = is("STOREDIST");
            self.asked.destination = Some(Destination { key, distances });
            return Ok(rest);
        } else if let [member, rest @ ..] = rest
            && is("FROMMEMBER")
            && searches
            && !self.by_position
        {
            self.by_member = true;
            if self.set.is_some() {
                self.member(member)?;
            }
            return Ok(rest);
        } else if let [longitude, latitude, rest @ ..] = rest
            && is("FROMLONLAT")
            && searches
            && !self.by_member
        {
            self.center = Some(position(longitude, latitude)?);
            self.by_position = true;
            return Ok(rest);
        } else if let [radius, unit, rest @ ..] = rest
            && is("BYRADIUS")
            && searches
            && !matches!(self.shape, Some(Shape::Box { .. }))
        {
            self.radius(radius, unit)?;
            return Ok(rest);
        } else if let [width, height, unit, rest @ ..] = rest
            && is("BYBOX")
            && searches
            && !matches!(self.shape, Some(Shape::Circle { .. }))
        {
            self.sides(width, height, unit)?;
            return Ok(rest);
        } else {
            return Err(Failure::SYNTAX);
        }
        Ok(rest)
    }

    fn member(&mut self, member: &[u8]) -> Result<(), Failure> {
        let score = self.set.and_then(|set| set.score(member));
        let score = score.ok_or(Failure::text("ERR could not decode requested zset member"))?;
        self.center = Some(Position::of_score(score));
        Ok(())
    }

    fn radius(&mut self, radius: &[u8], unit: &[u8]) -> Result<(), Failure> {
        let radius = length(radius, "ERR need numeric radius")?;
        if radius < 0.0 {
            return Err(Failure::text("ERR radius cannot be negative"));
        }
        let metres = self.unit(unit)?;
        self.shape = Some(Shape::Circle {
            radius: radius * metres,
        });
        Ok(())
    }

    fn sides(&mut self, width: &[u8], height: &[u8], unit: &[u8]) -> Result<(), Failure> {
        let width = length(width, "ERR need numeric width")?;
        let height = length(height, "ERR need numeric height")?;
        if width < 0.0 || height < 0.0 {
            return Err(Failure::text("ERR height or width cannot be negative"));
        }
        let metres = self.unit(unit)?;
        self.shape = Some(Shape::Box {
            width: width * metres,
            height: height * metres,
        });
        Ok(())
    }

    fn unit(&mut self, word: &[u8]) -> Result<f64, Failure> {
        self.asked.metres = unit(word)?;
        Ok(self.asked.metres)
    }

    /// What has to be there, and what excludes each other. `name`: the command's, as it was sent.
    fn finish(mut self, name: &[u8]) -> Result<Asked<'a>, Failure> {
        let asked = &mut self.asked;
        if asked.destination.is_some()
            && (asked.with_distance || asked.with_hash || asked.with_position)
        {
            let who = match self.form {
                Form::SearchStore => "GEOSEARCHSTORE",
                _ => "STORE option in GEORADIUS",
            };
            return Err(Failure::told(format!(
                "ERR {who} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            )));
        }
        let name = String::from_utf8_lossy(name);
        if self.form.searches() && !self.by_member && !self.by_position {
            return Err(Failure::told(format!(
                "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for {name}"
            )));
        }
        if self.form.searches() && self.shape.is_none() {
            return Err(Failure::told(format!(
                "ERR exactly one of BYRADIUS and BYBOX can be specified for {name}"
            )));
        }
        if asked.any && asked.count.is_none() {
            return Err(Failure::text(
                "ERR the ANY argument requires COUNT argument",
            ));
        }
        if let Some(destination) = &mut asked.destination {
            destination.distances |= self.store_distances;
        }
        if let (Some(center), Some(shape)) = (self.center, self.shape) {
            asked.search = Some(Search { center, shape });
        }
        Ok(self.asked)
    }
}

fn length(word: &[u8], words: &'static str) -> Result<f64, Failure> {
    number::parse_f64(word).ok_or(Failure::text(words))
}
