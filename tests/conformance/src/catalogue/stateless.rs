//! Stateless operators, dynamic sinks, timestamp extractors, repartitions.

use nowfold_core::dsl::{Repartition, TimestampContext};
use nowfold_core::names::TopicName;
use nowfold_core::processor::ProcessError;
use nowfold_core::record::Record;
use nowfold_core::time::Timestamp;

use super::{BuildError, Kind, Outcome, Plan, Sink, SinkKey, StoreKind, Stream, Text, first, processors, show, text};

pub(super) fn add(plan: &mut Plan<'_>, name: &str) -> Outcome {
    if let Some(operator) = operator(name, plan.flag("negate")) {
        operator(plan.input("in")).to("out", text());
        return Ok(());
    }
    match name {
        "stateless-branch" => branch(plan.input("in"), plan.flag("default")),
        "stateless-merge" => {
            let one = plan.input("in1").map_values("one", |_, v| Some("1".to_owned() + &show(&v)));
            let two = plan.input("in2").filter("keyed", |k, _| k.is_some());
            one.merge("both", two).to("out", text());
        }
        "dynamic-sink" => {
            plan.input("in").to_any_of("routed", &["out-a", "out-b", "out-other"], route, text());
        }
        "timestamp-extractor" => {
            let policy = plan.word("policy").to_owned();
            let told = move |_: &Text, v: &Text, at: &TimestampContext<'_>| told(&policy, v, at);
            plan.app.stream_at("in", text(), told).to("out", text());
        }
        "repartition-explicit" => {
            let keyed = plan.input("in").select_key("first", |_, v| first(v));
            let moved = keyed.repartition(Repartition::named("rp").partitions(1), text());
            moved.clone().to("out", text());
            moved.group_by_key("by-first", text()).count("seen");
            plan.stores.push(("seen", StoreKind::Stamped(Kind::Integer)));
        }
        "repartition-two" => repartition_two(plan.input("in"), plan.int("delta")),
        _ => return Err(BuildError::Unknown),
    }
    Ok(())
}

type Operator = Box<dyn Fn(Stream) -> Stream>;

/// The topologies that lead from `in` to `out` by stateless operators.
fn operator(name: &str, negate: bool) -> Option<Operator> {
    let starts_with_a = |v: &Text| v.as_ref().is_some_and(|v| v.starts_with('a'));
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
fn parts(value: Text, separator: char) -> Vec<String> {
    let value = value.unwrap_or_default();
    value.split(separator).filter(|part| !part.is_empty()).map(str::to_owned).collect()
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
    let mark = |name: &'static str| move |_: &Text, v: Text| Some(format!("{name}:{}", show(&v)));
    let late = input.clone().process("shift", move || processors::shift(delta), &[]);
    let late = late.map_values("late", mark("late")).repartition("rp-late", text());
    let soon = input.map_values("soon", mark("soon")).repartition("rp-soon", text());
    late.merge("both", soon).to("out", text());
}

/// The topic that the last header `route` names, or else the value.
fn route(record: &Record<Text, Text>) -> TopicName {
    let header = record.headers.last("route").and_then(|header| header.value.clone());
    let header = header.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let by = header.or_else(|| record.value.clone()).unwrap_or_default();
    let topic = match by.chars().next() {
        Some('a') => "out-a",
        Some('b') => "out-b",
        _ => "out-other",
    };
    topic.into()
}

/// The integer before the first `;`, or what the policy says.
fn told(policy: &str, value: &Text, at: &TimestampContext<'_>) -> Result<Timestamp, ProcessError> {
    let told = value.as_ref().and_then(|v| v.split_once(';')).and_then(|(time, _)| time.parse::<i64>().ok());
    if let Some(time) = told.filter(|time| *time >= 0) {
        return Ok(Timestamp::from_millis(time));
    }
    match policy {
        "partition-time" => Ok(at.partition_time.unwrap_or(Timestamp::from_millis(-1))),
        "record" => Ok(at.record.timestamp),
        "fail" => Err(ProcessError::new("the timestamp cannot be told")),
        _ => Ok(Timestamp::from_millis(told.unwrap_or(-1))),
    }
}

/// How a sink of integers is read.
pub(super) const INTEGERS: Sink = Sink { key: SinkKey::Text, value: Kind::Integer };
