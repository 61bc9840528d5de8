//! Text and bytes.

use std::borrow::Cow;
use std::str;
use std::sync::Arc;

use bytes::Bytes;

use super::key::plain_serde;
use super::{Deserializer, Format, KeyCodec, Part, SerdeError, Serializer};
use crate::names::TopicName;

/// UTF-8 text as `String` or `Arc<str>`, as Kafka's `StringSerializer` writes it. Other bytes are an error.
#[derive(Clone, Copy, Debug, Default)]
pub struct Utf8;

/// Bytes as they are, as `Bytes` (no copy; keeps the buffer it was fetched in alive) or `Vec<u8>` (a copy).
#[derive(Clone, Copy, Debug, Default)]
pub struct RawBytes;

plain_serde!(Utf8, "string": String, Arc<str>);
plain_serde!(RawBytes, "bytes": Bytes, Vec<u8>);

fn text(bytes: &Bytes) -> Result<&str, SerdeError> {
    str::from_utf8(bytes).map_err(|error| SerdeError::invalid("UTF-8 text", error))
}

impl KeyCodec for String {
    const FORMAT: &'static str = "string";

    fn from_key_bytes(bytes: &Bytes) -> Result<Self, SerdeError> {
        text(bytes).map(str::to_owned)
    }

    fn to_key_bytes(&self) -> Option<Bytes> {
        Some(Bytes::copy_from_slice(self.as_bytes()))
    }
}

impl KeyCodec for Arc<str> {
    const FORMAT: &'static str = "string";

    fn from_key_bytes(bytes: &Bytes) -> Result<Self, SerdeError> {
        text(bytes).map(Self::from)
    }

    fn to_key_bytes(&self) -> Option<Bytes> {
        Some(Bytes::copy_from_slice(self.as_bytes()))
    }
}

impl KeyCodec for Bytes {
    const FORMAT: &'static str = "bytes";

    fn from_key_bytes(bytes: &Bytes) -> Result<Self, SerdeError> {
        Ok(bytes.clone())
    }

    fn to_key_bytes(&self) -> Option<Bytes> {
        Some(self.clone())
    }
}

impl KeyCodec for Vec<u8> {
    const FORMAT: &'static str = "bytes";

    fn from_key_bytes(bytes: &Bytes) -> Result<Self, SerdeError> {
        Ok(bytes.to_vec())
    }

    fn to_key_bytes(&self) -> Option<Bytes> {
        Some(Bytes::copy_from_slice(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_survives_the_round_trip() {
        let topic = TopicName::from("t");
        for text in ["", "member-111", "München \u{1F600}"] {
            let bytes = Utf8.serialize(&topic, &text.to_owned()).unwrap().unwrap();
            assert_eq!(&bytes[..], text.as_bytes());
            let shared: Arc<str> = Utf8.deserialize(&topic, &bytes).unwrap();
            assert_eq!(&*shared, text);
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_an_error_that_says_where() {
        let error = String::from_key_bytes(&Bytes::from_static(b"ab\xff")).unwrap_err();
        assert!(error.to_string().contains("index 2"), "{error}");
    }

    #[test]
    fn raw_bytes_are_untouched() {
        let bytes = Bytes::from_static(b"\x00\xff");
        assert_eq!(Vec::from_key_bytes(&bytes).unwrap(), b"\x00\xff");
        assert_eq!(Bytes::from_key_bytes(&bytes).unwrap().to_key_bytes(), Some(bytes));
    }
}
