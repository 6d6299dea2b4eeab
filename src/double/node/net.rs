//! The sockets of a node: who comes, what they send, what they get.
//!
//! Sockets tell when something is new (edges, not levels), so each is read until it is empty or its turn is over; then it is `hungry` and gets another turn.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};

use super::client::{Client, ClientKey, Closing};
use super::out::Out;
use super::server::Server;
use super::world::World;
use crate::double::request::{Found, Limits};

/// How much is read in one turn, so that nobody keeps the others waiting.
const TURN: usize = 64 * 1024;
/// How much a client may leave unread of its replies before its commands are left unread: a reader that never reads takes no more memory than that.
const UNREAD_REPLIES: usize = 64 * 1024 * 1024;
/// How much of what a blocked client sends is kept for later.
const WAITING_INPUT: usize = 1024 * 1024;
/// A buffer larger than this is given back when it is empty.
const KEPT: usize = 64 * 1024;

/// Something to be done by the nodes' own thread.
pub(super) enum Job {
    /// By one node. It is done at once, even while that node's script goes on.
    Node(usize, Box<dyn FnOnce(&mut Server) + Send>),
    /// By all of them together.
    World(Box<dyn FnOnce(&mut World) + Send>),
}

/// What the nodes of one thread share: what they wait with, and what the thread is told by others.
pub(in crate::double) struct Shared {
    poll: RefCell<Poll>,
    registry: Registry,
    jobs: mpsc::Receiver<Job>,
    /// The thread is to end.
    stop: Arc<AtomicBool>,
    /// What came while a script was being run, and is for others than this script's node.
    later: RefCell<VecDeque<Job>>,
    /// The same of what is new at sockets.
    woken_later: RefCell<Vec<(Token, bool)>>,
}

impl Shared {
    pub fn new(poll: Poll, jobs: mpsc::Receiver<Job>, stop: Arc<AtomicBool>) -> io::Result<Shared> {
        let registry = poll.registry().try_clone()?;
        Ok(Shared {
            poll: RefCell::new(poll),
            registry,
            jobs,
            stop,
            later: RefCell::default(),
            woken_later: RefCell::default(),
        })
    }

    /// Waits until something happens.
    pub fn wait(&self, events: &mut Events, longest: Option<Duration>) -> io::Result<()> {
        match self.poll.borrow_mut().poll(events, longest) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                events.clear();
                Ok(())
            }
            other => other,
        }
    }

    /// Whether the thread is to end.
    pub fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// What somebody wants to have done.
    pub fn next_job(&self) -> Option<Job> {
        let late = self.later.borrow_mut().pop_front();
        late.or_else(|| self.jobs.try_recv().ok())
    }

    /// The same from inside a script of this node: what it can do itself.
    pub fn next_job_of(&self, place: usize) -> Option<Box<dyn FnOnce(&mut Server) + Send>> {
        while let Ok(job) = self.jobs.try_recv() {
            match job {
                Job::Node(at, job) if at == place => return Some(job),
                other => self.later.borrow_mut().push_back(other),
            }
        }
        None
    }

    /// Something is new at a socket of a node that can't look at it now.
    pub fn wake_later(&self, token: Token, hung_up: bool) {
        self.woken_later.borrow_mut().push((token, hung_up));
    }

    /// What was put aside by [`wake_later`](Self::wake_later).
    pub fn take_woken(&self) -> Vec<(Token, bool)> {
        std::mem::take(&mut *self.woken_later.borrow_mut())
    }
}

/// Tokens of a node's sockets have its place in this part of their number; the lower part counts its sockets.
const PLACE_SHIFT: u32 = 32;

/// The token of a node's listener.
fn first_token(place: usize) -> usize {
    (place + 1) << PLACE_SHIFT
}

/// The place of the node whose socket has this token. `None`: it is none's.
pub(super) fn place_of(token: Token) -> Option<usize> {
    (token.0 >> PLACE_SHIFT).checked_sub(1)
}

