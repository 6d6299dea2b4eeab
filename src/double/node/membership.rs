//! A node's place in a cluster.

use rand::rngs::StdRng;

use super::out::Out;
use super::server::Server;
use super::wires::{Packet, Wire};
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

impl Server {
    /// Has something done by the view of the cluster. `None`: this node is in none.
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
            let effects = self.cluster.as_deref_mut();
            let effects = effects.map_or_else(Vec::new, |member| member.view.take_effects());
            if effects.is_empty() {
                return;
            }
            for effect in effects {
                self.carry_out(effect);
            }
        }
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
            Effect::DropAllKeys => self.lose_keys(),
            Effect::Publish {
                channel,
                message,
                sharded,
            } => self.deliver(&channel, &message, sharded),
            Effect::Pause { until } => self.pause(until, false),
            Effect::Unpause => self.end_pause(),
            Effect::Log(words) => self.note(words),
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

    /// Whether it listens at this address.
    pub(super) fn is_at(&self, ip: &str, port: u16) -> bool {
        let own = self.net.address;
        own.port() == port && (own.ip().to_string() == ip || ip == "localhost")
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
