//! The command `nowfold` from outside, as a person runs it. Kafka is found in `NOWFOLD_TEST_KAFKA`, a registry in
//! `NOWFOLD_TEST_REGISTRY`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails is a test that fails")]

mod backfill;
mod check;
mod kafka;
mod kill;
mod mistakes;
mod parquet;
mod support;
