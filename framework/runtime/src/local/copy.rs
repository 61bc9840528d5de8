//! Reading an event log from its local copy first, and from the broker after that.

use std::sync::Arc;

use nowfold_core::names::{Offset, TopicPartition};
use nowfold_core::record::LogRecord;
use parking_lot::Mutex;

use super::super::broker::{Broker, BrokerError, PartitionReader, Waker, Watermarks};
use super::super::error::RuntimeError;
use super::{LocalError, LocalLog};

/// The copy of a partition, shared by its reader and its source.
#[derive(Clone, Debug)]
pub(crate) struct Copied(Arc<Mutex<Copy>>);

#[derive(Debug)]
struct Copy {
    log: Box<dyn LocalLog>,
    partition: TopicPartition,
    /// The topic's bounds when this was opened.
    topic: Watermarks,
    is_replaying: bool,
}

impl Copied {
    /// Makes the copy fit the log as it is now: what the topic has let go of is dropped, and a copy that lacks what the
    /// topic still holds begins anew.
    ///
    /// # Errors
    /// When the copy reaches beyond the log's end: the topic was created again.
    pub(crate) fn fit(
        mut log: Box<dyn LocalLog>,
        partition: &TopicPartition,
        topic: Watermarks,
    ) -> Result<Self, RuntimeError> {
        let held = log.held();
        if held.end > topic.high {
            let (partition, position) = (partition.clone(), held.end);
            return Err(RuntimeError::LocalAhead { partition, position, end: topic.high });
        }
        if held.start > topic.low || held.end < topic.low {
            let held = format!("it holds the offsets {}..{}", held.start, held.end);
            if log.held().is_empty() {
                log.begin(topic.low);
            } else {
                log.discard(&format!("{held}, and the topic begins at {}", topic.low))?;
                log.begin(topic.low);
            }
        } else if held.is_empty() {
            log.begin(topic.low);
        } else {
            log.forget_before(topic.low);
        }
        let copy = Copy { log, partition: partition.clone(), topic, is_replaying: true };
        Ok(Self(Arc::new(Mutex::new(copy))))
    }

    /// The first offset of the copy.
    pub(crate) fn start(&self) -> Offset {
        self.0.lock().log.held().start
    }

    /// Whether records still come from the copy.
    pub(crate) fn is_replaying(&self) -> bool {
        self.0.lock().is_replaying
    }

    /// Writes what was read, and drops what the topic has let go of.
    pub(crate) fn flush(&self, broker: &dyn Broker) {
        let copy = &mut *self.0.lock();
        copy.log.flush();
        if copy.log.has_grown()
            && let Ok(topic) = broker.watermarks(&copy.partition)
        {
            copy.log.forget_before(topic.low);
        }
    }

    /// Reads the copy, and then the topic.
    pub(crate) fn reader(&self, broker: Arc<dyn Broker>, waker: Waker) -> Box<dyn PartitionReader> {
        let position = self.start();
        Box::new(CopiedReader { copy: self.clone(), broker, waker, reader: None, position })
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        self.log.flush();
    }
}

struct CopiedReader {
    copy: Copied,
    broker: Arc<dyn Broker>,
    waker: Waker,
    /// Open once the copy is read.
    reader: Option<Box<dyn PartitionReader>>,
    position: Offset,
}

impl std::fmt::Debug for CopiedReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CopiedReader").field("copy", &self.copy).field("reader", &self.reader).finish_non_exhaustive()
    }
}

impl CopiedReader {
    /// Reads from the copy; at its end, opens the topic behind it.
    fn replay(&mut self, max: usize, into: &mut Vec<LogRecord>) -> Result<usize, BrokerError> {
        let copy = &mut *self.copy.0.lock();
        let n = copy.log.replay(max, into).map_err(unreadable)?;
        if n > 0 {
            self.position = into.last().map_or(self.position, |record| record.offset + 1);
            return Ok(n);
        }
        let end = copy.log.held().end;
        if end < copy.topic.low {
            let cause = format!("it is damaged behind offset {end}, and the topic begins at {}", copy.topic.low);
            copy.log.discard(&cause).map_err(unreadable)?;
            let cause = format!("{cause}; it is moved aside, and the next start reads the topic instead");
            return Err(BrokerError::Fatal { operation: format!("read the local copy of {}", copy.partition), cause });
        }
        self.reader = Some(self.broker.reader(&copy.partition, end, self.waker.clone())?);
        copy.is_replaying = false;
        Ok(0)
    }
}

fn unreadable(error: LocalError) -> BrokerError {
    BrokerError::Fatal { operation: "read the local copy of an event log".to_owned(), cause: error.to_string() }
}

impl PartitionReader for CopiedReader {
    fn poll(&mut self, max: usize, into: &mut Vec<LogRecord>) -> Result<usize, BrokerError> {
        if self.reader.is_none() {
            let n = self.replay(max, into)?;
            if n > 0 {
                return Ok(n);
            }
        }
        let Some(reader) = &mut self.reader else { return Ok(0) };
        let before = into.len();
        let n = reader.poll(max, into)?;
        let position = reader.position();
        if n > 0 || position > self.position {
            self.position = position;
            self.copy.0.lock().log.append(into.get(before..).unwrap_or_default(), position);
        }
        Ok(n)
    }

    fn position(&self) -> Offset {
        self.reader.as_ref().map_or(self.position, |reader| reader.position())
    }

    fn known_end(&self) -> Option<Offset> {
        self.reader.as_ref().map_or_else(|| Some(self.copy.0.lock().topic.high), |reader| reader.known_end())
    }

    fn known_age(&self) -> std::time::Duration {
        self.reader.as_ref().map_or(std::time::Duration::ZERO, |reader| reader.known_age())
    }
}
