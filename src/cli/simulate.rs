//! `labrunner simulate`: the process that `labrunner up --backend sim` leaves behind. Not for people.

use std::path::PathBuf;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::exit_code::Exit;
use super::{runtime, signals, tell};
use crate::backend::sim::course::serve;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Where the environment's handle is
    #[arg(long, value_name = "DIR")]
    state_dir: PathBuf,
}

/// Lives until it is told to end.
pub fn run(arguments: &Arguments) -> Exit {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    let served = runtime.block_on(async {
        let end = CancellationToken::new();
        let ended = end.clone();
        tokio::spawn(signals::each_but_hang_up(move || ended.cancel()));
        serve(&arguments.state_dir, end).await
    });
    runtime.shutdown_background();
    match served {
        Ok(()) => Exit::Passed,
        Err(error) => tell(error),
    }
}
