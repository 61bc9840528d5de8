//! The control topic with records that none of our processes wrote.

use std::collections::BTreeMap;
use std::time::Duration;

use nowfold_core::record::LogRecord;
use nowfold_core::task::TaskId;

use super::super::host;
use super::check;
use super::claims::{Claims, Held};
use super::message::{Message, ProcessRecord, TaskState, TopologyRecord};
use super::view::View;

const ME: &str = "me";

const TASK: TaskId = TaskId { subtopology: 0, partition: 1 };

/// Takes a control topic in as a process does at its start, and asks all that a process asks of it. For fuzzing.
///
/// # Panics
/// When a message reads as another after it is written, when a refusal says nothing, and when a task that is here is still
/// another's after it was claimed.
pub fn control_topic(records: &[LogRecord]) {
    let (now, heartbeat) = (host::now(), Duration::from_secs(2));
    let mut view = View::new(heartbeat * 5);
    for record in records {
        record.key.iter().for_each(|key| read_again(key, record.value.as_deref()));
        view.apply(record, now);
    }
    let lines = vec!["0 source in string/string".to_owned(), "0 store counts changelog".to_owned()];
    let partitions = BTreeMap::from([("in".to_owned(), 4)]);
    let ours = TopologyRecord { fingerprint: "f".to_owned(), lines, partitions };
    for checked in [check::check("app", &ours, &view, false, now), check::check_again("app", &ours, ME, &view, now)] {
        checked.err().iter().for_each(|error| assert!(error.to_string().starts_with("NF"), "refused without a code"));
    }
    claim(&mut view, records.len(), heartbeat);
}

/// Claims a task until it is ours, which takes one try, or two where a living process seems to have the better claim.
fn claim(view: &mut View, end: usize, heartbeat: Duration) {
    let process = ProcessRecord { fingerprint: "f".to_owned(), ..ProcessRecord::default() };
    let mut claims = Claims::new(ME.to_owned(), process, heartbeat);
    let held = [Held { id: TASK, state: TaskState::Running, position: BTreeMap::new() }];
    let mut offset = i64::try_from(end).unwrap_or(i64::MAX / 2);
    for turn in 0..3 {
        let now = host::now() + heartbeat * 3 * turn;
        for message in claims.due(view, &held, now) {
            let (key, value) = message.write();
            let (key, timestamp) = (Some(key), nowfold_core::time::Timestamp::from_millis(offset * 1_000));
            let timestamp_type = nowfold_core::record::TimestampType::LogAppendTime;
            let headers = nowfold_core::record::Headers::new();
            view.apply(&LogRecord { offset, key, value, timestamp, timestamp_type, headers }, now);
            offset += 1;
        }
    }
    let owner = view.task(TASK).map(|task| task.owner.as_str());
    assert_eq!(owner, Some(ME), "a task that is here and was claimed is another's");
}

fn read_again(key: &[u8], value: Option<&[u8]>) {
    let Some(message) = Message::read(key, value) else { return };
    let (key, value) = message.write();
    assert_eq!(Message::read(&key, value.as_deref()), Some(message), "a message reads as another after it is written");
}
