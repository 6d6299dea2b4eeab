//! Quantities as a lab writes them: `3500ms`, `200/s`, `1MiB`, and comparisons with them, `>= 50`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use regex::Regex;

/// The longest time that a lab can name. A lab is minutes; a day is a slip of the pen.
pub const MAX_DURATION: Duration = Duration::from_secs(60 * 60);

/// Reads `250ms`, `3s`, `1.5s`, `2min`. A number needs its unit.
///
/// # Errors
/// A sentence on what is wrong.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number
        .parse()
        .map_err(|_| format!("`{text}` is not a time"))?;
    let seconds = match unit.trim() {
        "ms" => number / 1000.0,
        "s" => number,
        "m" | "min" => number * 60.0,
        "" => {
            return Err(format!(
                "`{text}` has no unit: write `{text}s` or `{text}ms`"
            ));
        }
        other => return Err(format!("`{other}` is not a unit of time: ms, s or min")),
    };
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if time <= MAX_DURATION => Ok(time),
        _ => Err(format!("`{text}` is longer than an hour")),
    }
}

/// Writes a time as a lab would: `10s`, `3500ms`, `2min`.
pub fn show_duration(time: Duration) -> String {
    let ms = time.as_millis();
    if ms >= 60_000 && ms.is_multiple_of(60_000) {
        format!("{}min", ms / 60_000)
    } else if ms.is_multiple_of(1000) {
        format!("{}s", ms / 1000)
    } else {
        format!("{ms}ms")
    }
}

/// Reads a rate, `200/s`.
///
/// # Errors
/// A sentence on what is wrong.
pub fn parse_rate(text: &str) -> Result<u32, String> {
    let number = text
        .trim()
        .strip_suffix("/s")
        .ok_or_else(|| format!("`{text}` is not a rate: write `200/s`"))?;
    match number.trim().parse() {
        Ok(rate @ 1..=20_000) => Ok(rate),
        _ => Err(format!("`{text}` is not a rate between 1/s and 20000/s")),
    }
}

/// How two numbers are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// `=`, or no sign at all.
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
}

/// What the number of a comparison is a number of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things: `50`.
    Count,
    /// Milliseconds, written with a unit of time: `10s`.
    Time,
    /// Bytes: `0`, `512KiB`, `1MiB`.
    Bytes,
}

/// A number to compare with: `50`, `">= 50"`, `"< 10s"`, `"<= 1MiB"`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// How.
    pub relation: Relation,
    /// With what: a count, milliseconds or bytes.
    pub number: f64,
    /// Which of these.
    pub unit: Unit,
}

impl Comparison {
    /// Reads a comparison of numbers of `unit`.
    ///
    /// # Errors
    /// A sentence on what is wrong.
    pub fn parse(text: &str, unit: Unit) -> Result<Self, String> {
        let text = text.trim();
        let (relation, rest) = [
            (">=", Relation::AtLeast),
            ("<=", Relation::AtMost),
            ("!=", Relation::NotEqual),
            ("==", Relation::Equal),
            (">", Relation::More),
            ("<", Relation::Less),
            ("=", Relation::Equal),
        ]
        .into_iter()
        .find_map(|(sign, relation)| text.strip_prefix(sign).map(|rest| (relation, rest.trim())))
        .unwrap_or((Relation::Equal, text));
        let number = match unit {
            Unit::Count => rest
                .parse::<f64>()
                .ok()
                .filter(|n| n.is_finite())
                .ok_or_else(|| format!("`{rest}` is not a number")),
            Unit::Time => parse_duration(rest).map(|time| time.as_secs_f64() * 1000.0),
            Unit::Bytes => parse_bytes(rest),
        }?;
        Ok(Comparison {
            relation,
            number,
            unit,
        })
    }

    /// Whether `actual` is as it should be. Times are compared in milliseconds.
    pub fn holds(&self, actual: f64) -> bool {
        // Counts come from integers, and equality of floats that were integers is exact.
        match self.relation {
            Relation::Equal => actual == self.number,
            Relation::NotEqual => actual != self.number,
            Relation::Less => actual < self.number,
            Relation::AtMost => actual <= self.number,
            Relation::More => actual > self.number,
            Relation::AtLeast => actual >= self.number,
        }
    }

