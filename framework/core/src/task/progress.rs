//! How far a task is: where its sources begin, what they were given, and what is to be committed.

use super::Task;
use super::queue::SourceQueue;
use crate::names::{Offset, TopicPartition};
use crate::record::LogRecord;

impl Task {
    /// Sets where a source begins. Records before `replay_until` only rebuild stores: their other effects are dropped.
    pub fn begin(&mut self, source: &TopicPartition, position: Offset, replay_until: Option<Offset>) {
        if let Some(queue) = self.queue(source) {
            queue.next_offset = Some(position);
            (queue.replay_until, queue.silent_until) = (replay_until, replay_until);
        }
    }

    /// Reads a source from `position` on without end, only to rebuild stores: a copy of a task that works elsewhere.
    /// Sources that are followed do not wait for each other.
    pub fn follow(&mut self, source: &TopicPartition, position: Offset) {
        self.begin(source, position, Some(Offset::MAX));
        if let Some(queue) = self.queue(source) {
            queue.is_followed = true;
        }
    }

    /// The end of [`follow`](Self::follow): the copy becomes the task. Records from `effects_from` on have all their
    /// effects, and the store counts as restored at `replay_until`.
    pub fn take_over(&mut self, source: &TopicPartition, replay_until: Offset, effects_from: Offset) {
        if let Some(queue) = self.queue(source) {
            queue.is_followed = false;
            queue.replay_until = Some(replay_until);
            queue.silent_until = Some(replay_until.min(effects_from));
        }
    }

    /// After [`begin`](Self::begin): records from `offset` on have all their effects, although the store counts as
    /// restored only at `replay_until`. An event log needs this: what lies behind the committed offset has been put into
    /// no store that outlived the process, but also had no outputs and dead letters yet.
    pub fn effects_from(&mut self, source: &TopicPartition, offset: Offset) {
        if let Some(queue) = self.queue(source) {
            queue.silent_until = queue.silent_until.map(|until| until.min(offset));
        }
    }

    /// Hands over records of a source, in offset order.
    pub fn add(&mut self, source: &TopicPartition, records: impl IntoIterator<Item = LogRecord>) {
        let turn = self.next_turn();
        let Some(queue) = self.queue(source) else { return };
        if queue.records.is_empty() {
            queue.turn = turn;
        }
        queue.extend(records);
    }

    /// Tells how far reading is: the reader's next position and the newest known end. A position beyond the queued
    /// records (transaction markers, compacted gaps) becomes the source's next offset once the queue is empty.
    pub fn observe(&mut self, source: &TopicPartition, position: Offset, known_end: Option<Offset>) {
        let Some(queue) = self.queue(source) else { return };
        queue.known_end = known_end.or(queue.known_end);
        if queue.records.is_empty() && queue.next_offset.is_some_and(|next| next < position) {
            queue.next_offset = Some(position);
            queue.dirty = true;
        }
    }

    /// Tells whether the log of a source is out of reach: what is known of its end may not be true any more, so the source
    /// does not count as idle.
    pub fn out_of_reach(&mut self, source: &TopicPartition, is_out_of_reach: bool) {
        if let Some(queue) = self.queue(source) {
            queue.is_out_of_reach = is_out_of_reach;
        }
    }

    /// The next offset of every source that moved since [`committed`](Self::committed). Commit them only after all
    /// effects taken so far are stored. Event logs are included, for lag tools and for [`effects_from`](Self::effects_from).
    /// A source that reads again what was committed before is left out until it is past that. Where calls are under way, the
    /// offset of the first record that waits for one; none while [record caches](Self::prepare_commit) hold rows back, or
    /// where everything is [committed at rest](Self::commits_at_rest).
    pub fn offsets(&self) -> Vec<(TopicPartition, Offset)> {
        self.committable(|queue| queue.dirty)
    }

    /// The next offset of every source, moved or not, with the same exception as [`offsets`](Self::offsets): brokers
    /// forget what is not committed again from time to time.
    pub fn positions(&self) -> Vec<(TopicPartition, Offset)> {
        self.committable(|_| true)
    }

    fn committable(&self, is_asked_for: impl Fn(&SourceQueue) -> bool) -> Vec<(TopicPartition, Offset)> {
        if self.holds_commits() {
            return Vec::new();
        }
        let known = self.queues.iter().enumerate();
        let known = known.filter_map(|(index, queue)| Some((queue, self.position(index)?)));
        known
            .filter(|(queue, next)| is_asked_for(queue) && !queue.is_silent(*next))
            .map(|(queue, next)| (queue.partition.clone(), next))
            .collect()
    }

    /// The offsets of the last [`offsets`](Self::offsets) are committed.
    pub fn committed(&mut self) {
        if self.holds_commits() {
            return;
        }
        self.queues.iter_mut().for_each(|queue| queue.dirty = false);
    }

    pub(super) fn queue(&mut self, source: &TopicPartition) -> Option<&mut SourceQueue> {
        self.queues.iter_mut().find(|queue| queue.partition == *source)
    }
}
