//! The topologies of the catalogue that today's DSL can express, and why the others are left out.
//!
//! Two differences are deliberate, and the topologies below say so by a filter. Kafka Streams drops null values on the
//! stream side of a join; here the type says whether there can be any, and the joiner sees them. Kafka Streams drops null
//! keys before a repartition topic unless a left join follows; here a stream whose key is `()` may go through one as well.

use std::collections::BTreeMap;

use bytes::Bytes;
use nowfold_core::dsl::{GlobalTable, KStream, StreamsBuilder, Through};
use nowfold_core::serde::Plain;
use nowfold_core::state::StoreSpec;
use nowfold_core::topology::Topology;
use serde_json::Value;

use super::processors::{self, show};

pub(super) type Nullable = Option<String>;
pub(super) type Stream = KStream<Nullable, Nullable>;
pub(super) type Params = BTreeMap<String, Value>;
pub(super) type Rows = BTreeMap<String, String>;

/// How a store's rows are read for the comparison.
pub(super) enum StoreKind {
    KeyValue(fn(&Bytes) -> Value),
    Global(Box<dyn Fn() -> Rows>),
}

pub(super) struct Built {
    pub(super) topology: Topology,
    pub(super) stores: BTreeMap<&'static str, StoreKind>,
}

pub(super) fn text() -> Plain<Nullable, Nullable> {
    Plain::new()
}

/// Why a topology is left out.
pub(super) fn reason(topology: &str) -> &'static str {
    let reasons = [
        ("dynamic-sink", "a sink chosen for each record"),
        ("timestamp-extractor", "timestamp extractors"),
        ("repartition-explicit", "count"),
        ("agg-", "aggregations"),
        ("win-", "windows"),
        ("close-", "windows"),
        ("suppress-", "suppress"),
        ("table-", "tables beyond lookups: to_stream, group_by, joins of two tables"),
        ("stream-to-table", "tables beyond lookups: to_stream, group_by, joins of two tables"),
        ("fk-join", "foreign-key joins"),
        ("stream-join", "joins of two streams"),
        ("stream-table-join-aggregate", "aggregations"),
        ("stream-table-join-", "versioned tables"),
        ("papi-punctuate", "punctuation"),
        ("papi-ttl", "punctuation"),
        ("papi-window-store", "window stores"),
        ("papi-dedup", "window stores"),
        ("papi-session-store", "session stores"),
        ("papi-versioned-store", "versioned stores"),
    ];
    reasons.iter().find(|(prefix, _)| topology.starts_with(prefix)).map_or("unknown topology", |(_, reason)| reason)
}