/// The sockets' side of a server.
pub(in crate::double::node) struct Net {
    shared: Rc<Shared>,
    /// Which of the nodes on its thread it is.
    pub(super) place: usize,
    /// This node has been told to stop: SHUTDOWN.
    stopping: bool,
    listener: Option<TcpListener>,
    /// Where it is, whether it listens there or not.
    pub(super) address: SocketAddr,
    /// The token of the listener; those of clients come after it.
    first: usize,
    /// Where what is read lands first.
    scratch: Vec<u8>,
    /// Who may have sent more than was read in its turn, or has something to be executed.
    pub(super) hungry: VecDeque<ClientKey>,
    /// Who has something to be sent.
    outgoing: Vec<ClientKey>,
    /// Somebody waits to be let in and could not be: the process has too many files open.
    waiting_outside: bool,
}

impl Net {
    /// The sockets of the node at this place.
    pub fn new(shared: Rc<Shared>, place: usize, address: SocketAddr) -> Net {
        Net {
            shared,
            place,
            stopping: false,
            listener: None,
            address,
            first: first_token(place),
            scratch: Vec::new(),
            hungry: VecDeque::new(),
            outgoing: Vec::new(),
            waiting_outside: false,
        }
    }

    /// From now on connections are taken from this listener.
    pub fn listen(&mut self, listener: std::net::TcpListener) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(listener);
        self.shared
            .registry
            .register(&mut listener, Token(self.first), Interest::READABLE)?;
        self.listener = Some(listener);
        Ok(())
    }

    /// No connection is taken any more.
    pub fn stop_listening(&mut self) {
        if let Some(mut listener) = self.listener.take() {
            let _ = self.shared.registry.deregister(&mut listener);
        }
    }

    /// The node stops as soon as what it is doing is done; a script that is being run is ended.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// Whether the node is to stop.
    pub fn is_stopping(&self) -> bool {
        self.stopping || self.shared.is_stopping()
    }

    /// What it shares with the other nodes of its thread.
    pub fn shared(&self) -> &Rc<Shared> {
        &self.shared
    }

    /// Whether something is to be sent.
    pub fn has_outgoing(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// For a turn inside another one, which has taken the place where what is read lands.
    pub fn lend_scratch(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.scratch)
    }

    /// After it.
    pub fn take_back_scratch(&mut self, scratch: Vec<u8>) {
        self.scratch = scratch;
    }
}

impl Server {
    /// Something is new at the socket with this token: its client gets a turn.
    pub(super) fn woken(&mut self, token: Token, hung_up: bool) {
        if token.0 == self.net.first {
            return self.accept_all();
        }
        let key = ClientKey(token.0.wrapping_sub(self.net.first + 1));
        if let Some(client) = self.clients.get_mut(key.0) {
            client.unread = true;
            client.hung_up |= hung_up;
            if self.scripts.client() == Some(key) {
                // Its script is still being run.
                return self.net.hungry.push_back(key);
            }
            if hung_up && client.waits() {
                return self.close(key);
            }
            self.net.hungry.push_back(key);
        }
    }

    /// Whether somebody has a turn left without any event.
    pub(super) fn has_more_to_do(&self) -> bool {
        !self.net.hungry.is_empty()
    }

    /// Gives a turn to those who have one left.
    pub(super) fn feed_the_hungry(&mut self) {
        // Those who are hungry again wait for the next round. A script that takes long may have fed some of the others meanwhile.
        for _ in 0..self.net.hungry.len() {
            let Some(key) = self.net.hungry.pop_front() else {
                return;
            };
            match self.scripts.client() == Some(key) {
                true => self.net.hungry.push_back(key),
                false => self.turn(key),
            }
        }
    }

