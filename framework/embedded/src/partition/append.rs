//! Appending.

use nowfold_core::names::Offset;
use nowfold_core::record::OutputRecord;
use nowfold_core::time::Timestamp;
use nowfold_runtime::broker::{BrokerError, DeliveryFailure};

use super::pending::TransactionKey;
use super::{Partition, signal};
use crate::error::unavailable;

/// Who appends, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Appender {
    /// The producer's number within the log.
    pub(crate) producer: u64,
    /// How long appends go without looking for records to expire or compact.
    pub(crate) check_interval_ms: i64,
    /// The transaction that the records are part of.
    pub(crate) transaction: Option<TransactionKey>,
}

impl Partition {
    /// Appends a record. Its key, value and headers are moved out when that succeeds, and left alone when it fails.
    ///
    /// In memory the record is readable at once. With a data directory it is written when the outbox is full, a reader
    /// waits or finds nothing more, or [`Self::flush`] is called; that may fail, and then `flush` says so.
    pub(crate) fn append(
        &self,
        record: &mut OutputRecord,
        appender: Appender,
        now: Timestamp,
    ) -> Result<(), BrokerError> {
        self.check(record, now)?;
        let (waiters, check_due) = {
            let mut state = self.state.lock();
            let appended = state.append(&self.id, &self.config, record, appender, now);
            appended.map_err(|error| unavailable(format!("appending to {}", self.id), error))?;
            (self.publish(&mut state), state.is_check_due(now, appender.check_interval_ms))
        };
        signal::wake(waiters);
        if check_due {
            self.maintain_lazily(now);
        }
        Ok(())
    }

    /// Ends a transaction: its records become part of the log, or never will. A marker takes the next offset.
    pub(crate) fn end_transaction(&self, transaction: TransactionKey, commit: bool) {
        self.changing(|state| state.end_transaction(&self.id, &self.config, transaction, commit));
    }

    /// One past the last record, those of open transactions included.
    pub(crate) fn log_end(&self) -> Offset {
        self.changing(|state| {
            state.write_out(&self.id);
            state.next_offset()
        })
    }

    /// Hands everything appended to the operating system, and to the disk where the durability asks for that. Returns
    /// the records of `producer` that could not be written since it last asked.
    pub(crate) fn flush(&self, producer: u64) -> Result<Vec<DeliveryFailure>, BrokerError> {
        if self.files.is_none() {
            return Ok(Vec::new());
        }
        self.changing(|state| {
            state.write_out(&self.id);
            let Some(outbox) = &mut state.outbox else { return Ok(Vec::new()) };
            outbox.sync().map_err(|error| unavailable(format!("syncing {}", self.id), error))?;
            Ok(outbox.take_failures(producer))
        })
    }
}
