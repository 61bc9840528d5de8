//! What tasks produce, on its way to the broker, and what becomes of records that are refused.

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use metrics::Counter;
use nowfold_core::failure::{Failure, Stage, TaskFailure, Verdict, dead_letter};
use nowfold_core::names::{TopicName, TopicPartition};
use nowfold_core::processor::ChangelogWrite;
use nowfold_core::record::{Headers, LogRecord, OutputRecord, TimestampType};
use nowfold_core::topology::{StartPolicy, Topology};

use super::broker::{BrokerError, DeliveryFailure};
use super::budget::{Budget, Part, Share};
use super::channel::{Channel, Transactor};
use super::error::RuntimeError;
use super::later::Later;
use super::runner::Runner;

/// A worker's producer and counters.
pub(crate) struct Outbox {
    channel: Channel,
    topology: Topology,
    records_out: HashMap<String, Counter>,
    /// Records that the producer could not take yet, with the verdict on their refusal.
    waiting: VecDeque<(OutputRecord, Verdict)>,
    /// At-least-once: changelog writes that follow when all else is stored.
    later: Later,
    /// Event logs: sets of events, in which order does not matter.
    unordered: BTreeSet<TopicName>,
    /// Records of other topics that were handed to the producer and are not known to be stored, with a key.
    sent: Vec<(OutputRecord, Verdict)>,
    /// Exactly-once: records that the broker refused and so spoiled their transaction. When they come again they are
    /// judged instead of sent.
    condemned: HashMap<OutputPlace, BrokerError>,
    /// Bytes of `waiting`.
    waiting_bytes: usize,
    /// Bytes that were handed to the producer since all of them were last known to be stored.
    unstored_bytes: usize,
    writing: Share,
}

/// A record's topic, key and value.
type OutputPlace = (TopicName, Option<Bytes>, Option<Bytes>);

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("channel", &self.channel).finish_non_exhaustive()
    }
}

impl Outbox {
    pub(crate) fn new(channel: Channel, topology: Topology, budget: Arc<Budget>) -> Self {
        let sources = topology.subtopologies().iter().flat_map(|part| &part.sources);
        let unordered = sources.filter(|source| source.start == StartPolicy::EventLog);
        let unordered = unordered.map(|source| source.topic.clone()).collect();
        let (records_out, waiting, sent, condemned) = (HashMap::new(), VecDeque::new(), Vec::new(), HashMap::new());
        let (waiting_bytes, unstored_bytes, writing) = (0, 0, Share::new(budget, Part::Writing));
        Self {
            channel,
            topology,
            records_out,
            waiting,
            later: Later::default(),
            unordered,
            sent,
            condemned,
            waiting_bytes,
            unstored_bytes,
            writing,
        }
    }

    /// Whether anything was written that is not known to be stored.
    pub(crate) fn holds_writes(&self) -> bool {
        self.writing.held() > 0
    }

    fn account(&mut self) {
        self.writing.set(self.waiting_bytes + self.unstored_bytes + self.later.n_bytes());
    }

    fn wait(&mut self, records: impl IntoIterator<Item = (OutputRecord, Verdict)>) {
        let bytes = &mut self.waiting_bytes;
        self.waiting.extend(records.into_iter().inspect(|(record, _)| *bytes += record.memory_bytes()));
    }

    /// Queues the effects of a task in the order in which they arose.
    pub(crate) fn put(&mut self, runner: &mut Runner) -> Result<(), RuntimeError> {
        let mut effects = runner.take_effects();
        for ((tally, reason), n) in effects.take_counts() {
            metrics::counter!(tally.metric(), "reason" => reason).increment(n);
        }
        effects.dead_letters.iter().for_each(count_dead_letter);
        let verdict = runner.default_verdict();
        let changelog = std::mem::take(&mut effects.changelog);
        let (changelog, later): (Vec<_>, Vec<_>) = match self.channel {
            Channel::Plain(_) => changelog.into_iter().partition(|write| runner.changelog_turn(&write.store) == 0),
            Channel::Transactions(_) => (changelog, Vec::new()),
        };
        for write in later {
            let turn = runner.changelog_turn(&write.store);
            let record = changelog_record(runner, write);
            record.into_iter().for_each(|record| self.later.add(turn, runner.id(), (record, verdict)));
        }
        let changelog = changelog.into_iter().filter_map(|write| changelog_record(runner, write));
        let records = changelog.chain(effects.outputs).chain(effects.dead_letters);
        self.wait(records.map(|record| (record, verdict)));
        self.drain().map(|_| ())
    }

    /// Hands what waits to the producer; false when the producer cannot take all of it now. Then no task may go on.
    pub(crate) fn drain(&mut self) -> Result<bool, RuntimeError> {
        let drained = self.hand_over();
        self.account();
        drained
    }

