//! JSON through serde.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::pair::plain_key_pair;
use super::{Consumed, Deserializer, Format, KeyCodec, KeyOf, Part, Produced, SerdeError, Serializer, TableSerdes};
use crate::names::TopicName;

const NULL: &[u8] = b"null";

/// Keys in their plain form ([`KeyCodec`]), values as JSON.
///
/// A source needs `V: DeserializeOwned` only, a sink `V: Serialize` only. A null value is JSON's `null`: it reads as
/// `None` where `V` is an option (else it is an error), and a value that is `null` in JSON is written as null, a tombstone.
///
/// ```
/// use nowfold_core::serde::Json;
///
/// #[derive(serde::Deserialize)]
/// struct Click {
///     job: String,
/// }
///
/// let clicks = Json::<String, Click>::new();
/// ```
pub struct Json<K, V>(PhantomData<fn() -> (K, V)>);

impl<K, V> Json<K, V> {
    /// Plain keys of `K`, JSON values of `V`.
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

plain_key_pair!(Json, "json", V: DeserializeOwned, V: Serialize);

impl<K: 'static, V: DeserializeOwned + 'static> Deserializer<V> for Json<K, V> {
    fn deserialize(&self, _topic: &TopicName, bytes: &Bytes) -> Result<V, SerdeError> {
        serde_json::from_slice(bytes).map_err(|error| SerdeError::invalid("JSON", error))
    }

    fn deserialize_null(&self, _topic: &TopicName, part: Part) -> Result<V, SerdeError> {
        serde_json::from_slice(NULL).map_err(|_| SerdeError::Null { part })
    }
}

impl<K: 'static, V: Serialize + 'static> Serializer<V> for Json<K, V> {
    fn serialize(&self, _topic: &TopicName, value: &V) -> Result<Option<Bytes>, SerdeError> {
        let json = serde_json::to_vec(value).map_err(|error| SerdeError::unwritable("JSON", error))?;
        Ok((json != NULL).then(|| Bytes::from(json)))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, Debug)]
    struct Click {
        job: String,
    }

    #[derive(Serialize)]
    struct Count {
        n: u32,
    }

    fn topic() -> TopicName {
        TopicName::from("clicks")
    }

    fn click(json: &'static str) -> Result<Click, SerdeError> {
        let serde = Json::<String, Click>::new();
        Consumed::<String, Click>::value_deserializer(&serde)
            .deserialize(&topic(), &Bytes::from_static(json.as_bytes()))
    }

    #[test]
    fn source_needs_no_serialize_and_sink_no_deserialize() {
        assert_eq!(click(r#"{"job":"job-7","extra":1}"#).unwrap().job, "job-7");
        let sink = Json::<(), Count>::new();
        let value = Produced::<(), Count>::value_serializer(&sink).serialize(&topic(), &Count { n: 3 }).unwrap();
        assert_eq!(value.unwrap(), &br#"{"n":3}"#[..]);
    }

    #[test]
    fn broken_json_is_an_error_that_says_where() {
        let error = click(r#"{"job":7}"#).unwrap_err();
        assert!(error.to_string().starts_with("not a valid JSON: invalid type"), "{error}");
        assert!(error.to_string().contains("column 8"), "{error}");
        assert!(click("").is_err());
    }

    #[test]
    fn null_value_is_an_error_unless_the_type_is_an_option() {
        let strict = Json::<String, String>::new();
        let error = strict.deserialize_null(&topic(), Part::Value).unwrap_err();
        assert!(matches!(error, SerdeError::Null { part: Part::Value }));
        let lax = Json::<String, Option<String>>::new();
        assert_eq!(lax.deserialize_null(&topic(), Part::Value).unwrap(), None);
        assert_eq!(lax.serialize(&topic(), &None).unwrap(), None);
    }

    #[test]
    fn pair_is_named_by_both_parts() {
        assert_eq!(Json::<u64, Click>::new().name(), "u64/json");
    }
}
