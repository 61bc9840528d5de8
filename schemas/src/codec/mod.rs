//! Actions as Avro.

mod attribute;
mod fields;
mod intern;
mod reader;
mod shape;
mod writer;

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::{fmt, fs};

use bytes::Bytes;
use nowfold_core::names::TopicName;
use nowfold_core::serde::avro::{Framing, SchemaRef};
use nowfold_core::serde::{Deserializer, Format, Pair, Part, SerdeEnv, SerdeError, Serializer, Utf8};

use crate::ACTION_SCHEMA;
use crate::action::Action;
use reader::ActionReader;

/// Reads and writes actions as Avro.
///
/// **Writing** uses the schema [`ACTION_SCHEMA`]: with a schema registry it is registered under `{topic}-value` and the
/// value carries Confluent's header, without one the value is in Avro's single-object encoding.
///
/// **Reading** takes both headers and any record that has fields `actor`, `verb` and `object` (ids as text, bytes, enums
/// or whole numbers). Of the other fields of the schema (in camel case or snake case) those that are missing keep their
/// defaults, fields that it does not know are skipped, and order does not matter. Attributes may be a map or a record:
///
/// | in the writer's schema | becomes |
/// |---|---|
/// | null, boolean | [`Null`](crate::Attribute::Null), [`Bool`](crate::Attribute::Bool) |
/// | int, long | [`Int`](crate::Attribute::Int) |
/// | float, double | [`Float`](crate::Attribute::Float) |
/// | string, enum | [`Text`](crate::Attribute::Text) |
/// | bytes, fixed | [`Vector`](crate::Attribute::Vector) of little-endian f32; left-over bytes become one NaN, so that admission refuses the attribute |
/// | array of float or double | `Vector` |
/// | any other array | [`List`](crate::Attribute::List); items that are records of one field stand for that field |
/// | union | what the branch becomes |
/// | record or map in an attribute | attributes `name.field` |
///
/// What has no such form, as an array of maps, is skipped. A set of more than 4,096 attributes is an error. Logical types count as their base types, but a `timestamp` in
/// micros or nanos is cut to milliseconds. A schema is compiled once; the datum is then read in one pass, with every
/// length and depth checked.
///
/// ```
/// use nowfold_core::serde::{Deserializer, Serializer};
/// use nowfold_schemas::{Action, ActionCodec};
///
/// let codec = ActionCodec::new();
/// let action = Action::new("member-111", "apply", "job-7").at_ms(1_700_000_000_000);
/// let bytes = codec.serialize(&"actions".into(), &action)?.expect("an action is never null");
/// assert_eq!(codec.deserialize(&"actions".into(), &bytes)?, action);
/// # Ok::<(), nowfold_core::serde::SerdeError>(())
/// ```
#[derive(Clone)]
pub struct ActionCodec {
    framing: Arc<Framing<ActionReader>>,
}

impl ActionCodec {
    /// A codec that knows the present schema.
    ///
    /// # Panics
    /// Never: tests hold that the schema in this crate compiles.
    #[expect(clippy::expect_used, reason = "the schema is a constant of this crate")]
    pub fn new() -> Self {
        let framing =
            Framing::new(ACTION_SCHEMA, Part::Value, ActionReader::compile).expect("the schema of actions compiles");
        Self { framing: Arc::new(framing) }
    }

    /// Also reads what was written with this schema (JSON text) in single-object encoding.
    ///
    /// # Errors
    /// [`SerdeError::Invalid`] when the text is not an Avro schema or cannot hold actions; it names what is missing.
    pub fn with_schema(self, schema: &str) -> Result<Self, SerdeError> {
        self.framing.add_schema(schema)?;
        Ok(self)
    }

    /// Also reads what was written with the schema in this file.
    ///
    /// # Errors
    /// As [`with_schema`](Self::with_schema), and when the file cannot be read.
    pub fn with_schema_file(self, path: impl AsRef<Path>) -> Result<Self, SerdeError> {
        let path = path.as_ref();
        let at_path =
            |cause: &dyn fmt::Display| SerdeError::invalid("Avro schema", format_args!("{}: {cause}", path.display()));
        let text = fs::read_to_string(path).map_err(|error| at_path(&error))?;
        self.with_schema(&text).map_err(|error| at_path(&error))
    }

    /// The serdes of an actions topic: the actor in plain UTF-8 as the key, this codec for values.
    pub fn pair(self) -> Pair<Utf8, Self> {
        Pair::new(Utf8, self)
    }

    /// Reads the value of a record.
    ///
    /// # Errors
    /// [`SerdeError`] when its schema cannot be had or holds no actions, or the bytes are damaged; it names field and byte.
    pub fn read(&self, bytes: &[u8]) -> Result<Action, SerdeError> {
        self.framing.read(bytes, ActionReader::read)
    }

    /// Writes the header of `schema` and the action.
    ///
    /// # Errors
    /// [`SerdeError::Unwritable`] when lists nest deeper than 16 levels or a set has more than 4,096 attributes.
    pub fn write(schema: SchemaRef, action: &Action) -> Result<Vec<u8>, SerdeError> {
        writer::write(schema, action)
    }
}

impl Default for ActionCodec {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ActionCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActionCodec({:?})", self.framing)
    }
}

impl Format for ActionCodec {
    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed("action")
    }

    fn configure(&self, env: &SerdeEnv) -> Result<(), SerdeError> {
        self.framing.configure(env);
        Ok(())
    }
}

impl Deserializer<Action> for ActionCodec {
    fn deserialize(&self, _topic: &TopicName, bytes: &Bytes) -> Result<Action, SerdeError> {
        self.read(bytes)
    }
}

impl Serializer<Action> for ActionCodec {
    fn serialize(&self, topic: &TopicName, action: &Action) -> Result<Option<Bytes>, SerdeError> {
        Self::write(self.framing.header(topic)?, action).map(|bytes| Some(bytes.into()))
    }
}
