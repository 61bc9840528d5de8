//! Tests of the query server over real sockets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, too"
)]

mod actions;
mod batch;
mod client;
mod codes;
mod erase;
mod errors;
mod explain;
mod features;
mod freshness;
mod guide;
mod health;
mod limits;
mod lineage;
mod support;
mod world;
