//! Keeping a master and its replicas on different hosts.

use std::collections::BTreeMap;

use rand::Rng;
use rand::seq::IndexedRandom;

use super::node::Node;

/// How bad it is that a master and a replica of it are on one host, for each such replica.
const WITH_MASTER: usize = 10_000;

/// Swaps the masters of replicas at random as long as that makes nothing worse, until no host has two nodes of one master.
///
/// `None` where that is so from the start; otherwise whether it was reached, and what to tell.
pub(super) fn improve(nodes: &mut [Node], random: &mut impl Rng) -> Option<(bool, &'static str)> {
    if score(nodes).0 == 0 {
        return None;
    }
    for _ in 0..500 * nodes.len() {
        let (before, offenders) = score(nodes);
        let Some(&first) = offenders.choose(random) else {
            break;
        };
        let others = (0..nodes.len()).filter(|at| {
            *at != first && nodes.get(*at).is_some_and(|node| node.replicates.is_some())
        });
        let others: Vec<usize> = others.collect();
        let Some(&second) = others.choose(random) else {
            break;
        };
        swap(nodes, first, second);
        if score(nodes).0 > before {
            swap(nodes, first, second);
        }
    }
    Some(match score(nodes).0 {
        0 => (true, "[OK] Perfect anti-affinity obtained!\n"),
        WITH_MASTER.. => (
            false,
            "[WARNING] Some slaves are in the same host as their master\n",
        ),
        _ => (
            false,
            "[WARNING] Some slaves of the same master are in the same host\n",
        ),
    })
}

fn swap(nodes: &mut [Node], first: usize, second: usize) {
    if let Ok([first, second]) = nodes.get_disjoint_mut([first, second]) {
        std::mem::swap(&mut first.replicates, &mut second.replicates);
    }
}

/// How bad it is, 0 being best, and the replicas that make it so.
fn score(nodes: &[Node]) -> (usize, Vec<usize>) {
    // By host and master: whether the master itself is there, and its replicas there.
    let mut families: BTreeMap<(&str, &str), (bool, Vec<usize>)> = BTreeMap::new();
    for (at, node) in nodes.iter().enumerate() {
        let master = node.replicates.as_ref().unwrap_or(&node.id);
        let family = families.entry((&node.host, master)).or_default();
        match node.replicates {
            Some(_) => family.1.push(at),
            None => family.0 = true,
        }
    }
    let mut total = 0;
    let mut offenders = Vec::new();
    for (has_master, replicas) in families.into_values() {
        match (has_master, replicas.len()) {
            (_, 0) | (false, 1) => continue,
            (true, count) => total += WITH_MASTER * count,
            (false, count) => total += count,
        }
        offenders.extend(replicas);
    }
    (total, offenders)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(list: &[(&str, &str, Option<&str>)]) -> Vec<Node> {
        let node = |(host, id, master): &(&str, &str, Option<&str>)| {
            let mut node = Node::new((*host).to_owned(), 1);
            node.id = (*id).to_owned();
            node.replicates = master.map(str::to_owned);
            node
        };
        list.iter().map(node).collect()
    }

    #[test]
    fn replicas_leave_their_masters_host() {
        let mut nodes = nodes(&[
            ("h1", "a", None),
            ("h2", "b", None),
            ("h1", "c", Some("a")),
            ("h2", "d", Some("b")),
        ]);
        let (perfect, _) = improve(&mut nodes, &mut rand::rng()).unwrap();
        assert!(perfect);
        assert_eq!(nodes[2].replicates.as_deref(), Some("b"));
        assert_eq!(improve(&mut nodes, &mut rand::rng()), None);
    }

    #[test]
    fn one_host_is_told() {
        let mut nodes = nodes(&[("h", "a", None), ("h", "b", None), ("h", "c", Some("a"))]);
        let (perfect, text) = improve(&mut nodes, &mut rand::rng()).unwrap();
        assert!(!perfect && text.contains("same host as their master"));
    }
}
