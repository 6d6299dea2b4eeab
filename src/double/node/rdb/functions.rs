//! Libraries of functions as FUNCTION DUMP gives them and FUNCTION RESTORE takes them: their code, one after the other.

use super::payload::{self, BadPayload};
use super::reader::Reader;
use super::writer::Writer;

/// In front of each library.
const LIBRARY: u8 = 0xf5;

/// Why libraries can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadLibraries {
    /// Version or checksum are wrong.
    Footer,
    /// Something else than a library.
    Kind,
    /// It ends in the middle, or is no string.
    Value,
}

/// The payload of libraries with this code.
pub(crate) fn encode_libraries<'a>(
    codes: impl IntoIterator<Item = &'a [u8]>,
    compress: bool,
) -> Vec<u8> {
    let mut out = Writer::new(compress);
    for code in codes {
        out.byte(LIBRARY);
        out.string(code);
    }
    payload::seal(out.finish())
}

/// The code of the libraries in a payload.
///
/// # Errors
/// It is none of libraries.
pub(crate) fn decode_libraries(bytes: &[u8]) -> Result<Vec<Vec<u8>>, BadLibraries> {
    payload::check(bytes).map_err(|_| BadLibraries::Footer)?;
    let mut reader = Reader::new(&bytes[..bytes.len() - payload::FOOTER]);
    let mut codes = Vec::new();
    while let Ok(kind) = reader.byte() {
        if kind != LIBRARY {
            return Err(BadLibraries::Kind);
        }
        let code = reader
            .string()
            .map_err(|_: BadPayload| BadLibraries::Value)?;
        codes.push(code.into_owned());
    }
    Ok(codes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_7_0_15_has_dumped() {
        // Of FUNCTION LOAD and FUNCTION DUMP.
        let code = b"#!lua name=o\nredis.register_function('f1',function() end)";
        let dumped = [&[0xf5, 57][..], code, b"\x0a\x00\xca\xe6k;\xcf\xb1z\xe9"].concat();
        assert_eq!(encode_libraries([&code[..]], true), dumped);
        assert_eq!(decode_libraries(&dumped), Ok(vec![code.to_vec()]));
        assert_eq!(
            encode_libraries([], true),
            b"\x0a\x00]\x9b\\@\x0f\x7f\xa2\xda"
        );
        assert_eq!(decode_libraries(b"x"), Err(BadLibraries::Footer));
    }
}
