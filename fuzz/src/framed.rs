//! Actions behind the headers of the Schema Registry and of single-object encoding.

use std::sync::{Arc, OnceLock};

use nowfold::core::serde::avro::{SchemaRef, fingerprint};
use nowfold::core::serde::{Format, SerdeEnv};
use nowfold::schemas::registry::FixedRegistry;
use nowfold::schemas::{ACTION_SCHEMA, ActionCodec};

/// Schemas of others that hold actions.
const FOREIGN: [&str; 2] = [
    r#"{"type": "record", "name": "A", "fields": [
        {"name": "object", "type": "long"}, {"name": "verb", "type": {"type": "enum", "name": "E", "symbols": ["x", "y"]}},
        {"name": "actor", "type": "bytes"}, {"name": "timestamp", "type": ["null", "int"]},
        {"name": "object_attributes", "type": {"type": "record", "name": "O", "fields": [
            {"name": "tags", "type": {"type": "array", "items": ["null", "string", "double"]}},
            {"name": "deep", "type": {"type": "map", "values": {"type": "map", "values": "float"}}},
            {"name": "vector", "type": {"type": "array", "items": "float"}}]}}]}"#,
    r#"{"type": "record", "name": "L", "fields": [
        {"name": "actor", "type": "string"}, {"name": "verb", "type": "string"}, {"name": "object", "type": "string"},
        {"name": "next", "type": ["null", "L"]}]}"#,
];

/// The first byte chooses the writer's schema; the rest is the datum, or with 255 the text of a schema.
pub fn framed(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let header = match choice {
        255 => return schema(rest),
        0 => SchemaRef::Id(1),
        1 => SchemaRef::Id(2),
        2 => SchemaRef::Id(3),
        3 => return read_again(rest),
        _ => match fingerprint(ACTION_SCHEMA) {
            Ok(fingerprint) => SchemaRef::Fingerprint(fingerprint),
            Err(_) => return,
        },
    };
    let mut bytes = Vec::new();
    header.write(&mut bytes);
    bytes.extend_from_slice(rest);
    read_again(&bytes);
}

fn schema(text: &[u8]) {
    if let Ok(text) = std::str::from_utf8(text) {
        let _ = ActionCodec::new().with_schema(text);
    }
}

fn codec() -> &'static ActionCodec {
    static CODEC: OnceLock<ActionCodec> = OnceLock::new();
    CODEC.get_or_init(|| {
        let codec = ActionCodec::new();
        let registry = (1..).zip([ACTION_SCHEMA, FOREIGN[0], FOREIGN[1]]);
        let registry = registry.fold(FixedRegistry::new(), |known, (id, schema)| {
            known.with_schema(id, schema).unwrap_or_else(|error| panic!("schema {id}: {error}"))
        });
        let configured = codec.configure(&SerdeEnv { registry: Some(Arc::new(registry)) });
        configured.unwrap_or_else(|error| panic!("the codec cannot use the registry: {error}"));
        codec
    })
}

/// An action that was read can be written, and reads the same.
fn read_again(bytes: &[u8]) {
    let Ok(action) = codec().read(bytes) else { return };
    let Ok(written) = ActionCodec::write(SchemaRef::Id(1), &action) else { return };
    let again = codec().read(&written).map(|again| format!("{again:?}"));
    assert_eq!(again.ok(), Some(format!("{action:?}")), "an action that reads as another after it is written");
}
