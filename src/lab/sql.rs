//! SQL as far as a lab has to understand it: that a text is one statement, whether it only looks, and that it is for the server and not
//! for files or programs. What a statement means, the server says.

use std::ops::Range;

/// What is wrong with a text that has to be a statement, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlFault {
    /// What is wrong.
    pub what: String,
    /// A few words for under the caret.
    pub label: String,
    /// What to do.
    pub help: Option<String>,
    /// Where, in bytes of the text.
    pub range: Range<usize>,
}

impl SqlFault {
    fn new(
        range: Range<usize>,
        what: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        SqlFault {
            what: what.into(),
            label: label.into(),
            help: Some(help.into()),
            range,
        }
    }
}

/// The first words of statements that only look.
pub const LOOKING: [&str; 5] = ["SELECT", "WITH", "VALUES", "TABLE", "SHOW"];
/// Words that make such a statement change something all the same: `WITH gone AS (DELETE …) SELECT …`.
const CHANGING: [&str; 4] = ["INSERT", "UPDATE", "DELETE", "MERGE"];

/// One statement of SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement<'t> {
    text: &'t str,
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    kind: Kind,
    range: Range<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A key word or a name without quotes.
    Word,
    /// A text between single quotes or dollar signs.
    Text,
    /// A name between double quotes.
    Name,
    /// Any other sign.
    Sign(char),
}

impl<'t> Statement<'t> {
    /// Reads a text that has to be one statement for the server. `${…}` in it stands for itself.
    ///
    /// # Errors
    /// No statement or several, a command of psql's own (`\d`), a quote that is not closed, a `COPY` that reads or writes anything but
    /// the standard output.
    pub fn read(text: &'t str) -> Result<Self, SqlFault> {
        let tokens = Scanner { text, at: 0 }.tokens()?;
        let Some(first) = tokens.first() else {
            return Err(SqlFault::new(
                0..text.len(),
                "there is no statement here",
                "nothing for the server",
                "write one statement, as in `SELECT count(*) FROM reservations`",
            ));
        };
        if let Some(sign) = tokens.iter().find(|token| token.kind == Kind::Sign('\\')) {
            return Err(SqlFault::new(
                sign.range.clone(),
                "a command that begins with a backslash is psql's own and no SQL",
                "here",
                "say it in SQL: a SELECT from information_schema.tables or .columns shows what `\\d` shows",
            ));
        }
        let end = tokens
            .iter()
            .position(|token| token.kind == Kind::Sign(';'));
        if let Some(end) = end {
            let more = tokens.iter().skip(end + 1);
            let mut more = more.filter(|token| token.kind != Kind::Sign(';'));
            if end == 0 {
                return Err(SqlFault::new(
                    first.range.clone(),
                    "the statement before this `;` is empty",
                    "here",
                    "write one statement",
                ));
            }
            if let Some(second) = more.next() {
                return Err(SqlFault::new(
                    second.range.clone(),
                    "one line sends one statement, and here a second one begins",
                    "here",
                    "make it a step of its own; what has to be done together can be one statement: `WITH … INSERT …`",
                ));
            }
        }
        let statement = Statement { text, tokens };
        match statement.copies_elsewhere() {
            Some(fault) => Err(fault),
            None => Ok(statement),
        }
    }

    /// Reads a text that has to be one statement that only looks.
    ///
    /// # Errors
    /// As [`read`](Self::read), and a statement that changes something or may do so.
    pub fn read_query(text: &'t str) -> Result<Self, SqlFault> {
        let statement = Statement::read(text)?;
        match statement.changes() {
            None => Ok(statement),
            Some(range) => Err(SqlFault::new(
                range,
                "a check only looks, and this statement may change something",
                "here",
                "write a SELECT; what changes something is a step's `run: psql -c …`",
            )),
        }
    }

    /// Where it says that it changes something, if it does or may.
    pub fn changes(&self) -> Option<Range<usize>> {
        let first = self.tokens.first()?;
        if !(first.kind == Kind::Word && LOOKING.iter().any(|word| self.is(first, word))) {
            // A query may stand in parentheses.
            let opens = |token: &&Token| token.kind == Kind::Sign('(');
            let inner = self.tokens.iter().find(|token| !opens(token))?;
            if first.kind != Kind::Sign('(') || !LOOKING.iter().any(|word| self.is(inner, word)) {
                return Some(first.range.clone());
            }
        }
        let changing = |token: &&Token| {
            token.kind == Kind::Word && CHANGING.iter().any(|word| self.is(token, word))
        };
        self.tokens
            .iter()
            .find(changing)
            .map(|token| token.range.clone())
    }

    fn is(&self, token: &Token, word: &str) -> bool {
        token.kind == Kind::Word && self.text[token.range.clone()].eq_ignore_ascii_case(word)
    }

