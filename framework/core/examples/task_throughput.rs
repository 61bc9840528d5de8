//! What a task costs for each record: source, filter, map_values, sink. Nothing is read or written but memory.
//!
//! ```text
//! cargo run --release -p nowfold-core --example task_throughput
//! ```
//!
//! Expect one line for each format with the nanoseconds per record of the fastest pass.

use std::time::Instant;

use bytes::Bytes;
use nowfold_core::dsl::StreamsBuilder;
use nowfold_core::names::TopicPartition;
use nowfold_core::record::{Headers, LogRecord, TimestampType};
use nowfold_core::serde::{Json, Plain};
use nowfold_core::task::Task;
use nowfold_core::time::Timestamp;
use nowfold_core::topology::Topology;

const N: i64 = 200_000;
const BATCH: usize = 500;
const PASSES: usize = 15;

#[derive(serde::Deserialize, serde::Serialize)]
struct Click {
    member: String,
    job: String,
    kind: String,
    at_ms: i64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = StreamsBuilder::new("plain");
    app.stream("in", Plain::<Bytes, i64>::new())
        .filter("even", |_, n| n % 2 == 0)
        .map_values("half", |_, n| n / 2)
        .to("out", Plain::<Bytes, i64>::new());
    report("plain bytes key, i64 value", &app.build()?, |n| Bytes::copy_from_slice(&n.to_be_bytes()))?;

    let app = StreamsBuilder::new("text");
    app.stream("in", Plain::<String, String>::new())
        .filter("even", |_, text| text.ends_with(['0', '2', '4', '6', '8']))
        .map_values("longer", |_, text| text + "!")
        .to("out", Plain::<String, String>::new());
    report("plain text key and value", &app.build()?, |n| Bytes::from(format!("value {n}")))?;

    let app = StreamsBuilder::new("json");
    app.stream("in", Json::<String, Click>::new())
        .filter("even", |_, click| click.at_ms % 2 == 0)
        .map_values("later", |_, click| Click { at_ms: click.at_ms + 1, ..click })
        .to("out", Json::<String, Click>::new());
    report("text key, JSON value of 4 fields", &app.build()?, |n| {
        Bytes::from(format!(r#"{{"member":"member-{n}","job":"job-{}","kind":"apply","at_ms":{n}}}"#, n % 1_000))
    })
}

fn report(what: &str, topology: &Topology, value: impl Fn(i64) -> Bytes) -> Result<(), Box<dyn std::error::Error>> {
    let records: Vec<_> = (0..N).map(|offset| record(offset, value(offset))).collect();
    let mut fastest = f64::INFINITY;
    for _ in 0..PASSES {
        fastest = fastest.min(pass(topology, records.clone())?);
    }
    println!("{what}: {fastest:.0} ns per record");
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "this program measures time; the crate does not")]
fn pass(topology: &Topology, records: Vec<LogRecord>) -> Result<f64, Box<dyn std::error::Error>> {
    let part = topology.subtopologies().first().ok_or("a topology has a part")?;
    let mut task = Task::new(topology, part, 0, |_| 1);
    let source = TopicPartition::new("in", 0);
    task.begin(&source, 0, None);
    let mut records = records.into_iter();
    let started = Instant::now();
    let mut n_outputs = 0;
    while records.len() > 0 {
        task.add(&source, records.by_ref().take(BATCH));
        task.process(Timestamp::from_millis(0), BATCH)?;
        n_outputs += task.take_effects().outputs.len();
    }
    let taken = started.elapsed();
    assert_eq!(n_outputs, usize::try_from(N / 2)?, "every second record passes the filter");
    #[expect(clippy::cast_precision_loss, reason = "a measurement")]
    let per_record = taken.as_nanos() as f64 / N as f64;
    Ok(per_record)
}

fn record(offset: i64, value: Bytes) -> LogRecord {
    LogRecord {
        offset,
        key: Some(Bytes::from(format!("member-{}", offset % 5_000))),
        value: Some(value),
        timestamp: Timestamp::from_millis(offset),
        timestamp_type: TimestampType::CreateTime,
        headers: Headers::new(),
    }
}
