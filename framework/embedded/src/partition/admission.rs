//! What a partition takes: the checks of Kafka's broker.

use nowfold_core::record::{OutputRecord, TimestampType};
use nowfold_core::time::Timestamp;
use nowfold_runtime::broker::BrokerError;

use super::Partition;
use super::state::record_size;
use crate::error::refused;

/// Bytes that Kafka adds to a record alone in its batch, about: `max.message.bytes` limits the whole.
const RECORD_OVERHEAD: usize = 70;

impl Partition {
    /// Refuses what Kafka's broker refuses.
    pub(super) fn check(&self, record: &OutputRecord, now: Timestamp) -> Result<(), BrokerError> {
        let refuse = |cause: String| Err(refused(&self.id.topic, cause));
        let size = u64::try_from(record_size(record) + RECORD_OVERHEAD).unwrap_or(u64::MAX);
        if size > self.config.max_message_bytes {
            return refuse(format!("{size} bytes are more than max.message.bytes {}", self.config.max_message_bytes));
        }
        if self.config.compacts && record.key.is_none() {
            return refuse("a compacted topic takes no record without a key".into());
        }
        if self.config.timestamp_type == TimestampType::CreateTime {
            return self.check_timestamp(record.timestamp, now);
        }
        Ok(())
    }

    /// KIP-937: bounds of what a producer may claim.
    fn check_timestamp(&self, timestamp: Timestamp, now: Timestamp) -> Result<(), BrokerError> {
        let ahead_ms = timestamp.millis_since(now);
        let (name, limit_ms, off_ms) = if ahead_ms > 0 {
            ("message.timestamp.after.max.ms", self.config.timestamp_after_max_ms, ahead_ms)
        } else {
            ("message.timestamp.before.max.ms", self.config.timestamp_before_max_ms, ahead_ms.saturating_neg())
        };
        if off_ms <= limit_ms {
            return Ok(());
        }
        let cause = format!("timestamp {timestamp} is {off_ms} ms off the log's clock {now}, {name} allows {limit_ms}");
        Err(refused(&self.id.topic, format!("{cause}; raise it, or use message.timestamp.type=LogAppendTime")))
    }
}
