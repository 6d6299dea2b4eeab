//! The thread that a node lives on, and its loop: wait for something to happen, do it, send what came of it.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::{Events, Poll, Token, Waker};

use super::config::Config;
use super::net::{Inbox, Job, Net};
use super::server::Server;
use crate::double::Clock;

/// The token that wakes the loop for a [`Job`].
const WAKE: Token = Token(0);
/// The first token of the sockets.
const SOCKETS: usize = 1;

/// How much of its stack a node's thread may use, in bytes: a script's reply may be nested 8,000 times.
const STACK: usize = 32 * 1024 * 1024;

/// A node's thread. Ends with this value.
#[derive(Debug)]
pub(super) struct Host {
    jobs: mpsc::Sender<Job>,
    stop: Arc<AtomicBool>,
    waker: Arc<Waker>,
    thread: Option<JoinHandle<()>>,
}

impl Host {
    /// Listens on `address` and starts the thread. Where it listens: the port may have been left open.
    pub fn start(
        address: SocketAddr,
        clock: Clock,
        config: Config,
    ) -> io::Result<(Host, SocketAddr)> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let mut config = config;
        // A number is never refused.
        let _ = config.set_at_start("port", &address.port().to_string());
        raise_file_limit(config.max_clients);
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        clock.wakes(Arc::downgrade(&waker));
        let listener = mio::net::TcpListener::from_std(listener);
        let (sender, jobs) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let inbox = Inbox {
            jobs,
            stop: Arc::clone(&stop),
        };
        let net = Net::new(poll, listener, SOCKETS, inbox)?;
        let thread = std::thread::Builder::new()
            .name(format!("node {}", address.port()))
            .stack_size(STACK)
            // The server is made there: not all of it may change threads.
            .spawn(move || run(Server::new(clock, config, net)))?;
        let host = Host {
            jobs: sender,
            stop,
            waker,
            thread: Some(thread),
        };
        Ok((host, address))
    }

    /// Has something done by the node's thread, and waits for what comes of it. `None`: the thread is gone.
    pub fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Server) -> T + Send + 'static,
    ) -> Option<T> {
        let (send, receive) = mpsc::sync_channel(1);
        let job: Job = Box::new(move |server| {
            // Whoever asked may have gone.
            let _ = send.send(job(server));
        });
        self.jobs.send(job).ok()?;
        self.waker.wake().ok()?;
        receive.recv().ok()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let _ = self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Sees to it that so many clients can be connected, as redis-server does it, as far as the operating system allows. The process is the test's, and the clients may
/// be its own as well: there is room for both ends.
fn raise_file_limit(clients: usize) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = (clients as u64).saturating_mul(2).saturating_add(1024);
    let wanted = limit.maximum.map_or(wanted, |most| wanted.min(most));
    if limit.current.is_some_and(|current| current < wanted) {
        // If it can't be had, fewer clients are let in.
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(wanted),
                maximum: limit.maximum,
            },
        );
    }
}

fn run(mut server: Server) {
    let mut events = Events::with_capacity(1024);
    loop {
        let wait = match server.has_more_to_do() {
            true => Some(Duration::ZERO),
            false => server.clock.wait_until(server.next_moment()),
        };
        if server.net.wait(&mut events, wait).is_err() || server.net.is_stopping() {
            return;
        }
        server.look_at_the_clock();
        server.turn_all(&events);
        if server.net.is_stopping() {
            return;
        }
        server.end_round();
    }
}

impl Server {
    /// Gives everybody a turn who has something to be done.
    fn turn_all(&mut self, events: &Events) {
        // All of them are noted first: what is still to be done must not be known to this call only, in case somebody's script takes long.
        for event in events {
            match event.token() {
                WAKE => {}
                token => self.woken(token, event.is_read_closed()),
            }
        }
        self.do_jobs();
        self.feed_the_hungry();
    }

    fn do_jobs(&mut self) {
        while let Some(job) = self.net.next_job() {
            job(self);
        }
    }

    /// The same as the loop does it, for others than the one whose script is being run; from inside this script.
    pub(super) fn turn_from_inside(&mut self) {
        let mut events = Events::with_capacity(128);
        if self.net.wait(&mut events, Some(Duration::ZERO)).is_err() {
            return;
        }
        // They are for the script's own client, and wait for its reply.
        let own_messages = std::mem::take(&mut self.own_messages);
        let scratch = self.net.lend_scratch();
        self.turn_all(&events);
        self.send_all();
        self.net.take_back_scratch(scratch);
        self.own_messages = own_messages;
    }
}
