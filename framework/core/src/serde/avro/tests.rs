//! Evolution, framing and hostile bytes of [`Avro`].

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use apache_avro::writer::datum::GenericDatumWriter;
use bytes::Bytes;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::*;
use crate::names::TopicName;
use crate::serde::{Deserializer, Format, SchemaRegistry, SerdeEnv, SerdeError, Serializer};

fn topic() -> TopicName {
    TopicName::from("jobs")
}

fn record(name: &str, fields: &str) -> String {
    format!(r#"{{"type":"record","name":"{name}","namespace":"t","fields":[{fields}]}}"#)
}

/// A registry in memory, which counts how often it is asked.
#[derive(Default)]
struct Registry {
    schemas: Mutex<Vec<(String, Arc<str>)>>,
    asked: AtomicUsize,
}

impl SchemaRegistry for Registry {
    fn schema(&self, id: u32) -> Result<Arc<str>, SerdeError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let schemas = self.schemas.lock();
        let found = schemas.get(id as usize).map(|(_, schema)| schema.clone());
        found.ok_or_else(|| SerdeError::UnknownSchema { id, cause: "not here".into() })
    }

    fn register(&self, subject: &str, schema: &str) -> Result<u32, SerdeError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut schemas = self.schemas.lock();
        schemas.push((subject.to_owned(), schema.into()));
        Ok(u32::try_from(schemas.len() - 1).unwrap())
    }
}

fn env(registry: &Arc<Registry>) -> SerdeEnv {
    SerdeEnv { registry: Some(registry.clone()) }
}

fn write<T: Serialize + 'static>(schema: &str, value: &T) -> Bytes {
    Avro::<(), T>::new(schema).unwrap().serialize(&topic(), value).unwrap().unwrap()
}

/// What `written` by `writer` reads as by `reader`.
fn read<T: DeserializeOwned + 'static>(writer: &str, reader: &str, written: &Bytes) -> Result<T, SerdeError> {
    Avro::<(), T>::new(reader)?.with_schema(writer)?.deserialize(&topic(), written)
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Default)]
struct Wide {
    id: i64,
    score: f64,
    name: String,
    #[serde(with = "serde_bytes_as_vec")]
    blob: Vec<u8>,
    tags: Vec<String>,
    counts: HashMap<String, i32>,
    note: Option<String>,
    pair: (i32, String),
    kind: Kind,
    value: Value,
    huge: Vec<f32>,
    ok: bool,
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Default)]
enum Kind {
    #[default]
    Open,
    Closed,
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Default)]
enum Value {
    #[default]
    Nothing,
    Number(i64),
    Inner(Inner),
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Default)]
struct Inner {
    x: i32,
}

mod serde_bytes_as_vec {
    pub(super) fn serialize<S: serde::Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
        }
        deserializer.deserialize_bytes(Visitor)
    }
}

fn wide_schema() -> String {
    record(
        "Wide",
        r#"{"name":"id","type":"long"}, {"name":"score","type":"double"}, {"name":"name","type":"string"},
           {"name":"blob","type":"bytes"}, {"name":"tags","type":{"type":"array","items":"string"}},
           {"name":"counts","type":{"type":"map","values":"int"}}, {"name":"note","type":["null","string"]},
           {"name":"pair","type":{"type":"record","name":"Pair","fields":[{"name":"a","type":"int"},{"name":"b","type":"string"}]}},
           {"name":"kind","type":{"type":"enum","name":"Kind","symbols":["Open","Closed"]}},
           {"name":"value","type":["null","long",{"type":"record","name":"Inner","fields":[{"name":"x","type":"int"}]}]},
           {"name":"huge","type":{"type":"array","items":"float"}}, {"name":"ok","type":"boolean"}"#,
    )
}

fn wide() -> Wide {
    Wide {
        id: -5_000_000_000,
        score: 0.25,
        name: "München".into(),
        blob: vec![0, 255],
        tags: vec!["a".into(), String::new()],
        counts: HashMap::from([("x".into(), -1)]),
        note: Some("n".into()),
        pair: (7, "seven".into()),
        kind: Kind::Closed,
        value: Value::Inner(Inner { x: 3 }),
        huge: vec![1.5; 100],
        ok: true,
    }
}

#[test]
fn every_kind_of_value_survives_the_round_trip() {
    let schema = wide_schema();
    for value in [Wide::default(), wide(), Wide { value: Value::Number(9), ..wide() }] {
        let bytes = write(&schema, &value);
        assert_eq!(bytes[..2], [0xc3, 1]);
        assert_eq!(read::<Wide>(&schema, &schema, &bytes).unwrap(), value);
    }
}

