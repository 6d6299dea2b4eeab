//! Registers of 6 bits, one after the other, the lowest bits of a byte first.

use super::REGISTERS;

/// Bytes of all registers.
pub(super) const LENGTH: usize = REGISTERS * 6 / 8;

/// Makes a register at least this great. `true` if it was not.
pub(super) fn raise(bytes: &mut [u8], register: usize, value: u8) -> bool {
    let (at, shift) = place(register);
    if at >= bytes.len() || get(bytes, register) >= value {
        return false;
    }
    let [mask, value] = [63, u16::from(value)].map(|bits: u16| (bits << shift).to_le_bytes());
    for (byte, (mask, value)) in bytes[at..].iter_mut().zip(mask.into_iter().zip(value)) {
        *byte = *byte & !mask | value;
    }
    true
}

/// The values of all registers.
pub(super) fn values(bytes: &[u8]) -> impl Iterator<Item = u8> {
    // Three bytes have four of them.
    let (groups, _) = bytes.as_chunks::<3>();
    groups.iter().flat_map(|[a, b, c]| {
        let all = u32::from_le_bytes([*a, *b, *c, 0]);
        [0, 6, 12, 18].map(|shift| (all >> shift & 63) as u8)
    })
}

fn get(bytes: &[u8], register: usize) -> u8 {
    let (at, shift) = place(register);
    let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
    (u16::from_le_bytes([byte(at), byte(at + 1)]) >> shift & 63) as u8
}

/// The byte in which a register begins, and the bit in there.
fn place(register: usize) -> (usize, usize) {
    (register * 6 / 8, register * 6 % 8)
}
