//! How the application reaches its cluster, and how patient it is: from a command's flags, else the environment, else a file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::AppError;
use super::ledger::LedgerSettings;
use super::request::shown;
use crate::cluster::Endpoint;

/// The nodes of the course's environment, which is what an application in a checkout talks to if nobody says otherwise.
const COURSE_PORTS: std::ops::RangeInclusive<u16> = 7001..=7008;

/// Where reads go. Changes always go to masters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReadFrom {
    /// To the master: what was acknowledged before is seen.
    #[default]
    Master,
    /// To a replica, at random; to the master where there is none. What is read may be older than what was acknowledged, by the
    /// replication lag: usually less than a millisecond, but without a bound while a link is down.
    Replicas,
    /// To the master or a replica, at random (the course's RouteRandomly). As stale as `Replicas`, and two reads in a row may be of
    /// different ages, the second older than the first.
    Random,
}

impl FromStr for ReadFrom {
    type Err = AppError;

    fn from_str(text: &str) -> Result<Self, AppError> {
        match text {
            "master" => Ok(ReadFrom::Master),
            "replicas" => Ok(ReadFrom::Replicas),
            "random" => Ok(ReadFrom::Random),
            _ => Err(AppError::invalid(
                format!("reads can't go to {}", shown(text)),
                "master, replicas or random",
            )),
        }
    }
}

impl fmt::Display for ReadFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ReadFrom::Master => "master",
            ReadFrom::Replicas => "replicas",
            ReadFrom::Random => "random",
        })
    }
}

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Nodes to begin with; the rest of the cluster is learnt from them.
    pub nodes: Vec<Endpoint>,
    /// Addresses that nodes announce and that this machine can't reach, with those that it can. Fixed when the application starts, so nodes
    /// that join later have to be in it.
    pub map: Vec<(Endpoint, Endpoint)>,
    /// The user of the server's access control; `default` if not said.
    pub username: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// Where reads go.
    pub read_from: ReadFrom,
    /// How long one request is tried, with all its attempts.
    pub deadline: Duration,
    /// How long one attempt may take. A node that hangs costs this much each time. A request for which that was not enough three times has more from then on, so that
    /// what is large comes to its end at a busy node, too.
    pub attempt: Duration,
    /// How many requests may be under way at each master at a time. With no bound, the client can stay wedged after a failover.
    pub in_flight: usize,
    /// Whether a change waits for a replica to have it.
    pub durable: bool,
    /// How many requests a user has in a sliding window; no limit if not said.
    pub rate_limit: Option<RateLimit>,
    /// Where the database of the ledger is: `postgres://…`; without one, Redis is all there is.
    pub database_url: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            nodes: COURSE_PORTS
                .map(|port| Endpoint::new("127.0.0.1", port))
                .collect(),
            map: Vec::new(),
            username: None,
            password: None,
            read_from: ReadFrom::Master,
            deadline: Duration::from_secs(10),
            attempt: Duration::from_millis(500),
            in_flight: 64,
            durable: false,
            rate_limit: None,
            database_url: None,
        }
    }
}

/// So many requests in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests.
    pub limit: u32,
    /// In this time, counted back from each request.
    pub window: Duration,
}

impl FromStr for RateLimit {
    type Err = AppError;

    /// `5/10s`.
    fn from_str(text: &str) -> Result<Self, AppError> {
        let parts = text.split_once('/').and_then(|(limit, window)| {
            let limit = limit
                .parse()
                .ok()
                .filter(|limit| (1..=10_000).contains(limit))?;
            let window = duration(window).ok().filter(|window| !window.is_zero())?;
            Some(RateLimit { limit, window })
        });
        parts.ok_or_else(|| {
            AppError::invalid(
                format!("{} is not a rate limit", shown(text)),
                "1 to 10000 requests in a time, as in 5/10s",
            )
        })
    }
}

/// Reads a span of time: a number and one of `ms`, `s`, `m`, `h`.
///
/// # Errors
/// [`AppError::Invalid`].
pub fn duration(text: &str) -> Result<Duration, AppError> {
    let split = text.find(|sign: char| sign.is_ascii_alphabetic());
    let parts = split.and_then(|at| {
        let (number, unit) = text.split_at(at);
        let scale = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        let plain = number
            .bytes()
            .all(|sign| sign.is_ascii_digit() || sign == b'.');
        let number: f64 = number.parse().ok().filter(|_| plain)?;
        Duration::try_from_secs_f64(number * scale).ok()
    });
    parts.ok_or_else(|| {
        AppError::invalid(
            format!("{} is not a span of time", shown(text)),
            "a number and a unit, as in 500ms, 10s, 5m or 1h",
        )
    })
}

