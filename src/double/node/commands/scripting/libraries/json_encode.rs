//! `cjson.encode`.

use mlua::{Error, Lua, Table, Value};

use super::super::raised::Raised;
use super::json::{Invalid, Options, STACK};
use crate::double::node::number;

/// A text longer than this is not made: a small table that is in itself again and again would become endless.
const LONGEST: usize = 256 * 1024 * 1024;

/// The JSON of a value.
pub(super) fn encode(lua: &Lua, options: &Options, value: &Value) -> mlua::Result<Vec<u8>> {
    let mut encoder = Encoder {
        lua,
        options,
        text: Vec::new(),
    };
    encoder.value(value, Depth::default())?;
    Ok(encoder.text)
}

/// How deep the encoder is.
#[derive(Debug, Clone, Copy, Default)]
struct Depth {
    tables: usize,
    /// Places that the C code would have taken on Lua's stack.
    stack: usize,
}

impl Depth {
    fn more(self, places: usize) -> Depth {
        Depth {
            tables: self.tables + 1,
            stack: self.stack + places,
        }
    }
}

struct Encoder<'a> {
    lua: &'a Lua,
    options: &'a Options,
    text: Vec<u8>,
}

impl Encoder<'_> {
    fn value(&mut self, value: &Value, depth: Depth) -> mlua::Result<()> {
        match value {
            Value::String(text) => self.string(&text.as_bytes()),
            Value::Integer(number) => self.number(*number as f64)?,
            Value::Number(number) => self.number(*number)?,
            Value::Boolean(true) => self.text.extend_from_slice(b"true"),
            Value::Boolean(false) => self.text.extend_from_slice(b"false"),
            Value::Nil => self.text.extend_from_slice(b"null"),
            Value::LightUserData(pointer) if pointer.0.is_null() => {
                self.text.extend_from_slice(b"null");
            }
            Value::Table(table) => {
                let tables = depth.tables + 1;
                if tables > self.options.encode_depth || depth.stack + 3 > STACK {
                    let words = format!("Cannot serialise, excessive nesting ({tables})");
                    return Err(Raised::at_caller(self.lua, &words));
                }
                match self.length(table)? {
                    length @ 1.. => self.array(table, length, depth.more(1))?,
                    _ => self.object(table, depth.more(2))?,
                }
            }
            other => return Err(self.refused(other, "type not supported")),
        }
        if self.text.len() > LONGEST {
            return Err(Error::MemoryError("not enough memory".to_owned()));
        }
        Ok(())
    }

    fn refused(&self, value: &Value, why: &str) -> Error {
        let words = format!("Cannot serialise {}: {why}", Raised::type_name(value));
        Raised::at_caller(self.lua, &words)
    }

    /// How long a table is that is an array; 0 or less: it is none.
    fn length(&self, table: &Table) -> mlua::Result<i64> {
        let (mut greatest, mut count) = (0_i64, 0_i64);
        let mut is_array = true;
        // Most arrays have no holes, and nothing else.
        for pair in table.pairs::<Value, Value>() {
            let (Value::Integer(key @ 1..), _) = pair? else {
                is_array = false;
                break;
            };
            greatest = greatest.max(key);
            count += 1;
        }
        if !is_array {
            return Ok(-1);
        }
        let Options {
            sparse_ratio: ratio,
            sparse_safe: safe,
            ..
        } = *self.options;
        if ratio > 0 && greatest > count.saturating_mul(ratio) && greatest > safe {
            if !self.options.sparse_convert {
                return Err(self.refused(&Value::Table(table.clone()), "excessively sparse array"));
            }
            return Ok(-1);
        }
        Ok(greatest)
    }

    fn array(&mut self, table: &Table, length: i64, depth: Depth) -> mlua::Result<()> {
        self.text.push(b'[');
        for at in 1..=length {
            if at > 1 {
                self.text.push(b',');
            }
            self.value(&table.raw_get(at)?, depth)?;
        }
        self.text.push(b']');
        Ok(())
    }

    fn object(&mut self, table: &Table, depth: Depth) -> mlua::Result<()> {
        self.text.push(b'{');
        let mut first = true;
        for pair in table.pairs::<Value, Value>() {
            let (key, value) = pair?;
            if !std::mem::take(&mut first) {
                self.text.push(b',');
            }
            match &key {
                Value::String(key) => self.string(&key.as_bytes()),
                Value::Integer(_) | Value::Number(_) => {
                    self.text.push(b'"');
                    self.value(&key, depth)?;
                    self.text.push(b'"');
                }
                other => {
                    return Err(self.refused(other, "table key must be a number or string"));
                }
            }
            self.text.push(b':');
            self.value(&value, depth)?;
        }
        self.text.push(b'}');
        Ok(())
    }

    fn number(&mut self, number: f64) -> mlua::Result<()> {
        if !number.is_finite() {
            let written: &[u8] = match self.options.encode_invalid {
                Invalid::Refused => {
                    return Err(self.refused(&Value::Number(number), "must not be NaN or Inf"));
                }
                Invalid::Null => b"null",
                Invalid::Written if number.is_nan() => b"nan",
                Invalid::Written if number > 0.0 => b"inf",
                Invalid::Written => b"-inf",
            };
            self.text.extend_from_slice(written);
            return Ok(());
        }
        number::write_g(&mut self.text, number, self.options.precision);
        Ok(())
    }

    fn string(&mut self, text: &[u8]) {
        self.text.push(b'"');
        let mut plain = 0;
        for (at, byte) in text.iter().enumerate() {
            let escaped = match byte {
                b'"' => b'"',
                b'\\' => b'\\',
                b'/' => b'/',
                0x08 => b'b',
                b'\t' => b't',
                b'\n' => b'n',
                0x0c => b'f',
                b'\r' => b'r',
                0..=31 | 127 => b'u',
                _ => continue,
            };
            self.text.extend_from_slice(&text[plain..at]);
            plain = at + 1;
            self.text.extend_from_slice(&[b'\\', escaped]);
            if escaped == b'u' {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let digits = [byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]);
                self.text.extend_from_slice(b"00");
                self.text.extend_from_slice(&digits);
            }
        }
        self.text.extend_from_slice(&text[plain..]);
        self.text.push(b'"');
    }
}
