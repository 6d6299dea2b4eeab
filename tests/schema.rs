//! The JSON Schema, by which editors complete and check labs while they are written: it is a schema, it takes every lab of this
//! repository, and it refuses what `labrunner check` refuses as far as a schema can.

use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use labrunner::lab::tree::{Kind, Tree, read};
use labrunner::lab::{Source, schema};
use serde_json::{Map, Value, json};

fn validator() -> Validator {
    jsonschema::options()
        .should_validate_formats(true)
        .build(&schema::schema())
        .unwrap()
}

/// A tree as an editor's YAML server sees it: scalars by the core schema of YAML 1.2 (10.3.2).
fn to_json(tree: &Tree) -> Value {
    match &tree.kind {
        Kind::Null => Value::Null,
        Kind::List(items) => items.iter().map(to_json).collect(),
        Kind::Map(entries) => Value::Object(
            entries
                .iter()
                .map(|entry| (entry.key.clone(), to_json(&entry.value)))
                .collect::<Map<_, _>>(),
        ),
        Kind::Scalar(scalar) if !scalar.plain => json!(scalar.text),
        Kind::Scalar(scalar) => match scalar.text.as_str() {
            "true" | "True" | "TRUE" => json!(true),
            "false" | "False" | "FALSE" => json!(false),
            text => match (text.parse::<i64>(), text.parse::<f64>()) {
                (Ok(number), _) => json!(number),
                (_, Ok(number)) if text.contains(|c: char| c.is_ascii_digit()) => json!(number),
                _ => json!(text),
            },
        },
    }
}

/// The file as JSON, with whether the reader of YAML itself had something to say; `None` where it is not YAML.
fn json_of(path: &Path) -> Option<(Value, bool)> {
    let mut faults = Vec::new();
    let source = Source::new("x.yaml", fs::read_to_string(path).unwrap());
    read(&source, &mut faults).map(|tree| (to_json(&tree), !faults.is_empty()))
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

#[test]
fn the_schema_is_a_schema() {
    jsonschema::meta::validate(&schema::schema()).unwrap();
}

#[test]
fn every_lab_is_what_the_schema_describes() {
    let validator = validator();
    for path in [files("labs"), files("tests/lab_language")].concat() {
        let (lab, _) = json_of(&path).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&lab)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(errors, Vec::<String>::new(), "{}", path.display());
    }
}

const REFERENCE: &str = "what a `${…}` refers to is in another place of the file";
const LINE: &str = "a command line has a grammar of its own";
const TOGETHER: &str = "which keys go together depends on more than one mapping";
const SUMS: &str = "slots and counts are compared with each other";
const NAMES: &str = "a name refers to another place of the file, or is used twice";
const PARSER: &str = "the reader of YAML refuses it before a schema is asked";

