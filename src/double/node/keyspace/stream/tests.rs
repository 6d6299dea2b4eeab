use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::double::node::rdb::{Saved, encode};
use crate::double::node::reference::Reference;

fn id(ms: u64, seq: u64) -> Id {
    Id { ms, seq }
}

/// What is done to a stream.
#[derive(Debug, Clone)]
enum Step {
    /// So much later, with so many fields.
    Add(u64, usize),
    /// The entry at this place among those that were added, whether it is still there or not.
    Delete(prop::sample::Index),
    Newest(u64),
    From(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1_u64..300, 1_usize..4).prop_map(|(later, fields)| Step::Add(later, fields)),
        2 => any::<prop::sample::Index>().prop_map(Step::Delete),
        1 => (0_u64..12).prop_map(Step::Newest),
        1 => any::<prop::sample::Index>().prop_map(Step::From),
    ]
}

proptest! {
    /// A stream with small nodes is what a row of entries is.
    #[test]
    fn as_a_row(steps in prop::collection::vec(step(), 1..60), start in 0_u64..9000, length in 0_u64..3000) {
        let size = NodeSize { bytes: 4096, entries: 3 };
        let mut stream = Stream::default();
        let mut row: Vec<(Id, usize)> = Vec::new();
        let mut added = vec![id(0, 1)];
        for step in steps {
            match step {
                Step::Add(later, fields) => {
                    let last = added[added.len() - 1];
                    let new = id(last.ms + later / 10, if later < 10 { last.seq + 1 } else { 0 });
                    let pairs: Vec<(String, String)> =
                        (0..fields).map(|at| (format!("f{at}"), format!("{later}"))).collect();
                    stream.append(new, &pairs, size).unwrap();
                    row.push((new, fields));
                    added.push(new);
                }
                Step::Delete(index) => {
                    let id = *index.get(&added);
                    let there = row.iter().any(|(own, _)| *own == id);
                    row.retain(|(own, _)| *own != id);
                    prop_assert_eq!(stream.delete(&[id]), u64::from(there));
                }
                Step::Newest(most) => {
                    let gone = row.len().saturating_sub(most as usize);
                    row.drain(..gone);
                    let trim = Trim { keep: Keep::Newest(most), roughly: false, limit: 0 };
                    prop_assert_eq!(stream.trim(trim), gone as u64);
                }
                Step::From(index) => {
                    let from = *index.get(&added);
                    let before = row.len();
                    row.retain(|(own, _)| *own >= from);
                    let trim = Trim { keep: Keep::From(from), roughly: false, limit: 0 };
                    prop_assert_eq!(stream.trim(trim), (before - row.len()) as u64);
                }
            }
            let known = |entry: Entry<'_>| (entry.id, entry.fields().count());
            let ids = id(start, 0)..=id(start + length, 5);
            let part: Vec<_> = row.iter().copied().filter(|(id, _)| ids.contains(id)).collect();
            let nodes = &stream.nodes;
            prop_assert_eq!(nodes.range(Id::MIN..=Id::MAX).map(known).collect::<Vec<_>>(), row.clone());
            prop_assert_eq!(nodes.range(ids.clone()).map(known).collect::<Vec<_>>(), part.clone());
            prop_assert!(nodes.range_back(ids).map(known).eq(part.into_iter().rev()));
            prop_assert_eq!(nodes.last(), row.last().map(|(id, _)| *id));
            prop_assert_eq!(stream.counts.length, row.len() as u64);
            prop_assert_eq!(stream.counts.first_id, row.first().map_or(Id::MIN, |(id, _)| *id));
            prop_assert_eq!(stream.counts.entries_added, added.len() as u64 - 1);
            prop_assert!(row.iter().all(|(id, _)| nodes.get(*id).is_some()));
        }
    }
}

