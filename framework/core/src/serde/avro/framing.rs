//! Which schema a datum was written with, and which one it is to be written with.

use std::fmt;
use std::sync::Arc;

use apache_avro::Schema;
use parking_lot::RwLock;

use super::cache::Cache;
use super::canonical::fingerprint;
use super::cursor::Cursor;
use super::error::DatumError;
use super::frame::SchemaRef;
use crate::names::TopicName;
use crate::serde::{Part, SchemaRegistry, SerdeEnv, SerdeError};

type Compile<R> = dyn Fn(&Schema) -> Result<R, SerdeError> + Send + Sync;

/// The header of data, and what a codec compiled for each writer's schema.
///
/// - Reading takes both headers: Confluent's with an id of the registry, and single-object encoding with the fingerprint
///   of the codec's own schema or of one that was [added](Self::add_schema). What `compile` makes of a schema is kept,
///   for up to 256 schemas.
/// - Writing registers the own schema under `{topic}-value` (or `-key`) and writes Confluent's header where the
///   application has a registry; else it writes single-object encoding.
pub struct Framing<R> {
    schema: Arc<str>,
    own: u64,
    part: Part,
    compile: Box<Compile<R>>,
    registry: RwLock<Option<Arc<dyn SchemaRegistry>>>,
    readers: Cache<SchemaRef, R>,
    headers: Cache<TopicName, SchemaRef>,
}

impl<R> Framing<R> {
    /// Framing for keys or values of this schema (JSON text); `compile` makes a reader for a writer's schema.
    ///
    /// # Errors
    /// [`SerdeError::Invalid`] when the text is not an Avro schema or does not compile.
    pub fn new(
        schema: &str,
        part: Part,
        compile: impl Fn(&Schema) -> Result<R, SerdeError> + Send + Sync + 'static,
    ) -> Result<Self, SerdeError> {
        let framing = Self {
            schema: schema.into(),
            own: fingerprint(schema)?,
            part,
            compile: Box::new(compile),
            registry: RwLock::new(None),
            readers: Cache::new(),
            headers: Cache::new(),
        };
        framing.add_schema(schema)?;
        Ok(framing)
    }

    /// Makes data readable that was written with this schema (JSON text) in single-object encoding.
    ///
    /// # Errors
    /// [`SerdeError::Invalid`] when the text is not an Avro schema or does not compile.
    pub fn add_schema(&self, schema: &str) -> Result<(), SerdeError> {
        self.readers.insert(SchemaRef::Fingerprint(fingerprint(schema)?), (self.compile)(&parse(schema)?)?);
        Ok(())
    }

    /// Takes the registry of the application, or none. Forgets what was read from another one.
    pub fn configure(&self, env: &SerdeEnv) {
        self.registry.write().clone_from(&env.registry);
        self.readers.retain(|schema| matches!(schema, SchemaRef::Fingerprint(_)));
        self.headers.retain(|_| false);
    }

    /// Reads `bytes` with the reader of their writer's schema; the cursor stands behind the header.
    ///
    /// # Errors
    /// [`SerdeError`] when the header is none, its schema cannot be had or does not compile, or `read` fails.
    pub fn read<'b, T>(
        &self,
        bytes: &'b [u8],
        read: impl FnOnce(&R, Cursor<'b>) -> Result<T, DatumError>,
    ) -> Result<T, SerdeError> {
        let (schema, start) = SchemaRef::read(bytes)?;
        self.readers.with(&schema, || self.reader(schema), |reader| Ok(read(reader, Cursor::new(bytes, start))?))
    }

    /// The header for data that is written to `topic`.
    ///
    /// # Errors
    /// [`SerdeError`] when the registry refuses the schema or does not answer.
    pub fn header(&self, topic: &TopicName) -> Result<SchemaRef, SerdeError> {
        self.headers.with(topic, || self.register(topic), |header| Ok(*header))
    }

    fn reader(&self, schema: SchemaRef) -> Result<R, SerdeError> {
        match schema {
            SchemaRef::Fingerprint(fingerprint) => Err(SerdeError::UnknownFingerprint { fingerprint }),
            SchemaRef::Id(id) => match self.registry() {
                Some(registry) => (self.compile)(&parse(&registry.schema(id)?)?),
                None => Err(SerdeError::UnknownSchema { id, cause: "no schema registry is configured".into() }),
            },
        }
    }

    fn register(&self, topic: &TopicName) -> Result<SchemaRef, SerdeError> {
        let Some(registry) = self.registry() else { return Ok(SchemaRef::Fingerprint(self.own)) };
        let part = match self.part {
            Part::Key => "key",
            Part::Value => "value",
        };
        registry.register(&format!("{topic}-{part}"), &self.schema).map(SchemaRef::Id)
    }

    fn registry(&self) -> Option<Arc<dyn SchemaRegistry>> {
        self.registry.read().clone()
    }
}

fn parse(schema: &str) -> Result<Schema, SerdeError> {
    Schema::parse_str(schema).map_err(|error| SerdeError::invalid("Avro schema", error))
}

impl<R> fmt::Debug for Framing<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Framing")
            .field("own", &SchemaRef::Fingerprint(self.own))
            .field("part", &self.part)
            .finish_non_exhaustive()
    }
}
