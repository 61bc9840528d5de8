//! The plain form of keys: what `Json::<String, Click>` and its kin write for the key.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;

use super::{Deserializer, Format, Part, SerdeEnv, SerdeError, Serializer};
use crate::names::TopicName;

/// A type with one plain form of bytes, as Kafka's own serializers write it.
///
/// | type | bytes |
/// |---|---|
/// | `String`, `Arc<str>` | UTF-8 |
/// | `Bytes`, `Vec<u8>` | as they are |
/// | `i32`, `u32` | 4 bytes, big-endian |
/// | `i64`, `u64` | 8 bytes, big-endian |
/// | `f64` | 8 bytes, IEEE 754, big-endian |
/// | `()` | written as null, any key is read and ignored |
/// | `Option<K>` | `None` is null, else the bytes of `K` |
///
/// Implement it for an id type of your own:
///
/// ```
/// use bytes::Bytes;
/// use nowfold_core::serde::{KeyCodec, SerdeError};
///
/// struct MemberId(u64);
///
/// impl KeyCodec for MemberId {
///     const FORMAT: &'static str = "member-id";
///
///     fn from_key_bytes(bytes: &Bytes) -> Result<Self, SerdeError> {
///         u64::from_key_bytes(bytes).map(Self)
///     }
///
///     fn to_key_bytes(&self) -> Option<Bytes> {
///         self.0.to_key_bytes()
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no plain form as a key",
    note = "keys of `Json`, `Avro`, `Postcard` and `Plain` are String, Arc<str>, Bytes, Vec<u8>, i32, i64, u32, u64, f64, (), \
            an Option of these, or your own type with `impl KeyCodec`; `Pair::new(key_serde, value_serde)` takes any serde"
)]
pub trait KeyCodec: Sized + Send + Sync + 'static {
    /// The short name of the form, part of a topology's fingerprint.
    const FORMAT: &'static str;

    /// Reads the bytes of a key that is not null.
    ///
    /// # Errors
    /// [`SerdeError::Invalid`] when the bytes are not of this form.
    fn from_key_bytes(bytes: &Bytes) -> Result<Self, SerdeError>;

    /// The bytes of this key; `None` is null.
    fn to_key_bytes(&self) -> Option<Bytes>;

    /// What a null key stands for; `None` (the default): null is an error.
    fn from_null_key() -> Option<Self> {
        None
    }

    /// Whether this value stands for null and is no key or value at all.
    fn is_null(&self) -> bool {
        false
    }
}

impl KeyCodec for () {
    const FORMAT: &'static str = "ignored";

    fn from_key_bytes(_bytes: &Bytes) -> Result<Self, SerdeError> {
        Ok(())
    }

    fn to_key_bytes(&self) -> Option<Bytes> {
        None
    }

    fn from_null_key() -> Option<Self> {
        Some(())
    }
}

impl<K: KeyCodec> KeyCodec for Option<K> {
    const FORMAT: &'static str = K::FORMAT;

    fn from_key_bytes(bytes: &Bytes) -> Result<Self, SerdeError> {
        K::from_key_bytes(bytes).map(Some)
    }

    fn to_key_bytes(&self) -> Option<Bytes> {
        self.as_ref().and_then(K::to_key_bytes)
    }

    fn from_null_key() -> Option<Self> {
        Some(None)
    }

    fn is_null(&self) -> bool {
        self.as_ref().is_none_or(K::is_null)
    }
}

/// The serde of one type in its plain form ([`KeyCodec`]), for keys and for values.
pub struct KeyOf<K>(PhantomData<fn() -> K>);

impl<K> KeyOf<K> {
    /// The plain serde of `K`.
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<K> Default for KeyOf<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: KeyCodec> fmt::Debug for KeyOf<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyOf({})", K::FORMAT)
    }
}

impl<K: KeyCodec> Format for KeyOf<K> {
    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(K::FORMAT)
    }
}

impl<K: KeyCodec> Deserializer<K> for KeyOf<K> {
    fn deserialize(&self, _topic: &TopicName, bytes: &Bytes) -> Result<K, SerdeError> {
        K::from_key_bytes(bytes)
    }

    fn deserialize_null(&self, _topic: &TopicName, part: Part) -> Result<K, SerdeError> {
        K::from_null_key().ok_or(SerdeError::Null { part })
    }
}

