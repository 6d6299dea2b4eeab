use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::double::node::reference::Reference;

fn texts(list: &List) -> Vec<Vec<u8>> {
    list.iter().map(Element::to_vec).collect()
}

/// One of few texts, of very different lengths: some fill a node.
fn text(number: u8) -> Vec<u8> {
    let length = match number % 10 {
        0..4 => 0,
        4..7 => 50 * usize::from(number),
        7 | 8 => 700 + 20 * usize::from(number),
        _ => 200 * usize::from(number),
    };
    let mut text = number.to_string().into_bytes();
    text.resize(text.len() + length, b'x');
    text
}

#[derive(Debug, Clone)]
enum Step {
    Push(End, u8),
    Pop(End),
    Set(usize, u8),
    Insert(u8, bool, u8),
    RemoveAll(u8, End, usize),
    RemoveRange(usize, usize),
}

/// What a vector does.
fn apply_to_model(step: &Step, model: &mut Vec<Vec<u8>>) {
    match *step {
        Step::Push(End::Left, number) => model.insert(0, text(number)),
        Step::Push(End::Right, number) => model.push(text(number)),
        Step::Pop(End::Left) if !model.is_empty() => drop(model.remove(0)),
        Step::Pop(End::Left) => {}
        Step::Pop(End::Right) => drop(model.pop()),
        Step::Set(index, number) => {
            if let Some(old) = model.get_mut(index) {
                *old = text(number);
            }
        }
        Step::Insert(pivot, before, number) => {
            let pivot = text(pivot);
            if let Some(at) = model.iter().position(|it| *it == pivot) {
                model.insert(at + usize::from(!before), text(number));
            }
        }
        Step::RemoveAll(number, from, most) => {
            let unwanted = text(number);
            for _ in 0..most {
                let at = match from {
                    End::Left => model.iter().position(|it| *it == unwanted),
                    End::Right => model.iter().rposition(|it| *it == unwanted),
                };
                let Some(at) = at else {
                    break;
                };
                model.remove(at);
            }
        }
        Step::RemoveRange(index, count) => {
            let index = index.min(model.len());
            let end = index.saturating_add(count).min(model.len());
            model.drain(index..end);
        }
    }
}

fn apply(step: &Step, list: &mut List) {
    match *step {
        Step::Push(end, number) => list.push(end, &text(number)),
        Step::Pop(end) => drop(list.pop(end)),
        Step::Set(index, number) => {
            list.set(index, &text(number));
        }
        Step::Insert(pivot, before, number) => {
            list.insert(&text(pivot), before, &text(number));
        }
        Step::RemoveAll(number, from, most) => {
            list.remove_all(&text(number), from, most);
        }
        Step::RemoveRange(index, count) => list.remove_range(index, count),
    }
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Left), Just(End::Right)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (end(), 0..40_u8).prop_map(|(end, number)| Step::Push(end, number)),
        2 => end().prop_map(Step::Pop),
        2 => (0..60_usize, 0..40_u8).prop_map(|(index, number)| Step::Set(index, number)),
        4 => (0..40_u8, any::<bool>(), 0..40_u8)
            .prop_map(|(pivot, before, number)| Step::Insert(pivot, before, number)),
        1 => (0..40_u8, end(), 1..4_usize).prop_map(|(number, from, most)| Step::RemoveAll(number, from, most)),
        1 => (0..60_usize, 0..20_usize).prop_map(|(index, count)| Step::RemoveRange(index, count)),
    ]
}

