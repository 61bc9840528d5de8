//! What a process has to say on the control topic: what it is and has, where the topic does not say so yet.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use nowfold_core::names::Offset;
use nowfold_core::task::TaskId;

use super::message::{Message, ProcessRecord, TaskRecord, TaskState};
use super::view::View;

/// A process that has been silent for this long is taken off the topic by whoever notices.
const FORGET_AFTER: Duration = Duration::from_secs(3_600);

/// A task of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) id: TaskId,
    pub(crate) state: TaskState,
    pub(crate) position: BTreeMap<String, Offset>,
}

/// What this process says of itself.
#[derive(Debug)]
pub(crate) struct Claims {
    me: String,
    pub(crate) process: ProcessRecord,
    heartbeat: Duration,
    beaten: Option<Instant>,
    /// What was said of each key and when: it is not said again before it can have been read.
    said: BTreeMap<TaskId, (TaskRecord, Instant)>,
    /// Since when another living process has the better claim on a task that is here.
    disputed: BTreeMap<TaskId, Instant>,
    /// When positions were last said.
    positions: Option<Instant>,
}

impl Claims {
    pub(crate) fn new(me: String, process: ProcessRecord, heartbeat: Duration) -> Self {
        let (said, disputed) = (BTreeMap::new(), BTreeMap::new());
        Self { me, process, heartbeat, beaten: None, said, disputed, positions: None }
    }

    /// Says the process record at the next turn, whatever was said.
    pub(crate) fn beat_now(&mut self) {
        self.beaten = None;
    }

    /// What is to be written now. The topic is the truth: whatever got lost on the way there is said again.
    pub(crate) fn due(&mut self, view: &View, held: &[Held], now: Instant) -> Vec<Message> {
        let mut due = Vec::new();
        let is_beat = self.beaten.is_none_or(|at| now.saturating_duration_since(at) >= self.heartbeat);
        if is_beat {
            self.beaten = Some(now);
            due.push(Message::Process(self.me.clone(), Some(self.process.clone())));
            let gone = view.silent_for(FORGET_AFTER, now).filter(|id| **id != self.me);
            due.extend(gone.map(|id| Message::Process(id.clone(), None)));
        }
        let with_positions = self.positions.is_none_or(|at| now.saturating_duration_since(at) >= 5 * self.heartbeat);
        if with_positions {
            self.positions = Some(now);
        }
        self.said.retain(|id, _| held.iter().any(|task| task.id == *id));
        self.disputed.retain(|id, _| held.iter().any(|task| task.id == *id));
        due.extend(held.iter().filter_map(|task| self.claim(view, task, with_positions, now)));
        due
    }

    fn claim(&mut self, view: &View, task: &Held, with_positions: bool, now: Instant) -> Option<Message> {
        let known = view.task(task.id);
        let generation = match known {
            None => 1,
            Some(known) if known.owner == self.me => {
                self.disputed.remove(&task.id);
                let moved = with_positions && known.position != task.position;
                if known.state == task.state && !moved {
                    return None;
                }
                known.generation
            }
            Some(known) => self.better_than(view, task.id, known, now)?,
        };
        let (owner, state, position) = (self.me.clone(), task.state, task.position.clone());
        let record = TaskRecord { owner, generation, state, position };
        if self.is_on_its_way(task.id, &record, now) {
            return None;
        }
        self.said.insert(task.id, (record.clone(), now));
        Some(Message::Task(task.id, Some(record)))
    }

    /// The generation with which to claim a task that another has on the topic: at once where it was the other's before
    /// it came here; after a while where the other claimed it later, for it may be right, and the group may be about to
    /// tell us.
    fn better_than(&mut self, view: &View, id: TaskId, known: &TaskRecord, now: Instant) -> Option<u64> {
        let was_ours = self.said.get(&id).is_some_and(|(said, _)| said.generation <= known.generation);
        if was_ours && view.is_alive(&known.owner, now) {
            let since = *self.disputed.entry(id).or_insert(now);
            if now.saturating_duration_since(since) < 2 * self.heartbeat {
                return None;
            }
        }
        self.disputed.remove(&id);
        // A generation at its end was written by none of ours; an equal one that comes later counts.
        Some(known.generation.saturating_add(1))
    }

