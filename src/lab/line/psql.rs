//! `psql …`: one statement for the database of this environment, and how its result is printed.

use std::ops::Range;

use super::words::Word;
use super::{LineFault, Parsed, Value};
use crate::lab::action::PsqlCall;
use crate::lab::environment::{POSTGRES, POSTGRES_PORT, POSTGRES_USER, postgres_ip};
use crate::lab::fault::{nearest, suggest};
use crate::lab::sql::Statement;

/// A line of psql that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct PsqlLine {
    /// Options without a value, each as psql's manual lists it first.
    options: Vec<&'static str>,
    /// Options that say which server, user and database, with their values: all of them mean this environment.
    places: Vec<(Place, Word)>,
    statement: Word,
}

/// What an option names of the way to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Host,
    Port,
    User,
    Database,
}

/// Options without a value that a lab can use, each with its long name (psql 12 and later).
pub(in crate::lab) const FLAGS: [(&str, &str); 5] = [
    ("-t", "--tuples-only"),
    ("-A", "--no-align"),
    ("-x", "--expanded"),
    ("-q", "--quiet"),
    ("-X", "--no-psqlrc"),
];
/// The one that has no short name.
pub(in crate::lab) const CSV: &str = "--csv";
/// Options with a value, each with its long name.
pub(in crate::lab) const VALUES: [(&str, &str); 6] = [
    ("-c", "--command"),
    ("-h", "--host"),
    ("-p", "--port"),
    ("-U", "--username"),
    ("-d", "--dbname"),
    ("-v", "--set"),
];
/// Options that work on files or the terminal, of which a lab has none; `-l` has an SQL statement that says the same.
pub(in crate::lab) const FILES: [(&str, &str); 7] = [
    ("-f", "--file"),
    ("-o", "--output"),
    ("-L", "--log-file"),
    ("-s", "--single-step"),
    ("-S", "--single-line"),
    ("-W", "--password"),
    ("-l", "--list"),
];
/// The only variable that a lab can set: that psql ends with an error when a statement does. With one statement it does so anyway.
pub(in crate::lab) const VARIABLE: &str = "ON_ERROR_STOP=1";

impl PsqlLine {
    /// Whether its statement changes nothing.
    pub(super) fn only_looks(&self) -> bool {
        Statement::read(self.statement.as_written())
            .is_ok_and(|statement| statement.changes().is_none())
    }

    /// Where the statement stands in the line.
    pub(super) fn statement(&self) -> Range<usize> {
        self.statement.range.clone()
    }

    pub(super) fn fill(&self, value: Value<'_>) -> Result<PsqlCall, String> {
        for (place, word) in &self.places {
            let text = word.fill(value)?;
            place.check(&text)?;
        }
        let statement = self.statement.fill(value)?;
        Statement::read(&statement).map_err(|fault| format!("{}: {statement}", fault.what))?;
        Ok(PsqlCall {
            options: self
                .options
                .iter()
                .map(|option| (*option).to_owned())
                .collect(),
            statement,
        })
    }
}

impl Place {
    /// What can be said of it; the first is how it is shown.
    fn known(self) -> Vec<String> {
        match self {
            Place::Host => vec![
                "127.0.0.1".to_owned(),
                "localhost".to_owned(),
                POSTGRES.to_owned(),
                postgres_ip(),
            ],
            Place::Port => vec![POSTGRES_PORT.to_string()],
            Place::User | Place::Database => vec![POSTGRES_USER.to_owned()],
        }
    }

    fn check(self, text: &str) -> Result<(), String> {
        if self.known().iter().any(|known| known == text) {
            return Ok(());
        }
        let what = match self {
            Place::Host => "the host",
            Place::Port => "the port",
            Place::User => "the user",
            Place::Database => "the database",
        };
        Err(format!(
            "`{text}` is not {what} of this environment's PostgreSQL"
        ))
    }
}

