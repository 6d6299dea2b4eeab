//! Where a reply ends.

/// How many of the bytes are the first reply; `None`: it is not whole yet.
pub fn length(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(2).position(|two| two == b"\r\n")?;
    let number: i64 = std::str::from_utf8(&bytes[1..end])
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
        .max(0);
    let parts = match bytes[0] {
        b'$' | b'=' if bytes[1] != b'-' => {
            let whole = end + 2 + number as usize + 2;
            return (bytes.len() >= whole).then_some(whole);
        }
        b'*' | b'~' | b'>' => number,
        b'%' => number * 2,
        _ => 0,
    };
    let mut at = end + 2;
    for _ in 0..parts {
        at += length(&bytes[at..])?;
    }
    Some(at)
}
