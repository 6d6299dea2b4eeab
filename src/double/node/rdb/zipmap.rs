//! Zipmaps, which small hashes were before Redis 2.6. They are only read.
//!
//! A zipmap is the count of fields (1 byte; 254 for "too many to say"), the fields, and `0xff`. A field is the length of its name, the name, the
//! length of its value, how many bytes behind the value are unused (1 byte), the value, and these bytes.

const END: u8 = 0xff;
const UNCOUNTED: u8 = 0xfe;

/// Gives each field and value to `each`, if these bytes are a zipmap and `each` takes all of them. None is empty.
pub(super) fn read(bytes: &[u8], mut each: impl FnMut(&[u8], &[u8]) -> Option<()>) -> Option<()> {
    let (&said, rest) = bytes.split_first()?;
    let (&end, mut rest) = rest.split_last()?;
    if end != END {
        return None;
    }
    let mut count = 0_usize;
    // What follows an early end is not looked at.
    while let Some(first) = rest.first()
        && *first != END
    {
        let (name, after) = length(rest)?;
        let (name, after) = after.split_at_checked(name)?;
        let (value, after) = length(after)?;
        let (&unused, after) = after.split_first()?;
        let (value, after) = after.split_at_checked(value)?;
        let (_, after) = after.split_at_checked(usize::from(unused))?;
        each(name, value)?;
        rest = after;
        count += 1;
    }
    let counted = said == UNCOUNTED || usize::from(said) == count;
    (count > 0 && counted).then_some(())
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0xfe {
        return Some((usize::from(first), rest));
    }
    let (length, rest) = rest.split_first_chunk()?;
    Some((u32::from_le_bytes(*length) as usize, rest))
}
