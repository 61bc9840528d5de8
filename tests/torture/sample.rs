//! The records: input samples and the totals that are made of them. Numbers are big-endian, so that Java reads them as
//! they are.

use bytes::Bytes;
use nowfold::core::serde::{KeyCodec, SerdeError};

/// One input record: 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Its number, from 0 on.
    pub(crate) id: u64,
    /// Event time in milliseconds since the epoch.
    pub(crate) at_ms: i64,
}

/// The aggregate of a key after one of its records: 24 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Total {
    /// Records so far.
    pub(crate) n: u64,
    /// Sum of their ids, wrapping.
    pub(crate) sum: u64,
    /// The id of the last one.
    pub(crate) last: u64,
}

impl Sample {
    /// The verb of its action; `Verify.java` knows it too.
    pub(crate) fn verb(self) -> &'static str {
        match self.id % 3 {
            0 => "view",
            1 => "apply",
            _ => "dismiss",
        }
    }

    /// The amount of its action: a whole number, so that sums are exact in any order.
    pub(crate) fn amount(self) -> f64 {
        f64::from(u16::try_from(self.id % 1_000).unwrap_or_default())
    }
}

impl Total {
    /// With one more record.
    pub(crate) fn and(self, sample: Sample) -> Self {
        Self { n: self.n + 1, sum: self.sum.wrapping_add(sample.id), last: sample.id }
    }
}

impl KeyCodec for Sample {
    const FORMAT: &'static str = "sample";

    fn from_key_bytes(bytes: &Bytes) -> Result<Self, SerdeError> {
        let [id, at_ms] = words(Self::FORMAT, bytes)?;
        Ok(Self { id, at_ms: at_ms.cast_signed() })
    }

    fn to_key_bytes(&self) -> Option<Bytes> {
        Some(joined([self.id, self.at_ms.cast_unsigned()]))
    }
}

impl KeyCodec for Total {
    const FORMAT: &'static str = "total";

    fn from_key_bytes(bytes: &Bytes) -> Result<Self, SerdeError> {
        let [n, sum, last] = words(Self::FORMAT, bytes)?;
        Ok(Self { n, sum, last })
    }

    fn to_key_bytes(&self) -> Option<Bytes> {
        Some(joined([self.n, self.sum, self.last]))
    }
}

fn words<const N: usize>(format: &'static str, bytes: &Bytes) -> Result<[u64; N], SerdeError> {
    let (words, rest) = bytes.as_chunks::<8>();
    match <[[u8; 8]; N]>::try_from(words) {
        Ok(words) if rest.is_empty() => Ok(words.map(u64::from_be_bytes)),
        _ => Err(SerdeError::invalid(format, format!("it has {} bytes and not {}", bytes.len(), 8 * N))),
    }
}

fn joined<const N: usize>(words: [u64; N]) -> Bytes {
    Bytes::from(words.map(u64::to_be_bytes).concat())
}
