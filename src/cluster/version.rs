//! What a server is: product and version.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::as_text::{debug_as_text, serde_as_text};
use super::error::{ParseError, number, quoted};

/// Who makes the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Product {
    /// Redis.
    Redis,
    /// Valkey, which began as a copy of Redis 7.2.4 and counts on from there: 7.2, 8.0, 8.1, 9.0.
    Valkey,
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Product::Redis => "redis",
            Product::Valkey => "valkey",
        })
    }
}

/// Product and version of a server. Prints as `redis 7.0.15`; `redis-7.0.15` is read too, and `7.0` as `7.0.0`.
///
/// Versions of two products have no order: the same number means different things.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ServerVersion {
    /// Who makes it.
    pub product: Product,
    /// Major, minor, patch. What may stand behind them (`-rc1`) is not kept.
    pub version: (u32, u32, u32),
}

impl FromStr for ServerVersion {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (product, version) = text.split_once([' ', '-']).ok_or_else(|| {
            ParseError::new(
                "server version",
                format!("{} is not a product and a version", quoted(text)),
            )
        })?;
        let product = match product {
            "redis" => Product::Redis,
            "valkey" => Product::Valkey,
            other => {
                let why = format!("the product {} is not redis or valkey", quoted(other));
                return Err(ParseError::new("server version", why));
            }
        };
        Ok(ServerVersion {
            product,
            version: parse_numbers(version)?,
        })
    }
}

/// Reads `7.0.15`, `7.0` or `8.0.0-rc1`.
pub(super) fn parse_numbers(text: &str) -> Result<(u32, u32, u32), ParseError> {
    let wrong = |_| {
        ParseError::new(
            "server version",
            format!("{} is not like 7.0.15", quoted(text)),
        )
    };
    let release = text.split_once('-').map_or(text, |(release, _)| release);
    let mut numbers = release
        .splitn(3, '.')
        .map(|n| number("server version", "number", n).map_err(wrong));
    let mut next = || numbers.next().transpose();
    Ok((
        next()?.unwrap_or(0),
        next()?.unwrap_or(0),
        next()?.unwrap_or(0),
    ))
}

impl PartialOrd for ServerVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self.product == other.product).then(|| self.version.cmp(&other.version))
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor, patch) = self.version;
        write!(f, "{} {major}.{minor}.{patch}", self.product)
    }
}

debug_as_text!(ServerVersion);
serde_as_text!(ServerVersion);

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("redis 7.0.15", "redis 7.0.15")]
    #[case("redis-6.2.5", "redis 6.2.5")]
    #[case("valkey 9.1", "valkey 9.1.0")]
    #[case("redis 8", "redis 8.0.0")]
    #[case("valkey-9.0.0-rc1", "valkey 9.0.0")]
    #[case("redis 255.255.255", "redis 255.255.255")]
    fn reads_and_prints(#[case] text: &str, #[case] printed: &str) {
        assert_eq!(text.parse::<ServerVersion>().unwrap().to_string(), printed);
    }

    #[rstest]
    #[case("7.0.15", r#"server version: "7.0.15" is not a product and a version"#)]
    #[case(
        "keydb 6.3",
        r#"server version: the product "keydb" is not redis or valkey"#
    )]
    #[case("redis seven", r#"server version: "seven" is not like 7.0.15"#)]
    #[case("redis 7..1", r#"server version: "7..1" is not like 7.0.15"#)]
    #[case("redis 1.2.3.4", r#"server version: "1.2.3.4" is not like 7.0.15"#)]
    fn refuses(#[case] text: &str, #[case] why: &str) {
        assert_eq!(text.parse::<ServerVersion>().unwrap_err().to_string(), why);
    }

    #[test]
    fn compares_by_number_within_one_product() {
        let v = |text: &str| text.parse::<ServerVersion>().unwrap();
        assert!(v("redis 7.0.15") > v("redis 7.0.9"));
        assert!(v("redis 10.0.0") > v("redis 9.9.9"));
        assert_eq!(v("redis 7.2.4").partial_cmp(&v("valkey 8.0.0")), None);
    }
}
