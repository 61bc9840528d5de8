//! Apache Kafka behind the ports of `nowfold-runtime`, through rdkafka (librdkafka).
//!
//! [`Kafka::connect`] gives a [`Broker`](nowfold_runtime::broker::Broker). How it uses the client:
//!
//! - **One data consumer per process**, with a queue per partition. Readers are assigned one by one at explicit offsets;
//!   an offset that the log does not hold is an error, never a reset. A second reader of a partition that is already
//!   being read opens a further consumer.
//! - **One group member per [`join`](nowfold_runtime::broker::Broker::join)**, which fetches nothing: it answers every
//!   rebalance with an empty incremental assignment. Ownership is what its events say. A thread of this crate serves it,
//!   and holds the rebalance until `release`.
//! - **One idempotent producer per [`producer`](nowfold_runtime::broker::Broker::producer)**, with Kafka's own
//!   partitioner (murmur2).
//! - **A client that has lost the cluster is replaced.** librdkafka forgets every broker, for good, when one that has just
//!   started names none (its issue 5301). A client that hears nothing for 15 s, or gets no answer, gives way to a new one
//!   as soon as that finds the cluster; its readers go on where they were.
//! - **One producer per transactional id**: offsets go into its transactions with the member's group metadata. A commit
//!   waits for its records first, by polling: the client's own waiting goes in steps of 100 ms.
//! - Only committed records are read (`read_committed`): a log's end is its last stable offset.
//!
//! # Wakers
//! A reader's waker is called from librdkafka's threads while the partition's queue is locked. It may unpark a thread,
//! send to a channel or notify a condition; it must not call the reader, and must not wait for a lock that its owner
//! holds while it polls.
//!
//! # Timestamps
//! librdkafka takes timestamp 0 for "now", so a record at 0 ms is stored at 1 ms.

mod admin;
#[expect(unsafe_code, reason = "rdkafka cannot take messages in batches; see the module")]
mod batch;
mod broker;
mod client;
mod committer;
mod config;
mod convert;
mod error;
mod lane;
mod member;
mod membership;
mod missing;
mod owned;
mod producer;
mod pump;
mod reader;
mod report;
mod topics;
mod transactional;

pub use broker::Kafka;
pub use config::{GroupProtocol, KafkaConfig};
