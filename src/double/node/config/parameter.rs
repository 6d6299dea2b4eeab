//! One parameter: its name, its default, and what it can be set to.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::special;

/// A parameter of Redis 7.0, from `redis-7.0.parameters`.
#[derive(Debug)]
pub(in crate::double) struct Parameter {
    /// Its name, in small letters.
    pub name: &'static str,
    /// Of a second name for a parameter: where the parameter is.
    pub same_as: Option<usize>,
    /// What it is if nobody sets it.
    pub default: &'static str,
    pub(super) kind: Kind,
}

/// What a parameter can be set to.
#[derive(Debug)]
pub(super) enum Kind {
    Flag,
    Integer(i64, i64),
    Memory,
    MemoryOrPercent,
    OneOf(Vec<&'static str>),
    Text,
    Special,
    /// Not at run time.
    Fixed,
    /// Not unless `enable-protected-configs` allows it.
    Protected,
}

/// All parameters, by name.
pub(in crate::double) fn parameters() -> &'static [Parameter] {
    &known().0
}

/// Where the parameter with this name, in any case of its letters, is in [`parameters`].
pub(in crate::double) fn place(name: &[u8]) -> Option<usize> {
    let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
    known().1.get(name.as_str()).copied()
}

type Known = (Vec<Parameter>, HashMap<&'static str, usize>);

fn known() -> &'static Known {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let lines = include_str!("redis-7.0.parameters")
            .lines()
            .filter(|line| !line.starts_with('#'));
        let mut second = Vec::new();
        let mut all: Vec<Parameter> = Vec::new();
        for line in lines {
            if let Some((name, first)) = line.split_once(" = ") {
                second.push((all.len(), first));
                all.push(Parameter {
                    name,
                    same_as: None,
                    default: "",
                    kind: Kind::Text,
                });
                continue;
            }
            let mut parts = line.split(" | ");
            let (Some(name), Some(default), Some(kind)) =
                (parts.next(), parts.next(), parts.next())
            else {
                // A test says that there is no such line.
                continue;
            };
            all.push(Parameter {
                name,
                same_as: None,
                default,
                kind: Kind::read(kind),
            });
        }
        let places: HashMap<&str, usize> = all
            .iter()
            .enumerate()
            .map(|(at, known)| (known.name, at))
            .collect();
        for (at, first) in second {
            all[at].same_as = places.get(first).copied();
        }
        (all, places)
    })
}

impl Kind {
    fn read(text: &'static str) -> Kind {
        let mut words = text.split(' ');
        match words.next() {
            Some("flag") => Kind::Flag,
            Some("memory") => Kind::Memory,
            Some("memory%") => Kind::MemoryOrPercent,
            Some("special") => Kind::Special,
            Some("fixed") => Kind::Fixed,
            Some("protected") => Kind::Protected,
            Some("one") => Kind::OneOf(words.skip(1).collect()),
            Some("integer") => {
                let mut number = || words.next().and_then(integer_of).unwrap_or(0);
                Kind::Integer(number(), number())
            }
            _ => Kind::Text,
        }
    }
}

impl Parameter {
    /// The value that CONFIG SET makes of these bytes, or what is wrong with them. `before`: what it is now.
    pub(super) fn read(&self, value: &[u8], before: &str) -> Result<String, String> {
        let text = String::from_utf8_lossy(value).into_owned();
        match &self.kind {
            Kind::Flag => match text.to_ascii_lowercase() {
                flag if flag == "yes" || flag == "no" => Ok(flag),
                _ => Err("argument must be 'yes' or 'no'".to_owned()),
            },
            Kind::Integer(least, most) => {
                let number =
                    integer_of(&text).ok_or("argument couldn't be parsed into an integer")?;
                within(number, *least, *most)?;
                // Redis keeps this one in bounds of its own.
                let number = if self.name == "hz" {
                    number.clamp(1, 500)
                } else {
                    number
                };
                Ok(number.to_string())
            }
            Kind::Memory => {
                let number = memory_of(&text).ok_or("argument must be a memory value")?;
                if self.name == "proto-max-bulk-len" {
                    within(number, 1024 * 1024, i64::MAX)?;
                }
                Ok((number as u64).to_string())
            }
            Kind::MemoryOrPercent => {
                let percent = text.strip_suffix('%').and_then(integer_of);
                match percent {
                    Some(0..=100) => Ok(text),
                    Some(101..) => {
                        Err("percentage argument must be less or equal to 100".to_owned())
                    }
                    _ => {
                        let number =
                            memory_of(&text).ok_or("argument must be a memory or percent value")?;
                        Ok((number as u64).to_string())
                    }
                }
            }
            Kind::OneOf(words) => words
                .iter()
                .find(|word| word.eq_ignore_ascii_case(&text))
                .map(|word| (*word).to_owned())
                .ok_or_else(|| {
                    format!(
                        "argument(s) must be one of the following: {}",
                        words.join(", ")
                    )
                }),
            Kind::Special => special::read(self.name, &text, before),
            Kind::Text | Kind::Fixed | Kind::Protected => Ok(text),
        }
    }
}

fn within(number: i64, least: i64, most: i64) -> Result<(), String> {
    match (least..=most).contains(&number) {
        true => Ok(()),
        false => Err(format!(
            "argument must be between {least} and {most} inclusive"
        )),
    }
}

pub(super) fn integer_of(text: &str) -> Option<i64> {
    crate::double::node::number::parse_i64(text.as_bytes())
}

/// A number of bytes with a unit: `1k` is 1000, `1kb` 1024. As Redis does it, what is more than 64 bits can hold is the most that they can.
pub(in crate::double) fn memory_of(text: &str) -> Option<i64> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit());
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let unit: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1024,
        "m" => 1_000_000,
        "mb" => 1024 * 1024,
        "g" => 1_000_000_000,
        "gb" => 1024 * 1024 * 1024,
        _ => return None,
    };
    // As Redis has it, nothing is 0, and so is a unit alone.
    let number: u64 = match number {
        "" => 0,
        digits => digits.parse().unwrap_or(u64::MAX),
    };
    Some(number.wrapping_mul(unit) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_can_be_read() {
        let lines = include_str!("redis-7.0.parameters")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .count();
        assert_eq!((lines, parameters().len()), (192, 192));
        for known in parameters() {
            if known.default.is_empty() && known.same_as.is_none() {
                assert!(
                    !matches!(known.kind, Kind::Flag | Kind::Integer(..)),
                    "{}",
                    known.name
                );
            }
        }
    }

    #[rstest::rstest]
    #[case("1k", Some(1000))]
    #[case("1KB", Some(1024))]
    #[case("2gb", Some(2_147_483_648))]
    #[case("1.5gb", None)]
    #[case("-1", None)]
    #[case("", Some(0))]
    #[case("kb", Some(0))]
    fn memory(#[case] text: &str, #[case] is: Option<i64>) {
        assert_eq!(memory_of(text), is);
    }
}
