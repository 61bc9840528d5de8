//! Records on their way to librdkafka, and back when they fail.

use bytes::Bytes;
use nowfold_core::names::{Partition, TopicName};
use nowfold_core::record::{Header, Headers, OutputRecord};
use nowfold_core::time::Timestamp;
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Headers as _, Message, OwnedHeaders};
use rdkafka::producer::BaseRecord;

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
    OutputRecord {
        topic: TopicName::from(message.topic()),
        partition: sent.partition,
        key: message.key().map(Bytes::copy_from_slice),
        value: message.payload().map(Bytes::copy_from_slice),
        timestamp: sent.timestamp,
        headers: message.headers().map(headers).unwrap_or_default(),
    }
}

/// rdkafka panics on a name that is not UTF-8; these were put in by [`owned_headers`].
fn headers(headers: &BorrowedHeaders) -> Headers {
    let header = |header: rdkafka::message::Header<'_, &[u8]>| Header {
        name: header.key.to_owned(),
        value: header.value.map(Bytes::copy_from_slice),
    };
    headers.iter().map(header).collect()
}
