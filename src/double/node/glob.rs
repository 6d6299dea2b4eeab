//! Patterns as KEYS, SCAN, PSUBSCRIBE, CONFIG GET and others match them.

/// Groups of `*` that have something behind them. With more than these Redis 7.0.15 gives a pattern up, and says that it does not match.
const MOST_STARS: usize = 1_000;

/// Whether `text` as a whole is as `pattern` says:
///
/// - `*`: any bytes, or none; but **nothing matches an empty text except an empty pattern**, not even `*` (KEYS and SCAN don't ask for a lone `*`);
/// - `?`: one byte;
/// - `[a-cx]`, `[^a-cx]`: one byte of these, or none of these. A `]` always ends it, a range may stand the wrong way round, its ends are
///   signed bytes (`\x80` is less than `a`). Without a `]` it ends with the pattern;
/// - `\`: the next byte is meant as it stands. The last byte of a pattern may be a lone `\`;
/// - anything else is meant as it stands.
///
/// With `nocase` ASCII letters are the same in both cases, except one behind a `\` in brackets.
///
/// It takes at most as many steps as the text's length times the pattern's, and no memory.
pub(in crate::double) fn matches(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    let (mut p, mut t) = (0, 0);
    // Behind the last `*`: what is left of the pattern, and from where in the text it was tried. That one alone needs to be tried elsewhere:
    // what an earlier `*` could take more, the last one can take as well.
    let mut star: Option<(usize, usize)> = None;
    let mut stars = 0;
    loop {
        if t == text.len() {
            let left = &pattern[p..];
            return left.is_empty() || !text.is_empty() && left.iter().all(|byte| *byte == b'*');
        }
        let fits = match pattern.get(p) {
            Some(b'*') => {
                p += pattern[p..]
                    .iter()
                    .take_while(|byte| **byte == b'*')
                    .count();
                if p == pattern.len() {
                    return true;
                }
                stars += 1;
                if stars > MOST_STARS {
                    return false;
                }
                star = Some((p, t));
                continue;
            }
            Some(_) => {
                let (fits, next) = one(pattern, p, text[t], nocase);
                p = next;
                fits
            }
            None => false,
        };
        if fits {
            t += 1;
            continue;
        }
        let Some((behind, from)) = star else {
            return false;
        };
        // What is left needs at least one byte.
        if from + 1 == text.len() {
            return false;
        }
        (p, t) = (behind, from + 1);
        star = Some((p, t));
    }
}

/// Whether the part of the pattern that begins at `p` and stands for one byte stands for this one, and where the next part begins.
fn one(pattern: &[u8], p: usize, byte: u8, nocase: bool) -> (bool, usize) {
    match pattern[p] {
        b'?' => (true, p + 1),
        b'[' => class(pattern, p + 1, byte, nocase),
        b'\\' if p + 1 < pattern.len() => (same(pattern[p + 1], byte, nocase), p + 2),
        literal => (same(literal, byte, nocase), p + 1),
    }
}

fn class(pattern: &[u8], mut p: usize, byte: u8, nocase: bool) -> (bool, usize) {
    let negated = pattern.get(p) == Some(&b'^');
    p += usize::from(negated);
    let mut found = false;
    loop {
        match &pattern[p..] {
            [] => break,
            [b'\\', literal, ..] => {
                found |= *literal == byte;
                p += 2;
            }
            [b']', ..] => {
                p += 1;
                break;
            }
            [from, b'-', to, ..] => {
                let [from, to, byte] = [*from, *to, byte].map(|end| lowered(end, nocase) as i8);
                found |= (from.min(to)..=from.max(to)).contains(&byte);
                p += 3;
            }
            [literal, ..] => {
                found |= same(*literal, byte, nocase);
                p += 1;
            }
        }
    }
    (found != negated, p)
}

fn same(a: u8, b: u8, nocase: bool) -> bool {
    lowered(a, nocase) == lowered(b, nocase)
}

