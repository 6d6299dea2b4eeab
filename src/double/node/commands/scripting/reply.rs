//! From the value that a script returns to its reply.

use mlua::{Table, Value};

use crate::double::node::number;
use crate::double::node::out::Out;

/// How many places a C function has on Lua's stack. Redis keeps a value there for each level of a nested reply, and gives up when there is no room.
const STACK: usize = 8000;
/// How many places must be free.
const FREE: usize = 4;
/// How many are taken when the outermost value is looked at.
const TAKEN: usize = 2;

/// Writes the reply. `resp3`: the script has said `redis.setresp(3)`, so its booleans are booleans.
pub(super) fn write(out: &mut Out, value: &Value, resp3: bool) {
    Writer { out, resp3 }.value(value, TAKEN);
}

struct Writer<'a> {
    out: &'a mut Out,
    resp3: bool,
}

impl Writer<'_> {
    /// `top`: how high Lua's stack would be in Redis.
    fn value(&mut self, value: &Value, top: usize) {
        if top + FREE > STACK {
            return self.out.error_bytes(b"ERR reached lua stack limit");
        }
        match value {
            Value::String(text) => self.out.bulk(&text.as_bytes()),
            Value::Integer(number) => self.out.int(*number),
            Value::Number(number) => self.out.int(truncated(*number)),
            Value::Boolean(truth) if self.resp3 => self.out.boolean(*truth),
            Value::Boolean(true) => self.out.int(1),
            Value::Table(table) => {
                if self.table(table, top).is_err() {
                    self.out.error_bytes(b"ERR reached lua stack limit");
                }
            }
            _ => self.out.null(),
        }
    }

    /// A table that has one of Redis's own fields is what this field says, everything else is an array.
    fn table(&mut self, table: &Table, top: usize) -> mlua::Result<()> {
        if self.special(table, top)? {
            return Ok(());
        }
        let mut element: Value = table.raw_get(1)?;
        let place = self.out.open();
        let mut count = 0;
        while !element.is_nil() {
            self.value(&element, top + 1);
            count += 1;
            drop(element);
            element = table.raw_get(count + 1)?;
        }
        self.out.close(place, |out| out.array(count));
        Ok(())
    }

    /// Writes what the table's field says. Whether it has one.
    fn special(&mut self, table: &Table, top: usize) -> mlua::Result<bool> {
        if let Value::String(words) = table.raw_get("err")? {
            self.out.error_bytes(as_c_text(&words.as_bytes()));
            return Ok(true);
        }
        if let Value::String(words) = table.raw_get("ok")? {
            self.out.bytes.push(b'+');
            one_line(as_c_text(&words.as_bytes()), &mut self.out.bytes);
            return Ok(true);
        }
        if let Value::Integer(_) | Value::Number(_) = table.raw_get("double")? {
            double(self.out, table.raw_get("double")?);
            return Ok(true);
        }
        if let Value::Table(map) = table.raw_get("map")? {
            self.map(&map, top)?;
            return Ok(true);
        }
        if let Value::Table(set) = table.raw_get("set")? {
            let place = self.out.open();
            let mut count = 0;
            for pair in set.pairs::<Value, Value>() {
                self.value(&pair?.0, top + 3);
                count += 1;
            }
            self.out.close(place, |out| out.set(count));
            return Ok(true);
        }
        if let Value::String(digits) = table.raw_get("big_number")? {
            let mut number = Vec::new();
            one_line(&digits.as_bytes(), &mut number);
            number.truncate(number.len() - 2);
            match self.out.resp3 {
                true => {
                    self.out.bytes.push(b'(');
                    self.out.bytes.extend_from_slice(&number);
                    self.out.bytes.extend_from_slice(b"\r\n");
                }
                false => self.out.bulk(&number),
            }
            return Ok(true);
        }
        if let Value::Table(verbatim) = table.raw_get("verbatim_string")?
            && let (Value::String(format), Value::String(text)) =
                (verbatim.raw_get("format")?, verbatim.raw_get("string")?)
        {
            let mut kind = format.as_bytes().to_vec();
            kind.resize(3, b' ');
            self.out
                .verbatim(&String::from_utf8_lossy(&kind), &text.as_bytes());
            return Ok(true);
        }
        Ok(false)
    }

    fn map(&mut self, map: &Table, top: usize) -> mlua::Result<()> {
        let place = self.out.open();
        let mut count = 0;
        for pair in map.pairs::<Value, Value>() {
            let (key, value) = pair?;
            self.value(&key, top + 4);
            self.value(&value, top + 3);
            count += 1;
        }
        self.out.close(place, |out| out.map(count));
        Ok(())
    }
}

/// As C casts a double to 64 bits on the machines that Redis is mostly run on.
pub(super) fn truncated(number: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    match (-LIMIT..LIMIT).contains(&number) {
        true => number as i64,
        false => i64::MIN,
    }
}

fn double(out: &mut Out, number: f64) {
    let mut digits = Vec::new();
    number::write_g17(&mut digits, number);
    match out.resp3 {
        true => {
            out.bytes.push(b',');
            out.bytes.extend_from_slice(&digits);
            out.bytes.extend_from_slice(b"\r\n");
        }
        false => out.bulk(&digits),
    }
}

/// Text with spaces for line breaks, and a line break behind it.
fn one_line(text: &[u8], into: &mut Vec<u8>) {
    into.extend(text.iter().map(|byte| match byte {
        b'\r' | b'\n' => b' ',
        other => *other,
    }));
    into.extend_from_slice(b"\r\n");
}

/// What Redis takes of a text, where it takes it as C does: it ends at a zero byte.
pub(super) fn as_c_text(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}