    fn accept_all(&mut self) {
        loop {
            let Some(listener) = &self.net.listener else {
                return;
            };
            match listener.accept() {
                Ok((stream, _)) => self.accept(stream),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    // Nobody is left; or there is no room for one more until somebody goes.
                    self.net.waiting_outside = error.kind() != ErrorKind::WouldBlock;
                    return;
                }
            }
        }
    }

    fn accept(&mut self, mut stream: TcpStream) {
        if self.clients.len() >= self.config.max_clients {
            self.stats.rejected += 1;
            // It fits into an empty socket, or the client will do without.
            let _ = stream.write(match self.cluster {
                None => &b"-ERR max number of clients reached\r\n"[..],
                Some(_) => b"-ERR max number of clients + cluster connections reached\r\n",
            });
            return;
        }
        let _ = stream.set_nodelay(true);
        self.stats.connections += 1;
        let id = self.next_client;
        self.next_client += 1;
        let entry = self.clients.vacant_entry();
        let token = Token(self.net.first + 1 + entry.key());
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self
            .net
            .shared
            .registry
            .register(&mut stream, token, interest)
            .is_err()
        {
            return;
        }
        let client = entry.insert(Client::new(id, Some(stream), self.now));
        // Who comes before there is a password need not say it later.
        client.authenticated = self.acl.is_open();
    }

    /// Reads once, executes all that is whole, and sends.
    fn turn(&mut self, key: ClientKey) {
        let Some(client) = self.clients.get_mut(key.0) else {
            return;
        };
        if client.unsent() > UNREAD_REPLIES {
            // It is hungry again as soon as it has read some: `send` sees to it.
            return self.send(key);
        }
        let waits = client.waits();
        if waits && client.input.len() > WAITING_INPUT {
            return;
        }
        let mut buffer = std::mem::take(&mut self.net.scratch);
        // Made when the first one reads: a node that nobody talks to takes no memory for it.
        if buffer.is_empty() {
            buffer = vec![0; TURN];
        }
        let mut received = 0;
        if client.unread
            && let Some(stream) = &mut client.stream
        {
            self.stats.reads += 1;
            match stream.read(&mut buffer) {
                Ok(0) => client.closing = Closing::Now,
                Ok(count) => {
                    received = count;
                    client.active = self.now;
                    // That it has hung up is seen when all before that has been read.
                    client.unread = count == buffer.len() || client.hung_up;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => client.unread = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => client.closing = Closing::Now,
            }
        }
        self.stats.received += received as u64;
        if client.closing == Closing::Now {
            self.net.scratch = buffer;
            return self.close(key);
        }
        if client.input.is_empty() && !waits {
            let done = self.execute_all(key, &buffer[..received]);
            if let Some(client) = self.clients.get_mut(key.0)
                && done < received
            {
                client.input.extend_from_slice(&buffer[done..received]);
            }
        } else {
            client.input.extend_from_slice(&buffer[..received]);
            if !waits {
                let mut input = std::mem::take(&mut client.input);
                let done = self.execute_all(key, &input);
                if let Some(client) = self.clients.get_mut(key.0) {
                    if done > 0 {
                        input.drain(..done);
                    }
                    if input.is_empty() && input.capacity() > KEPT {
                        input = Vec::new();
                    }
                    client.input = input;
                }
            }
        }
        self.net.scratch = buffer;
        let Some(client) = self.clients.get_mut(key.0) else {
            return;
        };
        if client.closing == Closing::Now || client.input.len() > self.config.input {
            return self.close(key);
        }
        if client.waits() && client.hung_up {
            return self.close(key);
        }
        if client.unread && !client.waits() {
            self.net.hungry.push_back(key);
        }
        self.send(key);
    }

    /// Executes the commands at the start of `input`, as far as they are whole. How many bytes they were.
    fn execute_all(&mut self, key: ClientKey, input: &[u8]) -> usize {
        let Some(client) = self.clients.get_mut(key.0) else {
            return 0;
        };
        let mut parser = std::mem::take(&mut client.parser);
        // What is still to be sent is in front of the replies, and what others send in the meantime comes behind them.
        let mut out = Out::new(client.out.resp3);
        std::mem::swap(&mut out.bytes, &mut client.out.bytes);
        let sent = client.sent;
        let outer = self.current.replace(key);
        let mut done = 0;
        while let Some(client) = self.clients.get_mut(key.0) {
            if client.waits() || client.closing != Closing::No || done == input.len() {
                break;
            }
            if out.len() - sent > UNREAD_REPLIES {
                self.net.hungry.push_back(key);
                break;
            }
            let limits = Limits {
                bulk: self.config.max_bulk,
                stranger: !client.authenticated && !self.acl.is_open(),
            };
            let rest = &input[done..];
            match parser.read(rest, limits) {
                Found::More(_) => break,
                Found::Nothing(length) => done += length,
                Found::Command(length) => {
                    let words: smallvec::SmallVec<[&[u8]; 8]> = parser.words(rest).collect();
                    self.execute(key, &words, &mut out);
                    if words.len() > 1024 {
                        drop(words);
                        parser.forget();
                    }
                    if let Some(client) = self.clients.get_mut(key.0) {
                        // It is not done, but comes again when the pause is over.
                        if client.postponed {
                            break;
                        }
                        // What it was sent without asking while the command was executed.
                        out.bytes.append(&mut client.out.bytes);
                    }
                    done += length;
                }
                Found::Wrong(words) => {
                    out.error_bytes(&words);
                    client.closing = Closing::AfterReply;
                    done = input.len();
                    break;
                }
            }
        }
        self.current = outer;
        if let Some(client) = self.clients.get_mut(key.0) {
            client.parser = parser;
            if client.closing == Closing::Now {
                return done;
            }
            out.bytes.append(&mut client.out.bytes);
            std::mem::swap(&mut out.bytes, &mut client.out.bytes);
        }
        done
    }

    /// Something that a client has not asked for was put into its output.
    pub fn has_output(&mut self, key: ClientKey) {
        self.limit_unread(key);
        self.limit_unasked(key);
        self.queue_output(key);
    }

    /// A client is looked at when the round is over: it has something to be sent, or is to be closed.
    pub(super) fn queue_output(&mut self, key: ClientKey) {
        if let Some(client) = self.clients.get_mut(key.0)
            && !client.queued
        {
            client.queued = true;
            self.net.outgoing.push(key);
        }
    }

    /// Sends what was put into the output of others than those whose turn it was.
    pub(super) fn send_all(&mut self) {
        while let Some(key) = self.net.outgoing.pop() {
            if let Some(client) = self.clients.get_mut(key.0) {
                client.queued = false;
                self.send(key);
            }
        }
    }

    fn send(&mut self, key: ClientKey) {
        let Some(client) = self.clients.get_mut(key.0) else {
            return;
        };
        if client.closing == Closing::Now {
            return self.close(key);
        }
        let Some(stream) = &mut client.stream else {
            return;
        };
        let full = client.out.bytes.len() - client.sent > UNREAD_REPLIES;
        while client.sent < client.out.bytes.len() {
            match stream.write(&client.out.bytes[client.sent..]) {
                Ok(count) => {
                    client.sent += count;
                    client.active = self.now;
                    self.stats.writes += 1;
                    self.stats.sent += count as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return self.close(key),
            }
        }
        if client.sent == client.out.bytes.len() {
            client.sent = 0;
            client.out.bytes.clear();
            if client.out.bytes.capacity() > KEPT {
                client.out.bytes = Vec::new();
            }
            if client.closing == Closing::AfterReply {
                return self.close(key);
            }
        } else if client.sent > KEPT && client.sent * 2 > client.out.bytes.len() {
            client.out.bytes.drain(..client.sent);
            client.sent = 0;
        }
        let unread = client.unsent();
        if full && unread <= UNREAD_REPLIES {
            self.net.hungry.push_back(key);
        }
        if unread > 0 {
            self.limit_unread(key);
        }
    }

    /// Ends a connection, and forgets all about the client.
    pub fn close(&mut self, key: ClientKey) {
        self.unblock(key);
        self.forget_client(key);
        if self.clients.contains(key.0) {
            let mut client = self.clients.remove(key.0);
            if let Some(stream) = &mut client.stream {
                let _ = self.net.shared.registry.deregister(stream);
            }
            drop(client);
            if self.net.waiting_outside {
                self.net.waiting_outside = false;
                self.accept_all();
            }
        }
    }

    /// Ends all connections. How many there were.
    pub fn close_all(&mut self) -> usize {
        let all: Vec<ClientKey> = self
            .clients
            .iter()
            .filter(|(_, client)| !client.is_hand())
            .map(|(at, _)| ClientKey(at))
            .collect();
        all.iter().for_each(|key| self.close(*key));
        all.len()
    }

    /// Takes a client out of everything that names it.
    pub fn forget_client(&mut self, key: ClientKey) {
        self.track_nothing(key);
        self.end_monitor(key);
        self.unwatch_all(key);
        let Some(client) = self.clients.get_mut(key.0) else {
            return;
        };
        let sets = [
            (std::mem::take(&mut client.channels), &mut self.channels),
            (std::mem::take(&mut client.patterns), &mut self.patterns),
            (
                std::mem::take(&mut client.shard_channels),
                &mut self.shard_channels,
            ),
        ];
        for (names, all) in sets {
            for name in names {
                if let Some(listening) = all.get_mut(&name) {
                    listening.remove(&key);
                    if listening.is_empty() {
                        all.remove(&name);
                    }
                }
            }
        }
    }
}
