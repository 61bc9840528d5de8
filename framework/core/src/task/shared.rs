//! State of a task that all its nodes share: stores, effects, the present record, and what stops it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::caches::Caches;
use super::calls::Calls;
use super::current::{Current, Place};
use super::effects::{Effects, Mark, Tally};
use super::pending::Pending;
use super::punctuation::Schedules;
use super::wiring::Wiring;
use crate::failure::{Failure, FailureHandlers, Stage, TaskFailure, Verdict};
use crate::names::{Offset, StoreName, TopicName, TopicPartition};
use crate::processor::{ChangelogWrite, ProcessError};
use crate::record::{LogRecord, Origin};
use crate::state::{StateStore, StoreError};
use crate::time::Timestamp;

pub(crate) struct StoreSlot {
    pub(crate) name: StoreName,
    pub(crate) store: Box<dyn StateStore>,
    pub(crate) logged: bool,
    /// What the present record has written, if it is a key-value store.
    pub(crate) pending: Pending,
    /// Whether the present record has had the store itself in its hands.
    pub(crate) handed_out: bool,
    /// With a record cache: the newest writes that its changelog does not have yet, by key.
    pub(crate) held_back: Option<BTreeMap<Bytes, ChangelogWrite>>,
}

impl StoreSlot {
    /// Ends rows whose time is over, and deletes them in the changelog. What the present record has written since stays.
    pub(crate) fn expire(&mut self, (stream_time, now): (Timestamp, Timestamp), changelog: &mut Vec<ChangelogWrite>) {
        let over = self.store.expire(stream_time, now);
        if over.is_empty() || !self.logged {
            return;
        }
        let timestamp = stream_time.max(Timestamp::from_millis(0));
        let over = over.into_iter().filter(|key| !self.pending.holds(key));
        let store = &self.name;
        changelog.extend(over.map(|key| ChangelogWrite { store: store.clone(), key, value: None, timestamp }));
    }

    /// The present record is done with.
    fn keep(&mut self) -> Result<(), StoreError> {
        if std::mem::take(&mut self.handed_out) {
            self.store.record_done();
        }
        match self.store.as_key_value() {
            Some(store) if !self.pending.is_empty() => self.pending.flush(store),
            _ => Ok(()),
        }
    }

    /// The present record leaves nothing behind.
    fn forget(&mut self) {
        self.pending.drop_all();
        if std::mem::take(&mut self.handed_out) {
            self.store.record_waits();
        }
    }
}

