//! Big-endian numbers, as Kafka's own serializers write them.

use std::borrow::Cow;

use bytes::Bytes;

use super::key::plain_serde;
use super::{Deserializer, Format, KeyCodec, Part, SerdeError, Serializer};
use crate::names::TopicName;

/// Big-endian numbers: `i32` and `u32` in 4 bytes, `i64`, `u64` and `f64` in 8, as Kafka's `IntegerSerializer`,
/// `LongSerializer` and `DoubleSerializer` write them. Any other length is an error.
#[derive(Clone, Copy, Debug, Default)]
pub struct BigEndian;

plain_serde!(BigEndian, "big-endian": i32, i64, u32, u64, f64);

macro_rules! big_endian_key {
    ($($type:ident: $format:literal, $what:literal;)+) => {$(
        impl KeyCodec for $type {
            const FORMAT: &'static str = $format;

            fn from_key_bytes(bytes: &Bytes) -> Result<Self, SerdeError> {
                <[u8; size_of::<Self>()]>::try_from(&bytes[..])
                    .map(Self::from_be_bytes)
                    .map_err(|_| SerdeError::invalid($what, format_args!("it has {} bytes", bytes.len())))
            }

            fn to_key_bytes(&self) -> Option<Bytes> {
                Some(Bytes::copy_from_slice(&self.to_be_bytes()))
            }
        }
    )+};
}

big_endian_key! {
    i32: "i32", "big-endian i32 of 4 bytes";
    u32: "u32", "big-endian u32 of 4 bytes";
    i64: "i64", "big-endian i64 of 8 bytes";
    u64: "u64", "big-endian u64 of 8 bytes";
    f64: "f64", "big-endian f64 of 8 bytes";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_kafka_writes_them() {
        assert_eq!(1_i32.to_key_bytes().unwrap(), &b"\0\0\0\x01"[..]);
        assert_eq!((-2_i64).to_key_bytes().unwrap(), &b"\xff\xff\xff\xff\xff\xff\xff\xfe"[..]);
        assert_eq!(1.5_f64.to_key_bytes().unwrap(), &b"\x3f\xf8\0\0\0\0\0\0"[..]);
    }

    #[test]
    fn numbers_survive_the_round_trip_at_their_ends() {
        let topic = TopicName::from("t");
        for n in [i64::MIN, -1, 0, 1, i64::MAX] {
            let bytes = BigEndian.serialize(&topic, &n).unwrap().unwrap();
            let back: i64 = BigEndian.deserialize(&topic, &bytes).unwrap();
            assert_eq!(back, n);
        }
        assert_eq!(u64::from_key_bytes(&u64::MAX.to_key_bytes().unwrap()).unwrap(), u64::MAX);
        assert_eq!(u32::from_key_bytes(&u32::MAX.to_key_bytes().unwrap()).unwrap(), u32::MAX);
    }

    #[test]
    fn any_other_length_is_an_error() {
        for len in [0, 3, 5, 8] {
            assert!(i32::from_key_bytes(&Bytes::from(vec![0; len])).is_err(), "{len} bytes");
        }
        let error = i64::from_key_bytes(&Bytes::from_static(b"1234")).unwrap_err();
        assert!(error.to_string().contains("4 bytes"), "{error}");
    }
}
