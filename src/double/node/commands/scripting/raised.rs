//! Errors that Rust's functions raise in a script.

use std::fmt;

use mlua::{Error, Lua, Value};

/// What a script catches. mlua can raise only an object of its own; the prelude has it turned into this by [`caught`].
#[derive(Debug)]
pub(super) enum Raised {
    /// A table with these words in `err`, as a command's error reply.
    Reply(Vec<u8>),
    /// A text.
    Text(Vec<u8>),
}

impl Raised {
    /// An error of the `redis` table itself.
    pub fn reply(words: &str) -> Error {
        Error::external(Raised::Reply(words.as_bytes().to_vec()))
    }

    /// A text with the place of the call in front, as Lua's own libraries raise it.
    pub fn at_caller(lua: &Lua, words: &str) -> Error {
        let mut text = caller(lua);
        text.extend_from_slice(words.as_bytes());
        Error::external(Raised::Text(text))
    }

    /// `bad argument #1 to 'decode' (string expected, got nil)`, for the function that is being executed.
    pub fn argument(lua: &Lua, number: usize, what: &str) -> Error {
        let name = lua.inspect_stack(0, |frame| frame.names().name.map(|name| name.into_owned()));
        let name = name.flatten().unwrap_or_else(|| "?".to_owned());
        let words = format!("bad argument #{number} to '{name}' ({what})");
        Raised::at_caller(lua, &words)
    }
}

impl Raised {
    /// The type of a value as Lua calls it.
    pub fn type_name(value: &Value) -> &'static str {
        match value {
            Value::Nil => "nil",
            Value::Boolean(_) => "boolean",
            Value::Integer(_) | Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Table(_) => "table",
            Value::Function(_) => "function",
            Value::Thread(_) => "thread",
            _ => "userdata",
        }
    }
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Raised::Reply(words) | Raised::Text(words)) = self;
        f.write_str(&String::from_utf8_lossy(words))
    }
}

impl std::error::Error for Raised {}

/// Where the function was called that is being executed: `user_script:3: `; nothing if not from Lua code.
fn caller(lua: &Lua) -> Vec<u8> {
    lua.inspect_stack(1, |frame| {
        let line = frame.current_line()?;
        let source = frame.source();
        let name = source.short_src?;
        Some(format!("{name}:{line}: ").into_bytes())
    })
    .flatten()
    .unwrap_or_default()
}

/// An error as a script sees it: from an object of mlua's to a table with `err`, or a text. Everything else stays as it is.
pub(super) fn caught(lua: &Lua, error: Value) -> mlua::Result<Value> {
    let Value::Error(error) = error else {
        return Ok(error);
    };
    match error.downcast_ref::<Raised>() {
        Some(Raised::Reply(words)) => {
            let table = lua.create_table_with_capacity(0, 3)?;
            table.raw_set("err", lua.create_string(words)?)?;
            table.raw_set("ignore_error_stats_update", true)?;
            Ok(Value::Table(table))
        }
        Some(Raised::Text(text)) => Ok(Value::String(lua.create_string(text)?)),
        None => {
            let text = match &*error {
                Error::MemoryError(_) => "not enough memory".to_owned(),
                Error::CallbackError { cause, .. } => cause.to_string(),
                other => other.to_string(),
            };
            Ok(Value::String(lua.create_string(text)?))
        }
    }
}

/// Source and line of the code that has raised an error; for the function that makes the error's table.
pub(super) fn place(lua: &Lua) -> mlua::Result<(Option<String>, Option<usize>)> {
    // 0 is this function, 1 the handler, 2 what has raised the error: if that is no code of the script's, the script has called it.
    for level in 2..10 {
        let found = lua.inspect_stack(level, |frame| {
            let source = frame.source();
            let name = source.source.map(|name| name.into_owned());
            (source.what, name, frame.current_line())
        });
        match found {
            Some((what, name, line)) => {
                if what != "C" && name.as_deref() != Some(super::engine::PRELUDE) {
                    return Ok((name, line));
                }
            }
            None => break,
        }
    }
    Ok((None, None))
}
