//! `struct`: values packed as C lays them out.

use mlua::{Lua, LuaString, Table, Value, Variadic};

use super::super::engine::unlimited;
use super::super::raised::Raised;
use super::check;

/// The most bytes of an integer.
const LONGEST: usize = 32;
/// What `!` alone aligns to.
const ALIGN: usize = 8;
/// The most that is packed, in bytes.
const MOST: usize = 256 * 1024 * 1024;

/// Makes the table.
pub(super) fn table(lua: &Lua) -> mlua::Result<Table> {
    let structs = lua.create_table()?;
    structs.raw_set("pack", lua.create_function(pack)?)?;
    structs.raw_set("unpack", lua.create_function(unpack)?)?;
    structs.raw_set("size", lua.create_function(size)?)?;
    Ok(structs)
}

/// A format being read.
struct Format<'a> {
    lua: &'a Lua,
    rest: &'a [u8],
    big: bool,
    align: usize,
}

impl<'a> Format<'a> {
    fn new(lua: &'a Lua, text: &'a [u8]) -> Self {
        // C's strings end at the first zero.
        let rest = text.split(|byte| *byte == 0).next().unwrap_or_default();
        Format {
            lua,
            rest,
            big: cfg!(target_endian = "big"),
            align: 1,
        }
    }

    /// The next option and its size in bytes, as far as the format tells it.
    fn next(&mut self) -> mlua::Result<Option<(u8, usize)>> {
        let Some((option, rest)) = self.rest.split_first() else {
            return Ok(None);
        };
        self.rest = rest;
        let size = match option {
            b'B' | b'b' | b'x' => 1,
            b'H' | b'h' => 2,
            b'L' | b'l' | b'T' | b'd' => 8,
            b'f' => 4,
            b'c' => self.number(1)?,
            b'i' | b'I' => {
                let size = self.number(4)?;
                if size > LONGEST {
                    let words = format!("integral size {size} is larger than limit of {LONGEST}");
                    return Err(Raised::at_caller(self.lua, &words));
                }
                size
            }
            _ => 0,
        };
        Ok(Some((*option, size)))
    }

    fn number(&mut self, otherwise: usize) -> mlua::Result<usize> {
        let digits = self
            .rest
            .iter()
            .take_while(|it| it.is_ascii_digit())
            .count();
        if digits == 0 {
            return Ok(otherwise);
        }
        let (digits, rest) = self.rest.split_at(digits);
        self.rest = rest;
        let number = digits.iter().try_fold(0_i32, |number, digit| {
            number.checked_mul(10)?.checked_add(i32::from(digit - b'0'))
        });
        number
            .map(|number| number as usize)
            .ok_or_else(|| Raised::at_caller(self.lua, "integral size overflow"))
    }

    /// How many bytes are left out in front of something of this size that would lie at `at`.
    fn gap(&self, at: usize, option: u8, size: usize) -> usize {
        if size == 0 || option == b'c' {
            return 0;
        }
        let size = size.min(self.align);
        size.wrapping_sub(at & size.wrapping_sub(1)) & size.wrapping_sub(1)
    }

    /// An option that is about the format itself.
    fn control(&mut self, option: u8) -> mlua::Result<()> {
        match option {
            b' ' => {}
            b'>' => self.big = true,
            b'<' => self.big = false,
            b'!' => {
                let align = self.number(ALIGN)?;
                if !align.is_power_of_two() {
                    let words = format!("alignment {align} is not a power of 2");
                    return Err(Raised::at_caller(self.lua, &words));
                }
                self.align = align;
            }
            _ => {
                let what = format!("invalid format option '{}'", char::from(option));
                return Err(Raised::argument(self.lua, 1, &what));
            }
        }
        Ok(())
    }
}

fn pack(lua: &Lua, mut values: Variadic<Value>) -> mlua::Result<LuaString> {
    let text = check::string(lua, &values, 1)?;
    let text = text.as_bytes();
    let mut format = Format::new(lua, &text);
    // The C code has put one behind the arguments.
    values.push(Value::Nil);
    let mut packed: Vec<u8> = Vec::new();
    let mut at = 2;
    while let Some((option, mut size)) = format.next()? {
        let gap = format.gap(packed.len(), option, size);
        packed.resize(packed.len() + gap, 0);
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let number = check::number(lua, &values, at)?;
                let value = unsigned(number);
                let mut bytes = [0; LONGEST];
                bytes[..8].copy_from_slice(&value.to_le_bytes());
                if format.big {
                    bytes[..size].reverse();
                }
                packed.extend_from_slice(&bytes[..size]);
                at += 1;
            }
            b'x' => packed.push(0),
            b'f' => {
                let number = check::number(lua, &values, at)? as f32;
                packed.extend_from_slice(&match format.big {
                    true => number.to_be_bytes(),
                    false => number.to_le_bytes(),
                });
                at += 1;
            }
            b'd' => {
                let number = check::number(lua, &values, at)?;
                packed.extend_from_slice(&match format.big {
                    true => number.to_be_bytes(),
                    false => number.to_le_bytes(),
                });
                at += 1;
            }
            b'c' | b's' => {
                let string = check::string(lua, &values, at)?;
                let string = string.as_bytes();
                at += 1;
                if size == 0 {
                    size = string.len();
                }
                let Some(part) = string.get(..size) else {
                    return Err(Raised::argument(lua, at, "string too short"));
                };
                packed.extend_from_slice(part);
                if option == b's' {
                    packed.push(0);
                }
            }
            _ => format.control(option)?,
        }
        if packed.len() > MOST {
            return Err(mlua::Error::MemoryError("not enough memory".to_owned()));
        }
    }
    unlimited(lua, || lua.create_string(packed))
}

