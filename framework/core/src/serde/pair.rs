//! A key's serde and a value's serde together: what sources, sinks and tables take.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::{Deserializer, Format, KeyCodec, KeyOf, SerdeEnv, SerdeError, Serializer};

/// Reads the records of a source topic.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot read records of `{K}` and `{V}`",
    note = "values of `Json`, `Avro` and `Postcard` need serde's `Deserialize`; keys need `KeyCodec`"
)]
pub trait Consumed<K, V>: Format {
    /// Reads keys.
    fn key_deserializer(&self) -> Arc<dyn Deserializer<K>>;

    /// Reads values.
    fn value_deserializer(&self) -> Arc<dyn Deserializer<V>>;
}

/// Writes the records of a sink topic.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot write records of `{K}` and `{V}`",
    note = "values of `Json`, `Avro` and `Postcard` need serde's `Serialize`; keys need `KeyCodec`"
)]
pub trait Produced<K, V>: Format {
    /// Writes keys.
    fn key_serializer(&self) -> Arc<dyn Serializer<K>>;

    /// Writes values.
    fn value_serializer(&self) -> Arc<dyn Serializer<V>>;
}

/// Reads the records of a table's topic and writes its keys, by which rows are stored and looked up. Values stay the
/// bytes that were read, so they need no writer.
#[diagnostic::on_unimplemented(message = "`{Self}` cannot read a table of `{K}` and `{V}`")]
pub trait TableSerdes<K, V>: Consumed<K, V> {
    /// Writes keys.
    fn key_serializer(&self) -> Arc<dyn Serializer<K>>;
}

/// Reads and writes the records of a topic or store of the application's own.
#[diagnostic::on_unimplemented(message = "`{Self}` cannot read and write records of `{K}` and `{V}`")]
pub trait Serdes<K, V>: Consumed<K, V> + Produced<K, V> {}

impl<K, V, S: Consumed<K, V> + Produced<K, V>> Serdes<K, V> for S {}

/// `key/value`, or the value's name alone when the key is ignored.
pub(super) fn pair_name(key: &str, value: &str) -> Cow<'static, str> {
    Cow::Owned(if key == <()>::FORMAT { value.to_owned() } else { format!("{key}/{value}") })
}

/// Any serde for keys with any serde for values.
///
/// ```
/// use nowfold_core::serde::{BigEndian, Pair, Utf8};
///
/// let counts = Pair::new(Utf8, BigEndian);
/// ```
pub struct Pair<KS, VS> {
    key: Arc<KS>,
    value: Arc<VS>,
}

impl<KS, VS> Pair<KS, VS> {
    /// `key` for keys, `value` for values.
    pub fn new(key: KS, value: VS) -> Self {
        Self { key: Arc::new(key), value: Arc::new(value) }
    }
}

impl<KS, VS> Clone for Pair<KS, VS> {
    fn clone(&self) -> Self {
        Self { key: self.key.clone(), value: self.value.clone() }
    }
}

impl<KS: Format, VS: Format> fmt::Debug for Pair<KS, VS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pair({})", self.name())
    }
}

impl<KS: Format, VS: Format> Format for Pair<KS, VS> {
    fn name(&self) -> Cow<'static, str> {
        pair_name(&self.key.name(), &self.value.name())
    }

    fn configure(&self, env: &SerdeEnv) -> Result<(), SerdeError> {
        self.key.configure(env)?;
        self.value.configure(env)
    }
}

impl<K, V, KS: Format + Deserializer<K>, VS: Format + Deserializer<V>> Consumed<K, V> for Pair<KS, VS> {
    fn key_deserializer(&self) -> Arc<dyn Deserializer<K>> {
        self.key.clone()
    }

    fn value_deserializer(&self) -> Arc<dyn Deserializer<V>> {
        self.value.clone()
    }
}

impl<K, V, KS: Format + Serializer<K>, VS: Format + Serializer<V>> Produced<K, V> for Pair<KS, VS> {
    fn key_serializer(&self) -> Arc<dyn Serializer<K>> {
        self.key.clone()
    }

    fn value_serializer(&self) -> Arc<dyn Serializer<V>> {
        self.value.clone()
    }
}

impl<K, V, KS, VS> TableSerdes<K, V> for Pair<KS, VS>
where
    KS: Format + Deserializer<K> + Serializer<K>,
    VS: Format + Deserializer<V>,
{
    fn key_serializer(&self) -> Arc<dyn Serializer<K>> {
        self.key.clone()
    }
}