proptest! {
    #[test]
    fn it_is_a_row(size in -3..5_i64, steps in prop::collection::vec(step(), 0..120), number in 0..40_u8, most in 0..80_usize) {
        let (mut list, mut model) = (List::new(size), Vec::new());
        for step in &steps {
            apply(step, &mut list);
            apply_to_model(step, &mut model);
            prop_assert_eq!(list.len(), model.len());
            prop_assert_eq!(list.parts().map(|part| match part {
                Part::Packed(packed) => packed.len(),
                Part::Plain(_) => 1,
            }).sum::<usize>(), model.len());
        }
        prop_assert_eq!(&texts(&list), &model);
        for index in 0..=model.len() {
            prop_assert_eq!(list.get(index).map(Element::to_vec), model.get(index).cloned());
            let rest: Vec<_> = list.iter_from(index).map(Element::to_vec).collect();
            prop_assert_eq!(&rest[..], &model[index..]);
        }
        prop_assert_eq!(list.peek(End::Left).map(Element::to_vec), model.first().cloned());
        prop_assert_eq!(list.peek(End::Right).map(Element::to_vec), model.last().cloned());
        let wanted = text(number);
        let ahead: Vec<_> = (0..model.len()).take(most).filter(|at| model[*at] == wanted).collect();
        let back: Vec<_> = (0..model.len()).rev().take(most).filter(|at| model[*at] == wanted).collect();
        prop_assert_eq!(list.positions(&wanted, End::Left, most).collect::<Vec<_>>(), ahead);
        prop_assert_eq!(list.positions(&wanted, End::Right, most).collect::<Vec<_>>(), back);
    }
}

/// A list that RESTORE has made may have nodes that are one element each, and no listpack.
#[test]
fn plain_nodes() {
    let plain = || {
        let mut list = List::default();
        list.push(End::Right, b"a");
        list.add_plain(b"1");
        list.add_plain(b"b");
        list
    };
    let lengths = |list: &List| -> Vec<usize> {
        list.parts()
            .map(|part| match part {
                Part::Packed(packed) => packed.len(),
                Part::Plain(_) => 0,
            })
            .collect()
    };
    let mut list = plain();
    list.push(End::Right, b"c");
    assert!(list.insert(b"1", true, b"x") && list.insert(b"b", false, b"y"));
    assert_eq!(texts(&list), [b"a", b"x", b"1", b"b", b"y", b"c"]);
    assert_eq!(lengths(&list), [2, 0, 0, 2]);
    assert_eq!(list.positions(b"1", End::Left, 9).next(), Some(2));
    assert_eq!(list.remove_all(b"1", End::Right, 1), 1);
    assert!(list.set(2, b"z"));
    assert_eq!(lengths(&list), [2, 1, 2]);
    let mut list = plain();
    assert_eq!(list.pop(End::Right), Some(b"b".to_vec()));
    list.remove_range(0, 1);
    assert_eq!(lengths(&list), [0]);
    assert!(list.insert(b"1", false, b"x"));
    assert_eq!(texts(&list), [b"1", b"x"]);
    list.remove_range(0, 2);
    assert!(list.is_empty() && list.parts().len() == 0);
}

