//! What a server knows about one connection.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use mio::net::TcpStream;

use super::acl::UserKey;
use super::keyspace::value::Kind;
use super::out::Out;
use super::table::CommandId;
use super::tracking::Tracked;
use crate::cluster::Slot;
use crate::double::request::Parser;

/// The place of a client in [`Server::clients`](super::server::Server::clients). It is given away again when the client is gone; whatever names one is
/// cleared before that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::double::node) struct ClientKey(pub usize);

/// One connection. A client without a stream is the test's own hand.
#[derive(Debug)]
pub(in crate::double::node) struct Client {
    /// What CLIENT ID says; never given twice.
    pub id: u64,
    /// Where it comes from, and to where.
    pub peer: Option<SocketAddr>,
    /// The address that it has connected to.
    pub local: Option<SocketAddr>,
    pub(super) stream: Option<TcpStream>,
    /// What came and is not a whole command yet.
    pub(super) input: Vec<u8>,
    pub(super) parser: Parser,
    /// There may be more in the socket than has been read.
    pub(super) unread: bool,
    /// It will send nothing more than what is in the socket already.
    pub(super) hung_up: bool,
    /// What has to be sent, of which so many bytes are sent.
    pub out: Out,
    pub(super) sent: usize,
    /// It is in the server's list of those that have something to be sent.
    pub(super) queued: bool,
    /// Its database.
    pub db: usize,
    /// CLIENT SETNAME.
    pub name: Vec<u8>,
    /// It has said the password, or there was none when it came.
    pub authenticated: bool,
    /// Whose rights it has.
    pub user: UserKey,
    /// After MULTI.
    pub transaction: Option<Box<Transaction>>,
    /// How many commands are being executed by its EXEC.
    pub executing: Option<usize>,
    /// What it has WATCHed, by database and key.
    pub watching: Vec<(usize, Box<[u8]>)>,
    /// Something that it watches has changed.
    pub watch_broken: bool,
    /// Channels, patterns and channels of shards that it listens to.
    pub channels: BTreeSet<Box<[u8]>>,
    /// PSUBSCRIBE.
    pub patterns: BTreeSet<Box<[u8]>>,
    /// SSUBSCRIBE.
    pub shard_channels: BTreeSet<Box<[u8]>>,
    /// It waits for something.
    pub blocked: Option<Box<Blocked>>,
    /// When the connection ends.
    pub closing: Closing,
    /// CLIENT REPLY.
    pub replies: Replies,
    /// CLIENT TRACKING.
    pub tracking: Option<Box<Tracked>>,
    /// Its next command waits for the end of a CLIENT PAUSE.
    pub postponed: bool,
    /// MONITOR.
    pub monitor: bool,
    /// Since when it has left more unread than the soft limit of `client-output-buffer-limit`, in milliseconds since 1970.
    pub unread_since: Option<i64>,
    /// CLIENT NO-EVICT.
    pub no_evict: bool,
    /// ASKING: its next command is also for a slot that is only on its way here.
    pub asking: bool,
    /// READONLY: it reads from a replica what the replica's master serves.
    pub read_only: bool,
    /// The slot of the command that is being executed, if this is a cluster's node and the command has keys.
    pub slot: Option<Slot>,
    /// When it came, in milliseconds since 1970.
    pub since: i64,
    /// When it last sent or was sent anything, in milliseconds since 1970.
    pub active: i64,
    /// Its last command.
    pub command: Option<CommandId>,
    /// The replication offset behind its last command: what WAIT waits for.
    pub written: i64,
}

/// Whether a connection is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::double::node) enum Closing {
    /// No.
    No,
    /// As soon as everything is sent.
    AfterReply,
    /// At once.
    Now,
}

/// CLIENT REPLY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::double::node) enum Replies {
    /// As usual.
    On,
    /// None until further notice.
    Off,
    /// None to the command after this one.
    SkipNext,
    /// None to this one.
    Skip,
}

