//! Serdes: how typed keys and values become bytes and back.
//!
//! A [`Serializer`] and a [`Deserializer`] stand for one side each, so a source of a type that can only be read needs
//! no writer. A pair of a key's and a value's serde is what topologies take: [`Consumed`] for sources, [`Produced`]
//! for sinks, [`TableSerdes`] for tables.
//!
//! | pair | key | value |
//! |---|---|---|
//! | [`Json<K, V>`](Json) | plain | JSON through serde |
//! | [`Avro<K, V>`](Avro) | plain | Avro through serde, with a schema registry or without |
//! | [`Postcard<K, V>`](Postcard) | plain | postcard, for internal topics |
//! | [`Plain<K, V>`](Plain) | plain | plain: text, bytes, big-endian numbers |
//! | [`Pair<KS, VS>`](Pair) | any serde | any serde |
//!
//! The plain form of a key is [`KeyCodec`]'s: UTF-8, bytes or big-endian numbers, as Kafka's own serializers write them.

pub mod avro;
mod integer;
mod json;
mod key;
mod pair;
mod postcard;
mod string;
mod windowed;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::names::TopicName;

pub use avro::Avro;
pub use integer::BigEndian;
pub use json::Json;
pub use key::{Ignored, KeyCodec, KeyOf, Nullable};
pub use pair::{Consumed, Pair, Plain, Produced, Serdes, TableSerdes};
pub use postcard::Postcard;
pub use string::{RawBytes, Utf8};
pub use windowed::{SessionWindowed, TimeWindowed};

/// Where in a record bytes stand: the key or the value of a topic's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The record's key.
    Key,
    /// The record's value.
    Value,
}

/// Why bytes could not be decoded or a value not be encoded. Displays as a sentence with the cause.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SerdeError {
    /// The bytes are null and the type has no value for that.
    #[error("the {part:?} is null, but its type does not allow null")]
    Null {
        /// Key or value.
        part: Part,
    },
    /// The bytes do not hold a value of the expected format.
    #[error("not a valid {format}: {cause}")]
    Invalid {
        /// The expected format, such as `JSON` or `Avro (Confluent framing)`.
        format: &'static str,
        /// What is wrong.
        cause: String,
    },
    /// A schema is not known, or the registry does not have it.
    #[error("schema {id} is unknown: {cause}")]
    UnknownSchema {
        /// The schema's id in the registry.
        id: u32,
        /// What the registry said.
        cause: String,
    },
    /// No known schema has this CRC-64-AVRO fingerprint.
    #[error("no known schema has the fingerprint {fingerprint:016x}: give the serde the schema it was written with")]
    UnknownFingerprint {
        /// The fingerprint in the bytes.
        fingerprint: u64,
    },
    /// The registry did not answer; the same call may succeed later.
    #[error("the schema registry did not answer: {cause}")]
    RegistryUnavailable {
        /// What went wrong.
        cause: String,
    },
    /// The value cannot be written in this format.
    #[error("cannot be written as {format}: {cause}")]
    Unwritable {
        /// The format.
        format: &'static str,
        /// What is wrong.
        cause: String,
    },
}

impl SerdeError {
    /// An [`Invalid`](Self::Invalid) error with this cause.
    pub fn invalid(format: &'static str, cause: impl fmt::Display) -> Self {
        Self::Invalid { format, cause: cause.to_string() }
    }

    /// An [`Unwritable`](Self::Unwritable) error with this cause.
    pub fn unwritable(format: &'static str, cause: impl fmt::Display) -> Self {
        Self::Unwritable { format, cause: cause.to_string() }
    }

    /// Whether the same call may succeed later (the registry was not reachable).
    pub fn is_retriable(&self) -> bool {
        matches!(self, Self::RegistryUnavailable { .. })
    }
}

/// Reads values of `T` from bytes.
#[diagnostic::on_unimplemented(message = "`{Self}` cannot read `{T}` from a topic")]
pub trait Deserializer<T>: Send + Sync + 'static {
    /// Decodes the bytes of one key or value of `topic`.
    ///
    /// # Errors
    /// [`SerdeError`] when the bytes are not a value of this format, or its schema cannot be had.
    fn deserialize(&self, topic: &TopicName, bytes: &Bytes) -> Result<T, SerdeError>;

    /// What a null key or value of `topic` stands for.
    ///
    /// # Errors
    /// [`SerdeError::Null`] unless the type has a value for null.
    fn deserialize_null(&self, _topic: &TopicName, part: Part) -> Result<T, SerdeError> {
        Err(SerdeError::Null { part })
    }
}

/// Writes values of `T` as bytes.
#[diagnostic::on_unimplemented(message = "`{Self}` cannot write `{T}` to a topic")]
pub trait Serializer<T>: Send + Sync + 'static {
    /// Encodes one key or value for `topic`; `None` is null.
    ///
    /// # Errors
    /// [`SerdeError`] when the value has no form in this format, or its schema cannot be registered.
    fn serialize(&self, topic: &TopicName, value: &T) -> Result<Option<Bytes>, SerdeError>;

    /// Whether [`serialize`](Self::serialize) makes null of the value, where that can be said without writing it.
    /// Aggregations pass over such values.
    fn is_null(&self, _value: &T) -> bool {
        false
    }

    /// The part of a key's bytes that decides about its partition in topics of others: all of them but for windowed keys,
    /// whose windows go where the key inside goes.
    fn partitioned_by<'b>(&self, key: &'b Bytes) -> &'b [u8] {
        key
    }
}

/// What a serde, or a pair of them, is called and what it needs before the first record.
pub trait Format: Send + Sync + 'static {
    /// A short name such as `json`, or `string/json` for a pair. It stands in a topology's description and enters its
    /// fingerprint, so it must not change while a topic's bytes stay the same.
    fn name(&self) -> Cow<'static, str>;

    /// Hands over what the running application offers. Called once before any record; does nothing by default.
    ///
    /// # Errors
    /// [`SerdeError`] when the serde cannot work with what it gets.
    fn configure(&self, _env: &SerdeEnv) -> Result<(), SerdeError> {
        Ok(())
    }
}

/// What a serde may need from the running application. Handed out once, before any record.
#[derive(Clone, Default)]
pub struct SerdeEnv {
    /// The schema registry, when one is configured.
    pub registry: Option<Arc<dyn SchemaRegistry>>,
}

impl fmt::Debug for SerdeEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SerdeEnv").field("registry", &self.registry.is_some()).finish()
    }
}

/// A Confluent-compatible Schema Registry, as serdes see it. Calls may block on the network; results are cached by id.
pub trait SchemaRegistry: Send + Sync {
    /// The Avro schema (JSON text) registered under `id`.
    ///
    /// # Errors
    /// [`SerdeError::UnknownSchema`] when the registry has no such id, [`SerdeError::RegistryUnavailable`] when it does not answer.
    fn schema(&self, id: u32) -> Result<Arc<str>, SerdeError>;

    /// Registers an Avro schema (JSON text) under `subject` and returns its id; the same schema gets the same id.
    ///
    /// # Errors
    /// [`SerdeError::Unwritable`] when the registry refuses it (incompatible), [`SerdeError::RegistryUnavailable`] when it does not answer.
    fn register(&self, subject: &str, schema: &str) -> Result<u32, SerdeError>;
}
