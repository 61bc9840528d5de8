//! What the control topic says: the processes that live, who has which task, and under which topology the application
//! last ran. Time is the topic's: a process is alive as long as its last heartbeat is not much older than the newest
//! record, so clocks need not agree.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use nowfold_core::names::Offset;
use nowfold_core::record::LogRecord;
use nowfold_core::task::TaskId;
use nowfold_core::time::Timestamp;

use super::message::{Message, ProcessRecord, StandbyRecord, TaskRecord, TopologyRecord};

/// A process as it was last heard.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) record: ProcessRecord,
    /// The offset of the first record of it that was read.
    pub(crate) since: Offset,
    /// When its last record was appended.
    heard: Timestamp,
}

/// The state of the topic.
#[derive(Debug)]
pub(crate) struct View {
    processes: BTreeMap<String, Seen>,
    tasks: BTreeMap<TaskId, TaskRecord>,
    /// Copies, by task and process.
    standbys: BTreeMap<(TaskId, String), StandbyRecord>,
    topology: Option<TopologyRecord>,
    /// When the newest record was appended, and when it was read here.
    newest: Option<(Timestamp, Instant)>,
    dead_after: Duration,
}

impl View {
    /// Nothing is known. A process that is not heard for `dead_after` counts as dead.
    pub(crate) fn new(dead_after: Duration) -> Self {
        let (processes, tasks, standbys) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { processes, tasks, standbys, topology: None, newest: None, dead_after }
    }

    /// Takes in the next record.
    pub(crate) fn apply(&mut self, record: &LogRecord, now: Instant) {
        if self.newest.is_none_or(|(appended, _)| record.timestamp >= appended) {
            self.newest = Some((record.timestamp, now));
        }
        let Some(key) = &record.key else { return };
        match Message::read(key, record.value.as_deref()) {
            Some(Message::Process(id, Some(process))) => {
                let since = self.processes.get(&id).map_or(record.offset, |seen| seen.since);
                self.processes.insert(id, Seen { record: process, since, heard: record.timestamp });
            }
            Some(Message::Process(id, None)) => _ = self.processes.remove(&id),
            Some(Message::Task(id, Some(task))) => self.claim(id, task),
            Some(Message::Task(id, None)) => _ = self.tasks.remove(&id),
            Some(Message::Standby(id, process, Some(record))) => _ = self.standbys.insert((id, process), record),
            Some(Message::Standby(id, process, None)) => _ = self.standbys.remove(&(id, process)),
            Some(Message::Topology(topology)) => self.topology = Some(topology),
            None => {}
        }
    }

    fn claim(&mut self, id: TaskId, task: TaskRecord) {
        if self.tasks.get(&id).is_none_or(|known| task.generation >= known.generation) {
            self.tasks.insert(id, task);
        }
    }

    /// The topology of the last start.
    pub(crate) fn topology(&self) -> Option<&TopologyRecord> {
        self.topology.as_ref()
    }

    /// The last claim on a task.
    pub(crate) fn task(&self, id: TaskId) -> Option<&TaskRecord> {
        self.tasks.get(&id)
    }

    /// A process that has not ended, alive or not.
    pub(crate) fn process(&self, id: &str) -> Option<&Seen> {
        self.processes.get(id)
    }

    /// Processes that are alive at `now`.
    pub(crate) fn alive(&self, now: Instant) -> impl Iterator<Item = (&String, &Seen)> {
        self.processes.iter().filter(move |(_, seen)| self.silence(seen, now) <= self.dead_after)
    }

    /// Processes that have been silent for longer than `bound`.
    pub(crate) fn silent_for(&self, bound: Duration, now: Instant) -> impl Iterator<Item = &String> {
        self.processes.iter().filter(move |(_, seen)| self.silence(seen, now) > bound).map(|(id, _)| id)
    }

    pub(crate) fn is_alive(&self, id: &str, now: Instant) -> bool {
        self.processes.get(id).is_some_and(|seen| self.silence(seen, now) <= self.dead_after)
    }

    /// The living process that has a task, when it is not `me`.
    pub(crate) fn other_owner(&self, task: TaskId, me: &str, now: Instant) -> Option<&ProcessRecord> {
        let owner = &self.tasks.get(&task)?.owner;
        if owner == me || !self.is_alive(owner, now) {
            return None;
        }
        self.processes.get(owner).map(|seen| &seen.record)
    }

