//! The nodes of one task, and how a record runs through them.
//!
//! Nodes are typed at the door and boxed inside: a record travels as `&mut Option<Record<K, V>>` behind `dyn Any` on the
//! caller's stack, so that forwarding allocates nothing.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use super::effects::Effects;
use crate::failure::{Failure, FailureHandlers, Stage, Verdict};
use crate::names::{StoreName, TopicName, TopicPartition};
use crate::processor::{ChangelogWrite, ProcessError};
use crate::record::{LogRecord, Origin, TimestampType};
use crate::state::{StateStore, StoreError};
use crate::time::Timestamp;

/// The header that carries the root origin and the index path through intermediate topics.
pub(crate) const ORIGIN_HEADER: &str = "nowfold-origin";

/// A node at work. `slot` is an `Option<Record<K, V>>` of the node's input type.
pub(crate) trait Node: Send {
    fn process(&mut self, cx: &mut NodeContext<'_>, slot: &mut dyn Any) -> Result<(), ProcessError>;
}

/// Copies a slot so that a second child gets its own record.
pub(crate) type CloneSlot = fn(&dyn Any) -> Option<Box<dyn Any>>;

/// The unchanging part of a node.
pub(crate) struct Wiring {
    pub(crate) name: Arc<str>,
    pub(crate) children: Vec<usize>,
    pub(crate) clone_slot: Option<CloneSlot>,
    pub(crate) stores: Vec<StoreName>,
}

pub(crate) struct StoreSlot {
    pub(crate) store: Box<dyn StateStore>,
    pub(crate) logged: bool,
}

/// State of a task that all its nodes share.
pub(crate) struct Shared {
    pub(crate) effects: Effects,
    pub(crate) stores: HashMap<StoreName, StoreSlot>,
    pub(crate) handlers: FailureHandlers,
    pub(crate) default_verdict: Verdict,
    pub(crate) dead_letter_topic: Option<TopicName>,
    pub(crate) stream_time: Timestamp,
    pub(crate) wall_clock: Timestamp,
    pub(crate) replaying: bool,
    current: Current,
}

/// The record that is being processed.
struct Current {
    source: TopicPartition,
    record: LogRecord,
    origin: Origin,
    /// The index path of an origin that came through an intermediate topic.
    inherited: Option<String>,
    n_ids: u64,
}

/// A store's name, the store, and where its writes are logged, when it has a changelog topic.
pub(crate) type ConnectedStore<'a> = (&'a StoreName, &'a mut dyn StateStore, Option<&'a mut Vec<ChangelogWrite>>);

/// A node's view of the task while it runs.
pub(crate) struct NodeContext<'t> {
    pub(crate) nodes: &'t mut [Option<Box<dyn Node>>],
    pub(crate) wiring: &'t [Wiring],
    pub(crate) shared: &'t mut Shared,
    pub(crate) node: usize,
}

impl Shared {
    pub(crate) fn new(
        stores: HashMap<StoreName, StoreSlot>,
        handlers: FailureHandlers,
        default_verdict: Verdict,
        dead_letter_topic: Option<TopicName>,
    ) -> Self {
        Self {
            effects: Effects::default(),
            stores,
            handlers,
            default_verdict,
            dead_letter_topic,
            stream_time: Timestamp::MIN,
            wall_clock: Timestamp::MIN,
            replaying: false,
            current: Current::nothing(),
        }
    }

    /// Makes `record` the present one.
    pub(crate) fn begin(&mut self, source: &TopicPartition, record: LogRecord) {
        self.stream_time = self.stream_time.max(record.timestamp);
        self.current.begin(source, record);
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.current.origin
    }

    pub(crate) fn next_event_id(&mut self) -> String {
        let i = self.current.n_ids;
        self.current.n_ids += 1;
        match &self.current.inherited {
            Some(path) => format!("{path}/{i}"),
            None => {
                let Origin { source, offset, timestamp, .. } = &self.current.origin;
                format!("{}/{}/{offset}/{}/{i}", source.topic, source.partition, timestamp.as_millis())
            }
        }
    }

    pub(crate) fn source_record(&self) -> (&TopicPartition, &LogRecord) {
        (&self.current.source, &self.current.record)
    }

    /// Applies the verdict on a failure of the present record; an error means that the task must stop.
    pub(crate) fn failed(&mut self, node: &str, error: ProcessError) -> Result<(), ProcessError> {
        if error.fatal || error.retriable {
            return Err(error.at_node(node));
        }
        let failure = self.failure(node, error.stage, &error.cause);
        match self.handlers.decide(&failure, self.default_verdict) {
            Verdict::Fail => return Err(error.at_node(node)),
            Verdict::Skip => self.effects.count("skipped", 1),
            Verdict::DeadLetter => self.dead_letter(node, error.stage, &error.cause),
        }
        Ok(())
    }

    pub(crate) fn dead_letter(&mut self, node: &str, stage: Stage, cause: &str) {
        self.effects.count("dead_letter", 1);
        if self.replaying {
            return;
        }
        if let Some(topic) = &self.dead_letter_topic {
            let letter = self.failure(node, stage, cause).to_dead_letter(topic);
            self.effects.dead_letters.push(letter);
        }
    }