    /// Whether the same was said so recently that it may not have been read yet; positions do not count.
    fn is_on_its_way(&self, id: TaskId, record: &TaskRecord, now: Instant) -> bool {
        self.said.get(&id).is_some_and(|(said, at)| {
            (said.generation, said.state) == (record.generation, record.state)
                && now.saturating_duration_since(*at) < self.heartbeat
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::host;
    use super::super::view::tests::{TASK, claim, process, view};
    use super::*;

    const BEAT: Duration = Duration::from_secs(2);

    fn claims() -> Claims {
        let mut claims = Claims::new("me".into(), ProcessRecord::default(), BEAT);
        claims.due(&view(&[], host::now()), &[], host::now());
        claims
    }

    fn held(state: TaskState) -> Held {
        Held { id: TASK, state, position: BTreeMap::new() }
    }

    /// The generations claimed.
    fn generations(due: Vec<Message>) -> Vec<u64> {
        let generation = |message| match message {
            Message::Task(_, Some(task)) => Some(task.generation),
            _ => None,
        };
        due.into_iter().filter_map(generation).collect()
    }

    #[test]
    fn beats_at_every_interval_and_at_once_when_asked() {
        let (mut claims, now) = (claims(), host::now());
        let nothing = view(&[], now);
        assert_eq!(claims.due(&nothing, &[], now).len(), 0);
        claims.beat_now();
        assert_eq!(claims.due(&nothing, &[], now).len(), 1);
        assert_eq!(claims.due(&nothing, &[], now + BEAT).len(), 1);
    }

    #[test]
    fn claims_a_task_above_its_last_owner_and_says_so_once() {
        let (mut claims, now) = (claims(), host::now());
        let before = view(&[(1, process("other", "o:1")), (1, claim("other", 7))], now);
        assert_eq!(generations(claims.due(&before, &[held(TaskState::Restoring)], now)), [8]);
        assert_eq!(generations(claims.due(&before, &[held(TaskState::Restoring)], now)), [0; 0]);
        assert_eq!(generations(claims.due(&before, &[held(TaskState::Running)], now)), [8], "its state has changed");
        let read = view(&[(1, claim("other", 7)), (1, claim("me", 8))], now);
        assert_eq!(generations(claims.due(&read, &[held(TaskState::Running)], now + 3 * BEAT)), [0; 0]);
    }

    #[test]
    fn a_claim_that_does_not_arrive_is_said_again() {
        let (mut claims, now) = (claims(), host::now());
        let nothing = view(&[], now);
        assert_eq!(generations(claims.due(&nothing, &[held(TaskState::Running)], now)), [1]);
        assert_eq!(generations(claims.due(&nothing, &[held(TaskState::Running)], now + BEAT)), [1]);
    }

    #[test]
    fn gives_way_for_a_while_to_a_living_process_that_claims_the_same_task_later() {
        let (mut claims, now) = (claims(), host::now());
        let running = [held(TaskState::Running)];
        assert_eq!(generations(claims.due(&view(&[], now), &running, now)), [1]);
        let taken = view(&[(1, process("other", "o:1")), (1, claim("me", 1)), (1, claim("other", 2))], now);
        assert_eq!(generations(claims.due(&taken, &running, now)), [0; 0]);
        assert_eq!(generations(claims.due(&taken, &running, now + BEAT)), [0; 0]);
        assert_eq!(generations(claims.due(&taken, &running, now + 2 * BEAT)), [3]);
    }

    #[test]
    fn claims_at_once_what_a_dead_process_claimed_later() {
        let (mut claims, now) = (claims(), host::now());
        let running = [held(TaskState::Running)];
        assert_eq!(generations(claims.due(&view(&[], now), &running, now)), [1]);
        let taken = view(&[(1, claim("other", 2))], now);
        assert_eq!(generations(claims.due(&taken, &running, now)), [3]);
    }
}
