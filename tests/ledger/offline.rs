//! The data by which queries are checked when they are compiled, `.sqlx`: it is what a database with these migrations says.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use sqlx::{Column, Either, Executor, SqlSafeStr, TypeInfo};

use crate::databases::Database;

/// Each file of `.sqlx`, with the query in it.
fn kept() -> BTreeMap<String, Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".sqlx");
    let files = std::fs::read_dir(folder).unwrap();
    files
        .map(|file| {
            let file = file.unwrap();
            let text = std::fs::read_to_string(file.path()).unwrap();
            (
                file.file_name().into_string().unwrap(),
                serde_json::from_str(&text).unwrap(),
            )
        })
        .collect()
}

/// That no query is missing, the compiler has seen: without its file it does not compile. That a file says what the schema is now, is
/// seen here.
#[tokio::test]
async fn every_query_is_as_the_schema_has_it() {
    let Some(database) = Database::migrated("every_query_is_as_the_schema_has_it").await else {
        return;
    };
    let mut connection = database.connect().await;
    let kept = kept();
    assert!(kept.len() > 10, "{}", kept.len());
    for (file, kept) in kept {
        let query = kept["query"].as_str().unwrap().to_owned();
        let described = (&mut connection)
            .describe(sqlx::AssertSqlSafe(query.clone()).into_sql_str())
            .await;
        let described = described.unwrap_or_else(|error| panic!("{file}: {query}: {error}"));
        let columns: Vec<Value> = described
            .columns()
            .iter()
            .map(|column| json!({"name": column.name(), "type_info": column.type_info().name()}))
            .collect();
        let of_file: Vec<Value> = kept["describe"]["columns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|column| json!({"name": column["name"], "type_info": type_name(&column["type_info"])}))
            .collect();
        assert_eq!(
            columns, of_file,
            "{file}: run `cargo sqlx prepare -- --lib`"
        );
        let parameters: Vec<Value> = match described.parameters() {
            Some(Either::Left(types)) => types.iter().map(|kind| json!(kind.name())).collect(),
            other => panic!("{file}: {other:?}"),
        };
        let of_file: Vec<Value> = kept["describe"]["parameters"]["Left"]
            .as_array()
            .unwrap()
            .iter()
            .map(type_name)
            .collect();
        assert_eq!(
            parameters, of_file,
            "{file}: run `cargo sqlx prepare -- --lib`"
        );
    }
}

/// `"Int8"` and `{"Custom": …}` in the file are `INT8` and so on by name.
fn type_name(kept: &Value) -> Value {
    let name = kept.as_str().unwrap();
    match name.strip_suffix("Array") {
        Some(element) => json!(format!("{}[]", element.to_uppercase())),
        None => json!(name.to_uppercase()),
    }
}
