//! A master's side: who follows it, how far they are, what they are sent.

use std::rc::Rc;

use super::message::{ReplicationMessage, Snapshot};
use crate::double::gossip::LinkId;
use crate::double::node::client::{ClientKey, Otherwise};
use crate::double::node::server::Server;
use crate::double::node::wires::{Packet, Wire};

/// Somebody who follows this node.
#[derive(Debug)]
pub(super) struct Replica {
    /// The link that it has opened.
    pub link: LinkId,
    /// Where it is to be found.
    pub ip: String,
    pub port: u16,
    pub state: State,
    /// How far it says it is.
    pub acknowledged: i64,
    /// When it last said so, in milliseconds since 1970.
    pub acknowledged_at: i64,
    /// When it came, in milliseconds since 1970.
    pub since: i64,
}

/// How far a replica has come in following.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::double) enum State {
    /// It waits until others may have come as well, to be sent all data.
    Waiting,
    /// It is being sent all data.
    Transfer,
    /// It gets the stream.
    Online,
}

impl State {
    /// As INFO calls it.
    pub fn name(self) -> &'static str {
        match self {
            State::Waiting => "wait_bgsave",
            State::Transfer => "send_bulk",
            State::Online => "online",
        }
    }
}

/// What INFO and ROLE tell of a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::double) struct Follower {
    pub ip: String,
    pub port: u16,
    pub state: State,
    /// The offset that it has acknowledged.
    pub offset: i64,
    /// Seconds since it has done so.
    pub lag: i64,
}

impl Server {
    /// Who follows this node.
    pub(in crate::double) fn followers(&self) -> Vec<Follower> {
        let all = self.replication.replicas.iter();
        all.map(|replica| Follower {
            ip: replica.ip.clone(),
            port: replica.port,
            state: replica.state,
            offset: replica.acknowledged,
            lag: match replica.state {
                State::Online => self.now / 1000 - replica.acknowledged_at / 1000,
                _ => 0,
            },
        })
        .collect()
    }

    fn tell_replica(&mut self, link: LinkId, message: ReplicationMessage) {
        let packet = Packet::Replication(message);
        self.wires.push(Wire::Send { link, packet });
    }

    /// A replica wants the stream.
    pub(super) fn asked_for_stream(
        &mut self,
        link: LinkId,
        (id, offset): (String, i64),
        (ip, port): (String, u16),
        login: Option<(Vec<u8>, Vec<u8>)>,
    ) {
        let known = match login {
            None => self.acl.is_open(),
            Some((name, password)) => {
                self.acl.is_open() || self.acl.authenticated(&name, &password).is_some()
            }
        };
        if !known {
            let words = "NOAUTH Authentication required.";
            return self.tell_replica(link, ReplicationMessage::Refused(words));
        }
        if self.replication.is_replica() {
            // A cluster has no chains of replicas: this one is about to hear whom it is to follow.
            let words = "NOMASTERLINK Can't SYNC while not connected with my master";
            return self.tell_replica(link, ReplicationMessage::Refused(words));
        }
        // The others get first what they would have got anyway.
        self.feed_replicas();
        self.replication
            .replicas
            .retain(|replica| replica.link != link);
        let mut replica = Replica {
            link,
            ip,
            port,
            state: State::Online,
            acknowledged: 0,
            acknowledged_at: self.now,
            since: self.now,
        };
        if let Some(missed) = self.missed(&id, offset) {
            self.replication.counts.partial += 1;
            self.replication.replicas.push(replica);
            let id = self.replication_ids[0].clone();
            self.tell_replica(link, ReplicationMessage::Continue { id });
            if !missed.is_empty() {
                self.tell_replica(link, ReplicationMessage::Stream(missed));
            }
            return;
        }
        if id != "?" {
            self.replication.counts.partial_refused += 1;
        }
        self.replication.counts.full += 1;
        replica.state = State::Waiting;
        self.replication.replicas.push(replica);
        if self.replication.log.is_none() {
            self.begin_log();
        }
        let settings = &self.config.replication;
        if !settings.diskless || settings.sync_delay == 0 {
            self.send_snapshots();
        }
    }

    /// What a replica with this history has missed from an offset on. `None`: it has to get all data.
    fn missed(&self, id: &str, offset: i64) -> Option<Vec<Rc<super::log::Entry>>> {
        let [own, before] = &self.replication_ids;
        let second = self.replication.second_offset;
        if id != own && (id != before || offset > second) {
            return None;
        }
        self.replication.log.as_ref()?.from(offset)
    }

    /// Sends all data to those who wait for it.
    fn send_snapshots(&mut self) {
        self.feed_replicas();
        let functions = self.scripts.dumped();
        let snapshot = Rc::new(Snapshot {
            dbs: self.dbs.iter().map(|db| db.copy()).collect(),
            functions,
        });
        let (id, offset) = (self.replication_ids[0].clone(), self.replication.offset);
        let mut links = Vec::new();
        for replica in &mut self.replication.replicas {
            if replica.state == State::Waiting {
                replica.state = State::Transfer;
                links.push(replica.link);
            }
        }
        for link in links {
            let id = id.clone();
            self.tell_replica(link, ReplicationMessage::FullResync { id, offset });
            self.tell_replica(link, ReplicationMessage::Snapshot(Rc::clone(&snapshot)));
        }
        // The stream says anew which database it means.
        self.replication.selected = None;
    }