    fn hand_over(&mut self) -> Result<bool, RuntimeError> {
        while let Some((record, default)) = self.waiting.pop_front() {
            let n_bytes = record.memory_bytes();
            self.waiting_bytes = self.waiting_bytes.saturating_sub(n_bytes);
            if !self.condemned.is_empty()
                && let Some(error) = self.condemned.get(&output_place(&record)).cloned()
            {
                self.judge(DeliveryFailure { record, error }, default)?;
                continue;
            }
            self.count_out(&record);
            let again = self.may_be_sent_again(&record).then(|| (record.clone(), default));
            match self.channel.send(record) {
                Ok(()) => {
                    self.unstored_bytes += n_bytes;
                    self.sent.extend(again);
                }
                Err(failure) if failure.error.is_retriable() => {
                    tracing::warn!(error = %failure.error, "the broker takes no records; processing waits");
                    self.waiting_bytes += n_bytes;
                    self.waiting.push_front((failure.record, default));
                    return Ok(false);
                }
                Err(failure) => match self.channel.transactor() {
                    Some(transactor) if !is_refusal(&failure.error) => {
                        transactor.spoil(&failure.error);
                        return Ok(false);
                    }
                    _ => self.judge(failure, default)?,
                },
            }
        }
        Ok(true)
    }

    /// Changelog writes that follow the results.
    pub(crate) fn later(&mut self) -> &mut Later {
        &mut self.later
    }

    /// The open transaction, exactly-once.
    pub(crate) fn transactor(&mut self) -> Option<&mut Transactor> {
        self.channel.transactor()
    }

    /// Ends the transaction without a commit, and forgets all that was to be part of it.
    ///
    /// # Errors
    /// When the broker will never give its id again.
    pub(crate) fn abort(&mut self, timeout: Duration) -> Result<(), BrokerError> {
        self.waiting.clear();
        (self.waiting_bytes, self.unstored_bytes) = (0, 0);
        self.account();
        self.channel.transactor().map_or(Ok(()), |transactor| transactor.abort(timeout))
    }

    /// The transaction is committed.
    pub(crate) fn committed(&mut self) {
        self.condemned.clear();
    }

