//! Stopping a run before its end: Ctrl-C once ends what is under way and cleans up, twice leaves out the lab's own cleanup
//! commands. The environment is removed either way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio_util::sync::CancellationToken;

/// The wish to stop, shared between those who hear it and those who heed it.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    /// Fires at the first wish.
    pub soft: CancellationToken,
    /// Fires at the second.
    pub hard: CancellationToken,
    times: Arc<AtomicU32>,
}

impl Interrupt {
    /// Takes note of one more wish to stop; says which one it was.
    pub fn request(&self) -> u32 {
        self.request_after(|_| {})
    }

    /// The same, with `tell` called with which one it is before anybody who waits is woken: a run that has nothing to clean up ends at
    /// once, and what is told of the wish then would come after the run's last line.
    pub fn request_after(&self, tell: impl FnOnce(u32)) -> u32 {
        let times = self.times.fetch_add(1, Ordering::SeqCst) + 1;
        tell(times);
        self.soft.cancel();
        if times > 1 {
            self.hard.cancel();
        }
        times
    }

    /// How often it was wished.
    pub fn times(&self) -> u32 {
        self.times.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_wish_is_soft_and_the_second_hard_for_all_who_share_it() {
        let interrupt = Interrupt::default();
        let heard = interrupt.clone();
        let state = || {
            (
                heard.soft.is_cancelled(),
                heard.hard.is_cancelled(),
                heard.times(),
            )
        };
        assert_eq!(state(), (false, false, 0));
        assert_eq!(interrupt.request(), 1);
        assert_eq!(state(), (true, false, 1));
        assert_eq!(interrupt.request(), 2);
        assert_eq!(state(), (true, true, 2));
        assert_eq!(heard.request(), 3);
        assert_eq!(interrupt.times(), 3);
    }

    #[test]
    fn a_wish_is_told_before_anybody_is_woken() {
        let interrupt = Interrupt::default();
        let mut told = Vec::new();
        for _ in 0..2 {
            interrupt.request_after(|times| {
                let woken = (interrupt.soft.is_cancelled(), interrupt.hard.is_cancelled());
                told.push((times, woken));
            });
        }
        assert_eq!(told, [(1, (false, false)), (2, (true, false))]);
        assert!(interrupt.hard.is_cancelled());
    }
}
