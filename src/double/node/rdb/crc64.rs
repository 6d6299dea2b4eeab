//! The checksum of a payload: CRC-64 with Jones's polynomial, bits reflected, starting from zero and not inverted at the end.

/// Jones's polynomial, `0xad93d23594c935a9`, with its bits reversed: the register is shifted towards the low end.
const POLYNOMIAL: u64 = 0xad93_d235_94c9_35a9_u64.reverse_bits();

/// What a byte does to the register, once it is 0, 1, … 7 bytes back: eight bytes are taken at a time.
static TABLES: [[u64; 256]; 8] = tables();

const fn tables() -> [[u64; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut register = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            let carry = register & 1;
            register >>= 1;
            if carry == 1 {
                register ^= POLYNOMIAL;
            }
            bit += 1;
        }
        tables[0][byte] = register;
        byte += 1;
    }
    let mut back = 1;
    while back < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[back - 1][byte];
            tables[back][byte] = tables[0][(before & 0xff) as usize] ^ (before >> 8);
            byte += 1;
        }
        back += 1;
    }
    tables
}

/// The checksum of these bytes.
pub(super) fn checksum(bytes: &[u8]) -> u64 {
    let mut register = 0_u64;
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let mixed = (register ^ u64::from_le_bytes(*word)).to_le_bytes();
        register = (mixed.iter().zip(TABLES.iter().rev()))
            .fold(0, |sum, (byte, table)| sum ^ table[usize::from(*byte)]);
    }
    rest.iter().fold(register, |register, byte| {
        TABLES[0][usize::from(register as u8 ^ byte)] ^ (register >> 8)
    })
}

#[cfg(test)]
mod tests {
    use super::checksum;

    /// The catalogue's check value of CRC-64/REDIS.
    #[test]
    fn the_check_value() {
        assert_eq!(checksum(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    }

    #[test]
    fn any_length_is_as_byte_by_byte() {
        let bytes: Vec<u8> = (0..100_u8).map(|at| at.wrapping_mul(37) ^ 5).collect();
        for len in 0..bytes.len() {
            let slowly = bytes[..len].iter().fold(0_u64, |register, byte| {
                (0..8).fold(register ^ u64::from(*byte), |register, _| {
                    (register >> 1) ^ (0x95ac_9329_ac4b_c9b5 * (register & 1))
                })
            });
            assert_eq!(checksum(&bytes[..len]), slowly, "{len} bytes");
        }
    }
}