    /// What is wrong with a `COPY`, if it is one: the standard output is all that a lab has for it.
    fn copies_elsewhere(&self) -> Option<SqlFault> {
        let (copy, rest) = self.tokens.split_first()?;
        if !self.is(copy, "COPY") {
            return None;
        }
        const HELP: &str =
            "`COPY (SELECT …) TO STDOUT` prints what a query gives; rows are put in by INSERT";
        let mut depth = 0_usize;
        let mut direction = None;
        for (at, token) in rest.iter().enumerate() {
            match token.kind {
                Kind::Sign('(') => depth += 1,
                Kind::Sign(')') => depth = depth.saturating_sub(1),
                _ if depth == 0 && (self.is(token, "FROM") || self.is(token, "TO")) => {
                    direction = Some((token, rest.get(at + 1)));
                    break;
                }
                _ => {}
            }
        }
        let fault = |token: &Token, what: &str| {
            Some(SqlFault::new(token.range.clone(), what, "here", HELP))
        };
        match direction {
            Some((to, Some(target))) if self.is(to, "TO") && self.is(target, "STDOUT") => None,
            Some((_, Some(target))) if self.is(target, "PROGRAM") => fault(
                target,
                "COPY with a program runs that on the server's machine",
            ),
            Some((_, Some(target))) if self.is(target, "STDIN") => {
                fault(target, "psql reads nothing from its standard input here")
            }
            Some((_, Some(target))) if target.kind == Kind::Text => fault(
                target,
                "COPY with a file name works on files of the server's machine, and a lab has none",
            ),
            Some((_, Some(token)) | (token, None)) => fault(
                token,
                "COPY is not told where to in a way that a lab can use",
            ),
            None => fault(copy, "COPY isn't told where to"),
        }
    }
}

/// Cuts a text into tokens as PostgreSQL does (PostgreSQL documentation, "Lexical Structure").
struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

impl Scanner<'_> {
    fn tokens(mut self) -> Result<Vec<Token>, SqlFault> {
        let mut tokens = Vec::new();
        while let Some(c) = self.rest().chars().next() {
            let start = self.at;
            let kind = match c {
                _ if c.is_whitespace() => {
                    self.at += c.len_utf8();
                    continue;
                }
                '-' if self.rest().starts_with("--") => {
                    self.at += self.rest().find('\n').unwrap_or(self.rest().len());
                    continue;
                }
                '/' if self.rest().starts_with("/*") => {
                    self.remark()?;
                    continue;
                }
                '\'' => {
                    self.quoted('\'', false)?;
                    Kind::Text
                }
                '"' => {
                    self.quoted('"', false)?;
                    Kind::Name
                }
                '$' if self.dollar_quoted()? => Kind::Text,
                _ if begins_word(c) => {
                    let in_word = |c: char| begins_word(c) || c.is_ascii_digit() || c == '$';
                    let rest = self.rest();
                    self.at += rest.find(|c| !in_word(c)).unwrap_or(rest.len());
                    // E'…' knows escapes by a backslash.
                    let escapes = self.text[start..self.at].eq_ignore_ascii_case("e");
                    if escapes && self.rest().starts_with('\'') {
                        self.quoted('\'', true)?;
                        Kind::Text
                    } else {
                        Kind::Word
                    }
                }
                other => {
                    self.at += other.len_utf8();
                    Kind::Sign(other)
                }
            };
            tokens.push(Token {
                kind,
                range: start..self.at,
            });
        }
        Ok(tokens)
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn not_closed(&self, start: usize, what: &str) -> SqlFault {
        SqlFault::new(
            start..self.text.len(),
            format!("{what} that is not closed"),
            "opened here",
            "a quote inside of a text is written twice: `'it''s'`",
        )
    }

    /// From a quote to behind the one that closes it; a quote that is doubled is one of the text.
    fn quoted(&mut self, quote: char, escapes: bool) -> Result<(), SqlFault> {
        let start = self.at;
        let mut chars = self.text[start..].char_indices().skip(1).peekable();
        while let Some((at, c)) = chars.next() {
            if c == '\\' && escapes {
                chars.next();
            } else if c == quote && chars.next_if(|(_, next)| *next == quote).is_none() {
                self.at = start + at + quote.len_utf8();
                return Ok(());
            }
        }
        let what = if quote == '"' {
            "a name in quotes"
        } else {
            "a text in quotes"
        };
        Err(self.not_closed(start, what))
    }

    /// `$tag$ … $tag$`, if it is one.
    fn dollar_quoted(&mut self) -> Result<bool, SqlFault> {
        let start = self.at;
        let inner = &self.text[start + 1..];
        let in_tag = |c: char| begins_word(c) || c.is_ascii_digit();
        let length = inner.find(|c| !in_tag(c)).unwrap_or(inner.len());
        let opens =
            inner[length..].starts_with('$') && !inner.starts_with(|c: char| c.is_ascii_digit());
        if !opens {
            return Ok(false);
        }
        let tag = &self.text[start..start + length + 2];
        let body = start + tag.len();
        match self.text[body..].find(tag) {
            Some(end) => {
                self.at = body + end + tag.len();
                Ok(true)
            }
            None => Err(self.not_closed(start, "a text in dollar signs")),
        }
    }

    /// `/* … */`, with others inside.
    fn remark(&mut self) -> Result<(), SqlFault> {
        let start = self.at;
        let mut depth = 0;
        while self.at < self.text.len() {
            let rest = self.rest();
            if rest.starts_with("/*") {
                depth += 1;
                self.at += 2;
            } else if rest.starts_with("*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return Ok(());
                }
            } else {
                self.at += rest.chars().next().map_or(1, char::len_utf8);
            }
        }
        Err(self.not_closed(start, "a remark"))
    }
}

