//! `labrunner book` as mdBook calls it, and what a chapter has.

use std::io::Write;
use std::process::{Command, Stdio};

use super::small_book::{LAB, SmallBook, errors};

#[test]
fn it_supports_html_and_not_every_renderer() {
    let book = SmallBook::new();
    let code = |renderer| {
        book.labrunner(&["book", "supports", renderer])
            .status
            .code()
    };
    assert_eq!((code("html"), code("epub")), (Some(0), Some(1)));
}

/// What mdBook 0.5 writes to a preprocessor: the context and the book.
fn handed(book: &SmallBook, content: &str) -> std::process::Output {
    let input = serde_json::json!([
        {"root": book.path("book"), "config": {"book": {"title": "Small", "src": "src"}}, "renderer": "html", "mdbook_version": "0.5.4"},
        {"items": [{"Chapter": {"name": "Lab", "content": content, "number": [1], "sub_items": [], "path": "lab.md",
            "source_path": "lab.md", "parent_names": []}}]}
    ]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_labrunner"))
        .arg("book")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.to_string().as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

#[test]
fn a_book_is_handed_back_with_its_labs() {
    let book = SmallBook::new();
    let done = handed(&book, "# The lab\n\n{{#lab keys}}\n");
    assert!(done.status.success(), "{}", errors(&done));
    let back: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    let content = back["items"][0]["Chapter"]["content"].as_str().unwrap();
    assert!(
        content.starts_with("# The lab\n\n**Objective:** See that"),
        "{content}"
    );
    assert!(content.contains("(integer) 12182"), "{content}");
}

/// To add a lab, its file and a line of the summary are all that it takes.
#[test]
fn a_new_line_of_the_summary_is_a_chapter_of_its_lab() {
    let book = SmallBook::new();
    book.write("labs/second.yaml", LAB);
    book.write(
        "book/src/SUMMARY.md",
        "# Summary\n\n- [The lab](lab.md)\n- [Prose](prose.md)\n- [The second](second.md)\n",
    );
    let page = book.page("second.html");
    assert!(
        page.contains("See that every key belongs to a slot."),
        "{page}"
    );
    // That it has no recording is all that is wrong with it.
    let checked = book.labrunner(&["book", "check"]);
    let told = errors(&checked);
    assert!(told.contains("lab second has no recording"), "{told}");
    assert!(!told.contains("chapter"), "{told}");
}

#[test]
fn what_is_wrong_ends_the_call_with_its_place() {
    let book = SmallBook::new();
    let done = handed(&book, "# The lab\n\n{{#lab keyz}}\n");
    assert_eq!(done.status.code(), Some(1));
    let errors = errors(&done);
    assert!(
        errors.contains("src/lab.md:3: there is no lab keyz\n  help: did you mean `keys`?"),
        "{errors}"
    );
    let done = Command::new(env!("CARGO_BIN_EXE_labrunner"))
        .arg("book")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(2));
}

#[test]
fn a_build_fails_when_a_directive_does() {
    let book = SmallBook::new();
    book.change("book/src/prose.md", "keys took", "keys tock");
    let built = book.labrunner(&["book", "build"]);
    assert_eq!(built.status.code(), Some(1));
    assert!(
        errors(&built).contains("src/prose.md:3: lab keys has no figure tock"),
        "{}",
        errors(&built)
    );
    let nowhere = book.labrunner(&["book", "build", "labs"]);
    assert_eq!(nowhere.status.code(), Some(2));
}

#[test]
fn a_chapter_has_all_of_its_lab() {
    let page = SmallBook::new().page("lab.html");
    for part in [
        "See that every key belongs to a slot.",
        "about 5 minutes",
        "<title id=\"topology-keys-title\">",
        "redis-1 owns the slots 0-5460 and has the replica redis-4.",
        "labrunner up labs/keys.yaml",
        "id=\"find-the-slot\"",
        "redis-cli -p 7001 CLUSTER KEYSLOT foo",
        "(integer) 12182",
        "<li>stdout is <code>12182</code></li>",
        "<li>redis-4 does not answer, within 10 s. <em>It was told to.</em></li>",
        "The text says 12183.",
        "<summary>Hint</summary>",
        "Ask <em>any</em> node.",
        "Proved by: <a href=\"#stop\">Stop a replica</a>.",
        "on redis 7.0.15, by labrunner 0.1.0 with docker (an engine): 2 steps and 4 checks passed in 2.5 s.",
        "<td>making what it starts from</td><td>2.0 s</td>",
        "<title id=\"timeline-keys-stop-title\">Failover of redis-1, redis-4 took over</title>",
        "suspected after 1.20 s, promoted after 2.40 s.",
    ] {
        assert!(page.contains(part), "no {part} in:\n{page}");
    }
    assert!(!page.contains("{{#"), "{page}");
}

#[test]
fn prose_has_its_parts_and_a_directive_behind_a_backslash_is_shown() {
    let book = SmallBook::new();
    book.change(
        "book/src/prose.md",
        "# Prose",
        "# Prose\n\nWrite `\\{{#lab keys}}`.",
    );
    let page = book.page("prose.html");
    for part in [
        "<code>{{#lab keys}}</code>",
        "The slot took 120&nbsp;ms to find, and the lab 2.5&nbsp;s.",
        "<a href=\"lab.html#find-the-slot\">Find the slot of a key</a>",
    ] {
        let page = page.replace('\u{a0}', "&nbsp;");
        assert!(page.contains(part), "no {part} in:\n{page}");
    }
}

#[test]
fn a_changed_lab_says_so_on_its_page() {
    let book = SmallBook::new();
    book.change(
        "labs/keys.yaml",
        "docker stop redis-4",
        "docker kill redis-4",
    );
    assert!(
        book.page("lab.html")
            .contains("This lab was changed after the run")
    );
    book.remove("fixtures/recordings/keys.json");
    book.change(
        "book/src/prose.md",
        "{{#figure keys find-the-slot.took}}",
        "a moment",
    );
    book.change("book/src/prose.md", "{{#figure keys took = 2.5 s}}", "too");
    assert!(
        book.page("lab.html")
            .contains("This lab has not been recorded yet")
    );
}
