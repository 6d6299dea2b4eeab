//! Which version of a lab something is of: a hash of all that decides what a run does and checks. What is only told to the reader is not in
//! it, so that a slip of the pen can be mended without another run.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::source::Source;
use super::tree::{self, Kind, Tree};

/// Keys whose values are told to the reader and decide nothing.
const TOLD: [&str; 9] = [
    "title",
    "objective",
    "minutes",
    "text",
    "note",
    "hint",
    "solution",
    "why",
    "points",
];

/// The first 16 hexadecimal digits of the SHA-256 of what a lab does. Comments, the order of keys and the way in which a value is quoted don't
/// change it. `None` of what is no YAML.
pub fn fingerprint(source: &Source) -> Option<String> {
    let mut faults = Vec::new();
    let tree = tree::read(source, &mut faults)?;
    let mut text = String::new();
    write(&tree, &mut text);
    let mut digits = String::with_capacity(16);
    for byte in Sha256::digest(text.as_bytes()).iter().take(8) {
        // Writing to a string does not fail.
        let _ = write!(digits, "{byte:02x}");
    }
    Some(digits)
}

/// The tree in one way of writing. Lengths stand before texts, so that no two trees are written alike.
fn write(tree: &Tree, out: &mut String) {
    match &tree.kind {
        Kind::Null => out.push('~'),
        Kind::Scalar(scalar) => {
            let _ = write!(out, "{}:{}", scalar.text.len(), scalar.text);
        }
        Kind::List(items) => {
            let _ = write!(out, "[{} ", items.len());
            items.iter().for_each(|item| write(item, out));
            out.push(']');
        }
        Kind::Map(entries) => {
            let mut kept: Vec<_> = entries
                .iter()
                .filter(|entry| !TOLD.contains(&entry.key.as_str()))
                .collect();
            kept.sort_by(|a, b| a.key.cmp(&b.key));
            let _ = write!(out, "{{{} ", kept.len());
            for entry in kept {
                let _ = write!(out, "{}:{}", entry.key.len(), entry.key);
                write(&entry.value, out);
            }
            out.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const LAB: &str = "title: T\nsteps:\n  - id: a\n    run: redis-cli PING\n    expect: [{stdout: {equals: PONG}}]\n";

    fn of(text: &str) -> String {
        fingerprint(&Source::new("lab.yaml", text)).unwrap()
    }

    #[rstest]
    #[case::a_title("title: T", "title: Another")]
    #[case::a_comment("steps:", "steps: # all of them")]
    #[case::quotes("equals: PONG", "equals: \"PONG\"")]
    #[case::a_text("id: a\n", "id: a\n    text: Ask it.\n")]
    fn what_is_told_does_not_count(#[case] from: &str, #[case] to: &str) {
        assert!(LAB.contains(from));
        assert_eq!(of(LAB), of(&LAB.replace(from, to)));
    }

    #[rstest]
    #[case::the_command("PING", "ECHO PONG")]
    #[case::a_check("equals", "contains")]
    #[case::an_id("id: a", "id: b")]
    fn what_is_done_does(#[case] from: &str, #[case] to: &str) {
        assert!(LAB.contains(from));
        assert_ne!(of(LAB), of(&LAB.replace(from, to)));
    }

    #[test]
    fn it_is_sixteen_digits_and_none_of_what_is_no_yaml() {
        assert_eq!(of(LAB).len(), 16);
        assert_eq!(fingerprint(&Source::new("x.yaml", "{a: [")), None);
    }
}
