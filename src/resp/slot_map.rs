//! Which node has which slot, as far as this program has been told.

use crate::cluster::{Endpoint, NodeName, SLOTS, Slot, Topology};
use crate::resp::AddressBook;

/// Who serves a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    /// The node with this place in the address book.
    Known(usize),
    /// A node that the address book does not have, and who said so.
    Stranger {
        announced: Endpoint,
        said_by: NodeName,
    },
}

#[derive(Debug, Clone)]
pub(super) struct SlotMap {
    owners: Vec<Option<Owner>>,
    /// A node that answered when the map was made: the one to ask about a slot that nobody has.
    answered: Option<usize>,
}

impl SlotMap {
    /// Knows nothing.
    pub(super) fn empty() -> Self {
        SlotMap {
            owners: vec![None; usize::from(SLOTS)],
            answered: None,
        }
    }

    /// The map that the nodes' views make together; each view comes with its node's place in the book. Where two views
    /// name different owners for a slot, the one with the greater configuration epoch is right: this is the rule by
    /// which the nodes themselves settle it.
    pub(super) fn merged(views: &[(usize, Topology)], book: &AddressBook) -> Self {
        let mut map = Self::empty();
        let mut epochs = vec![0; map.owners.len()];
        map.answered = views.first().map(|(asked, _)| *asked);
        for (asked, view) in views {
            for node in view.nodes.iter().filter(|node| !node.slots.is_empty()) {
                // A node that never met another does not know its own address.
                let owner = if node.flags.myself {
                    Owner::Known(*asked)
                } else {
                    find(&node.endpoint, node.hostname.as_deref(), *asked, book)
                };
                for slot in node.slots.iter() {
                    let at = usize::from(slot.get());
                    if let (Some(place), Some(epoch)) = (map.owners.get_mut(at), epochs.get_mut(at))
                        && (place.is_none() || *epoch < node.config_epoch)
                    {
                        *place = Some(owner.clone());
                        *epoch = node.config_epoch;
                    }
                }
            }
        }
        map
    }

    pub(super) fn owner(&self, slot: Slot) -> Option<&Owner> {
        self.owners
            .get(usize::from(slot.get()))
            .and_then(Option::as_ref)
    }

    pub(super) fn set(&mut self, slot: Slot, node: usize) {
        if let Some(place) = self.owners.get_mut(usize::from(slot.get())) {
            *place = Some(Owner::Known(node));
        }
    }

    pub(super) fn answered(&self) -> Option<usize> {
        self.answered
    }

    /// Whether nobody has told anything yet.
    pub(super) fn is_blank(&self) -> bool {
        self.answered.is_none()
    }
}

/// The node that announces itself as `announced`, by its place in the book. `asked` is who named the address: an empty
/// host means that node's own host, by the protocol.
pub(super) fn find(
    announced: &Endpoint,
    hostname: Option<&str>,
    asked: usize,
    book: &AddressBook,
) -> Owner {
    let said_by = book.iter().nth(asked);
    let mut wanted = announced.clone();
    if let (true, Some(said_by)) = (wanted.host.is_empty(), said_by) {
        wanted.host.clone_from(&said_by.announced.host);
    }
    let place = |wanted: &Endpoint| book.iter().position(|address| address.announced == *wanted);
    let by_hostname = || {
        place(&Endpoint {
            host: hostname?.to_owned(),
            port: wanted.port,
        })
    };
    match place(&wanted).or_else(by_hostname) {
        Some(place) => Owner::Known(place),
        None => Owner::Stranger {
            announced: wanted,
            said_by: said_by.map_or_else(|| NodeName::new("?"), |address| address.name.clone()),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::resp::Address;

    fn book() -> AddressBook {
        AddressBook::new(
            (1..=3)
                .map(|n| Address {
                    name: NodeName::new(format!("redis-{n}")),
                    announced: Endpoint {
                        host: format!("10.0.0.{n}"),
                        port: 7000 + n,
                    },
                    reachable: SocketAddr::from(([127, 0, 0, 1], 7000 + n)),
                })
                .collect(),
        )
    }

    fn view(lines: &[&str]) -> Topology {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        Topology::parse(&text).unwrap()
    }

    const ONE: &str = "1111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222";

    fn slot(n: u16) -> Slot {
        Slot::new(n).unwrap()
    }

    #[test]
    fn the_greater_epoch_is_right_whoever_is_asked_first() {
        let stale = view(&[&format!(
            "{ONE} 10.0.0.1:7001@17001 myself,master - 0 0 1 connected 0-100"
        )]);
        let fresh = view(&[
            &format!("{ONE} 10.0.0.1:7001@17001 master,fail - 0 0 1 disconnected 51-100"),
            &format!("{TWO} 10.0.0.2:7002@17002 myself,master - 0 0 7 connected 0-50"),
        ]);
        for views in [
            [(0, stale.clone()), (1, fresh.clone())],
            [(1, fresh), (0, stale)],
        ] {
            let map = SlotMap::merged(&views, &book());
            assert_eq!(map.owner(slot(50)), Some(&Owner::Known(1)));
            assert_eq!(map.owner(slot(51)), Some(&Owner::Known(0)));
            assert_eq!(map.owner(slot(101)), None);
        }
    }

    #[test]
    fn a_lone_node_needs_no_address() {
        let map = SlotMap::merged(
            &[(
                2,
                view(&[&format!(
                    "{ONE} :7003@17003 myself,master - 0 0 1 connected 5"
                )]),
            )],
            &book(),
        );
        assert_eq!(map.owner(slot(5)), Some(&Owner::Known(2)));
        assert_eq!(map.answered(), Some(2));
    }

    #[test]
    fn an_address_that_nobody_announces_is_kept_as_it_was_said() {
        let map = SlotMap::merged(
            &[(
                0,
                view(&[&format!(
                    "{TWO} 192.168.7.7:6379@16379 master - 0 0 1 connected 5"
                )]),
            )],
            &book(),
        );
        let announced = Endpoint {
            host: "192.168.7.7".into(),
            port: 6379,
        };
        assert_eq!(
            map.owner(slot(5)),
            Some(&Owner::Stranger {
                announced,
                said_by: NodeName::new("redis-1")
            })
        );
    }

    #[test]
    fn an_empty_host_is_the_host_of_who_said_it() {
        let same_host = AddressBook::new(
            book()
                .iter()
                .cloned()
                .map(|mut a| {
                    a.announced.host = "127.0.0.1".into();
                    a
                })
                .collect(),
        );
        assert_eq!(
            find(
                &Endpoint {
                    host: String::new(),
                    port: 7002
                },
                None,
                0,
                &same_host
            ),
            Owner::Known(1)
        );
        assert_eq!(
            find(
                &Endpoint {
                    host: "10.9.9.9".into(),
                    port: 7003
                },
                Some("127.0.0.1"),
                0,
                &same_host
            ),
            Owner::Known(2)
        );
    }
}
