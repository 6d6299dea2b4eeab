//! Rate limits and locks, by themselves.

use clap::{Args, Subcommand};
use serde_json::json;

use super::said::Said;
use crate::app::request::{LockName, OperationId, User};
use crate::app::settings::duration;
use crate::app::{AppError, Settings, Store};

/// Ask whether a user may do one more thing, by the limit of --rate-limit
#[derive(Debug, Args)]
pub struct Limit {
    /// Who
    #[arg(long)]
    user: String,

    /// The operation's id: asked twice with the same one, it is counted once [default: a new one]
    #[arg(long, value_name = "OPERATION-ID")]
    key: Option<String>,
}

#[derive(Debug, Args)]
pub struct Lock {
    #[command(subcommand)]
    command: LockCommand,
}

#[derive(Debug, Subcommand)]
enum LockCommand {
    /// Take a lock, or take it longer
    Acquire(Acquire),
    /// Give a lock back
    Release(Release),
}

#[derive(Debug, Args)]
struct Acquire {
    /// Which lock
    #[arg(long)]
    name: String,

    /// Who wants it
    #[arg(long)]
    owner: String,

    /// For how long
    #[arg(long, value_name = "TIME", default_value = "30s")]
    ttl: String,
}

#[derive(Debug, Args)]
struct Release {
    /// Which lock
    #[arg(long)]
    name: String,

    /// Who has it
    #[arg(long)]
    owner: String,

    /// The fencing token that it was taken with
    #[arg(long)]
    token: u64,
}

/// Asks whether a user may do one more thing.
pub async fn limit(arguments: Limit, settings: Settings) -> Result<Said, AppError> {
    let user: User = arguments.user.parse()?;
    let operation = match &arguments.key {
        Some(key) => key.parse()?,
        None => OperationId::random(),
    };
    let Some(limit) = settings.rate_limit else {
        return Err(AppError::Invalid {
            what: "no limit is named".to_owned(),
            help: "as in --rate-limit 5/10s".to_owned(),
        });
    };
    let verdict = Store::connect(settings)
        .await?
        .allow(&user, limit, &operation)
        .await?;
    let text = format!(
        "{user} may: {} of {} in {:?}",
        verdict.used, verdict.limit, limit.window
    );
    let json = json!({
        "result": "allowed", "user": user.as_str(), "used": verdict.used, "limit": verdict.limit,
        "window_ms": limit.window.as_millis() as u64, "operation": operation.as_str(),
    });
    Ok(Said::done(text, json))
}

/// Takes a lock or gives it back.
pub async fn lock(arguments: Lock, settings: Settings) -> Result<Said, AppError> {
    match arguments.command {
        LockCommand::Acquire(acquire) => {
            let (name, owner): (LockName, User) = (acquire.name.parse()?, acquire.owner.parse()?);
            let ttl = duration(&acquire.ttl)?;
            let lock = Store::connect(settings)
                .await?
                .lock(&name, &owner, ttl)
                .await?;
            let text = format!("Lock {name} is {owner}'s for {ttl:?}, token {}", lock.token);
            let json = json!({
                "result": "locked", "lock": name.as_str(), "owner": owner.as_str(), "token": lock.token,
                "expires_ms": lock.expires_ms,
            });
            Ok(Said::done(text, json))
        }
        LockCommand::Release(release) => {
            let (name, owner): (LockName, User) = (release.name.parse()?, release.owner.parse()?);
            let store = Store::connect(settings).await?;
            let was = store.unlock(&name, &owner, release.token).await?;
            let text = match was {
                true => format!("Lock {name} is free"),
                false => format!("Lock {name} was not {owner}'s any more, by that token"),
            };
            let json = json!({
                "result": if was { "unlocked" } else { "not_holder" }, "lock": name.as_str(), "owner": owner.as_str(),
            });
            Ok(Said {
                text,
                json,
                code: if was {
                    super::exit::DONE
                } else {
                    super::exit::NOT_HOLDER
                },
            })
        }
    }
}
