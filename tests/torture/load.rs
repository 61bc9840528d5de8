//! The input: records made from their number, written as fast as the broker takes them.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use nowfold::core::names::TopicName;
use nowfold::core::record::OutputRecord;
use nowfold::core::serde::KeyCodec;
use nowfold::kafka::{Kafka, KafkaConfig};
use nowfold::prelude::*;
use nowfold::runtime::SystemClock;
use nowfold::runtime::broker::{self, Broker, TopicSpec};

use crate::sample::Sample;
use crate::topology::{ACTIONS, CHANGELOG, INPUT, OUTPUT};

/// How long one flush may take before it is tried again.
const FLUSH_WITHIN: Duration = Duration::from_secs(60);
/// Event times go back by up to this much behind their turn, so that actions come out of order.
const JITTER_MS: u64 = 3_600_000;

/// Where to write what.
#[derive(Debug, Args)]
pub(crate) struct Load {
    #[arg(long)]
    bootstrap: String,
    #[arg(long)]
    partitions: i32,
    #[arg(long)]
    keys: u64,
    /// Records in all: event times spread over the span.
    #[arg(long)]
    records: u64,
    #[arg(long)]
    from_ms: i64,
    #[arg(long)]
    span_ms: u64,
}

impl Load {
    /// Creates the topics, says `ready`, and writes what it is told until its input ends.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let mut config = KafkaConfig::new(&self.bootstrap);
        config.raw.insert("queue.buffering.max.messages".into(), "500000".into());
        let kafka = Kafka::connect(config)?;
        self.create_topics(&kafka)?;
        println!("ready");
        let (mut producer, mut written) = (Broker::producer(&kafka)?, 0);
        for line in std::io::stdin().lock().lines() {
            let n: u64 = line?.trim().parse()?;
            for id in written..written + n {
                write(producer.as_mut(), self.record(id))?;
            }
            settle(producer.as_mut())?;
            written += n;
            println!("{written}");
        }
        Ok(())
    }

    fn create_topics(&self, kafka: &Kafka) -> anyhow::Result<()> {
        let compacted =
            [("cleanup.policy", "compact"), ("segment.bytes", "16777216"), ("min.cleanable.dirty.ratio", "0.2")];
        let kept = [("retention.ms", "-1")];
        let actions =
            [("message.timestamp.type", "LogAppendTime"), ("retention.ms", "-1"), ("cleanup.policy", "delete")];
        let topics = [(INPUT, &kept[..]), (OUTPUT, &kept), (CHANGELOG, &compacted), (ACTIONS, &actions)];
        for (name, settings) in topics {
            let config: BTreeMap<_, _> =
                settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            kafka.create_topic(&TopicSpec { name: name.into(), partitions: Some(self.partitions), config })?;
        }
        Ok(())
    }

    fn record(&self, id: u64) -> OutputRecord {
        let hash = mix(id);
        let turn = i64::try_from(u128::from(id) * u128::from(self.span_ms) / u128::from(self.records)).unwrap_or(0);
        let back = i64::try_from(mix(hash) % JITTER_MS).unwrap_or(0);
        let sample = Sample { id, at_ms: self.from_ms + turn - back };
        OutputRecord {
            topic: TopicName::from(INPUT),
            partition: None,
            key: Some(Bytes::from(format!("k{}", hash % self.keys))),
            value: sample.to_key_bytes(),
            timestamp: SystemClock.now(),
            headers: Default::default(),
        }
    }
}

/// Queues a record; one that finds no room, as while the broker is away, is tried again.
fn write(producer: &mut dyn broker::Producer, mut record: OutputRecord) -> anyhow::Result<()> {
    while let Err(failure) = producer.send(record) {
        anyhow::ensure!(failure.error.is_retriable(), "the input cannot be written: {}", failure.error);
        record = failure.record;
    }
    Ok(())
}

/// Waits until everything is stored; what was not is sent again.
fn settle(producer: &mut dyn broker::Producer) -> anyhow::Result<()> {
    loop {
        match producer.flush(FLUSH_WITHIN) {
            Ok(failures) if failures.is_empty() => return Ok(()),
            Ok(failures) => failures.into_iter().try_for_each(|failure| write(producer, failure.record))?,
            Err(error) if error.is_retriable() => eprintln!("the broker takes its time: {error}"),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The finalizer of SplitMix64: numbers in order become numbers without one.
fn mix(n: u64) -> u64 {
    let z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
