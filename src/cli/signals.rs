//! Signals that ask the command to end.

use labrunner::engine::Interrupt;
use tokio::signal::unix::{SignalKind, signal};

use super::exit_code::Exit;
use super::output::complain;

/// Calls `wished` each time that somebody wishes the command to end: Ctrl-C, a polite kill and a closed terminal all do.
pub async fn each(mut wished: impl FnMut()) {
    let listen = |kind| signal(kind);
    let (Ok(mut ctrl_c), Ok(mut terminate), Ok(mut hang_up)) = (
        listen(SignalKind::interrupt()),
        listen(SignalKind::terminate()),
        listen(SignalKind::hangup()),
    ) else {
        return;
    };
    loop {
        tokio::select! {
            _ = ctrl_c.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
        wished();
    }
}

/// Calls `wished` at Ctrl-C and a polite kill. A terminal that is closed ends nothing: whoever was started from it goes on.
pub async fn each_but_hang_up(mut wished: impl FnMut()) {
    let listen = |kind| signal(kind);
    let (Ok(mut ctrl_c), Ok(mut terminate), Ok(mut hang_up)) = (
        listen(SignalKind::interrupt()),
        listen(SignalKind::terminate()),
        listen(SignalKind::hangup()),
    ) else {
        return;
    };
    loop {
        tokio::select! {
            _ = ctrl_c.recv() => wished(),
            _ = terminate.recv() => wished(),
            _ = hang_up.recv() => {}
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
