//! A replica's side: whom it follows, and how the link to it comes about.

use std::rc::Rc;

use super::log::{Entry, Log};
use super::message::ReplicationMessage;
use crate::cluster::NodeId;
use crate::double::gossip::LinkId;
use crate::double::node::client::{ClientKey, Closing};
use crate::double::node::failure::Failure;
use crate::double::node::server::Server;
use crate::double::node::wires::{Packet, Wire};

/// The node that this one follows.
#[derive(Debug)]
pub(super) struct Master {
    /// Where it is.
    pub ip: String,
    pub port: u16,
    pub state: LinkState,
    /// The link to it, if there is one or is to be.
    pub link: Option<LinkId>,
    /// How often it was tried again to open it.
    pub knocks: u32,
    /// Before the link is up: when something last happened on it. Moments are in milliseconds since 1970.
    pub last_sign: i64,
    /// When something came on the link last.
    pub heard: i64,
    /// Since when the link is not up; `None`: it has never been.
    pub down_since: Option<i64>,
    /// How far this node is in which history; `None`: it knows none.
    pub position: Option<Position>,
    /// The history and the offset that the data will have which is on its way.
    pub coming: Option<(String, i64)>,
}

/// A place in a history.
#[derive(Debug)]
pub(super) struct Position {
    /// The history.
    pub id: String,
    /// The last byte that was read.
    pub read: i64,
    /// The last byte that was applied.
    pub applied: i64,
    /// The entries of a transaction that has not come as a whole yet, from MULTI on.
    pub transaction: Vec<Rc<Entry>>,
}

/// How it stands with the link to the master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::double::node) enum LinkState {
    /// It is to be opened.
    Connect,
    /// It is being opened.
    Connecting,
    /// The master was asked for the stream.
    Handshake,
    /// All data is on its way.
    Transfer,
    /// It is up.
    Connected,
}

impl LinkState {
    /// As ROLE calls it.
    pub fn name(self) -> &'static str {
        match self {
            LinkState::Connect => "connect",
            LinkState::Connecting => "connecting",
            LinkState::Handshake => "handshake",
            LinkState::Transfer => "sync",
            LinkState::Connected => "connected",
        }
    }
}

/// What INFO and ROLE tell of the master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::double::node) struct Followed {
    pub ip: String,
    pub port: u16,
    pub state: LinkState,
    /// Seconds since anything came from it; `None`: the link is not up.
    pub heard: Option<i64>,
    /// Seconds since the last sign of life while all data is on its way.
    pub last_sign: i64,
    /// Seconds since the link has been down; `None`: it was never up.
    pub down: Option<i64>,
    /// The last bytes that were read and applied; `None`: no history is known.
    pub position: Option<(i64, i64)>,
}

const ROLE_CHANGED: Failure = Failure::text(
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
);

impl Server {
    /// Whom this node follows.
    pub(in crate::double::node) fn followed(&self) -> Option<Followed> {
        let master = self.replication.master.as_ref()?;
        let ago = |when: i64| self.now / 1000 - when / 1000;
        Some(Followed {
            ip: master.ip.clone(),
            port: master.port,
            state: master.state,
            heard: (master.state == LinkState::Connected).then(|| ago(master.heard)),
            last_sign: ago(master.last_sign),
            down: master.down_since.map(ago),
            position: master.position.as_ref().map(|it| (it.read, it.applied)),
        })
    }

    /// Follows this node from now on, and nobody else. What it knows of its history may be enough to go on from.
    pub(in crate::double) fn follow(&mut self, master: NodeId, ip: &str, port: u16) {
        // Which id a master has does not matter to the stream: its history has one of its own.
        let _ = master;
        self.write_pending();
        self.unblock_all();
        let before = self.replication.master.take();
        let (mut position, mut down_since) = (None, None);
        match before {
            None => {
                position = Some(Position {
                    id: self.replication_ids[0].clone(),
                    read: self.replication.offset,
                    applied: self.replication.offset,
                    transaction: Vec::new(),
                });
                self.disconnect_replicas();
            }
            Some(before) => {
                if let Some(link) = before.link {
                    self.wires.push(Wire::Close { link });
                }
                down_since = match before.state {
                    LinkState::Connected => Some(self.now),
                    _ => before.down_since,
                };
                if let Some(mut known) = before.position {
                    known.forget_unapplied();
                    position = Some(known);
                }
            }
        }
        self.replication.master = Some(Master {
            ip: ip.to_owned(),
            port,
            state: LinkState::Connect,
            link: None,
            knocks: 0,
            last_sign: self.now,
            heard: self.now,
            down_since,
            position,
            coming: None,
        });
        self.connect();
    }

