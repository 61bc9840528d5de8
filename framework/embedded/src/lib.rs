//! An in-process log behind the broker ports of nowfold: Kafka's behaviour without Kafka.
//!
//! [`EmbeddedLog`] is a [`Broker`](nowfold_runtime::broker::Broker): topics with partitions and Kafka's settings, groups
//! with sticky assignment and fencing, committed offsets, retention, compaction, an optional data directory. It passes
//! the same contract suite as the Kafka adapter (`nowfold_runtime::contract`).
//!
//! **Use it** for examples, tests, single-process services and simulations with injected faults. **Do not use it** to
//! share a log between processes or machines, or for more data than fits in memory: every record is held there, the
//! data directory only brings it back after a restart.
//!
//! # What is as on Kafka
//!
//! * Topic settings under Kafka's names with Kafka 4's defaults, unknown names refused; topics are created explicitly.
//! * `message.timestamp.type`: `CreateTime` keeps the producer's timestamp and refuses one that is further ahead of the
//!   log's clock than `message.timestamp.after.max.ms` (1 h); `LogAppendTime` stamps the clock's time, which never goes
//!   back within a partition.
//! * Retention drops whole segments, by age of the newest record in them (**event time** under `CreateTime`, so records
//!   of years ago expire at the next check) or by size; compaction works on closed segments only, keeps offsets, keeps
//!   tombstones for `delete.retention.ms`, and refuses records without keys.
//! * The default partitioner is murmur2 of the key; records without a key take turns.
//! * Commits are fenced by membership, not by partition.
//!
//! # What is not
//!
//! * A producer's `send` appends at once, so records are readable before `flush`; the only failures that wait for
//!   `flush` are retriable ones.
//! * The log keeps the very [`Bytes`](bytes::Bytes) it was given: a slice of a large buffer keeps that buffer alive.
//! * Committed offsets never expire. Replication settings are accepted and have no effect.
//! * No transactions yet.
//!
//! # Time
//!
//! All time is the injected [`Clock`](nowfold_core::time::Clock)'s: append times, retention, sessions of group members.
//! With a hand-driven clock nothing happens until it is moved.

mod disk;
mod error;
mod faults;
mod group;
mod log;
mod options;
mod partition;
mod port;
mod producer;
mod reader;
mod topic;

pub use error::OpenError;
pub use faults::Faults;
pub use log::EmbeddedLog;
pub use options::{Durability, Options};
