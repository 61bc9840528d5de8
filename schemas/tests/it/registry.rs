//! Against a real Schema Registry at the URL in `NOWFOLD_TEST_REGISTRY`, and against none.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use apache_avro::types::Value;
use nowfold_core::names::TopicName;
use nowfold_core::serde::avro::SchemaRef;
use nowfold_core::serde::{Avro, Deserializer, Format, SchemaRegistry, SerdeEnv, SerdeError, Serializer};
use nowfold_schemas::registry::{RegistryClient, RegistrySettings};
use nowfold_schemas::{ACTION_SCHEMA, Action, ActionCodec, attributes};

use crate::support::{encode, full_action, record, value};

/// A client of the real registry and a prefix for subjects of this run; `None`, said aloud, without one.
fn real(test: &str) -> Option<(Arc<RegistryClient>, String)> {
    let Ok(url) = std::env::var("NOWFOLD_TEST_REGISTRY") else {
        eprintln!("SKIPPED {test}: NOWFOLD_TEST_REGISTRY names no registry");
        return None;
    };
    let run = std::process::id();
    let client = RegistryClient::new(url.as_str()).unwrap();
    Some((Arc::new(client), format!("nowfold-test-{run}-{test}")))
}

fn env(registry: &Arc<RegistryClient>) -> SerdeEnv {
    SerdeEnv { registry: Some(registry.clone()) }
}

fn codec(registry: &Arc<RegistryClient>) -> ActionCodec {
    let codec = ActionCodec::new();
    codec.configure(&env(registry)).unwrap();
    codec
}

