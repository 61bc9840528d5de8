//! Schemas of others: what is added, missing, reordered or typed otherwise still reads as an action.

use std::collections::HashMap;

use apache_avro::types::Value;
use nowfold_core::serde::avro::{SchemaRef, fingerprint};
use nowfold_core::time::Timestamp;
use nowfold_schemas::{Action, ActionCodec, Attribute, Attributes, Op, attributes};

use crate::support::{read, record, value};

const IDS: &str =
    r#"{"name":"actor","type":"string"},{"name":"verb","type":"string"},{"name":"object","type":"string"}"#;

fn text(text: &str) -> Value {
    Value::String(text.into())
}

fn ids() -> Vec<(&'static str, Value)> {
    vec![("actor", text("m")), ("verb", text("view")), ("object", text("j"))]
}

/// Reads ids and one more field of this type.
fn with_field(name: &'static str, schema: &str, field: Value) -> Action {
    let schema = record(&format!(r#"{IDS},{{"name":"{name}","type":{schema}}}"#));
    let fields = [ids(), vec![(name, field)]].concat();
    read(&schema, value(&fields)).unwrap_or_else(|error| panic!("{schema}: {error}"))
}

fn attribute(schema: &str, field: Value) -> Attribute {
    let schema = format!(r#"{{"type":"map","values":{schema}}}"#);
    let action = with_field("objectAttributes", &schema, Value::Map(HashMap::from([("x".into(), field)])));
    action.object_attributes.get("x").unwrap().clone()
}

#[test]
fn ids_alone_are_an_action_with_defaults() {
    assert_eq!(read(&record(IDS), value(&ids())).unwrap(), Action::new("m", "view", "j"));
}

#[test]
fn missing_ids_are_named_when_the_schema_is_compiled() {
    let schema = record(r#"{"name":"actor","type":"string"},{"name":"what","type":"string"}"#);
    let error = ActionCodec::new().with_schema(&schema).unwrap_err().to_string();
    assert!(error.contains("it has no field verb and no field object"), "{error}");
    let error = ActionCodec::new().with_schema(r#""string""#).unwrap_err().to_string();
    assert!(error.contains("not a record"), "{error}");
}

#[test]
fn fields_of_a_type_that_cannot_be_meant_are_named() {
    for (field, schema) in [
        ("verb", r#""double""#),
        ("timestamp", r#""string""#),
        ("objectAttributes", r#""string""#),
        ("op", r#"{"type":"array","items":"string"}"#),
    ] {
        let others = IDS.replace(&format!(r#"{{"name":"{field}","type":"string"}},"#), "");
        let schema = record(&format!(r#"{others},{{"name":"{field}","type":{schema}}}"#));
        let error = ActionCodec::new().with_schema(&schema).unwrap_err().to_string();
        assert!(error.contains(&format!("field {field}")), "{error}");
    }
}

#[test]
fn reordered_and_added_fields_of_any_type_do_not_matter() {
    let schema = record(
        r#"{"name":"extra","type":{"type":"record","name":"Extra","fields":[
             {"name":"list","type":{"type":"array","items":["null","double",{"type":"map","values":"Extra"}]}},
             {"name":"fixed","type":{"type":"fixed","name":"F","size":3}}]}},
           {"name":"object","type":"string"},{"name":"flag","type":"boolean"},{"name":"verb","type":"string"},
           {"name":"again","type":["null","Extra"]},{"name":"actor","type":"string"},{"name":"f","type":"float"}"#,
    );
    let extra = |list| value(&[("list", Value::Array(list)), ("fixed", Value::Fixed(3, vec![1, 2, 3]))]);
    let inner = Value::Map(HashMap::from([("k".into(), extra(vec![]))]));
    let list = vec![Value::Union(1, Box::new(Value::Double(1.0))), Value::Union(2, Box::new(inner))];
    let fields = [
        ("extra", extra(list)),
        ("object", text("j")),
        ("flag", Value::Boolean(true)),
        ("verb", text("view")),
        ("again", Value::Union(1, Box::new(extra(vec![])))),
        ("actor", text("m")),
        ("f", Value::Float(0.0)),
    ];
    assert_eq!(read(&schema, value(&fields)).unwrap(), Action::new("m", "view", "j"));
}

#[test]
fn ids_are_read_from_bytes_enums_numbers_and_unions() {
    let schema = record(
        r#"{"name":"actor","type":["null","long"]},{"name":"verb","type":{"type":"enum","name":"V","symbols":["VIEW","APPLY"]}},
           {"name":"object","type":"bytes"},{"name":"event_id","type":{"type":"fixed","name":"F","size":2}}"#,
    );
    let fields = |actor| {
        value(&[
            ("actor", actor),
            ("verb", Value::Enum(1, "APPLY".into())),
            ("object", Value::Bytes(b"job-7".into())),
            ("event_id", Value::Fixed(2, b"e1".into())),
        ])
    };
    let action = read(&schema, fields(Value::Union(1, Box::new(Value::Long(-111))))).unwrap();
    assert_eq!(action, Action::new("-111", "APPLY", "job-7").id("e1"));
    let action = read(&schema, fields(Value::Union(0, Box::new(Value::Null)))).unwrap();
    assert_eq!(&*action.actor, "", "null is left to admission, which refuses an empty actor");
}

#[test]
fn numbers_are_read_from_any_width_that_is_exact() {
    let time = |schema: &str, field| with_field("timestamp", schema, field).timestamp.map(Timestamp::as_millis);
    assert_eq!(time(r#""long""#, Value::Long(1_700_000_000_000)), Some(1_700_000_000_000));
    assert_eq!(time(r#""long""#, Value::Long(0)), Some(0), "zero is left to admission");
    assert_eq!(time(r#""int""#, Value::Int(-5)), Some(-5));
    assert_eq!(time(r#""double""#, Value::Double(1.7e12)), Some(1_700_000_000_000));
    assert_eq!(time(r#""float""#, Value::Float(4096.0)), Some(4096));
    assert_eq!(time(r#"["long","null"]"#, Value::Union(1, Box::new(Value::Null))), None);
    assert_eq!(with_field("sequence", r#""int""#, Value::Int(3)).sequence, Some(3));
}

#[test]
fn fractions_and_numbers_beyond_i64_are_errors_with_field_and_byte() {
    let schema = record(&format!(r#"{IDS},{{"name":"sequence","type":"double"}}"#));
    for number in [0.5, f64::NAN, f64::INFINITY, 1e19, -1e19] {
        let fields = [ids(), vec![("sequence", Value::Double(number))]].concat();
        let error = read(&schema, value(&fields)).unwrap_err().to_string();
        assert!(error.contains("field sequence: ") && error.contains("(byte 27)"), "{error}");
    }
}

#[test]
fn time_in_micros_or_nanos_is_cut_to_milliseconds() {
    let time = |logical: &str, field| {
        let schema = format!(r#"["null",{{"type":"long","logicalType":"{logical}"}}]"#);
        with_field("timestamp", &schema, Value::Union(1, Box::new(field))).timestamp.map(Timestamp::as_millis)
    };
    assert_eq!(time("timestamp-millis", Value::TimestampMillis(7)), Some(7));
    assert_eq!(time("timestamp-micros", Value::TimestampMicros(7_999)), Some(7));
    assert_eq!(time("timestamp-micros", Value::TimestampMicros(-1)), Some(-1));
    assert_eq!(time("local-timestamp-nanos", Value::LocalTimestampNanos(7_999_999)), Some(7));
}

#[test]
fn op_is_read_from_text_too_but_an_unknown_one_is_an_error() {
    assert_eq!(with_field("op", r#""string""#, text("ERASE")).op, Op::Erase);
    let schema = record(&format!(r#"{IDS},{{"name":"op","type":{{"type":"enum","name":"O","symbols":["REDACT"]}}}}"#));
    let fields = [ids(), vec![("op", Value::Enum(0, "REDACT".into()))]].concat();
    let error = read(&schema, value(&fields)).unwrap_err().to_string();
    assert!(error.contains("there is no op \"REDACT\""), "{error}");
}

#[test]
fn attributes_of_every_type_become_what_the_table_says() {
    let union = |branch, value| Value::Union(branch, Box::new(value));
    let float_array = Value::Array(vec![Value::Float(0.5), Value::Float(-1.0)]);
    let double_array = Value::Array(vec![Value::Double(0.5), Value::Double(-1.0)]);
    let vector = Attribute::from([0.5_f32, -1.0]);
    let le = [0.5_f32.to_le_bytes(), (-1.0_f32).to_le_bytes()].concat();
    let cases = [
        (r#""null""#, Value::Null, Attribute::Null),
        (r#""boolean""#, Value::Boolean(true), Attribute::Bool(true)),
        (r#""int""#, Value::Int(-3), Attribute::Int(-3)),
        (r#""long""#, Value::Long(i64::MIN), Attribute::Int(i64::MIN)),
        (r#""float""#, Value::Float(0.5), Attribute::Float(0.5)),
        (r#""double""#, Value::Double(0.1), Attribute::Float(0.1)),
        (r#""string""#, text("x"), "x".into()),
        (r#"{"type":"enum","name":"E","symbols":["A","B"]}"#, Value::Enum(1, "B".into()), "B".into()),
        (r#""bytes""#, Value::Bytes(le.clone()), vector.clone()),
        (r#"{"type":"fixed","name":"F","size":8}"#, Value::Fixed(8, le), vector.clone()),
        (r#"{"type":"array","items":"float"}"#, float_array, vector.clone()),
        (r#"{"type":"array","items":"double"}"#, double_array, vector),
        (r#"{"type":"array","items":"float"}"#, Value::Array(vec![]), Attribute::Vector([].into())),
        (r#"{"type":"array","items":"int"}"#, Value::Array(vec![Value::Int(1)]), vec![1_i64].into()),
        (r#"["string","null","double"]"#, union(2, Value::Double(2.0)), 2.0_f64.into()),
        (
            r#"{"type":"array","items":["null","string"]}"#,
            Value::Array(vec![union(1, text("a")), union(0, Value::Null)]),
            vec![Attribute::from("a"), Attribute::Null].into(),
        ),
        (r#"{"type":"int","logicalType":"date"}"#, Value::Date(9), Attribute::Int(9)),
        (r#"{"type":"long","logicalType":"timestamp-millis"}"#, Value::TimestampMillis(9), Attribute::Int(9)),
    ];
    for (schema, written, expected) in cases {
        assert_eq!(attribute(schema, written), expected, "{schema}");
    }
}

#[test]
fn bytes_that_are_no_whole_numbers_end_in_nan_so_that_admission_refuses_them() {
    for len in [1, 2, 3, 5, 7] {
        let vector = attribute(r#""bytes""#, Value::Bytes(vec![0; len]));
        let numbers = vector.as_vector().unwrap();
        assert_eq!(numbers.len(), len / 4 + 1);
        assert!(numbers.last().unwrap().is_nan());
    }
}

#[test]
fn nan_and_infinity_are_kept_for_admission_to_judge() {
    let numbers = [f32::NAN, f32::INFINITY];
    let bytes = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    let vector = attribute(r#""bytes""#, Value::Bytes(bytes));
    assert_eq!(vector.as_vector().unwrap().map(f32::to_bits), numbers.map(f32::to_bits));
}

trait MapBits {
    fn map(&self, f: impl Fn(f32) -> u32) -> Vec<u32>;
}

impl MapBits for [f32] {
    fn map(&self, f: impl Fn(f32) -> u32) -> Vec<u32> {
        self.iter().map(|n| f(*n)).collect()
    }
}

#[test]
fn record_of_attributes_gives_its_fields_and_nested_ones_by_dotted_names() {
    let schema = r#"["null",{"type":"record","name":"O","fields":[
        {"name":"title","type":"string"},
        {"name":"company","type":["null",{"type":"record","name":"C","fields":[{"name":"size","type":"int"},{"name":"tags","type":{"type":"map","values":"string"}}]}]},
        {"name":"offices","type":{"type":"array","items":"C"}},
        {"name":"names","type":{"type":"array","items":{"type":"record","name":"N","fields":[{"name":"it","type":"string"}]}}}]}]"#;
    let tags = Value::Map(HashMap::from([("k".into(), text("v"))]));
    let company = value(&[("size", Value::Int(3)), ("tags", tags)]);
    let names = Value::Array(vec![value(&[("it", text("a"))])]);
    let object = |company| {
        let object = value(&[
            ("title", text("t")),
            ("company", company),
            ("offices", Value::Array(vec![])),
            ("names", names.clone()),
        ]);
        with_field("objectAttributes", schema, Value::Union(1, Box::new(object))).object_attributes
    };
    let expected = attributes! { "title" => "t", "company.size" => 3, "company.tags.k" => "v", "names" => vec!["a"] };
    assert_eq!(object(Value::Union(1, Box::new(company))), expected);
    let expected = attributes! { "title" => "t", "company" => Attribute::Null, "names" => vec!["a"] };
    assert_eq!(object(Value::Union(0, Box::new(Value::Null))), expected);
    let none = with_field("objectAttributes", schema, Value::Union(0, Box::new(Value::Null)));
    assert_eq!(none.object_attributes, Attributes::new());
}

#[test]
fn schema_with_a_record_of_attributes_and_a_bytes_embedding_is_read() {
    let schema = r#"{"type":"record","name":"Action","fields":[
        {"name":"actor","type":"string"}, {"name":"actorAttributes","type":{"type":"map","values":"string"}},
        {"name":"verb","type":"string"}, {"name":"verbAttributes","type":{"type":"map","values":"string"}},
        {"name":"object","type":"string"}, {"name":"objectAttributes","type":{"type":"record","name":"ObjectAttributes","fields":[
            {"name":"embedding","type":"bytes"}, {"name":"title","type":"string"}]}},
        {"name":"timestamp","type":"long"}]}"#;
    let map = |key: &str, v: &str| Value::Map(HashMap::from([(key.into(), text(v))]));
    let fields = [
        ("actor", text("m-1")),
        ("actorAttributes", map("geo", "DE")),
        ("verb", text("apply")),
        ("verbAttributes", map("device", "phone")),
        ("object", text("j-1")),
        (
            "objectAttributes",
            value(&[("embedding", Value::Bytes(1.5_f32.to_le_bytes().into())), ("title", text("nurse"))]),
        ),
        ("timestamp", Value::Long(5)),
    ];
    let expected = Action::new("m-1", "apply", "j-1")
        .at_ms(5)
        .actor_attribute("geo", "DE")
        .verb_attribute("device", "phone")
        .object_attribute("embedding", [1.5_f32])
        .object_attribute("title", "nurse");
    assert_eq!(read(schema, value(&fields)).unwrap(), expected);
}

/// Writers may cut maps and arrays into blocks, with or without the size of each block in bytes.
#[test]
fn maps_lists_and_vectors_in_several_blocks_are_read_whole() {
    let schema = record(&format!(
        r#"{IDS},{{"name":"objectAttributes","type":{{"type":"record","name":"O","fields":[
            {{"name":"v","type":{{"type":"array","items":"float"}}}},
            {{"name":"l","type":{{"type":"array","items":"int"}}}},
            {{"name":"m","type":{{"type":"map","values":"int"}}}}]}}}}"#
    ));
    // Counts and numbers are zigzag varints: 2 is one, 4 two; 1 is minus one: one item, with its size in bytes after it.
    let (half, one) = (0.5_f32.to_le_bytes(), 1.0_f32.to_le_bytes());
    let vector = [&[2][..], &half, &[1, 8], &one, &[0]].concat();
    let list = [4, 2, 4, 1, 2, 6, 0];
    let map = [2, 2, b'x', 2, 1, 6, 2, b'y', 4, 0];
    let mut bytes = crate::support::encode(&record(IDS), value(&ids()));
    bytes.splice(..10, []);
    let mut framed = Vec::new();
    SchemaRef::Fingerprint(fingerprint(&schema).unwrap()).write(&mut framed);
    framed.extend(bytes);
    framed.extend([&vector[..], &list, &map].concat());
    let action = ActionCodec::new().with_schema(&schema).unwrap().read(&framed).unwrap();
    let expected = attributes! { "v" => [0.5_f32, 1.0], "l" => vec![1_i64, 2, 3], "m.x" => 1, "m.y" => 2 };
    assert_eq!(action.object_attributes, expected);
}

#[test]
fn schema_file_is_read_and_a_wrong_one_is_named() {
    let path = std::env::temp_dir().join(format!("nowfold-schema-{}.avsc", std::process::id()));
    std::fs::write(&path, record(IDS)).unwrap();
    let codec = ActionCodec::new().with_schema_file(&path).unwrap();
    assert_eq!(
        codec.read(&crate::support::encode(&record(IDS), value(&ids()))).unwrap(),
        Action::new("m", "view", "j")
    );
    std::fs::remove_file(&path).unwrap();
    let error = ActionCodec::new().with_schema_file(&path).unwrap_err().to_string();
    assert!(error.contains("nowfold-schema-"), "{error}");
}
