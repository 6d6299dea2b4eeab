//! Whether two replies are the same, but for what was declared to vary.

use regex::bytes::{Regex, RegexBuilder};

use crate::frame::Frame;

/// One thing that may vary. An error reply is never covered by any of them but `Mask` and `Keep`: it is compared as it is.
#[derive(Clone, Debug)]
pub enum Varies {
    /// The order of the top level's elements, taken in groups of so many; of a map's pairs.
    Order(usize),
    /// The order at every depth.
    OrderAll,
    /// All but the type.
    Value,
    /// All but the types and the lengths of aggregates.
    Values,
    /// Whole numbers, by so much.
    Within(i128),
    /// Numbers, by so much of their size.
    Float(f64),
    /// All that this matches, on both sides.
    Match(Regex),
    /// What this matches within a payload.
    Mask(Regex),
    /// All but what this matches within a payload.
    Keep(Regex),
}

/// A regex over bytes, in which `.` is any byte.
pub fn regex(pattern: &[u8]) -> Result<Regex, String> {
    let pattern = std::str::from_utf8(pattern).map_err(|error| error.to_string())?;
    RegexBuilder::new(pattern)
        .unicode(false)
        .dot_matches_new_line(true)
        .build()
        .map_err(|error| error.to_string())
}

/// Why the two are not the same; nothing if they are.
pub fn difference(real: &Frame, double: &Frame, varies: &[Varies]) -> Option<String> {
    if real == double && varies.is_empty() {
        return None;
    }
    let (mut left, mut right) = (real.clone(), double.clone());
    for one in varies {
        match one {
            Varies::Mask(regex) => {
                mask(&mut left, regex);
                mask(&mut right, regex);
            }
            Varies::Keep(regex) => {
                if keep(&mut left, regex) == 0 {
                    return Some("@keep keeps nothing of redis's reply".to_owned());
                }
                keep(&mut right, regex);
            }
            _ => {}
        }
    }
    // After the masks: what they take out must not decide about the order.
    for one in varies {
        match one {
            Varies::Order(group) => {
                sort(&mut left, *group);
                sort(&mut right, *group);
            }
            Varies::OrderAll => {
                sort_all(&mut left);
                sort_all(&mut right);
            }
            _ => {}
        }
    }
    let mut exact = true;
    for one in varies {
        let found = match one {
            Varies::Value => types(&left, &right, false),
            Varies::Values => types(&left, &right, true),
            Varies::Within(by) => near(&left, &right, &|a, b| within(a, b, *by)),
            Varies::Float(by) => near(&left, &right, &|a, b| float(a, b, *by)),
            Varies::Match(regex) => matched(&left, &right, regex),
            _ => continue,
        };
        exact = false;
        if found.is_some() {
            return found;
        }
    }
    (exact && left != right).then(|| "the replies differ".to_owned())
}

fn mask(frame: &mut Frame, regex: &Regex) {
    if frame.items.is_empty() && !frame.is_aggregate() {
        frame.payload = regex.replace_all(&frame.payload, &b""[..]).into_owned();
    }
    for item in &mut frame.items {
        mask(item, regex);
    }
}

/// How many times it matched.
fn keep(frame: &mut Frame, regex: &Regex) -> usize {
    if frame.is_aggregate() {
        return frame.items.iter_mut().map(|item| keep(item, regex)).sum();
    }
    let mut found = 0;
    let mut kept = Vec::new();
    for one in regex.find_iter(&frame.payload) {
        kept.extend_from_slice(one.as_bytes());
        kept.push(b'\n');
        found += 1;
    }
    frame.payload = kept;
    found
}

/// Puts the elements in the one order that both sides then have.
fn sort(frame: &mut Frame, group: usize) {
    let group = if frame.kind == b'%' { 2 } else { group.max(1) };
    // What does not come out even stays behind, in its place.
    let mut groups: Vec<Vec<Frame>> = frame.items.chunks(group).map(<[Frame]>::to_vec).collect();
    groups.sort();
    frame.items = groups.concat();
}

fn sort_all(frame: &mut Frame) {
    for item in &mut frame.items {
        sort_all(item);
    }
    sort(frame, 1);
}

fn types(left: &Frame, right: &Frame, deep: bool) -> Option<String> {
    if left.is_error() || right.is_error() {
        return (left != right).then(|| "an error, and not the same".to_owned());
    }
    if (left.kind, left.null) != (right.kind, right.null) {
        return Some("the types differ".to_owned());
    }
    if !deep {
        return None;
    }
    if left.items.len() != right.items.len() {
        return Some("the lengths differ".to_owned());
    }
    let mut pairs = left.items.iter().zip(&right.items);
    pairs.find_map(|(left, right)| types(left, right, true))
}