    /// A replica says how far it is.
    pub(super) fn acknowledged(&mut self, link: LinkId, offset: i64) {
        let now = self.now;
        let replicas = &mut self.replication.replicas;
        let Some(replica) = replicas.iter_mut().find(|replica| replica.link == link) else {
            return;
        };
        replica.acknowledged = replica.acknowledged.max(offset);
        replica.acknowledged_at = now;
        if replica.state == State::Transfer {
            replica.state = State::Online;
        }
        self.serve_acknowledged();
    }

    /// Sends what was written since the last time.
    pub(in crate::double) fn feed_replicas(&mut self) {
        if self.replication.wants_acknowledgements && !self.is_paused() {
            self.replication.wants_acknowledgements = false;
            self.write_entry(0, &[b"REPLCONF", b"GETACK", b"*"]);
        }
        if self.replication.fresh.is_empty() {
            return;
        }
        let fresh = std::mem::take(&mut self.replication.fresh);
        let fed = self.replication.replicas.iter();
        let links: Vec<LinkId> = fed
            .filter(|replica| replica.state != State::Waiting)
            .map(|replica| replica.link)
            .collect();
        for link in links {
            self.tell_replica(link, ReplicationMessage::Stream(fresh.clone()));
        }
    }

    /// A replica's link is gone. Whether it was one.
    pub(super) fn lose_replica(&mut self, link: LinkId) -> bool {
        let before = self.replication.replicas.len();
        self.replication
            .replicas
            .retain(|replica| replica.link != link);
        let lost = self.replication.replicas.len() < before;
        if lost && self.replication.replicas.is_empty() {
            self.replication.no_replicas_since = self.now;
            self.replication.fresh.clear();
        }
        lost
    }

    /// Hangs up on all who follow this node.
    pub(super) fn disconnect_replicas(&mut self) {
        for replica in std::mem::take(&mut self.replication.replicas) {
            self.wires.push(Wire::Close { link: replica.link });
        }
        self.replication.fresh.clear();
        self.replication.no_replicas_since = self.now;
    }

    /// What a master does each second.
    pub(super) fn look_after_replicas(&mut self) {
        let settings = self.config.replication;
        let now = self.now / 1000;
        let paused = self.cluster.is_some() && self.is_paused();
        // The first round comes before anybody can follow.
        let rounds = self.replication.rounds;
        let due = rounds > 0 && rounds.is_multiple_of(settings.ping_period);
        if due && !self.replication.is_replica() && !self.replication.replicas.is_empty() && !paused
        {
            // In a pause for a manual failover the offset has to stay where it is.
            let db = self.replication.selected.unwrap_or_default();
            self.write_entry(db, &[b"PING"]);
        }
        let (mut waits, mut gone) = (Vec::new(), Vec::new());
        let mut longest = None;
        for replica in &self.replication.replicas {
            match replica.state {
                State::Waiting => {
                    waits.push(replica.link);
                    longest = longest.max(Some(now - replica.since / 1000));
                }
                State::Online if now - replica.acknowledged_at / 1000 > settings.timeout => {
                    gone.push(replica.link);
                }
                _ => {}
            }
        }
        for link in waits {
            self.tell_replica(link, ReplicationMessage::Alive);
        }
        for link in gone {
            self.wires.push(Wire::Close { link });
            self.lose_replica(link);
        }
        let alone = self.replication.replicas.is_empty() && !self.replication.is_replica();
        if alone && self.replication.log.is_some() && settings.backlog_life > 0 {
            let idle = now - self.replication.no_replicas_since / 1000;
            if idle > settings.backlog_life {
                // A history whose changes are not counted any more can't be gone on with.
                self.begin_log();
                self.replication.log = None;
            }
        }
        if longest.is_some_and(|longest| longest >= settings.sync_delay) {
            self.send_snapshots();
        }
    }

    /// How many replicas have got as far as this offset.
    pub(in crate::double) fn replicas_at(&self, offset: i64) -> usize {
        let replicas = self.replication.replicas.iter();
        replicas
            .filter(|it| it.state == State::Online && it.acknowledged >= offset)
            .count()
    }

    /// How many replicas are near enough for `min-replicas-to-write`.
    pub(in crate::double) fn good_replicas(&self) -> usize {
        let most = self.config.replication.most_lag;
        let lag = |at: i64| self.now / 1000 - at / 1000;
        let replicas = self.replication.replicas.iter();
        replicas
            .filter(|it| it.state == State::Online && lag(it.acknowledged_at) <= most)
            .count()
    }

    /// A client has begun to wait for replicas: they are asked at once.
    pub(in crate::double) fn await_replicas(&mut self, client: ClientKey) {
        self.replication.waiting.push(client);
        self.replication.wants_acknowledgements = true;
    }

    /// Answers those who wait for replicas and may go on.
    fn serve_acknowledged(&mut self) {
        for key in std::mem::take(&mut self.replication.waiting) {
            let waits = self.clients.get(key.0).and_then(|client| {
                match client.blocked.as_ref()?.otherwise {
                    Otherwise::Replicas { wanted, offset } => Some((wanted, offset)),
                    _ => None,
                }
            });
            match waits {
                Some((wanted, offset)) if self.replicas_at(offset) >= wanted => {
                    self.give_up(key);
                }
                Some(_) => self.replication.waiting.push(key),
                None => {}
            }
        }
    }
}
