//! Arguments as Lua's own libraries check them, with their words.

use mlua::{Lua, LuaString, Value};

use super::super::raised::Raised;

/// The number that an argument is, or the text of one. `at`: from 1 on.
pub(super) fn number(lua: &Lua, values: &[Value], at: usize) -> mlua::Result<f64> {
    let found = match values.get(at - 1) {
        Some(Value::Integer(number)) => return Ok(*number as f64),
        Some(Value::Number(number)) => return Ok(*number),
        Some(value @ Value::String(_)) => lua.coerce_number(value.clone())?,
        _ => None,
    };
    found.ok_or_else(|| wrong_type(lua, values, at, "number"))
}

/// The text that an argument is, or a number's.
pub(super) fn string(lua: &Lua, values: &[Value], at: usize) -> mlua::Result<LuaString> {
    let found = match values.get(at - 1) {
        Some(Value::String(text)) => return Ok(text.clone()),
        Some(value @ (Value::Integer(_) | Value::Number(_))) => lua.coerce_string(value.clone())?,
        _ => None,
    };
    found.ok_or_else(|| wrong_type(lua, values, at, "string"))
}

/// The whole number that an argument is; `otherwise`, if there is none.
pub(super) fn integer(
    lua: &Lua,
    values: &[Value],
    at: usize,
    otherwise: Option<i64>,
) -> mlua::Result<i64> {
    match (values.get(at - 1), otherwise) {
        (None | Some(Value::Nil), Some(otherwise)) => Ok(otherwise),
        _ => number(lua, values, at).map(super::super::reply::truncated),
    }
}

fn wrong_type(lua: &Lua, values: &[Value], at: usize, wanted: &str) -> mlua::Error {
    let got = values.get(at - 1).map_or("no value", Raised::type_name);
    Raised::argument(lua, at, &format!("{wanted} expected, got {got}"))
}
