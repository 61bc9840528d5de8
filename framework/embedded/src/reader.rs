//! The port [`PartitionReader`] over one partition.

use std::sync::Arc;

use nowfold_core::names::Offset;
use nowfold_core::record::LogRecord;
use nowfold_runtime::broker::{BrokerError, PartitionReader, Waker};

use crate::log::Inner;
use crate::partition::{Partition, Signal};

/// A position in a partition, and who is to be woken there.
#[derive(Debug)]
pub(crate) struct Reader {
    log: Arc<Inner>,
    partition: Arc<Partition>,
    position: Offset,
    signal: Arc<Signal>,
}

impl Reader {
    pub(crate) fn new(log: Arc<Inner>, partition: Arc<Partition>, position: Offset, waker: Waker) -> Self {
        Self { log, partition, position, signal: Arc::new(Signal::new(waker)) }
    }
}

impl PartitionReader for Reader {
    fn poll(&mut self, max: usize, into: &mut Vec<LogRecord>) -> Result<usize, BrokerError> {
        let before = into.len();
        self.position = self.partition.read(self.position, max, into, &self.signal)?;
        if into.len() == before {
            // A transaction whose producer is dead holds back what comes after it, until somebody looks at the time.
            self.log.expire_transactions();
        }
        Ok(into.len() - before)
    }

    fn position(&self) -> Offset {
        self.position
    }

    fn known_end(&self) -> Option<Offset> {
        Some(self.partition.end())
    }
}
