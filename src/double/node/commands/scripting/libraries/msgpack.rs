//! `cmsgpack`: MessagePack as lua-cmsgpack 0.4.0 writes and reads it.

use mlua::{Lua, LuaString, Table, Value, Variadic};

use super::super::engine::unlimited;
use super::super::raised::Raised;
use super::check;

/// A table deeper than this is written as nothing.
const NESTING: usize = 16;
/// The C code keeps so much on Lua's stack that it has no room for more levels than this.
const DEEPEST: usize = 3990;
/// The most that is packed, in bytes.
const MOST: usize = 256 * 1024 * 1024;

/// Makes the table.
pub(super) fn table(lua: &Lua) -> mlua::Result<Table> {
    let msgpack = lua.create_table()?;
    msgpack.raw_set("_NAME", "cmsgpack")?;
    msgpack.raw_set("_VERSION", "lua-cmsgpack 0.4.0")?;
    msgpack.raw_set("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo")?;
    msgpack.raw_set("_DESCRIPTION", "MessagePack C implementation for Lua")?;
    msgpack.raw_set("pack", lua.create_function(pack)?)?;
    msgpack.raw_set(
        "unpack",
        lua.create_function(|lua, values: Variadic<Value>| unpack(lua, &values, 0, 0))?,
    )?;
    msgpack.raw_set(
        "unpack_one",
        lua.create_function(|lua, values: Variadic<Value>| {
            let offset = check::integer(lua, &values, 2, Some(0))?;
            unpack(lua, &values, 1, offset)
        })?,
    )?;
    msgpack.raw_set(
        "unpack_limit",
        lua.create_function(|lua, values: Variadic<Value>| {
            let limit = check::integer(lua, &values, 2, None)?;
            let offset = check::integer(lua, &values, 3, Some(0))?;
            unpack(lua, &values, limit, offset)
        })?,
    )?;
    Ok(msgpack)
}

fn pack(lua: &Lua, values: Variadic<Value>) -> mlua::Result<LuaString> {
    if values.is_empty() {
        return Err(Raised::argument(lua, 0, "MessagePack pack needs input."));
    }
    let mut packed = Vec::new();
    for value in values.iter() {
        write(&mut packed, value, 0)?;
    }
    unlimited(lua, || lua.create_string(packed))
}

fn write(out: &mut Vec<u8>, value: &Value, level: usize) -> mlua::Result<()> {
    match value {
        Value::String(text) => {
            let text = text.as_bytes();
            head(out, text.len(), [0xa0, 32], Some(0xd9), 0xda);
            out.extend_from_slice(&text);
        }
        Value::Boolean(truth) => out.push(if *truth { 0xc3 } else { 0xc2 }),
        Value::Integer(number) => integer(out, *number),
        Value::Number(number) if is_whole(*number) => integer(out, *number as i64),
        Value::Number(number) => {
            if f64::from(*number as f32) == *number {
                out.push(0xca);
                out.extend_from_slice(&(*number as f32).to_be_bytes());
            } else {
                out.push(0xcb);
                out.extend_from_slice(&number.to_be_bytes());
            }
        }
        Value::Table(table) if level < NESTING => match array_length(table)? {
            Some(length) => {
                head(out, length, [0x90, 16], None, 0xdc);
                for at in 1..=length {
                    write(out, &table.raw_get(at)?, level + 1)?;
                }
            }
            None => {
                let mut count = 0;
                for pair in table.pairs::<Value, Value>() {
                    pair?;
                    count += 1;
                }
                head(out, count, [0x80, 16], None, 0xde);
                for pair in table.pairs::<Value, Value>() {
                    let (key, value) = pair?;
                    write(out, &key, level + 1)?;
                    write(out, &value, level + 1)?;
                }
            }
        },
        _ => out.push(0xc0),
    }
    match out.len() > MOST {
        true => Err(mlua::Error::MemoryError("not enough memory".to_owned())),
        false => Ok(()),
    }
}

