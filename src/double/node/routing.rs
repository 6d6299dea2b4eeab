//! Whose command it is: whether a node of a cluster executes a command itself, or says who does.

use super::client::{Client, ClientKey};
use super::keyspace::db::Db;
use super::membership::Membership;
use super::server::Server;
use super::table::{CommandId, Flags, Spec, Table, routing_words};
use crate::cluster::Slot;
use crate::double::gossip::{PeerKey, View};

/// Why a node does not execute a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::double) enum Redirect {
    /// Nobody serves the slot.
    Unbound,
    /// The keys are of several slots.
    CrossSlot,
    /// The slot is on its way, and some of the keys are here and some are not.
    Unstable,
    /// The cluster is down.
    Down,
    /// The cluster is down, and this command could change something.
    DownForWrites,
    /// The slot is on its way to this node, and the keys may be there already.
    Ask(Slot, PeerKey),
    /// This node serves the slot.
    Moved(Slot, PeerKey),
}

impl Server {
    /// Whether a client's command is to be executed here, and by its keys' slot, if it has keys. `Ok` for a node that is in no cluster.
    ///
    /// # Errors
    /// It is not; why.
    pub(super) fn route(
        &self,
        key: ClientKey,
        id: CommandId,
        args: &[&[u8]],
    ) -> Result<Option<Slot>, Redirect> {
        let Some(member) = self.cluster.as_deref() else {
            return Ok(None);
        };
        let view = &member.view;
        let table = Table::redis_7_0();
        // So it is with most commands.
        if let Some(word) = table.first_key(id, args) {
            let slot = Slot::of_key(word);
            if view.ok && view.owner(slot) == Some(view.me) && !view.migrating.contains_key(&slot) {
                return Ok(Some(slot));
            }
        }
        let Some(client) = self.clients.get(key.0) else {
            return Ok(None);
        };
        let spec = table.spec(id);
        let mut survey = Survey::new(&self.dbs[0], self.now, view, !is_for_shard(spec));
        let mut writes = self.may_write(spec, args);
        if spec.name == "exec" {
            let queued = client.transaction.iter().flat_map(|it| &it.queue);
            for queued in queued {
                let words: smallvec::SmallVec<[&[u8]; 8]> =
                    queued.words.iter().map(|word| &**word).collect();
                let spec = table.spec(queued.command);
                writes |= self.may_write(spec, &words);
                survey.see_all(&routing_words(spec, &words))?;
            }
        } else {
            survey.see_all(&routing_words(spec, args))?;
        }
        match survey.first {
            // Without a key it is for everybody.
            None => Ok(None),
            Some(first) => {
                self.decide(member, client, spec, writes, &survey, first)?;
                Ok(Some(first.slot))
            }
        }
    }

    /// Decides on a command that has keys, all of one slot.
    fn decide(
        &self,
        member: &Membership,
        client: &Client,
        spec: &Spec,
        writes: bool,
        survey: &Survey<'_>,
        first: First<'_>,
    ) -> Result<(), Redirect> {
        let view = &member.view;
        let for_shard = is_for_shard(spec);
        if !view.ok {
            let is_on = |name| self.config.get(name) == "yes";
            if for_shard {
                if !is_on("cluster-allow-pubsubshard-when-down") {
                    return Err(Redirect::Down);
                }
            } else if !is_on("cluster-allow-reads-when-down") {
                return Err(Redirect::Down);
            // Of a transaction it is EXEC that is looked at, and EXEC itself does not write.
            } else if writes && spec.name != "exec" {
                return Err(Redirect::DownForWrites);
            }
        }
        // A slot that is on its way is moved by this, key by key.
        if survey.open.is_some() && spec.name == "migrate" {
            return Ok(());
        }
        if let Some(Open::Leaving(to)) = survey.open
            && survey.missing > 0
        {
            // Until 6.2 whoever had several keys was sent on as well.
            if survey.there > 0 && self.presents.says_try_again() {
                return Err(Redirect::Unstable);
            }
            return Err(Redirect::Ask(first.slot, to));
        }
        if survey.open == Some(Open::Coming) && (client.asking || spec.flags.has(Flags::ASKING)) {
            return match survey.several && survey.missing > 0 {
                true => Err(Redirect::Unstable),
                false => Ok(()),
            };
        }
        if (client.read_only || for_shard)
            && !writes
            && view.myself().flags.replica
            && view.myself().replica_of == Some(first.owner)
        {
            return Ok(());
        }
        match first.owner == view.me {
            true => Ok(()),
            false => Err(Redirect::Moved(first.slot, first.owner)),
        }
    }

