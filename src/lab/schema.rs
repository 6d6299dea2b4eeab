//! The JSON Schema of the language, for completion and checks in editors; made from the key table.

use serde_json::{Map, Value, json};

use super::environment::CourseNode;
use super::keys::{Group, LAB, Rule, Shape, Table};
use super::line::PROGRAMS;
use super::quantity::Unit;

/// The schema of a lab (JSON Schema, draft 2020-12). What only the whole of a lab can tell, such as a reference to a step that is
/// not there, it does not know; `labrunner check` does.
pub fn schema() -> Value {
    let mut schema = table(&LAB);
    if let Value::Object(map) = &mut schema {
        map.insert(
            "$schema".to_owned(),
            json!("https://json-schema.org/draft/2020-12/schema"),
        );
        map.insert("title".to_owned(), json!("A labrunner lab"));
    }
    schema
}

fn table(table: &Table) -> Value {
    let mut properties = Map::new();
    for key in table.keys {
        let mut value = shape(&key.shape);
        if let Value::Object(map) = &mut value {
            map.insert("description".to_owned(), json!(key.doc));
        }
        properties.insert(key.name.to_owned(), value);
    }
    let mut out = json!({
        "type": "object",
        "description": table.doc,
        "properties": properties,
        "additionalProperties": false,
    });
    let Value::Object(map) = &mut out else {
        return out;
    };
    let required = table.names_of(Group::Required);
    if !required.is_empty() {
        map.insert("required".to_owned(), json!(required));
    }
    let kinds: Vec<Value> = table
        .names_of(Group::Kind)
        .iter()
        .map(|name| json!({"required": [name]}))
        .collect();
    match table.rule {
        Rule::Free => {}
        Rule::NotEmpty => drop(map.insert("minProperties".to_owned(), json!(1))),
        Rule::OneKind => drop(map.insert("oneOf".to_owned(), json!(kinds))),
        Rule::SomeKind => drop(map.insert("anyOf".to_owned(), json!(kinds))),
    }
    out
}

/// YAML reads `7` as a number and `true` as a flag where text is meant; all of these are text to a lab.
const ANY_TEXT: [&str; 3] = ["string", "number", "boolean"];

fn shape(of: &Shape) -> Value {
    let nodes: Vec<String> = CourseNode::all()
        .map(|node| node.name().to_string())
        .collect();
    match of {
        Shape::Text => json!({"type": ANY_TEXT, "pattern": "\\S"}),
        Shape::Template => json!({"type": ANY_TEXT}),
        // A statement begins with a word, a parenthesis or a remark.
        Shape::Query => {
            json!({"type": "string", "pattern": "\\S", "examples": ["SELECT count(*) FROM reservations"]})
        }
        Shape::Line => {
            // Of all signs in programs' names, the dot alone means something else in a pattern.
            let pattern = format!("^\\s*({})\\s", PROGRAMS.join("|").replace('.', "\\."));
            json!({"type": "string", "pattern": pattern})
        }
        Shape::Pattern => json!({"type": ANY_TEXT, "format": "regex"}),
        Shape::Id => json!({"type": "string", "pattern": "^[a-z][a-z0-9_-]*$"}),
        Shape::Flag => json!({"type": "boolean"}),
        Shape::Number { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
        Shape::Duration => {
            json!({"type": "string", "pattern": "^\\s*[0-9.]+\\s*(ms|s|m|min)\\s*$", "examples": ["10s", "500ms"]})
        }
        Shape::Rate => {
            json!({"type": "string", "pattern": "^\\s*[0-9]+\\s*/s\\s*$", "examples": ["200/s"]})
        }
        Shape::Compare(unit) => comparison(*unit),
        Shape::Slots => {
            json!({"type": ["string", "integer"], "pattern": format!("^\\s*{SLOTS}\\s*$"), "minimum": 0, "maximum": 16383, "examples": ["0-5460", "0-1364 5461-6826"]})
        }
        Shape::ProbeSlots => {
            json!({"type": ["string", "integer"], "pattern": format!("^(all|moving|\\s*{SLOTS}\\s*)$"), "minimum": 0, "maximum": 16383, "examples": ["all", "moving"]})
        }
        Shape::Node => json!({"enum": nodes}),
        Shape::Choice(words) => json!({"enum": words}),
        Shape::SaveSource => {
            json!({"type": "string", "pattern": "^(stdout|stderr|json \\..*|match .+)$", "examples": ["stdout"]})
        }
        Shape::Version => {
            json!({"type": "string", "examples": [">= 7.0", "redis < 7.2", "valkey"]})
        }
        Shape::JsonPath => {
            let place = r#"\[([0-9]+|"[^"]*")\]"#;
            let pattern = format!(r"^\.([^.\[]+|{place})?(\.[^.\[]+|{place})*$");
            json!({"type": "string", "pattern": pattern, "examples": [".seats[0].state"]})
        }
        Shape::List(inner) => json!({"type": "array", "minItems": 1, "items": shape(inner)}),
        Shape::Map { key, value } => {
            json!({"type": "object", "minProperties": 1, "propertyNames": shape(key), "additionalProperties": shape(value)})
        }
        Shape::Table(inner) => table(inner),
    }
}

/// Ranges of slots, separated by blanks.
const SLOTS: &str = "[0-9]+(-[0-9]+)?(\\s+[0-9]+(-[0-9]+)?)*";

fn comparison(unit: Unit) -> Value {
    let pattern = |number: &str| format!("^\\s*(>=|<=|!=|==|>|<|=)?\\s*{number}\\s*$");
    match unit {
        Unit::Count => {
            json!({"type": ["number", "string"], "pattern": pattern("-?[0-9]+(\\.[0-9]+)?"), "examples": [0, ">= 50"]})
        }
        Unit::Time => {
            json!({"type": "string", "pattern": pattern("[0-9.]+\\s*(ms|s|m|min)"), "examples": ["< 10s"]})
        }
        Unit::Bytes => {
            json!({"type": ["integer", "string"], "pattern": pattern("[0-9]+\\s*(B|KiB|MiB|GiB)?"), "minimum": 0, "examples": [0, "<= 1MiB"]})
        }
    }
}
