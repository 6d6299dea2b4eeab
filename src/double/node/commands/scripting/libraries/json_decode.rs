//! `cjson.decode`.

use mlua::{Error, Lua, Value};

use super::super::raised::Raised;
use super::json::{Options, STACK};
use super::strtod::strtod;

/// The value that a text of JSON is.
pub(super) fn decode(lua: &Lua, options: &Options, text: &[u8]) -> mlua::Result<Value> {
    if let [0, _, ..] | [_, 0, ..] = text {
        return Err(Raised::at_caller(
            lua,
            "JSON parser does not support UTF-16 or UTF-32",
        ));
    }
    let mut decoder = Decoder {
        lua,
        options,
        text,
        at: 0,
        unescaped: Vec::new(),
        depth: 0,
        stack: 1,
    };
    let first = decoder.token();
    let value = decoder.value(first)?;
    match decoder.token() {
        Token {
            kind: Kind::End, ..
        } => Ok(value),
        other => Err(decoder.unexpected("the end", &other)),
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    /// Between its quotes, from here to there; without escapes.
    Plain(usize, usize),
    /// In the buffer.
    Unescaped,
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Wrong(&'static str),
}

#[derive(Debug, Clone, Copy)]
struct Token {
    kind: Kind,
    at: usize,
}

struct Decoder<'a> {
    lua: &'a Lua,
    options: &'a Options,
    text: &'a [u8],
    at: usize,
    /// A text whose escapes are read.
    unescaped: Vec<u8>,
    depth: usize,
    /// Places that the C code would have taken on Lua's stack.
    stack: usize,
}

impl Decoder<'_> {
    /// The byte at a place; behind the end there is a 0, which is an end wherever it stands.
    fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(0)
    }

    fn unexpected(&self, wanted: &str, found: &Token) -> Error {
        let name = match found.kind {
            Kind::ObjectBegin => "T_OBJ_BEGIN",
            Kind::ObjectEnd => "T_OBJ_END",
            Kind::ArrayBegin => "T_ARR_BEGIN",
            Kind::ArrayEnd => "T_ARR_END",
            Kind::Plain(..) | Kind::Unescaped => "T_STRING",
            Kind::Number(_) => "T_NUMBER",
            Kind::Boolean(_) => "T_BOOLEAN",
            Kind::Null => "T_NULL",
            Kind::Colon => "T_COLON",
            Kind::Comma => "T_COMMA",
            Kind::End => "T_END",
            Kind::Wrong(what) => what,
        };
        let words = format!(
            "Expected {wanted} but found {name} at character {}",
            found.at + 1
        );
        Raised::at_caller(self.lua, &words)
    }

    /// Goes into an array or an object, which takes so many places.
    fn descend(&mut self, places: usize) -> mlua::Result<()> {
        self.depth += 1;
        if self.depth <= self.options.decode_depth && self.stack + places < STACK {
            self.stack += places;
            return Ok(());
        }
        let words = format!(
            "Found too many nested data structures ({}) at character {}",
            self.depth, self.at
        );
        Err(Raised::at_caller(self.lua, &words))
    }

    fn value(&mut self, token: Token) -> mlua::Result<Value> {
        Ok(match token.kind {
            Kind::Plain(from, to) => Value::String(self.lua.create_string(&self.text[from..to])?),
            Kind::Unescaped => Value::String(self.lua.create_string(&self.unescaped)?),
            Kind::Number(number) => Value::Number(number),
            Kind::Boolean(truth) => Value::Boolean(truth),
            Kind::Null => Value::NULL,
            Kind::ObjectBegin => self.object()?,
            Kind::ArrayBegin => self.array()?,
            _ => return Err(self.unexpected("value", &token)),
        })
    }

    fn object(&mut self) -> mlua::Result<Value> {
        self.descend(2)?;
        let table = self.lua.create_table()?;
        let mut token = self.token();
        if token.kind != Kind::ObjectEnd {
            loop {
                let key = match token.kind {
                    Kind::Plain(..) | Kind::Unescaped => self.value(token)?,
                    _ => return Err(self.unexpected("object key string", &token)),
                };
                token = self.token();
                if token.kind != Kind::Colon {
                    return Err(self.unexpected("colon", &token));
                }
                token = self.token();
                let value = self.value(token)?;
                table.raw_set(key, value)?;
                token = self.token();
                match token.kind {
                    Kind::ObjectEnd => break,
                    Kind::Comma => token = self.token(),
                    _ => return Err(self.unexpected("comma or object end", &token)),
                }
            }
        }
        self.depth -= 1;
        self.stack -= 2;
        Ok(Value::Table(table))
    }

    fn array(&mut self) -> mlua::Result<Value> {
        self.descend(1)?;
        let table = self.lua.create_table()?;
        let mut token = self.token();
        if token.kind != Kind::ArrayEnd {
            for at in 1.. {
                let value = self.value(token)?;
                table.raw_set(at, value)?;
                token = self.token();
                match token.kind {
                    Kind::ArrayEnd => break,
                    Kind::Comma => token = self.token(),
                    _ => return Err(self.unexpected("comma or array end", &token)),
                }
            }
        }
        self.depth -= 1;
        self.stack -= 1;
        Ok(Value::Table(table))
    }

    fn token(&mut self) -> Token {
        while let b' ' | b'\t' | b'\n' | b'\r' = self.byte(self.at) {
            self.at += 1;
        }
        let at = self.at;
        let single = match self.byte(at) {
            b'{' => Kind::ObjectBegin,
            b'}' => Kind::ObjectEnd,
            b'[' => Kind::ArrayBegin,
            b']' => Kind::ArrayEnd,
            b',' => Kind::Comma,
            b':' => Kind::Colon,
            0 => {
                return Token {
                    kind: Kind::End,
                    at,
                };
            }
            _ => {
                let kind = self.longer();
                // A wrong one is wrong where reading stopped.
                let at = if let Kind::Wrong(_) = kind {
                    self.at
                } else {
                    at
                };
                return Token { kind, at };
            }
        };
        self.at += 1;
        Token { kind: single, at }
    }

    fn longer(&mut self) -> Kind {
        let rest = &self.text[self.at..];
        let word = |word: &[u8]| rest.starts_with(word);
        match rest.first() {
            Some(b'"') => return self.string(),
            Some(b'-' | b'0'..=b'9') => {
                if !self.options.decode_invalid && is_invalid(rest) {
                    return Kind::Wrong("invalid number");
                }
                return self.number();
            }
            _ => {}
        }
        let (kind, length) = if word(b"true") {
            (Kind::Boolean(true), 4)
        } else if word(b"false") {
            (Kind::Boolean(false), 5)
        } else if word(b"null") {
            (Kind::Null, 4)
        } else if self.options.decode_invalid
            && matches!(rest.first(), Some(b'+' | b'i' | b'I' | b'n' | b'N'))
            && is_invalid(rest)
        {
            return self.number();
        } else {
            return Kind::Wrong("invalid token");
        };
        self.at += length;
        kind
    }

    fn number(&mut self) -> Kind {
        match strtod(&self.text[self.at..]) {
            (_, 0) => Kind::Wrong("invalid number"),
            (number, length) => {
                self.at += length;
                Kind::Number(number)
            }
        }
    }

    fn string(&mut self) -> Kind {
        let from = self.at + 1;
        let rest = &self.text[from..];
        let plain = rest
            .iter()
            .position(|byte| matches!(byte, b'"' | b'\\' | 0))
            .unwrap_or(rest.len());
        self.at = from + plain;
        if self.byte(self.at) == b'"' {
            self.at += 1;
            return Kind::Plain(from, from + plain);
        }
        self.unescaped.clear();
        self.unescaped.extend_from_slice(&rest[..plain]);
        loop {
            match self.byte(self.at) {
                b'"' => {
                    self.at += 1;
                    return Kind::Unescaped;
                }
                0 => return Kind::Wrong("unexpected end of string"),
                b'\\' => {
                    let meant = match self.byte(self.at + 1) {
                        byte @ (b'"' | b'\\' | b'/') => byte,
                        b'b' => 0x08,
                        b'f' => 0x0c,
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        b'u' => match self.code_point() {
                            Some((character, length)) => {
                                let mut bytes = [0; 4];
                                let text = character.encode_utf8(&mut bytes);
                                self.unescaped.extend_from_slice(text.as_bytes());
                                self.at += length;
                                continue;
                            }
                            None => return Kind::Wrong("invalid unicode escape code"),
                        },
                        _ => return Kind::Wrong("invalid escape code"),
                    };
                    self.unescaped.push(meant);
                    self.at += 2;
                }
                byte => {
                    self.unescaped.push(byte);
                    self.at += 1;
                }
            }
        }
    }

    /// What `\uXXXX` stands for, or two of them that belong together; and how many bytes it is.
    fn code_point(&self) -> Option<(char, usize)> {
        let first = self.hexadecimal(self.at + 2)?;
        if first & 0xF800 != 0xD800 {
            return Some((char::from_u32(first)?, 6));
        }
        let second = match (self.byte(self.at + 6), self.byte(self.at + 7)) {
            (b'\\', b'u') => self.hexadecimal(self.at + 8)?,
            _ => return None,
        };
        if first & 0x400 != 0 || second & 0xFC00 != 0xDC00 {
            return None;
        }
        let point = ((first & 0x3FF) << 10 | (second & 0x3FF)) + 0x10000;
        Some((char::from_u32(point)?, 12))
    }

    fn hexadecimal(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 4)?;
        digits.iter().try_fold(0, |value, digit| {
            Some(value << 4 | (*digit as char).to_digit(16)?)
        })
    }
}

/// Whether a number is one that C reads, but JSON does not have.
fn is_invalid(text: &[u8]) -> bool {
    let text = match text {
        [b'+', ..] => return true,
        [b'-', rest @ ..] => rest,
        all => all,
    };
    match text {
        [b'0', b'x' | b'X' | b'0'..=b'9', ..] => true,
        [b'0'..=b'9', ..] => false,
        _ => text.get(..3).is_some_and(|start| {
            [&b"inf"[..], b"nan"]
                .iter()
                .any(|it| start.eq_ignore_ascii_case(it))
        }),
    }
}