    /// `3`, `at least 50`, `less than 10s`.
    pub fn in_words(&self) -> String {
        let number = match self.unit {
            Unit::Count => format!("{}", self.number),
            Unit::Time => show_duration(Duration::from_secs_f64(self.number / 1000.0)),
            Unit::Bytes => format!("{} bytes", self.number),
        };
        match self.relation {
            Relation::Equal => number,
            Relation::NotEqual => format!("other than {number}"),
            Relation::Less => format!("less than {number}"),
            Relation::AtMost => format!("at most {number}"),
            Relation::More => format!("more than {number}"),
            Relation::AtLeast => format!("at least {number}"),
        }
    }
}

fn parse_bytes(text: &str) -> Result<f64, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number
        .parse()
        .map_err(|_| format!("`{text}` is not a size"))?;
    let factor = match unit.trim() {
        "" | "B" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        other => return Err(format!("`{other}` is not a unit of size: KiB, MiB or GiB")),
    };
    Ok(number * factor)
}

/// A pattern of a check; compiled when the lab is loaded, so that a bad one is found then.
#[derive(Debug, Clone)]
pub struct Pattern(pub Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        regex::RegexBuilder::new(text)
            .multi_line(true)
            .size_limit(1 << 20)
            .build()
            .map(Pattern)
            .map_err(|error| match error {
                // The crate's own message draws the pattern over several lines; its last line says what is wrong.
                regex::Error::Syntax(text) => {
                    let last = text
                        .lines()
                        .last()
                        .unwrap_or("")
                        .trim_start_matches("error: ")
                        .to_owned();
                    format!("not a regular expression: {last}")
                }
                other => format!("not a usable regular expression: {other}"),
            })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.0.as_str())
    }
}

/// Which servers something applies to: `>= 7.0`, `redis < 7.2`, `valkey`. Several parts, separated by commas, must all apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRule {
    parts: Vec<VersionPart>,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct VersionPart {
    product: Option<String>,
    version: Option<(Relation, Vec<u32>)>,
}

impl VersionRule {
    /// Whether a server is meant. `product` is `redis` or `valkey`; of its version as many numbers count as the rule has.
    pub fn applies(&self, product: &str, version: (u32, u32, u32)) -> bool {
        let have = [version.0, version.1, version.2];
        self.parts.iter().all(|part| {
            part.product
                .as_deref()
                .is_none_or(|wanted| wanted == product)
                && part.version.as_ref().is_none_or(|(relation, wanted)| {
                    let order = have[..wanted.len()].cmp(&wanted[..]);
                    match relation {
                        Relation::Equal => order.is_eq(),
                        Relation::NotEqual => order.is_ne(),
                        Relation::Less => order.is_lt(),
                        Relation::AtMost => order.is_le(),
                        Relation::More => order.is_gt(),
                        Relation::AtLeast => order.is_ge(),
                    }
                })
        })
    }
}

