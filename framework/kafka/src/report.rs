//! What librdkafka's statistics tell about the partitions that are read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nowfold_core::names::{Offset, Partition, TopicName, TopicPartition};
use nowfold_runtime::broker::Waker;
use parking_lot::{Mutex, MutexGuard};
use rdkafka::consumer::ConsumerContext;
use serde::Deserialize;

use crate::client::{Context, Role};
use crate::owned::Kind;

/// A broker that sent something this recently is there: an idle fetch is answered after `fetch.wait.max.ms`.
const SILENCE: Duration = Duration::from_secs(1);
/// Not known yet.
const UNKNOWN: Offset = -1;

/// What the client's statistics tell about a partition; a reader shares it with the service thread.
pub(crate) struct Report {
    /// The end of the log, as the fetching last heard of it.
    end: AtomicI64,
    /// When the broker last told of it: milliseconds since `opened`.
    heard: AtomicU64,
    opened: Instant,
    /// The cluster's metadata does not show the partition.
    unknown: AtomicBool,
    waker: Waker,
}

impl Report {
    pub(crate) fn new(waker: &Waker) -> Arc<Self> {
        let (end, heard, unknown) = (AtomicI64::new(UNKNOWN), AtomicU64::new(0), AtomicBool::new(false));
        Arc::new(Self { end, heard, opened: Instant::now(), unknown, waker: Arc::clone(waker) })
    }

    pub(crate) fn end(&self) -> Option<Offset> {
        let end = self.end.load(Ordering::Acquire);
        (end != UNKNOWN).then_some(end)
    }

    pub(crate) fn set_end(&self, end: Offset) {
        self.end.store(end, Ordering::Release);
    }

    /// The broker has just been heard of.
    pub(crate) fn hear(&self) {
        let now = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard.store(now, Ordering::Release);
    }

    /// How long ago the broker was last heard of.
    pub(crate) fn age(&self) -> Duration {
        self.opened.elapsed().saturating_sub(Duration::from_millis(self.heard.load(Ordering::Acquire)))
    }

    /// Whether the partition was missing since the last time this was asked.
    pub(crate) fn take_unknown(&self) -> bool {
        self.unknown.swap(false, Ordering::AcqRel)
    }

    fn update(&self, statistics: &PartitionStatistics) {
        if statistics.ls_offset >= 0 {
            self.set_end(statistics.ls_offset);
        }
        self.unknown.store(statistics.unknown, Ordering::Release);
    }
}

/// Open readers by topic and partition.
#[derive(Default)]
pub(crate) struct Reports(BTreeMap<TopicName, BTreeMap<Partition, Arc<Report>>>);

impl Reports {
    pub(crate) fn get(&self, topic: &str, partition: Partition) -> Option<&Arc<Report>> {
        self.0.get(topic)?.get(&partition)
    }

    pub(crate) fn insert(&mut self, partition: &TopicPartition, report: Arc<Report>) {
        self.0.entry(partition.topic.clone()).or_default().insert(partition.partition, report);
    }

    pub(crate) fn remove(&mut self, partition: &TopicPartition) {
        if let Some(of_topic) = self.0.get_mut(&partition.topic) {
            of_topic.remove(&partition.partition);
            if of_topic.is_empty() {
                self.0.remove(&partition.topic);
            }
        }
    }
}

/// The role of a data consumer.
#[derive(Default)]
pub(crate) struct Reading {
    reports: Mutex<Reports>,
}

impl Role for Reading {
    const NAME: &'static str = "reader";
    const KIND: Kind = Kind::Consumer;

    fn on_statistics(&self, json: &[u8]) {
        match serde_json::from_slice::<Statistics>(json) {
            Ok(statistics) => self.report(&statistics),
            Err(error) => tracing::warn!(target: "nowfold_kafka", %error, "unreadable statistics"),
        }
    }
}

impl Reading {
    /// The open readers, locked: whoever adds or drops a partition does so under this lock.
    pub(crate) fn reports(&self) -> MutexGuard<'_, Reports> {
        self.reports.lock()
    }

    /// Passes statistics on to the readers, and wakes those whose partition is missing: they have nothing else to wake
    /// them.
    fn report(&self, statistics: &Statistics) {
        let mut missing = Vec::new();
        let reports = self.reports.lock();
        let there: Vec<_> =
            statistics.brokers.values().filter(|broker| broker.is_there()).map(|it| it.nodeid).collect();
        for (topic, of_topic) in &statistics.topics {
            for partition in of_topic.partitions.values() {
                let Some(report) = reports.get(topic, partition.partition) else { continue };
                report.update(partition);
                if there.contains(&partition.broker) {
                    report.hear();
                }
                missing.extend(partition.unknown.then(|| Arc::clone(report)));
            }
        }
        drop(reports);
        missing.iter().for_each(|report| (report.waker)());
    }
}

impl ConsumerContext for Context<Reading> {}

/// The part of librdkafka's statistics that is used (its `STATISTICS.md`).
#[derive(Deserialize)]
struct Statistics {
    brokers: BTreeMap<String, BrokerStatistics>,
    topics: BTreeMap<String, TopicStatistics>,
}

#[derive(Deserialize)]
struct BrokerStatistics {
    nodeid: i32,
    /// `UP` while connected.
    state: String,
    /// Microseconds since it last sent something; negative before.
    rxidle: i64,
}

impl BrokerStatistics {
    fn is_there(&self) -> bool {
        let silence = u64::try_from(self.rxidle).map(Duration::from_micros);
        self.state == "UP" && silence.is_ok_and(|silence| silence < SILENCE)
    }
}

#[derive(Deserialize)]
struct TopicStatistics {
    partitions: BTreeMap<String, PartitionStatistics>,
}

#[derive(Deserialize)]
struct PartitionStatistics {
    partition: Partition,
    /// The broker that it is fetched from; negative when there is none.
    broker: i32,
    /// Last stable offset of the last fetch; negative before the first.
    ls_offset: Offset,
    /// Not seen in the topic's metadata.
    unknown: bool,
}
