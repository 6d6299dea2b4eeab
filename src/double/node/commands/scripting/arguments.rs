//! What a script hands to `redis.call`: the words of a command.

use mlua::{FromLua, Lua, Value};
use smallvec::SmallVec;

use crate::double::node::number;

/// One word. A copy, since Lua's own stack of references has only 8,000 places and a command may have more words than are left.
pub(super) enum Argument {
    /// A text, or a number as `%.17g` prints it.
    Word(SmallVec<[u8; 32]>),
    /// Something that no word can be.
    Unfit,
}

impl FromLua for Argument {
    fn from_lua(value: Value, _: &Lua) -> mlua::Result<Self> {
        Ok(match value {
            Value::String(text) => Argument::Word(SmallVec::from_slice(&text.as_bytes())),
            // Up to here a double has all of its digits without an exponent.
            Value::Integer(number @ -99_999_999_999_999_999..=99_999_999_999_999_999) => {
                let mut digits = itoa::Buffer::new();
                Argument::Word(SmallVec::from_slice(digits.format(number).as_bytes()))
            }
            Value::Integer(number) => printed(number as f64),
            Value::Number(number) => printed(number),
            _ => Argument::Unfit,
        })
    }
}

fn printed(number: f64) -> Argument {
    let mut digits = Vec::new();
    number::write_g17(&mut digits, number);
    Argument::Word(SmallVec::from_vec(digits))
}
