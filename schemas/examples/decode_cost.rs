//! What decoding an action costs, beside `apache-avro`: nanoseconds per record, one thread, rows in turn.
//!
//! ```text
//! cargo run --release -p nowfold-schemas --example decode_cost [PART OF A ROW'S NAME]
//! ```
//!
//! The record has about 360 bytes: an embedding of 64 f32 and seven short texts, as the peers' harness writes it. Each
//! row goes over the same 1,000 records, 300 times. Read the ratios: times depend on the machine and on who else runs.

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
const ROUNDS: usize = 300;

/// The peers' schema: maps of strings, and a record of object attributes with the embedding as bytes.
const PEERS: &str = r#"{"type":"record","name":"Peer","fields":[
    {"name":"actor","type":"string"},{"name":"actorAttributes","type":{"type":"map","values":"string"}},
    {"name":"verb","type":"string"},{"name":"verbAttributes","type":{"type":"map","values":"string"}},
    {"name":"object","type":"string"},{"name":"objectAttributes","type":{"type":"record","name":"ObjectAttributes","fields":[
        {"name":"embedding","type":"bytes"},{"name":"title","type":"string"},
        {"name":"company","type":"string"},{"name":"location","type":"string"}]}},
    {"name":"timestamp","type":"long"}]}"#;

/// The same record for serde.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
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
struct ObjectAttributes {
    embedding: Blob,
    title: String,
    company: String,
    location: String,
}

struct Blob(Vec<u8>);

/// What a program without this crate's codec would do next.
impl From<Peer> for Action {
    fn from(peer: Peer) -> Self {
        let embedding =
            peer.object_attributes.embedding.0.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        let mut action = Action::new(peer.actor, peer.verb, peer.object)
            .at_ms(peer.timestamp)
            .object_attribute("embedding", embedding.collect::<Vec<f32>>())
            .object_attribute("title", peer.object_attributes.title)
            .object_attribute("company", peer.object_attributes.company)
            .object_attribute("location", peer.object_attributes.location);
        action.actor_attributes = peer.actor_attributes.into_iter().collect();
        action.verb_attributes = peer.verb_attributes.into_iter().collect();
        action
    }
}

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

/// A row of the table: a name, the size of its records, one pass over them, and what each pass took.
struct Row<'a> {
    name: &'static str,
    bytes: usize,
    pass: Box<dyn FnMut() + 'a>,
    ns_per_record: Vec<f64>,
}

fn row<'a>(name: &'static str, records: &'a [Vec<u8>], mut each: impl FnMut(usize, &'a [u8]) + 'a) -> Row<'a> {
    let bytes = records.iter().map(Vec::len).sum::<usize>() / records.len();
    let pass = move || records.iter().enumerate().for_each(|(i, record)| each(i, record));
    Row { name, bytes, pass: Box::new(pass), ns_per_record: Vec::new() }
}

/// Runs the rows in turn, so that whatever else the machine does meets all of them alike, and prints the table.
fn measure(mut rows: Vec<Row<'_>>) {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    rows.retain(|row| row.name.contains(&wanted));
    for _ in 0..ROUNDS {
        for row in &mut rows {
            let start = Instant::now();
            (row.pass)();
            row.ns_per_record.push(start.elapsed().as_nanos() as f64 / RECORDS as f64);
        }
    }
    for row in &mut rows {
        row.ns_per_record.sort_by(f64::total_cmp);
        if let (Some(best), Some(median)) = (row.ns_per_record.first(), row.ns_per_record.get(ROUNDS / 2)) {
            println!("{:48} {:5} B {best:8.0} ns best {median:8.0} ns median", row.name, row.bytes);
        }
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
    let (generic, topic) = (Avro::<(), Peer>::new(PEERS)?, "t".into());
    let shared: Vec<_> = peers.iter().map(|bytes| bytes::Bytes::from(bytes.clone())).collect();
    let schema = Schema::parse_str(PEERS)?;
    let reader = GenericDatumReader::builder(&schema).build()?;
    measure(vec![
        row("ActionCodec, peers' schema", &peers, |_, bytes| drop(black_box(codec.read(bytes)))),
        row("ActionCodec, own schema", &owns, |_, bytes| drop(black_box(codec.read(bytes)))),
        row("apache-avro read_deser into a struct", &peers, |_, bytes| {
            drop(black_box(reader.read_deser::<Peer>(&mut datum(bytes))));
        }),
        row("apache-avro read_deser, made into an action", &peers, |_, bytes| {
            drop(black_box(reader.read_deser::<Peer>(&mut datum(bytes)).map(Action::from)));
        }),
        row("apache-avro read_value", &peers, |_, bytes| drop(black_box(reader.read_value(&mut datum(bytes))))),
        row("core's Avro<K, V> into the struct", &peers, |i, _| {
            drop(black_box(shared.get(i).map(|bytes| Deserializer::<Peer>::deserialize(&generic, &topic, bytes))));
        }),
        row("writing with ActionCodec, own schema", &owns, |i, _| {
            drop(black_box(actions.get(i).map(|action| ActionCodec::write(own, action))));
        }),
    ]);
    Ok(())
}
