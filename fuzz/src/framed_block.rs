//! Length, checksum and payload: what segments of both logs are made of.

/// A block of this payload that is whole, as `[length u32 | crc32c u32 | payload]`, little-endian. Invented bytes hardly ever
/// have their own checksum, and what lies behind it is to be reached, too.
pub(crate) fn whole(payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    [&length.to_le_bytes(), &crc32c::crc32c(payload).to_le_bytes(), payload].concat()
}
