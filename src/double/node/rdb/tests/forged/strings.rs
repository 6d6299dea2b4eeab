//! Strings, with lengths in every form.

use super::{Cases, raw};

pub fn add(cases: &mut Cases) {
    cases.extend([
        ("an integer of one byte", raw(b"\x00\xc0\x80")),
        (
            "an integer of two bytes that needs one",
            raw(b"\x00\xc1\x05\x00"),
        ),
        (
            "an integer of four bytes that needs one",
            raw(b"\x00\xc2\xff\xff\xff\xff"),
        ),
        ("a length of 14 bits that needs 6", raw(b"\x00\x40\x01a")),
        (
            "a length of 32 bits that needs 6",
            raw(b"\x00\x80\x00\x00\x00\x01a"),
        ),
        (
            "a length of 64 bits that needs 6",
            raw(b"\x00\x81\x00\x00\x00\x00\x00\x00\x00\x01a"),
        ),
        (
            "the highest length",
            raw(b"\x00\x81\xff\xff\xff\xff\xff\xff\xff\xff"),
        ),
        (
            "a high length",
            raw(b"\x00\x81\x7f\xff\xff\xff\xff\xff\xff\x00"),
        ),
        (
            "a length that means nothing",
            raw(b"\x00\x82\x00\x00\x00\x01a"),
        ),
        ("an encoding that means nothing", raw(b"\x00\xc4a")),
        ("compressed", raw(b"\x00\xc3\x05\x09\x00a\xc0\x00\x00b")),
        ("compressed, a copy", raw(b"\x00\xc3\x04\x09\x00a\xc0\x00")),
        (
            "compressed, shorter than said",
            raw(b"\x00\xc3\x04\x0a\x00a\xc0\x00"),
        ),
        (
            "compressed, longer than said",
            raw(b"\x00\xc3\x04\x08\x00a\xc0\x00"),
        ),
        (
            "compressed, from before the beginning",
            raw(b"\x00\xc3\x04\x09\x00a\xc0\x01"),
        ),
        ("compressed, of no bytes", raw(b"\x00\xc3\x00\x01")),
        ("compressed, to no bytes", raw(b"\x00\xc3\x02\x00\x00a")),
        (
            "compressed, to very many bytes",
            raw(b"\x00\xc3\x02\x81\x00\x00\x01\x00\x00\x00\x00\x00\x00a"),
        ),
        (
            "compressed, lengths as encodings",
            raw(b"\x00\xc3\xc4\xc9\x00a\xe0\x00\x00"),
        ),
    ]);
}
