//! XXH64 with seed 0, written from its specification for inputs of less than 32 bytes.

const PRIME: [u64; 5] = [
    11_400_714_785_074_694_791,
    14_029_467_366_897_019_727,
    1_609_587_929_392_839_161,
    9_650_029_242_287_828_579,
    2_870_177_450_012_600_261,
];

/// The hash of a short text.
pub(crate) fn xxh64(input: &[u8]) -> u64 {
    assert!(input.len() < 32, "longer inputs hash in stripes");
    let mut acc = PRIME[4].wrapping_add(input.len() as u64);
    let mut rest = input;
    while rest.len() >= 8 {
        acc ^= number(&rest[..8]).wrapping_mul(PRIME[1]).rotate_left(31).wrapping_mul(PRIME[0]);
        acc = acc.rotate_left(27).wrapping_mul(PRIME[0]).wrapping_add(PRIME[3]);
        rest = &rest[8..];
    }
    if rest.len() >= 4 {
        acc ^= number(&rest[..4]).wrapping_mul(PRIME[0]);
        acc = acc.rotate_left(23).wrapping_mul(PRIME[1]).wrapping_add(PRIME[2]);
        rest = &rest[4..];
    }
    for byte in rest {
        acc ^= u64::from(*byte).wrapping_mul(PRIME[4]);
        acc = acc.rotate_left(11).wrapping_mul(PRIME[0]);
    }
    acc ^= acc >> 33;
    acc = acc.wrapping_mul(PRIME[1]);
    acc ^= acc >> 29;
    acc = acc.wrapping_mul(PRIME[2]);
    acc ^ (acc >> 32)
}

/// Little-endian bytes as a number.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