fn is_whole(number: f64) -> bool {
    number.is_finite() && super::super::reply::truncated(number) as f64 == number
}

/// The length of a table whose keys are the numbers from 1 on, or that has none.
fn array_length(table: &Table) -> mlua::Result<Option<usize>> {
    let (mut count, mut greatest) = (0, 0);
    for pair in table.pairs::<Value, Value>() {
        let (Value::Integer(key @ 1..), _) = pair? else {
            return Ok(None);
        };
        count += 1;
        greatest = greatest.max(key);
    }
    Ok((count == greatest).then_some(count as usize))
}

/// A length: with `small` if it is below the limit, with one byte if there is such a form, or with two or four behind `two` and the one after it.
fn head(out: &mut Vec<u8>, length: usize, small: [u8; 2], one: Option<u8>, two: u8) {
    match (length, one) {
        (length, _) if length < usize::from(small[1]) => out.push(small[0] | length as u8),
        (..=0xff, Some(one)) => out.extend_from_slice(&[one, length as u8]),
        (..=0xffff, _) => {
            out.push(two);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(two + 1);
            out.extend_from_slice(&(length as u32).to_be_bytes());
        }
    }
}

fn integer(out: &mut Vec<u8>, number: i64) {
    let bytes = number.to_be_bytes();
    let (kind, size) = match number {
        -32..=127 => return out.push(number as u8),
        128..=0xff => (0xcc, 1),
        0x100..=0xffff => (0xcd, 2),
        0x1_0000..=0xffff_ffff => (0xce, 4),
        0x1_0000_0000.. => (0xcf, 8),
        -128..=-33 => (0xd0, 1),
        -0x8000..=-129 => (0xd1, 2),
        -0x8000_0000..=-0x8001 => (0xd2, 4),
        _ => (0xd3, 8),
    };
    out.push(kind);
    out.extend_from_slice(&bytes[8 - size..]);
}

/// `limit` and `offset` both 0: all that there is.
fn unpack(lua: &Lua, values: &[Value], limit: i64, offset: i64) -> mlua::Result<Variadic<Value>> {
    let text = check::string(lua, values, 1)?;
    let text = text.as_bytes();
    let length = text.len();
    let all = limit == 0 && offset == 0;
    if limit < 0 || offset < 0 {
        let words =
            format!("Invalid request to unpack with offset of {offset} and limit of {length}.");
        return Err(Raised::at_caller(lua, &words));
    }
    let Some(rest) = usize::try_from(offset).ok().and_then(|at| text.get(at..)) else {
        let words = format!("Start offset {offset} greater than input length {length}.");
        return Err(Raised::at_caller(lua, &words));
    };
    let mut reader = Reader { lua, rest };
    let mut found = Vec::new();
    while !reader.rest.is_empty() && (all || (found.len() as i64) < limit) {
        // Lua's stack has room for so many.
        if found.len() > 7900 {
            return Err(Raised::at_caller(
                lua,
                "stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)",
            ));
        }
        let value = reader.value(0)?;
        found.push(value);
    }
    if !all {
        let left = reader.rest.len();
        let next = match left {
            0 => -1,
            _ => (length - left) as i64,
        };
        found.insert(0, Value::Integer(next));
    }
    Ok(found.into())
}

/// What Lua itself says, which knows no place for it.
fn bad_key(key: &str) -> mlua::Error {
    let words = format!("table index is {key}");
    mlua::Error::external(Raised::Text(words.into_bytes()))
}

