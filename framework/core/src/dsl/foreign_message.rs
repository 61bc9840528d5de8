//! What the two sides of a foreign-key join tell each other (postcard), and the hash by which stale answers are known.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::processor::ProcessError;

/// What the right side is to do with a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Instruction {
    /// Forget it, and say nothing.
    Forget,
    /// Forget it, and answer that there is no row.
    ForgetAndAnswer,
    /// Keep it, and answer, with or without a row.
    Answer,
    /// Keep it, and answer if there is a row.
    AnswerIfFound,
}

/// A left row asks for the right row of its foreign key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Subscription {
    /// Hash of the left row's value; `None` for a deleted row.
    pub(super) hash: Option<u128>,
    pub(super) instruction: Instruction,
    /// The left row's key.
    pub(super) primary: Bytes,
}

/// The right side's answer, for the left row of the record's key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    /// Hash of the left value that asked.
    pub(super) hash: Option<u128>,
    /// The right row's value.
    pub(super) row: Option<Bytes>,
}

pub(super) fn to_bytes(message: &impl Serialize) -> Result<Bytes, ProcessError> {
    Ok(postcard::to_stdvec(message)?.into())
}

pub(super) fn from_bytes<'a, M: Deserialize<'a>>(bytes: &'a Bytes) -> Result<M, ProcessError> {
    Ok(postcard::from_bytes(bytes)?)
}

/// FNV-1a of 128 bits. It is kept in stores and topics, so it must stay the same.
pub(super) fn hash(bytes: &[u8]) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.iter().fold(OFFSET, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME))
}

/// The key of a subscription in the right side's store: the length of the foreign key, that key, the left row's key.
pub(super) fn subscription_key(foreign: &[u8], primary: &[u8]) -> Bytes {
    let length = u32::try_from(foreign.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&length[..], foreign, primary].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        assert_eq!(hash(b""), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(hash(b"a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
    }
}
