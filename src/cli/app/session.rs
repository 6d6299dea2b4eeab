//! Sessions.

use clap::{Args, Subcommand};
use serde_json::json;

use super::said::Said;
use crate::app::settings::duration;
use crate::app::{AppError, Session, Settings, Store};

#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Begin a session
    Login {
        /// Who
        #[arg(long)]
        user: String,
        /// How long it lasts without being shown
        #[arg(long, value_name = "TIME", default_value = "30m")]
        ttl: String,
    },
    /// Show a session, which lasts its full time from now on again
    Show(One),
    /// End a session
    Logout(One),
}

#[derive(Debug, Args)]
struct One {
    /// The session, as `session login` printed it
    #[arg(long)]
    session: String,
}

/// Does what was asked.
pub async fn run(arguments: Arguments, settings: Settings) -> Result<Said, AppError> {
    match arguments.command {
        Command::Login { user, ttl } => {
            let (user, ttl) = (user.parse()?, duration(&ttl)?);
            let session = Store::connect(settings).await?.log_in(&user, ttl).await?;
            Ok(shown("logged_in", &session))
        }
        Command::Show(one) => {
            let id = one.session.parse()?;
            let session = Store::connect(settings).await?.session(&id).await?;
            Ok(shown("session", &session))
        }
        Command::Logout(one) => {
            let id = one.session.parse()?;
            Store::connect(settings).await?.log_out(&id).await?;
            let json = json!({"result": "logged_out", "session": id.as_str()});
            Ok(Said::done(format!("Session {id} has ended."), json))
        }
    }
}

fn shown(result: &str, session: &Session) -> Said {
    let text = format!(
        "Session {}\n  {}, for {} s after each use",
        session.id,
        session.user,
        session.ttl_ms / 1000
    );
    let json = json!({
        "result": result, "session": session.id, "user": session.user,
        "since_ms": session.since_ms, "ttl_ms": session.ttl_ms,
    });
    Said::done(text, json)
}