struct Reader<'a> {
    lua: &'a Lua,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> mlua::Result<&'a [u8]> {
        let Some((bytes, rest)) = self.rest.split_at_checked(count) else {
            return Err(Raised::at_caller(self.lua, "Missing bytes in input."));
        };
        self.rest = rest;
        Ok(bytes)
    }

    fn array<const SIZE: usize>(&mut self) -> mlua::Result<[u8; SIZE]> {
        let bytes = self.bytes(SIZE)?;
        Ok(bytes.try_into().unwrap_or([0; SIZE]))
    }

    fn value(&mut self, level: usize) -> mlua::Result<Value> {
        let [kind] = self.array()?;
        let number = |number: f64| Ok(Value::Number(number));
        match kind {
            0..=0x7f => number(f64::from(kind)),
            0xe0..=0xff => number(f64::from(kind as i8)),
            0xcc => number(f64::from(u8::from_be_bytes(self.array()?))),
            0xcd => number(f64::from(u16::from_be_bytes(self.array()?))),
            0xce => number(f64::from(u32::from_be_bytes(self.array()?))),
            // Lua takes no unsigned numbers of this size.
            0xcf => number(i64::from_be_bytes(self.array()?) as f64),
            0xd0 => number(f64::from(i8::from_be_bytes(self.array()?))),
            0xd1 => number(f64::from(i16::from_be_bytes(self.array()?))),
            0xd2 => number(f64::from(i32::from_be_bytes(self.array()?))),
            0xd3 => number(i64::from_be_bytes(self.array()?) as f64),
            0xca => number(f64::from(f32::from_be_bytes(self.array()?))),
            0xcb => number(f64::from_be_bytes(self.array()?)),
            0xc0 => Ok(Value::Nil),
            0xc2 => Ok(Value::Boolean(false)),
            0xc3 => Ok(Value::Boolean(true)),
            0xa0..=0xbf => self.text(usize::from(kind & 31)),
            0xd9 => self.counted(1).and_then(|length| self.text(length)),
            0xda => self.counted(2).and_then(|length| self.text(length)),
            0xdb => self.counted(4).and_then(|length| self.text(length)),
            0x90..=0x9f => self.sequence(usize::from(kind & 15), level),
            0xdc => self.counted(2).and_then(|it| self.sequence(it, level)),
            0xdd => self.counted(4).and_then(|it| self.sequence(it, level)),
            0x80..=0x8f => self.map(usize::from(kind & 15), level),
            0xde => self.counted(2).and_then(|it| self.map(it, level)),
            0xdf => self.counted(4).and_then(|it| self.map(it, level)),
            _ => Err(Raised::at_caller(self.lua, "Bad data format in input.")),
        }
    }

    /// A length of so many bytes.
    fn counted(&mut self, size: usize) -> mlua::Result<usize> {
        let bytes = self.bytes(size)?;
        Ok(bytes
            .iter()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    }

    fn text(&mut self, length: usize) -> mlua::Result<Value> {
        let bytes = self.bytes(length)?;
        Ok(Value::String(self.lua.create_string(bytes)?))
    }

    fn sequence(&mut self, length: usize, level: usize) -> mlua::Result<Value> {
        self.descend(level, "in function mp_decode_to_lua_array")?;
        let table = self.lua.create_table()?;
        for at in 1..=length {
            table.raw_set(at, self.value(level + 1)?)?;
        }
        Ok(Value::Table(table))
    }

    fn map(&mut self, length: usize, level: usize) -> mlua::Result<Value> {
        self.descend(level, "in function mp_decode_to_lua_hash")?;
        let table = self.lua.create_table()?;
        for _ in 0..length {
            let key = self.value(level + 1)?;
            let value = self.value(level + 1)?;
            match key {
                Value::Nil => return Err(bad_key("nil")),
                Value::Number(number) if number.is_nan() => {
                    return Err(bad_key("NaN"));
                }
                key => table.raw_set(key, value)?,
            }
        }
        Ok(Value::Table(table))
    }

    fn descend(&self, level: usize, place: &str) -> mlua::Result<()> {
        match level < DEEPEST {
            true => Ok(()),
            false => Err(Raised::at_caller(
                self.lua,
                &format!("stack overflow ({place})"),
            )),
        }
    }
}
