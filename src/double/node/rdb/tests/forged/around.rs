//! What is around a value: type, version, checksum.

use super::{Cases, payload, raw};
use crate::double::node::rdb::crc64;
use crate::double::node::rdb::payload::kind;

pub fn add(cases: &mut Cases) {
    let good = payload(kind::STRING, |out| out.string(b"text"));
    let with_version = |version: u16| {
        let mut bytes = good[..good.len() - 10].to_vec();
        bytes.extend_from_slice(&version.to_le_bytes());
        bytes.extend_from_slice(&crc64::checksum(&bytes).to_le_bytes());
        bytes
    };
    let mut wrong_sum = good.clone();
    *wrong_sum.last_mut().unwrap() ^= 1;
    cases.extend([
        ("nothing", vec![]),
        ("nine bytes", vec![0; 9]),
        ("ten bytes of zero", vec![0; 10]),
        ("a footer only", raw(b"")),
        ("as it should be", good.clone()),
        ("another checksum", wrong_sum),
        ("version 0", with_version(0)),
        ("version 1", with_version(1)),
        ("version 9", with_version(9)),
        ("version 11", with_version(11)),
        ("version 65535", with_version(u16::MAX)),
        ("a byte more", [&good[..], b"x"].concat()),
        ("something behind the value", raw(b"\x00\x01xand more")),
        ("a string that goes on into the footer", raw(b"\x00\x05abc")),
        (
            "a string that goes on beyond the footer",
            raw(b"\x00\x0eabc"),
        ),
        ("a module of old", raw(b"\x06\x00\x00")),
        (
            "a module",
            raw(b"\x07\x81\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
        ),
        ("type 8", raw(b"\x08\x01a")),
        ("type 20", raw(b"\x14\x01a")),
        ("type 250", raw(b"\xfa\x01a")),
    ]);
}
