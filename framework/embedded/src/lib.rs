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
//! * Transactions: records and offsets become readable together; a newer producer of an id fences the older one; a
//!   transaction that is open for too long is aborted; nothing behind an open one is readable (last stable offset), and
//!   every transaction ends with a marker that takes an offset in each of its partitions.
//!
//! # What is not
//!
//! * A producer has no queue and no thread: in memory `send` appends at once. With a data directory records are written
//!   when 64 KiB have come together, when a reader is waiting or comes to the end, or at `flush`: nobody waits for a
//!   record that was sent. Records are never read before they are written, nor committed offsets asked for.
//! * Failures that a retry may cure come from `flush`, all others from `send`.
//! * The log keeps the very [`Bytes`](bytes::Bytes) it was given: a slice of a large buffer keeps that buffer alive.
//! * Committed offsets never expire. Replication settings are accepted and have no effect.
//! * Transactions only in memory: with a data directory [`transactional_producer`] is refused. A reader never sees an
//!   aborted record, and one that the broker would still call uncommitted under `read_uncommitted` cannot be read at all.
//!
//! [`transactional_producer`]: nowfold_runtime::broker::Broker::transactional_producer
//!
//! # The data directory
//!
//! What was flushed, read or committed survives the death of the process, `kill -9` included; with
//! [`Durability::PowerLoss`] also that of the machine, at the price of an `fsync` per flush and commit. A torn end is cut
//! off when the log is opened, with a warning in the log. A directory belongs to one process at a time, is readable by
//! its owner only, and carries its format version: other files and newer formats are refused, never overwritten.
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
mod transactional;
mod transactions;

pub use error::OpenError;
pub use faults::Faults;
pub use log::EmbeddedLog;
pub use options::{Durability, Options};
