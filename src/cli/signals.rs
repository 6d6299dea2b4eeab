//! Signals that ask the command to end.

use tokio::signal::unix::{SignalKind, signal};

use super::exit_code::Exit;
use super::output::complain;
use crate::engine::Interrupt;

/// Calls `wished` each time that somebody wishes the command to end: Ctrl-C, a polite kill and a closed terminal all do.
pub async fn each(wished: impl FnMut()) {
    listen(true, wished).await;
}

/// Calls `wished` at Ctrl-C and a polite kill. A terminal that is closed ends nothing: whoever was started from it goes on.
pub async fn each_but_hang_up(wished: impl FnMut()) {
    listen(false, wished).await;
}

async fn listen(hang_up_ends: bool, mut wished: impl FnMut()) {
    let (Ok(mut ctrl_c), Ok(mut terminate), Ok(mut hang_up)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
        signal(SignalKind::hangup()),
    ) else {
        return;
    };
    loop {
        tokio::select! {
            _ = ctrl_c.recv() => wished(),
            _ = terminate.recv() => wished(),
            // Who does not heed it has to hear it all the same, or it ends the process.
            _ = hang_up.recv() => if hang_up_ends { wished() },
        }
    }
}

/// Passes each wish to end on to `interrupt`; `heard` is told how often. The third wish is heeded at once; `left` says then what to do
/// about what is left.
pub async fn heed(interrupt: Interrupt, left: &str, heard: impl Fn(u32)) {
    each(|| {
        interrupt.request_after(|times| {
            if times >= 3 {
                complain(format!("interrupted a third time; {left}"));
                std::process::exit(i32::from(Exit::Interrupted.code()));
            }
            heard(times);
        });
    })
    .await;
}
