//! From a command's reply to the value that a script gets.

use mlua::{IntoLua, Lua, Value};

use crate::double::node::number;

/// Reads the one reply that `bytes` are.
pub(super) fn value(lua: &Lua, bytes: &[u8]) -> mlua::Result<Value> {
    Replies { rest: bytes }.next(lua)
}

/// Replies that stand one behind the other. They are our own: what does not fit is nil.
struct Replies<'a> {
    rest: &'a [u8],
}

impl<'a> Replies<'a> {
    fn next(&mut self, lua: &Lua) -> mlua::Result<Value> {
        let (kind, line) = self.line();
        match kind {
            b'$' => match length(line) {
                Some(length) => Ok(Value::String(lua.create_string(self.text(length))?)),
                None => Ok(Value::Boolean(false)),
            },
            b':' => Ok(Value::Number(integer(line) as f64)),
            b'+' => named(lua, "ok", lua.create_string(line)?),
            b'-' => {
                let table = lua.create_table_with_capacity(0, 2)?;
                table.raw_set("err", lua.create_string(line)?)?;
                table.raw_set("ignore_error_stats_update", true)?;
                Ok(Value::Table(table))
            }
            b'*' | b'>' => match length(line) {
                Some(length) => self.array(lua, length),
                None => Ok(Value::Boolean(false)),
            },
            b'#' => Ok(Value::Boolean(line == b"t")),
            b',' => named(lua, "double", number::parse_f64(line).unwrap_or(f64::NAN)),
            b'(' => named(lua, "big_number", lua.create_string(line)?),
            b'=' => {
                let text = self.text(length(line).unwrap_or_default());
                let (format, text) = text.split_at_checked(4).unwrap_or((b"txt:", text));
                let table = lua.create_table_with_capacity(0, 2)?;
                table.raw_set("string", lua.create_string(text)?)?;
                table.raw_set("format", lua.create_string(&format[..3])?)?;
                named(lua, "verbatim_string", table)
            }
            b'%' => {
                let map = lua.create_table()?;
                for _ in 0..length(line).unwrap_or_default() {
                    let (key, value) = (self.next(lua)?, self.next(lua)?);
                    map.raw_set(key, value)?;
                }
                named(lua, "map", map)
            }
            b'~' => {
                let set = lua.create_table()?;
                for _ in 0..length(line).unwrap_or_default() {
                    set.raw_set(self.next(lua)?, true)?;
                }
                named(lua, "set", set)
            }
            _ => Ok(Value::Nil),
        }
    }

    fn array(&mut self, lua: &Lua, length: usize) -> mlua::Result<Value> {
        // The commonest are arrays of texts.
        let table =
            lua.create_sequence_from((0..length).map(|_| Element(self.next_element(lua))))?;
        Ok(Value::Table(table))
    }

    fn next_element(&mut self, lua: &Lua) -> mlua::Result<Text<'a>> {
        if self.rest.first() == Some(&b'$') {
            let (_, line) = self.line();
            if let Some(length) = length(line) {
                return Ok(Text::Bytes(self.text(length)));
            }
            return Ok(Text::Value(Value::Boolean(false)));
        }
        self.next(lua).map(Text::Value)
    }

    /// The type and what stands behind it up to the end of the line.
    fn line(&mut self) -> (u8, &'a [u8]) {
        let Some((kind, rest)) = self.rest.split_first() else {
            return (b'_', b"");
        };
        let end = memchr::memchr(b'\r', rest).unwrap_or(rest.len());
        self.rest = rest.get(end + 2..).unwrap_or_default();
        (*kind, &rest[..end])
    }

    fn text(&mut self, length: usize) -> &'a [u8] {
        let (text, rest) = self
            .rest
            .split_at_checked(length)
            .unwrap_or((self.rest, b""));
        self.rest = rest.get(2..).unwrap_or_default();
        text
    }
}

/// An element of an array.
enum Text<'a> {
    Bytes(&'a [u8]),
    Value(Value),
}

struct Element<'a>(mlua::Result<Text<'a>>);

impl IntoLua for Element<'_> {
    fn into_lua(self, lua: &Lua) -> mlua::Result<Value> {
        match self.0? {
            Text::Bytes(bytes) => lua.create_string(bytes).map(Value::String),
            Text::Value(value) => Ok(value),
        }
    }
}

/// A table with one field.
fn named(lua: &Lua, name: &str, value: impl IntoLua) -> mlua::Result<Value> {
    let table = lua.create_table_with_capacity(0, 1)?;
    table.raw_set(name, value)?;
    Ok(Value::Table(table))
}

fn integer(digits: &[u8]) -> i64 {
    match digits {
        // A single digit is most of them.
        [digit @ b'0'..=b'9'] => i64::from(digit - b'0'),
        _ => number::parse_i64(digits).unwrap_or_default(),
    }
}

/// `None`: -1, nothing is there.
fn length(digits: &[u8]) -> Option<usize> {
    usize::try_from(integer(digits)).ok()
}