#[test]
fn arrays_and_maps_in_several_blocks_are_read_whole() {
    let (schema, mut value) = (wide_schema(), wide());
    value.counts = (0..50).map(|i| (format!("key {i}"), i)).collect();
    let parsed = apache_avro::Schema::parse_str(&schema).unwrap();
    let writer = GenericDatumWriter::builder(&parsed).target_block_size(8).build().unwrap();
    let mut bytes = write(&schema, &value)[..10].to_vec();
    writer.write_ser(&mut bytes, &value).unwrap();
    assert_ne!(bytes, write(&schema, &value));
    assert_eq!(read::<Wide>(&schema, &schema, &bytes.into()).unwrap(), value);
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Node {
    value: i32,
    next: Option<Box<Node>>,
}

const NODE: &str = r#"{"type":"record","name":"Node","fields":[{"name":"value","type":"int"},{"name":"next","type":["null","Node"]}]}"#;

#[test]
fn recursive_value_survives_but_endless_nesting_is_refused() {
    let list = Node { value: 1, next: Some(Box::new(Node { value: 2, next: None })) };
    assert_eq!(read::<Node>(NODE, NODE, &write(NODE, &list)).unwrap(), list);
    let endless = [&write(NODE, &list)[..10], &[2; 100_000][..]].concat();
    let error = read::<Node>(NODE, NODE, &endless.clone().into()).unwrap_err().to_string();
    assert!(error.contains("deeper than 64"), "{error}");
    let skipped: Result<serde::de::IgnoredAny, _> = read(NODE, NODE, &endless.into());
    assert!(skipped.unwrap_err().to_string().contains("deeper than 64"));
}

fn check<W: Serialize + 'static, R: DeserializeOwned + Debug + PartialEq + 'static>(
    writer: &str,
    reader: &str,
    written: &W,
    expected: &R,
) {
    let (writer, reader) = (record("R", writer), record("R", reader));
    assert_eq!(&read::<R>(&writer, &reader, &write(&writer, written)).unwrap(), expected, "{writer} read as {reader}");
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Old {
    a: i32,
    b: f32,
    c: String,
}

#[derive(Deserialize, Debug, PartialEq)]
struct New {
    c: Option<String>,
    a: i64,
    b: f64,
    d: String,
    e: Option<i32>,
}

const OLD: &str = r#"{"name":"a","type":"int"},{"name":"b","type":"float"},{"name":"c","type":"string"}"#;
const NEW: &str = r#"{"name":"c","type":["null","string"]},{"name":"a","type":"long"},{"name":"b","type":"double"},
    {"name":"d","type":"string","default":"none"},{"name":"e","type":["null","int"],"default":null}"#;

#[test]
fn added_reordered_and_widened_fields_are_read() {
    let old = Old { a: -3, b: 1.5, c: "c".into() };
    let new = New { c: Some("c".into()), a: -3, b: 1.5, d: "none".into(), e: None };
    check(OLD, NEW, &old, &new);
}

#[test]
fn dropped_fields_are_skipped() {
    #[derive(Deserialize, Debug, PartialEq)]
    struct Only {
        c: String,
    }
    check(OLD, r#"{"name":"c","type":"string"}"#, &Old { a: 1, b: 2.0, c: "x".into() }, &Only { c: "x".into() });
}

#[test]
fn defaults_of_every_type_come_from_the_readers_schema() {
    let fields = r#"{"name":"id","type":"long","default":-7}, {"name":"score","type":"double","default":1},
        {"name":"name","type":"string","default":"n"}, {"name":"blob","type":"bytes","default":"\u0000\u00ff"},
        {"name":"tags","type":{"type":"array","items":"string"},"default":["x"]},
        {"name":"counts","type":{"type":"map","values":"int"},"default":{"k":1}},
        {"name":"note","type":["string","null"],"default":"note"},
        {"name":"pair","type":{"type":"record","name":"Pair","fields":[{"name":"a","type":"int"},{"name":"b","type":"string"}]},"default":{"a":1,"b":"2"}},
        {"name":"kind","type":{"type":"enum","name":"Kind","symbols":["Open","Closed"]},"default":"Closed"},
        {"name":"value","type":["null","long"],"default":null},
        {"name":"huge","type":{"type":"array","items":"float"},"default":[]}, {"name":"ok","type":"boolean","default":true}"#;
    let expected = Wide {
        id: -7,
        score: 1.0,
        name: "n".into(),
        blob: vec![0, 255],
        tags: vec!["x".into()],
        counts: HashMap::from([("k".into(), 1)]),
        note: Some("note".into()),
        pair: (1, "2".into()),
        kind: Kind::Closed,
        value: Value::Nothing,
        huge: vec![],
        ok: true,
    };
    #[derive(Serialize)]
    struct Empty {}
    check("", fields, &Empty {}, &expected);
}

#[test]
fn aliases_and_enum_defaults_of_the_reader_are_followed() {
    #[derive(Serialize)]
    struct Before {
        old: i32,
        kind: Later,
    }
    #[derive(Serialize)]
    enum Later {
        Archived,
    }
    #[derive(Deserialize, Debug, PartialEq)]
    struct After {
        new: i32,
        kind: Kind,
    }
    let writer =
        r#"{"name":"old","type":"int"},{"name":"kind","type":{"type":"enum","name":"K","symbols":["Archived"]}}"#;
    let reader = r#"{"name":"new","aliases":["old"],"type":"int"},
        {"name":"kind","type":{"type":"enum","name":"K","symbols":["Open","Closed"],"default":"Closed"}}"#;
    check(writer, reader, &Before { old: 1, kind: Later::Archived }, &After { new: 1, kind: Kind::Closed });
}

#[test]
fn missing_field_without_default_names_the_field() {
    let writer = record("R", r#"{"name":"a","type":"int"}"#);
    #[derive(Serialize)]
    struct A {
        a: i32,
    }
    let error = read::<Old>(&writer, &record("R", OLD), &write(&writer, &A { a: 1 })).unwrap_err().to_string();
    assert!(error.contains("missing field `b`"), "{error}");
}

#[test]
fn wrong_type_names_field_and_byte() {
    let writer =
        record("R", r#"{"name":"a","type":"string"},{"name":"b","type":"float"},{"name":"c","type":"string"}"#);
    #[derive(Serialize)]
    struct Text {
        a: String,
        b: f32,
        c: String,
    }
    let bytes = write(&writer, &Text { a: "x".into(), b: 0.0, c: String::new() });
    let error = read::<Old>(&writer, &record("R", OLD), &bytes).unwrap_err().to_string();
    assert!(error.contains("field a: invalid type: string \"x\", expected i32 (byte 12)"), "{error}");
}

#[test]
fn registry_gives_the_header_and_the_writers_schema_once() {
    let registry = Arc::new(Registry::default());
    let writer = Avro::<(), Old>::new(&record("R", OLD)).unwrap();
    let reader = Avro::<(), New>::new(&record("R", NEW)).unwrap();
    writer.configure(&env(&registry)).unwrap();
    reader.configure(&env(&registry)).unwrap();
    for i in 0..3 {
        let bytes = writer.serialize(&topic(), &Old { a: i, b: 0.0, c: String::new() }).unwrap().unwrap();
        assert_eq!(bytes[..5], [0; 5]);
        assert_eq!(reader.deserialize(&topic(), &bytes).unwrap().a, i64::from(i));
    }
    assert_eq!(registry.asked.load(Ordering::Relaxed), 2, "one registration and one look-up");
    assert_eq!(registry.schemas.lock()[0].0, "jobs-value");
}

#[test]
fn both_framings_are_read_with_a_registry() {
    let registry = Arc::new(Registry::default());
    let serde = Avro::<(), Old>::new(&record("R", OLD)).unwrap();
    let value = Old { a: 1, b: 2.0, c: "c".into() };
    let single = serde.serialize(&topic(), &value).unwrap().unwrap();
    serde.configure(&env(&registry)).unwrap();
    let confluent = serde.serialize(&topic(), &value).unwrap().unwrap();
    assert_eq!((single[0], confluent[0]), (0xc3, 0));
    assert_eq!(serde.deserialize(&topic(), &single).unwrap(), value);
    assert_eq!(serde.deserialize(&topic(), &confluent).unwrap(), value);
}

#[test]
fn unknown_schemas_are_typed_errors() {
    let serde = Avro::<(), Old>::new(&record("R", OLD)).unwrap();
    let confluent = Bytes::from_static(b"\0\0\0\0\x09");
    let error = serde.deserialize(&topic(), &confluent).unwrap_err();
    assert!(matches!(error, SerdeError::UnknownSchema { id: 9, .. }), "{error}");
    let registry = Arc::new(Registry::default());
    serde.configure(&env(&registry)).unwrap();
    for _ in 0..10 {
        let error = serde.deserialize(&topic(), &confluent).unwrap_err();
        assert!(error.to_string().contains("not here"), "{error}");
    }
    assert_eq!(registry.asked.load(Ordering::Relaxed), 1);
    let error = serde.deserialize(&topic(), &Bytes::from_static(b"\xc3\x01abcdefgh")).unwrap_err();
    assert!(matches!(error, SerdeError::UnknownFingerprint { .. }), "{error}");
}

#[test]
fn truncated_and_lengthened_data_are_errors() {
    let (schema, value) = (wide_schema(), wide());
    let bytes = write(&schema, &value);
    let serde = Avro::<(), Wide>::new(&schema).unwrap();
    for len in 0..bytes.len() {
        assert!(serde.deserialize(&topic(), &bytes.slice(..len)).is_err(), "{len} bytes");
    }
    let longer = [&bytes[..], b"\0"].concat().into();
    assert!(serde.deserialize(&topic(), &longer).unwrap_err().to_string().contains("1 bytes are left over"));
}

/// Random changes of good data neither panic nor allocate beyond the data's size; most are errors.
#[test]
fn damaged_data_never_panics() {
    let (schema, value) = (wide_schema(), wide());
    let bytes = write(&schema, &value);
    let serde = Avro::<(), Wide>::new(&schema).unwrap();
    let skip = Avro::<(), serde::de::IgnoredAny>::new(&schema).unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize
    };
    for _ in 0..20_000 {
        let mut damaged = bytes.to_vec();
        for _ in 0..=random() % 4 {
            let at = 10 + random() % (damaged.len() - 10);
            damaged[at] = u8::try_from(random() & 0xff).unwrap();
        }
        let damaged = Bytes::from(damaged);
        drop(serde.deserialize(&topic(), &damaged));
        drop(skip.deserialize(&topic(), &damaged));
    }
}
