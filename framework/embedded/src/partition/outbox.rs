//! Records on their way to the disk.
//!
//! Many small writes cost far more than one large one, so records are collected. They are not in the log yet: they are
//! written, and readable, when [`Outbox::write_out`] has succeeded; when it fails they wait for their producer's flush.

use nowfold_core::names::{Offset, Partition as PartitionNumber, TopicPartition};
use nowfold_core::record::{LogRecord, OutputRecord};
use nowfold_core::time::Timestamp;
use nowfold_runtime::broker::DeliveryFailure;

use super::segment::{Segment, size_of};
use crate::disk::SegmentWriter;
use crate::error::unavailable;

/// Bytes collected before a write: beyond this, larger writes gain little.
const FULL_BYTES: usize = 64 << 10;

/// What a failed record needs besides its entry to become again what its producer sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    /// The producer's number.
    pub(super) producer: u64,
    /// The partition it asked for.
    pub(super) partition: Option<PartitionNumber>,
    /// The timestamp it gave.
    pub(super) timestamp: Timestamp,
}

#[derive(Debug)]
pub(super) struct Outbox {
    writer: SegmentWriter,
    entries: Vec<(Origin, LogRecord)>,
    size_bytes: u64,
    /// Records that could not be written, with their producers' numbers.
    failures: Vec<(u64, DeliveryFailure)>,
}

impl Outbox {
    pub(super) fn new(writer: SegmentWriter) -> Self {
        Self { writer, entries: Vec::new(), size_bytes: 0, failures: Vec::new() }
    }

    pub(super) fn push(&mut self, origin: Origin, entry: LogRecord) {
        self.writer.push(&entry);
        self.size_bytes += size_of(&entry);
        self.entries.push((origin, entry));
    }

    pub(super) fn n_records(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of keys, values and headers.
    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    pub(super) fn first_timestamp(&self) -> Option<Timestamp> {
        self.entries.first().map(|(_, entry)| entry.timestamp)
    }

    pub(super) fn is_full(&self) -> bool {
        self.writer.n_buffered_bytes() >= FULL_BYTES
    }

    /// Moves all records to the operating system and then to the active segment, or none and to the failures.
    pub(super) fn write_out(&mut self, id: &TopicPartition, active: &mut Segment) {
        if self.entries.is_empty() {
            return;
        }
        self.size_bytes = 0;
        match self.writer.write_out() {
            Ok(()) => self.entries.drain(..).for_each(|(_, entry)| active.push(entry)),
            Err(error) => {
                let error = unavailable(format!("appending to {id}"), error);
                let failed = self.entries.drain(..).map(|(origin, entry)| {
                    let record = sent(id, origin, entry);
                    (origin.producer, DeliveryFailure { record, error: error.clone() })
                });
                self.failures.extend(failed);
            }
        }
    }

    pub(super) fn take_failures(&mut self, producer: u64) -> Vec<DeliveryFailure> {
        let of_producer = self.failures.extract_if(.., |(number, _)| *number == producer);
        of_producer.map(|(_, failure)| failure).collect()
    }

    pub(super) fn roll(&mut self, base: Offset) -> std::io::Result<()> {
        self.writer.roll(base)
    }

    pub(super) fn sync(&mut self) -> std::io::Result<()> {
        self.writer.sync()
    }
}

fn sent(id: &TopicPartition, origin: Origin, entry: LogRecord) -> OutputRecord {
    OutputRecord {
        topic: id.topic.clone(),
        partition: origin.partition,
        key: entry.key,
        value: entry.value,
        timestamp: origin.timestamp,
        headers: entry.headers,
    }
}