/// Reads `host:port`.
///
/// # Errors
/// [`AppError::Invalid`].
pub fn endpoint(text: &str) -> Result<Endpoint, AppError> {
    let named = |endpoint: &Endpoint| !endpoint.host.is_empty() && endpoint.port > 0;
    let parts = text.trim().parse::<Endpoint>().ok();
    let parts = parts.filter(|endpoint| named(endpoint) && !endpoint.host.contains('/'));
    parts.ok_or_else(|| {
        AppError::invalid(
            format!("{} is not the address of a node", shown(text)),
            "a host and a port, as in 127.0.0.1:7001",
        )
    })
}

/// Reads a list of nodes, with commas between them.
///
/// # Errors
/// [`AppError::Invalid`], also for an empty list.
pub fn endpoints(text: &str) -> Result<Vec<Endpoint>, AppError> {
    text.split(',').map(endpoint).collect()
}

/// Reads `announced=reachable,…`.
///
/// # Errors
/// [`AppError::Invalid`].
pub fn address_map(text: &str) -> Result<Vec<(Endpoint, Endpoint)>, AppError> {
    text.split(',')
        .filter(|pair| !pair.trim().is_empty())
        .map(|pair| match pair.split_once('=') {
            Some((announced, reachable)) => Ok((endpoint(announced)?, endpoint(reachable)?)),
            None => Err(AppError::invalid(
                format!("{} does not map an address", shown(pair)),
                "what a node announces, and what can be reached: 172.30.0.11:7001=127.0.0.1:7001",
            )),
        })
        .collect()
}

/// The file as it is written. Every key may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    nodes: Option<Vec<String>>,
    map: Option<BTreeMap<String, String>>,
    username: Option<String>,
    password: Option<String>,
    read_from: Option<ReadFrom>,
    deadline: Option<String>,
    durable: Option<bool>,
    in_flight: Option<usize>,
    rate_limit: Option<String>,
    database_url: Option<String>,
}

impl Settings {
    /// What the file says, over the defaults.
    ///
    /// # Errors
    /// [`AppError::Invalid`]: it can't be read, or something in it is wrong; the message names the file, and the line where there is one.
    pub fn from_file(path: &Path) -> Result<Self, AppError> {
        let wrong = |why: String| {
            AppError::invalid(
                format!("the settings in {} can't be used: {why}", path.display()),
                "mend the file, or name another: --config FILE",
            )
        };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let file: File = toml::from_str(&text).map_err(|error| wrong(format!("\n{error}")))?;
        let mut settings = Settings::default();
        let part = |error: AppError| wrong(error.to_string());
        if let Some(nodes) = file.nodes {
            settings.nodes = endpoints(&nodes.join(",")).map_err(part)?;
        }
        for (announced, reachable) in file.map.unwrap_or_default() {
            settings.map.push((
                endpoint(&announced).map_err(part)?,
                endpoint(&reachable).map_err(part)?,
            ));
        }
        if let Some(time) = file.deadline {
            settings.deadline = duration(&time).map_err(part)?;
        }
        if let Some(limit) = file.rate_limit {
            settings.rate_limit = Some(limit.parse().map_err(part)?);
        }
        settings.username = file.username;
        settings.password = file.password;
        settings.database_url = file.database_url;
        settings.read_from = file.read_from.unwrap_or(settings.read_from);
        settings.durable = file.durable.unwrap_or(settings.durable);
        settings.in_flight = file.in_flight.unwrap_or(settings.in_flight);
        Ok(settings)
    }

    /// Checks what goes together.
    ///
    /// # Errors
    /// [`AppError::Invalid`].
    pub fn check(&self) -> Result<(), AppError> {
        if self.nodes.is_empty() {
            return Err(AppError::invalid(
                "no node is named",
                "name one at least: --nodes 127.0.0.1:7001",
            ));
        }
        if self.in_flight == 0 || self.in_flight > 1000 {
            return Err(AppError::invalid(
                format!("{} requests can't be in flight at a master", self.in_flight),
                "1 to 1000; at 200 and less the client is known to recover from every failover",
            ));
        }
        if self.deadline.is_zero() {
            return Err(AppError::invalid(
                "a deadline of nothing leaves no time for a request",
                "as in --deadline 10s",
            ));
        }
        Ok(())
    }

