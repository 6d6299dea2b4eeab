//! Strings: integers of each width, lengths around each limit, texts that can be compressed and such that cannot.

use super::{Case, case, command, noise};
use crate::double::node::rdb::Saved;

pub fn cases() -> Vec<Case> {
    let string = |name: String, text: Vec<u8>| {
        case(
            name,
            vec![command("SET k", [text.clone()])],
            Saved::String(text),
        )
    };
    let mut cases = vec![];
    for text in [
        "",
        "a",
        "0",
        "-0",
        "00",
        "007",
        "+5",
        "-1",
        "12",
        "127",
        "128",
        "-128",
        "-129",
        "32767",
        "32768",
        "-32768",
        "-32769",
        "2147483647",
        "2147483648",
        "-2147483648",
        "-2147483649",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "1.5",
        " 1",
        "1 ",
        "1e3",
        "12345678901",
        "-1234567890",
        "0x10",
        "\u{e9}t\u{e9}",
    ] {
        cases.push(string(format!("text {text:?}"), text.as_bytes().to_vec()));
    }
    cases.push(string("bytes".into(), vec![0, 1, 0xff, b'\r', b'\n', 0x80]));
    for len in [
        19, 20, 21, 22, 23, 24, 25, 37, 38, 39, 40, 63, 64, 65, 266, 267, 268, 269, 284, 285, 530,
        16383, 16384, 70_000,
    ] {
        cases.push(string(format!("{len} equal"), vec![b'x'; len]));
    }
    for len in [20, 21, 63, 64, 65, 257, 3000, 16384] {
        cases.push(string(format!("{len} random"), noise(len as u64, 256, len)));
    }
    for kinds in [2, 3, 4, 8, 16, 64] {
        for len in [25, 100, 700, 2500] {
            cases.push(string(
                format!("{len} of {kinds} letters"),
                noise(kinds, kinds, len),
            ));
        }
    }
    // Copies that just reach back far enough, and not.
    for len in [8189, 8190, 8191, 8192, 8193] {
        let text = [&b"abcdefgh"[..], &noise(7, 2, len - 8), b"abcdefgh-"].concat();
        cases.push(string(format!("again after {len}"), text));
    }
    for tail in 1..=6 {
        let text = [&noise(3, 64, 60)[..], &noise(3, 64, 40 + tail)[..]].concat();
        cases.push(string(format!("a copy and {tail} to the end"), text));
    }
    cases
}
