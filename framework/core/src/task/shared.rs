//! State of a task that all its nodes share: stores, effects, the present record, and what stops it.

use std::sync::Arc;

use super::current::Current;
use super::effects::{Effects, Mark};
use super::wiring::Wiring;
use crate::failure::{Failure, FailureHandlers, Stage, TaskFailure, Verdict};
use crate::names::{Offset, StoreName, TopicName, TopicPartition};
use crate::processor::ProcessError;
use crate::record::{LogRecord, Origin};
use crate::state::StateStore;
use crate::time::Timestamp;

pub(crate) struct StoreSlot {
    pub(crate) name: StoreName,
    pub(crate) store: Box<dyn StateStore>,
    pub(crate) logged: bool,
}

pub(crate) struct Shared {
    pub(crate) effects: Effects,
    pub(crate) stores: Vec<StoreSlot>,
    pub(crate) stream_time: Timestamp,
    pub(crate) wall_clock: Timestamp,
    /// The present record only rebuilds stores.
    pub(crate) replaying: bool,
    handlers: FailureHandlers,
    dead_letter_topic: Option<TopicName>,
    current: Current,
    /// Where the effects of the present record begin.
    before: Mark,
    /// What the present record is counted under.
    counts: Vec<&'static str>,
    stop: Option<Stop>,
}

/// Why the present record is not passed over. It is kept apart from the error that travels up through the processors,
/// so that none of them can swallow it.
pub(super) struct Stop {
    node: Arc<str>,
    stage: Stage,
    pub(super) cause: String,
    /// The record waits and is tried again.
    pub(super) retriable: bool,
}

impl Stop {
    pub(super) fn into_failure(self, source_partition: TopicPartition, offset: Offset) -> TaskFailure {
        TaskFailure { stage: self.stage, node: self.node.to_string(), source_partition, offset, cause: self.cause }
    }
}

impl Shared {
    pub(super) fn new(stores: Vec<StoreSlot>, handlers: FailureHandlers, dead_letter_topic: Option<TopicName>) -> Self {
        Self {
            effects: Effects::default(),
            stores,
            stream_time: Timestamp::MIN,
            wall_clock: Timestamp::MIN,
            replaying: false,
            handlers,
            dead_letter_topic,
            current: Current::nothing(),
            before: Mark::default(),
            counts: Vec::new(),
            stop: None,
        }
    }

    /// Makes `record` the present one.
    pub(super) fn begin(&mut self, source: &TopicPartition, record: LogRecord, replaying: bool) {
        self.replaying = replaying;
        self.before = self.effects.mark();
        self.current.begin(source, record);
    }

    /// Ends the present record: keeps or drops its effects, and returns why it is not passed over, if so.
    ///
    /// A record that waits leaves no outputs and counts behind, since it comes again. Its writes to stores have been
    /// made, so they stay in the changelog too.
    pub(super) fn settle(&mut self) -> Option<Stop> {
        let stop = self.stop.take();
        let waits = stop.as_ref().is_some_and(|stop| stop.retriable);
        if self.replaying || waits {
            self.effects.cut_records(self.before);
            self.counts.clear();
        }
        if self.replaying {
            self.effects.cut_changelog(self.before);
        }
        self.counts.drain(..).for_each(|reason| self.effects.count(reason, 1));
        stop
    }

    pub(crate) fn origin(&self) -> &Origin {
        self.current.origin()
    }

    pub(super) fn next_event_id(&mut self, node: usize, scope: Option<&str>) -> String {
        self.current.next_id(node, scope)
    }

    pub(crate) fn source_record(&self) -> (&TopicPartition, &LogRecord) {
        (&self.current.source, &self.current.record)
    }

    /// The present record could be read: it counts for stream time.
    pub(crate) fn advance_stream_time(&mut self) {
        self.stream_time = self.stream_time.max(self.current.record.timestamp);
    }

    /// Counts something that happened to the present record.
    pub(crate) fn count(&mut self, reason: &'static str) {
        self.counts.push(reason);
    }

    /// Whether the present record is not passed over, whatever the processors above make of it.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_some()
    }

    /// Applies the verdict on a failure of the present record; an error means that it is not passed over.
    pub(super) fn failed(&mut self, node: &Wiring, error: ProcessError) -> Result<(), ProcessError> {
        if self.is_stopped() {
            return Err(error);
        }
        match self.verdict(node, &error) {
            Verdict::Skip => self.count("skipped"),
            Verdict::DeadLetter => self.dead_letter(&node.name, error.stage, &error.cause),
            Verdict::Fail => {
                let (stage, cause, retriable) = (error.stage, error.cause.clone(), error.retriable);
                self.stop = Some(Stop { node: node.name.clone(), stage, cause, retriable });
                return Err(error);
            }
        }
        Ok(())
    }

    /// What may pass by itself is not judged: the record waits.
    fn verdict(&self, node: &Wiring, error: &ProcessError) -> Verdict {
        if error.retriable {
            return Verdict::Fail;
        }
        let failure = self.failure(&node.name, error.stage, &error.cause);
        self.handlers.decide(&failure, node.default_verdict)
    }

    pub(super) fn dead_letter(&mut self, node: &str, stage: Stage, cause: &str) {
        self.count("dead_letter");
        if let Some(topic) = &self.dead_letter_topic {
            let letter = self.failure(node, stage, cause).to_dead_letter(topic);
            self.effects.dead_letters.push(letter);
        }
    }

    fn failure<'a>(&'a self, node: &'a str, stage: Stage, cause: &'a str) -> Failure<'a> {
        let (source, record) = self.source_record();
        Failure { stage, node, source, record, cause }
    }
}
