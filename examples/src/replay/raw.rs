//! Raw records: how a line of the feed lies in the raw topic.
//!
//! - **Key**: the line's number as decimal digits, `b"1734"`: a repeat has the key of its line and goes to its partition,
//!   and the mapping finds the number that becomes the action's sequence without another header.
//! - **Value**: the line's bytes as they stand in the file.

use bytes::Bytes;

/// The key is not a line's number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the key of a raw record is {key:?}, not the number of a line: only replay writes to the raw topic; use another topic name"
)]
pub struct BadRawKey {
    /// The key's bytes as text, as far as they are text.
    pub key: String,
}

/// The key of a line's raw record.
pub fn raw_key(line: u64) -> Bytes {
    line.to_string().into()
}

/// The line's number in the key of a raw record.
///
/// # Errors
///
/// When the key is anything but decimal digits.
pub fn line_of_key(key: &[u8]) -> Result<u64, BadRawKey> {
    let digits = std::str::from_utf8(key).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let line = digits.and_then(|digits| digits.parse().ok());
    line.ok_or_else(|| BadRawKey { key: String::from_utf8_lossy(key).into_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_carry_line_numbers_and_nothing_else() {
        for line in [1, 1_734, u64::MAX] {
            assert_eq!(line_of_key(&raw_key(line)), Ok(line));
        }
        for key in [b"".as_slice(), b"x", b"+1", b"\xff", b"99999999999999999999"] {
            assert!(line_of_key(key).is_err(), "{key:?}");
        }
    }
}