impl<K: KeyCodec> Serializer<K> for KeyOf<K> {
    fn serialize(&self, _topic: &TopicName, value: &K) -> Result<Option<Bytes>, SerdeError> {
        Ok(value.to_key_bytes())
    }

    fn is_null(&self, value: &K) -> bool {
        value.is_null()
    }
}

/// A unit serde that reads and writes exactly these types in their plain form.
macro_rules! plain_serde {
    ($serde:ident, $name:literal: $($type:ty),+) => {
        impl Format for $serde {
            fn name(&self) -> Cow<'static, str> {
                Cow::Borrowed($name)
            }
        }
        $(
            impl Deserializer<$type> for $serde {
                fn deserialize(&self, _topic: &TopicName, bytes: &Bytes) -> Result<$type, SerdeError> {
                    <$type>::from_key_bytes(bytes)
                }

                fn deserialize_null(&self, _topic: &TopicName, part: Part) -> Result<$type, SerdeError> {
                    <$type>::from_null_key().ok_or(SerdeError::Null { part })
                }
            }

            impl Serializer<$type> for $serde {
                fn serialize(&self, _topic: &TopicName, value: &$type) -> Result<Option<Bytes>, SerdeError> {
                    Ok(value.to_key_bytes())
                }
            }
        )+
    };
}
pub(super) use plain_serde;

/// Ignores what it reads, null included, and writes null.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ignored;

plain_serde!(Ignored, "ignored": ());

/// Makes the serde of `T` one of `Option<T>`: `None` is null, a tombstone when it is a value.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nullable<S>(pub S);

impl<S: Format> Format for Nullable<S> {
    fn name(&self) -> Cow<'static, str> {
        self.0.name()
    }

    fn configure(&self, env: &SerdeEnv) -> Result<(), SerdeError> {
        self.0.configure(env)
    }
}

impl<T, S: Deserializer<T>> Deserializer<Option<T>> for Nullable<S> {
    fn deserialize(&self, topic: &TopicName, bytes: &Bytes) -> Result<Option<T>, SerdeError> {
        self.0.deserialize(topic, bytes).map(Some)
    }

    fn deserialize_null(&self, _topic: &TopicName, _part: Part) -> Result<Option<T>, SerdeError> {
        Ok(None)
    }
}

impl<T, S: Serializer<T>> Serializer<Option<T>> for Nullable<S> {
    fn serialize(&self, topic: &TopicName, value: &Option<T>) -> Result<Option<Bytes>, SerdeError> {
        value.as_ref().map_or(Ok(None), |value| self.0.serialize(topic, value))
    }

    fn is_null(&self, value: &Option<T>) -> bool {
        value.as_ref().is_none_or(|value| self.0.is_null(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serde::Utf8;

    fn topic() -> TopicName {
        TopicName::from("t")
    }

    #[test]
    fn unit_key_reads_anything_and_writes_null() {
        Ignored.deserialize(&topic(), &Bytes::from_static(b"\xff")).unwrap();
        Ignored.deserialize_null(&topic(), Part::Key).unwrap();
        assert_eq!(Ignored.serialize(&topic(), &()).unwrap(), None);
    }

    #[test]
    fn optional_key_is_null_when_absent() {
        let serde = KeyOf::<Option<i32>>::new();
        assert_eq!(serde.deserialize_null(&topic(), Part::Key).unwrap(), None);
        assert_eq!(serde.serialize(&topic(), &None).unwrap(), None);
        let seven = serde.serialize(&topic(), &Some(7)).unwrap().unwrap();
        assert_eq!(serde.deserialize(&topic(), &seven).unwrap(), Some(7));
    }

    #[test]
    fn plain_key_refuses_null() {
        let error = KeyOf::<i64>::new().deserialize_null(&topic(), Part::Key).unwrap_err();
        assert!(matches!(error, SerdeError::Null { part: Part::Key }));
    }

    #[test]
    fn nullable_turns_null_into_none_and_back() {
        let serde = Nullable(Utf8);
        let none: Option<String> = serde.deserialize_null(&topic(), Part::Value).unwrap();
        assert_eq!(none, None);
        assert_eq!(serde.serialize(&topic(), &none).unwrap(), None);
        let some: Option<String> = serde.deserialize(&topic(), &Bytes::from_static(b"x")).unwrap();
        assert_eq!(some.as_deref(), Some("x"));
    }
}
