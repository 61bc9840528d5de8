//! A topology as text, Mermaid and JSON. `expected/topology.txt` is what Kafka Streams 4.3.1 prints for the same graph
//! built with its `Topology` class; the other two are ours.

use nowfold_core::dsl::{StreamsBuilder, Through};
use nowfold_core::processor::{ProcessError, Processor, ProcessorContext};
use nowfold_core::record::Record;
use nowfold_core::serde::Json;
use nowfold_core::state::StoreSpec;
use nowfold_core::topology::Topology;

use crate::support::{number, text};

struct Pass;

impl Processor<String, String, String, i64> for Pass {
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, String, i64>,
        record: Record<String, String>,
    ) -> Result<(), ProcessError> {
        cx.forward(record.with_value(0))
    }
}

fn topology() -> Topology {
    let app = StreamsBuilder::new("app");
    let names = app.table("names", "names-store", text());
    let rates = app.global_table("rates", text());
    app.state_store(StoreSpec::key_value("seen")).state_store(StoreSpec::key_value("counts"));
    let kept = app.stream("in", text()).filter("keep", |_, _| true);
    kept.clone()
        .join_global("with-rate", &rates, |k, _| k.clone(), |_, v, _| v)
        .through(Through::topic("words"), text())
        .process("count", || Pass, &["seen", "counts"])
        .to("out", number());
    kept.join_table("with-name", &names, |_, v, _| v).to("joined", Json::<String, String>::new());
    app.stream("other", Json::<(), i64>::new()).for_each("end", |(), _| ());
    app.build().unwrap()
}

#[test]
fn describes_itself_as_kafka_streams_does() {
    assert_eq!(topology().to_string(), include_str!("expected/topology.txt"));
}

#[test]
fn draws_itself_as_a_mermaid_flowchart() {
    assert_eq!(topology().to_mermaid(), include_str!("expected/topology.mmd"));
}

#[test]
fn writes_itself_as_json() {
    let json: serde_json::Value = serde_json::from_str(&topology().to_json()).unwrap();
    let expected: serde_json::Value = serde_json::from_str(include_str!("expected/topology.json")).unwrap();
    assert_eq!(json, expected);
}

#[test]
fn mermaid_keeps_topics_apart_whose_names_differ_in_punctuation_only() {
    let app = StreamsBuilder::new("app");
    for topic in ["a.b", "a-b", "a_b"] {
        app.stream(topic, text()).for_each(&format!("end-{topic}"), |_, _| ());
    }
    let mermaid = app.build().unwrap().to_mermaid();
    let ids: std::collections::BTreeSet<_> =
        mermaid.lines().filter_map(|line| line.trim().strip_prefix("t_")?.split('[').next()).collect();
    assert_eq!(ids.len(), 3, "{mermaid}");
}

#[test]
fn a_store_that_no_operator_uses_needs_no_changelog_topic() {
    let app = StreamsBuilder::new("app");
    app.state_store(StoreSpec::key_value("unused"));
    app.stream("in", text()).for_each("end", |_, _| ());
    let topology = app.build().unwrap();
    assert!(topology.requirements().iter().all(|r| !r.name.as_str().contains("unused")));
}