    /// Waits until everything queued is stored, exactly-once. A record that failed spoils the transaction; false then, or
    /// when some are still on their way after `timeout`.
    fn flush_transaction(&mut self, timeout: Duration) -> Result<bool, RuntimeError> {
        if !self.drain()? {
            return Ok(false);
        }
        let failures = match self.channel.flush(timeout) {
            Ok(failures) => failures,
            Err(error) if error.is_retriable() => {
                tracing::warn!(%error, "outputs are not stored yet; their transaction waits");
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        };
        let all_stored = failures.is_empty();
        self.unstored_bytes = 0;
        self.account();
        for DeliveryFailure { record, error } in failures {
            self.channel.transactor().into_iter().for_each(|transactor| transactor.spoil(&error));
            if is_refusal(&error) {
                self.condemned.insert(output_place(&record), error);
            }
        }
        Ok(all_stored)
    }

    /// Waits until everything queued is stored or judged; false when some of it is still on its way after `timeout`.
    pub(crate) fn flush(&mut self, timeout: Duration) -> Result<bool, RuntimeError> {
        if self.channel.transactor().is_some() {
            return self.flush_transaction(timeout);
        }
        let default = if self.topology.dead_letter_topic().is_some() { Verdict::DeadLetter } else { Verdict::Fail };
        while self.drain()? {
            let failures = match self.channel.flush(timeout) {
                Ok(failures) => failures,
                Err(error) if error.is_retriable() => {
                    tracing::warn!(%error, "outputs are not stored yet; their offsets wait");
                    return Ok(false);
                }
                Err(error) => return Err(error.into()),
            };
            // What was not stored waits again, with the records of its keys that follow.
            self.unstored_bytes = 0;
            if failures.is_empty() {
                self.sent.clear();
                let Some(next) = self.later.next() else {
                    self.account();
                    return Ok(true);
                };
                self.wait(next);
                continue;
            }
            let (late, refused): (Vec<_>, Vec<_>) =
                failures.into_iter().partition(|failure| failure.error.is_retriable());
            self.send_again(late, default);
            refused.into_iter().try_for_each(|failure| self.judge(failure, default))?;
        }
        Ok(false)
    }

    /// At-least-once, a record that was not stored is sent again, and those of its key that came later follow it.
    fn may_be_sent_again(&self, record: &OutputRecord) -> bool {
        matches!(self.channel, Channel::Plain(_)) && self.is_ordered(record)
    }

    /// Whether a later record of the same key replaces this one.
    fn is_ordered(&self, record: &OutputRecord) -> bool {
        record.key.is_some() && !self.unordered.contains(&record.topic)
    }

    /// Sends records again that were not stored. Later ones of the same key may be stored by now: they follow again, so
    /// that the newest stays the last.
    fn send_again(&mut self, late: Vec<DeliveryFailure>, default: Verdict) {
        let (ordered, others): (Vec<_>, Vec<_>) =
            late.into_iter().map(|failure| failure.record).partition(|record| self.is_ordered(record));
        let mut keys: HashMap<_, FailedKey<'_>> = HashMap::new();
        for record in &ordered {
            keys.entry(place(record)).or_default().values.insert(record.value.as_deref());
        }
        let again =
            |(record, _): &mut (OutputRecord, Verdict)| keys.get(&place(record)).is_some_and(|key| key.follows(record));
        let following: Vec<_> = self.sent.extract_if(.., again).collect();
        let unseen = |record: &OutputRecord| keys.get(&place(record)).is_some_and(|key| !key.met.get());
        let unseen = ordered.iter().filter(|record| unseen(record)).cloned();
        let unseen = others.into_iter().chain(unseen).map(|record| (record, default));
        self.wait(following.into_iter().chain(unseen.collect::<Vec<_>>()));
    }

    fn judge(&mut self, failed: DeliveryFailure, default: Verdict) -> Result<(), RuntimeError> {
        let DeliveryFailure { record, error } = failed;
        let source = TopicPartition { topic: record.topic.clone(), partition: record.partition.unwrap_or(-1) };
        let cause = error.to_string();
        let refused = as_log_record(record);
        let failure = Failure {
            stage: Stage::Produce,
            node: &format!("to-{}", source.topic),
            source: &source,
            record: &refused,
            cause: &cause,
            attempt: 1,
        };
        let letters = self.topology.dead_letter_topic().filter(|topic| **topic != source.topic).cloned();
        match (self.topology.handlers().decide(&failure, default), letters) {
            (Verdict::Skip, _) => {
                metrics::counter!("nowfold_records_dropped_total", "reason" => "produce").increment(1);
                Ok(())
            }
            (Verdict::DeadLetter, Some(topic)) => {
                tracing::warn!(cause, topic = %source.topic, "a record is refused and becomes a dead letter");
                self.wait([(failure.to_dead_letter(&topic), Verdict::Fail)]);
                Ok(())
            }
            _ => {
                let (node, offset) = (failure.node.to_owned(), refused.offset);
                Err(TaskFailure { stage: Stage::Produce, node, source_partition: source, offset, cause }.into())
            }
        }
    }

    fn count_out(&mut self, record: &OutputRecord) {
        if let Some(counter) = self.records_out.get(record.topic.as_str()) {
            return counter.increment(1);
        }
        let topic = record.topic.to_string();
        let counter = metrics::counter!("nowfold_records_out_total", "topic" => topic.clone());
        counter.increment(1);
        self.records_out.insert(topic, counter);
    }
}

/// Whether the broker will never take the record, whatever else becomes of it.
fn is_refusal(error: &BrokerError) -> bool {
    matches!(error, BrokerError::Refused { .. } | BrokerError::UnknownTopic { .. })
}

fn output_place(record: &OutputRecord) -> OutputPlace {
    (record.topic.clone(), record.key.clone(), record.value.clone())
}

/// The values of a key that were not stored.
#[derive(Default)]
struct FailedKey<'a> {
    values: HashSet<Option<&'a [u8]>>,
    /// Whether the first of them has been met among the records of the key.
    met: Cell<bool>,
}

impl FailedKey<'_> {
    /// Whether this record, the next of the key, is the first that failed or comes after it.
    fn follows(&self, record: &OutputRecord) -> bool {
        self.met.set(self.met.get() || self.values.contains(&record.value.as_deref()));
        self.met.get()
    }
}

/// What keeps its order: a key in a topic, or in one partition of it.
fn place(record: &OutputRecord) -> (&TopicName, Option<i32>, Option<&[u8]>) {
    (&record.topic, record.partition, record.key.as_deref())
}

fn count_dead_letter(letter: &OutputRecord) {
    let stage = letter.headers.last(dead_letter::STAGE).and_then(|header| header.value.clone());
    let stage = stage.map_or_else(String::new, |stage| String::from_utf8_lossy(&stage).into_owned());
    metrics::counter!("nowfold_dead_letters_total", "stage" => stage).increment(1);
}

fn changelog_record(runner: &Runner, write: ChangelogWrite) -> Option<OutputRecord> {
    Some(OutputRecord {
        topic: runner.changelog_topic(&write.store)?,
        partition: Some(runner.id().partition),
        key: Some(write.key),
        value: write.value,
        timestamp: write.timestamp,
        headers: Headers::new(),
    })
}

fn as_log_record(record: OutputRecord) -> LogRecord {
    LogRecord {
        offset: -1,
        key: record.key,
        value: record.value,
        timestamp: record.timestamp,
        timestamp_type: TimestampType::CreateTime,
        headers: record.headers,
    }
}
