//! Sorted sets against a plain sorted list, and against a real server where the two may differ.

use std::collections::HashSet;

use proptest::collection::vec;
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rstest::rstest;

use super::range::LexBound;
use super::*;
use crate::double::node::reference::Reference;

const SMALL: Limits = Limits {
    entries: 5,
    value: 4,
};

impl SortedSet {
    /// One of the skiplist kind that begins a new chunk after so few entries.
    fn with_chunks_of(most: usize) -> Self {
        SortedSet {
            body: Body::Indexed(Box::new(Indexed::with_chunks_of(most))),
        }
    }
}

/// The plain list.
#[derive(Debug, Clone, Default)]
struct Model(Vec<(Vec<u8>, f64)>);

impl Model {
    fn find(&self, member: &[u8]) -> Option<usize> {
        self.0.iter().position(|(other, _)| other == member)
    }

    fn insert(&mut self, member: &[u8], score: f64) -> Change {
        let change = match self.find(member).map(|at| self.0[at].1) {
            None => Change::Added(score),
            Some(old) if old == score => return Change::Same(score),
            Some(_) => Change::Updated(score),
        };
        self.0.retain(|(other, _)| other != member);
        self.0.push((member.to_vec(), score));
        self.0.sort_by(|a, b| order((a.1, &a.0), (b.1, &b.0)));
        change
    }

    fn ranks(&self, within: impl Fn(&[u8], f64) -> bool) -> Vec<usize> {
        let within = |at: &usize| within(&self.0[*at].0, self.0[*at].1);
        (0..self.0.len()).filter(within).collect()
    }
}

#[derive(Debug, Clone)]
enum Step {
    Insert(Vec<u8>, f64),
    Remove(Vec<u8>),
    RemoveRanks(usize, usize),
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        9 => vec(0_u8..3, 0..4),
        // Too long for a listpack here.
        1 => vec(any::<u8>(), 5..8),
    ]
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => (-3_i8..4).prop_map(f64::from),
        1 => Just(-0.0),
        1 => Just(f64::INFINITY),
        1 => Just(f64::NEG_INFINITY),
        2 => any::<f64>().prop_filter("a number", |score| !score.is_nan()),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (member(), score()).prop_map(|(member, score)| Step::Insert(member, score)),
        4 => member().prop_map(Step::Remove),
        1 => (0_usize..40, 0_usize..20).prop_map(|(start, count)| Step::RemoveRanks(start, start + count)),
        1 => Just(Step::RemoveRanks(0, 1)),
    ]
}

/// The sign of a zero does not count.
fn same(set: &SortedSet, model: &Model) {
    let ours: Vec<_> = set.iter(0..set.len()).collect();
    let theirs: Vec<_> = model
        .0
        .iter()
        .map(|(member, score)| (member.as_slice(), *score))
        .collect();
    assert_eq!(ours, theirs);
    let mut reversed: Vec<_> = set.iter(0..set.len()).rev().collect();
    reversed.reverse();
    assert_eq!(reversed, theirs);
}

fn run(mut set: SortedSet, steps: &[Step], limits: Limits) -> (SortedSet, Model) {
    let mut model = Model::default();
    let mut skiplist = set.encoding() == "skiplist";
    for step in steps {
        match step {
            Step::Insert(member, score) => {
                let change = set.insert(member, *score, limits);
                assert_eq!(change, model.insert(member, *score));
                skiplist |= matches!(change, Change::Added(_))
                    && (model.0.len() > limits.entries || member.len() > limits.value);
            }
            Step::Remove(member) => {
                let removed = model.find(member).map(|at| model.0.remove(at).1);
                assert_eq!(set.remove(member), removed);
            }
            Step::RemoveRanks(start, end) => {
                let [from, to] = [*start, *end].map(|rank| rank.min(model.0.len()));
                model.0.drain(from..to);
                assert_eq!(set.remove_ranks(*start..*end), to - from);
            }
        }
        assert_eq!(
            set.encoding(),
            if skiplist { "skiplist" } else { "listpack" }
        );
        assert_eq!(
            (set.len(), set.is_empty()),
            (model.0.len(), model.0.is_empty())
        );
        same(&set, &model);
    }
    for (rank, (member, score)) in model.0.iter().enumerate() {
        assert_eq!(set.rank(member), Some(rank));
        assert_eq!(set.score(member), Some(*score));
        assert_eq!(set.by_rank(rank), Some((member.as_slice(), *score)));
    }
    assert_eq!(set.rank(b"no such member"), None);
    assert_eq!(set.score(b"no such member"), None);
    assert_eq!(set.by_rank(model.0.len()), None);
    (set, model)
}