/// A pair with plain keys whose only state is its types: `$pair<K, V>` wraps a `PhantomData`.
macro_rules! plain_key_pair {
    ($pair:ident, $name:literal, V: $read:ident, V: $write:ident) => {
        impl<K, V> Clone for $pair<K, V> {
            fn clone(&self) -> Self {
                Self::new()
            }
        }

        impl<K, V> Default for $pair<K, V> {
            fn default() -> Self {
                Self::new()
            }
        }

        impl<K: KeyCodec, V> fmt::Debug for $pair<K, V> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($pair), "({})"), K::FORMAT)
            }
        }

        impl<K: KeyCodec, V: 'static> Format for $pair<K, V> {
            fn name(&self) -> Cow<'static, str> {
                super::pair::pair_name(K::FORMAT, $name)
            }
        }

        impl<K: KeyCodec, V: $read + 'static> Consumed<K, V> for $pair<K, V> {
            fn key_deserializer(&self) -> std::sync::Arc<dyn Deserializer<K>> {
                std::sync::Arc::new(KeyOf::new())
            }

            fn value_deserializer(&self) -> std::sync::Arc<dyn Deserializer<V>> {
                std::sync::Arc::new(Self::new())
            }
        }

        impl<K: KeyCodec, V: $write + 'static> Produced<K, V> for $pair<K, V> {
            fn key_serializer(&self) -> std::sync::Arc<dyn Serializer<K>> {
                std::sync::Arc::new(KeyOf::new())
            }

            fn value_serializer(&self) -> std::sync::Arc<dyn Serializer<V>> {
                std::sync::Arc::new(Self::new())
            }
        }

        impl<K: KeyCodec, V: $read + 'static> TableSerdes<K, V> for $pair<K, V> {
            fn key_serializer(&self) -> std::sync::Arc<dyn Serializer<K>> {
                std::sync::Arc::new(KeyOf::new())
            }
        }
    };
}
pub(super) use plain_key_pair;

/// Keys and values both in their plain form ([`KeyCodec`]): text, bytes, big-endian numbers.
///
/// `Plain::<String, i64>::new()` reads and writes what Kafka's `StringSerializer` and `LongSerializer` do; an
/// `Option` of a value is null when absent.
pub struct Plain<K, V>(PhantomData<fn() -> (K, V)>);

impl<K, V> Plain<K, V> {
    /// Plain keys of `K`, plain values of `V`.
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<K, V> Clone for Plain<K, V> {
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl<K, V> Default for Plain<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: KeyCodec, V: KeyCodec> fmt::Debug for Plain<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plain({})", self.name())
    }
}

impl<K: KeyCodec, V: KeyCodec> Format for Plain<K, V> {
    fn name(&self) -> Cow<'static, str> {
        pair_name(K::FORMAT, V::FORMAT)
    }
}

impl<K: KeyCodec, V: KeyCodec> Consumed<K, V> for Plain<K, V> {
    fn key_deserializer(&self) -> Arc<dyn Deserializer<K>> {
        Arc::new(KeyOf::new())
    }

    fn value_deserializer(&self) -> Arc<dyn Deserializer<V>> {
        Arc::new(KeyOf::new())
    }
}

impl<K: KeyCodec, V: KeyCodec> Produced<K, V> for Plain<K, V> {
    fn key_serializer(&self) -> Arc<dyn Serializer<K>> {
        Arc::new(KeyOf::new())
    }

    fn value_serializer(&self) -> Arc<dyn Serializer<V>> {
        Arc::new(KeyOf::new())
    }
}

impl<K: KeyCodec, V: KeyCodec> TableSerdes<K, V> for Plain<K, V> {
    fn key_serializer(&self) -> Arc<dyn Serializer<K>> {
        Arc::new(KeyOf::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::TopicName;
    use crate::serde::{BigEndian, Utf8};

    fn round_trip<K: 'static, V: 'static, S>(serdes: &S, key: &K, value: &V) -> (K, V)
    where
        S: Consumed<K, V> + Produced<K, V>,
    {
        let topic = TopicName::from("t");
        let key = Produced::key_serializer(serdes).serialize(&topic, key).unwrap().unwrap();
        let value = serdes.value_serializer().serialize(&topic, value).unwrap().unwrap();
        let key = serdes.key_deserializer().deserialize(&topic, &key).unwrap();
        (key, serdes.value_deserializer().deserialize(&topic, &value).unwrap())
    }

    #[test]
    fn pair_and_plain_write_and_read_the_same_bytes() {
        let expected = ("a".to_owned(), 7_i64);
        assert_eq!(round_trip(&Pair::new(Utf8, BigEndian), &expected.0, &expected.1), expected);
        assert_eq!(round_trip(&Plain::<String, i64>::new(), &expected.0, &expected.1), expected);
    }

    #[test]
    fn pair_configures_both_serdes() {
        #[derive(Default)]
        struct Counts(std::sync::atomic::AtomicUsize);
        impl Format for Counts {
            fn name(&self) -> Cow<'static, str> {
                "counts".into()
            }
            fn configure(&self, _env: &SerdeEnv) -> Result<(), SerdeError> {
                self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                Ok(())
            }
        }
        let pair = Pair::new(Counts::default(), Counts::default());
        pair.configure(&SerdeEnv::default()).unwrap();
        assert_eq!(pair.key.0.load(std::sync::atomic::Ordering::Relaxed), 1);
        assert_eq!(pair.value.0.load(std::sync::atomic::Ordering::Relaxed), 1);
        assert_eq!(pair.name(), "counts/counts");
    }
}