/// `PUT /config/{subject}` of the registry.
fn require_backward_compatibility(subject: &str) {
    let url = std::env::var("NOWFOLD_TEST_REGISTRY").unwrap();
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap_or_default();
    let path = if path.is_empty() { String::new() } else { format!("/{path}") };
    let body = r#"{"compatibility":"BACKWARD"}"#;
    let mut stream = TcpStream::connect(host).unwrap();
    write!(
        stream,
        "PUT {path}/config/{subject} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/vnd.schemaregistry.v1+json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

const IDS: &str =
    r#"{"name":"actor","type":"string"},{"name":"verb","type":"string"},{"name":"object","type":"string"}"#;

/// Registers `fields` as the schema of a writer, writes one value with Confluent's header and reads it as an action.
fn evolve(test: &str, fields: &str, written: &[(&str, Value)]) -> Option<Action> {
    let (registry, subject) = real(test)?;
    let schema = record(fields);
    let id = registry.register(&format!("{subject}-value"), &schema).unwrap();
    let mut bytes = Vec::new();
    SchemaRef::Id(id).write(&mut bytes);
    bytes.extend(&encode(&schema, value(written))[10..]);
    Some(codec(&registry).read(&bytes).unwrap())
}

fn text(text: &str) -> Value {
    Value::String(text.into())
}

fn check(read: Option<Action>, expected: Action) {
    if let Some(read) = read {
        assert_eq!(read, expected);
    }
}

#[test]
fn added_fields_are_skipped() {
    let fields = format!(
        r#"{{"name":"new","type":["null","string"]}},{IDS},{{"name":"newer","type":{{"type":"array","items":"int"}}}}"#
    );
    let written = [
        ("new", Value::Union(1, Box::new(text("x")))),
        ("actor", text("m")),
        ("verb", text("v")),
        ("object", text("o")),
        ("newer", Value::Array(vec![Value::Int(1)])),
    ];
    check(evolve("added", &fields, &written), Action::new("m", "v", "o"));
}

#[test]
fn dropped_fields_take_their_defaults() {
    let written = [("actor", text("m")), ("verb", text("v")), ("object", text("o"))];
    check(evolve("dropped", IDS, &written), Action::new("m", "v", "o"));
}

#[test]
fn reordered_fields_are_read() {
    let fields = r#"{"name":"timestamp","type":"long"},{"name":"object","type":"string"},{"name":"verb","type":"string"},
        {"name":"objectAttributes","type":{"type":"map","values":{"type":"array","items":"float"}}},{"name":"actor","type":"string"}"#;
    let embedding = Value::Array(vec![Value::Float(0.5), Value::Float(1.0)]);
    let written = [
        ("timestamp", Value::Long(7)),
        ("object", text("o")),
        ("verb", text("v")),
        ("objectAttributes", Value::Map(HashMap::from([("embedding".into(), embedding)]))),
        ("actor", text("m")),
    ];
    let mut expected = Action::new("m", "v", "o").at_ms(7);
    expected.object_attributes = attributes! { "embedding" => [0.5_f32, 1.0] };
    check(evolve("reordered", fields, &written), expected);
}

#[test]
fn widened_and_narrowed_fields_are_read() {
    let fields = r#"{"name":"actor","type":"long"},{"name":"verb","type":"bytes"},{"name":"object","type":"string"},
        {"name":"timestamp","type":"double"},{"name":"sequence","type":"int"},
        {"name":"verbAttributes","type":{"type":"map","values":["float","int"]}}"#;
    let score = Value::Union(0, Box::new(Value::Float(0.5)));
    let written = [
        ("actor", Value::Long(111)),
        ("verb", Value::Bytes(b"v".into())),
        ("object", text("o")),
        ("timestamp", Value::Double(7.0)),
        ("sequence", Value::Int(3)),
        ("verbAttributes", Value::Map(HashMap::from([("score".into(), score)]))),
    ];
    let mut expected = Action::new("111", "v", "o").at_ms(7).sequence(3);
    expected.verb_attributes = attributes! { "score" => 0.5 };
    check(evolve("widened", fields, &written), expected);
}

#[test]
fn action_makes_the_round_trip_through_the_registry() {
    let Some((registry, subject)) = real("round-trip") else { return };
    let topic = TopicName::from(&subject);
    let bytes = codec(&registry).serialize(&topic, &full_action()).unwrap().unwrap();
    assert_eq!(bytes[0], 0);
    assert_eq!(codec(&registry).deserialize(&topic, &bytes).unwrap(), full_action());
}

#[test]
fn generic_serde_reads_an_older_version_of_its_schema() {
    #[derive(serde::Serialize, serde::Deserialize, Debug, PartialEq)]
    struct Old {
        title: String,
        views: i32,
    }
    #[derive(serde::Deserialize, Debug, PartialEq)]
    struct New {
        views: f64,
        title: Option<String>,
        city: String,
    }
    let Some((registry, subject)) = real("generic") else { return };
    let topic = TopicName::from(&subject);
    let old = Avro::<(), Old>::new(
        r#"{"type":"record","name":"Job","fields":[{"name":"title","type":"string"},{"name":"views","type":"int"}]}"#,
    );
    let new = Avro::<(), New>::new(
        r#"{"type":"record","name":"Job","fields":[{"name":"views","type":"double"},
           {"name":"title","type":["null","string"]},{"name":"city","type":"string","default":"Ulm"}]}"#,
    );
    let (old, new) = (old.unwrap(), new.unwrap());
    old.configure(&env(&registry)).unwrap();
    new.configure(&env(&registry)).unwrap();
    let bytes = old.serialize(&topic, &Old { title: "nurse".into(), views: 3 }).unwrap().unwrap();
    let expected = New { views: 3.0, title: Some("nurse".into()), city: "Ulm".into() };
    assert_eq!(new.deserialize(&topic, &bytes).unwrap(), expected);
}

#[test]
fn equal_schemas_get_equal_ids_from_any_client() {
    let Some((registry, subject)) = real("twice") else { return };
    let (other, _) = real("twice").unwrap();
    let first = registry.register(&subject, ACTION_SCHEMA).unwrap();
    assert_eq!(registry.register(&subject, ACTION_SCHEMA).unwrap(), first);
    assert_eq!(other.register(&subject, ACTION_SCHEMA).unwrap(), first);
    let text: serde_json::Value = serde_json::from_str(&other.schema(first).unwrap()).unwrap();
    assert_eq!(text, serde_json::from_str::<serde_json::Value>(ACTION_SCHEMA).unwrap());
}

#[test]
fn unknown_id_is_a_final_error() {
    let Some((registry, _)) = real("unknown") else { return };
    let error = codec(&registry).read(b"\0\x7f\xff\xff\xf0\0").unwrap_err();
    assert!(matches!(error, SerdeError::UnknownSchema { id: 0x7fff_fff0, .. }), "{error}");
    assert!(!error.is_retriable());
    assert!(error.to_string().contains("404"), "{error}");
}