/// The listpacks of a list, out of a payload of DUMP that is not compressed.
fn nodes_of(payload: &[u8]) -> Vec<Vec<u8>> {
    fn length(bytes: &mut &[u8]) -> usize {
        let (first, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        match first >> 6 {
            0 => usize::from(first & 0x3f),
            1 => {
                let (second, rest) = bytes.split_first().unwrap();
                *bytes = rest;
                usize::from(first & 0x3f) << 8 | usize::from(*second)
            }
            _ => {
                assert_eq!(*first, 0x80, "a length of 32 bits");
                let (four, rest) = bytes.split_first_chunk::<4>().unwrap();
                *bytes = rest;
                u32::from_be_bytes(*four) as usize
            }
        }
    }
    assert_eq!(payload[0], 18, "a list");
    let mut bytes = &payload[1..];
    let count = length(&mut bytes);
    let mut nodes = Vec::new();
    for _ in 0..count {
        assert_eq!(length(&mut bytes), 2, "a listpack");
        let size = length(&mut bytes);
        nodes.push(bytes[..size].to_vec());
        bytes = &bytes[size..];
    }
    nodes
}

fn command(step: &Step) -> Vec<Vec<u8>> {
    let words = |words: &[&str]| -> Vec<Vec<u8>> {
        words.iter().map(|word| word.as_bytes().to_vec()).collect()
    };
    let side = |end: End, left: &'static str, right: &'static str| match end {
        End::Left => left,
        End::Right => right,
    };
    let mut made = match step {
        Step::Push(end, _) => words(&[side(*end, "LPUSH", "RPUSH"), "l"]),
        Step::Pop(end) => words(&[side(*end, "LPOP", "RPOP"), "l"]),
        Step::Set(index, _) => words(&["LSET", "l", &index.to_string()]),
        Step::Insert(_, before, _) => {
            words(&["LINSERT", "l", if *before { "BEFORE" } else { "AFTER" }])
        }
        Step::RemoveAll(_, from, most) => {
            let sign = side(*from, "", "-");
            words(&["LREM", "l", &format!("{sign}{most}")])
        }
        // Only from the end: LTRIM takes everything else out.
        Step::RemoveRange(index, _) => words(&["LTRIM", "l", "0", &index.to_string()]),
    };
    match step {
        Step::Push(_, number) | Step::Set(_, number) | Step::RemoveAll(number, ..) => {
            made.push(text(*number));
        }
        Step::Insert(pivot, _, number) => made.extend([text(*pivot), text(*number)]),
        Step::Pop(_) | Step::RemoveRange(..) => {}
    }
    made
}

#[test]
fn nodes_are_cut_as_on_a_real_server() {
    let Some(mut server) = Reference::start("nodes_are_cut_as_on_a_real_server") else {
        return;
    };
    assert_eq!(
        server.ask(&["CONFIG", "SET", "rdbcompression", "no"]),
        b"+OK"
    );
    let mut random = StdRng::seed_from_u64(7);
    let mut many = 0;
    for size in [-2, -1, 4, 0, -5, 20].repeat(10) {
        server.ask(&["CONFIG", "SET", "list-max-listpack-size", &size.to_string()]);
        server.ask(&["DEL", "l"]);
        let mut list = List::new(size);
        for _ in 0..40 {
            let steps: Vec<Step> = (0..10)
                .map(|_| {
                    let side = if random.random() {
                        End::Left
                    } else {
                        End::Right
                    };
                    let mut number = || random.random_range(0..40);
                    match number() {
                        0..20 => Step::Push(side, number()),
                        20..23 => Step::Pop(side),
                        23..26 => Step::Set(number().into(), number()),
                        26..37 => Step::Insert(number(), side == End::Left, number()),
                        37 | 38 => Step::RemoveAll(number(), side, 1 + usize::from(number() % 3)),
                        _ => Step::RemoveRange(60 + usize::from(number()), usize::MAX),
                    }
                })
                .collect();
            let commands: Vec<_> = steps.iter().map(command).collect();
            server.ask_all(&commands);
            for step in &steps {
                match step {
                    // What LTRIM keeps is said by its last element.
                    Step::RemoveRange(index, count) => list.remove_range(index + 1, *count),
                    step => apply(step, &mut list),
                }
                if list.is_empty() {
                    list = List::new(size);
                }
            }
            if list.is_empty() {
                continue;
            }
            let nodes = nodes_of(&server.ask(&["DUMP", "l"]));
            let ours: Vec<_> = list
                .parts()
                .map(|part| match part {
                    Part::Packed(packed) => packed.to_listpack(),
                    Part::Plain(text) => panic!("a plain node of {} bytes", text.len()),
                })
                .collect();
            let lengths = |nodes: &[Vec<u8>]| nodes.iter().map(Vec::len).collect::<Vec<_>>();
            assert_eq!(
                lengths(&ours),
                lengths(&nodes),
                "size {size}, last: {steps:?}"
            );
            assert_eq!(ours, nodes);
            many += usize::from(nodes.len() > 3);
        }
    }
    assert!(many > 500, "lists of several nodes: {many}");
}
