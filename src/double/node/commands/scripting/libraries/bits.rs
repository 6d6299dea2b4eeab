//! `bit`: operations on 32 bits, as Lua BitOp has them.

use mlua::{Lua, Table, Value, Variadic};

use super::check;

type One = fn(u32) -> u32;
type Two = fn(u32, u32) -> u32;

/// Makes the table.
pub(super) fn table(lua: &Lua) -> mlua::Result<Table> {
    let bit = lua.create_table()?;
    let one: [(&str, One); 3] = [
        ("tobit", |bits| bits),
        ("bnot", |bits| !bits),
        ("bswap", u32::swap_bytes),
    ];
    for (name, operation) in one {
        let function = lua.create_function(move |lua, values: Variadic<Value>| {
            Ok(signed(operation(bits(lua, &values, 1)?)))
        })?;
        bit.raw_set(name, function)?;
    }
    let many: [(&str, Two); 3] = [
        ("band", |a, b| a & b),
        ("bor", |a, b| a | b),
        ("bxor", |a, b| a ^ b),
    ];
    for (name, operation) in many {
        let function = lua.create_function(move |lua, values: Variadic<Value>| {
            let mut all = bits(lua, &values, 1)?;
            for at in 2..=values.len() {
                all = operation(all, bits(lua, &values, at)?);
            }
            Ok(signed(all))
        })?;
        bit.raw_set(name, function)?;
    }
    let shifts: [(&str, Two); 5] = [
        ("lshift", |bits, by| bits << by),
        ("rshift", |bits, by| bits >> by),
        ("arshift", |bits, by| (bits as i32 >> by) as u32),
        ("rol", u32::rotate_left),
        ("ror", u32::rotate_right),
    ];
    for (name, operation) in shifts {
        let function = lua.create_function(move |lua, values: Variadic<Value>| {
            let (shifted, by) = (bits(lua, &values, 1)?, bits(lua, &values, 2)?);
            Ok(signed(operation(shifted, by & 31)))
        })?;
        bit.raw_set(name, function)?;
    }
    bit.raw_set("tohex", lua.create_function(tohex)?)?;
    Ok(bit)
}

fn tohex(lua: &Lua, values: Variadic<Value>) -> mlua::Result<String> {
    let number = bits(lua, &values, 1)?;
    let digits = match values.len() {
        0 | 1 => 8,
        _ => bits(lua, &values, 2)? as i32,
    };
    let text = match digits {
        0.. => format!("{number:08x}"),
        _ => format!("{number:08X}"),
    };
    let count = digits.unsigned_abs().min(8) as usize;
    Ok(text[8 - count..].to_owned())
}

/// The lowest 32 bits of a number, rounded to a whole one: what adding 2^52 + 2^51 leaves at the end of a double.
fn bits(lua: &Lua, values: &[Value], at: usize) -> mlua::Result<u32> {
    let number = check::number(lua, values, at)?;
    Ok((number + 6_755_399_441_055_744.0).to_bits() as u32)
}

fn signed(bits: u32) -> i64 {
    i64::from(bits as i32)
}
