//! An event's seats, again and again.

use std::time::Duration;

use clap::Args;
use tokio::time::{Instant, sleep_until};

use super::events::{One, counted, counts};
use super::said::Said;
use crate::app::settings::duration;
use crate::app::{AppError, Settings, Store};
use crate::cli::output::{Output, say};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    event: One,

    /// From one look to the next
    #[arg(long, value_name = "TIME", default_value = "1s")]
    interval: String,

    /// For how long; until Ctrl-C if not said
    #[arg(long = "for", value_name = "TIME")]
    lasting: Option<String>,
}

/// Does what was asked. On a terminal the line is drawn again; in a pipe there is a line a look, with `json` one of JSON.
pub async fn run(
    arguments: Arguments,
    settings: Settings,
    output: Output,
    json: bool,
) -> Result<Said, AppError> {
    let event = arguments.event.event()?;
    let interval = duration(&arguments.interval)?.max(Duration::from_millis(100));
    let lasting = arguments.lasting.as_deref().map(duration).transpose()?;
    let store = Store::connect(settings).await?;
    let begun = Instant::now();
    let terminal = (output.live && !json).then(console::Term::stdout);
    let mut looks: u32 = 0;
    loop {
        let found = store.availability(&event).await?;
        if let (Some(terminal), true) = (&terminal, looks > 0) {
            let _ = terminal.clear_last_lines(1);
        }
        say(match json {
            true => counted(&event, &found).to_string(),
            false => format!("{event}{}", counts(&found)),
        });
        looks += 1;
        let next = begun + interval * looks;
        if lasting.is_some_and(|lasting| next > begun + lasting) {
            let text = String::new();
            let json =
                serde_json::json!({"result": "watched", "event": event.as_str(), "looks": looks});
            return Ok(Said::done(text, json));
        }
        sleep_until(next).await;
    }
}