#[test]
fn incompatible_schema_is_refused_with_the_registrys_reason() {
    let Some((registry, subject)) = real("incompatible") else { return };
    let schema = |of: &str| format!(r#"{{"type":"record","name":"R","fields":[{{"name":"a","type":"{of}"}}]}}"#);
    registry.register(&subject, &schema("long")).unwrap();
    require_backward_compatibility(&subject);
    let error = registry.register(&subject, &schema("string")).unwrap_err();
    assert!(matches!(error, SerdeError::Unwritable { .. }), "{error}");
    assert!(error.to_string().contains(&subject) && error.to_string().contains("code 409"), "{error}");
    registry.register(&subject, &schema("double")).unwrap();
}

#[test]
fn broken_schema_is_refused() {
    let Some((registry, subject)) = real("broken") else { return };
    let error = registry.register(&subject, r#"{"type":"recrod"}"#).unwrap_err();
    assert!(matches!(error, SerdeError::Unwritable { .. }), "{error}");
}

#[test]
fn registry_that_is_down_is_a_retriable_error() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let registry = Arc::new(RegistryClient::new(format!("http://{free}").as_str()).unwrap());
    let error = codec(&registry).read(b"\0\0\0\0\x01\0").unwrap_err();
    assert!(matches!(error, SerdeError::RegistryUnavailable { .. }) && error.is_retriable(), "{error}");
    let error = registry.register("s", ACTION_SCHEMA).unwrap_err();
    assert!(error.is_retriable(), "{error}");
    assert!(error.to_string().contains("refused"), "the cause is told to its end: {error}");
}

#[test]
fn registry_that_never_answers_costs_the_timeout_and_not_more() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let settings = RegistrySettings::new(&url).timeout(Duration::from_millis(200));
    let registry = RegistryClient::new(settings).unwrap();
    let start = Instant::now();
    assert!(registry.schema(1).unwrap_err().is_retriable());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

/// Serves one canned HTTP answer per connection.
fn stub(status: &'static str, body: &'static str) -> RegistryClient {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 65_536];
            drop(stream.read(&mut request));
            let answer =
                format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
            drop(stream.write_all(answer.as_bytes()));
        }
    });
    RegistryClient::new(url.as_str()).unwrap()
}

#[test]
fn answers_are_sorted_into_final_and_retriable() {
    for (status, body, retriable) in [
        ("404 Not Found", r#"{"error_code":40403,"message":"Schema not found"}"#, false),
        ("404 Not Found", "no json", false),
        ("500 Internal Server Error", r#"{"error_code":50001,"message":"store down"}"#, true),
        ("503 Service Unavailable", "", true),
        ("429 Too Many Requests", "", true),
        ("200 OK", r#"{"schema":"syntax = proto3","schemaType":"PROTOBUF"}"#, false),
    ] {
        let error = stub(status, body).schema(1).unwrap_err();
        assert_eq!(error.is_retriable(), retriable, "{status} {body}: {error}");
    }
    for (status, body, retriable) in [
        ("409 Conflict", r#"{"error_code":409,"message":"incompatible"}"#, false),
        ("422 Unprocessable Entity", r#"{"error_code":42201,"message":"Invalid schema"}"#, false),
        ("401 Unauthorized", "", false),
        ("500 Internal Server Error", "", true),
    ] {
        let error = stub(status, body).register("s", ACTION_SCHEMA).unwrap_err();
        assert_eq!(error.is_retriable(), retriable, "{status} {body}: {error}");
    }
}

/// A blocking HTTP client of its own would panic here.
#[test]
fn client_may_be_used_and_dropped_within_an_asynchronous_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let registry = stub("404 Not Found", "");
        assert!(registry.schema(1).is_err());
        drop(registry);
    });
}

#[test]
fn unusable_settings_are_refused_at_once() {
    for url in ["", "localhost:8081", "ftp://x"] {
        assert!(RegistryClient::new(url).is_err(), "{url}");
    }
    assert_eq!(RegistryClient::new("https://localhost").is_ok(), cfg!(feature = "registry-tls"));
}

#[test]
fn secrets_stay_out_of_debug_output() {
    let settings = RegistrySettings::new("http://localhost:1").basic_auth("user", "hunter2").bearer_token("t0ken");
    let shown = format!("{:?}", RegistryClient::new(settings).unwrap());
    assert!(!shown.contains("hunter2") && !shown.contains("t0ken"), "{shown}");
}
