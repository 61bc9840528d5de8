//! What the tests share.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use nowfold_core::names::{Offset, TopicPartition};
use nowfold_core::record::{Header, Headers, LogRecord, TimestampType};
use nowfold_core::task::TaskId;
use nowfold_core::time::Timestamp;
use nowfold_disk::StateDir;
use nowfold_runtime::local::{Durability, LocalError, LocalLog, LocalState, LogOrigin};

pub(crate) const TASK: TaskId = TaskId { subtopology: 0, partition: 2 };

/// The files of the copy, below the state directory.
pub(crate) const LOGS: &str = "feed/0_2/logs/actions";

/// A record that differs from all others in each of its parts.
pub(crate) fn record(offset: Offset) -> LogRecord {
    let text = |what: &str| Bytes::from(format!("{what}-{offset}"));
    let header = Header { name: format!("h{offset}"), value: (offset % 2 == 0).then(|| text("header")) };
    LogRecord {
        offset,
        key: (offset % 5 != 0).then(|| text("key")),
        value: (offset % 7 != 0).then(|| text("value")),
        timestamp: Timestamp::from_millis(1_000 + offset),
        timestamp_type: if offset % 3 == 0 { TimestampType::CreateTime } else { TimestampType::LogAppendTime },
        headers: if offset % 4 == 0 { Headers::from_iter([header]) } else { Headers::new() },
    }
}

pub(crate) fn records(offsets: impl IntoIterator<Item = Offset>) -> Vec<LogRecord> {
    offsets.into_iter().map(record).collect()
}

/// A state directory with small segments.
pub(crate) fn open(dir: &Path) -> Result<StateDir, LocalError> {
    Ok(StateDir::open(dir, "feed", Durability::ProcessCrash)?.segment_bytes(200))
}

pub(crate) fn origin() -> LogOrigin {
    LogOrigin { log_id: "a log".to_owned(), partition: TopicPartition::new("actions", 2) }
}

pub(crate) fn log(state: &StateDir) -> Result<Box<dyn LocalLog>, LocalError> {
    state.log(TASK, &origin())
}

/// Reads a copy to its end.
pub(crate) fn replay(log: &mut dyn LocalLog) -> Result<Vec<LogRecord>, LocalError> {
    let mut found = Vec::new();
    while log.replay(2, &mut found)? > 0 {}
    Ok(found)
}

/// Copies a directory and everything in it.
pub(crate) fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