    fn failure<'a>(&'a self, node: &'a str, stage: Stage, cause: &'a str) -> Failure<'a> {
        Failure { stage, node, source: &self.current.source, record: &self.current.record, cause }
    }
}

impl Current {
    fn nothing() -> Self {
        let source = TopicPartition::new("", 0);
        let record = LogRecord::empty();
        let origin = Origin {
            source: source.clone(),
            offset: -1,
            timestamp: Timestamp::MIN,
            timestamp_type: TimestampType::CreateTime,
        };
        Self { source, record, origin, inherited: None, n_ids: 0 }
    }

    fn begin(&mut self, source: &TopicPartition, record: LogRecord) {
        self.n_ids = 0;
        if self.source != *source {
            self.source = source.clone();
        }
        let inherited = record.headers.last(ORIGIN_HEADER).and_then(|header| header.value.as_ref());
        let inherited = inherited.and_then(|text| std::str::from_utf8(text).ok()).and_then(parse_origin);
        let (origin, path) = match inherited {
            Some((origin, path)) => (origin, Some(path)),
            None => (own_origin(source, &record), None),
        };
        (self.origin, self.inherited, self.record) = (origin, path, record);
    }
}

fn own_origin(source: &TopicPartition, record: &LogRecord) -> Origin {
    let (timestamp, timestamp_type) = (record.timestamp, record.timestamp_type);
    Origin { source: source.clone(), offset: record.offset, timestamp, timestamp_type }
}

/// Reads `{topic}/{partition}/{offset}/{timestamp}/{i}...`; topic names hold no slash.
fn parse_origin(path: &str) -> Option<(Origin, String)> {
    let mut parts = path.split('/');
    let source = TopicPartition::new(parts.next()?, parts.next()?.parse().ok()?);
    let offset = parts.next()?.parse().ok()?;
    let timestamp = Timestamp::from_millis(parts.next()?.parse().ok()?);
    parts.next()?;
    Some((Origin { source, offset, timestamp, timestamp_type: TimestampType::CreateTime }, path.to_owned()))
}

impl NodeContext<'_> {
    pub(crate) fn name(&self) -> &str {
        self.wiring.get(self.node).map_or("", |wiring| &wiring.name)
    }

    /// Hands the record in `slot` to every child. A failure below is judged here, so that siblings still get theirs.
    pub(crate) fn forward(&mut self, slot: &mut dyn Any) -> Result<(), ProcessError> {
        let Some(wiring) = self.wiring.get(self.node) else { return Ok(()) };
        let Some((last, others)) = wiring.children.split_last() else { return Ok(()) };
        for &child in others {
            let Some(mut copy) = wiring.clone_slot.and_then(|clone| clone(slot)) else {
                return Err(ProcessError::new(format!(
                    "node {:?} has several children but no way to copy records",
                    wiring.name
                )));
            };
            self.run(child, copy.as_mut())?;
        }
        self.run(*last, slot)
    }

    /// Hands the record in `slot` to one child only, by its place among the children.
    pub(crate) fn forward_to(&mut self, place: usize, slot: &mut dyn Any) -> Result<(), ProcessError> {
        let child = self.wiring.get(self.node).and_then(|wiring| wiring.children.get(place).copied());
        child.map_or(Ok(()), |child| self.run(child, slot))
    }

    fn run(&mut self, child: usize, slot: &mut dyn Any) -> Result<(), ProcessError> {
        let Some(mut node) = self.nodes.get_mut(child).and_then(Option::take) else {
            return Err(ProcessError::new("a topology has no cycles"));
        };
        let mut below =
            NodeContext { nodes: &mut *self.nodes, wiring: self.wiring, shared: &mut *self.shared, node: child };
        let outcome = node.process(&mut below, slot);
        if let Some(place) = self.nodes.get_mut(child) {
            *place = Some(node);
        }
        let name = self.wiring.get(child).map_or("", |wiring| &wiring.name);
        outcome.or_else(|error| self.shared.failed(name, error))
    }

    pub(crate) fn dead_letter(&mut self, stage: Stage, cause: &str) {
        let name = self.wiring.get(self.node).map_or("", |wiring| &wiring.name);
        self.shared.dead_letter(name, stage, cause);
    }

    /// The store of this name, and where its writes are logged, when it has a changelog topic.
    pub(crate) fn store(&mut self, store: &str) -> Result<ConnectedStore<'_>, StoreError> {
        let missing = || StoreError::NotConnected { store: store.to_owned(), kind: "state" };
        let wiring = self.wiring.get(self.node).ok_or_else(missing)?;
        let name = wiring.stores.iter().find(|name| name.as_str() == store).ok_or_else(missing)?;
        let slot = self.shared.stores.get_mut(name).ok_or_else(missing)?;
        let changelog = slot.logged.then_some(&mut self.shared.effects.changelog);
        Ok((name, slot.store.as_mut(), changelog))
    }
}