fn begins_word(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("SELECT 1")]
    #[case("SELECT 1;")]
    #[case(" select ';', \"a;b\", $$;$$, $t$ ; $$ ; $t$ ; ; ")]
    #[case("SELECT 'it''s; fine' -- ; not a statement")]
    #[case("SELECT /* ; /* ; */ ; */ 1")]
    #[case(r"SELECT E'\';' ; ")]
    #[case(r"SELECT '\' ; ")]
    #[case("SELECT $1, a$b FROM t")]
    #[case("SELECT '${event}' FROM t WHERE id = ${id}")]
    #[case("COPY (SELECT a FROM t) TO STDOUT")]
    #[case("copy t (a, b) to stdout with (format csv)")]
    #[case("INSERT INTO t SELECT 1 FROM generate_series(1, 3)")]
    fn one_statement(#[case] text: &str) {
        assert_eq!(Statement::read(text).map(drop), Ok(()));
    }

    #[rstest]
    #[case("", "no statement", "")]
    #[case(" -- a remark", "no statement", " -- a remark")]
    #[case(";", "is empty", ";")]
    #[case("SELECT 1; DROP TABLE t", "second one begins", "DROP")]
    #[case("SELECT 1;; SELECT 2", "second one begins", "SELECT")]
    #[case("SELECT 'a'; 'b'", "second one begins", "'b'")]
    #[case(r"\d", "backslash", r"\")]
    #[case(r"SELECT 1 \gexec", "backslash", r"\")]
    #[case("SELECT 'a", "not closed", "'a")]
    #[case("SELECT \"a", "not closed", "\"a")]
    #[case("SELECT $$a", "not closed", "$$a")]
    #[case("SELECT /* a", "not closed", "/* a")]
    #[case(r"SELECT E'\'", "not closed", r"'\'")]
    #[case("COPY t FROM '/etc/passwd'", "file name", "'/etc/passwd'")]
    #[case("COPY t TO '/tmp/x'", "file name", "'/tmp/x'")]
    #[case("copy t from program 'id'", "runs that on the server", "program")]
    #[case("COPY (SELECT 1 FROM t) TO PROGRAM 'id'", "runs that", "PROGRAM")]
    #[case("COPY t FROM STDIN", "reads nothing", "STDIN")]
    #[case("COPY t TO $$/tmp/x$$", "file name", "$$/tmp/x$$")]
    #[case("COPY t FROM stdout", "not told where", "stdout")]
    #[case("COPY t", "isn't told where", "COPY")]
    fn what_is_not_one_statement_is_refused_where_it_is_wrong(
        #[case] text: &str,
        #[case] why: &str,
        #[case] place: &str,
    ) {
        let fault = Statement::read(text).unwrap_err();
        assert!(fault.what.contains(why), "{fault:?}");
        assert_eq!(&text[fault.range], place);
    }

    #[rstest]
    #[case("SELECT 1", None)]
    #[case("(SELECT 1) UNION (SELECT 2)", None)]
    #[case("with x as (select 1) select * from x", None)]
    #[case("VALUES (1), (2)", None)]
    #[case("SHOW transaction_isolation", None)]
    #[case("SELECT 'DELETE', \"update\" FROM t", None)]
    #[case(
        "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x",
        Some("DELETE")
    )]
    #[case("UPDATE t SET a = 1", Some("UPDATE"))]
    #[case("(((", None)]
    #[case("TRUNCATE t", Some("TRUNCATE"))]
    fn what_only_looks(#[case] text: &str, #[case] changes: Option<&str>) {
        let statement = Statement::read(text).unwrap();
        assert_eq!(statement.changes().map(|range| &text[range]), changes);
    }

    proptest::proptest! {
        #[test]
        fn every_fault_stands_in_the_text(text in "(SELECT|COPY|TO|FROM|PROGRAM|STDOUT|'|\"|\\$|\\$a\\$|;|--|/\\*|\\*/|E'|\\\\|\\(|\\)|é| |\n|1){0,14}") {
            match Statement::read(&text) {
                Ok(statement) => { let _ = statement.changes(); }
                Err(fault) => proptest::prop_assert!(text.get(fault.range.clone()).is_some(), "{fault:?}"),
            }
        }
    }
}
