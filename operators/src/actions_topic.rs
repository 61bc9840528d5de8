//! Streams of actions, and the contract of the topic that holds them.
//!
//! The topic is the changelog of every store made from it, so its settings decide whether state survives: it keeps
//! records for a time (compaction would keep one action per actor), stamps them when they are appended (an event time of
//! years ago must not make the broker delete a record), and is keyed by the actor's UTF-8 bytes.

use std::sync::Arc;
use std::time::Duration;

use nowfold_core::dsl::{KStream, StreamsBuilder, Through};
use nowfold_core::names::TopicName;
use nowfold_core::serde::{Nullable, Pair, Utf8};
use nowfold_core::time::millis;
use nowfold_core::topology::{Expected, PartitionCount, TopicBlueprint, TopicRequirement, TopicRole, TopicRule};
use nowfold_schemas::ActionCodec;
use nowfold_schemas::action::Action;

use crate::chain::ChainConfig;

/// A stream of standard actions on their way to the actions topic.
#[derive(Debug)]
#[must_use = "actions do nothing until they are written through a topic"]
pub struct ActionStream(KStream<Arc<str>, Action>);

/// The actions topic as it is read: a null value erases its actor.
#[derive(Clone, Debug)]
#[must_use = "the actions topic does nothing until it is materialized"]
pub struct ActionLog {
    pub(crate) stream: KStream<Arc<str>, Option<Action>>,
    pub(crate) topic: TopicName,
    /// Whether this application creates the topic when absent.
    pub(crate) created_here: bool,
}

impl ActionStream {
    pub(crate) fn new(stream: KStream<Arc<str>, Action>) -> Self {
        Self(stream)
    }

    /// The stream itself, keyed by actor, for any other operator.
    pub fn into_stream(self) -> KStream<Arc<str>, Action> {
        self.0
    }

    /// Makes a stream of actions out of a stream that has them already, each with event id, sequence and time.
    pub fn from_stream(stream: KStream<Arc<str>, Action>) -> Self {
        Self(stream)
    }

    /// The actions of both streams.
    pub fn merge(self, name: &str, other: Self) -> Self {
        Self(self.0.merge(name, other.0))
    }

    /// Writes the actions to the topic of this name and goes on from there. The topic is created by the contract when
    /// absent, and checked against it when present (`NF131`, `NF133`).
    pub fn through(self, topic: impl Into<TopicName>) -> ActionLog {
        self.through_with(Through::topic(topic))
    }

    /// Like [`through`](Self::through), with a number of partitions or further settings.
    pub fn through_with(self, through: Through) -> ActionLog {
        let topic = through.name().clone();
        let through = settings().iter().fold(through, |through, (key, value)| through.config(*key, *value));
        let through = rules().into_iter().fold(through, Through::rule);
        let stream = self.0.through_as(through, ActionCodec::new().pair(), reader());
        ActionLog { stream: stream.dead_letters_by_default(), topic, created_here: true }
    }
}

/// Starts from an actions topic that others fill.
pub trait ActionSource {
    /// Reads an actions topic; it must exist and keep the contract.
    fn actions(&self, topic: impl Into<TopicName>) -> ActionLog;

    /// Reads an actions topic with a codec that knows further schemas.
    fn actions_with(&self, topic: impl Into<TopicName>, codec: ActionCodec) -> ActionLog;
}

impl ActionSource for StreamsBuilder {
    fn actions(&self, topic: impl Into<TopicName>) -> ActionLog {
        self.actions_with(topic, ActionCodec::new())
    }

    fn actions_with(&self, topic: impl Into<TopicName>, codec: ActionCodec) -> ActionLog {
        let topic = topic.into();
        let (name, role) = (topic.clone(), TopicRole::Source);
        self.require(TopicRequirement { name, role, create: None, rules: rules() });
        let stream = self.stream_of(&topic, Pair::new(Utf8, Nullable(codec)));
        ActionLog { stream: stream.dead_letters_by_default(), topic, created_here: false }
    }
}

/// What an actions topic must be for a store of this retention, created with `partitions` (`None`: the runtime's default)
/// when absent: for programs that write actions without a pipeline.
pub fn actions_topic(topic: impl Into<TopicName>, retention: Duration, partitions: Option<i32>) -> TopicRequirement {
    let needed = millis(ChainConfig::new(retention).topic_retention);
    let count = partitions.map_or(PartitionCount::LargestOf(Vec::new()), PartitionCount::Fixed);
    let mut create = TopicBlueprint::new(count, &settings());
    create.config.insert("retention.ms".to_owned(), needed.to_string());
    let mut rules = rules();
    rules.push(outlives(needed));
    TopicRequirement { name: topic.into(), role: TopicRole::Sink, create: Some(create), rules }
}

/// The topic must keep records for this many milliseconds.
pub(crate) fn outlives(needed_ms: i64) -> TopicRule {
    TopicRule {
        key: "retention.ms",
        expected: Expected::AtLeastMs(needed_ms),
        code: "NF134",
        consequence: "actions would be deleted before the store has done with them",
    }
}

fn reader() -> Pair<Utf8, Nullable<ActionCodec>> {
    Pair::new(Utf8, Nullable(ActionCodec::new()))
}

/// Settings with which the topic is created. Its retention follows from the stores made from it.
const fn settings() -> [(&'static str, &'static str); 2] {
    [("cleanup.policy", "delete"), ("message.timestamp.type", "LogAppendTime")]
}

fn rules() -> Vec<TopicRule> {
    vec![
        TopicRule {
            key: "cleanup.policy",
            expected: Expected::Exactly("delete"),
            code: "NF131",
            consequence: "only one action per actor would survive",
        },
        TopicRule {
            key: "message.timestamp.type",
            expected: Expected::Exactly("LogAppendTime"),
            code: "NF133",
            consequence: "the broker would delete or refuse actions by their event time, and replays would decide differently",
        },
    ]
}