    /// Is a master from now on, with the data that it has.
    pub(in crate::double) fn lead(&mut self) {
        let Some(master) = self.replication.master.take() else {
            return;
        };
        if let Some(link) = master.link {
            self.wires.push(Wire::Close { link });
        }
        // Other replicas of the old master know its history, and can go on here from as far as it is the same.
        let id = self.new_history();
        let before = std::mem::replace(&mut self.replication_ids[0], id);
        self.replication_ids[1] = before;
        self.replication.second_offset = self.replication.offset + 1;
        self.replication.selected = None;
        self.disconnect_replicas();
    }

    /// Hangs up on all who wait for something: they have begun to wait at a master.
    fn unblock_all(&mut self) {
        let blocked: Vec<ClientKey> = self
            .clients
            .iter()
            .filter(|(_, client)| client.blocked.is_some())
            .map(|(at, _)| ClientKey(at))
            .collect();
        for key in blocked {
            self.unblock_with_error(key, &ROLE_CHANGED);
            if let Some(client) = self.clients.get_mut(key.0) {
                client.closing = Closing::AfterReply;
            }
        }
    }

    fn connect(&mut self) {
        let now = self.now;
        let link = self.replication.new_link();
        let Some(master) = &mut self.replication.master else {
            return;
        };
        master.state = LinkState::Connecting;
        master.link = Some(link);
        master.last_sign = now;
        master.knocks = 0;
        let (ip, port) = (master.ip.clone(), master.port);
        self.wires.push(Wire::Connect { link, ip, port });
    }

    /// Nothing is heard of a link that is to be opened. What wants to open it is sent again after 1, 3, 7 … seconds, as it is in TCP.
    fn knock_again(&mut self) {
        let now = self.now;
        let Some(master) = &mut self.replication.master else {
            return;
        };
        let due = (2_i64 << master.knocks.min(32)) - 1;
        if (now - master.last_sign) / 1000 < due {
            return;
        }
        master.knocks += 1;
        let before = master.link.take();
        let (ip, port) = (master.ip.clone(), master.port);
        let link = self.replication.new_link();
        if let Some(master) = &mut self.replication.master {
            master.link = Some(link);
        }
        if let Some(link) = before {
            self.wires.push(Wire::Close { link });
        }
        self.wires.push(Wire::Connect { link, ip, port });
    }

    /// Tells the master something.
    fn tell_master(&mut self, message: ReplicationMessage) {
        let master = self.replication.master.as_ref();
        if let Some(link) = master.and_then(|master| master.link) {
            let packet = Packet::Replication(message);
            self.wires.push(Wire::Send { link, packet });
        }
    }

    /// Tells the master how far this node is.
    pub(super) fn acknowledge(&mut self) {
        let master = self.replication.master.as_ref();
        if let Some(position) = master.and_then(|master| master.position.as_ref()) {
            let offset = position.applied;
            self.tell_master(ReplicationMessage::Acknowledge { offset });
        }
    }

    /// The link to the master stands.
    pub(in crate::double) fn replication_connected(&mut self, link: LinkId) {
        let now = self.now;
        let Some(master) = self.link_to_master(link) else {
            return;
        };
        if master.state != LinkState::Connecting {
            return;
        }
        master.state = LinkState::Handshake;
        master.last_sign = now;
        let (id, offset) = match &master.position {
            Some(position) => (position.id.clone(), position.applied + 1),
            None => ("?".to_owned(), -1),
        };
        let (ip, port) = self.announced();
        let word = |name: &str| self.config.get(name).as_bytes().to_vec();
        let login = match word("masterauth") {
            password if password.is_empty() => None,
            password => match word("masteruser") {
                name if name.is_empty() => Some((b"default".to_vec(), password)),
                name => Some((name, password)),
            },
        };
        self.tell_master(ReplicationMessage::Psync {
            id,
            offset,
            ip,
            port,
            login,
        });
    }

    /// Where others reach this node.
    fn announced(&self) -> (String, u16) {
        let ip = match self.config.get("replica-announce-ip") {
            "" => self
                .cluster
                .as_ref()
                .map_or("", |member| &*member.view.myself().ip),
            ip => ip,
        };
        let ip = if ip.is_empty() { "127.0.0.1" } else { ip };
        let number = |name: &str| self.config.get(name).parse::<u16>().unwrap_or(0);
        let port = match number("replica-announce-port") {
            0 => number("port"),
            port => port,
        };
        (ip.to_owned(), port)
    }

    fn link_to_master(&mut self, link: LinkId) -> Option<&mut Master> {
        let master = self.replication.master.as_mut()?;
        (master.link == Some(link)).then_some(master)
    }

