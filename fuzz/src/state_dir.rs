//! The files of a state directory: its format, its origins, and the segments of a copied event log.

use std::path::Path;
use std::sync::OnceLock;

use bytes::Bytes;
use nowfold::core::names::{Offset, TopicPartition};
use nowfold::core::record::{Headers, LogRecord, TimestampType};
use nowfold::core::task::TaskId;
use nowfold::core::time::Timestamp;
use nowfold::disk::StateDir;
use nowfold::runtime::local::{Durability, LocalError, LocalLog, LocalState, LogOrigin};

use crate::sound::Sound;

const TASK: TaskId = TaskId { subtopology: 0, partition: 2 };

/// What the sample covers.
const HELD: std::ops::Range<Offset> = 3..27;

/// As in `data_file`. The directory is refused with a reason, or its copy gives records that follow each other within
/// what it says to hold, goes on from there, and has all of it when it is opened again.
pub fn state_dir(data: &[u8]) {
    static SOUND: OnceLock<Sound> = OnceLock::new();
    let sound = SOUND.get_or_init(|| Sound::of(|dir| write_sample(dir).unwrap_or_else(|error| panic!("{error}"))));
    let Ok(dir) = tempfile::tempdir() else { return };
    if !sound.lay_out_damaged(dir.path(), data) {
        return;
    }
    if let Err(error) = use_twice(dir.path()) {
        assert!(error.to_string().starts_with("NF1"), "refused without a code: {error}");
    }
}

fn use_twice(dir: &Path) -> Result<(), LocalError> {
    let (found, held) = {
        let mut log = open(dir)?;
        let mut found = read(log.as_mut())?;
        if found.is_empty() && log.held().is_empty() {
            log.begin(HELD.start);
        }
        let (held, end) = (log.held(), log.held().end);
        assert_follow(&found, &held);
        if end == Offset::MAX {
            return Ok(());
        }
        log.append(&[record(end)], end + 1);
        log.flush();
        found.push(record(end));
        (found, held.start..end + 1)
    };
    let mut log = open(dir)?;
    assert_eq!(read(log.as_mut())?, found, "opened again, the copy holds something else");
    assert_eq!(log.held(), held, "opened again, the copy holds another range");
    Ok(())
}

fn assert_follow(records: &[LogRecord], held: &std::ops::Range<Offset>) {
    let rises = records.windows(2).all(|pair| matches!(pair, [one, next] if one.offset < next.offset));
    let within = records.iter().all(|record| held.contains(&record.offset));
    assert!(rises && within, "records that do not follow within {held:?}");
}

/// The copy, of segments of a few records. The directory is unlocked at once: one process has it in turn.
fn open(dir: &Path) -> Result<Box<dyn LocalLog>, LocalError> {
    let origin = LogOrigin { log_id: "a log".to_owned(), partition: TopicPartition::new("actions", 2) };
    StateDir::open(dir, "feed", Durability::ProcessCrash)?.segment_bytes(200).log(TASK, &origin)
}

fn read(log: &mut dyn LocalLog) -> Result<Vec<LogRecord>, LocalError> {
    let mut found = Vec::new();
    while log.replay(2, &mut found)? > 0 {}
    Ok(found)
}

fn write_sample(dir: &Path) -> Result<(), LocalError> {
    let mut log = open(dir)?;
    log.begin(HELD.start);
    for first in HELD.step_by(2) {
        log.append(&[record(first), record(first + 1)], first + 2);
        log.flush();
    }
    Ok(())
}

fn record(offset: Offset) -> LogRecord {
    let mut headers = Headers::new();
    if offset % 4 == 0 {
        headers.push("h", (offset % 8 == 0).then(|| Bytes::from_static(b"1")));
    }
    LogRecord {
        offset,
        key: (offset % 5 != 0).then(|| Bytes::from(format!("key-{offset}"))),
        value: (offset % 7 != 0).then(|| Bytes::from(format!("value-{offset}"))),
        timestamp: Timestamp::from_millis(1_000 + offset.min(1_000)),
        timestamp_type: if offset % 3 == 0 { TimestampType::CreateTime } else { TimestampType::LogAppendTime },
        headers,
    }
}