    /// Whether a command may change something. A script that has declared what it does is held to that.
    pub(super) fn may_write(&self, spec: &Spec, args: &[&[u8]]) -> bool {
        match self.scripts.declared_to_write(spec.name, args) {
            Some(writes) => writes,
            None => spec.flags.has(Flags::WRITE),
        }
    }

    /// What a client is told.
    pub(super) fn redirect_words(&self, redirect: Redirect) -> String {
        let (word, slot, to) = match redirect {
            Redirect::Unbound => return "CLUSTERDOWN Hash slot not served".to_owned(),
            Redirect::CrossSlot => {
                return "CROSSSLOT Keys in request don't hash to the same slot".to_owned();
            }
            Redirect::Unstable => {
                return "TRYAGAIN Multiple keys request during rehashing of slot".to_owned();
            }
            Redirect::Down => return "CLUSTERDOWN The cluster is down".to_owned(),
            Redirect::DownForWrites => {
                return "CLUSTERDOWN The cluster is down and only accepts read commands".to_owned();
            }
            Redirect::Ask(slot, to) => ("ASK", slot, to),
            Redirect::Moved(slot, to) => ("MOVED", slot, to),
        };
        let Some(member) = self.cluster.as_deref() else {
            return String::new();
        };
        let peer = member.view.peer(to);
        let at = match self.config.get("cluster-preferred-endpoint-type") {
            "hostname" if peer.hostname.is_empty() => "?",
            "hostname" => &peer.hostname,
            "unknown-endpoint" => "",
            _ => &peer.ip,
        };
        format!("{word} {slot} {at}:{}", peer.port)
    }
}

/// Whether it is a command on a shard's channel, which is not looked for among the keys.
fn is_for_shard(spec: &Spec) -> bool {
    matches!(spec.name, "ssubscribe" | "sunsubscribe" | "spublish")
}

/// A slot that is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// From here, to this node.
    Leaving(PeerKey),
    /// To this node.
    Coming,
}

/// The first key of a command.
#[derive(Debug, Clone, Copy)]
struct First<'a> {
    key: &'a [u8],
    slot: Slot,
    owner: PeerKey,
}

/// What the keys of a command have in common.
struct Survey<'a> {
    db: &'a Db,
    now: i64,
    view: &'a View,
    /// Keys of a slot that is on its way are looked for.
    looks: bool,
    first: Option<First<'a>>,
    /// There is more than one key.
    several: bool,
    open: Option<Open>,
    /// Keys of a slot that is on its way that are here, and that are not.
    there: usize,
    missing: usize,
}

