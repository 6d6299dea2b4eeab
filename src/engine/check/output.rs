//! The checks of what a command printed and how it ended.

use serde_json::Value;

use super::Judged;
use crate::engine::scope::Scope;
use crate::lab::action::Output;
use crate::lab::model::{CheckKind, JsonPart, JsonPath, JsonTest, Stream, TextTest};
use crate::lab::quantity::Comparison;
use crate::lab::template::Template;

/// How much of a text stands in a message.
const SHOWN: usize = 120;

/// Decides a check of a command's output.
pub fn judge_output(kind: &CheckKind, output: &Output, scope: &Scope<'_>) -> Judged {
    match kind {
        CheckKind::Exit(wanted) => judge_exit(wanted, output),
        CheckKind::Text { stream, test } => judge_text(*stream, test, output, scope),
        CheckKind::Json { path, test } => judge_json(path, test, output, scope),
        // The others look at nodes; a lab that mixes them up is not loaded.
        _ => Judged::new(false, "this can't be seen in a command's output"),
    }
}

/// Decides the exit code.
pub fn judge_exit(wanted: &Comparison, output: &Output) -> Judged {
    match output.exit {
        Some(code) => Judged::new(wanted.holds(f64::from(code)), format!("exit {code}")),
        None => Judged::new(false, "it did not end, and was stopped"),
    }
}

fn judge_text(stream: Stream, test: &TextTest, output: &Output, scope: &Scope<'_>) -> Judged {
    let (text, name) = match stream {
        Stream::Stdout => (&output.stdout, "stdout"),
        Stream::Stderr => (&output.stderr, "stderr"),
        Stream::Both => (&output.combined, "output"),
    };
    if output.cut_bytes > 0 {
        // What is missing could decide it either way.
        return Judged::new(
            false,
            format!(
                "{name} is too long to be checked: {} bytes of it were not kept",
                output.cut_bytes
            ),
        );
    }
    // Redis ends the lines of INFO with CR LF. Nobody who writes a lab sees the CR.
    let text = text.replace("\r\n", "\n");
    let text = text.trim_end();
    let shown = || {
        if text.is_empty() {
            format!("{name} is empty")
        } else {
            format!("{name} is {}", shorten(text))
        }
    };
    let mut parts = Vec::new();
    let mut with = |template: &Option<Template>, holds: &dyn Fn(&str) -> bool| {
        if let Some(template) = template {
            parts.push(match scope.fill(template) {
                Ok(wanted) => Judged::new(holds(wanted.trim_end()), shown()),
                Err(why) => Judged::new(false, why),
            });
        }
    };
    with(&test.equals, &|wanted| text == wanted);
    // Nothing at all stands in every text, so it is not looked for.
    with(&test.contains, &|wanted| {
        !wanted.is_empty() && text.contains(wanted)
    });
    with(&test.lacks, &|wanted| !text.contains(wanted));
    if let Some(pattern) = &test.matches {
        parts.push(Judged::new(pattern.0.is_match(text), shown()));
    }
    if let Some(wanted) = &test.lines {
        let lines = text.lines().count();
        parts.push(Judged::new(
            wanted.holds(lines as f64),
            format!("{name} has {lines} lines"),
        ));
    }
    if let Some(empty) = test.empty {
        parts.push(Judged::new(text.is_empty() == empty, shown()));
    }
    Judged::all(parts)
}

fn judge_json(path: &JsonPath, test: &JsonTest, output: &Output, scope: &Scope<'_>) -> Judged {
    let value = match read_json(path, output) {
        Ok(value) => value,
        Err(why) => return Judged::new(false, why),
    };
    let text = json_text(&value);
    let seen = format!("{} is {}", path.text, shorten(&text));
    let mut parts = Vec::new();
    if let Some(template) = &test.equals {
        parts.push(match scope.fill(template) {
            Ok(wanted) => Judged::new(text == wanted, seen.clone()),
            Err(why) => Judged::new(false, why),
        });
    }
    if let Some(wanted) = &test.is {
        parts.push(match value.as_f64() {
            Some(number) => Judged::new(wanted.holds(number), seen),
            None => Judged::new(false, format!("{seen}, which is not a number")),
        });
    }
    Judged::all(parts)
}

/// The value at a path of the JSON on a command's standard output.
///
/// # Errors
/// Why there is none.
pub fn read_json(path: &JsonPath, output: &Output) -> Result<Value, String> {
    if output.cut_bytes > 0 {
        return Err(format!(
            "stdout is too long to be read as JSON: {} bytes of the output were not kept",
            output.cut_bytes
        ));
    }
    let value: Value = serde_json::from_str(&output.stdout)
        .map_err(|error| format!("stdout is not JSON: {error}"))?;
    let mut at = &value;
    for part in &path.parts {
        let next = match part {
            JsonPart::Field(name) => at.get(name),
            JsonPart::Index(index) => at.get(index),
        };
        at = next.ok_or_else(|| format!("there is no {} in the JSON on stdout", path.text))?;
    }
    Ok(at.clone())
}