/// The topology of this name; `None` when the DSL cannot express it.
pub(super) fn build(name: &str, params: &Params) -> Option<Built> {
    let app = StreamsBuilder::new("conformance");
    let flag = |name: &str| params.get(name).and_then(Value::as_bool).unwrap_or(false);
    let int = |name: &str| params.get(name).and_then(Value::as_i64).unwrap_or(0);
    let input = |topic: &str| app.stream(topic, text());
    let mut stores = BTreeMap::new();
    if let Some(operator) = stateless(name, flag("negate")) {
        operator(input("in")).to("out", text());
        return Some(Built { topology: app.build().unwrap(), stores });
    }
    match name {
        "stateless-branch" => branch(input("in"), flag("default")),
        "stateless-merge" => {
            let one = input("in1").map_values("one", |_, v| Some("1".to_owned() + &show(&v)));
            let two = input("in2").filter("keyed", |k, _| k.is_some());
            one.merge("both", two).to("out", text());
        }
        "repartition-two" => repartition_two(input("in"), int("delta")),
        "stream-table-join-inner" | "stream-table-join-left" => {
            table_join(&app, input("stream"), name.ends_with("left")).to("out", text());
            stores.insert("t", StoreKind::KeyValue(text_value));
        }
        "stream-table-join-rekeyed" => {
            let keyed = input("stream").select_key("first", |_, v| first(v));
            let keyed = keyed.through(Through::topic("rekeyed"), text());
            table_join(&app, keyed, params["type"] == "left").to("out", text());
            stores.insert("t", StoreKind::KeyValue(text_value));
        }
        "stream-global-join-inner" | "stream-global-join-left" => {
            let table = global(&app, "global");
            global_join(input("stream"), &table, name.ends_with("left")).to("out", text());
            stores.insert("g", StoreKind::Global(Box::new(move || rows(&table))));
        }
        "papi-kv-store" => {
            app.state_store(StoreSpec::key_value("kv"));
            input("in").process("commands", || processors::each(processors::commands), &["kv"]).to("out", text());
            stores.insert("kv", StoreKind::KeyValue(text_value));
        }
        "papi-running-count" => {
            app.state_store(StoreSpec::key_value("n"));
            input("in").process("number", || processors::each(processors::running_count), &["n"]).to("out", text());
            stores.insert("n", StoreKind::KeyValue(integer_value));
        }
        "papi-shared-store" => {
            app.state_store(StoreSpec::key_value("kv"));
            let write = input("write").process("writer", || processors::each(processors::write), &["kv"]);
            write.for_each("written", |_: Nullable, _: Nullable| ());
            input("read").process("reader", || processors::each(processors::read), &["kv"]).to("out", text());
            stores.insert("kv", StoreKind::KeyValue(text_value));
        }
        "papi-global-store" => {
            let table = global(&app, "global");
            let kept = table.clone();
            input("in").process("read", move || processors::read_global(kept.clone()), &[]).to("out", text());
            stores.insert("g", StoreKind::Global(Box::new(move || rows(&table))));
        }
        "papi-forward-children" => forward_children(input("in")),
        "papi-headers" => input("in").process("edit", || processors::each(processors::headers), &[]).to("out", text()),
        // Its window store is not compared: there are no windows yet.
        "papi-set-timestamp" => {
            let delta = int("delta");
            input("in").process("shift", move || processors::shift(delta), &[]).to("out", text());
        }
        "papi-stream-time" => {
            let both = input("in1").merge("both", input("in2"));
            both.process("time", || processors::each(processors::stream_time), &[]).to("out", text());
        }
        _ => return None,
    }
    Some(Built { topology: app.build().unwrap(), stores })
}

type Operator = Box<dyn Fn(Stream) -> Stream>;

/// The topologies that lead from `in` to `out` by stateless operators.
fn stateless(name: &str, negate: bool) -> Option<Operator> {
    let starts_with_a = |v: &Nullable| v.as_ref().is_some_and(|v| v.starts_with('a'));
    let operator: Operator = match name {
        "stateless-filter" if negate => Box::new(move |s| s.filter_not("op", move |_, v| starts_with_a(v))),
        "stateless-filter" => Box::new(move |s| s.filter("op", move |_, v| starts_with_a(v))),
        "stateless-map" => Box::new(|s| s.map("op", |k, v| (v, k))),
        "stateless-map-values" => {
            Box::new(|s| s.map_values("op", |k, v| Some(format!("{}:{}", show(k), show(&v).to_uppercase()))))
        }
        "stateless-flat-map" => {
            Box::new(|s| s.flat_map("op", |k, v| parts(v, ' ').into_iter().map(move |word| (Some(word), k.clone()))))
        }
        "stateless-flat-map-values" => {
            Box::new(|s| s.flat_map_values("op", |_, v| parts(v, ',').into_iter().map(Some)))
        }
        "stateless-select-key" => Box::new(|s| s.select_key("op", |_, v| first(v))),
        "stateless-diamond" => Box::new(|s| {
            let left = s.clone().map_values("left", |_, v| Some("L".to_owned() + &show(&v)));
            let right = s.flat_map_values("right", |_, v| ["R1", "R2"].map(|mark| Some(mark.to_owned() + &show(&v))));
            left.merge("both", right)
        }),
        _ => return None,
    };
    Some(operator)
}