/// The files of `tests/lab_faults` whose faults are beyond a schema, and why.
#[rustfmt::skip]
const BEYOND: &[(&str, &str)] = &[
    ("app_another_cluster", LINE),
    ("app_both_of_two", LINE),
    ("app_half_a_command", LINE),
    ("app_missing_options", LINE),
    ("app_mix", LINE),
    ("app_neither_of_two", LINE),
    ("app_number", LINE),
    ("app_option_of_another_command", LINE),
    ("app_option_twice", LINE),
    ("app_option_without_a_value", LINE),
    ("app_reads_stdin", TOGETHER),
    ("app_slots", LINE),
    ("app_time_without_a_unit", LINE),
    ("app_unknown_command", LINE),
    ("app_unknown_option", LINE),
    ("app_unlike_any_command", LINE),
    ("app_without_a_command", LINE),
    ("app_without_an_end", LINE),
    ("app_word_too_many", LINE),
    ("app_writes_a_file", LINE),
    ("await_and_nothing_else", TOGETHER),
    ("await_itself", NAMES),
    ("await_not_in_the_background", NAMES),
    ("await_twice", NAMES),
    ("await_unknown", NAMES),
    ("await_unlike_any", NAMES),
    ("await_what_comes_later", NAMES),
    ("background_false", NAMES),
    ("background_never_awaited", NAMES),
    ("background_value_used_too_early", REFERENCE),
    ("background_with_what_it_can_t_have", TOGETHER),
    ("background_without_a_run", TOGETHER),
    ("control_signs", PARSER),
    ("docker_links_of_a_service", LINE),
    ("docker_other_container", LINE),
    ("docker_other_verb", LINE),
    ("docker_service_misspelt", LINE),
    ("docker_up_without_d", LINE),
    ("docker_without_nodes", LINE),
    ("each_missing_name", REFERENCE),
    ("each_misspelt_field", REFERENCE),
    ("each_never_used", REFERENCE),
    ("each_where_no_item_is", REFERENCE),
    ("each_without_each", REFERENCE),
    ("endless_in_cleanup", TOGETHER),
    ("endless_with_a_timeout", TOGETHER),
    ("endless_with_items", TOGETHER),
    ("endless_with_stdin", TOGETHER),
    ("endless_without_an_end", TOGETHER),
    ("expect_without_an_act", TOGETHER),
    ("given_hot_slot", SUMS),
    ("given_keys_without_keys", TOGETHER),
    ("given_replicas", NAMES),
    ("given_slots", SUMS),
    ("grep_bad_pattern", LINE),
    ("grep_unknown_option", LINE),
    ("holds_with_stdout", TOGETHER),
    ("key_twice", PARSER),
    ("line_beyond_ascii", LINE),
    ("line_in_a_folded_block", LINE),
    ("line_in_single_quotes", LINE),
    ("line_not_understood_and_what_depends_on_it", LINE),
    ("make_draws_into_a_filter", LINE),
    ("make_options", LINE),
    ("make_seats", LINE),
    ("make_two_targets", LINE),
    ("make_unknown_node", LINE),
    ("make_unknown_target", LINE),
    ("make_unknown_variable", LINE),
    ("make_unlike_any_target", LINE),
    ("make_users", LINE),
    ("make_variable_from_a_shell", LINE),
    ("make_variable_not_taken", LINE),
    ("make_variable_quoted_from_a_shell", LINE),
    ("make_variable_twice", LINE),
    ("make_without_a_node", LINE),
    ("moving_while_waiting", TOGETHER),
    ("moving_without_a_reshard", TOGETHER),
    ("output_without_a_run", TOGETHER),
    ("postgres_not_asked_for", TOGETHER),
    ("probe_check_without_a_probe", TOGETHER),
    ("probe_nobody_looks_at", TOGETHER),
    ("probe_without_a_cluster", TOGETHER),
    ("psql_another_server", LINE),
    ("psql_backslash", LINE),
    ("psql_changed_by_a_watch", LINE),
    ("psql_copy_file", LINE),
    ("psql_copy_program", LINE),
    ("psql_file", LINE),
    ("psql_quote_not_closed", LINE),
    ("psql_several", LINE),
    ("psql_unknown_option", LINE),
    ("psql_variable", LINE),
    ("psql_without_a_statement", LINE),
    ("quote_not_closed", LINE),
    ("redis_cli_address_of_another", LINE),
    ("redis_cli_asks", LINE),
    ("redis_cli_files", LINE),
    ("redis_cli_other_host", LINE),
    ("redis_cli_reads_nothing", LINE),
    ("redis_cli_unknown_cluster_option", LINE),
    ("redis_cli_unknown_option", LINE),
    ("redis_cli_unknown_port", LINE),
    ("redis_cli_unknown_subcommand", LINE),
    ("redis_cli_without_a_command", LINE),
    ("redis_cli_without_a_node", LINE),
    ("run_and_wait", TOGETHER),
    ("shell", LINE),
    ("shell_over_lines", LINE),
    ("sql_several", LINE),
    ("sql_that_changes", LINE),
    ("sql_unknown_value", REFERENCE),
    ("stdin_of_docker", TOGETHER),
    ("stdin_that_is_not_read", TOGETHER),
    ("step_twice", NAMES),
    ("step_without_checks", TOGETHER),
    ("template_broken", REFERENCE),
    ("template_in_quotes", REFERENCE),
    ("template_in_stdin", REFERENCE),
    ("template_of_a_node", REFERENCE),
    ("timeline_holds", TOGETHER),
    ("timeline_in_the_background", TOGETHER),
    ("timeline_of_a_replica", NAMES),
    ("timeline_of_items", TOGETHER),
    ("timeline_that_lasts", TOGETHER),
    ("timeline_to_another_s_replica", NAMES),
    ("timeline_to_itself", NAMES),
    ("timeline_to_nobody", NAMES),
    ("timeline_twice", TOGETHER),
    ("timeline_without_a_run", TOGETHER),
    ("unknown_value", REFERENCE),
    ("value_misspelt", REFERENCE),
    ("value_never_used", REFERENCE),
    ("value_saved_twice", REFERENCE),
    ("value_used_before_it_is_saved", REFERENCE),
    ("value_used_in_a_line_that_is_not_understood", LINE),
    ("watch_empty", LINE),
    ("watch_fault_inside", LINE),
    ("watch_fault_inside_a_folded_block", LINE),
    ("watch_fault_inside_double_quotes", LINE),
    ("watch_fault_inside_single_quotes", LINE),
    ("watch_interval", LINE),
    ("watch_interval_with_a_unit", LINE),
    ("watch_into_a_filter", LINE),
    ("watch_nothing", LINE),
    ("watch_of_a_change", LINE),
    ("watch_of_a_picture", LINE),
    ("watch_of_a_reshard", LINE),
    ("watch_of_a_target_that_changes", LINE),
    ("watch_of_a_watch", LINE),
    ("watch_of_the_application", LINE),
    ("watch_other_option", LINE),
    ("watch_reads_stdin", LINE),
    ("watch_without_a_command", LINE),
    ("within_in_holds", TOGETHER),
    ("within_on_stdout", TOGETHER),
];

/// Everything structural (a key that is unknown or missing, a value of the wrong kind, something empty) is refused by the schema.
/// What isn't, is in the table above, so that this test tells when one learns or forgets something.
#[test]
fn the_schema_refuses_what_a_schema_can_refuse() {
    let validator = validator();
    let mut accepted = Vec::new();
    for path in files("tests/lab_faults") {
        match json_of(&path) {
            Some((lab, _)) if validator.is_valid(&lab) => {
                accepted.push(path.file_stem().unwrap().to_string_lossy().into_owned())
            }
            _ => {}
        }
    }
    let beyond: Vec<&str> = BEYOND.iter().map(|(name, _)| *name).collect();
    assert_eq!(accepted, beyond);
}