    /// A link was closed by the other side, or could not be opened.
    pub(in crate::double) fn replication_closed(&mut self, link: LinkId) {
        if self.link_to_master(link).is_some() {
            self.lose_master();
        } else {
            self.lose_replica(link);
        }
    }

    /// The link to the master is gone. One that was up is opened anew at once, another one in a second.
    fn lose_master(&mut self) {
        let now = self.now;
        let Some(master) = &mut self.replication.master else {
            return;
        };
        master.link = None;
        master.coming = None;
        let was_up = master.state == LinkState::Connected;
        master.state = LinkState::Connect;
        if was_up {
            master.down_since = Some(now);
            if let Some(position) = &mut master.position {
                position.forget_unapplied();
            }
            self.connect();
        }
    }

    /// Closes the link to the master.
    fn hang_up_on_master(&mut self) {
        let master = self.replication.master.as_ref();
        if let Some(link) = master.and_then(|master| master.link) {
            self.wires.push(Wire::Close { link });
        }
        self.lose_master();
    }

    /// A message came on a link.
    pub(in crate::double) fn replication_received(
        &mut self,
        link: LinkId,
        message: ReplicationMessage,
    ) {
        match message {
            ReplicationMessage::Psync {
                id,
                offset,
                ip,
                port,
                login,
            } => return self.asked_for_stream(link, (id, offset), (ip, port), login),
            ReplicationMessage::Acknowledge { offset } => return self.acknowledged(link, offset),
            _ => {}
        }
        let now = self.now;
        let Some(master) = self.link_to_master(link) else {
            return;
        };
        master.heard = now;
        master.last_sign = now;
        match (message, master.state) {
            (ReplicationMessage::Refused(words), _) => {
                self.note(format!(
                    "Master is currently unable to PSYNC but should be in the future: -{words}"
                ));
                self.hang_up_on_master();
            }
            (ReplicationMessage::FullResync { id, offset }, LinkState::Handshake) => {
                master.position = None;
                master.coming = Some((id, offset));
                master.state = LinkState::Transfer;
            }
            (ReplicationMessage::Snapshot(snapshot), LinkState::Transfer) => {
                let Some((id, offset)) = master.coming.take() else {
                    return self.hang_up_on_master();
                };
                self.disconnect_replicas();
                self.load(&snapshot);
                self.replication_ids = [id.clone(), "0".repeat(40)];
                self.replication.second_offset = 0;
                self.replication.offset = offset;
                self.replication.log = Some(Log::new(offset));
                self.is_up(Position {
                    id,
                    read: offset,
                    applied: offset,
                    transaction: Vec::new(),
                });
                self.acknowledge();
            }
            (ReplicationMessage::Continue { id }, LinkState::Handshake) => {
                let Some(mut position) = master.position.take() else {
                    return self.hang_up_on_master();
                };
                if position.id != id {
                    self.replication_ids = [id.clone(), position.id];
                    self.replication.second_offset = self.replication.offset + 1;
                    position.id = id;
                    self.disconnect_replicas();
                }
                if self.replication.log.is_none() {
                    self.replication.log = Some(Log::new(self.replication.offset));
                }
                self.is_up(position);
            }
            (ReplicationMessage::Stream(entries), LinkState::Connected) => {
                if !self.apply_all(&entries) {
                    // Something is missing in between: it is asked for again.
                    self.hang_up_on_master();
                }
            }
            _ => {}
        }
    }

    fn is_up(&mut self, position: Position) {
        if let Some(master) = &mut self.replication.master {
            master.position = Some(position);
            master.state = LinkState::Connected;
            master.down_since = None;
        }
    }

    /// A second has passed.
    pub(in crate::double) fn replication_cron(&mut self) {
        let (now, timeout) = (self.now / 1000, self.config.replication.timeout);
        if let Some(master) = &self.replication.master {
            let last = match master.state {
                LinkState::Connected => master.heard,
                _ => master.last_sign,
            };
            if master.state != LinkState::Connect && now - last / 1000 > timeout {
                self.hang_up_on_master();
            }
            let state = self.replication.master.as_ref().map(|master| master.state);
            match state {
                Some(LinkState::Connect) => self.connect(),
                Some(LinkState::Connecting) => self.knock_again(),
                Some(LinkState::Connected) => self.acknowledge(),
                _ => {}
            }
        }
        self.look_after_replicas();
        self.replication.rounds += 1;
        self.feed_replicas();
    }
}

impl Position {
    /// What was read and not applied is read again.
    fn forget_unapplied(&mut self) {
        self.read = self.applied;
        self.transaction.clear();
    }
}
