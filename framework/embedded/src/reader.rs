//! The port [`PartitionReader`] over one partition.

use std::sync::Arc;

use nowfold_core::names::Offset;
use nowfold_core::record::LogRecord;
use nowfold_runtime::broker::{BrokerError, PartitionReader, Waker};

use crate::partition::{Partition, Signal};

/// A position in a partition, and who is to be woken there.
#[derive(Debug)]
pub(crate) struct Reader {
    partition: Arc<Partition>,
    position: Offset,
    signal: Arc<Signal>,
}

impl Reader {
    pub(crate) fn new(partition: Arc<Partition>, position: Offset, waker: Waker) -> Self {
        Self { partition, position, signal: Arc::new(Signal::new(waker)) }
    }
}

impl PartitionReader for Reader {
    fn poll(&mut self, max: usize, into: &mut Vec<LogRecord>) -> Result<usize, BrokerError> {
        let before = into.len();
        self.position = self.partition.read(self.position, max, into, &self.signal)?;
        Ok(into.len() - before)
    }

    fn position(&self) -> Offset {
        self.position
    }

    fn known_end(&self) -> Option<Offset> {
        Some(self.partition.end())
    }
}
