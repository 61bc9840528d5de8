//! A task at work: punctuation, the next record, and its way through the nodes.

use super::graph::{Node, NodeContext};
use super::shared::Stop;
use super::{Processed, Punctuation, PunctuationClock, Task};
use crate::failure::TaskFailure;
use crate::names::{Offset, TopicPartition};
use crate::processor::ProcessError;
use crate::record::LogRecord;
use crate::time::Timestamp;

impl Task {
    /// Processes up to `max` records at wall-clock time `now`, the one with the smallest timestamp first. A task with
    /// several sources waits for those that are empty as [`TaskIdle`](super::TaskIdle) says.
    ///
    /// What calls came to goes first. No record is taken while an operator has as many calls under way as it may.
    ///
    /// # Errors
    /// [`TaskFailure`] when a record failed and no handler passes over it. The task must then be closed.
    pub fn process(&mut self, now: Timestamp, max: usize) -> Result<Processed, TaskFailure> {
        self.shared.wall_clock = now;
        let processed = self.process_batch(max)?;
        self.shared.start_calls();
        Ok(processed)
    }

    fn process_batch(&mut self, max: usize) -> Result<Processed, TaskFailure> {
        self.initialize()?;
        self.shared.expire();
        if let Some(cause) = self.punctuate(PunctuationClock::WallClock)? {
            return Ok(Processed::Blocked { taken: 0, cause });
        }
        if let Some(cause) = self.resume_calls()? {
            return Ok(Processed::Blocked { taken: 0, cause });
        }
        if let Some(cause) = self.flush_caches(false)? {
            return Ok(Processed::Blocked { taken: 0, cause });
        }
        for taken in 0..max {
            if self.shared.calls.is_full() {
                return Ok(Processed::Records(taken));
            }
            let Some(index) = self.next_queue() else { return Ok(Processed::Records(taken)) };
            if let Some(cause) = self.process_one(index)? {
                return Ok(Processed::Blocked { taken, cause });
            }
            if let Some(cause) = self.punctuate(PunctuationClock::StreamTime)? {
                return Ok(Processed::Blocked { taken: taken + 1, cause });
            }
            if let Some(cause) = self.flush_caches(false)? {
                return Ok(Processed::Blocked { taken: taken + 1, cause });
            }
        }
        Ok(Processed::Records(max))
    }

    /// Lets every node begin, once.
    fn initialize(&mut self) -> Result<(), TaskFailure> {
        if self.is_initialized {
            return Ok(());
        }
        self.is_initialized = true;
        let now = self.shared.wall_clock;
        self.queues.iter_mut().for_each(|queue| queue.heard_at = now);
        for node in 0..self.nodes.len() {
            self.call(node, Timestamp::MIN, 1, |node, cx| node.init(cx))?;
        }
        Ok(())
    }

    /// Calls the processors whose schedules are due; a cause is returned when one must wait.
    fn punctuate(&mut self, clock: PunctuationClock) -> Result<Option<String>, TaskFailure> {
        if !self.is_restored() {
            return Ok(None);
        }
        let now = match clock {
            PunctuationClock::StreamTime => self.shared.stream_time,
            PunctuationClock::WallClock => self.shared.wall_clock,
        };
        let wall_clock = self.shared.wall_clock;
        while let Some((node, schedule)) = self.shared.schedules.due(clock, now) {
            let due = Punctuation { schedule, time: now };
            let waits = self.shared.schedules.waits(schedule).map(|waits| (waits.holds(wall_clock), waits.attempt()));
            let (held, attempt) = waits.unwrap_or((None, 1));
            if held.is_some() {
                return Ok(held);
            }
            self.shared.idle_since = self.idle_since(node);
            if let Some(stop) = self.call(node, now, attempt, |node, cx| node.punctuate(cx, due))? {
                let waits = self.shared.schedules.waits(schedule).into_iter();
                waits.for_each(|waits| waits.failed(wall_clock, stop.wait, &stop.cause));
                return Ok(Some(stop.cause));
            }
            self.shared.schedules.advance(schedule, now);
        }
        Ok(None)
    }

