//! The header before an Avro datum, which says with what schema it was written.

use std::fmt;

use bytes::BufMut;

use crate::serde::SerdeError;

const CONFLUENT: u8 = 0;
const SINGLE_OBJECT: [u8; 2] = [0xc3, 0x01];

/// The schema that a datum was written with, as its header names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SchemaRef {
    /// The schema's id in a registry. Confluent's framing: a zero byte and the id in 4 bytes, big-endian.
    Id(u32),
    /// The schema's CRC-64-AVRO fingerprint. Avro's single-object encoding: `C3 01` and 8 bytes, little-endian.
    Fingerprint(u64),
}

impl SchemaRef {
    /// Reads the header; also says where the datum begins.
    ///
    /// # Errors
    /// [`SerdeError::Invalid`] when the bytes begin with neither header.
    pub fn read(bytes: &[u8]) -> Result<(Self, usize), SerdeError> {
        if let Some((&[CONFLUENT, ref id @ ..], _)) = bytes.split_first_chunk::<5>() {
            return Ok((Self::Id(u32::from_be_bytes(*id)), 5));
        }
        if let Some((&[a, b, ref fingerprint @ ..], _)) = bytes.split_first_chunk::<10>()
            && [a, b] == SINGLE_OBJECT
        {
            return Ok((Self::Fingerprint(u64::from_le_bytes(*fingerprint)), 10));
        }
        let start = bytes.get(..bytes.len().min(10)).unwrap_or_default();
        let cause = format!(
            "its {} bytes begin with {start:02x?}: neither Confluent framing (00 and a schema id) nor \
             single-object encoding (c3 01 and a fingerprint)",
            bytes.len()
        );
        Err(SerdeError::invalid("Avro", cause))
    }

    /// Writes the header.
    pub fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::Id(id) => {
                out.put_u8(CONFLUENT);
                out.put_u32(id);
            }
            Self::Fingerprint(fingerprint) => {
                out.put_slice(&SINGLE_OBJECT);
                out.put_u64_le(fingerprint);
            }
        }
    }
}

impl fmt::Display for SchemaRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "schema id {id}"),
            Self::Fingerprint(fingerprint) => write!(f, "schema fingerprint {fingerprint:016x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_headers_survive_the_round_trip() {
        for (header, len) in [(SchemaRef::Id(0x0102_0304), 5), (SchemaRef::Fingerprint(u64::MAX - 1), 10)] {
            let mut out = Vec::new();
            header.write(&mut out);
            assert_eq!(out.len(), len);
            assert_eq!(SchemaRef::read(&out).unwrap(), (header, len));
        }
    }

    #[test]
    fn other_bytes_are_an_error_that_shows_them() {
        for bytes in [&b""[..], b"\0\0\0\x01", b"\xc3\x01short", b"{\"actor\":1}"] {
            assert!(SchemaRef::read(bytes).is_err(), "{bytes:?}");
        }
        let error = SchemaRef::read(b"{\"a\":1}").unwrap_err().to_string();
        assert!(error.contains("7 bytes begin with [7b, 22"), "{error}");
    }
}
