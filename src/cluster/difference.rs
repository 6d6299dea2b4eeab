//! How two views of a cluster differ, said in one sentence.

use super::node::Node;
use super::node_id::NodeId;
use super::slot_set::SlotSet;
use super::topology::Topology;

impl Topology {
    /// How `other` differs from `self`, in one plain sentence without a full stop; `None` when it does not. `call` gives a node the
    /// name that people use.
    ///
    /// The sentence is told from where `self` was seen ("here"), about the node whose view `other` is:
    ///
    /// > redis-1 thinks that slots 5461-6826 belong to redis-7, here they belong to redis-2 (and 3 more differences)
    ///
    /// The difference that explains most comes first: members, then roles and replicas' masters, then owners of slots, then health and
    /// other flags. Times, links, epochs, addresses, open slots and nodes in handshake are no difference.
    pub fn difference(&self, other: &Self, call: &dyn Fn(NodeId) -> String) -> Option<String> {
        let who = match other.myself() {
            Some(node) => call(node.id),
            None => "the other view".to_owned(),
        };
        let views = Views {
            here: self,
            there: other,
            who: &who,
            call,
        };
        let differences = [
            views.members(),
            views.roles(),
            views.owners(),
            views.flags(),
        ]
        .concat();
        let (first, rest) = differences.split_first()?;
        Some(match rest.len() {
            0 => first.clone(),
            1 => format!("{first} (and 1 more difference)"),
            more => format!("{first} (and {more} more differences)"),
        })
    }
}

/// Two views, and how to speak of them.
struct Views<'a> {
    here: &'a Topology,
    there: &'a Topology,
    /// What the node whose view `there` is, is called.
    who: &'a str,
    call: &'a dyn Fn(NodeId) -> String,
}

impl Views<'_> {
    fn members(&self) -> Vec<String> {
        let missing = self.absent(self.here, self.there);
        let extra = self.absent(self.there, self.here);
        let verb = if extra.len() == 1 { "is" } else { "are" };
        let missing = (!missing.is_empty())
            .then(|| format!("{} does not know {}", self.who, listed(&missing)));
        let extra = (!extra.is_empty()).then(|| {
            format!(
                "{} knows {}, which {verb} not known here",
                self.who,
                listed(&extra)
            )
        });
        missing.into_iter().chain(extra).collect()
    }

    /// What a node is called behind `who`.
    fn object(&self, id: NodeId) -> String {
        match self.there.myself() {
            Some(who) if who.id == id => "itself".to_owned(),
            _ => (self.call)(id),
        }
    }

    /// What the members of one view that another lacks are called, in order.
    fn absent(&self, of: &Topology, from: &Topology) -> Vec<String> {
        let absent = of.members().filter(|node| member(from, node.id).is_none());
        let mut names: Vec<String> = absent.map(|node| (self.call)(node.id)).collect();
        names.sort();
        names
    }

    /// Nodes that both know, first as seen here, by what they are called: the order of lines means nothing, and the same difference
    /// should make the same sentence.
    fn shared(&self) -> Vec<(&Node, &Node)> {
        let shared = self
            .here
            .members()
            .filter_map(|node| Some((node, member(self.there, node.id)?)));
        let mut shared: Vec<_> = shared.collect();
        shared.sort_by_cached_key(|(node, _)| (self.call)(node.id));
        shared
    }

    fn roles(&self) -> Vec<String> {
        let role = |node: &Node| match (node.is_master(), node.is_replica(), node.master) {
            (true, _, None) => "a master".to_owned(),
            (true, _, Some(master)) => format!("a master that follows {}", (self.call)(master)),
            (false, true, Some(master)) => format!("a replica of {}", (self.call)(master)),
            (false, true, None) => "a replica of nobody".to_owned(),
            (false, false, _) => "neither master nor replica".to_owned(),
        };
        self.shared()
            .into_iter()
            .filter(|(here, there)| {
                (here.is_master(), here.is_replica(), here.master)
                    != (there.is_master(), there.is_replica(), there.master)
            })
            .map(|(here, there)| {
                let name = self.object(here.id);
                format!(
                    "{} takes {name} for {}, here it is {}",
                    self.who,
                    role(there),
                    role(here)
                )
            })
            .collect()
    }

    fn owners(&self) -> Vec<String> {
        // A slot counts for the first that claims it, as in `owner`, so that a view that says so twice is no different from itself.
        let claims = |view: &Topology| -> Vec<(Option<NodeId>, SlotSet)> {
            let mut free = SlotSet::all();
            let mut claims = Vec::new();
            for node in &view.nodes {
                claims.push((Some(node.id), free.intersection(&node.slots)));
                free = free.difference(&node.slots);
            }
            claims.push((None, free));
            claims.retain(|(_, slots)| !slots.is_empty());
            claims
        };
        let nobody = || "nobody".to_owned();
        let here = claims(self.here);
        let mut disputed = Vec::new();
        for (their_owner, their_slots) in claims(self.there) {
            for (our_owner, our_slots) in &here {
                let slots = our_slots.intersection(&their_slots);
                if *our_owner != their_owner && !slots.is_empty() {
                    disputed.push((slots, their_owner, *our_owner));
                }
            }
        }
        disputed.sort_by_key(|(slots, ..)| (std::cmp::Reverse(slots.len()), slots.first()));
        let said = disputed.into_iter().map(|(slots, theirs, ours)| {
            let (noun, verb, pronoun) =
                if slots.len() == 1 { ("slot", "belongs", "it") } else { ("slots", "belong", "they") };
            let (who, slots) = (self.who, shortened(&slots));
            let theirs = theirs.map_or_else(nobody, |id| self.object(id));
            let ours = ours.map_or_else(nobody, self.call);
            format!("{who} thinks that {noun} {slots} {verb} to {theirs}, here {pronoun} {verb} to {ours}")
        });
        said.collect()
    }

    fn flags(&self) -> Vec<String> {
        let mut differences = Vec::new();
        for (here, there) in self.shared() {
            let name = self.object(here.id);
            let who = self.who;
            match (Health::of(there), Health::of(here)) {
                (a, b) if a == b => {}
                (Health::Well, b) => {
                    differences.push(format!("{who} calls {name} well, here it is {}", b.word()))
                }
                (a, Health::Well) => differences.push(format!("{who} calls {name} {}", a.word())),
                (a, b) => differences.push(format!(
                    "{who} calls {name} {}, here it is {}",
                    a.word(),
                    b.word()
                )),
            }
            match (there.flags.noaddr, here.flags.noaddr) {
                (true, false) => differences.push(format!("{who} has no address for {name}")),
                (false, true) => {
                    differences.push(format!("{who} has an address for {name}, here it has none"))
                }
                _ => {}
            }
            match (there.flags.nofailover, here.flags.nofailover) {
                (true, false) => {
                    differences.push(format!("{who} knows that {name} will not take over"))
                }
                (false, true) => differences.push(format!(
                    "{who} does not know that {name} will not take over"
                )),
                _ => {}
            }
        }
        differences
    }
}