pub(crate) struct Shared {
    pub(crate) effects: Effects,
    pub(crate) stores: Vec<StoreSlot>,
    pub(crate) stream_time: Timestamp,
    pub(crate) wall_clock: Timestamp,
    pub(crate) schedules: Schedules,
    pub(crate) calls: Calls,
    pub(crate) caches: Caches,
    /// The stream times of nodes that have one of their own.
    pub(crate) times: BTreeMap<usize, i64>,
    /// Those that were kept beside the committed offsets, by the nodes' names.
    pub(crate) recalled: BTreeMap<String, i64>,
    /// Numbers of partitions of the topics that are written to.
    pub(crate) sizes: BTreeMap<TopicName, i32>,
    /// Since when the sources above the node that is being punctuated have had nothing.
    pub(crate) idle_since: Option<Timestamp>,
    /// The present record only rebuilds stores.
    pub(crate) replaying: bool,
    handlers: FailureHandlers,
    dead_letter_topic: Option<TopicName>,
    current: Current,
    /// Where the effects of the present record begin.
    before: Mark,
    /// What the present record is counted under.
    counts: Vec<(Tally, &'static str, u64)>,
    stop: Option<Stop>,
    /// How often the present record has been tried, this time included.
    attempt: u32,
}

/// Why the present record is not passed over. It is kept apart from the error that travels up through the processors,
/// so that none of them can swallow it.
pub(super) struct Stop {
    node: Arc<str>,
    stage: Stage,
    pub(super) cause: String,
    /// The record waits and is tried again.
    pub(super) retriable: bool,
    /// How long it waits at least, where a handler said so.
    pub(super) wait: Option<Duration>,
}

impl Stop {
    pub(super) fn into_error(self) -> ProcessError {
        ProcessError::at(self.stage, self.cause, self.retriable)
    }

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
            schedules: Schedules::default(),
            calls: Calls::default(),
            caches: Caches::default(),
            times: BTreeMap::new(),
            recalled: BTreeMap::new(),
            sizes: BTreeMap::new(),
            idle_since: None,
            replaying: false,
            handlers,
            dead_letter_topic,
            current: Current::nothing(),
            before: Mark::default(),
            counts: Vec::new(),
            stop: None,
            attempt: 1,
        }
    }

    /// Makes a record the present one, tried for the time that `attempt` says. Its calls will pin `pin`.
    pub(super) fn begin(&mut self, read: (&TopicPartition, LogRecord), attempt: u32, pin: Option<(usize, Offset)>) {
        (self.replaying, self.attempt) = (false, attempt);
        self.before = self.effects.mark();
        self.current.begin(read.0, read.1, pin);
    }

    /// Makes the record of a call the present one again.
    pub(super) fn resume(&mut self, place: &Place, attempt: u32) {
        (self.replaying, self.attempt) = (false, attempt);
        self.before = self.effects.mark();
        self.current.resume(place);
    }

    /// Ends rows whose time is over.
    pub(super) fn expire(&mut self) {
        let times = (self.stream_time, self.wall_clock);
        self.stores.iter_mut().for_each(|slot| slot.expire(times, &mut self.effects.changelog));
    }

    pub(super) fn next_place(&mut self, node: usize, name: &str) -> Place {
        self.current.next_place(node, name)
    }

    /// Makes the calls that there is room for.
    pub(super) fn start_calls(&mut self) {
        self.calls.start(self.wall_clock, &mut self.effects.calls);
    }

    /// Ends the present record: keeps or drops its effects, and returns why it is not passed over, if so.
    ///
    /// A record that is not passed over leaves nothing behind, since it comes again: no outputs and counts, and no writes
    /// to key-value stores and their changelogs.
    pub(super) fn settle(&mut self) -> Option<Stop> {
        let stop = match self.stop.take() {
            Some(stop) => {
                self.stores.iter_mut().for_each(StoreSlot::forget);
                Some(stop)
            }
            None => self.keep_writes().err(),
        };
        if self.replaying || stop.is_some() {
            self.effects.cut(self.before);
            self.counts.clear();
            self.calls.forget();
            self.caches.forget();
        }
        self.calls.admit();
        self.caches.admit();
        self.hold_back();
        self.counts.drain(..).for_each(|(tally, reason, n)| self.effects.count(tally, reason, n));
        if stop.as_ref().is_some_and(|stop| stop.retriable) {
            self.effects.count(Tally::Retried, "retried", 1);
        }
        stop
    }

    /// Keeps the present record's writes to cached stores from their changelogs.
    fn hold_back(&mut self) {
        if self.stores.iter().all(|slot| slot.held_back.is_none()) {
            return;
        }
        for write in self.effects.take_changelog(self.before) {
            let cached = self.stores.iter_mut().find(|slot| slot.name == write.store);
            match cached.and_then(|slot| slot.held_back.as_mut()) {
                Some(held_back) => _ = held_back.insert(write.key.clone(), write),
                None => self.effects.changelog.push(write),
            }
        }
    }

    /// Lets the changelog of a store, or of all, have what was held back.
    pub(super) fn log_held_back(&mut self, store: Option<&StoreName>) {
        for slot in self.stores.iter_mut().filter(|slot| store.is_none_or(|store| slot.name == *store)) {
            let held_back = slot.held_back.as_mut().map(std::mem::take).unwrap_or_default();
            self.effects.changelog.extend(held_back.into_values());
        }
    }

    /// Makes the present record's writes; a store that refuses them stops the task.
    fn keep_writes(&mut self) -> Result<(), Stop> {
        for slot in &mut self.stores {
            slot.keep().map_err(|error| Stop {
                node: Arc::from(slot.name.as_str()),
                stage: Stage::Process,
                cause: error.to_string(),
                retriable: false,
                wait: None,
            })?;
        }
        Ok(())
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
        self.advance_stream_time_to(self.current.record.timestamp);
    }

    /// The present record was told to be of this time.
    pub(crate) fn advance_stream_time_to(&mut self, time: Timestamp) {
        self.stream_time = self.stream_time.max(time);
    }

    /// Counts the present record as dropped.
    pub(crate) fn count(&mut self, reason: &'static str) {
        self.count_as(Tally::Dropped, reason, 1);
    }

    pub(crate) fn count_as(&mut self, tally: Tally, reason: &'static str, n: u64) {
        self.counts.push((tally, reason, n));
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
            verdict @ (Verdict::Fail | Verdict::Retry | Verdict::RetryAfter(_)) => {
                let (stage, cause) = (error.stage, error.cause.clone());
                let retries = verdict.retries();
                let (retriable, wait) = (error.retriable || retries.is_some(), retries.flatten());
                self.stop = Some(Stop { node: node.name.clone(), stage, cause, retriable, wait });
                return Err(error);
            }
        }
        Ok(())
    }

    /// What may pass by itself is not judged: the record waits.
    fn verdict(&self, node: &Wiring, error: &ProcessError) -> Verdict {
        if error.retriable || error.is_final {
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
        Failure { stage, node, source, record, cause, attempt: self.attempt }
    }
}