fn unpack(lua: &Lua, values: Variadic<Value>) -> mlua::Result<Variadic<Value>> {
    let text = check::string(lua, &values, 1)?;
    let text = text.as_bytes();
    let data = check::string(lua, &values, 2)?;
    let data = data.as_bytes();
    let offset = check::integer(lua, &values, 3, Some(1))?;
    // As an unsigned number a negative one would be far behind the end.
    if offset == 0 {
        return Err(Raised::argument(lua, 3, "offset must be 1 or greater"));
    }
    let mut at = usize::try_from(offset - 1).unwrap_or(usize::MAX / 2);
    let mut format = Format::new(lua, &text);
    let mut found: Vec<Value> = Vec::new();
    let short = || Raised::argument(lua, 2, "data string too short");
    while let Some((option, mut size)) = format.next()? {
        at += format.gap(at, option, size);
        let rest = data.get(at..).ok_or_else(short)?;
        let mut bytes = rest.get(..size).ok_or_else(short)?;
        // Lua's stack has room for so many.
        if found.len() > 7900 {
            return Err(Raised::at_caller(lua, "stack overflow (too many results)"));
        }
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let number = integer(bytes, format.big, option.is_ascii_lowercase());
                found.push(Value::Number(number));
            }
            b'x' => {}
            b'f' => {
                let bytes = <[u8; 4]>::try_from(bytes).unwrap_or_default();
                let number = match format.big {
                    true => f32::from_be_bytes(bytes),
                    false => f32::from_le_bytes(bytes),
                };
                found.push(Value::Number(f64::from(number)));
            }
            b'd' => {
                let bytes = <[u8; 8]>::try_from(bytes).unwrap_or_default();
                let number = match format.big {
                    true => f64::from_be_bytes(bytes),
                    false => f64::from_le_bytes(bytes),
                };
                found.push(Value::Number(number));
            }
            b'c' => {
                if size == 0 {
                    let length = match found.last() {
                        Some(last) => lua.coerce_number(last.clone())?,
                        None => None,
                    };
                    let Some(length) = length else {
                        return Err(Raised::at_caller(lua, "format 'c0' needs a previous size"));
                    };
                    found.pop();
                    size = length as usize;
                    bytes = rest.get(..size).ok_or_else(short)?;
                }
                found.push(Value::String(lua.create_string(bytes)?));
            }
            b's' => {
                let Some(length) = memchr::memchr(0, rest) else {
                    return Err(Raised::at_caller(lua, "unfinished string in data"));
                };
                found.push(Value::String(lua.create_string(&rest[..length])?));
                size = length + 1;
            }
            _ => format.control(option)?,
        }
        at += size;
    }
    found.push(Value::Integer(at as i64 + 1));
    Ok(found.into())
}

/// As C casts a double to 64 bits without a sign, or a negative one to 64 bits with one.
fn unsigned(number: f64) -> u64 {
    const GREATEST: f64 = 18_446_744_073_709_551_616.0;
    match number {
        GREATEST.. => 0,
        9_223_372_036_854_775_808.0.. => number as u64,
        _ => super::super::reply::truncated(number) as u64,
    }
}

/// The number that bytes are.
fn integer(bytes: &[u8], big: bool, signed: bool) -> f64 {
    let add = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
    let value = match big {
        true => bytes.iter().fold(0, add),
        false => bytes.iter().rev().fold(0, add),
    };
    if !signed {
        return value as f64;
    }
    let mask = u64::MAX.wrapping_shl((bytes.len() as u32).wrapping_mul(8).wrapping_sub(1));
    let value = if value & mask == 0 {
        value
    } else {
        value | mask
    };
    value as i64 as f64
}

fn size(lua: &Lua, values: Variadic<Value>) -> mlua::Result<i64> {
    let text = check::string(lua, &values, 1)?;
    let text = text.as_bytes();
    let mut format = Format::new(lua, &text);
    let mut at: usize = 0;
    while let Some((option, size)) = format.next()? {
        at += format.gap(at, option, size);
        if option == b's' {
            return Err(Raised::argument(lua, 1, "option 's' has no fixed size"));
        }
        if option == b'c' && size == 0 {
            return Err(Raised::argument(lua, 1, "option 'c0' has no fixed size"));
        }
        if !option.is_ascii_alphanumeric() {
            format.control(option)?;
        }
        at += size;
    }
    Ok(at as i64)
}
