//! The thread that nodes live on, and how others have something done there.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::{Events, Poll, Token, Waker};

use super::config::Config;
use super::net::{Job, Shared, place_of};
use super::server::Server;
use super::world::{Newcomer, Weather, World};
use crate::double::Clock;

/// The token that wakes the loop for a [`Job`].
const WAKE: Token = Token(0);

/// How much of its stack a node's thread may use, in bytes: a script's reply may be nested 8,000 times.
const STACK: usize = 32 * 1024 * 1024;

/// The thread of a world. Ends with this value.
#[derive(Debug)]
pub(in crate::double) struct Host {
    jobs: mpsc::Sender<Job>,
    stop: Arc<AtomicBool>,
    waker: Arc<Waker>,
    thread: Option<JoinHandle<()>>,
}

impl Host {
    /// Starts the thread of a world that has no nodes yet.
    pub fn start(clock: Clock, weather: Weather, seed: u64) -> io::Result<Host> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        clock.wakes(Arc::downgrade(&waker));
        let (sender, jobs) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("nodes".to_owned())
            .stack_size(STACK)
            // The world is made there: not all of it may change threads.
            .spawn(move || {
                // Without it there is nothing to be done, and whoever asks is told so by the thread being gone.
                if let Ok(shared) = Shared::new(poll, jobs, ends) {
                    World::new(Rc::new(shared), clock, weather, seed).run();
                }
            })?;
        Ok(Host {
            jobs: sender,
            stop,
            waker,
            thread: Some(thread),
        })
    }

    /// A world with one node, which is in no cluster. Where it listens: the port may have been left open.
    pub fn lone(
        address: SocketAddr,
        clock: Clock,
        config: Config,
    ) -> io::Result<(Host, SocketAddr)> {
        let listener = std::net::TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let mut config = config;
        // A number is never refused.
        let _ = config.set_at_start("port", &address.port().to_string());
        raise_file_limit(config.max_clients);
        let weather = Weather {
            delay: 0..0,
            loss: 0.0,
        };
        let host = Host::start(clock, weather, 0)?;
        let newcomer = Newcomer {
            address,
            listener: Some(listener),
            config,
            in_cluster: false,
            bus_port: 0,
            forgets: false,
        };
        let added = host.with_world(|world| world.add(newcomer));
        added.unwrap_or_else(|| Err(io::Error::other("the node's thread has ended")))?;
        Ok((host, address))
    }

    /// Has something done by the thread's first node, and waits for what comes of it. `None`: the thread is gone.
    pub fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Server) -> T + Send + 'static,
    ) -> Option<T> {
        self.run_at(0, job)
    }

    /// The same by the node at this place.
    pub fn run_at<T: Send + 'static>(
        &self,
        place: usize,
        job: impl FnOnce(&mut Server) -> T + Send + 'static,
    ) -> Option<T> {
        let (send, receive) = mpsc::sync_channel(1);
        let job = Box::new(move |server: &mut Server| {
            // Whoever asked may have gone.
            let _ = send.send(job(server));
        });
        self.give(Job::Node(place, job))?;
        receive.recv().ok()
    }

    /// The same by all nodes together.
    pub fn with_world<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut World) -> T + Send + 'static,
    ) -> Option<T> {
        let (send, receive) = mpsc::sync_channel(1);
        let job = Box::new(move |world: &mut World| {
            let _ = send.send(job(world));
        });
        self.give(Job::World(job))?;
        receive.recv().ok()
    }

    fn give(&self, job: Job) -> Option<()> {
        self.jobs.send(job).ok()?;
        self.waker.wake().ok()
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
pub(in crate::double) fn raise_file_limit(clients: usize) {
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

impl Server {
    /// The same as the loop does it, for others than the one whose script is being run; from inside this script. Other nodes of the same thread wait.
    pub(super) fn turn_from_inside(&mut self) {
        let shared = Rc::clone(self.net.shared());
        let mut events = Events::with_capacity(128);
        if shared.wait(&mut events, Some(Duration::ZERO)).is_err() {
            return;
        }
        // They are for the script's own client, and wait for its reply.
        let own_messages = std::mem::take(&mut self.own_messages);
        let scratch = self.net.lend_scratch();
        for event in &events {
            let (token, hung_up) = (event.token(), event.is_read_closed());
            match place_of(token) {
                Some(place) if place == self.net.place => self.woken(token, hung_up),
                Some(_) => shared.wake_later(token, hung_up),
                None => {}
            }
        }
        while let Some(job) = shared.next_job_of(self.net.place) {
            job(self);
        }
        self.feed_the_hungry();
        self.send_all();
        self.net.take_back_scratch(scratch);
        self.own_messages = own_messages;
    }
}
