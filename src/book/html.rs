//! Small pieces of HTML.

/// Text that stands for itself in HTML.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Braces could be read as a directive by what comes after.
            '{' => out.push_str("&#123;"),
            '}' => out.push_str("&#125;"),
            '`' => out.push_str("&#96;"),
            _ => out.push(c),
        }
    }
    out
}

/// A sentence with parts between backquotes.
pub(super) fn sentence(text: &str) -> String {
    let mut out = String::new();
    for (at, part) in text.split('`').enumerate() {
        if at % 2 == 1 {
            out += &format!("<code>{}</code>", escaped(part));
        } else {
            out += &escaped(part);
        }
    }
    out
}

/// A command to type. mdBook puts its button for copying on it.
pub(super) fn command(lines: &[&str]) -> String {
    let text = lines.join("\n");
    // More backquotes than there are in the text.
    let fence = "`".repeat(longest_run(&text, '`').max(2) + 1);
    format!("{fence}sh\n{text}\n{fence}\n\n")
}

/// What a terminal shows. It can be scrolled by keys, and its names for what differs are marked.
pub(super) fn output(lines: &[String], label: &str) -> String {
    let text: Vec<String> = lines.iter().map(|line| placeholders(line)).collect();
    // An empty line would end the HTML for Markdown; mdBook takes this one for nothing.
    let text: Vec<String> = text
        .into_iter()
        .map(|line| {
            if line.is_empty() {
                "&#8203;".to_owned()
            } else {
                line
            }
        })
        .collect();
    format!(
        "<pre class=\"lab-output\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">{}</pre>\n\n",
        escaped(label),
        text.join("\n")
    )
}

/// A line whose names in square brackets are marked: `[redis-7 id]`.
fn placeholders(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(start) = rest.find('[') {
        let (before, from) = rest.split_at(start);
        let Some(end) = from.find(']') else { break };
        let (name, after) = from.split_at(end + 1);
        out += &escaped(before);
        let inner = name.trim_matches(['[', ']']);
        // What Redis itself writes in brackets begins with a capital letter or a digit: [OK], [0-5460].
        let is_name = inner.chars().next().is_some_and(|c| c.is_ascii_lowercase())
            && !inner.contains(['[', ':']);
        if is_name {
            out += &format!("<var>{}</var>", escaped(name));
        } else {
            out += &escaped(name);
        }
        rest = after;
    }
    out + &escaped(rest)
}

fn longest_run(text: &str, wanted: char) -> usize {
    text.split(|c| c != wanted).map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_marked_and_what_redis_writes_is_not() {
        let lines = [
            "M: [redis-1 id] slots:[0-5460]".to_owned(),
            "[OK] <all>".to_owned(),
        ];
        insta::assert_snapshot!(output(&lines, "Output").trim(), @r#"
        <pre class="lab-output" tabindex="0" role="region" aria-label="Output">M: <var>[redis-1 id]</var> slots:[0-5460]
        [OK] &lt;all&gt;</pre>
        "#);
    }

    #[test]
    fn a_command_stands_in_a_fence_of_its_own() {
        assert_eq!(
            command(&["redis-cli PING"]),
            "```sh\nredis-cli PING\n```\n\n"
        );
        assert_eq!(command(&["a ``` b"]), "````sh\na ``` b\n````\n\n");
        assert_eq!(
            sentence("stdout is `<a>`"),
            "stdout is <code>&lt;a&gt;</code>"
        );
    }
}
