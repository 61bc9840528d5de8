//! What decoding an action costs, beside `apache-avro`: nanoseconds per record, one thread, best of several rounds.
//!
//! ```text
//! cargo run --release -p nowfold-schemas --example decode_cost
//! ```
//!
//! The record has about 360 bytes: an embedding of 64 f32 and seven short texts, as the peers' harness writes it. Each
//! row decodes the same 1,000 records in a loop. Read the ratios: times depend on the machine and on who else runs.

use std::collections::HashMap;
use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use nowfold_core::serde::avro::{SchemaRef, fingerprint, put_long};
use nowfold_core::serde::{Avro, Deserializer};
use nowfold_schemas::{ACTION_SCHEMA, Action, ActionCodec};
use serde::Deserialize;

const RECORDS: usize = 1_000;
const ROUNDS: usize = 15;
const PASSES: usize = 20;

/// The peers' schema: maps of strings, and a record of object attributes with the embedding as bytes.
const PEERS: &str = r#"{"type":"record","name":"Peer","fields":[
    {"name":"actor","type":"string"},{"name":"actorAttributes","type":{"type":"map","values":"string"}},
    {"name":"verb","type":"string"},{"name":"verbAttributes","type":{"type":"map","values":"string"}},
    {"name":"object","type":"string"},{"name":"objectAttributes","type":{"type":"record","name":"ObjectAttributes","fields":[
        {"name":"embedding","type":"bytes"},{"name":"title","type":"string"},
        {"name":"company","type":"string"},{"name":"location","type":"string"}]}},
    {"name":"timestamp","type":"long"}]}"#;

/// The same record for serde; every field must be read, as a materializer would.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only the reading is measured")]
struct Peer {
    actor: String,
    actor_attributes: HashMap<String, String>,
    verb: String,
    verb_attributes: HashMap<String, String>,
    object: String,
    object_attributes: ObjectAttributes,
    timestamp: i64,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only the reading is measured")]
struct ObjectAttributes {
    embedding: Blob,
    title: String,
    company: String,
    location: String,
}

struct Blob(#[expect(dead_code, reason = "only the reading is measured")] Vec<u8>);

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Blob;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Blob, E> {
                Ok(Blob(bytes.to_vec()))
            }
            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Blob, E> {
                Ok(Blob(bytes))
            }
        }
        deserializer.deserialize_byte_buf(Visitor)
    }
}

fn pick(names: &[&'static str], i: usize) -> &'static str {
    names.get(i % names.len()).copied().unwrap_or_default()
}

fn action(i: usize) -> Action {
    let embedding: Vec<f32> = (0..64_u16).map(|d| f32::from(d) * 0.25 - 3.0).collect();
    Action::new(
        format!("member-{}", i * 7919 % 200_000),
        pick(&["view", "save", "apply", "dismiss"], i),
        format!("job-{}", i * 31 % 20_000),
    )
    .at_ms(1_700_000_000_000 + i as i64)
    .actor_attribute("geo", pick(&["DE", "FR", "US"], i))
    .verb_attribute("device", pick(&["phone", "desktop"], i))
    .object_attribute("embedding", embedding)
    .object_attribute("title", format!("title {}", i % 97))
    .object_attribute("company", format!("company {}", i % 211))
    .object_attribute("location", format!("city {}", i % 53))
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    put_long(text.len() as i64, out);
    out.extend(text.as_bytes());
}

/// Writes the record in the peers' schema.
fn peer(action: &Action) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut out = Vec::new();
    let text = |set: &nowfold_schemas::Attributes, name: &str| {
        set.get(name).and_then(|v| v.as_text()).unwrap_or_default().to_owned()
    };
    SchemaRef::Fingerprint(fingerprint(PEERS)?).write(&mut out);
    put_text(&action.actor, &mut out);
    out.push(2);
    put_text("geo", &mut out);
    put_text(&text(&action.actor_attributes, "geo"), &mut out);
    out.push(0);
    put_text(&action.verb, &mut out);
    out.push(2);
    put_text("device", &mut out);
    put_text(&text(&action.verb_attributes, "device"), &mut out);
    out.push(0);
    put_text(&action.object, &mut out);
    let embedding = action.object_attributes.get("embedding").and_then(|v| v.as_vector()).unwrap_or_default();
    put_long(embedding.len() as i64 * 4, &mut out);
    out.extend(embedding.iter().flat_map(|x| x.to_le_bytes()));
    for name in ["title", "company", "location"] {
        put_text(&text(&action.object_attributes, name), &mut out);
    }
    put_long(action.timestamp.map_or(0, |t| t.as_millis()), &mut out);
    Ok(out)
}

/// What follows the header of single-object encoding.
fn datum(bytes: &[u8]) -> &[u8] {
    bytes.get(10..).unwrap_or_default()
}

/// Nanoseconds per record of the best and the middle round.
fn measure(name: &str, records: &[Vec<u8>], mut decode: impl FnMut(&[u8])) {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..PASSES {
                records.iter().for_each(|record| decode(record));
            }
            start.elapsed().as_nanos() as f64 / (PASSES * records.len()) as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    let bytes = records.iter().map(Vec::len).sum::<usize>() / records.len();
    if let (Some(best), Some(median)) = (rounds.first(), rounds.get(ROUNDS / 2)) {
        println!("{name:48} {bytes:5} B {best:8.0} ns best {median:8.0} ns median");
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let actions: Vec<Action> = (0..RECORDS).map(action).collect();
    let peers = actions.iter().map(peer).collect::<Result<Vec<_>, _>>()?;
    let own = SchemaRef::Fingerprint(fingerprint(ACTION_SCHEMA)?);
    let owns = actions.iter().map(|action| ActionCodec::write(own, action)).collect::<Result<Vec<_>, _>>()?;
    let codec = ActionCodec::new().with_schema(PEERS)?;
    for (record, action) in peers.iter().zip(&actions) {
        assert_eq!(codec.read(record)?, *action, "both read the same");
    }

    measure("ActionCodec, peers' schema", &peers, |bytes| drop(black_box(codec.read(bytes))));
    measure("ActionCodec, own schema", &owns, |bytes| drop(black_box(codec.read(bytes))));
    let generic = Avro::<(), Peer>::new(PEERS)?;
    let topic = "t".into();
    let shared: Vec<_> = peers.iter().map(|bytes| bytes::Bytes::from(bytes.clone())).collect();
    let mut next = shared.iter().cycle();
    measure("core's Avro<K, V> into a serde struct", &peers, |_| {
        if let Some(bytes) = next.next() {
            drop(black_box(Deserializer::<Peer>::deserialize(&generic, &topic, bytes)));
        }
    });
    let schema = Schema::parse_str(PEERS)?;
    let reader = GenericDatumReader::builder(&schema).build()?;
    measure("apache-avro read_deser into the same struct", &peers, |bytes| {
        drop(black_box(reader.read_deser::<Peer>(&mut datum(bytes))));
    });
    measure("apache-avro read_value", &peers, |bytes| drop(black_box(reader.read_value(&mut datum(bytes)))));
    let mut write = actions.iter().cycle();
    measure("writing with ActionCodec, own schema", &owns, |_| {
        if let Some(action) = write.next() {
            drop(black_box(ActionCodec::write(own, action)));
        }
    });
    Ok(())
}
