//! Looking into the database: one query at a time, in a transaction that can only read.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row, ValueRef};
use tokio::sync::Mutex;

/// Rows that are kept of an answer; of further ones only the number is.
const KEPT: usize = 1000;

/// What a query gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// The rows, in their order, each with its values as text; NULL is `None`. Of an answer with more than 1000 rows, the first 1000.
    pub rows: Vec<Vec<Option<String>>>,
    /// How many there were.
    pub count: usize,
}

impl Rows {
    /// The only value, if it is one: NULL is an empty text, as psql prints it.
    pub fn value(&self) -> Option<&str> {
        match (&self.rows[..], self.count) {
            ([row], 1) => match &row[..] {
                [value] => Some(value.as_deref().unwrap_or_default()),
                _ => None,
            },
            _ => None,
        }
    }

    /// A row a line, its values with `|` between them, as `psql -At` prints them.
    pub fn lines(&self) -> Vec<String> {
        let line = |row: &Vec<Option<String>>| {
            let values: Vec<&str> = row
                .iter()
                .map(|value| value.as_deref().unwrap_or_default())
                .collect();
            values.join("|")
        };
        self.rows.iter().map(line).collect()
    }
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.lines();
        if self.count > lines.len() {
            lines.push(format!("({} rows in all)", self.count));
        }
        f.write_str(&lines.join("\n"))
    }
}

/// Asks one database. The connection is kept between two looks, and made again when it broke.
#[derive(Debug)]
pub struct SqlObserver {
    options: PgConnectOptions,
    deadline: Duration,
    connection: Mutex<Option<PgConnection>>,
}

impl SqlObserver {
    /// Of the database behind a URL. No answer is waited for longer than `deadline`.
    ///
    /// # Errors
    /// When the URL can't be read, in words.
    pub fn new(url: &str, deadline: Duration) -> Result<Self, String> {
        let limit = deadline.as_millis().to_string();
        let options = PgConnectOptions::from_str(url)
            .map_err(|error| error.to_string())?
            .application_name("labrunner")
            .options([
                ("statement_timeout", limit.as_str()),
                ("default_transaction_read_only", "on"),
            ])
            .disable_statement_logging();
        Ok(SqlObserver {
            options,
            deadline,
            connection: Mutex::new(None),
        })
    }

    /// What a query gives at this moment.
    ///
    /// # Errors
    /// What the server says against it, or that it does not answer, in words.
    pub async fn ask(&self, query: &str) -> Result<Rows, String> {
        // Held while it is asked: one connection answers one query at a time.
        let mut kept = self.connection.lock().await;
        let asked = async {
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => PgConnection::connect_with(&self.options).await?,
            };
            let rows = ask(&mut connection, query).await;
            Ok::<_, sqlx::Error>((rows, connection))
        };
        // What is dropped in the middle takes its connection with it.
        let (rows, connection) = match tokio::time::timeout(self.deadline, asked).await {
            Ok(Ok(answered)) => answered,
            Ok(Err(error)) => return Err(in_words(&error)),
            Err(_) => {
                let seconds = self.deadline.as_secs_f64();
                return Err(format!(
                    "PostgreSQL does not answer: nothing for {seconds} s"
                ));
            }
        };
        match rows {
            Ok(rows) => {
                *kept = Some(connection);
                Ok(rows)
            }
            Err(error) => Err(in_words(&error)),
        }
    }
}

async fn ask(connection: &mut PgConnection, query: &str) -> Result<Rows, sqlx::Error> {
    connection.execute("BEGIN READ ONLY").await?;
    let mut answer = Rows::default();
    {
        // A lab's own query, which was read before: one statement that only looks.
        let mut rows = sqlx::raw_sql(AssertSqlSafe(query)).fetch(&mut *connection);
        while let Some(row) = rows.try_next().await? {
            answer.count += 1;
            if answer.rows.len() < KEPT {
                answer.rows.push(values(&row)?);
            }
        }
    }
    connection.execute("ROLLBACK").await?;
    Ok(answer)
}

/// The values of a row as text, which is how the simple protocol sends them.
fn values(row: &PgRow) -> Result<Vec<Option<String>>, sqlx::Error> {
    (0..row.len())
        .map(|at| {
            let value = row.try_get_raw(at)?;
            if value.is_null() {
                return Ok(None);
            }
            let text = value.as_str().map_err(sqlx::Error::Decode)?;
            Ok(Some(text.to_owned()))
        })
        .collect()
}

fn in_words(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => match error.code().as_deref() {
            // It is starting, or ending.
            Some("57P03" | "57P01") => format!("PostgreSQL does not answer: {}", error.message()),
            _ => format!("PostgreSQL says: {}", error.message()),
        },
        other => format!("PostgreSQL does not answer: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[Option<&str>]]) -> Rows {
        let row = |row: &&[Option<&str>]| row.iter().map(|it| it.map(str::to_owned)).collect();
        Rows {
            rows: rows.iter().map(row).collect(),
            count: rows.len(),
        }
    }

    #[test]
    fn one_value_is_one_row_of_one_column() {
        assert_eq!(rows(&[&[Some("3")]]).value(), Some("3"));
        assert_eq!(rows(&[&[None]]).value(), Some(""));
        assert_eq!(rows(&[]).value(), None);
        assert_eq!(rows(&[&[Some("1")], &[Some("2")]]).value(), None);
        assert_eq!(rows(&[&[Some("1"), Some("2")]]).value(), None);
    }

    #[test]
    fn rows_look_as_psql_prints_them() {
        let mut two = rows(&[&[Some("a"), None], &[Some("b"), Some("t")]]);
        assert_eq!(two.to_string(), "a|\nb|t");
        two.count = 5000;
        assert_eq!(two.to_string(), "a|\nb|t\n(5000 rows in all)");
    }

    #[tokio::test]
    async fn nobody_there_is_told() {
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("postgres://app:app@{}/app", nobody.local_addr().unwrap());
        drop(nobody);
        let observer = SqlObserver::new(&url, Duration::from_secs(1)).unwrap();
        let error = observer.ask("SELECT 1").await.unwrap_err();
        assert!(error.starts_with("PostgreSQL does not answer: "), "{error}");
        assert!(SqlObserver::new("nonsense", Duration::from_secs(1)).is_err());
    }
}
