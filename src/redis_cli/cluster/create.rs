//! `--cluster create`.

use crate::cluster::{Slot, SlotRange, SlotSet};
use crate::redis_cli::halt::{Flow, Halt};

use super::address::of_node;
use super::affinity;
use super::check::Manner as Check;
use super::node::Node;
use super::work::{Connected, Work};

impl Work<'_, '_> {
    /// Makes a cluster of empty nodes.
    pub(super) fn run_create(&mut self) -> Flow<bool> {
        self.gather()?;
        let replicas = self.call.replicas.max(0);
        let count = i64::try_from(self.nodes.len()).unwrap_or(i64::MAX);
        let masters = count / replicas.saturating_add(1);
        if masters < 3 {
            self.wrong(format_args!(
                "*** ERROR: Invalid configuration for cluster creation.\n*** Redis Cluster requires at least 3 master nodes.\n*** This is not possible with {count} nodes and {replicas} replicas per node."
            ))?;
            let least = replicas.saturating_add(1).saturating_mul(3);
            return self.fail(format_args!("\n*** At least {least} nodes are required.\n"));
        }
        self.info(format_args!(
            ">>> Performing hash slots allocation on {count} nodes...\n"
        ))?;
        let order = interleaved(&self.nodes);
        let masters = usize::try_from(masters).unwrap_or_default();
        let (masters, spare) = order.split_at(masters.min(order.len()));
        self.share_slots(masters)?;
        self.assign_replicas(masters, spare, replicas)?;
        if let Some((perfect, text)) = affinity::improve(&mut self.nodes, &mut rand::rng()) {
            self.info(">>> Trying to optimize slaves allocation for anti-affinity\n")?;
            match perfect {
                true => self.good(text)?,
                false => self.warn(text)?,
            }
        }
        self.show_nodes()?;
        if !self.confirm("Can I set the above configuration?", true)? {
            return Ok(true);
        }
        self.configure()?;
        self.join_all()?;
        self.await_join()?;
        // Replicas, now that they know their masters.
        self.flush_all(false)?;
        self.nodes.truncate(1);
        let Some(mut seed) = self.nodes.pop() else {
            return Err(Halt::Exit(1));
        };
        if seed.link.is_none() && self.connect(&mut seed)? == Connected::No {
            return Err(Halt::Exit(1));
        }
        let place = (seed.host.clone(), seed.port);
        let fresh = Node {
            link: seed.link.take(),
            ..Node::new(place.0, place.1)
        };
        self.load_from(fresh)?;
        // What the check finds is told; the cluster is made all the same.
        self.check(Check::PLAIN)?;
        Ok(true)
    }

    /// Connects to all nodes and makes sure that they are empty.
    fn gather(&mut self) -> Flow {
        for argument in &self.call.arguments {
            let Some((host, port)) = of_node(argument) else {
                let argument = String::from_utf8_lossy(argument).into_owned();
                return self.give_up(format_args!("Invalid address format: {argument}\n"));
            };
            let mut node = Node::new(host, port);
            if self.connect(&mut node)? == Connected::No {
                return Err(Halt::Exit(1));
            }
            self.must_be_of_cluster(&mut node)?;
            self.describe(&mut node)?;
            self.must_be_empty(&mut node)?;
            self.nodes.push(node);
        }
        Ok(())
    }

    /// Gives each master its part of the slots.
    fn share_slots(&mut self, masters: &[usize]) -> Flow {
        // In 32 bits, so that it is rounded as redis-cli rounds it.
        let each = 16384f32 / masters.len() as f32;
        let mut first = 0i64;
        let mut cursor = 0f32;
        for (number, at) in masters.iter().enumerate() {
            let mut last = (cursor + each - 1.0).round() as i64;
            if last > 16384 || number == masters.len() - 1 {
                last = 16383;
            }
            last = last.max(first);
            self.say(format_args!("Master[{number}] -> Slots {first} - {last}\n"))?;
            if let Some(node) = self.nodes.get_mut(*at) {
                node.slots = range(first, last);
                node.dirty = true;
            }
            first = last + 1;
            cursor += each;
        }
        Ok(())
    }

