//! The engine: the contracts of stores, epochs, crashes and damage.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, too"
)]

mod contract;
mod differential;
mod epochs;
mod files;
mod fixtures;
mod support;
