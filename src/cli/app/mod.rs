//! The application: `app …`, and the same as `labrunner app …`.

mod audit;
mod booking;
mod connection;
mod database;
mod events;
mod exit;
mod limits;
mod load_test;
mod pattern;
mod reconcile;
mod said;
mod seats;
mod session;
mod watch;
mod worker;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use tokio_util::sync::CancellationToken;

use crate::app::{AppError, Pattern, Store};

pub use self::exit::TABLE as EXIT_CODES;

use self::connection::Connection;
use self::said::Said;
use super::output::Output;
use super::{runtime, signals};

#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true, after_help = EXIT_CODES)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,

    /// Answer with one line of JSON
    #[arg(long, global = true)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make an event with seats
    CreateEvent(events::Create),
    /// Say how many seats of an event are free, held and sold
    Availability(events::Look),
    /// Hold seats for a user: all that are asked for, or none
    Reserve(seats::Reserve),
    /// Make a hold a sale
    Confirm(seats::Settle),
    /// Give the seats of a hold, or of a sale, back
    Cancel(seats::Settle),
    /// Show all of an event, with its reservations; counts a view
    Show(events::Look),
    /// List the events
    Events,
    /// Log a user in, show a session, log it out
    Session(session::Arguments),
    /// Read every seat of an event, and hold it against what was answered
    Audit(audit::Arguments),
    #[command(hide = true)]
    AuditMany(audit::Many),
    /// Have many users ask for seats at once, and see whether all is right afterwards
    LoadTest(load_test::Arguments),
    /// Show an event's seats again and again
    Watch(watch::Arguments),
    /// Ask whether a user may do one more thing, by the limit of --rate-limit
    Limit(limits::Limit),
    /// Take a lock, give it back
    Lock(limits::Lock),
    /// Pay for a hold, and make it a sale
    Pay(booking::Pay),
    /// All of a reservation: log in, look, hold, pay, confirm
    Book(booking::Book),
    /// Bring what happened in Redis into the ledger, and tell Redis what the ledger has decided
    Worker(worker::Arguments),
    /// Compare Redis with the ledger, event by event
    Reconcile(reconcile::Compare),
    /// Fill an empty Redis from the ledger
    Rebuild(reconcile::Rebuild),
    /// Make the schema of the ledger, say how far it is, take it back
    Migrate(database::Migrate),
    /// Look at the ledger, tell Redis what it has not been told
    Ledger(database::LedgerArguments),
    /// Reports, from the ledger
    Report(database::Report),
}

/// Does what was asked.
pub fn run(arguments: Arguments, output: Output) -> ExitCode {
    let json = arguments.json;
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(exit) => return exit.into(),
    };
    let stop = CancellationToken::new();
    let code = runtime.block_on(async {
        let (sender, mut wished) = tokio::sync::mpsc::channel(8);
        tokio::spawn(signals::each(move || {
            let _ = sender.try_send(());
        }));
        let ends_early = matches!(
            arguments.command,
            Command::LoadTest(_) | Command::Worker(_) | Command::Reconcile(_)
        );
        let answer = answer(arguments, output, &stop);
        tokio::pin!(answer);
        loop {
            tokio::select! {
                done = &mut answer => return match done {
                    Ok(said) => said.tell(json),
                    Err(error) => said::tell_error(&error, json),
                },
                _ = wished.recv() => {
                    // These have something to tell at their end, and to bring to it; a second wish is heeded at once.
                    if ends_early && !stop.is_cancelled() {
                        stop.cancel();
                        continue;
                    }
                    super::output::complain("interrupted");
                    return exit::INTERRUPTED;
                }
            }
        }
    });
    runtime.shutdown_background();
    ExitCode::from(code)
}

async fn answer(
    arguments: Arguments,
    output: Output,
    stop: &CancellationToken,
) -> Result<Said, AppError> {
    let settings = arguments.connection.settings()?;
    let json = arguments.json;
    // What is wrong with a request is said before anybody is asked.
    match arguments.command {
        Command::CreateEvent(create) => {
            let request = create.request()?;
            match pattern::of_change(&create.pattern, &settings)? {
                Pattern::WriteThrough => {
                    let through = pattern::write_through(settings, false).await?;
                    events::create_through(&through, &request).await
                }
                _ => events::create(&Store::connect(settings).await?, &request).await,
            }
        }
        Command::Availability(look) => match look.check()? {
            (event, Pattern::CacheAside) => look.through_cache(settings, &event).await,
            (event, _) => events::availability(&Store::connect(settings).await?, &event).await,
        },
        Command::Show(look) => match look.check()? {
            (event, Pattern::CacheAside) => look.through_cache(settings, &event).await,
            (event, _) => events::show(&Store::connect(settings).await?, &event).await,
        },
        Command::Events => events::list(&Store::connect(settings).await?).await,
        Command::Reserve(reserve) => {
            let request = reserve.request()?;
            seats::reserve(&Store::connect(settings).await?, &request).await
        }
        Command::Confirm(settle) => {
            let request = settle.request()?;
            match settle.pattern(&settings)? {
                Pattern::WriteThrough => {
                    let through = pattern::write_through(settings, settle.stop_between).await?;
                    seats::confirm_through(&through, &request).await
                }
                _ => seats::confirm(&Store::connect(settings).await?, &request).await,
            }
        }
        Command::Cancel(settle) => {
            let request = settle.request()?;
            match settle.pattern(&settings)? {
                Pattern::WriteThrough if !settle.stop_between => {
                    booking::cancel(settings, &request).await
                }
                Pattern::WriteThrough => {
                    let through = pattern::write_through(settings, settle.stop_between).await?;
                    seats::cancel_through(&through, &request).await
                }
                _ => seats::cancel(&Store::connect(settings).await?, &request).await,
            }
        }
        Command::Session(arguments) => session::run(arguments, settings).await,
        Command::Audit(arguments) => audit::run(arguments, settings).await,
        Command::AuditMany(arguments) => audit::run_many(arguments, settings).await,
        Command::LoadTest(arguments) => {
            load_test::run(arguments, settings, output, json, stop).await
        }
        Command::Watch(arguments) => watch::run(arguments, settings, output, json).await,
        Command::Limit(arguments) => limits::limit(arguments, settings).await,
        Command::Lock(arguments) => limits::lock(arguments, settings).await,
        Command::Pay(arguments) => booking::pay(arguments, settings).await,
        Command::Book(arguments) => booking::book(arguments, settings).await,
        Command::Worker(arguments) => worker::run(arguments, settings, stop).await,
        Command::Reconcile(arguments) => reconcile::compare(arguments, settings, json, stop).await,
        Command::Rebuild(arguments) => reconcile::fill(arguments, settings).await,
        Command::Migrate(arguments) => database::migrate(arguments, &settings).await,
        Command::Ledger(arguments) => database::ledger(arguments, settings).await,
        Command::Report(arguments) => database::report(arguments, &settings).await,
    }
}
