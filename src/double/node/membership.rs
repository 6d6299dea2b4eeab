//! A node's place in a cluster.

use rand::rngs::StdRng;

use super::call::Class;
use super::config::Config;
use super::out::Out;
use super::server::Server;
use super::wires::{Packet, Wire};
use crate::cluster::Slot;
use crate::double::gossip::{Around, Effect, Settings, View};

/// How many lines of its log a node keeps.
const LOG: usize = 10_000;

/// What a node of a cluster has that one alone has not.
pub(in crate::double) struct Membership {
    /// What it knows of its cluster.
    pub view: View,
    /// Its share of chance.
    pub random: StdRng,
    /// The settings that the view goes by; taken from the node's own whenever one of them is set.
    pub settings: Settings,
}

impl Settings {
    /// What a node's configuration says.
    pub(in crate::double) fn of(config: &Config) -> Settings {
        let number = |name| config.get(name).parse().unwrap_or_default();
        let is_on = |name| config.get(name) == "yes";
        Settings {
            node_timeout: number("cluster-node-timeout"),
            validity_factor: number("cluster-replica-validity-factor"),
            migration_barrier: number("cluster-migration-barrier").max(0) as usize,
            replica_migration: is_on("cluster-allow-replica-migration"),
            full_coverage: is_on("cluster-require-full-coverage"),
            no_failover: is_on("cluster-replica-no-failover"),
            replica_ping_period: number("repl-ping-replica-period"),
            hostname: config.get("cluster-announce-hostname").to_owned(),
            announced_ip: config.get("cluster-announce-ip").to_owned(),
        }
    }
}

impl Server {
    /// Makes this node one of a cluster, which it is until its end.
    pub(in crate::double) fn join(&mut self, view: View, random: StdRng) {
        self.dbs[0].index_slots();
        let settings = Settings::of(&self.config);
        self.cluster = Some(Box::new(Membership {
            view,
            random,
            settings,
        }));
    }

    /// One of its settings may have been changed.
    pub(super) fn take_settings(&mut self) {
        if let Some(member) = self.cluster.as_deref_mut() {
            member.settings = Settings::of(&self.config);
            member.view.note_settings();
        }
    }

    /// Has something done by the view of the cluster, which knows by then what it would know if nobody had rested. `None`: this node is in none.
    pub(in crate::double) fn in_cluster<T>(
        &mut self,
        what: impl FnOnce(&mut View, &mut Around<'_>) -> T,
    ) -> Option<T> {
        let (now, offset, master_link) = (
            self.now,
            self.replication.offset(),
            self.replication.master_link(),
        );
        let member = self.cluster.as_deref_mut()?;
        member.view.refresh(now);
        let db = &self.dbs[0];
        let mut around = Around {
            now,
            settings: &member.settings,
            offset,
            master_link,
            keys_in: &|slot| db.count_in_slot(slot),
            random: &mut member.random,
        };
        Some(what(&mut member.view, &mut around))
    }
}

impl Server {
    /// Does what the view of the cluster has come to.
    pub(super) fn settle_view(&mut self) {
        loop {
            self.in_cluster(|view, around| view.settle(around));
            if !self.carry_out_effects() {
                break;
            }
        }
        self.look_at_slots();
    }

    /// The same while all rest: the view has come to nothing, but may have something to be handed on.
    pub(super) fn settle_at_rest(&mut self) {
        self.carry_out_effects();
        self.look_at_slots();
    }

    /// Whether there were any.
    fn carry_out_effects(&mut self) -> bool {
        let Some(member) = self.cluster.as_deref_mut() else {
            return false;
        };
        let mut effects = member.view.take_effects();
        let were_any = !effects.is_empty();
        for effect in effects.drain(..) {
            self.carry_out(effect);
        }
        if let Some(member) = self.cluster.as_deref_mut() {
            member.view.give_back(effects);
        }
        were_any
    }

    /// Hands a message that was published elsewhere to those who listen here.
    fn deliver(&mut self, channel: &[u8], message: &[u8], sharded: bool) {
        match sharded {
            true => self.publish_to_shard(channel, message),
            false => self.publish(channel, message),
        };
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Connect { link, ip, bus_port } => self.wires.push(Wire::Connect {
                link,
                ip,
                port: bus_port,
            }),
            Effect::Send { link, message } => self.wires.push(Wire::Send {
                link,
                packet: Packet::Bus(message),
            }),
            Effect::Close { link } => self.wires.push(Wire::Close { link }),
            Effect::Follow { master, ip, port } => self.follow(master, &ip, port),
            Effect::Lead => self.lead(),
            Effect::DropKeys(slot) => self.drop_keys_in(slot),
            Effect::DropChannels(slots) => self.drop_channels(&slots),
            Effect::DropAllKeys => self.lose_keys(),
            Effect::Publish {
                channel,
                message,
                sharded,
            } => self.deliver(&channel, &message, sharded),
            Effect::Pause { until } => self.pause_for_failover(until),
            Effect::Unpause => self.end_pause(),
            Effect::Log(words) => self.note(words),
        }
    }

    /// Takes away the keys of a slot that has another owner.
    fn drop_keys_in(&mut self, slot: Slot) {
        let keys: Vec<Vec<u8>> = self.dbs[0].keys_in_slot(slot).map(<[u8]>::to_vec).collect();
        for key in keys {
            if self.dbs[0].remove(&key).is_some() {
                self.propagate_removal(0, &key, false);
                self.write_pending_singly();
                self.dirty += 1;
                self.changed(0, &key, None);
                self.notify(Class::GENERIC, "del", &key, 0);
            }
        }
    }

    /// Writes a line into its log.
    pub(super) fn note(&mut self, words: String) {
        if self.log.len() == LOG {
            self.log.pop_front();
        }
        self.log.push_back((self.now, words));
    }

    /// All its keys are gone, and nobody is told.
    pub(super) fn lose_keys(&mut self) {
        for db in &mut self.dbs {
            db.clear();
        }
    }

    /// Whether it is found at this address by other nodes: where it listens, or where it says that it does.
    pub(super) fn is_at(&self, ip: &str, port: u16) -> bool {
        self.net.address.port() == port && (ip == "localhost" || self.is_at_ip(ip))
    }

    /// Whether this is its IP address to other nodes.
    pub(super) fn is_at_ip(&self, ip: &str) -> bool {
        let own = self.net.address.ip().to_string() == ip;
        own || (!ip.is_empty() && self.config.get("cluster-announce-ip") == ip)
    }

    /// Executes a command of another node, and answers in RESP2.
    pub(super) fn answer(&mut self, words: &[Vec<u8>]) -> Vec<u8> {
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let key = self.client_by_hand();
        let mut out = Out::new(false);
        let outer = self.current.replace(key);
        self.execute(key, &words, &mut out);
        self.current = outer;
        self.close(key);
        out.bytes
    }
}