    /// Gives each master its replicas, of other hosts where it can be; what is left over goes to one master after the other.
    fn assign_replicas(&mut self, masters: &[usize], spare: &[usize], wanted: i64) -> Flow {
        // Turned by one, the nodes are less often on their master's host to begin with.
        let mut spare: Vec<Option<usize>> = spare
            .iter()
            .skip(1)
            .chain(spare.first())
            .copied()
            .map(Some)
            .collect();
        for extra in [false, true] {
            if extra {
                if spare.iter().all(Option::is_none) {
                    break;
                }
                self.say("Adding extra replicas...\n")?;
            }
            for master in masters {
                let wanted = if extra { 1 } else { wanted };
                for _ in 0..wanted {
                    let Some(replica) = self.take_replica(&mut spare, *master) else {
                        break;
                    };
                    let (address, of, id) = (
                        self.address(replica),
                        self.address(*master),
                        self.id(*master),
                    );
                    if let Some(node) = self.nodes.get_mut(replica) {
                        node.replicates = Some(id);
                        node.dirty = true;
                    }
                    self.say(format_args!("Adding replica {address} to {of}\n"))?;
                }
            }
        }
        Ok(())
    }

    /// The first spare node of another host; without one, the first.
    fn take_replica(&self, spare: &mut [Option<usize>], master: usize) -> Option<usize> {
        let host = |at: usize| self.nodes.get(at).map(|node| node.host.as_str());
        let elsewhere = spare
            .iter()
            .position(|node| node.is_some_and(|node| host(node) != host(master)));
        let place = elsewhere.or_else(|| spare.iter().position(Option::is_some))?;
        spare.get_mut(place)?.take()
    }

    fn configure(&mut self) -> Flow {
        self.flush_all(true)?;
        self.info(">>> Nodes configuration updated\n")?;
        self.info(">>> Assign a different config epoch to each node\n")?;
        for at in 0..self.nodes.len() {
            // A node that has an epoch already keeps it.
            self.ask(at, &["cluster", "set-config-epoch", &(at + 1).to_string()])?;
        }
        Ok(())
    }

    fn join_all(&mut self) -> Flow {
        self.info(">>> Sending CLUSTER MEET messages to join the cluster\n")?;
        let mut words = vec!["cluster".to_owned(), "meet".to_owned()];
        words.extend(self.place_to_meet(0)?);
        for at in 1..self.nodes.len() {
            self.must(at, &words)?;
        }
        Ok(())
    }

    /// Tells each node what is decided for it: its slots or its master. A replica that doesn't know its master yet refuses, and is told again later.
    fn flush_all(&mut self, slots: bool) -> Flow {
        for at in 0..self.nodes.len() {
            let Some(node) = self.nodes.get(at).filter(|node| node.dirty) else {
                continue;
            };
            let reply = match &node.replicates {
                Some(master) => {
                    let master = master.clone();
                    self.ask(at, &["CLUSTER", "REPLICATE", &master])?
                }
                None if slots => {
                    let mut words = vec!["CLUSTER".to_owned(), "ADDSLOTS".to_owned()];
                    words.extend(node.slots.iter().map(|slot| slot.to_string()));
                    self.must(at, &words)?
                }
                None => continue,
            };
            if reply.error().is_none()
                && let Some(node) = self.nodes.get_mut(at)
            {
                node.dirty = false;
            }
        }
        Ok(())
    }
}

fn range(first: i64, last: i64) -> SlotSet {
    let slot = |number| Slot::new(u16::try_from(number).ok()?).ok();
    match (slot(first), slot(last)) {
        (Some(start), Some(end)) => SlotRange { start, end }.into(),
        _ => SlotSet::new(),
    }
}

/// The nodes in turn from each host, hosts in the order in which they were named.
fn interleaved(nodes: &[Node]) -> Vec<usize> {
    let mut hosts: Vec<(&str, Vec<usize>)> = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        match hosts.iter_mut().find(|(host, _)| *host == node.host) {
            Some((_, of_host)) => of_host.push(at),
            None => hosts.push((&node.host, vec![at])),
        }
    }
    let most = hosts
        .iter()
        .map(|(_, of_host)| of_host.len())
        .max()
        .unwrap_or_default();
    (0..most)
        .flat_map(|turn| {
            hosts
                .iter()
                .filter_map(move |(_, of_host)| of_host.get(turn).copied())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_take_turns() {
        let nodes: Vec<Node> = [("a", 1), ("a", 2), ("b", 3), ("a", 4), ("c", 5), ("b", 6)]
            .map(|(host, port)| Node::new(host.to_owned(), port))
            .into();
        assert_eq!(interleaved(&nodes), [0, 2, 4, 1, 5, 3]);
        assert_eq!(interleaved(&[]), [] as [usize; 0]);
    }
}