/// The same, but that payloads only need to be `alike`.
fn near(left: &Frame, right: &Frame, alike: &dyn Fn(&[u8], &[u8]) -> bool) -> Option<String> {
    if let Some(found) = types(left, right, false) {
        return Some(found);
    }
    if left.items.len() != right.items.len() {
        return Some("the lengths differ".to_owned());
    }
    if left.payload != right.payload && !alike(&left.payload, &right.payload) {
        return Some("the replies differ by more than is declared".to_owned());
    }
    let mut pairs = left.items.iter().zip(&right.items);
    pairs.find_map(|(left, right)| near(left, right, alike))
}

/// A negative number means something else than a positive one (TTL), so it is never near to it.
fn within(left: &[u8], right: &[u8], by: i128) -> bool {
    let number = |text| std::str::from_utf8(text).ok()?.parse::<i128>().ok();
    matches!((number(left), number(right)), (Some(left), Some(right))
        if (left < 0) == (right < 0) && (left - right).abs() <= by)
}

fn float(left: &[u8], right: &[u8], by: f64) -> bool {
    let number = |text| std::str::from_utf8(text).ok()?.parse::<f64>().ok();
    matches!((number(left), number(right)), (Some(left), Some(right))
        if left == right || left.is_finite() && right.is_finite() && (left - right).abs() <= by * left.abs().max(right.abs()))
}

