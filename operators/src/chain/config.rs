//! Settings of an event-chain store.

use std::collections::BTreeMap;
use std::time::Duration;

use nowfold_core::time::{hours, minutes};

use super::limit::MemoryLimit;

/// What to do with an action that carries no event time (none, zero or a negative one).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingTime {
    /// Refuse it as `bad_timestamp`.
    #[default]
    Reject,
    /// Take the timestamp of its record in the actions topic.
    UseRecordTime,
}

/// Where the vectors of events are kept. No answer depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Vectors {
    /// Events share equal vectors, until an attribute has too few of them: of its next 32,768 new vectors, fewer than
    /// 4,096 came again. From then on its vectors lie with their events.
    #[default]
    Auto,
    /// Events share equal vectors. Takes least when many act on the same objects.
    Shared,
    /// Every event has its own. Takes least when hardly a vector comes twice.
    WithEvent,
}

/// What to do with an event whose id its actor has already, at any time and verb.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dedup {
    /// The first in the log wins; later ones are repeats.
    #[default]
    FirstInLog,
    /// They are versions of the event: the one with the highest `sequence` wins, and of equal ones the first in the log.
    /// A version replaces the one before it whole, with its time, verb, object and attributes, in any order of arrival.
    LatestWins,
}

/// Settings of one store of event chains; the same for all of its partitions.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ChainConfig {
    /// Events with a time at or before stream time minus this are dropped.
    pub retention: Duration,
    /// Events further ahead of their record's append time than this are quarantined. Default: 5 minutes.
    pub max_future_skew: Duration,
    /// Part of the retention that windows may not use, for clock differences and slow readers. Default: 10 minutes.
    pub read_slack: Duration,
    /// How long the actions topic keeps records, which is how long an erasure stays in force.
    /// Default: retention + skew + 24 hours.
    pub topic_retention: Duration,
    /// What to do without an event time. Default: refuse.
    pub missing_time: MissingTime,
    /// What to do with an event whose id its actor has already. Default: the first in the log wins.
    pub dedup: Dedup,
    /// With [`Dedup::LatestWins`]: how much earlier a version's time may be than that of the version before it. Events are
    /// remembered this long after they have expired, so that an earlier version does not come back. Default: 1 hour.
    pub version_span: Duration,
    /// How many events an actor may have; beyond that the oldest in order go, and answers that would need them say
    /// `truncated`. Default: no limit.
    pub max_events_per_actor: Option<usize>,
    /// How much memory a partition may take, and what happens beyond that. Default: no limit.
    pub memory_limit: Option<MemoryLimit>,
    /// How many of the latest events that were not kept are remembered per actor, to explain answers. Default: 32.
    pub drops_per_actor: usize,
    /// How many such events a partition remembers in all. Default: 16,384, which is 3 to 11 MB, the more
    /// the more actors they are of.
    pub drops: usize,
    /// Dimension of vector attributes by path, such as `object.embedding`. An attribute that is not listed takes the
    /// dimension of the first vector the partition admits, which depends on the log's order: list those that matter.
    pub vector_dims: BTreeMap<String, usize>,
    /// Where vectors are kept. Default: shared where that pays.
    pub vectors: Vectors,
}

impl ChainConfig {
    /// The defaults around a retention.
    pub fn new(retention: Duration) -> Self {
        let max_future_skew = minutes(5);
        Self {
            retention,
            max_future_skew,
            read_slack: minutes(10),
            topic_retention: retention.saturating_add(max_future_skew).saturating_add(hours(24)),
            missing_time: MissingTime::Reject,
            dedup: Dedup::FirstInLog,
            version_span: hours(1),
            max_events_per_actor: None,
            memory_limit: None,
            drops_per_actor: 32,
            drops: 16_384,
            vector_dims: BTreeMap::new(),
            vectors: Vectors::Auto,
        }
    }

    /// Fixes the dimension of a vector attribute, such as `("object.embedding", 128)`.
    #[must_use]
    pub fn vector_dim(mut self, path: impl Into<String>, dim: usize) -> Self {
        self.vector_dims.insert(path.into(), dim);
        self
    }

    /// Says where vectors are kept.
    #[must_use]
    pub fn vectors(mut self, vectors: Vectors) -> Self {
        self.vectors = vectors;
        self
    }

    /// How far behind stream time an event may lie and still matter: the retention, and for versions of an event the
    /// time by which they may differ.
    pub(crate) fn horizon(&self) -> Duration {
        match self.dedup {
            Dedup::FirstInLog => self.retention,
            Dedup::LatestWins => self.retention.saturating_add(self.version_span),
        }
    }

    /// The longest window that fits: retention minus the slack for reads.
    pub fn longest_window(&self) -> Duration {
        self.retention.saturating_sub(self.read_slack)
    }
}
