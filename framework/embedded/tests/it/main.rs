//! Tests of the embedded log through its public interface.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail by panicking, too")]

mod compaction;
mod contract;
mod crash;
mod data_dir;
mod fixtures;
mod group_model;
mod groups;
mod log;
mod model;
mod retention;
mod running;
mod support;
mod transactions;