fn lowered(byte: u8, nocase: bool) -> u8 {
    if nocase {
        byte.to_ascii_lowercase()
    } else {
        byte
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    use rstest::rstest;

    use super::*;
    use crate::double::node::reference::Reference;

    #[rstest]
    #[case("", "", true)]
    #[case("*", "", false)]
    #[case("**", "", false)]
    #[case("a*", "a", true)]
    #[case("a**", "a", true)]
    #[case("*b*c", "abbcbc", true)]
    #[case("*b*c", "abbcb", false)]
    #[case("h?llo", "hello", true)]
    #[case("h[^e]llo", "hello", false)]
    #[case("h[a-e]llo", "hello", true)]
    #[case("h[e-a]llo", "hello", true)]
    #[case("[]", "a", false)]
    #[case("[^]", "a", true)]
    #[case("[^]a]", "xa]", true)]
    #[case("[ab", "b", true)]
    #[case("[a-]", "]", true)]
    #[case("[\\]]", "]", true)]
    #[case("\\*", "*", true)]
    #[case("\\*", "a", false)]
    #[case("\\", "\\", true)]
    #[case("HELLO", "hello", false)]
    fn a_pattern(#[case] pattern: &str, #[case] text: &str, #[case] matched: bool) {
        assert_eq!(matches(pattern.as_bytes(), text.as_bytes(), false), matched);
    }

    #[rstest]
    #[case("HEL*", "hello", true)]
    #[case("[A-C]", "b", true)]
    #[case("[ABC]", "b", true)]
    #[case("[\\B]", "b", false)]
    #[case("\\B", "b", true)]
    fn in_any_case(#[case] pattern: &str, #[case] text: &str, #[case] matched: bool) {
        assert_eq!(matches(pattern.as_bytes(), text.as_bytes(), true), matched);
    }

    #[test]
    fn many_stars_take_no_time() {
        let text = [b'a'; 100_000];
        let pattern = [b"*a".repeat(900), b"*b".to_vec()].concat();
        let began = std::time::Instant::now();
        assert!(!matches(&pattern, &text, false));
        assert!(began.elapsed() < std::time::Duration::from_secs(5));
    }

    /// Asked by KEYS with one key in the database; a lone `*` it does not match at all, so that there is none here.
    #[test]
    fn random_patterns_match_as_on_a_real_server() {
        let Some(mut server) = Reference::start("random_patterns_match_as_on_a_real_server") else {
            return;
        };
        let mut random = StdRng::seed_from_u64(4);
        let mut some = |alphabet: &[u8], most: usize| -> Vec<u8> {
            let length = random.random_range(0..=most);
            (0..length)
                .map(|_| alphabet[random.random_range(0..alphabet.len())])
                .collect()
        };
        let mut commands = Vec::new();
        let mut asked = Vec::new();
        for _ in 0..2_000 {
            let text = some(b"ab[]^-\\*?b\xffa", 6);
            commands.push(vec![b"FLUSHALL".to_vec()]);
            commands.push(vec![b"SET".to_vec(), text.clone(), b"1".to_vec()]);
            for _ in 0..30 {
                let mut pattern = some(b"ab[]^-\\*?[*\xff", 9);
                if pattern == b"*" {
                    pattern.push(b'*');
                }
                commands.push(vec![b"KEYS".to_vec(), pattern.clone()]);
                asked.push((pattern, text.clone()));
            }
        }
        let mut replies = server.ask_all(&commands);
        replies.retain(|reply| reply.starts_with(b"*"));
        let mut matched = 0;
        assert_eq!(replies.len(), asked.len());
        for (reply, (pattern, text)) in replies.iter().zip(asked) {
            let theirs = reply.starts_with(b"*1");
            matched += usize::from(theirs);
            let what = format!("{} on {}", pattern.escape_ascii(), text.escape_ascii());
            assert_eq!(matches(&pattern, &text, false), theirs, "{what}");
        }
        assert!(matched > 1_000, "{matched}");
    }

    #[test]
    fn random_patterns_match_in_any_case_as_on_a_real_server() {
        let test = "random_patterns_match_in_any_case_as_on_a_real_server";
        let Some(mut server) = Reference::start(test) else {
            return;
        };
        // The names of commands are matched in any case.
        let all = server.ask(&["COMMAND", "LIST"]);
        let names: Vec<&[u8]> = all.split(|byte| *byte == b' ').skip(1).collect();
        let mut random = StdRng::seed_from_u64(5);
        for _ in 0..1_000 {
            let name = names[random.random_range(0..names.len())];
            let mut pattern = Vec::new();
            for byte in name {
                let upper = byte.to_ascii_uppercase();
                match random.random_range(0..12) {
                    0 => pattern.push(b'?'),
                    1 => pattern.push(b'*'),
                    2 => pattern.extend([b'[', upper, b'x', b']']),
                    3 => pattern.extend([b'[', b'A', b'-', b'z', b']']),
                    4 => pattern.extend([b'[', b'\\', upper, b']']),
                    5 => pattern.extend([b'\\', upper]),
                    6 | 7 => pattern.push(upper),
                    _ => pattern.push(*byte),
                }
            }
            let command: [&[u8]; 5] = [b"COMMAND", b"LIST", b"FILTERBY", b"PATTERN", &pattern];
            let reply = server.ask(&command);
            let mut theirs: Vec<&[u8]> = reply.split(|byte| *byte == b' ').skip(1).collect();
            theirs.retain(|name| !name.is_empty());
            let mut ours: Vec<&[u8]> = names.clone();
            ours.retain(|name| matches(&pattern, name, true));
            theirs.sort_unstable();
            ours.sort_unstable();
            assert_eq!(ours, theirs, "{}", pattern.escape_ascii());
        }
    }

    #[rstest]
    #[case(b"*a", 1_000)]
    #[case(b"*a", 1_001)]
    #[case(b"a*", 1_001)]
    #[case(b"a*", 1_002)]
    #[case(b"**a", 1_001)]
    fn so_many_stars_as_a_real_server(#[case] part: &[u8], #[case] times: usize) {
        let Some(mut server) = Reference::start("so_many_stars_as_a_real_server") else {
            return;
        };
        let (pattern, text) = (part.repeat(times), [b'a'; 3_000]);
        server.ask(&[b"SET".as_slice(), &text, b"1"]);
        let reply = server.ask(&[b"KEYS".as_slice(), &pattern]);
        assert_eq!(matches(&pattern, &text, false), reply.starts_with(b"*1"));
    }
}