/// Commands that wait for EXEC.
#[derive(Debug, Default)]
pub(in crate::double::node) struct Transaction {
    /// In the order of their coming.
    pub queue: Vec<Queued>,
    /// One of them was refused: EXEC will do nothing.
    pub failed: bool,
}

/// A command to be executed later.
#[derive(Debug)]
pub(in crate::double::node) struct Queued {
    /// Which.
    pub command: CommandId,
    /// With its name.
    pub words: Vec<Box<[u8]>>,
}

/// What a blocked client waits for.
#[derive(Debug)]
pub(in crate::double::node) struct Blocked {
    /// The command, which is tried again when one of the keys has got something.
    pub again: Queued,
    /// In which database.
    pub db: usize,
    /// The keys.
    pub keys: Vec<Box<[u8]>>,
    /// What a key must hold for the command to be tried again; `None`: anything, or nothing at all.
    pub kind: Option<Kind>,
    /// When it gives up, in milliseconds since 1970.
    pub until: Option<i64>,
    /// What it gets then.
    pub otherwise: Otherwise,
}

/// The reply of a blocked command whose time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::double::node) enum Otherwise {
    /// Nothing, as an array.
    NullArray,
    /// How many replicas have got as far as `offset`, be they as many as wanted or not: WAIT.
    Replicas { wanted: usize, offset: i64 },
}

impl Client {
    pub(super) fn new(id: u64, stream: Option<TcpStream>, now: i64) -> Client {
        Client {
            id,
            peer: stream.as_ref().and_then(|stream| stream.peer_addr().ok()),
            local: stream.as_ref().and_then(|stream| stream.local_addr().ok()),
            stream,
            input: Vec::new(),
            parser: Parser::default(),
            unread: true,
            hung_up: false,
            out: Out::default(),
            sent: 0,
            queued: false,
            db: 0,
            name: Vec::new(),
            authenticated: false,
            user: UserKey::DEFAULT,
            transaction: None,
            executing: None,
            watching: Vec::new(),
            watch_broken: false,
            channels: BTreeSet::new(),
            patterns: BTreeSet::new(),
            shard_channels: BTreeSet::new(),
            blocked: None,
            closing: Closing::No,
            replies: Replies::On,
            tracking: None,
            postponed: false,
            monitor: false,
            unread_since: None,
            no_evict: false,
            asking: false,
            read_only: false,
            slot: None,
            since: now,
            active: now,
            command: None,
            written: 0,
        }
    }

    /// To how many channels, patterns and channels of shards it listens.
    pub fn subscriptions(&self) -> usize {
        self.channels.len() + self.patterns.len() + self.shard_channels.len()
    }

    /// How many bytes wait to be sent. While its own command is executed they are elsewhere, and this is 0.
    pub fn unsent(&self) -> usize {
        self.out.bytes.len().saturating_sub(self.sent)
    }

    /// Where it comes from, as CLIENT LIST shows it.
    pub fn peer_name(&self) -> String {
        match self.peer {
            Some(peer) => peer.to_string(),
            None => "?:0".to_owned(),
        }
    }

    /// The address that it has connected to, in the same way.
    pub fn local_name(&self) -> String {
        match self.local {
            Some(local) => local.to_string(),
            None => "?:0".to_owned(),
        }
    }

    /// The number that the operating system has given to its socket; -1: it has none.
    pub fn descriptor(&self) -> i32 {
        self.stream.as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }

    /// How much memory it takes, about, in bytes.
    pub fn memory(&self) -> usize {
        size_of::<Client>() + self.input.capacity() + self.out.bytes.capacity()
    }

    /// It is a test's own hand, and no connection.
    pub fn is_hand(&self) -> bool {
        self.stream.is_none()
    }

    /// Its next command has to wait: for a key, or for the end of a pause.
    pub fn waits(&self) -> bool {
        self.blocked.is_some() || self.postponed
    }
}
