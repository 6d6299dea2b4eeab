//! Why no connection to the cluster came about: each node that was named is asked, and the answer is one sentence that helps.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};
use tokio::time::timeout;

use super::failure::{Failure, error_text};
use crate::app::error::AppError;
use crate::app::settings::Settings;
use crate::cluster::Endpoint;

/// How long one node may take to say how it is.
const PATIENCE: Duration = Duration::from_secs(1);

/// Why no connection came about.
pub(super) struct Found {
    /// For who wanted it.
    pub error: AppError,
    /// Whether another attempt may come to more: a node answers, and is well, so that it was only the moment.
    pub may_pass: bool,
}

impl Found {
    fn lasting(error: AppError) -> Self {
        Found {
            error,
            may_pass: false,
        }
    }
}

/// Finds out why.
pub(super) async fn diagnose(settings: &Settings, failure: &Failure) -> Found {
    if let Failure::Final(error @ AppError::Invalid { .. }) = failure {
        return Found::lasting(error.clone());
    }
    let mut said = Vec::new();
    let mut answers = false;
    let mut down = None;
    for node in &settings.nodes {
        match ask(settings, node).await {
            Said::NotACluster => {
                return Found::lasting(AppError::NotACluster {
                    node: node.to_string(),
                });
            }
            Said::NoEntry(why) => {
                return Found::lasting(AppError::WrongPassword {
                    node: node.to_string(),
                    why,
                });
            }
            Said::Down(why) => down = Some(why),
            Said::Well => {
                answers = true;
                said.push(format!("{node} answers"));
            }
            Said::Nothing(why) => said.push(format!("{node}: {why}")),
        }
    }
    if let Some(what) = down {
        return Found::lasting(AppError::ClusterDown { what });
    }
    let tried = match said.as_slice() {
        [] => "no node was named".to_owned(),
        // Eight times the same would bury it.
        [first, rest @ ..] if rest.iter().all(|other| reason(other) == reason(first)) => {
            let nodes: Vec<String> = settings.nodes.iter().map(Endpoint::to_string).collect();
            format!("{}: {}", nodes.join(", "), reason(first))
        }
        all => all.join("; "),
    };
    let what = match answers {
        false => format!("no node of the cluster can be reached ({tried})"),
        true => format!("no connection to the cluster came about: {failure} ({tried})"),
    };
    Found {
        error: AppError::Unreachable { what },
        may_pass: answers && !matches!(failure, Failure::Final(_)),
    }
}

fn reason(words: &str) -> &str {
    words.split_once(": ").map_or(words, |(_, reason)| reason)
}

/// What a node says of itself.
enum Said {
    Well,
    Down(String),
    NotACluster,
    NoEntry(String),
    Nothing(String),
}

async fn ask(settings: &Settings, node: &Endpoint) -> Said {
    let asked = timeout(PATIENCE, async {
        let mut connection = connect_one(settings, node, PATIENCE).await?;
        let info: String = redis::cmd("CLUSTER")
            .arg("INFO")
            .query_async(&mut connection)
            .await?;
        Ok::<_, redis::RedisError>(info)
    });
    match asked.await {
        Err(_) => Said::Nothing("no answer in time".to_owned()),
        Ok(Ok(info)) if info.contains("cluster_state:ok") => Said::Well,
        Ok(Ok(info)) => {
            let line = |key: &str| {
                let found = info.lines().find(|line| line.starts_with(key));
                found.unwrap_or(key).trim().to_owned()
            };
            Said::Down(format!(
                "{node} says {}, {}",
                line("cluster_state"),
                line("cluster_slots_ok")
            ))
        }
        Ok(Err(error)) => {
            let text = error_text(&error);
            match Failure::from(error) {
                Failure::Final(AppError::WrongPassword { why, .. }) => Said::NoEntry(why),
                _ if text.contains("cluster support disabled") => Said::NotACluster,
                _ => Said::Nothing(text),
            }
        }
    }
}

/// A connection to one node, which follows no redirections.
///
/// # Errors
/// Those of the library.
pub(super) async fn connect_one(
    settings: &Settings,
    node: &Endpoint,
    patience: Duration,
) -> redis::RedisResult<MultiplexedConnection> {
    let mut redis = RedisConnectionInfo::default();
    if let Some(password) = &settings.password {
        redis = redis.set_password(password);
    }
    if let Some(username) = &settings.username {
        redis = redis.set_username(username);
    }
    let info = ConnectionAddr::Tcp(node.host.clone(), node.port)
        .into_connection_info()?
        .set_redis_settings(redis);
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(patience))
        .set_response_timeout(Some(patience));
    redis::Client::open(info)?
        .get_multiplexed_async_connection_with_config(&config)
        .await
}
