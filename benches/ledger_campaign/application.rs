//! The application, as a process of its own that can be killed: it reads requests from its standard input and answers on its standard output.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use labrunner::app::ledger::{Ledger, LedgerSettings};
use labrunner::app::patterns::cache_aside::Ages;
use labrunner::app::patterns::{CacheAside, WriteThrough};
use labrunner::app::request::{Reserve, Settle, Wanted};
use labrunner::app::settings::endpoints;
use labrunner::app::{AppError, Settings, Store};

use super::wire::{Answered, Asked, What};

#[derive(Clone)]
struct Application {
    store: Store,
    through: WriteThrough,
    cache: CacheAside,
}

/// Serves until its input ends, or it is killed.
pub async fn serve() {
    let variable = |name: &str| std::env::var(name).expect("the campaign sets it");
    let settings = Settings {
        nodes: endpoints(&variable("CAMPAIGN_NODES")).expect("nodes"),
        deadline: Duration::from_secs(8),
        ..Settings::default()
    };
    let of_ledger = LedgerSettings {
        deadline: Duration::from_secs(8),
        ..LedgerSettings::new(variable("CAMPAIGN_DATABASE"))
    };
    // It may be started while the cluster or the database is away.
    let (store, ledger) = loop {
        let both = tokio::join!(
            Store::connect(settings.clone()),
            Ledger::connect(&of_ledger)
        );
        if let (Ok(store), Ok(ledger)) = both {
            break (store, ledger);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let ages = Ages {
        ttl: Duration::from_secs(2),
        ..Ages::default()
    };
    let application = Application {
        through: WriteThrough::new(store.clone(), ledger.clone()),
        cache: CacheAside::new(store.clone(), ledger, ages),
        store,
    };
    let output = Arc::new(Mutex::new(std::io::stdout()));
    // Reading blocks, so it has a thread of its own.
    let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    while let Some(line) = lines.recv().await {
        let asked: Asked = serde_json::from_str(&line).expect("a request");
        let (application, output) = (application.clone(), output.clone());
        tokio::spawn(async move {
            let answered = application.answer(asked).await;
            let line = serde_json::to_string(&answered).expect("a line");
            use std::io::Write;
            let mut output = output.lock().expect("no panic");
            let _ = writeln!(output, "{line}").and_then(|()| output.flush());
        });
    }
}

impl Application {
    async fn answer(&self, asked: Asked) -> Answered {
        let number = asked.number;
        let mut answered = Answered {
            number,
            kind: "done".to_owned(),
            refused: false,
            reservation: String::new(),
            token: 0,
            seats: Vec::new(),
            behind: false,
        };
        if let Err(error) = self.act(asked, &mut answered).await {
            answered.kind = error.kind().to_owned();
            answered.refused = matches!(error, AppError::Refused(_));
        }
        answered
    }

    async fn act(&self, asked: Asked, answered: &mut Answered) -> Result<(), AppError> {
        let texts =
            |seats: &[labrunner::app::Seat]| seats.iter().map(ToString::to_string).collect();
        match asked.what {
            What::Read => {
                self.cache.sheet(&asked.event.parse()?).await?;
            }
            What::Reserve => {
                let request = Reserve {
                    event: asked.event.parse()?,
                    wanted: Wanted::Any(asked.seats),
                    user: asked.user.parse()?,
                    hold: Duration::from_millis(asked.hold_ms),
                    operation: asked.operation.parse()?,
                };
                let held = self.store.reserve(&request).await?;
                answered.reservation = held.reservation.to_string();
                answered.token = held.token;
                answered.seats = texts(&held.seats);
            }
            What::Confirm | What::Cancel => {
                let request = Settle {
                    event: asked.event.parse()?,
                    reservation: asked.reservation.parse()?,
                    user: asked.user.parse()?,
                    token: asked.token,
                    operation: asked.operation.parse()?,
                };
                match asked.what {
                    What::Confirm => {
                        let written = self.through.confirm(&request).await?;
                        answered.seats = texts(&written.done.seats);
                        answered.behind = written.behind.is_some();
                    }
                    _ => {
                        let written = self.through.cancel(&request).await?;
                        answered.seats = texts(&written.done.seats);
                        answered.behind = written.behind.is_some();
                    }
                }
            }
        }
        Ok(())
    }
}
