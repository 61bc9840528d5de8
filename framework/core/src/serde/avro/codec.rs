//! Any serde type as Avro.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use apache_avro::schema::NamesRef;
use apache_avro::writer::datum::GenericDatumWriter;
use apache_avro::{AvroResult, Schema, write_avro_datum_ref};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::de;
use super::framing::Framing;
use super::plan::Plan;
use super::resolve;
use crate::names::TopicName;
use crate::serde::pair::pair_name;
use crate::serde::{
    Consumed, Deserializer, Format, KeyCodec, KeyOf, Part, Produced, SerdeEnv, SerdeError, Serializer, TableSerdes,
};

/// Keys in their plain form ([`KeyCodec`]), values as Avro of one schema.
///
/// With a schema registry in the environment, values carry Confluent's header and the schema is registered under
/// `{topic}-value`; without one they are in Avro's single-object encoding. Both are read, see [`Framing`].
///
/// # Evolution
/// A value is read by its writer's schema into `V` through serde: added fields are skipped, fields may stand in any order,
/// and ints, longs, floats and doubles go into any Rust number that serde lets them into (all of Avro's promotions and the
/// narrowing of ints that fit). A field that the writer lacks takes the default of the schema given here, `None` for an
/// `Option`, or serde's own default. Aliases of fields and defaults of enums in the schema given here are followed.
///
/// # Writing
/// `V` is written by serde in the shape of the schema, by the rules of `apache-avro`: `i32` needs an int, `i64` and `u32`
/// a long, `f32` a float, `f64` a double, `Option` a union of null and one other type, `Vec<u8>` an array unless
/// `serde_bytes` says that it is bytes.
///
/// ```
/// use nowfold_core::serde::Avro;
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Job {
///     title: String,
///     views: i64,
/// }
///
/// let jobs = Avro::<String, Job>::new(
///     r#"{"type": "record", "name": "Job", "fields": [
///         {"name": "title", "type": "string"},
///         {"name": "views", "type": "long", "default": 0}]}"#,
/// )?;
/// # Ok::<(), nowfold_core::serde::SerdeError>(())
/// ```
pub struct Avro<K, V> {
    shared: Arc<Shared>,
    types: PhantomData<fn() -> (K, V)>,
}

struct Shared {
    framing: Framing<Plan>,
    schema: Schema,
    has_references: bool,
}

impl Shared {
    /// Appends the datum. Names need resolving only where the schema refers to one.
    fn write<V: Serialize>(&self, value: &V, out: &mut Vec<u8>) -> AvroResult<usize> {
        if self.has_references {
            GenericDatumWriter::builder(&self.schema).build()?.write_ser(out, value)
        } else {
            write_avro_datum_ref(&self.schema, &NamesRef::new(), value, out)
        }
    }
}

fn has_references(schema: &Schema) -> bool {
    match schema {
        Schema::Ref { .. } => true,
        Schema::Array(array) => has_references(&array.items),
        Schema::Map(map) => has_references(&map.types),
        Schema::Union(union) => union.variants().iter().any(has_references),
        Schema::Record(record) => record.fields.iter().any(|field| has_references(&field.schema)),
        _ => false,
    }
}

impl<K, V> Avro<K, V> {
    /// Plain keys of `K`, Avro values of `V` in the shape of this schema (JSON text).
    ///
    /// # Errors
    /// [`SerdeError::Invalid`] when the text is not an Avro schema.
    pub fn new(schema: &str) -> Result<Self, SerdeError> {
        Self::of_part(schema, Part::Value)
    }

    /// The same for keys: `Pair::new(Avro::<(), Id>::for_keys(schema)?, ..)` registers under `{topic}-key`.
    ///
    /// # Errors
    /// [`SerdeError::Invalid`] when the text is not an Avro schema.
    pub fn for_keys(schema: &str) -> Result<Self, SerdeError> {
        Self::of_part(schema, Part::Key)
    }

    fn of_part(text: &str, part: Part) -> Result<Self, SerdeError> {
        let schema = Schema::parse_str(text).map_err(|error| SerdeError::invalid("Avro schema", error))?;
        let reader = schema.clone();
        let framing = Framing::new(text, part, move |writer| resolve::compile(writer, &reader))?;
        let has_references = has_references(&schema);
        Ok(Self { shared: Arc::new(Shared { framing, schema, has_references }), types: PhantomData })
    }

    /// Also reads what was written with this schema (JSON text) in single-object encoding.
    ///
    /// # Errors
    /// [`SerdeError::Invalid`] when the text is not an Avro schema.
    pub fn with_schema(self, schema: &str) -> Result<Self, SerdeError> {
        self.shared.framing.add_schema(schema)?;
        Ok(self)
    }
}

impl<K, V> Clone for Avro<K, V> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), types: PhantomData }
    }
}

impl<K, V> fmt::Debug for Avro<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Avro({:?})", self.shared.framing)
    }
}

impl<K: KeyCodec, V: 'static> Format for Avro<K, V> {
    fn name(&self) -> Cow<'static, str> {
        pair_name(K::FORMAT, "avro")
    }

    fn configure(&self, env: &SerdeEnv) -> Result<(), SerdeError> {
        self.shared.framing.configure(env);
        Ok(())
    }
}

impl<K: 'static, V: DeserializeOwned + 'static> Deserializer<V> for Avro<K, V> {
    fn deserialize(&self, _topic: &TopicName, bytes: &Bytes) -> Result<V, SerdeError> {
        self.shared.framing.read(bytes, de::read)
    }
}

impl<K: 'static, V: Serialize + 'static> Serializer<V> for Avro<K, V> {
    fn serialize(&self, topic: &TopicName, value: &V) -> Result<Option<Bytes>, SerdeError> {
        let mut out = Vec::with_capacity(256);
        self.shared.framing.header(topic)?.write(&mut out);
        self.shared.write(value, &mut out).map_err(|error| SerdeError::unwritable("Avro", error))?;
        Ok(Some(out.into()))
    }
}

impl<K: KeyCodec, V: DeserializeOwned + 'static> Consumed<K, V> for Avro<K, V> {
    fn key_deserializer(&self) -> Arc<dyn Deserializer<K>> {
        Arc::new(KeyOf::new())
    }

    fn value_deserializer(&self) -> Arc<dyn Deserializer<V>> {
        Arc::new(self.clone())
    }
}

impl<K: KeyCodec, V: Serialize + 'static> Produced<K, V> for Avro<K, V> {
    fn key_serializer(&self) -> Arc<dyn Serializer<K>> {
        Arc::new(KeyOf::new())
    }

    fn value_serializer(&self) -> Arc<dyn Serializer<V>> {
        Arc::new(self.clone())
    }
}

impl<K: KeyCodec, V: DeserializeOwned + 'static> TableSerdes<K, V> for Avro<K, V> {
    fn key_serializer(&self) -> Arc<dyn Serializer<K>> {
        Arc::new(KeyOf::new())
    }
}
