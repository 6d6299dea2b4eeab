//! `cjson`: JSON as lua-cjson 2.1.0 writes and reads it.

use std::cell::RefCell;
use std::rc::Rc;

use mlua::{Lua, Table, Value, Variadic};

use super::super::engine::unlimited;
use super::super::raised::Raised;
use super::{json_decode, json_encode};

/// What can be set.
#[derive(Debug, Clone)]
pub(super) struct Options {
    /// An array with too many holes is written as an object, not refused.
    pub sparse_convert: bool,
    /// From so many places for each element on there are too many holes; 0: never.
    pub sparse_ratio: i64,
    /// Up to this length holes don't matter.
    pub sparse_safe: i64,
    pub encode_depth: usize,
    pub decode_depth: usize,
    /// Digits of a number.
    pub precision: u32,
    /// Numbers that JSON does not have.
    pub encode_invalid: Invalid,
    /// Whether they are read.
    pub decode_invalid: bool,
    keep_buffer: bool,
}

/// What is written for a number that is none, or infinite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Invalid {
    Refused,
    Written,
    Null,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            sparse_convert: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_depth: 1000,
            decode_depth: 1000,
            precision: 14,
            encode_invalid: Invalid::Refused,
            decode_invalid: true,
            keep_buffer: true,
        }
    }
}

/// How many places a C function has on Lua's stack: no nesting goes deeper, whatever is set.
pub(super) const STACK: usize = 8000;

/// Up to this length, what comes of a text takes no more than Lua has for one script, whatever is in the text.
const SHORT: usize = 1024 * 1024;

/// Makes the table `cjson`, with options of its own.
pub(super) fn table(lua: &Lua) -> mlua::Result<Table> {
    let options = Rc::new(RefCell::new(Options::default()));
    let json = lua.create_table()?;
    json.raw_set("_NAME", "cjson")?;
    json.raw_set("_VERSION", "2.1.0")?;
    json.raw_set("null", Value::NULL)?;
    json.raw_set("new", lua.create_function(|lua, ()| table(lua))?)?;
    let own = Rc::clone(&options);
    json.raw_set(
        "encode",
        lua.create_function(move |lua, values: Variadic<Value>| {
            let [value] = &values[..] else {
                return Err(Raised::argument(lua, 1, "expected 1 argument"));
            };
            let text = json_encode::encode(lua, &own.borrow(), value)?;
            unlimited(lua, || lua.create_string(text))
        })?,
    )?;
    let own = Rc::clone(&options);
    json.raw_set(
        "decode",
        lua.create_function(move |lua, values: Variadic<Value>| {
            let [value] = &values[..] else {
                return Err(Raised::argument(lua, 1, "expected 1 argument"));
            };
            let text = match value {
                Value::String(text) => text.clone(),
                other => match lua.coerce_string(other.clone())? {
                    Some(text) => text,
                    None => {
                        let what = format!("string expected, got {}", Raised::type_name(other));
                        return Err(Raised::argument(lua, 1, &what));
                    }
                },
            };
            let text = text.as_bytes();
            let options = own.borrow();
            match text.len() <= SHORT {
                true => unlimited(lua, || json_decode::decode(lua, &options, &text)),
                false => json_decode::decode(lua, &options, &text),
            }
        })?,
    )?;
    setters(lua, &json, &options)?;
    Ok(json)
}