pub(super) fn parse(program: &Word, rest: &[Word]) -> Parsed<PsqlLine> {
    let mut reader = Reader::default();
    let mut words = rest.iter();
    while let Some(word) = words.next() {
        reader.word(word, &mut words);
    }
    let Reader {
        options,
        places,
        statement,
        mut faults,
    } = reader;
    match statement {
        Some(statement) if faults.is_empty() => Ok(PsqlLine {
            options,
            places,
            statement,
        }),
        None if faults.is_empty() => Err(vec![
            LineFault::new(
                program.range.clone(),
                "psql without `-c` waits for statements to be typed",
                "no statement",
            )
            .help("write it on the line: `psql -c 'SELECT count(*) FROM reservations'`"),
        ]),
        _ => {
            faults.dedup();
            Err(faults)
        }
    }
}

#[derive(Default)]
struct Reader {
    options: Vec<&'static str>,
    places: Vec<(Place, Word)>,
    statement: Option<Word>,
    faults: Vec<LineFault>,
}

impl Reader {
    fn word<'w>(&mut self, word: &Word, words: &mut impl Iterator<Item = &'w Word>) {
        let text = word.as_written();
        if let Some((name, value)) = text.split_once('=').filter(|_| text.starts_with("--")) {
            let at = name.len() + 1;
            match VALUES.iter().find(|(_, long)| *long == name) {
                Some((short, _)) => self.value_in_word(short, word, at, value),
                None => self.unknown(word, name),
            }
        } else if let Some((short, _)) = VALUES
            .iter()
            .find(|(short, long)| *short == text || *long == text || aliases(text) == *short)
        {
            self.value_after(short, word, words);
        } else if let Some((short, _)) = FLAGS
            .iter()
            .find(|(short, long)| *short == text || *long == text)
        {
            self.options.push(short);
        } else if text == CSV {
            self.options.push(CSV);
        } else if FILES
            .iter()
            .any(|(short, long)| *short == text || *long == text)
        {
            self.refused(word, text);
        } else if text.starts_with("--") {
            self.unknown(word, text);
        } else if text.starts_with('-') && text.len() > 2 {
            self.cluster(word, words);
        } else if text.starts_with('-') {
            self.unknown(word, text);
        } else {
            self.faults.push(
                LineFault::new(
                    word.range.clone(),
                    "psql takes options here, and this is none",
                    "one word too many",
                )
                .help(format!(
                    "a statement stands behind `-c`, in quotes; `-d {POSTGRES_USER}` names the database"
                )),
            );
        }
    }

    /// Several letters behind one hyphen: `-At`, `-Atc 'SELECT …'`, `-p5432`.
    fn cluster<'w>(&mut self, word: &Word, words: &mut impl Iterator<Item = &'w Word>) {
        let text = word.as_written();
        for (at, letter) in text.char_indices().skip(1) {
            let option = format!("-{letter}");
            let rest = at + letter.len_utf8();
            if let Some((short, _)) = FLAGS.iter().find(|(short, _)| *short == option) {
                self.options.push(short);
            } else if let Some((short, _)) = VALUES.iter().find(|(short, _)| *short == option) {
                if rest == text.len() {
                    self.value_after(short, word, words);
                } else {
                    let value = text.get(rest..).unwrap_or_default();
                    self.value_in_word(short, word, rest, value);
                }
                return;
            } else if FILES.iter().any(|(short, _)| *short == option) {
                return self.refused(word, &option);
            } else {
                return self.unknown(word, text);
            }
        }
    }

    fn value_after<'w>(
        &mut self,
        option: &'static str,
        word: &Word,
        words: &mut impl Iterator<Item = &'w Word>,
    ) {
        match words.next() {
            Some(value) => self.value(option, value),
            None => self.faults.push(LineFault::new(
                word.range.clone(),
                format!("`{}` needs a value", word.as_written()),
                "here",
            )),
        }
    }

    /// A value that is written in one word with its option, from byte `at` of the word on.
    fn value_in_word(&mut self, option: &'static str, word: &Word, at: usize, value: &str) {
        match word.part(at..at + value.len()) {
            Some(value) => self.value(option, &value),
            // Nothing after the equals sign.
            None => self.faults.push(LineFault::new(
                word.range.clone(),
                format!("`{option}` needs a value"),
                "here",
            )),
        }
    }

    fn value(&mut self, option: &'static str, value: &Word) {
        let place = match option {
            "-h" => Place::Host,
            "-p" => Place::Port,
            "-U" => Place::User,
            "-d" => Place::Database,
            "-v" => return self.variable(value),
            _ => return self.command(value),
        };
        if let Some(Err(what)) = value.literal().map(|text| place.check(text)) {
            let known = place.known();
            let near = nearest(value.as_written(), known.iter().map(String::as_str));
            let label = near.map_or("here".to_owned(), |near| format!("did you mean `{near}`?"));
            let help = format!(
                "leave it out: psql is told where the database is; `{option} {}` would be right",
                known.first().map_or("", String::as_str)
            );
            self.faults
                .push(LineFault::new(value.range.clone(), what, label).help(help));
        }
        self.places.push((place, value.clone()));
    }

    fn variable(&mut self, value: &Word) {
        let text = value.as_written();
        if text != VARIABLE {
            let label = nearest(text, [VARIABLE])
                .map_or("here".to_owned(), |near| format!("did you mean `{near}`?"));
            self.faults.push(
                LineFault::new(
                    value.range.clone(),
                    format!("`{text}` is not a variable that a lab can set"),
                    label,
                )
                .help(format!(
                    "psql fills variables into what it reads from a file or a terminal, not into `-c`; what can be said is `-v {VARIABLE}`"
                )),
            );
        }
    }

    fn command(&mut self, value: &Word) {
        if self.statement.is_some() {
            self.faults.push(
                LineFault::new(
                    value.range.clone(),
                    "one line sends one statement, and this is a second one",
                    "here",
                )
                .help("make it a step of its own"),
            );
            return;
        }
        if let Err(fault) = Statement::read(value.as_written()) {
            self.faults.push(LineFault {
                what: fault.what,
                label: fault.label,
                help: fault.help,
                range: value.place(fault.range),
            });
        }
        self.statement = Some(value.clone());
    }

    fn refused(&mut self, word: &Word, option: &str) {
        let (what, help) = match option {
            "-l" | "--list" => (
                format!("`{option}` lists the server's databases, and a lab has one"),
                "a SELECT from pg_database says the same",
            ),
            _ => (
                format!("`{option}` works on files or the terminal, and a lab has none of these"),
                "write the statement on the line: `psql -c 'SELECT …'`",
            ),
        };
        self.faults
            .push(LineFault::new(word.range.clone(), what, "here").help(help));
    }

    fn unknown(&mut self, word: &Word, option: &str) {
        let known: Vec<&str> = FLAGS
            .iter()
            .chain(&VALUES)
            .flat_map(|(short, long)| [*short, *long])
            .chain([CSV])
            .collect();
        let (label, help) = suggest(option, &known);
        let mut fault = LineFault::new(
            word.range.clone(),
            format!("`{option}` is not an option of psql that a lab can use"),
            label,
        );
        fault.help = help;
        self.faults.push(fault);
    }
}

