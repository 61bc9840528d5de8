//! The records of the control topic: JSON, so that any console consumer shows them, and so that fields may be added.
//!
//! | key | value |
//! |---|---|
//! | `process/<id>` | `{"endpoint", "rack", "name", "fingerprint", "version"}`, again at every heartbeat; null when it has ended |
//! | `task/<sub-topology>_<partition>` | `{"owner", "generation", "state", "position"}` |
//! | `standby/<sub-topology>_<partition>/<process>` | `{"lag", "position"}` of a copy; null when it is gone |
//! | `topology` | `{"fingerprint", "lines", "partitions"}` of the last start |

use std::collections::BTreeMap;

use bytes::Bytes;
use nowfold_core::names::Offset;
use nowfold_core::task::TaskId;
use serde::{Deserialize, Serialize};

use super::super::status::TaskPhase;

/// A process of the application.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessRecord {
    /// Where it answers queries, if it does.
    pub(crate) endpoint: Option<String>,
    /// Where it stands, if that was said.
    pub(crate) rack: Option<String>,
    /// Its name that survives a restart, if it has one: by it copies of tasks are given out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// Of its topology.
    pub(crate) fingerprint: String,
    /// Of nowfold.
    pub(crate) version: String,
}

/// What a task is doing, for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TaskState {
    /// Its stores are not whole.
    Restoring,
    /// It answers queries.
    Running,
}

impl From<TaskPhase> for TaskState {
    fn from(phase: TaskPhase) -> Self {
        match phase {
            TaskPhase::Opening | TaskPhase::Restoring { .. } => Self::Restoring,
            TaskPhase::CatchingUp { .. } | TaskPhase::Running => Self::Running,
        }
    }
}

/// Who has a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TaskRecord {
    /// The process.
    pub(crate) owner: String,
    /// Grows with each owner: of two claims the higher one counts.
    pub(crate) generation: u64,
    /// What it is doing.
    pub(crate) state: TaskState,
    /// The last applied offset of each topic that stores of the task follow, by `topic-partition`.
    #[serde(default)]
    pub(crate) position: BTreeMap<String, Offset>,
}

/// A copy of a task's stores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StandbyRecord {
    /// Records that it has not applied yet, if that is known.
    pub(crate) lag: Option<u64>,
    /// The next offset of each topic that it follows, by `topic-partition`.
    pub(crate) position: BTreeMap<String, Offset>,
}

/// The topology under which the application last ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TopologyRecord {
    /// Of the lines.
    pub(crate) fingerprint: String,
    /// [`TopologyIdentity::lines`](nowfold_core::topology::TopologyIdentity::lines).
    pub(crate) lines: Vec<String>,
    /// Partitions of each topic whose partitions tasks follow.
    pub(crate) partitions: BTreeMap<String, i32>,
}

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// A process is there, or has ended.
    Process(String, Option<ProcessRecord>),
    /// A task has an owner, or none is known.
    Task(TaskId, Option<TaskRecord>),
    /// A process keeps a copy of a task, or none any more.
    Standby(TaskId, String, Option<StandbyRecord>),
    /// The topology.
    Topology(TopologyRecord),
}

impl Message {
    /// Reads a record; `None` for what is not of this version.
    pub(crate) fn read(key: &[u8], value: Option<&[u8]>) -> Option<Self> {
        let key = std::str::from_utf8(key).ok()?;
        match (key.split_once('/'), value) {
            (Some(("process", id)), None) => Some(Self::Process(id.to_owned(), None)),
            (Some(("process", id)), Some(value)) => Some(Self::Process(id.to_owned(), Some(json(value)?))),
            (Some(("task", id)), None) => Some(Self::Task(task_id(id)?, None)),
            (Some(("task", id)), Some(value)) => Some(Self::Task(task_id(id)?, Some(json(value)?))),
            (Some(("standby", rest)), value) => {
                let (task, process) = rest.split_once('/')?;
                let record = value.map(|value| json(value).ok_or(())).transpose().ok()?;
                Some(Self::Standby(task_id(task)?, process.to_owned(), record))
            }
            (None, Some(value)) if key == "topology" => Some(Self::Topology(json(value)?)),
            _ => None,
        }
    }

    /// The record's key and value.
    pub(crate) fn write(&self) -> (Bytes, Option<Bytes>) {
        match self {
            Self::Process(id, process) => (Bytes::from(format!("process/{id}")), process.as_ref().map(bytes)),
            Self::Task(id, task) => {
                let key = format!("task/{}_{}", id.subtopology, id.partition);
                (Bytes::from(key), task.as_ref().map(bytes))
            }
            Self::Standby(id, process, record) => {
                let key = format!("standby/{}_{}/{process}", id.subtopology, id.partition);
                (Bytes::from(key), record.as_ref().map(bytes))
            }
            Self::Topology(topology) => (Bytes::from_static(b"topology"), Some(bytes(topology))),
        }
    }
}

fn json<'a, T: Deserialize<'a>>(value: &'a [u8]) -> Option<T> {
    serde_json::from_slice(value).inspect_err(|error| tracing::debug!(%error, "a control record is not read")).ok()
}

/// These records hold text, numbers and maps with keys of text alone, which JSON always can.
fn bytes(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}

fn task_id(text: &str) -> Option<TaskId> {
    let (subtopology, partition) = text.split_once('_')?;
    Some(TaskId { subtopology: subtopology.parse().ok()?, partition: partition.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_again(message: &Message) -> Option<Message> {
        let (key, value) = message.write();
        Message::read(&key, value.as_deref())
    }

    #[test]
    fn every_message_survives_the_round_trip() {
        let process = ProcessRecord { endpoint: Some("127.0.0.1:7070".into()), ..ProcessRecord::default() };
        let position = BTreeMap::from([("actions-3".to_owned(), 17)]);
        let task = TaskRecord { owner: "p/1".into(), generation: 4, state: TaskState::Restoring, position };
        let standby =
            StandbyRecord { lag: Some(3), position: BTreeMap::from([("app-counts-changelog-3".to_owned(), 9)]) };
        let partitions = BTreeMap::from([("in".to_owned(), 6)]);
        let topology = TopologyRecord { fingerprint: "f".into(), lines: vec!["0 source in".into()], partitions };
        let id = TaskId { subtopology: 2, partition: 11 };
        for message in [
            Message::Process("p/1".into(), Some(process)),
            Message::Process("p/1".into(), None),
            Message::Task(id, Some(task)),
            Message::Task(id, None),
            Message::Standby(id, "p/1".into(), Some(standby)),
            Message::Standby(id, "p/1".into(), None),
            Message::Topology(topology),
        ] {
            assert_eq!(read_again(&message), Some(message));
        }
    }

    #[test]
    fn reads_the_first_version_with_fields_that_were_added_later() {
        let value = br#"{"owner":"p","generation":4,"state":"running","position":{"a-0":7},"later":[1]}"#;
        let position = BTreeMap::from([("a-0".to_owned(), 7)]);
        let task = TaskRecord { owner: "p".into(), generation: 4, state: TaskState::Running, position };
        let id = TaskId { subtopology: 0, partition: 3 };
        assert_eq!(Message::read(b"task/0_3", Some(value)), Some(Message::Task(id, Some(task))));
    }

    #[test]
    fn passes_over_what_it_does_not_know() {
        for (key, value) in [("standby/0_1/p", "{}"), ("task/x_1", "{}"), ("task/0_1", "{"), ("else", "{}")] {
            assert_eq!(Message::read(key.as_bytes(), Some(value.as_bytes())), None, "{key}");
        }
        assert_eq!(Message::read(b"topology", None), None);
    }
}
