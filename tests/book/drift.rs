//! The gate is green on a book that is as its labs are, and red for each way in which it can drift from them.

use std::process::Command;

use rstest::rstest;

use super::small_book::{SmallBook, errors, repository};

#[test]
fn a_book_that_is_as_its_labs_are_is_green() {
    let book = SmallBook::new();
    let checked = book.labrunner(&["book", "check"]);
    assert!(checked.status.success(), "{}", errors(&checked));
    let told = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert_eq!(
        told,
        "book: 2 chapters, 1 lab, 5 directives, 4 links, 2 commands: all as it is\n"
    );
}

/// The guide of this repository. How old its recordings are is the business of CI, which fails for it: a test that is green today is so in a year.
#[test]
fn the_real_book_is_green() {
    let checked = Command::new(env!("CARGO_BIN_EXE_labrunner"))
        .current_dir(repository())
        .args(["book", "check", "--max-age", "36500"])
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", errors(&checked));
}

type Spoil = fn(&SmallBook);

const LAB_FILE: &str = "labs/keys.yaml";
const RECORDING: &str = "fixtures/recordings/keys.json";
const PROSE: &str = "book/src/prose.md";
const CHAPTER: &str = "book/src/lab.md";

#[rstest]
#[case::a_lab_has_no_chapter(|book: &SmallBook| book.change(CHAPTER, "{{#lab keys}}", "Soon."), "labs/keys.yaml: lab keys has no chapter")]
#[case::a_chapter_has_no_lab(|book: &SmallBook| book.change(CHAPTER, "keys", "kezs"), "book/src/lab.md:3: there is no lab kezs\n  help: did you mean `keys`?")]
#[case::a_step_is_unknown(|book: &SmallBook| book.change(PROSE, "recorded keys find-the-slot", "recorded keys find-a-slot"), "book/src/prose.md:11: lab keys has no step find-a-slot\n  help: did you mean `find-the-slot`?")]
#[case::a_point_is_unknown(|book: &SmallBook| book.change(PROSE, "point keys 1", "point keys 3"), "book/src/prose.md:4: lab keys has no point 3\n  help: it has 2, from 1")]
#[case::a_recording_is_missing(|book: &SmallBook| book.remove(RECORDING), "labs/keys.yaml: lab keys has no recording\n  help: labrunner run --backend docker --record labs/keys.yaml")]
#[case::a_recording_is_of_another_version(|book: &SmallBook| book.change(LAB_FILE, "KEYSLOT foo", "KEYSLOT bar"), "the recording is of another version of keys")]
#[case::a_recording_is_too_old(|book: &SmallBook| {
    let text = std::fs::read_to_string(book.path(RECORDING)).unwrap();
    let date = text.split("\"date\": \"").nth(1).unwrap()[..10].to_owned();
    book.change(RECORDING, &date, "2020-02-29");
}, "days old, and 180 are allowed")]
#[case::a_recording_is_no_recording(|book: &SmallBook| book.change(RECORDING, "\"lab\"", "\"lap\""), "fixtures/recordings/keys.json: not a recording: ")]
#[case::a_recording_lacks_a_step(|book: &SmallBook| book.change(RECORDING, "\"id\": \"stop\"", "\"id\": \"halt\""), "the recording is not of the whole lab: step stop is not in it")]
#[case::a_recording_has_no_lab(|book: &SmallBook| book.write("fixtures/recordings/old.json", "{}"), "fixtures/recordings/old.json: there is no lab for this recording")]
#[case::a_figure_is_unknown(|book: &SmallBook| book.change(PROSE, "find-the-slot.took", "find-the-slot.tok"), "book/src/prose.md:3: lab keys has no figure find-the-slot.tok\n  help: did you mean `find-the-slot.took`?")]
#[case::a_figure_is_not_the_measured_one(|book: &SmallBook| book.change(PROSE, "= 2.5 s", "= 2.4 s"), "book/src/prose.md:3: took of keys is said to be 2.4 s, and was measured as 2.5 s")]
#[case::a_link_leads_to_no_page(|book: &SmallBook| book.change(PROSE, "lab.md#", "lap.md#"), "book/src/prose.md:4: the link to lap.md#find-the-slot leads to no page\n  help: did you mean `lab.md`?")]
#[case::a_link_leads_to_no_place(|book: &SmallBook| book.change(PROSE, "#find-the-slot)", "#find-the-slots)"), "book/src/prose.md:4: the link to lab.md#find-the-slots leads to no place on that page\n  help: did you mean `find-the-slot`?")]
#[case::a_command_is_in_no_lab(|book: &SmallBook| book.change(PROSE, "KEYSLOT foo\nlab", "KEYSLOT bar\nlab"), "book/src/prose.md:7: no lab runs `redis-cli -p 7001 CLUSTER KEYSLOT bar`")]
#[case::a_command_is_not_ours(|book: &SmallBook| book.change(PROSE, "--verbose", "--verbos"), "book/src/prose.md:8: `labrunner run --verbos labs/keys.yaml` is not understood")]
#[case::a_directive_is_misspelt(|book: &SmallBook| book.change(PROSE, "{{#recorded", "{{#recordet"), "book/src/prose.md:11: there is no directive {{#recordet}}\n  help: did you mean `recorded`?")]
#[case::a_chapter_is_not_there(|book: &SmallBook| book.remove(PROSE), "book/src/SUMMARY.md:4: there is no chapter prose.md")]
#[case::a_chapter_is_forgotten(|book: &SmallBook| book.write("book/src/more.md", "# More\n"), "book/src/more.md: the chapter is not in SUMMARY.md")]
#[case::a_lab_is_not_valid(|book: &SmallBook| book.change(LAB_FILE, "objective", "objektive"), "labs/keys.yaml:2: not a valid lab: ")]
fn drift_is_found_with_its_place(#[case] spoil: Spoil, #[case] told: &str) {
    let book = SmallBook::new();
    spoil(&book);
    let checked = book.labrunner(&["book", "check"]);
    assert_eq!(checked.status.code(), Some(1), "{}", errors(&checked));
    let errors = errors(&checked);
    assert!(errors.contains(told), "{errors}");
}

#[test]
fn adding_a_lab_takes_a_title_and_a_line() {
    let book = SmallBook::new();
    let lab = std::fs::read_to_string(book.path(LAB_FILE)).unwrap();
    let recording = std::fs::read_to_string(book.path(RECORDING)).unwrap();
    book.write("labs/more.yaml", &lab);
    book.write(
        "fixtures/recordings/more.json",
        &recording.replace("\"keys\"", "\"more\""),
    );
    book.write("book/src/more.md", "# More\n\n{{#lab more}}\n");
    book.change(
        "book/src/SUMMARY.md",
        "- [Prose]",
        "- [More](more.md)\n- [Prose]",
    );
    let checked = book.labrunner(&["book", "check"]);
    assert!(checked.status.success(), "{}", errors(&checked));
}
