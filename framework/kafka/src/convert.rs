//! Records between librdkafka's form and ours.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use nowfold_core::names::{Partition, TopicName};
use nowfold_core::record::{Header, Headers, LogRecord, OutputRecord, TimestampType};
use nowfold_core::time::Timestamp;
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Headers as _, Message, OwnedHeaders, Timestamp as Time};
use rdkafka::producer::BaseRecord;

/// A fetched message as a record; its bytes are copied, since librdkafka's go with the message.
pub(crate) fn log_record(message: &BorrowedMessage<'_>) -> LogRecord {
    let (timestamp, timestamp_type) = match message.timestamp() {
        Time::CreateTime(ms) => (ms, TimestampType::CreateTime),
        Time::LogAppendTime(ms) => (ms, TimestampType::LogAppendTime),
        Time::NotAvailable => (-1, TimestampType::CreateTime),
    };
    LogRecord {
        offset: message.offset(),
        key: message.key().map(Bytes::copy_from_slice),
        value: message.payload().map(Bytes::copy_from_slice),
        timestamp: Timestamp::from_millis(timestamp),
        timestamp_type,
        headers: message.headers().map(headers).unwrap_or_default(),
    }
}

fn headers(headers: &BorrowedHeaders) -> Headers {
    (0..headers.count()).filter_map(|index| header(headers, index)).collect()
}

/// One header. rdkafka panics on a name that is not UTF-8, which no record may do to a worker: such a header is
/// left out.
fn header(headers: &BorrowedHeaders, index: usize) -> Option<Header> {
    let read = || {
        headers
            .try_get(index)
            .map(|header| Header { name: header.key.to_owned(), value: header.value.map(Bytes::copy_from_slice) })
    };
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        tracing::warn!(target: "nowfold_kafka", index, "left out a record header whose name is not UTF-8");
        None
    })
}

/// What comes back with a delivery, since the message itself has lost it.
pub(crate) struct Sent {
    timestamp: Timestamp,
    partition: Option<Partition>,
}

/// A record as the producer takes it.
pub(crate) fn base_record(record: &OutputRecord) -> BaseRecord<'_, [u8], [u8], Box<Sent>> {
    // librdkafka takes 0 for "now".
    let ms = if record.timestamp.as_millis() == 0 { 1 } else { record.timestamp.as_millis() };
    BaseRecord {
        topic: record.topic.as_str(),
        partition: record.partition,
        payload: record.value.as_deref(),
        key: record.key.as_deref(),
        timestamp: Some(ms),
        headers: owned_headers(&record.headers),
        delivery_opaque: Box::new(Sent { timestamp: record.timestamp, partition: record.partition }),
    }
}

fn owned_headers(headers: &Headers) -> Option<OwnedHeaders> {
    let add = |owned: OwnedHeaders, header: &Header| {
        owned.insert(rdkafka::message::Header { key: &header.name, value: header.value.as_deref() })
    };
    (!headers.is_empty()).then(|| headers.iter().fold(OwnedHeaders::new_with_capacity(headers.iter().len()), add))
}

/// A record that was not stored, put together again.
pub(crate) fn output_record(message: &BorrowedMessage<'_>, sent: &Sent) -> OutputRecord {
    let record = log_record(message);
    OutputRecord {
        topic: TopicName::from(message.topic()),
        partition: sent.partition,
        key: record.key,
        value: record.value,
        timestamp: sent.timestamp,
        headers: record.headers,
    }
}
