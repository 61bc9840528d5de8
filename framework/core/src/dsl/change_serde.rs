//! How changes of rows travel through internal topics, and how an absent value does.
//!
//! A change: one byte of flags (1: there is a new value, 2: an old one), the length of the new value (4 bytes,
//! big-endian), the new value, the old value. The topic is internal; the format may change between versions only with
//! the name of the topic.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use super::change::Change;
use super::codec::Codec;
use crate::names::TopicName;
use crate::serde::{Deserializer, Part, SerdeError, Serializer};

const NEW: u8 = 1;
const OLD: u8 = 2;

struct Out<V>(Arc<dyn Serializer<V>>);
struct In<V>(Arc<dyn Deserializer<V>>);

impl<V: 'static> Serializer<Change<V>> for Out<V> {
    fn serialize(&self, topic: &TopicName, change: &Change<V>) -> Result<Option<Bytes>, SerdeError> {
        let bytes = |value: &Option<V>| value.as_ref().map_or(Ok(None), |value| self.0.serialize(topic, value));
        let (new, old) = (bytes(&change.new)?, bytes(&change.old)?);
        let mut all = BytesMut::new();
        all.put_u8(new.as_ref().map_or(0, |_| NEW) | old.as_ref().map_or(0, |_| OLD));
        let new = new.unwrap_or_default();
        let too_long = |_| SerdeError::unwritable("a change", "its value is longer than 4 GiB");
        all.put_u32(u32::try_from(new.len()).map_err(too_long)?);
        all.put_slice(&new);
        all.put_slice(&old.unwrap_or_default());
        Ok(Some(all.freeze()))
    }
}

impl<V: 'static> Deserializer<Change<V>> for In<V> {
    fn deserialize(&self, topic: &TopicName, bytes: &Bytes) -> Result<Change<V>, SerdeError> {
        let short = || SerdeError::invalid("change of a row", "it is cut short");
        let (flags, rest) = bytes.split_first().ok_or_else(short)?;
        let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| short())?;
        let (new, old) = rest.split_at_checked(length).ok_or_else(short)?;
        let read = |flag, part: &[u8]| {
            (flags & flag != 0).then(|| self.0.deserialize(topic, &bytes.slice_ref(part))).transpose()
        };
        Ok(Change::new(read(NEW, new)?, read(OLD, old)?))
    }
}

impl<V: 'static> Serializer<Option<V>> for Out<V> {
    fn serialize(&self, topic: &TopicName, value: &Option<V>) -> Result<Option<Bytes>, SerdeError> {
        value.as_ref().map_or(Ok(None), |value| self.0.serialize(topic, value))
    }

    fn is_null(&self, value: &Option<V>) -> bool {
        value.as_ref().is_none_or(|value| self.0.is_null(value))
    }
}

impl<V: 'static> Deserializer<Option<V>> for In<V> {
    fn deserialize(&self, topic: &TopicName, bytes: &Bytes) -> Result<Option<V>, SerdeError> {
        self.0.deserialize(topic, bytes).map(Some)
    }

    fn deserialize_null(&self, _topic: &TopicName, _part: Part) -> Result<Option<V>, SerdeError> {
        Ok(None)
    }
}

impl<K: 'static, V: 'static> Codec<K, V> {
    /// The codec of changes of these rows.
    pub(super) fn changes(&self) -> Codec<K, Change<V>> {
        self.with_values(Arc::new(Out(self.value_serializer_arc())), Arc::new(In(self.value_deserializer_arc())))
    }

    /// The codec of values that may be absent, which is null.
    pub(super) fn optional(&self) -> Codec<K, Option<V>> {
        self.with_values(Arc::new(Out(self.value_serializer_arc())), Arc::new(In(self.value_deserializer_arc())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serde::Plain;

    #[test]
    fn changes_come_back_as_they_went() {
        let codec = Codec::new("t", Plain::<String, String>::new()).changes();
        let text = |text: &str| Some(text.to_owned());
        for (new, old) in [(text("n"), text("o")), (text(""), None), (None, text("")), (None, None)] {
            let change = Change::new(new, old);
            let bytes = codec.value(&change).unwrap().unwrap();
            assert_eq!(codec.read_value(&bytes).unwrap(), change);
        }
    }
}