#[derive(PartialEq, Eq)]
enum Health {
    Well,
    Suspected,
    Failed,
}

impl Health {
    fn of(node: &Node) -> Self {
        match (node.flags.failed, node.flags.suspected) {
            (true, _) => Health::Failed,
            (false, true) => Health::Suspected,
            (false, false) => Health::Well,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Health::Well => "well",
            Health::Suspected => "suspected",
            Health::Failed => "failed",
        }
    }
}

fn member(view: &Topology, id: NodeId) -> Option<&Node> {
    view.node(id).filter(|node| !node.flags.handshake)
}

/// `redis-1, redis-2 and redis-3`.
fn listed(names: &[String]) -> String {
    match names {
        [rest @ .., last] if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        names => names.concat(),
    }
}

/// The set's text, cut where it would no longer be a sentence: a reshard can leave hundreds of ranges.
fn shortened(slots: &SlotSet) -> String {
    const MOST: usize = 4;
    let ranges = slots.ranges();
    if ranges.len() <= MOST {
        return slots.to_string();
    }
    let shown: SlotSet = ranges[..MOST].iter().copied().collect();
    format!("{shown} and {} more", slots.len() - shown.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::ParseError;

    fn id(n: u8) -> NodeId {
        NodeId::from_bytes([n; 20])
    }

    fn call(id: NodeId) -> String {
        format!("redis-{}", id.as_bytes()[0])
    }

    /// Four masters, redis-1, redis-2, redis-3 and redis-7, and redis-8, the replica of redis-7; as seen by `myself`.
    fn view(myself: u8) -> Topology {
        let masters = [
            (1, "1365-5460"),
            (2, "6827-10922"),
            (3, "12288-16383"),
            (7, "0-1364 5461-6826 10923-12287"),
        ];
        let lines = masters.into_iter().map(|(n, slots)| {
            format!(
                "{} 172.30.0.1{n}:700{n}@1700{n} master - 0 0 {n} connected {slots}\n",
                id(n)
            )
        });
        let replica = format!(
            "{} 172.30.0.18:7008@17008 slave {} 0 0 7 connected\n",
            id(8),
            id(7)
        );
        let mut view = Topology::parse(&lines.chain([replica]).collect::<String>()).unwrap();
        at(&mut view, myself).flags.myself = true;
        view
    }

    fn at(view: &mut Topology, n: u8) -> &mut Node {
        view.nodes.iter_mut().find(|node| node.id == id(n)).unwrap()
    }

    fn give(view: &mut Topology, slots: &str, from: u8, to: u8) -> Result<(), ParseError> {
        let slots: SlotSet = slots.parse()?;
        at(view, from).slots = at(view, from).slots.difference(&slots);
        at(view, to).slots = at(view, to).slots.union(&slots);
        Ok(())
    }

    fn said(change: impl FnOnce(&mut Topology)) -> String {
        let mut there = view(1);
        change(&mut there);
        view(2).difference(&there, &call).expect("a difference")
    }

    #[test]
    fn equal_views_of_two_nodes_have_none() {
        let mut there = view(1);
        there.nodes.reverse();
        assert_eq!(view(2).difference(&there, &call), None);
    }

    #[test]
    fn members() {
        insta::assert_snapshot!(said(|there| there.nodes.retain(|node| node.id != id(8))), @"redis-1 does not know redis-8");
        let stranger = format!("{} 172.30.0.19:7009@17009 master - 0 0 9 connected", id(9));
        insta::assert_snapshot!(
            said(|there| there.nodes.push(stranger.parse().unwrap())),
            @"redis-1 knows redis-9, which is not known here"
        );
        insta::assert_snapshot!(said(|there| at(there, 8).flags.handshake = true), @"redis-1 does not know redis-8");
        insta::assert_snapshot!(
            said(|there| there.nodes.retain(|node| node.flags.myself)),
            @"redis-1 does not know redis-2, redis-3, redis-7 and redis-8 (and 3 more differences)"
        );
    }

    #[test]
    fn roles() {
        insta::assert_snapshot!(
            said(|there| at(there, 8).master = Some(id(2))),
            @"redis-1 takes redis-8 for a replica of redis-2, here it is a replica of redis-7"
        );
        insta::assert_snapshot!(said(|there| {
            let node = at(there, 8);
            node.flags.replica = false;
            node.flags.master = true;
            node.master = None;
        }), @"redis-1 takes redis-8 for a master, here it is a replica of redis-7");
        insta::assert_snapshot!(
            said(|there| at(there, 3).flags.master = false),
            @"redis-1 takes redis-3 for neither master nor replica, here it is a master"
        );
    }

    #[test]
    fn owners() {
        let mut here = view(2);
        give(&mut here, "5461-6826", 7, 2).unwrap();
        insta::assert_snapshot!(
            here.difference(&view(1), &call).unwrap(),
            @"redis-1 thinks that slots 5461-6826 belong to redis-7, here they belong to redis-2"
        );
        insta::assert_snapshot!(
            said(|there| give(there, "0", 7, 1).unwrap()),
            @"redis-1 thinks that slot 0 belongs to itself, here it belongs to redis-7"
        );
        insta::assert_snapshot!(
            said(|there| at(there, 7).slots = SlotSet::new()),
            @"redis-1 thinks that slots 0-1364 5461-6826 10923-12287 belong to nobody, here they belong to redis-7"
        );
        insta::assert_snapshot!(
            said(|there| give(there, "0 2 4 6 8 10-20", 7, 2).unwrap()),
            @"redis-1 thinks that slots 0 2 4 6 and 12 more belong to redis-2, here they belong to redis-7"
        );
    }

    #[test]
    fn flags() {
        insta::assert_snapshot!(said(|there| at(there, 3).flags.failed = true), @"redis-1 calls redis-3 failed");
        insta::assert_snapshot!(said(|there| at(there, 3).flags.suspected = true), @"redis-1 calls redis-3 suspected");
        insta::assert_snapshot!(said(|there| at(there, 3).flags.noaddr = true), @"redis-1 has no address for redis-3");
        insta::assert_snapshot!(said(|there| at(there, 8).flags.nofailover = true), @"redis-1 knows that redis-8 will not take over");
        let mut here = view(2);
        at(&mut here, 3).flags.failed = true;
        insta::assert_snapshot!(here.difference(&view(1), &call).unwrap(), @"redis-1 calls redis-3 well, here it is failed");
        let mut there = view(1);
        at(&mut there, 3).flags.suspected = true;
        insta::assert_snapshot!(here.difference(&there, &call).unwrap(), @"redis-1 calls redis-3 suspected, here it is failed");
    }

    #[test]
    fn the_one_that_explains_most_comes_first_and_the_rest_are_counted() {
        insta::assert_snapshot!(said(|there| {
            at(there, 3).flags.failed = true;
            give(there, "0-9", 7, 1).unwrap();
        }), @"redis-1 thinks that slots 0-9 belong to itself, here they belong to redis-7 (and 1 more difference)");
        insta::assert_snapshot!(said(|there| {
            at(there, 3).flags.failed = true;
            give(there, "0-9", 7, 1).unwrap();
            at(there, 8).master = Some(id(2));
            there.nodes.retain(|node| node.id != id(3));
        }), @"redis-1 does not know redis-3 (and 3 more differences)");
    }

    #[test]
    fn a_view_without_an_owner_is_the_other_view() {
        insta::assert_snapshot!(
            said(|there| {
                at(there, 1).flags.myself = false;
                give(there, "1365", 1, 7).unwrap();
            }),
            @"the other view thinks that slot 1365 belongs to redis-7, here it belongs to redis-1"
        );
    }
}