/// The functions that set an option, and tell it.
fn setters(lua: &Lua, json: &Table, options: &Rc<RefCell<Options>>) -> mlua::Result<()> {
    let add = |name: &str, set: fn(&Lua, &mut Options, &[Value]) -> mlua::Result<Answer>| {
        let own = Rc::clone(options);
        let function = lua.create_function(move |lua, values: Variadic<Value>| {
            set(lua, &mut own.borrow_mut(), &values)
        })?;
        json.raw_set(name, function)
    };
    add("encode_sparse_array", |lua, options, values| {
        at_most(lua, values, 3)?;
        boolean(lua, values, 1, &mut options.sparse_convert)?;
        integer(lua, values, 2, 0, &mut options.sparse_ratio)?;
        integer(lua, values, 3, 0, &mut options.sparse_safe)?;
        Ok(vec![
            Value::Boolean(options.sparse_convert),
            Value::Integer(options.sparse_ratio),
            Value::Integer(options.sparse_safe),
        ]
        .into())
    })?;
    add("encode_max_depth", |lua, options, values| {
        depth(lua, values, &mut options.encode_depth)
    })?;
    add("decode_max_depth", |lua, options, values| {
        depth(lua, values, &mut options.decode_depth)
    })?;
    add("encode_number_precision", |lua, options, values| {
        at_most(lua, values, 1)?;
        let mut precision = i64::from(options.precision);
        between(lua, values, 1, 1..=14, &mut precision)?;
        options.precision = precision as u32;
        Ok(vec![Value::Integer(precision)].into())
    })?;
    add("encode_keep_buffer", |lua, options, values| {
        at_most(lua, values, 1)?;
        boolean(lua, values, 1, &mut options.keep_buffer)?;
        Ok(vec![Value::Boolean(options.keep_buffer)].into())
    })?;
    add("encode_invalid_numbers", |lua, options, values| {
        at_most(lua, values, 1)?;
        match values.first() {
            Some(Value::String(word)) if word == "null" => options.encode_invalid = Invalid::Null,
            Some(Value::String(word)) if word == "off" => options.encode_invalid = Invalid::Refused,
            Some(Value::String(word)) if word == "on" => options.encode_invalid = Invalid::Written,
            _ => {
                let mut written = options.encode_invalid == Invalid::Written;
                let before = written;
                boolean(lua, values, 1, &mut written)?;
                if !matches!(values.first(), None | Some(Value::Nil)) || before != written {
                    options.encode_invalid = match written {
                        true => Invalid::Written,
                        false => Invalid::Refused,
                    };
                }
            }
        }
        Ok(vec![match options.encode_invalid {
            Invalid::Refused => Value::Boolean(false),
            Invalid::Written => Value::Boolean(true),
            Invalid::Null => Value::String(lua.create_string("null")?),
        }]
        .into())
    })?;
    add("decode_invalid_numbers", |lua, options, values| {
        at_most(lua, values, 1)?;
        boolean(lua, values, 1, &mut options.decode_invalid)?;
        Ok(vec![Value::Boolean(options.decode_invalid)].into())
    })
}

type Answer = Variadic<Value>;

fn at_most(lua: &Lua, values: &[Value], most: usize) -> mlua::Result<()> {
    match values.len() > most {
        true => Err(Raised::argument(lua, most + 1, "found too many arguments")),
        false => Ok(()),
    }
}

fn depth(lua: &Lua, values: &[Value], depth: &mut usize) -> mlua::Result<Answer> {
    at_most(lua, values, 1)?;
    let mut number = *depth as i64;
    integer(lua, values, 1, 1, &mut number)?;
    *depth = number as usize;
    Ok(vec![Value::Integer(number)].into())
}

fn integer(
    lua: &Lua,
    values: &[Value],
    number: usize,
    least: i64,
    option: &mut i64,
) -> mlua::Result<()> {
    between(lua, values, number, least..=i64::from(i32::MAX), option)
}

fn between(
    lua: &Lua,
    values: &[Value],
    number: usize,
    range: std::ops::RangeInclusive<i64>,
    option: &mut i64,
) -> mlua::Result<()> {
    let value = match values.get(number - 1) {
        None | Some(Value::Nil) => return Ok(()),
        Some(value) => value,
    };
    let Some(given) = lua.coerce_number(value.clone())? else {
        let what = format!("number expected, got {}", Raised::type_name(value));
        return Err(Raised::argument(lua, number, &what));
    };
    let given = given as i64;
    if !range.contains(&given) {
        let what = format!(
            "expected integer between {} and {}",
            range.start(),
            range.end()
        );
        return Err(Raised::argument(lua, 1, &what));
    }
    *option = given;
    Ok(())
}

fn boolean(lua: &Lua, values: &[Value], number: usize, option: &mut bool) -> mlua::Result<()> {
    match values.get(number - 1) {
        None | Some(Value::Nil) => {}
        Some(Value::Boolean(truth)) => *option = *truth,
        Some(Value::String(word)) if word == "on" => *option = true,
        Some(Value::String(word)) if word == "off" => *option = false,
        Some(Value::String(word)) => {
            let what = format!("invalid option '{}'", word.to_string_lossy());
            return Err(Raised::argument(lua, number, &what));
        }
        Some(other) => {
            let what = match lua.coerce_string(other.clone())? {
                Some(word) => format!("invalid option '{}'", word.to_string_lossy()),
                None => format!("string expected, got {}", Raised::type_name(other)),
            };
            return Err(Raised::argument(lua, number, &what));
        }
    }
    Ok(())
}