impl<'a> Survey<'a> {
    fn new(db: &'a Db, now: i64, view: &'a View, looks: bool) -> Survey<'a> {
        Survey {
            db,
            now,
            view,
            looks,
            first: None,
            several: false,
            open: None,
            there: 0,
            missing: 0,
        }
    }

    fn see_all(&mut self, keys: &[&'a [u8]]) -> Result<(), Redirect> {
        keys.iter().try_for_each(|key| self.see(key))
    }

    fn see(&mut self, key: &'a [u8]) -> Result<(), Redirect> {
        match self.first {
            None => {
                let slot = Slot::of_key(key);
                let owner = self.view.owner(slot).ok_or(Redirect::Unbound)?;
                self.first = Some(First { key, slot, owner });
                self.open = match self.view.migrating.get(&slot) {
                    Some(to) if owner == self.view.me => Some(Open::Leaving(*to)),
                    _ if self.view.importing.contains_key(&slot) => Some(Open::Coming),
                    _ => None,
                };
            }
            Some(first) if first.key == key => {}
            Some(first) if first.slot == Slot::of_key(key) => self.several = true,
            Some(_) => return Err(Redirect::CrossSlot),
        }
        if self.looks && self.open.is_some() {
            match self.is_there(key) {
                true => self.there += 1,
                false => self.missing += 1,
            }
        }
        Ok(())
    }

    /// Whether a key is there and not over; it is not taken out if it is.
    fn is_there(&self, key: &[u8]) -> bool {
        self.db.find(key).is_some_and(|at| {
            let end = self.db.at(at).1.expires();
            end.is_none_or(|end| end >= self.now)
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::clustered::{Clustered, id};
    use super::super::presents::Presents;

    /// hello (866) and bar (5061) are here, foo (12182) is at another master.
    fn beside(presents: Presents) -> Clustered {
        let mut node = Clustered::new(7001);
        node.server.presents = presents;
        let other = node.knows(id(2), 7002);
        let me = node.view().me;
        node.gives(0, 8191, me);
        node.gives(8192, 16383, other);
        node.view().ok = true;
        node
    }

    fn says(node: &mut Clustered, command: &str) -> String {
        let words: Vec<&str> = command.split(' ').collect();
        let reply = node.ask(1, &words);
        String::from_utf8(reply).unwrap().trim_end().to_owned()
    }

    #[rstest]
    #[case(Presents::V6_2, "-ASK 866 127.0.0.1:7002")]
    #[case(
        Presents::V7_0,
        "-TRYAGAIN Multiple keys request during rehashing of slot"
    )]
    #[case(
        Presents::V8,
        "-TRYAGAIN Multiple keys request during rehashing of slot"
    )]
    fn some_keys_are_missing_in_a_slot_that_leaves(
        #[case] presents: Presents,
        #[case] answer: &str,
    ) {
        let mut node = beside(presents);
        assert_eq!(says(&mut node, "SET {hello}1 1"), "+OK");
        let setslot = format!("CLUSTER SETSLOT 866 MIGRATING {}", id(2));
        assert_eq!(says(&mut node, &setslot), "+OK");
        assert_eq!(says(&mut node, "MGET {hello}1 {hello}2"), answer);
        let ask = "-ASK 866 127.0.0.1:7002";
        assert_eq!(says(&mut node, "MGET {hello}2 {hello}3"), ask);
    }

    #[rstest]
    #[case(
        Presents::V6_2,
        "CLUSTER SHARDS",
        "-ERR Unknown subcommand or wrong number of arguments for 'SHARDS'. Try CLUSTER HELP."
    )]
    #[case(
        Presents::V6_2,
        "CLUSTER NODES x",
        "-ERR Unknown subcommand or wrong number of arguments for 'NODES'. Try CLUSTER HELP."
    )]
    #[case(
        Presents::V6_2,
        "FUNCTION LIST",
        "-ERR unknown command `FUNCTION`, with args beginning with: `LIST`,"
    )]
    #[case(
        Presents::V6_2,
        "SSUBSCRIBE a",
        "-ERR unknown command `SSUBSCRIBE`, with args beginning with: `a`,"
    )]
    #[case(
        Presents::V7_0,
        "CLUSTER MYSHARDID",
        "-ERR unknown subcommand 'MYSHARDID'. Try CLUSTER HELP."
    )]
    fn what_a_version_does_not_have(
        #[case] presents: Presents,
        #[case] command: &str,
        #[case] answer: &str,
    ) {
        assert_eq!(says(&mut beside(presents), command), answer);
    }

    #[test]
    fn a_shard_has_an_id_from_7_2_on() {
        let reply = says(&mut beside(Presents::V7_2), "CLUSTER MYSHARDID");
        assert!(reply.starts_with("$40\r\n"), "{reply}");
    }

    #[test]
    fn a_lone_node_has_no_cluster() {
        let (mut server, _) = super::super::clustered::lone();
        let reply = server.run_by_hand(&[b"CLUSTER".to_vec(), b"INFO".to_vec()], false);
        assert_eq!(
            reply,
            b"-ERR This instance has cluster support disabled\r\n"
        );
    }
}
