//! Writes the parts that values consist of in the RDB format.

use super::lzf::Compressor;
use crate::double::node::number::parse_i64;

/// An integer of 32 bits has no more digits than this, with its sign.
const DIGITS: usize = 11;
/// Longer strings are compressed.
const COMPRESSED: usize = 20;
/// How many bytes compression has to save.
const SAVED: usize = 4;

/// Writes from front to back.
pub(super) struct Writer {
    bytes: Vec<u8>,
    /// If strings are to be compressed.
    compressor: Option<Compressor>,
}

impl Writer {
    pub fn new(compress: bool) -> Self {
        Writer {
            bytes: Vec::new(),
            compressor: compress.then(Compressor::default),
        }
    }

    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    pub fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// A length, or a number that is written as one.
    pub fn length(&mut self, len: u64) {
        let bytes = len.to_be_bytes();
        match len {
            0..0x40 => self.byte(bytes[7]),
            0x40..0x4000 => self.bytes(&[0x40 | bytes[6], bytes[7]]),
            0x4000..=0xffff_ffff => {
                self.byte(0x80);
                self.bytes(&bytes[4..]);
            }
            _ => {
                self.byte(0x81);
                self.bytes(&bytes);
            }
        }
    }

    /// How many things follow.
    pub fn count(&mut self, count: usize) {
        self.length(count as u64);
    }

    /// A string, in the shortest of its forms.
    pub fn string(&mut self, text: &[u8]) {
        if text.len() <= DIGITS
            && let Some(number) = parse_i64(text)
            && self.small_integer(number)
        {
            return;
        }
        if text.len() > COMPRESSED
            && let Some(compressor) = &mut self.compressor
            && let Some(packed) = compressor.compress(text, text.len() - SAVED)
        {
            self.byte(0xc3);
            self.count(packed.len());
            self.count(text.len());
            self.bytes(&packed);
            return;
        }
        self.count(text.len());
        self.bytes(text);
    }

    fn small_integer(&mut self, number: i64) -> bool {
        let bytes = number.to_le_bytes();
        if i8::try_from(number).is_ok() {
            self.bytes(&[0xc0, bytes[0]]);
        } else if i16::try_from(number).is_ok() {
            self.byte(0xc1);
            self.bytes(&bytes[..2]);
        } else if i32::try_from(number).is_ok() {
            self.byte(0xc2);
            self.bytes(&bytes[..4]);
        } else {
            return false;
        }
        true
    }

    /// A double of eight bytes.
    pub fn double(&mut self, number: f64) {
        self.bytes(&number.to_le_bytes());
    }

    /// A time in milliseconds.
    pub fn time(&mut self, ms: i64) {
        self.bytes(&ms.to_le_bytes());
    }
}
