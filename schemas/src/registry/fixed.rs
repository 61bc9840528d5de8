//! A registry whose schemas are given beforehand.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use nowfold_core::serde::avro::fingerprint;
use nowfold_core::serde::{SchemaRegistry, SerdeError};

/// Schemas by id, known beforehand: for topics in Confluent's framing where no registry can be reached.
///
/// ```
/// use std::sync::Arc;
/// use nowfold_core::serde::SerdeEnv;
/// use nowfold_schemas::registry::FixedRegistry;
///
/// let registry = FixedRegistry::new().with_schema(1, nowfold_schemas::ACTION_SCHEMA)?;
/// let env = SerdeEnv { registry: Some(Arc::new(registry)) };
/// # Ok::<(), nowfold_core::serde::SerdeError>(())
/// ```
#[derive(Clone, Default)]
pub struct FixedRegistry {
    schemas: HashMap<u32, (u64, Arc<str>)>,
}

impl FixedRegistry {
    /// Without schemas.
    pub fn new() -> Self {
        Self::default()
    }

    /// Knows this schema (JSON text) under `id`.
    ///
    /// # Errors
    /// [`SerdeError::Invalid`] when the text is not JSON.
    pub fn with_schema(mut self, id: u32, schema: &str) -> Result<Self, SerdeError> {
        self.schemas.insert(id, (fingerprint(schema)?, schema.into()));
        Ok(self)
    }
}

impl fmt::Debug for FixedRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FixedRegistry").field(&self.schemas.keys()).finish()
    }
}

impl SchemaRegistry for FixedRegistry {
    fn schema(&self, id: u32) -> Result<Arc<str>, SerdeError> {
        let known = self.schemas.get(&id).map(|(_, schema)| schema.clone());
        known.ok_or_else(|| SerdeError::UnknownSchema { id, cause: "it is not among the schemas given".into() })
    }

    /// The id of an equal schema; a new one cannot be registered.
    fn register(&self, subject: &str, schema: &str) -> Result<u32, SerdeError> {
        let wanted = fingerprint(schema)?;
        let equal = self.schemas.iter().filter(|(_, (known, _))| *known == wanted).map(|(id, _)| *id);
        equal.min().ok_or_else(|| {
            SerdeError::unwritable(
                "Avro",
                format_args!("no schema given beforehand equals the one for subject {subject}"),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_schemas_share_an_id_and_others_are_refused() {
        let registry = FixedRegistry::new().with_schema(7, r#"{"type":"string"}"#).unwrap();
        assert_eq!(registry.register("t-value", r#""string""#).unwrap(), 7);
        assert_eq!(&*registry.schema(7).unwrap(), r#"{"type":"string"}"#);
        assert!(matches!(registry.schema(8), Err(SerdeError::UnknownSchema { id: 8, .. })));
        assert!(matches!(registry.register("t-value", r#""int""#), Err(SerdeError::Unwritable { .. })));
    }
}
