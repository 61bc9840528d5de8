//! Which record a task takes next: the one with the smallest timestamp among the first of all sources.
//!
//! A task with several sources does not choose before it may: see [`TaskIdle`]. The timestamp is the record's own, or the
//! one that the source's extractor tells, which is asked once for each record, when that is the first of its source.

use super::queue::SourceQueue;
use super::{Task, TaskIdle};
use crate::time::Timestamp;

impl Task {
    /// The queue to take the next record from. Replays go first: a table is rebuilt before the stream that joins it.
    pub(super) fn next_queue(&mut self) -> Option<usize> {
        let restoring = |queue: &SourceQueue| !(queue.is_restored() || queue.is_followed && queue.records.is_empty());
        if let Some(index) = self.queues.iter().position(restoring) {
            return self.queues.get(index).filter(|queue| !queue.records.is_empty()).map(|_| index);
        }
        if self.queues.iter().any(|queue| queue.is_followed) {
            return None;
        }
        if self.queues.len() < 2 {
            return self.queues.iter().position(|queue| !queue.records.is_empty());
        }
        if !self.may_choose() {
            return None;
        }
        self.tell_heads();
        let head = |(index, queue): (usize, &SourceQueue)| Some((queue.head_time()?, queue.turn, index));
        self.queues.iter().enumerate().filter_map(head).min().map(|(_, _, index)| index)
    }

    /// When the task stops to wait for sources that are empty, if it waits although it has records.
    pub fn idles_until(&self) -> Option<Timestamp> {
        let waits = self.queues.iter().filter_map(|queue| queue.waits_until);
        waits.filter(|until| *until > self.shared.wall_clock).max().filter(|_| self.has_records())
    }

    fn has_records(&self) -> bool {
        self.queues.iter().any(|queue| !queue.records.is_empty())
    }

    /// Whether no source is worth waiting for any longer.
    fn may_choose(&mut self) -> bool {
        let TaskIdle::UpTo(wait) = self.idle else { return true };
        let now = self.shared.wall_clock;
        // All are asked, since each begins its wait with that.
        self.queues.iter_mut().filter_map(|queue| (!queue.is_ready(now, wait)).then_some(())).count() == 0
    }

    /// Asks the sources that tell timestamps for those of their first records.
    fn tell_heads(&mut self) {
        for queue in self.queues.iter_mut().filter(|queue| queue.tells && queue.told.is_none()) {
            let Some(record) = queue.records.front() else { continue };
            if let Some(node) = self.nodes.get_mut(queue.node).and_then(Option::as_mut) {
                queue.told = Some(node.tell(&queue.partition, record));
            }
        }
    }
}
