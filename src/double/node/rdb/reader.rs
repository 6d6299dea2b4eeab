//! Reads the parts that values consist of in the RDB format.

use std::borrow::Cow;

use super::lzf;
use super::payload::BadPayload;
use crate::double::node::number::write_i64;

/// What stands in the place of a length.
enum Length {
    Bytes(u64),
    /// Not a length but a way in which a string is written.
    Encoding(u8),
    /// A first byte that means nothing.
    Unknown,
}

/// Reads from front to back. Where the payload ends too early, or a part of it means nothing, it is refused.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads these bytes. Redis reads a value from the whole payload, footer included, and does not look at what follows the value.
    pub fn new(payload: &'a [u8]) -> Self {
        Reader { rest: payload }
    }

    pub fn bytes(&mut self, len: usize) -> Result<&'a [u8], BadPayload> {
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(BadPayload::Value)?;
        self.rest = rest;
        Ok(bytes)
    }

    pub fn array<const LEN: usize>(&mut self) -> Result<[u8; LEN], BadPayload> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(BadPayload::Value)?;
        self.rest = rest;
        Ok(*bytes)
    }

    pub fn byte(&mut self) -> Result<u8, BadPayload> {
        self.array().map(|[byte]| byte)
    }

    /// How many things follow. What they are has to be read one by one: nothing may be allocated for this number alone.
    pub fn count(&mut self) -> Result<u64, BadPayload> {
        match self.number()? {
            u64::MAX => Err(BadPayload::Value),
            count => Ok(count),
        }
    }

    /// How many things follow, where there has to be one at least.
    pub fn count_of_some(&mut self) -> Result<u64, BadPayload> {
        match self.count()? {
            0 => Err(BadPayload::Value),
            count => Ok(count),
        }
    }

    /// A number that is written as a length is. Where only a number can stand, Redis takes an encoding for a small number and what means
    /// nothing for the highest one.
    pub fn number(&mut self) -> Result<u64, BadPayload> {
        Ok(match self.length()? {
            Length::Bytes(number) => number,
            Length::Encoding(number) => number.into(),
            Length::Unknown => u64::MAX,
        })
    }

    fn length(&mut self) -> Result<Length, BadPayload> {
        let first = self.byte()?;
        let low = first & 0x3f;
        Ok(match first >> 6 {
            0 => Length::Bytes(low.into()),
            1 => Length::Bytes(u16::from_be_bytes([low, self.byte()?]).into()),
            2 => match low {
                0 => Length::Bytes(u32::from_be_bytes(self.array()?).into()),
                1 => Length::Bytes(u64::from_be_bytes(self.array()?)),
                _ => Length::Unknown,
            },
            _ => Length::Encoding(low),
        })
    }

    /// A string in any of its forms.
    pub fn string(&mut self) -> Result<Cow<'a, [u8]>, BadPayload> {
        match self.length()? {
            Length::Bytes(len) => {
                let len = usize::try_from(len).map_err(|_| BadPayload::Value)?;
                self.bytes(len).map(Cow::Borrowed)
            }
            Length::Encoding(0) => Ok(printed(i8::from_le_bytes(self.array()?).into())),
            Length::Encoding(1) => Ok(printed(i16::from_le_bytes(self.array()?).into())),
            Length::Encoding(2) => Ok(printed(i32::from_le_bytes(self.array()?).into())),
            Length::Encoding(3) => self.compressed().map(Cow::Owned),
            Length::Encoding(_) | Length::Unknown => Err(BadPayload::Value),
        }
    }

    fn compressed(&mut self) -> Result<Vec<u8>, BadPayload> {
        let packed = usize::try_from(self.count()?).map_err(|_| BadPayload::Value)?;
        let len = usize::try_from(self.count()?).map_err(|_| BadPayload::Value)?;
        let packed = self.bytes(packed)?;
        match len {
            // Redis does not tell "nothing" from "refused".
            0 => Ok(Vec::new()),
            _ => lzf::decompress(packed, len).ok_or(BadPayload::Value),
        }
    }

    /// A double of eight bytes.
    pub fn double(&mut self) -> Result<f64, BadPayload> {
        self.array().map(f64::from_le_bytes)
    }

    /// A time in milliseconds.
    pub fn time(&mut self) -> Result<i64, BadPayload> {
        self.array().map(i64::from_le_bytes)
    }
}

fn printed(number: i64) -> Cow<'static, [u8]> {
    let mut text = Vec::new();
    write_i64(&mut text, number);
    Cow::Owned(text)
}
