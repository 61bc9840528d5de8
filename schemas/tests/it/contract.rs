//! The Rust types and the schema say the same.

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema::RecordSchema;
use apache_avro::types::Value;
use nowfold_core::serde::avro::SchemaRef;
use nowfold_schemas::{ACTION_SCHEMA, Action, ActionCodec, Attribute, Attributes, Op};

use crate::support::full_action;

fn schema() -> RecordSchema {
    match Schema::parse_str(ACTION_SCHEMA).unwrap() {
        Schema::Record(record) => record,
        other => panic!("{other}"),
    }
}

/// An action as a value of the schema, built by hand field by field. The pattern names every field of the Rust type, so
/// that one added there does not compile here.
fn as_avro(action: &Action) -> Value {
    let Action {
        actor,
        actor_attributes,
        verb,
        verb_attributes,
        object,
        object_attributes,
        timestamp,
        event_id,
        sequence,
        op,
    } = action;
    let text = |text: &str| Value::String(text.to_owned());
    let optional = |value: Option<Value>| match value {
        None => Value::Union(0, Box::new(Value::Null)),
        Some(value) => Value::Union(1, Box::new(value)),
    };
    let op = match op {
        Op::Act => Value::Enum(0, "ACT".into()),
        Op::Retract => Value::Enum(1, "RETRACT".into()),
        Op::Erase => Value::Enum(2, "ERASE".into()),
    };
    let fields = [
        ("actor", text(actor)),
        ("actorAttributes", set(actor_attributes)),
        ("verb", text(verb)),
        ("verbAttributes", set(verb_attributes)),
        ("object", text(object)),
        ("objectAttributes", set(object_attributes)),
        ("timestamp", optional(timestamp.map(|time| Value::TimestampMillis(time.as_millis())))),
        ("eventId", text(event_id)),
        ("sequence", optional(sequence.map(Value::Long))),
        ("op", op),
    ];
    Value::Record(fields.map(|(name, value)| (name.to_owned(), value)).into())
}

fn set(attributes: &Attributes) -> Value {
    Value::Map(attributes.iter().map(|(name, value)| (name.to_string(), attribute(value))).collect())
}

fn attribute(value: &Attribute) -> Value {
    let (branch, value) = match value {
        Attribute::Null => (0, Value::Null),
        Attribute::Bool(value) => (1, Value::Boolean(*value)),
        Attribute::Int(value) => (2, Value::Long(*value)),
        Attribute::Float(value) => (3, Value::Double(*value)),
        Attribute::Text(value) => (4, Value::String(value.to_string())),
        Attribute::Vector(value) => (5, Value::Bytes(value.iter().flat_map(|x| x.to_le_bytes()).collect())),
        Attribute::List(items) => {
            let item = |item| Value::Record(vec![("value".to_owned(), attribute(item))]);
            (6, Value::Array(items.iter().map(item).collect()))
        }
    };
    Value::Union(branch, Box::new(value))
}

#[test]
fn schema_has_exactly_the_fields_of_the_action() {
    let Value::Record(fields) = as_avro(&Action::default()) else { panic!() };
    let ours: Vec<_> = fields.iter().map(|(name, _)| name.clone()).collect();
    let theirs: Vec<_> = schema().fields.into_iter().map(|field| field.name).collect();
    assert_eq!(ours, theirs);
}

#[test]
fn every_field_but_the_ids_has_the_default_of_the_rust_type() {
    for field in schema().fields {
        let default = field.default.map(|json| json.to_string());
        let expected = match &*field.name {
            "actor" | "verb" | "object" => None,
            "actorAttributes" | "verbAttributes" | "objectAttributes" => Some("{}"),
            "eventId" => Some("\"\""),
            "timestamp" | "sequence" => Some("null"),
            "op" => Some("\"ACT\""),
            other => panic!("{other} is new: give it its default here"),
        };
        assert_eq!(default.as_deref(), expected, "{}", field.name);
    }
    assert_eq!(Op::default(), Op::Act);
}

#[test]
fn op_has_the_symbols_of_the_schema_in_their_order() {
    let op = schema().fields.into_iter().find(|field| field.name == "op").unwrap().schema;
    let Schema::Enum(symbols) = op else { panic!("{op}") };
    assert_eq!(symbols.symbols, Op::ALL.map(Op::as_str));
    assert_eq!(symbols.default, None, "an op of the future must not be read as ACT");
}

/// What the codec writes is what `apache-avro` reads, and the other way round.
#[test]
fn codec_and_apache_avro_agree_on_the_bytes() {
    let schema = Schema::parse_str(ACTION_SCHEMA).unwrap();
    let reader = GenericDatumReader::builder(&schema).build().unwrap();
    let mut retract = full_action();
    retract.op = Op::Retract;
    retract.timestamp = None;
    retract.sequence = None;
    for action in [Action::new("a", "v", "o"), full_action(), retract] {
        let bytes = ActionCodec::write(SchemaRef::Id(1), &action).unwrap();
        let mut datum = &bytes[5..];
        assert_eq!(reader.read_value(&mut datum).unwrap(), as_avro(&action));
        assert!(datum.is_empty());
        assert_eq!(crate::support::read(ACTION_SCHEMA, as_avro(&action)).unwrap(), action);
    }
}

#[test]
fn deep_lists_are_refused_before_they_become_unreadable() {
    let mut list = Attribute::Int(1);
    for depth in 1..=17 {
        list = Attribute::List([list].into());
        let action = Action::new("a", "v", "o").object_attribute("list", list.clone());
        let written = ActionCodec::write(SchemaRef::Id(1), &action);
        if depth <= 16 {
            let mut bytes = crate::support::encode(ACTION_SCHEMA, as_avro(&action));
            bytes.truncate(10);
            bytes.extend(&written.unwrap()[5..]);
            assert_eq!(ActionCodec::new().read(&bytes).unwrap(), action);
        } else {
            assert!(written.unwrap_err().to_string().contains("deeper than 16"));
        }
    }
}