/// The short name of an option that has a second long one.
fn aliases(text: &str) -> &str {
    match text {
        "--variable" => "-v",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::action::Action;
    use crate::lab::line::{Line, Task};
    use rstest::rstest;

    fn call(text: &str) -> PsqlCall {
        let line = Line::parse(text).unwrap();
        let filled = line.fill(|_| Ok("7".to_owned())).unwrap();
        match filled.task {
            Task::Action(Action::Psql(call)) => call,
            other => panic!("{other:?}"),
        }
    }

    #[rstest]
    #[case("psql -c 'SELECT 1'", &[], "SELECT 1")]
    #[case("psql -Atc \"SELECT 'a'\"", &["-A", "-t"], "SELECT 'a'")]
    #[case("psql --csv --command='SELECT 1;'", &["--csv"], "SELECT 1;")]
    #[case("psql -h 127.0.0.1 -p5432 -Uapp -d app -v ON_ERROR_STOP=1 -x -c 'SELECT 1'", &["-x"], "SELECT 1")]
    #[case("psql -h postgres --port=5432 --tuples-only -qX -c 'SELECT 1'", &["-t", "-q", "-X"], "SELECT 1")]
    #[case("psql -h 172.30.0.20 -c 'SELECT ${x}'", &[], "SELECT 7")]
    fn lines_of_psql(#[case] text: &str, #[case] options: &[&str], #[case] statement: &str) {
        let call = call(text);
        assert_eq!(call.options, options);
        assert_eq!(call.statement, statement);
    }

    #[rstest]
    #[case("psql", "waits for statements", "psql")]
    #[case("psql -t", "waits for statements", "psql")]
    #[case("psql -c", "needs a value", "-c")]
    #[case("psql --command=", "needs a value", "--command=")]
    #[case("psql -c ''", "no statement", "''")]
    #[case("psql -f x.sql", "works on files", "-f")]
    #[case("psql -Atf x.sql", "works on files", "-Atf")]
    #[case("psql -l", "lists the server's databases", "-l")]
    #[case(
        "psql --tupels-only -c 'SELECT 1'",
        "not an option of psql",
        "--tupels-only"
    )]
    #[case("psql -Atz -c 'SELECT 1'", "not an option of psql", "-Atz")]
    #[case("psql --hosts=a -c 'SELECT 1'", "not an option of psql", "--hosts=a")]
    #[case("psql -h example.com -c 'SELECT 1'", "not the host", "example.com")]
    #[case("psql -p5433 -c 'SELECT 1'", "not the port", "5433")]
    #[case("psql --port='5433' -c 'SELECT 1'", "not the port", "5433")]
    #[case("psql -U postgres -c 'SELECT 1'", "not the user", "postgres")]
    #[case(
        "psql -d postgres://x/y -c 'SELECT 1'",
        "not the database",
        "postgres://x/y"
    )]
    #[case("psql -v x=1 -c 'SELECT 1'", "not a variable", "x=1")]
    #[case("psql app -c 'SELECT 1'", "this is none", "app")]
    #[case("psql -c 'SELECT 1' -c 'SELECT 2'", "second one", "'SELECT 2'")]
    #[case("psql -c 'SELECT 1; SELECT 2'", "second one begins", "SELECT")]
    #[case(r"psql -c '\d events'", "backslash", r"\")]
    #[case(r#"psql -c "\\copy t from x""#, "backslash", r"\\")]
    #[case(
        "psql -c \"COPY t TO PROGRAM 'id'\"",
        "runs that on the server",
        "PROGRAM"
    )]
    fn what_is_not_understood_is_refused(
        #[case] text: &str,
        #[case] why: &str,
        #[case] place: &str,
    ) {
        let faults = Line::parse(text).unwrap_err();
        assert!(faults[0].what.contains(why), "{faults:?}");
        assert_eq!(&text[faults[0].range.clone()], place);
    }

    #[rstest]
    #[case("watch -n 1 \"psql -c 'SELECT 1'\"", true)]
    #[case("watch -n 1 \"psql -c 'DELETE FROM t'\"", false)]
    #[case("psql -c \"SELECT 'a|b'\" | grep a", true)]
    fn what_only_looks_can_be_watched(#[case] text: &str, #[case] good: bool) {
        assert_eq!(Line::parse(text).is_ok(), good);
    }

    #[rstest]
    #[case("1; DROP TABLE t", "second one begins")]
    #[case("'", "not closed")]
    fn what_a_value_brings_is_looked_at_too(#[case] value: &str, #[case] why: &str) {
        let line = Line::parse("psql -c 'SELECT ${x}'").unwrap();
        let error = line.fill(|_| Ok(value.to_owned())).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}
