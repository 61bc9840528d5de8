//! Punctuation: calls of processors at intervals of stream time or wall-clock time.

use std::time::Duration;

use super::waits::Waits;
use crate::time::{Timestamp, millis};

/// Which clock a schedule follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PunctuationClock {
    /// The task's stream time. The first call comes with the first record; an idle task is not called.
    StreamTime,
    /// Wall-clock time. The first call comes one interval after the schedule was made.
    WallClock,
}

/// A schedule of a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Schedule(usize);

/// A call of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Punctuation {
    /// The schedule that is due.
    pub schedule: Schedule,
    /// The time now, on the schedule's clock.
    pub time: Timestamp,
}

#[derive(Debug)]
struct Entry {
    node: usize,
    clock: PunctuationClock,
    interval: i64,
    /// When it is due next; `None` once it is cancelled.
    next: Option<i64>,
    waits: Waits,
}

/// The schedules of a task.
#[derive(Debug, Default)]
pub(crate) struct Schedules(Vec<Entry>);

impl Schedules {
    /// Adds a schedule of `node`, at wall-clock time `now`. Intervals are at least a millisecond.
    pub(crate) fn add(&mut self, node: usize, interval: Duration, clock: PunctuationClock, now: Timestamp) -> Schedule {
        let interval = millis(interval).max(1);
        let next = match clock {
            PunctuationClock::StreamTime => 0,
            PunctuationClock::WallClock => now.as_millis().saturating_add(interval),
        };
        self.0.push(Entry { node, clock, interval, next: Some(next), waits: Waits::default() });
        Schedule(self.0.len() - 1)
    }

    pub(crate) fn cancel(&mut self, schedule: Schedule) {
        if let Some(entry) = self.0.get_mut(schedule.0) {
            entry.next = None;
        }
    }

    /// The schedule that is due first at `now`, and its node.
    pub(super) fn due(&self, clock: PunctuationClock, now: Timestamp) -> Option<(usize, Schedule)> {
        let entries = self.0.iter().enumerate().filter(|(_, entry)| entry.clock == clock);
        let due = entries.filter_map(|(i, entry)| Some((entry.next.filter(|next| *next <= now.as_millis())?, i)));
        let (_, i) = due.min()?;
        Some((self.0.get(i)?.node, Schedule(i)))
    }

    /// Whether a schedule that is due waits to be tried again.
    pub(super) fn waits(&mut self, schedule: Schedule) -> Option<&mut Waits> {
        self.0.get_mut(schedule.0).map(|entry| &mut entry.waits)
    }

    /// When the first schedule that waits may be tried again.
    pub(super) fn waits_until(&self) -> Option<Timestamp> {
        self.0.iter().filter_map(|entry| entry.waits.until()).min()
    }

    /// Moves a schedule on to the first step of its interval after `now`: a gap is caught up with one call.
    pub(super) fn advance(&mut self, schedule: Schedule, now: Timestamp) {
        let Some(entry) = self.0.get_mut(schedule.0) else { return };
        entry.waits.over();
        let Some(next) = entry.next else { return };
        let steps = (now.as_millis().saturating_sub(next) / entry.interval).saturating_add(1);
        entry.next = Some(next.saturating_add(steps.saturating_mul(entry.interval)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::millisecs;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn stream_time_is_due_at_once_and_wall_clock_after_an_interval() {
        let mut all = Schedules::default();
        let stream = all.add(3, millisecs(10), PunctuationClock::StreamTime, at(7));
        let wall = all.add(4, millisecs(10), PunctuationClock::WallClock, at(7));
        assert_eq!(all.due(PunctuationClock::StreamTime, at(0)), Some((3, stream)));
        assert_eq!(all.due(PunctuationClock::WallClock, at(16)), None);
        assert_eq!(all.due(PunctuationClock::WallClock, at(17)), Some((4, wall)));
    }

    #[test]
    fn a_gap_is_caught_up_with_one_call_and_steps_stay_aligned() {
        let mut all = Schedules::default();
        let stream = all.add(0, millisecs(10), PunctuationClock::StreamTime, at(0));
        all.advance(stream, at(35));
        assert_eq!(all.due(PunctuationClock::StreamTime, at(39)), None);
        assert!(all.due(PunctuationClock::StreamTime, at(40)).is_some());
        all.cancel(stream);
        assert_eq!(all.due(PunctuationClock::StreamTime, at(99)), None);
    }
}
