//! What is around a value in a payload: its type in front, the version and the checksum behind.

use super::crc64;

/// The version of the RDB format that Redis 7.0 writes, and the highest that it reads.
pub(super) const VERSION: u16 = 10;
/// Version and checksum.
pub(super) const FOOTER: usize = 10;

/// The types of values, as they are numbered in the RDB format.
pub(super) mod kind {
    pub const STRING: u8 = 0;
    pub const LIST: u8 = 1;
    pub const SET: u8 = 2;
    /// Scores are written as text.
    pub const SORTED_OLD: u8 = 3;
    pub const HASH: u8 = 4;
    pub const SORTED: u8 = 5;
    pub const HASH_ZIPMAP: u8 = 9;
    pub const LIST_ZIPLIST: u8 = 10;
    pub const INTEGER_SET: u8 = 11;
    pub const SORTED_ZIPLIST: u8 = 12;
    pub const HASH_ZIPLIST: u8 = 13;
    /// Its nodes are ziplists.
    pub const LIST_OF_ZIPLISTS: u8 = 14;
    /// Without what 7.0 knows of a stream's past.
    pub const STREAM_OLD: u8 = 15;
    pub const HASH_LISTPACK: u8 = 16;
    pub const SORTED_LISTPACK: u8 = 17;
    pub const LIST_OF_LISTPACKS: u8 = 18;
    pub const STREAM: u8 = 19;
}

/// Why a payload is refused. It prints as Redis says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadPayload {
    #[error("ERR DUMP payload version or checksum are wrong")]
    Footer,
    #[error("ERR Bad data format")]
    Value,
}

/// Puts version and checksum behind a type and a value.
pub(crate) fn seal(mut payload: Vec<u8>) -> Vec<u8> {
    payload.extend_from_slice(&VERSION.to_le_bytes());
    let checksum = crc64::checksum(&payload);
    payload.extend_from_slice(&checksum.to_le_bytes());
    payload
}

/// Whether version and checksum are right.
pub(super) fn check(payload: &[u8]) -> Result<(), BadPayload> {
    let sound = || {
        let (sealed, checksum) = payload.split_last_chunk()?;
        let (_, version) = sealed.split_last_chunk()?;
        let known = u16::from_le_bytes(*version) <= VERSION;
        let right = || crc64::checksum(sealed) == u64::from_le_bytes(*checksum);
        (payload.len() >= FOOTER && known && right()).then_some(())
    };
    sound().ok_or(BadPayload::Footer)
}