    /// The settings of the ledger; nothing where no database is named. Its deadline is that of every request.
    pub fn ledger(&self) -> Option<LedgerSettings> {
        let url = self.database_url.as_ref()?;
        Some(LedgerSettings {
            deadline: self.deadline,
            ..LedgerSettings::new(url)
        })
    }

    /// Where a node that announces `announced` is reached.
    pub fn reachable(&self, announced: &Endpoint) -> Endpoint {
        let mapped = self.map.iter().find(|(from, _)| from == announced);
        mapped.map_or(announced, |(_, to)| to).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn file(text: &str) -> Result<Settings, AppError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.toml");
        std::fs::write(&path, text).unwrap();
        Settings::from_file(&path)
    }

    #[test]
    fn a_file_says_what_differs() {
        assert_eq!(file("").unwrap(), Settings::default());
        let settings = file(concat!(
            "nodes = [\"127.0.0.1:7001\", \"127.0.0.1:7002\"]\n",
            "read_from = \"replicas\"\ndeadline = \"2s\"\ndurable = true\nrate_limit = \"5/10s\"\n",
            "database_url = \"postgres://127.0.0.1/tickets\"\n",
            "[map]\n\"172.30.0.11:7001\" = \"127.0.0.1:7001\"\n",
        ))
        .unwrap();
        assert_eq!(settings.nodes.len(), 2);
        assert_eq!(settings.read_from, ReadFrom::Replicas);
        assert_eq!(settings.deadline, Duration::from_secs(2));
        assert!(settings.durable);
        assert_eq!(settings.ledger().unwrap().deadline, Duration::from_secs(2));
        let announced = Endpoint::new("172.30.0.11", 7001);
        assert_eq!(
            settings.reachable(&announced),
            Endpoint::new("127.0.0.1", 7001)
        );
        let other = Endpoint::new("172.30.0.12", 7002);
        assert_eq!(settings.reachable(&other), other);
    }

    #[rstest]
    #[case("nods = []", "nods")]
    #[case("nodes = [\"127.0.0.1\"]", "`127.0.0.1` is not the address")]
    #[case("read_from = \"replica\"", "replica")]
    #[case("deadline = \"soon\"", "`soon` is not a span")]
    #[case("[map]\n\"a\" = \"b\"", "`a` is not the address")]
    #[case("nodes = ", "line 1")]
    fn what_is_wrong_with_a_file_is_told_with_its_name(#[case] text: &str, #[case] why: &str) {
        let error = file(text).unwrap_err().to_string();
        assert!(error.contains("app.toml") && error.contains(why), "{error}");
    }

    #[rstest]
    #[case("500ms", Some(Duration::from_millis(500)))]
    #[case("1.5s", Some(Duration::from_millis(1500)))]
    #[case("5m", Some(Duration::from_secs(300)))]
    #[case("1h", Some(Duration::from_secs(3600)))]
    #[case("5", None)]
    #[case("s", None)]
    #[case("-1s", None)]
    #[case("infs", None)]
    #[case("99999999999999999999h", None)]
    #[case("", None)]
    fn spans_of_time(#[case] text: &str, #[case] expected: Option<Duration>) {
        assert_eq!(duration(text).ok(), expected);
    }

    #[rstest]
    #[case("127.0.0.1:7001", true)]
    #[case("redis-1:7001", true)]
    #[case("[::1]:7001", true)]
    #[case("redis-1", false)]
    #[case(":7001", false)]
    #[case("redis-1:0", false)]
    #[case("a b:7001", false)]
    #[case("redis://redis-1:7001", false)]
    fn addresses(#[case] text: &str, #[case] good: bool) {
        assert_eq!(endpoint(text).is_ok(), good);
    }

    #[test]
    fn a_map_is_pairs() {
        let map = address_map("172.30.0.11:7001=127.0.0.1:7001, 172.30.0.12:7002=127.0.0.1:7002")
            .unwrap();
        assert_eq!(map.len(), 2);
        assert!(address_map("172.30.0.11:7001").is_err());
        assert_eq!(address_map("").unwrap(), []);
    }

    #[rstest]
    #[case("5/10s", true)]
    #[case("0/10s", false)]
    #[case("5/0s", false)]
    #[case("5", false)]
    #[case("/10s", false)]
    fn rate_limits(#[case] text: &str, #[case] good: bool) {
        assert_eq!(text.parse::<RateLimit>().is_ok(), good);
    }
}