/// A value as a lab would write it: text without quotes, everything else as JSON.
pub fn json_text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

pub(super) fn shorten(text: &str) -> String {
    let flat = text.lines().collect::<Vec<_>>().join(" ⏎ ");
    if flat.chars().count() <= SHOWN {
        format!("`{flat}`")
    } else {
        format!(
            "`{}…` ({} characters)",
            flat.chars().take(SHOWN).collect::<String>(),
            text.chars().count()
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rstest::rstest;

    use super::*;
    use crate::engine::names::Names;
    use crate::lab::quantity::Unit;

    fn output(stdout: &str) -> Output {
        Output {
            exit: Some(0),
            stdout: stdout.to_owned(),
            stderr: "a warning\n".to_owned(),
            combined: format!("a warning\n{stdout}"),
            ..Output::default()
        }
    }

    fn template(text: &str) -> Option<Template> {
        Some(Template::parse(text).unwrap())
    }

    fn judge(test: &TextTest, output: &Output) -> Judged {
        let names = Names::default();
        let saved = BTreeMap::from([("it".to_owned(), "value".to_owned())]);
        let scope = Scope {
            names: &names,
            saved: &saved,
            item: None,
        };
        judge_text(Stream::Stdout, test, output, &scope)
    }

    #[rstest]
    #[case("OK\n", "OK", true)]
    #[case("OK \n\n", "OK\n", true)]
    #[case("OK", "OKAY", false)]
    #[case("OKAY", "OK", false)]
    #[case(" OK", "OK", false)]
    #[case("value\n", "${it}", true)]
    #[case("anything", "${nobody}", false)]
    #[case("", "", true)]
    #[case("x", "", false)]
    fn equals(#[case] text: &str, #[case] wanted: &str, #[case] holds: bool) {
        let test = TextTest {
            equals: template(wanted),
            ..TextTest::default()
        };
        assert_eq!(judge(&test, &output(text)).holds, holds);
    }

    #[rstest]
    #[case("one two", "two", true, false)]
    #[case("one two", "three", false, true)]
    // Nothing stands in every text and in none.
    #[case("one two", "", false, false)]
    #[case("", "", false, false)]
    #[case("one", "${nobody}", false, false)]
    fn contains_and_lacks(
        #[case] text: &str,
        #[case] wanted: &str,
        #[case] contains: bool,
        #[case] lacks: bool,
    ) {
        let test = TextTest {
            contains: template(wanted),
            ..TextTest::default()
        };
        assert_eq!(judge(&test, &output(text)).holds, contains);
        let test = TextTest {
            lacks: template(wanted),
            ..TextTest::default()
        };
        assert_eq!(judge(&test, &output(text)).holds, lacks);
    }

    #[rstest]
    #[case("", 0.0, true)]
    #[case("\n\n", 0.0, true)]
    #[case("one", 1.0, false)]
    #[case("one\n", 1.0, false)]
    #[case("\none\ntwo\n\n", 3.0, false)]
    fn lines_and_emptiness(#[case] text: &str, #[case] lines: f64, #[case] empty: bool) {
        let count = |number| Comparison {
            relation: crate::lab::quantity::Relation::Equal,
            number,
            unit: Unit::Count,
        };
        for number in 0..5 {
            let test = TextTest {
                lines: Some(count(f64::from(number))),
                ..TextTest::default()
            };
            assert_eq!(
                judge(&test, &output(text)).holds,
                f64::from(number) == lines
            );
        }
        for wanted in [true, false] {
            let test = TextTest {
                empty: Some(wanted),
                ..TextTest::default()
            };
            assert_eq!(judge(&test, &output(text)).holds, wanted == empty);
        }
    }

    #[test]
    fn a_pattern_matches_a_line() {
        let test = |pattern: &str| TextTest {
            matches: Some(pattern.parse().unwrap()),
            ..TextTest::default()
        };
        assert!(judge(&test("^two$"), &output("one\ntwo\nthree")).holds);
        assert!(!judge(&test("^w"), &output("one\ntwo")).holds);
    }

    #[test]
    fn all_of_a_test_has_to_be_true_and_a_test_of_nothing_is_not() {
        let both = TextTest {
            contains: template("one"),
            lacks: template("two"),
            ..TextTest::default()
        };
        assert!(judge(&both, &output("one")).holds);
        assert_eq!(
            judge(&both, &output("one two")),
            Judged::new(false, "stdout is `one two`")
        );
        assert!(!judge(&TextTest::default(), &output("one")).holds);
    }

    #[test]
    fn of_an_output_that_is_not_whole_nothing_is_known() {
        let cut = Output {
            cut_bytes: 7,
            ..output("{\"a\": 1}")
        };
        let tests = [
            TextTest {
                contains: template("a"),
                ..TextTest::default()
            },
            TextTest {
                lacks: template("b"),
                ..TextTest::default()
            },
            TextTest {
                empty: Some(false),
                ..TextTest::default()
            },
        ];
        for test in tests {
            assert_eq!(
                judge(&test, &cut),
                Judged::new(
                    false,
                    "stdout is too long to be checked: 7 bytes of it were not kept"
                )
            );
        }
        let path = JsonPath {
            text: ".a".to_owned(),
            parts: vec![JsonPart::Field("a".to_owned())],
        };
        assert!(read_json(&path, &cut).is_err());
    }

    #[rstest]
    #[case("0", Some(0), true)]
    #[case("0", Some(1), false)]
    #[case("!= 0", Some(1), true)]
    #[case("!= 0", None, false)]
    #[case(">= 0", None, false)]
    fn exit_codes(#[case] wanted: &str, #[case] exit: Option<i32>, #[case] holds: bool) {
        let wanted = Comparison::parse(wanted, Unit::Count).unwrap();
        assert_eq!(
            judge_exit(&wanted, &Output { exit, ..output("") }).holds,
            holds
        );
    }

    #[test]
    fn streams_are_told_apart() {
        let names = Names::default();
        let saved = BTreeMap::new();
        let scope = Scope {
            names: &names,
            saved: &saved,
            item: None,
        };
        let holds = |stream, word: &str| {
            let test = TextTest {
                contains: template(word),
                ..TextTest::default()
            };
            let kind = CheckKind::Text { stream, test };
            judge_output(&kind, &output("said"), &scope).holds
        };
        assert!(holds(Stream::Stdout, "said") && !holds(Stream::Stdout, "warning"));
        assert!(holds(Stream::Stderr, "warning") && !holds(Stream::Stderr, "said"));
        assert!(holds(Stream::Both, "said") && holds(Stream::Both, "warning"));
        // What looks at nodes is not decided here.
        assert!(!judge_output(&CheckKind::GivenKeys, &output(""), &scope).holds);
    }

    #[rstest]
    #[case(".a", "3", None, true)]
    #[case(".a", "3.0", None, false)]
    #[case(".a", "", Some(">= 3"), true)]
    #[case(".b[1]", "two", None, true)]
    #[case(".b[1]", "", Some(">= 0"), false)]
    #[case(".b[2]", "two", None, false)]
    #[case(".nobody", "", Some(">= 0"), false)]
    #[case(".c", "null", None, true)]
    #[case(".d", "{\"x\":true}", None, true)]
    fn values_in_json(
        #[case] path: &str,
        #[case] equals: &str,
        #[case] is: Option<&str>,
        #[case] holds: bool,
    ) {
        let parts = match path {
            ".b[1]" => vec![JsonPart::Field("b".to_owned()), JsonPart::Index(1)],
            ".b[2]" => vec![JsonPart::Field("b".to_owned()), JsonPart::Index(2)],
            other => vec![JsonPart::Field(other[1..].to_owned())],
        };
        let path = JsonPath {
            text: path.to_owned(),
            parts,
        };
        let test = JsonTest {
            equals: template(equals).filter(|_| is.is_none()),
            is: is.map(|is| Comparison::parse(is, Unit::Count).unwrap()),
        };
        let names = Names::default();
        let saved = BTreeMap::new();
        let scope = Scope {
            names: &names,
            saved: &saved,
            item: None,
        };
        let json = output(r#"{"a": 3, "b": ["one", "two"], "c": null, "d": {"x": true}}"#);
        assert_eq!(judge_json(&path, &test, &json, &scope).holds, holds);
        assert!(!judge_json(&path, &test, &output("no JSON"), &scope).holds);
        assert!(!judge_json(&path, &JsonTest::default(), &json, &scope).holds);
    }

    #[test]
    fn a_long_text_is_shortened_and_a_broken_line_shown() {
        assert_eq!(shorten("one\ntwo"), "`one ⏎ two`");
        let long = "ä".repeat(500);
        assert_eq!(
            shorten(&long),
            format!("`{}…` (500 characters)", "ä".repeat(SHOWN))
        );
    }
}