fn starts() -> impl Strategy<Value = SortedSet> {
    prop_oneof![
        Just(SortedSet::new()),
        (2_usize..6).prop_map(SortedSet::with_chunks_of),
    ]
}

proptest! {
    #[test]
    fn a_set_is_a_sorted_list(set in starts(), steps in vec(step(), 0..120)) {
        run(set, &steps, SMALL);
    }

    #[test]
    fn ranges_of_scores(set in starts(), steps in vec(step(), 0..60), ends in vec((score(), score(), any::<bool>(), any::<bool>()), 8)) {
        let (set, model) = run(set, &steps, SMALL);
        for (min, max, min_exclusive, max_exclusive) in ends {
            let range = ScoreRange { min, min_exclusive, max, max_exclusive };
            let wanted = model.ranks(|_, score| range.reaches(score) && range.admits(score));
            prop_assert_eq!(set.score_ranks(&range).collect::<Vec<_>>(), wanted);
        }
    }

    #[test]
    fn ranges_of_members_of_one_score(set in starts(), members in vec(member(), 0..60), ends in vec((member(), member(), 0..3, 0..3), 8)) {
        let steps: Vec<_> = members.into_iter().map(|member| Step::Insert(member, 1.0)).collect();
        let (mut set, mut model) = run(set, &steps, SMALL);
        for (min, max, min_kind, max_kind) in &ends {
            let range = LexRange {
                min: bound(min, *min_kind, LexBound::Lowest),
                max: bound(max, *max_kind, LexBound::Highest),
            };
            let wanted = model.ranks(|member, _| range.reaches(member) && range.admits(member));
            prop_assert_eq!(set.lex_ranks(&range).collect::<Vec<_>>(), wanted.clone());
            for skip in [0, 1, 3, usize::MAX] {
                let left = wanted.len().saturating_sub(skip);
                let upwards: Vec<_> = set.lex_part(&range, false, skip).collect();
                prop_assert_eq!(&upwards[..], &wanted[wanted.len() - left..]);
                let downwards: Vec<_> = set.lex_part(&range, true, skip).collect();
                prop_assert_eq!(&downwards[..], &wanted[..left]);
            }
            if wanted.len() < 4 {
                set.remove_ranks(set.lex_ranks(&range));
                model.0.retain(|(member, _)| !(range.reaches(member) && range.admits(member)));
                same(&set, &model);
            }
        }
    }

    /// What is there all the time is shown, whatever else comes and goes between the calls.
    #[test]
    fn a_scan_misses_nothing(
        stays in proptest::collection::hash_set(vec(any::<u8>(), 3), 1..200),
        steps in vec(vec(step(), 0..30), 0..60),
        growth in 0_usize..600,
        count in 1_usize..12,
    ) {
        let mut set = SortedSet::with_chunks_of(8);
        for member in &stays {
            set.insert(member, 1.0, SMALL);
        }
        let mut seen = HashSet::new();
        let mut cursor = 0;
        let mut steps = steps.into_iter();
        for call in 0_usize.. {
            cursor = set.scan(cursor, count, |member, _| {
                seen.insert(member.to_vec());
            });
            if cursor == 0 {
                break;
            }
            assert!(call < 10_000, "it comes to an end");
            for step in steps.next().into_iter().flatten() {
                match step {
                    Step::Insert(member, score) => drop(set.insert(&member, score, SMALL)),
                    Step::Remove(member) if !stays.contains(&member) => drop(set.remove(&member)),
                    _ => {}
                }
            }
            // Many come at first, and go again.
            for number in 0..growth {
                let member = number.to_string().into_bytes();
                match call {
                    1 => drop(set.insert(&member, 2.0, SMALL)),
                    3 if !stays.contains(&member) => drop(set.remove(&member)),
                    _ => {}
                }
            }
        }
        prop_assert!(stays.is_subset(&seen));
    }

    #[test]
    fn any_cursor_is_a_cursor(cursor in any::<u64>(), count in any::<usize>()) {
        let mut set = SortedSet::with_chunks_of(8);
        for number in 0..50_u8 {
            set.insert(&[number], 1.0, SMALL);
        }
        set.scan(cursor, count, |_, _| {});
    }
}

fn bound<'a>(member: &'a [u8], kind: i32, end: LexBound<'a>) -> LexBound<'a> {
    match kind {
        0 => LexBound::Included(member),
        1 => LexBound::Excluded(member),
        _ => end,
    }
}