/// Both streams are given the same to do at random, and are the same in all nodes to the byte.
#[test]
fn nodes_as_redis_cuts_them() {
    let Some(mut redis) = Reference::start("nodes_as_redis_cuts_them") else {
        return;
    };
    let mut random = StdRng::seed_from_u64(7);
    for _ in 0..10 {
        redis.ask(&["DEL", "s"]);
        let mut stream = Stream::default();
        let mut last = id(1, 0);
        for _ in 0..300 {
            let chosen = id(random.random_range(1..=last.ms), 0);
            match random.random_range(0..20) {
                0 => {
                    redis.ask(&["XDEL", "s", &format!("{}", chosen.ms)]);
                    stream.delete(&[chosen]);
                }
                1 => {
                    let most = random.random_range(100..400);
                    let roughly = random.random_bool(0.7);
                    let how = if roughly { "~" } else { "=" };
                    redis.ask(&["XTRIM", "s", "MAXLEN", how, &format!("{most}")]);
                    let (keep, limit) = (Keep::Newest(most), if roughly { 10_000 } else { 0 });
                    stream.trim(Trim {
                        keep,
                        roughly,
                        limit,
                    });
                }
                2 if random.random_bool(0.2) => {
                    redis.ask(&["XTRIM", "s", "MINID", &format!("{}", chosen.ms)]);
                    let keep = Keep::From(chosen);
                    stream.trim(Trim {
                        keep,
                        roughly: false,
                        limit: 0,
                    });
                }
                _ => {
                    let burst = random.random_range(1..20);
                    let names: Vec<String> = (0..random.random_range(1..5))
                        .map(|at| format!("name-{at}"))
                        .collect();
                    for _ in 0..burst {
                        last = id(last.ms + random.random_range(1..1 << 14), 0);
                        let value = match random.random_range(0..3) {
                            0 => random.random_range(-70_000_i64..70_000).to_string(),
                            1 => "v".repeat(random.random_range(0..300)),
                            _ => String::new(),
                        };
                        let fields: Vec<(&str, &str)> = names
                            .iter()
                            .map(|name| (name.as_str(), value.as_str()))
                            .collect();
                        let mut command = vec!["XADD".to_owned(), "s".to_owned()];
                        command.push(format!("{}", last.ms));
                        for (name, value) in &fields {
                            command.extend([(*name).to_owned(), (*value).to_owned()]);
                        }
                        redis.ask(&command);
                        stream.append(last, &fields, NodeSize::default()).unwrap();
                    }
                }
            }
        }
        let dumped = redis.ask(&["DUMP", "s"]);
        let ours = encode(&Saved::Stream(stream.to_saved()), true);
        assert!(dumped == ours, "the payloads differ: {:?}", stream.counts);
        let told = redis.ask(&["XINFO", "STREAM", "s"]);
        let told = String::from_utf8_lossy(&told).into_owned();
        let tree = format!(
            "radix-tree-keys :{} radix-tree-nodes :{} ",
            stream.nodes.len(),
            stream.nodes.radix_nodes()
        );
        assert!(
            stream.nodes.len() > 1 && told.contains(&tree),
            "{tree} is not in {told}"
        );
    }
}

#[test]
fn a_group_comes_back_from_its_saved_form() {
    let mut stream = Stream::default();
    for ms in 1..=5 {
        let fields = [("a", "b")];
        stream
            .append(id(ms, 0), &fields, NodeSize::default())
            .unwrap();
    }
    let mut group = Group::new(id(4, 0), 4);
    let (one, _) = group.see_or_add(b"one", 10);
    let (two, _) = group.see_or_add(b"two", 20);
    group.see_or_add(b"none", 30);
    for (ms, consumer) in [(1, one), (2, two), (3, one), (4, two)] {
        group.deliver(id(ms, 0), consumer, 40);
    }
    group.acknowledge(id(3, 0));
    stream.groups.insert(b"g"[..].into(), group);
    let saved = stream.to_saved();
    assert_eq!(saved.groups[0].pending.len(), 3);
    assert_eq!(saved.groups[0].consumers[2].pending, [id(2, 0), id(4, 0)]);
    assert_eq!(Stream::from_saved(saved.clone()).to_saved(), saved);
}

#[test]
fn what_is_pending_has_one_owner() {
    let mut group = Group::new(Id::MIN, 0);
    let (one, _) = group.see_or_add(b"one", 10);
    let (two, _) = group.see_or_add(b"two", 10);
    group.deliver(id(1, 0), one, 10);
    group.deliver(id(1, 0), two, 20);
    let pending =
        |group: &Group| -> Vec<usize> { group.consumers().map(|one| one.pending.len()).collect() };
    assert_eq!(pending(&group), [0, 1]);
    assert_eq!(group.remove_consumer(b"two"), Some(1));
    assert_eq!(group.pending().len(), 0);
    // The next one may get the same number, and must not get what belonged to the other.
    let (three, _) = group.see_or_add(b"three", 30);
    assert!(
        group
            .consumer(three)
            .is_some_and(|it| it.pending.is_empty())
    );
    assert!(!group.acknowledge(id(1, 0)));
}
