//! How the application reaches its cluster: options, over the environment (which clap reads), over a file.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::app::settings::{address_map, duration, endpoints};
use crate::app::{AppError, Settings};

/// Where `labrunner up` leaves the settings for its environment.
const LEFT_BY_UP: &str = ".labrunner/app.toml";

#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub struct Connection {
    /// Nodes to begin with; 127.0.0.1:7001 to 7008 if nobody says
    #[arg(long, global = true, env = "APP_NODES", value_name = "HOST:PORT,…")]
    nodes: Option<String>,

    /// Addresses that nodes announce, with those that can be reached from here
    #[arg(
        long,
        global = true,
        env = "APP_MAP",
        value_name = "ANNOUNCED=REACHABLE,…"
    )]
    map: Option<String>,

    /// A file with settings [default: .labrunner/app.toml, if it is there]
    #[arg(long, global = true, env = "APP_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    /// The user of the server's access control
    #[arg(long, global = true, env = "APP_USERNAME", value_name = "NAME")]
    username: Option<String>,

    /// The password; better in the environment or the file than here, where others can see it
    #[arg(
        long,
        global = true,
        env = "APP_PASSWORD",
        value_name = "PASSWORD",
        hide_env_values = true
    )]
    password: Option<String>,

    /// Where reads go: master, replicas, or random over both; what a replica says may be out of date
    #[arg(long, global = true, env = "APP_READ_FROM", value_name = "WHERE")]
    read_from: Option<String>,

    /// How long a request is tried, through failovers and moving slots [default: 10s]
    #[arg(long, global = true, env = "APP_DEADLINE", value_name = "TIME")]
    deadline: Option<String>,

    /// Wait until a replica has each change; see `app help reserve` for what that costs
    #[arg(long, global = true, env = "APP_DURABLE", value_parser = clap::builder::FalseyValueParser::new())]
    durable: bool,

    /// Requests under way at each master at a time [default: 64]
    #[arg(long, global = true, env = "APP_IN_FLIGHT", value_name = "N")]
    in_flight: Option<usize>,

    /// At most so many reservations of a user in a sliding window, as in 5/10s
    #[arg(long, global = true, env = "APP_RATE_LIMIT", value_name = "N/TIME")]
    rate_limit: Option<String>,

    /// The database of the ledger, where confirmed reservations are kept: postgres://user:password@host:port/database
    #[arg(
        long,
        global = true,
        env = "DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    database_url: Option<String>,
}

impl Connection {
    /// The settings that all of it amounts to.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub fn settings(&self) -> Result<Settings, AppError> {
        let mut settings = match &self.config {
            Some(file) if !file.as_os_str().is_empty() => Settings::from_file(file)?,
            _ if Path::new(LEFT_BY_UP).exists() => Settings::from_file(Path::new(LEFT_BY_UP))?,
            _ => Settings::default(),
        };
        if let Some(nodes) = said(&self.nodes) {
            settings.nodes = endpoints(nodes)?;
            // The file's map is for the file's nodes.
            settings.map.clear();
        }
        if let Some(map) = said(&self.map) {
            settings.map = address_map(map)?;
        }
        if let Some(username) = said(&self.username) {
            settings.username = Some(username.to_owned());
        }
        if let Some(password) = said(&self.password) {
            settings.password = Some(password.to_owned());
        }
        if let Some(read_from) = said(&self.read_from) {
            settings.read_from = read_from.parse()?;
        }
        if let Some(deadline) = said(&self.deadline) {
            settings.deadline = duration(deadline)?;
        }
        if let Some(limit) = said(&self.rate_limit) {
            settings.rate_limit = Some(limit.parse()?);
        }
        if let Some(url) = said(&self.database_url) {
            settings.database_url = Some(url.to_owned());
        }
        settings.durable |= self.durable;
        settings.in_flight = self.in_flight.unwrap_or(settings.in_flight);
        settings.check()?;
        Ok(settings)
    }
}

/// What was said. In CI a variable that is not set is often set to nothing.
fn said(value: &Option<String>) -> Option<&str> {
    value.as_deref().filter(|value| !value.is_empty())
}