    /// The living processes but `me` that keep a copy of a task.
    pub(crate) fn standbys(&self, task: TaskId, me: &str, now: Instant) -> Vec<(&ProcessRecord, &StandbyRecord)> {
        let of_task = self.standbys.range((task, String::new())..).take_while(|((id, _), _)| *id == task);
        let others = of_task.filter(|((_, process), _)| process != me && self.is_alive(process, now));
        others.filter_map(|((_, process), copy)| Some((&self.processes.get(process)?.record, copy))).collect()
    }

    /// Copies of processes that have ended.
    pub(crate) fn orphans(&self, me: &str) -> impl Iterator<Item = (TaskId, &str)> {
        let keys =
            self.standbys.keys().filter(move |(_, process)| process != me && !self.processes.contains_key(process));
        keys.map(|(task, process)| (*task, process.as_str()))
    }

    /// How long a process has been silent, by the topic's time.
    fn silence(&self, seen: &Seen, now: Instant) -> Duration {
        let Some((appended, read)) = self.newest else { return Duration::ZERO };
        let before = u64::try_from(appended.millis_since(seen.heard)).unwrap_or(0);
        Duration::from_millis(before) + now.saturating_duration_since(read)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use nowfold_core::record::{Headers, TimestampType};

    use super::super::super::host;
    use super::super::message::TaskState;
    use super::*;

    pub(in super::super) const DEAD_AFTER: Duration = Duration::from_secs(10);

    /// A view of these messages, each with the second of its append.
    pub(in super::super) fn view(messages: &[(i64, Message)], read: Instant) -> View {
        let mut view = View::new(DEAD_AFTER);
        for (offset, (second, message)) in (0..).zip(messages) {
            view.apply(&record(offset, *second, message), read);
        }
        view
    }

    fn record(offset: Offset, second: i64, message: &Message) -> LogRecord {
        let (key, value) = message.write();
        let (key, timestamp) = (Some(key), Timestamp::from_millis(second * 1_000));
        let timestamp_type = TimestampType::LogAppendTime;
        LogRecord { offset, key, value, timestamp, timestamp_type, headers: Headers::new() }
    }

    pub(in super::super) fn process(id: &str, endpoint: &str) -> Message {
        let record = ProcessRecord { endpoint: Some(endpoint.to_owned()), ..ProcessRecord::default() };
        Message::Process(id.to_owned(), Some(record))
    }

    pub(in super::super) const TASK: TaskId = TaskId { subtopology: 0, partition: 1 };

    pub(in super::super) fn claim(owner: &str, generation: u64) -> Message {
        let (owner, state, position) = (owner.to_owned(), TaskState::Running, BTreeMap::new());
        Message::Task(TASK, Some(TaskRecord { owner, generation, state, position }))
    }

    fn endpoint(view: &View, now: Instant) -> Option<&str> {
        view.other_owner(TASK, "me", now)?.endpoint.as_deref()
    }

    #[test]
    fn the_highest_generation_has_the_task_whichever_comes_last() {
        let now = host::now();
        let zombie = [process("a", "a:1"), process("b", "b:1"), claim("a", 1), claim("b", 2), claim("a", 1)];
        assert_eq!(endpoint(&view(&zombie.map(|message| (1, message)), now), now), Some("b:1"));
    }

    #[test]
    fn a_process_that_falls_silent_or_ends_owns_nothing() {
        let now = host::now();
        let silent = view(&[(1, process("a", "a:1")), (1, claim("a", 1)), (12, process("b", "b:1"))], now);
        assert_eq!(endpoint(&silent, now), None);
        assert_eq!(silent.silent_for(DEAD_AFTER, now).collect::<Vec<_>>(), ["a"]);
        let ended = [process("a", "a:1"), claim("a", 1), Message::Process("a".into(), None)];
        assert_eq!(endpoint(&view(&ended.map(|message| (1, message)), now), now), None);
    }

    #[test]
    fn silence_goes_on_while_nothing_is_read() {
        let now = host::now();
        let view = view(&[(1, process("a", "a:1")), (5, claim("a", 1))], now);
        assert_eq!(endpoint(&view, now + Duration::from_secs(6)), Some("a:1"));
        assert_eq!(endpoint(&view, now + Duration::from_secs(7)), None);
        assert_eq!(view.alive(now + Duration::from_secs(7)).count(), 0);
    }

    #[test]
    fn nobody_is_sent_on_to_oneself() {
        let now = host::now();
        let view = view(&[(1, process("me", "me:1")), (1, claim("me", 1))], now);
        assert_eq!(endpoint(&view, now), None);
    }
}
