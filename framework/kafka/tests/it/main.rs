//! Tests against a real Kafka. They need `NOWFOLD_TEST_KAFKA=host:port` and say so where it is absent.
//!
//! What the measurements of `costs` print: `cargo test --release -p nowfold-kafka --test it -- --ignored --nocapture
//! --test-threads=1 measures`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod child;
mod connecting;
mod contract;
mod costs;
mod members;
mod producing;
mod raw;
mod reading;
mod support;