impl FromStr for VersionRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text
            .split(',')
            .map(|part| parse_version_part(part.trim()))
            .collect::<Result<_, _>>()?;
        Ok(VersionRule {
            parts,
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for VersionRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn parse_version_part(part: &str) -> Result<VersionPart, String> {
    let bad = || {
        format!("`{part}` does not say which servers: write `>= 7.0`, `redis < 7.2` or `valkey`")
    };
    let letters = part
        .find(|c: char| !c.is_ascii_alphabetic())
        .unwrap_or(part.len());
    let (product, rest) = part.split_at(letters);
    let product = match product {
        "" => None,
        "redis" | "valkey" => Some(product.to_owned()),
        _ => return Err(bad()),
    };
    let rest = rest.trim();
    let version = if rest.is_empty() {
        None
    } else {
        let (sign, relation) = [
            (">=", Relation::AtLeast),
            ("<=", Relation::AtMost),
            ("!=", Relation::NotEqual),
            (">", Relation::More),
            ("<", Relation::Less),
            ("=", Relation::Equal),
        ]
        .into_iter()
        .find(|(sign, _)| rest.starts_with(sign))
        .ok_or_else(bad)?;
        let numbers: Vec<u32> = rest[sign.len()..]
            .trim()
            .split('.')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(|_| bad())?;
        if !(1..=3).contains(&numbers.len()) {
            return Err(bad());
        }
        Some((relation, numbers))
    };
    if product.is_none() && version.is_none() {
        return Err(bad());
    }
    Ok(VersionPart { product, version })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("250ms", 250)]
    #[case("3s", 3000)]
    #[case("1.5s", 1500)]
    #[case("2min", 120_000)]
    #[case("0s", 0)]
    fn times_are_read(#[case] text: &str, #[case] ms: u64) {
        assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)));
    }

    #[rstest]
    #[case("10", "no unit")]
    #[case("10 parsecs", "not a unit")]
    #[case("soon", "not a time")]
    #[case("-1s", "not a time")]
    #[case("2000min", "longer than an hour")]
    #[case("", "not a time")]
    fn what_is_not_a_time_says_why(#[case] text: &str, #[case] why: &str) {
        assert!(parse_duration(text).unwrap_err().contains(why));
    }

    #[rstest]
    #[case("50", 50.0, true)]
    #[case("50", 49.0, false)]
    #[case(">= 50", 50.0, true)]
    #[case(">= 50", 49.0, false)]
    #[case("!=0", 1.0, true)]
    #[case("< 3", 3.0, false)]
    #[case("<=3", 3.0, true)]
    #[case("> 3", 3.0, false)]
    #[case("== 3", 3.0, true)]
    fn counts_are_compared(#[case] text: &str, #[case] actual: f64, #[case] holds: bool) {
        assert_eq!(
            Comparison::parse(text, Unit::Count).map(|c| c.holds(actual)),
            Ok(holds)
        );
    }

    #[test]
    fn comparisons_know_their_unit() {
        assert!(
            Comparison::parse("< 2s", Unit::Time)
                .is_ok_and(|c| c.holds(1999.0) && !c.holds(2000.0))
        );
        assert!(
            Comparison::parse("<= 1MiB", Unit::Bytes)
                .is_ok_and(|c| c.holds(1_048_576.0) && !c.holds(1_048_577.0))
        );
        assert!(Comparison::parse("<= many", Unit::Count).is_err());
        assert!(Comparison::parse(">= nan", Unit::Count).is_err());
        assert_eq!(
            Comparison::parse(">=2s", Unit::Time).map(|c| c.in_words()),
            Ok("at least 2s".to_owned())
        );
    }

    #[rstest]
    #[case("200/s", Some(200))]
    #[case("0/s", None)]
    #[case("200", None)]
    #[case("1000000/s", None)]
    fn rates_are_bounded(#[case] text: &str, #[case] rate: Option<u32>) {
        assert_eq!(parse_rate(text).ok(), rate);
    }

    #[rstest]
    #[case(">= 7.0", "redis", (7, 0, 15), true)]
    #[case(">= 7.2", "redis", (7, 0, 15), false)]
    #[case("redis < 7.2", "redis", (7, 0, 15), true)]
    #[case("redis < 7.2", "valkey", (7, 0, 15), false)]
    #[case("valkey", "valkey", (9, 1, 2), true)]
    #[case(">= 7.0, < 8", "redis", (8, 2, 3), false)]
    #[case("= 7.0", "redis", (7, 0, 15), true)]
    fn version_rules_apply(
        #[case] rule: &str,
        #[case] product: &str,
        #[case] version: (u32, u32, u32),
        #[case] applies: bool,
    ) {
        assert_eq!(
            rule.parse::<VersionRule>()
                .map(|rule| rule.applies(product, version)),
            Ok(applies)
        );
    }

    #[rstest]
    #[case("")]
    #[case("7.0")]
    #[case("mysql > 3")]
    #[case(">= 7.0.1.2")]
    #[case(">= seven")]
    fn bad_version_rules_are_refused(#[case] rule: &str) {
        assert!(rule.parse::<VersionRule>().is_err());
    }
}
