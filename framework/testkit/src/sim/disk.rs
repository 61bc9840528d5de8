//! The disk of a simulated machine: what was flushed is there after a crash, except that its end may be torn; a full disk
//! ends the copying, a slow one takes its time, and a dead process writes nothing.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use nowfold_core::names::Offset;
use nowfold_core::record::LogRecord;
use nowfold_core::task::TaskId;
use nowfold_runtime::local::{DurableStores, LocalError, LocalLog, LocalState, LogOrigin, StoresPlan};
use parking_lot::Mutex;

use super::broker::Link;

/// How often an end is torn: once in so many times that a copy is opened.
const TORN: u64 = 5;

/// What lies on the disk of a machine.
pub(crate) type Files = Arc<Mutex<BTreeMap<TaskId, File>>>;

/// A copy of a partition.
#[derive(Clone, Debug)]
pub(crate) struct File {
    origin: LogOrigin,
    start: Offset,
    end: Offset,
    records: Vec<LogRecord>,
}

/// The disk as a process uses it. It keeps copies of event logs, and no generic stores.
#[derive(Debug)]
pub(crate) struct SimDisk {
    pub(crate) link: Link,
    pub(crate) files: Files,
}

impl LocalState for SimDisk {
    fn stores(&self, _: &StoresPlan) -> Result<Option<Box<dyn DurableStores>>, LocalError> {
        Ok(None)
    }

    fn log(&self, task: TaskId, origin: &LogOrigin) -> Result<Box<dyn LocalLog>, LocalError> {
        let found = self.files.lock().get(&task).filter(|file| file.origin == *origin).cloned();
        let mut file = found.unwrap_or_else(|| File::empty(origin));
        if self.link.world.one_in(TORN) {
            let n = u64::try_from(file.records.len()).unwrap_or(0);
            file.tear(usize::try_from(self.link.world.below(n + 1)).unwrap_or(0));
        }
        let (link, files) = (self.link.clone(), self.files.clone());
        Ok(Box::new(SimCopy { link, files, task, file, n_replayed: 0, is_full: false }))
    }
}

impl File {
    fn empty(origin: &LogOrigin) -> Self {
        Self { origin: origin.clone(), start: 0, end: 0, records: Vec::new() }
    }

    /// Only the first `n` records can be read.
    fn tear(&mut self, n: usize) {
        if n < self.records.len() {
            self.records.truncate(n);
            self.end = self.records.last().map_or(self.start, |record| record.offset + 1);
        }
    }
}

/// A copy in use: the file with what was appended to it since it was last written.
#[derive(Debug)]
struct SimCopy {
    link: Link,
    files: Files,
    task: TaskId,
    file: File,
    n_replayed: usize,
    /// The disk has refused: nothing is copied any more.
    is_full: bool,
}

impl LocalLog for SimCopy {
    fn held(&self) -> Range<Offset> {
        self.file.start..self.file.end
    }

    fn begin(&mut self, at: Offset) {
        (self.file.start, self.file.end) = (at, at);
    }

    fn replay(&mut self, max: usize, into: &mut Vec<LogRecord>) -> Result<usize, LocalError> {
        let before = into.len();
        into.extend(self.file.records.iter().skip(self.n_replayed).take(max).cloned());
        let n = into.len() - before;
        self.n_replayed += n;
        Ok(n)
    }

    fn append(&mut self, records: &[LogRecord], position: Offset) {
        if !self.is_full {
            self.file.records.extend_from_slice(records);
            self.file.end = position;
        }
    }

    fn flush(&mut self) {
        if self.is_full || self.link.is_dead() {
            return;
        }
        if self.link.fault(|faults| faults.slow_disk) {
            self.link.world.sleep(Duration::from_millis(1 + self.link.world.below(300)));
        }
        if self.link.fault(|faults| faults.full_disk) {
            self.is_full = true;
        } else if !self.link.is_dead() {
            self.files.lock().insert(self.task, self.file.clone());
        }
    }

    fn has_grown(&mut self) -> bool {
        self.link.world.one_in(8)
    }

    fn forget_before(&mut self, low: Offset) {
        self.file.records.retain(|record| record.offset >= low);
        self.file.start = self.file.start.max(low);
        self.file.end = self.file.end.max(low);
    }

    fn discard(&mut self, _: &str) -> Result<(), LocalError> {
        self.file = File::empty(&self.file.origin);
        self.n_replayed = 0;
        if !self.link.is_dead() {
            self.files.lock().remove(&self.task);
        }
        Ok(())
    }
}
