//! Taking many messages from a partition's queue at once: the workspace's only unsafe code.
//!
//! rdkafka polls one message per call, through an event for each. `rd_kafka_consume_batch_queue` takes them in one go and
//! tells the offset at which a partition ended. It saves about half of the reading thread's time per record.

use std::ffi::{CStr, CString, c_void};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::Arc;

use bytes::Bytes;
use nowfold_core::names::{Offset, TopicPartition};
use nowfold_core::record::{Header, Headers, LogRecord, TimestampType};
use nowfold_core::time::Timestamp;
use rdkafka::bindings::{
    rd_kafka_consume_batch_queue, rd_kafka_header_get_all, rd_kafka_headers_t, rd_kafka_message_destroy,
    rd_kafka_message_headers, rd_kafka_message_t, rd_kafka_message_timestamp, rd_kafka_queue_destroy,
    rd_kafka_queue_get_partition, rd_kafka_queue_t, rd_kafka_resp_err_t, rd_kafka_timestamp_type_t,
};
use rdkafka::consumer::Consumer;
use rdkafka::types::RDKafkaErrorCode as Code;

use crate::lane::DataConsumer;

/// At most this many messages are taken at once.
const AT_ONCE: usize = 512;

/// What stands in a queue beside records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// Every record before this offset has been returned, and there are no more yet.
    End(Offset),
    /// Fetching failed.
    Failed(Code),
}

/// The queue of one partition, as librdkafka has it.
pub(crate) struct BatchQueue {
    queue: NonNull<rd_kafka_queue_t>,
    messages: Vec<*mut rd_kafka_message_t>,
    /// Keeps the client alive for as long as its queue is used.
    _consumer: Arc<DataConsumer>,
}

// SAFETY: librdkafka's handles may be used from any thread, and `messages` holds pointers only while `take` runs.
unsafe impl Send for BatchQueue {}

impl BatchQueue {
    /// The queue of `partition`; `None` when the client has none.
    pub(crate) fn open(consumer: &Arc<DataConsumer>, partition: &TopicPartition) -> Option<Self> {
        let topic = CString::new(partition.topic.as_str()).ok()?;
        // SAFETY: the client lives, since `consumer` does; the name is a C string and is copied. The queue that comes
        // back counts as a reference of its own, which `drop` gives back.
        let queue = unsafe {
            rd_kafka_queue_get_partition(consumer.client().native_ptr(), topic.as_ptr(), partition.partition)
        };
        let queue = NonNull::new(queue)?;
        Some(Self { queue, messages: Vec::with_capacity(AT_ONCE), _consumer: Arc::clone(consumer) })
    }

    /// Appends up to `max` records to `into` without waiting, and returns how many.
    pub(crate) fn take(&mut self, max: usize, into: &mut Vec<LogRecord>, mut notice: impl FnMut(Notice)) -> usize {
        let before = into.len();
        loop {
            let wanted = (max - (into.len() - before)).min(AT_ONCE);
            let taken = self.fill(wanted);
            for message in self.messages.drain(..) {
                // SAFETY: the message was just filled in, is not null, and is ours until it is destroyed, once, below.
                let read = unsafe { read(&*message) };
                // SAFETY: as above; nothing that was read borrows from it.
                unsafe { rd_kafka_message_destroy(message) };
                match read {
                    Ok(record) => into.push(record),
                    Err(found) => notice(found),
                }
            }
            if taken < wanted || into.len() - before >= max {
                return into.len() - before;
            }
        }
    }

    /// Takes up to `wanted` messages off the queue; how many came. Fewer than wanted: the queue was empty.
    fn fill(&mut self, wanted: usize) -> usize {
        if wanted == 0 {
            return 0;
        }
        self.messages.clear();
        self.messages.reserve(wanted);
        // SAFETY: the queue is a live reference, and the array has room for `wanted` pointers.
        let taken = unsafe { rd_kafka_consume_batch_queue(self.queue.as_ptr(), 0, self.messages.as_mut_ptr(), wanted) };
        let taken = usize::try_from(taken).unwrap_or(0);
        // SAFETY: librdkafka has written the first `taken` pointers, and `taken` is at most `wanted`.
        unsafe { self.messages.set_len(taken) };
        taken
    }
}

impl Drop for BatchQueue {
    fn drop(&mut self) {
        // SAFETY: gives back the reference that `open` took, once; the client is dropped after this.
        unsafe { rd_kafka_queue_destroy(self.queue.as_ptr()) };
    }
}

/// Copies a message.
///
/// # Safety
/// The message must be one that librdkafka handed out and that is not destroyed yet.
unsafe fn read(message: &rd_kafka_message_t) -> Result<LogRecord, Notice> {
    match Code::from(message.err) {
        Code::NoError => {}
        Code::PartitionEOF => return Err(Notice::End(message.offset)),
        code => return Err(Notice::Failed(code)),
    }
    // SAFETY: the caller's promise: key, payload and headers of a live message.
    let (key, value, headers) =
        unsafe { (bytes(message.key, message.key_len), bytes(message.payload, message.len), headers(message)) };
    let mut kind = rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    // SAFETY: the caller's promise; the second argument is written to.
    let timestamp = unsafe { rd_kafka_message_timestamp(message, &raw mut kind) };
    let timestamp_type = match kind {
        rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME => TimestampType::LogAppendTime,
        _ => TimestampType::CreateTime,
    };
    let timestamp = Timestamp::from_millis(timestamp);
    Ok(LogRecord { offset: message.offset, key, value, timestamp, timestamp_type, headers })
}

/// Copies `length` bytes; `None` for a null pointer.
///
/// # Safety
/// A pointer that is not null must be good for `length` bytes.
unsafe fn bytes(start: *const c_void, length: usize) -> Option<Bytes> {
    // SAFETY: the caller's promise.
    (!start.is_null()).then(|| Bytes::copy_from_slice(unsafe { slice::from_raw_parts(start.cast(), length) }))
}

/// Copies a message's headers. A name that is not UTF-8 is mended with replacement characters.
///
/// # Safety
/// The message must be alive.
unsafe fn headers(message: &rd_kafka_message_t) -> Headers {
    let mut headers = ptr::null_mut();
    // SAFETY: the caller's promise; the headers belong to the message.
    let found = unsafe { rd_kafka_message_headers(message, &raw mut headers) };
    if found != rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Headers::new();
    }
    // SAFETY: the headers live as long as the message does.
    (0..).map_while(|index| unsafe { header(headers, index) }).collect()
}

/// One header; `None` past the last.
///
/// # Safety
/// The headers must be those of a live message.
unsafe fn header(headers: *const rd_kafka_headers_t, index: usize) -> Option<Header> {
    let (mut name, mut value, mut length) = (ptr::null(), ptr::null(), 0);
    // SAFETY: the caller's promise; the other arguments are written to.
    let found = unsafe { rd_kafka_header_get_all(headers, index, &raw mut name, &raw mut value, &raw mut length) };
    if found != rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        return None;
    }
    // SAFETY: librdkafka gave a C string, and a value that is null or good for `length` bytes.
    let (name, value) = unsafe { (CStr::from_ptr(name), bytes(value, length)) };
    Some(Header { name: name.to_string_lossy().into_owned(), value })
}
