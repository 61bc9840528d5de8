//! What each guarantee costs on a real Kafka: measured by hand, with figures in the guide to delivery.
//!
//! `NOWFOLD_TEST_KAFKA=host:port cargo test -p nowfold-tests guarantee_costs -- --ignored --nocapture`

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use nowfold::core::names::{TopicName, TopicPartition};
use nowfold::core::record::OutputRecord;
use nowfold::kafka::{Kafka, KafkaConfig};
use nowfold::prelude::*;
use nowfold::runtime::broker::Broker;
use nowfold::runtime::{RuntimeConfig, SystemClock};

use super::exactly_once::{PARTITIONS, await_outputs, create_topics, fill, start};
use super::support::test_kafka;

const N_RECORDS: usize = 400_000;
const N_LATENCIES: usize = 5_000;

/// CPU time of this process so far, all threads, in steps of 10 ms.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2);
    Duration::from_millis(fields.map(|field| field.parse::<u64>().unwrap()).sum::<u64>() * 10)
}

fn config(guarantee: Guarantee, interval_ms: u64) -> RuntimeConfig {
    let commit_interval = Duration::from_millis(interval_ms);
    RuntimeConfig { n_workers: 1, guarantee, commit_interval, ..RuntimeConfig::default() }
}

/// Records per second of wall-clock time and of CPU time, over a topic that is full at the start.
fn throughput(kafka: &Kafka, prefix: &str, config: RuntimeConfig) -> (f64, f64) {
    create_topics(kafka, prefix);
    fill(kafka, prefix, N_RECORDS, 1_000);
    let (begun, before) = (Instant::now(), cpu());
    let app = start(Arc::new(kafka.clone()), prefix, config).unwrap();
    await_outputs(kafka, &app, prefix, N_RECORDS);
    let rates = (begun.elapsed().as_secs_f64(), (cpu() - before).as_secs_f64());
    app.close().unwrap();
    (N_RECORDS as f64 / rates.0, N_RECORDS as f64 / rates.1)
}

/// Milliseconds from a record's append to the poll that gives its output, sorted; about 1,000 records per second.
fn latencies(kafka: &Kafka, prefix: &str, config: RuntimeConfig) -> Vec<f64> {
    create_topics(kafka, prefix);
    let app = start(Arc::new(kafka.clone()), prefix, config).unwrap();
    app.await_running(Duration::from_secs(60)).unwrap();
    let partition = |p| TopicPartition::new(format!("{prefix}-out"), p);
    let mut readers: Vec<_> =
        (0..PARTITIONS).map(|p| kafka.reader(&partition(p), 0, Arc::new(|| {})).unwrap()).collect();
    let (mut producer, mut sent, mut found) = (kafka.producer().unwrap(), 0, Vec::new());
    let begun = Instant::now();
    while found.len() < N_LATENCIES {
        assert!(begun.elapsed() < Duration::from_secs(60), "{} of {N_LATENCIES}", found.len());
        if sent < N_LATENCIES && begun.elapsed() >= Duration::from_millis(sent as u64) {
            let (key, value) = (Some(Bytes::from(format!("key-{sent}"))), Some(Bytes::new()));
            let (topic, timestamp) = (TopicName::from(format!("{prefix}-in")), SystemClock.now());
            producer
                .send(OutputRecord { topic, partition: None, key, value, timestamp, headers: Default::default() })
                .unwrap();
            sent += 1;
        }
        let mut records = Vec::new();
        readers.iter_mut().for_each(|reader| _ = reader.poll(1_000, &mut records).unwrap());
        let now = SystemClock.now();
        found.extend(records.iter().map(|record| now.millis_since(record.timestamp) as f64));
        std::thread::park_timeout(Duration::from_micros(200));
    }
    app.close().unwrap();
    found.sort_by(f64::total_cmp);
    found
}

#[test]
#[ignore = "a measurement, not a check"]
fn what_each_guarantee_costs() {
    let Some(bootstrap) = test_kafka("guarantee_costs") else { return };
    let kafka = Kafka::connect(KafkaConfig::new(&bootstrap)).unwrap();
    let choices = [
        (Guarantee::AtLeastOnce, 500),
        (Guarantee::ExactlyOnce, 100),
        (Guarantee::ExactlyOnce, 20),
        (Guarantee::AtLeastOnce, 500),
        (Guarantee::ExactlyOnce, 100),
    ];
    for (i, (guarantee, interval_ms)) in choices.into_iter().enumerate() {
        let prefix = |what: &str| format!("cost-{what}-{}-{i}", std::process::id());
        let (wall, cpu) = throughput(&kafka, &prefix("rate"), config(guarantee, interval_ms));
        let ms = latencies(&kafka, &prefix("ms"), config(guarantee, interval_ms));
        let at = |percent: usize| ms[(ms.len() - 1) * percent / 100];
        eprintln!(
            "{guarantee:?} every {interval_ms} ms: {wall:.0} records/s, {cpu:.0} per CPU-second; p50 {} p99 {} max {} ms",
            at(50),
            at(99),
            at(100)
        );
    }
}