#[test]
fn no_nan_gets_in() {
    for mut set in [SortedSet::new(), SortedSet::with_chunks_of(8)] {
        assert_eq!(set.insert(b"m", f64::NAN, SMALL), Change::NotANumber);
        assert_eq!(set.len(), 0);
        set.insert(b"m", f64::INFINITY, SMALL);
        let change = set.upsert(b"m", SMALL, |old| Some(old? - f64::INFINITY));
        assert_eq!(change, Change::NotANumber);
        assert_eq!(set.upsert(b"m", SMALL, |_| None), Change::Declined);
        assert_eq!(set.score(b"m"), Some(f64::INFINITY));
    }
}

#[rstest]
#[case("-", Some(LexBound::Lowest))]
#[case("+", Some(LexBound::Highest))]
#[case("[", Some(LexBound::Included(b"")))]
#[case("(a", Some(LexBound::Excluded(b"a")))]
#[case("[-", Some(LexBound::Included(b"-")))]
#[case("", None)]
#[case("a", None)]
#[case("-a", None)]
#[case("++", None)]
fn a_bound_of_members(#[case] text: &str, #[case] bound: Option<LexBound>) {
    assert_eq!(LexBound::parse(text.as_bytes()), bound);
}

#[test]
fn each_member_is_drawn_sometime() {
    let mut random = StdRng::seed_from_u64(6);
    for mut set in [SortedSet::new(), SortedSet::with_chunks_of(2)] {
        assert_eq!(set.random(&mut random), None);
        for number in 0..20_u8 {
            set.insert(&[number], f64::from(number % 3), Limits::default());
        }
        let drawn: HashSet<_> = (0..1_000)
            .filter_map(|_| set.random(&mut random))
            .map(|(member, _)| member[0])
            .collect();
        assert_eq!(drawn.len(), 20);
    }
}

/// The default limits, the sign of a zero, ranges by member of unequal scores in a listpack, which depend on how Redis searches.
#[test]
fn small_sets_are_a_real_servers() {
    let Some(mut server) = Reference::start("small_sets_are_a_real_servers") else {
        return;
    };
    let mut random = StdRng::seed_from_u64(7);
    for round in 0..300 {
        let mut set = SortedSet::new();
        server.ask(&["FLUSHALL"]);
        for _ in 0..random.random_range(0..[8, 200][round % 2]) {
            let length = match random.random_range(0..400) {
                0 => 65,
                1..10 => 64,
                _ => random.random_range(1..4),
            };
            let member: String = (0..length).map(|_| random.random_range('a'..'e')).collect();
            let score = ["-1", "-0", "0", "1", "1.5"][random.random_range(0..5)];
            server.ask(&["ZADD", "z", score, &member]);
            set.insert(member.as_bytes(), score.parse().unwrap(), Limits::default());
        }
        if set.is_empty() {
            continue;
        }
        let all = server.ask(&["ZRANGE", "z", "0", "-1", "WITHSCORES"]);
        let mut ours = format!("*{}", set.len() * 2);
        for (member, score) in set.iter(0..set.len()) {
            ours += &format!(" {} {score}", String::from_utf8_lossy(member));
        }
        assert_eq!(ours, String::from_utf8_lossy(&all));
        assert_eq!(
            set.encoding().as_bytes(),
            server.ask(&["OBJECT", "ENCODING", "z"])
        );
        if set.encoding() == "skiplist" {
            continue;
        }
        let ends = ["-", "+", "[a", "(b", "[bb", "(c", "[cad", "[d", "(dd"];
        for min in ends {
            for max in ends {
                let range = LexRange {
                    min: LexBound::parse(min.as_bytes()).unwrap(),
                    max: LexBound::parse(max.as_bytes()).unwrap(),
                };
                let count = server.ask(&["ZLEXCOUNT", "z", min, max]);
                assert_eq!(
                    format!(":{}", set.lex_ranks(&range).len()).as_bytes(),
                    count,
                    "{min} {max}"
                );
                let texts = |members: Vec<(&[u8], f64)>| {
                    let mut text = format!("*{}", members.len());
                    text.push(' ');
                    let members: Vec<_> = members
                        .iter()
                        .map(|(member, _)| String::from_utf8_lossy(member))
                        .collect();
                    text + &members.join(" ")
                };
                for skip in ["0", "1", "3"] {
                    let number = skip.parse().unwrap();
                    let up = set.iter(set.lex_part(&range, false, number)).collect();
                    let theirs = server.ask(&["ZRANGEBYLEX", "z", min, max, "LIMIT", skip, "-1"]);
                    assert_eq!(texts(up), String::from_utf8_lossy(&theirs), "{min} {max}");
                    let down = set.iter(set.lex_part(&range, true, number)).rev().collect();
                    let theirs =
                        server.ask(&["ZREVRANGEBYLEX", "z", max, min, "LIMIT", skip, "-1"]);
                    assert_eq!(texts(down), String::from_utf8_lossy(&theirs), "{min} {max}");
                }
            }
        }
    }
}