/// The parts between the separators that are not empty; none for null.
fn parts(value: Nullable, separator: char) -> Vec<String> {
    let value = value.unwrap_or_default();
    value.split(separator).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn first(value: &Nullable) -> Nullable {
    value.as_ref()?.chars().next().map(String::from)
}

fn branch(input: Stream, default: bool) {
    let split = input
        .split("by-value")
        .branch("a", |_, v| v.as_ref().is_some_and(|v| v.starts_with('a')))
        .branch("long", |_, v| v.as_ref().is_some_and(|v| v.len() > 3));
    let (a, long) = if default {
        let [a, long, rest] = split.default_branch("rest");
        rest.to("out-rest", text());
        (a, long)
    } else {
        let [a, long] = split.no_default_branch();
        (a, long)
    };
    a.to("out-a", text());
    long.to("out-long", text());
}

fn repartition_two(input: Stream, delta: i64) {
    let keyed = input.filter("keyed", |k, _| k.is_some());
    let mark = |name: &'static str| move |_: &Nullable, v: Nullable| Some(format!("{name}:{}", show(&v)));
    let late = keyed.clone().process("shift", move || processors::shift(delta), &[]);
    let late = late.map_values("late", mark("late")).through(Through::topic("rp-late"), text());
    let soon = keyed.map_values("soon", mark("soon")).through(Through::topic("rp-soon"), text());
    late.merge("both", soon).to("out", text());
}

fn join(left: &Nullable, right: Option<&str>) -> Nullable {
    Some(format!("{}+{}", show(left), right.unwrap_or("null")))
}

fn table_join(app: &StreamsBuilder, stream: Stream, left: bool) -> Stream {
    let table = app.table("table", "t", Plain::<Nullable, String>::new());
    let stream = stream.filter("valued", |_, v| v.is_some());
    if left {
        stream.left_join_table("join", &table, |_, v, row| join(&v, row.as_deref()))
    } else {
        stream.join_table("join", &table, |_, v, row| join(&v, Some(&row)))
    }
}

fn global(app: &StreamsBuilder, topic: &str) -> GlobalTable<Nullable, String> {
    app.global_table(topic, Plain::<Nullable, String>::new())
}

fn global_join(stream: Stream, table: &GlobalTable<Nullable, String>, left: bool) -> Stream {
    let key = |k: &Nullable, v: &Nullable| match v.as_deref() {
        Some("NOKEY") => None,
        Some(value) => value.split_once(':').map(|(fk, _)| fk.to_owned()).or_else(|| k.clone()),
        None => k.clone(),
    };
    let stream = stream.filter("valued", |_, v| v.is_some());
    if left {
        stream.left_join_global("join", table, key, |_, v, row| join(&v, row.map(String::as_str)))
    } else {
        stream.join_global("join", table, key, |_, v, row| join(&v, Some(row)))
    }
}

/// Every row of a global table. The cases' keys have one letter or a few, so all that can be asked for are asked for.
fn rows(table: &GlobalTable<Nullable, String>) -> Rows {
    let row = |key: String| Some((key.clone(), table.get(&Some(key)).unwrap()?.as_ref().clone()));
    let letters = || ('a'..='z').chain('A'..='Z').chain('0'..='9').map(String::from);
    let two = letters().flat_map(|a| letters().map(move |b| a.clone() + &b));
    let rows: Rows = letters().chain(two).chain([String::new()]).filter_map(row).collect();
    assert_eq!(rows.len(), table.len(), "the table has keys that the test does not ask for");
    rows
}

fn forward_children(input: Stream) {
    let routed = input.process("route", || processors::Route, &[]);
    let [even, odd] = routed.split("by-route").branch("even", |_, v| v.0).default_branch("odd");
    even.map_values("even-value", |_, v| v.1).to("out-even", text());
    odd.map_values("odd-value", |_, v| v.1).to("out-odd", text());
}

fn text_value(bytes: &Bytes) -> Value {
    String::from_utf8(bytes.to_vec()).unwrap().into()
}

fn integer_value(bytes: &Bytes) -> Value {
    i64::from_be_bytes(bytes[..].try_into().unwrap()).into()
}
