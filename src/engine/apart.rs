//! A lab on threads of its own, so that labs that are run at once have only the machine in common.

use std::future::Future;
use std::{io, thread};

use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// Threads that carry a lab's work. Most of its time it waits.
const THREADS: usize = 2;
/// By how much a lab stands back, in steps of niceness: it gets a tenth of a processor that others want as well.
const BACK: i32 = 10;

/// Why there is no result.
#[derive(Debug)]
pub(super) enum Gone {
    /// No thread could be had.
    NoThread(io::Error),
    /// It panicked.
    Panicked,
}

/// Runs this to its end on threads of its own. With `stands_back`, everybody else on the machine has precedence over them and over the processes
/// that they start.
pub(super) async fn apart<F>(stands_back: bool, run: F) -> Result<F::Output, Gone>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    let body = move || {
        // Before the runtime has threads: they take after this one.
        if stands_back {
            stand_back();
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .enable_all()
            .build();
        let ended = match runtime {
            Ok(runtime) => {
                let ended = runtime.block_on(run);
                // What hangs on one of its threads keeps nobody from going on.
                runtime.shutdown_background();
                Ok(ended)
            }
            Err(error) => Err(Gone::NoThread(error)),
        };
        let _ = sender.send(ended);
    };
    let thread = thread::Builder::new().name("lab".to_owned());
    thread.spawn(body).map_err(Gone::NoThread)?;
    receiver.await.unwrap_or(Err(Gone::Panicked))
}

/// Lets others have precedence over this thread, and over what it starts.
#[cfg(target_os = "linux")]
fn stand_back() {
    use rustix::process::{getpriority_process, setpriority_process};
    // Linux keeps this for each thread. Who is not allowed to know or to change it runs as before, only less politely.
    if let Ok(now) = getpriority_process(None) {
        let _ = setpriority_process(None, now.saturating_add(BACK).min(19));
    }
}

/// Elsewhere this is a matter of the whole process.
#[cfg(not(target_os = "linux"))]
fn stand_back() {
    let _ = BACK;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_comes_of_it_comes_back() {
        let told = apart(false, async { tokio::spawn(async { 7 }).await.unwrap() }).await;
        assert_eq!(told.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_panic_is_no_hang() {
        let told = apart(false, async { panic!("a bug") }).await;
        assert!(matches!(told, Err::<(), _>(Gone::Panicked)));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn who_stands_back_does_so_with_all_threads_and_processes_and_nobody_else_does() {
        use rustix::process::getpriority_process;
        let before = getpriority_process(None).unwrap();
        let of_all = async {
            let own = getpriority_process(None).unwrap();
            let spawned = tokio::spawn(async { getpriority_process(None).unwrap() });
            let process = tokio::process::Command::new("nice").output().await.unwrap();
            let process = String::from_utf8(process.stdout).unwrap();
            [own, spawned.await.unwrap(), process.trim().parse().unwrap()]
        };
        let niceness = apart(true, of_all).await.unwrap();
        assert_eq!(niceness, [(before + BACK).min(19); 3]);
        assert_eq!(getpriority_process(None).unwrap(), before);
    }
}