    /// Since when the sources above a node have had nothing; `None` while one of them has, or may have.
    fn idle_since(&self, node: usize) -> Option<Timestamp> {
        let above = &self.wiring.get(node)?.sources;
        let mut queues = self.queues.iter().filter(|queue| above.contains(&queue.partition.topic));
        queues.try_fold(Timestamp::MIN, |since, queue| Some(since.max(queue.idle_since()?)))
    }

    /// Runs a node without a record; `time` is that of its writes. A stop is returned when it must wait.
    fn call(
        &mut self,
        node: usize,
        time: Timestamp,
        attempt: u32,
        run: impl FnOnce(&mut dyn Node, &mut NodeContext<'_>) -> Result<(), ProcessError>,
    ) -> Result<Option<Stop>, TaskFailure> {
        let source = self.queues.first().map_or_else(|| TopicPartition::new("", 0), |queue| queue.partition.clone());
        self.shared.begin((&source, LogRecord { timestamp: time, ..LogRecord::empty() }), attempt, None);
        self.run_node(node, run);
        match self.shared.settle() {
            None => Ok(None),
            Some(stop) if stop.retriable => Ok(Some(stop)),
            Some(stop) => Err(stop.into_failure(source, -1)),
        }
    }

    /// Processes the head of one queue; a cause is returned when it must wait.
    fn process_one(&mut self, index: usize) -> Result<Option<String>, TaskFailure> {
        let Some(queue) = self.queues.get_mut(index) else { return Ok(None) };
        if let Some(cause) = queue.waits.holds(self.shared.wall_clock) {
            return Ok(Some(cause));
        }
        let Some(record) = queue.pop() else { return Ok(None) };
        let offset = record.offset;
        self.shared.begin((&queue.partition, record), queue.waits.attempt(), Some((index, offset)));
        self.shared.replaying = queue.is_silent(offset);
        let node = queue.node;
        self.run(node);
        match self.shared.settle() {
            None => {
                self.advance(index, offset);
                Ok(None)
            }
            Some(stop) if stop.retriable => {
                self.put_back(index, &stop);
                Ok(Some(stop.cause))
            }
            Some(stop) => Err(stop.into_failure(self.shared.source_record().0.clone(), offset)),
        }
    }

    fn advance(&mut self, index: usize, offset: Offset) {
        let turn = self.next_turn();
        if let Some(queue) = self.queues.get_mut(index) {
            queue.next_offset = Some(offset + 1);
            queue.heard_at = self.shared.wall_clock;
            (queue.turn, queue.dirty) = (turn, true);
            queue.waits.over();
        }
    }

    pub(super) fn next_turn(&mut self) -> u64 {
        self.turns += 1;
        self.turns
    }

    fn put_back(&mut self, index: usize, stop: &Stop) {
        let (_, record) = self.shared.source_record();
        let record = record.clone();
        if let Some(queue) = self.queues.get_mut(index) {
            queue.put_back(record);
            queue.waits.failed(self.shared.wall_clock, stop.wait, &stop.cause);
        }
    }

    /// Runs the present record through the source node and all below.
    fn run(&mut self, source: usize) {
        self.run_node(source, |node, cx| node.process(cx, &mut Option::<()>::None));
    }

    fn run_node(
        &mut self,
        index: usize,
        run: impl FnOnce(&mut dyn Node, &mut NodeContext<'_>) -> Result<(), ProcessError>,
    ) {
        let Some((place, wiring)) = self.nodes.get_mut(index).zip(self.wiring.get(index)) else { return };
        let Some(mut node) = place.take() else { return };
        let mut cx =
            NodeContext { nodes: &mut self.nodes, wiring: &self.wiring, shared: &mut self.shared, node: index };
        let outcome = run(node.as_mut(), &mut cx);
        if let Some(place) = self.nodes.get_mut(index) {
            *place = Some(node);
        }
        if let Err(error) = outcome {
            // An error that stops the task is remembered by `shared` until it is settled.
            let _ = self.shared.failed(wiring, error);
        }
    }
}
