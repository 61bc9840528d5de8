//! Data of any schema, written by `apache-avro`, which shares no code with the codec.

use apache_avro::Schema;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use nowfold_core::serde::SerdeError;
use nowfold_core::serde::avro::{SchemaRef, fingerprint};
use nowfold_schemas::{Action, ActionCodec, Attribute, attributes};

/// The header of single-object encoding and `value` as a datum of `schema`.
pub(crate) fn encode(schema: &str, value: Value) -> Vec<u8> {
    let parsed = Schema::parse_str(schema).unwrap();
    let mut out = Vec::new();
    SchemaRef::Fingerprint(fingerprint(schema).unwrap()).write(&mut out);
    GenericDatumWriter::builder(&parsed).build().unwrap().write_value(&mut out, value).unwrap();
    out
}

/// What the codec reads from `value`, written with `schema`.
pub(crate) fn read(schema: &str, value: Value) -> Result<Action, SerdeError> {
    ActionCodec::new().with_schema(schema)?.read(&encode(schema, value))
}

/// A schema of a record with these fields.
pub(crate) fn record(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"Foreign","namespace":"other","fields":[{fields}]}}"#)
}

/// A value of such a record.
pub(crate) fn value(fields: &[(&str, Value)]) -> Value {
    Value::Record(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

/// An action with every kind of attribute.
pub(crate) fn full_action() -> Action {
    let mut action = Action::new("member-111", "apply", "job-7").at_ms(1_700_000_000_123).id("e-1").sequence(-9);
    action.actor_attributes = attributes! { "premium" => true, "country" => "Österreich", "age" => 41_i64 };
    action.verb_attributes = attributes! { "device" => None::<&str>, "score" => 0.25_f64 };
    action.object_attributes = attributes! {
        "embedding" => [0.5_f32, -1.0, f32::MIN_POSITIVE],
        "skills" => vec!["rust", "kafka"],
        "mixed" => vec![Attribute::Null, Attribute::List([Attribute::Int(1), Attribute::from([2.0_f32])].into())],
        "empty" => Vec::<Attribute>::new(),
    };
    action
}
