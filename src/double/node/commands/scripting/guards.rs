//! Those of Lua's own functions that have to know of tables that can't be written to: see `prelude.lua`.
//!
//! They are Rust's, so that to Lua they are functions of C: an error of theirs has the place of their caller, also if this is the last thing that it does.

use mlua::{Error, Function, Lua, LuaString, Table, Value, Variadic};

use super::raised::Raised;

const READ_ONLY: &str = "Attempt to modify a readonly table";

/// What the functions need to know.
#[derive(Clone)]
struct Known {
    /// From what a script sees to the real table.
    behind: Table,
    /// From what a script sees, or the type of a value, to the metatable that it is to see.
    metatables: Table,
}

impl Known {
    fn real(&self, table: &Table) -> mlua::Result<Option<Table>> {
        self.behind.raw_get(table)
    }
}

/// Puts the functions into `into`. `host`: Lua's own `next` and `loadstring`.
pub(super) fn add(
    lua: &Lua,
    (into, behind, metatables, next, loadstring): (Table, Table, Table, Function, Function),
) -> mlua::Result<()> {
    let known = Known { behind, metatables };
    let own = known.clone();
    let raw_next = next.clone();
    into.raw_set(
        "next",
        lua.create_function(move |lua, values: Variadic<Value>| {
            let table = table(lua, &values, 1)?;
            let key = values.get(1).cloned().unwrap_or(Value::Nil);
            let real = own.real(&table)?.unwrap_or(table);
            raw_next
                .call::<(Value, Value)>((real, key))
                .map_err(|error| plain(&error))
        })?,
    )?;
    let own = known.clone();
    into.raw_set(
        "pairs",
        lua.create_function(move |lua, values: Variadic<Value>| {
            let table = table(lua, &values, 1)?;
            let real = own.real(&table)?.unwrap_or(table);
            Ok((next.clone(), real, Value::Nil))
        })?,
    )?;
    let own = known.clone();
    into.raw_set(
        "rawget",
        lua.create_function(move |lua, values: Variadic<Value>| {
            let table = table(lua, &values, 1)?;
            let key = any(lua, &values, 2)?;
            own.real(&table)?.unwrap_or(table).raw_get::<Value>(key)
        })?,
    )?;
    let own = known.clone();
    into.raw_set(
        "rawset",
        lua.create_function(move |lua, values: Variadic<Value>| {
            let table = table(lua, &values, 1)?;
            let (key, value) = (any(lua, &values, 2)?, any(lua, &values, 3)?);
            if own.real(&table)?.is_some() {
                return Err(text(READ_ONLY));
            }
            table.raw_set(key, value).map_err(|error| plain(&error))?;
            Ok(table)
        })?,
    )?;
    let own = known.clone();
    into.raw_set(
        "setmetatable",
        lua.create_function(move |lua, values: Variadic<Value>| {
            let table = table(lua, &values, 1)?;
            let metatable = match values.get(1) {
                Some(Value::Nil) => None,
                Some(Value::Table(metatable)) => Some(metatable),
                _ => return Err(Raised::argument(lua, 2, "nil or table expected")),
            };
            if own.real(&table)?.is_some() {
                return Err(text(READ_ONLY));
            }
            if let Some(before) = table.metatable()
                && !before.raw_get::<Value>("__metatable")?.is_nil()
            {
                return Err(Raised::at_caller(
                    lua,
                    "cannot change a protected metatable",
                ));
            }
            let metatable = match metatable {
                Some(metatable) => Some(own.real(metatable)?.unwrap_or_else(|| metatable.clone())),
                None => None,
            };
            table.set_metatable(metatable)?;
            Ok(table)
        })?,
    )?;
    into.raw_set(
        "getmetatable",
        lua.create_function(move |lua, values: Variadic<Value>| {
            let value = any(lua, &values, 1)?;
            match &value {
                Value::String(_) => known.metatables.raw_get::<Value>("string"),
                Value::Table(table) if known.real(table)?.is_some() => {
                    known.metatables.raw_get(table)
                }
                Value::Table(table) => {
                    let Some(metatable) = table.metatable() else {
                        return Ok(Value::Nil);
                    };
                    match metatable.raw_get("__metatable")? {
                        Value::Nil => Ok(Value::Table(metatable)),
                        shown => Ok(shown),
                    }
                }
                _ => Ok(Value::Nil),
            }
        })?,
    )?;
    into.raw_set(
        "loadstring",
        lua.create_function(move |lua, values: Variadic<Value>| {
            let code = match values.first() {
                Some(value @ (Value::String(_) | Value::Integer(_) | Value::Number(_))) => {
                    lua.coerce_string(value.clone())?
                }
                _ => None,
            };
            let Some(code) = code else {
                return Err(wrong_type(lua, &values, 1, "string"));
            };
            let name = values.get(1).cloned().unwrap_or(Value::Nil);
            // Compiled code can do anything to Lua: it is refused as if it were text.
            let is_binary = code.as_bytes().first() == Some(&27);
            let (function, message) = match is_binary {
                false => loadstring.call::<(Value, Value)>((code, name))?,
                true => {
                    let name = if name.is_nil() {
                        Value::String(code)
                    } else {
                        name
                    };
                    loadstring.call::<(Value, Value)>(("\u{1}", name))?
                }
            };
            match (is_binary, message) {
                (true, Value::String(message)) => {
                    Ok((Value::Nil, Value::String(of_binary(lua, &message)?)))
                }
                (_, message) => Ok((function, message)),
            }
        })?,
    )
}

/// Lua's message about a byte 1 as it would be about the first byte of compiled code.
pub(super) fn of_binary(lua: &Lua, message: &LuaString) -> mlua::Result<LuaString> {
    const FOUND: &[u8] = b"'char(1)'";
    let message = message.as_bytes();
    match message.strip_suffix(FOUND) {
        Some(before) => lua.create_string([before, b"'char(27)'"].concat()),
        None => lua.create_string(&*message),
    }
}

fn table(lua: &Lua, values: &[Value], at: usize) -> mlua::Result<Table> {
    match values.get(at - 1) {
        Some(Value::Table(table)) => Ok(table.clone()),
        _ => Err(wrong_type(lua, values, at, "table")),
    }
}

fn wrong_type(lua: &Lua, values: &[Value], at: usize, wanted: &str) -> Error {
    let got = values.get(at - 1).map_or("no value", Raised::type_name);
    Raised::argument(lua, at, &format!("{wanted} expected, got {got}"))
}

fn any(lua: &Lua, values: &[Value], at: usize) -> mlua::Result<Value> {
    match values.get(at - 1) {
        Some(value) => Ok(value.clone()),
        None => Err(Raised::argument(lua, at, "value expected")),
    }
}

fn text(words: &str) -> Error {
    Error::external(Raised::Text(words.as_bytes().to_vec()))
}

/// An error of Lua's own, without the traceback that mlua puts behind it.
fn plain(error: &Error) -> Error {
    match error {
        Error::RuntimeError(words) => text(words.lines().next().unwrap_or_default()),
        other => other.clone(),
    }
}
