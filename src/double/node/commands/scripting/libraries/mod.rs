//! The libraries of scripts that are not Lua's own.

mod bits;
mod check;
mod json;
mod json_decode;
mod json_encode;
mod msgpack;
mod strtod;
mod structs;

use mlua::{Lua, Table};

/// All of them, by name.
pub(super) fn table(lua: &Lua) -> mlua::Result<Table> {
    let libraries = lua.create_table()?;
    libraries.raw_set("bit", bits::table(lua)?)?;
    libraries.raw_set("cjson", json::table(lua)?)?;
    libraries.raw_set("cmsgpack", msgpack::table(lua)?)?;
    libraries.raw_set("struct", structs::table(lua)?)?;
    Ok(libraries)
}