fn matched(left: &Frame, right: &Frame, regex: &Regex) -> Option<String> {
    if let Some(found) = types(left, right, false) {
        return Some(found);
    }
    let matches = |frame: &Frame| {
        if frame.is_aggregate() {
            let mut bytes = Vec::new();
            frame.write(&mut bytes);
            regex.is_match(&bytes)
        } else {
            regex.is_match(&frame.payload)
        }
    };
    match (matches(left), matches(right)) {
        (true, true) => None,
        (false, _) => Some("redis's reply does not match".to_owned()),
        (_, false) => Some("the double's reply does not match".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn same(real: &str, double: &str, varies: Varies) -> bool {
        difference(
            &Frame::of(real.as_bytes()),
            &Frame::of(double.as_bytes()),
            &[varies],
        )
        .is_none()
    }

    fn pattern(text: &str) -> Regex {
        regex(text.as_bytes()).unwrap()
    }

    #[test]
    fn without_a_declaration_every_byte_counts() {
        let differ = |real: &str, double: &str| {
            let (real, double) = (Frame::of(real.as_bytes()), Frame::of(double.as_bytes()));
            difference(&real, &double, &[]).is_some()
        };
        assert!(!differ("+OK\r\n", "+OK\r\n"));
        assert!(differ("+OK\r\n", "+ok\r\n"));
        assert!(differ("+OK\r\n", "$2\r\nOK\r\n"));
        assert!(differ("$-1\r\n", "_\r\n"));
        assert!(differ("*2\r\n:1\r\n:2\r\n", "*2\r\n:2\r\n:1\r\n"));
        assert!(differ("*1\r\n:1\r\n", "~1\r\n:1\r\n"));
        assert!(differ("%1\r\n:1\r\n:2\r\n", "*2\r\n:1\r\n:2\r\n"));
        assert!(differ(",1\r\n", ",1.0\r\n"));
    }

    #[rstest]
    #[case("*2\r\n:1\r\n:2\r\n", "*2\r\n:2\r\n:1\r\n", true)]
    #[case("*2\r\n:1\r\n:1\r\n", "*2\r\n:2\r\n:1\r\n", false)]
    #[case("*2\r\n:1\r\n:1\r\n", "*1\r\n:1\r\n", false)]
    #[case("*2\r\n:1\r\n:2\r\n", "~2\r\n:2\r\n:1\r\n", false)]
    #[case(
        "%2\r\n:1\r\n:2\r\n:3\r\n:4\r\n",
        "%2\r\n:3\r\n:4\r\n:1\r\n:2\r\n",
        true
    )]
    #[case(
        "%2\r\n:1\r\n:2\r\n:3\r\n:4\r\n",
        "%2\r\n:3\r\n:2\r\n:1\r\n:4\r\n",
        false
    )]
    #[case("*1\r\n*2\r\n:1\r\n:2\r\n", "*1\r\n*2\r\n:2\r\n:1\r\n", false)]
    fn unordered(#[case] real: &str, #[case] double: &str, #[case] expected: bool) {
        assert_eq!(same(real, double, Varies::Order(1)), expected);
    }

    #[rstest]
    #[case(
        "*4\r\n:1\r\n:2\r\n:3\r\n:4\r\n",
        "*4\r\n:3\r\n:4\r\n:1\r\n:2\r\n",
        true
    )]
    #[case(
        "*4\r\n:1\r\n:2\r\n:3\r\n:4\r\n",
        "*4\r\n:4\r\n:3\r\n:1\r\n:2\r\n",
        false
    )]
    fn unordered_pairs(#[case] real: &str, #[case] double: &str, #[case] expected: bool) {
        assert_eq!(same(real, double, Varies::Order(2)), expected);
    }

    #[test]
    fn unordered_at_every_depth() {
        let (one, other) = (
            "*2\r\n*2\r\n:1\r\n:2\r\n:9\r\n",
            "*2\r\n:9\r\n*2\r\n:2\r\n:1\r\n",
        );
        assert!(same(one, other, Varies::OrderAll));
        assert!(!same(one, other, Varies::Order(1)));
        let third = "*2\r\n:9\r\n*2\r\n:2\r\n:2\r\n";
        assert!(!same(one, third, Varies::OrderAll));
    }

    #[rstest]
    #[case(":1\r\n", ":2\r\n", true, true)]
    #[case(":1\r\n", "$1\r\n1\r\n", false, false)]
    #[case("$1\r\n1\r\n", "$-1\r\n", false, false)]
    #[case("-ERR a\r\n", "-ERR b\r\n", false, false)]
    #[case("-ERR a\r\n", "-ERR a\r\n", true, true)]
    #[case("*1\r\n:1\r\n", "*2\r\n:1\r\n:2\r\n", true, false)]
    #[case("*1\r\n:1\r\n", "*1\r\n+a\r\n", true, false)]
    #[case("*1\r\n:1\r\n", "*1\r\n:5\r\n", true, true)]
    fn types_only(
        #[case] real: &str,
        #[case] double: &str,
        #[case] any: bool,
        #[case] shape: bool,
    ) {
        assert_eq!(same(real, double, Varies::Value), any);
        assert_eq!(same(real, double, Varies::Values), shape);
    }

    #[rstest]
    #[case(":100\r\n", ":103\r\n", true)]
    #[case(":100\r\n", ":104\r\n", false)]
    #[case(":-1\r\n", ":1\r\n", false)]
    #[case(":100\r\n", "$3\r\n100\r\n", false)]
    #[case("*2\r\n+a\r\n$2\r\n10\r\n", "*2\r\n+a\r\n$1\r\n9\r\n", true)]
    #[case("*2\r\n+a\r\n$2\r\n10\r\n", "*2\r\n+b\r\n$1\r\n9\r\n", false)]
    #[case("*2\r\n:1\r\n:2\r\n", "*1\r\n:1\r\n", false)]
    fn within_three(#[case] real: &str, #[case] double: &str, #[case] expected: bool) {
        assert_eq!(same(real, double, Varies::Within(3)), expected);
    }

    #[rstest]
    #[case(",1.5\r\n", ",1.5000000001\r\n", true)]
    #[case(",1.5\r\n", ",1.51\r\n", false)]
    #[case("$3\r\ninf\r\n", "$3\r\ninf\r\n", true)]
    #[case("$3\r\ninf\r\n", "$3\r\n1e9\r\n", false)]
    #[case(",nan\r\n", ",1\r\n", false)]
    fn floats(#[case] real: &str, #[case] double: &str, #[case] expected: bool) {
        assert_eq!(same(real, double, Varies::Float(1e-9)), expected);
    }

    #[test]
    fn patterns() {
        let id = || Varies::Match(pattern("^\\d+-\\d+$"));
        assert!(same("$3\r\n1-1\r\n", "$4\r\n12-0\r\n", id()));
        assert!(!same("$3\r\n1-1\r\n", "$3\r\n1-x\r\n", id()));
        assert!(!same("$3\r\nx-1\r\n", "$3\r\n1-1\r\n", id()));
        assert!(!same("$3\r\n1-1\r\n", "+1-1\r\n", id()));
        let mask = || Varies::Mask(pattern("id=\\d+"));
        assert!(same("$8\r\nid=1 a=2\r\n", "$9\r\nid=11 a=2\r\n", mask()));
        assert!(!same("$8\r\nid=1 a=2\r\n", "$8\r\nid=1 a=3\r\n", mask()));
        let keep = || Varies::Keep(pattern("a=\\d+"));
        assert!(same("$8\r\nid=1 a=2\r\n", "$9\r\nid=11 a=2\r\n", keep()));
        assert!(!same("$8\r\nid=1 a=2\r\n", "$8\r\nid=1 a=3\r\n", keep()));
        assert!(!same("$3\r\nb=1\r\n", "$3\r\nb=1\r\n", keep()));
    }
}
