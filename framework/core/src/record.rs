//! Records: typed ones that processors see, and raw ones as they lie in the log.

use std::sync::Arc;

use bytes::Bytes;

use crate::names::{Offset, Partition, TopicName, TopicPartition};
use crate::time::Timestamp;

/// A record's headers, in order; a name may occur more than once. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Option<Arc<Vec<Header>>>);

/// One header: a name and optional bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The header's name.
    pub name: String,
    /// The header's bytes; `None` is a null value.
    pub value: Option<Bytes>,
}

impl Headers {
    /// No headers.
    pub const fn new() -> Self {
        Self(None)
    }

    /// Appends a header.
    pub fn push(&mut self, name: impl Into<String>, value: Option<Bytes>) {
        Arc::make_mut(self.0.get_or_insert_default()).push(Header { name: name.into(), value });
    }

    /// Removes every header of this name.
    pub fn remove(&mut self, name: &str) {
        if self.last(name).is_some() {
            *self = self.iter().filter(|header| header.name != name).cloned().collect();
        }
    }

    /// The last header of this name.
    pub fn last(&self, name: &str) -> Option<&Header> {
        self.iter().rev().find(|header| header.name == name)
    }

    /// All headers in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Header> {
        self.0.as_deref().map_or(&[] as &[Header], Vec::as_slice).iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.iter().len() == 0
    }
}

impl FromIterator<Header> for Headers {
    fn from_iter<I: IntoIterator<Item = Header>>(headers: I) -> Self {
        let headers: Vec<_> = headers.into_iter().collect();
        Self((!headers.is_empty()).then(|| Arc::new(headers)))
    }
}

/// A typed record on its way through a topology.
#[derive(Clone, Debug, PartialEq)]
pub struct Record<K, V> {
    /// The key.
    pub key: K,
    /// The value.
    pub value: V,
    /// Event time.
    pub timestamp: Timestamp,
    /// Headers, passed on by stateless operators.
    pub headers: Headers,
}

impl<K, V> Record<K, V> {
    /// A record without headers.
    pub fn new(key: K, value: V, timestamp: Timestamp) -> Self {
        Self { key, value, timestamp, headers: Headers::new() }
    }

    /// The same record with another key.
    pub fn with_key<K2>(self, key: K2) -> Record<K2, V> {
        Record { key, value: self.value, timestamp: self.timestamp, headers: self.headers }
    }

    /// The same record with another value.
    pub fn with_value<V2>(self, value: V2) -> Record<K, V2> {
        Record { key: self.key, value, timestamp: self.timestamp, headers: self.headers }
    }
}

/// Who set a record's timestamp (`message.timestamp.type` of its topic).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer: event time.
    #[default]
    CreateTime,
    /// The broker, when it appended the record.
    LogAppendTime,
}

/// A record as it lies in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// Its position in the partition.
    pub offset: Offset,
    /// Key bytes; `None` is a null key.
    pub key: Option<Bytes>,
    /// Value bytes; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// The record's timestamp.
    pub timestamp: Timestamp,
    /// Who set the timestamp.
    pub timestamp_type: TimestampType,
    /// Headers.
    pub headers: Headers,
}

impl LogRecord {
    /// A record of nothing at offset -1, to be filled in.
    pub(crate) const fn empty() -> Self {
        Self {
            offset: -1,
            key: None,
            value: None,
            timestamp: Timestamp::MIN,
            timestamp_type: TimestampType::CreateTime,
            headers: Headers::new(),
        }
    }

    /// Bytes of key, value and headers.
    pub fn size_bytes(&self) -> usize {
        let headers = self.headers.iter().map(|h| h.name.len() + h.value.as_ref().map_or(0, Bytes::len));
        self.key.as_ref().map_or(0, Bytes::len) + self.value.as_ref().map_or(0, Bytes::len) + headers.sum::<usize>()
    }

    /// About how much memory it takes: [`size_bytes`](Self::size_bytes), and what holds them.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.size_bytes()
    }
}

/// A record to be appended to a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputRecord {
    /// The topic to append to.
    pub topic: TopicName,
    /// The partition; `None`: murmur2 of the key as Kafka's default partitioner does, or any for a null key.
    pub partition: Option<Partition>,
    /// Key bytes.
    pub key: Option<Bytes>,
    /// Value bytes.
    pub value: Option<Bytes>,
    /// The timestamp the producer gives; a topic with `LogAppendTime` replaces it.
    pub timestamp: Timestamp,
    /// Headers.
    pub headers: Headers,
}

impl OutputRecord {
    /// About how much memory it takes: the bytes of key, value and headers, and what holds them.
    pub fn memory_bytes(&self) -> usize {
        let headers = self.headers.iter().map(|h| h.name.len() + h.value.as_ref().map_or(0, Bytes::len));
        let fields = self.key.as_ref().map_or(0, Bytes::len) + self.value.as_ref().map_or(0, Bytes::len);
        size_of::<Self>() + fields + headers.sum::<usize>()
    }
}

/// Where the raw record that caused the present one stands. It is the root of event ids that nowfold stamps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Topic and partition.
    pub source: TopicPartition,
    /// Offset.
    pub offset: Offset,
    /// The record's timestamp in that topic.
    pub timestamp: Timestamp,
    /// Who set that timestamp.
    pub timestamp_type: TimestampType,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &'static str)]) -> Headers {
        pairs.iter().map(|&(name, value)| Header { name: name.to_owned(), value: Some(value.into()) }).collect()
    }

    #[test]
    fn the_last_header_of_a_name_counts_and_the_order_stays() {
        let mut all = headers(&[("a", "1"), ("b", "2")]);
        all.push("a", None);
        assert_eq!(all.last("a").map(|header| &header.value), Some(&None));
        assert_eq!(all.iter().map(|header| header.name.as_str()).collect::<Vec<_>>(), ["a", "b", "a"]);
        assert_eq!(all.last("c"), None);
    }

    #[test]
    fn removing_takes_every_header_of_the_name() {
        let mut all = headers(&[("a", "1"), ("b", "2"), ("a", "3")]);
        all.remove("c");
        assert_eq!(all.iter().len(), 3);
        all.remove("a");
        assert_eq!(all, headers(&[("b", "2")]));
    }

    #[test]
    fn headers_without_any_left_equal_those_that_never_had_one() {
        let mut all = headers(&[("a", "1")]);
        all.remove("a");
        assert!(all.is_empty());
        assert_eq!(all, Headers::new());
    }

    #[test]
    fn a_changed_clone_leaves_the_original_alone() {
        let original = headers(&[("a", "1")]);
        let mut copy = original.clone();
        copy.push("b", None);
        assert_eq!(original, headers(&[("a", "1")]));
    }

    #[test]
    fn size_counts_key_value_and_headers() {
        let record = LogRecord { key: Some("ab".into()), headers: headers(&[("a", "123")]), ..LogRecord::empty() };
        assert_eq!(record.size_bytes(), 6);
    }
}
