//! Keys and values of topics in every plain format.

use std::collections::BTreeMap;
use std::fmt::Debug;

use bytes::Bytes;
use nowfold::core::names::TopicName;
use nowfold::core::serde::{
    Avro, BigEndian, Consumed, Deserializer, Json, Plain, Postcard, Produced, Serializer, SessionWindowed,
    TimeWindowed, Utf8,
};
use nowfold::core::window::{TimeWindows, Windowed};
use serde_json::Value;

const SCHEMA: &str = r#"{"type": "record", "name": "R", "fields": [
    {"name": "a", "type": ["null", "string"], "default": null},
    {"name": "b", "type": {"type": "array", "items": "long"}},
    {"name": "c", "type": {"type": "map", "values": "double"}}]}"#;

/// A value of that schema.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Row {
    a: Option<String>,
    b: Vec<i64>,
    c: BTreeMap<String, f64>,
}

/// The first byte chooses a format, the rest is read in it.
pub fn record(data: &[u8]) {
    let Some((format, bytes)) = data.split_first() else { return };
    let bytes = Bytes::copy_from_slice(bytes);
    match format % 8 {
        0 => both::<String>(&Utf8, &bytes),
        1 => both::<i64>(&BigEndian, &bytes),
        2 => both::<Value>(&Json::<String, Value>::new(), &bytes),
        3 => both::<(u64, Vec<Option<String>>)>(&Postcard::<String, (u64, Vec<Option<String>>)>::new(), &bytes),
        4 => {
            let windows = TimeWindows::tumbling(std::time::Duration::from_secs(60));
            keys_read_again(&TimeWindowed::new(Plain::<String, i64>::new(), windows), &bytes);
        }
        5 => keys_read_again(&SessionWindowed::new(Plain::<String, i64>::new()), &bytes),
        6 => both::<f64>(&BigEndian, &bytes),
        _ => avro(&bytes),
    }
}

/// An Avro datum of the schema above, behind its header.
fn avro(bytes: &Bytes) {
    let Ok(rows) = Avro::<String, Row>::new(SCHEMA) else { return };
    let empty = Row { a: None, b: Vec::new(), c: BTreeMap::new() };
    let Ok(Some(written)) = Serializer::<Row>::serialize(&rows, &topic(), &empty) else { return };
    let framed = [written.get(..10).unwrap_or_default(), bytes].concat();
    both::<Row>(&rows, &framed.into());
}

fn topic() -> TopicName {
    "t".into()
}

fn keys_read_again(serdes: &(impl Consumed<Windowed<String>, i64> + Produced<Windowed<String>, i64>), bytes: &Bytes) {
    reads_again(&*serdes.key_deserializer(), &*serdes.key_serializer(), bytes);
}

fn both<T: Debug + 'static>(serde: &(impl Deserializer<T> + Serializer<T>), bytes: &Bytes) {
    reads_again(serde, serde, bytes);
}

/// What is read, written and read again is the same.
fn reads_again<T: Debug + 'static>(reader: &dyn Deserializer<T>, writer: &dyn Serializer<T>, bytes: &Bytes) {
    let Ok(value) = reader.deserialize(&topic(), bytes) else { return };
    let Ok(Some(written)) = writer.serialize(&topic(), &value) else { return };
    let again = reader.deserialize(&topic(), &written).map(|again| format!("{again:?}"));
    assert_eq!(again.ok(), Some(format!("{value:?}")), "{bytes:?} was read, but what was written of it is another");
}
