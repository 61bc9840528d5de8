//! postcard: the compact form of internal topics.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::pair::plain_key_pair;
use super::{Consumed, Deserializer, Format, KeyCodec, KeyOf, Produced, SerdeError, Serializer, TableSerdes};
use crate::names::TopicName;

/// Keys in their plain form ([`KeyCodec`]), values in postcard: compact and fast, but neither self-describing nor open to
/// added fields. Meant for repartition and changelog topics that one application writes and reads.
pub struct Postcard<K, V>(PhantomData<fn() -> (K, V)>);

impl<K, V> Postcard<K, V> {
    /// Plain keys of `K`, postcard values of `V`.
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

plain_key_pair!(Postcard, "postcard", V: DeserializeOwned, V: Serialize);

impl<K: 'static, V: DeserializeOwned + 'static> Deserializer<V> for Postcard<K, V> {
    fn deserialize(&self, _topic: &TopicName, bytes: &Bytes) -> Result<V, SerdeError> {
        match ::postcard::take_from_bytes(bytes) {
            Ok((value, [])) => Ok(value),
            Ok((_, rest)) => Err(SerdeError::invalid("postcard", format_args!("{} bytes are left over", rest.len()))),
            Err(error) => Err(SerdeError::invalid("postcard", error)),
        }
    }
}

impl<K: 'static, V: Serialize + 'static> Serializer<V> for Postcard<K, V> {
    fn serialize(&self, _topic: &TopicName, value: &V) -> Result<Option<Bytes>, SerdeError> {
        let bytes = ::postcard::to_stdvec(value).map_err(|error| SerdeError::unwritable("postcard", error))?;
        Ok(Some(bytes.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_survives_the_round_trip_and_left_over_bytes_do_not() {
        let topic = TopicName::from("t");
        let serde = Postcard::<(), (u32, String)>::new();
        let value = (7, "seven".to_owned());
        let bytes = serde.serialize(&topic, &value).unwrap().unwrap();
        assert_eq!(serde.deserialize(&topic, &bytes).unwrap(), value);
        let longer = [&bytes[..], b"!"].concat();
        assert!(serde.deserialize(&topic, &longer.into()).is_err());
        assert!(serde.deserialize(&topic, &bytes.slice(..2)).is_err());
    }
}
