//! The check of what a query gives.

use super::Judged;
use super::output::shorten;
use crate::engine::scope::Scope;
use crate::lab::model::SqlTest;
use crate::lab::sql::Statement;
use crate::lab::template::Template;
use crate::observe::Rows;

/// The query of a check, filled in.
///
/// # Errors
/// Why it can't be asked: a value is missing, or a value made it something else than one statement that only looks.
pub fn query(test: &SqlTest, scope: &Scope<'_>) -> Result<String, String> {
    let query = scope.fill(&test.query)?;
    Statement::read_query(&query).map_err(|fault| format!("{}: {query}", fault.what))?;
    Ok(query)
}

/// Decides a check by what its query gave.
pub(super) fn judge(test: &SqlTest, answer: &Result<Rows, String>, scope: &Scope<'_>) -> Judged {
    let rows = match answer {
        Ok(rows) => rows,
        Err(why) => return Judged::new(false, why.clone()),
    };
    let mut parts = Vec::new();
    let mut with = |template: &Template, holds: &dyn Fn(&str) -> Judged| {
        parts.push(match scope.fill(template) {
            Ok(wanted) => holds(wanted.trim_end()),
            Err(why) => Judged::new(false, why),
        });
    };
    if let Some(template) = &test.value {
        with(template, &|wanted| match rows.value() {
            Some(value) => Judged::new(value == wanted, shown(rows)),
            None => Judged::new(false, not_one(rows)),
        });
    }
    if let Some(wanted) = &test.is {
        parts.push(match rows.value().map(|value| (value, value.parse())) {
            Some((_, Ok(number))) => Judged::new(wanted.holds(number), shown(rows)),
            Some((_, Err(_))) => {
                Judged::new(false, format!("{}, which is not a number", shown(rows)))
            }
            None => Judged::new(false, not_one(rows)),
        });
    }
    if let Some(wanted) = &test.rows {
        parts.push(Judged::new(wanted.holds(rows.count as f64), all(rows)));
    }
    if let Some(templates) = &test.equals {
        let wanted: Result<Vec<String>, String> =
            templates.iter().map(|row| scope.fill(row)).collect();
        parts.push(match wanted {
            Ok(wanted) => Judged::new(
                rows.count == wanted.len() && rows.lines() == wanted,
                all(rows),
            ),
            Err(why) => Judged::new(false, why),
        });
    }
    Judged::all(parts)
}

fn shown(rows: &Rows) -> String {
    format!("it gives {}", shorten(&rows.to_string()))
}

fn not_one(rows: &Rows) -> String {
    format!("it does not give one value: {}", all(rows))
}

/// How many rows, and the rows.
fn all(rows: &Rows) -> String {
    match rows.count {
        0 => "no rows".to_owned(),
        1 => format!("1 row: {}", shorten(&rows.to_string())),
        count => format!("{count} rows: {}", shorten(&rows.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rstest::rstest;

    use super::*;
    use crate::engine::names::Names;
    use crate::lab::quantity::{Comparison, Unit};

    fn template(text: &str) -> Template {
        Template::parse(text).unwrap()
    }

    fn test() -> SqlTest {
        SqlTest {
            query: template("SELECT '${it}'"),
            value: None,
            is: None,
            rows: None,
            equals: None,
        }
    }

    fn rows(rows: &[&[&str]]) -> Result<Rows, String> {
        let row = |row: &&[&str]| row.iter().map(|it| Some((*it).to_owned())).collect();
        Ok(Rows {
            rows: rows.iter().map(row).collect(),
            count: rows.len(),
        })
    }

    fn with_scope<T>(value: &str, with: impl FnOnce(&Scope<'_>) -> T) -> T {
        let names = Names::default();
        let saved = BTreeMap::from([("it".to_owned(), value.to_owned())]);
        with(&Scope {
            names: &names,
            saved: &saved,
            item: None,
        })
    }

    fn number(text: &str) -> Option<Comparison> {
        Some(Comparison::parse(text, Unit::Count).unwrap())
    }

    #[rstest]
    #[case::value(SqlTest { value: Some(template("${it}")), ..test() }, rows(&[&["v"]]), true, "it gives `v`")]
    #[case::other_value(SqlTest { value: Some(template("3")), ..test() }, rows(&[&["4"]]), false, "it gives `4`")]
    #[case::two_values(SqlTest { value: Some(template("3")), ..test() }, rows(&[&["3", "4"]]), false, "it does not give one value: 1 row: `3|4`")]
    #[case::is(SqlTest { is: number(">= 3"), ..test() }, rows(&[&["10"]]), true, "it gives `10`")]
    #[case::is_not(SqlTest { is: number(">= 3"), ..test() }, rows(&[&["2"]]), false, "it gives `2`")]
    #[case::no_number(SqlTest { is: number(">= 3"), ..test() }, rows(&[&["t"]]), false, "it gives `t`, which is not a number")]
    #[case::count(SqlTest { rows: number("0"), ..test() }, rows(&[]), true, "no rows")]
    #[case::other_count(SqlTest { rows: number("0"), ..test() }, rows(&[&["a"], &["b"]]), false, "2 rows: `a ⏎ b`")]
    #[case::all(SqlTest { equals: Some(vec![template("a|1"), template("${it}|2")]), ..test() }, rows(&[&["a", "1"], &["v", "2"]]), true, "2 rows: `a|1 ⏎ v|2`")]
    #[case::other_order(SqlTest { equals: Some(vec![template("b"), template("a")]), ..test() }, rows(&[&["a"], &["b"]]), false, "2 rows: `a ⏎ b`")]
    #[case::both(SqlTest { rows: number("1"), value: Some(template("x")), ..test() }, rows(&[&["v"]]), false, "it gives `v`")]
    #[case::no_answer(SqlTest { rows: number("0"), ..test() }, Err("PostgreSQL does not answer".to_owned()), false, "PostgreSQL does not answer")]
    #[case::nothing(test(), rows(&[&["v"]]), false, "there is nothing in this check")]
    fn what_a_query_gives(
        #[case] test: SqlTest,
        #[case] answer: Result<Rows, String>,
        #[case] holds: bool,
        #[case] seen: &str,
    ) {
        let judged = with_scope("v", |scope| judge(&test, &answer, scope));
        assert_eq!(judged, Judged::new(holds, seen));
    }

    #[test]
    fn more_rows_than_are_kept_are_not_those_that_were_wanted() {
        let mut answer = rows(&[&["a"]]).unwrap();
        answer.count = 2000;
        let test = SqlTest {
            equals: Some(vec![template("a")]),
            ..test()
        };
        assert!(!with_scope("v", |scope| judge(&test, &Ok(answer), scope)).holds);
    }

    #[test]
    fn a_value_can_not_make_a_query_into_something_else() {
        assert_eq!(
            with_scope("v", |scope| query(&test(), scope)),
            Ok("SELECT 'v'".to_owned())
        );
        let error = with_scope("'; DROP TABLE t; --", |scope| query(&test(), scope));
        assert!(error.unwrap_err().contains("second one begins"));
    }
}
